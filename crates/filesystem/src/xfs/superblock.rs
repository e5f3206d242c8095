//! The superblock: its fields, its features by name, and what is refused because of them.
//!
//! Offsets: `struct xfs_dsb` of xfsprogs `libxfs/xfs_format.h`; features by their names in mkfs.xfs(8).

#![allow(dead_code, reason = "a field has its place in the format, asked for or not")]

use block::{
    BlockRead, Object, Result, Unsupported,
    field::{Be16, Be32, Be64, Bytes, Le32, U8},
};

use super::checksum;

/// `XFSB`.
pub(crate) const MAGIC_VALUE: u32 = 0x5846_5342;
/// The smallest sector, and so the least that a superblock has.
pub(crate) const MIN_SECTOR: usize = 512;
/// The largest sector.
const MAX_SECTOR: u16 = 32_768;

pub(crate) const MAGIC: Be32 = Be32(0);
pub(crate) const BLOCK_SIZE: Be32 = Be32(4);
/// sb_dblocks: blocks of the data device.
pub(crate) const BLOCKS: Be64 = Be64(8);
/// sb_rblocks: blocks of the realtime device.
pub(crate) const REALTIME_BLOCKS: Be64 = Be64(16);
/// sb_rextents.
pub(crate) const REALTIME_EXTENTS: Be64 = Be64(24);
pub(crate) const UUID: Bytes<16> = Bytes(32);
/// sb_logstart: the first block of an internal log, as an FsBlock; 0 if the log is elsewhere.
pub(crate) const LOG_START: Be64 = Be64(48);
pub(crate) const ROOT_INODE: Be64 = Be64(56);
/// sb_rbmino: the realtime bitmap's inode, which is there even without a realtime device.
pub(crate) const REALTIME_BITMAP_INODE: Be64 = Be64(64);
/// sb_rsumino.
pub(crate) const REALTIME_SUMMARY_INODE: Be64 = Be64(72);
pub(crate) const AG_BLOCKS: Be32 = Be32(84);
pub(crate) const AG_COUNT: Be32 = Be32(88);
pub(crate) const LOG_BLOCKS: Be32 = Be32(96);
/// sb_versionnum: the version in the low four bits, features of version 4 above; see [`version`].
pub(crate) const VERSION: Be16 = Be16(100);
pub(crate) const SECTOR_SIZE: Be16 = Be16(102);
pub(crate) const INODE_SIZE: Be16 = Be16(104);
pub(crate) const INODES_PER_BLOCK: Be16 = Be16(106);
/// sb_fname: the label.
pub(crate) const LABEL: Bytes<12> = Bytes(108);
pub(crate) const BLOCK_LOG: U8 = U8(120);
pub(crate) const SECTOR_LOG: U8 = U8(121);
pub(crate) const INODE_LOG: U8 = U8(122);
pub(crate) const INODES_PER_BLOCK_LOG: U8 = U8(123);
pub(crate) const AG_BLOCK_LOG: U8 = U8(124);
/// sb_inprogress: mkfs has not finished. Copies may have it set for good.
pub(crate) const IN_PROGRESS: U8 = U8(126);
/// sb_icount: inodes in all chunks. Lazy: stale unless unmounted.
pub(crate) const INODE_COUNT: Be64 = Be64(128);
/// sb_ifree: of those, the ones not in use. Lazy.
pub(crate) const FREE_INODES: Be64 = Be64(136);
/// sb_fdblocks: free blocks, those of the free lists and of the free-space trees included. Lazy.
pub(crate) const FREE_BLOCKS: Be64 = Be64(144);
pub(crate) const USER_QUOTA_INODE: Be64 = Be64(160);
/// sb_gquotino: of groups; on version 4 of projects as well.
pub(crate) const GROUP_QUOTA_INODE: Be64 = Be64(168);
pub(crate) const QUOTA_FLAGS: Be16 = Be16(176);
/// sb_shared_vn.
pub(crate) const SHARED_VERSION: U8 = U8(179);
/// sb_inoalignmt: blocks that chunks of inodes are aligned to.
pub(crate) const INODE_ALIGNMENT: Be32 = Be32(180);
/// sb_dirblklog: log2 of the blocks in a directory block.
pub(crate) const DIRECTORY_BLOCK_LOG: U8 = U8(192);
pub(crate) const LOG_SECTOR_LOG: U8 = U8(193);
pub(crate) const LOG_SECTOR_SIZE: Be16 = Be16(194);
/// sb_logsunit: the log's stripe unit in bytes; 0 and 1 mean none.
pub(crate) const LOG_STRIPE_UNIT: Be32 = Be32(196);
/// sb_features2: more features of version 4; see [`features2`].
pub(crate) const FEATURES2: Be32 = Be32(200);
/// sb_bad_features2: once misaligned, now a copy of [`FEATURES2`].
pub(crate) const BAD_FEATURES2: Be32 = Be32(204);
/// Version 5 from here on.
pub(crate) const FEATURES_COMPAT: Be32 = Be32(208);
pub(crate) const FEATURES_RO_COMPAT: Be32 = Be32(212);
pub(crate) const FEATURES_INCOMPAT: Be32 = Be32(216);
/// What only a log that needs replay has.
pub(crate) const FEATURES_LOG_INCOMPAT: Be32 = Be32(220);
/// sb_crc, over the whole sector.
pub(crate) const CRC: Le32 = Le32(224);
/// sb_spino_align: in blocks.
pub(crate) const SPARSE_ALIGNMENT: Be32 = Be32(228);
pub(crate) const PROJECT_QUOTA_INODE: Be64 = Be64(232);
pub(crate) const LSN: Be64 = Be64(240);
/// sb_meta_uuid: the UUID in all metadata, once the user has changed the other.
pub(crate) const META_UUID: Bytes<16> = Bytes(248);
/// Bytes of a version 5 superblock without metadir.
pub(crate) const END_V5: usize = 264;
/// Bytes of a version 4 superblock.
pub(crate) const END_V4: usize = 208;
/// An inode field that names none.
pub(crate) const NO_INODE: u64 = u64::MAX;

