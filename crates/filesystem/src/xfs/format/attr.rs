//! Attribute forks: short form, leaf blocks, and blocks of large values. Their nodes are [`dir::da`](super::dir::da).

use block::field::{Be16, Be32, Be64, Bytes, Le32, U8};

/// Attributes inside the inode.
pub(crate) mod short {
    use super::{Be16, U8};

    /// Bytes of all, this header included.
    pub(crate) const TOTAL: Be16 = Be16(0);
    pub(crate) const COUNT: U8 = U8(2);
    /// Bytes of the header; its last has no use.
    pub(crate) const HEADER_LEN: usize = 4;
    /// Of an entry.
    pub(crate) const NAME_LEN: U8 = U8(0);
    /// Of an entry.
    pub(crate) const VALUE_LEN: U8 = U8(1);
    /// Of an entry; see [`flags`](super::flags).
    pub(crate) const FLAGS: U8 = U8(2);
    /// Bytes of an entry before its name, which the value follows.
    pub(crate) const ENTRY_LEN: usize = 3;
}

/// Which namespace a name is in, and in what state an entry is.
pub(crate) mod flags {
    /// The value lies beside the name.
    pub(crate) const LOCAL: u8 = 0x1;
    /// `trusted.`
    pub(crate) const ROOT: u8 = 0x2;
    /// `security.`
    pub(crate) const SECURE: u8 = 0x4;
    /// A parent pointer.
    pub(crate) const PARENT: u8 = 0x8;
    /// Not yet, or no more: nobody sees it.
    pub(crate) const INCOMPLETE: u8 = 0x80;
}

/// Leaf blocks: entries after the header, names and values from the end backward.
pub(crate) mod leaf {
    use super::{Be16, Be32, U8};
    use crate::xfs::format::dir::da;

    /// The magic, as of [`da::MAGIC`].
    pub(crate) const fn magic(v5: bool) -> u16 {
        if v5 { 0x3BEE } else { 0xFBEE }
    }
    /// How many entries.
    pub(crate) const fn count(v5: bool) -> Be16 {
        Be16(da::len(v5))
    }
    /// Bytes of names and values.
    pub(crate) const fn used_bytes(v5: bool) -> Be16 {
        Be16(da::len(v5) + 2)
    }
    /// Where names and values start; 0 stands for 65536.
    pub(crate) const fn first_used(v5: bool) -> Be16 {
        Be16(da::len(v5) + 4)
    }
    /// 1 if there are gaps between names and values.
    pub(crate) const fn holes(v5: bool) -> U8 {
        U8(da::len(v5) + 6)
    }
    /// pad1.
    pub(crate) const fn pad1(v5: bool) -> U8 {
        U8(da::len(v5) + 7)
    }
    /// Three free regions: base and size of each, 16 bits.
    pub(crate) const fn free_map(v5: bool) -> usize {
        da::len(v5) + 8
    }
    pub(crate) const FREE_MAP_COUNT: usize = 3;
    pub(crate) const FREE_MAP_LEN: usize = 4;
    /// Bytes before the entries.
    pub(crate) const fn header_len(v5: bool) -> usize {
        if v5 { 80 } else { 32 }
    }

    /// Of an entry.
    pub(crate) const HASH: Be32 = Be32(0);
    /// Of an entry: where its name lies in the block.
    pub(crate) const NAME_INDEX: Be16 = Be16(4);
    /// Of an entry; see [`flags`](super::flags).
    pub(crate) const FLAGS: U8 = U8(6);
    /// Of an entry.
    pub(crate) const PAD: U8 = U8(7);
    /// Bytes of an entry.
    pub(crate) const ENTRY_LEN: usize = 8;
    /// What names are aligned to.
    pub(crate) const NAME_ALIGN: usize = 4;

    /// Of a name with its value.
    pub(crate) const LOCAL_VALUE_LEN: Be16 = Be16(0);
    pub(crate) const LOCAL_NAME_LEN: U8 = U8(2);
    /// Bytes before the name, which the value follows.
    pub(crate) const LOCAL_LEN: usize = 3;
    /// Of a name whose value lies elsewhere: the value's first block in the fork.
    pub(crate) const REMOTE_BLOCK: Be32 = Be32(0);
    pub(crate) const REMOTE_VALUE_LEN: Be32 = Be32(4);
    pub(crate) const REMOTE_NAME_LEN: U8 = U8(8);
    /// Bytes before the name.
    pub(crate) const REMOTE_LEN: usize = 9;
}

/// Blocks of a large value (`XARM`); version 4 has no header.
pub(crate) mod remote {
    use super::{Be32, Be64, Bytes, Le32};

    pub(crate) const MAGIC_VALUE: u32 = 0x5841_524D;
    pub(crate) const MAGIC: Be32 = Be32(0);
    /// The block's first byte in the value.
    pub(crate) const OFFSET: Be32 = Be32(4);
    /// How many bytes of the value it has.
    pub(crate) const BYTES: Be32 = Be32(8);
    pub(crate) const CRC: Le32 = Le32(12);
    pub(crate) const UUID: Bytes<16> = Bytes(16);
    pub(crate) const OWNER: Be64 = Be64(32);
    pub(crate) const BLKNO: Be64 = Be64(40);
    pub(crate) const LSN: Be64 = Be64(48);
    pub(crate) const HEADER_LEN: usize = 56;

    /// Bytes before the value's.
    pub(crate) const fn header_len(v5: bool) -> usize {
        if v5 { HEADER_LEN } else { 0 }
    }
}
