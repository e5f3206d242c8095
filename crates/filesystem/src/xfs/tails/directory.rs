//! Directories: old names in free regions and behind entries, old hashes, the ends of index blocks.

use std::ops::Range;

use block::{
    BlockRead, Extent, Result,
    field::{Be16, Be32},
    to_u64, to_usize,
};

use crate::{
    tails::{Tail, Visit, gap, unused},
    xfs::{
        Xfs,
        directory::block::{Block, Item, Kind},
        format::dir::{da, data, free, leaf},
        geometry::FsBlock,
        inode::Inode,
    },
};

/// A directory block whose filesystem blocks may lie apart: runs within it, told by where they lie.
struct Apart<'a> {
    places: &'a [u64],
    block_len: usize,
}

impl Apart<'_> {
    fn tell(&self, extent: Extent, visit: &mut Visit<'_>) -> Result<()> {
        let mut at = extent.start;
        while at < extent.end() {
            let index = to_usize(at) / self.block_len;
            let start = to_u64(index * self.block_len);
            let end = extent.end().min(start + to_u64(self.block_len));
            visit(Extent { start: self.places[index] + (at - start), len: end - at }, Tail::Directory)?;
            at = end;
        }
        Ok(())
    }
}

impl<D: BlockRead> Xfs<D> {
    pub(super) fn directory_tails(&self, inode: &Inode, visit: &mut Visit<'_>) -> Result<()> {
        self.directory_blocks(inode, &mut |block| {
            let places: Vec<u64> =
                block.places.iter().map(|place: &FsBlock| self.geometry.offset(*place)).collect();
            let apart = Apart { places: &places, block_len: self.geometry.block_len() };
            self.block_tails(block, &mut |extent, _| apart.tell(extent, visit))
        })
    }

    /// Offsets are the block's own here.
    fn block_tails(&self, block: &Block, visit: &mut Visit<'_>) -> Result<()> {
        let (raw, v5) = (&block.raw, block.v5);
        match block.kind {
            Kind::Block | Kind::Data => self.data_tails(block, visit),
            Kind::Leaf1 | Kind::LeafN => {
                let count = usize::from(leaf::count(v5).get(raw));
                let start = leaf::header_len(v5);
                let end = self.entries_end(block, start, count, leaf::ENTRY_LEN)?;
                let bests = match block.kind {
                    Kind::Leaf1 => self.bests(block)?,
                    _ => raw.len()..raw.len(),
                };
                // Entries count and stale count are all that is behind the common header.
                let header = 0..leaf::stale(v5).0 + 2;
                unused(
                    raw,
                    [0..da::PAD.0, da::PAD.0 + 2..header.end, start..end, bests],
                    0,
                    Tail::Directory,
                    visit,
                )?;
                stale_tails(raw, start, count, block.kind == Kind::LeafN, visit)
            }
            Kind::Node => {
                let count = usize::from(da::node_count(v5).get(raw));
                let start = da::node_header_len(v5);
                let end = self.entries_end(block, start, count, da::NODE_ENTRY_LEN)?;
                let header = 0..da::node_level(v5).0 + 2;
                unused(raw, [0..da::PAD.0, da::PAD.0 + 2..header.end, start..end], 0, Tail::Directory, visit)
            }
            Kind::Free => {
                let count = to_usize(free::valid(v5).get(raw).into());
                let start = free::header_len(v5);
                let end = self.entries_end(block, start, count, leaf::BEST_LEN)?;
                let header = 0..free::used(v5).0 + 4;
                unused(raw, [header, start..end], 0, Tail::Directory, visit)
            }
        }
    }

    fn entries_end(&self, block: &Block, start: usize, count: usize, len: usize) -> Result<usize> {
        let room = (block.raw.len() - start) / len;
        if count <= room {
            return Ok(start + count * len);
        }
        Err(block.object.corrupt("count", count, format!("at most {room}")))
    }

    /// The table at the end of the only leaf.
    fn bests(&self, block: &Block) -> Result<Range<usize>> {
        let end = block.raw.len() - leaf::BEST_COUNT_LEN;
        let count = to_usize(Be32(end).get(&block.raw).into());
        let room = (end - leaf::header_len(block.v5)) / leaf::BEST_LEN;
        if count > room {
            return Err(block.object.corrupt("bestcount", count, format!("at most {room}")));
        }
        Ok(end - count * leaf::BEST_LEN..block.raw.len())
    }

    fn data_tails(&self, block: &Block, visit: &mut Visit<'_>) -> Result<()> {
        let (raw, has_ftype) = (&block.raw, self.superblock.has_ftype());
        let best = data::best_free(block.v5);
        let best_end = best + data::BEST_FREE_COUNT * data::BEST_FREE_LEN;
        gap(raw, best_end..data::header_len(block.v5), 0, Tail::Directory, visit)?;
        block.entries(has_ftype, &mut |item| match item {
            Item::Name { entry, name, .. } => {
                let used = name.end + usize::from(has_ftype);
                gap(raw, used..entry.end - data::TAG_LEN, 0, Tail::Directory, visit)
            }
            Item::Free { region } => {
                let used = region.start + data::FREE_LEN.0 + Be16::WIDTH;
                gap(raw, used..region.end - data::TAG_LEN, 0, Tail::Directory, visit)
            }
        })?;
        if block.kind == Kind::Block {
            let tail = block.tail()?;
            stale_tails(raw, tail.start, tail.count, false, visit)?;
        }
        Ok(())
    }
}

/// Entries of an index that lost their name keep its hash. Harmless is one that a neighbour has as well; and the last
/// one of several leaves has to stay, for the node above names it.
fn stale_tails(raw: &[u8], start: usize, count: usize, keep_last: bool, visit: &mut Visit<'_>) -> Result<()> {
    let at = |index: usize| start + index * leaf::ENTRY_LEN;
    let hash = |index: usize| leaf::HASH.get(&raw[at(index)..]);
    for index in 0..count {
        let is_stale = leaf::ADDRESS.get(&raw[at(index)..]) == 0;
        if !is_stale || (keep_last && index + 1 == count) {
            continue;
        }
        let known = hash(index) == 0
            || (index > 0 && hash(index - 1) == hash(index))
            || (index + 1 < count && hash(index + 1) == hash(index));
        if !known {
            gap(raw, at(index)..at(index) + 4, 0, Tail::Directory, visit)?;
        }
    }
    Ok(())
}
