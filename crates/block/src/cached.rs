//! A device that remembers the pages that small reads came from. It never holds more than 4 MiB.
//!
//! For devices that do not change: inputs, and outputs that are finished. Metadata is read field by field and
//! inode by inode, and by several walks; with this each of them need not ask the system for the same page.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use crate::{BlockRead, Extent, Run, device::check_range, to_u64, to_usize};

const PAGE: u64 = 4096;
/// Each page of the device has one slot that may hold it.
const SLOTS: u64 = 1024;

#[derive(Debug, Default)]
struct Slot {
    /// Number of the page in the device.
    page: u64,
    /// Its bytes, fewer at the device's end; empty if the slot is.
    bytes: Vec<u8>,
}

/// Reads as `device` does.
#[derive(Debug)]
pub struct Cached<B> {
    device: B,
    slots: Vec<Mutex<Slot>>,
}

impl<B: BlockRead> Cached<B> {
    /// Nothing is held yet.
    pub fn new(device: B) -> Self {
        Self { device, slots: (0..SLOTS).map(|_| Mutex::default()).collect() }
    }
}

impl<B: BlockRead> BlockRead for Cached<B> {
    fn size(&self) -> u64 {
        self.device.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        check_range(self.size(), offset, buf.len())?;
        let (page, within) = (offset / PAGE, offset % PAGE);
        if buf.is_empty() || within + to_u64(buf.len()) > PAGE {
            return self.device.read_at(offset, buf);
        }
        let mut slot = self.slots[to_usize(page % SLOTS)].lock().unwrap_or_else(PoisonError::into_inner);
        if slot.bytes.is_empty() || slot.page != page {
            let whole = Extent::between(page * PAGE, page.saturating_add(1).saturating_mul(PAGE));
            // Empty until it is read: neither a failure nor a panic leaves another page's bytes under this number.
            let mut bytes = std::mem::take(&mut slot.bytes);
            bytes.resize(to_usize(whole.end().min(self.size()) - whole.start), 0);
            if self.device.read_at(whole.start, &mut bytes).is_err() {
                // A bad sector beside what is wanted is none of the reader's business.
                return self.device.read_at(offset, buf);
            }
            *slot = Slot { page, bytes };
        }
        let within = to_usize(within);
        buf.copy_from_slice(&slot.bytes[within..within + buf.len()]);
        Ok(())
    }

    fn run_at(&self, offset: u64) -> io::Result<Run> {
        self.device.run_at(offset)
    }

    fn disks(&self) -> Vec<Extent> {
        self.device.disks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts its reads, and fails where bytes from `bad` on are asked for.
    struct Counting {
        bytes: Vec<u8>,
        bad: u64,
        reads: AtomicUsize,
    }

    impl BlockRead for Counting {
        fn size(&self) -> u64 {
            self.bytes.size()
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            if offset + to_u64(buf.len()) > self.bad {
                return Err(io::Error::other("bad sector"));
            }
            self.bytes.read_at(offset, buf)
        }
        fn run_at(&self, offset: u64) -> io::Result<Run> {
            self.bytes.run_at(offset)
        }
    }

    fn device(bad: u64) -> Cached<Counting> {
        let bytes = (0..5_000_001u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        Cached::new(Counting { bytes, bad, reads: AtomicUsize::new(0) })
    }

    #[test]
    fn reads_what_the_device_holds_and_asks_once_a_page() {
        let cached = device(u64::MAX);
        let bytes = cached.device.bytes.clone();
        for round in 0..2 {
            for (offset, len) in
                [(0, 1), (1, 4095), (4000, 200), (4096 * 1024, 4096), (5_000_000, 1), (7, 9000)]
            {
                let mut buf = vec![0; len];
                cached.read_at(to_u64(offset), &mut buf).unwrap();
                assert_eq!(buf, bytes[offset..offset + len], "{offset} in round {round}");
            }
        }
        let before = cached.device.reads.load(Ordering::Relaxed);
        for at in 8192..12_288 {
            cached.read_at(at, &mut [0]).unwrap();
        }
        assert_eq!(cached.device.reads.load(Ordering::Relaxed), before + 1);
        assert!(cached.read_at(5_000_001, &mut [0]).is_err());
        assert!(cached.read_at(u64::MAX, &mut [0]).is_err());
    }

    #[test]
    fn a_bad_sector_spoils_no_other() {
        let cached = device(6000);
        let mut buf = [0; 16];
        for _ in 0..2 {
            cached.read_at(5000, &mut buf).unwrap();
            assert_eq!(buf, cached.device.bytes[5000..5016]);
            assert!(cached.read_at(6000, &mut buf).is_err());
        }
    }
}
