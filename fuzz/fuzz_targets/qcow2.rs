//! qcow2: opened, read, and every byte of the file accounted for.
#![no_main]

support::target!("qcow2", support::targets::qcow2);
