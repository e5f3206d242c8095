//! What is known of each stored cluster of a file: which of its bytes are of use, and whose the others are.
//!
//! Clusters that lie in holes are not held, so memory follows what the file takes on its medium.

use crate::{BlockRead, Error, Extent, Object, Result, Unsupported, to_u64, to_usize};

use super::runs::Runs;
use crate::{container::ContainerUse, qcow2::layout::l2::SUBCLUSTERS};

/// Every byte is of use.
pub(super) const LIVE: u16 = 1 << 0;
/// Some bytes are of use; [`Clusters`] knows which.
const PARTS: u16 = 1 << 1;
/// A snapshot refers to it.
pub(super) const SNAPSHOT: u16 = 1 << 2;
/// A bitmap takes it.
pub(super) const BITMAP: u16 = 1 << 3;
/// An active L2 entry says that it reads as zero.
pub(super) const ZERO: u16 = 1 << 4;
/// It is a cluster of the guest's disk, the last one or one behind it.
pub(super) const BEHIND: u16 = 1 << 5;
/// An extended active L2 entry refers to it.
pub(super) const EXTENDED: u16 = 1 << 6;
/// Compressed clusters lie in it.
pub(super) const COMPRESSED: u16 = 1 << 7;
/// The header or the L1 table lies in it.
pub(super) const TABLE: u16 = 1 << 8;
/// It was looked at as an active L2 table.
pub(super) const SEEN: u16 = 1 << 9;
/// It was looked at as a snapshot's L2 table.
pub(super) const SEEN_SNAPSHOT: u16 = 1 << 10;

/// Clusters `first..end`, all stored; the first one's place in the tables is `index`.
#[derive(Debug)]
struct Stored {
    first: u64,
    end: u64,
    index: usize,
}

/// Live and zero-flagged subclusters of a cluster, a bit each.
#[derive(Debug, Clone, Copy, Default)]
struct Subclusters {
    live: u32,
    zero: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Clusters {
    bits: u32,
    /// Bytes of the file.
    size: u64,
    stored: Vec<Stored>,
    flags: Vec<u16>,
    /// Empty without extended L2 entries.
    subclusters: Vec<Subclusters>,
    live: Runs,
    snapshot: Runs,
}

impl Clusters {
    /// Nothing is known yet of `file`.
    pub(super) fn new(file: &dyn BlockRead, bits: u32, extended: bool) -> Result<Self> {
        let size = file.size();
        let (mut stored, mut count, mut at) = (Vec::<Stored>::new(), 0, 0);
        while at < size {
            let run = file.run_at(at)?;
            if !run.zero {
                // A cluster that two runs share is the first one's.
                let first = (at >> bits).max(stored.last().map_or(0, |last| last.end));
                let end = (at + run.len).div_ceil(1 << bits);
                match stored.last_mut() {
                    Some(last) if last.end == first => last.end = end.max(first),
                    _ => stored.push(Stored { first, end, index: count }),
                }
                count += to_usize(end.saturating_sub(first));
            }
            at += run.len;
        }
        Ok(Self {
            bits,
            size,
            stored,
            flags: vec![0; count],
            subclusters: vec![Subclusters::default(); if extended { count } else { 0 }],
            live: Runs::default(),
            snapshot: Runs::default(),
        })
    }

    /// How many clusters are stored.
    pub(super) fn count(&self) -> u64 {
        to_u64(self.flags.len())
    }

    /// The whole cluster that starts at `offset`, if it is one of the file and stored.
    pub(super) fn at(&self, offset: u64) -> Option<usize> {
        let number = offset >> self.bits;
        let at = self.stored.partition_point(|run| run.end <= number);
        let run = self.stored.get(at).filter(|run| run.first <= number)?;
        (offset.is_multiple_of(self.cluster()) && self.size.saturating_sub(offset) >= self.cluster())
            .then(|| run.index + to_usize(number - run.first))
    }

