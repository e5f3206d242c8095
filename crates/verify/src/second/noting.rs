//! A device that remembers that it failed: a reader that gets no bytes must not be taken for one that sees others.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use block::{BlockRead, Extent, Run, to_u64};

/// Passes everything on, and keeps the first failure of the medium.
pub(crate) struct Noting<B> {
    device: B,
    failed: Mutex<Option<(io::ErrorKind, String)>>,
}

impl<B: BlockRead> Noting<B> {
    pub(crate) fn new(device: B) -> Self {
        Self { device, failed: Mutex::new(None) }
    }

    /// Fails as the device did, if it did.
    pub(crate) fn check(&self) -> io::Result<()> {
        match &*self.failed.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((kind, what)) => Err(io::Error::new(*kind, what.clone())),
            None => Ok(()),
        }
    }

    /// Keeps what went wrong with `len` bytes at `offset`.
    fn note<T>(&self, offset: u64, len: usize, outcome: io::Result<T>) -> io::Result<T> {
        let inside = offset.checked_add(to_u64(len)).is_some_and(|end| end <= self.size());
        // Where a reader looks behind the end, it is the reader that errs.
        if let Err(error) = &outcome
            && inside
        {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.get_or_insert_with(|| (error.kind(), error.to_string()));
        }
        outcome
    }
}

impl<B: BlockRead> BlockRead for Noting<B> {
    fn size(&self) -> u64 {
        self.device.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let len = buf.len();
        self.note(offset, len, self.device.read_at(offset, buf))
    }
    fn run_at(&self, offset: u64) -> io::Result<Run> {
        self.note(offset, 1, self.device.run_at(offset))
    }
    fn disks(&self) -> Vec<Extent> {
        self.device.disks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_medium_fails_and_not_the_reader() {
        struct Bad;
        impl BlockRead for Bad {
            fn size(&self) -> u64 {
                9
            }
            fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
                Err(io::Error::other("bad sector"))
            }
            fn run_at(&self, _: u64) -> io::Result<Run> {
                Ok(Run { len: 9, zero: false })
            }
        }
        let bad = Noting::new(Bad);
        assert!(bad.run_at(0).is_ok() && bad.check().is_ok() && bad.read_at(0, &mut [0]).is_err());
        assert_eq!(bad.check().unwrap_err().to_string(), "bad sector");
        let good = Noting::new(vec![0; 9]);
        assert!(good.read_at(8, &mut [0; 2]).is_err() && good.check().is_ok());
    }
}
