//! XFS: all that reads a volume, then recovery, edits and scrub of a view of it.
#![no_main]

support::target!("xfs", support::targets::xfs);
