//! The log's on-disk fields, one constant each.
//!
//! Source: the kernel's fs/xfs/libxfs/xfs_log_format.h. Headers of records and operations are big-endian. What the
//! operations hold is in the byte order of the machine that wrote it: little-endian, since `H_FMT` must say so.

#![allow(dead_code, reason = "a field has its place in the format, asked for or not")]

use block::field::{Be16, Be32, Be64, Bytes, Le16, Le32, Le64, U8};

/// The log is addressed in basic blocks of 512 bytes, whatever the sector.
pub(crate) const BB: usize = 512;
/// The longest record: eight headers' worth of cycle words, 32 KiB each.
pub(crate) const MAX_RECORD: u32 = 256 * 1024;
/// How many bytes of a record one header has cycle words for.
pub(crate) const HEADER_COVERS: u32 = 32 * 1024;
/// How many records may have been on their way to the disk at once.
pub(crate) const MAX_ICLOGS: u32 = 8;

// Header of a record: one basic block.
pub(crate) const H_MAGIC: Be32 = Be32(0);
pub(crate) const H_CYCLE: Be32 = Be32(4);
pub(crate) const H_VERSION: Be32 = Be32(8);
pub(crate) const H_LEN: Be32 = Be32(12);
pub(crate) const H_LSN: Be64 = Be64(16);
pub(crate) const H_TAIL_LSN: Be64 = Be64(24);
pub(crate) const H_CRC: Le32 = Le32(32);
pub(crate) const H_PREV_BLOCK: Be32 = Be32(36);
pub(crate) const H_NUM_LOGOPS: Be32 = Be32(40);
/// 64 of them: the first words of the record's blocks, whose places on disk hold the cycle.
pub(crate) const H_CYCLE_DATA: usize = 44;
pub(crate) const CYCLE_WORDS: usize = 64;
pub(crate) const H_FMT: Be32 = Be32(300);
pub(crate) const H_FS_UUID: Bytes<16> = Bytes(304);
pub(crate) const H_SIZE: Be32 = Be32(320);
/// How much of the header the checksum covers; i386 leaves out four bytes of padding.
pub(crate) const H_CHECKED: [usize; 2] = [328, 324];
pub(crate) const HEADER_MAGIC: u32 = 0xfeed_babe;
/// `H_FMT`: little-endian Linux.
pub(crate) const FMT_LINUX_LE: u32 = 1;

// Extended headers of a record longer than 32 KiB: one basic block each.
/// The first four bytes of any block of a record that is not its header: the cycle it was written in.
pub(crate) const CYCLE: Be32 = Be32(0);
/// Again 64 words.
pub(crate) const XH_CYCLE_DATA: usize = 4;
/// How much of an extended header the checksum covers.
pub(crate) const XH_CHECKED: usize = 260;

// Header of an operation.
pub(crate) const OH_TID: Be32 = Be32(0);
pub(crate) const OH_LEN: Be32 = Be32(4);
pub(crate) const OH_CLIENTID: U8 = U8(8);
pub(crate) const OH_FLAGS: U8 = U8(9);
pub(crate) const OP_HEADER_LEN: usize = 12;
/// Who logs: transactions, and the log itself.
pub(crate) const CLIENTS: [u8; 2] = [0x69, CLIENT_LOG];
pub(crate) const CLIENT_LOG: u8 = 0xaa;
pub(crate) const OP_START: u8 = 0x01;
pub(crate) const OP_COMMIT: u8 = 0x02;
pub(crate) const OP_CONTINUE: u8 = 0x04;
pub(crate) const OP_WAS_CONT: u8 = 0x08;
pub(crate) const OP_END: u8 = 0x10;
pub(crate) const OP_UNMOUNT: u8 = 0x20;
/// What an unmount operation holds.
pub(crate) const UNMOUNT_MAGIC: u16 = 0x556e;

// Header of a transaction: its first region.
pub(crate) const TH_MAGIC: Le32 = Le32(0);
pub(crate) const TRANS_MAGIC: u32 = 0x5452_414e;
pub(crate) const TRANS_HEADER_LEN: usize = 16;

// The first region of any item.
pub(crate) const ITEM_TYPE: Le16 = Le16(0);
/// How many regions the item has, this one included.
pub(crate) const ITEM_SIZE: Le16 = Le16(2);

// Buffer item.
pub(crate) const BLF_FLAGS: Le16 = Le16(4);
/// In basic blocks, as everything that is addressed with `BLKNO`.
pub(crate) const BLF_LEN: Le16 = Le16(6);
pub(crate) const BLF_BLKNO: Le64 = Le64(8);
/// In words of 32 bits.
pub(crate) const BLF_MAP_SIZE: Le32 = Le32(16);
pub(crate) const BLF_DATA_MAP: usize = 20;
/// One bit of the map stands for so many bytes.
pub(crate) const BLF_CHUNK: usize = 128;
pub(crate) const BLF_INODE_BUF: u16 = 1;
pub(crate) const BLF_CANCEL: u16 = 2;
/// Blocks of dquots: of users, projects and groups.
pub(crate) const BLF_DQUOT_BUFS: u16 = 0x1c;
pub(crate) const BLF_UDQUOT_BUF: u16 = 0x04;
pub(crate) const BLF_PDQUOT_BUF: u16 = 0x08;
pub(crate) const BLF_GDQUOT_BUF: u16 = 0x10;
/// The flags' five upper bits say what the buffer is.
pub(crate) const BLFT_SHIFT: u16 = 11;
pub(crate) const BLFT_UNKNOWN: u16 = 0;
pub(crate) const BLFT_RTBITMAP: u16 = 19;

