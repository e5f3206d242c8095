//! The superblock: its fields, its features by name, and what is refused because of them.
//!
//! Offsets: kernel `Documentation/filesystems/ext4/super.rst`; features: e2fsprogs `ext2_fs.h`.

use block::{
    Object, Result, Unsupported,
    field::{Bytes, Le16, Le32, Le64, U8},
};

use super::checksum;

/// Bytes of a superblock, wherever it lies.
pub(crate) const SIZE: usize = 1024;
/// Where the primary superblock lies on the device.
pub(crate) const OFFSET: u64 = 1024;
const MAGIC_VALUE: u16 = 0xEF53;
const CRC32C: u8 = 1;
/// s_creator_os: Linux.
pub(crate) const OS_LINUX: u32 = 0;
/// s_state: cleanly unmounted.
pub(crate) const STATE_VALID: u16 = 1;
/// s_state: errors were seen.
pub(crate) const STATE_ERROR: u16 = 2;

pub(crate) const INODES_COUNT: Le32 = Le32(0x00);
pub(crate) const BLOCKS_COUNT_LO: Le32 = Le32(0x04);
pub(crate) const FREE_BLOCKS_COUNT_LO: Le32 = Le32(0x0C);
pub(crate) const FREE_INODES_COUNT: Le32 = Le32(0x10);
pub(crate) const FIRST_DATA_BLOCK: Le32 = Le32(0x14);
pub(crate) const LOG_BLOCK_SIZE: Le32 = Le32(0x18);
pub(crate) const LOG_CLUSTER_SIZE: Le32 = Le32(0x1C);
pub(crate) const BLOCKS_PER_GROUP: Le32 = Le32(0x20);
pub(crate) const CLUSTERS_PER_GROUP: Le32 = Le32(0x24);
pub(crate) const INODES_PER_GROUP: Le32 = Le32(0x28);
pub(crate) const MAGIC: Le16 = Le16(0x38);
pub(crate) const STATE: Le16 = Le16(0x3A);
/// Who made it.
pub(crate) const CREATOR_OS: Le32 = Le32(0x48);
pub(crate) const REV_LEVEL: Le32 = Le32(0x4C);
pub(crate) const FIRST_INO: Le32 = Le32(0x54);
pub(crate) const INODE_SIZE: Le16 = Le16(0x58);
pub(crate) const BLOCK_GROUP_NR: Le16 = Le16(0x5A);
pub(crate) const FEATURE_COMPAT: Le32 = Le32(0x5C);
pub(crate) const FEATURE_INCOMPAT: Le32 = Le32(0x60);
pub(crate) const FEATURE_RO_COMPAT: Le32 = Le32(0x64);
pub(crate) const UUID: Bytes<16> = Bytes(0x68);
pub(crate) const VOLUME_NAME: Bytes<16> = Bytes(0x78);
pub(crate) const LAST_MOUNTED: Bytes<64> = Bytes(0x88);
pub(crate) const RESERVED_GDT_BLOCKS: Le16 = Le16(0xCE);
pub(crate) const JOURNAL_INUM: Le32 = Le32(0xE0);
pub(crate) const JOURNAL_DEV: Le32 = Le32(0xE4);
pub(crate) const LAST_ORPHAN: Le32 = Le32(0xE8);
/// s_hash_seed: four words for the hash of names.
pub(crate) const HASH_SEED: [Le32; 4] = [Le32(0xEC), Le32(0xF0), Le32(0xF4), Le32(0xF8)];
pub(crate) const DESC_SIZE: Le16 = Le16(0xFE);
pub(crate) const FIRST_META_BG: Le32 = Le32(0x104);
pub(crate) const BLOCKS_COUNT_HI: Le32 = Le32(0x150);
pub(crate) const FREE_BLOCKS_COUNT_HI: Le32 = Le32(0x158);
pub(crate) const LOG_GROUPS_PER_FLEX: U8 = U8(0x174);
pub(crate) const FLAGS: Le32 = Le32(0x160);
/// s_flags: names are hashed as unsigned bytes.
pub(crate) const UNSIGNED_HASH: u32 = 2;
pub(crate) const MMP_BLOCK: Le64 = Le64(0x168);
pub(crate) const CHECKSUM_TYPE: U8 = U8(0x175);
/// s_reserved_pad.
pub(crate) const RESERVED_PAD: U8 = U8(0x177);
/// s_snapshot_inum up to the end of s_snapshot_list, for a feature that never came.
pub(crate) const SNAPSHOT: Bytes<0x14> = Bytes(0x180);
/// s_error_count up to the end of s_last_error_func: the error record.
pub(crate) const ERROR_RECORD: Bytes<0x6C> = Bytes(0x194);
pub(crate) const MOUNT_OPTS: Bytes<64> = Bytes(0x200);
pub(crate) const USR_QUOTA_INUM: Le32 = Le32(0x240);
pub(crate) const GRP_QUOTA_INUM: Le32 = Le32(0x244);
pub(crate) const BACKUP_BGS: [Le32; 2] = [Le32(0x24C), Le32(0x250)];
pub(crate) const PRJ_QUOTA_INUM: Le32 = Le32(0x26C);
pub(crate) const CHECKSUM_SEED: Le32 = Le32(0x270);
/// s_first_error_time_hi, s_last_error_time_hi, s_first_error_errcode, s_last_error_errcode.
pub(crate) const ERROR_RECORD_HI: Bytes<4> = Bytes(0x278);
pub(crate) const ORPHAN_FILE_INUM: Le32 = Le32(0x280);
/// s_reserved, behind s_def_resgid_hi of newer kernels.
pub(crate) const RESERVED: std::ops::Range<usize> = 0x288..0x3FC;
pub(crate) const CHECKSUM: Le32 = Le32(0x3FC);

