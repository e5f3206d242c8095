//! The whole journal as it lies on disk: which block each copy belongs to, live transactions and all that is left
//! of older ones. Nothing is written, and no sequence is expected.
//!
//! The kernel writes copies right behind their descriptor, and its blocks of their own kind nowhere in between. So a
//! copy belongs to the nearest such block before it, if that is a descriptor with a tag for it; if another use of
//! the ring has overwritten a part, it starts with a block of its own, and what lies behind that is not believed to
//! be the older descriptor's. Checksums v2 and v3 must fit, too: the descriptor's and the copy's.

use std::ops::Range;

use block::{BlockRead, Error, Extent, Result, to_u64, to_usize};

use super::{
    layout::*,
    log::Log,
    tags::{Tag, tags},
};
use crate::{
    BlockCopy, LogBlock, Past,
    ext::{Ext, superblock::compat},
};

/// A copy, in little memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copy {
    /// The block of the filesystem.
    pub(crate) block: u64,
    /// Byte offset of the copy.
    pub(crate) at: u64,
    pub(crate) sequence: u32,
    pub(crate) escaped: bool,
}

impl Copy {
    /// As others see it.
    pub(crate) const fn past(self, block_size: u64) -> Past {
        Past::Copy(BlockCopy {
            at: Extent { start: self.at, len: block_size },
            block: self.block,
            home: self.block * block_size,
            sequence: self.sequence,
            escaped: self.escaped,
        })
    }
}

/// What `journal_blocks` reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Copy(Copy),
    Own(Extent, LogBlock),
}

impl<D: BlockRead> Ext<D> {
    /// Visits each block of the journal that is a copy or the journal's own. Returns the sequence number in its
    /// superblock, which all others are to be compared with. Nothing if there is no journal that makes sense.
    pub(crate) fn journal_blocks(&self, visit: &mut dyn FnMut(Seen) -> Result<()>) -> Result<Option<u32>> {
        let log = match self.open_log() {
            Ok(Some(log)) => log,
            Err(error @ Error::Io(_)) => return Err(error),
            Ok(None) | Err(_) => return Ok(None),
        };
        let block_size = self.layout.block_size;
        for (_, _, start) in log.parts(&(0..1)) {
            visit(Seen::Own(Extent { start, len: block_size }, LogBlock::Superblock))?;
        }
        let (ring, fast) = self.areas(&log)?;
        let mut pass = Pass { ext: self, log: &log, visit, tags: Vec::new().into_iter(), sequence: 0 };
        pass.over(ring.clone(), false)?;
        // The last transaction may go on at the start of the ring.
        pass.over(ring, true)?;
        for (_, count, start) in log.parts(&fast) {
            visit(Seen::Own(Extent { start, len: count * block_size }, LogBlock::FastCommit))?;
        }
        Ok(Some(log.sequence))
    }

    /// The blocks of full commits and those of fast commits. A journal that was closed does not say that it has the
    /// latter; the filesystem does.
    fn areas(&self, log: &Log) -> Result<(Range<u32>, Range<u32>)> {
        if !log.fast.is_empty() || !self.superblock.compat(compat::FAST_COMMIT) {
            return Ok((log.ring.clone(), log.fast.clone()));
        }
        let superblock = log.read(&self.device, 0)?;
        let count = match S_NUM_FC_BLKS.get(&superblock) {
            0 => DEFAULT_FC_BLOCKS,
            count => count,
        };
        let end = log.ring.end;
        match end.checked_sub(count).filter(|&rest| rest >= MIN_JOURNAL_BLOCKS && rest > log.ring.start) {
            Some(rest) => Ok((log.ring.start..rest, rest..end)),
            None => Ok((log.ring.clone(), 0..0)),
        }
    }
}

/// A walk over blocks of the journal, in their order.
struct Pass<'p, D> {
    ext: &'p Ext<D>,
    log: &'p Log,
    visit: &'p mut dyn FnMut(Seen) -> Result<()>,
    /// What the blocks from here on are copies of.
    tags: std::vec::IntoIter<Tag>,
    /// The transaction of these tags.
    sequence: u32,
}

impl<D: BlockRead> Pass<'_, D> {
    /// Walks over `range`; with `rest`, only as far as the tags at hand go.
    fn over(&mut self, range: Range<u32>, rest: bool) -> Result<()> {
        let size = self.ext.layout.block_size;
        let mut buf = vec![0; self.log.block_size];
        let mut next = u64::from(range.start);
        for (first, count, start) in self.log.parts(&range) {
            if first != next {
                self.tags = Vec::new().into_iter();
            }
            next = first + count;
            let mut done = 0;
            while done < count {
                if rest && self.tags.len() == 0 {
                    return Ok(());
                }
                let at = start + done * size;
                // What is a hole in the image is no block of the journal's own, and a copy of nothing.
                let run = self.ext.device.run_at(at)?;
                let zero = if run.zero { (run.len / size).min(count - done) } else { 0 };
                if zero > 0 {
                    done += zero;
                    self.skip(zero);
                    continue;
                }
                self.ext.device.read_at(at, &mut buf)?;
                done += 1;
                let own = self.own(&buf);
                if rest && own.is_some() {
                    return Ok(());
                }
                self.block(at, &buf, own)?;
            }
        }
        Ok(())
    }

    fn skip(&mut self, count: u64) {
        let left = to_u64(self.tags.len()).min(count);
        if let Some(last) = to_usize(left).checked_sub(1) {
            self.tags.nth(last);
        }
    }

    /// What of the journal's own a block is. The start of a copy is never the magic: it would have been escaped.
    fn own(&self, block: &[u8]) -> Option<LogBlock> {
        if H_MAGIC.get(block) != MAGIC {
            return None;
        }
        Some(match H_BLOCKTYPE.get(block) {
            TYPE_DESCRIPTOR => LogBlock::Descriptor,
            TYPE_COMMIT => LogBlock::Commit,
            TYPE_REVOKE => LogBlock::Revoke,
            TYPE_SUPERBLOCK_V1 | TYPE_SUPERBLOCK_V2 => LogBlock::Superblock,
            _ => return None,
        })
    }

    fn block(&mut self, at: u64, block: &[u8], own: Option<LogBlock>) -> Result<()> {
        let len = self.ext.layout.block_size;
        if let Some(kind) = own {
            self.sequence = H_SEQUENCE.get(block);
            // Left over from another filesystem, or a torn write.
            let believed = kind == LogBlock::Descriptor && self.log.checksum.tail_mismatch(block).is_none();
            let found: Vec<Tag> = if believed { tags(self.log, block).collect() } else { Vec::new() };
            self.tags = found.into_iter();
            return (self.visit)(Seen::Own(Extent { start: at, len }, kind));
        }
        let Some(tag) = self.tags.next() else { return Ok(()) };
        let fits = tag.sum.is_none_or(|sum| self.log.checksum.of_copy(self.sequence, block) == Some(sum));
        if fits && self.ext.layout.contains(tag.block, 1) {
            let copy = Copy { block: tag.block, at, sequence: self.sequence, escaped: tag.escaped };
            (self.visit)(Seen::Copy(copy))?;
        }
        Ok(())
    }
}
