//! First pass over a log: where it ends.
//!
//! Decides as the kernel does (fs/jbd2/recovery.c): the log ends before the first block that does not continue
//! it. A wrong checksum in a block that is older than the last commit is left over from an earlier use of the
//! journal and ends the log too. Otherwise it is corruption, and the kernel refuses to mount; so do we.
//! Each block is visited once at most, so a log that runs in circles is an error, not a hang.

use std::collections::HashMap;

use block::{BlockRead, Object, Result};

use super::{
    checksum::{Checksum, crc32_be},
    layout::*,
    log::{Log, hex},
    tags::{Tag, tags},
};

/// What the log holds.
#[derive(Debug)]
pub(crate) struct Scan {
    /// The number behind the last transaction to replay.
    pub(crate) end: u32,
    /// The blocks of the filesystem that the log has copies of, each with the last transaction that revokes
    /// it. At most one for each block of the journal, so its size bounds the memory.
    pub(crate) revoked: HashMap<u64, Option<u32>>,
}

/// A wrong checksum whose meaning the commit block will tell.
struct Doubt {
    object: Object,
    sums: (u32, u32),
}

/// Walks the log from its start to its end.
pub(crate) fn scan(log: &Log, device: &impl BlockRead) -> Result<Scan> {
    let mut walk = Walk::new(log);
    let mut revoked = HashMap::new();
    let mut doubt = None;
    let mut crc = !0;
    let mut last_commit_time = 0;
    // Async commit: the first transaction that did not reach the disk whole, and how it shows.
    let mut failed: Option<(u32, (u32, u32))> = None;
    while let Some((index, block)) = walk.next(device)? {
        let object = Object::numbered("journal block", index.into());
        match H_BLOCKTYPE.get(&block) {
            TYPE_DESCRIPTOR => {
                doubt = log.checksum.tail_mismatch(&block).map(|sums| Doubt { object, sums }).or(doubt);
                let sums = log.checksum == Checksum::V1 && failed.is_none();
                if sums {
                    crc = crc32_be(crc, &block);
                }
                for tag in tags(log, &block) {
                    let copy = walk.copy()?;
                    if sums {
                        crc = crc32_be(crc, &log.read(device, copy)?);
                    }
                    revoked.insert(tag.block, None);
                }
            }
            TYPE_REVOKE => {
                doubt = log.checksum.tail_mismatch(&block).map(|sums| Doubt { object, sums }).or(doubt);
            }
            TYPE_COMMIT => {
                let time = H_COMMIT_SEC.get(&block);
                if let Some(doubt) = doubt {
                    if time < last_commit_time {
                        break;
                    }
                    return Err(doubt.object.corrupt("checksum", hex(doubt.sums.0), hex(doubt.sums.1)));
                }
                if let (Some((sequence, sums)), Checksum::V1) = (failed, log.checksum) {
                    // A later transaction is whole, so the broken one cannot be the last one's lost tail.
                    return Err(broken(sequence, sums));
                }
                let wrong = match log.checksum {
                    Checksum::V1 => commit_crc_mismatch(&block, crc),
                    _ => log.checksum.commit_mismatch(&block),
                };
                crc = !0;
                if let Some(sums) = wrong {
                    if time < last_commit_time {
                        break;
                    }
                    if !log.async_commit {
                        return Err(broken(walk.sequence, sums));
                    }
                    failed = failed.or(Some((walk.sequence, sums)));
                }
                last_commit_time = time;
                walk.sequence = walk.sequence.wrapping_add(1);
            }
            _ => break,
        }
    }
    Ok(Scan { end: failed.map_or(walk.sequence, |(sequence, _)| sequence), revoked })
}

fn broken(sequence: u32, (found, right): (u32, u32)) -> block::Error {
    Object::numbered("journal transaction", sequence.into()).corrupt(
        "commit checksum",
        hex(found),
        hex(right),
    )
}

/// Checksum v1: a commit block without any sum is fine too (the kernel that wrote it had them turned off).
fn commit_crc_mismatch(block: &[u8], right: u32) -> Option<(u32, u32)> {
    let kind = (H_CHKSUM_TYPE.get(block), H_CHKSUM_SIZE.get(block));
    let found = H_CHKSUM.get(block);
    let fine = (kind == CHKSUM_CRC32 && found == right) || (kind == (0, 0) && found == 0);
    (!fine).then_some((found, right))
}

/// A position in the ring that never comes round to a block twice.
pub(crate) struct Walk<'l> {
    log: &'l Log,
    next: u32,
    left: u32,
    /// The transaction that the next block must belong to.
    pub(crate) sequence: u32,
}

impl<'l> Walk<'l> {
    pub(crate) fn new(log: &'l Log) -> Self {
        Self { log, next: log.start, left: log.ring.end - log.ring.start, sequence: log.sequence }
    }

    fn step(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        let index = self.next;
        self.next = self.log.after(index);
        Some(index)
    }

    /// The next block and its index, if it continues the log.
    pub(crate) fn next(&mut self, device: &impl BlockRead) -> Result<Option<(u32, Vec<u8>)>> {
        // A log that fills the whole ring ends where it started.
        let Some(index) = self.step() else { return Ok(None) };
        let block = self.log.read(device, index)?;
        let ours = H_MAGIC.get(&block) == MAGIC && H_SEQUENCE.get(&block) == self.sequence;
        Ok(ours.then_some((index, block)))
    }

    /// The index of the next block, which holds a copy that a tag announces.
    pub(crate) fn copy(&mut self) -> Result<u32> {
        let length = self.log.ring.end - self.log.ring.start;
        self.step().ok_or_else(|| {
            Object::numbered("journal transaction", self.sequence.into()).corrupt(
                "length",
                format_args!("more than {length} blocks"),
                "to fit in the journal",
            )
        })
    }
}

/// The transactions that the second and third pass visit: those before `end`.
pub(crate) fn before(sequence: u32, end: u32) -> bool {
    // Numbers wrap around; half of their range lies before any of them.
    end.wrapping_sub(sequence).wrapping_sub(1) < 1 << 31
}

/// Calls `visit` with each descriptor and revoke block of the transactions before `end`, and the walk, from
/// which the visitor takes a descriptor's copies.
pub(crate) fn each<D: BlockRead>(
    log: &Log,
    end: u32,
    device: &mut D,
    mut visit: impl FnMut(&mut D, &mut Walk<'_>, u32, &[u8]) -> Result<()>,
) -> Result<u64> {
    let mut walk = Walk::new(log);
    let mut transactions = 0;
    while before(walk.sequence, end) {
        let Some((index, block)) = walk.next(device)? else { break };
        match H_BLOCKTYPE.get(&block) {
            TYPE_COMMIT => {
                walk.sequence = walk.sequence.wrapping_add(1);
                transactions += 1;
            }
            TYPE_DESCRIPTOR | TYPE_REVOKE => visit(device, &mut walk, index, &block)?,
            _ => break,
        }
    }
    Ok(transactions)
}

/// Skips a descriptor's copies.
pub(crate) fn skip(log: &Log, walk: &mut Walk<'_>, descriptor: &[u8]) -> Result<()> {
    tags(log, descriptor).try_for_each(|_: Tag| walk.copy().map(drop))
}
