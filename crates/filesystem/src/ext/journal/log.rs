//! A journal as a ring of numbered blocks: its superblock checked, its geometry known, its blocks readable.
//!
//! Nothing is believed before it is checked: an unknown feature is refused by name, and no number of the
//! superblock can lead outside the journal file.

use std::ops::Range;

use block::{BlockRead, BlockWrite, Error, Extent, ExtentSet, Object, Result, Unsupported, to_u64, to_usize};

use super::{
    checksum::{self, Checksum},
    layout::*,
};
use crate::ext::checksum::crc32c_raw;

/// Where the journal's blocks lie: runs of (first logical block, length in blocks, byte offset on the device),
/// ascending and without overlap.
#[derive(Debug, Clone)]
pub(crate) struct BlockMap {
    runs: Vec<(u64, u64, u64)>,
    device: ExtentSet,
}

impl BlockMap {
    /// From runs in ascending order of their logical blocks.
    pub(crate) fn new(runs: Vec<(u64, u64, u64)>, block_size: usize) -> Self {
        let bytes =
            |&(_, len, start): &(u64, u64, u64)| Extent::new(start, len.checked_mul(to_u64(block_size))?);
        let device = runs.iter().filter_map(bytes).collect();
        Self { runs, device }
    }

    /// Byte offset on the device of a logical block; `None` for a hole.
    fn offset(&self, index: u32, block_size: u64) -> Option<u64> {
        let index = u64::from(index);
        let at = self.runs.partition_point(|&(first, len, _)| first.saturating_add(len) <= index);
        let &(first, _, offset) = self.runs.get(at)?;
        offset.checked_add(index.checked_sub(first)?.checked_mul(block_size)?)
    }

    /// Where the logical blocks of `range` lie: runs of (first, length in blocks, byte offset), ascending.
    fn parts(&self, range: Range<u64>, block_size: u64) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.runs.iter().filter_map(move |&(first, len, offset)| {
            let (start, end) = (first.max(range.start), first.saturating_add(len).min(range.end));
            let skip = start.checked_sub(first)?.checked_mul(block_size)?;
            Some((start, end.checked_sub(start).filter(|&len| len > 0)?, offset.checked_add(skip)?))
        })
    }

    /// Whether a byte of the device belongs to the journal.
    fn holds(&self, offset: u64) -> bool {
        self.device.contains(Extent { start: offset, len: 1 })
    }
}

/// A journal whose superblock made sense.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    map: BlockMap,
    /// The same as the filesystem's.
    pub(crate) block_size: usize,
    /// Blocks that full commits use, in a ring.
    pub(crate) ring: Range<u32>,
    /// Blocks that fast commits use; empty without the feature.
    pub(crate) fast: Range<u32>,
    /// Where the oldest transaction starts; 0: the log is empty.
    pub(crate) start: u32,
    /// Its number; of an empty log, the last one's.
    pub(crate) sequence: u32,
    pub(crate) checksum: Checksum,
    /// Block numbers of 64 bits in tags and revoke records.
    pub(crate) wide: bool,
    /// A commit block may reach the disk before what it commits.
    pub(crate) async_commit: bool,
    /// Nonzero: the kernel gave up writing.
    pub(crate) errno: u32,
}

const SUPERBLOCK: Object = Object::the("journal superblock");

impl Log {
    /// Reads and checks the superblock of a journal file of `blocks` blocks.
    pub(crate) fn open(
        device: &impl BlockRead,
        block_size: usize,
        blocks: u64,
        map: BlockMap,
    ) -> Result<Self> {
        let mut log = Self {
            map,
            block_size,
            ring: 0..0,
            fast: 0..0,
            start: 0,
            sequence: 0,
            checksum: Checksum::None,
            wide: false,
            async_commit: false,
            errno: 0,
        };
        let superblock = log.read(device, 0)?;
        log.load(&superblock, blocks)?;
        Ok(log)
    }