    /// Sets a flag of the cluster at an index from [`at`](Self::at). Whether it was set before.
    pub(super) fn test_and_set(&mut self, index: usize, flag: u16) -> bool {
        let before = self.flags[index];
        self.flags[index] |= flag;
        before & flag != 0
    }

    /// Sets a flag of every stored cluster that has a byte of `extent`.
    pub(super) fn mark(&mut self, extent: Extent, flag: u16) {
        if extent.is_empty() {
            return;
        }
        let (first, end) = (extent.start >> self.bits, extent.end().div_ceil(self.cluster()));
        let from = self.stored.partition_point(|run| run.end <= first);
        for run in self.stored[from..].iter().take_while(|run| run.first < end) {
            let part = first.max(run.first)..end.min(run.end);
            let index = run.index + to_usize(part.start - run.first);
            let len = to_usize(part.end - part.start);
            self.flags[index..index + len].iter_mut().for_each(|flags| *flags |= flag);
        }
    }

    /// The bytes of `extent` are of use.
    pub(super) fn mark_live(&mut self, extent: Extent) -> Result<()> {
        let extent = extent.intersect(Extent { start: 0, len: self.size });
        if extent.is_empty() {
            return Ok(());
        }
        let cluster = self.cluster();
        let start = extent.start.next_multiple_of(cluster);
        // The last cluster of a file need not be a whole one.
        let end = if extent.end() == self.size { self.size } else { extent.end() / cluster * cluster };
        if start < end {
            self.mark(Extent::between(start, end), LIVE);
            self.part(Extent::between(extent.start, start))?;
            return self.part(Extent::between(end, extent.end()));
        }
        let boundary = start.clamp(extent.start, extent.end());
        self.part(Extent::between(extent.start, boundary))?;
        self.part(Extent::between(boundary, extent.end()))
    }

    /// The bytes of `extent`, in one cluster, are of use.
    fn part(&mut self, extent: Extent) -> Result<()> {
        let Some(index) = (!extent.is_empty()).then(|| self.index_of(extent.start)).flatten() else {
            return Ok(());
        };
        self.flags[index] |= PARTS;
        let mut rest = [extent, Extent { start: 0, len: 0 }];
        if let Some(known) = self.subclusters.get_mut(index) {
            let len = (1 << self.bits) / u64::from(SUBCLUSTERS);
            // Cluster and file start at a multiple of it.
            let whole = Extent::between(extent.start.next_multiple_of(len), extent.end() / len * len);
            if !whole.is_empty() {
                for n in whole.start / len..whole.end() / len {
                    known.live |= 1 << (n % u64::from(SUBCLUSTERS));
                }
                rest =
                    [Extent::between(extent.start, whole.start), Extent::between(whole.end(), extent.end())];
            }
        }
        for part in rest {
            if !part.is_empty() && !self.live.add(part) {
                let feature = "an image file whose parts in use are that scattered";
                return Err(Error::from(Unsupported::new(Object::the("qcow2 image"), feature)));
            }
        }
        Ok(())
    }

    /// A snapshot refers to the bytes of `extent`, which are parts of clusters.
    pub(super) fn mark_snapshot_part(&mut self, extent: Extent) {
        // Full: they will be reported with another reason.
        let _ = self.snapshot.add(extent);
    }

    /// Subclusters of the cluster at `offset` read as zero.
    pub(super) fn mark_zero(&mut self, offset: u64, subclusters: u32) {
        if let Some(index) = self.index_of(offset) {
            self.subclusters[index].zero |= subclusters;
        }
    }

