//! The map of an inode: which blocks hold its content, and which hold the map itself.
//!
//! A walk ends, whatever the image says: levels are limited, no block of the map is visited twice, and no more
//! content than there are blocks.

pub(crate) mod extent;
mod indirect;

use std::{collections::HashSet, ops::Range};

use block::{BlockRead, Object, Result};

use super::{
    Ext,
    inode::{Inode, flags},
};

pub(crate) use extent::{
    DEPTH, ENTRIES, ENTRY_LEN, GENERATION, HEADER_LEN, INDEX_UNUSED, MAGIC, MAGIC_VALUE, MAX, seal_node,
};

/// One step of a walk over a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mapped {
    /// `count` blocks of content from block `logical` of the file on lie at `physical`.
    Data {
        /// Block of the file.
        logical: u64,
        /// Block of the filesystem.
        physical: u64,
        /// How many of them lie end to end.
        count: u64,
        /// False: allocated but never written, so it reads as zero.
        written: bool,
    },
    /// A block of the map itself: an extent tree node or an indirect block. Reported before what it maps.
    Node {
        /// Block of the filesystem.
        block: u64,
    },
}

/// Where a walk reports to; merges runs that continue each other, and counts.
struct Walk<'a> {
    object: Object,
    /// Only blocks of the file in this range matter.
    range: Range<u64>,
    visit: &'a mut dyn FnMut(Mapped) -> Result<()>,
    pending: Option<(u64, u64, u64, bool)>,
    /// Blocks that may still be visited.
    budget: u64,
    /// Blocks of the map so far: a tree that shares branches would have more paths than any walk has time for.
    nodes: HashSet<u64>,
}

impl Walk<'_> {
    fn spend(&mut self, count: u64) -> Result<()> {
        match self.budget.checked_sub(count) {
            Some(rest) => {
                self.budget = rest;
                Ok(())
            }
            None => Err(self.object.corrupt(
                "block map",
                "larger than the filesystem",
                "each block mapped at most once",
            )),
        }
    }

    fn data(&mut self, logical: u64, physical: u64, count: u64, written: bool) -> Result<()> {
        self.spend(count)?;
        match &mut self.pending {
            Some((first, place, len, state))
                if *first + *len == logical && *place + *len == physical && *state == written =>
            {
                *len += count;
                Ok(())
            }
            _ => {
                self.flush()?;
                self.pending = Some((logical, physical, count, written));
                Ok(())
            }
        }
    }

    fn node(&mut self, block: u64) -> Result<()> {
        self.spend(1)?;
        if !self.nodes.insert(block) {
            return Err(self.object.corrupt("block map", format!("block {block} twice"), "a tree"));
        }
        self.flush()?;
        (self.visit)(Mapped::Node { block })
    }

    fn flush(&mut self) -> Result<()> {
        let Some((logical, physical, count, written)) = self.pending.take() else { return Ok(()) };
        let start = logical.max(self.range.start);
        let end = (logical + count).min(self.range.end);
        if start >= end {
            return Ok(());
        }
        (self.visit)(Mapped::Data {
            logical: start,
            physical: physical + (start - logical),
            count: end - start,
            written,
        })
    }
}

impl<D: BlockRead> Ext<D> {
    /// Walks the whole map of an inode, in the order of the file. Nothing if the inode has none.
    pub(crate) fn map(&self, inode: &Inode, visit: &mut dyn FnMut(Mapped) -> Result<()>) -> Result<()> {
        self.map_range(inode, 0..u64::MAX, visit)
    }

    /// Walks what maps these blocks of the file.
    pub(crate) fn map_range(
        &self,
        inode: &Inode,
        range: Range<u64>,
        visit: &mut dyn FnMut(Mapped) -> Result<()>,
    ) -> Result<()> {
        if !inode.has_map() {
            return Ok(());
        }
        let mut walk = Walk {
            object: inode.object(),
            range,
            visit,
            pending: None,
            budget: self.layout.blocks,
            nodes: HashSet::new(),
        };
        if inode.has(flags::EXTENTS) {
            self.walk_extents(inode, &mut walk)?;
        } else {
            self.walk_indirect(inode, &mut walk)?;
        }
        walk.flush()
    }
}
