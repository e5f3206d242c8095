//! Where the log begins and ends, and whether anything has to be replayed.
//!
//! Decides as the kernel does (fs/xfs/xfs_log_recover.c): the head is where cycles change, found by bisection and
//! checked as far back as writes can have overtaken each other; a last record that did not reach the disk whole is
//! cut off. Where the kernel refuses to mount, so do we.

use block::{BlockRead, Object, Result};

use super::{
    layout::*,
    record::{Bad, Header, walk},
    ring::{Lsn, Ring, log_block},
};

/// How many blocks the records can take that were on their way to the disk at once.
const IN_FLIGHT: u32 = MAX_RECORD * MAX_ICLOGS / 512;
/// How many blocks the longest record takes.
const ONE_RECORD: u32 = MAX_RECORD / 512;

/// What a log is found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Never used: its first block is of cycle 0.
    Zeroed,
    /// Ends with the record of an unmount.
    Clean(Ends),
    /// Has to be replayed from tail to head.
    Dirty(Ends),
}

/// Where a log begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The oldest record that may matter.
    pub(crate) tail: u32,
    /// Where the next record would go.
    pub(crate) head: u32,
    /// The cycle in which it would be written.
    pub(crate) cycle: u32,
    /// The last record.
    pub(crate) last: u32,
}

impl Ends {
    /// Above the LSN of everything that was ever logged.
    pub(crate) fn lsn(self) -> Lsn {
        Lsn::new(self.cycle, self.head)
    }
}

/// Finds out.
pub(crate) fn state(ring: Ring, uuid: &[u8; 16], device: &impl BlockRead) -> Result<State> {
    let head = find_head(ring, uuid, device)?;
    if head == 0 && ring.cycle(device, 0)? == 0 {
        return Ok(State::Zeroed);
    }
    let Some(last) = seek_back(ring, device, head, head, 1)? else {
        return Err(Object::the("log").corrupt("last record", "missing", "a record before the head"));
    };
    let (ends, clean) = ends(ring, device, head, last)?;
    if clean {
        return Ok(State::Clean(ends));
    }
    let verified = verify_head(ring, device, ends)?;
    if verified.head != ends.head {
        let (again, clean) = self::ends(ring, device, verified.head, verified.last)?;
        if clean {
            return Ok(State::Clean(again));
        }
    }
    check_order(verified, device, ring)?;
    Ok(State::Dirty(verified))
}

/// What the last record says, and whether it is that of an unmount.
fn ends(ring: Ring, device: &impl BlockRead, head: u32, last: u32) -> Result<(Ends, bool)> {
    let bytes = ring.read(device, last, 1)?;
    let header = Header::fields(last, &bytes);
    // A record behind the head is of the round before.
    let cycle = H_CYCLE.get(&bytes).wrapping_add(u32::from(last >= head));
    let mut ends = Ends { tail: header.tail.block(), head, cycle, last };
    if ends.tail >= ring.blocks {
        return Err(log_block(last).corrupt("tail", ends.tail, format_args!("less than {}", ring.blocks)));
    }
    let mut clean = false;
    if header.blocks() <= ring.blocks && ring.after(last, header.blocks()) == head && header.operations == 1 {
        let body = ring.read(device, ring.after(last, header.headers), 1)?;
        if OH_FLAGS.get(&body) & OP_UNMOUNT != 0 {
            ends.tail = head;
            clean = true;
        }
    }
    Ok((ends, clean))
}

/// Tail and head must be of the same round, or of two that follow each other.
fn check_order(ends: Ends, device: &impl BlockRead, ring: Ring) -> Result<()> {
    let tail = Lsn(H_TAIL_LSN.get(&ring.read(device, ends.last, 1)?)).cycle();
    let fine = match ends.cycle.wrapping_sub(tail) {
        0 => ends.head >= ends.tail,
        1 => ends.head < ends.tail,
        _ => false,
    };
    if ends.head == ends.tail || !fine {
        let found = Lsn::new(tail, ends.tail);
        let expected = format!("less than a round before the head at {}", ends.lsn());
        return Err(log_block(ends.last).corrupt("tail", found, expected));
    }
    Ok(())
}

