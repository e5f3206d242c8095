//! Fresh images: raw and qcow2, written front to back.
//!
//! A new image holds what was written to it and its own tables, in that order and nothing else: no
//! snapshots, no backing file, no clusters left over. The same writes give the same bytes.

mod compress;
mod device;
mod qcow2;
mod raw;
mod sink;
mod tables;
mod writeback;

use std::{fs::File, io};

use crate::{ImageWriter, Result, device::check_range, to_u64};

pub use compress::Compression;
pub use device::{DeviceWriter, FRONT};
pub use qcow2::Qcow2Writer;
pub use raw::RawWriter;
pub use sink::WriteFailed;
pub(crate) use writeback::Writeback;

/// Clusters of 64 KiB, QEMU's default.
const CLUSTER_BITS: u32 = 16;
const CLUSTER: usize = 1 << CLUSTER_BITS;
const CLUSTER_LEN: u64 = 1 << CLUSTER_BITS;

/// What kind of image to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// The disk's bytes, with holes.
    Raw,
    /// qcow2 version 3.
    Qcow2(Compression),
}

/// Starts an image of a disk of `virtual_size` bytes in `file`, which must be empty. `threads` compress (at least
/// one does, if there is something to compress); the bytes do not depend on them.
pub fn create(
    file: File,
    format: OutputFormat,
    virtual_size: u64,
    threads: usize,
) -> Result<Box<dyn ImageWriter>> {
    Ok(match format {
        OutputFormat::Raw => Box::new(RawWriter::new(file, virtual_size)?),
        OutputFormat::Qcow2(compression) => {
            Box::new(Qcow2Writer::new(file, compression, virtual_size, threads)?)
        }
    })
}

/// Holds the caller to what [`ImageWriter`] asks: ascending, and inside the disk.
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
