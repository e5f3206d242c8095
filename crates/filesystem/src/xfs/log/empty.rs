//! The empty log: a record that says "unmounted", and nothing of what was logged before.
//!
//! Every LSN in the filesystem lies below the log's new head, or a kernel would take the metadata for that of
//! another. The log is as sparse as kernels of all ages and `xfs_repair` accept it:
//!
//! * Version 4 has no LSNs in its metadata. One record in front, zeros behind: as mkfs makes it.
//! * A log that has never gone round has cycle 1, and its rest may be zero. What was written stays marked with
//!   cycle 1, and the record comes behind it.
//! * Any other log gets a new cycle, with every block marked; zeros would be taken for another kind of log by older
//!   kernels, and by all of them after the next crash.
//!
//! The marks are records of their own, as `xfs_repair -L` makes them. The layout follows from a few numbers, so an
//! empty log is known by comparing it with what it would be; emptying it again changes nothing.

use block::{BlockRead, BlockWrite, Extent, Result, is_zero, to_u64, to_usize};

use super::{
    head::State,
    layout::*,
    ring::{Lsn, Ring},
};

/// Blocks of a filler record: the longest possible.
const FILLER: u32 = MAX_RECORD / 512;
/// As xfsprogs marks what no kernel has written.
const TRANSACTION: u32 = 0xb0c0_d0d0;
/// How much is compared or written at once, in blocks: a filler record.
const STEP: u32 = FILLER;

/// All that an empty log's bytes follow from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Empty {
    pub(crate) ring: Ring,
    pub(crate) uuid: [u8; 16],
    /// The log's version, 1 or 2.
    pub(crate) version: u32,
    /// The log's stripe unit in bytes; a block if it has none.
    pub(crate) unit: u32,
    /// The cycle of the record, and where it lies.
    pub(crate) lsn: Lsn,
}

impl Empty {
    /// Blocks of the record: as long as the stripe unit.
    fn len(&self) -> u32 {
        (self.unit / 512).max(2)
    }

    /// What the log is to become. `floor` is above every LSN in the metadata; `None` if that has none.
    pub(crate) fn plan(ring: Ring, (uuid, version, unit): ([u8; 16], u32, u32), floor: Option<Lsn>) -> Self {
        // A unit that no record can have, or that does not fit, is left out: it matters for speed alone.
        let fits = unit % 512 == 0 && unit <= MAX_RECORD && u64::from(unit) / 512 * 4 <= ring.blocks.into();
        let unit = if version == 2 && fits { unit } else { 0 };
        let mut empty = Self { ring, uuid, version, unit, lsn: Lsn::new(1, 0) };
        let Some(floor) = floor else { return empty };
        let len = empty.len();
        let at = floor.block().div_ceil(len).saturating_mul(len);
        if floor.cycle() <= 1 && at < ring.blocks - len {
            empty.lsn = Lsn::new(1, at);
        } else {
            empty.lsn = Lsn::new(floor.cycle().max(1).saturating_add(1), 0);
        }
        empty
    }

    /// The bytes of it that are needed. The rest is zero.
    pub(crate) fn live(&self) -> Extent {
        let blocks = if self.lsn.cycle() == 1 { self.lsn.block() + self.len() } else { self.ring.blocks };
        Extent { start: self.ring.start, len: u64::from(blocks) * 512 }
    }

    /// Calls `visit` with offset and bytes of each piece of what is needed, in order.
    fn each(&self, mut visit: impl FnMut(u64, Vec<u8>) -> Result<bool>) -> Result<bool> {
        let (cycle, at) = (self.lsn.cycle(), self.lsn.block());
        let mut block = 0;
        let end = u32::try_from(self.live().len / 512).expect("not more than the ring has");
        while block < end {
            let (cycle, len, tail) = if block == at {
                let before =
                    if cycle == 1 { self.lsn } else { Lsn::new(cycle - 1, self.ring.blocks - self.len()) };
                (cycle, self.len(), before)
            } else if block < at {
                (cycle, STEP.min(at - block), Lsn::new(cycle, block.saturating_sub(STEP)))
            } else {
                let len = STEP.min(end - block);
                (cycle - 1, len, Lsn::new(cycle - 1, block.saturating_sub(len)))
            };
            let bytes = self.record(Lsn::new(cycle, block), tail, len);
            if !visit(self.ring.offset(block), bytes)? {
                return Ok(false);
            }
            block += len;
        }
        Ok(true)
    }

