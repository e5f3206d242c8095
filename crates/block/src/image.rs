//! Image files: read as devices, written front to back.

use std::io;

/// Writes a new image front to back. What is skipped reads as zero.
pub trait ImageWriter: Send {
    /// Writes `data` at `offset`, which must not lie before the end of the last write.
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// The same, of bytes that the input's disk has at the same offset. An image that [`shares`](Self::shares) them
    /// writes nothing.
    fn write_same(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write(offset, data)
    }

    /// Whether it pays to tell what is the same.
    fn shares(&self) -> bool {
        false
    }

    /// Completes the image: size, tables, everything handed to the operating system.
    fn finish(self: Box<Self>) -> io::Result<()>;
}
