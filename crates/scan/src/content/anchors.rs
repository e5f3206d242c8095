//! Where anchors occur in a buffer: all of them, overlapping or not, at several gigabytes a second.
//!
//! The buffer is searched for one short *window* of each anchor, the rarest, with the vectorised searcher of
//! aho-corasick (Teddy). It sorts windows into buckets, and looks closer wherever a bucket's nibbles fit: so
//! windows that resemble each other are given to it in an order that lands them in one bucket. That order is
//! worth a factor of four with a hundred anchors, and changes nothing but speed.

use std::{collections::BTreeMap, ops::Range};

use aho_corasick::{
    AhoCorasick, Span,
    packed::{Config, Searcher},
};
use block::is_zero;

/// Zeros are skipped in pieces of this size.
const PAGE: usize = 4 << 10;
/// Searched by all searchers in turn, while it is in the cache.
const BLOCK: usize = 64 << 10;
/// Bytes of a window: of an anchor that has them, and of the shortest.
const WINDOWS: [usize; 2] = [4, 3];
/// Teddy's buckets, for many windows and for few.
const BUCKETS: usize = 16;
const FEW_BUCKETS: usize = 8;
/// How many are few.
const FEW: usize = 32;
/// More windows than that aho-corasick does not give to Teddy.
const MOST: usize = 128;

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
        let mut windows: [BTreeMap<&[u8], Vec<Owner>>; 2] = Default::default();
        for (rule, anchor) in anchors {
            let class = usize::from(anchor.len() < WINDOWS[0]);
            let offset = rarest(anchor, WINDOWS[class]);
            let window = &anchor[offset..][..WINDOWS[class]];
            windows[class].entry(window).or_default().push(Owner { rule, anchor, offset });
        }
        let groups = windows.into_iter().zip(WINDOWS).filter(|(windows, _)| !windows.is_empty());
        let mut all = Vec::new();
        for (windows, length) in groups {
            let order: Vec<&[u8]> = windows.keys().copied().collect();
            let searchers = order.len().div_ceil(MOST);
            for part in order.chunks(order.len().div_ceil(searchers)) {
                let order = bucketed(part.to_vec());
                let owners = order.iter().map(|window| windows[window].clone()).collect();
                all.push(Group { length, owners, search: Search::new(&order, packed) });
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
            let mut builder = Config::new().only_teddy(true).heuristic_pattern_limits(false).builder();
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

/// About how often a byte occurs on disks, of all bytes in pages that are not zero: measured on programs, text and
/// noise, and rounded to classes. Only the order of things matters.
fn frequency(byte: u8) -> f64 {
    match byte {
        0 => 0.15,
        b' ' | b'a' | b'e' | b'i' | b'n' | b'o' | b'r' | b's' | b't' | 0xff => 0.02,
        b'a'..=b'z' | b'H' => 0.012,
        b'0'..=b'9' | b'_' | b'/' | b'.' => 0.008,
        b'\n' | b'"' | b'$' | b'(' | b',' | b'-' | b':' | b'<' | b'=' | b'>' => 0.006,
        b'A'..=b'Z' => 0.005,
        _ => 0.0025,
    }
}

/// Where in `anchor` its rarest `length` bytes begin.
fn rarest(anchor: &[u8], length: usize) -> usize {
    let likelihood = |window: &[u8]| window.iter().map(|&byte| frequency(byte)).product::<f64>();
    let windows = anchor.windows(length).enumerate();
    windows.min_by(|(_, a), (_, b)| likelihood(a).total_cmp(&likelihood(b))).map_or(0, |(at, _)| at)
}

/// A set of windows, as Teddy sees it: at each position, which low and which high nibbles fit.
#[derive(Debug, Clone, Default)]
struct Bucket<'a> {
    windows: Vec<&'a [u8]>,
    nibbles: Vec<(u16, u16)>,
    cost: f64,
}

impl<'a> Bucket<'a> {
    /// Its nibbles with one more window.
    fn with(&self, window: &[u8]) -> Vec<(u16, u16)> {
        let one = window.iter().map(|byte| (1 << (byte & 15), 1 << (byte >> 4)));
        let all = self.nibbles.iter().copied().chain(std::iter::repeat((0, 0)));
        one.zip(all).map(|(one, all)| (one.0 | all.0, one.1 | all.1)).collect()
    }

    fn push(&mut self, window: &'a [u8]) {
        self.nibbles = self.with(window);
        self.cost = cost(&self.nibbles);
        self.windows.push(window);
    }
}

/// How often bytes fit a bucket that hold none of its windows: the product over its positions.
fn cost(nibbles: &[(u16, u16)]) -> f64 {
    let fits = |&(low, high): &(u16, u16)| {
        let bytes = (0..=u8::MAX).filter(|byte| low >> (byte & 15) & 1 == 1 && high >> (byte >> 4) & 1 == 1);
        bytes.map(frequency).sum::<f64>()
    };
    nibbles.iter().map(fits).product()
}

/// The windows in an order that puts similar ones into one bucket: Teddy deals patterns out to its buckets in turn.
fn bucketed(mut windows: Vec<&[u8]>) -> Vec<&[u8]> {
    let count = if windows.len() > FEW { BUCKETS } else { FEW_BUCKETS };
    let size = windows.len().div_ceil(count);
    let full = windows.len() - (size - 1) * count;
    // The commonest first: they make a bucket dear, whatever comes later.
    let alone = |window: &[u8]| cost(&Bucket::default().with(window));
    windows.sort_by(|a, b| alone(b).total_cmp(&alone(a)));
    let mut buckets = vec![Bucket::default(); count];
    for window in windows {
        let fulls = buckets.iter().filter(|bucket| bucket.windows.len() == size).count();
        let room = |bucket: &Bucket<'_>| bucket.windows.len() + 1 < size + usize::from(fulls < full);
        let dearer = |bucket: &Bucket<'_>| cost(&bucket.with(window)) - bucket.cost;
        let best = buckets.iter_mut().filter(|bucket| room(bucket));
        let best = best.map(|bucket| (dearer(bucket), bucket)).min_by(|(a, _), (b, _)| a.total_cmp(b));
        best.expect("there is room for every window").1.push(window);
    }
    buckets.sort_by_key(|bucket| std::cmp::Reverse(bucket.windows.len()));
    (0..size)
        .flat_map(|round| buckets.iter().filter_map(move |bucket| bucket.windows.get(round).copied()))
        .collect()
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
    fn order_keeps_every_window() {
        for count in [1, 7, 8, 9, 33, 100] {
            let all: Vec<[u8; 4]> =
                (0..count).map(|i: u32| i.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
            let mut order = bucketed(all.iter().map(<[u8; 4]>::as_slice).collect());
            order.sort_unstable();
            let mut all: Vec<&[u8]> = all.iter().map(<[u8; 4]>::as_slice).collect();
            all.sort_unstable();
            assert_eq!(order, all);
        }
    }

    #[test]
    fn the_rarest_window() {
        assert_eq!(rarest(b"ghp_", 4), 0);
        assert_eq!(&b"service_ACCT"[rarest(b"service_ACCT", 4)..], b"ACCT");
    }
}
