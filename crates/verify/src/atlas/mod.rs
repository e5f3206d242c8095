//! The class and the owner of every byte of a disk, as the image itself tells them. The whole disk is covered, each
//! byte once; memory follows the changes of class and owner: 24 bytes each.

mod volume;

use std::collections::BTreeMap;

use block::{BlockRead, Extent, Object, Window};
use filesystem::{Content, Error, InodeId, Layout, LiveKind, Result};

use crate::{Note, Region, Views};

/// Bytes of one class that one volume, and one inode or none, has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// Where, on the disk.
    pub extent: Extent,
    /// Index in the layout's volumes; `None` outside of all.
    pub volume: Option<usize>,
    /// What the bytes are.
    pub region: Region,
    /// Whose content, slack, unwritten space or map they are, where it is one inode's.
    pub inode: Option<InodeId>,
}

/// Where an area starts; it ends where the next one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    start: u64,
    /// [`NOBODY`] if it is not one inode's.
    inode: u64,
    /// [`OUTSIDE`] if in none.
    volume: u32,
    region: Region,
}

const NOBODY: u64 = u64::MAX;
const OUTSIDE: u32 = u32::MAX;

impl Entry {
    fn same(&self, other: &Self) -> bool {
        (self.inode, self.volume, self.region) == (other.inode, other.volume, other.region)
    }
}

/// An area that may still be merged, split and moved: an [`Entry`] with its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    start: u64,
    len: u64,
    inode: u64,
    volume: u32,
    region: Region,
}

impl Piece {
    fn extent(&self) -> Extent {
        Extent { start: self.start, len: self.len }
    }
}

/// The map of a disk.
#[derive(Debug)]
pub struct Atlas {
    size: u64,
    /// The first starts at 0. Neighbours differ.
    entries: Vec<Entry>,
    /// Volumes of which nothing but their place is known.
    blank: Vec<bool>,
}

impl Atlas {
    /// Maps a disk.
    ///
    /// A volume that contradicts itself, or that has a feature that is not read, becomes [`Region::Opaque`] as a
    /// whole, and a note says why: the rest of the disk can still be judged. Fails only if the medium does.
    pub fn of(disk: &dyn BlockRead, layout: &Layout, views: &Views, notes: &mut Vec<Note>) -> Result<Self> {
        let mut pieces = Vec::new();
        let mut blank = vec![false; layout.volumes.len()];
        for (index, volume) in layout.volumes.iter().enumerate() {
            // More volumes than that would take more memory than there is before they got here.
            let number = u32::try_from(index).expect("a layout has fewer than 2^32 volumes");
            let whole = match volume.content {
                Content::Ext | Content::Fat | Content::Xfs | Content::Swap => {
                    let before = pieces.len();
                    let outcome = views.filesystem(index).map(|filesystem| {
                        volume::pieces(disk, volume, number, &*filesystem?, &mut pieces, notes)
                    });
                    match outcome {
                        Some(Ok(())) => continue,
                        Some(Err(error @ Error::Io(_))) => return Err(error),
                        Some(Err(error)) => {
                            let text = format!("cannot be accounted for: {error}");
                            notes.push(Note { volume: Some(volume.number), text });
                        }
                        // Why it has no view is a note already.
                        None => {}
                    }
                    pieces.truncate(before);
                    blank[index] = true;
                    Region::Opaque
                }
                Content::Opaque(_) => Region::Opaque,
                Content::Lvm2 => Region::Free,
                Content::BootCode | Content::Empty => Region::Empty,
            };
            pieces.extend(volume.places().map(|extent| Piece {
                start: extent.start,
                len: extent.len,
                inode: NOBODY,
                volume: number,
                region: whole,
            }));
        }
        let size = disk.size();
        let mut atlas = Self { size, entries: cover(size, pieces)?, blank };
        let areas = layout.physical.iter().flat_map(|physical| &physical.areas);
        atlas.carve(areas.map(|&area| (area, Region::OldMetadata)));
        atlas.carve(layout.live.iter().map(|live| {
            let region = match live.kind {
                LiveKind::BootCode | LiveKind::GrubCore | LiveKind::Prep => Region::BootCode,
                LiveKind::Mbr
                | LiveKind::ProtectiveMbr
                | LiveKind::Ebr
                | LiveKind::GptHeader
                | LiveKind::GptEntries
                | LiveKind::LvmLabel
                | LiveKind::LvmMetadata
                | LiveKind::MirrorMetadata => Region::Metadata,
            };
            (live.extent, region)
        }));
        Ok(atlas)
    }

