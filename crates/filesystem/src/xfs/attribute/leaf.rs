//! Leaves and nodes of an attribute fork.
//!
//! Values share the fork's space with them, so only the index tells which blocks are which. A block that it names
//! twice is an error, so a walk ends.

use std::{collections::HashSet, ops::Range};

use block::{BlockRead, Object, Result, field::Be32};

use super::{fork_block, length};
use crate::xfs::{
    Xfs,
    format::{
        attr::{flags, leaf},
        dir::da,
    },
    geometry::{FsBlock, Geometry},
    group::expect,
    inode::{Fork, Inode},
};

/// One attribute: positions in the leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeafAttribute {
    /// Name with all that belongs to it.
    pub(crate) whole: Range<usize>,
    pub(crate) name: Range<usize>,
    /// Empty if it lies elsewhere.
    pub(crate) value: Range<usize>,
    /// The value's first block in the fork, and its length.
    pub(crate) remote: Option<(u64, usize)>,
    pub(crate) flags: u8,
}

/// A leaf, checked.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) block: FsBlock,
    /// In the order of their hashes.
    pub(crate) entries: Vec<LeafAttribute>,
    /// All its bytes.
    pub(crate) raw: Vec<u8>,
}

/// A node, checked.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) block: FsBlock,
    /// Entries in use.
    pub(crate) count: usize,
    /// All its bytes.
    pub(crate) raw: Vec<u8>,
}

/// A block of the index.
#[derive(Debug)]
pub(crate) enum Block {
    Leaf(Leaf),
    Node(Node),
}

fn parse(block: FsBlock, raw: Vec<u8>, v5: bool) -> Result<Leaf> {
    let object = Geometry::block_object("attribute leaf", block);
    let count = usize::from(leaf::count(v5).get(&raw));
    let first = leaf::header_len(v5);
    let end = first + count * leaf::ENTRY_LEN;
    if end > raw.len() {
        let room = (raw.len() - first) / leaf::ENTRY_LEN;
        return Err(object.corrupt("count", count, format!("at most {room}")));
    }
    let mut entries = Vec::with_capacity(count);
    for entry in raw[first..end].chunks_exact(leaf::ENTRY_LEN) {
        let start = usize::from(leaf::NAME_INDEX.get(entry));
        let entry_flags = leaf::FLAGS.get(entry);
        let bad = || object.corrupt("nameidx", start, format!("a name between {end} and {}", raw.len()));
        let head = raw.get(start..).filter(|_| start >= end).ok_or_else(bad)?;
        let (name, value, remote) = if entry_flags & flags::LOCAL != 0 {
            let (Some(value_len), Some(name_len)) =
                (leaf::LOCAL_VALUE_LEN.try_get(head), leaf::LOCAL_NAME_LEN.try_get(head))
            else {
                return Err(bad());
            };
            let name = start + leaf::LOCAL_LEN..start + leaf::LOCAL_LEN + usize::from(name_len);
            let value = name.end..name.end + usize::from(value_len);
            (name, value, None)
        } else {
            let (Some(block), Some(len), Some(name_len)) = (
                leaf::REMOTE_BLOCK.try_get(head),
                leaf::REMOTE_VALUE_LEN.try_get(head),
                leaf::REMOTE_NAME_LEN.try_get(head),
            ) else {
                return Err(bad());
            };
            let name = start + leaf::REMOTE_LEN..start + leaf::REMOTE_LEN + usize::from(name_len);
            let value = name.end..name.end;
            (name, value, Some((fork_block(block), length(len))))
        };
        if value.end > raw.len() {
            return Err(bad());
        }
        entries.push(LeafAttribute { whole: start..value.end, name, value, remote, flags: entry_flags });
    }
    let mut places: Vec<_> = entries.iter().map(|entry| entry.whole.clone()).collect();
    places.sort_unstable_by_key(|range| range.start);
    if let Some(pair) = places.windows(2).find(|pair| pair[0].end > pair[1].start) {
        return Err(object.corrupt("nameidx", pair[1].start, format!("{} or more", pair[0].end)));
    }
    Ok(Leaf { block, entries, raw })
}

impl<D: BlockRead> Xfs<D> {
    /// Each node and leaf of an attribute fork that lies outside the inode; nodes before what is below them.
    pub(crate) fn attribute_blocks(
        &self,
        inode: &Inode,
        visit: &mut dyn FnMut(&Block) -> Result<()>,
    ) -> Result<()> {
        // An attribute fork without a block is one that has lost its last attribute.
        if inode.extent_count(Fork::Attr) == 0 {
            return Ok(());
        }
        let mut seen = HashSet::new();
        self.attribute_block(inode, 0, None, &mut seen, visit)
    }

    fn attribute_block(
        &self,
        inode: &Inode,
        logical: u64,
        level: Option<u16>,
        seen: &mut HashSet<u64>,
        visit: &mut dyn FnMut(&Block) -> Result<()>,
    ) -> Result<()> {
        let v5 = self.geometry.v5;
        let missing = || inode.object().corrupt("block of its attributes", logical, "one that is there");
        if !seen.insert(logical) {
            return Err(inode.object().corrupt("block of its attributes", logical, "one not named twice"));
        }
        let Some((places, raw)) = self.fork_blocks(inode, Fork::Attr, logical, 1)? else {
            return Err(missing());
        };
        let block = places[0];
        let object: Object = Geometry::block_object("attribute leaf", block);
        let magic = da::MAGIC.get(&raw);
        let is_node = magic == da::node_magic(v5);
        if !is_node && magic != leaf::magic(v5) {
            let expected = format!("{:#06x} or {:#06x}", leaf::magic(v5), da::node_magic(v5));
            return Err(object.corrupt("magic", format!("{magic:#06x}"), expected));
        }
        if v5 {
            self.check_own(inode, object, &raw, block, (da::CRC, da::BLKNO, da::UUID, da::OWNER))?;
        }
        if !is_node {
            expect(object, "level", 0u16, level.unwrap_or(0))?;
            return visit(&Block::Leaf(parse(block, raw, v5)?));
        }
        let found = da::node_level(v5).get(&raw);
        if found == 0 || found > da::MAX_DEPTH {
            return Err(object.corrupt("level", found, format!("1 to {}", da::MAX_DEPTH)));
        }
        expect(object, "level", found, level.unwrap_or(found))?;
        let count = usize::from(da::node_count(v5).get(&raw));
        let first = da::node_header_len(v5);
        let room = (raw.len() - first) / da::NODE_ENTRY_LEN;
        if count == 0 || count > room {
            return Err(object.corrupt("count", count, format!("1 to {room}")));
        }
        let node = Block::Node(Node { block, count, raw });
        visit(&node)?;
        let Block::Node(node) = node else { return Ok(()) };
        for index in 0..count {
            let at = first + index * da::NODE_ENTRY_LEN;
            let child = Be32(at + da::NODE_BEFORE.0).get(&node.raw);
            self.attribute_block(inode, fork_block(child), Some(found - 1), seen, visit)?;
        }
        Ok(())
    }
}

/// The bytes of a node that hold something.
pub(crate) fn used_of_node(node: &Node, v5: bool) -> usize {
    da::node_header_len(v5) + node.count * da::NODE_ENTRY_LEN
}