/// Features that do not hinder older kernels.
pub(crate) mod compat {
    pub(crate) const HAS_JOURNAL: u32 = 0x4;
    pub(crate) const EXT_ATTR: u32 = 0x8;
    pub(crate) const RESIZE_INODE: u32 = 0x10;
    pub(crate) const DIR_INDEX: u32 = 0x20;
    pub(crate) const SPARSE_SUPER2: u32 = 0x200;
    pub(crate) const FAST_COMMIT: u32 = 0x400;
    pub(crate) const ORPHAN_FILE: u32 = 0x1000;
}

/// Features without which nothing can be read.
pub(crate) mod incompat {
    pub(crate) const FILETYPE: u32 = 0x2;
    pub(crate) const RECOVER: u32 = 0x4;
    pub(crate) const META_BG: u32 = 0x10;
    pub(crate) const EXTENTS: u32 = 0x40;
    pub(crate) const SIXTY_FOUR_BIT: u32 = 0x80;
    pub(crate) const MMP: u32 = 0x100;
    pub(crate) const EA_INODE: u32 = 0x400;
    pub(crate) const ENCRYPT: u32 = 0x1_0000;
    pub(crate) const CSUM_SEED: u32 = 0x2000;
}

/// Features without which nothing may be written.
pub(crate) mod ro_compat {
    pub(crate) const SPARSE_SUPER: u32 = 0x1;
    pub(crate) const LARGE_FILE: u32 = 0x2;
    pub(crate) const HUGE_FILE: u32 = 0x8;
    pub(crate) const GDT_CSUM: u32 = 0x10;
    pub(crate) const DIR_NLINK: u32 = 0x20;
    pub(crate) const QUOTA: u32 = 0x100;
    pub(crate) const BIGALLOC: u32 = 0x200;
    pub(crate) const METADATA_CSUM: u32 = 0x400;
    pub(crate) const PROJECT: u32 = 0x2000;
    pub(crate) const ORPHAN_PRESENT: u32 = 0x1_0000;
}

