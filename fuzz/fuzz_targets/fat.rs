//! FAT: all that reads a volume, then edits and scrub of a view of it.
#![no_main]

support::target!("fat", support::targets::fat);
