//! A file that is written front to back, in which zeros are holes.

use std::{fs::File, io, os::unix::fs::FileExt};

use block::{is_zero, to_u64, to_usize};

/// What is stored, or is a hole, as a whole.
const BLOCK: u64 = 64 << 10;

/// Collects blocks, and stores those that are not zero.
pub(super) struct Sparse<'a> {
    file: &'a File,
    /// The block that is being filled.
    block: Vec<u8>,
    /// Where it begins.
    start: u64,
    /// Bytes that may still be stored.
    left: u64,
    full: bool,
}

impl<'a> Sparse<'a> {
    /// Nothing is written yet; at most `limit` bytes will be.
    pub(super) fn new(file: &'a File, limit: u64) -> Self {
        Self { file, block: Vec::with_capacity(to_usize(BLOCK)), start: 0, left: limit, full: false }
    }

    /// Whether something was to be stored that may not be: the file is of no use.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Bytes written or skipped so far.
    pub(super) fn position(&self) -> u64 {
        self.start + to_u64(self.block.len())
    }

    /// The next bytes.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = to_usize(BLOCK) - self.block.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == to_usize(BLOCK) {
                self.store()?;
            }
        }
        Ok(())
    }

    /// Goes on at `position`, which is no less than [`position`](Self::position); what lies between is zero.
    pub(super) fn skip_to(&mut self, position: u64) -> io::Result<()> {
        let zeros = position - self.position();
        let room = BLOCK - to_u64(self.block.len());
        if zeros < room {
            self.block.resize(self.block.len() + to_usize(zeros), 0);
            return Ok(());
        }
        self.store()?;
        // Whole blocks are holes; what is left of the last one is zeros in it.
        self.start = position / BLOCK * BLOCK;
        self.block.resize(to_usize(position - self.start), 0);
        Ok(())
    }

    fn store(&mut self) -> io::Result<()> {
        let len = to_u64(self.block.len());
        if !self.full && !is_zero(&self.block) {
            if len > self.left {
                self.full = true;
            } else {
                self.file.write_all_at(&self.block, self.start)?;
                self.left -= len;
            }
        }
        self.block.clear();
        self.start += BLOCK;
        Ok(())
    }

    /// Ends the file at `size`. Only then is it known whether all could be stored.
    pub(super) fn finish(&mut self, size: u64) -> io::Result<()> {
        self.store()?;
        self.file.set_len(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipping_is_writing_zeros() {
        let file = tempfile::tempfile().unwrap();
        let mut sparse = Sparse::new(&file, u64::MAX);
        let mut model = Vec::new();
        for (skip, write) in [(0, 5), (10, 70_000), (65_536, 1), (500_000, 65_536), (3, 9), (131_072, 0)] {
            model.resize(model.len() + skip, 0);
            sparse.skip_to(to_u64(model.len())).unwrap();
            model.resize(model.len() + write, 7);
            sparse.write(&vec![7; write]).unwrap();
            assert_eq!(sparse.position(), to_u64(model.len()));
        }
        sparse.finish(to_u64(model.len())).unwrap();
        let mut bytes = vec![1; model.len()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes == model && file.metadata().unwrap().len() == to_u64(model.len()));
    }
}
