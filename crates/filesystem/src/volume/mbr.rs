//! DOS partition table: four records in sector 0, and a chain of extended boot records for more.
//!
//! The chain is followed as the Linux kernel does, but every link and partition has to stay inside the extended
//! partition, and no record is visited twice.

use block::{
    BlockRead, Error, Object, Result, Unsupported,
    field::{Bytes, Le16, Le32, U8},
};

use super::gpt::Geometry;

/// Boot code in front of the table.
pub(super) const BOOT_CODE_LEN: usize = 440;
/// Disk identifier, also the UUID of the table.
pub(super) const DISK_SIGNATURE: Le32 = Le32(440);
/// Zero, or `5a5a` for a disk that old systems shall not write.
pub(super) const COPY_PROTECTED: Bytes<2> = Bytes(444);
/// First of four records.
pub(super) const RECORDS: usize = 446;
/// Bytes in a record.
pub(super) const RECORD_LEN: usize = 16;
/// `55 aa`.
pub(super) const SIGNATURE: Le16 = Le16(510);
/// Value of [`SIGNATURE`].
pub(super) const MAGIC: u16 = 0xaa55;
/// Bytes of a boot record, whatever the sector size.
pub(super) const LEN: usize = 512;

/// 0x80 for the active partition, else zero.
pub(super) const BOOT_INDICATOR: U8 = U8(0);
/// What the partition is for.
pub(super) const OS_TYPE: U8 = U8(4);
/// First sector: of the disk, or counted from a boot record.
pub(super) const STARTING_LBA: Le32 = Le32(8);
/// Sectors; zero for an unused record, which is what the kernel goes by.
pub(super) const SIZE_IN_LBA: Le32 = Le32(12);

/// Type of the record that protects a GPT.
pub(super) const GPT_PROTECTIVE: u8 = 0xee;
/// Most logical partitions that the kernel numbers on one disk.
const LOGICAL_MAX: usize = 251;

/// A used record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    /// Partition number: 1 to 4 for primary, 5 and on for logical ones.
    pub(super) number: u32,
    pub(super) os_type: u8,
    pub(super) active: bool,
    /// First sector of the disk.
    pub(super) first: u64,
    /// Last sector of the disk.
    pub(super) last: u64,
}

impl Record {
    /// Whether it holds logical partitions.
    pub(super) fn is_extended(self) -> bool {
        is_extended(self.os_type)
    }
}

fn is_extended(os_type: u8) -> bool {
    matches!(os_type, 0x05 | 0x0f | 0x85)
}

/// The four raw records of a boot record.
pub(super) fn raw(sector: &[u8]) -> [&[u8]; 4] {
    [0, 1, 2, 3].map(|slot| &sector[RECORDS + slot * RECORD_LEN..RECORDS + (slot + 1) * RECORD_LEN])
}

/// Whether sector 0 can be a DOS table at all: signed, and all boot indicators valid, as the kernel checks.
pub(super) fn is_table(sector: &[u8]) -> bool {
    SIGNATURE.get(sector) == MAGIC
        && raw(sector).iter().all(|one| matches!(BOOT_INDICATOR.get(one), 0 | 0x80))
}

/// Whether a record is in use: the kernel goes by its size alone.
pub(super) fn is_used(raw: &[u8]) -> bool {
    SIZE_IN_LBA.get(raw) != 0
}

/// The used primary records; not yet checked against the disk.
pub(super) fn primaries(sector: &[u8]) -> Vec<Record> {
    (1u32..)
        .zip(raw(sector))
        .filter(|(_, raw)| is_used(raw))
        .map(|(number, raw)| record(number, raw, 0))
        .collect()
}

/// `is_used` has been checked, so the size is at least 1.
fn record(number: u32, raw: &[u8], base: u64) -> Record {
    let first = base + u64::from(STARTING_LBA.get(raw));
    Record {
        number,
        os_type: OS_TYPE.get(raw),
        active: BOOT_INDICATOR.get(raw) == 0x80,
        first,
        last: first + u64::from(SIZE_IN_LBA.get(raw)) - 1,
    }
}

/// Checks that a primary partition lies on the disk and off the table.
pub(super) fn check_primary(record: Record, geometry: Geometry) -> Result<()> {
    let object = Object::numbered("MBR partition", record.number.into());
    if record.first == 0 || record.first > geometry.last_lba {
        return Err(object.corrupt("first LBA", record.first, format_args!("1 to {}", geometry.last_lba)));
    }
    if record.last > geometry.last_lba {
        return Err(object.corrupt("last LBA", record.last, format_args!("at most {}", geometry.last_lba)));
    }
    Ok(())
}