/// Bits of [`VERSION`].
pub(crate) mod version {
    /// The bits that hold the number.
    pub(crate) const NUMBER: u16 = 0x000F;
    pub(crate) const ATTR: u16 = 0x0010;
    pub(crate) const NLINK: u16 = 0x0020;
    pub(crate) const QUOTA: u16 = 0x0040;
    pub(crate) const ALIGN: u16 = 0x0080;
    pub(crate) const SHARED: u16 = 0x0200;
    pub(crate) const LOG_V2: u16 = 0x0400;
    pub(crate) const SECTOR: u16 = 0x0800;
    pub(crate) const UNWRITTEN: u16 = 0x1000;
    pub(crate) const DIRECTORY_V2: u16 = 0x2000;
    pub(crate) const ASCII_CI: u16 = 0x4000;
    /// [`FEATURES2`](super::FEATURES2) counts.
    pub(crate) const MORE: u16 = 0x8000;
}

/// Bits of [`FEATURES2`].
pub(crate) mod features2 {
    pub(crate) const LAZY_COUNT: u32 = 0x2;
    pub(crate) const ATTR2: u32 = 0x8;
    pub(crate) const PARENT: u32 = 0x10;
    pub(crate) const PROJID32: u32 = 0x80;
    pub(crate) const CRC: u32 = 0x100;
    pub(crate) const FTYPE: u32 = 0x200;
}

/// Features without which nothing may be written.
pub(crate) mod ro_compat {
    pub(crate) const FINOBT: u32 = 0x1;
    pub(crate) const RMAPBT: u32 = 0x2;
    pub(crate) const REFLINK: u32 = 0x4;
    pub(crate) const INOBTCOUNT: u32 = 0x8;
}

/// Features without which nothing can be read.
pub(crate) mod incompat {
    pub(crate) const FTYPE: u32 = 0x1;
    pub(crate) const SPARSE: u32 = 0x2;
    pub(crate) const META_UUID: u32 = 0x4;
    pub(crate) const BIGTIME: u32 = 0x8;
    pub(crate) const NREXT64: u32 = 0x20;
}