/// Walks back from `head` to the record that is the `count`th before it, or the first one behind `tail`; all the
/// way round if they are the same.
fn seek_back(ring: Ring, device: &impl BlockRead, head: u32, tail: u32, count: u32) -> Result<Option<u32>> {
    let mut found = None;
    let mut left = count;
    let spans = if head > tail { [(tail, head), (0, 0)] } else { [(0, head), (tail, ring.blocks)] };
    for (start, mut end) in spans {
        while left > 0
            && let Some(block) = ring.last_header(device, start, end)?
        {
            found = Some(block);
            end = block;
            left -= 1;
        }
    }
    Ok(found)
}

/// The next record behind the one at `block`, before `head`.
fn next_header(ring: Ring, device: &impl BlockRead, block: u32, head: u32) -> Result<Option<u32>> {
    for step in 1..ring.distance(block, head) {
        let at = ring.after(block, step);
        if H_MAGIC.get(&ring.read(device, at, 1)?) == HEADER_MAGIC {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Cuts off what did not reach the disk whole, at the head, and what was overwritten already, at the tail.
fn verify_head(ring: Ring, device: &impl BlockRead, ends: Ends) -> Result<Ends> {
    let mut ends = ends;
    let from = seek_back(ring, device, ends.head, ends.tail, MAX_ICLOGS)?.unwrap_or(ends.last);
    if let Some(bad) = check(ring, device, from, ends.head)? {
        if bad.block == 0 {
            return Err(bad.error);
        }
        let Some(last) = seek_back(ring, device, bad.block, ends.tail, 1)? else { return Err(bad.error) };
        let found = self::ends(ring, device, bad.block, last)?.0;
        let tail = Header::fields(last, &ring.read(device, last, 1)?).tail.block();
        if bad.block == tail {
            return Err(bad.error);
        }
        ends = Ends { tail, ..found };
    }
    verify_tail(ring, device, ends)
}

/// The first record that is not whole. One without a checksum passes here, for the sake of mkfs; the replay stops at
/// it later.
fn check(ring: Ring, device: &impl BlockRead, tail: u32, head: u32) -> Result<Option<Bad>> {
    walk(ring, &mut &*device, (tail, head), false, |_, _| Ok(()))
}

fn verify_tail(ring: Ring, device: &impl BlockRead, ends: Ends) -> Result<Ends> {
    let mut ends = ends;
    if ends.tail == ends.head {
        return Ok(ends);
    }
    if H_MAGIC.get(&ring.read(device, ends.tail, 1)?) != HEADER_MAGIC {
        let Some(tail) = next_header(ring, device, ends.tail, ends.head)? else {
            return Err(log_block(ends.tail).corrupt("tail", "no record", "a record"));
        };
        ends.tail = tail;
    }
    while let Some(bad) = check(ring, device, ends.tail, ends.head)? {
        // Within reach of the writes that were under way, the record was about to be overwritten; and that is only
        // done to records that nobody needs any more.
        let size = H_SIZE.get(&ring.read(device, ends.last, 1)?).min(MAX_RECORD);
        let reach = size.saturating_mul(MAX_ICLOGS) / 512;
        if bad.block == 0 || ring.distance(ends.head, bad.block) > reach {
            return Err(bad.error);
        }
        let Some(tail) = next_header(ring, device, bad.block, ends.head)? else { return Err(bad.error) };
        ends.tail = tail;
    }
    Ok(ends)
}

/// The block behind the last whole record.
fn find_head(ring: Ring, uuid: &[u8; 16], device: &impl BlockRead) -> Result<u32> {
    let first = ring.cycle(device, 0)?;
    if first == 0 {
        return Ok(0);
    }
    let last = ring.cycle(device, ring.blocks - 1)?;
    if last == 0 {
        return find_zeroed(ring, uuid, device, first);
    }
    let (mut head, stop) = if first == last {
        (ring.blocks, last.wrapping_sub(1))
    } else {
        (cycle_start(ring, device, ring.blocks - 1, last)?, last)
    };
    let scan = ring.blocks.min(IN_FLIGHT);
    if head >= scan {
        head = ring.find_cycle(device, head - scan, scan, |cycle| cycle == stop)?.unwrap_or(head);
    } else {
        let count = scan - head;
        let older = stop.wrapping_sub(1);
        let hole = ring.find_cycle(device, ring.blocks - count, count, |cycle| cycle == older)?;
        head = match hole {
            Some(hole) => hole,
            None => ring.find_cycle(device, 0, head, |cycle| cycle == stop)?.unwrap_or(head),
        };
    }
    if head >= ONE_RECORD {
        head = whole_records(ring, uuid, device, head - ONE_RECORD, head, 0)?.ok_or_else(no_header)?;
    } else {
        match whole_records(ring, uuid, device, 0, head, 0)? {
            Some(whole) => head = whole,
            None => {
                let start = ring.blocks.saturating_sub(ONE_RECORD - head);
                let end =
                    whole_records(ring, uuid, device, start, ring.blocks, head)?.ok_or_else(no_header)?;
                if end != ring.blocks {
                    head = end;
                }
            }
        }
    }
    Ok(if head == ring.blocks { 0 } else { head })
}

/// The head of a log that has not gone round once.
fn find_zeroed(ring: Ring, uuid: &[u8; 16], device: &impl BlockRead, first: u32) -> Result<u32> {
    if first != 1 {
        // Newer kernels let this pass; older ones and xfs_repair do not.
        return Err(log_block(0).corrupt("cycle", first, "1, because the last block has none"));
    }
    let mut head = cycle_start(ring, device, ring.blocks - 1, 0)?;
    let scan = head.min(IN_FLIGHT);
    let start = head - scan;
    head = ring.find_cycle(device, start, scan, |cycle| cycle == 0)?.unwrap_or(head);
    whole_records(ring, uuid, device, start, head, 0)?.ok_or_else(no_header)
}

fn no_header() -> block::Error {
    Object::the("log").corrupt("last record", "without a header", "a header")
}

/// Bisects for the first block of `cycle`, which the one at `end` is of.
fn cycle_start(ring: Ring, device: &impl BlockRead, end: u32, cycle: u32) -> Result<u32> {
    let (mut first, mut end) = (0, end);
    while end - first > 1 {
        let middle = first + (end - first) / 2;
        if ring.cycle(device, middle)? == cycle {
            end = middle;
        } else {
            first = middle;
        }
    }
    Ok(end)
}

/// Where the last whole record ends: at `end`, or where the one that lies there begins, if it is not as long as its
/// header says. `behind` are blocks of it that lie at the log's beginning. `None`: no header from `start` on.
fn whole_records(
    ring: Ring,
    uuid: &[u8; 16],
    device: &impl BlockRead,
    start: u32,
    end: u32,
    behind: u32,
) -> Result<Option<u32>> {
    let Some(block) = ring.last_header(device, start, end)? else { return Ok(None) };
    let bytes = ring.read(device, block, 1)?;
    let theirs = H_FS_UUID.get(&bytes);
    // IRIX left it out.
    if theirs != [0; 16] && theirs != *uuid {
        let found = "that of another filesystem";
        return Err(log_block(block).corrupt("UUID", found, "that of the superblock"));
    }
    let whole = Header::fields(block, &bytes).blocks();
    Ok(Some(if end - block + behind == whole { end } else { block }))
}

#[cfg(test)]
mod tests {
    use super::{super::sample::Sample, *};

    fn state_of(sample: &Sample) -> Result<State> {
        let log = sample.log();
        state(log.ring, &log.uuid, &sample.device)
    }

    fn dirty(sample: &Sample) -> Ends {
        match state_of(sample).unwrap() {
            State::Dirty(ends) => ends,
            other => panic!("{other:?}"),
        }
    }

    /// A log that was unmounted at block 4 of its first round, and has transactions behind that.
    fn sample(records: usize) -> Sample {
        let mut sample = Sample::new(true);
        sample.unmount();
        sample.tail = Lsn::new(1, 2);
        for _ in 0..records {
            sample.transaction(&[]);
        }
        sample
    }

    #[test]
    fn zeroed_clean_and_dirty() {
        assert_eq!(state_of(&Sample::new(true)).unwrap(), State::Zeroed);
        let clean = Ends { tail: 2, head: 2, cycle: 1, last: 0 };
        assert_eq!(state_of(&sample(0)).unwrap(), State::Clean(clean));
        assert_eq!(dirty(&sample(3)), Ends { tail: 2, head: 8, cycle: 1, last: 6 });
        let mut again = sample(3);
        again.unmount();
        assert_eq!(state_of(&again).unwrap(), State::Clean(Ends { tail: 10, head: 10, cycle: 1, last: 8 }));
    }

    /// Every head and every tail of a ring that was gone round.
    #[test]
    fn finds_the_head_anywhere() {
        let mut sample = sample(1);
        for step in 0..1100 {
            let last = sample.transaction(&[]);
            sample.tail = Lsn::new(sample.cycle - u32::from(last > sample.block), last);
            let expected = Ends { tail: dirty(&sample).tail, head: sample.block, cycle: sample.cycle, last };
            assert_eq!(dirty(&sample), expected, "{step}");
        }
        assert_eq!(sample.cycle, 3);
    }

    #[test]
    fn a_torn_record_is_cut_off() {
        let mut sample = sample(3);
        let at = block::to_usize(sample.log().ring.offset(7)) + 100;
        sample.device[at] ^= 1;
        assert_eq!(dirty(&sample), Ends { tail: 2, head: 6, cycle: 1, last: 4 });
        // Behind an unmount, nothing is left to be replayed.
        let mut sample = self::sample(1);
        let at = block::to_usize(sample.log().ring.offset(3)) + 100;
        sample.device[at] ^= 1;
        assert!(matches!(state_of(&sample).unwrap(), State::Clean(Ends { head: 2, .. })));
    }

    #[test]
    fn a_broken_record_that_is_needed() {
        let mut sample = sample(40);
        let at = block::to_usize(sample.log().ring.offset(31)) + 100;
        sample.device[at] ^= 1;
        let error = state_of(&sample).unwrap_err().to_string();
        assert!(error.starts_with("log block 30: checksum is 0x"), "{error}");
    }

    #[test]
    fn what_the_last_record_says() {
        let error = |change: fn(&mut [u8])| {
            let mut sample = sample(3);
            sample.patch(6, change);
            state_of(&sample).unwrap_err().to_string()
        };
        assert_eq!(
            error(|raw| H_TAIL_LSN.set(raw, 9999)),
            "log block 6: tail is 9999, expected less than 1024"
        );
        assert_eq!(
            error(|raw| H_TAIL_LSN.set(raw, Lsn::new(0, 2).0)),
            "log block 6: tail is 0:2, expected less than a round before the head at 1:8"
        );
        assert_eq!(
            error(|raw| H_FS_UUID.set(raw, &[1; 16])),
            "log block 6: UUID is that of another filesystem, expected that of the superblock"
        );
    }

    #[test]
    fn zeros_behind_a_later_cycle() {
        let mut sample = Sample::new(true);
        sample.cycle = 5;
        sample.unmount();
        let error = state_of(&sample).unwrap_err().to_string();
        assert_eq!(error, "log block 0: cycle is 5, expected 1, because the last block has none");
    }
}
