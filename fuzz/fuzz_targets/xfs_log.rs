//! The log of XFS.
#![no_main]

support::target!("xfs_log", support::targets::xfs_log);
