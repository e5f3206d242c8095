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
    /// Pages that have become zero, less those in `pages`: first and end of each run. They take no memory.
    zeroed: BTreeMap<u64, u64>,
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
        Self {
            base,
            pages: BTreeMap::new(),
            zeroed: BTreeMap::new(),
            in_memory: 0,
            limit,
            spill: None,
            spilled: 0,
        }
    }

    /// What lies under the changes.
    pub fn base(&self) -> &B {
        &self.base
    }

    /// Lays the changes over `buf`, which holds the base's bytes from `offset` on. Says whether there were any.
    pub fn patch(&self, offset: u64, buf: &mut [u8]) -> io::Result<bool> {
        let range = Extent { start: offset, len: to_u64(buf.len()) };
        let mut any = false;
        for zero in self.zeroed_in(range) {
            buf[to_usize(zero.start - offset)..to_usize(zero.end() - offset)].fill(0);
            any = true;
        }
        for (number, page) in self.pages.range(offset / PAGE_LEN..range.end().div_ceil(PAGE_LEN)) {
            let part = Extent { start: number * PAGE_LEN, len: PAGE_LEN }.intersect(range);
            let to = to_usize(part.start - offset);
            let from = to_usize(part.start - number * PAGE_LEN);
            self.load(page, from, &mut buf[to..to + to_usize(part.len)])?;
            any = true;
        }
        Ok(any)
    }

    /// The parts of a range that have become zero, whatever was written since.
    fn zeroed_in(&self, range: Extent) -> impl Iterator<Item = Extent> + '_ {
        let first = self.zeroed.range(..=range.start / PAGE_LEN).next_back().map_or(0, |(first, _)| *first);
        let runs = self.zeroed.range(first..range.end().div_ceil(PAGE_LEN).max(first));
        let parts = runs
            .map(move |(&first, &end)| Extent::between(first * PAGE_LEN, end * PAGE_LEN).intersect(range));
        parts.filter(|part| !part.is_empty())
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
                let start = number * PAGE_LEN;
                if data.len() < PAGE && self.zeroed_in(Extent { start, len: 1 }).next().is_none() {
                    // What lies behind the device's end is zero.
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
        let range = Extent { start: offset, len: to_u64(buf.len()) };
        let within_page = range.end().div_ceil(PAGE_LEN) == page + 1;
        let changed = within_page && self.pages.contains_key(&page);
        if !changed && !self.zeroed_in(range).any(|zero| zero == range) {
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
                let end = next.map_or(self.size(), |(number, _)| number * PAGE_LEN);
                let rest = Extent::between(offset, end);
                match self.zeroed_in(rest).next() {
                    Some(zero) if zero.start == offset => Ok(Run { len: zero.len, zero: true }),
                    zero => {
                        let run = self.base.run_at(offset)?;
                        let limit = zero.map_or(end, |zero| zero.start) - offset;
                        Ok(Run { len: run.len.min(limit), zero: run.zero })
                    }
                }
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

    /// Whole pages are forgotten, whatever the base has there.
    fn zero_at(&mut self, range: Extent) -> io::Result<()> {
        check_range(self.size(), range.start, to_usize(range.len))?;
        let mut first = range.start.div_ceil(PAGE_LEN);
        // The last page may be cut short by the device's end.
        let mut end =
            if range.end() == self.size() { range.end().div_ceil(PAGE_LEN) } else { range.end() / PAGE_LEN };
        if first >= end {
            return self.write_at(range.start, &vec![0; to_usize(range.len)]);
        }
        self.write_at(range.start, &vec![0; to_usize(first * PAGE_LEN - range.start)])?;
        let behind = range.end().saturating_sub(end * PAGE_LEN);
        self.write_at(range.end() - behind, &vec![0; to_usize(behind)])?;
        let changed: Vec<u64> = self.pages.range(first..end).map(|(number, _)| *number).collect();
        for number in changed {
            if let Some(Page::Memory(_)) = self.pages.remove(&number) {
                self.in_memory -= 1;
            }
        }
        // Runs that touch become one.
        let before = self.zeroed.range(..=first).next_back().filter(|(_, other)| **other >= first);
        if let Some((&start, &other)) = before {
            (first, end) = (start, end.max(other));
        }
        while let Some((&start, &other)) = self.zeroed.range(first..=end).next() {
            self.zeroed.remove(&start);
            end = end.max(other);
        }
        self.zeroed.insert(first, end);
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
        for round in 0..=255u8 {
            let (start, len) = (next(model.len()), next(9000));
            let len = len.min(model.len() - start);
            let zero = round % 5 == 4;
            let data = vec![if zero { 0 } else { round }; len];
            model[start..start + len].copy_from_slice(&data);
            let range = Extent { start: to_u64(start), len: to_u64(len) };
            match zero {
                true => overlay.zero_at(range).unwrap(),
                false => overlay.write_at(range.start, &data).unwrap(),
            }
            let mut at = 0;
            while at < overlay.size() {
                let run = overlay.run_at(at).unwrap();
                let bytes = &model[to_usize(at)..to_usize(at + run.len)];
                assert!(run.len > 0 && (!run.zero || bytes.iter().all(|byte| *byte == 0)), "{at}: {run:?}");
                at += run.len;
            }

            let (start, len) = (next(model.len()), next(9000));
            let mut buf = vec![0; len.min(model.len() - start)];
            overlay.read_at(to_u64(start), &mut buf).unwrap();
            assert_eq!(buf, model[start..start + buf.len()]);
        }
        assert_eq!(*overlay.base(), base);
        assert!(overlay.spilled > 0);
    }

    #[test]
    fn what_becomes_zero_takes_no_memory() {
        let mut overlay = Overlay::new(vec![7; 100_000]);
        overlay.write_at(20_000, &[1; 30_000]).unwrap();
        overlay.zero_at(Extent::between(10_000, 60_000)).unwrap();
        assert_eq!((overlay.pages.len(), overlay.in_memory), (2, 2), "its ends");
        assert_eq!(overlay.run_at(12_288).unwrap(), Run { len: 57_344 - 12_288, zero: true });
        overlay.zero_at(Extent::between(57_344, 100_000)).unwrap();
        overlay.zero_at(Extent::between(0, 12_288)).unwrap();
        assert_eq!((overlay.pages.len(), overlay.in_memory, overlay.zeroed.len()), (0, 0, 1));
        assert_eq!(overlay.run_at(0).unwrap(), Run { len: 100_000, zero: true });
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