/// One feature: its bit, its name, and whether diskscrub handles it.
struct Feature(u32, &'static str, bool);

const RO_COMPAT: &[Feature] = &[
    Feature(0x1, "finobt", true),
    Feature(0x2, "rmapbt", true),
    Feature(0x4, "reflink", true),
    Feature(0x8, "inobtcount", true),
];
const INCOMPAT: &[Feature] = &[
    Feature(0x1, "ftype", true),
    Feature(0x2, "sparse", true),
    Feature(0x4, "meta_uuid", true),
    Feature(0x8, "bigtime", true),
    Feature(0x10, "needsrepair (run xfs_repair first)", false),
    Feature(0x20, "nrext64", true),
    // Changes what a log may hold, nothing else.
    Feature(0x40, "exchange", true),
    Feature(0x80, "parent (parent pointers)", false),
    Feature(0x100, "metadir", false),
    Feature(0x200, "zoned", false),
    Feature(0x400, "zone_gaps", false),
];
const LOG_INCOMPAT: &[Feature] = &[Feature(0x1, "larp (logged attributes)", false)];
/// The feature bits of version 4, as far as they have names in mkfs.xfs(8).
const VERSION_BITS: &[Feature] = &[
    Feature(0x0010, "attr", true),
    Feature(0x0020, "nlink", true),
    Feature(0x0040, "quota", true),
    Feature(0x0080, "align", true),
    Feature(0x0100, "dalign", true),
    Feature(0x0200, "shared", false),
    Feature(0x0400, "logv2", true),
    Feature(0x0800, "sector", true),
    Feature(0x1000, "unwritten", true),
    Feature(0x2000, "dirv2", true),
    Feature(0x4000, "ascii-ci", false),
    Feature(0x8000, "morebits", true),
];
const FEATURES2_BITS: &[Feature] = &[
    // Never given a meaning; version 5 has words of its own.
    Feature(0x1, "reserved1", false),
    Feature(0x2, "lazy-count", true),
    Feature(0x4, "reserved4", false),
    Feature(0x8, "attr2", true),
    Feature(0x10, "parent (parent pointers)", false),
    Feature(0x80, "projid32bit", true),
    Feature(0x100, "crc", true),
    Feature(0x200, "ftype", true),
];

/// The object that errors about it name.
pub(crate) const OBJECT: Object = Object::the("superblock");

/// A superblock whose magic, checksum and features are in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Superblock {
    /// The whole sector.
    raw: Vec<u8>,
}

impl Superblock {
    /// Reads the primary. Refuses another magic, a wrong checksum, realtime devices, an external log and each
    /// feature that is not handled. A copy is never looked for: which of two superblocks is true is not for us to
    /// guess.
    pub(crate) fn read(device: &impl BlockRead) -> Result<Self> {
        if device.size() < block::to_u64(MIN_SECTOR) {
            return Err(Object::the("device").corrupt("size", device.size(), "at least 512"));
        }
        let mut raw = vec![0; MIN_SECTOR];
        device.read_object(OBJECT, 0, &mut raw)?;
        let magic = MAGIC.get(&raw);
        if magic != MAGIC_VALUE {
            return Err(OBJECT.corrupt(
                "sb_magicnum",
                format!("{magic:#010x}"),
                format!("{MAGIC_VALUE:#010x}"),
            ));
        }
        let sector = SECTOR_SIZE.get(&raw);
        if !sector.is_power_of_two() || !(512..=MAX_SECTOR).contains(&sector) {
            return Err(OBJECT.corrupt("sb_sectsize", sector, "a power of two from 512 to 32768"));
        }
        raw.resize(usize::from(sector), 0);
        if device.size() < u64::from(sector) {
            return Err(Object::the("device").corrupt("size", device.size(), format!("at least {sector}")));
        }
        device.read_object(OBJECT, 0, &mut raw)?;
        Self::new(raw)
    }

    /// From the bytes of its sector.
    pub(crate) fn new(raw: Vec<u8>) -> Result<Self> {
        let sb = Self { raw };
        let number = VERSION.get(&sb.raw) & version::NUMBER;
        if !matches!(number, 4 | 5) {
            return Err(Unsupported::new(OBJECT, format!("version {number}")).into());
        }
        if sb.is_v5() {
            let expected = checksum::crc(&sb.raw, CRC);
            let found = CRC.get(&sb.raw);
            if found != expected {
                return Err(OBJECT.corrupt("sb_crc", format!("{found:#010x}"), format!("{expected:#010x}")));
            }
        }
        sb.check_features()?;
        if REALTIME_BLOCKS.get(&sb.raw) != 0 || REALTIME_EXTENTS.get(&sb.raw) != 0 {
            return Err(Unsupported::new(OBJECT, "a realtime device").into());
        }
        if LOG_START.get(&sb.raw) == 0 {
            return Err(Unsupported::new(OBJECT, "an external log").into());
        }
        Ok(sb)
    }

