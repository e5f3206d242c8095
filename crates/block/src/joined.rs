//! Several disks of one machine as one device: their bytes end to end, in the order in which they were given.
//!
//! Nothing lies between them, so each byte of a disk has one offset, and [`BlockRead::disks`] tells where each begins.
//! [`Parted`] writes such a device: to each disk's own image what is its own.

use std::{io, sync::Arc};

use crate::{BlockRead, Extent, ImageWriter, Run, device::check_range, to_u64, to_usize};

/// Some disks as one device.
pub struct Joined {
    /// Each with its place in the whole.
    disks: Vec<(Extent, Arc<dyn BlockRead>)>,
    size: u64,
}

impl Joined {
    /// Fails if together they have 2^64 bytes or more.
    pub fn new(disks: Vec<Arc<dyn BlockRead>>) -> io::Result<Self> {
        let mut joined = Self { disks: Vec::with_capacity(disks.len()), size: 0 };
        for disk in disks {
            let extent = Extent { start: joined.size, len: disk.size() };
            joined.size = joined
                .size
                .checked_add(extent.len)
                .ok_or_else(|| io::Error::other("the disks together exceed 2^64 bytes"))?;
            joined.disks.push((extent, disk));
        }
        Ok(joined)
    }

    /// The disk that has the byte at `offset`, which must be inside.
    fn at(&self, offset: u64) -> &(Extent, Arc<dyn BlockRead>) {
        &self.disks[self.disks.partition_point(|(extent, _)| extent.end() <= offset)]
    }
}

impl BlockRead for Joined {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        check_range(self.size, offset, buf.len())?;
        let (mut at, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let (extent, disk) = self.at(at);
            let len = to_u64(rest.len()).min(extent.end() - at);
            let (head, tail) = rest.split_at_mut(to_usize(len));
            disk.read_at(at - extent.start, head)?;
            (at, rest) = (at + len, tail);
        }
        Ok(())
    }

    fn run_at(&self, offset: u64) -> io::Result<Run> {
        check_range(self.size, offset, 1)?;
        let (extent, disk) = self.at(offset);
        disk.run_at(offset - extent.start)
    }

    fn disks(&self) -> Vec<Extent> {
        self.disks.iter().map(|(extent, _)| *extent).collect()
    }
}

/// Writes the bytes of a joined device to one image a disk.
pub struct Parted(Vec<(Extent, Box<dyn ImageWriter>)>);

impl Parted {
    /// Each writer with the place of its disk in the whole, in ascending order and without gaps.
    #[must_use]
    pub fn new(disks: Vec<(Extent, Box<dyn ImageWriter>)>) -> Self {
        Self(disks)
    }

    /// Hands to each disk's writer what is its own of `data`.
    fn part(
        &mut self,
        offset: u64,
        data: &[u8],
        write: impl Fn(&mut dyn ImageWriter, u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let whole = Extent { start: offset, len: to_u64(data.len()) };
        let mut done = 0;
        for (extent, writer) in &mut self.0 {
            let part = whole.intersect(*extent);
            if part.is_empty() {
                continue;
            }
            let from = to_usize(part.start - offset);
            write(&mut **writer, part.start - extent.start, &data[from..from + to_usize(part.len)])?;
            done += part.len;
        }
        if done == whole.len {
            return Ok(());
        }
        Err(io::Error::other(format!("a write at offset {offset} lies outside the disks")))
    }
}

impl ImageWriter for Parted {
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.part(offset, data, |writer, offset, data| writer.write(offset, data))
    }

    fn write_same(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.part(offset, data, |writer, offset, data| writer.write_same(offset, data))
    }

    fn shares(&self) -> bool {
        self.0.iter().any(|(_, writer)| writer.shares())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.0.into_iter().try_for_each(|(_, writer)| writer.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Overlay;

    fn three() -> Joined {
        let disks = [vec![1; 700], vec![2; 1], vec![3; 5000]];
        Joined::new(disks.into_iter().map(|disk| -> Arc<dyn BlockRead> { Arc::new(disk) }).collect()).unwrap()
    }

    #[test]
    fn bytes_follow_each_other() {
        let joined = three();
        let mut all = vec![0; 5701];
        joined.read_at(0, &mut all).unwrap();
        assert_eq!(all, [vec![1; 700], vec![2; 1], vec![3; 5000]].concat());
        assert!(joined.read_at(5701, &mut [0]).is_err() && joined.run_at(5701).is_err());
        assert_eq!(joined.run_at(699).unwrap().len, 1);
        assert_eq!(joined.run_at(700).unwrap().len, 1);
    }

    #[test]
    fn what_wraps_it_knows_its_disks() {
        let places = [Extent::between(0, 700), Extent::between(700, 701), Extent::between(701, 5701)];
        let joined: Arc<dyn BlockRead> = Arc::new(three());
        assert_eq!(joined.disks(), places);
        assert_eq!(Overlay::new(crate::Cached::new(&joined)).disks(), places);
        let one: Arc<dyn BlockRead> = Arc::new(vec![0; 9]);
        assert_eq!(one.disks(), [Extent::between(0, 9)]);
    }

    /// Remembers what was written where.
    struct Remembers(std::sync::mpsc::Sender<(u64, Vec<u8>)>);

    impl ImageWriter for Remembers {
        fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.0.send((offset, data.to_vec())).map_err(io::Error::other)
        }
        fn finish(self: Box<Self>) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_disk_gets_its_own() {
        let ((first, one), (second, two)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
        let mut parted = Box::new(Parted::new(vec![
            (Extent::between(0, 4), Box::new(Remembers(first))),
            (Extent::between(4, 9), Box::new(Remembers(second))),
        ]));
        parted.write(1, &[1]).unwrap();
        parted.write(2, &[2, 3, 4, 5]).unwrap();
        parted.write(7, &[6, 7]).unwrap();
        assert!(parted.write(8, &[8, 9]).is_err());
        parted.finish().unwrap();
        assert_eq!(one.iter().collect::<Vec<_>>(), [(1, vec![1]), (2, vec![2, 3])]);
        assert_eq!(two.iter().take(2).collect::<Vec<_>>(), [(0, vec![4, 5]), (3, vec![6, 7])]);
    }
}
