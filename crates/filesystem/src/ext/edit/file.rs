//! Empties a regular file, or gives it other content. All else of it stays, times included.

use block::{BlockRead, BlockWrite, Extent, ExtentSet, Result, to_u64, to_usize};

use super::unsupported;
use crate::ext::{
    Ext,
    inode::{Inode, flags},
    map::Mapped,
    quota::Usage,
    superblock::{incompat, ro_compat},
};

/// Files from here on need the feature large_file.
const LARGE: u64 = 1 << 31;
/// Bytes compared at a time.
const STEP: usize = 1 << 16;

impl<D: BlockRead> Ext<D> {
    /// Whether there is room for `data` as the content of an inode. Blocks of an extent tree, needed in badly
    /// fragmented free space only, are not foreseen.
    pub(super) fn check_room(&self, inode: &Inode, data: &[u8]) -> Result<()> {
        let inline = inode.has(flags::INLINE_DATA);
        if inline && data.len() <= inode.inline_room()? {
            return Ok(());
        }
        let size = to_u64(data.len());
        if size >= LARGE && !self.superblock.ro_compat(ro_compat::LARGE_FILE) {
            return unsupported(inode.object(), "content of 2 GiB or more without the feature large_file");
        }
        let blocks = size.div_ceil(self.layout.block_size);
        let maps = if inline && self.superblock.incompat(incompat::EXTENTS) || self.writes_extents(inode)? {
            0
        } else {
            self.pointer_blocks(inode, blocks)?
        };
        let clusters = (blocks + maps).div_ceil(self.layout.cluster_blocks);
        let there = self.free_clusters()?.saturating_add(self.map_clusters(inode)?);
        if clusters > there {
            let missing = clusters - there;
            return unsupported(
                inode.object(),
                format!("content that needs {missing} more free clusters than there are"),
            );
        }
        Ok(())
    }

    /// Clusters that the map of an inode holds, its own blocks included.
    fn map_clusters(&self, inode: &Inode) -> Result<u64> {
        let mut runs = Vec::new();
        self.map(inode, &mut |mapped| {
            let (first, count) = match mapped {
                Mapped::Data { physical, count, .. } => (physical, count),
                Mapped::Node { block } => (block, 1),
            };
            let last = self.layout.cluster_of(first + count - 1);
            runs.push(Extent::between(self.layout.cluster_of(first), last + 1));
            Ok(())
        })?;
        Ok(runs.into_iter().collect::<ExtentSet>().total())
    }

    fn has_content(&self, inode: &Inode, data: &[u8]) -> Result<bool> {
        if inode.size() != to_u64(data.len()) {
            return Ok(false);
        }
        let mut buf = vec![0; STEP.min(data.len())];
        let mut at = 0;
        for part in data.chunks(STEP) {
            let buf = &mut buf[..part.len()];
            if self.read_file(inode, at, buf)? != part.len() || buf != part {
                return Ok(false);
            }
            at += to_u64(part.len());
        }
        Ok(true)
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Empties a regular file: size 0, all blocks of its map free, those preallocated behind its end too.
    pub(super) fn truncate(&mut self, mut inode: Inode) -> Result<()> {
        let before = self.allocated_bytes(&inode);
        if inode.has(flags::INLINE_DATA) {
            inode.set_inline(&[])?;
        } else {
            self.cut_map(&mut inode, 0)?;
            inode.set_size(0);
        }
        self.write_inode(&mut inode)?;
        self.recharge_bytes(&inode, before)
    }

    /// Gives a regular file these bytes. Nothing is changed if it has them already.
    pub(super) fn overwrite(&mut self, mut inode: Inode, data: &[u8]) -> Result<()> {
        if self.has_content(&inode, data)? {
            return Ok(());
        }
        self.check_room(&inode, data)?;
        let before = self.allocated_bytes(&inode);
        if inode.has(flags::INLINE_DATA) {
            if data.len() <= inode.inline_room()? {
                inode.set_inline(data)?;
                return self.write_inode(&mut inode);
            }
            inode.leave_inline(self.superblock.incompat(incompat::EXTENTS))?;
        } else {
            self.cut_map(&mut inode, 0)?;
        }
        self.write_content(&mut inode, data)?;
        self.write_inode(&mut inode)?;
        self.recharge_bytes(&inode, before)
    }

    /// Gives an inode without blocks content: blocks, map, size and i_blocks. The inode is not written.
    pub(super) fn write_content(&mut self, inode: &mut Inode, data: &[u8]) -> Result<()> {
        let (size, ratio) = (self.layout.block_size, self.layout.cluster_blocks);
        let blocks = to_u64(data.len()).div_ceil(size);
        let extents = self.writes_extents(inode)?;
        let maps = if extents { 0 } else { self.pointer_blocks(inode, blocks)? };
        let mut clusters = (blocks + maps).div_ceil(ratio);
        let near = self.layout.inode_place(inode.number).0;
        let runs = if clusters > 0 { self.allocate(near, clusters, inode.object())? } else { Vec::new() };
        let mut rest = data;
        for block in runs.iter().flat_map(|run| run.start..run.end()) {
            if rest.is_empty() {
                break;
            }
            let (part, behind) = rest.split_at(rest.len().min(to_usize(size)));
            let mut content = part.to_vec();
            content.resize(self.layout.block_len(), 0);
            self.write_block(block, &content)?;
            rest = behind;
        }
        if extents {
            clusters += self.write_extents(inode, &runs, blocks)?;
        } else {
            self.write_pointers(inode, &runs, blocks)?;
        }
        inode.set_size(to_u64(data.len()));
        let bytes = self.allocated_bytes(inode).saturating_add(clusters * ratio * size);
        self.set_allocated_bytes(inode, bytes);
        Ok(())
    }

    /// Brings the quotas of the owners up to date, after i_blocks was `before`.
    pub(super) fn recharge_bytes(&mut self, inode: &Inode, before: u64) -> Result<()> {
        let usage = |bytes| Usage { bytes, inodes: 0 };
        let after = self.allocated_bytes(inode);
        if before == after {
            return Ok(());
        }
        self.recharge(inode, usage(before), usage(after))
    }
}