    /// A record of `len` blocks with the operation of an unmount.
    fn record(&self, lsn: Lsn, tail: Lsn, len: u32) -> Vec<u8> {
        let size = len * 512;
        let mut bytes = vec![0; to_usize(size.into())];
        for block in bytes.chunks_exact_mut(BB) {
            CYCLE.set(block, lsn.cycle());
        }
        // A single block at the log's end cannot be a record; its mark is all that matters.
        if len < 2 {
            return bytes;
        }
        let headers = if self.version == 2 { size.div_ceil(HEADER_COVERS).max(1) } else { 1 };
        H_MAGIC.set(&mut bytes, HEADER_MAGIC);
        H_CYCLE.set(&mut bytes, lsn.cycle());
        H_VERSION.set(&mut bytes, self.version);
        H_LEN.set(&mut bytes, size - headers * 512);
        H_LSN.set(&mut bytes, lsn.0);
        H_TAIL_LSN.set(&mut bytes, tail.0);
        H_PREV_BLOCK.set(&mut bytes, u32::MAX);
        H_NUM_LOGOPS.set(&mut bytes, 1);
        H_FMT.set(&mut bytes, FMT_LINUX_LE);
        H_FS_UUID.set(&mut bytes, &self.uuid);
        H_SIZE.set(&mut bytes, size.max(HEADER_COVERS));
        // The operation's first word goes to the header: the cycle has its place.
        bytes[H_CYCLE_DATA..H_CYCLE_DATA + 4].copy_from_slice(&TRANSACTION.to_be_bytes());
        let operation = &mut bytes[to_usize(headers.into()) * BB..];
        OH_LEN.set(operation, 8);
        OH_CLIENTID.set(operation, CLIENT_LOG);
        OH_FLAGS.set(operation, OP_UNMOUNT);
        UNMOUNT_TYPE.set(operation, UNMOUNT_MAGIC);
        bytes
    }

    /// Whether the log is this already.
    pub(crate) fn is(&self, device: &impl BlockRead) -> Result<bool> {
        let mut buf = vec![0; to_usize(STEP.into()) * BB];
        let same = self.each(|offset, bytes| {
            let buf = &mut buf[..bytes.len()];
            device.read_at(offset, buf)?;
            Ok(*buf == *bytes)
        })?;
        if !same {
            return Ok(false);
        }
        let mut clean = true;
        zeros(device, self.rest(), |piece, buf| {
            clean = clean && is_zero(&buf[..to_usize(piece.len)]);
            Ok(())
        })?;
        Ok(clean)
    }

    /// What is behind the part that is needed.
    fn rest(&self) -> Extent {
        Extent::between(self.live().end(), self.ring.extent().end())
    }

    /// Makes the log this.
    pub(crate) fn write(&self, device: &mut impl BlockWrite) -> Result<()> {
        self.each(|offset, bytes| {
            device.write_at(offset, &bytes)?;
            Ok(true)
        })?;
        Ok(device.zero_at(self.rest())?)
    }
}

