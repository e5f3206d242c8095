//! The journal of ext3 and ext4, fast commits among it.
#![no_main]

support::target!("journal", support::targets::journal);
