//! Where anchors occur in a buffer: all of them, overlapping or not, at several gigabytes a second.
//!
//! The buffer is searched for one short *window* of each anchor with the vectorised searcher of aho-corasick (Teddy).
//! It sorts windows into buckets, and looks closer wherever a bucket's nibbles fit, which costs as much as searching
//! some hundred bytes. So each anchor's window is the one that fits a bucket best, and windows are given to Teddy in
//! an order that lands them there. With a hundred anchors that is worth a factor of four, and changes nothing but
//! speed.

mod deal;

use std::{collections::BTreeMap, ops::Range};

use aho_corasick::{
    AhoCorasick, Span,
    packed::{Config, Searcher},
};
use block::is_zero;

use deal::{BUCKETS, Bucket, Model, deal, order};

/// Zeros are skipped in pieces of this size.
const PAGE: usize = 4 << 10;
/// Searched by all searchers in turn, while it is in the cache.
const BLOCK: usize = 16 << 10;
/// Bytes of a window: of an anchor that has them, and of the shortest.
const WINDOWS: [usize; 2] = [4, 3];

/// An anchor of a rule, as part of which a window occurs.
#[derive(Debug, Clone, Copy)]
struct Owner {
    rule: usize,
    anchor: &'static [u8],
    /// Of the window in the anchor.
    offset: usize,
}

/// Windows of one length, and what finds them.
struct Group {
    length: usize,
    /// By the searcher's pattern number.
    owners: Vec<Vec<Owner>>,
    search: Search,
}

enum Search {
    /// Teddy.
    Packed(Searcher),
    /// On processors for which there is no Teddy.
    Automaton(AhoCorasick),
}

/// All anchors of some rules.
pub(crate) struct Anchors {
    groups: Vec<Group>,
}

