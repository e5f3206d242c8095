//! Data blocks: the entries themselves, and what is free behind them.

use block::{
    field::{Be16, Be32, Be64},
    to_u64,
};

use super::{Block, Format, Frame, Hashed, Magic, Name, hash};
use crate::xfs::format::dir::{data, ftype};

const BLOCK_MAGIC: Magic = Magic { v4: *b"XD2B", v5: *b"XDB3" };
const DATA_MAGIC: Magic = Magic { v4: *b"XD2D", v5: *b"XDD3" };
/// Bytes of xfs_dir2_block_tail: how many entries the index has, how many of them stale.
const TAIL_LEN: usize = 8;
/// Bytes of an entry of the index.
const HASHED_LEN: usize = 8;

/// Data blocks, and what the indexes say of them.
pub(super) struct Packed {
    pub(super) blocks: Vec<Block>,
    /// The longest free space of each block.
    pub(super) bests: Vec<u16>,
    /// In the index's order.
    pub(super) hashes: Vec<Hashed>,
}

struct Writer<'f> {
    format: &'f Format,
    blocks: Vec<Block>,
    bests: Vec<u16>,
    hashes: Vec<Hashed>,
    /// Where the next entry goes, in the last block.
    at: usize,
    /// Where the room for entries ends in each block.
    end: usize,
}

impl Writer<'_> {
    fn open(&mut self, magic: Magic) {
        let offset = self.format.unit_of(to_u64(self.blocks.len() * self.format.block_size));
        self.blocks.push(Block::new(self.format, Frame::Data, offset, magic));
        self.at = self.format.header_len();
    }

    /// Marks the rest of the last block as unused.
    fn close(&mut self) {
        let best = self.end - self.at;
        if let Some(block) = self.blocks.last_mut().filter(|_| best > 0) {
            let short =
                |value: usize| u16::try_from(value).expect("a data block has room for less than 64 KiB");
            Be16(self.at).set(&mut block.raw, data::FREE_TAG_VALUE);
            Be16(self.at + 2).set(&mut block.raw, short(best));
            Be16(self.end - 2).set(&mut block.raw, short(self.at));
            Be16(data::best_free(self.format.crc)).set(&mut block.raw, short(self.at));
            Be16(data::best_free(self.format.crc) + 2).set(&mut block.raw, short(best));
        }
        self.bests.push(u16::try_from(best).expect("a data block has room for less than 64 KiB"));
    }

    fn add(&mut self, name: &[u8], inode: u64, file_type: u8) {
        let len = self.format.entry_len(name.len());
        if self.at + len > self.end {
            self.close();
            self.open(DATA_MAGIC);
        }
        let base = (self.blocks.len() - 1) * self.format.block_size;
        let raw = &mut self.blocks.last_mut().expect("a block is open").raw;
        Be64(self.at).set(raw, inode);
        raw[self.at + 8] = u8::try_from(name.len()).expect("a name has at most 255 bytes");
        raw[self.at + 9..self.at + 9 + name.len()].copy_from_slice(name);
        if self.format.ftype {
            raw[self.at + 9 + name.len()] = file_type;
        }
        let tag = u16::try_from(self.at).expect("a block has at most 64 KiB");
        Be16(self.at + len - 2).set(raw, tag);
        let address = u32::try_from((base + self.at) / 8).expect("data ends at 32 GiB");
        self.hashes.push(Hashed { hash: hash(name), address });
        self.at += len;
    }

    fn add_all(&mut self, names: &[Name]) {
        self.add(b".", self.format.inode, ftype::DIRECTORY);
        self.add(b"..", self.format.parent, ftype::DIRECTORY);
        for name in names {
            self.add(&name.name, name.inode, name.file_type);
        }
        self.close();
        self.hashes.sort_unstable();
    }
}

fn writer(format: &Format, end: usize, magic: Magic) -> Writer<'_> {
    let mut writer = Writer { format, blocks: Vec::new(), bests: Vec::new(), hashes: Vec::new(), at: 0, end };
    writer.open(magic);
    writer
}

/// All names in one block, with their index: `None` if there is no room.
pub(super) fn single(format: &Format, names: &[Name]) -> Option<Block> {
    let count = names.len().checked_add(2)?;
    let index = format.block_size.checked_sub(TAIL_LEN)?.checked_sub(count.checked_mul(HASHED_LEN)?)?;
    let room = index.checked_sub(format.first_offset())?;
    let mut needed = 0usize;
    for name in names {
        needed += format.entry_len(name.name.len());
        if needed > room {
            return None;
        }
    }
    let mut writer = writer(format, index, BLOCK_MAGIC);
    writer.add_all(names);
    let mut block = writer.blocks.pop()?;
    for (slot, hashed) in writer.hashes.iter().enumerate() {
        hashed.put(&mut block.raw, index + slot * HASHED_LEN);
    }
    Be32(format.block_size - TAIL_LEN).set(&mut block.raw, u32::try_from(count).expect("a block's worth"));
    Some(block)
}

/// All names in as many blocks as they take.
pub(super) fn pack(format: &Format, names: &[Name]) -> Packed {
    let mut writer = writer(format, format.block_size, DATA_MAGIC);
    writer.add_all(names);
    Packed { blocks: writer.blocks, bests: writer.bests, hashes: writer.hashes }
}