/// One feature: its bit, its name in mke2fs(8) and dumpe2fs(8), and whether diskscrub handles it.
struct Feature(u32, &'static str, bool);

const COMPAT: &[Feature] = &[
    Feature(0x1, "dir_prealloc", true),
    Feature(0x2, "imagic_inodes", true),
    Feature(0x4, "has_journal", true),
    Feature(0x8, "ext_attr", true),
    Feature(0x10, "resize_inode", true),
    Feature(0x20, "dir_index", true),
    Feature(0x40, "lazy_bg", false),
    Feature(0x80, "snapshot (exclude inode)", false),
    Feature(0x100, "snapshot_bitmap", false),
    Feature(0x200, "sparse_super2", true),
    Feature(0x400, "fast_commit", true),
    Feature(0x800, "stable_inodes", true),
    Feature(0x1000, "orphan_file", true),
];
const INCOMPAT: &[Feature] = &[
    Feature(0x1, "compression", false),
    Feature(0x2, "filetype", true),
    Feature(0x4, "needs_recovery", true),
    Feature(0x8, "journal_dev (an external journal)", false),
    Feature(0x10, "meta_bg", true),
    Feature(0x40, "extent", true),
    Feature(0x80, "64bit", true),
    Feature(0x100, "mmp", true),
    Feature(0x200, "flex_bg", true),
    Feature(0x400, "ea_inode", true),
    Feature(0x1000, "dirdata", false),
    Feature(0x2000, "metadata_csum_seed", true),
    Feature(0x4000, "large_dir", true),
    Feature(0x8000, "inline_data", true),
    Feature(0x1_0000, "encrypt", true),
    Feature(0x2_0000, "casefold", true),
];
const RO_COMPAT: &[Feature] = &[
    Feature(0x1, "sparse_super", true),
    Feature(0x2, "large_file", true),
    Feature(0x4, "btree_dir", false),
    Feature(0x8, "huge_file", true),
    Feature(0x10, "uninit_bg", true),
    Feature(0x20, "dir_nlink", true),
    Feature(0x40, "extra_isize", true),
    Feature(0x80, "snapshot", false),
    Feature(0x100, "quota", true),
    Feature(0x200, "bigalloc", true),
    Feature(0x400, "metadata_csum", true),
    Feature(0x800, "replica", false),
    Feature(0x1000, "read-only", true),
    Feature(0x2000, "project", true),
    Feature(0x4000, "shared_blocks", false),
    Feature(0x8000, "verity", true),
    Feature(0x1_0000, "orphan_present", true),
];

/// The object that errors about it name.
pub(crate) const OBJECT: Object = Object::the("superblock");

/// A superblock whose magic, checksum and features are in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Superblock {
    raw: [u8; SIZE],
}

impl Superblock {
    /// Refuses another magic, a wrong checksum, an external journal and each feature that is not handled.
    /// A backup is never looked for: which of two superblocks is true is not for us to guess.
    pub(crate) fn new(raw: [u8; SIZE]) -> Result<Self> {
        let magic = MAGIC.get(&raw);
        if magic != MAGIC_VALUE {
            return Err(OBJECT.corrupt("s_magic", format!("{magic:#06x}"), format!("{MAGIC_VALUE:#06x}")));
        }
        let sb = Self { raw };
        for (what, word, table) in [
            ("incompat", sb.words()[1], INCOMPAT),
            ("ro_compat", sb.words()[2], RO_COMPAT),
            ("compat", sb.words()[0], COMPAT),
        ] {
            for bit in (0..32).map(|n| 1u32 << n).filter(|bit| word & bit != 0) {
                match table.iter().find(|feature| feature.0 == bit) {
                    Some(Feature(_, _, true)) => {}
                    Some(Feature(_, name, false)) => {
                        return Err(Unsupported::new(OBJECT, format!("feature {name}")).into());
                    }
                    None => {
                        let feature = format!("unknown {what} feature {bit:#x}");
                        return Err(Unsupported::new(OBJECT, feature).into());
                    }
                }
            }
        }
        if sb.compat(compat::HAS_JOURNAL) {
            // Where it is elsewhere, what it holds is out of reach, and so is the filesystem's true state.
            if JOURNAL_INUM.get(&raw) == 0 {
                return Err(Unsupported::new(OBJECT, "an external journal (s_journal_inum is 0)").into());
            }
            let device = JOURNAL_DEV.get(&raw);
            if device != 0 {
                let feature = format!("an external journal (s_journal_dev is {device:#x})");
                return Err(Unsupported::new(OBJECT, feature).into());
            }
        }
        if sb.ro_compat(ro_compat::METADATA_CSUM) {
            let kind = CHECKSUM_TYPE.get(&raw);
            if kind != CRC32C {
                return Err(OBJECT.corrupt("s_checksum_type", kind, "1 (crc32c)"));
            }
            let (found, expected) = (CHECKSUM.get(&raw), checksum::superblock(&raw));
            if found != expected {
                return Err(OBJECT.corrupt(
                    "checksum",
                    format!("{found:#010x}"),
                    format!("{expected:#010x}"),
                ));
            }
        }
        Ok(sb)
    }

