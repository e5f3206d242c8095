//! The boot sector and the FSInfo sector: the geometry that all else is computed from.
//!
//! Everything is checked here once, against the device's size, so that later arithmetic on a [`Geometry`] can
//! neither overflow nor leave the device. Checked as fsck.fat and Linux do; where they differ, the stricter.
//!
//! Source: Microsoft FAT specification 1.03 (fatgen103), sections "Boot Sector and BPB", "FAT Type
//! Determination", "FAT32 FSInfo Sector Structure and Backup Boot Sector"; dosfstools for the state byte.

use std::ops::Range;

use block::{
    BlockRead, Extent, Object, Result, Unsupported,
    field::{Bytes, Le16, Le32, U8},
};

const BS_OEM_NAME: Bytes<8> = Bytes(3);
const BPB_BYTS_PER_SEC: Le16 = Le16(11);
const BPB_SEC_PER_CLUS: U8 = U8(13);
const BPB_RSVD_SEC_CNT: Le16 = Le16(14);
const BPB_NUM_FATS: U8 = U8(16);
const BPB_ROOT_ENT_CNT: Le16 = Le16(17);
const BPB_TOT_SEC16: Le16 = Le16(19);
const BPB_MEDIA: U8 = U8(21);
const BPB_FAT_SZ16: Le16 = Le16(22);
const BPB_TOT_SEC32: Le32 = Le32(32);
/// FAT12 and FAT16: the state byte, see [`DIRTY`].
const BS_RESERVED1: U8 = U8(37);
const BS_BOOT_SIG: U8 = U8(38);
const BS_VOL_ID: Le32 = Le32(39);
const BS_VOL_LAB: Bytes<11> = Bytes(43);
/// `BPB_RESERVED` of FAT32.
pub(super) const RESERVED32: Range<usize> = 52..64;
/// FAT32: everything from here on lies elsewhere than on FAT12 and FAT16.
const BPB_FAT_SZ32: Le32 = Le32(36);
const BPB_EXT_FLAGS: Le16 = Le16(40);
const BPB_FS_VER: Le16 = Le16(42);
const BPB_ROOT_CLUS: Le32 = Le32(44);
const BPB_FS_INFO: Le16 = Le16(48);
const BPB_BK_BOOT_SEC: Le16 = Le16(50);
const BS32_RESERVED1: U8 = U8(65);
const BS32_BOOT_SIG: U8 = U8(66);
const BS32_VOL_ID: Le32 = Le32(67);
const BS32_VOL_LAB: Bytes<11> = Bytes(71);

/// State byte: mounted, or not unmounted cleanly. Bit 1 asks for a surface test; it is left alone.
pub(super) const DIRTY: u8 = 1;
/// `BPB_EXT_FLAGS`: only the FAT in bits 0 to 3 is in use.
const NOT_MIRRORED: u16 = 0x80;
/// The part of a boot or FSInfo sector that has fields, whatever the sector size.
pub(super) const SECTOR: usize = 512;

pub(super) const FSI_LEAD_SIG: Le32 = Le32(0);
pub(super) const FSI_STRUC_SIG: Le32 = Le32(484);
pub(super) const FSI_FREE_COUNT: Le32 = Le32(488);
/// `FSI_RESERVED1` and `FSI_RESERVED2`: first byte, first byte behind.
pub(super) const FSI_RESERVED: [(usize, usize); 2] = [(4, 484), (496, 508)];
pub(super) const FSI_LEAD: u32 = 0x4161_5252;
pub(super) const FSI_STRUC: u32 = 0x6141_7272;

/// Most clusters of FAT12, FAT16 and FAT32. The type follows from the count, but on FAT32.
const MAX_FAT12: u64 = 4084;
const MAX_FAT16: u64 = 65524;
const MAX_FAT32: u64 = 0x0fff_fff4;
/// Bytes of a directory entry.
pub(super) const SLOT: usize = 32;

const BOOT: Object = Object::the("boot sector");

/// How wide the entries of the FAT are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Fat12,
    Fat16,
    Fat32,
}

