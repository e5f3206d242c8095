//! From a sorted list of extents to an inode's fork: a list inside the inode, or a B+tree whose root is there.
//!
//! Like the trees of a group, a map is always built whole ("Extent List" and "B+tree Extent List" in XFS Algorithms &
//! Data Structures).

use block::field::Be64;

use crate::xfs::{
    checksum,
    format::btree::{self, long},
    map::Mapping,
    rebuild::split,
};

/// Longest extent of a record.
pub(super) const LEN_MAX: u64 = (1 << 21) - 1;
/// Bytes of a record.
const RECORD_LEN: usize = long::RECORD_LEN;
/// Bytes of a key and a pointer.
const PAIR_LEN: usize = long::KEY_LEN + long::POINTER_LEN;
/// Bytes before the keys of a root in an inode.
const ROOT_LEN: usize = long::ROOT_LEN;
/// The fewest bytes that a root in an inode takes.
pub(super) const ROOT_MIN: usize = ROOT_LEN + PAIR_LEN;
/// No block: NULLFSBLOCK.
const NULL_BLOCK: u64 = u64::MAX;

/// What the blocks of a map have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) block_size: usize,
    /// Version 5: blocks say where they belong, and have a checksum.
    pub(super) crc: bool,
    pub(super) uuid: [u8; 16],
    pub(super) inode: u64,
    /// Bytes that the fork has in the inode.
    pub(super) room: usize,
}

impl Format {
    const fn header_len(&self) -> usize {
        long::len(self.crc)
    }

    /// Records of a leaf, and pairs of a node: both take 16 bytes.
    fn max(&self) -> usize {
        (self.block_size - self.header_len()) / RECORD_LEN
    }

    /// How many extents the inode holds itself.
    pub(super) const fn inline_max(&self) -> usize {
        self.room / RECORD_LEN
    }

    fn root_max(&self) -> usize {
        (self.room.saturating_sub(ROOT_LEN) / PAIR_LEN).max(1)
    }

    /// How many blocks each level outside the inode takes, from the leaves up: none if the inode holds them all.
    fn levels(&self, extents: usize) -> Vec<usize> {
        if extents <= self.inline_max() {
            return Vec::new();
        }
        let mut levels = vec![extents.div_ceil(self.max())];
        while levels[levels.len() - 1] > self.root_max() {
            levels.push(levels[levels.len() - 1].div_ceil(self.max()));
        }
        levels
    }

    /// How many blocks a map of that many extents takes.
    pub(super) fn blocks(&self, extents: usize) -> usize {
        self.levels(extents).iter().sum()
    }
}

/// A fork ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Built {
    /// The fork's bytes in the inode; behind them all is zero.
    pub(super) root: Vec<u8>,
    /// Whether it is a B+tree.
    pub(super) tree: bool,
    /// Each block outside, by its place among those given, and what it holds.
    pub(super) blocks: Vec<Vec<u8>>,
}

/// Where a block of a map lies: as the filesystem counts, and in units of 512 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) block: u64,
    pub(super) daddr: u64,
}

/// Builds the fork. `places` has as many blocks as [`Format::blocks`] asks for.
pub(super) fn build(format: &Format, extents: &[Mapping], places: &[Place]) -> Built {
    let levels = format.levels(extents.len());
    let records: Vec<u8> = extents.iter().flat_map(|extent| extent.encode()).collect();
    if levels.is_empty() {
        return Built { root: records, tree: false, blocks: Vec::new() };
    }
    let mut blocks = Vec::new();
    let mut children: Vec<(u64, u64)> = Vec::new();
    let mut rest = places;
    for (level, &count) in (0u16..).zip(&levels) {
        let (mine, others) = rest.split_at(count);
        rest = others;
        let items = if level == 0 { extents.len() } else { children.len() };
        let mut parents = Vec::with_capacity(count);
        for (at, range) in split(items, count).enumerate() {
            let mut block = vec![0; format.block_size];
            btree::MAGIC.set(&mut block, long::magic(format.crc));
            btree::LEVEL.set(&mut block, level);
            let numrecs = u16::try_from(range.len()).expect("a block of 64 KiB holds at most 4096 records");
            btree::RECORDS.set(&mut block, numrecs);
            let left = at.checked_sub(1).map_or(NULL_BLOCK, |left| mine[left].block);
            let right = mine.get(at + 1).map_or(NULL_BLOCK, |right| right.block);
            long::LEFT.set(&mut block, left);
            long::RIGHT.set(&mut block, right);
            let body = format.header_len();
            let key = if level == 0 {
                let records = &records[range.start * RECORD_LEN..range.end * RECORD_LEN];
                block[body..body + records.len()].copy_from_slice(records);
                extents[range.start].logical
            } else {
                put_pairs(&mut block[body..], &children[range.clone()], format.max());
                children[range.start].0
            };
            if format.crc {
                long::BLKNO.set(&mut block, mine[at].daddr);
                long::UUID.set(&mut block, &format.uuid);
                long::OWNER.set(&mut block, format.inode);
                checksum::seal(&mut block, long::CRC);
            }
            parents.push((key, mine[at].block));
            blocks.push(block);
        }
        children = parents;
    }
    let mut root = vec![0; ROOT_LEN + format.root_max() * PAIR_LEN];
    long::ROOT_LEVEL
        .set(&mut root, u16::try_from(levels.len()).expect("each level is a fraction of the one below"));
    long::ROOT_RECORDS
        .set(&mut root, u16::try_from(children.len()).expect("at most what the inode has room for"));
    put_pairs(&mut root[ROOT_LEN..], &children, format.root_max());
    Built { root, tree: true, blocks }
}

