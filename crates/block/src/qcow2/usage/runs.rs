//! A growing set of bytes that takes no more memory than its limit.

use crate::{Extent, ExtentSet};

/// Most runs that are held: 64 MiB of them.
const RUNS_MAX: usize = 4 << 20;
/// Runs that may wait to be joined with their neighbours.
const WAITING: usize = 64 << 10;

/// Extents in any order, joined now and then.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: Vec<Extent>,
    /// How many of them were left when they were last joined.
    joined: usize,
}

impl Runs {
    /// Adds `extent`. False: there are too many runs, and it is not in the set.
    #[must_use]
    pub(super) fn add(&mut self, extent: Extent) -> bool {
        if let Some(last) = self.runs.last_mut()
            && last.end() == extent.start
        {
            last.len += extent.len;
            return true;
        }
        if self.runs.len() >= (self.joined + WAITING).max(2 * self.joined).min(RUNS_MAX) {
            let set: ExtentSet = self.runs.drain(..).collect();
            self.runs.extend(set.iter());
            self.joined = self.runs.len();
            // A set that stays almost full would be sorted again and again.
            if self.joined > RUNS_MAX - WAITING {
                return false;
            }
        }
        self.runs.push(extent);
        true
    }

    pub(super) fn into_set(self) -> ExtentSet {
        self.runs.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_what_comes_in_any_order() {
        let mut runs = Runs::default();
        for round in 0..4 {
            for n in 0..100_000 {
                assert!(runs.add(Extent { start: n * 8 + round * 2, len: 2 }));
            }
        }
        assert!(runs.runs.len() < 300_000);
        let set = runs.into_set();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Extent { start: 0, len: 800_000 }]);
    }

    #[test]
    fn says_when_it_is_full() {
        let mut runs = Runs::default();
        let held = (0..).take_while(|n| runs.add(Extent { start: n * 2, len: 1 })).count();
        assert!(held <= RUNS_MAX && held > RUNS_MAX / 2, "{held}");
        assert!(!runs.add(Extent { start: 1 << 40, len: 1 }));
    }
}
