//! The blocks of a directory one by one, in memory that does not follow its size.

use std::collections::{BTreeSet, VecDeque};

use block::{BlockRead, Result};

use super::{BlockKind, Place};
use crate::ext::{Ext, inode::Inode, map::Mapped};

/// Blocks looked up at once.
const WINDOW: u64 = 1024;

/// A walk over the blocks of a directory that is not inline. It borrows nothing, so that blocks may be
/// changed on the way.
#[derive(Debug)]
pub(crate) struct Walk {
    blocks: u64,
    indexed: bool,
    nodes: BTreeSet<u64>,
    next: u64,
    places: VecDeque<Place>,
}

impl<D: BlockRead> Ext<D> {
    /// A walk from the directory's first block on.
    pub(crate) fn walk_directory(&self, inode: &Inode) -> Result<Walk> {
        let blocks = self.directory_len(inode)?;
        let nodes = self.index_nodes(inode, blocks)?;
        Ok(Walk { blocks, indexed: self.is_indexed(inode), nodes, next: 0, places: VecDeque::new() })
    }
}

impl Walk {
    /// The next block; `None` behind the last. A hole is `Corrupt`.
    pub(crate) fn next<D: BlockRead>(&mut self, ext: &Ext<D>, inode: &Inode) -> Result<Option<Place>> {
        if self.places.is_empty() && self.next < self.blocks {
            self.look_up(ext, inode)?;
        }
        Ok(self.places.pop_front())
    }

    /// Goes on with this block of the directory; with none, if it has no such block.
    pub(crate) fn go_to(&mut self, logical: u64) {
        self.next = logical.min(self.blocks);
        self.places.clear();
    }

    fn look_up<D: BlockRead>(&mut self, ext: &Ext<D>, inode: &Inode) -> Result<()> {
        let end = (self.next + WINDOW).min(self.blocks);
        let hole = |at| {
            let found = format!("a hole or unwritten at {at}");
            Err(inode.object().corrupt("directory block", found, "a block"))
        };
        ext.map_range(inode, self.next..end, &mut |mapped| {
            let Mapped::Data { logical, physical, count, written } = mapped else { return Ok(()) };
            if logical != self.next || !written {
                return hole(self.next);
            }
            self.next = logical + count;
            self.places.extend((0..count).map(|step| {
                let logical = logical + step;
                let kind = match logical {
                    0 if self.indexed => BlockKind::Root,
                    _ if self.nodes.contains(&logical) => BlockKind::Node,
                    _ => BlockKind::Leaf,
                };
                Place { logical, physical: physical + step, kind }
            }));
            Ok(())
        })?;
        if self.next == end { Ok(()) } else { hole(self.next) }
    }
}
