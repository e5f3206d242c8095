//! AGF: a group's header of free space, in its second sector.

use block::field::{Be32, Be64, Bytes, Le32};

/// `XAGF`.
pub(crate) const MAGIC_VALUE: u32 = 0x5841_4746;
/// agf_versionnum.
pub(crate) const VERSION_VALUE: u32 = 1;

pub(crate) const MAGIC: Be32 = Be32(0);
pub(crate) const VERSION: Be32 = Be32(4);
/// agf_seqno: the group.
pub(crate) const SEQNO: Be32 = Be32(8);
/// agf_length: the group's blocks.
pub(crate) const LENGTH: Be32 = Be32(12);
pub(crate) const BNO_ROOT: Be32 = Be32(16);
pub(crate) const CNT_ROOT: Be32 = Be32(20);
pub(crate) const RMAP_ROOT: Be32 = Be32(24);
/// Levels: 1 for a tree that is a single leaf.
pub(crate) const BNO_LEVEL: Be32 = Be32(28);
pub(crate) const CNT_LEVEL: Be32 = Be32(32);
pub(crate) const RMAP_LEVEL: Be32 = Be32(36);
/// agf_flfirst: the free list's first slot in use.
pub(crate) const FREE_LIST_FIRST: Be32 = Be32(40);
/// agf_fllast: its last, which may come before the first.
pub(crate) const FREE_LIST_LAST: Be32 = Be32(44);
pub(crate) const FREE_LIST_COUNT: Be32 = Be32(48);
/// agf_freeblks: free blocks in the trees.
pub(crate) const FREE_BLOCKS: Be32 = Be32(52);
/// agf_longest: of the longest free extent.
pub(crate) const LONGEST: Be32 = Be32(56);
/// agf_btreeblks: blocks of bnobt, cntbt and rmapbt, without their roots.
pub(crate) const BTREE_BLOCKS: Be32 = Be32(60);
/// Bytes in use on version 4.
pub(crate) const END_V4: usize = 64;
pub(crate) const UUID: Bytes<16> = Bytes(64);
/// agf_rmap_blocks: with the root.
pub(crate) const RMAP_BLOCKS: Be32 = Be32(80);
/// agf_refcount_blocks: with the root.
pub(crate) const REFCOUNT_BLOCKS: Be32 = Be32(84);
pub(crate) const REFCOUNT_ROOT: Be32 = Be32(88);
pub(crate) const REFCOUNT_LEVEL: Be32 = Be32(92);
/// agf_spare64.
pub(crate) const SPARE: std::ops::Range<usize> = 96..208;
pub(crate) const LSN: Be64 = Be64(208);
pub(crate) const CRC: Le32 = Le32(216);
/// agf_spare2.
pub(crate) const SPARE2: Be32 = Be32(220);
/// Bytes of the structure; the rest of its sector has no use.
pub(crate) const END: usize = 224;
