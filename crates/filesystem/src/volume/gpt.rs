//! GUID partition table, as UEFI 2.10 section 5.3 has it: a header and an entry array, each twice.
//!
//! Nothing in a copy is believed before its two checksums, its place and its bounds have been checked. Of two
//! good copies the primary is used, as firmware does.

use block::{
    BlockRead, Error, Extent, Object, Result, Unsupported,
    field::{Bytes, Le32, Le64},
    to_u64, to_usize,
};

/// `EFI PART`.
pub(super) const SIGNATURE: Bytes<8> = Bytes(0);
/// 1.0 is `0x00010000`.
pub(super) const REVISION: Le32 = Le32(8);
/// Bytes that [`HEADER_CRC32`] covers, at least 92.
pub(super) const HEADER_SIZE: Le32 = Le32(12);
/// Over the header, with this field as zero.
pub(super) const HEADER_CRC32: Le32 = Le32(16);
/// Must be zero.
pub(super) const RESERVED: Le32 = Le32(20);
/// Where this copy lies.
pub(super) const MY_LBA: Le64 = Le64(24);
/// Where the other copy lies.
pub(super) const ALTERNATE_LBA: Le64 = Le64(32);
/// First sector that a partition may use.
pub(super) const FIRST_USABLE_LBA: Le64 = Le64(40);
/// Last sector that a partition may use.
pub(super) const LAST_USABLE_LBA: Le64 = Le64(48);
/// The disk's GUID.
pub(super) const DISK_GUID: Bytes<16> = Bytes(56);
/// First sector of this copy's entry array.
pub(super) const PARTITION_ENTRY_LBA: Le64 = Le64(72);
/// Entries in the array, used or not.
pub(super) const NUMBER_OF_PARTITION_ENTRIES: Le32 = Le32(80);
/// Bytes in an entry: 128 times a power of two.
pub(super) const SIZE_OF_PARTITION_ENTRY: Le32 = Le32(84);
/// Over the whole array.
pub(super) const PARTITION_ENTRY_ARRAY_CRC32: Le32 = Le32(88);
/// Bytes that the fields above fill.
pub(super) const HEADER_LEN: usize = 92;

/// What the partition is for; all zero for an unused entry.
pub(super) const PARTITION_TYPE_GUID: Bytes<16> = Bytes(0);
/// The partition's own GUID.
pub(super) const UNIQUE_PARTITION_GUID: Bytes<16> = Bytes(16);
/// First sector.
pub(super) const STARTING_LBA: Le64 = Le64(32);
/// Last sector, inclusive.
pub(super) const ENDING_LBA: Le64 = Le64(40);
/// Name in UTF-16, NUL-terminated unless it fills the field.
pub(super) const PARTITION_NAME: Bytes<72> = Bytes(56);
/// Bytes of an entry that the fields fill.
pub(super) const ENTRY_LEN: usize = 128;

const MAGIC: &[u8; 8] = b"EFI PART";
/// Largest array that is read: 8192 entries of 128 bytes.
const ARRAY_MAX: u64 = 1 << 20;
/// Most partitions of a disk that the kernel shows (`DISK_MAX_PARTS`, include/linux/genhd.h).
const PARTITIONS_MAX: usize = 256;

/// A disk in sectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Bytes in a sector: 512 to 4096, a power of two.
    pub(super) sector: u64,
    /// Last whole sector of the disk.
    pub(super) last_lba: u64,
}

impl Geometry {
    /// `None` if not even one sector fits.
    pub(super) fn new(size: u64, sector: u64) -> Option<Self> {
        Some(Self { sector, last_lba: (size / sector).checked_sub(1)? })
    }

    /// The bytes of `count` sectors from `lba` on; `None` if they do not lie on the disk.
    pub(super) fn extent(self, lba: u64, count: u64) -> Option<Extent> {
        let end = lba.checked_add(count)?;
        (end <= self.last_lba + 1).then(|| Extent { start: lba * self.sector, len: count * self.sector })
    }
}

/// One good copy of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// The sector that holds the header.
    pub(super) header: Vec<u8>,
    /// The entry array.
    pub(super) entries: Vec<u8>,
}

/// Which sectors a copy of the table has, good or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Site {
    /// Its header.
    pub(super) header: u64,
    /// First sector of its entry array.
    pub(super) array: u64,
}

/// A used entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Counted from 1.
    pub(super) number: u32,
    pub(super) type_guid: [u8; 16],
    pub(super) unique_guid: [u8; 16],
    pub(super) first: u64,
    /// Inclusive.
    pub(super) last: u64,
    pub(super) name: String,
}

