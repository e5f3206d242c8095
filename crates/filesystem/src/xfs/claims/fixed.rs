//! Claims of a group's metadata: headers, btrees, free list, inode chunks; and of the log.

use block::{BlockRead, Extent, Object, Result};

use super::ledger::{Claimant, Ledger};
use crate::{
    Claim, Owner, Residue,
    xfs::{
        Xfs,
        btree::{Chunk, Met, Tree},
        format::agi,
        geometry::{AgBlock, AgInode, AgNumber, CHUNK, HEADER_SECTORS},
        group::{Header, expect},
    },
};

const LIVE: Claim = Claim::Live(Owner::Metadata);
const RESERVED: Claim = Claim::Dead(Residue::Reserved, None);

impl<D: BlockRead> Xfs<D> {
    /// All fixed metadata of a group.
    pub(super) fn claim_group(&self, ag: AgNumber, ledger: &mut Ledger<'_>) -> Result<()> {
        let geometry = &self.geometry;
        let who = Claimant::Group(ag);
        self.superblock_copy(ag)?;
        let blocks = u64::from(geometry.header_blocks());
        ledger.claim(geometry.fs_block(ag, AgBlock(0)), blocks, who)?;
        let start = geometry.ag_start(ag);
        let end = start + HEADER_SECTORS * geometry.sector_size;
        ledger.say(start, end, LIVE)?;
        ledger.say(end, start + blocks * geometry.block_size, RESERVED)?;
        for tree in Tree::ALL {
            self.walk_tree(ag, tree, &mut |met| {
                let Met::Block(block) = met else { return Ok(()) };
                ledger.claim_all(block.block, 1, who, LIVE)
            })?;
        }
        for block in self.free_list(ag)? {
            // Taken for a tree's next block, and written as a whole then.
            ledger.claim_all(geometry.fs_block(ag, block), 1, who, RESERVED)?;
        }
        self.claim_chunks(ag, ledger)
    }

    /// The chunks of a group. Inodes not in use stay, because the kernel refuses a block without them.
    fn claim_chunks(&self, ag: AgNumber, ledger: &mut Ledger<'_>) -> Result<()> {
        let per_block = 1 << self.geometry.inodes_per_block_log;
        let (mut there, mut free) = (0u64, 0u64);
        let mut last: Option<AgInode> = None;
        self.chunks(ag, Tree::Inode, &mut |chunk| {
            there += u64::from(chunk.there());
            free += u64::from((chunk.free & chunk.there_mask()).count_ones());
            self.claim_chunk(ag, chunk, last, per_block, ledger)?;
            last = Some(chunk.start);
            Ok(())
        })?;
        let header = self.agi(ag)?;
        let object = Header::Agi.object(ag);
        expect(object, "agi_count", agi::COUNT.get(&header), there)?;
        expect(object, "agi_freecount", agi::FREE_COUNT.get(&header), free)
    }

    fn claim_chunk(
        &self,
        ag: AgNumber,
        chunk: Chunk,
        last: Option<AgInode>,
        per_block: u32,
        ledger: &mut Ledger<'_>,
    ) -> Result<()> {
        let geometry = &self.geometry;
        let object = Object::numbered("inode chunk", geometry.inode_number(ag, chunk.start).0);
        // Where a block has more inodes than a chunk, it holds two chunks, which come and go together.
        if per_block > CHUNK {
            if chunk.start.0.is_multiple_of(per_block) {
                return self.claim_inode_blocks(ag, chunk.start, 1, ledger);
            }
            let previous = chunk.start.0.checked_sub(CHUNK).map(AgInode);
            if last.is_none() || last != previous {
                return Err(object.corrupt("ir_startino", chunk.start.0, "the chunk before it in its block"));
            }
            return Ok(());
        }
        for first in (0..CHUNK).step_by(block::to_usize(per_block.into())) {
            let in_block = first..first + per_block;
            if chunk.is_there(first) != in_block.clone().all(|index| chunk.is_there(index)) {
                return Err(object.corrupt("ir_holemask", format!("{:#06x}", chunk.holes), "whole blocks"));
            }
            if chunk.is_there(first) {
                self.claim_inode_blocks(ag, AgInode(chunk.start.0 + first), 1, ledger)?;
            } else if in_block.clone().any(|index| chunk.is_there(index)) {
                return Err(object.corrupt("ir_holemask", format!("{:#06x}", chunk.holes), "whole blocks"));
            }
        }
        Ok(())
    }

    fn claim_inode_blocks(
        &self,
        ag: AgNumber,
        first: AgInode,
        count: u64,
        ledger: &mut Ledger<'_>,
    ) -> Result<()> {
        let block = self.geometry.fs_block(ag, self.geometry.inode_block(first));
        ledger.claim_all(block, count, Claimant::Group(ag), LIVE)
    }

    /// The log: all dead while it holds anything of what was once logged. An empty one's first bytes are live.
    pub(super) fn claim_log(&self, ledger: &mut Ledger<'_>) -> Result<()> {
        let geometry = &self.geometry;
        ledger.claim(geometry.log_start, geometry.log_blocks.into(), Claimant::Log)?;
        let (log, live) = self.log_extent()?;
        let live = live.map_or(log.start, Extent::end);
        ledger.say(log.start, live, LIVE)?;
        ledger.say(live, log.end(), Claim::Dead(Residue::Journal, None))
    }
}
