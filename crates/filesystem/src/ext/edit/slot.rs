//! Takes a free inode into use: the first one from the group of its directory on, always the same.

use block::{BlockRead, BlockWrite, Object, Result, to_usize};

use super::unsupported;
use crate::ext::{
    Ext,
    group::{
        FLAGS, FREE_INODES_COUNT_HI, FREE_INODES_COUNT_LO, Group, INODE_UNINIT, ITABLE_UNUSED_HI,
        ITABLE_UNUSED_LO, USED_DIRS_COUNT_HI, USED_DIRS_COUNT_LO, bit,
    },
    inode::Inode,
};

impl<D: BlockRead> Ext<D> {
    /// The first free inode of a group that is not reserved, by its index, and the group's bitmap.
    fn free_slot(&self, group: &Group) -> Result<Option<(u64, Vec<u8>)>> {
        if group.get16(FREE_INODES_COUNT_LO, FREE_INODES_COUNT_HI) == 0 {
            return Ok(None);
        }
        let bits = self.inode_bitmap(group)?;
        let per_group = self.layout.inodes_per_group;
        let start = group.number * per_group;
        // The inode count may stop one group short of the last.
        let end = per_group.min(self.layout.inodes.saturating_sub(start));
        let first = (self.layout.first_inode - 1).saturating_sub(start);
        let free = (first..end).find(|&index| !bit(&bits, index));
        Ok(free.map(|index| (index, bits)))
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Takes an inode into use, near a group; all of it is zero, and not yet written.
    pub(super) fn allocate_inode(&mut self, near: u64, is_directory: bool, owner: Object) -> Result<Inode> {
        let groups = self.layout.groups;
        for number in (near..groups).chain(0..near.min(groups)) {
            let group = self.group(number)?;
            if let Some((index, bits)) = self.free_slot(&group)? {
                return self.take_slot(group, index, bits, is_directory);
            }
        }
        unsupported(owner, "creating a file in a filesystem without a free inode")
    }

    fn take_slot(
        &mut self,
        mut group: Group,
        index: u64,
        mut bits: Vec<u8>,
        is_directory: bool,
    ) -> Result<Inode> {
        let used = group.used_inodes(&self.layout);
        bits[to_usize(index / 8)] |= 1 << (index % 8);
        if index >= used {
            let unused = self.layout.inodes_per_group - index - 1;
            let unused = u32::try_from(unused).expect("a group has at most 2^19 inodes");
            group.set16(ITABLE_UNUSED_LO, ITABLE_UNUSED_HI, unused);
        }
        if group.inode_uninit() {
            let flags = FLAGS.get(&group.raw) & !INODE_UNINIT;
            FLAGS.set(&mut group.raw, flags);
        }
        if group.block_uninit() {
            // A bitmap of inodes that is to be believed beside one of blocks that is not: e2fsck objects.
            let blocks = self.block_bitmap(&group)?;
            self.set_block_bitmap(&mut group, &blocks)?;
        }
        let free = group.get16(FREE_INODES_COUNT_LO, FREE_INODES_COUNT_HI);
        group.set16(FREE_INODES_COUNT_LO, FREE_INODES_COUNT_HI, free - 1);
        if is_directory {
            let directories = group.get16(USED_DIRS_COUNT_LO, USED_DIRS_COUNT_HI);
            let more = directories.saturating_add(1);
            if u64::from(more) > self.layout.inodes_per_group {
                let expected = format!("less than {}", self.layout.inodes_per_group);
                return Err(group.object().corrupt("bg_used_dirs_count", directories, expected));
            }
            group.set16(USED_DIRS_COUNT_LO, USED_DIRS_COUNT_HI, more);
        }
        self.set_inode_bitmap(&mut group, &bits)?;
        self.set_group(&mut group)?;
        let number = group.number * self.layout.inodes_per_group + index + 1;
        let offset = group.inode_table() * self.layout.block_size + index * self.layout.inode_size;
        self.parse_inode(number, vec![0; to_usize(self.layout.inode_size)], offset)
    }
}
