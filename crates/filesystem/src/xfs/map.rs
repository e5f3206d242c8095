//! What blocks a fork has: from the list of extents in the inode, or the btree that its root is in.
//!
//! Extents ascend without an overlap, so a walk ends whatever the pointers say: a block that is met again has
//! extents that have been passed.

use std::ops::Range;

use block::{BlockRead, Object, Result, field::Be64};

use super::{
    Xfs, checksum,
    format::{
        btree::{self, extent, long},
        inode::format,
    },
    geometry::{FsBlock, Geometry},
    group::{expect, expect_magic},
    inode::{Fork, Inode},
};

/// A run of a file's blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// The first, in blocks of the file.
    pub(crate) logical: u64,
    /// Where it lies.
    pub(crate) start: FsBlock,
    /// How many; at least one, and all in one group.
    pub(crate) count: u64,
    /// False: they read as zero, whatever they hold.
    pub(crate) written: bool,
}

impl Mapping {
    /// From its 16 bytes, unchecked.
    pub(crate) fn decode(raw: &[u8]) -> Self {
        let (high, low) = (extent::HIGH.get(raw), extent::LOW.get(raw));
        Self {
            logical: high >> 9 & ((1 << 54) - 1),
            start: FsBlock((high & 0x1FF) << 43 | low >> 21),
            count: low & 0x1F_FFFF,
            written: high >> 63 == 0,
        }
    }

    /// As 16 bytes.
    pub(crate) fn encode(self) -> [u8; extent::LEN] {
        let mut raw = [0; extent::LEN];
        let unwritten = u64::from(!self.written) << 63;
        extent::HIGH.set(&mut raw, unwritten | self.logical << 9 | self.start.0 >> 43);
        extent::LOW.set(&mut raw, self.start.0 << 21 | self.count);
        raw
    }

    /// The first block of the file behind it.
    pub(crate) const fn end(self) -> u64 {
        self.logical + self.count
    }
}

/// What a walk through a map meets.
pub(crate) enum Mapped<'a> {
    /// A block of the tree, before what is below it.
    Node(&'a MapBlock),
    /// Blocks of the file.
    Extent(Mapping),
}

/// A block of a map's btree, checked.
#[derive(Debug)]
pub(crate) struct MapBlock {
    pub(crate) block: FsBlock,
    /// 0: a leaf.
    pub(crate) level: u16,
    /// Extents or keys in use.
    pub(crate) count: usize,
    /// All its bytes.
    pub(crate) raw: Vec<u8>,
    v5: bool,
}

impl MapBlock {
    /// The bytes that hold something: header, and extents or keys with pointers.
    pub(crate) fn used_ranges(&self) -> Vec<Range<usize>> {
        let head = long::len(self.v5);
        let header = 0..if self.v5 { long::PAD.0 } else { head };
        if self.level == 0 {
            return vec![header, head..head + self.count * long::RECORD_LEN];
        }
        let pointers = self.pointers_at();
        vec![
            header,
            head..head + self.count * long::KEY_LEN,
            pointers..pointers + self.count * long::POINTER_LEN,
        ]
    }

    /// The first block of the file below it.
    fn first(&self) -> u64 {
        let head = long::len(self.v5);
        if self.level == 0 { Mapping::decode(&self.raw[head..]).logical } else { Be64(head).get(&self.raw) }
    }

    fn pointers_at(&self) -> usize {
        let head = long::len(self.v5);
        head + (self.raw.len() - head) / (long::KEY_LEN + long::POINTER_LEN) * long::KEY_LEN
    }

    fn entries(&self) -> Node<'_> {
        Node { raw: &self.raw, keys: long::len(self.v5), pointers: self.pointers_at(), count: self.count }
    }
}

/// Keys and pointers of a node.
struct Node<'a> {
    raw: &'a [u8],
    keys: usize,
    pointers: usize,
    count: usize,
}

impl Node<'_> {
    fn key(&self, index: usize) -> u64 {
        Be64(self.keys + index * long::KEY_LEN).get(self.raw)
    }

    fn pointer(&self, index: usize) -> FsBlock {
        FsBlock(Be64(self.pointers + index * long::POINTER_LEN).get(self.raw))
    }
}

/// Bytes of an inode's fork that hold the root of a btree: level, and where keys and pointers lie in the fork.
pub(crate) struct Root {
    /// At least 1.
    pub(crate) level: u16,
    /// Keys in use.
    pub(crate) count: usize,
    /// Where the pointers start in the fork.
    pub(crate) pointers: usize,
}

