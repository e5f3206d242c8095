//! A raw image: byte for byte the disk. What is skipped, and every 4 KiB block of zeros, is a hole.
//!
//! Where the input is a raw image, too, on the same file system, and that can share blocks between files (reflink: XFS,
//! Btrfs, bcachefs), what both have at the same place is shared. The bytes are the same; only their copy is saved.

use std::{fs::File, io, num::NonZeroU64};

use reflink_copy::ReflinkBlockBuilder;

use super::{Order, sink::Sink};
use crate::{ImageWriter, to_u64};

/// Writes a sparse raw image.
#[derive(Debug)]
pub struct RawWriter {
    sink: Sink,
    order: Order,
    /// What it shares blocks with, as long as that works.
    input: Option<File>,
}

/// Only whole blocks can be shared: this is a multiple of every file system's.
const WHOLE: u64 = 64 << 10;

impl RawWriter {
    /// An image of `virtual_size` bytes in `file`, which must be empty.
    pub fn new(file: File, virtual_size: u64) -> io::Result<Self> {
        Ok(Self { sink: Sink::new(file)?, order: Order::new(virtual_size), input: None })
    }

    /// The same, sharing blocks with the raw image `input`: what is written with
    /// [`write_same`](ImageWriter::write_same) has to lie there at the same offset.
    pub fn sharing(self, input: &File) -> io::Result<Self> {
        Ok(Self { input: Some(input.try_clone()?), ..self })
    }

    /// Has the output share a range with the input; false if it cannot.
    fn share(&mut self, offset: u64, len: u64) -> bool {
        let Some(input) = &self.input else { return false };
        if !offset.is_multiple_of(WHOLE) || !len.is_multiple_of(WHOLE) {
            return false;
        }
        let Some(len) = NonZeroU64::new(len) else { return true };
        let range =
            ReflinkBlockBuilder::new(input, self.sink.file(), len).from_offset(offset).to_offset(offset);
        let shared = range.reflink_block().is_ok();
        if !shared {
            // Another file system, one that cannot, a file that may not: so it will be for the rest.
            self.input = None;
        }
        shared
    }
}

impl ImageWriter for RawWriter {
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.order.advance(offset, data.len())?;
        self.sink.write(offset, data)
    }

    fn write_same(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.order.advance(offset, data.len())?;
        if self.share(offset, to_u64(data.len())) {
            return Ok(());
        }
        self.sink.write(offset, data)
    }

    fn shares(&self) -> bool {
        self.input.is_some()
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.sink.finish(self.order.size())
    }
}
