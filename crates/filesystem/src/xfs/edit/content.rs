//! Gives a regular file other content.
//!
//! All of its blocks are released, and as many as the new content needs are taken, first fit: so what it shared with
//! other files stays theirs, and nothing of the old content is kept by a file that is shorter now.

use block::{BlockWrite, Result, to_u64, to_usize};

use crate::xfs::{
    Xfs,
    format::inode::{FLAGS2, SIZE, VERSION, flags2},
    inode::{Fork, Inode},
    rebuild::Use,
};

impl<D: BlockWrite> Xfs<D> {
    /// Replaces a file's content. Its times, and all that is not about blocks, stay.
    pub(super) fn overwrite(&mut self, mut inode: Inode, data: &[u8]) -> Result<()> {
        let of = Use { inode: inode.number, fork: Fork::Data };
        let old = self.whole_map(&inode, Fork::Data)?;
        for &extent in &old.extents {
            self.release(of, extent)?;
        }
        let size = self.geometry.block_size;
        let extents = self.allocate(of, 0, to_u64(data.len()).div_ceil(size))?;
        self.write_content(&extents, data)?;
        self.write_map(&mut inode, &old, extents)?;
        SIZE.set(&mut inode.raw, to_u64(data.len()));
        if VERSION.get(&inode.raw) >= 3 {
            // None of its blocks is shared any more, as after a truncation by the kernel.
            let flags = FLAGS2.get(&inode.raw) & !flags2::REFLINK;
            FLAGS2.set(&mut inode.raw, flags);
        }
        self.write_inode(&mut inode)
    }

    /// Writes content to blocks that are a file's from its start on; the last is filled up with zeros.
    pub(super) fn write_content(&mut self, extents: &[crate::xfs::map::Mapping], data: &[u8]) -> Result<()> {
        let mut rest = data;
        for extent in extents {
            let len = to_usize(extent.count * self.geometry.block_size);
            let (mine, others) = rest.split_at(len.min(rest.len()));
            rest = others;
            let whole = mine.len() / self.geometry.block_len() * self.geometry.block_len();
            let (blocks, tail) = mine.split_at(whole);
            self.write_blocks(extent.start, blocks)?;
            if !tail.is_empty() {
                let mut last = vec![0; self.geometry.block_len()];
                last[..tail.len()].copy_from_slice(tail);
                let start = extent.start.0 + to_u64(whole) / self.geometry.block_size;
                self.write_blocks(crate::xfs::FsBlock(start), &last)?;
            }
        }
        Ok(())
    }
}