/// What the chain of extended boot records says.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// The logical partitions, from number 5 on.
    pub(super) logical: Vec<Record>,
    /// The sectors of the boot records.
    pub(super) records: Vec<u64>,
}

/// Follows the chain in an extended partition that lies on the disk.
pub(super) fn chain(disk: &dyn BlockRead, geometry: Geometry, container: Record) -> Result<Chain> {
    let mut chain = Chain::default();
    let mut next = Some(container.first);
    let mut number = 5;
    while let Some(lba) = next.take() {
        let object = Object::numbered("extended boot record at LBA", lba);
        if chain.records.contains(&lba) {
            return Err(object.corrupt("link to it", "a second one", "none: the chain must end"));
        }
        if chain.records.len() >= LOGICAL_MAX {
            let feature = format!("a chain of more than {LOGICAL_MAX} records");
            return Err(Unsupported::new(Object::the("extended partition"), feature).into());
        }
        chain.records.push(lba);
        let mut sector = [0; LEN];
        disk.read_object(
            Object::numbered("extended boot record at sector", lba),
            lba * geometry.sector,
            &mut sector,
        )?;
        let found = SIGNATURE.get(&sector);
        if found != MAGIC {
            return Err(object.corrupt(
                "signature",
                format_args!("{found:#06x}"),
                format_args!("{MAGIC:#06x}"),
            ));
        }
        check_boot_code(container, &sector, object)?;
        let (mut link, mut data) = (None, None);
        for (slot, raw) in raw(&sector).into_iter().enumerate().filter(|(_, raw)| is_used(raw)) {
            let extended = is_extended(OS_TYPE.get(raw));
            // The format has one partition and one link in a record; the kernel knows oddities beyond that.
            let taken = if extended { link.is_some() } else { data.is_some() };
            if slot >= 2 || taken {
                let feature = "more than one partition and one link in it";
                return Err(Unsupported::new(object, feature).into());
            }
            // Links count from the extended partition, partitions from their own boot record.
            let entry = record(number, raw, if extended { container.first } else { lba });
            check_inside(entry, container, extended, object)?;
            *(if extended { &mut link } else { &mut data }) = Some(entry);
        }
        if let Some(entry) = data {
            chain.logical.push(entry);
            number += 1;
        }
        next = link.map(|link| link.first);
    }
    Ok(chain)
}

fn check_inside(entry: Record, container: Record, link: bool, object: Object) -> Result<(), Error> {
    let inside = container.first..=container.last;
    if link {
        // Only the place of a link counts: its size differs between tools.
        if !inside.contains(&entry.first) {
            return Err(object.corrupt(
                "link",
                entry.first,
                format_args!("{} to {}", container.first, container.last),
            ));
        }
    } else if !inside.contains(&entry.first) || !inside.contains(&entry.last) {
        return Err(Object::numbered("MBR partition", entry.number.into()).corrupt(
            "range of sectors",
            format_args!("{} to {}", entry.first, entry.last),
            format_args!("inside the extended partition, {} to {}", container.first, container.last),
        ));
    }
    Ok(())
}

/// An active extended partition with code in its first record boots from there.
fn check_boot_code(container: Record, sector: &[u8], object: Object) -> Result<()> {
    if container.active && !block::is_zero(&sector[..BOOT_CODE_LEN]) {
        return Err(Unsupported::new(object, "boot code in an active extended partition").into());
    }
    Ok(())
}

/// Name of a partition type.
pub(super) fn type_name(os_type: u8) -> &'static str {
    match os_type {
        0x01 => "FAT12",
        0x04 | 0x06 | 0x0e => "FAT16",
        0x07 => "HPFS/NTFS/exFAT",
        0x0b | 0x0c => "W95 FAT32",
        0x11 | 0x14 | 0x16 | 0x1b | 0x1c | 0x1e => "Hidden FAT",
        0x17 => "Hidden HPFS/NTFS",
        0x27 => "Hidden NTFS WinRE",
        0x41 => "PPC PReP Boot",
        0x42 => "SFS",
        0x82 => "Linux swap / Solaris",
        0x83 => "Linux",
        0x84 => "OS/2 hidden or Intel hibernation",
        0x8e => "Linux LVM",
        0xa0 => "IBM Thinkpad hibernation",
        0xa5 => "FreeBSD",
        0xa6 => "OpenBSD",
        0xa8 => "Darwin UFS",
        0xa9 => "NetBSD",
        0xaf => "HFS / HFS+",
        0xbf => "Solaris",
        0xda => "Non-FS data",
        0xea => "Linux extended boot",
        0xee => "GPT",
        0xef => "EFI (FAT-12/16/32)",
        0xfd => "Linux raid autodetect",
        _ => "unknown",
    }
}
