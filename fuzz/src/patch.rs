//! From an input to an image: patches are applied, then checksums are redone, so that the numbers are believed.

use block::{to_u64, to_usize};

use crate::{
    disk::Patched,
    input::{Input, Patch, index},
    parts::{self, Part},
};

/// Kinds of patches; the number is their first byte, modulo their count.
pub const KINDS: u8 = 12;

/// The image that an input means.
#[must_use]
pub fn image(input: &Input<'_>, base: &'static crate::disk::Base) -> Patched {
    let mut device = Patched::new(base);
    let mut touched = Vec::new();
    for patch in &input.patches {
        touched.extend(apply(&mut device, patch));
    }
    // A wrong checksum, too, is to be tried.
    if input.options >> 31 == 0 {
        parts::seal(&mut device, &touched);
    }
    device
}

/// Applies one patch, and says what was touched.
fn apply(device: &mut Patched, patch: &Patch) -> Option<Part> {
    let all = &device.base().parts;
    let part = *all.get(index(patch.part.into(), all.len()))?;
    let width = patch.width.min(part.len);
    let at = part.start + to_u64(usize::from(patch.at) % (part.len - width + 1));
    let little = |value: u64| value.to_le_bytes()[..width].to_vec();
    let big = |value: u64| value.to_be_bytes()[8 - width..].to_vec();
    let bytes = match patch.what % KINDS {
        0 => little(patch.value),
        1 => big(patch.value),
        2 => little(device.little(at, width).wrapping_add(patch.value)),
        3 => big(device.big(at, width).wrapping_add(patch.value)),
        4 => little(device.little(at, width) ^ patch.value),
        // A field of another part, moved by a little.
        5 | 6 => {
            let other = all.get(index(patch.value & 0xffff, all.len()))?;
            let from = other.start + to_u64(usize::from(patch.more) % other.len.max(1));
            let moved = (patch.value >> 16 & 0xff).wrapping_sub(0x80);
            match patch.what % KINDS {
                5 => little(device.little(from, width).wrapping_add(moved)),
                _ => big(device.big(from, width).wrapping_add(moved)),
            }
        }
        // Another part as it is: a block with two owners, an old version.
        7 => {
            let other = all.get(index(patch.value, all.len()))?;
            let bytes = device.bytes(other.start, other.len.min(part.len))?;
            device.put(part.start, &bytes);
            return Some(part);
        }
        // Some bytes, moved within the part.
        8 => {
            let len = to_usize(patch.value % 256).min(part.len);
            let to = usize::from(patch.more) % (part.len - len + 1);
            let bytes = device.bytes(at, len.min(part.len - to_usize(at - part.start)))?;
            device.put(part.start + to_u64(to), &bytes);
            return Some(part);
        }
        9 => {
            let len = usize::from(patch.more).min(part.len - to_usize(at - part.start));
            vec![patch.value.to_le_bytes()[0]; len]
        }
        // The first bytes of a row of parts.
        10 => little(patch.value.rotate_left(8)),
        // Without a checksum that fits.
        _ => {
            let bytes = little(patch.value);
            device.put(at, &bytes);
            return None;
        }
    };
    device.put(at, &bytes);
    Some(part)
}