    fn load(&mut self, superblock: &[u8], blocks: u64) -> Result<()> {
        let magic = H_MAGIC.get(superblock);
        if magic != MAGIC {
            return Err(SUPERBLOCK.corrupt("magic", hex(magic), hex(MAGIC)));
        }
        let features = match H_BLOCKTYPE.get(superblock) {
            TYPE_SUPERBLOCK_V1 => (0, 0),
            TYPE_SUPERBLOCK_V2 => features(superblock)?,
            other => return Err(SUPERBLOCK.corrupt("block type", other, "3 or 4")),
        };
        self.checksum = checksum_kind(superblock, features)?;
        self.wide = features.1 & INCOMPAT_64BIT != 0;
        self.async_commit = features.1 & INCOMPAT_ASYNC_COMMIT != 0;
        self.errno = S_ERRNO.get(superblock);

        let block_size = S_BLOCKSIZE.get(superblock);
        if to_usize(block_size.into()) != self.block_size {
            return Err(SUPERBLOCK.corrupt("s_blocksize", block_size, self.block_size));
        }
        let maxlen = S_MAXLEN.get(superblock);
        if u64::from(maxlen) > blocks {
            return Err(SUPERBLOCK.corrupt("s_maxlen", maxlen, format_args!("at most {blocks}")));
        }
        let mut last = maxlen;
        if features.1 & INCOMPAT_FAST_COMMIT != 0 {
            let count = match S_NUM_FC_BLKS.get(superblock) {
                0 => DEFAULT_FC_BLOCKS,
                count => count,
            };
            // As the kernel: too small a journal keeps its whole length for full commits.
            if let Some(rest) = maxlen.checked_sub(count).filter(|&rest| rest >= MIN_JOURNAL_BLOCKS) {
                last = rest;
                // One block stays unused between the two: the first fast commit block is not `rest`.
                self.fast = rest.saturating_add(1)..maxlen;
            }
        }
        let first = S_FIRST.get(superblock);
        if first == 0 || first >= last {
            return Err(SUPERBLOCK.corrupt(
                "s_first",
                first,
                format_args!("1 to {}", last.saturating_sub(1)),
            ));
        }
        self.ring = first..last;
        self.start = S_START.get(superblock);
        self.sequence = S_SEQUENCE.get(superblock);
        if self.start != 0 && !self.ring.contains(&self.start) {
            return Err(SUPERBLOCK.corrupt(
                "s_start",
                self.start,
                format_args!("0, or {first} to {}", last - 1),
            ));
        }
        Ok(())
    }

    /// Length of a tag, without the UUID that may follow it.
    pub(crate) fn tag_len(&self) -> usize {
        let narrow = match self.checksum {
            Checksum::V3 { .. } => return 16,
            Checksum::V2 { .. } => 10,
            Checksum::None | Checksum::V1 => 8,
        };
        if self.wide { narrow + 4 } else { narrow }
    }

    /// The block behind `index` in the ring.
    pub(crate) fn after(&self, index: u32) -> u32 {
        if index.saturating_add(1) >= self.ring.end { self.ring.start } else { index + 1 }
    }

    fn offset(&self, index: u32) -> Result<u64> {
        self.map.offset(index, to_u64(self.block_size)).ok_or_else(|| {
            Object::numbered("journal block", index.into()).corrupt("mapping", "a hole", "a block")
        })
    }

