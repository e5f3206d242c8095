//! From sorted records to the blocks of a group's B+tree: levels, siblings, keys, checksums.
//!
//! A tree is always built whole, with its records spread evenly: so every block but the root holds at least half of
//! what fits. Nothing is read, and nothing of an older tree survives (XFS Algorithms & Data Structures, "Short Format
//! B+trees").

use std::ops::Range;

use block::{
    field::{Be32, Be64},
    to_u64,
};

use crate::xfs::{
    btree::{POINTER_LEN, Tree},
    checksum,
    format::btree::{self, rmap, short},
    geometry::NO_AG_BLOCK,
};

/// What the blocks of a group's trees have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    /// Bytes of a block.
    pub(crate) block_size: usize,
    /// Version 5: blocks say where they belong, and have a checksum.
    pub(crate) crc: bool,
    /// What metadata has as its UUID.
    pub(crate) uuid: [u8; 16],
    /// The group.
    pub(crate) group: u32,
    /// The group's first block as blocks say it: in units of 512 bytes.
    pub(crate) daddr: u64,
}

impl Format {
    const fn header_len(&self) -> usize {
        short::len(self.crc)
    }

    fn leaf_max(&self, kind: Tree) -> usize {
        kind.capacity(self.block_size, 0, self.crc)
    }

    fn node_max(&self, kind: Tree) -> usize {
        kind.capacity(self.block_size, 1, self.crc)
    }

    /// How many blocks each level takes, from the leaves up. A tree without a record has an empty leaf.
    pub(crate) fn levels(&self, kind: Tree, records: usize) -> Vec<usize> {
        let mut levels = vec![records.div_ceil(self.leaf_max(kind)).max(1)];
        while levels[levels.len() - 1] > 1 {
            levels.push(levels[levels.len() - 1].div_ceil(self.node_max(kind)));
        }
        levels
    }
}

/// A tree, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Built {
    /// Block of the root, relative to the group.
    pub(crate) root: u32,
    /// How many levels it has: 1 if the root is a leaf.
    pub(crate) levels: u32,
    /// Each block and what it holds.
    pub(crate) blocks: Vec<(u32, Vec<u8>)>,
}

/// Splits `0..len` into `parts` ranges that differ by at most one.
pub(crate) fn split(len: usize, parts: usize) -> impl Iterator<Item = Range<usize>> {
    let (each, more) = (len / parts, len % parts);
    (0..parts).scan(0, move |at, part| {
        let start = *at;
        *at += each + usize::from(part < more);
        Some(start..*at)
    })
}

/// Builds a tree of `records`, which lie one behind the other in the tree's order. `places` are at least as many
/// blocks as [`Format::levels`] asks for; the first are used.
pub(crate) fn build(format: &Format, kind: Tree, records: &[u8], places: &[u32]) -> Built {
    let record_len = kind.record_len();
    let levels = format.levels(kind, records.len() / record_len);
    let mut blocks = Vec::new();
    let mut rest = places;
    // What the level above says of this one: a key and a block for each.
    let mut children: Vec<(Vec<u8>, u32)> = Vec::new();
    for (level, &count) in (0u16..).zip(&levels) {
        let (mine, others) = rest.split_at(count);
        rest = others;
        let items = if level == 0 { records.len() / record_len } else { children.len() };
        let mut parents = Vec::with_capacity(count);
        for (at, range) in split(items, count).enumerate() {
            let mut block = vec![0; format.block_size];
            let siblings = [
                at.checked_sub(1).map_or(NO_AG_BLOCK, |left| mine[left]),
                mine.get(at + 1).copied().unwrap_or(NO_AG_BLOCK),
            ];
            write_header(format, kind, level, range.len(), siblings, mine[at], &mut block);
            let body = format.header_len();
            let key = if level == 0 {
                let records = &records[range.start * record_len..range.end * record_len];
                block[body..body + records.len()].copy_from_slice(records);
                leaf_key(kind, records)
            } else {
                let pointers = body + format.node_max(kind) * kind.key_len();
                for (slot, (key, child)) in children[range.clone()].iter().enumerate() {
                    let at = body + slot * kind.key_len();
                    block[at..at + kind.key_len()].copy_from_slice(key);
                    Be32(pointers + POINTER_LEN * slot).set(&mut block, *child);
                }
                node_key(kind, &children[range])
            };
            if format.crc {
                checksum::seal(&mut block, short::CRC);
            }
            parents.push((key, mine[at]));
            blocks.push((mine[at], block));
        }
        children = parents;
    }
    let levels = u32::try_from(levels.len()).expect("each level is at most half of the one below");
    Built { root: children[0].1, levels, blocks }
}

