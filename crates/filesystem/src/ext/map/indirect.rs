//! Block maps of ext2 and ext3: 12 direct blocks, then one, two and three levels of indirect blocks.

use block::{BlockRead, Result, field::Le32};

use super::Walk;
use crate::ext::{Ext, inode::Inode};

const DIRECT: usize = 12;

impl<D: BlockRead> Ext<D> {
    pub(super) fn walk_indirect(&self, inode: &Inode, walk: &mut Walk<'_>) -> Result<()> {
        let root = inode.block();
        self.walk_pointers(inode, &root[..4 * DIRECT], 0, 0, walk)?;
        let per_block = self.layout.block_size / 4;
        let (mut logical, mut span) = (12, 1);
        for (level, at) in (1..=3).zip([48usize, 52, 56]) {
            self.walk_pointers(inode, &root[at..at + 4], level, logical, walk)?;
            // At most 2^14 pointers in a block, so three levels stay below 2^43.
            span *= per_block;
            logical += span;
        }
        Ok(())
    }

    /// Walks pointers to blocks `level` levels above the content, the first of which maps block `logical`.
    fn walk_pointers(
        &self,
        inode: &Inode,
        pointers: &[u8],
        level: u32,
        logical: u64,
        walk: &mut Walk<'_>,
    ) -> Result<()> {
        let span = (self.layout.block_size / 4).pow(level);
        let mut first = logical;
        for pointer in pointers.chunks_exact(4) {
            let (start, end) = (first, first + span);
            first = end;
            let block = u64::from(Le32(0).get(pointer));
            if block == 0 || end <= walk.range.start || start >= walk.range.end {
                continue;
            }
            if !self.layout.contains(block, 1) {
                return Err(inode.object().corrupt("block pointer", block, self.inside(1)));
            }
            if level == 0 {
                walk.data(start, block, 1, true)?;
            } else {
                walk.node(block)?;
                let child = self.read_block(block)?;
                self.walk_pointers(inode, &child, level - 1, start, walk)?;
            }
        }
        Ok(())
    }
}
