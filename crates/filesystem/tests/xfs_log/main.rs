//! Recovery of XFS against what defines it: the kernel's own replay, `xfs_repair` and `xfs_logprint`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these files are tests throughout")]

mod clean;
#[path = "../common/file.rs"]
mod file;
mod kernel;
mod tools;
mod version4;
