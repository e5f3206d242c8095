//! The hash index over names (a leaf, or a tree of leaves), and the index of free space in data blocks.

use block::{
    field::{Be16, Be32},
    to_u64,
};

use super::{Block, Format, Frame, Hashed, Magic};
use crate::xfs::format::dir::{FREE_OFFSET, LEAF_OFFSET};

const LEAF1_MAGIC: Magic = Magic { v4: [0xd2, 0xf1, 0, 0], v5: [0x3d, 0xf1, 0, 0] };
const LEAFN_MAGIC: Magic = Magic { v4: [0xd2, 0xff, 0, 0], v5: [0x3d, 0xff, 0, 0] };
const NODE_MAGIC: Magic = Magic { v4: [0xfe, 0xbe, 0, 0], v5: [0x3e, 0xbe, 0, 0] };
const FREE_MAGIC: Magic = Magic { v4: *b"XD2F", v5: *b"XDF3" };

/// Bytes of an entry of a leaf, and of a node.
const ENTRY_LEN: usize = 8;
/// Bytes of xfs_dir2_leaf_tail: how many data blocks the leaf speaks of.
const TAIL_LEN: usize = 4;
/// Bytes of a best.
const BEST_LEN: usize = 2;
/// forw and back of xfs_da_blkinfo.
const FORW: Be32 = Be32(0);
const BACK: Be32 = Be32(4);

/// Offset of `count` in a leaf or node. Behind it: in a leaf how many are stale, in a node its level.
const fn count_at(format: &Format) -> usize {
    if format.crc { 56 } else { 12 }
}

fn entries_max(format: &Format) -> usize {
    (format.block_size - format.header_len()) / ENTRY_LEN
}

fn short(value: usize) -> u16 {
    u16::try_from(value).expect("a block of 64 KiB holds at most 8192 entries")
}

fn fill(format: &Format, block: &mut Block, entries: &[Hashed]) {
    Be16(count_at(format)).set(&mut block.raw, short(entries.len()));
    for (slot, entry) in entries.iter().enumerate() {
        entry.put(&mut block.raw, format.header_len() + slot * ENTRY_LEN);
    }
}

/// The whole index in one leaf, with the free space of each data block behind it: `None` if there is no room.
pub(super) fn leaf(format: &Format, hashes: &[Hashed], bests: &[u16]) -> Option<Block> {
    let used = format.header_len() + hashes.len() * ENTRY_LEN + bests.len() * BEST_LEN + TAIL_LEN;
    if used > format.block_size {
        return None;
    }
    let mut block = Block::new(format, Frame::Tree, format.unit_of(LEAF_OFFSET), LEAF1_MAGIC);
    fill(format, &mut block, hashes);
    let tail = format.block_size - TAIL_LEN;
    Be32(tail).set(&mut block.raw, u32::try_from(bests.len()).expect("a block's worth"));
    for (slot, &best) in bests.iter().enumerate() {
        Be16(tail - (bests.len() - slot) * BEST_LEN).set(&mut block.raw, best);
    }
    Some(block)
}

/// The index as a tree. Its root is the first block, whatever it is; the levels follow from the leaves up.
pub(super) fn node(format: &Format, hashes: &[Hashed]) -> Vec<Block> {
    let step = to_u64(format.block_size / format.unit);
    let root = format.unit_of(LEAF_OFFSET);
    let max = entries_max(format);
    let mut blocks: Vec<Block> = Vec::new();
    let mut entries = hashes.to_vec();
    // The first block is the root's, which comes last.
    let mut next = root + step;
    for level in 0u16.. {
        let count = entries.len().div_ceil(max).max(1);
        let first = if count == 1 { root } else { next };
        let place = |at: usize| first + step * to_u64(at);
        let link = |at: usize| u32::try_from(place(at)).expect("a directory's offsets have 32 bits");
        let (each, more) = (entries.len() / count, entries.len() % count);
        let mut parents = Vec::with_capacity(count);
        let mut rest = entries.as_slice();
        for at in 0..count {
            let (mine, others) = rest.split_at(each + usize::from(at < more));
            rest = others;
            let magic = if level == 0 { LEAFN_MAGIC } else { NODE_MAGIC };
            let mut block = Block::new(format, Frame::Tree, place(at), magic);
            fill(format, &mut block, mine);
            if level > 0 {
                Be16(count_at(format) + 2).set(&mut block.raw, level);
            }
            if at > 0 {
                BACK.set(&mut block.raw, link(at - 1));
            }
            if at + 1 < count {
                FORW.set(&mut block.raw, link(at + 1));
            }
            // A node's entry has the highest hash below it.
            let highest = mine.last().map_or(0, |entry| entry.hash);
            parents.push(Hashed { hash: highest, address: link(at) });
            blocks.push(block);
        }
        if count == 1 {
            break;
        }
        next += step * to_u64(count);
        entries = parents;
    }
    blocks.sort_by_key(|block| block.offset);
    blocks
}

