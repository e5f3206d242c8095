//! A volume as a device of its own: some extents of a disk, laid end to end.

use std::io;

use crate::{BlockRead, BlockWrite, Extent, Run, device::check_range, to_u64, to_usize};

/// The bytes of `extents`, in their order, as one device.
#[derive(Debug, Clone)]
pub struct Window<D> {
    disk: D,
    /// Start within the window of each extent, and the extent on the disk.
    pieces: Vec<(u64, Extent)>,
    size: u64,
}

impl<D: BlockRead> Window<D> {
    /// Fails if an extent lies outside the disk.
    pub fn new(disk: D, extents: &[Extent]) -> io::Result<Self> {
        let mut pieces = Vec::with_capacity(extents.len());
        let mut size = 0u64;
        for &extent in extents.iter().filter(|extent| !extent.is_empty()) {
            check_range(disk.size(), extent.start, to_usize(extent.len))?;
            pieces.push((size, extent));
            size =
                size.checked_add(extent.len).ok_or_else(|| io::Error::other("window exceeds 2^64 bytes"))?;
        }
        Ok(Self { disk, pieces, size })
    }

    /// Where `range` of the window lies on the disk: one extent for each piece it touches, in its order.
    pub fn map(&self, range: Extent) -> impl Iterator<Item = Extent> + '_ {
        let first =
            self.pieces.partition_point(|(start, extent)| start.saturating_add(extent.len) <= range.start);
        self.pieces[first..].iter().take_while(move |(start, _)| *start < range.end()).map(
            move |&(start, extent)| {
                let part = range.intersect(Extent { start, len: extent.len });
                Extent { start: extent.start + (part.start - start), len: part.len }
            },
        )
    }
}

impl<D: BlockRead> BlockRead for Window<D> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        check_range(self.size, offset, buf.len())?;
        let mut rest = buf;
        for part in self.map(Extent { start: offset, len: to_u64(rest.len()) }) {
            let (head, tail) = rest.split_at_mut(to_usize(part.len));
            self.disk.read_at(part.start, head)?;
            rest = tail;
        }
        Ok(())
    }

    fn run_at(&self, offset: u64) -> io::Result<Run> {
        check_range(self.size, offset, 1)?;
        let part = self
            .map(Extent::between(offset, self.size))
            .next()
            .expect("a byte inside the window lies in one of its pieces");
        let run = self.disk.run_at(part.start)?;
        Ok(Run { len: run.len.min(part.len), zero: run.zero })
    }
}

impl<D: BlockWrite> BlockWrite for Window<D> {
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        check_range(self.size, offset, data.len())?;
        let parts: Vec<Extent> = self.map(Extent { start: offset, len: to_u64(data.len()) }).collect();
        let mut rest = data;
        for part in parts {
            let (head, tail) = rest.split_at(to_usize(part.len));
            self.disk.write_at(part.start, head)?;
            rest = tail;
        }
        Ok(())
    }

    fn zero_at(&mut self, range: Extent) -> io::Result<()> {
        check_range(self.size, range.start, to_usize(range.len))?;
        let parts: Vec<Extent> = self.map(range).collect();
        parts.into_iter().try_for_each(|part| self.disk.zero_at(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_lie_end_to_end() {
        let disk: Vec<u8> = (0..100).collect();
        let mut window = Window::new(disk, &[Extent::between(50, 60), Extent::between(10, 20)]).unwrap();
        assert_eq!(window.size(), 20);
        let mut buf = [0; 4];
        window.read_at(8, &mut buf).unwrap();
        assert_eq!(buf, [58, 59, 10, 11]);
        window.write_at(9, &[1, 2]).unwrap();
        window.read_at(8, &mut buf).unwrap();
        assert_eq!(buf, [58, 1, 2, 11]);
        let on_disk: Vec<_> = window.map(Extent::between(9, 20)).collect();
        assert_eq!(on_disk, [Extent::between(59, 60), Extent::between(10, 20)]);
        assert!(window.read_at(18, &mut buf).is_err());
    }

    #[test]
    fn a_piece_outside_the_disk_is_refused() {
        assert!(Window::new(vec![0; 10], &[Extent::between(5, 11)]).is_err());
    }
}