/// How far a walk has come.
struct Walk<'v> {
    inode: &'v Inode,
    fork: Fork,
    range: Range<u64>,
    /// The first block of the file behind the last extent.
    at: u64,
    visit: &'v mut dyn FnMut(Mapped<'_>) -> Result<()>,
}

impl Walk<'_> {
    fn extent(&mut self, raw: &[u8], geometry: &Geometry) -> Result<()> {
        let mapping = Mapping::decode(raw);
        let object = self.inode.object();
        if mapping.count == 0 || !geometry.contains(mapping.start, mapping.count) {
            let found = format!("{} blocks from {} on", mapping.count, mapping.start.0);
            return Err(object.corrupt("extent", found, "blocks of one allocation group"));
        }
        if mapping.logical < self.at {
            return Err(object.corrupt(
                "extent's file offset",
                mapping.logical,
                format!("{} or more", self.at),
            ));
        }
        if self.fork == Fork::Attr && !mapping.written {
            return Err(object.corrupt("extent of the attribute fork", "unwritten", "written"));
        }
        self.at = mapping.end();
        if mapping.logical < self.range.end && mapping.end() > self.range.start {
            (self.visit)(Mapped::Extent(mapping))?;
        }
        Ok(())
    }
}

impl Inode {
    /// The root of a fork's btree.
    pub(crate) fn root(&self, fork: Fork) -> Result<Root> {
        let area = &self.raw[self.fork(fork)];
        let capacity = area.len().saturating_sub(long::ROOT_LEN) / (long::KEY_LEN + long::POINTER_LEN);
        let (Some(level), Some(count)) = (long::ROOT_LEVEL.try_get(area), long::ROOT_RECORDS.try_get(area))
        else {
            return Err(self.object().corrupt("fork", format!("{} bytes", area.len()), "a btree's root"));
        };
        if level == 0 || u32::from(level) >= btree::MAX_LEVELS {
            let expected = format!("1 to {}", btree::MAX_LEVELS - 1);
            return Err(self.object().corrupt("bb_level of its map", level, expected));
        }
        let count = usize::from(count);
        if count == 0 || count > capacity {
            return Err(self.object().corrupt("bb_numrecs of its map", count, format!("1 to {capacity}")));
        }
        Ok(Root { level, count, pointers: long::ROOT_LEN + capacity * long::KEY_LEN })
    }
}

