//! Partition tables and boot code of a disk: which bytes of it are needed, and where its volumes lie.
//!
//! A byte of the disk is live only if a [`LiveRegion`] has it or the filesystem of a [`Volume`] claims it: all
//! that lies between, before and behind partitions is not. A table that contradicts itself, or that the
//! kernel and the firmware could read in two ways, is refused; nothing is guessed.

mod boot;
mod content;
mod disk;
mod further;
mod gpt;
mod guid;
mod identify;
mod magic;
mod mbr;
mod scrub;
mod tails;

use std::fmt;

use block::{Extent, ExtentSet, Object};

use crate::lvm::PhysicalVolume;

pub use content::{Content, OpaqueKind};
pub use disk::layout;
pub use further::Disk;
pub use identify::identify;
pub use scrub::scrub_table;
pub use tails::table_tails;

/// What kind of table cuts the disk into volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TableKind {
    /// GUID partition table (UEFI 2.10, chapter 5) behind a protective MBR.
    Gpt,
    /// GUID partition table with an MBR that also names some of its partitions, for old firmware.
    HybridMbr,
    /// DOS partition table.
    Mbr,
    /// No table: one filesystem on the whole disk.
    None,
}

impl fmt::Display for TableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gpt => "GPT",
            Self::HybridMbr => "GPT with a hybrid MBR",
            Self::Mbr => "MBR",
            Self::None => "no partition table",
        })
    }
}

/// A disk's table and volumes; of several disks that are joined, those of all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Kind of table.
    pub table: TableKind,
    /// Bytes in a logical sector, the unit of the table.
    pub sector_size: u32,
    /// Disk identifier as sfdisk(8) prints it: GUID, or `0x` and the MBR's disk signature; empty without a table.
    pub disk_id: String,
    /// What the same is of each further disk that is [joined](block::Joined) to this one.
    pub further: Vec<Disk>,
    /// Volumes in the order of their numbers.
    pub volumes: Vec<Volume>,
    /// What is needed outside of filesystems. Disjoint, in ascending order.
    pub live: Vec<LiveRegion>,
    /// The LVM2 physical volumes whose logical volumes are among the volumes.
    pub physical: Vec<PhysicalVolume>,
    /// What a report has to say about it: boot code that is kept, data that is dropped, damage that is repaired.
    pub notes: Vec<String>,
}

impl Layout {
    /// The bytes of all live regions.
    #[must_use]
    pub fn live_set(&self) -> ExtentSet {
        self.live.iter().map(|region| region.extent).collect()
    }

    /// Size of a volume in bytes; of a physical volume, its logical volumes included.
    #[must_use]
    pub fn size_of(&self, volume: &Volume) -> u64 {
        let physical = self.physical.iter().find(|physical| physical.number == volume.number);
        match physical {
            Some(physical) if volume.content == Content::Lvm2 => physical.extent.len,
            _ => volume.extents.iter().map(|extent| extent.len).sum(),
        }
    }
}

/// A partition, a logical volume, or the whole disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Partition number; the partitions of further disks are numbered from the last one on, then the logical volumes. 0 is
    /// no partition: the whole disk, or a gap that may hold a boot loader.
    pub number: u32,
    /// Where it lies on the disk, in its own order. A physical volume has what no logical volume has.
    pub extents: Vec<Extent>,
    /// Further copies of all its bytes, each in their order: the other legs of a mirror.
    pub copies: Vec<Vec<Extent>>,
    /// Name of the type that the table declares.
    pub type_name: String,
    /// The type as sfdisk(8) prints it: a GUID, or two hexadecimal digits; empty without a table.
    pub type_id: String,
    /// UUID of the partition, as blkid(8) prints `PARTUUID`: a GUID, or disk signature and number; empty without a
    /// table.
    pub uuid: String,
    /// Name that the table gives it (GPT only); of a logical volume: `group/name`.
    pub name: String,
    /// Paths below `/dev` by which a guest knows it, of a logical volume: `/dev/mapper/group-name` ...
    pub paths: Vec<String>,
    /// What its bytes are, whatever the table declares.
    pub content: Content,
    /// Whether it lies on LVM2 physical volumes: no partition of a table.
    pub logical: bool,
    /// Why it is opaque, if its format is one that could be read.
    pub reason: Option<String>,
}

/// A volume without a place, that holds nothing.
impl Default for Volume {
    fn default() -> Self {
        Self {
            number: 0,
            extents: Vec::new(),
            copies: Vec::new(),
            type_name: String::new(),
            type_id: String::new(),
            uuid: String::new(),
            name: String::new(),
            paths: Vec::new(),
            content: Content::Empty,
            logical: false,
            reason: None,
        }
    }
}

impl Volume {
    /// The object that errors about it name.
    #[must_use]
    pub fn object(&self) -> Object {
        Object::numbered("volume", self.number.into())
    }

    /// Every place of it on the disk: its extents, then those of its further copies.
    pub fn places(&self) -> impl Iterator<Item = &Extent> {
        self.extents.iter().chain(self.copies.iter().flatten())
    }
}

/// Why a region outside of filesystems is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LiveKind {
    /// Boot code in the first 440 bytes of the disk.
    BootCode,
    /// Disk signature, partition records and signature of an MBR.
    Mbr,
    /// The same of an MBR that protects a GPT.
    ProtectiveMbr,
    /// Partition records and signature of an extended boot record.
    Ebr,
    /// GPT header, primary or backup.
    GptHeader,
    /// GPT partition entry array, primary or backup.
    GptEntries,
    /// GRUB's core image, with its Reed-Solomon redundancy.
    GrubCore,
    /// A PowerPC PReP boot partition, kept whole.
    Prep,
    /// Label of an LVM2 physical volume.
    LvmLabel,
    /// Header of an LVM2 metadata area, or the current text in it.
    LvmMetadata,
    /// What tells which legs of a mirror are in step: superblock and bitmap of a raid, or a mirror's log.
    MirrorMetadata,
}

/// A part of the disk that is needed, outside of filesystems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LiveRegion {
    /// Where.
    pub extent: Extent,
    /// Why.
    pub kind: LiveKind,
}
