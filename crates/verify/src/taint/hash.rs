//! A table and a filter of fixed size: neither grows, and a look-up takes a bounded number of steps.

use std::array;

use block::{to_u64, to_usize};

/// Odd, without a pattern: the fraction of the golden ratio, and digits of other roots.
const FACTORS: [u64; 4] =
    [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 0xd6e8_feb8_6659_fd93];

/// Spreads eight bytes.
#[inline]
pub(super) fn mix(word: u64) -> u64 {
    fold(word ^ FACTORS[1], FACTORS[0])
}

/// Hashes a gram.
#[inline]
pub(super) fn gram(bytes: &[u8; 32]) -> u64 {
    let word = |at: usize| u64::from_le_bytes(array::from_fn(|n| bytes[at + n]));
    let (a, b) = (
        fold(word(0) ^ FACTORS[0], word(8) ^ FACTORS[1]),
        fold(word(16) ^ FACTORS[2], word(24) ^ FACTORS[3]),
    );
    fold(a ^ FACTORS[3], b ^ FACTORS[0])
}

/// Both halves of the product.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = (u128::from(a) * u128::from(b)).to_le_bytes();
    let half = |at: usize| u64::from_le_bytes(array::from_fn(|n| product[at + n]));
    half(0) ^ half(8)
}

/// Says of eight bytes that they are certainly none of those put in, or that they may be.
#[derive(Debug)]
pub(super) struct Filter {
    words: Vec<u64>,
    mask: usize,
    entries: usize,
}

/// Bits for each entry of a filter.
const BITS: usize = 16;
/// 4 KiB and 16 MiB.
const WORDS: std::ops::RangeInclusive<usize> = 1 << 9..=1 << 21;

impl Filter {
    /// For so many entries.
    pub(super) fn new(entries: usize) -> Self {
        let words = (entries * BITS / 64).next_power_of_two().clamp(*WORDS.start(), *WORDS.end());
        Self { words: vec![0; words], mask: words - 1, entries: 0 }
    }

    /// A word, and two of its bits. The top of the product depends on all of the gram: pieces of text often begin
    /// alike.
    #[inline]
    fn place(&self, gram: u64) -> (usize, u64, u64) {
        let hash = gram.wrapping_mul(FACTORS[0]);
        (to_usize(hash >> 43) & self.mask, hash >> 37 & 63, hash >> 31 & 63)
    }

    pub(super) fn insert(&mut self, gram: u64) {
        let (word, a, b) = self.place(gram);
        let bits = 1 << a | 1 << b;
        self.entries += usize::from(self.words[word] & bits != bits);
        self.words[word] |= bits;
    }

    #[inline]
    pub(super) fn may_hold(&self, gram: u64) -> bool {
        let (word, a, b) = self.place(gram);
        let word = self.words[word];
        (word >> a) & (word >> b) & 1 != 0
    }

    /// Gives back what fewer entries than expected do not need: the smaller it is, the nearer its memory.
    fn fit(&mut self) {
        while self.words.len() > *WORDS.start() && self.entries * BITS * 2 <= self.words.len() * 64 {
            let upper = self.words.split_off(self.words.len() / 2);
            self.words.iter_mut().zip(upper).for_each(|(lower, upper)| *lower |= upper);
            self.words.shrink_to_fit();
            self.mask = self.words.len() - 1;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.words.len() * size_of::<u64>()
    }
}

/// The first eight bytes of all that is searched for. Text and all else are apart: logs and lists are removed, programs
/// stay, so most look-ups are in the smaller filter.
#[derive(Debug)]
pub(super) struct Heads([Filter; 2]);

impl Heads {
    /// For so many entries of either kind.
    pub(super) fn new(entries: usize) -> Self {
        Self([Filter::new(entries), Filter::new(entries)])
    }

    #[inline]
    fn kind(head: u64) -> usize {
        usize::from(head & 0x8080_8080_8080_8080 == 0)
    }

    pub(super) fn insert(&mut self, head: u64) {
        self.0[Self::kind(head)].insert(head);
    }

    #[inline]
    pub(super) fn may_hold(&self, head: u64) -> bool {
        self.0[Self::kind(head)].may_hold(head)
    }

    /// As soon as all are in.
    pub(super) fn fit(&mut self) {
        self.0.iter_mut().for_each(Filter::fit);
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(Filter::bytes).sum()
    }
}

/// Steps after which an entry counts as not there, or finds no place.
const STEPS: usize = 64;

/// Values of 40 bits by the hash of their key, of which 24 bits are kept.
#[derive(Debug)]
pub(super) struct Table {
    /// The hashes. Most look-ups are for what is not there, and end here: the slots are too large for a cache.
    known: Filter,
    slots: Vec<u64>,
    mask: usize,
    /// Entries that found no place.
    pub(super) crowded: u64,
}

const EMPTY: u64 = u64::MAX;
const VALUE_BITS: u32 = 40;
/// The largest value, less one.
pub(super) const MAX_VALUE: u64 = (1 << VALUE_BITS) - 2;

impl Table {
    /// For so many entries.
    pub(super) fn new(entries: usize) -> Self {
        // Half are empty, at least: hardly any entry is further from its place than a few steps.
        let slots = (2 * entries).next_power_of_two().max(128);
        Self { known: Filter::new(entries), slots: vec![EMPTY; slots], mask: slots - 1, crowded: 0 }
    }

