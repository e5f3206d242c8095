//! Is this the disk that a log was made for, untouched since but by the run itself?
//!
//! What the run does not write has to be as it was, byte by byte; what it writes over live bytes has to be, sector by
//! sector, as it was or as it will be.

use std::io;

use block::{BlockRead, Extent, ExtentSet, Run, to_u64, to_usize};

use super::{
    LogError,
    log::{old_digest, sectors},
    read::{IntentLog, Record},
};
use crate::digest::{Digest, PIECE, hash};

/// What a disk is to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The one it was made for: before, in the middle of, or after the run.
    Same,
    /// The one it was made for, but something else has written to it since.
    Changed,
    /// Another one.
    Other,
}

impl IntentLog {
    /// Reads the disk and says whether it is the log's.
    pub fn identify(&self, disk: &dyn BlockRead) -> Result<Identity, LogError> {
        if disk.size() != self.meta().size {
            return Ok(Identity::Other);
        }
        let (mut changing, mut foreign) = (Vec::new(), false);
        for record in self.records()? {
            match record? {
                Record::Patch(patch) => {
                    let mut found = vec![0; patch.data.len()];
                    disk.read_at(patch.offset, &mut found)?;
                    for (range, old) in sectors(patch.offset, found.len()).zip(&patch.old) {
                        let (found, new) = (&found[range.clone()], &patch.data[range]);
                        foreign |= found != new && old_digest(found) != *old;
                    }
                    changing.push(patch.extent());
                }
                Record::Zero(extent) => changing.push(extent),
                Record::Sample(index, expected) => {
                    let piece = Extent::between(index * PIECE, (index * PIECE + PIECE).min(disk.size()));
                    let mut found = vec![0; to_usize(piece.len)];
                    disk.read_at(piece.start, &mut found)?;
                    if hash(&found).is_none_or(|found| found != expected) {
                        return Ok(Identity::Other);
                    }
                }
                Record::Discard(_) | Record::Meta(_) => {}
            }
        }
        let rest = Digest::of(&Rest { disk, changing: changing.into_iter().collect() })?;
        let same = !foreign && rest.hex() == self.meta().rest;
        Ok(if same { Identity::Same } else { Identity::Changed })
    }
}

/// The disk with all that a log writes as zero.
struct Rest<'a> {
    disk: &'a dyn BlockRead,
    changing: ExtentSet,
}

impl BlockRead for Rest<'_> {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(offset, buf)?;
        for part in self.changing.parts(Extent { start: offset, len: to_u64(buf.len()) }) {
            buf[to_usize(part.start - offset)..to_usize(part.end() - offset)].fill(0);
        }
        Ok(())
    }

    fn run_at(&self, offset: u64) -> io::Result<Run> {
        self.disk.run_at(offset)
    }
}
