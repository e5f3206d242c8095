//! Where anchors occur in a buffer: all of them, overlapping or not, at several gigabytes a second.
//!
//! The buffer is searched for one short *window* of each anchor with the vectorised searcher of aho-corasick (Teddy).
//! It sorts windows into buckets, and looks closer wherever a bucket's nibbles fit, which costs as much as searching
//! some hundred bytes. So each anchor's window is the one that fits a bucket best, and windows are given to Teddy in
//! an order that lands them there. With a hundred anchors that is worth a factor of four, and changes nothing but
//! speed.

use std::{collections::BTreeMap, ops::Range};

use aho_corasick::{
    AhoCorasick, Span,
    packed::{Config, Searcher},
};
use block::is_zero;

/// Zeros are skipped in pieces of this size.
const PAGE: usize = 4 << 10;
/// Searched by all searchers in turn, while it is in the cache.
const BLOCK: usize = 16 << 10;
/// Bytes of a window: of an anchor that has them, and of the shortest.
const WINDOWS: [usize; 2] = [4, 3];
/// Buckets of a Teddy that looks at as many bytes at once as the processor can.
const BUCKETS: usize = 8;
/// Windows that a bucket takes: aho-corasick gives no more than 128 to one Teddy.
const FULL: usize = 16;
/// With more anchors than that for each searcher, one searcher more costs less than looking closer.
const MANY: usize = 80;
/// An anchor's rarest windows, of which the one that fits best is taken.
const CHOICE: usize = 3;

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

/// Kinds of pages, by their share of those that are not zero.
const KINDS: [f64; 3] = [0.35, 0.5, 0.15];

/// About how often a byte occurs in each kind of page: text, programs, noise. Measured and rounded to classes: only
/// the order of things matters. Kinds are apart because bytes of text stand together.
fn frequencies(byte: u8) -> [f64; 3] {
    let text = match byte {
        b' ' => 0.16,
        b'e' | b't' => 0.06,
        b'a' | b'i' | b'n' | b'o' | b'r' | b's' => 0.045,
        b'c' | b'd' | b'l' | b'm' | b'p' | b'u' => 0.025,
        b'\n' | b'_' | b'0' | b'1' | b'"' | b'<' | b'>' | b'/' | b'=' | b'-' | b'.' | b':' => 0.015,
        b'a'..=b'z' => 0.01,
        b'0'..=b'9' | b'(' | b')' | b',' | b';' | b'*' => 0.008,
        b'A'..=b'Z' => 0.004,
        b'!'..=b'~' => 0.003,
        _ => 0.00005,
    };
    let program = match byte {
        0 => 0.25,
        0xff | b'H' => 0.03,
        1..=8 | 0x0f | b'$' | 0x83 | 0x89 | 0x8b | b'e' | b't' => 0.01,
        b'a'..=b'z' => 0.006,
        b'@'..=b'_' => 0.004,
        _ => 0.002,
    };
    [text, program, 1.0 / 256.0]
}

/// Frequencies by kind, high nibble and low nibble.
struct Model([[[f64; 16]; 16]; 3]);

impl Model {
    fn new() -> Self {
        let mut tables = [[[0.0; 16]; 16]; 3];
        for byte in 0..=u8::MAX {
            for (table, frequency) in tables.iter_mut().zip(frequencies(byte)) {
                table[usize::from(byte >> 4)][usize::from(byte & 15)] = frequency;
            }
        }
        Self(tables)
    }

    /// How often bytes fit these nibbles: over the kinds, the product over the positions. Looking closer takes a
    /// little longer where there are more windows to compare.
    fn cost(&self, nibbles: &[Nibbles], windows: usize) -> f64 {
        let fits = |table: &[[f64; 16]; 16], nibbles: &Nibbles| -> f64 {
            let row = |high: usize| bits(nibbles.low).map(|low| table[high][low]).sum::<f64>();
            bits(nibbles.high).map(row).sum()
        };
        let kind = |table| nibbles.iter().map(|nibbles| fits(table, nibbles)).product::<f64>();
        let likely: f64 = self.0.iter().zip(KINDS).map(|(table, share)| share * kind(table)).sum();
        let windows = u8::try_from(windows).unwrap_or(u8::MAX);
        likely * (1.0 + f64::from(windows) / 10.0)
    }
}

/// The positions of the bits that are set.
fn bits(mut set: u16) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = set.trailing_zeros();
        set &= set.wrapping_sub(1);
        usize::try_from(bit).ok().filter(|&bit| bit < 16)
    })
}

/// What Teddy knows of a position of a bucket's windows: which nibbles there are.
#[derive(Debug, Clone, Copy, Default)]
struct Nibbles {
    low: u16,
    high: u16,
}

/// Windows of one length that resemble each other, and the anchors that each of them stands for.
#[derive(Debug, Clone, Default)]
struct Bucket {
    windows: BTreeMap<&'static [u8], Vec<&'static [u8]>>,
    nibbles: [Nibbles; WINDOWS[0]],
    cost: f64,
}

