//! Carries an intent log out: the only code that writes to a disk which is cleaned in place.
//!
//! Every step can be done again, from the start, however far the last run came.

use std::io;

use block::{Extent, Medium, to_u64, to_usize};

use super::{
    LogError, Stream,
    read::{IntentLog, Record},
};
use crate::progress::{Progress, Stage};

/// Bytes written or read at once.
const PIECE: usize = 1 << 20;

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
        let mut run = Run { medium, progress, buf: vec![0; PIECE], done: Executed::default() };
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
        let left = meta.orders.left();
        for record in self.records().map_err(LogError::from)? {
            match record? {
                Record::Patch(patch) => run.compare(patch.offset, &patch.data)?,
                Record::Zero(extent) => run.compare_stream(extent, left)?,
                Record::Discard(_) | Record::Sample(..) | Record::Meta(_) => {}
            }
        }
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
        let written = pieces(extent).try_for_each(|(offset, len)| {
            if !stream.is_zero() {
                stream.fill(offset, &mut buf[..len]);
            }
            self.write(offset, &buf[..len])
        });
        self.buf = buf;
        written
    }

    fn compare(&mut self, offset: u64, expected: &[u8]) -> Result<(), Failed> {
        let mut found = vec![0; expected.len()];
        self.medium.read_at(offset, &mut found).map_err(failed("reading back", offset))?;
        self.done.compared += to_u64(found.len());
        self.progress.at(self.done.compared);
        match found.iter().zip(expected).position(|(found, expected)| found != expected) {
            Some(at) => Err(Failed::Differs(offset + to_u64(at))),
            None => Ok(()),
        }
    }

    fn compare_stream(&mut self, extent: Extent, stream: Stream) -> Result<(), Failed> {
        let mut buf = std::mem::take(&mut self.buf);
        let compared = pieces(extent).try_for_each(|(offset, len)| {
            stream.fill(offset, &mut buf[..len]);
            self.compare(offset, &buf[..len])
        });
        self.buf = buf;
        compared
    }
}

/// Offset and length of the pieces of an extent.
fn pieces(extent: Extent) -> impl Iterator<Item = (u64, usize)> {
    (extent.start..extent.end())
        .step_by(PIECE)
        .map(move |offset| (offset, PIECE.min(to_usize(extent.end() - offset))))
}
