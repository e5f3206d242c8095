//! DOS partition tables with logical partitions, and boot code.
#![no_main]

support::target!("mbr", support::targets::table);
