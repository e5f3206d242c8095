//! Fixed metadata: superblocks, descriptor tables, reserved descriptor blocks, bitmaps, the MMP block.

use std::ops::Range;

use block::{BlockRead, Result, field::Le32, to_u64, to_usize};

use crate::{
    ext::{
        Ext, checksum,
        claims::MMP_LEN,
        group::Group,
        superblock::{self as sb, compat},
    },
    tails::{Tail, Visit, gap, text_len, unused},
};

/// Fields of a descriptor in use. Not in use: bg_exclude_bitmap and bg_reserved.
const DESCRIPTOR: [Range<usize>; 3] = [0..0x14, 0x18..0x34, 0x38..0x3C];
/// Fields of an MMP block in use: mmp_magic, mmp_seq, mmp_check_interval.
const MMP: [Range<usize>; 2] = [0..8, 0x70..0x72];
const MMP_CHECKSUM: Range<usize> = 0x3FC..0x400;
/// Reserved descriptor blocks read at once.
const PIECE: u64 = 64;

impl<D: BlockRead> Ext<D> {
    /// The superblock and its copies. A copy's texts are in use where they are the primary's.
    pub(super) fn superblock_tails(&self, visit: &mut Visit<'_>) -> Result<()> {
        let primary = self.superblock.bytes();
        for group in 0..self.layout.groups {
            let Some(block) = self.layout.base(group).superblock else { continue };
            // The primary may lie behind a boot block.
            let start = if group == 0 { sb::OFFSET } else { block * self.layout.block_size };
            let mut raw = [0; sb::SIZE];
            self.device.read_at(start, &mut raw)?;
            let text = |at: usize, len: usize| {
                let text = &primary[at..at + len];
                let used = if group == 0 || raw[at..at + len] == *text { text_len(text) } else { 0 };
                at..at + used
            };
            // Not in use: s_last_mounted, s_reserved_pad, the fields of a snapshot feature that never came, the
            // record of errors, s_reserved.
            let used = [
                0..sb::VOLUME_NAME.0,
                text(sb::VOLUME_NAME.0, 16),
                0xC8..0x177,
                0x178..0x180,
                text(sb::MOUNT_OPTS.0, 64),
                sb::USR_QUOTA_INUM.0..sb::ERROR_RECORD_HI.0,
                0x27C..0x288,
                sb::CHECKSUM.0..sb::SIZE,
            ];
            unused(&raw, used, start, Tail::Superblock, visit)?;
        }
        Ok(())
    }

    /// The descriptor table and its copies, and what lies behind the last descriptor.
    pub(super) fn descriptor_tails(&self, visit: &mut Visit<'_>) -> Result<()> {
        let layout = &self.layout;
        let size = to_usize(layout.descriptor_size);
        let mut table = vec![0; layout.block_len()];
        for group in 0..layout.groups {
            let base = layout.base(group);
            for step in 0..base.descriptor_count {
                let start = (base.descriptors + step) * layout.block_size;
                self.device.read_at(start, &mut table)?;
                let first = (base.descriptor_index + step) * layout.descriptors_per_block();
                let used = layout.groups.saturating_sub(first).min(layout.descriptors_per_block());
                let end = to_usize(used) * size;
                for (index, raw) in table[..end].chunks_exact(size).enumerate() {
                    let at = start + to_u64(index * size);
                    unused(raw, DESCRIPTOR, at, Tail::Descriptors, visit)?;
                }
                gap(&table, end..table.len(), start, Tail::Descriptors, visit)?;
            }
        }
        Ok(())
    }

    /// Blocks of group 0 that the table may grow into: until then, each points to its counterparts in the groups
    /// with copies.
    pub(super) fn reserved_descriptor_tails(&self, visit: &mut Visit<'_>) -> Result<()> {
        if !self.superblock.compat(compat::RESIZE_INODE) {
            return Ok(());
        }
        let base = self.layout.base(0);
        let (first, end) = self.reserved_blocks(0);
        debug_assert_eq!(end - first, base.reserved);
        let mut block = first;
        while block < end {
            let extent = self.layout.extent(block, PIECE.min(end - block));
            let mut piece = vec![0; to_usize(extent.len)];
            self.device.read_at(extent.start, &mut piece)?;
            for (index, raw) in piece.chunks_exact(self.layout.block_len()).enumerate() {
                let start = extent.start + to_u64(index * raw.len());
                let copy = |block| {
                    self.layout.contains(block, 1) && {
                        let group = self.layout.group_of(block);
                        let (first, end) = self.reserved_blocks(group);
                        group > 0 && (first..end).contains(&block)
                    }
                };
                pointers(raw, copy, start, Tail::Descriptors, visit)?;
            }
            block += PIECE;
        }
        Ok(())
    }

    /// The reserved descriptor blocks of a group: the first, and the first behind them.
    pub(super) fn reserved_blocks(&self, group: u64) -> (u64, u64) {
        let base = self.layout.base(group);
        let first = base.descriptors + base.descriptor_count;
        (first, first + base.reserved)
    }

    /// The bits of a group's bitmaps that stand for nothing: all 1, or (of other writers) all 0.
    pub(super) fn bitmap_tails(&self, group: &Group, visit: &mut Visit<'_>) -> Result<()> {
        let clusters = self.layout.group_clusters(group.number);
        if !group.block_uninit() {
            self.padding_tails(group.block_bitmap(), clusters, visit)?;
        }
        if !group.inode_uninit() {
            let inodes = checksum::inode_bitmap_len(&self.layout) * 8;
            self.padding_tails(group.inode_bitmap(), inodes, visit)?;
        }
        Ok(())
    }

    fn padding_tails(&self, block: u64, bits: u64, visit: &mut Visit<'_>) -> Result<()> {
        let extent = self.layout.extent(block, 1);
        let start = extent.start + bits / 8;
        if start >= extent.end() {
            return Ok(());
        }
        let mut padding = vec![0; to_usize(extent.end() - start)];
        self.device.read_at(start, &mut padding)?;
        if let (Some(first), part @ 1..) = (padding.first_mut(), bits % 8) {
            *first >>= part;
            // As if the byte had no other bits.
            *first |= if *first == 0xFF >> part { 0xFF } else { 0 };
        }
        for byte in padding.iter_mut().filter(|byte| **byte == 0xFF) {
            *byte = 0;
        }
        gap(&padding, 0..padding.len(), start, Tail::Bitmap, visit)
    }

    pub(super) fn mmp_tails(&self, visit: &mut Visit<'_>) -> Result<()> {
        let Some(block) = self.mmp_block()? else { return Ok(()) };
        let start = block * self.layout.block_size;
        let mut raw = vec![0; to_usize(MMP_LEN)];
        self.device.read_at(start, &mut raw)?;
        let checksum = self.checksums.metadata().then_some(MMP_CHECKSUM);
        unused(&raw, MMP.into_iter().chain(checksum), start, Tail::Mmp, visit)
    }
}

/// A block of block numbers, of which those that `used` knows are in use.
pub(super) fn pointers(
    raw: &[u8],
    used: impl Fn(u64) -> bool,
    start: u64,
    tail: Tail,
    visit: &mut Visit<'_>,
) -> Result<()> {
    if block::is_zero(raw) {
        return Ok(());
    }
    let words = raw.chunks_exact(Le32::WIDTH).enumerate();
    let used = words.filter(|(_, word)| {
        let block = u64::from(Le32(0).get(word));
        block != 0 && used(block)
    });
    let used = used.map(|(index, _)| index * Le32::WIDTH..(index + 1) * Le32::WIDTH);
    unused(raw, used, start, tail, visit)
}
