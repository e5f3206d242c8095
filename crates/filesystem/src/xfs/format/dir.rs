//! Directories: short form, data blocks, leaf and node blocks of the hash index, free-space blocks.
//!
//! A directory's file has three spaces: data from 0 on, the index from 32 GiB on, free space from 64 GiB on.

use block::field::{Be16, Be32, Be64, Bytes, Le32, U8};

/// Byte of the file where the hash index starts.
pub(crate) const LEAF_OFFSET: u64 = 1 << 35;
/// Byte of the file where the table of free space starts.
pub(crate) const FREE_OFFSET: u64 = 2 << 35;

/// A directory inside its inode.
pub(crate) mod short {
    use super::U8;

    pub(crate) const COUNT: U8 = U8(0);
    /// How many inode numbers need 8 bytes; if it is not 0, all have 8, else 4.
    pub(crate) const WIDE_COUNT: U8 = U8(1);
    /// Where the parent's number starts.
    pub(crate) const PARENT: usize = 2;
    /// Bytes of an entry before its name: length, and the place that it would have in a data block.
    pub(crate) const ENTRY_LEN: usize = 3;

    /// Bytes of an inode number.
    pub(crate) const fn number_len(wide_count: u8) -> usize {
        if wide_count == 0 { 4 } else { 8 }
    }
}

/// Data blocks, alone (`XD2B`, `XDB3`) or one of several (`XD2D`, `XDD3`).
pub(crate) mod data {
    use super::{Be16, Be32, Be64, Bytes, Le32, U8};

    pub(crate) const MAGIC: Be32 = Be32(0);
    pub(crate) const BLOCK_V4: u32 = 0x5844_3242;
    pub(crate) const DATA_V4: u32 = 0x5844_3244;
    pub(crate) const BLOCK_V5: u32 = 0x5844_4233;
    pub(crate) const DATA_V5: u32 = 0x5844_4433;
    /// Version 5 only, up to [`OWNER`].
    pub(crate) const CRC: Le32 = Le32(4);
    pub(crate) const BLKNO: Be64 = Be64(8);
    pub(crate) const LSN: Be64 = Be64(16);
    pub(crate) const UUID: Bytes<16> = Bytes(24);
    pub(crate) const OWNER: Be64 = Be64(40);
    /// The three longest free regions: offset and length of each, 16 bits; longest first.
    pub(crate) const BEST_FREE_COUNT: usize = 3;
    pub(crate) const BEST_FREE_LEN: usize = 4;
    /// Padding behind them on version 5.
    pub(crate) const PAD_V5: Be32 = Be32(60);

    /// Where the three longest free regions are listed.
    pub(crate) const fn best_free(v5: bool) -> usize {
        if v5 { 48 } else { 4 }
    }
    /// Bytes of a header.
    pub(crate) const fn header_len(v5: bool) -> usize {
        if v5 { 64 } else { 16 }
    }

    /// Of an entry: inumber.
    pub(crate) const INODE: Be64 = Be64(0);
    /// Of an entry: namelen.
    pub(crate) const NAME_LEN: U8 = U8(8);
    /// Of an entry: where its name starts. Behind it the kind of file, with ftype; padding; in the last two bytes
    /// its own offset in the block.
    pub(crate) const NAME: usize = 9;
    /// Of a free region: freetag.
    pub(crate) const FREE_TAG: Be16 = Be16(0);
    pub(crate) const FREE_TAG_VALUE: u16 = 0xFFFF;
    /// Of a free region: its length. In its last two bytes its own offset.
    pub(crate) const FREE_LEN: Be16 = Be16(2);
    /// Bytes of the offset at the end of entries and free regions.
    pub(crate) const TAG_LEN: usize = 2;

    /// Bytes of an entry.
    pub(crate) const fn entry_len(name_len: usize, ftype: bool) -> usize {
        let kind = if ftype { 1 } else { 0 };
        (NAME + name_len + kind + TAG_LEN).next_multiple_of(8)
    }

    /// At the end of a block that stands alone: how many index entries lie before this, and how many of them are
    /// stale. Offsets within the last 8 bytes.
    pub(crate) const TAIL_COUNT: Be32 = Be32(0);
    pub(crate) const TAIL_STALE: Be32 = Be32(4);
    pub(crate) const TAIL_LEN: usize = 8;
}

/// What all blocks of an index start with, a directory's as well as an attribute fork's.
pub(crate) mod da {
    use super::{Be16, Be32, Be64, Bytes, Le32};

    pub(crate) const FORWARD: Be32 = Be32(0);
    pub(crate) const BACK: Be32 = Be32(4);
    pub(crate) const MAGIC: Be16 = Be16(8);
    pub(crate) const PAD: Be16 = Be16(10);
    /// Bytes of this on version 4.
    pub(crate) const LEN_V4: usize = 12;
    /// Version 5 from here on.
    pub(crate) const CRC: Le32 = Le32(12);
    pub(crate) const BLKNO: Be64 = Be64(16);
    pub(crate) const LSN: Be64 = Be64(24);
    pub(crate) const UUID: Bytes<16> = Bytes(32);
    pub(crate) const OWNER: Be64 = Be64(48);
    /// Bytes of this on version 5.
    pub(crate) const LEN_V5: usize = 56;

