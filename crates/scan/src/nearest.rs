//! The known word nearest to one that is not known, for error messages.

/// The nearest of `known`, if any is near: at most a third of the letters differ.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let limit = word.chars().count().max(3) / 3 + 1;
    known
        .into_iter()
        .map(|known| (distance(word, known), known))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= limit)
        .map(|(_, known)| known)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    // A word from a policy file can be of any length; ours are short.
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(100).enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        for (y, above) in b.iter().zip(row.iter_mut().skip(1)) {
            let here = (corner + usize::from(x != *y)).min(left + 1).min(*above + 1);
            corner = *above;
            *above = here;
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_typo() {
        let known = ["ssh-host-keys", "ssh-user-keys", "machine-id"];
        assert_eq!(nearest("ssh-hostkeys", known), Some("ssh-host-keys"));
        assert_eq!(nearest("machineid", known), Some("machine-id"));
        assert_eq!(nearest("bitcoin", known), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
