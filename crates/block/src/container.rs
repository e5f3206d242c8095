//! The image file itself: which of its bytes the guest cannot read, and why they are there.
//!
//! A byte is of use if the reader of this crate would read it for the guest, or if the format needs it: the header
//! and its extensions, the active L1 and L2 tables, the refcounts. Every other stored byte of the file is reported,
//! once, whatever the image says of it: a wrong table can make a reason wrong, but hide no byte. Holes of the file
//! are zero and are not reported. Nothing is ever written, and no byte's content is judged.

use std::{fmt, path::Path};

use crate::{BlockRead, Extent, Qcow2Image, Result, qcow2::Side};

/// Why the guest cannot read bytes of an image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerUse {
    /// In a cluster that nothing refers to, and that counts as free.
    Free,
    /// In a cluster that nothing refers to, though its refcount is not 0.
    Leaked,
    /// In a cluster or subcluster that reads as zero, but still has its place in the file.
    ZeroFlagged,
    /// In a subcluster that is not allocated, of a cluster that is.
    Unmapped,
    /// In a cluster of the guest's disk, behind the disk's end.
    BehindEnd,
    /// In an internal snapshot alone: its data, its tables, its memory.
    Snapshot,
    /// In a persistent bitmap.
    Bitmap,
    /// Between compressed clusters: often an older version of one.
    CompressedSlack,
    /// Behind the header, its extensions, or the L1 table.
    Padding,
}

impl ContainerUse {
    /// Every reason, in the order of reports.
    pub const ALL: [Self; 9] = [
        Self::Free,
        Self::Leaked,
        Self::ZeroFlagged,
        Self::Unmapped,
        Self::BehindEnd,
        Self::Snapshot,
        Self::Bitmap,
        Self::CompressedSlack,
        Self::Padding,
    ];

    /// In one or two words, as in JSON: `zero-flagged`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Leaked => "leaked",
            Self::ZeroFlagged => "zero-flagged",
            Self::Unmapped => "unmapped",
            Self::BehindEnd => "behind-end",
            Self::Snapshot => "snapshot",
            Self::Bitmap => "bitmap",
            Self::CompressedSlack => "compressed-slack",
            Self::Padding => "padding",
        }
    }
}

/// As the end of a sentence about bytes: `in leaked clusters`.
impl fmt::Display for ContainerUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Free => "in free clusters",
            Self::Leaked => "in leaked clusters",
            Self::ZeroFlagged => "in clusters that read as zero",
            Self::Unmapped => "in unallocated subclusters",
            Self::BehindEnd => "behind the end of the disk",
            Self::Snapshot => "in internal snapshots",
            Self::Bitmap => "in bitmaps",
            Self::CompressedSlack => "between compressed clusters",
            Self::Padding => "in padding",
        })
    }
}

/// One file of an open image that holds more than the guest's disk: a qcow2 file, or its external data file.
/// From [`Image::containers`](crate::Image::containers).
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    pub(crate) path: &'a Path,
    pub(crate) image: &'a Qcow2Image,
    pub(crate) side: Side,
}

impl<'a> Container<'a> {
    /// The file's path; empty for an image that was opened without one.
    #[must_use]
    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// Whether it is an external data file.
    #[must_use]
    pub fn is_data_file(&self) -> bool {
        self.side == Side::Data
    }

    /// The file's own bytes.
    #[must_use]
    pub fn file(&self) -> &'a dyn BlockRead {
        self.image.side(self.side)
    }

    /// Visits the stored bytes of the file that are of no use to the guest, in ascending order; neighbours with one
    /// reason are one extent. Extents may hold holes that are smaller than a cluster.
    ///
    /// Fails where the guest could not read its disk either. Decompresses all compressed clusters, which is the only
    /// way to know where they end. Memory: 2 bytes for each stored cluster, 10 with extended L2 entries, and a
    /// bounded number of parts of clusters.
    pub fn unused(&self, visit: &mut dyn FnMut(Extent, ContainerUse) -> Result<()>) -> Result<()> {
        self.image.unused(self.side, visit)
    }
}
