//! What was removed, as something to search for: words and lines of small files in all their spellings, and grams
//! of 32 bytes of everything.
//!
//! The search looks at every eighth byte of the output alone, so the index holds enough of each word that one of
//! its grams lies there, and of files, one gram in a *stride*. A stride is odd: of a common run, one gram in
//! `8 * stride` has a place in the index that the search looks at, whatever the two offsets are. A run of
//! `8 * stride + 31` bytes therefore cannot be missed, if its grams can be in the index: not those that begin with few
//! values, and of equal ones the first alone.
//!
//! Of small files every gram could be in the index, so that no run of 39 bytes can be missed. But a run of fewer than 64
//! bytes counts only if a word in it looks random ([`distinct::run`]), so of grams around nothing of the kind every third
//! is enough: 55 bytes.

use std::{
    collections::{HashSet, VecDeque},
    io,
};

use block::{BlockRead, to_u64, to_usize};

use super::{
    Removed, distinct,
    encode::{self, Encoding},
    hash::{self, Heads, MAX_VALUE, Table},
    sampling::{DULL_STRIDE, Dull, Sampling},
};

/// Bytes of a gram.
pub(super) const GRAM: usize = 32;
/// The search looks at offsets that are multiples of this.
pub(super) const STEP: u64 = 8;
/// Files below this size are searched for word by word, and gram by gram.
const SMALL: u64 = 64 << 10;
/// Grams that are indexed of small files.
const SMALL_GRAMS: u64 = 1 << 20;
/// Grams of all others, a stride apart.
const LARGE_GRAMS: u64 = 1 << 20;
/// Words and lines.
const MAX_TOKENS: usize = 8192;
/// Grams that are gathered before they go into the table.
const GATHERED: usize = 4096;
/// Bytes of a file that are read at a time.
const CHUNK: usize = 1 << 18;
/// The shortest spelling: one of its first eight grams of eight bytes lies at a multiple of eight.
const SHORTEST: usize = 15;

/// A gram that is indexed.
struct Sample {
    /// Its first eight bytes.
    head: u64,
    hash: u64,
    address: u64,
}

/// A word or line in one spelling.
#[derive(Debug)]
pub(super) struct Pattern {
    /// In the text of all patterns.
    start: usize,
    len: usize,
    /// Where its grams start that are indexed.
    window: usize,
    /// The address of what it spells.
    pub(super) address: u64,
    /// How many bytes that are.
    pub(super) spells: u64,
    pub(super) encoding: Encoding,
}

/// All that was removed, ready to be searched for.
pub struct Index<'v> {
    pub(super) view: &'v dyn BlockRead,
    pub(super) removed: &'v Removed,
    pub(super) heads: Heads,
    pub(super) grams: Table,
    tokens: Table,
    pub(super) patterns: Vec<Pattern>,
    text: Vec<u8>,
    /// How small files are known.
    pub small: Sampling,
    /// How larger ones are.
    pub large: Sampling,
    /// Words and lines.
    pub words: u64,
    /// Those for which there was no room.
    pub words_left_out: u64,
    /// Grams.
    pub gram_count: u64,
}

impl<'v> Index<'v> {
    /// Reads all that was removed, from the input's view, its journals replayed and nothing else changed.
    pub fn new(view: &'v dyn BlockRead, removed: &'v Removed) -> io::Result<Self> {
        let sizes = |small: bool| -> u64 {
            let files = removed.files().iter().filter(|file| (file.size < SMALL) == small);
            files.map(|file| removed.stored(file)).sum()
        };
        let (small_bytes, large_bytes) = (sizes(true), sizes(false));
        let small = Sampling::of(small_bytes, SMALL_GRAMS, 1);
        let large = Sampling::of(large_bytes, LARGE_GRAMS, 31);
        let expected = |bytes: u64, sampling: Sampling| {
            to_usize(bytes / sampling.stride + sampling.block.map_or(0, |block| bytes / block))
        };
        let grams = expected(small_bytes, small) + expected(large_bytes, large) + 2 * removed.files().len();
        let mut index = Self {
            view,
            removed,
            heads: Heads::new(0),
            grams: Table::new(grams),
            tokens: Table::new(0),
            patterns: Vec::new(),
            text: Vec::new(),
            small,
            large,
            words: 0,
            words_left_out: 0,
            gram_count: 0,
        };
        index.collect_words()?;
        index.choose_windows();
        index.heads = Heads::new(grams + index.patterns.len() * to_usize(STEP));
        index.add_patterns();
        for file in removed.files() {
            let sampling = if file.size < SMALL { small } else { large };
            for run in removed.runs(file) {
                index.add_grams(file.start, run.start, run.end(), sampling)?;
            }
        }
        index.heads.fit();
        index.grams.fit();
        Ok(index)
    }

