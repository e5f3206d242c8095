//! Which blocks an inode that is gone had: its map, read with less trust than that of a live one.
//!
//! A block of the map may hold something else by now. Its copies in the journal come first, and what is not a map of
//! this inode by all that can be checked is left out, and nothing else.

use std::collections::HashSet;

use block::{BlockRead, Result, field::Le32};

use super::{copies::Copies, told};
use crate::ext::{
    Ext,
    checksum::crc32c_raw,
    inode::{Inode, flags},
    map::{
        ENTRIES, ENTRY_LEN, HEADER_LEN, MAX,
        extent::{DEPTH, LEAF_HI, LEAF_LO, LEN, MAGIC, MAGIC_VALUE, START_HI, START_LO, WRITTEN_MAX},
    },
};

/// Runs of one inode.
const MAX_RUNS: usize = 1 << 16;
/// Copies of a block of the map that are looked at.
const MAX_COPIES: usize = 4;
/// Levels of a map.
const MAX_LEVELS: u16 = 5;

/// First block and how many.
type Run = (u64, u64);

struct Walk<'a> {
    inode: &'a Inode,
    copies: &'a Copies,
    /// How new the image of the inode is.
    order: u32,
    nodes: HashSet<u64>,
    /// How many more blocks of maps may be read.
    left: &'a mut usize,
    runs: Vec<Run>,
}

impl Walk<'_> {
    fn push(&mut self, start: u64, count: u64) {
        let room = self.runs.len() < MAX_RUNS;
        match self.runs.last_mut() {
            Some((first, len)) if *first + *len == start => *len += count,
            _ if room => self.runs.push((start, count)),
            _ => {}
        }
    }
}

impl<D: BlockRead> Ext<D> {
    /// The blocks that hold written content of an inode, or its xattrs, as its image of that age says. Reads at most
    /// `left` blocks of the map, and takes them off.
    pub(super) fn former_runs(
        &self,
        inode: &Inode,
        copies: &Copies,
        order: u32,
        left: &mut usize,
    ) -> Result<Vec<Run>> {
        let mut walk = Walk { inode, copies, order, nodes: HashSet::new(), left, runs: Vec::new() };
        if inode.has_map() && inode.has(flags::EXTENTS) {
            let root = inode.block();
            if let Some(depth) = Some(DEPTH.get(root)).filter(|depth| *depth <= MAX_LEVELS) {
                self.former_extents(root, depth, &mut walk)?;
            }
        } else if inode.has_map() {
            for (level, pointers) in [(0, 0..48), (1, 48..52), (2, 52..56), (3, 56..60)] {
                self.former_pointers(&inode.block()[pointers], level, &mut walk)?;
            }
        }
        let xattrs = inode.xattr_block();
        if xattrs != 0 && self.layout.contains(xattrs, 1) {
            walk.push(xattrs, 1);
        }
        Ok(walk.runs)
    }

    fn former_extents(&self, node: &[u8], depth: u16, walk: &mut Walk<'_>) -> Result<()> {
        let (entries, room) = (usize::from(ENTRIES.get(node)), (node.len() - HEADER_LEN) / ENTRY_LEN);
        if MAGIC.get(node) != MAGIC_VALUE || DEPTH.get(node) != depth || entries > room {
            return Ok(());
        }
        for entry in node[HEADER_LEN..].chunks_exact(ENTRY_LEN).take(entries) {
            if depth == 0 {
                // Longer ones were never written, so what they hold is not this file's.
                let count = u64::from(LEN.get(entry));
                let start = u64::from(START_HI.get(entry)) << 32 | u64::from(START_LO.get(entry));
                if (1..=u64::from(WRITTEN_MAX)).contains(&count) && self.layout.contains(start, count) {
                    walk.push(start, count);
                }
                continue;
            }
            let block = u64::from(LEAF_HI.get(entry)) << 32 | u64::from(LEAF_LO.get(entry));
            let seed = walk.inode.seed(&self.checksums);
            let fits = |node: &[u8]| {
                let at = HEADER_LEN + ENTRY_LEN * usize::from(MAX.get(node));
                MAGIC.get(node) == MAGIC_VALUE
                    && DEPTH.get(node) == depth - 1
                    && (!self.checksums.metadata()
                        || Le32(at).try_get(node).is_some_and(|sum| sum == crc32c_raw(seed, &node[..at])))
            };
            if let Some(child) = self.former_node(block, walk, &fits)? {
                self.former_extents(&child, depth - 1, walk)?;
            }
        }
        Ok(())
    }

    /// Pointers to blocks `level` levels above the content.
    fn former_pointers(&self, pointers: &[u8], level: u32, walk: &mut Walk<'_>) -> Result<()> {
        for pointer in pointers.chunks_exact(4) {
            let block = u64::from(Le32(0).get(pointer));
            if block == 0 || !self.layout.contains(block, 1) {
                continue;
            }
            if level == 0 {
                walk.push(block, 1);
                continue;
            }
            // Such a block has no mark of its own. Anything else would have numbers from outside the filesystem.
            let fits = |node: &[u8]| {
                node.chunks_exact(4)
                    .map(|pointer| u64::from(Le32(0).get(pointer)))
                    .all(|block| block == 0 || self.layout.contains(block, 1))
            };
            if let Some(child) = self.former_node(block, walk, &fits)? {
                self.former_pointers(&child, level - 1, walk)?;
            }
        }
        Ok(())
    }

    /// A block of the map: the newest copy that is not newer than the image, or the block itself, or a newer copy.
    fn former_node(
        &self,
        block: u64,
        walk: &mut Walk<'_>,
        fits: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>> {
        if !self.layout.contains(block, 1) || *walk.left == 0 || !walk.nodes.insert(block) {
            return Ok(None);
        }
        *walk.left -= 1;
        let copies = walk.copies.within(block, block + 1);
        let newer = copies.partition_point(|copy| walk.copies.order(copy) <= walk.order);
        let (older, newer) = copies.split_at(newer);
        for copy in older.iter().rev().take(MAX_COPIES) {
            let node = self.read_copy(copy)?;
            if fits(&node) {
                return Ok(Some(node));
            }
        }
        if let Some(node) = told(self.read_block(block))?.filter(|node| fits(node)) {
            return Ok(Some(node));
        }
        for copy in newer.iter().take(MAX_COPIES) {
            let node = self.read_copy(copy)?;
            if fits(&node) {
                return Ok(Some(node));
            }
        }
        Ok(None)
    }
}
