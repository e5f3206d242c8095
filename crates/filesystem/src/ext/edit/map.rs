//! Writes the map of a file from scratch: an extent tree as flat as can be, or ext2's block pointers.

use block::{BlockRead, BlockWrite, Extent, Result, field::Le32, to_u64, to_usize};

use super::unsupported;
use crate::ext::{
    Ext,
    inode::{self, Inode, flags},
    map::extent::{
        DEPTH, ENTRIES, ENTRY_LEN, HEADER_LEN, LEAF_HI, LEAF_LO, LEN, LOGICAL, MAGIC, MAGIC_VALUE, MAX,
        START_HI, START_LO, WRITTEN_MAX, seal_node,
    },
};

/// Entries of the root of an extent tree.
const ROOT_ENTRIES: usize = 4;
/// Direct pointers; then one to a block of pointers, one to a block of such blocks.
const DIRECT: u64 = 12;
const INDIRECT_AT: Le32 = Le32(48);
const DOUBLE_AT: Le32 = Le32(52);

/// An entry of a node: where it starts in the file, and the blocks of an extent or the node below.
struct Entry {
    logical: u64,
    run: Extent,
}

/// A block number as its low 32 and high 16 bits.
fn halves(block: u64) -> (u32, u16) {
    let [a, b, c, d, e, f, ..] = block.to_le_bytes();
    (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, f]))
}

/// Writes a node with room for `max` entries; at depth 0 a leaf.
fn write_node(node: &mut [u8], max: usize, depth: u16, entries: &[Entry]) {
    let number = |count| u16::try_from(count).expect("64 KiB hold fewer than 2^16 entries");
    node.fill(0);
    MAGIC.set(node, MAGIC_VALUE);
    MAX.set(node, number(max));
    DEPTH.set(node, depth);
    ENTRIES.set(node, number(entries.len()));
    for (slot, entry) in node[HEADER_LEN..].chunks_exact_mut(ENTRY_LEN).zip(entries) {
        let logical = u32::try_from(entry.logical).expect("content in memory has fewer than 2^32 blocks");
        let (low, high) = halves(entry.run.start);
        LOGICAL.set(slot, logical);
        if depth == 0 {
            LEN.set(slot, u16::try_from(entry.run.len).expect("cut to what an extent holds"));
            START_LO.set(slot, low);
            START_HI.set(slot, high);
        } else {
            LEAF_LO.set(slot, low);
            LEAF_HI.set(slot, high);
        }
    }
}

/// Cuts runs to `blocks` in all, and to what one extent can hold; each with its place in the file.
fn pieces(runs: &[Extent], blocks: u64) -> Vec<(u64, Extent)> {
    let mut logical = 0;
    let mut pieces = Vec::new();
    for run in runs {
        let mut start = run.start;
        while start < run.end() && logical < blocks {
            let len = (run.end() - start).min(blocks - logical).min(u64::from(WRITTEN_MAX));
            pieces.push((logical, Extent { start, len }));
            logical += len;
            start += len;
        }
    }
    pieces
}

impl<D: BlockRead> Ext<D> {
    /// Blocks that pointers to so many blocks take. `Unsupported` beyond the double indirect ones.
    pub(super) fn pointer_blocks(&self, inode: &Inode, blocks: u64) -> Result<u64> {
        let per_block = self.layout.block_size / to_u64(Le32::WIDTH);
        if blocks <= DIRECT {
            return Ok(0);
        }
        if blocks <= DIRECT + per_block {
            return Ok(1);
        }
        if blocks > DIRECT + per_block + per_block * per_block {
            return unsupported(inode.object(), "writing triple indirect blocks");
        }
        Ok(2 + (blocks - DIRECT - per_block).div_ceil(per_block))
    }

