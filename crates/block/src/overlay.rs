//! Copy-on-write view of a disk. The base is never written.
//!
//! Changed pages stay in memory up to a limit, then in an unlinked file, so memory does not follow the amount
//! of change.

use std::{collections::BTreeMap, fs::File, io, os::unix::fs::FileExt};

use crate::{BlockRead, BlockWrite, Extent, Run, device::check_range, to_u64, to_usize};

const PAGE: usize = 4096;
const PAGE_LEN: u64 = 4096;
/// Pages held in memory before new ones go to the spill file: 32 MiB.
const IN_MEMORY: usize = 8192;

/// Where a changed page lies.
#[derive(Debug)]
enum Page {
    Memory(Box<[u8; PAGE]>),
    /// Page number in the spill file.
    Spilled(u64),
}

/// A device that reads as `base` with the writes made since on top.
#[derive(Debug)]
pub struct Overlay<B> {
    base: B,
    pages: BTreeMap<u64, Page>,
    in_memory: usize,
    limit: usize,
    spill: Option<File>,
    spilled: u64,
}

impl<B: BlockRead> Overlay<B> {
    /// No changes yet.
    pub fn new(base: B) -> Self {
        Self::with_limit(base, IN_MEMORY)
    }

    fn with_limit(base: B, limit: usize) -> Self {
        Self { base, pages: BTreeMap::new(), in_memory: 0, limit, spill: None, spilled: 0 }
    }

    /// What lies under the changes.
    pub fn base(&self) -> &B {
        &self.base
    }

    /// Lays the changes over `buf`, which holds the base's bytes from `offset` on. Says whether there were any.
    pub fn patch(&self, offset: u64, buf: &mut [u8]) -> io::Result<bool> {
        let range = Extent { start: offset, len: to_u64(buf.len()) };
        let mut any = false;
        for (number, page) in self.pages.range(offset / PAGE_LEN..range.end().div_ceil(PAGE_LEN)) {
            let part = Extent { start: number * PAGE_LEN, len: PAGE_LEN }.intersect(range);
            let to = to_usize(part.start - offset);
            let from = to_usize(part.start - number * PAGE_LEN);
            self.load(page, from, &mut buf[to..to + to_usize(part.len)])?;
            any = true;
        }
        Ok(any)
    }

    /// The bytes of a page from `from` on. No more of it is touched: most reads are of an inode or a name.
    fn load(&self, page: &Page, from: usize, buf: &mut [u8]) -> io::Result<()> {
        match page {
            Page::Memory(bytes) => buf.copy_from_slice(&bytes[from..from + buf.len()]),
            Page::Spilled(slot) => self.spill().read_exact_at(buf, slot * PAGE_LEN + to_u64(from))?,
        }
        Ok(())
    }

    fn spill(&self) -> &File {
        self.spill.as_ref().expect("a spilled page has a spill file")
    }