fn write_header(
    format: &Format,
    kind: Tree,
    level: u16,
    count: usize,
    siblings: [u32; 2],
    place: u32,
    block: &mut [u8],
) {
    btree::MAGIC.set(block, kind.magic(format.crc));
    btree::LEVEL.set(block, level);
    btree::RECORDS.set(block, u16::try_from(count).expect("a block of 64 KiB holds at most 8192 records"));
    short::LEFT.set(block, siblings[0]);
    short::RIGHT.set(block, siblings[1]);
    if format.crc {
        let sectors = to_u64(format.block_size / 512);
        short::BLKNO.set(block, format.daddr + u64::from(place) * sectors);
        short::UUID.set(block, &format.uuid);
        short::OWNER.set(block, format.group);
    }
}

/// Owners from here on are not inodes, and have no offset.
pub(crate) const OWNER_SPECIAL: u64 = 1 << 63;

/// The key of a leaf's first record; of rmapbt, the lowest and the highest.
fn leaf_key(kind: Tree, records: &[u8]) -> Vec<u8> {
    let Some(first) = records.get(..kind.record_len()) else { return vec![0; kind.key_len()] };
    if kind != Tree::Rmap {
        return first[..kind.key_len()].to_vec();
    }
    let highest = records.chunks_exact(kind.record_len()).map(high_key).max().expect("there is a first");
    [low_key(first), highest].concat()
}

fn node_key(kind: Tree, children: &[(Vec<u8>, u32)]) -> Vec<u8> {
    let first = &children[0].0;
    if kind != Tree::Rmap {
        return first.clone();
    }
    let highest = children.iter().map(|(key, _)| &key[20..]).max().expect("a node has children");
    [&first[..20], highest].concat()
}

fn low_key(record: &[u8]) -> Vec<u8> {
    let offset = Be64(16).get(record) & !rmap::UNWRITTEN;
    [&record[0..4], &record[8..16], &offset.to_be_bytes()].concat()
}

