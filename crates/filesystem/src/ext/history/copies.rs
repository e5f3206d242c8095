//! The journal's copies by the block that they are of, from the oldest to the newest.

use std::ops::Range;

use block::{BlockRead, Result};

use crate::ext::{
    Ext,
    journal::{Copy, MAGIC},
};

/// All that the journal still has.
#[derive(Debug)]
pub(super) struct Copies {
    list: Vec<Copy>,
    base: u32,
}

impl Copies {
    /// `base`: the sequence number in the journal's superblock.
    pub(super) fn new(mut list: Vec<Copy>, base: u32) -> Self {
        list.sort_unstable_by_key(|copy| (copy.block, order(base, copy.sequence), copy.at));
        Self { list, base }
    }

    /// Which of two copies is the newer one: numbers of transactions wrap around, these do not.
    pub(super) fn order(&self, copy: &Copy) -> u32 {
        order(self.base, copy.sequence)
    }

    /// Each block that there is a copy of, in ascending order, with all of them.
    pub(super) fn by_block(&self) -> impl Iterator<Item = &[Copy]> {
        self.list.chunk_by(|a, b| a.block == b.block)
    }

    /// All of them, by block.
    pub(super) fn all(&self) -> &[Copy] {
        &self.list
    }

    /// Which of [`all`](Self::all) are copies of blocks `start` up to `end`.
    pub(super) fn range(&self, start: u64, end: u64) -> Range<usize> {
        let first = self.list.partition_point(|copy| copy.block < start);
        first..self.list.partition_point(|copy| copy.block < end).max(first)
    }

    /// The copies of blocks `start` up to `end`.
    pub(super) fn within(&self, start: u64, end: u64) -> &[Copy] {
        &self.list[self.range(start, end)]
    }
}

/// Half of all numbers come before `base`, half after it.
fn order(base: u32, sequence: u32) -> u32 {
    sequence.wrapping_sub(base).wrapping_add(1 << 31)
}

impl<D: BlockRead> Ext<D> {
    /// The block as it was.
    pub(super) fn read_copy(&self, copy: &Copy) -> Result<Vec<u8>> {
        let mut block = vec![0; self.layout.block_len()];
        self.device.read_at(copy.at, &mut block)?;
        if copy.escaped {
            block[..4].copy_from_slice(&MAGIC.to_be_bytes());
        }
        Ok(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_wraps_around() {
        let copy = |block, sequence| Copy { block, at: 0, sequence, escaped: false };
        let copies = Copies::new(vec![copy(7, 2), copy(7, u32::MAX), copy(3, 1), copy(7, u32::MAX - 1)], 1);
        let sequences: Vec<Vec<u32>> =
            copies.by_block().map(|all| all.iter().map(|copy| copy.sequence).collect()).collect();
        assert_eq!(sequences, [vec![1], vec![u32::MAX - 1, u32::MAX, 2]]);
        assert_eq!(copies.within(4, 8).len(), 3);
        assert!(copies.within(8, 4).is_empty());
    }
}
