//! FAT against mkfs.fat, fsck.fat, mtools and blkid, on images made here.

mod corpora;
mod edits;
mod hostile;
mod support;
