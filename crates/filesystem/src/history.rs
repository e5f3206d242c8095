//! What residue once was: blocks that a journal copied, and files that are gone. Told, never proven: the newest
//! record of a byte wins, and a byte without a record stays without a name.

use std::collections::BinaryHeap;

use block::Extent;

use crate::InodeId;

/// Something that was, and where what is left of it lies. All offsets are bytes of the volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Past {
    /// A journal's copy of a block.
    Copy(BlockCopy),
    /// A part of a journal that is no copy.
    Log {
        /// Where it lies.
        at: Extent,
        /// What it is.
        kind: LogBlock,
    },
    /// Content of a file that is gone from it: the file was deleted, or cut, or written elsewhere.
    Former(FormerFile),
}

/// A journal's copy of a block of the filesystem, or of a part of one, replayed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockCopy {
    /// Where the copy lies.
    pub at: Extent,
    /// The number of that block in the filesystem.
    pub block: u64,
    /// First byte of what it is a copy of.
    pub home: u64,
    /// The transaction; of XFS, the log's round. Numbers wrap around.
    pub sequence: u32,
    /// The copy's first four bytes were replaced by zeros, since they were the journal's magic.
    pub escaped: bool,
}

/// What a block of a journal is, if no copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogBlock {
    /// The journal's header.
    Superblock,
    /// A list of the copies that follow it.
    Descriptor,
    /// The end of a transaction.
    Commit,
    /// A list of blocks whose older copies do not count.
    Revoke,
    /// The area of fast commits: names and inodes.
    FastCommit,
}

/// A file that once had these bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerFile {
    /// Its inode.
    pub inode: InodeId,
    /// Its path from the root if it starts with a slash; else as much of its end as is known. `None` for a file that is
    /// still there: the tree tells.
    pub path: Option<Vec<u8>>,
    /// The file is gone; false: the inode is still in use by the same file.
    pub deleted: bool,
    /// What it had, and the journal's copies of that, in ascending order. No two files are reported for one byte. Parts
    /// may belong to another file by now: only what is free, unwritten or slack is still of this one.
    pub extents: Vec<Extent>,
}

/// Somebody's word for some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) extent: Extent,
    /// How new the word is.
    pub(crate) rank: u64,
    pub(crate) owner: u32,
}

/// Gives each byte to the one with the newest word for it; of equal ones to the later owner. In ascending order.
pub(crate) fn settle(mut held: Vec<Held>) -> Vec<(u32, Extent)> {
    held.retain(|held| !held.extent.is_empty());
    held.sort_unstable_by_key(|held| (held.extent.start, held.owner));
    let mut settled: Vec<(u32, Extent)> = Vec::new();
    let mut active = BinaryHeap::new();
    let mut rest = held.iter().peekable();
    let mut at = 0;
    loop {
        while let Some(next) = rest.next_if(|next| next.extent.start <= at) {
            active.push((next.rank, next.owner, next.extent.end()));
        }
        while active.peek().is_some_and(|&(_, _, end)| end <= at) {
            active.pop();
        }
        let next = rest.peek().map(|next| next.extent.start);
        match (active.peek(), next) {
            (None, None) => return settled,
            (None, Some(next)) => at = next,
            (Some(&(_, owner, end)), next) => {
                let stop = next.map_or(end, |next| next.min(end));
                match settled.last_mut() {
                    Some((last, extent)) if *last == owner && extent.end() == at => extent.len += stop - at,
                    _ => settled.push((owner, Extent::between(at, stop))),
                }
                at = stop;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_word_wins() {
        // All pairs and triples of short extents, against a plain array.
        let mut state = 7u64;
        for _ in 0..2000 {
            let mut held = Vec::new();
            let mut plain = [None; 16];
            for owner in 0..5u32 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (start, len, rank) = ((state >> 33) % 12, (state >> 40) % 5, (state >> 50) % 4);
                held.push(Held { extent: Extent { start, len }, rank, owner });
                for byte in start..start + len {
                    let slot: &mut Option<(u64, u32)> = &mut plain[block::to_usize(byte)];
                    *slot = (*slot).max(Some((rank, owner)));
                }
            }
            let mut painted = [None; 16];
            let settled = settle(held);
            for &(owner, extent) in &settled {
                for byte in extent.start..extent.end() {
                    assert_eq!(painted[block::to_usize(byte)].replace(owner), None);
                }
            }
            assert_eq!(painted, plain.map(|slot| slot.map(|(_, owner)| owner)));
            assert!(settled.windows(2).all(|pair| pair[0].1.end() <= pair[1].1.start));
        }
    }
}
