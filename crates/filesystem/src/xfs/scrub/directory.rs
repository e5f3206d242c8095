//! Directory blocks: free regions, padding behind names, hashes of names that are gone, ends of index blocks.

use block::{BlockWrite, Result, to_u64};

use super::{Cleaned, wipe, wipe_gaps};
use crate::xfs::{
    Xfs, checksum,
    directory::block::{Block, Item, Kind},
    format::dir::{da, data, free, leaf},
    inode::Inode,
};

impl<D: BlockWrite> Xfs<D> {
    pub(super) fn scrub_directory(&mut self, inode: &Inode) -> Result<u64> {
        let has_ftype = self.superblock.has_ftype();
        let mut wiped = 0;
        let mut cleaned = Vec::new();
        self.directory_blocks(inode, &mut |block| {
            let mut raw = block.raw.clone();
            let count = match block.kind {
                Kind::Block | Kind::Data => scrub_data(block, has_ftype, &mut raw)?,
                Kind::Leaf1 | Kind::LeafN | Kind::Node | Kind::Free => scrub_index(block, &mut raw)?,
            };
            if count > 0 {
                if block.v5 {
                    let tree = matches!(block.kind, Kind::Leaf1 | Kind::LeafN | Kind::Node);
                    checksum::seal(&mut raw, if tree { da::CRC } else { data::CRC });
                }
                wiped += count;
                cleaned.push(Cleaned { places: block.places.clone(), raw });
            }
            Ok(())
        })?;
        self.put_cleaned(cleaned)?;
        Ok(wiped)
    }
}

fn scrub_data(block: &Block, has_ftype: bool, raw: &mut [u8]) -> Result<u64> {
    let mut wiped = 0;
    if block.v5 {
        wiped += wipe(raw, data::PAD_V5.0..data::header_len(true));
    }
    block.entries(has_ftype, &mut |item| {
        wiped += match item {
            Item::Name { entry, name, .. } => {
                wipe(raw, name.end + usize::from(has_ftype)..entry.end - data::TAG_LEN)
            }
            Item::Free { region } => {
                wipe(raw, region.start + data::FREE_LEN.0 + 2..region.end - data::TAG_LEN)
            }
        };
        Ok(())
    })?;
    if block.kind == Kind::Block {
        let tail = block.tail()?;
        wiped += hide_stale(raw, tail.start, tail.count, false);
    }
    Ok(wiped)
}

/// A block of the hash index or of the free index.
fn scrub_index(block: &Block, raw: &mut [u8]) -> Result<u64> {
    let v5 = block.v5;
    let index = block.index()?;
    let (header, start) = match block.kind {
        Kind::Node => (da::node_count(v5).0..da::node_level(v5).0 + 2, da::len(v5)),
        Kind::Free => (free::first(v5).0..free::used(v5).0 + 4, free::first(v5).0),
        _ => (leaf::count(v5).0..leaf::stale(v5).0 + 2, da::len(v5)),
    };
    let mut wiped = wipe_gaps(raw, start, vec![header, index.clone(), block.bests()?]);
    if block.kind != Kind::Free {
        wiped += wipe(raw, da::PAD.0..da::PAD.0 + 2);
    }
    if matches!(block.kind, Kind::Leaf1 | Kind::LeafN) {
        let count = index.len() / leaf::ENTRY_LEN;
        wiped += hide_stale(raw, index.start, count, block.kind == Kind::LeafN);
    }
    Ok(wiped)
}

/// Gives entries that lost their name the hash of the entry before them, or 0: the order stays. The last one of several
/// leaves keeps its own, which the node above names.
fn hide_stale(raw: &mut [u8], start: usize, count: usize, keep_last: bool) -> u64 {
    let mut wiped = 0;
    let mut before = 0;
    for index in 0..count {
        let entry = &mut raw[start + index * leaf::ENTRY_LEN..][..leaf::ENTRY_LEN];
        let stale = leaf::ADDRESS.get(entry) == 0;
        if stale && !(keep_last && index + 1 == count) && leaf::HASH.get(entry) != before {
            wiped += to_u64(entry[..4].iter().filter(|byte| **byte != 0).count());
            leaf::HASH.set(entry, before);
        }
        before = leaf::HASH.get(entry);
    }
    wiped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_removed_names_become_their_neighbours() {
        let entries = [(5u32, 0u32), (7, 12), (9, 0), (9, 3), (11, 0)];
        let bytes = |entries: &[(u32, u32)]| -> Vec<u8> {
            entries.iter().flat_map(|&(hash, address)| [hash, address]).flat_map(u32::to_be_bytes).collect()
        };
        let mut raw = bytes(&entries);
        assert_eq!(hide_stale(&mut raw, 0, 5, true), 2);
        assert_eq!(raw, bytes(&[(0, 0), (7, 12), (7, 0), (9, 3), (11, 0)]));
        assert_eq!(hide_stale(&mut raw, 0, 5, true), 0);
        assert_eq!(hide_stale(&mut raw, 0, 5, false), 1);
        assert_eq!(raw, bytes(&[(0, 0), (7, 12), (7, 0), (9, 3), (9, 0)]));
    }
}
