//! Whose the bytes are that nobody needs: of snapshots, of bitmaps, of entries that read as zero.
//!
//! An entry that makes no sense is passed over. No table is read twice, so that the time it takes follows the file,
//! not what its tables say.

use super::{
    Side,
    clusters::{BEHIND, BITMAP, Clusters, EXTENDED, SEEN, SEEN_SNAPSHOT, SNAPSHOT, ZERO},
};
use crate::{
    BlockRead, Extent, Object, Result,
    field::Be64,
    qcow2::{
        Qcow2Image, directory,
        layout::{bitmap, l1, l2},
    },
    raw::read_up_to,
};

/// Bytes of a table that are read at once.
const PIECE: u64 = 64 << 10;

/// Visits the entries, of 8 bytes each, of a table as far as it lies inside the file: number and value.
pub(super) fn entries(
    image: &Qcow2Image,
    table: Extent,
    visit: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<()> {
    let mut start = 0;
    while start < table.len {
        let (from, len) = (table.start.saturating_add(start), PIECE.min(table.len - start));
        let piece = read_up_to(&image.file, Object::the("table of a qcow2 image"), from, len)?;
        if piece.is_empty() {
            break;
        }
        for (number, entry) in (start / 8..).zip(piece.chunks_exact(8)) {
            visit(number, Be64(0).get(entry))?;
        }
        start += PIECE;
    }
    Ok(())
}

/// Visits the L2 tables that an L1 table refers to: number of the entry, file offset.
pub(super) fn l2_tables(
    image: &Qcow2Image,
    l1: Extent,
    visit: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<()> {
    entries(image, l1, &mut |index, entry| match entry & l1::OFFSET_MASK {
        0 => Ok(()),
        table => visit(index, table),
    })
}

/// The active L2 tables' entries of clusters that read as zero, are not allocated in part, or lie behind the disk.
pub(super) fn active(image: &Qcow2Image, side: Side, clusters: &mut Clusters) -> Result<()> {
    let geometry = image.geometry;
    let l1 = Extent { start: image.header.l1_offset, len: image.header.l1_size * l1::ENTRY_SIZE };
    let entry_size = if geometry.extended { l2::EXTENDED_ENTRY_SIZE } else { l2::ENTRY_SIZE };
    let l2_entries = geometry.cluster() / entry_size;
    let data_side = if image.has_data_file() { Side::Data } else { Side::Image };
    // Tables lie in the image file, whichever file is asked for.
    let mut tables = match side {
        Side::Image => None,
        Side::Data => Some(Clusters::new(&image.file, geometry.cluster_bits, false)?),
    };
    l2_tables(image, l1, &mut |index, table| {
        let seen = tables.as_mut().unwrap_or(clusters);
        let Some(stored) = seen.at(table) else { return Ok(()) };
        if seen.test_and_set(stored, SEEN) || side != data_side {
            return Ok(());
        }
        let mut standard = 0;
        entries(image, Extent { start: table, len: geometry.cluster() }, &mut |number, word| {
            let extended = geometry.extended && number % 2 == 1;
            let guest = (index * l2_entries + number * 8 / entry_size) << geometry.cluster_bits;
            let entry = if extended { standard } else { word };
            standard = word;
            let host = Extent { start: entry & l2::OFFSET_MASK, len: geometry.cluster() };
            if entry & l2::COMPRESSED != 0 || entry & (l2::OFFSET_MASK | l2::COPIED) == 0 {
                return Ok(());
            }
            if extended {
                clusters.mark(host, EXTENDED);
                let zero = u32::try_from(word >> 32).expect("32 bits are left");
                clusters.mark_zero(host.start, zero);
            } else if !geometry.extended && entry & l2::ZERO != 0 {
                clusters.mark(host, ZERO);
            }
            if guest.saturating_add(geometry.cluster()) > geometry.size {
                clusters.mark(host, BEHIND);
            }
            Ok(())
        })
    })
}

/// The snapshots' table, their L1 and L2 tables, and what these refer to.
pub(super) fn snapshots(image: &Qcow2Image, clusters: &mut Clusters) -> Result<()> {
    // An error here was an error when the image was opened; in a backing file it costs names.
    let Ok((snapshots, len)) = image.snapshot_table() else { return Ok(()) };
    clusters.mark(Extent { start: image.header.snapshots_offset, len }, SNAPSHOT);
    let cluster = image.cluster_size();
    // L1 tables of different snapshots share no cluster: all together are no longer than the file.
    let mut budget = clusters.count();
    for snapshot in snapshots {
        let l1 = within(image, snapshot.l1_offset, snapshot.l1_size * l1::ENTRY_SIZE);
        let Some(left) = budget.checked_sub(l1.len.div_ceil(cluster)) else { break };
        budget = left;
        clusters.mark(l1, SNAPSHOT);
        l2_tables(image, l1, &mut |_, table| {
            let Some(stored) = clusters.at(table) else { return Ok(()) };
            if clusters.test_and_set(stored, SEEN_SNAPSHOT) {
                return Ok(());
            }
            clusters.test_and_set(stored, SNAPSHOT);
            snapshot_data(image, Extent { start: table, len: cluster }, clusters)
        })?;
    }
    Ok(())
}

fn snapshot_data(image: &Qcow2Image, table: Extent, clusters: &mut Clusters) -> Result<()> {
    entries(image, table, &mut |number, entry| {
        if image.geometry.extended && number % 2 == 1 {
            return Ok(());
        }
        if entry & l2::COMPRESSED != 0 {
            clusters.mark_snapshot_part(image.geometry.compressed_sectors(entry));
        } else if entry & l2::OFFSET_MASK != 0 {
            clusters.mark(Extent { start: entry & l2::OFFSET_MASK, len: image.cluster_size() }, SNAPSHOT);
        }
        Ok(())
    })
}

/// The bitmaps' directory, their tables, and what these refer to.
pub(super) fn bitmaps(image: &Qcow2Image, clusters: &mut Clusters) -> Result<()> {
    let Some(directory) = image.header.extensions.bitmaps else { return Ok(()) };
    let cluster = image.cluster_size();
    let Ok(bitmaps) = directory::bitmaps(&image.file, directory, cluster) else { return Ok(()) };
    clusters.mark(within(image, directory.offset, directory.size), BITMAP);
    let mut budget = clusters.count();
    for found in bitmaps {
        let table = within(image, found.table_offset, found.table_size * 8);
        let Some(left) = budget.checked_sub(table.len.div_ceil(cluster)) else { break };
        budget = left;
        clusters.mark(table, BITMAP);
        entries(image, table, &mut |_, entry| {
            match entry & bitmap::ENTRY_OFFSET_MASK {
                0 => {}
                host => clusters.mark(Extent { start: host, len: cluster }, BITMAP),
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// What of `len` bytes at `offset` lies inside the file.
fn within(image: &Qcow2Image, offset: u64, len: u64) -> Extent {
    Extent::between(offset, offset.saturating_add(len)).intersect(Extent { start: 0, len: image.file.size() })
}
