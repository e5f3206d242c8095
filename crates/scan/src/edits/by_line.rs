//! Edits that a policy file describes: lines that a regular expression matches go, or have that part replaced.
//!
//! What is not text is refused, as is an edit that would find its own result again: sanitizing twice changes nothing.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use block::to_usize;
use regex_automata::meta::Regex;

use super::{
    MAX_FILE, Outcome, Rewrite,
    lines::{self, Fate},
};
use crate::content::compile;

/// What becomes of the lines that match.
#[derive(Clone)]
pub struct LineEdit {
    pattern: String,
    /// `None`: the line goes.
    with: Option<String>,
    regex: Regex,
}

impl LineEdit {
    /// Lines that match the regular expression (over bytes, without Unicode) go; or, with a text, every part that
    /// matches becomes that text. The error says why it is no regular expression, as the end of a sentence.
    pub fn new(pattern: &str, with: Option<&str>) -> Result<Self, String> {
        Ok(Self { regex: compile(pattern)?, pattern: pattern.to_owned(), with: with.map(str::to_owned) })
    }

    /// The line with its matches replaced; `None` if that changes nothing. What has more than `room` bytes is not
    /// complete.
    fn replaced(&self, with: &str, line: &[u8], room: usize) -> Option<Vec<u8>> {
        let (mut new, mut end) = (Vec::new(), 0);
        for found in self.regex.find_iter(line) {
            new.extend_from_slice(&line[end..found.start()]);
            new.extend_from_slice(with.as_bytes());
            end = found.end();
            if new.len() > room {
                return Some(new);
            }
        }
        new.extend_from_slice(&line[end..]);
        (new != line).then_some(new)
    }
}

/// The edits of one rule, made in order in every line.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LineEdits(Vec<LineEdit>);

impl LineEdits {
    /// These, in this order.
    #[must_use]
    pub const fn new(edits: Vec<LineEdit>) -> Self {
        Self(edits)
    }

    /// Each in words: `delete "^token="`.
    pub fn described(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|edit| format!("{edit:?}"))
    }

    /// Edits a file; see [`super::edit`].
    pub(super) fn apply(&self, content: &[u8]) -> Result<Outcome, String> {
        if content.contains(&0) {
            return Err("it is not text".to_owned());
        }
        let Some(rewrite) = self.once(content)? else { return Ok(Outcome::default()) };
        if self.once(&rewrite.content)?.is_some() {
            return Err("the edit would change its own result again".to_owned());
        }
        Ok(Outcome { rewrite: Some(rewrite), notes: Vec::new() })
    }

    fn once(&self, content: &[u8]) -> Result<Option<Rewrite>, String> {
        let most = to_usize(MAX_FILE);
        // What comes out is bounded as what goes in is, however often a text is put in.
        let (mut gone, mut changed, mut size) = (0_usize, 0_usize, 0_usize);
        let new = lines::rewrite(content, |text| {
            let mut line = None::<Vec<u8>>;
            for edit in self.0.iter().filter(|_| size <= most) {
                let now = line.as_deref().unwrap_or(text);
                match &edit.with {
                    None if edit.regex.is_match(now) => {
                        gone += 1;
                        return Fate::Goes;
                    }
                    None => {}
                    Some(with) => line = edit.replaced(with, now, most).or(line),
                }
            }
            size = size.saturating_add(line.as_ref().map_or(text.len(), Vec::len));
            match line.filter(|line| line != text && size <= most) {
                Some(line) => {
                    changed += 1;
                    Fate::Becomes(line)
                }
                None => Fate::Stays,
            }
        });
        if size > most {
            return Err(format!("it would have more than {MAX_FILE} bytes"));
        }
        let Some(content) = new else { return Ok(None) };
        let lines = |number: usize, one: &str, what: &str| match number {
            0 => None,
            1 => Some(format!("{one} 1 line")),
            _ => Some(format!("{one} {number} {what}")),
        };
        let changes = [lines(gone, "deletes", "lines"), lines(changed, "changes", "lines")];
        Ok(Some(Rewrite { content, changes: changes.into_iter().flatten().collect() }))
    }
}

impl PartialEq for LineEdit {
    fn eq(&self, other: &Self) -> bool {
        (&self.pattern, &self.with) == (&other.pattern, &other.with)
    }
}

impl Eq for LineEdit {}

impl Hash for LineEdit {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.pattern, &self.with).hash(state);
    }
}

/// What it does; the digest of a policy covers this.
impl fmt::Debug for LineEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.with {
            None => write!(f, "delete {:?}", self.pattern),
            Some(with) => write!(f, "replace {:?} with {with:?}", self.pattern),
        }
    }
}

impl fmt::Debug for LineEdits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(edits: &[(&str, Option<&str>)], content: &[u8]) -> Result<Option<(Vec<u8>, String)>, String> {
        let edits = edits.iter().map(|(pattern, with)| LineEdit::new(pattern, *with).unwrap()).collect();
        let outcome = LineEdits::new(edits).apply(content)?;
        Ok(outcome.rewrite.map(|rewrite| (rewrite.content, rewrite.changes.join(", "))))
    }

    #[test]
    fn lines_go_or_change_and_all_else_stays() {
        let edits = [("^# built by", None), ("proxy=[^ ]*", Some("proxy=")), ("(?i)^debug$", Some("quiet"))];
        let text = b"# built by joe\r\na proxy=http://x:y@z b proxy=q\r\n\n\xff DEBUG\nDeBuG";
        let after = b"a proxy= b proxy=\r\n\n\xff DEBUG\nquiet";
        let (content, changes) = edited(&edits, text).unwrap().unwrap();
        assert_eq!(content, after);
        assert_eq!(changes, "deletes 1 line, changes 2 lines");
        assert_eq!(edited(&edits, after), Ok(None), "twice changes nothing");
        assert_eq!(edited(&edits, b""), Ok(None));
        // A line is judged as the edits before have left it.
        let chain = [("a", Some("b")), ("^b$", None)];
        assert_eq!(edited(&chain, b"a\nc").unwrap().unwrap().0, b"c");
    }

    #[test]
    fn what_cannot_be_edited_is_left_alone() {
        let refused = |edits: &[_], content: &[u8]| edited(edits, content).unwrap_err();
        assert_eq!(refused(&[("^a", None)], b"a\n\0"), "it is not text");
        let again = "the edit would change its own result again";
        assert_eq!(refused(&[("a", Some("aa"))], b"a\n"), again);
        assert_eq!(refused(&[("^", Some("# "))], b"a\n"), again);
        let with = "b".repeat(1000);
        let much = format!("it would have more than {MAX_FILE} bytes");
        assert_eq!(refused(&[("a", Some(&with))], &b"a\n".repeat(2000)), much);
        assert_eq!(refused(&[("a", Some(&with))], &b"a".repeat(1 << 20)), much);
        assert!(LineEdit::new("(", None).unwrap_err().contains("unclosed group"));
    }

    #[test]
    fn what_it_does_can_be_read() {
        let edits = vec![LineEdit::new("^a", None).unwrap(), LineEdit::new("b", Some("c")).unwrap()];
        assert_eq!(format!("{:?}", LineEdits::new(edits)), r#"[delete "^a", replace "b" with "c"]"#);
    }
}