/// Where everything lies, in bytes from the start of the volume.
#[derive(Debug, Clone)]
pub(super) struct Geometry {
    pub(super) kind: Kind,
    pub(super) sector: u64,
    pub(super) cluster: u64,
    pub(super) reserved: u64,
    pub(super) fats: u64,
    pub(super) fat_size: u64,
    /// The FAT that is believed.
    pub(super) active: u64,
    pub(super) mirrored: bool,
    /// The root directory's fixed area; empty on FAT32.
    pub(super) root: Extent,
    /// The root directory's first cluster; 0 on FAT12 and FAT16.
    pub(super) root_cluster: u32,
    pub(super) data: u64,
    /// How many clusters there are; the first is number 2.
    pub(super) clusters: u32,
    /// The filesystem's end; the volume may go on.
    pub(super) size: u64,
    pub(super) info: Option<u64>,
    pub(super) backup: Option<u64>,
    /// The boot sector's state byte.
    pub(super) state: U8,
    pub(super) dirty: bool,
    pub(super) serial: Option<u32>,
    pub(super) label: Option<[u8; 11]>,
}

impl Geometry {
    /// Reads and checks the boot sector.
    pub(super) fn read<D: BlockRead>(device: &D) -> Result<Self> {
        let mut boot = [0; SECTOR];
        if device.size() < 512 {
            return Err(Object::the("volume").corrupt("size", device.size(), "at least 512 bytes"));
        }
        device.read_object(BOOT, 0, &mut boot)?;
        Self::parse(&boot, device.size())
    }

    fn parse(boot: &[u8; SECTOR], device: u64) -> Result<Self> {
        refuse_others(boot)?;
        let sector = u64::from(BPB_BYTS_PER_SEC.get(boot));
        if !sector.is_power_of_two() || !(512..=4096).contains(&sector) {
            return Err(BOOT.corrupt("bytes per sector", sector, "512, 1024, 2048 or 4096"));
        }
        let per_cluster = u64::from(BPB_SEC_PER_CLUS.get(boot));
        if !per_cluster.is_power_of_two() {
            return Err(BOOT.corrupt("sectors per cluster", per_cluster, "a power of two up to 128"));
        }
        let cluster = sector * per_cluster;
        let reserved_sectors = u64::from(BPB_RSVD_SEC_CNT.get(boot));
        if reserved_sectors == 0 {
            return Err(BOOT.corrupt("number of reserved sectors", 0, "at least 1"));
        }
        let fats = u64::from(BPB_NUM_FATS.get(boot));
        if fats == 0 {
            return Err(BOOT.corrupt("number of FATs", 0, "at least 1"));
        }
        let media = BPB_MEDIA.get(boot);
        if media != 0xf0 && media < 0xf8 {
            return Err(BOOT.corrupt("media type", format_args!("{media:#04x}"), "0xf0, or 0xf8 to 0xff"));
        }
        let is32 = BPB_FAT_SZ16.get(boot) == 0;
        let fat_sectors =
            if is32 { u64::from(BPB_FAT_SZ32.get(boot)) } else { u64::from(BPB_FAT_SZ16.get(boot)) };
        if fat_sectors == 0 {
            return Err(BOOT.corrupt("sectors per FAT", 0, "at least 1"));
        }
        let root_len = u64::from(BPB_ROOT_ENT_CNT.get(boot)) * 32;
        match (is32, root_len) {
            (true, 1..) => {
                return Err(BOOT.corrupt("number of root directory entries", root_len / 32, "0 on FAT32"));
            }
            (false, 0) => return Err(BOOT.corrupt("number of root directory entries", 0, "at least 1")),
            (false, _) if root_len % sector != 0 => {
                let expected = format!("a multiple of {}", sector / 32);
                return Err(BOOT.corrupt("number of root directory entries", root_len / 32, expected));
            }
            _ => {}
        }
        let total = match u64::from(BPB_TOT_SEC16.get(boot)) {
            0 => u64::from(BPB_TOT_SEC32.get(boot)),
            total => total,
        };
        // No product here exceeds 2^32 * 2^8 * 2^12, so 64 bits hold all of them.
        let size = total * sector;
        let reserved = reserved_sectors * sector;
        let fat_size = fat_sectors * sector;
        let root = Extent { start: reserved + fats * fat_size, len: root_len };
        let data = root.end();
        if total == 0 || size < data + cluster {
            let expected = format!("at least {}", (data + cluster) / sector);
            return Err(BOOT.corrupt("total number of sectors", total, expected));
        }
        if size > device {
            let expected = format!("at most {}, which the volume has", device / sector);
            return Err(BOOT.corrupt("total number of sectors", total, expected));
        }
        let clusters = (size - data) / cluster;
        let (kind, bits, most) = match clusters {
            _ if is32 => (Kind::Fat32, 32, MAX_FAT32),
            0..=MAX_FAT12 => (Kind::Fat12, 12, MAX_FAT12),
            _ => (Kind::Fat16, 16, MAX_FAT16),
        };
        if clusters > most {
            return Err(BOOT.corrupt("number of clusters", clusters, format_args!("at most {most}")));
        }
        if fat_size * 8 / bits < clusters + 2 {
            let expected =
                format!("at least {} for {clusters} clusters", ((clusters + 2) * bits).div_ceil(8 * sector));
            return Err(BOOT.corrupt("sectors per FAT", fat_sectors, expected));
        }
        let mut geometry = Self {
            kind,
            sector,
            cluster,
            reserved,
            fats,
            fat_size,
            active: 0,
            mirrored: true,
            root,
            root_cluster: 0,
            data,
            clusters: u32::try_from(clusters).expect("at most MAX_FAT32"),
            size,
            info: None,
            backup: None,
            state: BS_RESERVED1,
            dirty: BS_RESERVED1.get(boot) & DIRTY != 0,
            serial: matches!(BS_BOOT_SIG.get(boot), 0x28 | 0x29).then(|| BS_VOL_ID.get(boot)),
            label: (BS_BOOT_SIG.get(boot) == 0x29).then(|| BS_VOL_LAB.get(boot)),
        };
        if is32 {
            geometry.parse32(boot)?;
        }
        Ok(geometry)
    }

