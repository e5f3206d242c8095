//! What the kernel finishes after its replay: inodes without a name, and the superblock's counters.

use std::collections::HashSet;

use block::{BlockRead, BlockWrite, Object, Result, to_usize};

use super::{
    super::{
        Xfs, checksum,
        format::{agf, agi, inode as dinode},
        geometry::{AgInode, NO_AG_INODE},
        superblock as sb,
    },
    kinds,
};
use crate::InodeId;

impl<D: BlockRead> Xfs<D> {
    /// The inodes that have lost their last name while they were open, in the order of their lists.
    pub(super) fn unlinked(&self) -> Result<Vec<InodeId>> {
        let geometry = &self.geometry;
        let mut found = Vec::new();
        for group in geometry.groups() {
            let agi = self.agi(group)?;
            let mut seen = HashSet::new();
            for bucket in 0..agi::UNLINKED_BUCKETS {
                let mut next = agi::unlinked(bucket).get(&agi);
                while next != NO_AG_INODE {
                    let object = Object::numbered("AGI", group.0.into());
                    let number = geometry.inode_number(group, AgInode(next));
                    if geometry.split_inode(number) != Some((group, AgInode(next))) {
                        return Err(object.corrupt("unlinked inode", next, "one of the group's"));
                    }
                    if !seen.insert(next) {
                        return Err(object.corrupt(
                            "list of unlinked inodes",
                            "a circle",
                            "a list with an end",
                        ));
                    }
                    let mut raw = vec![0; to_usize(geometry.inode_size)];
                    self.device.read_at(geometry.inode_offset(number), &mut raw)?;
                    if !kinds::is_inode(&raw) {
                        let found = format!("{:#06x}", dinode::MAGIC.get(&raw));
                        return Err(Object::numbered("inode", number.0).corrupt("magic", found, "0x494e"));
                    }
                    found.push(InodeId(number.0));
                    next = dinode::NEXT_UNLINKED.get(&raw);
                }
            }
        }
        Ok(found)
    }
}

impl<D: BlockWrite> Xfs<D> {
    /// Adds up what the groups count, for the superblock, which has it only after an unmount.
    pub(super) fn recount(&mut self) -> Result<()> {
        let mut raw = self.superblock.bytes().to_vec();
        let more = self.superblock.has_version(sb::version::MORE);
        let lazy = more && sb::FEATURES2.get(&raw) & sb::features2::LAZY_COUNT != 0;
        if !lazy && !self.geometry.v5 {
            return Ok(());
        }
        let (mut inodes, mut free_inodes, mut free_blocks) = (0u64, 0u64, 0u64);
        for group in self.geometry.groups() {
            let agf = self.agf(group)?;
            for field in [agf::FREE_BLOCKS, agf::FREE_LIST_COUNT, agf::BTREE_BLOCKS] {
                free_blocks += u64::from(field.get(&agf));
            }
            let agi = self.agi(group)?;
            inodes += u64::from(agi::COUNT.get(&agi));
            free_inodes += u64::from(agi::FREE_COUNT.get(&agi));
        }
        sb::INODE_COUNT.set(&mut raw, inodes);
        sb::FREE_INODES.set(&mut raw, free_inodes);
        sb::FREE_BLOCKS.set(&mut raw, free_blocks);
        if self.geometry.v5 {
            checksum::seal(&mut raw, sb::CRC);
        }
        self.device.write_at(0, &raw)?;
        self.reload()
    }
}
