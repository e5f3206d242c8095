//! Extended attributes: what lies between the last entry and the first value, and in padding.

use std::ops::Range;

use block::{BlockWrite, Result};

use super::wipe_gaps;
use crate::ext::{
    Ext,
    xattr::{Attributes, BLOCK_HEADER_LEN, CHECKSUM},
};

/// h_reserved, behind h_checksum.
const RESERVED: Range<usize> = 0x14..BLOCK_HEADER_LEN;

/// What of an area is in use. The kernel's hash of an attribute covers the padding of its value.
pub(super) fn live_parts(attributes: &Attributes) -> Vec<Range<usize>> {
    let first = attributes.list.first().map_or(attributes.head.end, |attribute| attribute.entry.start);
    let entries = attributes.list.iter().flat_map(|attribute| {
        let value = attribute.value.start..attribute.value.end.next_multiple_of(4);
        [attribute.entry.start..attribute.name.end, value]
    });
    let end = attributes.list.last().map_or(first, |attribute| attribute.entry.end);
    let head = attributes.head.start..first;
    entries.chain([head, end..attributes.head.end]).filter(|part| !part.is_empty()).collect()
}

impl<D: BlockWrite> Ext<D> {
    pub(super) fn scrub_xattr_block(&mut self, block: u64) -> Result<u64> {
        let (mut raw, attributes) = self.xattr_block(block)?;
        let end = raw.len();
        let mut wiped = super::wipe(&mut raw, RESERVED);
        wiped += wipe_gaps(&mut raw, 0, end, live_parts(&attributes));
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
