//! LVM2: label, metadata header and text, and their checksums: CRC-32 from a start of its own, without the last inversion.

use block::to_usize;

use super::{Part, Seal};
use crate::disk::Patched;

const INITIAL: u32 = 0xf597_a6cf;
const LABEL: u64 = 512;
const AREA: u64 = 4096;
/// The header's slot: offset, size, checksum, flags.
const SLOT: u64 = AREA + 40;
/// Bytes of text at most.
const TEXT: u64 = 1 << 16;

fn crc(bytes: &[u8]) -> u32 {
    // The crate inverts before and after.
    let mut hasher = crc32fast::Hasher::new_with_initial(!INITIAL);
    hasher.update(bytes);
    !hasher.finalize()
}

pub(super) fn parts(device: &Patched, origin: u64) -> Vec<Part> {
    let seal = Seal::Lvm { origin };
    let mut parts =
        vec![Part { start: origin + LABEL, len: 512, seal }, Part { start: origin + AREA, len: 128, seal }];
    let (offset, len) = (device.little(origin + SLOT, 8), device.little(origin + SLOT + 8, 8));
    let mut at = 0;
    while at < len.min(TEXT) {
        let piece = 256.min(len - at);
        parts.push(Part { start: origin + AREA + offset + at, len: to_usize(piece), seal });
        at += 256;
    }
    parts
}

pub(super) fn seal(device: &mut Patched, origin: u64) {
    let (offset, len) = (device.little(origin + SLOT, 8), device.little(origin + SLOT + 8, 8));
    if len <= TEXT
        && let Some(at) = (origin + AREA).checked_add(offset)
        && let Some(text) = device.bytes(at, to_usize(len))
    {
        device.put(origin + SLOT + 16, &crc(&text).to_le_bytes());
    }
    for (at, from, end) in [(LABEL + 16, LABEL + 20, LABEL + 512), (AREA, AREA + 4, AREA + 512)] {
        let bytes = device.bytes(origin + from, to_usize(end - from)).unwrap_or_default();
        device.put(origin + at, &crc(&bytes).to_le_bytes());
    }
}

/// Puts another text into the area of the physical volume at the image's start.
pub fn replace_text(device: &mut Patched, text: &[u8]) {
    let offset = device.little(SLOT, 8);
    let len = block::to_u64(text.len());
    if len > TEXT - 4096 || offset > TEXT {
        return;
    }
    device.put(AREA + offset, text);
    device.put(SLOT + 8, &len.to_le_bytes());
    seal(device, 0);
}
