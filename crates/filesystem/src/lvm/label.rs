//! The label of a physical volume: one sector of its first four, with the identifier and the list of areas.
//!
//! Offsets are bytes from the start of the physical volume. Source: lvm2, `lib/format_text/layout.h` and
//! `lib/label/label.h`.

use std::ops::Range;

use block::{
    BlockRead, Extent, Object, Result, Unsupported,
    field::{Bytes, Le32, Le64},
    to_u64, to_usize,
};

use super::{crc::checksum, id::Id};

/// LVM2 counts in these, whatever the disk's sectors are.
pub(super) const SECTOR: u64 = 512;
pub(super) const SECTOR_LEN: usize = 512;
/// Sectors from the start in which the label may lie.
const SCANNED: u64 = 4;

// struct label_header
const ID: Bytes<8> = Bytes(0);
const SECTOR_NUMBER: Le64 = Le64(8);
pub(super) const CRC: Le32 = Le32(16);
/// The checksum is of all behind it.
pub(super) const CRC_FROM: usize = 20;
const OFFSET: Le32 = Le32(20);
const TYPE: Bytes<8> = Bytes(24);
pub(super) const HEADER_LEN: usize = 32;

// struct pv_header, at the label's offset
const PV_UUID: Bytes<32> = Bytes(0);
const DEVICE_SIZE: Le64 = Le64(32);
const DISK_AREAS: usize = 40;

// struct disk_locn: lists of these end with one whose offset is 0
const AREA_OFFSET: Le64 = Le64(0);
const AREA_SIZE: Le64 = Le64(8);
const AREA_LEN: usize = 16;

// struct pv_header_extension, behind the lists
const EXT_VERSION: Le32 = Le32(0);
const EXT_FLAGS: Le32 = Le32(4);
const EXT_AREAS: usize = 8;
const NEWEST_EXT: u32 = 2;
/// Version 2: a volume group uses it, even if its own metadata areas do not say so.
const USED: u32 = 1;

/// What a label says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    /// Its sector.
    pub(super) extent: Extent,
    /// The bytes of the sector that are in use besides the label header.
    pub(super) used: Range<usize>,
    pub(super) id: Id,
    /// Bytes of the device when it was made; 0: unknown.
    pub(super) device_size: u64,
    /// Where the first physical extent starts.
    pub(super) data: u64,
    /// The metadata areas.
    pub(super) areas: Vec<Extent>,
    /// Room for boot loaders.
    pub(super) boot: Vec<Extent>,
    /// Whether a volume group uses it, where the label tells.
    pub(super) in_use: bool,
}

/// Reads the label.
pub(super) fn read(pv: &dyn BlockRead) -> Result<Label> {
    let object = Object::the("LVM2 label");
    let mut found = None;
    for number in 0..SCANNED.min(pv.size() / SECTOR) {
        let mut sector = [0; SECTOR_LEN];
        pv.read_object(object, number * SECTOR, &mut sector)?;
        if ID.get(&sector) != *b"LABELONE" {
            continue;
        }
        if found.is_some() {
            return Err(Unsupported::new(object, "a second one in another sector").into());
        }
        found = Some((number, sector));
    }
    let Some((number, sector)) = found else {
        return Err(object.corrupt("magic", "missing", "LABELONE in one of the first four sectors"));
    };
    parse(number, &sector, pv.size())
}