    /// Visits all stored bytes that are not live. `counted`: whether the cluster of that number has a refcount.
    pub(super) fn unused(
        mut self,
        counted: &mut dyn FnMut(u64) -> Result<bool>,
        visit: &mut dyn FnMut(Extent, ContainerUse) -> Result<()>,
    ) -> Result<()> {
        let live = std::mem::take(&mut self.live).into_set();
        let snapshot = std::mem::take(&mut self.snapshot).into_set();
        let mut joined: Option<(Extent, ContainerUse)> = None;
        let mut tell = |extent: Extent, found| match &mut joined {
            Some((last, reason)) if *reason == found && last.end() == extent.start => {
                last.len += extent.len;
                Ok(())
            }
            _ => joined.replace((extent, found)).map_or(Ok(()), |(extent, reason)| visit(extent, reason)),
        };
        for run in &self.stored {
            for (number, index) in (run.first..run.end).zip(run.index..) {
                let flags = self.flags[index];
                if flags & LIVE != 0 {
                    continue;
                }
                let start = number << self.bits;
                let cluster = Extent { start, len: self.cluster().min(self.size - start) };
                let reason = reason(flags);
                if flags & PARTS == 0 && self.subclusters.is_empty() && snapshot.is_empty() {
                    tell(cluster, or_counted(reason, number, counted)?)?;
                    continue;
                }
                for (part, zero) in self.dead_subclusters(index, cluster) {
                    for gap in live.gaps(part) {
                        let mut at = gap.start;
                        for held in snapshot.parts(gap).chain([Extent { start: gap.end(), len: 0 }]) {
                            let before = Extent::between(at, held.start);
                            if !before.is_empty() && zero && flags & SNAPSHOT == 0 {
                                tell(before, ContainerUse::ZeroFlagged)?;
                            } else if !before.is_empty() {
                                tell(before, or_counted(reason, number, counted)?)?;
                            }
                            if !held.is_empty() {
                                tell(held, ContainerUse::Snapshot)?;
                            }
                            at = held.end();
                        }
                    }
                }
            }
        }
        joined.map_or(Ok(()), |(extent, reason)| visit(extent, reason))
    }

    /// The parts of `cluster` in no live subcluster, in order, and whether they read as zero.
    fn dead_subclusters(&self, index: usize, cluster: Extent) -> Vec<(Extent, bool)> {
        let Some(known) = self.subclusters.get(index) else { return vec![(cluster, false)] };
        let len = self.cluster() / u64::from(SUBCLUSTERS);
        (0..SUBCLUSTERS)
            .filter(|n| known.live >> n & 1 == 0)
            .map(|n| {
                let whole = Extent { start: cluster.start + u64::from(n) * len, len };
                (whole.intersect(cluster), known.zero >> n & 1 == 1)
            })
            .collect()
    }

    fn cluster(&self) -> u64 {
        1 << self.bits
    }

    /// The stored cluster that has the byte at `offset`.
    fn index_of(&self, offset: u64) -> Option<usize> {
        let number = offset >> self.bits;
        let at = self.stored.partition_point(|run| run.end <= number);
        let run = self.stored.get(at).filter(|run| run.first <= number)?;
        Some(run.index + to_usize(number - run.first))
    }
}

/// Why the bytes of a cluster that are not live are there. `None`: nothing refers to it.
fn reason(flags: u16) -> Option<ContainerUse> {
    const REASONS: [(u16, ContainerUse); 7] = [
        (SNAPSHOT, ContainerUse::Snapshot),
        (BITMAP, ContainerUse::Bitmap),
        (ZERO, ContainerUse::ZeroFlagged),
        (BEHIND, ContainerUse::BehindEnd),
        (EXTENDED, ContainerUse::Unmapped),
        (COMPRESSED, ContainerUse::CompressedSlack),
        (TABLE, ContainerUse::Padding),
    ];
    REASONS.into_iter().find(|(flag, _)| flags & flag != 0).map(|(_, reason)| reason)
}

fn or_counted(
    reason: Option<ContainerUse>,
    cluster: u64,
    counted: &mut dyn FnMut(u64) -> Result<bool>,
) -> Result<ContainerUse> {
    match reason {
        Some(reason) => Ok(reason),
        None if counted(cluster)? => Ok(ContainerUse::Leaked),
        None => Ok(ContainerUse::Free),
    }
}
