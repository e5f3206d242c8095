//! Writes a group: trees, free list, headers.
//!
//! The trees lie in the blocks that they describe as used, so how many they take has to be settled first. bnobt, cntbt
//! and rmapbt share a pool of blocks with the free list: for both kinds of use their blocks are neither free nor
//! anybody else's, so only the pool's size has to be found, and it only grows until all fits.

use block::{BlockWrite, Result, Unsupported, to_u64, to_usize};

use super::{
    Group, Owner,
    tree::{self, Format},
};
use crate::xfs::{
    Xfs,
    btree::{Chunk, Tree},
    checksum,
    format::{
        agf, agfl, agi,
        btree::{inodes, refcount, rmap},
    },
    geometry::{AgBlock, NO_AG_BLOCK},
    group::Header,
    superblock::{incompat, ro_compat},
};

/// Blocks of a tree.
fn size(format: &Format, kind: Tree, records: usize) -> usize {
    format.levels(kind, records).iter().sum()
}

/// How many inodes of a chunk are there and not in use.
fn free_count(chunk: Chunk) -> u32 {
    (chunk.free & chunk.there_mask()).count_ones()
}

/// A chunk as inobt and finobt have it.
fn record(chunk: Chunk, sparse: bool) -> [u8; 16] {
    let mut record = [0; 16];
    inodes::START.set(&mut record, chunk.start.0);
    if sparse {
        let byte = |count: u32| u8::try_from(count).expect("at most 64");
        inodes::HOLES.set(&mut record, chunk.holes);
        inodes::SPARSE_COUNT.set(&mut record, byte(chunk.there()));
        inodes::SPARSE_FREE_COUNT.set(&mut record, byte(free_count(chunk)));
    } else {
        inodes::FREE_COUNT.set(&mut record, free_count(chunk));
    }
    inodes::FREE.set(&mut record, chunk.free);
    record
}

/// What a group adds to the superblock's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::xfs) struct Totals {
    pub(in crate::xfs) inodes: u64,
    pub(in crate::xfs) free_inodes: u64,
    pub(in crate::xfs) free_blocks: u64,
}

impl Totals {
    /// From a group's headers.
    pub(in crate::xfs) fn of(agf: &[u8], agi: &[u8]) -> Self {
        let blocks = [agf::FREE_BLOCKS, agf::FREE_LIST_COUNT, agf::BTREE_BLOCKS];
        Self {
            inodes: agi::COUNT.get(agi).into(),
            free_inodes: agi::FREE_COUNT.get(agi).into(),
            free_blocks: blocks.into_iter().map(|field| u64::from(field.get(agf))).sum(),
        }
    }
}

impl Group {
    /// Makes a list of blocks as long as its tree needs.
    fn resize(&mut self, blocks: &mut Vec<u32>, len: usize, owner: u64) -> Result<()> {
        let owner = Owner::special(owner);
        while blocks.len() > len {
            let block = blocks.pop().expect("it is longer than something");
            self.release(block..block + 1, owner)?;
        }
        while blocks.len() < len {
            let Some(block) = self.free.iter().next().map(|run| run.start) else {
                return Err(
                    Unsupported::new(self.object(), "an edit without a free block for its trees").into()
                );
            };
            self.claim(block..block + 1, owner)?;
            blocks.push(block);
        }
        Ok(())
    }

    /// Blocks of bnobt, cntbt and rmapbt as things are, and what the free list should have beside them.
    fn pool_need(&self, format: &Format) -> (usize, usize) {
        let mut kinds = vec![(Tree::Bno, self.free.count()), (Tree::Cnt, self.free.count())];
        kinds.extend(self.owners.as_ref().map(|owners| (Tree::Rmap, owners.count())));
        let levels = kinds.into_iter().map(|(kind, records)| format.levels(kind, records));
        // The kernel keeps enough for each level of each tree to split twice (xfs_alloc_min_freelist).
        levels.fold((0, 0), |(trees, spare), levels| {
            (trees + levels.iter().sum::<usize>(), spare + 2 * levels.len())
        })
    }

    fn settle_pool(&mut self, format: &Format) -> Result<()> {
        let mut pool = std::mem::take(&mut self.pool);
        let (trees, spare) = self.pool_need(format);
        if pool.len() > trees + spare {
            self.resize(&mut pool, trees + spare, rmap::OWN_AG)?;
        }
        loop {
            let (trees, spare) = self.pool_need(format);
            // Without free blocks the trees are small, and the free list may be, too.
            let wanted = if self.free.total() > to_u64(spare) { trees + spare } else { trees };
            if pool.len() >= wanted {
                break;
            }
            let grown = pool.len() + 1;
            self.resize(&mut pool, grown, rmap::OWN_AG)?;
        }
        self.pool = pool;
        Ok(())
    }

