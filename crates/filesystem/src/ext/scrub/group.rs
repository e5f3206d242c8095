//! Descriptor tables: the primary's unused end, and backups as copies; bitmaps: padding bits.

use block::{BlockRead, BlockWrite, Result, field::Le32, to_u64, to_usize};

use super::wipe;
use crate::{
    InodeId,
    ext::{
        Ext, checksum,
        group::{EXCLUDE_BITMAP_HI, EXCLUDE_BITMAP_LO, RESERVED},
        inode,
        superblock::compat,
    },
};

/// Sets all bits from `from` on. Returns the bytes that changed.
fn pad(bits: &mut [u8], from: u64) -> u64 {
    let mut changed = 0;
    let first = to_usize(from / 8);
    for (index, byte) in bits.iter_mut().enumerate().skip(first) {
        let mask = if index == first { 0xFF << (from % 8) } else { 0xFF };
        if *byte & mask != mask {
            *byte |= mask;
            changed += 1;
        }
    }
    changed
}

impl<D: BlockRead> Ext<D> {
    /// Whether a block is one of those that a group keeps for growth of the descriptor table.
    fn is_reserved_descriptor(&self, block: u64, backup: bool) -> bool {
        if !self.layout.contains(block, 1) {
            return false;
        }
        let group = self.layout.group_of(block);
        let base = self.layout.base(group);
        let start = base.descriptors + base.descriptor_count;
        (group > 0) == backup && block >= start && block < start + base.reserved
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Zeroes the fields of a descriptor that nothing uses.
    pub(super) fn scrub_descriptor(&mut self, number: u64) -> Result<u64> {
        let mut group = self.group(number)?;
        let len = group.raw.len();
        let wiped: u64 = [
            EXCLUDE_BITMAP_LO.0..EXCLUDE_BITMAP_LO.0 + Le32::WIDTH,
            EXCLUDE_BITMAP_HI.0..EXCLUDE_BITMAP_HI.0 + Le32::WIDTH,
            RESERVED..len,
        ]
        .into_iter()
        .map(|range| wipe(&mut group.raw, range))
        .sum();
        if wiped > 0 {
            self.set_group(&mut group)?;
        }
        Ok(wiped)
    }

    /// Zeroes all but the block numbers that belong there: in the resize inode's own block those of group 0's
    /// reserved descriptor blocks, in these the numbers of their counterparts in groups with copies.
    pub(super) fn scrub_reserved_descriptors(&mut self) -> Result<u64> {
        const DOUBLE: Le32 = Le32(4 * 13);
        if !self.superblock.compat(compat::RESIZE_INODE) {
            return Ok(0);
        }
        let base = self.layout.base(0);
        let start = base.descriptors + base.descriptor_count;
        let mut wiped = 0;
        let double = u64::from(DOUBLE.get(self.inode(InodeId(inode::RESIZE))?.block()));
        let blocks = (start..start + base.reserved).map(|block| (block, true));
        for (block, backups) in blocks.chain((double != 0).then_some((double, false))) {
            let mut raw = self.read_block(block)?;
            let mut dirty = 0;
            for at in (0..raw.len()).step_by(Le32::WIDTH) {
                let number = u64::from(Le32(at).get(&raw));
                if number != 0 && !self.is_reserved_descriptor(number, backups) {
                    dirty += wipe(&mut raw, at..at + Le32::WIDTH);
                }
            }
            if dirty > 0 {
                self.write_block(block, &raw)?;
                wiped += dirty;
            }
        }
        Ok(wiped)
    }

    /// Bits behind the last cluster or inode of a group are 1, as mke2fs makes them (e2fsck checks the last
    /// group's).
    pub(super) fn scrub_bitmaps(&mut self, number: u64) -> Result<u64> {
        let mut group = self.group(number)?;
        let mut changed = 0;
        if !group.block_uninit() {
            let mut bits = self.block_bitmap(&group)?;
            let padded = pad(&mut bits, self.layout.group_clusters(number));
            if padded > 0 {
                changed += padded;
                self.set_block_bitmap(&mut group, &bits)?;
                self.set_group(&mut group)?;
            }
        }
        if !group.inode_uninit() {
            let mut bits = self.inode_bitmap(&group)?;
            let padded = pad(&mut bits, checksum::inode_bitmap_len(&self.layout) * 8);
            if padded > 0 {
                changed += padded;
                self.set_inode_bitmap(&mut group, &bits)?;
                self.set_group(&mut group)?;
            }
        }
        Ok(changed)
    }

    /// Zeroes the table behind the last descriptor, then copies it block by block to all backups.
    pub(super) fn scrub_descriptors(&mut self) -> Result<u64> {
        let mut wiped = 0;
        let per_block = self.layout.descriptors_per_block();
        let index = self.layout.descriptor_blocks - 1;
        let used = (self.layout.groups - index * per_block) * self.layout.descriptor_size;
        let primary = self.layout.descriptor_block(index);
        let mut last = self.read_block(primary)?;
        let len = last.len();
        let dirty = wipe(&mut last, to_usize(used)..len);
        if dirty > 0 {
            wiped += dirty;
            self.write_block(primary, &last)?;
        }
        for group in 1..self.layout.groups {
            let base = self.layout.base(group);
            for step in 0..base.descriptor_count {
                let index = base.descriptor_index + step;
                // first_meta_bg may leave room for more blocks than the table has.
                if index >= self.layout.descriptor_blocks {
                    break;
                }
                let (from, to) = (self.layout.descriptor_block(index), base.descriptors + step);
                if from == to {
                    continue;
                }
                let (table, old) = (self.read_block(from)?, self.read_block(to)?);
                if table != old {
                    self.write_block(to, &table)?;
                    // What lay behind the last descriptor is residue; stale counters before it are not.
                    if index + 1 == self.layout.descriptor_blocks {
                        let rest = &old[to_usize(used)..];
                        wiped += to_u64(rest.iter().filter(|byte| **byte != 0).count());
                    }
                }
            }
        }
        Ok(wiped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_ones() {
        let mut bits = [0, 0, 0xFF, 0x10];
        assert_eq!(pad(&mut bits, 11), 2);
        assert_eq!(bits, [0, 0xF8, 0xFF, 0xFF]);
        assert_eq!(pad(&mut bits, 11), 0);
        assert_eq!(pad(&mut bits, 32), 0);
    }
}
