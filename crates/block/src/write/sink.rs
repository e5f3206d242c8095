//! Bytes on their way to a file: neighbouring writes become one, and stretches of zeros are left as holes.

use std::{fs::File, io, os::unix::fs::FileExt};

use super::writeback::Writeback;
use crate::{is_zero, to_u64, to_usize};

/// Most bytes gathered for one write.
const GATHER: usize = 1 << 20;
/// Writes of this size go out as they are.
const DIRECT: usize = 128 << 10;
/// Zeros are left out in whole blocks of this size, which file systems can store as a hole.
const HOLE: usize = 4096;

/// A file that starts empty, so that what is never written reads as zero.
#[derive(Debug)]
pub(crate) struct Sink {
    file: File,
    /// Gathered bytes, and where they go.
    gathered: Vec<u8>,
    start: u64,
    writeback: Writeback,
}

impl Sink {
    /// Takes an empty file.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        // A character device (a terminal, /dev/full) has no content that could shine through.
        if file.metadata()?.len() != 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the output file is not empty"));
        }
        Ok(Self { file, gathered: Vec::with_capacity(GATHER), start: 0, writeback: Writeback::new() })
    }

    /// Where it all goes.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Writes `data` at `offset` of a range that has not been written yet, without its blocks of zeros.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut rest = data;
        let mut at = offset;
        while !rest.is_empty() {
            let zeros = leading(at, rest, true);
            let bytes = leading(at + to_u64(zeros), &rest[zeros..], false);
            if bytes > 0 {
                self.gather(at + to_u64(zeros), &rest[zeros..zeros + bytes])?;
            }
            rest = &rest[zeros + bytes..];
            at += to_u64(zeros + bytes);
        }
        Ok(())
    }

    fn gather(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = self.start + to_u64(self.gathered.len());
        if offset != end || self.gathered.len() + data.len() > GATHER {
            self.flush()?;
        }
        if data.len() >= DIRECT && self.gathered.is_empty() {
            return self.put(offset, data);
        }
        if self.gathered.is_empty() {
            self.start = offset;
        }
        self.gathered.extend_from_slice(data);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.gathered.is_empty() {
            let mut gathered = std::mem::take(&mut self.gathered);
            self.put(self.start, &gathered)?;
            gathered.clear();
            self.gathered = gathered;
        }
        Ok(())
    }

    fn put(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset).map_err(|error| explain(&error, offset))?;
        self.writeback.wrote(&self.file, offset, data.len());
        Ok(())
    }

    /// Hands everything to the operating system and ends the file at `size`.
    pub(crate) fn finish(mut self, size: u64) -> io::Result<()> {
        self.flush()?;
        self.file.set_len(size).map_err(|error| explain(&error, size))
    }
}

/// A write to the output that failed: what an `io::Error` of a writer holds, to be told from a failed read.
#[derive(Debug, thiserror::Error)]
#[error("writing the output at offset {offset}: {reason}")]
pub struct WriteFailed {
    /// Where in the output file.
    pub offset: u64,
    /// What the system said.
    pub reason: String,
}

pub(super) fn explain(error: &io::Error, offset: u64) -> io::Error {
    io::Error::new(error.kind(), WriteFailed { offset, reason: error.to_string() })
}

/// How many bytes at the start of `data`, in blocks of the file, are all zero (or are in blocks that are not).
fn leading(offset: u64, data: &[u8], zero: bool) -> usize {
    let mut done = 0;
    while done < data.len() {
        let within = to_usize((offset + to_u64(done)) % to_u64(HOLE));
        let block = &data[done..data.len().min(done + HOLE - within)];
        if is_zero(block) != zero {
            break;
        }
        done += block.len();
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_follow_the_file_not_the_slice() {
        let mut data = vec![0; 10_000];
        data[6000] = 1;
        assert_eq!(leading(0, &data, true), 4096);
        assert_eq!(leading(4096 - 1000, &data, true), 1000 + 4096);
        assert_eq!(leading(0, &data[4096..], false), 4096);
        assert_eq!(leading(0, &data[8192..], true), 10_000 - 8192);
    }

    #[test]
    fn a_file_with_content_is_refused() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"old").unwrap();
        assert_eq!(Sink::new(file).unwrap_err().to_string(), "the output file is not empty");
    }
}
