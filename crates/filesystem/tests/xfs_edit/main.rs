//! Edits and the scrub of XFS, judged by xfs_repair and by the kernel: what is not edited stays as it is, and nothing of
//! what was removed or once was there stays.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these files are tests throughout")]

mod create;
#[path = "../common/file.rs"]
mod file;
mod hostile;
mod images;
mod kernel;
mod recover;
mod version4;
