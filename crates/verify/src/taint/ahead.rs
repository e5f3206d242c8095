//! The search before its turn: of bytes that are about to be written, while the processor's cache has them.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use block::{Extent, ExtentSet, to_u64, to_usize};

use super::{
    index::Index,
    search::{CHUNK, Hits, LOOK_AHEAD, LOOK_BACK, MAX_HITS},
};

/// What was found in chunks that were searched before their turn.
#[derive(Debug, Default)]
pub struct Ahead(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    /// Whole chunks; most follow the last one.
    searched: Vec<Extent>,
    /// By the offsets of chunks, if there is anything in them.
    found: BTreeMap<u64, Hits>,
    /// Hits in them.
    count: usize,
    /// Ends of neighbouring buffers whose other side has not come yet, by the offset at which they meet.
    borders: BTreeMap<u64, (Side, Box<[u8]>)>,
}

/// On which side of a border bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    Behind,
}

/// Bytes on each side of a border: a chunk, and what has to be known around it.
const BORDER: usize = to_usize(CHUNK) + LOOK_BACK;
const _: () = assert!(LOOK_AHEAD <= LOOK_BACK, "what lies around a chunk is as much on both sides");
/// Most sides that wait for the other.
const BORDERS: usize = 32;

impl Ahead {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds chunks that follow each other, and what is in those that have anything. Those for which there is no room are
    /// searched once more.
    fn add(&self, mut searched: Extent, found: Vec<(u64, Hits)>) {
        let mut held = self.held();
        for (start, hits) in found {
            if held.count + hits.len() > MAX_HITS {
                searched = Extent::between(searched.start, start);
                break;
            }
            held.count += hits.len();
            held.found.insert(start, hits);
        }
        match held.searched.last_mut() {
            Some(last) if last.end() == searched.start => last.len += searched.len,
            _ => held.searched.push(searched),
        }
    }

    /// One side of a border has come. Returns both, if the other had.
    fn meet(&self, at: u64, side: Side, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut held = self.held();
        match held.borders.remove(&at) {
            Some((Side::Before, before)) if side == Side::Behind => Some([&before, bytes].concat()),
            Some((Side::Behind, behind)) if side == Side::Before => Some([bytes, &behind].concat()),
            _ => {
                // Those furthest in front have waited longest: their other side is a hole, or was copied too early.
                if held.borders.len() == BORDERS {
                    held.borders.pop_first();
                }
                held.borders.insert(at, (side, bytes.into()));
                None
            }
        }
    }

    /// What has been searched, and what was found there, by the offsets of chunks.
    pub(super) fn take(&self) -> (ExtentSet, BTreeMap<u64, Hits>) {
        let Held { searched, found, .. } = std::mem::take(&mut *self.held());
        (searched.into_iter().collect(), found)
    }
}

impl Index<'_> {
    /// Searches bytes that the device to be searched will have at `offset`, as far as what lies around them is known:
    /// [`search_device`](Self::search_device) passes over what has been searched by then, and comes to the same result.
    /// Several threads may, each with another part.
    pub fn search_ahead(&self, offset: u64, bytes: &[u8], ahead: &Ahead) {
        let end = offset.saturating_add(to_u64(bytes.len()));
        let from = if offset == 0 { 0 } else { offset + to_u64(LOOK_BACK) };
        self.search_known(offset, bytes, from..end, ahead);
        if bytes.len() < BORDER {
            return;
        }
        let sides =
            [(offset, Side::Behind, &bytes[..BORDER]), (end, Side::Before, &bytes[bytes.len() - BORDER..])];
        for (at, side, bytes) in sides {
            if at >= to_u64(BORDER)
                && at.is_multiple_of(CHUNK)
                && let Some(both) = ahead.meet(at, side, bytes)
            {
                self.search_known(at - to_u64(BORDER), &both, at - CHUNK..at + to_u64(BORDER), ahead);
            }
        }
    }

    /// Searches the chunks of a buffer that start in a range, as long as what follows them is known.
    fn search_known(&self, offset: u64, bytes: &[u8], range: Range<u64>, ahead: &Ahead) {
        let mut scratch = Hits::default();
        let mut found = Vec::new();
        let first = range.start.next_multiple_of(CHUNK);
        let mut searched = Extent::between(first, first);
        for start in (first..range.end).step_by(to_usize(CHUNK)) {
            let fresh = Extent { start, len: CHUNK };
            let around = fresh.start.saturating_sub(to_u64(LOOK_BACK));
            let Some(behind) =
                fresh.end().checked_add(to_u64(LOOK_AHEAD)).filter(|&behind| behind <= range.end)
            else {
                break;
            };
            let buf = &bytes[to_usize(around - offset)..to_usize(behind - offset)];
            // What cannot be compared now has its turn later, and says why.
            let Ok(hits) = self.search_within(buf, around, fresh, &mut scratch) else { break };
            searched.len += CHUNK;
            if hits.any() {
                found.push((start, hits));
            }
        }
        if !searched.is_empty() {
            ahead.add(searched, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::taint::Removed;

    #[test]
    fn neighbours_meet_whichever_comes_first() {
        const BUFFER: u64 = 1 << 20;
        let view = vec![0; 4096];
        let removed = Removed::new();
        let index = Index::new(&view, &removed).unwrap();
        let bytes = vec![7; to_usize(BUFFER)];
        let ahead = Ahead::default();
        // Nobody ever has the fourth.
        for number in [2, 0, 1, 4, 6, 5] {
            index.search_ahead(number * BUFFER, &bytes, &ahead);
        }
        let searched = |ahead: &Ahead| ahead.take().0.iter().collect::<Vec<_>>();
        let between = |from: u64, to: u64| Extent::between(from, to);
        assert_eq!(
            searched(&ahead),
            [between(0, 3 * BUFFER - CHUNK), between(4 * BUFFER + CHUNK, 7 * BUFFER - CHUNK)]
        );
        // However many wait in vain.
        for number in 0..100 {
            index.search_ahead(2 * number * BUFFER, &bytes, &ahead);
        }
        searched(&ahead);
        for number in [202, 203] {
            index.search_ahead(number * BUFFER, &bytes, &ahead);
        }
        assert_eq!(searched(&ahead), [between(202 * BUFFER + CHUNK, 204 * BUFFER - CHUNK)]);
    }
}
