//! The file allocation table: its entries, and the chains of clusters they make.
//!
//! A chain that is returned ends, stays inside the filesystem, and holds no free, bad or reserved cluster.
//! Memory follows the number of its runs, and only one piece of the table is read at a time.
//!
//! Source: fatgen103, section "FAT Data Structure".

use std::ops::Range;

use block::{BlockRead, BlockWrite, Object, Result, to_u64, to_usize};

use super::boot::{Geometry, Kind};

pub(super) const FAT: Object = Object::the("FAT");

/// How much of the table is held at a time: this much at first, then more and more, at most [`PIECE`].
const SMALL_PIECE: u64 = 512;
const PIECE: u64 = 64 << 10;

/// What the entry of a cluster says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Free,
    /// The chain goes on with this cluster, which exists.
    Next(u32),
    End,
    /// Marked as unusable.
    Bad,
    /// A number that is none of these.
    Invalid(u32),
}

/// Clusters `first`, `first + 1` ... `first + count - 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: u32,
    pub(super) count: u32,
}

impl Run {
    pub(super) fn numbers(self) -> Range<u32> {
        self.first..self.first + self.count
    }
}

/// How many clusters a chain has.
pub(super) fn length(runs: &[Run]) -> u64 {
    runs.iter().map(|run| u64::from(run.count)).sum()
}

/// Some clusters. One bit for each that exists: at most 32 MiB, since FAT32 has 28 bits.
#[derive(Debug)]
pub(super) struct ClusterSet(Vec<u64>);

impl ClusterSet {
    pub(super) fn new(geometry: &Geometry) -> Self {
        Self(vec![0; to_usize(u64::from(geometry.clusters) / 64 + 1)])
    }

    /// Adds the clusters of a chain; one that is in the set already is `Corrupt`.
    pub(super) fn add(&mut self, runs: &[Run]) -> Result<()> {
        for number in runs.iter().flat_map(|run| run.numbers()) {
            let index = u64::from(number) - 2;
            let (word, bit) = (&mut self.0[to_usize(index / 64)], 1 << (index % 64));
            if *word & bit != 0 {
                return Err(cluster(number).corrupt("number of references", 2, 1));
            }
            *word |= bit;
        }
        Ok(())
    }
}

fn cluster(number: u32) -> Object {
    Object::numbered("cluster", number.into())
}

/// The table through a window that moves along.
pub(super) struct Table<'a, D> {
    device: &'a D,
    geometry: &'a Geometry,
    start: u64,
    piece: Vec<u8>,
}

impl Kind {
    /// Where the entry of a cluster starts within the table, and its bytes.
    fn place(self, number: u32) -> (u64, usize) {
        let number = u64::from(number);
        match self {
            Self::Fat12 => (number + number / 2, 2),
            Self::Fat16 => (number * 2, 2),
            Self::Fat32 => (number * 4, 4),
        }
    }

    /// The largest entry: the end of a chain. 7 to 14 below it are ends too; 8 below is a bad cluster.
    pub(super) fn end(self) -> u32 {
        match self {
            Self::Fat12 => 0xfff,
            Self::Fat16 => 0xffff,
            Self::Fat32 => 0x0fff_ffff,
        }
    }

    /// The entry in its raw bytes.
    fn decode(self, number: u32, raw: &[u8]) -> u32 {
        match self {
            Self::Fat12 => {
                let pair = u32::from(u16::from_le_bytes([raw[0], raw[1]]));
                if number % 2 == 1 { pair >> 4 } else { pair & 0xfff }
            }
            Self::Fat16 => u16::from_le_bytes([raw[0], raw[1]]).into(),
            Self::Fat32 => u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]) & 0x0fff_ffff,
        }
    }

    /// Changes the entry in its raw bytes. Its neighbour's half byte, and the four upper bits that are not part
    /// of a FAT32 entry, stay.
    fn encode(self, number: u32, raw: &mut [u8], value: u32) {
        let old = raw.iter().rev().fold(0, |all, &byte| all << 8 | u32::from(byte));
        let new = match self {
            Self::Fat12 if number % 2 == 1 => old & 0xf | value << 4,
            Self::Fat12 => old & 0xf000 | value,
            Self::Fat16 => value,
            Self::Fat32 => old & 0xf000_0000 | value,
        };
        let width = raw.len();
        raw.copy_from_slice(&new.to_le_bytes()[..width]);
    }
}

