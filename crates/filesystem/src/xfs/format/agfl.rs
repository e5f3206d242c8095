//! AGFL: blocks that a group keeps for its free-space trees, in its fourth sector: a ring of block numbers.

use block::field::{Be32, Be64, Bytes, Le32};

/// `XAFL`; version 4 has no header.
pub(crate) const MAGIC_VALUE: u32 = 0x5841_464C;

pub(crate) const MAGIC: Be32 = Be32(0);
/// agfl_seqno: the group.
pub(crate) const SEQNO: Be32 = Be32(4);
pub(crate) const UUID: Bytes<16> = Bytes(8);
pub(crate) const LSN: Be64 = Be64(24);
pub(crate) const CRC: Le32 = Le32(32);
/// Bytes before the slots on version 5.
pub(crate) const HEADER_LEN: usize = 36;

/// Bytes before the slots.
pub(crate) const fn header_len(v5: bool) -> usize {
    if v5 { HEADER_LEN } else { 0 }
}

/// Slots in a sector.
pub(crate) const fn slots(sector: usize, v5: bool) -> usize {
    (sector - header_len(v5)) / 4
}

/// The slot `index`.
pub(crate) const fn slot(index: usize, v5: bool) -> Be32 {
    Be32(header_len(v5) + 4 * index)
}
