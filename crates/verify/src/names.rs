//! The names of a directory, to be taken one by one. Each is there once; of several alike, the last.
//!
//! Two readings of a directory mostly tell the same names in the same order, so the one behind the last that was taken is
//! looked at first.

use std::collections::HashMap;

/// Names, and what is known of each.
pub(crate) struct Names<T> {
    sorted: Vec<(Vec<u8>, Option<T>)>,
    /// Place of the name behind the last that was taken.
    next: usize,
    /// Places by folded names, as soon as one is asked for.
    folded: Option<HashMap<Vec<u8>, usize>>,
}

impl<T> FromIterator<(Vec<u8>, T)> for Names<T> {
    fn from_iter<I: IntoIterator<Item = (Vec<u8>, T)>>(names: I) -> Self {
        let mut sorted: Vec<(Vec<u8>, Option<T>)> =
            names.into_iter().map(|(name, known)| (name, Some(known))).collect();
        sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
        sorted.dedup_by(|later, kept| {
            let alike = later.0 == kept.0;
            if alike {
                kept.1 = later.1.take();
            }
            alike
        });
        Self { sorted, next: 0, folded: None }
    }
}

impl<T> Names<T> {
    /// What is known of a name; `None` if it is not there, or was taken before.
    pub(crate) fn take(&mut self, name: &[u8]) -> Option<T> {
        let at = match self.sorted.get(self.next) {
            Some((next, _)) if next == name => self.next,
            _ => self.sorted.binary_search_by(|(other, _)| other.as_slice().cmp(name)).ok()?,
        };
        self.next = at + 1;
        self.sorted[at].1.take()
    }

    /// The same of a name that `fold` makes the same of; of several such, of the last in order. `None` where `fold` says so.
    pub(crate) fn take_like(&mut self, name: &[u8], fold: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<T> {
        let like = fold(name)?;
        let Self { sorted, folded, .. } = self;
        let folded = folded.get_or_insert_with(|| {
            sorted.iter().enumerate().filter_map(|(at, (name, _))| Some((fold(name)?, at))).collect()
        });
        sorted[*folded.get(&like)?].1.take()
    }

    /// All that was not taken, in order.
    pub(crate) fn rest(self) -> impl Iterator<Item = (Vec<u8>, T)> {
        self.sorted.into_iter().filter_map(|(name, known)| Some((name, known?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[(&str, u8)]) -> Names<u8> {
        list.iter().map(|&(name, known)| (name.as_bytes().to_vec(), known)).collect()
    }

    #[test]
    fn are_taken_once_in_any_order() {
        let mut names = names(&[("c", 3), ("a", 1), ("b", 2), ("d", 4)]);
        assert_eq!(names.take(b"b"), Some(2));
        assert_eq!(names.take(b"c"), Some(3));
        assert_eq!(names.take(b"b"), None);
        assert_eq!(names.take(b"x"), None);
        assert_eq!(names.take_like(b"D", |_| None), None);
        assert_eq!(names.take_like(b"D", |name| Some(name.to_ascii_lowercase())), Some(4));
        assert_eq!(names.take_like(b"D", |name| Some(name.to_ascii_lowercase())), None);
        assert_eq!(names.rest().collect::<Vec<_>>(), [(b"a".to_vec(), 1)]);
    }

    #[test]
    fn of_several_alike_the_last_is_there() {
        let mut names = names(&[("a", 1), ("b", 2), ("a", 3)]);
        assert_eq!(names.take(b"a"), Some(3));
        assert_eq!(names.take(b"a"), None);
        assert_eq!(names.rest().count(), 1);
    }
}
