//! The lines of sudoers(5), as sudo reads them: continued ones put together, comments left out. Nothing is judged here.
//!
//! toke.l of sudo: a backslash at the end, blanks behind it or not, continues a line, but none that is in a comment. `#`
//! starts a comment unless it is quoted, escaped, or in front of a user's number.

use memchr::memchr;

/// Keywords that start with a `#` and are no comments.
const INCLUDES: [&[u8]; 2] = [b"#include", b"#includedir"];

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// In the file, from 1: the first one of a continued line.
    pub number: usize,
    /// All of it as it is in the file, ends of lines too.
    pub raw: &'a [u8],
    /// What it says, without blanks at both ends; nothing in a comment.
    pub code: Vec<u8>,
}

/// The lines of a file. Their `raw` makes up the file again.
pub fn lines(content: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let (mut rest, mut next) = (content, 1);
    std::iter::from_fn(move || {
        let (whole, number) = (rest, next);
        let (mut code, mut quoted) = (Vec::new(), false);
        loop {
            let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at(end);
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            (rest, next) = (after, next + 1);
            let commented =
                if code.is_empty() && is_include(line) { None } else { comment(line, &mut quoted) };
            match continued(line).filter(|_| commented.is_none() && !rest.is_empty()) {
                Some(length) => code.extend(&line[..length]),
                None => {
                    code.extend(&line[..commented.unwrap_or(line.len())]);
                    break;
                }
            }
        }
        let raw = &whole[..whole.len() - rest.len()];
        (!raw.is_empty()).then(|| Line { number, raw, code: code.trim_ascii().to_vec() })
    })
}

/// The length of a line without the backslash at its end, if there is one.
fn continued(line: &[u8]) -> Option<usize> {
    let length = line.trim_ascii_end().strip_suffix(b"\\")?.len();
    // `\\` is a backslash.
    let escapes = line[..length].iter().rev().take_while(|byte| **byte == b'\\').count();
    (escapes % 2 == 0).then_some(length)
}

fn is_include(line: &[u8]) -> bool {
    line.trim_ascii_start().split(u8::is_ascii_whitespace).next().is_some_and(|word| INCLUDES.contains(&word))
}

/// Where the comment of a line starts. Whether a quote is open goes from line to line that continues it.
fn comment(line: &[u8], quoted: &mut bool) -> Option<usize> {
    let mut at = 0;
    while let Some(byte) = line.get(at) {
        match byte {
            b'\\' => at += 1,
            b'"' => *quoted = !*quoted,
            b'#' if !*quoted => {
                let behind = &line[at + 1..];
                let number = behind.strip_prefix(b"-").unwrap_or(behind);
                if !number.first().is_some_and(u8::is_ascii_digit) {
                    return Some(at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Vec<(usize, String)> {
        let all: Vec<Line<'_>> = lines(content.as_bytes()).collect();
        let whole: Vec<u8> = all.iter().flat_map(|line| line.raw.to_vec()).collect();
        assert_eq!(whole, content.as_bytes());
        all.into_iter().map(|line| (line.number, String::from_utf8(line.code).unwrap())).collect()
    }

    fn says(content: &str, expected: &[(usize, &str)]) {
        let expected: Vec<(usize, String)> =
            expected.iter().map(|&(number, code)| (number, code.to_owned())).collect();
        assert_eq!(read(content), expected, "{content:?}");
    }

    #[test]
    fn what_continues_and_what_does_not() {
        says("", &[]);
        says("a, \\\n\tb\nc", &[(1, "a, \tb"), (3, "c")]);
        says("a, \\ \t\r\nb\r\nc\\", &[(1, "a, b"), (3, "c\\")]);
        // A comment ends with its line, whatever stands at its end.
        says("# x \\\nb\n#\\\nc # y \\\nd", &[(1, ""), (2, "b"), (3, ""), (4, "c"), (5, "d")]);
        says("a \\# x \\\n, b\n", &[(1, "a \\# x , b")]);
        says("D p=\"a # b \\\n c\"\nd # \"x\n", &[(1, "D p=\"a # b  c\""), (3, "d")]);
        says("a \\\\\nb\n", &[(1, "a \\\\"), (2, "b")]);
    }

    #[test]
    fn numbers_and_includes_are_no_comments() {
        says("#1000 A=#-1 # x\n", &[(1, "#1000 A=#-1")]);
        says(
            "#include /a\n #includedir b\n#includes c\n",
            &[(1, "#include /a"), (2, "#includedir b"), (3, "")],
        );
    }
}
