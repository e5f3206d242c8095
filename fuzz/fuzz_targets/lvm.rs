//! LVM2: labels, metadata areas and their text.
#![no_main]

support::target!("lvm", support::targets::lvm);
