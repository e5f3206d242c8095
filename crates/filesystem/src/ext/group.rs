//! Group descriptors and the two bitmaps of a group, with their checksums.

use std::sync::{Mutex, PoisonError};

use block::{
    BlockRead, BlockWrite, Error, Object, Result,
    field::{Le16, Le32},
    to_usize,
};

use super::{Ext, checksum, layout::Layout};

pub(crate) const BLOCK_BITMAP_LO: Le32 = Le32(0x00);
pub(crate) const INODE_BITMAP_LO: Le32 = Le32(0x04);
pub(crate) const INODE_TABLE_LO: Le32 = Le32(0x08);
pub(crate) const FREE_BLOCKS_COUNT_LO: Le16 = Le16(0x0C);
pub(crate) const FREE_INODES_COUNT_LO: Le16 = Le16(0x0E);
pub(crate) const USED_DIRS_COUNT_LO: Le16 = Le16(0x10);
pub(crate) const FLAGS: Le16 = Le16(0x12);
/// bg_exclude_bitmap_lo, for a feature that never came.
pub(crate) const EXCLUDE_BITMAP_LO: Le32 = Le32(0x14);
pub(crate) const BLOCK_BITMAP_CSUM_LO: Le16 = Le16(0x18);
pub(crate) const INODE_BITMAP_CSUM_LO: Le16 = Le16(0x1A);
pub(crate) const ITABLE_UNUSED_LO: Le16 = Le16(0x1C);
pub(crate) const CHECKSUM: Le16 = Le16(0x1E);
pub(crate) const BLOCK_BITMAP_HI: Le32 = Le32(0x20);
pub(crate) const INODE_BITMAP_HI: Le32 = Le32(0x24);
pub(crate) const INODE_TABLE_HI: Le32 = Le32(0x28);
pub(crate) const FREE_BLOCKS_COUNT_HI: Le16 = Le16(0x2C);
pub(crate) const FREE_INODES_COUNT_HI: Le16 = Le16(0x2E);
pub(crate) const USED_DIRS_COUNT_HI: Le16 = Le16(0x30);
pub(crate) const ITABLE_UNUSED_HI: Le16 = Le16(0x32);
pub(crate) const EXCLUDE_BITMAP_HI: Le32 = Le32(0x34);
pub(crate) const BLOCK_BITMAP_CSUM_HI: Le16 = Le16(0x38);
pub(crate) const INODE_BITMAP_CSUM_HI: Le16 = Le16(0x3A);

/// bg_reserved, and all behind it.
pub(crate) const RESERVED: usize = 0x3C;

/// bg_flags: the inode table and bitmap were never written.
pub(crate) const INODE_UNINIT: u16 = 1;
/// bg_flags: the block bitmap was never written.
pub(crate) const BLOCK_UNINIT: u16 = 2;

/// The group whose inode table was asked for last, and its first block. Inode tables never move, but what a journal
/// replays may tell of others.
#[derive(Debug, Default)]
pub(crate) struct LastTable(Mutex<Option<(u64, u64)>>);

/// A group's descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// Which group.
    pub(crate) number: u64,
    /// Its bytes, for the field constants above: 32, or 64 and more.
    pub(crate) raw: Vec<u8>,
    /// Descriptors are protected, so flags and unused counts are to be believed.
    protected: bool,
}

impl Group {
    /// The object that errors about it name.
    pub(crate) const fn object(&self) -> Object {
        Object::numbered("group", self.number)
    }

    fn wide(&self) -> bool {
        self.raw.len() >= 64
    }

    fn get32(&self, low: Le32, high: Le32) -> u64 {
        let high = if self.wide() { u64::from(high.get(&self.raw)) << 32 } else { 0 };
        high | u64::from(low.get(&self.raw))
    }

    /// A 16-bit field with its high half in wide descriptors.
    pub(crate) fn get16(&self, low: Le16, high: Le16) -> u32 {
        let high = if self.wide() { u32::from(high.get(&self.raw)) << 16 } else { 0 };
        high | u32::from(low.get(&self.raw))
    }

    /// Sets a 16-bit field and, in wide descriptors, its high half.
    pub(crate) fn set16(&mut self, low: Le16, high: Le16, value: u32) {
        let [a, b, c, d] = value.to_le_bytes();
        low.set(&mut self.raw, u16::from_le_bytes([a, b]));
        if self.wide() {
            high.set(&mut self.raw, u16::from_le_bytes([c, d]));
        }
    }

    pub(crate) fn block_bitmap(&self) -> u64 {
        self.get32(BLOCK_BITMAP_LO, BLOCK_BITMAP_HI)
    }

    pub(crate) fn inode_bitmap(&self) -> u64 {
        self.get32(INODE_BITMAP_LO, INODE_BITMAP_HI)
    }

    pub(crate) fn inode_table(&self) -> u64 {
        self.get32(INODE_TABLE_LO, INODE_TABLE_HI)
    }

    /// The block bitmap was never written: it follows from the layout.
    pub(crate) fn block_uninit(&self) -> bool {
        self.protected && FLAGS.get(&self.raw) & BLOCK_UNINIT != 0
    }

