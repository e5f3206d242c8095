//! From a disk to its [`Layout`]: which table counts, and what follows from it.

use block::{BlockRead, Error, Extent, ExtentSet, Object, Result, Unsupported, Window, to_u64};

use super::{
    Content, Layout, LiveKind, LiveRegion, OpaqueKind, TableKind, Volume, boot, further,
    gpt::{self, Geometry, Gpt},
    guid, identify,
    identify::{all_zero, is_fat, signatures},
    mbr,
};

/// Reads the partition table of a disk, and puts LVM2 volume groups together.
///
/// `sector_size` is that of the disk where the caller knows it; otherwise 512 and 4096 are tried.
/// Of disks that are [joined](block::Joined), each has a table of its own; volume groups may lie on several.
pub fn layout(disk: &dyn BlockRead, sector_size: Option<u32>) -> Result<Layout> {
    let read = || {
        let mut layout = further::layout(disk, &|disk| partitions(disk, sector_size))?;
        crate::lvm::resolve(disk, &mut layout)?;
        Ok(layout)
    };
    read().map_err(|error: Error| error.reading(Object::the("layout of the disk")))
}

/// The same, with physical volumes as they lie.
fn partitions(disk: &dyn BlockRead, sector_size: Option<u32>) -> Result<Layout> {
    let object = Object::the("disk");
    if let Some(size) = sector_size
        && !(matches!(size, 512..=4096) && size.is_power_of_two())
    {
        return Err(Unsupported::new(object, format!("a sector size of {size} bytes")).into());
    }
    if disk.size() < to_u64(mbr::LEN) {
        return Err(object.corrupt(
            "size",
            format_args!("{} bytes", disk.size()),
            "at least one sector of 512",
        ));
    }
    let mut sector = [0; mbr::LEN];
    disk.read_object(Object::the("MBR"), 0, &mut sector)?;
    let used = if mbr::is_table(&sector) { mbr::primaries(&sector) } else { Vec::new() };
    if is_fat(&sector) || matches!(&sector[3..11], b"NTFS    " | b"EXFAT   ") {
        // A boot sector that also has sound partition records: `mkfs.fat --mbr` adds one that starts at 0.
        if used.iter().any(|record| record.first != 0) {
            return Err(
                Unsupported::new(object, "both a boot sector and a partition table in sector 0").into()
            );
        }
        return Ok(whole(disk, sector_size, identify(disk)?));
    }
    if used.iter().any(|record| record.os_type == mbr::GPT_PROTECTIVE) {
        return gpt_layout(disk, &sector, find_gpt(disk, sector_size)?);
    }
    let stale = find_gpt(disk, sector_size).is_ok_and(|gpt| gpt.primary_good);
    if used.is_empty() {
        if stale {
            return Err(Object::the("protective MBR").corrupt(
                "partition record",
                "missing",
                "one of type 0xee",
            ));
        }
        return no_partitions(disk, &sector, sector_size);
    }
    if used.iter().any(|record| record.first == 0) {
        // The table lies inside its own partition, as in a hybrid ISO image: the filesystem is what counts.
        let content = identify(disk)?;
        if content != Content::Opaque(OpaqueKind::Unknown) {
            return Ok(whole(disk, sector_size, content));
        }
    }
    let mut layout = mbr_any_sector(disk, &sector, sector_size)?;
    if stale {
        layout.notes.push("GPT: not protected by the MBR, so it does not count".to_owned());
    }
    Ok(layout)
}

/// A disk with one filesystem, or nothing, on all of it.
fn whole(disk: &dyn BlockRead, sector_size: Option<u32>, content: Content) -> Layout {
    let volume = Volume {
        extents: vec![Extent { start: 0, len: disk.size() }],
        type_name: "whole disk".to_owned(),
        content,
        ..Volume::default()
    };
    Layout {
        table: TableKind::None,
        sector_size: sector_size.unwrap_or(512),
        disk_id: String::new(),
        further: Vec::new(),
        volumes: vec![volume],
        live: Vec::new(),
        physical: Vec::new(),
        notes: Vec::new(),
    }
}

