//! Directories: old names in free regions and behind entries, old hashes, the ends of index blocks.

use block::{BlockRead, Extent, Result, field::Be16, to_u64, to_usize};

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
                // Entries count and stale count are all that is behind the common header.
                let (header, index) = (0..leaf::stale(v5).0 + 2, block.index()?);
                let used = [0..da::PAD.0, da::PAD.0 + 2..header.end, index.clone(), block.bests()?];
                unused(raw, used, 0, Tail::Directory, visit)?;
                let count = index.len() / leaf::ENTRY_LEN;
                stale_tails(raw, index.start, count, block.kind == Kind::LeafN, visit)
            }
            Kind::Node => {
                let header = 0..da::node_level(v5).0 + 2;
                let used = [0..da::PAD.0, da::PAD.0 + 2..header.end, block.index()?];
                unused(raw, used, 0, Tail::Directory, visit)
            }
            Kind::Free => {
                let header = 0..free::used(v5).0 + 4;
                unused(raw, [header, block.index()?], 0, Tail::Directory, visit)
            }
        }
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
