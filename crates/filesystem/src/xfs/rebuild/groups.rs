//! The groups that edits have touched: read once, changed in memory, written when an edit is complete.

use std::{collections::BTreeMap, ops::Range};

use block::{BlockRead, BlockWrite, Object, Result, to_u64};

use super::{Group, Owner, store::Totals};
use crate::xfs::{
    Xfs, checksum,
    format::{btree::rmap, inode},
    geometry::{AgBlock, AgNumber, FsBlock, InodeNumber},
    inode::{Fork, Inode},
    map::Mapping,
    superblock::{self as sb, Superblock},
};

/// Blocks that stay free in each group, for its trees to grow when the guest next writes.
const RESERVE: u64 = 32;
/// Longest extent of a record: 21 bits.
const EXTENT_MAX: u64 = (1 << 21) - 1;

/// What edits know of the groups.
#[derive(Debug, Clone, Default)]
pub(in crate::xfs) struct Groups {
    loaded: BTreeMap<AgNumber, Group>,
    /// What each group adds to the superblock's counters, as it lies on the disk.
    totals: Vec<Totals>,
}

impl Groups {
    /// Takes a group that was learnt elsewhere.
    pub(super) fn put(&mut self, ag: AgNumber, group: Group) {
        self.loaded.insert(ag, group);
    }
}

/// What blocks of an inode are to it.
#[derive(Debug, Clone, Copy)]
pub(in crate::xfs) struct Use {
    pub(in crate::xfs) inode: InodeNumber,
    pub(in crate::xfs) fork: Fork,
}

impl Use {
    const fn flag(self) -> u64 {
        match self.fork {
            Fork::Data => 0,
            Fork::Attr => rmap::ATTR_FORK,
        }
    }

    /// Of the fork's content, from a block of it on.
    pub(super) const fn content(self, logical: u64) -> Owner {
        Owner { owner: self.inode.0, offset: logical | self.flag() }
    }

    /// Of the fork's map.
    pub(super) const fn map(self) -> Owner {
        Owner { owner: self.inode.0, offset: rmap::BMBT_BLOCK | self.flag() }
    }
}

impl<D: BlockRead> Xfs<D> {
    /// A group, read if it has not been yet.
    pub(in crate::xfs) fn group(&mut self, ag: AgNumber) -> Result<&mut Group> {
        if !self.groups.loaded.contains_key(&ag) {
            let group = Group::load(self, ag)?;
            self.groups.loaded.insert(ag, group);
        }
        Ok(self.groups.loaded.get_mut(&ag).expect("it was put there"))
    }

    /// Group and blocks of an extent, which the map's reader has found to be within one group.
    fn place(&self, start: FsBlock, count: u64) -> Result<(AgNumber, Range<u32>)> {
        self.check_blocks(start, count)?;
        let (ag, AgBlock(first)) = self.geometry.split(start).expect("it is inside the filesystem");
        let count = u32::try_from(count).expect("a group has less than 2^32 blocks");
        Ok((ag, first..first + count))
    }

    /// Takes content from a fork.
    pub(in crate::xfs) fn release(&mut self, of: Use, mapping: Mapping) -> Result<()> {
        let (ag, run) = self.place(mapping.start, mapping.count)?;
        self.group(ag)?.release(run, of.content(mapping.logical))
    }

    /// Takes a block from a fork's map.
    pub(in crate::xfs) fn release_map_block(&mut self, of: Use, block: FsBlock) -> Result<()> {
        let (ag, run) = self.place(block, 1)?;
        self.group(ag)?.release(run, of.map())
    }

    /// Finds free blocks: `want` of them at once if any group has so many, near `ag` if it can be.
    fn find_free(&mut self, ag: AgNumber, want: u64, object: Object) -> Result<(AgNumber, Range<u32>)> {
        let want = u32::try_from(want.min(EXTENT_MAX)).expect("less than 2^21");
        let mut longest: Option<(AgNumber, Range<u32>)> = None;
        for step in 0..self.geometry.ag_count {
            let ag = AgNumber((ag.0 + step) % self.geometry.ag_count);
            let free = self.group(ag)?.free();
            let room = free.total().saturating_sub(RESERVE);
            let Some(mut run) = free.fit(want) else { continue };
            run.end = run.end.min(run.start + u32::try_from(room.min(want.into())).expect("at most `want`"));
            if run.len() == usize::try_from(want).unwrap_or(usize::MAX) {
                return Ok((ag, run));
            }
            if longest.as_ref().is_none_or(|(_, best)| best.len() < run.len()) {
                longest = Some((ag, run));
            }
        }
        longest.filter(|(_, run)| !run.is_empty()).ok_or_else(|| {
            block::Unsupported::new(object, "content that needs more blocks than are free").into()
        })
    }

