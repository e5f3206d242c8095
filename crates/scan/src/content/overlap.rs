//! One hit for each secret: of hits that overlap, the surest stays.

use super::Tier;

/// A hit at a place of a device or a stream.
pub trait Ranged {
    /// First byte and the first behind the last.
    fn range(&self) -> (u64, u64);
    /// The lower, the better.
    fn worth(&self) -> (Tier, usize);
}

/// Takes hits in the order of their first bytes, and gives back those that stay, in the same order. Of two that
/// overlap the surer stays, of two equally sure that of the earlier rule in the registry, and of one rule's the
/// first.
#[derive(Debug)]
pub struct Overlaps<T> {
    last: Option<T>,
}

impl<T> Default for Overlaps<T> {
    fn default() -> Self {
        Self { last: None }
    }
}

impl<T: Ranged> Overlaps<T> {
    /// One more hit. What comes back stays for good.
    pub fn push(&mut self, hit: T) -> Option<T> {
        match &self.last {
            Some(last) if hit.range().0 < last.range().1 => {
                if hit.worth() < last.worth() {
                    self.last = Some(hit);
                }
                None
            }
            _ => self.last.replace(hit),
        }
    }

    /// The last one.
    pub fn finish(&mut self) -> Option<T> {
        self.last.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Ranged for (u64, u64, Tier, usize) {
        fn range(&self) -> (u64, u64) {
            (self.0, self.1)
        }
        fn worth(&self) -> (Tier, usize) {
            (self.2, self.3)
        }
    }

    fn kept(hits: &[(u64, u64, Tier, usize)]) -> Vec<(u64, u64)> {
        let mut overlaps = Overlaps::default();
        let mut kept: Vec<_> = hits.iter().filter_map(|&hit| overlaps.push(hit)).collect();
        kept.extend(overlaps.finish());
        kept.iter().map(Ranged::range).collect()
    }

    #[test]
    fn the_surest_stays() {
        use Tier::{Context, Likely, Proven};
        assert_eq!(
            kept(&[(0, 100, Context, 3), (5, 20, Proven, 9), (50, 60, Likely, 1)]),
            [(5, 20), (50, 60)]
        );
        assert_eq!(kept(&[(0, 10, Likely, 2), (0, 12, Likely, 1), (12, 20, Likely, 1)]), [(0, 12), (12, 20)]);
        assert_eq!(kept(&[(0, 10, Likely, 2), (9, 12, Likely, 2)]), [(0, 10)]);
        assert_eq!(kept(&[(0, 10, Proven, 2), (5, 30, Likely, 1), (25, 40, Likely, 1)]), [(0, 10), (25, 40)]);
    }
}