    fn steps(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let (first, mask) = (to_usize(hash & to_u64(self.mask)), self.mask);
        (0..STEPS).map(move |step| (first + step) & mask)
    }

    /// Adds a value. With `once`, only if no value has this key yet.
    pub(super) fn insert(&mut self, hash: u64, value: u64, once: bool) -> bool {
        let tag = hash >> VALUE_BITS;
        for slot in self.steps(hash) {
            let held = self.slots[slot];
            if held == EMPTY {
                self.slots[slot] = tag << VALUE_BITS | value.min(MAX_VALUE);
                self.known.insert(hash);
                return true;
            }
            if once && held >> VALUE_BITS == tag {
                return false;
            }
        }
        self.crowded += 1;
        false
    }

    /// As soon as all are in.
    pub(super) fn fit(&mut self) {
        self.known.fit();
    }

    /// Whether there may be values with this key.
    #[inline]
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        self.known.may_hold(hash)
    }

    /// The values whose key may be this one.
    #[inline]
    pub(super) fn get(&self, hash: u64) -> Found<'_> {
        let left = if self.known.may_hold(hash) { STEPS } else { 0 };
        Found { table: self, tag: hash >> VALUE_BITS, next: to_usize(hash & to_u64(self.mask)), left }
    }

    pub(super) fn bytes(&self) -> usize {
        self.known.bytes() + self.slots.len() * size_of::<u64>()
    }
}

/// The values of a [`Table`] under a key.
pub(super) struct Found<'t> {
    table: &'t Table,
    tag: u64,
    next: usize,
    left: usize,
}

impl Iterator for Found<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        while self.left > 0 {
            let held = self.table.slots[self.next & self.table.mask];
            if held == EMPTY {
                // All that follows is of other keys.
                self.left = 0;
                return None;
            }
            self.left -= 1;
            self.next += 1;
            if held >> VALUE_BITS == self.tag {
                return Some(held & ((1 << VALUE_BITS) - 1));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found() {
        let (mut filter, mut table) = (Filter::new(10_000), Table::new(10_000));
        for n in 0..10_000 {
            filter.insert(n);
            table.insert(mix(n), n, true);
        }
        let lost = (0..10_000).filter(|&n| !table.get(mix(n)).any(|value| value == n)).count();
        assert_eq!(to_u64(lost), table.crowded);
        assert_eq!(lost, 0);
        assert!((0..10_000).all(|n| filter.may_hold(n)));
        let wrong = (1 << 40..(1 << 40) + 100_000).filter(|&n| filter.may_hold(n)).count();
        assert!(wrong < 2500, "{wrong} of 100000");
    }

    #[test]
    fn a_filter_that_was_made_too_large_shrinks_and_forgets_nothing() {
        let mut heads = Heads::new(1 << 20);
        let text = |n: u64| mix(n) & 0x7f7f_7f7f_7f7f_7f7f;
        for n in 0..10_000 {
            heads.insert(text(n));
            heads.insert(mix(n) | 0x80);
        }
        heads.fit();
        assert_eq!(heads.bytes(), 2 * (32 << 10));
        assert!((0..10_000).all(|n| heads.may_hold(text(n)) && heads.may_hold(mix(n) | 0x80)));
        let wrong = (10_000..110_000).filter(|&n| heads.may_hold(text(n))).count();
        assert!(wrong < 2500, "{wrong} of 100000");
    }

    #[test]
    fn equal_keys_are_crowded_out_and_never_loop() {
        let mut table = Table::new(100);
        for n in 0..100 {
            table.insert(7, n, false);
        }
        assert_eq!(table.get(7).count(), STEPS);
        assert_eq!(table.crowded, 100 - to_u64(STEPS));
        assert!(!table.insert(7, 1000, true));
        assert_eq!(table.get(1 << 60 | 8).count(), 0);
    }

    #[test]
    fn each_byte_of_a_gram_counts() {
        let mut bytes = [7u8; 32];
        let mut seen = std::collections::HashSet::from([gram(&bytes)]);
        for at in 0..32 {
            bytes[at] = 8;
            assert!(seen.insert(gram(&bytes)), "byte {at}");
            bytes[at] = 7;
        }
    }
}
