//! The L1 table, checked as a whole when an image is opened.
//!
//! No two entries share an L2 table, so walking an image takes time in proportion to its file, whatever disk size
//! it claims: 32 MiB of entries that all point at one table would describe exabytes.

use crate::{
    BlockRead, Object, Result,
    field::Be64,
    qcow2::{header::Header, layout::l1},
    raw::{RawImage, read_up_to},
    to_u64,
};

const L1_TABLE: Object = Object::the("L1 table");

/// Bytes of the table that are read at once.
const PIECE: u64 = 64 << 10;

/// File offset of the L2 table that entry number `index` points at. It is aligned and lies inside the file.
pub(super) fn l2_table(entry: u64, index: u64, cluster: u64, file_size: u64) -> Result<Option<u64>> {
    let object = Object::numbered("L1 entry", index);
    if entry & l1::RESERVED_MASK != 0 {
        return Err(object.corrupt("reserved bits", format!("{:#x}", entry & l1::RESERVED_MASK), "0"));
    }
    let table = entry & l1::OFFSET_MASK;
    if table == 0 {
        return Ok(None);
    }
    check_host(object, "L2 table offset", table, cluster, cluster, file_size)?;
    Ok(Some(table))
}

/// That `offset` is aligned and that `len` bytes from it on lie in a file of `size` bytes.
pub(super) fn check_host(
    object: Object,
    field: &'static str,
    offset: u64,
    cluster: u64,
    len: u64,
    size: u64,
) -> Result<()> {
    let found = || format!("{offset:#x}");
    if !offset.is_multiple_of(cluster) {
        return Err(object.corrupt(field, found(), format!("a multiple of {cluster:#x}")));
    }
    match size.checked_sub(len) {
        Some(last) if offset <= last => Ok(()),
        Some(last) => Err(object.corrupt(field, found(), format!("at most {last:#x}"))),
        None => Err(object.corrupt(field, found(), format!("none in a file of {size} bytes"))),
    }
}

/// Checks every entry that the virtual size needs. Takes 8 bytes of memory for each L2 table: at most 32 MiB, the
/// longest table that the header may ask for and the file does hold.
pub(super) fn check(file: &RawImage, header: &Header) -> Result<()> {
    let cluster = 1u64 << header.cluster_bits;
    let len = header.l1_needed * l1::ENTRY_SIZE;
    let mut tables = Vec::new();
    for start in (0..len).step_by(crate::to_usize(PIECE)) {
        let piece = read_up_to(file, L1_TABLE, header.l1_offset + start, PIECE.min(len - start))?;
        for (number, entry) in piece.chunks_exact(8).enumerate() {
            let index = start / l1::ENTRY_SIZE + to_u64(number);
            tables.extend(l2_table(Be64(0).get(entry), index, cluster, file.size())?);
        }
    }
    tables.sort_unstable();
    match tables.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => {
            let found = format!("{:#x} in more than one entry", pair[0]);
            Err(L1_TABLE.corrupt("L2 table offset", found, "one L2 table for each entry"))
        }
    }
}
