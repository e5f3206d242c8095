//! Btree blocks: short ones inside an allocation group, long ones in an inode's map; and their records.

use block::field::{Be16, Be32, Be64, Bytes, Le32};

pub(crate) const MAGIC: Be32 = Be32(0);
/// bb_level: 0 for leaves.
pub(crate) const LEVEL: Be16 = Be16(4);
/// bb_numrecs: records of a leaf, keys and pointers of a node.
pub(crate) const RECORDS: Be16 = Be16(6);
/// The most levels of any tree (XFS_BTREE_MAXLEVELS).
pub(crate) const MAX_LEVELS: u32 = 9;

/// Headers of blocks inside an allocation group.
pub(crate) mod short {
    use super::{Be32, Be64, Bytes, Le32};

    /// All ones if there is none.
    pub(crate) const LEFT: Be32 = Be32(8);
    pub(crate) const RIGHT: Be32 = Be32(12);
    /// Bytes of a header on version 4.
    pub(crate) const LEN_V4: usize = 16;
    /// Its own place, in 512-byte sectors.
    pub(crate) const BLKNO: Be64 = Be64(16);
    pub(crate) const LSN: Be64 = Be64(24);
    pub(crate) const UUID: Bytes<16> = Bytes(32);
    /// The group.
    pub(crate) const OWNER: Be32 = Be32(48);
    pub(crate) const CRC: Le32 = Le32(52);
    /// Bytes of a header on version 5.
    pub(crate) const LEN_V5: usize = 56;

    /// Bytes of a header.
    pub(crate) const fn len(v5: bool) -> usize {
        if v5 { LEN_V5 } else { LEN_V4 }
    }
}

/// Headers of blocks of an inode's map (bmbt).
pub(crate) mod long {
    use super::{Be32, Be64, Bytes, Le32};

    /// All ones if there is none.
    pub(crate) const LEFT: Be64 = Be64(8);
    pub(crate) const RIGHT: Be64 = Be64(16);
    /// Bytes of a header on version 4.
    pub(crate) const LEN_V4: usize = 24;
    /// Its own place, in 512-byte sectors.
    pub(crate) const BLKNO: Be64 = Be64(24);
    pub(crate) const LSN: Be64 = Be64(32);
    pub(crate) const UUID: Bytes<16> = Bytes(40);
    /// The inode.
    pub(crate) const OWNER: Be64 = Be64(56);
    pub(crate) const CRC: Le32 = Le32(64);
    /// bb_pad.
    pub(crate) const PAD: Be32 = Be32(68);
    /// Bytes of a header on version 5.
    pub(crate) const LEN_V5: usize = 72;

    /// Bytes of a header.
    pub(crate) const fn len(v5: bool) -> usize {
        if v5 { LEN_V5 } else { LEN_V4 }
    }

    /// `BMA3` on version 5, `BMAP` on version 4.
    pub(crate) const fn magic(v5: bool) -> u32 {
        if v5 { 0x424D_4133 } else { 0x424D_4150 }
    }
    /// Bytes of a record, see [`extent`](super::extent).
    pub(crate) const RECORD_LEN: usize = 16;
    /// Bytes of a key: a file offset.
    pub(crate) const KEY_LEN: usize = 8;
    /// Bytes of a pointer: an `FsBlock`.
    pub(crate) const POINTER_LEN: usize = 8;
    /// Bytes of a root inside an inode before its keys: level and count.
    pub(crate) const ROOT_LEN: usize = 4;
    /// bb_level of a root inside an inode.
    pub(crate) const ROOT_LEVEL: super::Be16 = super::Be16(0);
    /// bb_numrecs of a root inside an inode.
    pub(crate) const ROOT_RECORDS: super::Be16 = super::Be16(2);
}

/// An extent of a file: 1 bit unwritten, 54 bits file offset, 52 bits `FsBlock`, 21 bits length, all in blocks.
pub(crate) mod extent {
    use super::Be64;