    fn check_features(&self) -> Result<()> {
        for (what, word, table) in self.words() {
            for bit in (0..32).map(|n| 1u32 << n).filter(|bit| word & bit != 0) {
                match table.iter().find(|feature| feature.0 == bit) {
                    Some(Feature(_, _, true)) => {}
                    Some(Feature(_, name, false)) => {
                        return Err(Unsupported::new(OBJECT, format!("feature {name}")).into());
                    }
                    None => {
                        return Err(
                            Unsupported::new(OBJECT, format!("unknown {what} feature {bit:#x}")).into()
                        );
                    }
                }
            }
        }
        if !self.has_version(version::DIRECTORY_V2) {
            return Err(Unsupported::new(OBJECT, "version 1 directories").into());
        }
        Ok(())
    }

    /// The words of features that count, and what their bits mean.
    fn words(&self) -> Vec<(&'static str, u32, &'static [Feature])> {
        let raw = &self.raw;
        let mut words = vec![("version", u32::from(VERSION.get(raw) & !version::NUMBER), VERSION_BITS)];
        if self.has_version(version::MORE) {
            words.push(("features2", FEATURES2.get(raw), FEATURES2_BITS));
        }
        if self.is_v5() {
            words.push(("incompat", FEATURES_INCOMPAT.get(raw), INCOMPAT));
            words.push(("ro_compat", FEATURES_RO_COMPAT.get(raw), RO_COMPAT));
            words.push(("compat", FEATURES_COMPAT.get(raw), &[]));
            words.push(("log_incompat", FEATURES_LOG_INCOMPAT.get(raw), LOG_INCOMPAT));
        }
        words
    }

    /// All features by name, without those that every filesystem has.
    pub(crate) fn features(&self) -> Vec<String> {
        const ALWAYS: [&str; 5] = ["nlink", "dirv2", "morebits", "unwritten", "crc"];
        let mut names: Vec<String> = vec![if self.is_v5() { "crc" } else { "v4" }.to_owned()];
        for (_, word, table) in self.words() {
            let set = table.iter().filter(|feature| word & feature.0 != 0 && !ALWAYS.contains(&feature.1));
            for Feature(_, name, _) in set {
                if !names.iter().any(|known| known == name) {
                    names.push((*name).to_owned());
                }
            }
        }
        names
    }

    /// The whole sector, for the field constants above.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.raw
    }

    /// Metadata has checksums, owners and places of its own.
    pub(crate) fn is_v5(&self) -> bool {
        VERSION.get(&self.raw) & version::NUMBER == 5
    }

    /// Whether a bit of [`version`] is set.
    pub(crate) fn has_version(&self, bit: u16) -> bool {
        VERSION.get(&self.raw) & bit != 0
    }

    fn has_features2(&self, bit: u32) -> bool {
        self.has_version(version::MORE) && FEATURES2.get(&self.raw) & bit != 0
    }

    /// Whether a bit of [`ro_compat`] is set; never on version 4.
    pub(crate) fn ro_compat(&self, bit: u32) -> bool {
        self.is_v5() && FEATURES_RO_COMPAT.get(&self.raw) & bit != 0
    }

    /// Whether a bit of [`incompat`] is set; never on version 4.
    pub(crate) fn incompat(&self, bit: u32) -> bool {
        self.is_v5() && FEATURES_INCOMPAT.get(&self.raw) & bit != 0
    }

    /// Directory entries say what kind of file they name.
    pub(crate) fn has_ftype(&self) -> bool {
        self.incompat(incompat::FTYPE) || (!self.is_v5() && self.has_features2(features2::FTYPE))
    }

    /// The UUID that all metadata carries.
    pub(crate) fn meta_uuid(&self) -> [u8; 16] {
        if self.incompat(incompat::META_UUID) { META_UUID.get(&self.raw) } else { UUID.get(&self.raw) }
    }

    /// The inodes that hold quotas.
    pub(crate) fn quota_inodes(&self) -> Vec<u64> {
        if !self.has_version(version::QUOTA) {
            return Vec::new();
        }
        let project = self.is_v5().then(|| PROJECT_QUOTA_INODE.get(&self.raw));
        [Some(USER_QUOTA_INODE.get(&self.raw)), Some(GROUP_QUOTA_INODE.get(&self.raw)), project]
            .into_iter()
            .flatten()
            .filter(|&number| number != 0 && number != NO_INODE)
            .collect()
    }

    /// Bytes that fields take.
    pub(crate) fn used_len(&self) -> usize {
        if self.is_v5() { END_V5 } else { END_V4 }
    }
}
