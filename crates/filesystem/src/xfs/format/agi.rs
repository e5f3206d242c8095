//! AGI: a group's header of inodes, in its third sector.

use block::field::{Be32, Be64, Bytes, Le32};

/// `XAGI`.
pub(crate) const MAGIC_VALUE: u32 = 0x5841_4749;
/// agi_versionnum.
pub(crate) const VERSION_VALUE: u32 = 1;

pub(crate) const MAGIC: Be32 = Be32(0);
pub(crate) const VERSION: Be32 = Be32(4);
/// agi_seqno: the group.
pub(crate) const SEQNO: Be32 = Be32(8);
/// agi_length: the group's blocks.
pub(crate) const LENGTH: Be32 = Be32(12);
/// agi_count: inodes in chunks.
pub(crate) const COUNT: Be32 = Be32(16);
pub(crate) const ROOT: Be32 = Be32(20);
/// 1 for a tree that is a single leaf.
pub(crate) const LEVEL: Be32 = Be32(24);
pub(crate) const FREE_COUNT: Be32 = Be32(28);
/// agi_newino: the chunk allocated last; a hint.
pub(crate) const NEW_INODE: Be32 = Be32(32);
/// agi_dirino: unused.
pub(crate) const DIRECTORY_INODE: Be32 = Be32(36);
/// agi_unlinked: heads of the lists of inodes that are deleted but still open, all ones where empty.
pub(crate) const UNLINKED: usize = 40;
/// How many lists there are.
pub(crate) const UNLINKED_BUCKETS: usize = 64;
/// Bytes in use on version 4.
pub(crate) const END_V4: usize = 296;
pub(crate) const UUID: Bytes<16> = Bytes(296);
pub(crate) const CRC: Le32 = Le32(312);
/// agi_pad32.
pub(crate) const PAD: Be32 = Be32(316);
pub(crate) const LSN: Be64 = Be64(320);
/// With finobt.
pub(crate) const FREE_ROOT: Be32 = Be32(328);
pub(crate) const FREE_LEVEL: Be32 = Be32(332);
/// agi_iblocks: blocks of the inobt, with its root; with inobtcount.
pub(crate) const INOBT_BLOCKS: Be32 = Be32(336);
/// agi_fblocks: blocks of the finobt, with its root; with inobtcount.
pub(crate) const FINOBT_BLOCKS: Be32 = Be32(340);
/// Bytes of the structure; the rest of its sector has no use.
pub(crate) const END: usize = 344;

/// The head of list `bucket`, less than [`UNLINKED_BUCKETS`].
pub(crate) const fn unlinked(bucket: usize) -> Be32 {
    Be32(UNLINKED + 4 * bucket)
}
