//! The tags of a descriptor block and the records of a revoke block: which filesystem blocks they speak of.

use block::{
    Object, Result,
    field::{Be32, Be64},
    to_u64, to_usize,
};

use super::{checksum::Checksum, layout::*, log::Log};

/// One copy of a filesystem block, as its descriptor announces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag {
    /// Where the copy belongs.
    pub(crate) block: u64,
    /// The copy's first four bytes have to be put back.
    pub(crate) escaped: bool,
    /// Checksum of the copy; `None` without checksums v2 and v3.
    pub(crate) sum: Option<u32>,
}

/// The tags of a descriptor block, up to the last one or as far as there is room.
pub(crate) fn tags(log: &Log, block: &[u8]) -> impl Iterator<Item = Tag> {
    let (len, wide, checksum) = (log.tag_len(), log.wide, log.checksum);
    let room = block.len() - checksum.tail_len();
    let mut at = Some(HEADER_LEN);
    std::iter::from_fn(move || {
        let start = at?;
        let tag = block.get(start..start + len).filter(|_| start + len <= room)?;
        let flags = T_FLAGS.get(tag);
        let uuid = if flags & FLAG_SAME_UUID == 0 { TAG_UUID_LEN } else { 0 };
        at = (flags & FLAG_LAST_TAG == 0).then_some(start + len + uuid);
        let high = if wide { T_BLOCKNR_HIGH.get(tag) } else { 0 };
        Some(Tag {
            block: u64::from(high) << 32 | u64::from(T_BLOCKNR.get(tag)),
            escaped: flags & FLAG_ESCAPE != 0,
            sum: match checksum {
                Checksum::None | Checksum::V1 => None,
                Checksum::V2 { .. } => Some(T_CHECKSUM.get(tag).into()),
                Checksum::V3 { .. } => Some(T3_CHECKSUM.get(tag)),
            },
        })
    })
}

/// The filesystem blocks that a revoke block names. `index`: the journal block it is, for the error.
pub(crate) fn revocations(log: &Log, index: u32, block: &[u8]) -> Result<impl Iterator<Item = u64>> {
    let room = block.len() - log.checksum.tail_len();
    let count = R_COUNT.get(block);
    let end = to_usize(count.into());
    if end > room {
        let object = Object::numbered("journal block", index.into());
        return Err(object.corrupt("r_count", count, format_args!("at most {}", to_u64(room))));
    }
    let wide = log.wide;
    // Fewer bytes than the header's own mean no record.
    let records = block.get(REVOKE_HEADER_LEN..end).unwrap_or_default();
    Ok(records
        .chunks_exact(if wide { Be64::WIDTH } else { Be32::WIDTH })
        .map(move |record| if wide { Be64(0).get(record) } else { Be32(0).get(record).into() }))
}
