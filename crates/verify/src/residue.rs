//! What is not zero though nothing live claims it: summed by volume and class, listed up to a bound, and drawn.
//!
//! A [`Counter`] can be fed from any pass over the disk; [`residue()`] makes one that reads nothing but what is dead.

use std::collections::BTreeMap;

use block::{BlockRead, Extent, is_zero, to_u64, to_usize};
use filesystem::{InodeId, Result};
use serde::Serialize;

use crate::{Area, Picture, Region, Survey};

/// Largest read in bytes.
const PIECE: u64 = 1 << 20;
/// Within each of these bytes of the disk, residue is counted from the first to the last byte that is not zero.
const GRAIN: u64 = 4096;
/// Runs of residue that are listed for each class of each volume; of further ones only the sum is known.
const LISTED: usize = 256;

/// A run of residue. Zeros may lie in it, but fewer than 8192 at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Where, on the disk.
    pub extent: Extent,
    /// Index in the layout's volumes; `None` outside of all.
    pub volume: Option<usize>,
    /// What the bytes are.
    pub region: Region,
    /// Whose slack or unwritten space it is.
    pub inode: Option<InodeId>,
}

/// Residue of one class in one volume.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Sum {
    /// Bytes that were read; those of holes are zero unread.
    pub examined: u64,
    /// Bytes that are not zero, zeros between them in the same 4096 bytes included.
    pub non_zero: u64,
    /// Disk offset of the first of them.
    pub first: u64,
    /// Runs of them.
    pub runs: u64,
}

/// All residue of a disk.
#[derive(Debug)]
pub struct Residue {
    /// By volume, as index in the layout, and class. A class that was looked at has a sum, if only of zero.
    pub sums: BTreeMap<(Option<usize>, Region), Sum>,
    /// The first 256 runs of each class of each volume, in the order of the disk.
    pub runs: Vec<Run>,
    /// The disk at a glance.
    pub picture: Picture,
}

/// Counts residue in bytes that come in ascending order.
#[derive(Debug)]
pub struct Counter<'a> {
    survey: &'a Survey,
    keep_opaque: bool,
    residue: Residue,
    /// The run that may still go on, and the end of its last grain.
    open: Option<(Run, u64)>,
}

impl<'a> Counter<'a> {
    /// Nothing is counted yet. With `keep_opaque`, volumes of a kind that is not read hold no residue.
    #[must_use]
    pub fn new(survey: &'a Survey, keep_opaque: bool) -> Self {
        let residue =
            Residue { sums: BTreeMap::new(), runs: Vec::new(), picture: Picture::of(&survey.atlas) };
        Self { survey, keep_opaque, residue, open: None }
    }

    /// Takes the disk's bytes from `offset` on. What is live among them is passed over; what is never fed is taken
    /// to be zero. Later calls must be for bytes behind. An offset that is no multiple of 4096 costs nothing but that
    /// zeros on both sides of it are not taken together.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) {
        let survey = self.survey;
        for area in survey.atlas.parts(Extent { start: offset, len: to_u64(bytes.len()) }) {
            if survey.is_dead(&area, self.keep_opaque) {
                let from = to_usize(area.extent.start - offset);
                self.look(&area, &bytes[from..from + to_usize(area.extent.len)]);
            }
        }
    }

    fn look(&mut self, area: &Area, bytes: &[u8]) {
        let sum = self.residue.sums.entry((area.volume, area.region)).or_default();
        sum.examined += area.extent.len;
        if is_zero(bytes) {
            return;
        }
        let mut at = area.extent.start;
        while at < area.extent.end() {
            let end = ((at / GRAIN + 1) * GRAIN).min(area.extent.end());
            let from = to_usize(at - area.extent.start);
            let part = &bytes[from..from + to_usize(end - at)];
            let non_zero = |&byte: &u8| byte != 0;
            if let (false, Some(first), Some(last)) =
                (is_zero(part), part.iter().position(non_zero), part.iter().rposition(non_zero))
            {
                self.found(area, Extent::between(at + to_u64(first), at + to_u64(last) + 1), at, end);
            }
            at = end;
        }
    }

    /// One grain's residue; the grain goes from `start` to `end`.
    fn found(&mut self, area: &Area, extent: Extent, start: u64, end: u64) {
        let key = (area.volume, area.region);
        let run = Run { extent, volume: area.volume, region: area.region, inode: area.inode };
        self.residue.picture.mark(extent.start, extent.len);
        let sum = self.residue.sums.entry(key).or_default();
        if sum.non_zero == 0 {
            sum.first = extent.start;
        }
        sum.non_zero += extent.len;
        match &mut self.open {
            Some((open, grain_end))
                if *grain_end == start
                    && (open.volume, open.region, open.inode) == (run.volume, run.region, run.inode) =>
            {
                open.extent = Extent::between(open.extent.start, extent.end());
                *grain_end = end;
            }
            _ => {
                self.close();
                self.residue.sums.entry(key).or_default().runs += 1;
                self.open = Some((run, end));
            }
        }
    }

    fn close(&mut self) {
        let Some((run, _)) = self.open.take() else { return };
        let listed = self.residue.sums.get(&(run.volume, run.region)).map_or(0, |sum| sum.runs);
        // The run was counted when it was opened.
        if listed <= to_u64(LISTED) {
            self.residue.runs.push(run);
        }
    }

    /// What it came to.
    #[must_use]
    pub fn finish(mut self) -> Residue {
        self.close();
        self.residue
    }
}

/// Reads all that is dead and no hole, once, front to back.
pub fn residue(device: &dyn BlockRead, survey: &Survey, keep_opaque: bool) -> Result<Residue> {
    let mut counter = Counter::new(survey, keep_opaque);
    let mut buf = vec![0; to_usize(PIECE)];
    let mut at = 0;
    while at < device.size() {
        let run = device.run_at(at)?;
        let end = at + run.len;
        if run.zero {
            at = end;
            continue;
        }
        let piece = Extent::between(at, end.min((at / PIECE + 1) * PIECE));
        let dead = || survey.atlas.parts(piece).filter(|area| survey.is_dead(area, keep_opaque));
        // One large read where there are many small areas, a read each where there are few.
        if dead().nth(16).is_some() {
            let bytes = &mut buf[..to_usize(piece.len)];
            device.read_at(piece.start, bytes)?;
            counter.feed(piece.start, bytes);
        } else {
            for area in dead() {
                let bytes = &mut buf[..to_usize(area.extent.len)];
                device.read_at(area.extent.start, bytes)?;
                counter.look(&area, bytes);
            }
        }
        at = piece.end();
    }
    Ok(counter.finish())
}
