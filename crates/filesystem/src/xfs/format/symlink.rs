//! Blocks of a long symbolic link's target (`XSLM`); version 4 has no header.

use block::field::{Be32, Be64, Bytes, Le32};

pub(crate) const MAGIC_VALUE: u32 = 0x5853_4C4D;
pub(crate) const MAGIC: Be32 = Be32(0);
/// The block's first byte in the target.
pub(crate) const OFFSET: Be32 = Be32(4);
/// How many bytes of the target it has.
pub(crate) const BYTES: Be32 = Be32(8);
pub(crate) const CRC: Le32 = Le32(12);
pub(crate) const UUID: Bytes<16> = Bytes(16);
pub(crate) const OWNER: Be64 = Be64(32);
pub(crate) const BLKNO: Be64 = Be64(40);
pub(crate) const LSN: Be64 = Be64(48);
const HEADER_LEN: usize = 56;
/// The longest target (XFS_SYMLINK_MAXLEN).
pub(crate) const MAX_LEN: u64 = 1024;

/// Bytes before the target's.
pub(crate) const fn header_len(v5: bool) -> usize {
    if v5 { HEADER_LEN } else { 0 }
}
