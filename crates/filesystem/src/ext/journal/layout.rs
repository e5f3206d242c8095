//! The journal's on-disk fields (jbd2, all big-endian), one constant each.
//!
//! Offsets are from the start of the journal block or tag that holds the field. Source: the kernel's
//! Documentation/filesystems/ext4/journal.rst and include/linux/jbd2.h. The lengths of tags are those of the
//! code, not of the document (which forgets the two bytes that checksum v2 adds).

use block::field::{Be16, Be32, Be64, Bytes, U8};

/// First four bytes of each journal block that is not a copy of a filesystem block.
pub(crate) const MAGIC: u32 = 0xc03b_3998;

// Header of every journal block: 12 bytes.
pub(crate) const H_MAGIC: Be32 = Be32(0x0);
pub(crate) const H_BLOCKTYPE: Be32 = Be32(0x4);
pub(crate) const H_SEQUENCE: Be32 = Be32(0x8);
/// Length of that header.
pub(crate) const HEADER_LEN: usize = 12;

pub(crate) const TYPE_DESCRIPTOR: u32 = 1;
pub(crate) const TYPE_COMMIT: u32 = 2;
pub(crate) const TYPE_SUPERBLOCK_V1: u32 = 3;
pub(crate) const TYPE_SUPERBLOCK_V2: u32 = 4;
pub(crate) const TYPE_REVOKE: u32 = 5;

// Journal superblock: 1024 bytes; version 1 ends before FEATURE_COMPAT.
pub(crate) const S_BLOCKSIZE: Be32 = Be32(0xc);
pub(crate) const S_MAXLEN: Be32 = Be32(0x10);
pub(crate) const S_FIRST: Be32 = Be32(0x14);
pub(crate) const S_SEQUENCE: Be32 = Be32(0x18);
pub(crate) const S_START: Be32 = Be32(0x1c);
pub(crate) const S_ERRNO: Be32 = Be32(0x20);
pub(crate) const S_FEATURE_COMPAT: Be32 = Be32(0x24);
pub(crate) const S_FEATURE_INCOMPAT: Be32 = Be32(0x28);
pub(crate) const S_FEATURE_RO_COMPAT: Be32 = Be32(0x2c);
pub(crate) const S_UUID: Bytes<16> = Bytes(0x30);
pub(crate) const S_NR_USERS: Be32 = Be32(0x40);
pub(crate) const S_CHECKSUM_TYPE: U8 = U8(0x50);
pub(crate) const S_NUM_FC_BLKS: Be32 = Be32(0x54);
pub(crate) const S_HEAD: Be32 = Be32(0x58);
/// First byte behind the last field that has a meaning, up to the checksum.
pub(crate) const S_PADDING: usize = 0x5c;
pub(crate) const S_CHECKSUM: Be32 = Be32(0xfc);
/// UUIDs of the filesystems that share the journal: 48 of 16 bytes, `S_NR_USERS` of them used.
pub(crate) const S_USERS: usize = 0x100;
/// Where version 1 ends.
pub(crate) const SUPERBLOCK_V1_LEN: usize = 0x24;
/// Where version 2 ends; its checksum covers all of it.
pub(crate) const SUPERBLOCK_LEN: usize = 1024;

/// Compat: commit blocks hold a CRC32 of the transaction (checksum v1).
pub(crate) const COMPAT_CHECKSUM: u32 = 0x1;
pub(crate) const INCOMPAT_REVOKE: u32 = 0x1;
pub(crate) const INCOMPAT_64BIT: u32 = 0x2;
pub(crate) const INCOMPAT_ASYNC_COMMIT: u32 = 0x4;
pub(crate) const INCOMPAT_CSUM_V2: u32 = 0x8;
pub(crate) const INCOMPAT_CSUM_V3: u32 = 0x10;
pub(crate) const INCOMPAT_FAST_COMMIT: u32 = 0x20;
/// Those that the replay knows.
pub(crate) const INCOMPAT_KNOWN: u32 = INCOMPAT_REVOKE
    | INCOMPAT_64BIT
    | INCOMPAT_ASYNC_COMMIT
    | INCOMPAT_CSUM_V2
    | INCOMPAT_CSUM_V3
    | INCOMPAT_FAST_COMMIT;
/// The only value of `S_CHECKSUM_TYPE` that checksums v2 and v3 have.
pub(crate) const CHECKSUM_CRC32C: u8 = 4;

/// Fast commit blocks if `S_NUM_FC_BLKS` is zero.
pub(crate) const DEFAULT_FC_BLOCKS: u32 = 256;
/// What a journal with fast commits must keep for full commits; with less, it has no fast commit area.
pub(crate) const MIN_JOURNAL_BLOCKS: u32 = 1024;

// Tag of a descriptor block. Checksum v3: 16 bytes; else 8, +4 if 64BIT, +2 (at the end, unused) if CSUM_V2.
// Version 3 widens the flags to 32 bits, so the 16 bits that count lie at the same place.
pub(crate) const T_BLOCKNR: Be32 = Be32(0x0);
pub(crate) const T_CHECKSUM: Be16 = Be16(0x4);
pub(crate) const T_FLAGS: Be16 = Be16(0x6);
/// Only if 64BIT.
pub(crate) const T_BLOCKNR_HIGH: Be32 = Be32(0x8);
/// Version 3 only.
pub(crate) const T3_CHECKSUM: Be32 = Be32(0xc);

/// The copy's first four bytes were `MAGIC` and are stored as zero.
pub(crate) const FLAG_ESCAPE: u16 = 1;
/// No UUID (16 bytes) follows the tag.
pub(crate) const FLAG_SAME_UUID: u16 = 2;
pub(crate) const FLAG_LAST_TAG: u16 = 8;
/// Length of that UUID.
pub(crate) const TAG_UUID_LEN: usize = 16;
/// Checksum at the end of descriptor and revoke blocks (v2, v3).
pub(crate) const TAIL_LEN: usize = 4;

// Revoke block: header, count of bytes used *including* these 16, then block numbers of 4 or 8 bytes.
pub(crate) const R_COUNT: Be32 = Be32(0xc);
pub(crate) const REVOKE_HEADER_LEN: usize = 16;

// Commit block.
pub(crate) const H_CHKSUM_TYPE: U8 = U8(0xc);
pub(crate) const H_CHKSUM_SIZE: U8 = U8(0xd);
pub(crate) const H_CHKSUM: Be32 = Be32(0x10);
pub(crate) const H_COMMIT_SEC: Be64 = Be64(0x30);
/// `H_CHKSUM_TYPE` and `H_CHKSUM_SIZE` of checksum v1.
pub(crate) const CHKSUM_CRC32: (u8, u8) = (1, 4);
