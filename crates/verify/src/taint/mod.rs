//! Taint: looks in a finished image for every piece of what was removed from the original, in live files too.
//!
//! What is found has been compared byte by byte, and never leaves this module: a finding has the path of the removed
//! file, the place, and a keyed digest. What the search can miss, and what it tolerates, is counted in the result;
//! `docs/taint.md` has the arithmetic.

mod ahead;
mod device;
mod distinct;
mod encode;
mod guest;
mod hash;
mod index;
mod packages;
mod sampling;
mod search;
mod settle;
mod source;

use std::sync::Arc;

use block::{BlockRead, to_u64};
use filesystem::{Layout, Result};
use serde::Serialize;

pub use ahead::Ahead;
pub use encode::Encoding;
pub use index::Index;
pub use sampling::Sampling;
pub use search::{Hit, Hits, LOOK_AHEAD, LOOK_BACK};
pub use source::Removed;

use crate::Finding;

/// What a search came to.
#[derive(Debug, Serialize)]
pub struct Taint {
    /// A remnant for each removed file and each place that has pieces of it.
    pub findings: Vec<Finding>,
    /// What was searched for, and where.
    pub coverage: Coverage,
    /// What was found and is no finding.
    pub tolerated: Tolerated,
}

/// What a search covered.
#[derive(Debug, Serialize)]
pub struct Coverage {
    /// Bytes that were searched; holes not counted.
    pub searched: u64,
    /// Removed files.
    pub files: u64,
    /// Their stored bytes.
    pub bytes: u64,
    /// Words and lines of small files, each searched for in several spellings.
    pub words: u64,
    /// Grams of 32 bytes.
    pub grams: u64,
    /// How pieces of files below 64 KiB are found.
    pub small: Sampling,
    /// How pieces of other files are found.
    pub large: Sampling,
    /// Bytes of removed files that were not searched for: too many files or fragments.
    pub bytes_left_out: u64,
    /// Words and lines that were not.
    pub words_left_out: u64,
    /// Entries that found no place in the index.
    pub crowded_out: u64,
    /// Places that were found but not looked at: too many.
    pub hits_dropped: u64,
    /// Remnants that have no finding of their own: too many.
    pub findings_left_out: u64,
    /// Bytes of memory that the index took.
    pub memory: u64,
}

/// Equal bytes that are no finding.
#[derive(Debug, Default, Serialize)]
pub struct Tolerated {
    /// Places in files that everybody can have: unchanged since a package brought them, or dpkg's and apt's records.
    pub in_packages: u64,
    /// Places elsewhere whose bytes are also in such a file.
    pub as_in_packages: u64,
    /// Places in a file whose older version was removed: `passwd` and `passwd-`.
    pub newer_versions: u64,
}

/// Searches a finished image. `ahead` has what was found in it while it was written; `key` is that of the digests.
pub fn search(
    index: &Index<'_>,
    ahead: &Ahead,
    device: &Arc<dyn BlockRead>,
    layout: &Layout,
    key: &[u8; 32],
    threads: usize,
) -> Result<Taint> {
    let (hits, searched) = index.search_device(device, ahead, threads)?;
    let settled = settle::settle(index, &hits.hits, device, layout, key)?;
    let (files, bytes) = index.files();
    let (bytes_left_out, crowded_out) = index.left_out();
    let coverage = Coverage {
        searched,
        files,
        bytes,
        words: index.words,
        grams: index.gram_count,
        small: index.small,
        large: index.large,
        bytes_left_out,
        words_left_out: index.words_left_out,
        crowded_out,
        hits_dropped: hits.dropped,
        findings_left_out: settled.left_out,
        memory: to_u64(index.memory()),
    };
    Ok(Taint { findings: settled.findings, coverage, tolerated: settled.tolerated })
}
