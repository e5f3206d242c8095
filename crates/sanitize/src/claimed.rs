//! The claims of one volume, in ascending order.
//!
//! Files are mostly claimed in the order in which they lie, so claims come in stretches without a gap. They are kept as
//! they came, neighbours of one class as one, and only the stretches are sorted: 16 bytes for each change of class.

use block::Extent;

use crate::map::Class;

/// Claims, as they come.
#[derive(Debug, Default)]
pub(crate) struct Claimed {
    /// Where each piece starts, and its class; it ends where the next one starts. `None`: the end of a stretch.
    pieces: Vec<(u64, Option<Class>)>,
    /// The first piece of each stretch.
    stretches: Vec<usize>,
}

impl Claimed {
    /// One more claim.
    pub(crate) fn add(&mut self, extent: Extent, class: Class) {
        if extent.is_empty() {
            return;
        }
        match self.pieces.pop() {
            Some((end, None)) if end == extent.start => {
                if self.pieces.last().is_none_or(|(_, last)| *last != Some(class)) {
                    self.pieces.push((end, Some(class)));
                }
            }
            other => {
                self.pieces.extend(other);
                self.stretches.push(self.pieces.len());
                self.pieces.push((extent.start, Some(class)));
            }
        }
        self.pieces.push((extent.end(), None));
    }

    /// Puts the stretches in order.
    pub(crate) fn sort(&mut self) {
        self.stretches.sort_unstable_by_key(|&first| self.pieces[first].0);
    }

    /// All of them, by where their stretches start: ascending, if no byte was claimed twice.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Extent, Class)> + '_ {
        self.stretches.iter().flat_map(|&first| {
            let ends = self.pieces[first..].iter().zip(&self.pieces[first + 1..]);
            ends.map_while(|(&(start, class), &(end, _))| Some((Extent::between(start, end), class?)))
        })
    }

    /// All claimed bytes as ascending stretches, or the first byte that is claimed twice.
    pub(crate) fn owned(&self) -> Result<Vec<Extent>, u64> {
        let mut runs: Vec<Extent> = Vec::new();
        for (extent, _) in self.iter() {
            match runs.last_mut() {
                Some(last) if last.end() > extent.start => return Err(extent.start),
                Some(last) if last.end() == extent.start => last.len += extent.len,
                _ => runs.push(extent),
            }
        }
        Ok(runs)
    }
}

#[cfg(test)]
mod tests {
    use filesystem::Residue;

    use super::*;

    const LIVE: Class = Class::Live;
    const SLACK: Class = Class::Dead(Residue::Slack);

    fn claimed(claims: &[(u64, u64, Class)]) -> Claimed {
        let mut claimed = Claimed::default();
        for &(start, end, class) in claims {
            claimed.add(Extent::between(start, end), class);
        }
        claimed.sort();
        claimed
    }

    #[test]
    fn are_sorted_and_merged() {
        let claimed = claimed(&[
            (40, 50, LIVE),
            (50, 60, LIVE),
            (60, 61, SLACK),
            (0, 10, LIVE),
            (10, 10, SLACK),
            (10, 40, SLACK),
            (70, 80, LIVE),
        ]);
        let all: Vec<_> = claimed.iter().map(|(extent, class)| (extent.start, extent.end(), class)).collect();
        assert_eq!(all, [(0, 10, LIVE), (10, 40, SLACK), (40, 60, LIVE), (60, 61, SLACK), (70, 80, LIVE)]);
        assert_eq!(claimed.owned().unwrap(), [Extent::between(0, 61), Extent::between(70, 80)]);
    }

    #[test]
    fn each_byte_has_one_owner() {
        assert_eq!(claimed(&[(0, 10, LIVE), (10, 40, SLACK), (39, 50, LIVE)]).owned(), Err(39));
        assert_eq!(claimed(&[(39, 50, LIVE), (0, 10, LIVE), (10, 40, SLACK)]).owned(), Err(39));
        assert_eq!(claimed(&[(5, 10, LIVE), (5, 10, LIVE)]).owned(), Err(5));
        assert!(claimed(&[]).owned().unwrap().is_empty());
    }
}
