//! The journal's checksums: none, v1 (CRC32, most significant bit first, over a transaction), v2 and v3
//! (CRC32C over each block).

use block::field::Be32;

use super::layout::{H_CHKSUM, S_CHECKSUM, SUPERBLOCK_LEN, TAIL_LEN};
use crate::ext::checksum::crc32c_raw;

/// How a journal protects its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// Not at all.
    None,
    /// `COMPAT_CHECKSUM`: one sum for a transaction, in its commit block.
    V1,
    /// `CSUM_V2`: each block; of a copy's sum, the tag holds the low 16 bits.
    V2 { seed: u32 },
    /// `CSUM_V3`: each block; 32 bits.
    V3 { seed: u32 },
}

impl Checksum {
    /// The seed, if blocks have sums of their own.
    pub(crate) fn seed(self) -> Option<u32> {
        match self {
            Self::None | Self::V1 => None,
            Self::V2 { seed } | Self::V3 { seed } => Some(seed),
        }
    }

    /// Bytes at the end of descriptor and revoke blocks that hold their sum.
    pub(crate) fn tail_len(self) -> usize {
        if self.seed().is_some() { TAIL_LEN } else { 0 }
    }

    /// The sum of the copy of a filesystem block, as stored in its tag; `None` if tags have none.
    pub(crate) fn of_copy(self, sequence: u32, block: &[u8]) -> Option<u32> {
        let sum = crc32c_raw(crc32c_raw(self.seed()?, &sequence.to_be_bytes()), block);
        Some(if matches!(self, Self::V2 { .. }) { sum & 0xffff } else { sum })
    }

    /// The stored and the right sum of a descriptor or revoke block, if they differ.
    pub(crate) fn tail_mismatch(self, block: &[u8]) -> Option<(u32, u32)> {
        self.mismatch(block, Be32(block.len() - TAIL_LEN))
    }

    /// The stored and the right sum of a commit block, if they differ.
    pub(crate) fn commit_mismatch(self, block: &[u8]) -> Option<(u32, u32)> {
        self.mismatch(block, H_CHKSUM)
    }

    fn mismatch(self, block: &[u8], field: Be32) -> Option<(u32, u32)> {
        let (found, right) = (field.get(block), without(self.seed()?, block, field));
        (found != right).then_some((found, right))
    }
}

/// The sum of a journal superblock of 1024 bytes (v2, v3).
pub(crate) fn of_superblock(superblock: &[u8]) -> u32 {
    without(!0, &superblock[..SUPERBLOCK_LEN], S_CHECKSUM)
}

/// CRC32C of `block` with `field` taken as zero.
fn without(seed: u32, block: &[u8], field: Be32) -> u32 {
    let sum = crc32c_raw(seed, &block[..field.0]);
    crc32c_raw(crc32c_raw(sum, &[0; Be32::WIDTH]), &block[field.0 + Be32::WIDTH..])
}

/// CRC32 (polynomial 0x04c11db7), most significant bit first, continued from `sum`: checksum v1.
pub(crate) fn crc32_be(sum: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(sum, |sum, &byte| {
        let [top, ..] = sum.to_be_bytes();
        sum << 8 ^ CRC32_BE[usize::from(top ^ byte)]
    })
}

const CRC32_BE: [u32; 256] = {
    let mut table = [0; 256];
    let (mut index, mut value) = (0, 0u32);
    while index < table.len() {
        let (mut sum, mut bit) = (value << 24, 0);
        while bit < 8 {
            sum = if sum & 0x8000_0000 == 0 { sum << 1 } else { sum << 1 ^ 0x04c1_1db7 };
            bit += 1;
        }
        table[index] = sum;
        index += 1;
        value += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sums() {
        // The catalogue's check value of CRC-32/MPEG-2.
        assert_eq!(crc32_be(!0, b"123456789"), 0x0376_e6e7);
    }

    #[test]
    fn a_field_counts_as_zero_in_its_own_sum() {
        let mut block = [7; 64];
        Be32(60).set(&mut block, 0);
        let right = crc32c_raw(5, &block);
        Be32(60).set(&mut block, right);
        assert_eq!(Checksum::V3 { seed: 5 }.tail_mismatch(&block), None);
        block[0] = 8;
        assert!(Checksum::V2 { seed: 5 }.tail_mismatch(&block).is_some_and(|(found, _)| found == right));
        assert_eq!(Checksum::V1.tail_mismatch(&block), None);
    }
}
