//! The whole line, plan to output, over small ext4 images that mke2fs and debugfs made.
#![allow(clippy::unwrap_used, reason = "these files are tests throughout")]

mod create;
mod faults;
mod in_place;
mod plan;
mod random;
mod support;
mod swap;
mod witnesses;
