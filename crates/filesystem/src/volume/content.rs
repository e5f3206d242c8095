//! What a volume's bytes are. A closed list: what is not understood is [`Content::Opaque`], never nothing.

use std::fmt;

/// What a volume holds, by its own signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// ext2, ext3 or ext4.
    Ext,
    /// FAT12, FAT16 or FAT32.
    Fat,
    /// XFS.
    Xfs,
    /// Swap area, suspended-to or not.
    Swap,
    /// LVM2 physical volume whose group is read: its logical volumes are volumes of their own, its label and metadata
    /// are in [`Layout::live`](super::Layout::live).
    Lvm2,
    /// A BIOS boot or PReP partition; its live parts are in [`Layout::live`](super::Layout::live).
    BootCode,
    /// Every byte is zero.
    Empty,
    /// Known or not: nothing here tells its live bytes from its dead ones.
    Opaque(OpaqueKind),
}

impl Content {
    /// Whether it has files.
    #[must_use]
    pub const fn has_tree(self) -> bool {
        matches!(self, Self::Ext | Self::Fat | Self::Xfs)
    }

    /// Whether something here tells its live bytes from its dead ones: a tree, or a swap area.
    #[must_use]
    pub const fn is_filesystem(self) -> bool {
        self.has_tree() || matches!(self, Self::Swap)
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ext => f.write_str("ext"),
            Self::Fat => f.write_str("vfat"),
            Self::Xfs => f.write_str("xfs"),
            Self::Swap => f.write_str("swap"),
            Self::Lvm2 => f.write_str(OpaqueKind::Lvm2.name()),
            Self::BootCode => f.write_str("boot code"),
            Self::Empty => f.write_str("empty"),
            Self::Opaque(kind) => kind.fmt(f),
        }
    }
}

macro_rules! opaque {
    ($($variant:ident $name:literal $what:literal;)*) => {
        /// A format that is recognised and not read. Displays as the name that blkid(8) prints.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum OpaqueKind {
            $(#[doc = $what] $variant,)*
            /// A logical volume of an LVM2 segment type that is not read, by lvm2's name for it.
            LvmSegment(&'static str),
            /// Two signatures that contradict each other, by their names.
            Ambiguous(&'static str, &'static str),
            /// No known signature, and not all zero.
            Unknown,
        }

        impl OpaqueKind {
            /// Its name as blkid(8) prints it; `ambiguous` and `unknown` for the other two.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::LvmSegment(kind) => kind,
                    Self::Ambiguous(..) => "ambiguous",
                    Self::Unknown => "unknown",
                }
            }
        }
    };
}

opaque! {
    Luks "crypto_LUKS" "LUKS 1 or 2.";
    BitLocker "BitLocker" "BitLocker.";
    FileVault "cs_fvault2" "FileVault 2 on CoreStorage.";
    Lvm1 "LVM1_member" "LVM 1 physical volume.";
    Lvm2 "LVM2_member" "LVM 2 physical volume.";
    MdRaid "linux_raid_member" "Linux software RAID member.";
    DdfRaid "ddf_raid_member" "DDF RAID member.";
    IntelRaid "isw_raid_member" "Intel RAID member.";
    LsiRaid "lsi_mega_raid_member" "LSI MegaRAID member.";
    NvidiaRaid "nvidia_raid_member" "Nvidia RAID member.";
    AdaptecRaid "adaptec_raid_member" "Adaptec RAID member.";
    PromiseRaid "promise_fasttrack_raid_member" "Promise FastTrack member.";
    SiliconRaid "silicon_medley_raid_member" "Silicon Image Medley member.";
    Highpoint37xRaid "hpt37x_raid_member" "HighPoint 37x RAID member.";
    Highpoint45xRaid "hpt45x_raid_member" "HighPoint 45x RAID member.";
    SnapshotCow "DM_snapshot_cow" "Device-mapper snapshot store.";
    VerityHash "DM_verity_hash" "dm-verity hash tree.";
    Integrity "DM_integrity" "dm-integrity.";
    Vdo "vdo" "VDO.";
    Stratis "stratis" "Stratis.";
    Bcache "bcache" "bcache.";
    Drbd "drbd" "DRBD.";
    DrbdManage "drbdmanage_control_volume" "DRBD Manage control volume.";
    OracleAsm "oracleasm" "Oracle ASM.";
    VmfsMember "VMFS_volume_member" "VMFS extent.";
    Vmfs "VMFS" "VMFS.";
    Zfs "zfs_member" "ZFS member.";
    Mpool "mpool" "mpool.";
    Bcachefs "bcachefs" "bcachefs.";
    Btrfs "btrfs" "Btrfs.";
    XfsLog "xfs_external_log" "External XFS log.";
    Jbd "jbd" "External ext4 journal.";
    Ntfs "ntfs" "NTFS.";
    Refs "ReFS" "ReFS.";
    Exfat "exfat" "exFAT.";
    Hpfs "hpfs" "HPFS.";
    F2fs "f2fs" "F2FS.";
    Erofs "erofs" "EROFS.";
    Squashfs "squashfs" "SquashFS 4.";
    Squashfs3 "squashfs3" "SquashFS before 4.";
    Cramfs "cramfs" "cramfs.";
    Romfs "romfs" "romfs.";
    Iso9660 "iso9660" "ISO 9660.";
    Udf "udf" "UDF.";
    Jfs "jfs" "JFS.";
    Reiserfs "reiserfs" "ReiserFS.";
    Reiser4 "reiser4" "Reiser4.";
    Nilfs2 "nilfs2" "NILFS2.";
    Gfs2 "gfs2" "GFS or GFS2.";
    Ocfs2 "ocfs2" "OCFS2.";
    Ubi "ubi" "UBI.";
    Ubifs "ubifs" "UBIFS.";
    Minix "minix" "Minix.";
    Ufs "ufs" "UFS.";
    Apfs "apfs" "APFS.";
    Hfs "hfs" "HFS.";
    HfsPlus "hfsplus" "HFS+.";
    Befs "befs" "BeFS.";
    Bfs "bfs" "UnixWare BFS.";
    Vxfs "vxfs" "Veritas.";
    Nss "nss" "NetWare NSS.";
    Zonefs "zonefs" "zonefs.";
    BsdLabel "bsd" "BSD disk label.";
    SunLabel "sun" "Sun disk label.";
    SgiLabel "sgi" "SGI disk label.";
    MacTable "mac" "Apple partition map.";
}

impl fmt::Display for OpaqueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LvmSegment(kind) => write!(f, "LVM2 {kind}"),
            Self::Ambiguous(first, second) => write!(f, "ambiguous ({first} and {second})"),
            known => f.write_str(known.name()),
        }
    }
}