    /// Bytes that the index takes.
    #[must_use]
    pub fn memory(&self) -> usize {
        let patterns = self.patterns.len() * size_of::<Pattern>() + self.text.len();
        self.heads.bytes() + self.grams.bytes() + self.tokens.bytes() + patterns
    }

    /// The files that are searched for, and their stored bytes.
    #[must_use]
    pub fn files(&self) -> (u64, u64) {
        let files = self.removed.files();
        (to_u64(files.len()), files.iter().map(|file| self.removed.stored(file)).sum())
    }

    /// Bytes of removed files that are not searched for, because there are too many files or fragments, and
    /// entries that found no place in the tables.
    #[must_use]
    pub fn left_out(&self) -> (u64, u64) {
        (self.removed.left_out(), self.grams.crowded + self.tokens.crowded)
    }

    fn collect_words(&mut self) -> io::Result<()> {
        let mut known: HashSet<u64> = HashSet::new();
        let mut content = vec![0; to_usize(SMALL)];
        for file in self.removed.files().iter().filter(|file| file.size < SMALL) {
            for run in self.removed.runs(file) {
                let content = &mut content[..to_usize(run.len)];
                let len = self.removed.read(self.view, run.start, content)?;
                for token in distinct::tokens(&content[..len]) {
                    let (address, text) = (run.start + to_u64(token.start), &content[token]);
                    if !known.insert(text.chunks(8).fold(0, |all, part| {
                        hash::mix(
                            all ^ part
                                .iter()
                                .fold(to_u64(part.len()), |word, &byte| word << 8 ^ u64::from(byte)),
                        )
                    })) {
                        continue;
                    }
                    if to_usize(self.words) == MAX_TOKENS {
                        self.words_left_out += 1;
                        continue;
                    }
                    self.words += 1;
                    self.spell(address, text);
                }
            }
        }
        Ok(())
    }

    fn spell(&mut self, address: u64, text: &[u8]) {
        let mut spellings = encode::spellings(text);
        // The first of equal spellings says the least of how it came there.
        spellings.sort_by(|(a, x), (b, y)| x.cmp(y).then(a.cmp(b)));
        spellings.dedup_by(|(_, next), (_, kept)| next == kept);
        for (encoding, spelling) in spellings.into_iter().filter(|(_, text)| text.len() >= SHORTEST) {
            let (start, len) = (self.text.len(), spelling.len());
            self.text.extend(spelling);
            let spells = to_u64(text.len());
            self.patterns.push(Pattern { start, len, window: 0, address, spells, encoding });
        }
    }

    pub(super) fn text(&self, pattern: &Pattern) -> &[u8] {
        &self.text[pattern.start..pattern.start + pattern.len]
    }

    /// Of each pattern, eight grams that few others have, or the fewest: what many lines begin with leads to none.
    fn choose_windows(&mut self) {
        const COUNTS: u64 = 1 << 18;
        const FEW: u16 = 16;
        let mut counts = vec![0u16; to_usize(COUNTS)];
        let place = |gram: u64| to_usize(hash::mix(gram) % COUNTS);
        for pattern in &self.patterns {
            for gram in heads(self.text(pattern)) {
                let count = &mut counts[place(gram)];
                *count = count.saturating_add(1);
            }
        }
        let step = to_usize(STEP);
        let mut windows = Vec::with_capacity(self.patterns.len());
        for pattern in &self.patterns {
            // What has few values stands everywhere in other files, too.
            let cost = |gram: u64| match distinct::head(gram) {
                true => counts[place(gram)],
                false => u16::MAX,
            };
            let mut costs: VecDeque<u16> = VecDeque::with_capacity(step);
            let mut best = (u16::MAX, 0);
            for (at, gram) in heads(self.text(pattern)).enumerate() {
                if costs.len() == step {
                    costs.pop_front();
                }
                costs.push_back(cost(gram));
                if costs.len() == step
                    && let Some(&worst) = costs.iter().max()
                    && worst < best.0
                {
                    best = (worst, at + 1 - step);
                    if worst <= FEW {
                        break;
                    }
                }
            }
            windows.push(best.1);
        }
        for (pattern, window) in self.patterns.iter_mut().zip(windows) {
            pattern.window = window;
        }
    }

