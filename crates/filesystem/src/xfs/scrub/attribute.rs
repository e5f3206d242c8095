//! Blocks of extended attributes: between names and values, behind a node's entries, behind a large value; and those
//! that no reader reaches.

use block::{BlockWrite, Result};

use super::{Cleaned, wipe, wipe_gaps};
use crate::xfs::{
    Xfs,
    attribute::leaf::{Block, Leaf},
    checksum,
    format::{
        attr::{flags, leaf, remote},
        dir::da,
    },
    inode::Inode,
};

impl<D: BlockWrite> Xfs<D> {
    pub(super) fn scrub_attributes(&mut self, inode: &Inode) -> Result<u64> {
        let v5 = self.geometry.v5;
        let mut wiped = 0;
        let mut cleaned = Vec::new();
        let mut values = Vec::new();
        self.attribute_blocks(inode, &mut |block| {
            let (place, mut raw, count) = match block {
                Block::Node(node) => {
                    let mut raw = node.raw.clone();
                    let first = da::node_header_len(v5);
                    let live = vec![
                        da::node_count(v5).0..da::node_level(v5).0 + 2,
                        first..first + node.count * da::NODE_ENTRY_LEN,
                    ];
                    let count = wipe_gaps(&mut raw, da::len(v5), live);
                    (node.block, raw, count)
                }
                Block::Leaf(found) => {
                    let complete = found.entries.iter().filter(|entry| entry.flags & flags::INCOMPLETE == 0);
                    values.extend(complete.filter_map(|entry| entry.remote));
                    let (raw, count) = clean_leaf(found, v5);
                    (found.block, raw, count)
                }
            };
            let count = count + wipe(&mut raw, da::PAD.0..da::PAD.0 + 2);
            if count > 0 {
                if v5 {
                    checksum::seal(&mut raw, da::CRC);
                }
                wiped += count;
                cleaned.push(Cleaned { places: vec![place], raw });
            }
            Ok(())
        })?;
        for (first, len) in values {
            self.value_blocks(inode, first, len, &mut |block, raw, value| {
                let mut raw = raw.to_vec();
                let count = wipe_gaps(&mut raw, value.end, Vec::new());
                if count > 0 {
                    if v5 {
                        checksum::seal(&mut raw, remote::CRC);
                    }
                    wiped += count;
                    cleaned.push(Cleaned { places: vec![block], raw });
                }
                Ok(())
            })?;
        }
        self.unreached_blocks(inode, &mut |block, mut raw| {
            let count = wipe_gaps(&mut raw, 0, Vec::new());
            if count > 0 {
                wiped += count;
                cleaned.push(Cleaned { places: vec![block], raw });
            }
            Ok(())
        })?;
        self.put_cleaned(cleaned)?;
        Ok(wiped)
    }
}

/// A leaf with nothing between its names and values, and how many bytes that took.
fn clean_leaf(found: &Leaf, v5: bool) -> (Vec<u8>, u64) {
    let mut raw = found.raw.clone();
    let first = leaf::header_len(v5);
    let mut live = vec![
        leaf::count(v5).0..leaf::pad1(v5).0,
        leaf::free_map(v5)..leaf::free_map(v5) + leaf::FREE_MAP_COUNT * leaf::FREE_MAP_LEN,
    ];
    for (index, entry) in found.entries.iter().enumerate() {
        let at = first + index * leaf::ENTRY_LEN;
        live.push(at..at + leaf::PAD.0);
        // A value that was never complete, or is no more, is nobody's.
        let incomplete = entry.flags & flags::INCOMPLETE != 0;
        live.push(entry.whole.start..if incomplete { entry.name.end } else { entry.whole.end });
    }
    let count = wipe_gaps(&mut raw, da::len(v5), live);
    (raw, count)
}
