//! What each byte of a disk is: live, or dead and why. The whole disk is covered, each byte once.

use std::fmt;

use block::{Extent, ExtentSet};
use filesystem::Residue;
use serde::{Serialize, Serializer};

/// What a byte of the disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Copied.
    Live,
    /// Allocated by a filesystem, but reachable for nobody.
    Dead(Residue),
    /// In a filesystem's volume, but not allocated.
    Free,
    /// Allocated by a filesystem, but owned by nothing in it.
    Unowned,
    /// In a volume that holds no filesystem.
    Empty,
    /// In a volume that diskscrub cannot read and was told to drop.
    Opaque,
    /// Between, before and behind partitions.
    Gap,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "live",
            Self::Dead(Residue::Journal) => "journal",
            Self::Dead(Residue::Unwritten) => "unwritten",
            Self::Dead(Residue::Slack) => "slack",
            Self::Dead(Residue::DeadInode) => "dead inode",
            Self::Dead(Residue::Reserved) => "reserved",
            Self::Dead(Residue::Unmapped) => "unmapped",
            Self::Dead(Residue::Swap) => "swap",
            Self::Dead(Residue::OldMetadata) => "old metadata",
            Self::Free => "free",
            Self::Unowned => "unowned",
            Self::Empty => "empty",
            Self::Opaque => "opaque",
            Self::Gap => "gap",
        })
    }
}

impl Serialize for Class {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Index of a volume in the layout; `None` for bytes outside all volumes.
pub(crate) type VolumeIndex = Option<u16>;

/// The class and volume of every byte of a disk, as the offsets where they change: 16 bytes a region.
#[derive(Debug)]
pub struct DiskMap {
    size: u64,
    /// Where each region starts; it ends where the next one does. The first starts at 0.
    regions: Vec<(u64, VolumeIndex, Class)>,
}

/// A region of a [`DiskMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) extent: Extent,
    pub(crate) volume: VolumeIndex,
    pub(crate) class: Class,
}

impl DiskMap {
    /// The map of a disk of `size` bytes from claimed regions that do not overlap, in any order; what none of
    /// them has is a gap. The first shared bytes are the error.
    pub(crate) fn new(size: u64, mut claimed: Vec<Region>) -> Result<Self, Extent> {
        claimed.retain(|region| !region.extent.is_empty());
        // Each volume's come in a few ascending runs, which a stable sort merges.
        claimed.sort_by_key(|region| region.extent);
        let mut regions: Vec<(u64, VolumeIndex, Class)> = Vec::new();
        let mut push = |start, volume, class| {
            if regions.last().is_none_or(|&(_, v, c)| (v, c) != (volume, class)) {
                regions.push((start, volume, class));
            }
        };
        let mut end = 0;
        for region in claimed {
            if region.extent.start < end {
                return Err(Extent::between(region.extent.start, end.min(region.extent.end())));
            }
            if region.extent.start > end {
                push(end, None, Class::Gap);
            }
            push(region.extent.start, region.volume, region.class);
            end = region.extent.end();
        }
        if end > size {
            return Err(Extent::between(size, end));
        }
        if end < size {
            push(end, None, Class::Gap);
        }
        regions.shrink_to_fit();
        Ok(Self { size, regions })
    }

    /// The regions that `range` touches, clipped to it, in order.
    pub(crate) fn parts(&self, range: Extent) -> impl Iterator<Item = Region> + '_ {
        let first = self.regions.partition_point(|region| region.0 <= range.start).saturating_sub(1);
        (first..self.regions.len())
            .map(|index| {
                let (start, volume, class) = self.regions[index];
                let end = self.regions.get(index + 1).map_or(self.size, |next| next.0);
                Region { extent: Extent::between(start, end), volume, class }
            })
            .map(move |region| Region { extent: region.extent.intersect(range), ..region })
            .skip_while(|region| region.extent.is_empty())
            .take_while(|region| !region.extent.is_empty())
    }

    /// The bytes to copy.
    #[must_use]
    pub fn live(&self) -> ExtentSet {
        self.parts(Extent { start: 0, len: self.size })
            .filter(|region| region.class == Class::Live)
            .map(|region| region.extent)
            .collect()
    }

    /// Size of the disk in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(start: u64, end: u64, class: Class) -> Region {
        Region { extent: Extent::between(start, end), volume: Some(0), class }
    }

    #[test]
    fn covers_every_byte_once() {
        let map = DiskMap::new(
            100,
            vec![region(50, 60, Class::Free), region(10, 20, Class::Live), region(20, 50, Class::Live)],
        )
        .unwrap();
        let parts: Vec<_> =
            map.parts(Extent::between(5, 70)).map(|r| (r.extent.start, r.extent.end(), r.class)).collect();
        let expected =
            [(5, 10, Class::Gap), (10, 50, Class::Live), (50, 60, Class::Free), (60, 70, Class::Gap)];
        assert_eq!(parts, expected);
        assert_eq!(map.live().iter().collect::<Vec<_>>(), [Extent::between(10, 50)]);
        assert_eq!(map.parts(Extent::between(20, 30)).count(), 1);
    }

    #[test]
    fn two_claims_on_one_byte_are_an_error() {
        let shared =
            DiskMap::new(100, vec![region(0, 10, Class::Live), region(9, 12, Class::Free)]).unwrap_err();
        assert_eq!(shared, Extent::between(9, 10));
        assert!(DiskMap::new(100, vec![region(90, 101, Class::Live)]).is_err());
    }
}