impl<D: BlockRead> Xfs<D> {
    /// Walks a whole fork: blocks of its map, and extents. Nothing for a fork inside the inode.
    pub(crate) fn map(
        &self,
        inode: &Inode,
        fork: Fork,
        visit: &mut dyn FnMut(Mapped<'_>) -> Result<()>,
    ) -> Result<()> {
        self.map_range(inode, fork, 0..u64::MAX, visit)
    }

    /// Walks what has to do with a range of the file's blocks.
    pub(crate) fn map_range(
        &self,
        inode: &Inode,
        fork: Fork,
        range: Range<u64>,
        visit: &mut dyn FnMut(Mapped<'_>) -> Result<()>,
    ) -> Result<()> {
        let area = &inode.raw[inode.fork(fork)];
        let mut walk = Walk { inode, fork, range, at: 0, visit };
        match inode.fork_format(fork) {
            format::EXTENTS => {
                let count = inode.extent_count(fork);
                let room = area.len() / extent::LEN;
                let Some(count) = usize::try_from(count).ok().filter(|&count| count <= room) else {
                    let expected = format!("at most {room}, as they are in the inode");
                    return Err(inode.object().corrupt("number of extents", count, expected));
                };
                area.chunks_exact(extent::LEN)
                    .take(count)
                    .try_for_each(|raw| walk.extent(raw, &self.geometry))
            }
            format::BTREE => {
                let root = inode.root(fork)?;
                let node =
                    Node { raw: area, keys: long::ROOT_LEN, pointers: root.pointers, count: root.count };
                self.walk_children(&node, root.level, &mut walk)
            }
            _ => Ok(()),
        }
    }

    fn walk_children(&self, node: &Node<'_>, level: u16, walk: &mut Walk<'_>) -> Result<()> {
        for index in 0..node.count {
            let starts_behind = node.key(index) >= walk.range.end;
            let ends_before = index + 1 < node.count && node.key(index + 1) <= walk.range.start;
            if starts_behind || ends_before {
                continue;
            }
            let child = self.map_block(walk.inode, node.pointer(index), level - 1)?;
            // With keys that ascend and are what is below them, each block visited leads to extents not yet passed.
            let object = Geometry::block_object("bmbt block", child.block);
            expect(object, "first file offset", child.first(), node.key(index))?;
            if index + 1 < node.count && node.key(index + 1) <= node.key(index) {
                return Err(walk.inode.object().corrupt(
                    "key of its map",
                    node.key(index + 1),
                    "ascending keys",
                ));
            }
            (walk.visit)(Mapped::Node(&child))?;
            if child.level == 0 {
                let head = long::len(self.geometry.v5);
                for raw in child.raw[head..].chunks_exact(extent::LEN).take(child.count) {
                    walk.extent(raw, &self.geometry)?;
                }
            } else {
                self.walk_children(&child.entries(), child.level, walk)?;
            }
        }
        Ok(())
    }

    /// Reads and checks a block of a map's btree.
    fn map_block(&self, inode: &Inode, block: FsBlock, level: u16) -> Result<MapBlock> {
        let v5 = self.geometry.v5;
        if !self.geometry.contains(block, 1) {
            return Err(inode.object().corrupt("block of its map", block.0, "one inside the filesystem"));
        }
        let object = Geometry::block_object("bmbt block", block);
        let raw = self.read_blocks(block, 1)?;
        expect_magic(object, btree::MAGIC.get(&raw), long::magic(v5))?;
        if v5 {
            checksum::check(&raw, long::CRC, object)?;
            self.expect_uuid(object, &raw, long::UUID)?;
            expect(object, "bb_blkno", long::BLKNO.get(&raw), self.geometry.daddr(block))?;
            expect(object, "bb_owner", long::OWNER.get(&raw), inode.number.0)?;
        }
        expect(object, "bb_level", btree::LEVEL.get(&raw), level)?;
        let count = usize::from(btree::RECORDS.get(&raw));
        let entry = if level == 0 { long::RECORD_LEN } else { long::KEY_LEN + long::POINTER_LEN };
        let capacity = (self.geometry.block_len() - long::len(v5)) / entry;
        if count == 0 || count > capacity {
            return Err(object.corrupt("bb_numrecs", count, format!("1 to {capacity}")));
        }
        Ok(MapBlock { block, level, count, raw, v5 })
    }

    /// Reads blocks of a fork from block `logical` on, all written and all there. `None` if the first is not;
    /// `count` is the format's.
    pub(crate) fn fork_blocks(
        &self,
        inode: &Inode,
        fork: Fork,
        logical: u64,
        count: u64,
    ) -> Result<Option<(Vec<FsBlock>, Vec<u8>)>> {
        let mut places = Vec::new();
        self.map_range(inode, fork, logical..logical + count, &mut |mapped| {
            let Mapped::Extent(mapping) = mapped else { return Ok(()) };
            let from = mapping.logical.max(logical);
            let to = mapping.end().min(logical + count);
            for block in from..to {
                if !mapping.written || block != logical + block::to_u64(places.len()) {
                    return Err(inode.object().corrupt(
                        "block of a directory or attribute",
                        "missing",
                        "one that is there",
                    ));
                }
                places.push(FsBlock(mapping.start.0 + (block - mapping.logical)));
            }
            Ok(())
        })?;
        if places.is_empty() {
            return Ok(None);
        }
        if block::to_u64(places.len()) != count {
            return Err(inode.object().corrupt(
                "block of a directory or attribute",
                "missing",
                "one that is there",
            ));
        }
        let raw = self.read_places(&places)?;
        Ok(Some((places, raw)))
    }

    /// Reads blocks that are inside the filesystem, one after the other.
    pub(crate) fn read_places(&self, places: &[FsBlock]) -> Result<Vec<u8>> {
        let size = self.geometry.block_len();
        let mut raw = vec![0; size * places.len()];
        for (place, part) in places.iter().zip(raw.chunks_exact_mut(size)) {
            self.device.read_object(
                Object::numbered("block", place.0),
                self.geometry.offset(*place),
                part,
            )?;
        }
        Ok(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extent_is_packed_into_128_bits() {
        let mapping = Mapping {
            logical: (1 << 54) - 1,
            start: FsBlock((1 << 52) - 2),
            count: (1 << 21) - 3,
            written: false,
        };
        assert_eq!(Mapping::decode(&mapping.encode()), mapping);
        let mapping = Mapping { logical: 5, start: FsBlock(7), count: 9, written: true };
        assert_eq!(mapping.encode(), [0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0xE0, 0, 9]);
        assert_eq!(Mapping::decode(&mapping.encode()), mapping);
    }
}