    /// Where the blocks of `range` lie: runs of (first, length in blocks, byte offset on the device). Holes are left
    /// out.
    pub(crate) fn parts(&self, range: &Range<u32>) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.map.parts(range.start.into()..range.end.into(), to_u64(self.block_size))
    }

    /// A block of the journal.
    pub(crate) fn read(&self, device: &impl BlockRead, index: u32) -> Result<Vec<u8>> {
        let mut block = vec![0; self.block_size];
        device.read_object(
            Object::numbered("journal block", index.into()),
            self.offset(index)?,
            &mut block,
        )?;
        Ok(block)
    }

    /// Whether the byte at `offset` of the device belongs to the journal itself.
    pub(crate) fn holds(&self, offset: u64) -> bool {
        self.map.holds(offset)
    }

    /// Marks the log empty; the next transaction comes after `sequence`. Fields that describe the journal
    /// stay; what lies behind them in the superblock's block goes.
    pub(crate) fn empty(&self, device: &mut impl BlockWrite, sequence: u32) -> Result<()> {
        let mut block = self.read(device, 0)?;
        S_START.set(&mut block, 0);
        S_SEQUENCE.set(&mut block, sequence);
        S_ERRNO.set(&mut block, 0);
        if H_BLOCKTYPE.get(&block) == TYPE_SUPERBLOCK_V1 {
            block[SUPERBLOCK_V1_LEN..].fill(0);
        } else {
            S_HEAD.set(&mut block, 0);
            block[S_CHECKSUM_TYPE.0 + 1..S_NUM_FC_BLKS.0].fill(0);
            // An unknown compatible feature may have its fields in what is padding to us.
            if S_FEATURE_COMPAT.get(&block) & !COMPAT_CHECKSUM == 0 {
                block[S_PADDING..S_CHECKSUM.0].fill(0);
            }
            let users = to_usize(u64::from(S_NR_USERS.get(&block))).min(1);
            block[S_USERS + 16 * users..].fill(0);
            if self.checksum.seed().is_some() {
                let sum = checksum::of_superblock(&block);
                S_CHECKSUM.set(&mut block, sum);
            }
        }
        device.write_at(self.offset(0)?, &block)?;
        Ok(())
    }
}

/// The compat and incompat features of a version 2 superblock, all of them known.
fn features(superblock: &[u8]) -> Result<(u32, u32)> {
    let incompat = S_FEATURE_INCOMPAT.get(superblock);
    // The names that the journal's own tools give to bits that they do not know.
    let unknown = incompat & !INCOMPAT_KNOWN;
    if unknown != 0 {
        return Err(unsupported(format!("journal feature FEATURE_I{}", unknown.trailing_zeros())));
    }
    let ro_compat = S_FEATURE_RO_COMPAT.get(superblock);
    if ro_compat != 0 {
        return Err(unsupported(format!("journal feature FEATURE_R{}", ro_compat.trailing_zeros())));
    }
    // A journal inside a filesystem has that one user; the field may be 0 in journals of old tools.
    let users = S_NR_USERS.get(superblock);
    if users > 1 {
        return Err(SUPERBLOCK.corrupt("s_nr_users", users, "0 or 1"));
    }
    Ok((S_FEATURE_COMPAT.get(superblock), incompat))
}

fn checksum_kind(superblock: &[u8], (compat, incompat): (u32, u32)) -> Result<Checksum> {
    let (v1, v2, v3) =
        (compat & COMPAT_CHECKSUM != 0, incompat & INCOMPAT_CSUM_V2 != 0, incompat & INCOMPAT_CSUM_V3 != 0);
    if u8::from(v1) + u8::from(v2) + u8::from(v3) > 1 {
        let found =
            [(v1, "v1"), (v2, "v2"), (v3, "v3")].into_iter().filter_map(|(is, name)| is.then_some(name));
        return Err(SUPERBLOCK.corrupt("checksum", found.collect::<Vec<_>>().join(" and "), "one version"));
    }
    if !v2 && !v3 {
        return Ok(if v1 { Checksum::V1 } else { Checksum::None });
    }
    let kind = S_CHECKSUM_TYPE.get(superblock);
    if kind != CHECKSUM_CRC32C {
        return Err(unsupported(format!("journal checksum type {kind}")));
    }
    let (found, right) = (S_CHECKSUM.get(superblock), checksum::of_superblock(superblock));
    if found != right {
        return Err(SUPERBLOCK.corrupt("checksum", hex(found), hex(right)));
    }
    let seed = crc32c_raw(!0, &S_UUID.get(superblock));
    Ok(if v2 { Checksum::V2 { seed } } else { Checksum::V3 { seed } })
}

fn unsupported(feature: String) -> Error {
    Unsupported::new(SUPERBLOCK, feature).into()
}

/// As the field's tools print magics and checksums.
pub(crate) fn hex(value: u32) -> String {
    format!("{value:#010x}")
}