/// The index of free space.
pub(super) fn free(format: &Format, bests: &[u16]) -> Vec<Block> {
    let head = if format.crc { 48 } else { 4 };
    let max = (format.block_size - format.header_len()) / BEST_LEN;
    let step = to_u64(format.block_size / format.unit);
    let mut blocks = Vec::new();
    for (at, bests) in bests.chunks(max).enumerate() {
        let offset = format.unit_of(FREE_OFFSET) + step * to_u64(at);
        let mut block = Block::new(format, Frame::Data, offset, FREE_MAGIC);
        let count = u32::try_from(bests.len()).expect("a block's worth");
        Be32(head).set(&mut block.raw, u32::try_from(at * max).expect("data ends at 32 GiB"));
        Be32(head + 4).set(&mut block.raw, count);
        Be32(head + 8).set(&mut block.raw, count);
        for (slot, &best) in bests.iter().enumerate() {
            Be16(format.header_len() + slot * BEST_LEN).set(&mut block.raw, best);
        }
        blocks.push(block);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use block::to_usize;

    use super::{super::Name, *};
    use crate::xfs::edit::pack::{Form, in_blocks};

    fn format(crc: bool, block_size: usize) -> Format {
        Format { block_size, unit: 512, crc, ftype: crc, uuid: [9; 16], inode: 131, parent: 128 }
    }

    fn names(count: usize) -> Vec<Name> {
        let name = |at: usize| format!("name{at:0width$}", width = 5 + at % 17).into_bytes();
        (0..count).map(|at| Name { name: name(at), inode: 200 + to_u64(at), file_type: 1 }).collect()
    }

    /// Follows the index from its root, to every name.
    fn found(format: &Format, blocks: &[Block], hash: u32) -> Vec<u32> {
        let at = |offset: u64| blocks.iter().find(|block| block.offset == offset).unwrap();
        let mut block = at(format.unit_of(LEAF_OFFSET));
        loop {
            let count = usize::from(Be16(count_at(format)).get(&block.raw));
            let entry = |slot: usize| {
                let at = format.header_len() + slot * ENTRY_LEN;
                (Be32(at).get(&block.raw), Be32(at + 4).get(&block.raw))
            };
            let node = if format.crc { NODE_MAGIC.v5 } else { NODE_MAGIC.v4 };
            if block.raw[8..10] == node[..2] {
                let slot = (0..count).find(|&slot| entry(slot).0 >= hash).unwrap();
                block = at(u64::from(entry(slot).1));
            } else {
                return (0..count).map(entry).filter(|entry| entry.0 == hash).map(|entry| entry.1).collect();
            }
        }
    }

    #[test]
    fn every_name_is_found_by_its_hash() {
        for crc in [false, true] {
            for (size, counts) in [(512, [0, 5, 30, 100, 3000]), (4096, [0, 100, 300, 700, 5000])] {
                let format = format(crc, size);
                for count in counts {
                    let names = names(count);
                    let Form::Blocks(blocks, len) = in_blocks(&format, &names) else {
                        panic!("a short form")
                    };
                    if blocks.len() == 1 {
                        continue;
                    }
                    assert!(blocks.is_sorted_by_key(|block| block.offset));
                    for name in &names {
                        let hash = super::super::hash(&name.name);
                        let there = found(&format, &blocks, hash).into_iter().any(|address| {
                            let offset = u64::from(address) * 8;
                            assert!(offset < len);
                            let unit = offset / to_u64(size) * to_u64(size / 512);
                            let data = blocks.iter().find(|block| block.offset == unit).unwrap();
                            let at = to_usize(offset % to_u64(size));
                            data.raw[at + 9..].starts_with(&name.name)
                                && usize::from(data.raw[at + 8]) == name.name.len()
                        });
                        assert!(there, "{}", name.name.escape_ascii());
                    }
                }
            }
        }
    }
}
