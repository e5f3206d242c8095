//! The intent log's format: what is written where, in one file with a digest over all of it.
//!
//! `MAGIC`, then records (a tag, the body's length as le32, the body), then BLAKE3 over everything before. Numbers are
//! little-endian.
//!
//! | tag | body |
//! |---|---|
//! | `P` | offset, length of the data as le32, new data of live bytes, BLAKE3 cut to 16 bytes of each old sector |
//! | `Z` | start and length of bytes to overwrite |
//! | `D` | start and length of blocks to discard |
//! | `S` | number and BLAKE3 of a piece of 64 KiB that does not change, to know the disk by |
//! | `M` | [`Meta`] as JSON; once, the last record |

use std::io::{self, Write};

use block::{Extent, to_u64};
use serde::{Deserialize, Serialize};

use super::{Orders, SECTOR};

/// The first bytes of a log of this version.
pub(super) const MAGIC: &[u8; 24] = b"diskscrub intent log 1\n\0";
/// Bytes of the digest at the end.
pub(super) const DIGEST: usize = 32;
/// Bytes that are kept of an old sector's digest.
pub(super) const OLD: usize = 16;
/// Longest body of a record, the last one apart.
pub(super) const BODY_MAX: usize = 1 << 20;

pub(super) const PATCH: u8 = b'P';
pub(super) const ZERO: u8 = b'Z';
pub(super) const DISCARD: u8 = b'D';
pub(super) const SAMPLE: u8 = b'S';
pub(super) const META: u8 = b'M';

/// What is wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It was not completed, or somebody changed it; the sentence's end.
    #[error("{0}")]
    Malformed(&'static str),
    /// It could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What else a log says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// `diskscrub` and its version.
    pub tool: String,
    /// Size of the disk in bytes.
    pub size: u64,
    /// UUIDs of its filesystems, to name it by.
    pub uuids: Vec<String>,
    /// Digest of the effective policy.
    pub policy: String,
    /// Passes, discarding, and the seed of random bytes.
    pub orders: Orders,
    /// Digest of the disk with all that changes as zero, in hexadecimal: the same before, during and after the run.
    pub rest: String,
    /// Digest of the disk as it has to be in the end, in hexadecimal.
    pub output: String,
    /// How much is written.
    pub totals: super::Totals,
    /// Whatever the caller wants to know when the run is resumed.
    pub note: serde_json::Value,
}

/// New content of live bytes, all of them in one piece of the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Patch {
    pub(crate) offset: u64,
    pub(crate) data: Vec<u8>,
    /// Of what was there, sector by sector.
    pub(crate) old: Vec<[u8; OLD]>,
}

impl Patch {
    /// From the bytes before and after at `offset`, which are equally many.
    pub(crate) fn new(offset: u64, before: &[u8], after: &[u8]) -> Self {
        let sectors = sectors(offset, before.len());
        let old = sectors.map(|range| old_digest(&before[range])).collect();
        Self { offset, data: after.to_vec(), old }
    }

    /// Its bytes on the disk.
    pub(crate) fn extent(&self) -> Extent {
        Extent { start: self.offset, len: to_u64(self.data.len()) }
    }
}

/// The ranges of `len` bytes at `offset` that lie in one sector each.
pub(super) fn sectors(offset: u64, len: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let within = block::to_usize((offset + to_u64(at)) % SECTOR);
        let end = len.min(at + block::to_usize(SECTOR) - within);
        let range = (at < len).then_some(at..end);
        at = end;
        range
    })
}

pub(super) fn old_digest(sector: &[u8]) -> [u8; OLD] {
    *blake3::hash(sector).as_bytes().first_chunk().expect("a digest has 32 bytes")
}

/// Writes a log, record by record.
pub(crate) struct LogWriter<W> {
    out: W,
    hasher: blake3::Hasher,
    /// Bytes to overwrite that may go on.
    pending: Extent,
}

impl<W: Write> LogWriter<W> {
    pub(crate) fn new(out: W) -> io::Result<Self> {
        let mut this = Self { out, hasher: blake3::Hasher::new(), pending: Extent::between(0, 0) };
        this.put(MAGIC)?;
        Ok(this)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.out.write_all(bytes)
    }

    fn record(&mut self, tag: u8, parts: &[&[u8]]) -> io::Result<()> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let len =
            u32::try_from(len).map_err(|_| io::Error::other("a record of the intent log is too long"))?;
        self.put(&[tag])?;
        self.put(&len.to_le_bytes())?;
        parts.iter().try_for_each(|part| self.put(part))
    }

    fn extent(&mut self, tag: u8, extent: Extent) -> io::Result<()> {
        self.record(tag, &[&extent.start.to_le_bytes(), &extent.len.to_le_bytes()])
    }

    pub(crate) fn patch(&mut self, patch: &Patch) -> io::Result<()> {
        let len = u32::try_from(patch.data.len()).map_err(|_| io::Error::other("a patch is too long"))?;
        let parts =
            [&patch.offset.to_le_bytes()[..], &len.to_le_bytes(), &patch.data, patch.old.as_flattened()];
        self.record(PATCH, &parts)
    }

    /// Bytes to overwrite, in ascending order; neighbours become one record. The number of records written.
    pub(crate) fn zero(&mut self, extent: Extent) -> io::Result<u64> {
        if self.pending.end() == extent.start && !self.pending.is_empty() {
            self.pending.len += extent.len;
            return Ok(0);
        }
        let written = self.flush_pending()?;
        self.pending = extent;
        Ok(written)
    }

    /// The number of records written.
    pub(crate) fn flush_pending(&mut self) -> io::Result<u64> {
        let pending = std::mem::replace(&mut self.pending, Extent::between(0, 0));
        if pending.is_empty() {
            return Ok(0);
        }
        self.extent(ZERO, pending)?;
        Ok(1)
    }

    pub(crate) fn discard(&mut self, extent: Extent) -> io::Result<()> {
        self.extent(DISCARD, extent)
    }

    pub(crate) fn sample(&mut self, index: u64, hash: &blake3::Hash) -> io::Result<()> {
        self.record(SAMPLE, &[&index.to_le_bytes(), hash.as_bytes()])
    }

    /// Completes the log, and hands everything to the system.
    pub(crate) fn finish(mut self, meta: &Meta) -> io::Result<()> {
        self.flush_pending()?;
        self.record(META, &[&serde_json::to_vec(meta)?])?;
        let digest = self.hasher.finalize();
        self.out.write_all(digest.as_bytes())?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_of_a_range() {
        let ranges: Vec<_> = sectors(500, 1000).collect();
        assert_eq!(ranges, [0..12, 12..524, 524..1000]);
        assert_eq!(sectors(512, 0).count(), 0);
        let patch = Patch::new(500, &[1; 20], &[2; 20]);
        assert_eq!(patch.old, [old_digest(&[1; 12]), old_digest(&[1; 8])]);
    }
}
