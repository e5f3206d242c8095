//! Partition tables and boot code of a disk: which bytes of it are needed, and where its volumes lie.
//!
//! A byte of the disk is live only if a [`LiveRegion`] has it or the filesystem of a [`Volume`] claims it: all
//! that lies between, before and behind partitions is not. A table that contradicts itself, or that the
//! kernel and the firmware could read in two ways, is refused; nothing is guessed.

mod boot;
mod content;
mod disk;
mod gpt;
mod guid;
mod identify;
mod magic;
mod mbr;
mod scrub;
mod tails;

use std::fmt;

use block::{Extent, ExtentSet};

pub use content::{Content, OpaqueKind};
pub use disk::layout;
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

/// A disk's table and volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Kind of table.
    pub table: TableKind,
    /// Bytes in a logical sector, the unit of the table.
    pub sector_size: u32,
    /// Disk identifier as sfdisk(8) prints it: GUID, or `0x` and the MBR's disk signature; empty without a table.
    pub disk_id: String,
    /// Volumes in the order of their numbers.
    pub volumes: Vec<Volume>,
    /// What is needed outside of filesystems. Disjoint, in ascending order.
    pub live: Vec<LiveRegion>,
    /// What a report has to say about it: boot code that is kept, data that is dropped, damage that is repaired.
    pub notes: Vec<String>,
}

impl Layout {
    /// The bytes of all live regions.
    #[must_use]
    pub fn live_set(&self) -> ExtentSet {
        self.live.iter().map(|region| region.extent).collect()
    }
}

/// A partition, or the whole disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Partition number; 0 is no partition: the whole disk, or a gap that may hold a boot loader.
    pub number: u32,
    /// Where it lies on the disk.
    pub extents: Vec<Extent>,
    /// Name of the type that the table declares.
    pub type_name: String,
    /// The type as sfdisk(8) prints it: a GUID, or two hexadecimal digits; empty without a table.
    pub type_id: String,
    /// UUID of the partition, as blkid(8) prints `PARTUUID`: a GUID, or disk signature and number; empty without a
    /// table.
    pub uuid: String,
    /// Name that the table gives it (GPT only).
    pub name: String,
    /// What its bytes are, whatever the table declares.
    pub content: Content,
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
}

/// A part of the disk that is needed, outside of filesystems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LiveRegion {
    /// Where.
    pub extent: Extent,
    /// Why.
    pub kind: LiveKind,
}
