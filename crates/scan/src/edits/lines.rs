//! Lines and columns, with every byte accounted for: what is put together again unchanged is the same.

/// A line.
pub(super) struct Line<'a> {
    /// Without its end.
    pub(super) text: &'a [u8],
    /// `\n`, `\r\n`, or nothing at the end of the file.
    pub(super) end: &'a [u8],
}

/// What becomes of a line.
pub(super) enum Fate {
    Stays,
    Goes,
    /// Has this text; its end stays.
    Becomes(Vec<u8>),
}

/// The lines of a file.
pub(super) fn lines(content: &[u8]) -> impl Iterator<Item = Line<'_>> {
    content.split_inclusive(|&byte| byte == b'\n').map(|line| {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        Line { text, end: &line[text.len()..] }
    })
}

/// The columns of a line that is about an account or a group; `None` for blank lines, comments, and NIS's `+` and `-`.
pub(super) fn row(text: &[u8]) -> Option<Vec<&[u8]>> {
    if text.trim_ascii().is_empty()
        || text.starts_with(b"#")
        || text.starts_with(b"+")
        || text.starts_with(b"-")
    {
        return None;
    }
    Some(text.split(|&byte| byte == b':').collect())
}

/// Whether every line is a row with a name and at most `columns` columns, or no row. The error names the line.
pub(super) fn check(content: &[u8], columns: usize) -> Result<(), String> {
    for (number, line) in (1..).zip(lines(content)) {
        let Some(row) = row(line.text) else { continue };
        if row.len() < 2 || row.len() > columns || row[0].is_empty() || line.text.contains(&0) {
            return Err(format!("line {number} is not one of such a file"));
        }
    }
    Ok(())
}

/// A file with some lines changed; `None` if none is.
pub(super) fn rewrite(content: &[u8], mut fate: impl FnMut(&[u8]) -> Fate) -> Option<Vec<u8>> {
    let mut new = Vec::with_capacity(content.len());
    for line in lines(content) {
        match fate(line.text) {
            Fate::Stays => new.extend([line.text, line.end].concat()),
            Fate::Goes => {}
            Fate::Becomes(text) => new.extend([&text, line.end].concat()),
        }
    }
    (new != content).then_some(new)
}

/// A row with another value in one column.
pub(super) fn with(row: &[&[u8]], column: usize, value: &[u8]) -> Fate {
    let mut row = row.to_vec();
    row[column] = value;
    Fate::Becomes(row.join(&b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_between_lines() {
        for content in ["", "a", "a\n", "a\r\nb", "\n\n", "a\r", "\r\n \n:\n"] {
            let joined: Vec<u8> =
                lines(content.as_bytes()).flat_map(|line| [line.text, line.end].concat()).collect();
            assert_eq!(joined, content.as_bytes());
            assert_eq!(rewrite(content.as_bytes(), |_| Fate::Stays), None);
        }
    }
}
