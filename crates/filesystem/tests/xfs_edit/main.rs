//! Edits and the scrub of XFS, judged by xfs_repair and by the kernel: what is not edited stays as it is, and nothing of
//! what was removed or once was there stays.

mod images;
mod kernel;
