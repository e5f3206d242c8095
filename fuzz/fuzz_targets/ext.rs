//! ext2, ext3, ext4: all that reads a volume, then recovery, edits and scrub of a view of it.
#![no_main]

support::target!("ext", support::targets::ext);