    /// Writes all of it, if anything has changed. Returns what it adds to the superblock's counters.
    pub(in crate::xfs) fn store<D: BlockWrite>(&mut self, fs: &mut Xfs<D>) -> Result<Option<Totals>> {
        if !std::mem::take(&mut self.dirty) {
            return Ok(None);
        }
        let format = fs.tree_format(self.number);
        let sparse = fs.superblock.incompat(incompat::SPARSE);
        let inodes: Vec<u8> = self.chunks.values().flat_map(|&chunk| record(chunk, sparse)).collect();
        let with_free = self.chunks.values().filter(|&&chunk| free_count(chunk) > 0);
        let free_inodes: Vec<u8> = with_free.flat_map(|&chunk| record(chunk, sparse)).collect();

        let mut blocks = std::mem::take(&mut self.inode_blocks);
        self.resize(&mut blocks, size(&format, Tree::Inode, inodes.len() / 16), rmap::OWN_INOBT)?;
        self.inode_blocks = blocks;
        if let Some(mut blocks) = self.free_inode_blocks.take() {
            self.resize(
                &mut blocks,
                size(&format, Tree::FreeInode, free_inodes.len() / 16),
                rmap::OWN_INOBT,
            )?;
            self.free_inode_blocks = Some(blocks);
        }
        if let Some(mut blocks) = self.sharing_blocks.take() {
            let records = self.sharing.as_ref().map_or(0, super::Sharing::count) + self.staging.len();
            self.resize(&mut blocks, size(&format, Tree::Refcount, records), rmap::OWN_REFCOUNT)?;
            self.sharing_blocks = Some(blocks);
        }
        self.settle_pool(&format)?;

        self.store_inodes(fs, &format, &inodes, &free_inodes)?;
        self.store_space(fs, &format)?;
        self.dirty = false;
        Ok(Some(Totals::of(&self.agf, &self.agi)))
    }

    fn write_tree<D: BlockWrite>(
        &self,
        fs: &mut Xfs<D>,
        format: &Format,
        kind: Tree,
        records: &[u8],
        places: &[u32],
    ) -> Result<(u32, u32)> {
        let built = tree::build(format, kind, records, places);
        for (block, raw) in built.blocks {
            fs.write_blocks(fs.geometry.fs_block(self.number, AgBlock(block)), &raw)?;
        }
        Ok((built.root, built.levels))
    }

    fn store_inodes<D: BlockWrite>(
        &mut self,
        fs: &mut Xfs<D>,
        format: &Format,
        inodes: &[u8],
        free_inodes: &[u8],
    ) -> Result<()> {
        let (root, level) = self.write_tree(fs, format, Tree::Inode, inodes, &self.inode_blocks)?;
        let count = self.chunks.values().map(|chunk| chunk.there()).sum();
        let free_count = self.chunks.values().map(|&chunk| free_count(chunk)).sum();
        for (field, value) in
            [(agi::ROOT, root), (agi::LEVEL, level), (agi::COUNT, count), (agi::FREE_COUNT, free_count)]
        {
            field.set(&mut self.agi, value);
        }
        if let Some(blocks) = &self.free_inode_blocks {
            let (root, level) = self.write_tree(fs, format, Tree::FreeInode, free_inodes, blocks)?;
            agi::FREE_ROOT.set(&mut self.agi, root);
            agi::FREE_LEVEL.set(&mut self.agi, level);
            if fs.superblock.ro_compat(ro_compat::INOBTCOUNT) {
                agi::INOBT_BLOCKS.set(&mut self.agi, number(self.inode_blocks.len()));
                agi::FINOBT_BLOCKS.set(&mut self.agi, number(blocks.len()));
            }
        }
        if fs.geometry.v5 {
            checksum::seal(&mut self.agi, agi::CRC);
        }
        fs.chunks.forget();
        Ok(fs.device.write_at(fs.geometry.header_sector(self.number, Header::Agi.sector()), &self.agi)?)
    }

