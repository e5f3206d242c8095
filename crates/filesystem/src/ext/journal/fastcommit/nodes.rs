//! Writes extent trees of any size, and takes blocks and inodes into use.

use std::collections::BTreeMap;

use block::{BlockWrite, Extent, ExtentSet, Object, Result, to_usize};

use super::file::Run;
use crate::ext::{
    Ext,
    group::{
        FLAGS, FREE_BLOCKS_COUNT_HI, FREE_BLOCKS_COUNT_LO, FREE_INODES_COUNT_HI, FREE_INODES_COUNT_LO,
        INODE_UNINIT, ITABLE_UNUSED_HI, ITABLE_UNUSED_LO, USED_DIRS_COUNT_HI, USED_DIRS_COUNT_LO, bit,
    },
    inode::{self, Inode, flags},
    map::extent::{
        DEPTH, ENTRIES, ENTRY_LEN, HEADER_LEN, LEAF_HI, LEAF_LO, LEN, LOGICAL, MAGIC, MAGIC_VALUE, MAX,
        START_HI, START_LO, WRITTEN_MAX, seal_node,
    },
    superblock::ro_compat,
};

const ROOT_ENTRIES: usize = 4;

/// An entry of a node: 12 bytes.
type Entry = [u8; ENTRY_LEN];

fn halves(block: u64) -> (u32, u16) {
    let [a, b, c, d, e, f, ..] = block.to_le_bytes();
    (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, f]))
}

fn logical_of(entry: &mut Entry, logical: u64, owner: Object) -> Result<()> {
    let Ok(number) = u32::try_from(logical) else {
        return Err(owner.corrupt("extent", format!("block {logical} of the file"), "less than 2^32"));
    };
    LOGICAL.set(entry, number);
    Ok(())
}

/// Extents, each as long as one may be.
fn leaves(runs: &BTreeMap<u64, Run>, owner: Object) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    for (&logical, run) in runs {
        let most = u64::from(if run.written { WRITTEN_MAX } else { WRITTEN_MAX - 1 });
        let mut done = 0;
        while done < run.len {
            let len = (run.len - done).min(most);
            let mut entry = [0; ENTRY_LEN];
            logical_of(&mut entry, logical + done, owner)?;
            let raw = u16::try_from(len).expect("at most 32768") + if run.written { 0 } else { WRITTEN_MAX };
            LEN.set(&mut entry, raw);
            let (low, high) = halves(run.physical + done);
            START_LO.set(&mut entry, low);
            START_HI.set(&mut entry, high);
            entries.push(entry);
            done += len;
        }
    }
    Ok(entries)
}

