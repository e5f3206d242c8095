//! A raw image: byte for byte the disk. What is skipped, and every 4 KiB block of zeros, is a hole.

use std::{fs::File, io};

use super::{Order, sink::Sink};
use crate::ImageWriter;

/// Writes a sparse raw image.
#[derive(Debug)]
pub struct RawWriter {
    sink: Sink,
    order: Order,
}

impl RawWriter {
    /// An image of `virtual_size` bytes in `file`, which must be empty.
    pub fn new(file: File, virtual_size: u64) -> io::Result<Self> {
        Ok(Self { sink: Sink::new(file)?, order: Order::new(virtual_size) })
    }
}

impl ImageWriter for RawWriter {
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.order.advance(offset, data.len())?;
        self.sink.write(offset, data)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.sink.finish(self.order.size())
    }
}
