//! What a replayed log leaves to be done: trees that lack what transactions had announced, and inodes that lost their
//! last name while they were open.

use std::collections::BTreeSet;

use block::{BlockWrite, Result};

use crate::xfs::{
    Recovered, Xfs,
    format::inode::NEXT_UNLINKED,
    geometry::{AgNumber, InodeNumber, NO_AG_INODE},
};

impl<D: BlockWrite> Xfs<D> {
    /// Finishes what [`recover_log`](Xfs::recover_log) left. Returns how many inodes were freed.
    pub(in crate::xfs) fn finish_recovery(&mut self, recovered: &Recovered) -> Result<u64> {
        self.take_stock(recovered.rebuild.iter().copied().map(AgNumber))?;
        if recovered.transactions > 0 {
            for ag in self.geometry.groups() {
                self.group(ag)?.drop_staging()?;
            }
        }
        let mut freed = 0;
        let mut heads = BTreeSet::new();
        for &id in &recovered.unlinked {
            let mut inode = self.inode(id)?;
            if let Some((ag, _)) = self.geometry.split_inode(InodeNumber(id.0)) {
                heads.insert(ag);
            }
            // One that has a name again (linkat on an open file without one) only leaves the list.
            if inode.links() == 0 {
                self.release_inode(&inode)?;
                freed += 1;
            } else {
                NEXT_UNLINKED.set(&mut inode.raw, NO_AG_INODE);
                self.write_inode(&mut inode)?;
            }
        }
        for ag in heads {
            self.group(ag)?.empty_unlinked_lists();
        }
        self.settle()?;
        Ok(freed)
    }
}
