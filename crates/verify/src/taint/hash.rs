//! A table and a filter of fixed size: neither grows, and a look-up takes a bounded number of steps.

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
    let (words, _) = bytes.as_chunks::<8>();
    let word = |at: usize| u64::from_le_bytes(words[at]);
    let (a, b) =
        (fold(word(0) ^ FACTORS[0], word(1) ^ FACTORS[1]), fold(word(2) ^ FACTORS[2], word(3) ^ FACTORS[3]));
    fold(a ^ FACTORS[3], b ^ FACTORS[0])
}

/// Both halves of the product.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = (u128::from(a) * u128::from(b)).to_le_bytes();
    let (halves, _) = product.as_chunks::<8>();
    u64::from_le_bytes(halves[0]) ^ u64::from_le_bytes(halves[1])
}

/// Says of eight bytes that they are certainly none of those put in, or that they may be.
#[derive(Debug)]
pub(super) struct Filter {
    words: Vec<u64>,
    mask: usize,
}

/// Bits for each entry of a filter.
const BITS: usize = 16;
/// 4 KiB and 16 MiB.
const WORDS: std::ops::RangeInclusive<usize> = 1 << 9..=1 << 21;

impl Filter {
    /// For so many entries.
    pub(super) fn new(entries: usize) -> Self {
        let words = (entries * BITS / 64).next_power_of_two().clamp(*WORDS.start(), *WORDS.end());
        Self { words: vec![0; words], mask: words - 1 }
    }

    /// A word, and two of its bits. The top of the product depends on all of the gram: pieces of text often begin
    /// alike.
    #[inline]
    fn place(&self, gram: u64) -> (usize, u64, u64) {
        let hash = gram.wrapping_mul(FACTORS[0]);
        (to_usize(hash >> 43) & self.mask, hash >> 37 & 63, hash >> 31 & 63)
    }

    /// Writes even bits that are set, and looks at none before: memory that was never written would be mapped twice.
    pub(super) fn insert(&mut self, gram: u64) {
        let (word, a, b) = self.place(gram);
        self.words[word] |= 1 << a | 1 << b;
    }

    #[inline]
    pub(super) fn may_hold(&self, gram: u64) -> bool {
        let (word, a, b) = self.place(gram);
        let word = self.words[word];
        (word >> a) & (word >> b) & 1 != 0
    }

    /// Gives back what fewer entries than expected do not need: the smaller it is, the nearer its memory.
    fn fit(&mut self) {
        let bits: u64 = self.words.iter().map(|word| u64::from(word.count_ones())).sum();
        let entries = to_usize(bits).div_ceil(2);
        while self.words.len() > *WORDS.start() && entries * BITS * 2 <= self.words.len() * 64 {
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

/// The first eight bytes of all that is searched for.
///
/// A look-up has two steps, for a caller that makes many in a row: [`sift`](Self::sift) stays in the second-level cache,
/// takes some ten instructions, and says no to most; [`may_hold`](Self::may_hold) is right nearly always, but waits for
/// memory.
#[derive(Debug)]
pub(super) struct Heads {
    coarse: Box<[u64; COARSE]>,
    fine: Filter,
}

/// Words of the coarse filter: 512 KiB.
const COARSE: usize = 1 << COARSE_BITS;
const COARSE_BITS: u32 = 16;
/// Heads that are looked at in a row.
pub(super) const SIFTED: usize = 2048;

impl Heads {
    /// For so many entries.
    pub(super) fn new(entries: usize) -> Self {
        let coarse = vec![0; COARSE].try_into().expect("a vector of that length");
        Self { coarse, fine: Filter::new(entries) }
    }

    /// A word of the coarse filter, and a bit of it.
    #[inline]
    fn coarse(head: u64) -> (usize, u64) {
        let hash = head.wrapping_mul(FACTORS[0]);
        (to_usize(hash >> (64 - COARSE_BITS)), hash >> (58 - COARSE_BITS) & 63)
    }

    pub(super) fn insert(&mut self, head: u64) {
        let (word, bit) = Self::coarse(head);
        self.coarse[word] |= 1 << bit;
        self.fine.insert(head);
    }

    /// The numbers of those heads in a row of eight bytes each of which [`may_hold`](Self::may_hold) may say yes; and how
    /// many there are. No branch depends on the bytes, so none is guessed wrong.
    pub(super) fn sift(&self, bytes: &[u8], numbers: &mut [u16; SIFTED]) -> usize {
        let coarse = &*self.coarse;
        let mut count = 0;
        for (number, head) in (0..).zip(bytes.as_chunks::<8>().0.iter().take(SIFTED)) {
            let (word, bit) = Self::coarse(u64::from_le_bytes(*head));
            numbers[count % SIFTED] = number;
            count += to_usize(coarse[word] >> bit & 1);
        }
        count
    }

    /// Zeros are never put in.
    #[inline]
    pub(super) fn may_hold(&self, head: u64) -> bool {
        (head != 0) & self.fine.may_hold(head)
    }

    /// As soon as all are in.
    pub(super) fn fit(&mut self) {
        self.fine.fit();
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.coarse) + self.fine.bytes()
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
        assert_eq!(heads.bytes(), (512 << 10) + (64 << 10));
        let passes = |head: u64| heads.sift(&head.to_le_bytes(), &mut [0; SIFTED]) == 1;
        let held = |head| passes(head) && heads.may_hold(head);
        assert!((0..10_000).all(|n| held(text(n)) && held(mix(n) | 0x80)));
        let looked = (10_000..110_000).filter(|&n| passes(text(n))).count();
        assert!(looked < 1000, "{looked} of 100000");
        let wrong = (10_000..110_000).filter(|&n| heads.may_hold(text(n))).count();
        assert!(wrong < 2500, "{wrong} of 100000");
    }

    #[test]
    fn a_row_is_sifted_in_its_order() {
        let mut heads = Heads::new(100);
        let row: Vec<u8> = (0..u64::try_from(SIFTED).unwrap()).flat_map(|n| mix(n).to_le_bytes()).collect();
        assert_eq!(heads.sift(&row, &mut [0; SIFTED]), 0);
        [2, 3, 700, 2047].iter().for_each(|&n| heads.insert(mix(n)));
        let mut numbers = [0; SIFTED];
        assert_eq!(heads.sift(&row[..row.len() - 1], &mut numbers), 3);
        assert_eq!(heads.sift(&row, &mut numbers), 4);
        assert_eq!(numbers[..4], [2, 3, 700, 2047]);
        // Zeros never, even where their bits are set; a full row, and no more than one.
        heads.coarse.fill(u64::MAX);
        heads.fine.words.fill(u64::MAX);
        assert!(heads.may_hold(1) && !heads.may_hold(0));
        assert_eq!(heads.sift(&[1; 8 * SIFTED + 8], &mut numbers), SIFTED);
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
