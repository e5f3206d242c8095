//! Image files: read as devices, written front to back.

use std::io;

/// Writes a new image front to back. What is skipped reads as zero.
pub trait ImageWriter: Send {
    /// Writes `data` at `offset`, which must not lie before the end of the last write.
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Completes the image: size, tables, everything handed to the operating system.
    fn finish(self: Box<Self>) -> io::Result<()>;
}
