//! Fresh images: raw and qcow2, written front to back.
//!
//! A new image holds what was written to it and its own tables, in that order and nothing else: no
//! snapshots, no backing file, no clusters left over. The same writes give the same bytes.

mod raw;
mod sink;

pub use raw::RawWriter;

use std::io;

use crate::device::check_range;
use crate::to_u64;

/// Holds the caller to what [`ImageWriter`](crate::ImageWriter) asks: ascending, and inside the disk.
#[derive(Debug)]
struct Order {
    size: u64,
    /// The first byte that may be written next.
    next: u64,
}

impl Order {
    fn new(size: u64) -> Self {
        Self { size, next: 0 }
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn advance(&mut self, offset: u64, len: usize) -> io::Result<()> {
        check_range(self.size, offset, len)?;
        if offset < self.next {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("write at offset {offset} after one that ended at {}", self.next),
            ));
        }
        self.next = offset + to_u64(len);
        Ok(())
    }
}