/// A disk without partition records: a filesystem, or a table that is still empty.
fn no_partitions(disk: &dyn BlockRead, sector: &[u8], sector_size: Option<u32>) -> Result<Layout> {
    let content = identify(disk)?;
    let rest = Window::new(disk, &[Extent::between(to_u64(mbr::LEN), disk.size())])?;
    let empty_table =
        content == Content::Opaque(OpaqueKind::Unknown) && mbr::is_table(sector) && all_zero(&rest)?;
    if !empty_table {
        return Ok(whole(disk, sector_size, content));
    }
    mbr_layout(disk, sector, geometry(disk, sector_size.unwrap_or(512))?)
}

fn geometry(disk: &dyn BlockRead, sector_size: u32) -> Result<Geometry> {
    Geometry::new(disk.size(), sector_size.into()).ok_or_else(|| {
        let expected = format!("at least one sector of {sector_size}");
        Object::the("disk").corrupt("size", format_args!("{} bytes", disk.size()), expected)
    })
}

/// The sector size as the layout has it: at most 4096.
fn sector_size_of(geometry: Geometry) -> u32 {
    u32::try_from(geometry.sector).expect("a sector has at most 4096 bytes")
}

/// The GPT in the one sector size, or the only one of two, in which it makes sense.
fn find_gpt(disk: &dyn BlockRead, sector_size: Option<u32>) -> Result<Gpt> {
    if let Some(size) = sector_size {
        return Gpt::read(disk, geometry(disk, size)?);
    }
    let small = Gpt::read(disk, geometry(disk, 512)?);
    if matches!(&small, Err(Error::Io(_))) || disk.size() < 4096 {
        return small;
    }
    let large = Gpt::read(disk, geometry(disk, 4096)?);
    match (small, large) {
        (Ok(small), Ok(large)) if small.primary_good == large.primary_good => Err(
            Object::the("disk").corrupt("sector size", "either 512 or 4096, by two tables", "only one GPT")
        ),
        (Ok(small), Ok(large)) => Ok(if small.primary_good { small } else { large }),
        (Ok(gpt), Err(_)) | (Err(_), Ok(gpt)) => Ok(gpt),
        // A header that is there and wrong tells more than one that is not there.
        (Err(small), Err(large)) => {
            let mut at_lba_1 = [0; 8];
            disk.read_at(4096, &mut at_lba_1).or_else(|_| disk.read_at(0, &mut at_lba_1))?;
            Err(if &at_lba_1 == b"EFI PART" { large } else { small })
        }
    }
}

fn gpt_layout(disk: &dyn BlockRead, sector: &[u8], gpt: Gpt) -> Result<Layout> {
    let Gpt { geometry, table, primary, backup, mut notes, .. } = gpt;
    let entries = table.used()?;
    let mut hybrid = false;
    for record in mbr::primaries(sector) {
        let object = Object::numbered("MBR partition", record.number.into());
        if record.os_type == mbr::GPT_PROTECTIVE {
            if record.first != 1 {
                return Err(object.corrupt("first LBA", record.first, 1));
            }
            continue;
        }
        hybrid = true;
        if !entries.iter().any(|entry| entry.first == record.first && entry.last == record.last) {
            let feature = "a hybrid MBR partition that is not also in the GPT";
            return Err(Unsupported::new(object, feature).into());
        }
    }
    if hybrid {
        notes.push("hybrid MBR: names partitions of the GPT for old firmware".to_owned());
    }
    let mut volumes = Vec::with_capacity(entries.len());
    for entry in entries {
        let type_id = guid::text(&entry.type_guid);
        let extent = Extent::between(entry.first * geometry.sector, (entry.last + 1) * geometry.sector);
        volumes.push(Volume {
            number: entry.number,
            extents: vec![extent],
            type_name: guid::type_name(&type_id).to_owned(),
            type_id,
            uuid: guid::text(&entry.unique_guid).to_ascii_lowercase(),
            name: entry.name,
            content: identify(Window::new(disk, &[extent])?)?,
            ..Volume::default()
        });
    }
    let mut live = vec![table_region(LiveKind::ProtectiveMbr)];
    let header_len = u64::from(gpt::HEADER_SIZE.get(&table.header));
    for site in [primary, backup] {
        let header = Extent { start: site.header * geometry.sector, len: header_len };
        let array = Extent { start: site.array * geometry.sector, len: to_u64(table.entries.len()) };
        live.push(LiveRegion { extent: header, kind: LiveKind::GptHeader });
        live.push(LiveRegion { extent: array, kind: LiveKind::GptEntries });
    }
    let layout = Layout {
        table: if hybrid { TableKind::HybridMbr } else { TableKind::Gpt },
        sector_size: sector_size_of(geometry),
        disk_id: guid::text(&gpt::DISK_GUID.get(&table.header)),
        further: Vec::new(),
        volumes,
        live,
        physical: Vec::new(),
        notes,
    };
    with_boot(disk, geometry, sector, layout)
}