    pub(crate) const HIGH: Be64 = Be64(0);
    pub(crate) const LOW: Be64 = Be64(8);
    pub(crate) const LEN: usize = 16;
}

/// Records of bnobt (by place) and cntbt (by length): free extents.
pub(crate) mod free {
    use super::Be32;

    pub(crate) const START: Be32 = Be32(0);
    pub(crate) const COUNT: Be32 = Be32(4);
}

/// Records of inobt and finobt: chunks of 64 inodes.
pub(crate) mod inodes {
    use super::{Be16, Be32, Be64};
    use block::field::U8;

    /// ir_startino.
    pub(crate) const START: Be32 = Be32(0);
    /// Without sparse inodes.
    pub(crate) const FREE_COUNT: Be32 = Be32(4);
    /// ir_holemask, with sparse inodes: a set bit is 4 inodes that are not there.
    pub(crate) const HOLES: Be16 = Be16(4);
    /// ir_count, with sparse inodes: how many are there.
    pub(crate) const SPARSE_COUNT: U8 = U8(6);
    /// ir_freecount, with sparse inodes.
    pub(crate) const SPARSE_FREE_COUNT: U8 = U8(7);
    /// ir_free: a set bit is an inode not in use. Set for those that are not there.
    pub(crate) const FREE: Be64 = Be64(8);
    /// Inodes of a bit of [`HOLES`].
    pub(crate) const PER_HOLE: u32 = 4;
}

/// Records of the rmapbt: who owns which blocks.
pub(crate) mod rmap {
    use super::{Be32, Be64};

    pub(crate) const START: Be32 = Be32(0);
    pub(crate) const COUNT: Be32 = Be32(4);
    /// An inode, or one of the negative numbers below.
    pub(crate) const OWNER: Be64 = Be64(8);
    /// The block's place in the file, with flags in the three highest bits.
    pub(crate) const OFFSET: Be64 = Be64(16);
    /// Flags of [`OFFSET`].
    pub(crate) const ATTR_FORK: u64 = 1 << 63;
    pub(crate) const BMBT_BLOCK: u64 = 1 << 62;
    pub(crate) const UNWRITTEN: u64 = 1 << 61;
    /// XFS_RMAP_OWN_FS: the group's headers.
    pub(crate) const OWN_FS: u64 = (-3i64).cast_unsigned();
    /// XFS_RMAP_OWN_LOG.
    pub(crate) const OWN_LOG: u64 = (-4i64).cast_unsigned();
    /// XFS_RMAP_OWN_AG: bnobt, cntbt, rmapbt and the free list.
    pub(crate) const OWN_AG: u64 = (-5i64).cast_unsigned();
    /// XFS_RMAP_OWN_INOBT: inobt and finobt.
    pub(crate) const OWN_INOBT: u64 = (-6i64).cast_unsigned();
    /// XFS_RMAP_OWN_INODES.
    pub(crate) const OWN_INODES: u64 = (-7i64).cast_unsigned();
    /// XFS_RMAP_OWN_REFC: the refcountbt.
    pub(crate) const OWN_REFCOUNT: u64 = (-8i64).cast_unsigned();
    /// XFS_RMAP_OWN_COW: extents held for copies on write.
    pub(crate) const OWN_COW: u64 = (-9i64).cast_unsigned();
}

/// Records of the refcountbt: extents with several owners, and extents held for copies on write.
pub(crate) mod refcount {
    use super::Be32;

    /// rc_startblock, with [`COW`].
    pub(crate) const START: Be32 = Be32(0);
    pub(crate) const COUNT: Be32 = Be32(4);
    /// rc_refcount: owners, 2 or more; 1 for [`COW`].
    pub(crate) const OWNERS: Be32 = Be32(8);
    /// Flag of [`START`]: held for a copy on write, and of no file.
    pub(crate) const COW: u32 = 1 << 31;
}
