//! Content inside an inode: the 60 bytes of i_block, continued in the value of the attribute `system.data`.

use block::{Result, to_u64};

use crate::ext::{
    content::INLINE_HEAD,
    inode::{self, Inode, flags},
    xattr::{self, Attribute},
};

impl Inode {
    /// Most bytes of content that fit without moving an attribute.
    pub(super) fn inline_room(&self) -> Result<usize> {
        Ok(INLINE_HEAD + self.inline_rest()?.len().next_multiple_of(4))
    }

    /// Replaces inline content. `data` must fit in [`inline_room`](Self::inline_room).
    pub(super) fn set_inline(&mut self, data: &[u8]) -> Result<()> {
        let (head, rest) = data.split_at(data.len().min(INLINE_HEAD));
        let block = &mut self.raw[inode::BLOCK.0..inode::BLOCK.0 + INLINE_HEAD];
        block.fill(0);
        block[..head.len()].copy_from_slice(head);
        if let Some(Attribute { entry, value, .. }) = self.inline_attribute()? {
            self.raw[value.start..value.start + value.len().next_multiple_of(4)].fill(0);
            self.raw[value.start..value.start + rest.len()].copy_from_slice(rest);
            let entry = &mut self.raw[entry];
            let len = u32::try_from(rest.len()).expect("it fits in the inode");
            xattr::VALUE_SIZE.set(entry, len);
            xattr::HASH.set(entry, 0);
            if rest.is_empty() {
                xattr::VALUE_OFFS.set(entry, 0);
            }
        }
        self.set_size(to_u64(data.len()));
        Ok(())
    }

    /// Makes an inline file one with a map, which is empty for now.
    pub(super) fn leave_inline(&mut self, extents: bool) -> Result<()> {
        self.set_inline(&[])?;
        self.drop_inline_attribute()?;
        let mut flags = self.flags() & !flags::INLINE_DATA;
        if extents {
            flags |= flags::EXTENTS;
        }
        inode::FLAGS.set(&mut self.raw, flags);
        Ok(())
    }

    /// Takes out the entry `system.data`, which has no value any more; those behind it move up.
    fn drop_inline_attribute(&mut self) -> Result<()> {
        let Some(data) = self.inline_attribute()? else { return Ok(()) };
        let Some(all) = self.attributes()? else { return Ok(()) };
        let end = all.list.last().map_or(data.entry.end, |last| last.entry.end);
        let gone = data.entry.len();
        self.raw.copy_within(data.entry.end..end, data.entry.start);
        self.raw[end - gone..end].fill(0);
        if all.list.len() == 1 {
            // Without an entry, the area needs no magic either.
            let start = self.xattr_start();
            self.raw[start..].fill(0);
        }
        Ok(())
    }

    /// Sets i_size of a regular file.
    pub(super) fn set_size(&mut self, size: u64) {
        let [a, b, c, d, e, f, g, h] = size.to_le_bytes();
        inode::SIZE_LO.set(&mut self.raw, u32::from_le_bytes([a, b, c, d]));
        inode::SIZE_HI.set(&mut self.raw, u32::from_le_bytes([e, f, g, h]));
    }
}
