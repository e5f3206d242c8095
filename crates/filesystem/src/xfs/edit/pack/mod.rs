//! From a directory's names to the smallest valid form of it: in the inode, one block, leaf, or node.
//!
//! Names keep their order, data blocks are filled from the first to the last, and none is empty. So no old name
//! survives, bestfree and the free index are exact, and no entry is stale. What a directory block needs to know of
//! where it lies is filled in by [`Block::seal`] ("Directories" in XFS Algorithms & Data Structures).

mod blocks;
mod index;
mod short;

use block::{field::Be32, to_u64};

pub(super) use short::{Short, short};

use crate::xfs::{
    checksum,
    format::dir::{da, data},
};

/// What a directory's blocks have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    /// Bytes of a directory block; at most 64 KiB.
    pub(super) block_size: usize,
    /// Bytes of a filesystem block.
    pub(super) unit: usize,
    /// Version 5: blocks say where they belong, and have a checksum.
    pub(super) crc: bool,
    /// Entries hold the kind of what they name.
    pub(super) ftype: bool,
    /// What metadata has as its UUID.
    pub(super) uuid: [u8; 16],
    /// The directory's inode.
    pub(super) inode: u64,
    /// Its parent's.
    pub(super) parent: u64,
}

impl Format {
    const fn header_len(&self) -> usize {
        data::header_len(self.crc)
    }

    /// Bytes that an entry takes in a data block.
    const fn entry_len(&self, name: usize) -> usize {
        data::entry_len(name, self.ftype)
    }

    /// Offset in a data block of the first entry behind `.` and `..`.
    const fn first_offset(&self) -> usize {
        self.header_len() + self.entry_len(1) + self.entry_len(2)
    }

    /// Number of the block of the filesystem's size that lies `offset` bytes into the directory.
    fn unit_of(&self, offset: u64) -> u64 {
        offset / to_u64(self.unit)
    }
}

/// A name of a directory: neither `.` nor `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) name: Vec<u8>,
    pub(super) inode: u64,
    /// XFS_DIR3_FT_*, if the format has it.
    pub(super) file_type: u8,
}

/// What checksums and places of a block look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    /// Data and free index: magic first.
    Data,
    /// Leaves and nodes: siblings first.
    Tree,
}

/// A directory block that knows where in the directory it lies, but not where on the disk.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// In units of the filesystem's blocks.
    pub(super) offset: u64,
    frame: Frame,
    raw: Vec<u8>,
}

impl Block {
    fn new(format: &Format, frame: Frame, offset: u64, magic: Magic) -> Self {
        let mut raw = vec![0; format.block_size];
        let (at, bytes) = if format.crc { (frame, magic.v5) } else { (frame, magic.v4) };
        match at {
            Frame::Data => raw[..4].copy_from_slice(&bytes),
            Frame::Tree => raw[8..10].copy_from_slice(&bytes[..2]),
        }
        Self { offset, frame, raw }
    }

    /// The block as it lies on the disk, at `daddr` in units of 512 bytes.
    pub(super) fn seal(mut self, format: &Format, daddr: u64) -> Vec<u8> {
        if format.crc {
            let (crc, place, uuid, owner) = match self.frame {
                Frame::Data => (data::CRC, data::BLKNO, data::UUID, data::OWNER),
                Frame::Tree => (da::CRC, da::BLKNO, da::UUID, da::OWNER),
            };
            place.set(&mut self.raw, daddr);
            uuid.set(&mut self.raw, &format.uuid);
            owner.set(&mut self.raw, format.inode);
            checksum::seal(&mut self.raw, crc);
        }
        self.raw
    }
}

/// A block's magic without and with checksums.
#[derive(Debug, Clone, Copy)]
struct Magic {
    v4: [u8; 4],
    v5: [u8; 4],
}

/// What a directory becomes.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// The bytes of the inode's data fork.
    Short(Vec<u8>),
    /// Blocks by ascending offset, and di_size.
    Blocks(Vec<Block>, u64),
}

/// Packs names into blocks.
pub(super) fn in_blocks(format: &Format, names: &[Name]) -> Form {
    if let Some(block) = blocks::single(format, names) {
        return Form::Blocks(vec![block], to_u64(format.block_size));
    }
    let packed = blocks::pack(format, names);
    let size = to_u64(packed.blocks.len() * format.block_size);
    let mut blocks = packed.blocks;
    match index::leaf(format, &packed.hashes, &packed.bests) {
        Some(leaf) => blocks.push(leaf),
        None => {
            blocks.extend(index::node(format, &packed.hashes));
            blocks.extend(index::free(format, &packed.bests));
        }
    }
    Form::Blocks(blocks, size)
}

/// Where a name stands in the hash index: xfs_da_hashname.
pub(super) fn hash(name: &[u8]) -> u32 {
    let byte = |at: usize| u32::from(name[at]);
    let mut hash = 0u32;
    let whole = name.len() / 4 * 4;
    for at in (0..whole).step_by(4) {
        hash = (byte(at) << 21)
            ^ (byte(at + 1) << 14)
            ^ (byte(at + 2) << 7)
            ^ byte(at + 3)
            ^ hash.rotate_left(28);
    }
    match name.len() - whole {
        3 => (byte(whole) << 14) ^ (byte(whole + 1) << 7) ^ byte(whole + 2) ^ hash.rotate_left(21),
        2 => (byte(whole) << 7) ^ byte(whole + 1) ^ hash.rotate_left(14),
        1 => byte(whole) ^ hash.rotate_left(7),
        _ => hash,
    }
}

/// One entry of the hash index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hashed {
    hash: u32,
    /// Offset in the directory's data, in units of eight bytes.
    address: u32,
}

impl Hashed {
    fn put(self, raw: &mut [u8], at: usize) {
        Be32(at).set(raw, self.hash);
        Be32(at + 4).set(raw, self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_kernel() {
        // `xfs_db -c "hash NAME"`.
        assert_eq!(hash(b"."), 0x2e);
        assert_eq!(hash(b".."), 0x172e);
        assert_eq!(hash(b"abcd"), (0x61 << 21) ^ (0x62 << 14) ^ (0x63 << 7) ^ 0x64);
        assert_eq!(hash(b"authorized_keys"), AUTHORIZED_KEYS);
    }

    /// `hash authorized_keys`
    const AUTHORIZED_KEYS: u32 = 0x3bc1_f1a8;
}
