//! Gives a fork other blocks: what it loses is released, its map is written anew.

use block::{BlockRead, BlockWrite, Result, to_u64};

use super::fork::{self, Format, Place};
use crate::xfs::{
    Xfs,
    format::inode::{ATTR_EXTENTS, BIG_EXTENTS, BLOCKS, EXTENTS, FORMAT, flags2, format},
    geometry::FsBlock,
    inode::{Fork, Inode},
    map::{Mapped, Mapping},
    rebuild::Use,
};

/// A fork's extents, and the blocks of its map.
#[derive(Debug, Clone, Default)]
pub(super) struct Map {
    pub(super) extents: Vec<Mapping>,
    pub(super) blocks: Vec<FsBlock>,
}

impl Map {
    /// How many blocks of the filesystem these are.
    fn total(&self) -> u64 {
        self.extents.iter().map(|extent| extent.count).sum::<u64>() + to_u64(self.blocks.len())
    }
}

impl<D: BlockRead> Xfs<D> {
    /// All that a fork has outside the inode.
    pub(super) fn whole_map(&self, inode: &Inode, fork: Fork) -> Result<Map> {
        let mut map = Map::default();
        self.map(inode, fork, &mut |mapped| {
            match mapped {
                Mapped::Node(node) => map.blocks.push(node.block),
                Mapped::Extent(extent) => map.extents.push(extent),
            }
            Ok(())
        })?;
        Ok(map)
    }

    /// Releases all that a fork has outside the inode.
    pub(super) fn release_map(&mut self, of: Use, map: &Map) -> Result<()> {
        for &extent in &map.extents {
            self.release(of, extent)?;
        }
        for &block in &map.blocks {
            self.release_map_block(of, block)?;
        }
        Ok(())
    }
}

impl<D: BlockWrite> Xfs<D> {
    /// Writes the data fork's map: `extents`, which are claimed already, instead of `old`, of which the extents that are
    /// not among the new ones have been released. The inode itself is not written.
    pub(super) fn write_map(
        &mut self,
        inode: &mut Inode,
        old: &Map,
        mut extents: Vec<Mapping>,
    ) -> Result<()> {
        let of = Use { inode: inode.number, fork: Fork::Data };
        fork::join(&mut extents);
        let range = inode.fork(Fork::Data);
        let shape = Format {
            block_size: self.geometry.block_len(),
            crc: self.geometry.v5,
            uuid: self.superblock.meta_uuid(),
            inode: inode.number.0,
            room: range.len(),
        };
        let needed = shape.blocks(extents.len());
        if needed > 0 && range.len() < fork::ROOT_MIN {
            return super::unsupported(
                inode.object(),
                "a map of more extents than its inode leaves room for",
            );
        }
        let mut blocks = old.blocks.clone();
        for block in blocks.drain(needed.min(blocks.len())..) {
            self.release_map_block(of, block)?;
        }
        while blocks.len() < needed {
            blocks.push(self.allocate_map_block(of)?);
        }
        let places: Vec<Place> =
            blocks.iter().map(|&block| Place { block: block.0, daddr: self.geometry.daddr(block) }).collect();
        let built = fork::build(&shape, &extents, &places);
        for (&block, raw) in blocks.iter().zip(&built.blocks) {
            self.write_blocks(block, raw)?;
        }
        let count = to_u64(extents.len());
        let new = Map { extents, blocks };
        inode.raw[range.clone()].fill(0);
        inode.raw[range.start..range.start + built.root.len()].copy_from_slice(&built.root);
        FORMAT.set(&mut inode.raw, if built.tree { format::BTREE } else { format::EXTENTS });
        self.set_counts(inode, Fork::Data, count, old.total(), new.total())
    }

    /// Sets how many extents a fork has, and how many blocks it has now instead of `old`.
    pub(super) fn set_counts(
        &self,
        inode: &mut Inode,
        fork: Fork,
        count: u64,
        old: u64,
        new: u64,
    ) -> Result<()> {
        let object = inode.object();
        let too_many =
            |count: u64| object.corrupt("number of extents", count, "one that the inode can count");
        let wide = inode.has_flag2(flags2::NREXT64);
        let raw = &mut inode.raw;
        match (fork, wide) {
            (Fork::Data, true) => BIG_EXTENTS.set(raw, count),
            (Fork::Data, false) | (Fork::Attr, true) => {
                EXTENTS.set(raw, u32::try_from(count).map_err(|_| too_many(count))?);
            }
            (Fork::Attr, false) => ATTR_EXTENTS.set(raw, u16::try_from(count).map_err(|_| too_many(count))?),
        }
        let blocks = BLOCKS.get(raw);
        let Some(now) = blocks.checked_sub(old).and_then(|rest| rest.checked_add(new)) else {
            return Err(object.corrupt("di_nblocks", blocks, format!("at least {old}")));
        };
        BLOCKS.set(raw, now);
        Ok(())
    }

    /// Puts a few bytes into the data fork in place of blocks, which have been released.
    pub(super) fn write_local(&mut self, inode: &mut Inode, old: &Map, content: &[u8]) -> Result<()> {
        let range = inode.fork(Fork::Data);
        inode.raw[range.clone()].fill(0);
        inode.raw[range.start..range.start + content.len()].copy_from_slice(content);
        FORMAT.set(&mut inode.raw, format::LOCAL);
        self.set_counts(inode, Fork::Data, 0, old.total(), 0)
    }
}
