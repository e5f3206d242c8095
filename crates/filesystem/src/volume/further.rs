//! Several disks of one machine: each has its own table, and one layout speaks of all of them.
//!
//! Offsets are of the joined device. The first disk's partitions keep their numbers, those of the others count on from the
//! last, so that a number names one volume.

use block::{BlockRead, Extent, Result, Window};

use super::{Layout, LiveRegion, TableKind, Volume};
use crate::lvm::PhysicalVolume;

/// A disk that is joined to the first one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Its place on the joined device.
    pub extent: Extent,
    /// Kind of its table.
    pub table: TableKind,
    /// Bytes in a logical sector.
    pub sector_size: u32,
    /// Its identifier, as [`Layout::disk_id`].
    pub disk_id: String,
    /// What is added to the numbers of its partitions.
    pub above: u32,
}

/// Reads the partitions of every disk of a device by `read`, and puts them together.
pub(super) fn layout(
    device: &dyn BlockRead,
    read: &dyn Fn(&dyn BlockRead) -> Result<Layout>,
) -> Result<Layout> {
    let disks = device.disks();
    let [first, rest @ ..] = &disks[..] else { return read(device) };
    if rest.is_empty() {
        return read(device);
    }
    let mut all = read(&Window::new(device, &[*first])?)?;
    for &extent in rest {
        let found = read(&Window::new(device, &[extent])?)?;
        let above = all.volumes.iter().map(|volume| volume.number).max().unwrap_or(0);
        let volumes = found.volumes.into_iter().map(|mut volume| {
            for piece in &mut volume.extents {
                piece.start += extent.start;
            }
            // A whole disk is a volume that others may be told from; a gap beside partitions is not.
            if volume.number > 0 || found.table == TableKind::None {
                volume.number = above.saturating_add(volume.number.max(1));
            }
            volume
        });
        all.volumes.extend(volumes);
        all.live.extend(found.live.into_iter().map(|region| LiveRegion {
            extent: Extent { start: region.extent.start + extent.start, ..region.extent },
            ..region
        }));
        let number = all.further.len() + 2;
        all.notes.extend(found.notes.into_iter().map(|note| format!("disk {number}: {note}")));
        let (table, sector_size, disk_id) = (found.table, found.sector_size, found.disk_id);
        all.further.push(Disk { extent, table, sector_size, disk_id, above });
    }
    Ok(all)
}

impl Layout {
    /// Where each disk of `device` lies on it, and the layout of that disk alone: its table, its partitions and their live
    /// regions, by its own numbers and offsets; no logical volumes.
    #[must_use]
    pub fn of_each_disk(&self, device: &dyn BlockRead) -> Vec<(Extent, Self)> {
        let end = self.further.first().map_or(device.size(), |disk| disk.extent.start);
        let first = Disk {
            extent: Extent::between(0, end),
            table: self.table,
            sector_size: self.sector_size,
            disk_id: self.disk_id.clone(),
            above: 0,
        };
        std::iter::once(&first).chain(&self.further).map(|disk| (disk.extent, self.alone(disk))).collect()
    }

    /// The disk that a partition lies on, from 0 on, and its number there.
    #[must_use]
    pub fn disk_of(&self, volume: &Volume) -> (usize, u32) {
        let start = volume.extents.first().map_or(0, |extent| extent.start);
        let disk = self.further.partition_point(|disk| disk.extent.start <= start);
        let above = disk.checked_sub(1).map_or(0, |index| self.further[index].above);
        (disk, volume.number.saturating_sub(above))
    }

    fn alone(&self, disk: &Disk) -> Self {
        let moved = |extent: &Extent| Extent { start: extent.start - disk.extent.start, len: extent.len };
        let inside = |extent: &Extent| disk.extent.contains_byte(extent.start);
        let number = |number: u32| number.saturating_sub(disk.above);
        let volumes =
            self.volumes.iter().filter(|volume| !volume.logical && volume.extents.iter().any(inside));
        let physical = self.physical.iter().filter(|physical| inside(&physical.extent));
        Self {
            table: disk.table,
            sector_size: disk.sector_size,
            disk_id: disk.disk_id.clone(),
            further: Vec::new(),
            volumes: volumes
                .map(|volume| Volume {
                    number: number(volume.number),
                    extents: volume.extents.iter().map(moved).collect(),
                    ..volume.clone()
                })
                .collect(),
            live: self
                .live
                .iter()
                .filter(|region| inside(&region.extent))
                .map(|region| LiveRegion { extent: moved(&region.extent), ..*region })
                .collect(),
            physical: physical
                .map(|physical| PhysicalVolume {
                    number: number(physical.number),
                    extent: moved(&physical.extent),
                    areas: physical.areas.iter().map(moved).collect(),
                    ..physical.clone()
                })
                .collect(),
            notes: Vec::new(),
        }
    }
}
