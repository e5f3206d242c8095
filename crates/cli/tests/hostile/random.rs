//! Numbers that follow from a seed, and bytes read and written at offsets of an image.

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `limit`, which is not zero.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(crate) fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    /// A value that code which trusts images trips over, or one near `old`.
    pub(crate) fn extreme(&mut self, old: u64) -> u64 {
        match self.below(12) {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => 0x7fff_ffff_7fff_ffff,
            4 => 0x8000_0000_8000_0000,
            5 => 1 << 63,
            6 => old.wrapping_add(1),
            7 => old.wrapping_sub(1),
            8 => old ^ (1 << self.below(64)),
            9 => self.next(),
            10 => self.next() % 256,
            _ => self.next() % 65_536,
        }
    }
}

/// Little-endian number of 1 to 8 bytes.
pub(crate) fn get(bytes: &[u8], at: usize, width: usize) -> u64 {
    bytes[at..at + width].iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

pub(crate) fn put(bytes: &mut [u8], at: usize, width: usize, value: u64) {
    bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
}

/// Big-endian number of 1 to 8 bytes.
pub(crate) fn get_be(bytes: &[u8], at: usize, width: usize) -> u64 {
    bytes[at..at + width].iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

pub(crate) fn put_be(bytes: &mut [u8], at: usize, width: usize, value: u64) {
    bytes[at..at + width].copy_from_slice(&value.to_be_bytes()[8 - width..]);
}

/// Makes the little-endian number at `at` extreme.
pub(crate) fn spoil(bytes: &mut [u8], at: usize, width: usize, random: &mut Random) {
    if at + width <= bytes.len() {
        let value = random.extreme(get(bytes, at, width));
        put(bytes, at, width, value);
    }
}

/// A reflected CRC with neither first nor last inversion, bit by bit.
pub(crate) fn crc(polynomial: u32, seed: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(seed, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ polynomial } else { crc >> 1 },
        )
    })
}

pub(crate) const CRC32: u32 = 0xedb8_8320;
pub(crate) const CRC32C: u32 = 0x82f6_3b78;