    fn store_space<D: BlockWrite>(&mut self, fs: &mut Xfs<D>, format: &Format) -> Result<()> {
        let record = |(start, len): (u32, u32)| [start.to_be_bytes(), len.to_be_bytes()].concat();
        let mut runs: Vec<(u32, u32)> =
            self.free.iter().map(|run| (run.start, run.end - run.start)).collect();
        let by_block: Vec<u8> = runs.iter().copied().flat_map(record).collect();
        runs.sort_unstable_by_key(|&(start, len)| (len, start));
        let by_size: Vec<u8> = runs.iter().copied().flat_map(record).collect();
        let pool = std::mem::take(&mut self.pool);
        let (mut mine, mut rest) = pool.split_at(size(format, Tree::Bno, runs.len()));
        let (root, level) = self.write_tree(fs, format, Tree::Bno, &by_block, mine)?;
        agf::BNO_ROOT.set(&mut self.agf, root);
        agf::BNO_LEVEL.set(&mut self.agf, level);
        (mine, rest) = rest.split_at(size(format, Tree::Cnt, runs.len()));
        let (root, level) = self.write_tree(fs, format, Tree::Cnt, &by_size, mine)?;
        agf::CNT_ROOT.set(&mut self.agf, root);
        agf::CNT_LEVEL.set(&mut self.agf, level);
        // Roots are not counted.
        let mut roots = 2;
        if let Some(owners) = &self.owners {
            (mine, rest) = rest.split_at(size(format, Tree::Rmap, owners.count()));
            let (root, level) = self.write_tree(fs, format, Tree::Rmap, &owners.encode(), mine)?;
            for (field, value) in
                [(agf::RMAP_ROOT, root), (agf::RMAP_LEVEL, level), (agf::RMAP_BLOCKS, number(mine.len()))]
            {
                field.set(&mut self.agf, value);
            }
            roots += 1;
        }
        if let (Some(sharing), Some(blocks)) = (&self.sharing, &self.sharing_blocks) {
            let mut records = sharing.encode();
            for run in &self.staging {
                let held = [run.start | refcount::COW, run.end - run.start, 1];
                records.extend(held.into_iter().flat_map(u32::to_be_bytes));
            }
            let (root, level) = self.write_tree(fs, format, Tree::Refcount, &records, blocks)?;
            for (field, value) in [
                (agf::REFCOUNT_ROOT, root),
                (agf::REFCOUNT_LEVEL, level),
                (agf::REFCOUNT_BLOCKS, number(blocks.len())),
            ] {
                field.set(&mut self.agf, value);
            }
        }
        let trees = number(pool.len() - rest.len());
        let free = u32::try_from(self.free.total()).expect("a group has less than 2^32 blocks");
        for (field, value) in [
            (agf::FREE_BLOCKS, free),
            (agf::LONGEST, self.free.longest()),
            (agf::BTREE_BLOCKS, trees - roots),
        ] {
            field.set(&mut self.agf, value);
        }
        self.store_free_list(fs, rest)?;
        self.pool = pool;
        if fs.geometry.v5 {
            checksum::seal(&mut self.agf, agf::CRC);
        }
        Ok(fs.device.write_at(fs.geometry.header_sector(self.number, Header::Agf.sector()), &self.agf)?)
    }

    fn store_free_list<D: BlockWrite>(&mut self, fs: &mut Xfs<D>, blocks: &[u32]) -> Result<()> {
        let at = fs.geometry.header_sector(self.number, Header::Agfl.sector());
        let mut raw = fs.agfl(self.number)?;
        let v5 = fs.geometry.v5;
        let slots = agfl::slots(raw.len(), v5);
        for slot in 0..slots {
            agfl::slot(slot, v5).set(&mut raw, blocks.get(slot).copied().unwrap_or(NO_AG_BLOCK));
        }
        agf::FREE_LIST_FIRST.set(&mut self.agf, 0);
        agf::FREE_LIST_LAST.set(&mut self.agf, number(blocks.len().checked_sub(1).unwrap_or(slots - 1)));
        agf::FREE_LIST_COUNT.set(&mut self.agf, number(blocks.len()));
        if v5 {
            checksum::seal(&mut raw, agfl::CRC);
        }
        Ok(fs.device.write_at(at, &raw)?)
    }
}

fn number(len: usize) -> u32 {
    u32::try_from(len).expect("a group has less than 2^32 blocks")
}

impl<D: BlockWrite> Xfs<D> {
    /// Writes whole blocks, which must lie in one group of the filesystem.
    pub(in crate::xfs) fn write_blocks(&mut self, block: crate::xfs::FsBlock, data: &[u8]) -> Result<()> {
        self.check_blocks(block, to_u64(data.len()).div_ceil(self.geometry.block_size))?;
        assert_eq!(data.len() % to_usize(self.geometry.block_size), 0, "blocks are written whole");
        Ok(self.device.write_at(self.geometry.offset(block), data)?)
    }
}
