//! qcow2 images as QEMU makes them: what the reader sees is what `qemu-img convert` sees, and what it must refuse
//! it refuses with one exact sentence.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these files are tests throughout")]

mod container;
mod corpora;
mod matrix;
mod refusals;
mod tools;
