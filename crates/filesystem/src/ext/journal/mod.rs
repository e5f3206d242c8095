//! Journal.
#![allow(dead_code)]
pub(crate) mod checksum;
pub(crate) mod layout;
pub(crate) mod log;
pub(crate) mod replay;
pub(crate) mod scan;
pub(crate) mod tags;