    /// Size of the disk in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether a volume's filesystem was recognised but could not be accounted for.
    #[must_use]
    pub fn is_blank(&self, volume: usize) -> bool {
        self.blank.get(volume).copied().unwrap_or(false)
    }

    fn area(&self, index: usize) -> Area {
        let entry = self.entries[index];
        let end = self.entries.get(index + 1).map_or(self.size, |next| next.start);
        Area {
            extent: Extent::between(entry.start, end),
            volume: usize::try_from(entry.volume).ok().filter(|_| entry.volume != OUTSIDE),
            region: entry.region,
            inode: (entry.inode != NOBODY).then_some(InodeId(entry.inode)),
        }
    }

    /// The area that holds the byte at `offset`; `None` behind the disk's end.
    #[must_use]
    pub fn at(&self, offset: u64) -> Option<Area> {
        let behind = self.entries.partition_point(|entry| entry.start <= offset);
        (offset < self.size).then(|| self.area(behind.saturating_sub(1)))
    }

    /// The areas that `range` touches, clipped to it, in order.
    pub fn parts(&self, range: Extent) -> impl Iterator<Item = Area> + '_ {
        let first = self.entries.partition_point(|entry| entry.start <= range.start).saturating_sub(1);
        (first..self.entries.len())
            .map(|index| self.area(index))
            .map(move |area| Area { extent: area.extent.intersect(range), ..area })
            .skip_while(|area| area.extent.is_empty())
            .take_while(|area| !area.extent.is_empty())
    }

    /// Every area, in order.
    pub fn areas(&self) -> impl Iterator<Item = Area> + '_ {
        (0..self.entries.len()).map(|index| self.area(index))
    }

    /// Bytes of each class in each volume.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<(Option<usize>, Region), u64> {
        let mut totals = BTreeMap::new();
        for area in self.areas() {
            *totals.entry((area.volume, area.region)).or_default() += area.extent.len;
        }
        totals
    }

    /// Gives these extents another class: what is inside a larger area, such as the unused tail of a directory.
    /// Volume and owner stay. Where they overlap, the first in order of start has the byte.
    pub fn carve(&mut self, regions: impl IntoIterator<Item = (Extent, Region)>) {
        let mut regions: Vec<(Extent, Region)> =
            regions.into_iter().filter(|(extent, _)| !extent.is_empty()).collect();
        if regions.is_empty() {
            return;
        }
        regions.sort_by_key(|(extent, _)| *extent);
        let mut carved: Vec<Entry> = Vec::with_capacity(self.entries.len() + 2 * regions.len());
        let mut next = regions.into_iter().peekable();
        for index in 0..self.entries.len() {
            let (old, extent) = (self.entries[index], self.area(index).extent);
            let mut at = extent.start;
            while at < extent.end() {
                while next.next_if(|(region, _)| region.end() <= at).is_some() {}
                let (end, region) = match next.peek() {
                    Some((inside, region)) if inside.start <= at => (inside.end(), *region),
                    Some((inside, _)) => (inside.start, old.region),
                    None => (extent.end(), old.region),
                };
                push(&mut carved, Entry { start: at, region, ..old });
                at = end.min(extent.end());
            }
        }
        carved.shrink_to_fit();
        self.entries = carved;
    }
}

/// Appends an entry unless it goes on with the last one.
fn push(entries: &mut Vec<Entry>, entry: Entry) {
    if entries.last().is_none_or(|last| !last.same(&entry)) {
        entries.push(entry);
    }
}

