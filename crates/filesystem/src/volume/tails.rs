//! Residue in the sectors of the partition table itself: unused records and entries, what lies behind names, padding.

use std::ops::Range;

use block::{BlockRead, Extent, Object, Result, Window, to_u64, to_usize};

use super::{
    Layout, LiveKind, TableKind,
    gpt::{self, Geometry, Gpt},
    guid, mbr,
};
use crate::{
    Tail,
    tails::{gap, unused},
};

/// Fields of a GPT header in use: all but the reserved one.
const HEADER: [Range<usize>; 2] = [0..gpt::RESERVED.0, gpt::MY_LBA.0..gpt::HEADER_LEN];
/// Bytes of a unit of UTF-16.
const UNIT: usize = 2;

/// Reports the bytes of the tables that are in no used field or entry, and not zero: offsets are of the disk. Boot
/// code counts as in use. Nothing after a [`scrub_table`](super::scrub_table).
///
/// `layout` is that of this disk.
pub fn table_tails(
    disk: &dyn BlockRead,
    layout: &Layout,
    visit: &mut dyn FnMut(Extent, Tail) -> Result<()>,
) -> Result<()> {
    crate::lvm::tails(disk, &layout.physical, visit)?;
    for (extent, layout) in layout.of_each_disk(disk) {
        let mut visit = |part: Extent, tail| visit(Extent { start: extent.start + part.start, ..part }, tail);
        tails_of_one(&Window::new(disk, &[extent])?, &layout, &mut visit)?;
    }
    Ok(())
}

fn tails_of_one(
    disk: &dyn BlockRead,
    layout: &Layout,
    visit: &mut dyn FnMut(Extent, Tail) -> Result<()>,
) -> Result<()> {
    // The reader of a GPT that gave the layout; which copy it believes is its word.
    let gpt = match layout.table {
        TableKind::Gpt | TableKind::HybridMbr => Some(Gpt::read(disk, geometry(disk, layout)?)?),
        TableKind::Mbr | TableKind::None => None,
    };
    for region in &layout.live {
        let Extent { start, len } = region.extent;
        let is_table = matches!(
            region.kind,
            LiveKind::Mbr
                | LiveKind::ProtectiveMbr
                | LiveKind::Ebr
                | LiveKind::GptHeader
                | LiveKind::GptEntries
        );
        let mut raw = if is_table { vec![0; to_usize(len)] } else { Vec::new() };
        match (region.kind, &gpt) {
            (
                LiveKind::BootCode
                | LiveKind::GrubCore
                | LiveKind::Prep
                | LiveKind::LvmLabel
                | LiveKind::LvmMetadata
                | LiveKind::MirrorMetadata,
                _,
            ) => {}
            (LiveKind::Mbr | LiveKind::ProtectiveMbr | LiveKind::Ebr, _) => {
                disk.read_at(start, &mut raw)?;
                let mut sector = [0; mbr::LEN];
                // The region is the end of its sector.
                let at = mbr::LEN - raw.len();
                sector[at..].copy_from_slice(&raw);
                let used = record_parts(&sector, region.kind == LiveKind::Ebr);
                let used = used.map(|part| part.start.max(at) - at..part.end.max(at) - at);
                unused(&raw, used, start, Tail::Partitions, visit)?;
            }
            (LiveKind::GptHeader, _) => {
                disk.read_at(start, &mut raw)?;
                unused(&raw, HEADER, start, Tail::Partitions, visit)?;
            }
            (LiveKind::GptEntries, None) => {}
            (LiveKind::GptEntries, Some(gpt)) => {
                disk.read_at(start, &mut raw)?;
                let size = gpt.table.entry_size();
                let good = gpt.table.entries.chunks(size);
                for (index, (entry, good)) in raw.chunks(size).zip(good).enumerate() {
                    // An entry of the other copy is in use if it is the same.
                    let same = entry == good && entry.len() == size;
                    let used = if same { entry_len(entry) } else { 0 };
                    let at = start + to_u64(index * size);
                    gap(entry, used..entry.len(), at, Tail::Partitions, visit)?;
                }
            }
        }
    }
    Ok(())
}

fn geometry(disk: &dyn BlockRead, layout: &Layout) -> Result<Geometry> {
    Geometry::new(disk.size(), layout.sector_size.into()).ok_or_else(|| {
        let expected = format!("at least one sector of {}", layout.sector_size);
        Object::the("disk").corrupt("size", format_args!("{} bytes", disk.size()), expected)
    })
}

/// The parts of a boot record in use, ascending: signatures and used records. Only the first record of a disk has a
/// disk signature.
fn record_parts(sector: &[u8; mbr::LEN], extended: bool) -> impl Iterator<Item = Range<usize>> {
    let protected = mbr::COPY_PROTECTED.get(sector) == [0x5a, 0x5a];
    let head = match (extended, protected) {
        (true, _) => 0..0,
        (false, false) => mbr::DISK_SIGNATURE.0..mbr::COPY_PROTECTED.0,
        (false, true) => mbr::DISK_SIGNATURE.0..mbr::RECORDS,
    };
    let used = mbr::raw(sector).map(mbr::is_used);
    let records = (0..4).filter(move |&slot| used[slot]).map(|slot| {
        let start = mbr::RECORDS + slot * mbr::RECORD_LEN;
        start..start + mbr::RECORD_LEN
    });
    std::iter::once(head).chain(records).chain(std::iter::once(mbr::SIGNATURE.0..mbr::LEN))
}

/// Bytes of an entry in use: none of an unused one, else all up to the NUL of its name.
fn entry_len(entry: &[u8]) -> usize {
    if gpt::PARTITION_TYPE_GUID.get(entry) == guid::UNUSED {
        return 0;
    }
    let name = gpt::PARTITION_NAME.get(entry);
    let units = name.chunks_exact(UNIT).take_while(|unit| *unit != [0, 0]).count();
    gpt::PARTITION_NAME.0 + units * UNIT
}
