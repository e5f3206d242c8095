//! Byte ranges of one device, and sets of them.

/// `len` bytes from `start` on. `start + len` never overflows: [`Extent::new`] checks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent {
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
}

impl Extent {
    /// `None` if the end does not fit in 64 bits.
    #[must_use]
    pub const fn new(start: u64, len: u64) -> Option<Self> {
        match start.checked_add(len) {
            Some(_) => Some(Self { start, len }),
            None => None,
        }
    }

    /// From `start` up to `end`; empty if `end` lies before it.
    #[must_use]
    pub const fn between(start: u64, end: u64) -> Self {
        Self { start, len: end.saturating_sub(start) }
    }

    /// The first byte behind it.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// Whether it has no bytes.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Whether the byte at `offset` is in it.
    #[must_use]
    pub const fn contains_byte(self, offset: u64) -> bool {
        self.start <= offset && offset < self.end()
    }

    /// The bytes in both; empty if there are none.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self::between(self.start.max(other.start), self.end().min(other.end()))
    }
}

/// Two extents of a collection that had to be disjoint both claim bytes from `start` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// The bytes claimed twice.
    pub extent: Extent,
}

/// A set of bytes: sorted, disjoint, non-adjacent, non-empty extents. Memory follows the number of runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtentSet {
    runs: Vec<Extent>,
}

impl FromIterator<Extent> for ExtentSet {
    /// The union of extents in any order.
    fn from_iter<I: IntoIterator<Item = Extent>>(extents: I) -> Self {
        let mut all: Vec<Extent> = extents.into_iter().filter(|extent| !extent.is_empty()).collect();
        // Mostly they come in long ascending runs, which a stable sort merges.
        all.sort();
        all.dedup_by(|next, kept| {
            let touches = next.start <= kept.end();
            if touches {
                *kept = Extent::between(kept.start, kept.end().max(next.end()));
            }
            touches
        });
        Self { runs: all }
    }
}

impl ExtentSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { runs: Vec::new() }
    }

    /// The union of extents that must not share a byte; the first shared bytes otherwise.
    pub fn disjoint(mut extents: Vec<Extent>) -> Result<Self, Overlap> {
        extents.retain(|extent| !extent.is_empty());
        extents.sort_unstable();
        for pair in extents.windows(2) {
            let extent = pair[0].intersect(pair[1]);
            if !extent.is_empty() {
                return Err(Overlap { extent });
            }
        }
        Ok(extents.into_iter().collect())
    }

    /// The runs, in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Extent> + ExactSizeIterator + '_ {
        self.runs.iter().copied()
    }

    /// Whether no byte is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many bytes are in it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.runs.iter().map(|run| run.len).sum()
    }

    /// The bytes of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).collect()
    }

    /// The bytes of `[0, size)` that are not in it.
    #[must_use]
    pub fn complement(&self, size: u64) -> Self {
        Self { runs: self.gaps(Extent { start: 0, len: size }).collect() }
    }

    /// The bytes of both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut a, mut b) = (self.runs.iter().peekable(), other.runs.iter().peekable());
        let mut runs = Vec::new();
        while let (Some(&&x), Some(&&y)) = (a.peek(), b.peek()) {
            let shared = x.intersect(y);
            if !shared.is_empty() {
                runs.push(shared);
            }
            if x.end() <= y.end() {
                a.next()
            } else {
                b.next()
            };
        }
        Self { runs }
    }

    /// The bytes that are in `self` but not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut rest = other.runs.as_slice();
        let mut runs = Vec::new();
        for &run in &self.runs {
            let skip = rest.partition_point(|taken| taken.end() <= run.start);
            rest = &rest[skip..];
            let mut start = run.start;
            for taken in rest.iter().take_while(|taken| taken.start < run.end()) {
                runs.push(Extent::between(start, taken.start));
                start = taken.end();
            }
            runs.push(Extent::between(start, run.end()));
        }
        runs.retain(|run| !run.is_empty());
        Self { runs }
    }

    /// The parts of `range` that are in it, in order.
    pub fn parts(&self, range: Extent) -> impl Iterator<Item = Extent> + '_ {
        let first = self.runs.partition_point(|run| run.end() <= range.start);
        self.runs[first..].iter().map(move |run| run.intersect(range)).take_while(|part| !part.is_empty())
    }

    /// The parts of `range` that are not in it, in order.
    pub fn gaps(&self, range: Extent) -> impl Iterator<Item = Extent> + '_ {
        let mut start = range.start;
        self.parts(range)
            .chain([Extent { start: range.end(), len: 0 }])
            .map(move |part| {
                let gap = Extent::between(start, part.start);
                start = part.end();
                gap
            })
            .filter(|gap| !gap.is_empty())
    }

    /// Whether it has all of `range`.
    #[must_use]
    pub fn contains(&self, range: Extent) -> bool {
        range.is_empty() || self.gaps(range).next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ranges: &[(u64, u64)]) -> ExtentSet {
        ranges.iter().map(|&(start, end)| Extent::between(start, end)).collect()
    }

    #[test]
    fn union_merges_touching_runs() {
        assert_eq!(set(&[(5, 10), (0, 5), (20, 30), (25, 40), (7, 7)]), set(&[(0, 10), (20, 40)]));
    }

    #[test]
    fn complement_is_exact() {
        assert_eq!(set(&[(0, 10), (20, 40)]).complement(50), set(&[(10, 20), (40, 50)]));
        assert_eq!(set(&[]).complement(50), set(&[(0, 50)]));
        assert_eq!(set(&[(0, 50)]).complement(50), set(&[]));
    }

    #[test]
    fn set_algebra_agrees_with_bitmaps() {
        // All pairs of subsets of 6 bytes, against plain bit arithmetic.
        let of = |bits: u8| -> ExtentSet {
            (0..6).filter(|i| bits >> i & 1 == 1).map(|i| Extent { start: i, len: 1 }).collect()
        };
        for a in 0..64u8 {
            assert_eq!(of(a).complement(6), of(!a & 63));
            for b in 0..64u8 {
                assert_eq!(of(a).union(&of(b)), of(a | b));
                assert_eq!(of(a).intersection(&of(b)), of(a & b));
                assert_eq!(of(a).difference(&of(b)), of(a & !b), "{a:06b} - {b:06b}");
            }
        }
    }

    #[test]
    fn disjoint_names_the_shared_bytes() {
        let overlap = ExtentSet::disjoint(vec![Extent::between(0, 10), Extent::between(8, 12)]).unwrap_err();
        assert_eq!(overlap.extent, Extent::between(8, 10));
        assert!(ExtentSet::disjoint(vec![Extent::between(10, 12), Extent::between(0, 10)]).is_ok());
    }
}