impl Geometry {
    /// The first byte of one of the FATs.
    pub(super) fn fat_start(&self, which: u64) -> u64 {
        self.reserved + which * self.fat_size
    }

    /// How many bytes of a FAT have entries; what follows is padding.
    pub(super) fn fat_used(&self) -> u64 {
        let entries = u64::from(self.clusters) + 2;
        match self.kind {
            Kind::Fat12 => (entries * 3).div_ceil(2),
            Kind::Fat16 => entries * 2,
            Kind::Fat32 => entries * 4,
        }
    }

    /// Changes the entry of a cluster: in all FATs if they are mirrored, else in the active one.
    pub(super) fn set_link<D: BlockWrite>(&self, device: &mut D, number: u32, value: u32) -> Result<()> {
        let (offset, width) = self.kind.place(number);
        let mut raw = [0; 4];
        device.read_object(FAT, self.fat_start(self.active) + offset, &mut raw[..width])?;
        self.kind.encode(number, &mut raw[..width], value);
        for which in (0..self.fats).filter(|&which| self.mirrored || which == self.active) {
            device.write_at(self.fat_start(which) + offset, &raw[..width])?;
        }
        Ok(())
    }
}

impl<'a, D: BlockRead> Table<'a, D> {
    pub(super) fn new(device: &'a D, geometry: &'a Geometry) -> Self {
        Self { device, geometry, start: 0, piece: Vec::new() }
    }

    /// The entry of a cluster that exists, or of 0 or 1, which hold flags.
    pub(super) fn raw(&mut self, number: u32) -> Result<u32> {
        let (offset, width) = self.geometry.kind.place(number);
        let inside = offset.checked_sub(self.start).map(to_usize).filter(|at| at + width <= self.piece.len());
        let at = match inside {
            Some(at) => at,
            None => {
                // The FAT holds an entry for each cluster (checked by `Geometry`), so this never ends before it.
                self.start = offset;
                // Small at first, since most files are; larger as it goes on.
                let len = to_u64(self.piece.len() * 2).clamp(SMALL_PIECE, PIECE);
                self.piece.resize(to_usize(len.min(self.geometry.fat_size - offset)), 0);
                let active = self.geometry.fat_start(self.geometry.active);
                self.device.read_object(FAT, active + offset, &mut self.piece)?;
                0
            }
        };
        Ok(self.geometry.kind.decode(number, &self.piece[at..at + width]))
    }

    /// What the entry of a cluster that exists says.
    pub(super) fn link(&mut self, number: u32) -> Result<Link> {
        let end = self.geometry.kind.end();
        Ok(match self.raw(number)? {
            0 => Link::Free,
            next if self.geometry.has_cluster(next) => Link::Next(next),
            value if value >= end - 7 => Link::End,
            value if value == end - 8 => Link::Bad,
            value => Link::Invalid(value),
        })
    }