/// Big-endian, so that byte order is key order.
fn high_key(record: &[u8]) -> Vec<u8> {
    let last = Be32(4).get(record).saturating_sub(1);
    let owner = Be64(8).get(record);
    let mut offset = Be64(16).get(record) & !rmap::UNWRITTEN;
    if owner & OWNER_SPECIAL == 0 && offset & rmap::BMBT_BLOCK == 0 {
        offset = offset.wrapping_add(u64::from(last));
    }
    let block = Be32(0).get(record).wrapping_add(last);
    [&block.to_be_bytes()[..], &owner.to_be_bytes(), &offset.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = Format { block_size: 512, crc: true, uuid: [7; 16], group: 3, daddr: 0x1000 };

    fn records(count: u32) -> Vec<u8> {
        (0..count).flat_map(|run| [run * 10 + 1, 5].map(u32::to_be_bytes).concat()).collect()
    }

    /// Reads a tree back as a stranger would: by its pointers, and again by its siblings.
    fn read(format: &Format, kind: Tree, built: &Built) -> Vec<u8> {
        let block = |number: u32| &built.blocks.iter().find(|(place, _)| *place == number).unwrap().1;
        let body = format.header_len();
        let mut level = vec![built.root];
        for height in (0..built.levels).rev() {
            let mut below = Vec::new();
            for (at, &number) in level.iter().enumerate() {
                let raw = block(number);
                let count = usize::from(btree::RECORDS.get(raw));
                assert_eq!(u32::from(btree::LEVEL.get(raw)), height);
                assert_eq!(short::LEFT.get(raw), if at == 0 { NO_AG_BLOCK } else { level[at - 1] });
                assert_eq!(short::RIGHT.get(raw), level.get(at + 1).copied().unwrap_or(NO_AG_BLOCK));
                let max = if height == 0 { format.leaf_max(kind) } else { format.node_max(kind) };
                assert!(count <= max && (built.levels == height + 1 || count >= max / 2), "{count} of {max}");
                if format.crc {
                    let mut again = raw.clone();
                    checksum::seal(&mut again, short::CRC);
                    assert_eq!(&again, raw);
                    assert_eq!(short::BLKNO.get(raw), format.daddr + u64::from(number));
                }
                let pointers = body + format.node_max(kind) * kind.key_len();
                for slot in 0..count {
                    if height > 0 {
                        let child = Be32(pointers + POINTER_LEN * slot).get(raw);
                        let key = &raw[body + slot * kind.key_len()..][..4];
                        assert_eq!(key, &block(child)[body..body + 4], "lowest key of a child");
                        below.push(child);
                    }
                }
                if height == 0 {
                    below.push(number);
                }
            }
            level = below;
        }
        let leaf = |&number: &u32| {
            let raw = block(number);
            raw[body..body + usize::from(btree::RECORDS.get(raw)) * kind.record_len()].to_vec()
        };
        level.iter().flat_map(leaf).collect()
    }

    #[test]
    fn a_tree_of_any_size_holds_its_records_in_order() {
        let places: Vec<u32> = (100..2000).rev().collect();
        for crc in [false, true] {
            let format = Format { crc, ..FORMAT };
            for count in (0..300).chain([1000, 5000, 9999]) {
                let records = records(count);
                let built = build(&format, Tree::Bno, &records, &places);
                assert_eq!(read(&format, Tree::Bno, &built), records, "{count} records");
                let needed: usize = format.levels(Tree::Bno, records.len() / 8).iter().sum();
                assert_eq!(built.blocks.len(), needed);
            }
        }
    }

    #[test]
    fn an_empty_tree_is_an_empty_leaf() {
        let built = build(&FORMAT, Tree::Refcount, &[], &[9]);
        assert_eq!((built.root, built.levels, built.blocks.len()), (9, 1, 1));
        assert_eq!(&built.blocks[0].1[..8], b"R3FC\0\0\0\0");
    }

    #[test]
    fn keys_of_owners_span_what_lies_below() {
        let record = |start: u32, len: u32, owner: u64, offset: u64| {
            let head = [start.to_be_bytes(), len.to_be_bytes()].concat();
            [head, owner.to_be_bytes().to_vec(), offset.to_be_bytes().to_vec()].concat()
        };
        // The first record reaches furthest.
        let mut records = record(1, 900, 128, 4 | rmap::UNWRITTEN);
        for at in 0..40 {
            records.extend(record(2 + at, 1, 200, rmap::BMBT_BLOCK));
        }
        let built = build(&FORMAT, Tree::Rmap, &records, &[1, 2, 3, 4, 5]);
        assert_eq!(read(&FORMAT, Tree::Rmap, &built), records);
        let (_, root) = built.blocks.last().unwrap();
        let key = &root[short::LEN_V5..short::LEN_V5 + 40];
        assert_eq!(key[..20], low_key(&records[..24]), "without the unwritten bit");
        assert_eq!(Be32(20).get(key), 900);
        assert_eq!(Be64(24).get(key), 128);
        assert_eq!(Be64(32).get(key), 903);
    }
}
