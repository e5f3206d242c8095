//! A buffer for large reads that begins at a page of memory.
//!
//! Processors copy to there up to twice as fast as to where an allocator puts a large buffer: a few bytes behind one.

use std::ops::{Deref, DerefMut};

/// Bytes of a page, and of anything that a processor copies at once.
const PAGE: usize = 4096;

/// Bytes, zero at first, that begin at a page.
#[derive(Debug)]
pub struct PageBuffer {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl PageBuffer {
    /// So many bytes; a number from an image must have been bounded.
    #[must_use]
    pub fn new(len: usize) -> Self {
        let bytes = vec![0; len + PAGE];
        // Where it cannot be told, any place will do.
        let start = Some(bytes.as_ptr().align_offset(PAGE)).filter(|&start| start < PAGE).unwrap_or(0);
        Self { bytes, start, len }
    }
}

impl Deref for PageBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }
}

impl DerefMut for PageBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_at_a_page_and_is_as_long_as_asked() {
        for len in [0, 1, 4095, 4096, 300_000] {
            let mut buffer = PageBuffer::new(len);
            assert_eq!((buffer.len(), buffer.as_ptr().align_offset(PAGE)), (len, 0));
            assert!(buffer.iter().all(|&byte| byte == 0));
            buffer.fill(7);
        }
    }
}