/// Keys from the start on, pointers behind the room for `max` keys.
fn put_pairs(body: &mut [u8], pairs: &[(u64, u64)], max: usize) {
    for (slot, &(key, child)) in pairs.iter().enumerate() {
        Be64(slot * 8).set(body, key);
        Be64((max + slot) * 8).set(body, child);
    }
}

/// Puts extents in order, and joins those that continue each other, as far as a record can hold them.
pub(super) fn join(extents: &mut Vec<Mapping>) {
    extents.sort_unstable_by_key(|extent| extent.logical);
    extents.dedup_by(|next, last| {
        let continues = last.end() == next.logical
            && last.start.0 + last.count == next.start.0
            && last.written == next.written
            && last.count + next.count <= LEN_MAX;
        if continues {
            last.count += next.count;
        }
        continues
    });
}

#[cfg(test)]
mod tests {
    use block::field::Be16;

    use super::*;
    use crate::xfs::geometry::FsBlock;

    const FORMAT: Format = Format { block_size: 512, crc: true, uuid: [3; 16], inode: 131, room: 336 };

    fn extents(count: u64) -> Vec<Mapping> {
        (0..count)
            .map(|at| Mapping {
                logical: at * 3,
                start: FsBlock(at * 7 + 100),
                count: 2,
                written: at % 2 == 0,
            })
            .collect()
    }

    /// Reads the records back by the tree's pointers.
    fn read(format: &Format, built: &Built, places: &[Place]) -> Vec<u8> {
        if !built.tree {
            return built.root.clone();
        }
        let pairs = |raw: &[u8], count: usize, max: usize| -> Vec<(u64, u64)> {
            (0..count).map(|slot| (Be64(slot * 8).get(raw), Be64((max + slot) * 8).get(raw))).collect()
        };
        let count = usize::from(Be16(2).get(&built.root));
        let mut level = pairs(&built.root[ROOT_LEN..], count, format.root_max());
        for height in (0..Be16(0).get(&built.root)).rev() {
            let mut below = Vec::new();
            for (key, child) in level {
                let at = places.iter().position(|place| place.block == child).unwrap();
                let raw = &built.blocks[at];
                assert_eq!(btree::LEVEL.get(raw), height);
                let body = &raw[format.header_len()..];
                let count = usize::from(btree::RECORDS.get(raw));
                if height == 0 {
                    assert_eq!(Be64(0).get(body) << 1 >> 10, key);
                    return_records(&mut below, body, count);
                } else {
                    assert_eq!(Be64(0).get(body), key);
                    below.extend(pairs(body, count, format.max()));
                }
            }
            level = below;
        }
        level.into_iter().flat_map(|(high, low)| [high.to_be_bytes(), low.to_be_bytes()].concat()).collect()
    }

    fn return_records(below: &mut Vec<(u64, u64)>, body: &[u8], count: usize) {
        below.extend((0..count).map(|slot| (Be64(slot * 16).get(body), Be64(slot * 16 + 8).get(body))));
    }

    #[test]
    fn a_map_of_any_size_holds_its_extents() {
        let places: Vec<Place> = (0..2000).map(|at| Place { block: 9000 - at, daddr: at * 8 }).collect();
        for format in [FORMAT, Format { crc: false, room: 60, ..FORMAT }] {
            for count in (0..200).chain([1000, 5000]) {
                let extents = extents(count);
                let needed = format.blocks(extents.len());
                let built = build(&format, &extents, &places[..needed]);
                let records: Vec<u8> = extents.iter().flat_map(|extent| extent.encode()).collect();
                assert_eq!(read(&format, &built, &places), records, "{count} extents");
                assert_eq!(built.tree, extents.len() > format.inline_max());
            }
        }
    }

    #[test]
    fn extents_that_continue_each_other_are_joined() {
        let whole = Mapping { logical: 5, start: FsBlock(70), count: 9, written: true };
        let other = Mapping { logical: 14, start: FsBlock(79), count: 1, written: false };
        let mut parts = vec![
            Mapping { logical: 9, start: FsBlock(74), count: 5, written: true },
            Mapping { count: 4, ..whole },
            other,
        ];
        join(&mut parts);
        assert_eq!(parts, [whole, other]);
    }
}