    /// Whether an inode has extents; `Unsupported` for a format that no kernel would write to.
    pub(super) fn writes_extents(&self, inode: &Inode) -> Result<bool> {
        let extents = inode.has(flags::EXTENTS);
        if !extents && self.layout.cluster_blocks > 1 {
            return unsupported(inode.object(), "writing block pointers in a bigalloc filesystem");
        }
        Ok(extents)
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Maps the first `blocks` blocks of an inode without a map to `runs`. Takes extent blocks into use as needed
    /// and returns how many clusters those took. The inode is not written.
    pub(super) fn write_extents(&mut self, inode: &mut Inode, runs: &[Extent], blocks: u64) -> Result<u64> {
        let max = (self.layout.block_len() - HEADER_LEN) / ENTRY_LEN;
        let near = self.layout.inode_place(inode.number).0;
        let mut level: Vec<Entry> =
            pieces(runs, blocks).into_iter().map(|(logical, run)| Entry { logical, run }).collect();
        let (mut depth, mut count) = (0, 0);
        // From the leaves up, until the inode has room for what is left.
        while level.len() > ROOT_ENTRIES {
            let mut above = Vec::new();
            for part in level.chunks(max) {
                // One cluster, so one run; its first block holds the node.
                let place = self.allocate(near, 1, inode.object())?[0].start;
                let mut node = vec![0; self.layout.block_len()];
                write_node(&mut node, max, depth, part);
                if self.checksums.metadata() {
                    seal_node(&mut node, inode.seed(&self.checksums));
                }
                self.write_block(place, &node)?;
                above.push(Entry { logical: part[0].logical, run: Extent { start: place, len: 1 } });
                count += 1;
            }
            level = above;
            depth += 1;
        }
        let mut root = [0; 60];
        write_node(&mut root, ROOT_ENTRIES, depth, &level);
        inode::BLOCK.set(&mut inode.raw, &root);
        Ok(count)
    }

    /// As [`write_extents`](Self::write_extents) with block pointers: the blocks behind the first `blocks` of
    /// `runs`, as many as [`pointer_blocks`](Self::pointer_blocks) says, hold the pointers.
    pub(super) fn write_pointers(&mut self, inode: &mut Inode, runs: &[Extent], blocks: u64) -> Result<()> {
        let mut places = Vec::new();
        for block in runs.iter().flat_map(|run| run.start..run.end()) {
            let Ok(block) = u32::try_from(block) else {
                return unsupported(inode.object(), "block pointers to blocks from 2^32 on");
            };
            places.push(block);
        }
        let (data, maps) = places.split_at(to_usize(blocks));
        let mut maps = maps.iter().copied();
        let mut next_map = || maps.next().expect("pointer_blocks counted them");
        let per_block = self.layout.block_len() / Le32::WIDTH;
        let (direct, rest) = data.split_at(data.len().min(to_usize(DIRECT)));
        let (single, rest) = rest.split_at(rest.len().min(per_block));
        let mut root = [0; 60];
        fill(&mut root, direct);
        if !single.is_empty() {
            let place = next_map();
            INDIRECT_AT.set(&mut root, place);
            self.write_pointer_block(place, single)?;
        }
        if !rest.is_empty() {
            let top = next_map();
            DOUBLE_AT.set(&mut root, top);
            let mut middle = Vec::new();
            for part in rest.chunks(per_block) {
                let place = next_map();
                middle.push(place);
                self.write_pointer_block(place, part)?;
            }
            self.write_pointer_block(top, &middle)?;
        }
        inode::BLOCK.set(&mut inode.raw, &root);
        Ok(())
    }

    fn write_pointer_block(&mut self, place: u32, pointers: &[u32]) -> Result<()> {
        let mut block = vec![0; self.layout.block_len()];
        fill(&mut block, pointers);
        self.write_block(place.into(), &block)
    }
}

fn fill(block: &mut [u8], pointers: &[u32]) {
    for (slot, &pointer) in block.chunks_exact_mut(Le32::WIDTH).zip(pointers) {
        Le32(0).set(slot, pointer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_cut_to_the_content_and_to_one_extent() {
        let runs = [Extent { start: 100, len: 40_000 }, Extent { start: 7, len: 16 }];
        let cut: Vec<_> =
            pieces(&runs, 40_003).into_iter().map(|(at, run)| (at, run.start, run.len)).collect();
        assert_eq!(cut, [(0, 100, 32768), (32768, 32868, 7232), (40_000, 7, 3)]);
    }
}