impl Bucket {
    /// Its nibbles with one more window.
    fn with(&self, window: &[u8]) -> [Nibbles; WINDOWS[0]] {
        let mut all = self.nibbles;
        for (nibbles, byte) in all.iter_mut().zip(window) {
            nibbles.low |= 1 << (byte & 15);
            nibbles.high |= 1 << (byte >> 4);
        }
        all
    }

    /// What one more window costs; `None` if there is no room.
    fn dearer(&self, model: &Model, window: &[u8]) -> Option<f64> {
        if self.windows.contains_key(window) {
            return Some(0.0);
        }
        let count = self.windows.len() + 1;
        (count <= FULL).then(|| model.cost(&self.with(window)[..window.len()], count) - self.cost)
    }

    fn add(&mut self, model: &Model, window: &'static [u8], anchor: &'static [u8]) {
        self.nibbles = self.with(window);
        self.windows.entry(window).or_default().push(anchor);
        self.cost = model.cost(&self.nibbles[..window.len()], self.windows.len());
    }

    fn remove(&mut self, model: &Model, window: &'static [u8], anchor: &'static [u8]) {
        let anchors = self.windows.entry(window).or_default();
        anchors.retain(|other| *other != anchor);
        if !anchors.is_empty() {
            return;
        }
        self.windows.remove(window);
        let windows = std::mem::take(&mut self.windows);
        self.nibbles = Default::default();
        for window in windows.keys() {
            self.nibbles = self.with(window);
        }
        self.cost =
            if windows.is_empty() { 0.0 } else { model.cost(&self.nibbles[..window.len()], windows.len()) };
        self.windows = windows;
    }
}

/// Buckets for these anchors, as many as some searchers have. The dearest anchors choose first, and then all of them
/// once more.
fn deal(model: &Model, anchors: &[&'static [u8]], length: usize) -> Vec<Bucket> {
    let alone = |window: &[u8]| model.cost(&Bucket::default().with(window)[..length], 1);
    let choice = |&anchor: &&'static [u8]| {
        let mut windows: Vec<_> = anchor.windows(length).map(|window| (alone(window), window)).collect();
        windows.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        windows.truncate(CHOICE);
        (anchor, windows)
    };
    let mut items: Vec<_> = anchors.iter().map(choice).collect();
    items.sort_by(|(_, a), (_, b)| b[0].0.total_cmp(&a[0].0));
    let mut buckets = vec![Bucket::default(); anchors.len().div_ceil(MANY) * BUCKETS];
    let mut places: Vec<Option<(usize, &'static [u8])>> = vec![None; items.len()];
    for _ in 0..2 {
        for ((anchor, windows), place) in items.iter().zip(&mut places) {
            if let Some((bucket, window)) = place.take() {
                buckets[bucket].remove(model, window, anchor);
            }
            let all = windows.iter().flat_map(|(_, window)| {
                let numbered = buckets.iter().enumerate();
                numbered.filter_map(move |(number, bucket)| {
                    Some((bucket.dearer(model, window)?, number, *window))
                })
            });
            let best = all.min_by(|(a, ..), (b, ..)| a.total_cmp(b));
            let (_, bucket, window) = best.expect("buckets have room for more than MANY a searcher");
            buckets[bucket].add(model, window, anchor);
            *place = Some((bucket, window));
        }
    }
    buckets
}

/// The windows of a searcher's buckets in the order that lands them there: Teddy deals patterns out in turn. A bucket
/// that has no more gives one again, which changes nothing.
fn order(buckets: &[Bucket]) -> Vec<&'static [u8]> {
    let mut windows: Vec<Vec<&'static [u8]>> =
        buckets.iter().map(|bucket| bucket.windows.keys().copied().collect()).collect();
    windows.sort_by_key(|windows| std::cmp::Reverse(windows.len()));
    let rounds = windows.first().map_or(0, Vec::len);
    let of = |round: usize| windows.iter().map(move |own| own.get(round).or(own.first()));
    let any = windows.first().and_then(|windows| windows.first());
    (0..rounds).flat_map(of).filter_map(|window| window.or(any).copied()).collect()
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

    #[test]
    fn like_goes_with_like() {
        let model = Model::new();
        let anchors: Vec<&'static [u8]> = crate::content::rules::all()
            .flat_map(|rule| rule.anchors)
            .copied()
            .filter(|a| a.len() > 3)
            .collect();
        let cost = |buckets: &[Bucket]| buckets.iter().map(|bucket| bucket.cost).sum::<f64>();
        let dealt = deal(&model, &anchors, 4);
        let mut in_turn = vec![Bucket::default(); dealt.len()];
        for (number, anchor) in anchors.iter().enumerate() {
            in_turn[number % dealt.len()].add(&model, &anchor[..4], anchor);
        }
        assert!(cost(&dealt) < cost(&in_turn) / 10.0, "{} {}", cost(&dealt), cost(&in_turn));
    }
}