    /// The chain from `first` on; `of` is what it belongs to.
    pub(super) fn chain(&mut self, of: Object, first: u32) -> Result<Vec<Run>> {
        if !self.geometry.has_cluster(first) {
            return Err(of.corrupt("first cluster", first, self.geometry.cluster_range()));
        }
        let mut runs = vec![Run { first, count: 1 }];
        // Brent: the mark moves to the present cluster each time the number of steps has doubled.
        let (mut mark, mut steps, mut limit) = (first, 0u64, 1u64);
        let mut here = first;
        loop {
            let next = match self.link(here)? {
                Link::End => return Ok(runs),
                Link::Next(next) => next,
                wrong => {
                    let found = match wrong {
                        Link::Free => "0 (free)".to_owned(),
                        Link::Bad => format!("{:#x} (bad)", self.geometry.kind.end() - 8),
                        Link::Invalid(value) => value.to_string(),
                        Link::End | Link::Next(_) => unreachable!("handled above"),
                    };
                    let expected = format!("{} or an end mark", self.geometry.cluster_range());
                    return Err(cluster(here).corrupt("entry in the FAT", found, expected));
                }
            };
            if next == mark {
                return Err(of.corrupt("cluster chain", "cyclic", "one that ends"));
            }
            steps += 1;
            if steps == limit {
                (mark, limit) = (next, limit * 2);
            }
            match runs.last_mut() {
                Some(run) if run.first + run.count == next => run.count += 1,
                _ => runs.push(Run { first: next, count: 1 }),
            }
            here = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fat::boot::tests::{fat16, fat32};

    fn image(boot: &[u8]) -> (Vec<u8>, Geometry) {
        let mut image = vec![0; 16 << 20];
        image[..boot.len()].copy_from_slice(boot);
        let geometry = Geometry::read(&image).unwrap();
        (image, geometry)
    }

    #[test]
    fn entries_keep_their_neighbours() {
        let mut raw = [0xab, 0xcd];
        Kind::Fat12.encode(2, &mut raw, 0x123);
        assert_eq!((raw, Kind::Fat12.decode(2, &raw)), ([0x23, 0xc1], 0x123));
        Kind::Fat12.encode(3, &mut raw, 0x456);
        assert_eq!((raw, Kind::Fat12.decode(3, &raw)), ([0x63, 0x45], 0x456));
        let mut raw = [0, 0, 0, 0xa0];
        Kind::Fat32.encode(2, &mut raw, 0x0fff_ffff);
        assert_eq!(raw, [0xff, 0xff, 0xff, 0xaf]);
    }

    #[test]
    fn chains_end_or_are_refused() {
        for boot in [fat16(), fat32()] {
            let (mut image, geometry) = image(&boot);
            let of = Object::the("test");
            let mut follow = |links: &[(u32, u32)]| {
                for &(number, value) in links {
                    geometry.set_link(&mut image, number, value).unwrap();
                }
                Table::new(&image, &geometry).chain(of, 3).map_err(|error| error.to_string())
            };
            let (end, last) = (geometry.kind.end(), geometry.clusters + 1);
            let good = follow(&[(3, 4), (4, 9), (9, 10), (10, last), (last, end - 7)]).unwrap();
            let runs = [(3, 2), (9, 2), (last, 1)].map(|(first, count)| Run { first, count });
            assert_eq!((good, length(&runs)), (runs.to_vec(), 5));

            let wrong = |cluster: u32, found: &str| {
                Err(format!(
                    "cluster {cluster}: entry in the FAT is {found}, expected 2 to {last} or an end mark"
                ))
            };
            assert_eq!(follow(&[(10, 0)]), wrong(10, "0 (free)"));
            assert_eq!(follow(&[(10, end - 8)]), wrong(10, &format!("{:#x} (bad)", end - 8)));
            assert_eq!(follow(&[(10, 1)]), wrong(10, "1"));
            assert_eq!(follow(&[(10, last + 1)]), wrong(10, &(last + 1).to_string()));
            let cyclic = Err("test: cluster chain is cyclic, expected one that ends".to_owned());
            assert_eq!(follow(&[(10, 10)]), cyclic);
            assert_eq!(follow(&[(10, 4)]), cyclic);
            assert_eq!(follow(&[(3, 3)]), cyclic);
        }
    }

    #[test]
    fn a_cluster_has_one_owner() {
        let (_, geometry) = image(&fat16());
        let mut set = ClusterSet::new(&geometry);
        set.add(&[Run { first: 2, count: 70 }, Run { first: geometry.clusters + 1, count: 1 }]).unwrap();
        let error = set.add(&[Run { first: 71, count: 1 }]).unwrap_err();
        assert_eq!(error.to_string(), "cluster 71: number of references is 2, expected 1");
    }
}
