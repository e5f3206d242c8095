//! A metadata area: a header of one sector, and a ring of texts of which the header names the current one.
//!
//! Offsets are bytes from the start of the physical volume. Source: lvm2, `lib/format_text/layout.h`.

use block::{
    BlockRead, Extent, Object, Result, Unsupported,
    field::{Bytes, Le32, Le64},
    to_u64, to_usize,
};

use super::{
    crc::checksum,
    label::{SECTOR, SECTOR_LEN, hex},
};

// struct mda_header
pub(super) const CHECKSUM: Le32 = Le32(0);
/// The checksum is of all behind it.
pub(super) const CHECKSUM_FROM: usize = 4;
const MAGIC: Bytes<16> = Bytes(4);
const VERSION: Le32 = Le32(20);
const START: Le64 = Le64(24);
const SIZE: Le64 = Le64(32);
/// The current text's place, then that of one which is being written.
pub(super) const SLOTS: usize = 40;

// struct raw_locn
pub(super) const SLOT_OFFSET: Le64 = Le64(0);
pub(super) const SLOT_SIZE: Le64 = Le64(8);
pub(super) const SLOT_CHECKSUM: Le32 = Le32(16);
pub(super) const SLOT_FLAGS: Le32 = Le32(20);
pub(super) const SLOT_LEN: usize = 24;
/// The area is switched off: what it holds is old.
pub(super) const IGNORED: u32 = 1;

const SIGNATURE: [u8; 16] = *b" LVM2 x[5A%r0N*>";
/// Largest text that is read: some ten thousand logical volumes.
const MAX_TEXT: u64 = 4 << 20;

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Area {
    /// All of it.
    pub(super) extent: Extent,
    /// The pieces of the current text, in its order; two if it goes round. Empty: none, or the area is ignored.
    pub(super) text: Vec<Extent>,
}

impl Area {
    /// The header's sector.
    pub(super) fn header(&self) -> Extent {
        Extent { start: self.extent.start, len: SECTOR }
    }
}

/// Reads a header, and checks the text that it names.
pub(super) fn read(pv: &dyn BlockRead, number: u64, extent: Extent) -> Result<(Area, Option<Vec<u8>>)> {
    let object = Object::numbered("LVM2 metadata area", number);
    if extent.len < 2 * SECTOR {
        return Err(object.corrupt("size", extent.len, format_args!("at least {}", 2 * SECTOR)));
    }
    let mut header = [0; SECTOR_LEN];
    pv.read_object(object, extent.start, &mut header)?;
    let crc = checksum([&header[CHECKSUM_FROM..]]);
    if MAGIC.get(&header) != SIGNATURE {
        return Err(object.corrupt("magic", "another", "that of LVM2"));
    }
    if CHECKSUM.get(&header) != crc {
        return Err(object.corrupt("header checksum", hex(CHECKSUM.get(&header)), hex(crc)));
    }
    if VERSION.get(&header) != 1 {
        return Err(Unsupported::new(object, format!("version {}", VERSION.get(&header))).into());
    }
    for (field, found, expected) in
        [("start", START.get(&header), extent.start), ("size", SIZE.get(&header), extent.len)]
    {
        if found != expected {
            return Err(object.corrupt(field, found, expected));
        }
    }
    let slot = &header[SLOTS..SLOTS + SLOT_LEN];
    let mut area = Area { extent, text: Vec::new() };
    if SLOT_OFFSET.get(slot) == 0 || SLOT_FLAGS.get(slot) & IGNORED != 0 {
        return Ok((area, None));
    }
    let (offset, size) = (SLOT_OFFSET.get(slot), SLOT_SIZE.get(slot));
    if !(SECTOR..extent.len).contains(&offset) {
        let expected = format!("{SECTOR} to {}", extent.len - 1);
        return Err(object.corrupt("offset of the text", offset, expected));
    }
    if size == 0 || size > extent.len - SECTOR {
        return Err(object.corrupt("size of the text", size, format_args!("1 to {}", extent.len - SECTOR)));
    }
    if size > MAX_TEXT {
        return Err(Unsupported::new(object, format!("a text of {size} bytes")).into());
    }
    let first = size.min(extent.len - offset);
    area.text.push(Extent { start: extent.start + offset, len: first });
    if first < size {
        // The ring goes on behind the header.
        area.text.push(Extent { start: extent.start + SECTOR, len: size - first });
    }
    let text = read_text(pv, &area)?;
    let crc = checksum([&text[..]]);
    if SLOT_CHECKSUM.get(slot) != crc {
        return Err(object.corrupt("checksum of the text", hex(SLOT_CHECKSUM.get(slot)), hex(crc)));
    }
    Ok((area, Some(text)))
}

/// The current text.
pub(super) fn read_text(device: &dyn BlockRead, area: &Area) -> Result<Vec<u8>> {
    let len: u64 = area.text.iter().map(|piece| piece.len).sum();
    let mut text = vec![0; to_usize(len)];
    let mut rest = &mut text[..];
    for piece in &area.text {
        let (head, tail) = rest.split_at_mut(to_usize(piece.len));
        device.read_object(Object::the("LVM2 metadata"), piece.start, head)?;
        rest = tail;
    }
    Ok(text)
}

/// A header without what is not in use, and with the checksum of `text`; `None`: it names none.
pub(super) fn clean_header(header: &mut [u8], text: Option<&[u8]>) {
    let slot = &mut header[SLOTS..SLOTS + SLOT_LEN];
    match text {
        Some(text) => SLOT_CHECKSUM.set(slot, checksum([text])),
        None => {
            let ignored = SLOT_FLAGS.get(slot) & IGNORED;
            slot.fill(0);
            SLOT_FLAGS.set(slot, ignored);
        }
    }
    header[SLOTS + SLOT_LEN..].fill(0);
    let crc = checksum([&header[CHECKSUM_FROM..]]);
    CHECKSUM.set(header, crc);
}

/// Bytes of a header that mean something: an ignored area's slot says only that it is.
pub(super) fn used(area: &Area) -> [std::ops::Range<usize>; 2] {
    let flags = SLOTS + SLOT_FLAGS.0;
    let end = SLOTS + SLOT_LEN;
    if area.text.is_empty() { [0..SLOTS, flags..end] } else { [0..SLOTS, SLOTS..end] }
}

/// Writes the text back where it lies.
pub(super) fn pieces<'t>(area: &Area, text: &'t [u8]) -> Vec<(u64, &'t [u8])> {
    let mut rest = text;
    let mut pieces = Vec::new();
    for piece in &area.text {
        let (head, tail) = rest.split_at(to_usize(piece.len).min(rest.len()));
        pieces.push((piece.start, head));
        rest = tail;
    }
    debug_assert_eq!(to_u64(rest.len()), 0);
    pieces
}