/// Partition records and signature of the first sector.
fn table_region(kind: LiveKind) -> LiveRegion {
    LiveRegion { extent: Extent::between(to_u64(mbr::BOOT_CODE_LEN), to_u64(mbr::LEN)), kind }
}

/// An MBR does not say in which sectors it counts. 512 is meant unless only 4096 makes sense.
fn mbr_any_sector(disk: &dyn BlockRead, sector: &[u8], sector_size: Option<u32>) -> Result<Layout> {
    if let Some(size) = sector_size {
        return mbr_layout(disk, sector, geometry(disk, size)?);
    }
    let small = mbr_layout(disk, sector, geometry(disk, 512)?);
    if matches!(&small, Err(Error::Io(_))) || small.as_ref().is_ok_and(recognises) || disk.size() < 4096 {
        return small;
    }
    match mbr_layout(disk, sector, geometry(disk, 4096)?) {
        Ok(large) if recognises(&large) || (small.is_err() && !large.volumes.is_empty()) => Ok(large),
        _ => small,
    }
}

/// Whether some partition holds what its signatures name.
fn recognises(layout: &Layout) -> bool {
    let known = |content| !matches!(content, Content::Empty | Content::Opaque(OpaqueKind::Unknown));
    layout.volumes.iter().any(|volume| known(volume.content))
}

fn mbr_layout(disk: &dyn BlockRead, sector: &[u8], geometry: Geometry) -> Result<Layout> {
    let primaries = mbr::primaries(sector);
    for &record in &primaries {
        mbr::check_primary(record, geometry)?;
    }
    let containers: Vec<_> = primaries.iter().copied().filter(|record| record.is_extended()).collect();
    let chain = match containers.as_slice() {
        [] => mbr::Chain::default(),
        [container] => mbr::chain(disk, geometry, *container)?,
        [_, second, ..] => {
            let object = Object::numbered("MBR partition", second.number.into());
            return Err(Unsupported::new(object, "a second extended partition").into());
        }
    };
    check_overlaps(&primaries, &chain)?;
    let first = primaries.iter().map(|record| record.first).min().unwrap_or(geometry.last_lba + 1);
    let in_gap = signatures(&Window::new(disk, &[Extent::between(0, first * geometry.sector)])?)?;
    if let Some(content) = in_gap.first().filter(|_| !primaries.is_empty()) {
        let feature = format!("both a DOS partition table and the signature of {content}");
        return Err(Unsupported::new(Object::the("disk"), feature).into());
    }
    let mut live = vec![table_region(LiveKind::Mbr)];
    let table = Extent::between(to_u64(mbr::RECORDS), to_u64(mbr::LEN));
    live.extend(chain.records.iter().map(|lba| LiveRegion {
        extent: Extent { start: lba * geometry.sector + table.start, len: table.len },
        kind: LiveKind::Ebr,
    }));
    let mut volumes = Vec::new();
    for record in primaries.iter().filter(|record| !record.is_extended()).chain(&chain.logical) {
        let extent = Extent::between(record.first * geometry.sector, (record.last + 1) * geometry.sector);
        volumes.push(Volume {
            number: record.number,
            extents: vec![extent],
            type_name: mbr::type_name(record.os_type).to_owned(),
            type_id: format!("{:x}", record.os_type),
            uuid: format!("{:08x}-{:02x}", mbr::DISK_SIGNATURE.get(sector), record.number),
            content: identify(Window::new(disk, &[extent])?)?,
            ..Volume::default()
        });
    }
    let layout = Layout {
        table: TableKind::Mbr,
        sector_size: sector_size_of(geometry),
        disk_id: format!("{:#010x}", mbr::DISK_SIGNATURE.get(sector)),
        further: Vec::new(),
        volumes,
        live,
        physical: Vec::new(),
        notes: Vec::new(),
    };
    with_boot(disk, geometry, sector, layout)
}