    /// No inode of it was ever used.
    pub(crate) fn inode_uninit(&self) -> bool {
        self.protected && FLAGS.get(&self.raw) & INODE_UNINIT != 0
    }

    /// How many inodes from the start of the table may have been used.
    pub(crate) fn used_inodes(&self, layout: &Layout) -> u64 {
        if !self.protected {
            return layout.inodes_per_group;
        }
        if self.inode_uninit() {
            return 0;
        }
        let unused = u64::from(self.get16(ITABLE_UNUSED_LO, ITABLE_UNUSED_HI));
        layout.inodes_per_group.saturating_sub(unused)
    }
}

/// Sets the bits from `start` up to `end`.
fn set_bits(bits: &mut [u8], start: u64, end: u64) {
    for bit in start..end {
        bits[to_usize(bit / 8)] |= 1 << (bit % 8);
    }
}

/// Whether bit `index` is set; false past the end.
pub(crate) fn bit(bits: &[u8], index: u64) -> bool {
    bits.get(to_usize(index / 8)).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

/// The runs of set bits below `limit`, ascending, each as start and end. 64 bits at a time where they are alike.
pub(crate) fn runs(bits: &[u8], limit: u64) -> Vec<(u64, u64)> {
    let mut runs = Vec::new();
    let mut start = None;
    let mut at = 0;
    while at < limit {
        if at % 64 == 0
            && let Some(word) = bits.get(to_usize(at / 8)..to_usize(at / 8) + 8)
            && word == if start.is_some() { [0xFF; 8] } else { [0; 8] }
        {
            at += 64;
            continue;
        }
        match (bit(bits, at), start) {
            (true, None) => start = Some(at),
            (false, Some(first)) => {
                runs.push((first, at));
                start = None;
            }
            _ => {}
        }
        at += 1;
    }
    runs.extend(start.map(|first| (first, limit)));
    runs
}

impl<D: BlockRead> Ext<D> {
    /// Byte offset on the device of a group's descriptor.
    fn descriptor_offset(&self, number: u64) -> u64 {
        let per_block = self.layout.descriptors_per_block();
        let block = self.layout.descriptor_block(number / per_block);
        block * self.layout.block_size + (number % per_block) * self.layout.descriptor_size
    }

    /// The descriptor of a group: checksum right, and all that it names inside the filesystem.
    pub(crate) fn group(&self, number: u64) -> Result<Group> {
        let object = Object::numbered("group", number);
        if number >= self.layout.groups {
            return Err(object.corrupt("number", number, format!("less than {}", self.layout.groups)));
        }
        let mut raw = vec![0; to_usize(self.layout.descriptor_size)];
        self.device.read_object(object, self.descriptor_offset(number), &mut raw)?;
        let group = Group { number, raw, protected: self.checksums.groups() };
        if self.checksums.groups() {
            let (found, expected) = (CHECKSUM.get(&group.raw), self.checksums.group(number, &group.raw));
            if found != expected {
                return Err(object.corrupt(
                    "descriptor checksum",
                    format!("{found:#06x}"),
                    format!("{expected:#06x}"),
                ));
            }
        }
        for (field, block, count) in [
            ("block bitmap", group.block_bitmap(), 1),
            ("inode bitmap", group.inode_bitmap(), 1),
            ("inode table", group.inode_table(), self.layout.inode_table_blocks()),
        ] {
            if !self.layout.contains(block, count) || block <= self.layout.super_block {
                let expected = format!(
                    "{count} blocks behind the superblock, inside the filesystem of {}",
                    self.layout.blocks
                );
                return Err(object.corrupt(field, block, expected));
            }
        }
        Ok(group)
    }

    /// First block of a group's inode table. Inodes are mostly asked for group by group, so the last answer is kept.
    pub(crate) fn inode_table_of(&self, number: u64) -> Result<u64> {
        let mut last = self.last_table.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((group, table)) = *last
            && group == number
        {
            return Ok(table);
        }
        let table = self.group(number)?.inode_table();
        *last = Some((number, table));
        Ok(table)
    }

    /// The block bitmap of a group, one whole block: a bit set for each cluster in use. Of a group whose bitmap
    /// was never written, it is computed.
    pub(crate) fn block_bitmap(&self, group: &Group) -> Result<Vec<u8>> {
        if group.block_uninit() {
            return Ok(self.initial_block_bitmap(group));
        }
        let bits = self.read_block(group.block_bitmap())?;
        let len = to_usize(checksum::block_bitmap_len(&self.layout));
        self.check_bitmap(
            group,
            "block bitmap checksum",
            &bits[..len],
            BLOCK_BITMAP_CSUM_LO,
            BLOCK_BITMAP_CSUM_HI,
        )?;
        Ok(bits)
    }

    /// The inode bitmap of a group, one whole block. All zero if it was never written.
    pub(crate) fn inode_bitmap(&self, group: &Group) -> Result<Vec<u8>> {
        if group.inode_uninit() {
            let mut bits = vec![0; self.layout.block_len()];
            set_bits(&mut bits, self.layout.inodes_per_group, self.layout.block_size * 8);
            return Ok(bits);
        }
        let bits = self.read_block(group.inode_bitmap())?;
        let len = to_usize(checksum::inode_bitmap_len(&self.layout));
        self.check_bitmap(
            group,
            "inode bitmap checksum",
            &bits[..len],
            INODE_BITMAP_CSUM_LO,
            INODE_BITMAP_CSUM_HI,
        )?;
        Ok(bits)
    }

    fn check_bitmap(
        &self,
        group: &Group,
        field: &'static str,
        bits: &[u8],
        low: Le16,
        high: Le16,
    ) -> Result<()> {
        if !self.checksums.metadata() {
            return Ok(());
        }
        let mask = if group.wide() { u32::MAX } else { 0xFFFF };
        let (found, expected) = (group.get16(low, high), self.checksums.bitmap(bits) & mask);
        if found != expected {
            return Err(group.object().corrupt(field, format!("{found:#010x}"), format!("{expected:#010x}")));
        }
        Ok(())
    }

    /// What a group's block bitmap is before anything is allocated in it: its own fixed metadata.
    pub(super) fn initial_block_bitmap(&self, group: &Group) -> Vec<u8> {
        let layout = &self.layout;
        let mut bits = vec![0; layout.block_len()];
        let base = layout.base(group.number);
        let start = layout.group_start(group.number);
        let end = start + layout.group_blocks(group.number);
        let mut mark = |block: u64, count: u64| {
            let (first, last) = (block.max(start), (block + count).min(end));
            if first < last {
                let ratio = layout.cluster_blocks;
                set_bits(&mut bits, (first - start) / ratio, (last - start).div_ceil(ratio));
            }
        };
        if let Some(block) = base.superblock {
            mark(block, 1);
        }
        mark(base.descriptors, base.descriptor_count + base.reserved);
        mark(group.block_bitmap(), 1);
        mark(group.inode_bitmap(), 1);
        mark(group.inode_table(), layout.inode_table_blocks());
        set_bits(&mut bits, layout.group_clusters(group.number), layout.block_size * 8);
        bits
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Writes a descriptor, its checksum redone, to the primary table. Backups are rewritten by the scrub.
    pub(crate) fn set_group(&mut self, group: &mut Group) -> Result<()> {
        if self.checksums.groups() {
            let sum = self.checksums.group(group.number, &group.raw);
            CHECKSUM.set(&mut group.raw, sum);
        }
        Ok(self.device.write_at(self.descriptor_offset(group.number), &group.raw)?)
    }

    /// Writes a group's block bitmap (one whole block) and its checksum into `group`, which
    /// [`set_group`](Self::set_group) must write afterwards. The bitmap counts as initialised from now on.
    pub(crate) fn set_block_bitmap(&mut self, group: &mut Group, bits: &[u8]) -> Result<()> {
        self.write_block(group.block_bitmap(), bits)?;
        let flags = FLAGS.get(&group.raw) & !BLOCK_UNINIT;
        FLAGS.set(&mut group.raw, flags);
        if self.checksums.metadata() {
            let len = to_usize(checksum::block_bitmap_len(&self.layout));
            group.set16(BLOCK_BITMAP_CSUM_LO, BLOCK_BITMAP_CSUM_HI, self.checksums.bitmap(&bits[..len]));
        }
        Ok(())
    }

    /// As [`set_block_bitmap`](Self::set_block_bitmap), for inodes. Never for an INODE_UNINIT group: its table
    /// would have to be written too.
    pub(crate) fn set_inode_bitmap(&mut self, group: &mut Group, bits: &[u8]) -> Result<()> {
        if group.inode_uninit() {
            let error = group.object().corrupt("inode bitmap", "uninitialised", "initialised");
            return Err::<(), Error>(error);
        }
        self.write_block(group.inode_bitmap(), bits)?;
        if self.checksums.metadata() {
            let len = to_usize(checksum::inode_bitmap_len(&self.layout));
            group.set16(INODE_BITMAP_CSUM_LO, INODE_BITMAP_CSUM_HI, self.checksums.bitmap(&bits[..len]));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_bits() {
        let mut bits = vec![0; 40];
        set_bits(&mut bits, 3, 5);
        set_bits(&mut bits, 60, 300);
        assert_eq!(runs(&bits, 320), [(3, 5), (60, 300)]);
        assert_eq!(runs(&bits, 299), [(3, 5), (60, 299)]);
        assert_eq!(runs(&bits, 130), [(3, 5), (60, 130)]);
        assert_eq!(runs(&[0xFF; 8], 64), [(0, 64)]);
    }

    #[test]
    fn bits_are_little_endian() {
        let mut bits = [0; 4];
        set_bits(&mut bits, 3, 17);
        assert_eq!(bits, [0xF8, 0xFF, 0x01, 0]);
        assert!(bit(&bits, 16) && !bit(&bits, 17) && !bit(&bits, 999));
    }
}
