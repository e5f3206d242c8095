//! Cuts the block map of an inode at a logical block and frees all that lies behind, map blocks included.
//!
//! Works on extent trees of any depth and on indirect blocks. A map that reaches a block twice, runs in circles
//! or leaves the filesystem is `Corrupt`, before anything is freed. Entries that go become zero.

use std::collections::BTreeSet;

use block::{
    BlockRead, BlockWrite, Extent, ExtentSet, Object, Result,
    field::{Le16, Le32},
    to_u64,
};

use super::{
    Ext, checksum,
    inode::{self, Inode, flags},
    superblock::ro_compat,
};

// Extent node (kernel Documentation/filesystems/ext4/ifork.rst): header, then entries of the same length.
const EH_MAGIC: Le16 = Le16(0x0);
const EH_ENTRIES: Le16 = Le16(0x2);
const EH_MAX: Le16 = Le16(0x4);
const EH_DEPTH: Le16 = Le16(0x6);
const ENTRY_LEN: usize = 12;
const MAGIC: u16 = 0xF30A;
/// More levels than any file needs; the kernel's own limit.
const MAX_DEPTH: u16 = 5;
// Leaf entry.
const EE_BLOCK: Le32 = Le32(0x0);
const EE_LEN: Le16 = Le16(0x4);
const EE_START_HI: Le16 = Le16(0x6);
const EE_START_LO: Le32 = Le32(0x8);
/// Longer than this: unwritten, by as much.
const MAX_WRITTEN: u16 = 0x8000;
// Index entry.
const EI_LEAF_LO: Le32 = Le32(0x4);
const EI_LEAF_HI: Le16 = Le16(0x8);

/// Direct pointers of i_block; the next three are the indirect ones.
const DIRECT: usize = 12;
const POINTER: usize = 4;

/// A cut in progress. Block numbers, not bytes.
struct Cut {
    owner: Object,
    seed: u32,
    /// The first logical block that goes.
    first: u64,
    freed: Vec<Extent>,
    kept: Vec<Extent>,
    /// Map blocks that were visited.
    visited: BTreeSet<u64>,
    /// Map blocks that stay, with entries gone: written once all is known to be in order.
    changed: Vec<(u64, Vec<u8>)>,
}

/// Adds blocks to a list; a run that goes on takes no memory.
fn push(list: &mut Vec<Extent>, start: u64, len: u64) {
    match list.last_mut() {
        Some(last) if last.end() == start => last.len += len,
        _ => list.push(Extent { start, len }),
    }
}

impl Cut {
    fn visit(&mut self, block: u64) -> Result<()> {
        if self.visited.insert(block) {
            return Ok(());
        }
        Err(self.owner.corrupt("block map", format!("block {block} twice"), "each block once"))
    }
}

