//! What a caller wants done.

use scan::{Selection, Wanted};

/// What to do with a volume that diskscrub cannot read: LUKS, Btrfs, NTFS, or unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OpaqueVolumes {
    /// Refuse the image.
    #[default]
    Refuse,
    /// Copy it whole, uncleaned; the report says so.
    Keep,
    /// Let it become zero.
    Zero,
}

/// What a caller wants done with an image.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Which rules, and which paths besides.
    pub selection: &'a Selection,
    /// Files to be made, beside what the rules take away.
    pub create: &'a [Wanted],
    /// What to do with volumes that diskscrub cannot read.
    pub opaque: OpaqueVolumes,
    /// Drop what is allocated but owned by nothing, instead of refusing the image as corrupt.
    pub drop_unowned: bool,
    /// Bytes of a logical sector; `None`: found out.
    pub sector_size: Option<u32>,
    /// Have the plan list every file of a tree that goes, not only their number: for the dry run.
    pub list_files: bool,
    /// Threads that read and hash.
    pub workers: usize,
}