    /// Changes bytes of one page from `from` on.
    fn change(&mut self, number: u64, from: usize, data: &[u8]) -> io::Result<()> {
        match self.pages.get_mut(&number) {
            Some(Page::Memory(bytes)) => bytes[from..from + data.len()].copy_from_slice(data),
            Some(&mut Page::Spilled(slot)) => {
                self.spill().write_all_at(data, slot * PAGE_LEN + to_u64(from))?;
            }
            None => {
                let mut bytes = Box::new([0; PAGE]);
                if data.len() < PAGE {
                    // What lies behind the device's end is zero.
                    let start = number * PAGE_LEN;
                    let len = to_usize(PAGE_LEN.min(self.size() - start));
                    self.base.read_at(start, &mut bytes[..len])?;
                }
                bytes[from..from + data.len()].copy_from_slice(data);
                self.add(number, bytes)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, number: u64, bytes: Box<[u8; PAGE]>) -> io::Result<()> {
        if self.in_memory < self.limit {
            self.pages.insert(number, Page::Memory(bytes));
            self.in_memory += 1;
            return Ok(());
        }
        if self.spill.is_none() {
            self.spill = Some(tempfile::tempfile()?);
        }
        let slot = self.spilled;
        self.spill().write_all_at(&*bytes, slot * PAGE_LEN)?;
        self.spilled += 1;
        self.pages.insert(number, Page::Spilled(slot));
        Ok(())
    }
}

impl<B: BlockRead> BlockRead for Overlay<B> {
    fn size(&self) -> u64 {
        self.base.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        check_range(self.size(), offset, buf.len())?;
        if buf.is_empty() {
            return Ok(());
        }
        let page = offset / PAGE_LEN;
        let within_page = (offset + to_u64(buf.len())).div_ceil(PAGE_LEN) == page + 1;
        if !(within_page && self.pages.contains_key(&page)) {
            self.base.read_at(offset, buf)?;
        }
        self.patch(offset, buf)?;
        Ok(())
    }

    fn run_at(&self, offset: u64) -> io::Result<Run> {
        check_range(self.size(), offset, 1)?;
        match self.pages.range(offset / PAGE_LEN..).next() {
            Some((number, _)) if number * PAGE_LEN <= offset => {
                let end = (number * PAGE_LEN + PAGE_LEN).min(self.size());
                Ok(Run { len: end - offset, zero: false })
            }
            next => {
                let run = self.base.run_at(offset)?;
                let limit = next.map_or(u64::MAX, |(number, _)| number * PAGE_LEN - offset);
                Ok(Run { len: run.len.min(limit), zero: run.zero })
            }
        }
    }

    fn disks(&self) -> Vec<Extent> {
        self.base.disks()
    }
}

impl<B: BlockRead> BlockWrite for Overlay<B> {
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        check_range(self.size(), offset, data.len())?;
        let mut done = 0;
        while done < data.len() {
            let at = offset + to_u64(done);
            let within = to_usize(at % PAGE_LEN);
            let len = (PAGE - within).min(data.len() - done);
            self.change(at / PAGE_LEN, within, &data[done..done + len])?;
            done += len;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same pseudo-random writes to a plain vector and to an overlay that spills after two pages.
    #[test]
    fn reads_what_was_written_and_leaves_the_base() {
        let base: Vec<u8> = (0..50_001u32).map(|i| i.to_le_bytes()[0]).collect();
        let mut model = base.clone();
        let mut overlay = Overlay::with_limit(base.clone(), 2);
        let mut state = 1u64;
        let mut next = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            to_usize(state >> 33) % limit
        };
        for round in 0..200u8 {
            let (start, len) = (next(model.len()), next(9000));
            let len = len.min(model.len() - start);
            let data = vec![round; len];
            model[start..start + len].copy_from_slice(&data);
            overlay.write_at(to_u64(start), &data).unwrap();

            let (start, len) = (next(model.len()), next(9000));
            let mut buf = vec![0; len.min(model.len() - start)];
            overlay.read_at(to_u64(start), &mut buf).unwrap();
            assert_eq!(buf, model[start..start + buf.len()]);
        }
        assert_eq!(*overlay.base(), base);
        assert!(overlay.spilled > 0);
    }

    #[test]
    fn a_changed_page_ends_a_zero_run() {
        struct Hole;
        impl BlockRead for Hole {
            fn size(&self) -> u64 {
                1 << 20
            }
            fn read_at(&self, _: u64, buf: &mut [u8]) -> io::Result<()> {
                buf.fill(0);
                Ok(())
            }
            fn run_at(&self, offset: u64) -> io::Result<Run> {
                Ok(Run { len: (1 << 20) - offset, zero: true })
            }
        }
        let mut overlay = Overlay::new(Hole);
        overlay.write_at(10_000, b"x").unwrap();
        assert_eq!(overlay.run_at(100).unwrap(), Run { len: 8092, zero: true });
        assert_eq!(overlay.run_at(8192).unwrap(), Run { len: 4096, zero: false });
        assert_eq!(overlay.run_at(12_288).unwrap(), Run { len: (1 << 20) - 12_288, zero: true });
    }
}