impl Anchors {
    /// `anchors` come with the number of their rule, and have at least three bytes.
    pub(crate) fn new(anchors: impl Iterator<Item = (usize, &'static [u8])>) -> Self {
        Self::with(anchors, true)
    }

    fn with(anchors: impl Iterator<Item = (usize, &'static [u8])>, packed: bool) -> Self {
        let mut owners: BTreeMap<&'static [u8], Vec<usize>> = BTreeMap::new();
        for (rule, anchor) in anchors {
            owners.entry(anchor).or_default().push(rule);
        }
        let model = Model::new();
        let mut all = Vec::new();
        for length in WINDOWS {
            let fits = |anchor: &&'static [u8]| anchor.len().min(WINDOWS[0]) == length;
            let anchors: Vec<&'static [u8]> = owners.keys().copied().filter(fits).collect();
            for buckets in deal(&model, &anchors, length).chunks(BUCKETS) {
                let group = |buckets| {
                    let order = order(buckets);
                    let of = |window: &&'static [u8]| owned(buckets, window, &owners);
                    Group {
                        length,
                        owners: order.iter().map(of).collect(),
                        search: Search::new(&order, packed),
                    }
                };
                all.extend(buckets.iter().any(|bucket| !bucket.windows.is_empty()).then(|| group(buckets)));
            }
        }
        Self { groups: all }
    }

    /// Reports rule and position of each anchor that begins in `range`, in no order, and perhaps some that
    /// begin outside, or some twice. An anchor may end behind the range, not behind the buffer.
    pub(crate) fn find(&self, buffer: &[u8], range: Range<usize>, found: &mut impl FnMut(usize, usize)) {
        // A window may lie anywhere in its anchor.
        let reach = self.groups.iter().flat_map(|group| group.owners.iter().flatten());
        let reach = reach.map(|owner| owner.offset).max().unwrap_or(0);
        let end = range.end.saturating_add(reach).min(buffer.len());
        let mut at = range.start;
        while at < end {
            let start = at;
            at = (at + PAGE).min(end);
            if is_zero(&buffer[start..at]) {
                continue;
            }
            while at < end && at - start < BLOCK && !is_zero(&buffer[at..(at + PAGE).min(end)]) {
                at = (at + PAGE).min(end);
            }
            for group in &self.groups {
                group.find(buffer, start..at, found);
            }
        }
    }
}

impl Group {
    /// Windows that begin in `range`, or less than their length before it: that piece may have been zero.
    fn find(&self, buffer: &[u8], range: Range<usize>, found: &mut impl FnMut(usize, usize)) {
        let more = self.length - 1;
        let before = range.start.saturating_sub(more);
        let start = if is_zero(&buffer[before..range.start]) { before } else { range.start };
        let end = (range.end + more).min(buffer.len());
        self.search.each(buffer, start..end, &mut |window, at| {
            for owner in &self.owners[window] {
                let anchor = at.checked_sub(owner.offset);
                if let Some(anchor) = anchor.filter(|&anchor| buffer[anchor..].starts_with(owner.anchor)) {
                    found(owner.rule, anchor);
                }
            }
        });
    }
}

impl Search {
    fn new(windows: &[&[u8]], packed: bool) -> Self {
        let teddy = || {
            let mut builder = Config::new()
                .only_teddy(true)
                .only_teddy_fat(Some(false))
                .heuristic_pattern_limits(false)
                .builder();
            builder.extend(windows);
            builder.build()
        };
        match packed.then(teddy).flatten() {
            Some(searcher) => Self::Packed(searcher),
            None => {
                Self::Automaton(AhoCorasick::new(windows).expect("a hundred short windows fit an automaton"))
            }
        }
    }

    /// Every occurrence, overlapping ones too. Windows have one length: at one place there is one at most.
    fn each(&self, buffer: &[u8], range: Range<usize>, found: &mut impl FnMut(usize, usize)) {
        match self {
            Self::Packed(searcher) => {
                let mut span = Span { start: range.start, end: range.end };
                while let Some(window) = searcher.find_in(buffer, span) {
                    found(window.pattern().as_usize(), window.start());
                    span.start = window.start() + 1;
                }
            }
            Self::Automaton(automaton) => {
                for window in automaton.find_overlapping_iter(&buffer[range.clone()]) {
                    found(window.pattern().as_usize(), range.start + window.start());
                }
            }
        }
    }
}

/// The anchors that a window stands for.
fn owned(buckets: &[Bucket], window: &[u8], rules: &BTreeMap<&'static [u8], Vec<usize>>) -> Vec<Owner> {
    let anchors = buckets.iter().filter_map(|bucket| bucket.windows.get(window)).flatten();
    let owners = |&anchor: &&'static [u8]| {
        let at = anchor.windows(window.len()).position(|part| part == window);
        let rules = rules.get(anchor).into_iter().flatten();
        rules.filter_map(move |&rule| Some(Owner { rule, anchor, offset: at? }))
    };
    anchors.flat_map(owners).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANCHORS: &[&[u8]] = &[
        b"PRIVATE KEY-----",
        b"ghp_",
        b"gho_",
        b"$6$",
        b"$y$",
        b"aab",
        b"aaba",
        b"abaa",
        b"key\0\0\0x",
        b"\0\0\0\0q",
    ];

    fn found(anchors: &Anchors, buffer: &[u8]) -> Vec<(usize, usize)> {
        let mut all = Vec::new();
        anchors.find(buffer, 0..buffer.len(), &mut |rule, at| all.push((at, rule)));
        all.sort_unstable();
        all.dedup();
        all
    }

    fn plain(buffer: &[u8]) -> Vec<(usize, usize)> {
        let at = |at: usize| {
            let here = ANCHORS.iter().enumerate().filter(move |(_, anchor)| buffer[at..].starts_with(anchor));
            here.map(move |(rule, _)| (at, rule))
        };
        (0..buffer.len()).flat_map(at).collect()
    }

    #[test]
    fn all_anchors_overlapping_or_not_with_and_without_vectors() {
        let mut state = 7_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            usize::try_from(state >> 8).unwrap()
        };
        for packed in [true, false] {
            let anchors = Anchors::with(ANCHORS.iter().copied().enumerate(), packed);
            for _ in 0..20 {
                // Three pages, one mostly of zeros; anchors at random places, borders of pages among them.
                let mut buffer: Vec<u8> = (0..3 * PAGE).map(|_| b"ab$\0"[random() % 4]).collect();
                buffer[PAGE..2 * PAGE].fill(0);
                for border in [PAGE, 2 * PAGE, random() % buffer.len(), buffer.len() - 16] {
                    let anchor = ANCHORS[random() % ANCHORS.len()];
                    let at = border.saturating_sub(random() % 16).min(buffer.len() - anchor.len());
                    buffer[at..at + anchor.len()].copy_from_slice(anchor);
                }
                assert_eq!(found(&anchors, &buffer), plain(&buffer), "packed {packed}");
            }
        }
    }

    #[test]
    fn every_anchor_has_a_window_in_some_searcher() {
        let mut bytes: Vec<u8> =
            (0..1200_u32).flat_map(|i| i.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
        bytes.extend_from_within(..600);
        let bytes: &'static [u8] = bytes.leak();
        for count in [1, 7, 8, 9, 33, 80, 81, 129, 300] {
            for length in WINDOWS {
                let anchors: Vec<&'static [u8]> = bytes.chunks(length + 2).take(count).collect();
                let numbered = anchors.iter().copied().enumerate();
                let buckets = deal(&Model::new(), &anchors, length);
                let mut dealt: Vec<&[u8]> =
                    buckets.iter().flat_map(|b| b.windows.values().flatten()).copied().collect();
                for searcher in buckets.chunks(BUCKETS) {
                    let order = order(searcher);
                    assert!(order.len() <= 128, "{count}");
                    let windows = || searcher.iter().flat_map(|bucket| bucket.windows.keys());
                    assert!(windows().all(|window| order.contains(window)), "{count}");
                }
                dealt.sort_unstable();
                let mut all = anchors.clone();
                all.sort_unstable();
                assert_eq!(dealt, all);
                let search = Anchors::new(numbered);
                assert!(search.groups.iter().all(|group| matches!(group.search, Search::Packed(_))));
                for (number, anchor) in anchors.iter().enumerate() {
                    assert!(found(&search, anchor).contains(&(0, number)), "{count} {length} {number}");
                }
            }
        }
    }
}
