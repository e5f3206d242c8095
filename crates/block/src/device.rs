//! What can be read, and what can be written, at any byte offset.

use std::{io, sync::Arc};

use crate::{Error, Extent, Object, Result, to_u64, to_usize};

/// How the bytes from an offset on are stored: `len` bytes that are all known to be zero, or may be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Length in bytes, at least 1.
    pub len: u64,
    /// True: every byte reads as zero, at no cost. False: read to know.
    pub zero: bool,
}

/// A device of `size()` bytes. Reads take `&self` and a position, and may come from several threads.
pub trait BlockRead: Send + Sync {
    /// Size in bytes. Never changes.
    fn size(&self) -> u64;

    /// Fills all of `buf` from `offset` on, or fails. Past the end: `UnexpectedEof`.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// The same for `object`, which the error of a medium that fails then names.
    fn read_object(&self, object: Object, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.read_at(offset, buf).map_err(|error| Error::from(error).reading(object))
    }

    /// The run that starts at `offset` (less than `size()`), clipped to the device's end.
    fn run_at(&self, offset: u64) -> io::Result<Run>;

    /// Where the disks lie that this device is made of, in ascending order and without gaps: itself, unless it is
    /// [`Joined`](crate::Joined).
    fn disks(&self) -> Vec<Extent> {
        vec![Extent { start: 0, len: self.size() }]
    }
}

/// A device that can also be written. Only views are (see [`crate::Overlay`]); inputs never.
pub trait BlockWrite: BlockRead {
    /// Writes all of `data` at `offset`, or fails. Past the end: `UnexpectedEof`.
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Makes a range zero, as if zeros were written.
    fn zero_at(&mut self, range: Extent) -> io::Result<()> {
        const PIECE: usize = 64 << 10;
        let mut at = range.start;
        while at < range.end() {
            let len = to_usize((range.end() - at).min(to_u64(PIECE)));
            self.write_at(at, &[0; PIECE][..len])?;
            at += to_u64(len);
        }
        Ok(())
    }
}

/// The error for an access that `size` does not cover.
pub(crate) fn check_range(size: u64, offset: u64, len: usize) -> io::Result<()> {
    match offset.checked_add(to_u64(len)) {
        Some(end) if end <= size => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("{len} bytes at offset {offset} lie outside the device of {size} bytes"),
        )),
    }
}

/// Whether every byte is zero. Runs at memory speed.
#[must_use]
pub fn is_zero(bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<64>();
    chunks.iter().all(|chunk| chunk.iter().fold(0, |all, byte| all | byte) == 0)
        && rest.iter().all(|&byte| byte == 0)
}

macro_rules! forward_read {
    ($($type:ty),*) => {$(
        impl<T: BlockRead + ?Sized> BlockRead for $type {
            fn size(&self) -> u64 {
                (**self).size()
            }
            fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
                (**self).read_at(offset, buf)
            }
            fn run_at(&self, offset: u64) -> io::Result<Run> {
                (**self).run_at(offset)
            }
            fn disks(&self) -> Vec<Extent> {
                (**self).disks()
            }
        }
    )*};
}
forward_read!(&T, &mut T, Box<T>);

impl<T: BlockRead + ?Sized> BlockRead for Arc<T> {
    fn size(&self) -> u64 {
        (**self).size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buf)
    }
    fn run_at(&self, offset: u64) -> io::Result<Run> {
        (**self).run_at(offset)
    }
    fn disks(&self) -> Vec<Extent> {
        (**self).disks()
    }
}

impl<T: BlockWrite + ?Sized> BlockWrite for &mut T {
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        (**self).write_at(offset, data)
    }
    fn zero_at(&mut self, range: Extent) -> io::Result<()> {
        (**self).zero_at(range)
    }
}

/// A device in memory, for tests and small pieces.
impl BlockRead for Vec<u8> {
    fn size(&self) -> u64 {
        to_u64(self.len())
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        check_range(self.size(), offset, buf.len())?;
        let start = to_usize(offset);
        buf.copy_from_slice(&self[start..start + buf.len()]);
        Ok(())
    }
    fn run_at(&self, offset: u64) -> io::Result<Run> {
        check_range(self.size(), offset, 1)?;
        Ok(Run { len: self.size() - offset, zero: false })
    }
}

impl BlockWrite for Vec<u8> {
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        check_range(self.size(), offset, data.len())?;
        let start = to_usize(offset);
        self[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_test_sees_every_byte() {
        let mut bytes = vec![0; 200];
        assert!(is_zero(&bytes));
        for at in 0..bytes.len() {
            bytes[at] = 1;
            assert!(!is_zero(&bytes), "byte {at}");
            bytes[at] = 0;
        }
    }

    #[test]
    fn access_outside_fails() {
        let disk = vec![7; 16];
        let mut buf = [0; 4];
        assert!(disk.read_at(12, &mut buf).is_ok());
        assert_eq!(disk.read_at(13, &mut buf).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(disk.read_at(u64::MAX, &mut buf).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
