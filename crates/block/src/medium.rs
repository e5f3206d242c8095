//! Where bytes are changed in place: the only interface of this crate that writes over what is there already.
//!
//! Nothing that reads an image has one. What is to be written, and where, is decided elsewhere; a medium only does it,
//! so that a test can put one in its place that fails, or forgets.

use std::io;

use crate::{Extent, to_u64, to_usize};

/// Zeros are written so many at once.
const ZEROS: usize = 1 << 20;

/// A disk of `size()` bytes whose bytes are changed where they lie.
pub trait Medium: Send + Sync {
    /// Size in bytes. Never changes.
    fn size(&self) -> u64;

    /// Fills all of `buf` from `offset` on. After a flush: from the medium itself, not from the system's memory of it,
    /// as far as the system allows. Reads may come from several threads.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// Writes all of `data` at `offset`. It may be lost until the next flush.
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Everything written so far survives a loss of power.
    fn flush(&mut self) -> io::Result<()>;

    /// Gives the storage of `extent` back; afterwards it reads as zero. The extent is whole blocks of
    /// [`discard_block`](Self::discard_block).
    fn discard(&mut self, extent: Extent) -> io::Result<()>;

    /// Bytes that can be discarded at once, at a multiple of them; `None` if nothing can be.
    fn discard_block(&self) -> Option<u64>;

    /// Makes `extent` read as zero, by whatever means; what lay there may still lie on the medium.
    fn zero(&mut self, extent: Extent) -> io::Result<()> {
        write_zeros(self, extent)
    }
}

/// Really writes zeros over `extent`.
pub fn write_zeros<M: Medium + ?Sized>(medium: &mut M, extent: Extent) -> io::Result<()> {
    let zeros = vec![0; ZEROS.min(to_usize(extent.len))];
    let mut at = extent.start;
    while at < extent.end() {
        let len = zeros.len().min(to_usize(extent.end() - at));
        medium.write_at(at, &zeros[..len])?;
        at += to_u64(len);
    }
    Ok(())
}

/// A medium in memory, for tests and small pieces.
impl Medium for Vec<u8> {
    fn size(&self) -> u64 {
        to_u64(self.len())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        crate::BlockRead::read_at(self, offset, buf)
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        crate::BlockWrite::write_at(self, offset, data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn discard(&mut self, extent: Extent) -> io::Result<()> {
        write_zeros(self, extent)
    }

    fn discard_block(&self) -> Option<u64> {
        Some(1)
    }
}
