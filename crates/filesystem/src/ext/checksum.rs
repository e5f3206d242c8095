//! The checksums of ext4 metadata: what each structure's has to be. Nothing is read or written here.
//!
//! Formulas: kernel `Documentation/filesystems/ext4/checksums.rst`. crc32c is raw here: the start value is
//! given and nothing is inverted at the end.

use block::field::Le16;

use super::{
    inode::{CHECKSUM_HI, CHECKSUM_LO, EXTRA_ISIZE, GENERATION},
    layout::Layout,
    superblock::{self, Superblock},
};

/// crc32c over `data`, continued from `start`, without a final inversion.
pub(crate) fn crc32c_raw(start: u32, data: &[u8]) -> u32 {
    !crc32c::crc32c_append(!start, data)
}

/// CRC-16 with the reflected polynomial 0xA001, as `uninit_bg` uses for group descriptors.
fn crc16(start: u16, data: &[u8]) -> u16 {
    data.iter().fold(start, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xA001 } else { 0 })
    })
}

/// Bytes of an inode's number and generation, which its checksum begins with.
const SEED_LEN: usize = 8;
/// The front of an inode, up to the end of i_checksum_hi.
const INODE_HEAD: usize = CHECKSUM_HI.0 + Le16::WIDTH;

/// Which checksums a filesystem has, and the seed of them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checksums {
    metadata: bool,
    groups: bool,
    seed: u32,
    uuid: [u8; 16],
}

impl Checksums {
    /// As the superblock says.
    pub(crate) fn new(sb: &Superblock) -> Self {
        let uuid = superblock::UUID.get(sb.bytes());
        let seed = if sb.incompat(superblock::incompat::CSUM_SEED) {
            superblock::CHECKSUM_SEED.get(sb.bytes())
        } else {
            crc32c_raw(!0, &uuid)
        };
        let metadata = sb.ro_compat(superblock::ro_compat::METADATA_CSUM);
        Self { metadata, groups: metadata || sb.ro_compat(superblock::ro_compat::GDT_CSUM), seed, uuid }
    }

    /// `metadata_csum`: every structure has a crc32c. All functions below but `group` are for this case.
    pub(crate) const fn metadata(&self) -> bool {
        self.metadata
    }

    /// Group descriptors have checksums, and so their UNINIT flags and unused counts are to be believed.
    pub(crate) const fn groups(&self) -> bool {
        self.groups
    }

    /// bg_checksum of a descriptor; 0 if there are none.
    pub(crate) fn group(&self, number: u64, descriptor: &[u8]) -> u16 {
        let Ok(number) = u32::try_from(number) else { return 0 };
        let number = number.to_le_bytes();
        let at = super::group::CHECKSUM.0;
        let (head, rest) = descriptor.split_at(at);
        let rest = &rest[2..];
        if self.metadata {
            let crc =
                [&number[..], head, &[0, 0], rest].iter().fold(self.seed, |crc, part| crc32c_raw(crc, part));
            let [a, b, ..] = crc.to_le_bytes();
            u16::from_le_bytes([a, b])
        } else if self.groups {
            [&self.uuid[..], &number, head, rest].iter().fold(!0, |crc, part| crc16(crc, part))
        } else {
            0
        }
    }

    /// Of the bits of one group: the bitmap's first `per_group / 8` bytes, not the whole block.
    pub(crate) fn bitmap(&self, bits: &[u8]) -> u32 {
        crc32c_raw(self.seed, bits)
    }

    /// The start value for an inode's own structures: directory blocks, extent blocks.
    pub(crate) fn inode_seed(&self, number: u64, generation: u32) -> u32 {
        let number = u32::try_from(number).unwrap_or(0);
        crc32c_raw(crc32c_raw(self.seed, &number.to_le_bytes()), &generation.to_le_bytes())
    }

    /// Of a whole inode. Only the low half counts if [`has_high_half`] says so.
    pub(crate) fn inode(&self, number: u64, raw: &[u8]) -> u32 {
        // Its number, its generation, and its head without the checksums, in one piece: short pieces take as long.
        let mut head = [0; SEED_LEN + INODE_HEAD];
        let number = u32::try_from(number).unwrap_or(0);
        head[..4].copy_from_slice(&number.to_le_bytes());
        head[4..SEED_LEN].copy_from_slice(&GENERATION.get(raw).to_le_bytes());
        let (front, rest) = raw.split_at(INODE_HEAD.min(raw.len()));
        let inode = &mut head[SEED_LEN..SEED_LEN + front.len()];
        inode.copy_from_slice(front);
        CHECKSUM_LO.set(inode, 0);
        if has_high_half(raw) {
            CHECKSUM_HI.set(inode, 0);
        }
        crc32c_raw(crc32c_raw(self.seed, &head[..SEED_LEN + front.len()]), rest)
    }

    /// Of an xattr block, which includes its own place.
    pub(crate) fn xattr_block(&self, block: u64, raw: &[u8]) -> u32 {
        const CHECKSUM: usize = 0x10;
        let crc = crc32c_raw(self.seed, &block.to_le_bytes());
        let crc = crc32c_raw(crc32c_raw(crc, &raw[..CHECKSUM]), &[0; 4]);
        crc32c_raw(crc, &raw[CHECKSUM + 4..])
    }

    /// Of the MMP block.
    pub(crate) fn mmp(&self, raw: &[u8]) -> u32 {
        crc32c_raw(self.seed, &raw[..0x3FC])
    }
}

/// Of a superblock.
pub(crate) fn superblock(raw: &[u8]) -> u32 {
    crc32c_raw(!0, &raw[..superblock::CHECKSUM.0])
}

/// Whether an inode has room for i_checksum_hi.
pub(crate) fn has_high_half(raw: &[u8]) -> bool {
    raw.len() > 128 && EXTRA_ISIZE.get(raw) >= 4
}

/// The bytes of a bitmap block that its checksum covers: blocks.
pub(crate) const fn block_bitmap_len(layout: &Layout) -> u64 {
    layout.clusters_per_group / 8
}

/// The bytes of a bitmap block that its checksum covers: inodes.
pub(crate) const fn inode_bitmap_len(layout: &Layout) -> u64 {
    layout.inodes_per_group / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values() {
        // The catalogue's check values: CRC-32/ISCSI is inverted at the end, CRC-16/MODBUS is not.
        assert_eq!(!crc32c_raw(!0, b"123456789"), 0xE306_9283);
        assert_eq!(crc16(!0, b"123456789"), 0x4B37);
    }
}