/// The checksum of a header, which counts its own field as zero.
pub(super) fn header_crc(header: &[u8]) -> u32 {
    let mut copy = header[..to_usize(HEADER_SIZE.get(header).into()).min(header.len())].to_vec();
    HEADER_CRC32.set(&mut copy, 0);
    crc32fast::hash(&copy)
}

impl Table {
    /// Reads and checks the copy whose header is at `lba`; `which` names it in errors.
    pub(super) fn read(
        disk: &dyn BlockRead,
        geometry: Geometry,
        lba: u64,
        which: &'static str,
    ) -> Result<Self> {
        let object = Object::the(which);
        let place = geometry
            .extent(lba, 1)
            .ok_or_else(|| object.corrupt("LBA", lba, format_args!("at most {}", geometry.last_lba)))?;
        let mut header = vec![0; to_usize(geometry.sector)];
        disk.read_object(object, place.start, &mut header)?;
        check_header(&header, geometry, lba, object)?;
        let len = array_len(&header, object)?;
        let mut entries = vec![0; to_usize(len)];
        let array = PARTITION_ENTRY_LBA.get(&header);
        check_array_place(&header, geometry, array, lba, object)?;
        disk.read_object(object, array * geometry.sector, &mut entries)?;
        let (found, expected) = (crc32fast::hash(&entries), PARTITION_ENTRY_ARRAY_CRC32.get(&header));
        if found != expected {
            return Err(object.corrupt(
                "checksum of the entry array",
                format_args!("{found:#010x}"),
                format_args!("{expected:#010x}"),
            ));
        }
        Ok(Self { header, entries })
    }

    /// Sectors that the array fills.
    pub(super) fn array_sectors(&self, geometry: Geometry) -> u64 {
        to_u64(self.entries.len()).div_ceil(geometry.sector)
    }

    /// Bytes in an entry.
    pub(super) fn entry_size(&self) -> usize {
        to_usize(SIZE_OF_PARTITION_ENTRY.get(&self.header).into())
    }

    /// Where this copy lies.
    pub(super) fn site(&self) -> Site {
        Site { header: MY_LBA.get(&self.header), array: PARTITION_ENTRY_LBA.get(&self.header) }
    }

    /// Whether two copies say the same of the disk.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.entries == other.entries
            && self.entry_size() == other.entry_size()
            && DISK_GUID.get(&self.header) == DISK_GUID.get(&other.header)
            && FIRST_USABLE_LBA.get(&self.header) == FIRST_USABLE_LBA.get(&other.header)
            && LAST_USABLE_LBA.get(&self.header) == LAST_USABLE_LBA.get(&other.header)
    }

    /// The used entries in their order, each inside the usable sectors and none over another.
    pub(super) fn used(&self) -> Result<Vec<Entry>> {
        let (low, high) = (FIRST_USABLE_LBA.get(&self.header), LAST_USABLE_LBA.get(&self.header));
        let mut used = Vec::new();
        for (number, raw) in (1u32..).zip(self.entries.chunks_exact(self.entry_size())) {
            let type_guid = PARTITION_TYPE_GUID.get(raw);
            if type_guid == super::guid::UNUSED {
                continue;
            }
            let object = Object::numbered("GPT entry", number.into());
            let (first, last) = (STARTING_LBA.get(raw), ENDING_LBA.get(raw));
            if first < low || first > high {
                return Err(object.corrupt("first LBA", first, format_args!("{low} to {high}")));
            }
            if last < first || last > high {
                return Err(object.corrupt("last LBA", last, format_args!("{first} to {high}")));
            }
            if used.len() >= PARTITIONS_MAX {
                let feature = format!("a table of more than {PARTITIONS_MAX} partitions");
                return Err(Unsupported::new(Object::the("GPT"), feature).into());
            }
            used.push(Entry {
                number,
                type_guid,
                unique_guid: UNIQUE_PARTITION_GUID.get(raw),
                first,
                last,
                name: name(&PARTITION_NAME.get(raw)),
            });
        }
        let mut sorted: Vec<&Entry> = used.iter().collect();
        sorted.sort_by_key(|entry| entry.first);
        for pair in sorted.windows(2) {
            if pair[1].first <= pair[0].last {
                return Err(Object::numbered("GPT entry", pair[1].number.into()).corrupt(
                    "first LBA",
                    pair[1].first,
                    format_args!("above {}, the last of entry {}", pair[0].last, pair[0].number),
                ));
            }
        }
        Ok(used)
    }
}

