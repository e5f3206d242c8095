//! The oracles: what other programs, and a kernel, think of an image. Used by the tests of the whole program and
//! by `cargo xtask demo`. Nothing here takes diskscrub's word for anything but where its volumes lie.

#![allow(clippy::print_stdout, reason = "tests say what they leave out")]

pub mod checkers;
pub mod image;
pub mod kernel;
pub mod manifest;
pub mod program;
pub mod random;
pub mod secrets;
pub mod shelf;
pub mod sketch;
pub mod tree;
pub mod xfs_db;

/// What went wrong, in a sentence or a few lines.
pub type Result<T> = std::result::Result<T, String>;