// Inode item, in the form of 64-bit machines, and in that of old 32-bit ones, which lacks four bytes of padding.
pub(crate) const ILF_FIELDS: Le32 = Le32(4);
pub(crate) const ILF_LEN_64: usize = 56;
pub(crate) const ILF_INO: Le64 = Le64(16);
pub(crate) const ILF_RDEV: Le32 = Le32(24);
pub(crate) const ILF_BLKNO: Le64 = Le64(40);
pub(crate) const ILF_LEN: Le32 = Le32(48);
pub(crate) const ILF_BOFFSET: Le32 = Le32(52);
pub(crate) const ILF_LEN_32: usize = 52;
/// Where the shorter form lacks them.
pub(crate) const ILF_PAD: usize = 12;
pub(crate) const ILOG_CORE: u32 = 0x001;
pub(crate) const ILOG_DDATA: u32 = 0x002;
pub(crate) const ILOG_DEXT: u32 = 0x004;
pub(crate) const ILOG_DBROOT: u32 = 0x008;
pub(crate) const ILOG_DEV: u32 = 0x010;
pub(crate) const ILOG_ADATA: u32 = 0x040;
pub(crate) const ILOG_AEXT: u32 = 0x080;
pub(crate) const ILOG_ABROOT: u32 = 0x100;
pub(crate) const ILOG_DOWNER: u32 = 0x200;
pub(crate) const ILOG_AOWNER: u32 = 0x400;

// Dquot item.
pub(crate) const QLF_BLKNO: Le64 = Le64(8);
pub(crate) const QLF_LEN: Le32 = Le32(16);
pub(crate) const QLF_BOFFSET: Le32 = Le32(20);
pub(crate) const QLF_SIZE: usize = 24;
// End of a kind of quotas.
pub(crate) const QF_FLAGS: Le32 = Le32(4);

// Inode creation item: the only big-endian one.
pub(crate) const ICL_AG: Be32 = Be32(4);
pub(crate) const ICL_AGBNO: Be32 = Be32(8);
pub(crate) const ICL_COUNT: Be32 = Be32(12);
pub(crate) const ICL_ISIZE: Be32 = Be32(16);
pub(crate) const ICL_LENGTH: Be32 = Be32(20);
pub(crate) const ICL_GEN: Be32 = Be32(24);
pub(crate) const ICL_SIZE: usize = 28;

// Intents, and what says that they are done: both have the intent's number in the same place.
pub(crate) const INTENT_COUNT: Le32 = Le32(4);
pub(crate) const INTENT_ID: Le64 = Le64(8);
pub(crate) const INTENT_EXTENTS: usize = 16;

// Types of items.
pub(crate) const LI_EFI: u16 = 0x1236;
pub(crate) const LI_EFD: u16 = 0x1237;
pub(crate) const LI_IUNLINK: u16 = 0x1238;
pub(crate) const LI_INODE: u16 = 0x123b;
pub(crate) const LI_BUF: u16 = 0x123c;
pub(crate) const LI_DQUOT: u16 = 0x123d;
pub(crate) const LI_QUOTAOFF: u16 = 0x123e;
pub(crate) const LI_ICREATE: u16 = 0x123f;
pub(crate) const LI_RUI: u16 = 0x1240;
pub(crate) const LI_RUD: u16 = 0x1241;
pub(crate) const LI_CUI: u16 = 0x1242;
pub(crate) const LI_CUD: u16 = 0x1243;
pub(crate) const LI_BUI: u16 = 0x1244;
pub(crate) const LI_BUD: u16 = 0x1245;
pub(crate) const LI_ATTRI: u16 = 0x1246;
pub(crate) const LI_ATTRD: u16 = 0x1247;
pub(crate) const LI_XMI: u16 = 0x1248;
pub(crate) const LI_XMD: u16 = 0x1249;

/// What the log's own tools call an item.
pub(crate) fn item_name(kind: u16) -> String {
    let name = match kind {
        LI_EFI => "EFI",
        LI_EFD => "EFD",
        LI_IUNLINK => "IUNLINK",
        LI_INODE => "INODE",
        LI_BUF => "BUF",
        LI_DQUOT => "DQUOT",
        LI_QUOTAOFF => "QUOTAOFF",
        LI_ICREATE => "ICREATE",
        LI_RUI => "RUI",
        LI_RUD => "RUD",
        LI_CUI => "CUI",
        LI_CUD => "CUD",
        LI_BUI => "BUI",
        LI_BUD => "BUD",
        LI_ATTRI => "ATTRI",
        LI_ATTRD => "ATTRD",
        LI_XMI => "XMI",
        LI_XMD => "XMD",
        _ => return format!("{kind:#06x}"),
    };
    name.to_owned()
}

/// Checks that are the same for all headers need it as a field.
pub(crate) const UNMOUNT_TYPE: Le16 = Le16(12);
/// First field of most metadata blocks.
pub(crate) const MAGIC32: Be32 = Be32(0);
/// First field of inodes and dquots.
pub(crate) const MAGIC16: Be16 = Be16(0);
