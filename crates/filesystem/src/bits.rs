//! A set of block or cluster numbers that is filled run by run, and tells where a run was there already.
//!
//! A bit a block at most, and nothing for pages that are empty or full, so memory follows what is claimed.

use std::collections::BTreeMap;

use block::to_usize;

const WORDS: usize = 512;
/// Bits of a page.
const PAGE: u64 = 32_768;

#[derive(Debug)]
enum Page {
    Full,
    Some { words: Box<[u64; WORDS]>, count: u64 },
}

/// A set of numbers.
#[derive(Debug, Default)]
pub(crate) struct Bits {
    pages: BTreeMap<u64, Page>,
}

impl Bits {
    /// Whether a number is in it.
    pub(crate) fn contains(&self, number: u64) -> bool {
        match self.pages.get(&(number / PAGE)) {
            None => false,
            Some(Page::Full) => true,
            Some(Page::Some { words, .. }) => words[to_usize(number % PAGE / 64)] >> (number % 64) & 1 == 1,
        }
    }

    /// Adds `start..end`. The first of them that was there already, if any; then some may have been added.
    pub(crate) fn insert(&mut self, start: u64, end: u64) -> Result<(), u64> {
        let mut at = start;
        while at < end {
            let number = at / PAGE;
            let (first, last) = (at % PAGE, (end - number * PAGE).min(PAGE));
            self.insert_in_page(number, first, last).map_err(|bit| number * PAGE + bit)?;
            at = number * PAGE + last;
        }
        Ok(())
    }

    fn insert_in_page(&mut self, number: u64, first: u64, last: u64) -> Result<(), u64> {
        if last - first == PAGE {
            return match self.pages.get(&number) {
                None => {
                    self.pages.insert(number, Page::Full);
                    Ok(())
                }
                Some(Page::Full) => Err(0),
                Some(Page::Some { words, .. }) => {
                    let word = words.iter().position(|word| *word != 0).expect("a page in use has a bit");
                    Err(block::to_u64(word) * 64 + u64::from(words[word].trailing_zeros()))
                }
            };
        }
        let page =
            self.pages.entry(number).or_insert_with(|| Page::Some { words: Box::new([0; WORDS]), count: 0 });
        let Page::Some { words, count } = page else { return Err(first) };
        let mut at = first;
        while at < last {
            let (low, high) = (at % 64, (last - at / 64 * 64).min(64));
            let mask = (u64::MAX >> (64 - (high - low))) << low;
            let word = &mut words[to_usize(at / 64)];
            if *word & mask != 0 {
                return Err(at / 64 * 64 + u64::from((*word & mask).trailing_zeros()));
            }
            *word |= mask;
            at = at / 64 * 64 + high;
        }
        *count += last - first;
        if *count == PAGE {
            *page = Page::Full;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_across_words_and_pages() {
        let mut bits = Bits::default();
        bits.insert(100, 3 * PAGE + 7).unwrap();
        assert!(
            !bits.contains(99)
                && bits.contains(100)
                && bits.contains(3 * PAGE + 6)
                && !bits.contains(3 * PAGE + 7)
        );
        assert_eq!(bits.insert(3 * PAGE + 6, 3 * PAGE + 7), Err(3 * PAGE + 6));
        assert_eq!(bits.insert(90, 110), Err(100));
        assert_eq!(bits.insert(PAGE, 2 * PAGE), Err(PAGE));
        bits.insert(3 * PAGE + 7, 4 * PAGE).unwrap();
        assert_eq!(bits.insert(3 * PAGE + 9, 3 * PAGE + 10), Err(3 * PAGE + 9));
    }
}
