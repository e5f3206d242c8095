//! Blocks of an attribute fork that no reader reaches: neither nodes and leaves nor values that are complete.
//!
//! The kernel sets a large value in steps: blocks first, then an entry that is incomplete, then the bytes, then the
//! entry that says where they are. The removal goes the other way. A crash in between leaves blocks with bytes that
//! no entry names, or only an incomplete one. They stay the fork's, until the file goes.

use std::{collections::HashSet, ops::Range};

use block::{BlockRead, Result, to_u64};

use super::leaf::Block;
use crate::xfs::{
    Xfs,
    format::attr::{flags, remote},
    geometry::FsBlock,
    inode::{Fork, Inode},
    map::Mapped,
};

/// What readers reach.
#[derive(Default)]
struct Reached {
    /// Nodes and leaves, by place.
    index: HashSet<u64>,
    /// Blocks of values, in blocks of the fork.
    values: Vec<Range<u64>>,
}

impl Reached {
    fn value(&mut self, first: u64, blocks: u64) {
        self.values.push(first..first.saturating_add(blocks));
    }

    /// Values by place, overlapping ones together.
    fn settle(&mut self) {
        self.values.sort_unstable_by_key(|range| range.start);
        self.values.dedup_by(|next, last| {
            let joined = next.start <= last.end;
            if joined {
                last.end = last.end.max(next.end);
            }
            joined
        });
    }

    fn has(&self, logical: u64, place: FsBlock) -> bool {
        let behind = self.values.partition_point(|range| range.start <= logical);
        let value = behind.checked_sub(1).is_some_and(|at| self.values[at].contains(&logical));
        value || self.index.contains(&place.0)
    }
}

impl<D: BlockRead> Xfs<D> {
    /// Each block of an attribute fork that is not reached, with its bytes.
    pub(crate) fn unreached_blocks(
        &self,
        inode: &Inode,
        visit: &mut dyn FnMut(FsBlock, Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let room = self.geometry.block_len() - remote::header_len(self.geometry.v5);
        let mut reached = Reached::default();
        self.attribute_blocks(inode, &mut |block| {
            match block {
                Block::Node(node) => drop(reached.index.insert(node.block.0)),
                Block::Leaf(leaf) => {
                    reached.index.insert(leaf.block.0);
                    let complete = leaf.entries.iter().filter(|entry| entry.flags & flags::INCOMPLETE == 0);
                    for (first, len) in complete.filter_map(|entry| entry.remote) {
                        reached.value(first, to_u64(len.div_ceil(room)));
                    }
                }
            }
            Ok(())
        })?;
        reached.settle();
        let mut left = self.geometry.blocks;
        self.map(inode, Fork::Attr, &mut |mapped| {
            let Mapped::Extent(mapping) = mapped else { return Ok(()) };
            // A fork that names its blocks over and over would be read over and over.
            left = left.checked_sub(mapping.count).ok_or_else(|| {
                let expected = format!("at most the filesystem's {}", self.geometry.blocks);
                inode.object().corrupt("number of blocks of attributes", "larger", expected)
            })?;
            for step in 0..mapping.count {
                let place = FsBlock(mapping.start.0 + step);
                if !reached.has(mapping.logical + step, place) {
                    visit(place, self.read_blocks(place, 1)?)?;
                }
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_any_order() {
        let mut reached = Reached { index: HashSet::from([70]), ..Reached::default() };
        for (first, blocks) in [(9, 2), (1, 4), (2, 1), (5, 1), (u64::MAX, 3)] {
            reached.value(first, blocks);
        }
        reached.settle();
        assert_eq!(reached.values, [1..6, 9..11, u64::MAX..u64::MAX]);
        let has = |logical| reached.has(logical, FsBlock(3));
        assert_eq!((0..12).filter(|&at| has(at)).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 9, 10]);
        assert!(reached.has(0, FsBlock(70)));
    }
}