/// Calls `visit` with the pieces of `extent` that are not known to be zero, and their bytes.
fn zeros(
    device: &impl BlockRead,
    extent: Extent,
    mut visit: impl FnMut(Extent, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut buf = vec![0; to_usize(STEP.into()) * BB];
    let mut at = extent.start;
    while at < extent.end() {
        let run = device.run_at(at)?;
        let mut len = run.len.min(extent.end() - at);
        if !run.zero {
            len = len.min(to_u64(buf.len()));
            let piece = Extent { start: at, len };
            device.read_at(at, &mut buf[..to_usize(len)])?;
            visit(piece, &buf)?;
        }
        at += len;
    }
    Ok(())
}

/// The empty log that this one is, if it is one.
pub(crate) fn recognise(
    ring: Ring,
    (uuid, version, unit): ([u8; 16], u32, u32),
    state: State,
    device: &impl BlockRead,
) -> Result<Option<Empty>> {
    let State::Clean(ends) = state else { return Ok(None) };
    let mut empty = Empty::plan(ring, (uuid, version, unit), None);
    let bytes = ring.read(device, ends.last, 1)?;
    empty.lsn = Lsn(H_LSN.get(&bytes));
    // A cycle above 1 has its record in front.
    let fits = empty.lsn.block() == ends.last
        && empty.lsn.cycle() > 0
        && ends.last < ring.blocks - empty.len()
        && (empty.lsn.cycle() == 1 || ends.last == 0);
    Ok(if fits && empty.is(device)? { Some(empty) } else { None })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{head, sample::Sample},
        *,
    };

    fn state(sample: &Sample) -> State {
        let log = sample.log();
        head::state(log.ring, &log.uuid, &sample.device).unwrap()
    }

    /// Recovers, and returns where the log's head is then, and how much of the log is needed.
    fn emptied(sample: &mut Sample) -> (Lsn, u64) {
        sample.recover().unwrap();
        let State::Clean(ends) = state(sample) else { panic!("{:?}", state(sample)) };
        let log = sample.log();
        let empty = recognise(log.ring, log.shape(), state(sample), &sample.device).unwrap().unwrap();
        let rest = &sample.device[to_usize(empty.live().end())..to_usize(log.ring.extent().end())];
        assert!(is_zero(rest));
        let before = sample.device.clone();
        sample.recover().unwrap();
        assert!(before == sample.device, "again: nothing changes");
        (ends.lsn(), empty.live().len / 512)
    }

    #[test]
    fn version_4_needs_one_record() {
        let mut sample = Sample::new(false);
        for _ in 0..700 {
            sample.unmount();
        }
        assert_eq!(emptied(&mut sample), (Lsn::new(1, 2), 2));
    }

    #[test]
    fn the_first_round_needs_what_was_written() {
        let mut sample = Sample::new(true);
        assert_eq!(emptied(&mut sample), (Lsn::new(1, 2), 2), "never used");
        let mut sample = Sample::new(true);
        for _ in 0..100 {
            sample.unmount();
        }
        assert_eq!(emptied(&mut sample), (Lsn::new(1, 202), 202));
    }

    #[test]
    fn later_rounds_need_all() {
        for rounds in [511, 512, 513, 1500] {
            let mut sample = Sample::new(true);
            for _ in 0..rounds {
                sample.unmount();
            }
            let State::Clean(before) = state(&sample) else { panic!("not clean") };
            let (after, needed) = emptied(&mut sample);
            assert_eq!((after, needed), (Lsn::new(before.cycle + 1, 2), 1024), "{rounds}");
            assert!(after > before.lsn());
            let log = sample.log().ring;
            assert_eq!(log.find_cycle(&sample.device, 0, 1024, |cycle| cycle == 0).unwrap(), None);
        }
    }

    #[test]
    fn stripe_units() {
        let ring = Ring { start: 0, blocks: 4096 };
        for (unit, len) in [(0, 2), (1, 2), (512, 2), (4096, 8), (32768, 64), (262_144, 512), (262_145, 2)] {
            for floor in [None, Some(Lsn::new(1, 1000)), Some(Lsn::new(7, 1000))] {
                let empty = Empty::plan(ring, ([1; 16], 2, unit), floor);
                assert_eq!(empty.len(), len);
                let mut disk = vec![0xee; 4096 * BB];
                empty.write(&mut disk).unwrap();
                let State::Clean(ends) = head::state(ring, &[1; 16], &disk).unwrap() else {
                    panic!("{unit}")
                };
                assert!(floor.is_none_or(|floor| ends.lsn() > floor), "{unit} {floor:?} {ends:?}");
                assert!(empty.is(&disk).unwrap());
                disk[4096 * BB - 1] ^= 1;
                assert!(!empty.is(&disk).unwrap());
            }
        }
    }
}
