//! A read-only device as the stream that fatfs and gpt ask for. Writing fails.

use std::io::{self, Read, Seek, SeekFrom, Write};

use block::{BlockRead, to_u64, to_usize};

/// A position in a device.
pub(crate) struct Cursor<D> {
    device: D,
    at: u64,
}

impl<D> Cursor<D> {
    pub(crate) fn new(device: D) -> Self {
        Self { device, at: 0 }
    }
}

impl<D> std::fmt::Debug for Cursor<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor").field("at", &self.at).finish_non_exhaustive()
    }
}

impl<D: BlockRead> Read for Cursor<D> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = to_usize(self.device.size().saturating_sub(self.at).min(to_u64(buf.len())));
        self.device.read_at(self.at, &mut buf[..len])?;
        self.at += to_u64(len);
        Ok(len)
    }
}

impl<D: BlockRead> Seek for Cursor<D> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.device.size().checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::other("seek before the start"))?;
        Ok(self.at)
    }
}

impl<D> Write for Cursor<D> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
