//! Extent trees: kernel `Documentation/filesystems/ext4/ifork.rst`.

use block::{
    BlockRead, Result,
    field::{Le16, Le32},
};

use super::Walk;
use crate::ext::{Ext, checksum::crc32c_raw, inode::Inode};

/// eh_magic.
pub(crate) const MAGIC: Le16 = Le16(0);
/// eh_entries: entries in use.
pub(crate) const ENTRIES: Le16 = Le16(2);
/// eh_max: room for so many entries.
pub(crate) const MAX: Le16 = Le16(4);
/// eh_depth: 0 in a leaf.
pub(crate) const DEPTH: Le16 = Le16(6);
/// eh_generation, which ext4 does not use: older kernels leave it as it was.
pub(crate) const GENERATION: Le32 = Le32(8);
/// What eh_magic is.
pub(crate) const MAGIC_VALUE: u16 = 0xF30A;
/// Bytes of the header.
pub(crate) const HEADER_LEN: usize = 12;
/// Bytes of an entry, extent or index alike.
pub(crate) const ENTRY_LEN: usize = 12;
/// A tree of this depth maps 2^32 blocks with the smallest blocks (EXT4_MAX_EXTENT_DEPTH).
const MAX_DEPTH: u16 = 5;

/// ee_block or ei_block: the first block of the file that it maps.
pub(crate) const LOGICAL: Le32 = Le32(0);
/// ee_len.
pub(crate) const LEN: Le16 = Le16(4);
/// ee_start_hi.
pub(crate) const START_HI: Le16 = Le16(6);
/// ee_start_lo.
pub(crate) const START_LO: Le32 = Le32(8);
/// ei_leaf_lo.
pub(crate) const LEAF_LO: Le32 = Le32(4);
/// ei_leaf_hi.
pub(crate) const LEAF_HI: Le16 = Le16(8);
/// ei_unused.
pub(crate) const INDEX_UNUSED: Le16 = Le16(10);
/// ee_len above this is an unwritten extent, longer than it by so much.
pub(crate) const WRITTEN_MAX: u16 = 32768;
/// Blocks that a file can have.
const LOGICAL_END: u64 = 1 << 32;

/// Redoes the checksum of a tree block, whose header is in order.
pub(crate) fn seal_node(node: &mut [u8], seed: u32) {
    let at = HEADER_LEN + ENTRY_LEN * usize::from(MAX.get(node));
    let sum = crc32c_raw(seed, &node[..at]);
    Le32(at).set(node, sum);
}

impl<D: BlockRead> Ext<D> {
    pub(super) fn walk_extents(&self, inode: &Inode, walk: &mut Walk<'_>) -> Result<()> {
        let root = inode.block();
        let depth = DEPTH.get(root);
        if depth > MAX_DEPTH {
            return Err(inode.object().corrupt("extent tree depth", depth, format!("at most {MAX_DEPTH}")));
        }
        self.walk_extent_node(inode, root, depth, 0..LOGICAL_END, walk)?;
        Ok(())
    }

    /// Checks one node and walks what it holds: extents and subtrees, ascending and inside `bounds`.
    fn walk_extent_node(
        &self,
        inode: &Inode,
        node: &[u8],
        depth: u16,
        bounds: std::ops::Range<u64>,
        walk: &mut Walk<'_>,
    ) -> Result<()> {
        let object = inode.object();
        let magic = MAGIC.get(node);
        if magic != MAGIC_VALUE {
            let expected = format!("{MAGIC_VALUE:#06x}");
            return Err(object.corrupt("extent header magic", format!("{magic:#06x}"), expected));
        }
        let (entries, max) = (usize::from(ENTRIES.get(node)), usize::from(MAX.get(node)));
        let room = (node.len() - HEADER_LEN) / ENTRY_LEN;
        if max == 0 || max > room {
            return Err(object.corrupt("extent header eh_max", max, format!("1 to {room}")));
        }
        if entries > max || (entries == 0 && depth > 0) {
            return Err(object.corrupt(
                "extent header eh_entries",
                entries,
                format!("at most {max}, 0 in a leaf only"),
            ));
        }
        if DEPTH.get(node) != depth {
            return Err(object.corrupt("extent header eh_depth", DEPTH.get(node), depth));
        }
        let mut next = bounds.start;
        for index in 0..entries {
            let entry = &node[HEADER_LEN + ENTRY_LEN * index..][..ENTRY_LEN];
            let logical = u64::from(LOGICAL.get(entry));
            if logical < next || logical >= bounds.end {
                let expected = format!("{next} to {}", bounds.end - 1);
                return Err(object.corrupt("extent's first block", logical, expected));
            }
            if depth == 0 {
                let raw = LEN.get(entry);
                let written = raw <= WRITTEN_MAX;
                let count = u64::from(if written { raw } else { raw - WRITTEN_MAX });
                let physical = u64::from(START_HI.get(entry)) << 32 | u64::from(START_LO.get(entry));
                next = logical + count;
                if count == 0 || next > bounds.end {
                    let expected = format!("1 to {}", bounds.end - logical);
                    return Err(object.corrupt("extent length", count, expected));
                }
                if !self.layout.contains(physical, count) {
                    return Err(object.corrupt("extent's place", physical, self.inside(count)));
                }
                if next > walk.range.start && logical < walk.range.end {
                    walk.data(logical, physical, count, written)?;
                }
            } else {
                let end = match index + 1 {
                    last if last == entries => bounds.end,
                    following => {
                        u64::from(LOGICAL.get(&node[HEADER_LEN + ENTRY_LEN * following..][..ENTRY_LEN]))
                    }
                };
                if end <= logical {
                    return Err(object.corrupt("extent index", end, format!("more than {logical}")));
                }
                next = end;
                if end > walk.range.start && logical < walk.range.end {
                    let block = u64::from(LEAF_HI.get(entry)) << 32 | u64::from(LEAF_LO.get(entry));
                    let child = self.read_extent_node(inode, block, walk)?;
                    self.walk_extent_node(inode, &child, depth - 1, logical..end, walk)?;
                }
            }
        }
        Ok(())
    }

    fn read_extent_node(&self, inode: &Inode, block: u64, walk: &mut Walk<'_>) -> Result<Vec<u8>> {
        let object = inode.object();
        if !self.layout.contains(block, 1) {
            return Err(object.corrupt("extent tree block", block, self.inside(1)));
        }
        walk.node(block)?;
        let node = self.read_block(block)?;
        let at = HEADER_LEN + ENTRY_LEN * usize::from(MAX.get(&node));
        if self.checksums.metadata() && MAGIC.get(&node) == MAGIC_VALUE {
            let found = Le32(at).try_get(&node);
            let expected = crc32c_raw(inode.seed(&self.checksums), &node[..at.min(node.len())]);
            if found != Some(expected) {
                let found = found.map_or("outside the block".to_owned(), |sum| format!("{sum:#010x}"));
                let expected = format!("{expected:#010x} (block {block})");
                return Err(object.corrupt("extent block checksum", found, expected));
            }
        }
        Ok(node)
    }

    pub(super) fn inside(&self, count: u64) -> String {
        format!("{count} blocks from {} to {}", self.layout.first_data_block, self.layout.blocks - 1)
    }
}
