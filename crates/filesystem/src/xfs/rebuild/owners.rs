//! The records of rmapbt: which blocks of a group belong to whom, and where in it.
//!
//! Records that continue each other are one. Blocks may have several owners, but one owner has each of its own once.

use std::{collections::BTreeMap, ops::Range};

use super::tree::OWNER_SPECIAL;
use crate::xfs::format::btree::rmap::{BMBT_BLOCK, UNWRITTEN};

/// Who owns blocks, and what they are to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    /// An inode's number, or one of XFS_RMAP_OWN_*.
    pub(crate) owner: u64,
    /// Offset of the first block in the inode's fork, with the bits of the fork; see rm_offset.
    pub(crate) offset: u64,
}

impl Owner {
    /// One without offsets.
    pub(crate) const fn special(owner: u64) -> Self {
        Self { owner, offset: 0 }
    }

    /// Whether records of it count blocks of a fork.
    const fn counts(self) -> bool {
        self.owner & OWNER_SPECIAL == 0 && self.offset & BMBT_BLOCK == 0
    }

    const fn behind(self, len: u32) -> Self {
        let step = if self.counts() { len } else { 0 };
        Self { owner: self.owner, offset: self.offset.wrapping_add(widen(step)) }
    }
}

const fn widen(value: u32) -> u64 {
    // `u64::from` is not const.
    let [a, b, c, d] = value.to_le_bytes();
    u64::from_le_bytes([a, b, c, d, 0, 0, 0, 0])
}

/// The owners of a group's blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Owners {
    /// By owner, place in it, and first block: length, and whether it was never written.
    records: BTreeMap<(u64, u64, u32), (u32, bool)>,
}

impl Owners {
    /// Adds a record as the tree has it.
    pub(crate) fn insert_record(&mut self, start: u32, len: u32, owner: u64, offset: u64) -> bool {
        let unwritten = offset & UNWRITTEN != 0;
        self.insert(start..start.saturating_add(len), Owner { owner, offset: offset & !UNWRITTEN }, unwritten)
    }

    /// The record that holds `owner`'s block there.
    fn holder(&self, start: u32, owner: Owner) -> Option<(u32, u64, u32, bool)> {
        let key = (owner.owner, owner.offset, start);
        let (&(_, offset, first), &(len, unwritten)) =
            self.records.range((owner.owner, 0, 0)..=key).next_back()?;
        let into = start.checked_sub(first).filter(|&into| into < len)?;
        let counted = Owner { owner: owner.owner, offset }.behind(into) == owner;
        counted.then_some((first, offset, len, unwritten))
    }

    /// Gives blocks to an owner: false, and nothing done, if it has the first of them.
    #[must_use]
    pub(crate) fn insert(&mut self, run: Range<u32>, owner: Owner, unwritten: bool) -> bool {
        if run.is_empty() {
            return true;
        }
        if self.holder(run.start, owner).is_some() {
            return false;
        }
        let (mut start, mut at, mut len) = (run.start, owner, run.end - run.start);
        let below = self.records.range((owner.owner, 0, 0)..(owner.owner, owner.offset, start)).next_back();
        if let Some((&key @ (_, offset, first), &(before, same))) = below
            && same == unwritten
            && first.checked_add(before) == Some(start)
            && (Owner { owner: owner.owner, offset }).behind(before) == owner
        {
            self.records.remove(&key);
            (start, at.offset, len) = (first, offset, before + len);
        }
        let behind = owner.behind(run.end - run.start);
        if let Some(&(more, same)) = self.records.get(&(behind.owner, behind.offset, run.end))
            && same == unwritten
        {
            self.records.remove(&(behind.owner, behind.offset, run.end));
            len += more;
        }
        self.records.insert((at.owner, at.offset, start), (len, unwritten));
        true
    }

    /// Takes blocks from an owner: false, and nothing done, if one record does not hold them all.
    #[must_use]
    pub(crate) fn remove(&mut self, run: Range<u32>, owner: Owner) -> bool {
        if run.is_empty() {
            return true;
        }
        let Some((first, offset, len, unwritten)) = self.holder(run.start, owner) else { return false };
        let end = first + len;
        if run.end > end {
            return false;
        }
        self.records.remove(&(owner.owner, offset, first));
        if first < run.start {
            self.records.insert((owner.owner, offset, first), (run.start - first, unwritten));
        }
        if run.end < end {
            let behind = owner.behind(run.end - run.start);
            self.records.insert((behind.owner, behind.offset, run.end), (end - run.end, unwritten));
        }
        true
    }

    /// How many records there are.
    pub(crate) fn count(&self) -> usize {
        self.records.len()
    }

    /// The records as the tree has them.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut sorted: Vec<_> = self
            .records
            .iter()
            .map(|(&(owner, offset, start), &(len, unwritten))| (start, owner, offset, len, unwritten))
            .collect();
        sorted.sort_unstable();
        let mut bytes = Vec::with_capacity(sorted.len() * 24);
        for (start, owner, offset, len, unwritten) in sorted {
            let offset = if unwritten { offset | UNWRITTEN } else { offset };
            bytes.extend(start.to_be_bytes());
            bytes.extend(len.to_be_bytes());
            bytes.extend(owner.to_be_bytes());
            bytes.extend(offset.to_be_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xfs::format::btree::rmap::{ATTR_FORK, OWN_AG};

    fn file(owner: u64, offset: u64) -> Owner {
        Owner { owner, offset }
    }

    #[test]
    fn records_that_continue_each_other_are_one() {
        let mut owners = Owners::default();
        assert!(owners.insert(10..20, file(128, 0), false));
        assert!(owners.insert(25..30, file(128, 15), false));
        assert!(owners.insert(20..25, file(128, 10), false));
        assert_eq!(owners.count(), 1);
        assert!(owners.insert(30..32, file(128, 20), true), "never written: another record");
        assert!(owners.insert(32..33, file(128, 23), true), "a hole between them");
        assert!(owners.insert(33..34, file(128, 24 | ATTR_FORK), true), "the other fork");
        assert!(owners.insert(30..32, file(130, 0), false), "shared");
        assert_eq!(owners.count(), 5);
        assert!(!owners.insert(12..13, file(128, 2), false), "twice");
    }

    #[test]
    fn a_part_of_a_record_can_go() {
        let mut owners = Owners::default();
        assert!(owners.insert(10..30, file(128, 100), false));
        assert!(!owners.remove(15..20, file(128, 106)), "other blocks of the file");
        assert!(!owners.remove(15..20, file(129, 105)), "another file");
        assert!(!owners.remove(15..31, file(128, 105)), "more than there is");
        assert!(owners.remove(15..20, file(128, 105)));
        assert_eq!(owners.count(), 2);
        assert!(owners.remove(10..15, file(128, 100)));
        assert!(owners.remove(20..30, file(128, 110)));
        assert_eq!(owners, Owners::default());
    }

    #[test]
    fn owners_without_offsets_need_only_be_adjacent() {
        let group = Owner::special(OWN_AG);
        let map = file(128, BMBT_BLOCK);
        let mut owners = Owners::default();
        for block in [7, 5, 6, 9] {
            assert!(owners.insert(block..block + 1, group, false));
            assert!(owners.insert(block..block + 1, map, false));
        }
        assert_eq!(owners.count(), 4);
        assert!(owners.remove(6..7, group) && owners.remove(6..7, map));
        assert_eq!(owners.count(), 6);
        assert!(!owners.remove(6..7, group));
        let text = owners.encode();
        assert_eq!(text.len(), 6 * 24);
        assert!(text.chunks(24).is_sorted());
    }
}
