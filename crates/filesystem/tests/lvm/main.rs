//! LVM2: what is read, what is refused and in which words, and what the tools of lvm2 say of what is left.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod corpora;
mod hostile;
mod layout;
mod refusals;
mod sample;
mod scrub;
mod tools;
