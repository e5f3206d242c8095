//! On-disk fields: one constant each. Everything is big-endian but the checksums.
//!
//! Offsets and values: `xfs_format.h` and `xfs_da_format.h` of xfsprogs.

#![allow(dead_code, reason = "a field has its place in the format, asked for or not")]

pub(crate) mod agf;
pub(crate) mod agfl;
pub(crate) mod agi;
pub(crate) mod attr;
pub(crate) mod btree;
pub(crate) mod dir;
pub(crate) mod inode;
pub(crate) mod symlink;