    fn add_patterns(&mut self) {
        let Self { tokens, heads: known, patterns, text, .. } = self;
        *tokens = Table::new(patterns.len() * to_usize(STEP));
        for (number, pattern) in (0u64..).zip(&*patterns) {
            let start = pattern.start + pattern.window;
            let window = &text[start..start + SHORTEST];
            for (offset, gram) in (0u64..).zip(heads(window)) {
                known.insert(gram);
                tokens.insert(hash::mix(gram), number * STEP + offset, false);
            }
        }
    }

    /// Whether there may be such patterns.
    pub(super) fn may_spell(&self, gram: u64) -> bool {
        self.tokens.may_hold(hash::mix(gram))
    }

    /// The patterns that may lie around a gram of eight bytes, and how far before it they start.
    pub(super) fn patterns_of(&self, gram: u64) -> impl Iterator<Item = (&Pattern, usize)> {
        self.tokens.get(hash::mix(gram)).filter_map(|value| {
            let pattern = self.patterns.get(to_usize(value / STEP))?;
            Some((pattern, pattern.window + to_usize(value % STEP)))
        })
    }

    /// Adds the grams of a run of a file's bytes, by addresses.
    fn add_grams(&mut self, file: u64, start: u64, end: u64, sampling: Sampling) -> io::Result<()> {
        let mut buf = vec![0; CHUNK.min(to_usize(end - start))];
        let mut found: Vec<Sample> = Vec::with_capacity(GATHERED);
        let mut at = start;
        while at + to_u64(GRAM) <= end {
            let want = buf.len().min(to_usize(end - at));
            let len = self.removed.read(self.view, at, &mut buf[..want])?;
            let Some(last) = len.checked_sub(GRAM) else { break };
            let mut dull = Dull::of(&buf[..len], sampling.stride == 1);
            let mut offset = sampling.next(at - file);
            while offset - (at - file) <= to_u64(last) {
                debug_assert!(sampling.takes(offset), "the next sample is one");
                let within = to_usize(offset - (at - file));
                let gram: &[u8; GRAM] = buf[within..].first_chunk().expect("the gram ends in the buffer");
                let known = offset.is_multiple_of(DULL_STRIDE) || !dull.at(within);
                if known && distinct::gram(gram) && file + offset < MAX_VALUE {
                    let head = gram.first_chunk().expect("a gram has eight bytes and more");
                    let head = u64::from_le_bytes(*head);
                    found.push(Sample { head, hash: hash::gram(gram), address: file + offset });
                    if found.len() == GATHERED {
                        self.insert_grams(&mut found);
                    }
                }
                offset = sampling.next(offset + 1);
            }
            // The grams that start in the last bytes need what follows them.
            at += to_u64(last + 1);
        }
        self.insert_grams(&mut found);
        Ok(())
    }

    /// Inserts hashes and addresses of grams: many in a row, so that the table's memory is waited for together.
    fn insert_grams(&mut self, found: &mut Vec<Sample>) {
        found.iter().for_each(|sample| self.heads.insert(sample.head));
        for sample in found.drain(..) {
            self.gram_count += u64::from(self.grams.insert(sample.hash, sample.address, true));
        }
    }
}

/// Every eight bytes of a text, as the search reads them.
fn heads(text: &[u8]) -> impl Iterator<Item = u64> + '_ {
    text.windows(8)
        .map(|head| u64::from_le_bytes(*head.first_chunk().expect("a window of eight has eight bytes")))
}
