//! diskscrub: the command.

fn main() {}
