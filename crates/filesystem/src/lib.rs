//! Volumes and filesystems: what is live and who owns it, the tree, the edits, and the scrub of live metadata.
//!
//! A filesystem is a folder of this crate behind two traits: [`Filesystem`] reads, [`FilesystemMut`] edits a
//! view (never an input). None imports another. All offsets are bytes from the start of the volume.

mod bits;
mod expected;
pub mod ext;
pub mod fat;
mod history;
mod lvm;
mod names;
mod open;
pub mod swap;
mod tails;
mod twins;
mod types;
mod uuid;
pub mod volume;
pub mod xfs;

pub use block::{Corrupt, Error, Extent, ExtentSet, Object, Result, Unsupported};
pub use expected::Expected;
pub use history::{BlockCopy, FormerFile, LogBlock, Past};
pub use lvm::{ELSEWHERE, PhysicalVolume};
pub use open::{open, open_mut};
pub use swap::{Swap, SwapHeader, swap_header_of};
pub use tails::Tail;
pub use types::{
    Change, Claim, Entry, FileKind, Filesystem, FilesystemMut, InodeId, LABEL, Metadata, NewEntry, NewKind,
    Owner, Recovery, Residue, Summary, Target, label_of,
};
pub use volume::{
    Content, Disk, Layout, LiveKind, LiveRegion, OpaqueKind, TableKind, Volume, identify, layout,
    scrub_table, table_tails,
};
