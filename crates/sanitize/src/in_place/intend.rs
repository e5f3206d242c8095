//! Finds out what has to be written where, and puts it into an intent log. The disk is only read.

use std::{
    fs::File,
    io::{self, BufWriter},
};

use block::{BlockRead, Extent};
use filesystem::Result;
use serde::{Deserialize, Serialize};

use super::{
    Cleaned, Orders,
    log::{LogWriter, Meta},
};
use crate::{
    copy::Chunk,
    digest::{self, ContentDigest},
    plan::Plan,
    progress::{Progress, Stage},
    report::{self, Report},
    request::Request,
    walk,
};

/// Pieces of the disk that the log knows it by, before it is looked at as a whole.
const SAMPLES: u64 = 16;

/// How much a run writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Dead bytes that are overwritten, once a pass.
    pub overwritten: u64,
    /// The ranges they lie in.
    pub ranges: u64,
    /// Live bytes that get new content.
    pub changed: u64,
    /// Bytes whose storage is given back.
    pub discarded: u64,
}

/// A log that is written but for its end.
pub struct Intended {
    log: LogWriter<BufWriter<File>>,
    meta: Meta,
}

impl Intended {
    /// How much is to be written.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.meta.totals
    }

    /// Completes the log; `note` is for the caller when the run is resumed. The caller syncs the file.
    pub fn finish(mut self, note: serde_json::Value) -> io::Result<()> {
        self.meta.note = note;
        self.log.finish(&self.meta)
    }
}

/// Reads the whole disk, compares it with what it has to become, and writes the difference to `out`, an empty file.
///
/// Returns the log, which wants an end, and what the run will have done. `discard_block`: what can be discarded at once,
/// if the orders want it.
pub fn intend(
    cleaned: &Cleaned,
    plan: &Plan,
    request: &Request<'_>,
    orders: &Orders,
    discard_block: Option<u64>,
    out: File,
    progress: &dyn Progress,
) -> Result<(Intended, Report)> {
    let size = cleaned.size();
    progress.stage(Stage::Compare, Some(size));
    let mut log = LogWriter::new(BufWriter::with_capacity(1 << 20, out))?;
    let (mut rest, mut samples, mut totals) = (ContentDigest::new(), 0, Totals::default());
    let mut take = |chunk: &Chunk| {
        for patch in &chunk.changes.patches {
            log.patch(patch)?;
            totals.changed += patch.extent().len;
        }
        for extent in &chunk.changes.zero {
            totals.ranges += log.zero(*extent)?;
            totals.overwritten += extent.len;
        }
        let pieces =
            (chunk.extent.start / digest::PIECE..).zip(chunk.changes.rest.iter().zip(&chunk.changed));
        for (index, (hash, changed)) in pieces {
            rest.piece(index, hash.as_ref());
            // Not by the digests: what becomes something else and was zero is zero among the rest, too.
            if let Some(hash) = hash.filter(|_| samples < SAMPLES && !changed) {
                log.sample(index, &hash)?;
                samples += 1;
            }
        }
        Ok(())
    };
    let left = orders.left();
    let copied = walk::walk(&cleaned.view, &cleaned.map, Some(&left), request.workers, progress, &mut take)?;
    totals.ranges += log.flush_pending()?;
    if let Some(block) = discard_block.filter(|_| orders.discard) {
        for extent in discardable(cleaned, block) {
            log.discard(extent)?;
            totals.discarded += extent.len;
        }
    }
    let policy = request.selection.digest();
    let report = report::report(plan, &cleaned.scrubbed, &copied, policy.clone(), size);
    let meta = Meta {
        tool: report.tool.clone(),
        size,
        uuids: report
            .volumes
            .iter()
            .map(|volume| volume.uuid.clone())
            .filter(|uuid| !uuid.is_empty())
            .collect(),
        policy,
        orders: orders.clone(),
        rest: rest.finish(size).hex(),
        output: copied.output.hex(),
        totals,
        note: serde_json::Value::Null,
    };
    Ok((Intended { log, meta }, report))
}

/// Whole blocks without a live byte.
fn discardable(cleaned: &Cleaned, block: u64) -> Vec<Extent> {
    let dead = cleaned.map.live().complement(cleaned.size());
    let inside =
        |extent: Extent| Extent::between(extent.start.next_multiple_of(block), extent.end() / block * block);
    dead.iter().map(inside).filter(|extent| !extent.is_empty()).collect()
}

impl std::fmt::Debug for Intended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intended").field("meta", &self.meta).finish_non_exhaustive()
    }
}