    fn parse32(&mut self, boot: &[u8; SECTOR]) -> Result<()> {
        let version = BPB_FS_VER.get(boot);
        if version != 0 {
            let (major, minor) = (version >> 8, version & 0xff);
            return Err(Unsupported::new(BOOT, format!("FAT32 version {major}.{minor}")).into());
        }
        let flags = BPB_EXT_FLAGS.get(boot);
        if flags & NOT_MIRRORED != 0 {
            self.mirrored = false;
            self.active = u64::from(flags & 0xf);
            if self.active >= self.fats {
                return Err(BOOT.corrupt("active FAT", self.active, format_args!("less than {}", self.fats)));
            }
        }
        self.root_cluster = BPB_ROOT_CLUS.get(boot);
        if !self.has_cluster(self.root_cluster) {
            return Err(BOOT.corrupt(
                "root directory's first cluster",
                self.root_cluster,
                self.cluster_range(),
            ));
        }
        // 0 and 0xffff both say that there is none.
        let sector = |field: Le16, name| match u64::from(field.get(boot)) {
            0 | 0xffff => Ok(None),
            number if number * self.sector < self.reserved => Ok(Some(number * self.sector)),
            number => {
                let expected = format!("less than {}, the reserved sectors", self.reserved / self.sector);
                Err(BOOT.corrupt(name, number, expected))
            }
        };
        self.info = sector(BPB_FS_INFO, "FSInfo sector")?;
        self.backup = sector(BPB_BK_BOOT_SEC, "backup boot sector")?;
        self.state = BS32_RESERVED1;
        self.dirty = BS32_RESERVED1.get(boot) & DIRTY != 0;
        self.serial = Some(BS32_VOL_ID.get(boot));
        self.label = (BS32_BOOT_SIG.get(boot) == 0x29).then(|| BS32_VOL_LAB.get(boot));
        Ok(())
    }

