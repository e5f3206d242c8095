//! Blocks of a directory: which there are, what their headers say, and the entries of data blocks.

use std::ops::Range;

use block::{
    BlockRead, Object, Result,
    field::{Be16, Be32, Be64, Bytes, Le32},
    to_u64, to_usize,
};

use crate::xfs::{
    Xfs, checksum,
    format::dir::{FREE_OFFSET, LEAF_OFFSET, da, data, free, ftype, leaf},
    geometry::{FsBlock, Geometry, InodeNumber},
    group::{expect, expect_magic},
    inode::{Fork, Inode},
    map::Mapped,
};

/// What a block of a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Data, index and all: the directory's only block.
    Block,
    /// Data.
    Data,
    /// The only leaf of the index, with the table of free space.
    Leaf1,
    /// One of several leaves.
    LeafN,
    /// A node of the index.
    Node,
    /// Free space.
    Free,
}

/// A block of a directory, its header checked.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) kind: Kind,
    /// Where its filesystem blocks lie.
    pub(crate) places: Vec<FsBlock>,
    /// All its bytes.
    pub(crate) raw: Vec<u8>,
    /// The object that errors about it name.
    pub(crate) object: Object,
    pub(crate) v5: bool,
}

/// What a data block has, one after the other.
pub(crate) enum Item {
    /// A name: positions in the block.
    Name { entry: Range<usize>, name: Range<usize>, inode: InodeNumber, kind: u8 },
    /// A free region.
    Free { region: Range<usize> },
}

/// What the index has behind the entries of a directory's only block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Where the index entries start.
    pub(crate) start: usize,
    pub(crate) count: usize,
}

impl Block {
    /// The index at the end of a block that stands alone.
    pub(crate) fn tail(&self) -> Result<Tail> {
        let end = self.raw.len() - data::TAIL_LEN;
        let count = to_usize(data::TAIL_COUNT.get(&self.raw[end..]).into());
        let room = (end - data::header_len(self.v5)) / leaf::ENTRY_LEN;
        if count > room {
            return Err(self.object.corrupt("count of its index", count, format!("at most {room}")));
        }
        Ok(Tail { start: end - count * leaf::ENTRY_LEN, count })
    }

    /// The entries of a block of an index: hashes of names, branches of a node, lengths of free regions.
    pub(crate) fn index(&self) -> Result<Range<usize>> {
        let (raw, v5) = (&self.raw, self.v5);
        let end = self.index_end();
        let (count, start, len) = match self.kind {
            Kind::Leaf1 | Kind::LeafN => {
                (leaf::count(v5).get(raw).into(), leaf::header_len(v5), leaf::ENTRY_LEN)
            }
            Kind::Node => (da::node_count(v5).get(raw).into(), da::node_header_len(v5), da::NODE_ENTRY_LEN),
            Kind::Free => (free::valid(v5).get(raw), free::header_len(v5), leaf::BEST_LEN),
            Kind::Block | Kind::Data => return Ok(end..end),
        };
        Ok(start..start + self.within("count", count, len, end - start)?)
    }

    /// The table behind the entries of the only leaf: the longest free region of each data block, and how many there are.
    pub(crate) fn bests(&self) -> Result<Range<usize>> {
        let end = self.index_end();
        if self.kind != Kind::Leaf1 {
            return Ok(end..end);
        }
        let room = end - self.index()?.end;
        let len = self.within("bestcount", Be32(end).get(&self.raw), leaf::BEST_LEN, room)?;
        Ok(end - len..self.raw.len())
    }

    fn index_end(&self) -> usize {
        self.raw.len() - if self.kind == Kind::Leaf1 { leaf::BEST_COUNT_LEN } else { 0 }
    }

    /// The length of so many entries, each of `len` bytes, that have to find room.
    fn within(&self, field: &'static str, count: u32, len: usize, room: usize) -> Result<usize> {
        let (count, most) = (to_usize(count.into()), room / len);
        if count > most {
            return Err(self.object.corrupt(field, count, format!("at most {most}")));
        }
        Ok(count * len)
    }

    /// Where entries and free regions end.
    pub(crate) fn data_end(&self) -> Result<usize> {
        match self.kind {
            Kind::Block => Ok(self.tail()?.start),
            _ => Ok(self.raw.len()),
        }
    }

    /// All entries and free regions of a data block, which have to fill it.
    pub(crate) fn entries(&self, has_ftype: bool, visit: &mut dyn FnMut(Item) -> Result<()>) -> Result<()> {
        let (raw, end) = (&self.raw, self.data_end()?);
        let mut at = data::header_len(self.v5);
        while at < end {
            let bad = |found: String| self.object.corrupt("directory entry", found, "one within its block");
            if data::FREE_TAG.get(&raw[at..]) == data::FREE_TAG_VALUE {
                let len = usize::from(data::FREE_LEN.get(&raw[at..]));
                // The whole of a block of 64 KiB does not fit in 16 bits, but its header takes some of it.
                if len < 8 || !len.is_multiple_of(8) || len > end - at {
                    return Err(bad(format!("{len} free bytes at {at}")));
                }
                self.check_tag(at, len)?;
                visit(Item::Free { region: at..at + len })?;
                at += len;
                continue;
            }
            let name_len = usize::from(data::NAME_LEN.get(&raw[at..]));
            let len = data::entry_len(name_len, has_ftype);
            if len > end - at {
                return Err(bad(format!("{len} bytes long at {at}")));
            }
            if name_len == 0 {
                return Err(bad(format!("without a name at {at}")));
            }
            self.check_tag(at, len)?;
            let name = at + data::NAME..at + data::NAME + name_len;
            let kind = if has_ftype { raw[name.end] } else { ftype::UNKNOWN };
            let inode = InodeNumber(data::INODE.get(&raw[at..]));
            visit(Item::Name { entry: at..at + len, name, inode, kind })?;
            at += len;
        }
        Ok(())
    }

