//! The hash of a name that the index of a directory is ordered by.
//!
//! Numbers only: nothing is read or written here. Kernel `fs/ext4/hash.c` and
//! `Documentation/filesystems/ext4/directory.rst`; half MD4 is MD4 (RFC 1320) with eight words a round.

use block::{Object, Result};

use super::htree::ROOT_HASH_VERSION;
use crate::ext::superblock::{self as sb, Superblock};

/// What MD4 starts with, and TEA too; used where s_hash_seed is zero.
const START: [u32; 4] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476];
/// Stands for the end of a directory, so no name has it.
const END: u32 = 0xFFFF_FFFE;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Legacy,
    HalfMd4,
    Tea,
}

/// How the names of one directory are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hasher {
    method: Method,
    /// Bytes are signed numbers, as on the machine that made the directory.
    signed: bool,
    seed: [u32; 4],
}

impl Hasher {
    /// As the root of an index says. `Corrupt` for a method that does not exist, or needs a key.
    pub(crate) fn new(superblock: &Superblock, root: &[u8], directory: Object) -> Result<Self> {
        let raw = superblock.bytes();
        let version = ROOT_HASH_VERSION.get(root);
        let method = match version {
            0 | 3 => Method::Legacy,
            1 | 4 => Method::HalfMd4,
            2 | 5 => Method::Tea,
            _ => return Err(directory.corrupt("htree hash_version", version, "0 to 5")),
        };
        let words = sb::HASH_SEED.map(|word| word.get(raw));
        let seed = if words == [0; 4] { START } else { words };
        let signed = version < 3 && sb::FLAGS.get(raw) & sb::UNSIGNED_HASH == 0;
        Ok(Self { method, signed, seed })
    }

    /// The hash of a name; its lowest bit is always 0.
    pub(crate) fn hash(&self, name: &[u8]) -> u32 {
        let hash = match self.method {
            Method::Legacy => self.legacy(name),
            Method::HalfMd4 => self.blocks::<8>(name, half_md4)[1],
            Method::Tea => self.blocks::<4>(name, tea)[0],
        };
        match hash & !1 {
            END => END - 2,
            hash => hash,
        }
    }

    /// A byte as a number.
    fn number(&self, byte: u8) -> u32 {
        if self.signed { i32::from(byte.cast_signed()).cast_unsigned() } else { u32::from(byte) }
    }

    fn legacy(&self, name: &[u8]) -> u32 {
        let (mut last, mut before) = (0x12A3_FE2D_u32, 0x37AB_E8F9_u32);
        for &byte in name {
            let mut next = before.wrapping_add(last ^ self.number(byte).wrapping_mul(7_152_373));
            if next >> 31 == 1 {
                next = next.wrapping_sub(0x7FFF_FFFF);
            }
            (before, last) = (last, next);
        }
        last << 1
    }

    /// Mixes the name in, N words at a time.
    fn blocks<const N: usize>(&self, name: &[u8], mix: fn(&mut [u32; 4], &[u32; N])) -> [u32; 4] {
        let mut state = self.seed;
        let mut rest = name;
        while !rest.is_empty() {
            mix(&mut state, &self.words(rest));
            rest = &rest[rest.len().min(N * 4)..];
        }
        state
    }

    /// N words of what is left of a name, filled up with how much that is.
    fn words<const N: usize>(&self, rest: &[u8]) -> [u32; N] {
        let len = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        let pad = len | len << 8;
        let pad = pad | pad << 16;
        let mut words = [pad; N];
        for (word, bytes) in words.iter_mut().zip(rest.chunks(4)) {
            for &byte in bytes {
                *word = self.number(byte).wrapping_add(*word << 8);
            }
        }
        words
    }
}

fn tea(state: &mut [u32; 4], key: &[u32; 4]) {
    const DELTA: u32 = 0x9E37_79B9;
    let [mut left, mut right, ..] = *state;
    let mut sum = 0u32;
    let half = |value: u32, sum: u32, low: u32, high: u32| {
        (value << 4).wrapping_add(low) ^ value.wrapping_add(sum) ^ (value >> 5).wrapping_add(high)
    };
    for _ in 0..16 {
        sum = sum.wrapping_add(DELTA);
        left = left.wrapping_add(half(right, sum, key[0], key[1]));
        right = right.wrapping_add(half(left, sum, key[2], key[3]));
    }
    state[0] = state[0].wrapping_add(left);
    state[1] = state[1].wrapping_add(right);
}

/// A round of MD4: its function, its constant, the order of the words, and the shifts.
type Round = (fn(u32, u32, u32) -> u32, u32, [usize; 8], [u32; 4]);

const ROUNDS: [Round; 3] = [
    (|x, y, z| (x & y) | (!x & z), 0, [0, 1, 2, 3, 4, 5, 6, 7], [3, 7, 11, 19]),
    (|x, y, z| (x & y) | (x & z) | (y & z), 0x5A82_7999, [1, 3, 5, 7, 0, 2, 4, 6], [3, 5, 9, 13]),
    (|x, y, z| x ^ y ^ z, 0x6ED9_EBA1, [3, 7, 2, 6, 1, 5, 0, 4], [3, 9, 11, 15]),
];

fn half_md4(state: &mut [u32; 4], words: &[u32; 8]) {
    let [mut a, mut b, mut c, mut d] = *state;
    for (mix, constant, order, shifts) in ROUNDS {
        for (step, word) in order.into_iter().enumerate() {
            let sum = a.wrapping_add(mix(b, c, d)).wrapping_add(words[word]).wrapping_add(constant);
            (a, b, c, d) = (d, sum.rotate_left(shifts[step % 4]), b, c);
        }
    }
    for (word, mixed) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.wrapping_add(mixed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(method: Method, seed: [u32; 4], signed: bool, name: &[u8]) -> u32 {
        Hasher { method, signed, seed }.hash(name)
    }

    /// What `dx_hash` of debugfs(8) says.
    #[test]
    fn hashes_are_those_of_e2fsprogs() {
        for (name, legacy, half_md4, tea) in [
            ("a".to_owned(), 0xE74B_53E2, 0xD5FA_7D7A, 0x6D0E_A4C0),
            ("hello".to_owned(), 0x3225_2546, 0x1746_DA32, 0x6F5B_B1A8),
            ("x".repeat(70), 0x4B65_D2C4, 0x43B7_AB42, 0x0C01_8B94),
            ("caf\u{e9}".to_owned(), 0x96CA_5A2C, 0xFB9C_5E5C, 0x1058_42EA),
        ] {
            for (method, expected) in
                [(Method::Legacy, legacy), (Method::HalfMd4, half_md4), (Method::Tea, tea)]
            {
                let found = hash(method, START, true, name.as_bytes());
                assert_eq!(found, expected, "{method:?} of {name}");
                let same = hash(method, START, false, name.as_bytes()) == expected;
                assert_eq!(same, name.is_ascii(), "only bytes beyond ASCII have a sign");
            }
        }
        let seed = [0x6745_2301, 0xEFCD_AB89, 0x6745_2301, 0xEFCD_AB89];
        assert_eq!(hash(Method::HalfMd4, seed, true, b"hello"), 0xA26E_4A80);
    }
}
