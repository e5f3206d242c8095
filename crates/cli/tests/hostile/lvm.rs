//! Spoils LVM2: a field of the label or of the metadata header, or the text, with their checksums redone.

use crate::random::{CRC32, Random, crc, get, put, spoil};

const INITIAL: u32 = 0xf597_a6cf;
const LABEL: usize = 512;
const AREA: usize = 4096;
/// The header's slot: offset, size, checksum, flags.
const SLOT: usize = AREA + 40;

pub(crate) fn spoil_lvm(image: &mut [u8], random: &mut Random) {
    if image.len() < AREA + (1 << 16) {
        return;
    }
    match random.below(4) {
        0 => spoil(image, LABEL + 8 * random.below(24), random.pick(&[1, 4, 8]), random),
        1 => spoil(image, AREA + 20 + 4 * random.below(20), random.pick(&[1, 4, 8]), random),
        _ => spoil_text(image, random),
    }
    let sum = crc(CRC32, INITIAL, &image[LABEL + 20..LABEL + 512]);
    put(image, LABEL + 16, 4, sum.into());
    let sum = crc(CRC32, INITIAL, &image[AREA + 4..AREA + 512]);
    put(image, AREA, 4, sum.into());
}

/// Another digit, another name, a piece that is there twice or not at all.
fn spoil_text(image: &mut [u8], random: &mut Random) {
    let field = |at| usize::try_from(get(image, at, 8)).unwrap_or(usize::MAX);
    let (offset, len) = (field(SLOT), field(SLOT + 8));
    let end = offset.checked_add(len).filter(|&end| end <= 1 << 16 && len > 0);
    let Some(end) = end else { return };
    let text = &mut image[AREA + offset..AREA + end];
    let digits: Vec<usize> = (0..len).filter(|&at| text[at].is_ascii_digit()).collect();
    match random.below(4) {
        0 | 1 if !digits.is_empty() => text[random.pick(&digits)] = random.pick(b"0123456789"),
        2 => {
            let (from, to, size) = (random.below(len), random.below(len), random.below(40));
            let size = size.min(len - from).min(len - to);
            text.copy_within(from..from + size, to);
        }
        _ => text[random.below(len)] = random.pick(b"09\"[]{}=, \n#-"),
    }
    let sum = crc(CRC32, INITIAL, text);
    put(image, SLOT + 16, 4, sum.into());
}
