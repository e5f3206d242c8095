//! The log as a ring of basic blocks.
//!
//! Every block begins with the cycle in which it was written, or is a record's header, which has it in its second
//! word. That is all that tells where the log begins and ends.

use std::fmt;

use block::{BlockRead, Extent, Object, Result, to_u64, to_usize};

use super::layout::{BB, CYCLE, H_CYCLE, H_MAGIC, HEADER_MAGIC};

const LOG: Object = Object::the("log");

/// A position in the log's history: how often it went round the ring, and the block. Later is larger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lsn(pub(crate) u64);

impl Lsn {
    pub(crate) fn new(cycle: u32, block: u32) -> Self {
        Self(u64::from(cycle) << 32 | u64::from(block))
    }

    pub(crate) fn cycle(self) -> u32 {
        u32::try_from(self.0 >> 32).expect("32 bits are left")
    }

    pub(crate) fn block(self) -> u32 {
        u32::try_from(self.0 & 0xffff_ffff).expect("32 bits are left")
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.cycle(), self.block())
    }
}

/// Where the log lies: from byte `start` of the volume on, `blocks` basic blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ring {
    pub(crate) start: u64,
    /// At least 1024, at most 2^31.
    pub(crate) blocks: u32,
}

impl Ring {
    /// All of its bytes.
    pub(crate) fn extent(self) -> Extent {
        Extent { start: self.start, len: u64::from(self.blocks) * to_u64(BB) }
    }

    /// Where `block` lies, in bytes of the volume.
    pub(crate) fn offset(self, block: u32) -> u64 {
        self.start + u64::from(block) * to_u64(BB)
    }

    /// `block` and the `count` behind it that may go round once. Not for more than a record's length.
    pub(crate) fn read(self, device: &impl BlockRead, block: u32, count: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; to_usize(u64::from(count) * to_u64(BB))];
        let first = count.min(self.blocks - block);
        let (head, rest) = bytes.split_at_mut(to_usize(u64::from(first) * to_u64(BB)));
        device.read_object(LOG, self.offset(block), head)?;
        if !rest.is_empty() {
            device.read_object(LOG, self.offset(0), rest)?;
        }
        Ok(bytes)
    }

    /// The cycle of one block.
    pub(crate) fn cycle(self, device: &impl BlockRead, block: u32) -> Result<u32> {
        let mut bytes = [0; 8];
        device.read_object(LOG, self.offset(block), &mut bytes)?;
        Ok(cycle_of(&bytes))
    }

    /// `block + count`, round the ring.
    pub(crate) fn after(self, block: u32, count: u32) -> u32 {
        let sum = (u64::from(block) + u64::from(count)) % u64::from(self.blocks);
        u32::try_from(sum).expect("less than the number of blocks")
    }

    /// How many blocks lie from `from` up to `to`, round the ring; 0 if they are the same.
    pub(crate) fn distance(self, from: u32, to: u32) -> u32 {
        if to >= from { to - from } else { self.blocks - from + to }
    }

    /// The first of `count` blocks from `start` on, without going round, whose cycle `matches`.
    pub(crate) fn find_cycle(
        self,
        device: &impl BlockRead,
        start: u32,
        count: u32,
        mut matches: impl FnMut(u32) -> bool,
    ) -> Result<Option<u32>> {
        const STEP: u32 = 128;
        let mut at = start;
        let end = start + count;
        while at < end {
            let step = STEP.min(end - at);
            let bytes = self.read(device, at, step)?;
            for block in bytes.chunks_exact(BB) {
                if matches(cycle_of(block)) {
                    return Ok(Some(at));
                }
                at += 1;
            }
        }
        Ok(None)
    }

    /// The last header in the blocks from `start` up to `end`, without going round.
    pub(crate) fn last_header(self, device: &impl BlockRead, start: u32, end: u32) -> Result<Option<u32>> {
        const STEP: u32 = 128;
        let mut end = end;
        while end > start {
            let from = start.max(end.saturating_sub(STEP));
            let bytes = self.read(device, from, end - from)?;
            for (index, block) in (from..end).zip(bytes.chunks_exact(BB)).rev() {
                if H_MAGIC.get(block) == HEADER_MAGIC {
                    return Ok(Some(index));
                }
            }
            end = from;
        }
        Ok(None)
    }
}

/// The cycle of a block, of which the first eight bytes are enough.
pub(crate) fn cycle_of(block: &[u8]) -> u32 {
    if H_MAGIC.get(block) == HEADER_MAGIC { H_CYCLE.get(block) } else { CYCLE.get(block) }
}

/// What errors call a block of the log.
pub(crate) fn log_block(block: u32) -> Object {
    Object::numbered("log block", block.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_round() {
        let ring = Ring { start: 512, blocks: 4 };
        let mut disk = vec![0; 512];
        for block in 0..4u8 {
            disk.extend([block + 1; BB]);
        }
        let bytes = ring.read(&disk, 3, 2).unwrap();
        assert_eq!((bytes[0], bytes[BB]), (4, 1));
        assert_eq!((ring.after(3, 2), ring.distance(3, 1), ring.distance(1, 1)), (1, 2, 0));
        assert_eq!(ring.find_cycle(&disk, 0, 4, |cycle| cycle == 0x0303_0303).unwrap(), Some(2));
        H_MAGIC.set(&mut disk[512 + BB..], HEADER_MAGIC);
        H_CYCLE.set(&mut disk[512 + BB..], 77);
        assert_eq!(ring.cycle(&disk, 1).unwrap(), 77);
        assert_eq!(ring.last_header(&disk, 0, 4).unwrap(), Some(1));
        assert_eq!(ring.last_header(&disk, 2, 4).unwrap(), None);
    }

    #[test]
    fn lsn_orders_as_time_goes() {
        let lsn = Lsn::new(3, 0xffff_ffff);
        assert!(lsn < Lsn::new(4, 0) && lsn.cycle() == 3 && lsn.block() == 0xffff_ffff);
        assert_eq!(lsn.to_string(), "3:4294967295");
    }
}
