//! LVM2: from physical volumes to the logical volumes on them, flattened to extents of the disk.
//!
//! Logical volumes join the [`Layout`](crate::Layout) as volumes of their own; a physical volume keeps what none of them has, and only its
//! label, the header and the current text of its metadata areas, and the metadata of mirrors are live in it. Free
//! extents, old texts in the metadata ring and all gaps are thus dead. A group that is damaged, that lacks a physical volume, or that has a
//! feature which is not read, leaves its physical volumes opaque, with the reason; nothing is guessed. Written from
//! the sources of lvm2 (`lib/format_text`) and of Linux (`drivers/md`).

mod area;
mod crc;
mod group;
mod id;
mod label;
mod mirror;
mod place;
mod resolve;
mod scrub;
mod tails;
mod text;

use block::Extent;

pub use resolve::ELSEWHERE;
pub(crate) use resolve::resolve;
pub(crate) use scrub::scrub;
pub(crate) use tails::tails;

/// A physical volume that is read. All extents are of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhysicalVolume {
    /// Number of the volume of the layout that it lies in.
    pub number: u32,
    /// As pvs(8) prints it.
    pub uuid: String,
    /// Name of its volume group, if it is in one.
    pub group: Option<String>,
    /// The partition, or the disk.
    pub extent: Extent,
    /// Its metadata areas, headers included. What of them is not live holds older texts.
    pub areas: Vec<Extent>,
}

impl PhysicalVolume {
    /// Whether these dead bytes are in a metadata area: older texts of the group, or remnants of a writer's buffer.
    #[must_use]
    pub fn is_metadata(&self, extent: Extent) -> bool {
        self.areas.iter().any(|area| !area.intersect(extent).is_empty())
    }
}

/// The segment types of lvm2 that are not read, by their own names (`lib/metadata/segtype.h`).
const NAMES: &[&str] = &[
    "cache",
    "cache-pool",
    "error",
    "integrity",
    "linear",
    "mirror",
    "raid0",
    "raid0_meta",
    "raid1",
    "raid10",
    "raid10_near",
    "raid4",
    "raid5",
    "raid5_la",
    "raid5_ls",
    "raid5_n",
    "raid5_ra",
    "raid5_rs",
    "raid6",
    "raid6_la_6",
    "raid6_ls_6",
    "raid6_n_6",
    "raid6_nc",
    "raid6_nr",
    "raid6_ra_6",
    "raid6_rs_6",
    "raid6_zr",
    "snapshot",
    "striped",
    "thin",
    "thin-pool",
    "vdo",
    "vdo-pool",
    "writecache",
    "zero",
];

/// The name of a segment type.
fn name_of(kind: &str) -> &'static str {
    NAMES.iter().find(|name| **name == kind).copied().unwrap_or("segment of an unknown type")
}