fn parse(number: u64, sector: &[u8; SECTOR_LEN], size: u64) -> Result<Label> {
    let object = Object::the("LVM2 label");
    let crc = checksum([&sector[CRC_FROM..]]);
    if CRC.get(sector) != crc {
        return Err(object.corrupt("checksum", hex(CRC.get(sector)), hex(crc)));
    }
    if SECTOR_NUMBER.get(sector) != number {
        return Err(object.corrupt("sector number", SECTOR_NUMBER.get(sector), number));
    }
    if TYPE.get(sector) != *b"LVM2 001" {
        return Err(object.corrupt("type", "another", "LVM2 001"));
    }
    let start = usize::try_from(OFFSET.get(sector)).unwrap_or(usize::MAX);
    if !(HEADER_LEN..=SECTOR_LEN - DISK_AREAS).contains(&start) {
        let expected = format!("{HEADER_LEN} to {}", SECTOR_LEN - DISK_AREAS);
        return Err(object.corrupt("offset of the header", start, expected));
    }
    let header = &sector[start..];
    let object = Object::the("LVM2 physical volume header");
    let id = Id::from_raw(PV_UUID.get(header))
        .ok_or_else(|| object.corrupt("UUID", "of other bytes", "32 letters and digits"))?;
    let mut at = DISK_AREAS;
    let data = list(header, &mut at, "data areas", size)?;
    let data = match data.as_slice() {
        [one] => one.start,
        [] => return Err(object.corrupt("list of data areas", "empty", "one area")),
        _ => return Err(Unsupported::new(object, "more than one data area").into()),
    };
    let areas = list(header, &mut at, "metadata areas", size)?;
    let (mut boot, mut in_use) = (Vec::new(), false);
    let version = EXT_VERSION.try_get(&header[at.min(header.len())..]).unwrap_or(0);
    if version > NEWEST_EXT {
        return Err(Unsupported::new(object, format!("extension {version}")).into());
    }
    if version > 0 {
        let extension = &header[at..];
        in_use = version >= 2 && EXT_FLAGS.try_get(extension).unwrap_or(0) & USED != 0;
        at += EXT_AREAS;
        boot = list(header, &mut at, "boot loader areas", size)?;
    }
    Ok(Label {
        extent: Extent { start: number * SECTOR, len: SECTOR },
        used: start..start + at,
        id,
        device_size: DEVICE_SIZE.get(header),
        data,
        areas,
        boot,
        in_use,
    })
}

/// A list of areas from byte `at` of the header on, which then is behind its end mark. A size of 0 is all the rest.
fn list(header: &[u8], at: &mut usize, what: &'static str, size: u64) -> Result<Vec<Extent>> {
    let object = Object::the("LVM2 physical volume header");
    let mut areas = Vec::new();
    loop {
        let Some(entry) = header.get(*at..*at + AREA_LEN) else {
            return Err(object.corrupt(what, "without an end", "an end mark within the sector"));
        };
        *at += AREA_LEN;
        let start = AREA_OFFSET.get(entry);
        if start == 0 {
            return Ok(areas);
        }
        let len = match AREA_SIZE.get(entry) {
            0 => size.saturating_sub(start),
            len => len,
        };
        match Extent::new(start, len) {
            Some(extent) if extent.end() <= size && len > 0 => areas.push(extent),
            _ => {
                let found = format!("{len} bytes at {start}");
                return Err(object.corrupt(what, found, format!("inside the {size} bytes of the volume")));
            }
        }
    }
}

/// Puts the right checksum into a label's sector.
pub(super) fn seal(sector: &mut [u8]) {
    let crc = checksum([&sector[CRC_FROM..]]);
    CRC.set(sector, crc);
}

pub(super) fn hex(value: u32) -> String {
    format!("{value:#010x}")
}

/// The bytes of a label's sector that mean something, ascending.
pub(super) fn used(label: &Label) -> [Range<usize>; 2] {
    [0..HEADER_LEN, label.used.clone()]
}

/// Whether two areas of a volume, or an area and the label, have a byte in common.
pub(super) fn overlap(label: &Label, behind_data: u64) -> Option<u64> {
    let data = Extent::between(label.data, behind_data);
    let all = [label.extent, data].into_iter().chain(label.areas.iter().chain(&label.boot).copied());
    block::ExtentSet::disjoint(all.collect()).err().map(|overlap| overlap.extent.start)
}

/// The label's sector as it is on the volume.
pub(super) fn sector(pv: &dyn BlockRead, label: &Label) -> Result<Vec<u8>> {
    let mut sector = vec![0; to_usize(label.extent.len)];
    debug_assert_eq!(to_u64(sector.len()), SECTOR);
    pv.read_at(label.extent.start, &mut sector)?;
    Ok(sector)
}
