//! The hash index of a directory: which of its blocks are interior nodes, and their layout.
//!
//! An interior node looks like one empty entry that fills its block, and so does an empty leaf; only the index
//! itself tells them apart. Kernel `Documentation/filesystems/ext4/directory.rst`, "Hash Tree Directories".

use std::collections::BTreeSet;

use block::{
    BlockRead, Object, Result,
    field::{Le16, Le32, U8},
};

use crate::ext::{Ext, checksum::crc32c_raw, inode::Inode};

/// reserved_zero of the root.
pub(crate) const ROOT_RESERVED: Le32 = Le32(24);
/// hash_version; info_length, indirect_levels and unused_flags follow.
pub(crate) const ROOT_HASH_VERSION: U8 = U8(28);
const INFO_LENGTH: U8 = U8(29);
/// indirect_levels: how many levels of nodes lie between the root and the leaves.
pub(crate) const INDIRECT_LEVELS: U8 = U8(30);
/// large_dir allows three levels below the root's own; the kernel makes no more than two.
pub(crate) const MAX_LEVELS: u8 = 3;
/// Where limit and count lie: in the root behind `.`, `..` and the info; in a node behind its empty entry.
pub(crate) const ROOT_COUNT: usize = 32;
pub(crate) const NODE_COUNT: usize = 8;
/// Bytes of an index entry: hash and block. The first has limit and count in place of a hash.
pub(crate) const ENTRY_LEN: usize = 8;
const TAIL_LEN: usize = 8;

/// Limit and count of a root or node, whose entries start at `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Index {
    /// Where limit, count and the first block lie: [`ROOT_COUNT`] or [`NODE_COUNT`].
    pub(crate) at: usize,
    /// Room for so many entries.
    pub(crate) limit: usize,
    /// Entries in use.
    pub(crate) count: usize,
}

impl Index {
    /// Checks limit and count of a block.
    pub(crate) fn new(block: &[u8], at: usize, checksummed: bool, directory: Object) -> Result<Self> {
        let (limit, count) = (usize::from(Le16(at).get(block)), usize::from(Le16(at + 2).get(block)));
        let expected = (block.len() - at - if checksummed { TAIL_LEN } else { 0 }) / ENTRY_LEN;
        if limit != expected {
            return Err(directory.corrupt("htree limit", limit, expected));
        }
        if count == 0 || count > limit {
            return Err(directory.corrupt("htree count", count, format!("1 to {limit}")));
        }
        Ok(Self { at, limit, count })
    }

    /// Where its checksum tail starts.
    pub(crate) const fn tail(self) -> usize {
        self.at + self.limit * ENTRY_LEN
    }

    /// The end of the entries in use.
    pub(crate) const fn end(self) -> usize {
        self.at + self.count * ENTRY_LEN
    }

    /// Blocks of the directory that it points to.
    pub(crate) fn children(self, block: &[u8]) -> impl Iterator<Item = u64> + '_ {
        // The high four bits were meant for a fill state.
        (0..self.count)
            .map(move |index| u64::from(Le32(self.at + index * ENTRY_LEN + 4).get(block) & 0x0FFF_FFFF))
    }

    /// The checksum that belongs in the tail's second word.
    pub(crate) fn checksum(self, block: &[u8], seed: u32) -> u32 {
        let crc = crc32c_raw(seed, &block[..self.end()]);
        let crc = crc32c_raw(crc, &block[self.tail()..self.tail() + 4]);
        crc32c_raw(crc, &[0; 4])
    }

    /// The field that holds it.
    pub(crate) const fn checksum_field(self) -> Le32 {
        Le32(self.tail() + 4)
    }
}

impl<D: BlockRead> Ext<D> {
    /// The interior nodes of an indexed directory of `blocks` blocks, the root not counted. `read` gives a
    /// block of the directory, checked.
    pub(super) fn htree_nodes(
        &self,
        inode: &Inode,
        blocks: u64,
        root: &[u8],
        read: &dyn Fn(u64) -> Result<Vec<u8>>,
    ) -> Result<BTreeSet<u64>> {
        let object = inode.object();
        let checksummed = self.checksums.metadata();
        let levels = INDIRECT_LEVELS.get(root);
        if levels > MAX_LEVELS {
            return Err(object.corrupt("htree indirect_levels", levels, "at most 3"));
        }
        if INFO_LENGTH.get(root) != 8 {
            return Err(object.corrupt("htree info_length", INFO_LENGTH.get(root), 8));
        }
        let index = Index::new(root, ROOT_COUNT, checksummed, object)?;
        let mut nodes = BTreeSet::new();
        let mut level: Vec<u64> = index.children(root).collect();
        for depth in 0..levels {
            let mut next = Vec::new();
            for logical in level {
                if logical == 0 || logical >= blocks || !nodes.insert(logical) {
                    let expected = format!("a block from 1 to {} that nothing else points to", blocks - 1);
                    return Err(object.corrupt("htree index block", logical, expected));
                }
                // Leaves are of no interest, so the last level is only listed.
                let node = read(logical)?;
                let index = Index::new(&node, NODE_COUNT, checksummed, object)?;
                if depth + 1 < levels {
                    next.extend(index.children(&node));
                }
            }
            level = next;
        }
        Ok(nodes)
    }

    /// Reads one block of a directory by its place in it, unchecked.
    pub(crate) fn read_logical(&self, inode: &Inode, logical: u64) -> Result<Vec<u8>> {
        let physical = self.directory_block(inode, logical)?;
        self.read_block(physical)
    }
}
