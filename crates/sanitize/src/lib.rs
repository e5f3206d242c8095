//! From an input image to a clean output: findings, plan, edits, live copy, report.

mod copy;
mod digest;
mod map;
mod progress;

pub use digest::Digest;
pub use map::{Class, DiskMap};
pub use progress::{Progress, Silent, Stage};