impl<D: BlockRead> Ext<D> {
    /// Bytes that an inode's i_blocks counts.
    pub(crate) fn allocated_bytes(&self, inode: &Inode) -> u64 {
        let huge = self.superblock.ro_compat(ro_compat::HUGE_FILE);
        let high = if huge { u64::from(inode::BLOCKS_HI.get(&inode.raw)) << 32 } else { 0 };
        let unit = if huge && inode.has(flags::HUGE_FILE) { self.layout.block_size } else { 512 };
        (high | u64::from(inode::BLOCKS_LO.get(&inode.raw))) * unit
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Frees the blocks of `inode` from its logical block `first` on and corrects i_blocks; i_size stays.
    /// The inode is written.
    pub(crate) fn cut_map(&mut self, inode: &mut Inode, first: u64) -> Result<()> {
        if !inode.has_map() {
            return Ok(());
        }
        let mut cut = Cut {
            owner: inode.object(),
            seed: inode.seed(&self.checksums),
            first,
            freed: Vec::new(),
            kept: Vec::new(),
            visited: BTreeSet::new(),
            changed: Vec::new(),
        };
        let mut root = inode.block().to_vec();
        if inode.has(flags::EXTENTS) {
            self.cut_node(&mut cut, &mut root, None)?;
            if EH_ENTRIES.get(&root) == 0 {
                EH_DEPTH.set(&mut root, 0);
            }
        } else {
            self.cut_pointers(&mut cut, &mut root)?;
        }
        let twice = |overlap: block::Overlap| {
            inode.object().corrupt(
                "block map",
                format!("block {} twice", overlap.extent.start),
                "each block once",
            )
        };
        let freed = ExtentSet::disjoint(cut.freed).map_err(twice)?;
        let kept = cut.kept.into_iter().collect();
        let clusters = self.free_blocks(&freed, &kept)?;
        for (block, data) in cut.changed {
            self.write_block(block, &data)?;
        }
        inode.raw[inode::BLOCK.0..inode::BLOCK.0 + 60].copy_from_slice(&root);
        let bytes = clusters * self.layout.cluster_blocks * self.layout.block_size;
        self.charge(inode, bytes)?;
        self.write_inode(inode)
    }

    /// Takes freed bytes off i_blocks.
    fn charge(&self, inode: &mut Inode, freed: u64) -> Result<()> {
        let before = self.allocated_bytes(inode);
        let Some(rest) = before.checked_sub(freed) else {
            return Err(inode.object().corrupt(
                "i_blocks",
                before / 512,
                format!("at least {}", freed / 512),
            ));
        };
        self.set_allocated_bytes(inode, rest);
        Ok(())
    }

    /// Sets i_blocks to so many bytes, in the inode's own unit.
    pub(crate) fn set_allocated_bytes(&self, inode: &mut Inode, bytes: u64) {
        let huge = self.superblock.ro_compat(ro_compat::HUGE_FILE) && inode.has(flags::HUGE_FILE);
        let [a, b, c, d, e, f, ..] = (bytes / if huge { self.layout.block_size } else { 512 }).to_le_bytes();
        inode::BLOCKS_LO.set(&mut inode.raw, u32::from_le_bytes([a, b, c, d]));
        if self.superblock.ro_compat(ro_compat::HUGE_FILE) {
            inode::BLOCKS_HI.set(&mut inode.raw, u16::from_le_bytes([e, f]));
        }
    }

    /// Cuts an extent node. `depth`: what its parent says; `None` for the root.
    fn cut_node(&self, cut: &mut Cut, node: &mut [u8], depth: Option<u16>) -> Result<()> {
        let magic = EH_MAGIC.get(node);
        if magic != MAGIC {
            return Err(cut.owner.corrupt("extent header magic", format!("{magic:#06x}"), "0xf30a"));
        }
        let (found, max, entries) = (EH_DEPTH.get(node), EH_MAX.get(node), EH_ENTRIES.get(node));
        if depth.map_or(found > MAX_DEPTH, |depth| depth != found) {
            let expected = depth.map_or(format!("at most {MAX_DEPTH}"), |depth| depth.to_string());
            return Err(cut.owner.corrupt("extent header depth", found, expected));
        }
        let room = node.len() / ENTRY_LEN - 1;
        if usize::from(max) > room {
            return Err(cut.owner.corrupt("extent header eh_max", max, format!("at most {room}")));
        }
        if entries > max {
            return Err(cut.owner.corrupt("extent header eh_entries", entries, format!("at most {max}")));
        }
        let mut left = 0;
        for (index, entry) in node.chunks_exact_mut(ENTRY_LEN).skip(1).take(entries.into()).enumerate() {
            let stays = match found {
                0 => self.cut_extent(cut, entry)?,
                _ => self.cut_child(cut, entry, found - 1)?,
            };
            if !stays {
                entry.fill(0);
            } else if left == index {
                left += 1;
            } else {
                // A gap would lose what follows; entries in order cannot make one.
                return Err(cut.owner.corrupt("extent tree", "not in order", "in order of logical blocks"));
            }
        }
        let left = u16::try_from(left).expect("at most eh_entries");
        EH_ENTRIES.set(node, left);
        Ok(())
    }

    /// Cuts one extent. False: all of it goes.
    fn cut_extent(&self, cut: &mut Cut, entry: &mut [u8]) -> Result<bool> {
        let (start, raw_len) = (u64::from(EE_BLOCK.get(entry)), EE_LEN.get(entry));
        let unwritten = raw_len > MAX_WRITTEN;
        let len = if unwritten { raw_len - MAX_WRITTEN } else { raw_len };
        let block = u64::from(EE_START_HI.get(entry)) << 32 | u64::from(EE_START_LO.get(entry));
        if len == 0 || !self.layout.contains(block, len.into()) {
            let found = format!("{len} blocks from {block}");
            let expected = format!("1 block or more, below {}", self.layout.blocks);
            return Err(cut.owner.corrupt("extent", found, expected));
        }
        let stay = u16::try_from(cut.first.saturating_sub(start)).unwrap_or(len).min(len);
        if stay > 0 {
            push(&mut cut.kept, block, stay.into());
        }
        if stay < len {
            push(&mut cut.freed, block + u64::from(stay), (len - stay).into());
            EE_LEN.set(entry, if unwritten { stay + MAX_WRITTEN } else { stay });
        }
        Ok(stay > 0)
    }

    /// Cuts the node that an index entry names. False: all of it goes.
    fn cut_child(&self, cut: &mut Cut, entry: &mut [u8], depth: u16) -> Result<bool> {
        let block = u64::from(EI_LEAF_HI.get(entry)) << 32 | u64::from(EI_LEAF_LO.get(entry));
        cut.visit(block)?;
        let mut node = self.read_block(block)?;
        let tail = ENTRY_LEN + ENTRY_LEN * usize::from(EH_MAX.get(&node));
        let sealed = self.checksums.metadata() && tail + Le32::WIDTH <= node.len();
        if sealed {
            let (found, expected) = (Le32(tail).get(&node), checksum::crc32c_raw(cut.seed, &node[..tail]));
            if found != expected {
                let object = Object::numbered("extent block", block);
                return Err(object.corrupt(
                    "checksum",
                    format!("{found:#010x}"),
                    format!("{expected:#010x}"),
                ));
            }
        }
        let before = node.clone();
        self.cut_node(cut, &mut node, Some(depth))?;
        if EH_ENTRIES.get(&node) == 0 {
            push(&mut cut.freed, block, 1);
            return Ok(false);
        }
        push(&mut cut.kept, block, 1);
        if node != before {
            if sealed {
                let sum = checksum::crc32c_raw(cut.seed, &node[..tail]);
                Le32(tail).set(&mut node, sum);
            }
            cut.changed.push((block, node));
        }
        // What stays starts where it did, so the entry does too.
        Ok(true)
    }

    /// Cuts i_block as 12 direct, one indirect, one double and one triple indirect pointer.
    fn cut_pointers(&self, cut: &mut Cut, root: &mut [u8]) -> Result<()> {
        let per_block = self.layout.block_size / to_u64(POINTER);
        let mut base = 0u64;
        for (index, pointer) in root.chunks_exact_mut(POINTER).enumerate() {
            let level = u32::try_from(index.saturating_sub(DIRECT - 1)).expect("at most 3");
            self.cut_pointer(cut, pointer, level, base)?;
            base += per_block.pow(level);
        }
        Ok(())
    }

    /// Cuts what a pointer names: a data block at level 0, else a block of pointers, which starts at the
    /// logical block `base`.
    fn cut_pointer(&self, cut: &mut Cut, pointer: &mut [u8], level: u32, base: u64) -> Result<()> {
        let block = u64::from(Le32(0).get(pointer));
        let per_block = self.layout.block_size / to_u64(POINTER);
        let end = base + per_block.pow(level);
        if block == 0 || (end <= cut.first && self.layout.cluster_blocks == 1) {
            return Ok(());
        }
        self.check_blocks(block, 1)?;
        let goes = base >= cut.first;
        if level > 0 {
            cut.visit(block)?;
            let mut pointers = self.read_block(block)?;
            for (index, pointer) in pointers.chunks_exact_mut(POINTER).enumerate() {
                let base = base + to_u64(index) * per_block.pow(level - 1);
                self.cut_pointer(cut, pointer, level - 1, base)?;
            }
            if !goes {
                cut.changed.push((block, pointers));
            }
        }
        if goes {
            push(&mut cut.freed, block, 1);
            Le32(0).set(pointer, 0);
        } else {
            push(&mut cut.kept, block, 1);
        }
        Ok(())
    }

    /// The first logical block behind a size in bytes.
    pub(crate) fn blocks_for(&self, size: u64) -> u64 {
        size.div_ceil(self.layout.block_size)
    }
}
