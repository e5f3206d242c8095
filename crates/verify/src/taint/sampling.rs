//! Which grams of a removed file are put into the index.

use std::{collections::VecDeque, ops::Range};

use block::to_u64;

use super::{
    distinct,
    index::{GRAM, STEP},
};

/// Where nothing looks random, one gram in so many bytes is enough of files of which every gram would be known. Odd.
pub(super) const DULL_STRIDE: u64 = 3;
const _: () = assert!(
    STEP * DULL_STRIDE + to_u64(GRAM) - 1 < to_u64(distinct::DULL_RUN),
    "every run that counts is found"
);
/// Grams at the start of blocks, beside those.
const BLOCK_GRAMS: u64 = 1 << 21;

/// How a search finds pieces of larger files, and what it cannot miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Sampling {
    /// One gram in so many bytes is known. Odd. 1: so it is around what looks random, and one in three elsewhere.
    pub stride: u64,
    /// Beside that, the first of each block of so many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<u64>,
    /// A run of so many bytes is found wherever it lies, if its grams can be known: those that begin with few values are
    /// not, and of equal ones the first is. Around what looks random, 16 bytes fewer are enough at a stride of 1.
    pub certain: u64,
}

impl Sampling {
    pub(super) fn of(bytes: u64, grams: u64, least: u64) -> Self {
        let mut stride = least;
        while bytes / stride > grams {
            stride = stride * 2 + 1;
        }
        let certain = STEP * stride.max(DULL_STRIDE) + to_u64(GRAM) - 1;
        // Sectors are copied whole as a rule; below, each has a gram that is looked at anyway.
        let block = (certain > 512).then(|| {
            let mut block = 512;
            while bytes / block > BLOCK_GRAMS {
                block *= 8;
            }
            block
        });
        Self { stride, block, certain }
    }

    pub(super) fn takes(self, offset: u64) -> bool {
        offset.is_multiple_of(self.stride) || self.block.is_some_and(|block| offset.is_multiple_of(block))
    }

    pub(super) fn next(self, offset: u64) -> u64 {
        let block = self.block.map_or(u64::MAX, |block| offset.next_multiple_of(block));
        offset.next_multiple_of(self.stride).min(block)
    }
}

/// Which grams of some bytes have next to nothing of what looks random: all but those that start in these ranges, in
/// ascending order; none, if nobody wants to know.
pub(super) struct Dull(Option<VecDeque<Range<usize>>>);

impl Dull {
    /// Bytes of a word that a gram has, at least, not to be dull. A run of 40 bytes or more with a word of 16 has eight
    /// neighbouring grams that have nine bytes of it, wherever it lies in the run.
    const SHARED: usize = 9;

    pub(super) fn of(bytes: &[u8], wanted: bool) -> Self {
        let start = |word: &Range<usize>| (word.start + Self::SHARED).saturating_sub(GRAM);
        let around = |word: &Range<usize>| start(word)..word.end + 1 - Self::SHARED;
        Self(wanted.then(|| distinct::maybe_random(bytes).iter().map(around).collect()))
    }

    /// Asked with ascending positions.
    pub(super) fn at(&mut self, position: usize) -> bool {
        let Some(others) = &mut self.0 else { return false };
        while others.front().is_some_and(|around| around.end <= position) {
            others.pop_front();
        }
        others.front().is_none_or(|around| position < around.start)
    }
}