    fn check_tag(&self, at: usize, len: usize) -> Result<()> {
        let tag = usize::from(Be16(at + len - data::TAG_LEN).get(&self.raw));
        expect(self.object, "tag of an entry", to_u64(tag), to_u64(at))
    }
}

/// A directory block that is being put together from filesystem blocks.
#[derive(Default)]
struct Pending {
    number: u64,
    places: Vec<FsBlock>,
}

impl<D: BlockRead> Xfs<D> {
    /// Each data block of a directory that is there, in order.
    pub(crate) fn data_blocks(
        &self,
        inode: &Inode,
        visit: &mut dyn FnMut(&Block) -> Result<()>,
    ) -> Result<()> {
        self.blocks_within(inode, 0..LEAF_OFFSET, visit)
    }

    /// Each block of a directory, in order: data, index, free space.
    pub(crate) fn directory_blocks(
        &self,
        inode: &Inode,
        visit: &mut dyn FnMut(&Block) -> Result<()>,
    ) -> Result<()> {
        self.blocks_within(inode, 0..3 * LEAF_OFFSET, visit)
    }

    fn blocks_within(
        &self,
        inode: &Inode,
        bytes: Range<u64>,
        visit: &mut dyn FnMut(&Block) -> Result<()>,
    ) -> Result<()> {
        let log = self.geometry.directory_block_log;
        let per = to_usize(self.geometry.directory_blocks());
        let missing = || inode.object().corrupt("directory block", "incomplete", "all its blocks");
        let mut pending = Pending::default();
        let range = bytes.start / self.geometry.block_size..bytes.end / self.geometry.block_size;
        let end = range.end;
        self.map_range(inode, Fork::Data, range, &mut |mapped| {
            let Mapped::Extent(mapping) = mapped else { return Ok(()) };
            if !mapping.written || mapping.end() > end {
                return Err(inode.object().corrupt(
                    "extent of a directory",
                    "unwritten or too far",
                    "written blocks",
                ));
            }
            for logical in mapping.logical..mapping.end() {
                let place = FsBlock(mapping.start.0 + (logical - mapping.logical));
                if pending.places.is_empty() {
                    pending.number = logical >> log;
                }
                let expected = (pending.number << log) + to_u64(pending.places.len());
                if logical != expected {
                    return Err(missing());
                }
                pending.places.push(place);
                if pending.places.len() == per {
                    let places = std::mem::take(&mut pending.places);
                    let block = self.directory_block(inode, pending.number, places)?;
                    visit(&block)?;
                }
            }
            Ok(())
        })?;
        if pending.places.is_empty() { Ok(()) } else { Err(missing()) }
    }

    /// Reads and checks a block of a directory.
    fn directory_block(&self, inode: &Inode, number: u64, places: Vec<FsBlock>) -> Result<Block> {
        let v5 = self.geometry.v5;
        let raw = self.read_places(&places)?;
        let at = number * to_u64(self.geometry.directory_len());
        let first = places[0];
        let object = Geometry::block_object("directory block", first);
        let kind = if at < LEAF_OFFSET {
            match (data::MAGIC.get(&raw), v5) {
                (data::BLOCK_V5, true) | (data::BLOCK_V4, false) if at == 0 => Kind::Block,
                (data::DATA_V5, true) | (data::DATA_V4, false) => Kind::Data,
                (found, _) => {
                    let expected = if v5 { data::DATA_V5 } else { data::DATA_V4 };
                    return Err(expect_magic(object, found, expected)
                        .err()
                        .unwrap_or_else(|| object.corrupt("magic", "of a lone block", "of one of several")));
                }
            }
        } else if at < FREE_OFFSET {
            match da::MAGIC.get(&raw) {
                magic if magic == leaf::leaf1_magic(v5) => Kind::Leaf1,
                magic if magic == leaf::leafn_magic(v5) => Kind::LeafN,
                magic if magic == da::node_magic(v5) => Kind::Node,
                magic => {
                    return Err(object.corrupt("magic", format!("{magic:#06x}"), "a leaf's or a node's"));
                }
            }
        } else {
            expect_magic(object, free::MAGIC.get(&raw), free::magic(v5))?;
            Kind::Free
        };
        if v5 {
            let (crc, blkno, uuid, owner) = match kind {
                Kind::Leaf1 | Kind::LeafN | Kind::Node => (da::CRC, da::BLKNO, da::UUID, da::OWNER),
                _ => (data::CRC, data::BLKNO, data::UUID, data::OWNER),
            };
            self.check_own(inode, object, &raw, first, (crc, blkno, uuid, owner))?;
        }
        Ok(Block { kind, places, raw, object, v5 })
    }

    /// Checks what version 5 says of each block of a file's metadata: checksum, place, filesystem, inode.
    pub(crate) fn check_own(
        &self,
        inode: &Inode,
        object: Object,
        raw: &[u8],
        place: FsBlock,
        (crc, blkno, uuid, owner): (Le32, Be64, Bytes<16>, Be64),
    ) -> Result<()> {
        checksum::check(raw, crc, object)?;
        self.expect_uuid(object, raw, uuid)?;
        expect(object, "blkno", blkno.get(raw), self.geometry.daddr(place))?;
        expect(object, "owner", owner.get(raw), inode.number.0)
    }
}
