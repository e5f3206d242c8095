//! Extended attributes: what lies between the last entry and the first value, and in padding.

use std::ops::Range;

use block::{BlockWrite, Result, field::Le32};

use super::wipe_gaps;
use crate::ext::{
    Ext,
    xattr::{Attribute, Attributes, BLOCK_HASH, BLOCK_HEADER_LEN, CHECKSUM, HASH},
};

/// h_reserved, behind h_checksum.
const RESERVED: Range<usize> = 0x14..BLOCK_HEADER_LEN;

/// What of an area is in use. Values are so without their padding: [`wipe_padding`] comes first.
pub(super) fn live_parts(attributes: &Attributes) -> Vec<Range<usize>> {
    let first = attributes.list.first().map_or(attributes.head.end, |attribute| attribute.entry.start);
    let entries = attributes
        .list
        .iter()
        .flat_map(|attribute| [attribute.entry.start..attribute.name.end, attribute.value.clone()]);
    let end = attributes.list.last().map_or(first, |attribute| attribute.entry.end);
    let head = attributes.head.start..first;
    entries.chain([head, end..attributes.head.end]).filter(|part| !part.is_empty()).collect()
}

fn with_value(attributes: &Attributes) -> impl Iterator<Item = &Attribute> {
    attributes.list.iter().filter(|attribute| !attribute.value.is_empty())
}

/// Zeroes the padding of values to whole words of 4 bytes, which the hash of an attribute covers.
pub(super) fn wipe_padding(buf: &mut [u8], attributes: &Attributes) -> u64 {
    let mut wiped = 0;
    let mut values: Vec<usize> = with_value(attributes).map(|attribute| attribute.value.start).collect();
    values.sort_unstable();
    for attribute in with_value(attributes) {
        let (start, end) = (attribute.value.start, attribute.value.end);
        // Words count from the value's start, which the format aligns. Of another writer's unaligned ones, what is
        // the next value stays, and a word that ends the area may be cut off.
        let last = start + (end - start - 1) / Le32::WIDTH * Le32::WIDTH;
        let Some(old) = Le32(last).try_get(buf) else { continue };
        let next = values.iter().copied().find(|&start| start >= end).unwrap_or(buf.len());
        let dirty = super::wipe(buf, end..(last + Le32::WIDTH).min(next));
        let hash = Le32(attribute.entry.start + HASH.0);
        if dirty > 0 && hash.get(buf) != 0 {
            // Each word of the value is mixed in by an exclusive or, the last one last.
            let new = hash.get(buf) ^ old ^ Le32(last).get(buf);
            hash.set(buf, new);
        }
        wiped += dirty;
    }
    wiped
}

/// h_hash of a block: its attributes' hashes, each mixed in after a rotation by 16 bits; 0 if one of them is 0.
pub(crate) fn block_hash(buf: &[u8], attributes: &Attributes) -> u32 {
    let mut all = 0u32;
    for attribute in &attributes.list {
        match HASH.get(&buf[attribute.entry.clone()]) {
            0 => return 0,
            hash => all = all.rotate_left(16) ^ hash,
        }
    }
    all
}

impl<D: BlockWrite> Ext<D> {
    pub(super) fn scrub_xattr_block(&mut self, block: u64) -> Result<u64> {
        let (mut raw, attributes) = self.xattr_block(block)?;
        let end = raw.len();
        let mut wiped = super::wipe(&mut raw, RESERVED);
        let padding = wipe_padding(&mut raw, &attributes);
        if padding > 0 {
            let hash = block_hash(&raw, &attributes);
            BLOCK_HASH.set(&mut raw, hash);
        }
        wiped += padding + wipe_gaps(&mut raw, 0, end, live_parts(&attributes));
        if wiped > 0 {
            if self.checksums.metadata() {
                let sum = self.checksums.xattr_block(block, &raw);
                CHECKSUM.set(&mut raw, sum);
            }
            self.write_block(block, &raw)?;
        }
        Ok(wiped)
    }
}