/// Checks all that a header says by itself.
fn check_header(header: &[u8], geometry: Geometry, lba: u64, object: Object) -> Result<()> {
    if SIGNATURE.get(header) != *MAGIC {
        return Err(object.corrupt("signature", "something else", "EFI PART"));
    }
    let revision = REVISION.get(header);
    if revision >> 16 != 1 {
        return Err(Unsupported::new(object, format!("revision {revision:#010x}")).into());
    }
    let size = HEADER_SIZE.get(header);
    if u64::from(size) < to_u64(HEADER_LEN) || u64::from(size) > geometry.sector {
        return Err(object.corrupt("header size", size, format_args!("{HEADER_LEN} to {}", geometry.sector)));
    }
    let (found, expected) = (header_crc(header), HEADER_CRC32.get(header));
    if found != expected {
        return Err(object.corrupt(
            "checksum",
            format_args!("{found:#010x}"),
            format_args!("{expected:#010x}"),
        ));
    }
    let my_lba = MY_LBA.get(header);
    if my_lba != lba {
        return Err(object.corrupt("own LBA", my_lba, lba));
    }
    let (first, last) = (FIRST_USABLE_LBA.get(header), LAST_USABLE_LBA.get(header));
    if last > geometry.last_lba {
        return Err(object.corrupt("last usable LBA", last, format_args!("at most {}", geometry.last_lba)));
    }
    // A disk without room for any partition has its first usable sector right behind the last.
    if first > last.saturating_add(1) {
        return Err(object.corrupt("first usable LBA", first, format_args!("at most {last}")));
    }
    let alternate = ALTERNATE_LBA.get(header);
    if alternate > geometry.last_lba || alternate == lba {
        return Err(object.corrupt(
            "alternate LBA",
            alternate,
            format_args!("another, at most {}", geometry.last_lba),
        ));
    }
    for (field, at) in [("own LBA", lba), ("alternate LBA", alternate)] {
        if at == 0 || (first..=last).contains(&at) {
            return Err(object.corrupt(
                field,
                at,
                format_args!("outside of 0 and the usable {first} to {last}"),
            ));
        }
    }
    Ok(())
}

/// Length of the entry array in bytes, bounded.
fn array_len(header: &[u8], object: Object) -> Result<u64> {
    let size = SIZE_OF_PARTITION_ENTRY.get(header);
    if !(128..=4096).contains(&size) || !size.is_power_of_two() {
        return Err(object.corrupt("entry size", size, "128, 256, 512, 1024, 2048 or 4096"));
    }
    let number = NUMBER_OF_PARTITION_ENTRIES.get(header);
    let len = u64::from(size) * u64::from(number);
    if len == 0 {
        return Err(object.corrupt("number of entries", number, "at least 1"));
    }
    if len > ARRAY_MAX {
        return Err(Unsupported::new(object, format!("an array of {number} entries of {size} bytes")).into());
    }
    Ok(len)
}

/// Checks that an array at `array` lies on the disk, outside of usable sectors and off both headers.
pub(super) fn check_array_place(
    header: &[u8],
    geometry: Geometry,
    array: u64,
    lba: u64,
    object: Object,
) -> Result<()> {
    let sectors = array_len(header, object)?.div_ceil(geometry.sector);
    let (first, last) = (FIRST_USABLE_LBA.get(header), LAST_USABLE_LBA.get(header));
    let end = array.saturating_add(sectors);
    let free = |at: u64| at < array || at >= end;
    let usable = array <= last && end > first;
    if array == 0 || end > geometry.last_lba + 1 || usable || !free(lba) || !free(ALTERNATE_LBA.get(header)) {
        return Err(object.corrupt(
            "LBA of the entry array",
            array,
            format_args!("{sectors} sectors outside of both headers and the usable {first} to {last}"),
        ));
    }
    Ok(())
}

/// The name up to its NUL. What is no UTF-16 shows as U+FFFD.
fn name(raw: &[u8; 72]) -> String {
    let units: Vec<u16> = raw
        .as_chunks::<2>()
        .0
        .iter()
        .map(|unit| u16::from_le_bytes(*unit))
        .take_while(|&unit| unit != 0)
        .collect();
    String::from_utf16_lossy(&units)
}

