//! Mutations that know what an input means: another field, another number that code trips over, a patch more or less.

use block::{to_u64, to_usize};

use crate::{
    disk::{Base, Patched},
    input::{END, HEAD, PATCH, index},
    patch::KINDS,
};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        to_usize(self.next() % to_u64(limit.max(1)))
    }

    /// A value that code which trusts images trips over.
    fn extreme(&mut self) -> u64 {
        match self.below(11) {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => 0x7fff_ffff_7fff_ffff,
            4 => 0x8000_0000_8000_0000,
            5 => 1 << self.below(64),
            6 => (1 << self.below(64)) - 1,
            7 => self.next(),
            8 => u64::MAX << self.below(64),
            9 => self.next() % 256,
            _ => self.next() % 65_536,
        }
    }
}

/// Changes `data[..size]` in place, and returns the new size, or `None` if libFuzzer's own mutations are to.
pub fn mutate(
    data: &mut [u8],
    size: usize,
    most: usize,
    seed: u32,
    bases: &[&'static Base],
) -> Option<usize> {
    let mut random = Random(seed.into());
    if most < HEAD + 2 * PATCH {
        return None;
    }
    if size < HEAD {
        data[..HEAD].fill(0);
        data[..4].copy_from_slice(&bases.get(random.below(bases.len()))?.id().to_le_bytes());
        return Some(HEAD);
    }
    if random.below(4) == 0 {
        return None;
    }
    let patches = patches(&data[..size]);
    let end = HEAD + patches * PATCH;
    match random.below(12) {
        // The image, or what is done with it.
        0 => {
            let base = bases.get(random.below(bases.len()))?;
            data[..4].copy_from_slice(&base.id().to_le_bytes());
        }
        1 => {
            let bits = random.next().to_le_bytes();
            let at = 4 + random.below(4);
            // The last bit leaves checksums wrong: seldom of use.
            data[at] = if at == 7 { bits[0] & 0x7f } else { bits[0] };
        }
        2 if patches > 1 => {
            let at = HEAD + random.below(patches) * PATCH;
            data.copy_within(at + PATCH..size, at);
            return Some(size - PATCH);
        }
        3 | 4 if patches > 0 => {
            let at = HEAD + random.below(patches) * PATCH;
            data[at + 8..at + 16].copy_from_slice(&random.extreme().to_le_bytes());
        }
        5 if patches > 0 => {
            let at = HEAD + random.below(patches) * PATCH;
            let value = u64::from_le_bytes(data[at + 8..at + 16].try_into().ok()?);
            let moved = value.wrapping_add(random.next() % 9).wrapping_sub(4);
            data[at + 8..at + 16].copy_from_slice(&moved.to_le_bytes());
        }
        // A field near it.
        6 if patches > 0 => {
            let at = HEAD + random.below(patches) * PATCH;
            let field = u16::from_le_bytes([data[at + 4], data[at + 5]]);
            let near = u16::try_from(random.below(16)).ok()?;
            data[at + 4..at + 6].copy_from_slice(&field.wrapping_add(near).wrapping_sub(8).to_le_bytes());
        }
        _ => {
            // One more, up to a dozen; then one is changed.
            let at = if patches < 12 && size + PATCH <= most {
                data.copy_within(end..size, end + PATCH);
                end
            } else {
                HEAD + random.below(patches) * PATCH
            };
            let grown = if at == end { size + PATCH } else { size };
            let id = u32::from_le_bytes([data[0], data[1], data[2], data[3]]);
            let base = choose(bases, id)?;
            data[at..at + PATCH].copy_from_slice(&patch(base, &mut random)?);
            return Some(grown);
        }
    }
    Some(size)
}

/// How many patches there are.
fn patches(data: &[u8]) -> usize {
    data[HEAD..].chunks_exact(PATCH).take_while(|patch| patch[0] != END).count()
}

/// Two inputs become one: the head of the first, patches of both, what follows the first's.
pub fn cross(one: &[u8], other: &[u8], out: &mut [u8]) -> usize {
    if one.len() < HEAD || other.len() < HEAD {
        let len = one.len().min(out.len());
        out[..len].copy_from_slice(&one[..len]);
        return len;
    }
    let (ours, theirs) = (patches(one).min(8), patches(other).min(8));
    let pieces = [
        &one[..HEAD + ours * PATCH],
        &other[HEAD..HEAD + theirs * PATCH],
        &one[HEAD + patches(one) * PATCH..],
    ];
    let mut len = 0;
    for piece in pieces {
        let fits = piece.len().min(out.len() - len);
        out[len..len + fits].copy_from_slice(&piece[..fits]);
        len += fits;
    }
    len
}

/// The base that an input means.
#[must_use]
pub fn choose(bases: &[&'static Base], id: u32) -> Option<&'static Base> {
    let named = bases.iter().find(|base| base.id() == id);
    named.or_else(|| bases.get(index(id.into(), bases.len()))).copied()
}

/// A new patch of some field: most fields lie at multiples of their width, and the first ones matter most.
fn patch(base: &'static Base, random: &mut Random) -> Option<[u8; PATCH]> {
    let number = random.below(base.parts.len());
    let part = base.parts.get(number)?;
    let width = [0, 1, 2, 2, 3][random.below(5)];
    let near = match random.below(3) {
        0 => 32,
        1 => 128,
        _ => part.len,
    };
    let at = random.below(near.min(part.len)) >> width << width;
    let device = Patched::new(base);
    let here = part.start + to_u64(at);
    let old =
        if random.below(2) == 0 { device.little(here, 1 << width) } else { device.big(here, 1 << width) };
    let value = match random.below(4) {
        0 => old ^ (1 << random.below(64)),
        1 => old.wrapping_add(random.next() % 17).wrapping_sub(8),
        _ => random.extreme(),
    };
    let mut bytes = [0; PATCH];
    let kind = if random.below(3) == 0 { random.below(KINDS.into()) } else { random.below(7) };
    bytes[0] = u8::try_from(kind).ok()?;
    bytes[1] = u8::try_from(width).ok()?;
    bytes[2..4].copy_from_slice(&u16::try_from(number).ok()?.to_le_bytes());
    bytes[4..6].copy_from_slice(&u16::try_from(at).ok()?.to_le_bytes());
    bytes[6..8].copy_from_slice(&random.next().to_le_bytes()[..2]);
    bytes[8..].copy_from_slice(&value.to_le_bytes());
    // Fields of others: one that lies where fields lie, unmoved most of the time.
    if matches!(kind, 5 | 6) {
        bytes[6..8].copy_from_slice(&u16::try_from(random.below(64) * 4).ok()?.to_le_bytes());
        bytes[8..10].copy_from_slice(&random.next().to_le_bytes()[..2]);
        bytes[10] = if random.below(3) == 0 { random.next().to_le_bytes()[0] } else { 0x80 };
    }
    Some(bytes)
}
