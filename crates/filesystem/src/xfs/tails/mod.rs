//! Residue inside live metadata: what each structure holds beyond what it uses, as positive lists.

mod attribute;
mod directory;
mod group;
mod inode;

use block::{BlockRead, Result};

use super::{Xfs, inode::Slot};
use crate::tails::Visit;

impl<D: BlockRead> Xfs<D> {
    /// See [`Filesystem::tails`](crate::Filesystem::tails).
    pub(crate) fn visit_tails(&self, visit: &mut Visit<'_>) -> Result<()> {
        for ag in self.geometry.groups() {
            self.group_tails(ag, visit)?;
        }
        self.all_inodes(&mut |slot| match slot {
            Slot::Free(inode) => self.free_inode_tails(&inode, visit),
            Slot::Used(inode) => self.inode_tails(&inode, visit),
        })
    }
}
