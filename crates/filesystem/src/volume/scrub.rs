//! Residue in the sectors of the partition table itself: what no field of the format has, becomes zero.
//!
//! Partitions, identifiers and boot code stay bit-identical. Both copies of a GPT are written from the good one,
//! so a damaged or stale twin is repaired.

use block::{BlockRead, BlockWrite, Error, Object, Result, Window, to_u64, to_usize};

use super::{
    Layout, LiveKind, TableKind,
    gpt::{self, Geometry, Gpt, Site},
    guid, mbr,
};

/// Zeroes unused partition entries, names behind their end, and padding of table sectors; repairs the bad one of
/// two GPT copies; redoes the checksums. Returns the bytes that were not zero and now are.
///
/// `layout` is that of this disk. Done twice, the second run changes nothing.
pub fn scrub_table<D: BlockWrite>(disk: &mut D, layout: &Layout) -> Result<u64> {
    let mut cleared = crate::lvm::scrub(disk, &layout.physical)?;
    for (extent, layout) in layout.of_each_disk(disk) {
        cleared += scrub_one(&mut Window::new(&mut *disk, &[extent])?, &layout)?;
    }
    Ok(cleared)
}

fn scrub_one(disk: &mut impl BlockWrite, layout: &Layout) -> Result<u64> {
    if layout.table == TableKind::None {
        return Ok(0);
    }
    let geometry = Geometry::new(disk.size(), layout.sector_size.into()).ok_or_else(|| {
        let expected = format!("at least one sector of {}", layout.sector_size);
        Object::the("disk").corrupt("size", format_args!("{} bytes", disk.size()), expected)
    })?;
    let mut cleared = scrub_mbr(disk)?;
    if layout.table == TableKind::Mbr {
        for region in layout.live.iter().filter(|region| region.kind == LiveKind::Ebr) {
            // The region starts with the records; the boot record with its sector.
            cleared += scrub_ebr(disk, geometry, region.extent.start / geometry.sector * geometry.sector)?;
        }
    } else {
        cleared += scrub_gpt(disk, geometry)?;
    }
    Ok(cleared)
}

/// Makes `new` the bytes at `offset`, if they are not already.
fn replace(disk: &mut impl BlockWrite, offset: u64, new: &[u8]) -> Result<u64> {
    let mut old = vec![0; new.len()];
    disk.read_at(offset, &mut old)?;
    if old != new {
        disk.write_at(offset, new)?;
    }
    Ok(to_u64(old.iter().zip(new).filter(|&(&old, &new)| old != 0 && new == 0).count()))
}

/// Sector 0: the reserved bytes and unused records. Boot code and disk signature stay.
fn scrub_mbr(disk: &mut impl BlockWrite) -> Result<u64> {
    let mut sector = [0; mbr::LEN];
    disk.read_at(0, &mut sector)?;
    if mbr::COPY_PROTECTED.get(&sector) != [0x5a, 0x5a] {
        mbr::COPY_PROTECTED.set(&mut sector, &[0, 0]);
    }
    clear_unused_records(&mut sector);
    replace(disk, 0, &sector)
}

fn clear_unused_records(sector: &mut [u8]) {
    for slot in 0..4 {
        let record = &mut sector[mbr::RECORDS + slot * mbr::RECORD_LEN..][..mbr::RECORD_LEN];
        if !mbr::is_used(record) {
            record.fill(0);
        }
    }
}

/// An extended boot record: only its used records and signature stay.
fn scrub_ebr(disk: &mut impl BlockWrite, geometry: Geometry, offset: u64) -> Result<u64> {
    let mut sector = vec![0; to_usize(geometry.sector)];
    disk.read_at(offset, &mut sector)?;
    sector[..mbr::RECORDS].fill(0);
    sector[mbr::LEN..].fill(0);
    clear_unused_records(&mut sector);
    replace(disk, offset, &sector)
}

fn scrub_gpt(disk: &mut impl BlockWrite, geometry: Geometry) -> Result<u64> {
    let Gpt { mut table, primary, backup, .. } = Gpt::read(&*disk, geometry)?;
    let entry_size = table.entry_size();
    for entry in table.entries.chunks_exact_mut(entry_size) {
        clean_entry(entry);
    }
    table.header[gpt::HEADER_LEN..].fill(0);
    gpt::RESERVED.set(&mut table.header, 0);
    gpt::PARTITION_ENTRY_ARRAY_CRC32.set(&mut table.header, crc32fast::hash(&table.entries));
    // Whole sectors: what lies behind the last entry goes too.
    let len = to_usize(table.array_sectors(geometry) * geometry.sector);
    table.entries.resize(len, 0);
    let mut cleared = 0;
    // The copy that is not in use first: at no moment are both bad.
    for (site, other) in [(backup, primary), (primary, backup)] {
        cleared += write_copy(disk, geometry, &mut table, site, other)?;
    }
    Ok(cleared)
}

/// An unused entry becomes zero; a used one keeps its fields and its name up to the NUL.
fn clean_entry(entry: &mut [u8]) {
    if gpt::PARTITION_TYPE_GUID.get(entry) == guid::UNUSED {
        entry.fill(0);
        return;
    }
    entry[gpt::ENTRY_LEN..].fill(0);
    let mut name = gpt::PARTITION_NAME.get(entry);
    let end = name.as_chunks::<2>().0.iter().position(|unit| *unit == [0, 0]).unwrap_or(name.len() / 2);
    name[2 * end..].fill(0);
    gpt::PARTITION_NAME.set(entry, &name);
}

fn write_copy(
    disk: &mut impl BlockWrite,
    geometry: Geometry,
    table: &mut gpt::Table,
    site: Site,
    other: Site,
) -> Result<u64, Error> {
    gpt::MY_LBA.set(&mut table.header, site.header);
    gpt::ALTERNATE_LBA.set(&mut table.header, other.header);
    gpt::PARTITION_ENTRY_LBA.set(&mut table.header, site.array);
    let crc = gpt::header_crc(&table.header);
    gpt::HEADER_CRC32.set(&mut table.header, crc);
    let array = replace(disk, site.array * geometry.sector, &table.entries)?;
    Ok(array + replace(disk, site.header * geometry.sector, &table.header)?)
}