    /// Whether `number` is a cluster of this filesystem.
    pub(super) fn has_cluster(&self, number: u32) -> bool {
        number >= 2 && number - 2 < self.clusters
    }

    /// For errors.
    pub(super) fn cluster_range(&self) -> String {
        format!("2 to {}", self.clusters + 1)
    }

    /// The first byte of a cluster that [`has_cluster`](Self::has_cluster).
    pub(super) fn cluster_start(&self, number: u32) -> u64 {
        self.data + (u64::from(number) - 2) * self.cluster
    }

    /// The reserved sectors that something reads, in ascending order: boot sector, FSInfo, the second and third
    /// boot code sector of FAT32 (numbers 2 and 12: MS-DOS and Windows), and the backup of the first three.
    pub(super) fn reserved_in_use(&self) -> Vec<Extent> {
        let mut starts = vec![0];
        if self.kind == Kind::Fat32 {
            starts.extend([2 * self.sector, 12 * self.sector]);
            starts.extend(self.info);
            if let Some(backup) = self.backup {
                starts.extend([backup, backup + 2 * self.sector]);
                starts.extend(self.info.map(|info| backup + info));
            }
        }
        starts.retain(|&start| start < self.reserved);
        starts.sort_unstable();
        starts.dedup();
        starts.into_iter().map(|start| Extent { start, len: self.sector }).collect()
    }

    /// The FSInfo sector and its copy behind the backup boot sector.
    pub(super) fn info_sectors(&self) -> impl Iterator<Item = u64> {
        let copy = self.info.zip(self.backup).map(|(info, backup)| backup + info);
        self.info.into_iter().chain(copy.filter(|&copy| copy < self.reserved))
    }
}

