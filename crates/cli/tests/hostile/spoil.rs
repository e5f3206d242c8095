//! Spoils images: any byte that is in use, or a chosen structure with its checksums redone.

use crate::{
    ext::spoil_ext,
    images::Kind,
    lvm::spoil_lvm,
    random::{CRC32, Random, crc, get, get_be, put, put_be, spoil},
};

const SECTOR: usize = 512;

/// Spoils an image of a kind in one to three places.
pub(crate) fn spoil_image(image: &mut Vec<u8>, kind: Kind, random: &mut Random) {
    if random.chance(16) {
        let len = image.len();
        image.truncate(random.below(len) / SECTOR * SECTOR);
        return;
    }
    if random.chance(5) {
        return spoil_bytes(image, random);
    }
    match kind {
        Kind::Ext(start) => spoil_ext(image, start, random),
        Kind::Fat => many(image, random, spoil_fat),
        Kind::Swap => many(image, random, |image, random| {
            let at = random.pick(&[1024, 1028, 1032, 4086]) + random.below(8);
            spoil(image, at, random.pick(&[1, 4]), random);
        }),
        Kind::Table => many(image, random, |image, random| {
            if image[SECTOR..SECTOR + 8] == *b"EFI PART" && !random.chance(6) {
                spoil_gpt(image, random);
            } else {
                spoil_mbr(image, random);
            }
        }),
        Kind::Qcow2 => many(image, random, spoil_qcow2),
        Kind::Lvm => many(image, random, spoil_lvm),
    }
}

fn many(image: &mut [u8], random: &mut Random, spoil: impl Fn(&mut [u8], &mut Random)) {
    for _ in 0..=random.below(3) {
        spoil(image, random);
    }
}

/// Any bytes of sectors that are not zero.
fn spoil_bytes(image: &mut [u8], random: &mut Random) {
    let used: Vec<usize> = (0..image.len() / SECTOR)
        .filter(|&sector| image[sector * SECTOR..(sector + 1) * SECTOR].iter().any(|&byte| byte != 0))
        .collect();
    for _ in 0..=random.below(16) {
        let at = random.pick(&used) * SECTOR + random.below(SECTOR);
        image[at] = random.next().to_le_bytes()[0];
    }
}

fn spoil_fat(image: &mut [u8], random: &mut Random) {
    let field = |at, width| usize::try_from(get(image, at, width)).unwrap();
    let (reserved, copies) = (field(14, 2) * SECTOR, field(16, 1));
    let len = if field(22, 2) == 0 { field(36, 4) } else { field(22, 2) } * SECTOR;
    let root = reserved + copies * len;
    match random.below(4) {
        0 => spoil(image, 11 + random.below(50), random.pick(&[1, 2, 4]), random),
        1 | 2 => {
            // The same in both copies. A link to a cluster near it makes cycles and crossings.
            let at = random.below(len.clamp(1, 1024));
            let value = if random.chance(2) { random.extreme(0) } else { random.next() % 200 };
            let width = random.pick(&[1, 2, 4]);
            for copy in 0..copies {
                if let Some(at) = Some(reserved + copy * len + at).filter(|at| at + width <= image.len()) {
                    put(image, at, width, value);
                }
            }
        }
        _ => {
            let at = root + random.below(24) * 32 + random.pick(&[0, 1, 11, 12, 13, 20, 26, 28]);
            spoil(image, at, random.pick(&[1, 2, 4]), random);
        }
    }
}

fn spoil_mbr(image: &mut [u8], random: &mut Random) {
    let links: Vec<usize> = (0..image.len() / SECTOR)
        .filter(|sector| get(image, sector * SECTOR + 510, 2) == 0xaa55)
        .map(|sector| sector * SECTOR)
        .collect();
    if links.is_empty() {
        return;
    }
    let record = random.pick(&links);
    let at = record + 446 + random.below(4) * 16 + random.pick(&[0, 4, 8, 12]);
    if random.chance(3) {
        // An extended partition, here, that leads to another record.
        image[record + 446 + 16 + 4] = random.pick(&[5, 15, 0x85]);
        let target = random.pick(&links) / SECTOR;
        put(image, record + 446 + 16 + 8, 4, u64::try_from(target).unwrap());
    } else {
        spoil(image, at, random.pick(&[1, 4]), random);
    }
}

fn spoil_gpt(image: &mut [u8], random: &mut Random) {
    let backup = image.len() - SECTOR;
    if random.chance(2) {
        let at = random.pick(&[0, 8, 12, 16, 24, 32, 40, 48, 56, 72, 80, 84]);
        let which = random.pick(&[SECTOR, backup]);
        spoil(image, which + at, random.pick(&[4, 8]), random);
    } else {
        let at = random.below(5) * 128 + random.pick(&[0, 16, 32, 40, 48, 56]);
        let value = random.extreme(get(image, 2 * SECTOR + at, 8));
        put(image, 2 * SECTOR + at, 8, value);
        put(image, backup - 32 * SECTOR + at, 8, value);
    }
    for (header, entries) in [(SECTOR, 2 * SECTOR), (backup, backup - 32 * SECTOR)] {
        let sum = !crc(CRC32, !0, &image[entries..entries + 128 * 128]);
        put(image, header + 88, 4, sum.into());
        put(image, header + 16, 4, 0);
        let sum = !crc(CRC32, !0, &image[header..header + 92]);
        put(image, header + 16, 4, sum.into());
    }
}

fn spoil_qcow2(image: &mut [u8], random: &mut Random) {
    let cluster = 1usize << get_be(image, 20, 4).min(21);
    let l1 = usize::try_from(get_be(image, 40, 8)).unwrap();
    let count = usize::try_from(get_be(image, 36, 4)).unwrap();
    let entry = |at: usize| image.get(at..at + 8).map(|_| get_be(image, at, 8));
    let (table, entries) = match random.below(4) {
        0 => {
            let field =
                random.pick(&[4, 8, 16, 20, 24, 32, 36, 40, 48, 56, 60, 64, 72, 80, 88, 96, 100, 104, 112]);
            let width = random.pick(&[4, 8]);
            let value = random.extreme(get_be(image, field, width));
            put_be(image, field, width, value);
            return;
        }
        1 => (l1, count.clamp(1, 64)),
        _ => {
            let Some(found) = l1.checked_add(random.below(count.clamp(1, 64)) * 8).and_then(entry) else {
                return;
            };
            (usize::try_from(found & 0x00ff_ffff_ffff_fe00).unwrap(), (cluster / 8).max(1))
        }
    };
    let at = |index: usize| table.checked_add(index * 8).filter(|at| *at < image.len() - 8);
    let (Some(from), Some(to)) = (at(random.below(entries)), at(random.below(entries.min(64)))) else {
        return;
    };
    let old = get_be(image, from, 8);
    let value = match random.below(3) {
        0 => random.extreme(old),
        1 => old ^ random.pick(&[1 << 63, 1 << 62, 1, 1 << 9, 1 << 16, 1 << 56, 1 << 61]),
        _ => old,
    };
    put_be(image, to, 8, value);
}
