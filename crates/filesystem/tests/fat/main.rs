//! FAT against mkfs.fat, fsck.fat, mtools and blkid, on images made here.

#![allow(clippy::unwrap_used, reason = "these files are tests throughout")]

mod corpora;
mod edits;
mod hostile;
mod support;
mod tails;