/// Both copies of a disk's table.
#[derive(Debug)]
pub(super) struct Gpt {
    pub(super) geometry: Geometry,
    /// The copy that counts.
    pub(super) table: Table,
    /// Where the primary lies, or will once it is repaired.
    pub(super) primary: Site,
    /// Where the backup lies, or will once it is repaired.
    pub(super) backup: Site,
    /// What is wrong with either copy.
    pub(super) notes: Vec<String>,
    /// Whether the primary itself was good.
    pub(super) primary_good: bool,
}

impl Gpt {
    /// Reads both copies. Fails, with what is wrong with the primary, if neither is good.
    pub(super) fn read(disk: &dyn BlockRead, geometry: Geometry) -> Result<Self> {
        match Table::read(disk, geometry, 1, "primary GPT header") {
            Ok(table) => Self::with_primary(disk, geometry, table),
            Err(error @ Error::Io(_)) => Err(error),
            Err(error) => Self::with_backup(disk, geometry, error),
        }
    }

    fn with_primary(disk: &dyn BlockRead, geometry: Geometry, table: Table) -> Result<Self> {
        let mut notes = Vec::new();
        let at = ALTERNATE_LBA.get(&table.header);
        if at != geometry.last_lba {
            notes.push(format!(
                "backup GPT header: at LBA {at}, not at the last, {}: the image has grown since",
                geometry.last_lba
            ));
        }
        // A damaged backup goes to where sgdisk puts it: right behind its array.
        let object = Object::the("backup GPT header");
        let usual = at.saturating_sub(table.array_sectors(geometry));
        let array = match Table::read(disk, geometry, at, "backup GPT header") {
            Ok(backup) => {
                if !backup.agrees_with(&table) {
                    notes.push("backup GPT: differs from the primary, which is used".to_owned());
                }
                let same_len = backup.entries.len() == table.entries.len();
                if same_len { backup.site().array } else { usual }
            }
            Err(error @ Error::Io(_)) => return Err(error),
            Err(error) => {
                notes.push(format!("{error}; the primary is used"));
                usual
            }
        };
        check_array_place(&table.header, geometry, array, at, object)?;
        let (primary, backup) = (table.site(), Site { header: at, array });
        Self { geometry, table, primary, backup, notes, primary_good: true }.checked()
    }

    fn with_backup(disk: &dyn BlockRead, geometry: Geometry, error: Error) -> Result<Self> {
        let mut damaged = vec![0; to_usize(geometry.sector)];
        if let Some(place) = geometry.extent(1, 1) {
            disk.read_at(place.start, &mut damaged)?;
        }
        let mut candidates = vec![geometry.last_lba];
        if SIGNATURE.get(&damaged) == *MAGIC {
            candidates.push(ALTERNATE_LBA.get(&damaged));
        }
        for at in candidates.into_iter().filter(|&at| at > 1) {
            let table = match Table::read(disk, geometry, at, "backup GPT header") {
                Ok(table) if ALTERNATE_LBA.get(&table.header) == 1 => table,
                Ok(_) => continue,
                Err(error @ Error::Io(_)) => return Err(error),
                Err(_) => continue,
            };
            // The primary's array stays where it is if it is good there; else at LBA 2, as section 5.3 has it.
            let object = Object::the("primary GPT header");
            let stated = PARTITION_ENTRY_LBA.get(&damaged);
            let array = if holds_array(disk, geometry, &table, stated, object)? { stated } else { 2 };
            check_array_place(&table.header, geometry, array, 1, object)?;
            let (primary, backup) = (Site { header: 1, array }, table.site());
            let notes = vec![format!("{error}; the backup is used")];
            return Self { geometry, table, primary, backup, notes, primary_good: false }.checked();
        }
        Err(error)
    }

    /// Fails if the two arrays and headers lie over each other.
    fn checked(self) -> Result<Self> {
        let sectors = self.table.array_sectors(self.geometry);
        let (one, two) = (self.primary.array, self.backup.array);
        if one < two.saturating_add(sectors) && two < one.saturating_add(sectors) {
            return Err(Object::the("backup GPT header").corrupt(
                "LBA of the entry array",
                two,
                format_args!("apart from the primary's, {one}"),
            ));
        }
        Ok(self)
    }
}

/// Whether the sectors at `lba` hold the array of `table`.
fn holds_array(
    disk: &dyn BlockRead,
    geometry: Geometry,
    table: &Table,
    lba: u64,
    object: Object,
) -> Result<bool> {
    if check_array_place(&table.header, geometry, lba, 1, object).is_err() {
        return Ok(false);
    }
    let mut found = vec![0; table.entries.len()];
    disk.read_at(lba * geometry.sector, &mut found)?;
    Ok(found == table.entries)
}
