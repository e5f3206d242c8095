//! A set of blocks of one group, as maximal runs.
//!
//! It never holds a block twice: to add one that is there, or take one that is not, fails and changes nothing.

use std::{collections::BTreeMap, ops::Range};

/// Blocks of a group, by runs that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Runs {
    /// From a run's first block to the block behind it.
    ends: BTreeMap<u32, u32>,
    total: u64,
}

impl Runs {
    /// The run that holds `block`.
    fn around(&self, block: u32) -> Option<Range<u32>> {
        let (&start, &end) = self.ends.range(..=block).next_back()?;
        (block < end).then_some(start..end)
    }

    /// Whether any block of `run` is in it.
    pub(crate) fn touches(&self, run: &Range<u32>) -> bool {
        self.ends.range(..run.end).next_back().is_some_and(|(_, &end)| end > run.start)
    }

    /// Adds blocks, none of which may be in it: false if one is.
    #[must_use]
    pub(crate) fn insert(&mut self, run: Range<u32>) -> bool {
        if run.is_empty() {
            return true;
        }
        if self.touches(&run) {
            return false;
        }
        self.total += u64::from(run.end - run.start);
        let mut merged = run;
        if let Some((&start, &end)) = self.ends.range(..merged.start).next_back()
            && end == merged.start
        {
            merged.start = start;
        }
        if let Some(end) = self.ends.remove(&merged.end) {
            merged.end = end;
        }
        self.ends.insert(merged.start, merged.end);
        true
    }

    /// Takes blocks out, all of which must be in it: false if one is not.
    #[must_use]
    pub(crate) fn remove(&mut self, run: Range<u32>) -> bool {
        if run.is_empty() {
            return true;
        }
        let Some(holder) = self.around(run.start).filter(|holder| holder.end >= run.end) else {
            return false;
        };
        self.total -= u64::from(run.end - run.start);
        self.ends.remove(&holder.start);
        if holder.start < run.start {
            self.ends.insert(holder.start, run.start);
        }
        if run.end < holder.end {
            self.ends.insert(run.end, holder.end);
        }
        true
    }

    /// Where to put `want` blocks: the first run that has them all, else the longest. No more than `want`.
    pub(crate) fn fit(&self, want: u32) -> Option<Range<u32>> {
        let whole = self.iter().find(|run| run.end - run.start >= want);
        let run = whole
            .or_else(|| self.iter().reduce(|best, run| if run.len() > best.len() { run } else { best }))?;
        Some(run.start..run.end.min(run.start.saturating_add(want)))
    }

    /// The runs in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        self.ends.iter().map(|(&start, &end)| start..end)
    }

    /// How many runs there are.
    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    /// How many blocks.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// The length of the longest run.
    pub(crate) fn longest(&self) -> u32 {
        self.iter().map(|run| run.end - run.start).max().unwrap_or(0)
    }

    /// The blocks below `len` that are not in it.
    pub(crate) fn complement(&self, len: u32) -> Self {
        let mut rest = Self::default();
        let mut at = 0;
        for run in self.iter().chain(std::iter::once(len..len)) {
            if run.start > at {
                rest.ends.insert(at, run.start);
                rest.total += u64::from(run.start - at);
            }
            at = at.max(run.end);
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_agree_with_a_plain_array() {
        let mut state = 11u64;
        let mut runs = Runs::default();
        let mut plain = [false; 64];
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let start = u32::try_from(state >> 33).unwrap() % 64;
            let end = (start + u32::try_from(state >> 45).unwrap() % 9).min(64);
            let slots = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
            if state >> 20 & 1 == 0 {
                let fits = plain[slots.clone()].iter().all(|used| !used);
                assert_eq!(runs.insert(start..end), fits);
                if fits {
                    plain[slots].fill(true);
                }
            } else {
                let fits = plain[slots.clone()].iter().all(|&used| used);
                assert_eq!(runs.remove(start..end), fits);
                if fits {
                    plain[slots].fill(false);
                }
            }
            assert_eq!(runs.total(), plain.iter().map(|&used| u64::from(used)).sum::<u64>());
            let mut painted = [false; 64];
            let mut last = None;
            for run in runs.iter() {
                assert!(last.is_none_or(|end| end < run.start), "runs are maximal");
                last = Some(run.end);
                for block in run {
                    painted[usize::try_from(block).unwrap()] = true;
                }
            }
            assert_eq!(painted, plain);
            assert_eq!(runs.complement(64).complement(64), runs);
            assert_eq!(runs.complement(64).total() + runs.total(), 64);
        }
    }

    #[test]
    fn the_first_run_that_is_long_enough_is_used() {
        let mut runs = Runs::default();
        assert_eq!(runs.fit(1), None);
        for run in [5..7, 10..20, 30..50] {
            assert!(runs.insert(run));
        }
        assert_eq!(runs.fit(2), Some(5..7));
        assert_eq!(runs.fit(3), Some(10..13));
        assert_eq!(runs.fit(100), Some(30..50), "else the longest");
        assert_eq!(runs.longest(), 20);
    }
}