    /// Gives a fork `count` blocks of content from `logical` on.
    pub(in crate::xfs) fn allocate(&mut self, of: Use, logical: u64, count: u64) -> Result<Vec<Mapping>> {
        let object = Object::numbered("inode", of.inode.0);
        let near = self.geometry.split_inode(of.inode).map_or(AgNumber(0), |(ag, _)| ag);
        let mut mappings = Vec::new();
        let mut done = 0;
        while done < count {
            let (ag, run) = self.find_free(near, count - done, object)?;
            self.group(ag)?.claim(run.clone(), of.content(logical + done))?;
            let start = self.geometry.fs_block(ag, AgBlock(run.start));
            let len = to_u64(run.len());
            mappings.push(Mapping { logical: logical + done, start, count: len, written: true });
            done += len;
        }
        Ok(mappings)
    }

    /// Gives a fork's map a block.
    pub(in crate::xfs) fn allocate_map_block(&mut self, of: Use) -> Result<FsBlock> {
        let near = self.geometry.split_inode(of.inode).map_or(AgNumber(0), |(ag, _)| ag);
        let (ag, run) = self.find_free(near, 1, Object::numbered("inode", of.inode.0))?;
        self.group(ag)?.claim(run.clone(), of.map())?;
        Ok(self.geometry.fs_block(ag, AgBlock(run.start)))
    }
}

impl<D: BlockWrite> Xfs<D> {
    /// Frees an inode whose forks are empty. Its slot becomes as new, if its chunk stays.
    pub(in crate::xfs) fn free_inode(&mut self, inode: &Inode) -> Result<()> {
        let object = inode.object();
        let Some((ag, within)) = self.geometry.split_inode(inode.number) else {
            return Err(object.corrupt("number", inode.number.0, "an inode inside the filesystem"));
        };
        let geometry = self.geometry;
        let gone = self.group(ag)?.free_inode(&geometry, within)?;
        if gone.is_empty() {
            let generation = inode::GENERATION.get(&inode.raw).wrapping_add(1);
            let mut fresh = self.fresh_inode(inode, generation);
            self.write_inode(&mut fresh)?;
        }
        Ok(())
    }

    /// An inode that is not in use: nothing of what it was but its number and a generation.
    pub(in crate::xfs) fn fresh_inode(&self, of: &Inode, generation: u32) -> Inode {
        let mut raw = vec![0; of.raw.len()];
        inode::MAGIC.set(&mut raw, inode::MAGIC_VALUE);
        inode::GENERATION.set(&mut raw, generation);
        inode::NEXT_UNLINKED.set(&mut raw, u32::MAX);
        inode::VERSION.set(&mut raw, if self.geometry.v5 { 3 } else { inode::VERSION.get(&of.raw) });
        if self.geometry.v5 {
            inode::NUMBER.set(&mut raw, of.number.0);
            inode::UUID.set(&mut raw, &self.superblock.meta_uuid());
        }
        Inode { number: of.number, raw, offset: of.offset }
    }

    /// Writes every group that has changed, and the superblock's counters.
    pub(in crate::xfs) fn settle(&mut self) -> Result<()> {
        if !self.groups.loaded.values().any(Group::is_dirty) {
            return Ok(());
        }
        let mut groups = std::mem::take(&mut self.groups);
        if groups.totals.is_empty() {
            for ag in self.geometry.groups() {
                groups.totals.push(Totals::of(&self.agf(ag)?, &self.agi(ag)?));
            }
        }
        for (ag, group) in &mut groups.loaded {
            if let Some(totals) = group.store(self)? {
                groups.totals[block::to_usize(ag.0.into())] = totals;
            }
        }
        let sum = |field: fn(&Totals) -> u64| groups.totals.iter().map(field).sum::<u64>();
        let totals = Totals {
            inodes: sum(|totals| totals.inodes),
            free_inodes: sum(|totals| totals.free_inodes),
            free_blocks: sum(|totals| totals.free_blocks),
        };
        self.groups = groups;
        self.set_superblock(|raw| {
            sb::INODE_COUNT.set(raw, totals.inodes);
            sb::FREE_INODES.set(raw, totals.free_inodes);
            sb::FREE_BLOCKS.set(raw, totals.free_blocks);
            // What quotas have counted is no longer so: the next kernel that keeps them counts again.
            let flags = sb::QUOTA_FLAGS.get(raw);
            sb::QUOTA_FLAGS.set(raw, flags & !QUOTA_CHECKED);
        })
    }

    /// Changes the primary superblock, and redoes its checksum.
    pub(in crate::xfs) fn set_superblock(&mut self, change: impl FnOnce(&mut [u8])) -> Result<()> {
        let mut raw = self.superblock.bytes().to_vec();
        change(&mut raw);
        if self.geometry.v5 {
            checksum::seal(&mut raw, sb::CRC);
        }
        self.device.write_at(0, &raw)?;
        self.superblock = Superblock::new(raw)?;
        Ok(())
    }
}

/// Bits of sb_qflags that say that usage has been counted: of users, of groups or projects on version 4, of groups, of
/// projects (XFS_*QUOTA_CHKD).
const QUOTA_CHECKED: u16 = 0x0004 | 0x0020 | 0x0100 | 0x0400;
