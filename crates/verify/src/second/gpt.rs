//! The crate gpt reads the finished partition table.

use std::sync::Arc;

use ::gpt::{GptConfig, disk::LogicalBlockSize};
use block::{BlockRead, Extent, Window};
use filesystem::{Layout, LiveKind, TableKind, Volume};

use super::{Opinion, Reader, cursor::Cursor, guarded};

/// The opinion of gpt on each disk's table; none of a disk that has no GPT.
pub(crate) fn gpt(device: &Arc<dyn BlockRead>, layout: &Layout) -> Vec<Opinion> {
    let each = layout.of_each_disk(device).into_iter();
    let opinions = each.filter_map(|(extent, layout)| {
        let disk: Arc<dyn BlockRead> = Arc::new(Window::new(Arc::clone(device), &[extent]).ok()?);
        of_one(&disk, &layout)
    });
    opinions.collect()
}

fn of_one(device: &Arc<dyn BlockRead>, layout: &Layout) -> Option<Opinion> {
    if layout.table != TableKind::Gpt {
        return None;
    }
    Some(guarded(Reader::Gpt, None, |opinion| {
        let sector = match layout.sector_size {
            512 => LogicalBlockSize::Lb512,
            4096 => LogicalBlockSize::Lb4096,
            other => {
                opinion.refused = Some(format!("sectors of {other} bytes"));
                return;
            }
        };
        match entry_size(device, layout) {
            Ok(128) => {}
            // The crate stops with a panic on legal entries of another size.
            Ok(size) => {
                opinion.refused = Some(format!("partition entries of {size} bytes"));
                return;
            }
            Err(error) => {
                opinion.differences.push(error.to_string());
                return;
            }
        }
        let config = GptConfig::new().writable(false).logical_block_size(sector).only_valid_headers(true);
        let disk = match as_it_was_made(device, layout) {
            Ok(disk) => disk,
            Err(error) => {
                opinion.differences.push(error.to_string());
                return;
            }
        };
        match config.open_from_device(Cursor::new(disk)) {
            Ok(disk) => {
                let partitions = layout.volumes.iter().filter(|volume| !volume.logical);
                for volume in partitions.clone() {
                    opinion.compared += 1;
                    let bytes = u64::from(layout.sector_size);
                    let same = disk.partitions().get(&volume.number).is_some_and(|partition| {
                        whole(layout, volume).iter().any(|extent| {
                            partition.first_lba.checked_mul(bytes) == Some(extent.start)
                                && partition.last_lba.checked_add(1).and_then(|lba| lba.checked_mul(bytes))
                                    == Some(extent.end())
                        })
                    });
                    if !same {
                        opinion.differences.push(format!("partition {} lies elsewhere", volume.number));
                    }
                }
                let theirs = disk.partitions().values().filter(|partition| partition.is_used()).count();
                let ours = partitions.count();
                if theirs != ours {
                    opinion.differences.push(format!("it has {theirs} partitions, we have {ours}"));
                }
            }
            Err(error) => opinion.differences.push(error.to_string()),
        }
    }))
}

/// The disk up to the end of its backup header. The crate looks for that in the last sector only, and where an image was
/// grown, or lies on a larger device, it is not there.
fn as_it_was_made(device: &Arc<dyn BlockRead>, layout: &Layout) -> std::io::Result<Arc<dyn BlockRead>> {
    let headers = layout.live.iter().filter(|region| region.kind == LiveKind::GptHeader);
    let end = headers
        .filter_map(|region| region.extent.start.checked_add(layout.sector_size.into()))
        .max()
        .unwrap_or_default();
    if end >= device.size() {
        return Ok(Arc::clone(device));
    }
    Ok(Arc::new(Window::new(Arc::clone(device), &[Extent::between(0, end)])?))
}

/// Where a partition lies; of a physical volume, its logical volumes included.
fn whole<'l>(layout: &'l Layout, volume: &'l Volume) -> &'l [Extent] {
    let physical = layout.physical.iter().find(|physical| physical.number == volume.number);
    physical.map_or(&volume.extents, |physical| std::slice::from_ref(&physical.extent))
}

/// `SizeOfPartitionEntry` of the primary header (UEFI 2.10, table 5.5).
fn entry_size(device: &Arc<dyn BlockRead>, layout: &Layout) -> std::io::Result<u32> {
    let mut size = [0; 4];
    device.read_at(u64::from(layout.sector_size) + 84, &mut size)?;
    Ok(u32::from_le_bytes(size))
}
