//! The records of refcountbt: which blocks of a group have more than one owner, and how many.
//!
//! A block without a record has one owner or none. Neighbours with the same count are one record.

use std::{collections::BTreeMap, ops::Range};

/// How often blocks are used, where that is more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sharing {
    /// By first block: the block behind the last, and the count.
    records: BTreeMap<u32, (u32, u32)>,
}

impl Sharing {
    /// Adds a record as the tree has it, behind all others: false if it is not, or is none.
    #[must_use]
    pub(crate) fn push(&mut self, run: Range<u32>, count: u32) -> bool {
        let behind = self.records.last_key_value().is_none_or(|(_, &(end, _))| end <= run.start);
        if !behind || run.is_empty() || count < 2 {
            return false;
        }
        self.put(run, count);
        true
    }

    /// The parts of `run`, each with its count: 1 where there is no record.
    pub(crate) fn parts(&self, run: Range<u32>) -> Vec<(Range<u32>, u32)> {
        let mut parts = Vec::new();
        let mut at = run.start;
        let first = self.records.range(..=run.start).next_back().map_or(run.start, |(&start, _)| start);
        for (&start, &(end, count)) in self.records.range(first..run.end) {
            let (start, end) = (start.max(run.start), end.min(run.end));
            if end <= at {
                continue;
            }
            if at < start {
                parts.push((at..start, 1));
            }
            parts.push((start..end, count));
            at = end;
        }
        if at < run.end {
            parts.push((at..run.end, 1));
        }
        parts
    }

    /// One owner less for `run`. Returns the parts that have none left.
    pub(crate) fn release(&mut self, run: Range<u32>) -> Vec<Range<u32>> {
        let mut free = Vec::new();
        for (part, count) in self.parts(run) {
            if count < 2 {
                free.push(part);
            } else {
                self.cut(part.clone());
                if count > 2 {
                    self.put(part, count - 1);
                }
            }
        }
        free
    }

    /// Forgets what is said of `run`.
    fn cut(&mut self, run: Range<u32>) {
        if let Some((&start, &(end, count))) = self.records.range(..run.start).next_back()
            && end > run.start
        {
            self.records.insert(start, (run.start, count));
            if end > run.end {
                self.records.insert(run.end, (end, count));
            }
        }
        while let Some((&start, &(end, count))) = self.records.range(run.clone()).next() {
            self.records.remove(&start);
            if end > run.end {
                self.records.insert(run.end, (end, count));
            }
        }
    }

    /// Adds a record where there is none, and joins it with its neighbours.
    fn put(&mut self, run: Range<u32>, count: u32) {
        let mut run = run;
        if let Some((&start, &(end, same))) = self.records.range(..run.start).next_back()
            && end == run.start
            && same == count
        {
            run.start = start;
        }
        if let Some(&(end, same)) = self.records.get(&run.end)
            && same == count
        {
            self.records.remove(&run.end);
            run.end = end;
        }
        self.records.insert(run.start, (run.end, count));
    }

    /// How many records there are.
    pub(crate) fn count(&self) -> usize {
        self.records.len()
    }

    /// The records as the tree has them.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let fields = self.records.iter().flat_map(|(&start, &(end, count))| [start, end - start, count]);
        fields.flat_map(u32::to_be_bytes).collect()
    }
}

/// The sharing of blocks that were counted one owner at a time.
pub(crate) fn count_owners(runs: &[Range<u32>]) -> Sharing {
    // Each run opens and closes once; between two such points the count is constant.
    let mut steps: Vec<(u32, i64)> =
        runs.iter().filter(|run| !run.is_empty()).flat_map(|run| [(run.start, 1), (run.end, -1)]).collect();
    steps.sort_unstable();
    let mut sharing = Sharing::default();
    let (mut open, mut at) = (0i64, 0);
    for (point, step) in steps {
        if point > at
            && let Ok(count) = u32::try_from(open)
            && count > 1
        {
            sharing.put(at..point, count);
        }
        at = point;
        open += step;
    }
    sharing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agree_with_a_plain_array() {
        let mut state = 5u64;
        let mut next = |most: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from((state >> 33) % most).unwrap()
        };
        for _ in 0..500 {
            let mut runs: Vec<Range<u32>> = (0..8).map(|_| next(40)).map(|start| start..start + 1).collect();
            for run in &mut runs {
                run.end += next(9);
            }
            let mut plain = [0u32; 64];
            for run in &runs {
                run.clone().for_each(|block| plain[usize::try_from(block).unwrap()] += 1);
            }
            let mut sharing = count_owners(&runs);
            for run in runs {
                let freed: Vec<u32> = sharing.release(run.clone()).into_iter().flatten().collect();
                let mut expected = Vec::new();
                for block in run {
                    let count = &mut plain[usize::try_from(block).unwrap()];
                    *count -= 1;
                    if *count == 0 {
                        expected.push(block);
                    }
                }
                assert_eq!(freed, expected);
                let mut again = Sharing::default();
                let mut at = 0;
                for (part, count) in sharing.parts(0..64) {
                    assert_eq!(part.start, at);
                    at = part.end;
                    for block in part.clone() {
                        assert_eq!(plain[usize::try_from(block).unwrap()].max(1), count);
                    }
                    assert!(count < 2 || again.push(part, count));
                }
                assert_eq!(again, sharing, "records are maximal");
            }
            assert_eq!(sharing.count(), 0);
        }
    }
}
