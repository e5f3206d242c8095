//! An allocation group's trees, free list and counters, written anew from what is known of its blocks.
//!
//! A [`Group`] is that knowledge: read from the trees, or from what the inodes claim. Edits change it, and
//! [`Group::store`] writes all of it. No tree is ever edited in place, so none can keep what it once held.

mod groups;
mod inventory;
mod load;
mod owners;
mod runs;
mod sharing;
mod store;
mod tree;

use std::{collections::BTreeMap, ops::Range};

use block::{BlockRead, Object, Result, field::Be32};

pub(super) use groups::{Groups, Use};
use owners::{Owner, Owners};
use runs::Runs;
use sharing::Sharing;
use tree::Format;
pub(super) use tree::split;

use super::{
    Xfs,
    btree::Chunk,
    format::{agi, btree::rmap},
    geometry::{AgInode, AgNumber, CHUNK, Geometry, NO_AG_INODE},
};

/// What is known of a group: which of its blocks are free, where its inodes are, and, as far as the filesystem keeps
/// it, who owns and who shares blocks.
#[derive(Debug, Clone)]
pub(super) struct Group {
    number: AgNumber,
    /// Blocks.
    len: u32,
    /// The sector of AGF, as it is on the disk.
    agf: Vec<u8>,
    /// The sector of AGI.
    agi: Vec<u8>,
    free: Runs,
    /// By first inode.
    chunks: BTreeMap<u32, Chunk>,
    owners: Option<Owners>,
    sharing: Option<Sharing>,
    /// Blocks held for copies on write that never came.
    staging: Vec<Range<u32>>,
    inode_blocks: Vec<u32>,
    free_inode_blocks: Option<Vec<u32>>,
    sharing_blocks: Option<Vec<u32>>,
    /// Blocks of bnobt, cntbt and rmapbt, then those of the free list: all of one owner, and none of them free.
    pool: Vec<u32>,
    dirty: bool,
}

impl Group {
    fn empty<D: BlockRead>(fs: &Xfs<D>, number: AgNumber) -> Result<Self> {
        Ok(Self {
            number,
            len: fs.geometry.ag_len(number),
            agf: fs.agf(number)?,
            agi: fs.agi(number)?,
            free: Runs::default(),
            chunks: BTreeMap::new(),
            owners: None,
            sharing: None,
            staging: Vec::new(),
            inode_blocks: Vec::new(),
            free_inode_blocks: None,
            sharing_blocks: None,
            pool: Vec::new(),
            dirty: false,
        })
    }

    fn object(&self) -> Object {
        Object::numbered("allocation group", self.number.0.into())
    }

    fn agi(&self, field: Be32) -> u32 {
        field.get(&self.agi)
    }

    /// Frees blocks that were held for copies on write: after a crash nobody knows for what.
    pub(super) fn drop_staging(&mut self) -> Result<()> {
        for run in std::mem::take(&mut self.staging) {
            self.release(run, Owner::special(rmap::OWN_COW))?;
        }
        Ok(())
    }

    /// Forgets the lists of inodes that are deleted but open.
    pub(super) fn empty_unlinked_lists(&mut self) {
        for bucket in 0..agi::UNLINKED_BUCKETS {
            agi::unlinked(bucket).set(&mut self.agi, NO_AG_INODE);
        }
        self.dirty = true;
    }

    /// Whether it has changed since it was read or written.
    const fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// The free blocks.
    pub(super) const fn free(&self) -> &Runs {
        &self.free
    }

    /// Takes blocks from their owner. What nobody else owns is free then.
    pub(super) fn release(&mut self, run: Range<u32>, owner: Owner) -> Result<()> {
        self.dirty = true;
        if let Some(owners) = &mut self.owners
            && !owners.remove(run.clone(), owner)
        {
            let found = format!("without blocks {run:?} of {}", owner.owner);
            return Err(self.object().corrupt("rmapbt", found, "a record of each owner"));
        }
        let whole = run.clone();
        let freed = match &mut self.sharing {
            Some(sharing) => sharing.release(run),
            None => vec![run],
        };
        for part in freed {
            if !self.free.insert(part) {
                return Err(self.object().corrupt("bnobt", format!("blocks {whole:?} as free"), "in use"));
            }
        }
        Ok(())
    }

