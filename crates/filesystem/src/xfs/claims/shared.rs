//! Extents that several files share (reflink), and those held for copies on write.
//!
//! The refcountbt says which blocks have how many owners, and the owners have to be as many. A byte is live if it is
//! for one of them; it is then said to be of the one with the lowest number that has most of its run.

use std::ops::Range;

use block::{BlockRead, Result};

use super::ledger::{Claimant, Ledger};
use crate::{
    Claim, InodeId, Owner, Residue,
    xfs::{
        Xfs,
        geometry::{AgNumber, InodeNumber},
    },
};

/// What the refcountbt says of a run of blocks, counted from the device's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    start: u64,
    end: u64,
    owners: u32,
}

/// A file's part of a shared run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// First block, counted from the device's start.
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) inode: InodeNumber,
    /// Where its live bytes end, in bytes of the device.
    pub(super) live_end: u64,
    pub(super) written: bool,
}

/// All shared extents, and who claims them.
#[derive(Debug, Default)]
pub(super) struct SharedExtents {
    /// In ascending order.
    runs: Vec<Run>,
    pieces: Vec<Piece>,
}

impl<D: BlockRead> Xfs<D> {
    /// What the refcountbt of a group says. Extents held for copies on write are of no file: dead, and claimed here.
    pub(super) fn load_shared(
        &self,
        ag: AgNumber,
        ledger: &mut Ledger<'_>,
        shared: &mut SharedExtents,
    ) -> Result<()> {
        self.shared_extents(ag, &mut |record| {
            let block = self.geometry.fs_block(ag, record.start);
            if record.cow {
                let claim = Claim::Dead(Residue::Reserved, None);
                return ledger.claim_all(block, record.count.into(), Claimant::Group(ag), claim);
            }
            let start = self.geometry.offset(block) / self.geometry.block_size;
            let end = start + u64::from(record.count);
            shared.runs.push(Run { start, end, owners: record.owners });
            Ok(())
        })
    }
}

impl SharedExtents {
    /// The parts of `first..last` that are shared, each within one run.
    pub(super) fn parts(&self, first: u64, last: u64) -> Vec<Range<u64>> {
        let from = self.runs.partition_point(|run| run.end <= first);
        self.runs[from..]
            .iter()
            .take_while(|run| run.start < last)
            .map(|run| run.start.max(first)..run.end.min(last))
            .collect()
    }

    /// A file's claim of such a part.
    pub(super) fn add(&mut self, piece: Piece) {
        self.pieces.push(piece);
    }

    /// Claims all runs, once every file has had its say.
    pub(super) fn finish(mut self, ledger: &mut Ledger<'_>) -> Result<()> {
        self.pieces.sort_unstable_by_key(|piece| (piece.start, piece.end, piece.inode));
        let mut pieces = self.pieces.as_slice();
        for run in &self.runs {
            let count = pieces.partition_point(|piece| piece.start < run.end);
            let (mine, rest) = pieces.split_at(count);
            pieces = rest;
            settle(*run, mine, ledger)?;
        }
        Ok(())
    }
}

/// Claims one run for those that have a piece of it, in ascending order.
fn settle(run: Run, pieces: &[Piece], ledger: &mut Ledger<'_>) -> Result<()> {
    let size = ledger.geometry.block_size;
    let mut edges: Vec<u64> = pieces.iter().flat_map(|piece| [piece.start, piece.end]).collect();
    edges.extend([run.start, run.end]);
    edges.sort_unstable();
    edges.dedup();
    let mut active: Vec<&Piece> = Vec::new();
    let mut coming = pieces.iter().peekable();
    for edge in edges.windows(2) {
        let (start, end) = (edge[0], edge[1]);
        active.retain(|piece| piece.end > start);
        while let Some(piece) = coming.next_if(|piece| piece.start == start) {
            active.push(piece);
        }
        let found = u32::try_from(active.len()).unwrap_or(u32::MAX);
        let Some(first) = active.first().filter(|_| found == run.owners) else {
            let object = block::Object::the("refcountbt");
            let what = format!("{} for blocks {start} to {end}, counted from the start", run.owners);
            return Err(object.corrupt("rc_refcount", what, format!("{found}, the files that have them")));
        };
        ledger.claim_linear(start, end, Claimant::Inode(first.inode))?;
        let most = active
            .iter()
            .max_by_key(|piece| (piece.live_end.min(end * size), std::cmp::Reverse(piece.inode)))
            .expect("there is a first one");
        let middle = most.live_end.clamp(start * size, end * size);
        let rest = if active.iter().any(|piece| piece.written) { Residue::Slack } else { Residue::Unwritten };
        ledger.say(start * size, middle, Claim::Live(Owner::Data(InodeId(most.inode.0))))?;
        ledger.say(middle, end * size, Claim::Dead(rest, Some(InodeId(most.inode.0))))?;
    }
    Ok(())
}
