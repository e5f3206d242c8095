//! qcow2 images.

pub mod layout;
