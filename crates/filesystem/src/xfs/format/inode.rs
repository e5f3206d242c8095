//! Inode cores (`struct xfs_dinode`): version 1 and 2 on version 4 filesystems, version 3 on version 5.

use block::field::{Be16, Be32, Be64, Bytes, Le32, U8};

/// `IN`.
pub(crate) const MAGIC_VALUE: u16 = 0x494E;

pub(crate) const MAGIC: Be16 = Be16(0);
pub(crate) const MODE: Be16 = Be16(2);
pub(crate) const VERSION: U8 = U8(4);
/// di_format: of the data fork; see [`mod@format`].
pub(crate) const FORMAT: U8 = U8(5);
/// di_onlink: links of a version 1 inode.
pub(crate) const OLD_LINKS: Be16 = Be16(6);
pub(crate) const UID: Be32 = Be32(8);
pub(crate) const GID: Be32 = Be32(12);
pub(crate) const LINKS: Be32 = Be32(16);
pub(crate) const PROJID_LO: Be16 = Be16(20);
pub(crate) const PROJID_HI: Be16 = Be16(22);
/// di_big_nextents: extents of the data fork, with [`flags2::NREXT64`].
pub(crate) const BIG_EXTENTS: Be64 = Be64(24);
/// di_flushiter: of version 1 and 2 inodes.
pub(crate) const FLUSHITER: Be16 = Be16(30);
pub(crate) const ATIME: Be64 = Be64(32);
pub(crate) const MTIME: Be64 = Be64(40);
pub(crate) const CTIME: Be64 = Be64(48);
pub(crate) const SIZE: Be64 = Be64(56);
/// di_nblocks: of both forks, their trees included.
pub(crate) const BLOCKS: Be64 = Be64(64);
pub(crate) const EXTENT_SIZE: Be32 = Be32(72);
/// di_nextents: extents of the data fork; with [`flags2::NREXT64`] di_big_anextents, of the attribute fork.
pub(crate) const EXTENTS: Be32 = Be32(76);
/// di_anextents: extents of the attribute fork; with [`flags2::NREXT64`] di_nrext64_pad.
pub(crate) const ATTR_EXTENTS: Be16 = Be16(80);
/// di_forkoff: bytes of the data fork divided by 8, if there is an attribute fork behind it; else 0.
pub(crate) const FORK_OFFSET: U8 = U8(82);
/// di_aformat: of the attribute fork.
pub(crate) const ATTR_FORMAT: U8 = U8(83);
/// di_dmevmask.
pub(crate) const DM_EVENT_MASK: Be32 = Be32(84);
/// di_dmstate.
pub(crate) const DM_STATE: Be16 = Be16(88);
pub(crate) const FLAGS: Be16 = Be16(90);
pub(crate) const GENERATION: Be32 = Be32(92);
/// di_next_unlinked: the next deleted but open inode of the list; all ones at its end and elsewhere.
pub(crate) const NEXT_UNLINKED: Be32 = Be32(96);
/// Bytes of a version 1 or 2 core.
pub(crate) const CORE_V2: usize = 100;
/// Version 3 from here on.
pub(crate) const CRC: Le32 = Le32(100);
pub(crate) const CHANGE_COUNT: Be64 = Be64(104);
pub(crate) const LSN: Be64 = Be64(112);
/// di_flags2; see [`flags2`].
pub(crate) const FLAGS2: Be64 = Be64(120);
pub(crate) const COW_EXTENT_SIZE: Be32 = Be32(128);
/// di_pad2.
pub(crate) const PAD2: Bytes<12> = Bytes(132);
pub(crate) const CREATION_TIME: Be64 = Be64(144);
/// di_ino: its own number.
pub(crate) const NUMBER: Be64 = Be64(152);
pub(crate) const UUID: Bytes<16> = Bytes(160);
/// Bytes of a version 3 core.
pub(crate) const CORE_V3: usize = 176;

/// Where a fork's content is.
pub(crate) mod format {
    /// A device number.
    pub(crate) const DEVICE: u8 = 0;
    /// In the fork itself.
    pub(crate) const LOCAL: u8 = 1;
    /// A list of extents.
    pub(crate) const EXTENTS: u8 = 2;
    /// The root of a btree of extents.
    pub(crate) const BTREE: u8 = 3;
}

/// Bits of di_flags.
pub(crate) mod flags {
    /// Its data is on the realtime device.
    pub(crate) const REALTIME: u16 = 0x1;
    /// Preallocated: space behind the end stays.
    pub(crate) const PREALLOC: u16 = 0x2;
    pub(crate) const IMMUTABLE: u16 = 0x8;
    pub(crate) const APPEND: u16 = 0x10;
    pub(crate) const PROJINHERIT: u16 = 0x200;
}

/// Bits of di_flags2.
pub(crate) mod flags2 {
    pub(crate) const DAX: u64 = 0x1;
    /// It may share extents.
    pub(crate) const REFLINK: u64 = 0x2;
    pub(crate) const COW_EXTENT_SIZE: u64 = 0x4;
    /// Times count nanoseconds since 1901.
    pub(crate) const BIGTIME: u64 = 0x8;
    /// Wide extent counters.
    pub(crate) const NREXT64: u64 = 0x10;
}