/// The entries of a disk from pieces that do not overlap, in any order; what none of them has is a gap.
fn cover(size: u64, mut pieces: Vec<Piece>) -> Result<Vec<Entry>> {
    pieces.sort_unstable_by_key(Piece::extent);
    let shared = |at: u64| Object::the("disk").corrupt("first byte that two structures use", at, "none");
    let gap = |start| Entry { start, inode: NOBODY, volume: OUTSIDE, region: Region::Gap };
    let mut entries = Vec::new();
    let mut end = 0;
    for piece in pieces.into_iter().filter(|piece| piece.len > 0) {
        if piece.start < end {
            return Err(shared(piece.start));
        }
        if piece.start > end {
            push(&mut entries, gap(end));
        }
        let Piece { start, inode, volume, region, .. } = piece;
        push(&mut entries, Entry { start, inode, volume, region });
        end = piece.extent().end();
    }
    if end > size {
        return Err(shared(size));
    }
    if end < size {
        push(&mut entries, gap(end));
    }
    entries.shrink_to_fit();
    Ok(entries)
}

/// From bytes of a volume to bytes of the disk, in each leg of a mirror.
fn on_disk<'a>(legs: &'a [Window<impl BlockRead>], piece: &'a Piece) -> impl Iterator<Item = Piece> + 'a {
    let extents = legs.iter().flat_map(|leg| leg.map(piece.extent()));
    extents.map(|extent| Piece { start: extent.start, len: extent.len, ..*piece })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(start: u64, end: u64, region: Region, inode: u64) -> Piece {
        Piece { start, len: end - start, inode, volume: 0, region }
    }

    fn atlas(pieces: Vec<Piece>) -> Atlas {
        Atlas { size: 100, entries: cover(100, pieces).unwrap(), blank: vec![false] }
    }

    fn parts(atlas: &Atlas, range: Extent) -> Vec<(u64, u64, Region, Option<u64>)> {
        let part =
            |area: Area| (area.extent.start, area.extent.end(), area.region, area.inode.map(|inode| inode.0));
        atlas.parts(range).map(part).collect()
    }

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Entry>(), 24);
    }

    #[test]
    fn covers_every_byte_once_and_merges() {
        let atlas = atlas(vec![
            piece(50, 60, Region::Free, NOBODY),
            piece(10, 20, Region::File, 7),
            piece(20, 30, Region::File, 7),
            piece(30, 50, Region::File, 8),
        ]);
        let expected = [
            (5, 10, Region::Gap, None),
            (10, 30, Region::File, Some(7)),
            (30, 50, Region::File, Some(8)),
            (50, 60, Region::Free, None),
            (60, 70, Region::Gap, None),
        ];
        assert_eq!(parts(&atlas, Extent::between(5, 70)), expected);
        assert_eq!(atlas.at(29).unwrap().extent, Extent::between(10, 30));
        assert_eq!(atlas.at(99).unwrap().region, Region::Gap);
        assert_eq!(atlas.at(100), None);
        assert_eq!(atlas.totals().values().sum::<u64>(), 100);
        assert_eq!(atlas.totals()[&(Some(0), Region::File)], 40);
    }

    #[test]
    fn two_claims_on_one_byte_or_one_outside_are_an_error() {
        assert!(cover(100, vec![piece(0, 10, Region::File, 1), piece(9, 12, Region::Free, 1)]).is_err());
        assert!(cover(100, vec![piece(90, 101, Region::File, 1)]).is_err());
    }

    #[test]
    fn a_carved_tail_keeps_its_owner() {
        let mut atlas = atlas(vec![piece(10, 30, Region::Metadata, 7), piece(30, 40, Region::Free, NOBODY)]);
        let tail = Region::DirectoryTail;
        atlas.carve([(Extent::between(28, 32), tail), (Extent::between(12, 14), tail)]);
        let expected = [
            (0, 10, Region::Gap, None),
            (10, 12, Region::Metadata, Some(7)),
            (12, 14, tail, Some(7)),
            (14, 28, Region::Metadata, Some(7)),
            (28, 30, tail, Some(7)),
            (30, 32, tail, None),
            (32, 40, Region::Free, None),
            (40, 100, Region::Gap, None),
        ];
        assert_eq!(parts(&atlas, Extent::between(0, 100)), expected);
    }
}