/// Boot sectors that look alike but are not FAT.
fn refuse_others(boot: &[u8; SECTOR]) -> Result<()> {
    let other = match &BS_OEM_NAME.get(boot) {
        b"EXFAT   " => "exFAT",
        b"NTFS    " => "NTFS",
        b"-FVE-FS-" => "BitLocker",
        _ => return Ok(()),
    };
    Err(Unsupported::new(BOOT, other).into())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A FAT16 boot sector: 512-byte sectors, 4 in a cluster, 1 reserved, 2 FATs of 32 sectors, 512 root entries.
    pub(crate) fn fat16() -> [u8; SECTOR] {
        let mut boot = [0; SECTOR];
        BPB_BYTS_PER_SEC.set(&mut boot, 512);
        BPB_SEC_PER_CLUS.set(&mut boot, 4);
        BPB_RSVD_SEC_CNT.set(&mut boot, 1);
        BPB_NUM_FATS.set(&mut boot, 2);
        BPB_ROOT_ENT_CNT.set(&mut boot, 512);
        BPB_TOT_SEC16.set(&mut boot, 32768);
        BPB_MEDIA.set(&mut boot, 0xf8);
        BPB_FAT_SZ16.set(&mut boot, 32);
        boot
    }

    /// A FAT32 boot sector: 32 reserved, FSInfo in 1, backup in 6, root in cluster 2.
    pub(crate) fn fat32() -> [u8; SECTOR] {
        let mut boot = fat16();
        BPB_RSVD_SEC_CNT.set(&mut boot, 32);
        BPB_ROOT_ENT_CNT.set(&mut boot, 0);
        BPB_FAT_SZ16.set(&mut boot, 0);
        BPB_FAT_SZ32.set(&mut boot, 64);
        BPB_ROOT_CLUS.set(&mut boot, 2);
        BPB_FS_INFO.set(&mut boot, 1);
        BPB_BK_BOOT_SEC.set(&mut boot, 6);
        boot
    }

    const VOLUME: u64 = 16 << 20;

    #[test]
    fn geometry() {
        let found = Geometry::parse(&fat16(), VOLUME).unwrap();
        assert_eq!((found.kind, found.clusters, found.data), (Kind::Fat16, 8167, (1 + 64 + 32) * 512));
        let found = Geometry::parse(&fat32(), VOLUME + 12345).unwrap();
        assert_eq!((found.kind, found.clusters, found.size), (Kind::Fat32, 8152, VOLUME));
        let kept: Vec<u64> = found.reserved_in_use().iter().map(|sector| sector.start / 512).collect();
        assert_eq!(kept, [0, 1, 2, 6, 7, 8, 12]);
    }

    #[test]
    fn refusals() {
        type Patch = fn(&mut [u8]);
        let cases: &[(Patch, &str)] = &[
            (|b| BPB_BYTS_PER_SEC.set(b, 0), "bytes per sector is 0, expected 512, 1024, 2048 or 4096"),
            (|b| BPB_BYTS_PER_SEC.set(b, 8192), "bytes per sector is 8192, expected 512, 1024, 2048 or 4096"),
            (|b| BPB_SEC_PER_CLUS.set(b, 3), "sectors per cluster is 3, expected a power of two up to 128"),
            (|b| BPB_RSVD_SEC_CNT.set(b, 0), "number of reserved sectors is 0, expected at least 1"),
            (|b| BPB_NUM_FATS.set(b, 0), "number of FATs is 0, expected at least 1"),
            (|b| BPB_MEDIA.set(b, 7), "media type is 0x07, expected 0xf0, or 0xf8 to 0xff"),
            (|b| BPB_ROOT_ENT_CNT.set(b, 0), "number of root directory entries is 0, expected at least 1"),
            (
                |b| BPB_ROOT_ENT_CNT.set(b, 15),
                "number of root directory entries is 15, expected a multiple of 16",
            ),
            (|b| BPB_TOT_SEC16.set(b, 0), "total number of sectors is 0, expected at least 101"),
            (
                |b| {
                    BPB_TOT_SEC16.set(b, 0);
                    BPB_TOT_SEC32.set(b, 32769);
                },
                "total number of sectors is 32769, expected at most 32768, which the volume has",
            ),
            (|b| BPB_FAT_SZ16.set(b, 16), "sectors per FAT is 16, expected at least 32 for 8175 clusters"),
        ];
        for (patch, expected) in cases {
            let mut boot = fat16();
            patch(&mut boot);
            let error = Geometry::parse(&boot, VOLUME).unwrap_err().to_string();
            assert_eq!(error, format!("boot sector: {expected}"));
        }
        let cases: &[(Patch, &str)] = &[
            (|b| BPB_FAT_SZ32.set(b, 0), "sectors per FAT is 0, expected at least 1"),
            (|b| BPB_ROOT_ENT_CNT.set(b, 16), "number of root directory entries is 16, expected 0 on FAT32"),
            (|b| BPB_ROOT_CLUS.set(b, 1), "root directory's first cluster is 1, expected 2 to 8153"),
            (|b| BPB_ROOT_CLUS.set(b, 8154), "root directory's first cluster is 8154, expected 2 to 8153"),
            (|b| BPB_FS_INFO.set(b, 32), "FSInfo sector is 32, expected less than 32, the reserved sectors"),
            (
                |b| BPB_BK_BOOT_SEC.set(b, 99),
                "backup boot sector is 99, expected less than 32, the reserved sectors",
            ),
            (|b| BPB_EXT_FLAGS.set(b, 0x82), "active FAT is 2, expected less than 2"),
            (|b| BPB_FS_VER.set(b, 0x0102), "FAT32 version 1.2 is not supported"),
            (|b| BS_OEM_NAME.set(b, b"EXFAT   "), "exFAT is not supported"),
            (|b| BS_OEM_NAME.set(b, b"NTFS    "), "NTFS is not supported"),
            (|b| BS_OEM_NAME.set(b, b"-FVE-FS-"), "BitLocker is not supported"),
        ];
        for (patch, expected) in cases {
            let mut boot = fat32();
            patch(&mut boot);
            let error = Geometry::parse(&boot, VOLUME).unwrap_err().to_string();
            assert_eq!(error, format!("boot sector: {expected}"));
        }
    }
}