    /// Bytes of this.
    pub(crate) const fn len(v5: bool) -> usize {
        if v5 { LEN_V5 } else { LEN_V4 }
    }

    /// The magic of a node.
    pub(crate) const fn node_magic(v5: bool) -> u16 {
        if v5 { 0x3EBE } else { 0xFEBE }
    }
    /// Of a node: how many entries.
    pub(crate) const fn node_count(v5: bool) -> Be16 {
        Be16(len(v5))
    }
    /// Of a node: its level, 1 above the leaves.
    pub(crate) const fn node_level(v5: bool) -> Be16 {
        Be16(len(v5) + 2)
    }
    /// Bytes of a node before its entries.
    pub(crate) const fn node_header_len(v5: bool) -> usize {
        if v5 { 64 } else { 16 }
    }
    /// Of a node's entry: the highest hash below it.
    pub(crate) const NODE_HASH: Be32 = Be32(0);
    /// Of a node's entry: the block below it, in blocks of the file's index.
    pub(crate) const NODE_BEFORE: Be32 = Be32(4);
    /// Bytes of a node's entry.
    pub(crate) const NODE_ENTRY_LEN: usize = 8;
    /// The most levels (XFS_DA_NODE_MAXDEPTH).
    pub(crate) const MAX_DEPTH: u16 = 5;
}

/// Leaf blocks of a directory's index: the only one (leaf1), or one of several (leafn).
pub(crate) mod leaf {
    use super::{Be16, Be32, da};

    /// The magic of the only leaf.
    pub(crate) const fn leaf1_magic(v5: bool) -> u16 {
        if v5 { 0x3DF1 } else { 0xD2F1 }
    }
    /// The magic of one of several.
    pub(crate) const fn leafn_magic(v5: bool) -> u16 {
        if v5 { 0x3DFF } else { 0xD2FF }
    }
    /// How many entries.
    pub(crate) const fn count(v5: bool) -> Be16 {
        Be16(da::len(v5))
    }
    /// How many of them are stale.
    pub(crate) const fn stale(v5: bool) -> Be16 {
        Be16(da::len(v5) + 2)
    }
    /// Bytes before the entries.
    pub(crate) const fn header_len(v5: bool) -> usize {
        if v5 { 64 } else { 16 }
    }
    /// Of an entry: the name's hash.
    pub(crate) const HASH: Be32 = Be32(0);
    /// Of an entry: where its data entry lies in the file, in units of 8 bytes; 0 if it is stale.
    pub(crate) const ADDRESS: Be32 = Be32(4);
    /// Bytes of an entry.
    pub(crate) const ENTRY_LEN: usize = 8;
    /// Bytes of the count at the end of a leaf1: how many `bests` lie before it.
    pub(crate) const BEST_COUNT_LEN: usize = 4;
    /// Bytes of a best: the longest free region of a data block; all ones for a block that is not there.
    pub(crate) const BEST_LEN: usize = 2;
}

/// Free-space blocks (`XD2F`, `XDF3`): the longest free region of each data block.
pub(crate) mod free {
    use super::{Be32, Be64, Bytes, Le32};

    pub(crate) const MAGIC: Be32 = Be32(0);
    /// The magic.
    pub(crate) const fn magic(v5: bool) -> u32 {
        if v5 { 0x5844_4633 } else { 0x5844_3246 }
    }
    /// Version 5 only, up to [`OWNER`].
    pub(crate) const CRC: Le32 = Le32(4);
    pub(crate) const BLKNO: Be64 = Be64(8);
    pub(crate) const LSN: Be64 = Be64(16);
    pub(crate) const UUID: Bytes<16> = Bytes(24);
    pub(crate) const OWNER: Be64 = Be64(40);
    /// The data block of the first best.
    pub(crate) const fn first(v5: bool) -> Be32 {
        Be32(if v5 { 48 } else { 4 })
    }
    /// How many bests.
    pub(crate) const fn valid(v5: bool) -> Be32 {
        Be32(if v5 { 52 } else { 8 })
    }
    /// How many of them are of data blocks that are there.
    pub(crate) const fn used(v5: bool) -> Be32 {
        Be32(if v5 { 56 } else { 12 })
    }
    /// Bytes before the bests.
    pub(crate) const fn header_len(v5: bool) -> usize {
        if v5 { 64 } else { 16 }
    }
}

/// Kinds of file in entries (XFS_DIR3_FT_*).
pub(crate) mod ftype {
    pub(crate) const UNKNOWN: u8 = 0;
    pub(crate) const FILE: u8 = 1;
    pub(crate) const DIRECTORY: u8 = 2;
    pub(crate) const CHAR_DEVICE: u8 = 3;
    pub(crate) const BLOCK_DEVICE: u8 = 4;
    pub(crate) const FIFO: u8 = 5;
    pub(crate) const SOCKET: u8 = 6;
    pub(crate) const SYMLINK: u8 = 7;
    pub(crate) const WHITEOUT: u8 = 8;
}
