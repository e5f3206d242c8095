//! Extent tree nodes: old entries behind the last one.

use block::{BlockWrite, Result};

use super::wipe;
use crate::ext::{
    Ext,
    inode::Inode,
    map::{self, DEPTH, ENTRIES, ENTRY_LEN, GENERATION, HEADER_LEN, INDEX_UNUSED, MAX},
};

/// Zeroes a node, header in order, in its unused fields and behind its last entry; `keep` bytes behind the last slot are its checksum.
pub(super) fn wipe_node(node: &mut [u8], keep: usize) -> u64 {
    let used = HEADER_LEN + ENTRY_LEN * usize::from(ENTRIES.get(node));
    let slots = HEADER_LEN + ENTRY_LEN * usize::from(MAX.get(node));
    let len = node.len();
    let mut fields = wipe(node, GENERATION.0..HEADER_LEN);
    if DEPTH.get(node) > 0 {
        // Where an extent became an index entry, the kernel leaves a part of it.
        for entry in (HEADER_LEN..used).step_by(ENTRY_LEN) {
            fields += wipe(node, entry + INDEX_UNUSED.0..entry + ENTRY_LEN);
        }
    }
    fields + wipe(node, used..slots) + if slots + keep < len { wipe(node, slots + keep..len) } else { 0 }
}

impl<D: BlockWrite> Ext<D> {
    pub(super) fn scrub_extent_node(&mut self, inode: &Inode, block: u64) -> Result<u64> {
        let mut node = self.read_block(block)?;
        let sum = self.checksums.metadata();
        let wiped = wipe_node(&mut node, if sum { 4 } else { 0 });
        if wiped > 0 {
            if sum {
                map::seal_node(&mut node, inode.seed(&self.checksums));
            }
            self.write_block(block, &node)?;
        }
        Ok(wiped)
    }
}