    /// Its bytes, for the field constants above.
    pub(crate) const fn bytes(&self) -> &[u8; SIZE] {
        &self.raw
    }

    /// Its bytes, to be changed through the field constants. [`seal`](Self::seal) afterwards.
    pub(crate) const fn bytes_mut(&mut self) -> &mut [u8; SIZE] {
        &mut self.raw
    }

    /// Redoes the checksum, if there is one.
    pub(crate) fn seal(&mut self) {
        if self.ro_compat(ro_compat::METADATA_CSUM) {
            let sum = checksum::superblock(&self.raw);
            CHECKSUM.set(&mut self.raw, sum);
        }
    }

    /// The compat, incompat and ro_compat words. A revision 0 filesystem has none.
    fn words(&self) -> [u32; 3] {
        if REV_LEVEL.get(&self.raw) == 0 {
            return [0; 3];
        }
        [FEATURE_COMPAT, FEATURE_INCOMPAT, FEATURE_RO_COMPAT].map(|field| field.get(&self.raw))
    }

    pub(crate) fn compat(&self, bits: u32) -> bool {
        self.words()[0] & bits != 0
    }

    pub(crate) fn incompat(&self, bits: u32) -> bool {
        self.words()[1] & bits != 0
    }

    pub(crate) fn ro_compat(&self, bits: u32) -> bool {
        self.words()[2] & bits != 0
    }

    /// Names of all features, in the order of dumpe2fs(8).
    pub(crate) fn features(&self) -> Vec<String> {
        let [compat, incompat, ro_compat] = self.words();
        [(compat, COMPAT), (incompat, INCOMPAT), (ro_compat, RO_COMPAT)]
            .iter()
            .flat_map(|(word, table)| table.iter().filter(move |feature| word & feature.0 != 0))
            .map(|feature| feature.1.to_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> [u8; SIZE] {
        let mut raw = [0; SIZE];
        MAGIC.set(&mut raw, MAGIC_VALUE);
        REV_LEVEL.set(&mut raw, 1);
        raw
    }

    #[test]
    fn refusals_name_the_feature() {
        let refuse = |field: Le32, bits| {
            let mut raw = sample();
            field.set(&mut raw, bits);
            Superblock::new(raw).unwrap_err().to_string()
        };
        assert_eq!(refuse(FEATURE_INCOMPAT, 0x1000), "superblock: feature dirdata is not supported");
        assert_eq!(refuse(FEATURE_RO_COMPAT, 0x4000), "superblock: feature shared_blocks is not supported");
        assert_eq!(
            refuse(FEATURE_INCOMPAT, 0x8000_0000),
            "superblock: unknown incompat feature 0x80000000 is not supported"
        );
        assert_eq!(
            refuse(FEATURE_COMPAT, compat::HAS_JOURNAL),
            "superblock: an external journal (s_journal_inum is 0) is not supported"
        );
    }

    #[test]
    fn wrong_magic_is_corrupt() {
        let error = Superblock::new([0; SIZE]).unwrap_err();
        assert_eq!(error.to_string(), "superblock: s_magic is 0x0000, expected 0xef53");
    }

    #[test]
    fn the_checksum_is_checked() {
        let mut raw = sample();
        FEATURE_RO_COMPAT.set(&mut raw, ro_compat::METADATA_CSUM);
        CHECKSUM_TYPE.set(&mut raw, CRC32C);
        assert!(Superblock::new(raw).unwrap_err().to_string().starts_with("superblock: checksum is"));
        let mut sb = Superblock { raw };
        sb.seal();
        assert!(Superblock::new(*sb.bytes()).is_ok());
    }
}
