//! Carries an intent log out: the only code that writes to a disk which is cleaned in place.
//!
//! Every step can be done again, from the start, however far the last run came.

use std::io;

use block::{AHEAD_PIECE, Extent, Medium, is_zero, read_ahead, to_u64, to_usize};

use super::{
    LogError, Stream,
    read::{IntentLog, Record},
};
use crate::progress::{Progress, Stage};

/// Bytes written at once.
const PIECE: u64 = 1 << 20;

/// Why a log was not carried out. It can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The log could not be read.
    #[error("the intent log {0}")]
    Log(#[from] LogError),
    /// The medium failed.
    #[error("{what} at offset {offset}: {error}")]
    Medium {
        /// What was tried.
        what: &'static str,
        /// Where on the disk.
        offset: u64,
        /// What the system said.
        error: io::Error,
    },
    /// What was written is not what is read.
    #[error("offset {0} reads as something else than what was written")]
    Differs(u64),
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Executed {
    /// Bytes written, all passes together.
    pub written: u64,
    /// Bytes read back and found as written.
    pub compared: u64,
}

impl IntentLog {
    /// Writes what the log says, flushes after every pass, reads it back, and discards if the log says so.
    pub fn carry_out(&self, medium: &mut dyn Medium, progress: &dyn Progress) -> Result<Executed, Failed> {
        let meta = self.meta();
        let passes = to_u64(meta.orders.passes.iter().len());
        let all = meta.totals.overwritten.saturating_mul(passes).saturating_add(meta.totals.changed);
        progress.stage(Stage::Overwrite, Some(all));
        let mut run = Run { medium, progress, buf: vec![0; to_usize(PIECE)], done: Executed::default() };
        for record in self.records().map_err(LogError::from)? {
            if let Record::Patch(patch) = record? {
                run.write(patch.offset, &patch.data)?;
            }
        }
        for (number, pass) in (0..).zip(meta.orders.passes.iter()) {
            let stream = meta.orders.stream(pass, number);
            for record in self.records().map_err(LogError::from)? {
                if let Record::Zero(extent) = record? {
                    run.overwrite(extent, stream)?;
                }
            }
            // Also what the first pass wrote before it: the next one must not overtake it in a cache.
            run.flush()?;
        }
        progress.stage(Stage::ReadBack, Some(meta.totals.overwritten.saturating_add(meta.totals.changed)));
        run.read_back(self, meta.orders.left())?;
        if meta.totals.discarded > 0 {
            for record in self.records().map_err(LogError::from)? {
                if let Record::Discard(extent) = record? {
                    run.medium.discard(extent).map_err(failed("discarding", extent.start))?;
                }
            }
            run.flush()?;
        }
        Ok(run.done)
    }
}

fn failed(what: &'static str, offset: u64) -> impl FnOnce(io::Error) -> Failed {
    move |error| Failed::Medium { what, offset, error }
}

struct Run<'a> {
    medium: &'a mut dyn Medium,
    progress: &'a dyn Progress,
    buf: Vec<u8>,
    done: Executed,
}

impl Run<'_> {
    fn flush(&mut self) -> Result<(), Failed> {
        self.medium.flush().map_err(failed("flushing", 0))
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), Failed> {
        self.medium.write_at(offset, data).map_err(failed("writing", offset))?;
        self.done.written += to_u64(data.len());
        self.progress.at(self.done.written);
        Ok(())
    }

    fn overwrite(&mut self, extent: Extent, stream: Stream) -> Result<(), Failed> {
        let mut buf = std::mem::take(&mut self.buf);
        if stream.is_zero() {
            buf.fill(0);
        }
        let written = pieces(extent, PIECE).try_for_each(|piece| {
            let bytes = &mut buf[..to_usize(piece.len)];
            if !stream.is_zero() {
                stream.fill(piece.start, bytes);
            }
            self.write(piece.start, bytes)
        });
        self.buf = buf;
        written
    }

    /// Reads all that the log writes, and compares it; `left` is what the last pass leaves.
    fn read_back(&mut self, log: &IntentLog, left: Stream) -> Result<(), Failed> {
        let expected = log.records().map_err(LogError::from)?.flat_map(|record| {
            let (whole, overwritten) = match record {
                Ok(Record::Patch(patch)) => (Some(Ok((patch.extent(), Some(patch.data)))), None),
                Ok(Record::Zero(extent)) => (None, Some(extent)),
                Ok(Record::Discard(_) | Record::Sample(..) | Record::Meta(_)) => (None, None),
                Err(error) => (Some(Err(Failed::from(error))), None),
            };
            let overwritten = overwritten.into_iter().flat_map(|extent| pieces(extent, AHEAD_PIECE));
            whole.into_iter().chain(overwritten.map(|piece| Ok((piece, None))))
        });
        let medium = &*self.medium;
        let read = |offset: u64, buf: &mut [u8]| medium.read_at(offset, buf);
        let mut random = Vec::new();
        read_ahead(&read, expected, |extent, patch: Option<Vec<u8>>, found| {
            let found = found.map_err(failed("reading back", extent.start))?;
            self.done.compared += extent.len;
            self.progress.at(self.done.compared);
            let differs = match patch {
                Some(expected) => difference(found, &expected),
                None if left.is_zero() => {
                    // Only of bytes that are wrong is asked where.
                    let wrong = || found.iter().position(|&byte| byte != 0);
                    (!is_zero(found)).then(wrong).flatten()
                }
                None => {
                    random.resize(found.len(), 0);
                    left.fill(extent.start, &mut random);
                    difference(found, &random)
                }
            };
            differs.map_or(Ok(()), |at| Err(Failed::Differs(extent.start + to_u64(at))))
        })
    }
}

/// Where the first byte lies that is not as expected.
fn difference(found: &[u8], expected: &[u8]) -> Option<usize> {
    let first = || found.iter().zip(expected).position(|(found, expected)| found != expected);
    (found != expected).then(first).flatten()
}

/// The pieces of an extent, of at most `len` bytes; all but the first begin at a multiple of it, as a disk likes it.
fn pieces(extent: Extent, len: u64) -> impl Iterator<Item = Extent> {
    let mut at = extent.start;
    std::iter::from_fn(move || {
        let piece = Extent::between(at, extent.end().min((at / len).saturating_add(1).saturating_mul(len)));
        at = piece.end();
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_an_extent() {
        let of =
            |start, end| pieces(Extent::between(start, end), 100).map(|piece| (piece.start, piece.end()));
        assert_eq!(of(30, 250).collect::<Vec<_>>(), [(30, 100), (100, 200), (200, 250)]);
        assert_eq!(of(100, 200).collect::<Vec<_>>(), [(100, 200)]);
        assert_eq!(of(7, 7).count(), 0);
        assert_eq!(of(u64::MAX - 5, u64::MAX).collect::<Vec<_>>(), [(u64::MAX - 5, u64::MAX)]);
    }
}