    /// Gives free blocks to an owner.
    pub(super) fn claim(&mut self, run: Range<u32>, owner: Owner) -> Result<()> {
        self.dirty = true;
        let owned = match &mut self.owners {
            Some(owners) => owners.insert(run.clone(), owner, false),
            None => true,
        };
        if !owned || !self.free.remove(run.clone()) {
            return Err(self.object().corrupt("blocks", format!("{run:?} in use"), "free"));
        }
        Ok(())
    }

    /// Marks an inode as free. Returns the blocks of its chunk if no inode of the chunk is in use any more: they are
    /// free then, and the chunk is gone.
    pub(super) fn free_inode(&mut self, geometry: &Geometry, inode: AgInode) -> Result<Vec<Range<u32>>> {
        self.dirty = true;
        let object = Object::numbered("inode", geometry.inode_number(self.number, inode).0);
        let found = self.chunks.range_mut(..=inode.0).next_back();
        let Some((&start, chunk)) = found.filter(|(start, _)| inode.0 - **start < CHUNK) else {
            return Err(object.corrupt("inobt", "without its chunk", "a record"));
        };
        let index = inode.0 - start;
        if !chunk.is_there(index) || !chunk.is_used(index) {
            return Err(object.corrupt("inobt", "free", "in use"));
        }
        chunk.free |= 1 << index;
        let chunk = *chunk;
        // A block may hold more than a chunk: then it is not for one chunk to give away.
        if chunk.free != u64::MAX || 1 << geometry.inodes_per_block_log > CHUNK {
            return Ok(Vec::new());
        }
        let mut runs: Vec<Range<u32>> = Vec::new();
        for index in (0..CHUNK).filter(|&index| chunk.is_there(index)) {
            let block = geometry.inode_block(AgInode(start + index)).0;
            match runs.last_mut() {
                Some(run) if run.end > block => {}
                Some(run) if run.end == block => run.end += 1,
                _ => runs.push(block..block + 1),
            }
        }
        self.chunks.remove(&start);
        for run in &runs {
            self.release(run.clone(), Owner::special(rmap::OWN_INODES))?;
        }
        if self.agi(agi::NEW_INODE) == start {
            agi::NEW_INODE.set(&mut self.agi, NO_AG_INODE);
        }
        Ok(runs)
    }

    /// Takes the first free inode of the chunk that `near` is in or of a later one, or else of all.
    pub(super) fn take_inode(&mut self, near: AgInode) -> Option<AgInode> {
        let usable = |(&start, chunk): (&u32, &Chunk)| {
            let index = (0..CHUNK).find(|&index| chunk.is_there(index) && !chunk.is_used(index))?;
            Some((start, index))
        };
        let from = near.0.saturating_sub(CHUNK - 1);
        let behind = self.chunks.range(from..).find_map(usable);
        let (start, index) = behind.or_else(|| self.chunks.iter().find_map(usable))?;
        self.chunks.get_mut(&start)?.free &= !(1 << index);
        self.dirty = true;
        Some(AgInode(start + index))
    }
}

impl Group {
    /// Takes blocks for a new chunk of inodes, whose numbers then exist and are free: its first block, if there is
    /// room.
    pub(super) fn take_chunk(&mut self, geometry: &Geometry, len: u32, align: u32) -> Result<Option<u32>> {
        let fits = |run: Range<u32>| {
            let first = run.start.checked_next_multiple_of(align)?;
            (first < run.end && len <= run.end - first).then_some(first)
        };
        let Some(block) = self.free.iter().find_map(fits) else { return Ok(None) };
        self.claim(block..block + len, Owner::special(rmap::OWN_INODES))?;
        let start = AgInode(block << geometry.inodes_per_block_log);
        self.chunks.insert(start.0, Chunk { start, holes: 0, free: u64::MAX });
        Ok(Some(block))
    }
}

impl<D: BlockRead> Xfs<D> {
    /// What the blocks of a group's trees have in common.
    fn tree_format(&self, ag: AgNumber) -> Format {
        Format {
            block_size: self.geometry.block_len(),
            crc: self.geometry.v5,
            uuid: self.superblock.meta_uuid(),
            group: ag.0,
            daddr: self.geometry.ag_start(ag) / 512,
        }
    }
}
