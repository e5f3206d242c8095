//! The sectors of partition tables, and the checksums of GPTs (UEFI 2.10, 5.3.2), CRC-32.

use block::{BlockRead, to_usize};
use filesystem::Layout;

use super::{Part, Seal, cut};
use crate::disk::Patched;

const MAGIC: u64 = u64::from_le_bytes(*b"EFI PART");
/// Bytes of entries that are summed at most.
const ENTRIES: u64 = 1 << 20;

pub(super) fn parts(device: &Patched, layout: &Layout) -> Vec<Part> {
    let gpt = [512, 4096].iter().any(|&at| device.little(at, 8) == MAGIC);
    let seal = if gpt { Seal::Gpt } else { Seal::None };
    let mut parts = Vec::new();
    for region in &layout.live {
        cut(device, region.extent.start, region.extent.len, 512, seal, &mut parts);
    }
    parts
}

/// Redoes all that are found, of both copies.
pub(super) fn seal(device: &mut Patched) {
    for sector in [512, 4096] {
        let backup = device.size().saturating_sub(sector) / sector * sector;
        for header in [sector, backup] {
            if device.little(header, 8) != MAGIC {
                continue;
            }
            let (array, count, size) = (
                device.little(header + 72, 8).saturating_mul(sector),
                device.little(header + 80, 4),
                device.little(header + 84, 4),
            );
            if let Some(len) = count.checked_mul(size).filter(|&len| len <= ENTRIES)
                && let Some(entries) = device.bytes(array, to_usize(len))
            {
                device.put(header + 88, &crc32fast::hash(&entries).to_le_bytes());
            }
            let len = to_usize(device.little(header + 12, 4).min(sector));
            device.put(header + 16, &[0; 4]);
            let sum = crc32fast::hash(&device.bytes(header, len).unwrap_or_default());
            device.put(header + 16, &sum.to_le_bytes());
        }
    }
}