/// No two primary partitions, and no two logical partitions or boot records, may share a sector.
fn check_overlaps(primaries: &[mbr::Record], chain: &mbr::Chain) -> Result<()> {
    let primary = primaries.iter().map(|record| (record.first, record.last, record.number)).collect();
    let records = chain.records.iter().map(|&lba| (lba, lba, 0));
    let logical = chain.logical.iter().map(|record| (record.first, record.last, record.number));
    for mut ranges in [primary, records.chain(logical).collect::<Vec<_>>()] {
        ranges.sort_unstable();
        for pair in ranges.windows(2) {
            let ((_, end, _), (first, _, number)) = (pair[0], pair[1]);
            if first <= end {
                let object = match number {
                    0 => Object::numbered("extended boot record at LBA", first),
                    number => Object::numbered("MBR partition", number.into()),
                };
                return Err(object.corrupt("first LBA", first, format_args!("above {end}, which is taken")));
            }
        }
    }
    Ok(())
}

/// Adds what boot code needs, then checks that nothing is claimed twice.
fn with_boot(disk: &dyn BlockRead, geometry: Geometry, sector: &[u8], mut layout: Layout) -> Result<Layout> {
    let gap = gap(disk, &layout);
    let boot = boot::find(disk, geometry, sector, &gap, &mut layout.volumes)?;
    layout.live.extend(boot.live);
    layout.notes.extend(boot.notes);
    layout.volumes.extend(boot.gap);
    layout.volumes.sort_by_key(|volume| volume.number);
    layout.live.sort_unstable();
    ExtentSet::disjoint(layout.live.iter().map(|region| region.extent).collect()).map_err(|overlap| {
        Object::the("disk").corrupt("byte in two tables", overlap.extent.start, "each byte once")
    })?;
    Ok(layout)
}

/// The sectors before the first partition that no table has. A GPT's entry array may lie in the midst of them: it
/// is moved to make room for a board's boot loader.
fn gap(disk: &dyn BlockRead, layout: &Layout) -> ExtentSet {
    const UNIT: u64 = 512;
    let volumes = layout.volumes.iter().flat_map(|volume| &volume.extents).map(|extent| extent.start);
    let ebrs = layout.live.iter().filter(|region| region.kind == LiveKind::Ebr);
    let ebrs = ebrs.map(|region| region.extent.start / UNIT * UNIT);
    let end = volumes.chain(ebrs).min().unwrap_or(disk.size());
    let sectors = |extent: Extent| {
        Extent::between(
            extent.start / UNIT * UNIT,
            extent.end().checked_next_multiple_of(UNIT).unwrap_or(u64::MAX),
        )
    };
    let tables: ExtentSet = layout.live.iter().map(|region| sectors(region.extent)).collect();
    tables.gaps(Extent::between(0, end)).collect()
}
