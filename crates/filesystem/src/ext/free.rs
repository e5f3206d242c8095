//! Gives back what inodes held: clusters and inode slots, with bitmaps, group descriptors and totals.
//!
//! What is freed must have been in use, and must not be a group's own metadata; otherwise the image is corrupt
//! and nothing of that group is changed. Freed clusters keep their bytes (nothing copies them); a freed inode
//! slot becomes zero. The superblock's totals follow in one step at the end: [`Ext::recount`].

use block::{BlockRead, BlockWrite, Extent, ExtentSet, Object, Result, to_usize};

use super::{
    Ext,
    group::{
        FREE_BLOCKS_COUNT_HI, FREE_BLOCKS_COUNT_LO, FREE_INODES_COUNT_HI, FREE_INODES_COUNT_LO, Group,
        USED_DIRS_COUNT_HI, USED_DIRS_COUNT_LO, bit,
    },
    inode::Inode,
    superblock::{self as sb, incompat},
};
use crate::FileKind;

impl<D: BlockRead> Ext<D> {
    /// The clusters that hold any of `blocks`: numbers of clusters, not bytes.
    pub(crate) fn clusters_of(&self, blocks: &ExtentSet) -> Result<ExtentSet> {
        blocks
            .iter()
            .map(|run| {
                let end = run.end().checked_sub(1).filter(|_| self.layout.contains(run.start, run.len));
                let Some(last) = end else {
                    let expected = format!("less than {}", self.layout.blocks);
                    return Err(Object::numbered("block", run.start).corrupt("number", run.end(), expected));
                };
                Ok(Extent::between(self.layout.cluster_of(run.start), self.layout.cluster_of(last) + 1))
            })
            .collect()
    }

    /// Free clusters and free inodes of all groups, by their descriptors.
    fn free_totals(&self) -> Result<(u64, u64)> {
        let mut totals = (0u64, 0u64);
        for number in 0..self.layout.groups {
            let group = self.group(number)?;
            // Each at most 2^32, and there are less than 2^32 groups.
            totals.0 += u64::from(group.get16(FREE_BLOCKS_COUNT_LO, FREE_BLOCKS_COUNT_HI));
            totals.1 += u64::from(group.get16(FREE_INODES_COUNT_LO, FREE_INODES_COUNT_HI));
        }
        Ok(totals)
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Frees the clusters that hold any of the blocks `freed` and none of the blocks `kept`; both are sets of
    /// block numbers, not bytes. Returns how many clusters that were.
    pub(crate) fn free_blocks(&mut self, freed: &ExtentSet, kept: &ExtentSet) -> Result<u64> {
        let clusters = self.clusters_of(freed)?.difference(&self.clusters_of(kept)?);
        let per_group = self.layout.clusters_per_group;
        for run in clusters.iter() {
            let mut start = run.start;
            while start < run.end() {
                let number = start / per_group;
                let end = run.end().min((number + 1) * per_group);
                self.free_bits(number, start % per_group, end - start)?;
                start = end;
            }
        }
        Ok(clusters.total())
    }

    /// Frees `count` clusters of one group from its cluster `first` on.
    fn free_bits(&mut self, number: u64, first: u64, count: u64) -> Result<()> {
        let mut group = self.group(number)?;
        let mut bits = self.block_bitmap(&group)?;
        let fixed = self.initial_block_bitmap(&group);
        for index in first..first + count {
            if !bit(&bits, index) {
                return Err(group.object().corrupt("block bitmap", format!("free at {index}"), "in use"));
            }
            if bit(&fixed, index) {
                let found = format!("claimed by a file at {index}");
                return Err(group.object().corrupt("metadata", found, "the group's own"));
            }
            bits[to_usize(index / 8)] &= !(1 << (index % 8));
        }
        let limit = self.layout.group_clusters(number);
        let free = u64::from(group.get16(FREE_BLOCKS_COUNT_LO, FREE_BLOCKS_COUNT_HI)) + count;
        set_count(
            &mut group,
            "bg_free_blocks_count",
            (FREE_BLOCKS_COUNT_LO, FREE_BLOCKS_COUNT_HI),
            free,
            limit,
        )?;
        self.set_block_bitmap(&mut group, &bits)?;
        self.set_group(&mut group)
    }

    /// Frees an inode's slot: zero from now on. What it held must have been freed before.
    pub(crate) fn free_inode(&mut self, inode: &Inode) -> Result<()> {
        let (number, index) = self.layout.inode_place(inode.number);
        let mut group = self.group(number)?;
        let mut bits = self.inode_bitmap(&group)?;
        if !bit(&bits, index) {
            return Err(group.object().corrupt("inode bitmap", format!("free at {index}"), "in use"));
        }
        bits[to_usize(index / 8)] &= !(1 << (index % 8));
        let free = u64::from(group.get16(FREE_INODES_COUNT_LO, FREE_INODES_COUNT_HI)) + 1;
        let limit = self.layout.inodes_per_group;
        set_count(
            &mut group,
            "bg_free_inodes_count",
            (FREE_INODES_COUNT_LO, FREE_INODES_COUNT_HI),
            free,
            limit,
        )?;
        if inode.kind() == Some(FileKind::Directory) {
            let dirs = group.get16(USED_DIRS_COUNT_LO, USED_DIRS_COUNT_HI);
            let Some(rest) = dirs.checked_sub(1) else {
                return Err(group.object().corrupt("bg_used_dirs_count", 0, "at least 1"));
            };
            group.set16(USED_DIRS_COUNT_LO, USED_DIRS_COUNT_HI, rest);
        }
        self.set_inode_bitmap(&mut group, &bits)?;
        self.set_group(&mut group)?;
        Ok(self.device.write_at(inode.offset, &vec![0; inode.raw.len()])?)
    }

    /// Sets the superblock's totals to the sums of the groups' counts. The kernel brings them up to date only
    /// now and then, so they are stale in a filesystem that was not unmounted.
    pub(crate) fn recount(&mut self) -> Result<()> {
        let (clusters, inodes) = self.free_totals()?;
        let blocks = clusters.saturating_mul(self.layout.cluster_blocks);
        if blocks > self.layout.blocks {
            let expected = format!("at most {}", self.layout.blocks);
            return Err(sb::OBJECT.corrupt("sum of the groups' free blocks", blocks, expected));
        }
        let Some(inodes) = u32::try_from(inodes).ok().filter(|&n| u64::from(n) <= self.layout.inodes) else {
            let expected = format!("at most {}", self.layout.inodes);
            return Err(sb::OBJECT.corrupt("sum of the groups' free inodes", inodes, expected));
        };
        let wide = self.superblock.incompat(incompat::SIXTY_FOUR_BIT);
        self.set_superblock(|raw| {
            let [a, b, c, d, e, f, g, h] = blocks.to_le_bytes();
            sb::FREE_BLOCKS_COUNT_LO.set(raw, u32::from_le_bytes([a, b, c, d]));
            if wide {
                sb::FREE_BLOCKS_COUNT_HI.set(raw, u32::from_le_bytes([e, f, g, h]));
            }
            sb::FREE_INODES_COUNT.set(raw, inodes);
        })
    }
}

type Halves = (block::field::Le16, block::field::Le16);

fn set_count(group: &mut Group, field: &'static str, halves: Halves, count: u64, limit: u64) -> Result<()> {
    match u32::try_from(count).ok().filter(|_| count <= limit) {
        Some(count) => {
            group.set16(halves.0, halves.1, count);
            Ok(())
        }
        None => Err(group.object().corrupt(field, count, format!("at most {limit}"))),
    }
}