fn fill(node: &mut [u8], entries: &[Entry], max: usize, depth: u16) {
    node.fill(0);
    let count = |n: usize| u16::try_from(n).expect("64 KiB hold fewer than 2^16 entries");
    MAGIC.set(node, MAGIC_VALUE);
    ENTRIES.set(node, count(entries.len()));
    MAX.set(node, count(max));
    DEPTH.set(node, depth);
    for (slot, entry) in node[HEADER_LEN..].chunks_exact_mut(ENTRY_LEN).zip(entries) {
        slot.copy_from_slice(entry);
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Writes a map into i_block and as many blocks as it needs; returns those. The inode is not written.
    pub(super) fn write_map(&mut self, inode: &mut Inode, runs: &BTreeMap<u64, Run>) -> Result<Vec<u64>> {
        let mut entries = leaves(runs, inode.object())?;
        let max = (self.layout.block_len() - HEADER_LEN) / ENTRY_LEN;
        let near = self.layout.inode_place(inode.number).0;
        let (mut depth, mut nodes) = (0, Vec::new());
        while entries.len() > ROOT_ENTRIES {
            let mut parents = Vec::new();
            for chunk in entries.chunks(max) {
                // One cluster is one run.
                let place = self.allocate(near, 1, inode.object())?[0].start;
                let mut node = vec![0; self.layout.block_len()];
                fill(&mut node, chunk, max, depth);
                if self.checksums.metadata() {
                    seal_node(&mut node, inode.seed(&self.checksums));
                }
                self.write_block(place, &node)?;
                nodes.push(place);
                let mut entry = [0; ENTRY_LEN];
                LOGICAL.set(&mut entry, LOGICAL.get(&chunk[0]));
                let (low, high) = halves(place);
                LEAF_LO.set(&mut entry, low);
                LEAF_HI.set(&mut entry, high);
                parents.push(entry);
            }
            entries = parents;
            depth += 1;
        }
        let mut root = [0; 60];
        fill(&mut root, &entries, ROOT_ENTRIES, depth);
        inode::BLOCK.set(&mut inode.raw, &root);
        Ok(nodes)
    }

    /// Sets i_blocks to what these blocks take, in whole clusters.
    pub(super) fn set_allocated(&mut self, inode: &mut Inode, blocks: &ExtentSet) -> Result<()> {
        let clusters = self.clusters_of(blocks)?.total();
        let bytes = clusters * self.layout.cluster_blocks * self.layout.block_size;
        let huge = self.superblock.ro_compat(ro_compat::HUGE_FILE);
        let unit = if huge && inode.has(flags::HUGE_FILE) { self.layout.block_size } else { 512 };
        let (low, high) = halves(bytes / unit);
        inode::BLOCKS_LO.set(&mut inode.raw, low);
        if huge {
            inode::BLOCKS_HI.set(&mut inode.raw, high);
        }
        Ok(())
    }

    /// Takes the clusters of these blocks into use. Those that are in use already stay so: whether two own
    /// them is for the claims to find out.
    pub(super) fn take_blocks(&mut self, blocks: &ExtentSet) -> Result<()> {
        let clusters = self.clusters_of(blocks)?;
        let per_group = self.layout.clusters_per_group;
        for run in clusters.iter() {
            let mut start = run.start;
            while start < run.end() {
                let number = start / per_group;
                let end = run.end().min((number + 1) * per_group);
                self.take_cluster_run(number, Extent::between(start % per_group, end - number * per_group))?;
                start = end;
            }
        }
        Ok(())
    }

    fn take_cluster_run(&mut self, number: u64, run: Extent) -> Result<()> {
        let mut group = self.group(number)?;
        let mut bits = self.block_bitmap(&group)?;
        let mut taken = 0;
        for index in run.start..run.end() {
            if !bit(&bits, index) {
                bits[to_usize(index / 8)] |= 1 << (index % 8);
                taken += 1;
            }
        }
        let free = group.get16(FREE_BLOCKS_COUNT_LO, FREE_BLOCKS_COUNT_HI);
        let Some(rest) = free.checked_sub(taken) else {
            return Err(group.object().corrupt("bg_free_blocks_count", free, format!("at least {taken}")));
        };
        group.set16(FREE_BLOCKS_COUNT_LO, FREE_BLOCKS_COUNT_HI, rest);
        self.set_block_bitmap(&mut group, &bits)?;
        self.set_group(&mut group)
    }

    /// Takes an inode into use, if it is not.
    pub(super) fn take_inode(&mut self, number: u32, directory: bool) -> Result<()> {
        let (place, index) = self.layout.inode_place(number.into());
        let mut group = self.group(place)?;
        let mut bits = self.inode_bitmap(&group)?;
        if bit(&bits, index) {
            return Ok(());
        }
        // Slots that were never used come into reach: they must read as free.
        let used = group.used_inodes(&self.layout);
        let size = self.layout.inode_size;
        let empty = vec![0; to_usize(size)];
        for slot in used..index {
            let offset = group.inode_table() * self.layout.block_size + slot * size;
            self.device.write_at(offset, &empty)?;
        }
        if self.checksums.groups() {
            let flags = FLAGS.get(&group.raw) & !INODE_UNINIT;
            FLAGS.set(&mut group.raw, flags);
            let unused = self.layout.inodes_per_group - used.max(index + 1);
            let unused = u32::try_from(unused).expect("a group has fewer than 2^32 inodes");
            group.set16(ITABLE_UNUSED_LO, ITABLE_UNUSED_HI, unused);
        }
        bits[to_usize(index / 8)] |= 1 << (index % 8);
        let free = group.get16(FREE_INODES_COUNT_LO, FREE_INODES_COUNT_HI);
        let Some(rest) = free.checked_sub(1) else {
            return Err(group.object().corrupt("bg_free_inodes_count", free, "at least 1"));
        };
        group.set16(FREE_INODES_COUNT_LO, FREE_INODES_COUNT_HI, rest);
        if directory {
            let dirs = group.get16(USED_DIRS_COUNT_LO, USED_DIRS_COUNT_HI).saturating_add(1);
            group.set16(USED_DIRS_COUNT_LO, USED_DIRS_COUNT_HI, dirs);
        }
        self.set_inode_bitmap(&mut group, &bits)?;
        self.set_group(&mut group)
    }
}
