//! Which windows of anchors are looked for, and in which of Teddy's buckets: those that a bucket's other windows
//! resemble, and that are rare in what disks hold.
//!
//! Changes nothing but speed: every anchor has a window in some bucket.

use std::collections::BTreeMap;

use super::WINDOWS;

/// Buckets of a Teddy that looks at as many bytes at once as the processor can.
pub(super) const BUCKETS: usize = 8;
/// Windows that a bucket takes: aho-corasick gives no more than 128 to one Teddy.
const FULL: usize = 16;
/// With more anchors than that for each searcher, one searcher more costs less than looking closer.
const MANY: usize = 80;
/// An anchor's rarest windows, of which the one that fits best is taken.
const CHOICE: usize = 3;

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
pub(super) struct Model([[[f64; 16]; 16]; 3]);

impl Model {
    pub(super) fn new() -> Self {
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
pub(super) struct Nibbles {
    low: u16,
    high: u16,
}

/// Windows of one length that resemble each other, and the anchors that each of them stands for.
#[derive(Debug, Clone, Default)]
pub(super) struct Bucket {
    pub(super) windows: BTreeMap<&'static [u8], Vec<&'static [u8]>>,
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
pub(super) fn deal(model: &Model, anchors: &[&'static [u8]], length: usize) -> Vec<Bucket> {
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
pub(super) fn order(buckets: &[Bucket]) -> Vec<&'static [u8]> {
    let mut windows: Vec<Vec<&'static [u8]>> =
        buckets.iter().map(|bucket| bucket.windows.keys().copied().collect()).collect();
    windows.sort_by_key(|windows| std::cmp::Reverse(windows.len()));
    let rounds = windows.first().map_or(0, Vec::len);
    let of = |round: usize| windows.iter().map(move |own| own.get(round).or(own.first()));
    let any = windows.first().and_then(|windows| windows.first());
    (0..rounds).flat_map(of).filter_map(|window| window.or(any).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
