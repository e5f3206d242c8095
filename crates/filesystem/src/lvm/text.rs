//! The text of a volume group: sections of numbers, strings and lists, as lvm2 writes it (`libdm-config`).
//!
//! Strict: what lvm2 does not write is an error with its line. Depth, length and number of values are bounded; errors
//! quote nothing of the text.

use std::ops::Range;

use block::{Object, Result};

/// Sections within sections: lvm2 writes four.
const MAX_DEPTH: usize = 8;
/// Values and sections in a text.
const MAX_NODES: usize = 1 << 18;

/// A value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Number(i64),
    Text(String),
    List(Vec<Value>),
}

/// What stands behind a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Value(Value),
    Section(Section),
}

/// Named nodes, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) entries: Vec<Entry>,
}

/// One name, and what stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) node: Node,
    /// The bytes of a value.
    pub(super) span: Range<usize>,
    pub(super) line: u64,
}

impl Section {
    /// The node of a name.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.entries.iter().find(|entry| entry.name == name).map(|entry| &entry.node)
    }

    /// The sections in it, with their names.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&str, &Section)> {
        self.entries.iter().filter_map(|entry| match &entry.node {
            Node::Section(section) => Some((&*entry.name, section)),
            Node::Value(_) => None,
        })
    }
}

/// Reads a text; it may end with zeros.
pub(super) fn parse(text: &[u8]) -> Result<Section> {
    let end = text.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let mut parser = Parser { text: &text[..end], at: 0, line: 1, nodes: 0 };
    parser.section(0)
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    line: u64,
    nodes: usize,
}

impl Parser<'_> {
    fn wrong(&self, expected: &'static str) -> block::Error {
        let found = match self.peek() {
            None => "its end".to_owned(),
            Some(byte) if byte.is_ascii_punctuation() => format!("'{}'", char::from(byte)),
            Some(_) => "something else".to_owned(),
        };
        Object::numbered("LVM2 metadata line", self.line).corrupt("text", found, expected)
    }

    fn too_much(&self, what: &'static str, most: usize) -> block::Error {
        let found = format!("more than {most}");
        Object::numbered("LVM2 metadata line", self.line).corrupt(what, found, format!("at most {most}"))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn step(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    /// Passes white space and comments.
    fn blank(&mut self) {
        while let Some(byte) = self.peek() {
            if byte == b'#' {
                while self.peek().is_some_and(|byte| byte != b'\n') {
                    self.at += 1;
                }
            } else if byte.is_ascii_whitespace() {
                self.step();
            } else {
                break;
            }
        }
    }

    fn take(&mut self, byte: u8, expected: &'static str) -> Result<()> {
        self.blank();
        if self.peek() != Some(byte) {
            return Err(self.wrong(expected));
        }
        self.step();
        Ok(())
    }

    fn count(&mut self) -> Result<()> {
        self.nodes += 1;
        if self.nodes > MAX_NODES { Err(self.too_much("number of values", MAX_NODES)) } else { Ok(()) }
    }

    /// The names of a section up to its brace, or of the whole text up to its end.
    fn section(&mut self, depth: usize) -> Result<Section> {
        if depth > MAX_DEPTH {
            return Err(self.too_much("depth of sections", MAX_DEPTH));
        }
        let mut section = Section::default();
        loop {
            self.blank();
            match self.peek() {
                None if depth == 0 => break,
                Some(b'}') if depth > 0 => {
                    self.step();
                    break;
                }
                _ => {}
            }
            let line = self.line;
            let name = self.name()?;
            self.count()?;
            self.blank();
            let mut span = self.at..self.at;
            let node = if self.peek() == Some(b'{') {
                self.step();
                Node::Section(self.section(depth + 1)?)
            } else {
                self.take(b'=', "'=' or '{'")?;
                self.blank();
                span.start = self.at;
                let value = self.value(true)?;
                span.end = self.at;
                Node::Value(value)
            };
            section.entries.push(Entry { name, node, span, line });
        }
        self.unique(&section)?;
        Ok(section)
    }

    fn unique(&self, section: &Section) -> Result<()> {
        let mut names: Vec<(&str, u64)> =
            section.entries.iter().map(|entry| (&*entry.name, entry.line)).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(Object::numbered("LVM2 metadata line", pair[1].1).corrupt(
                "name",
                format_args!("that of line {}", pair[0].1),
                "each name once",
            )),
            None => Ok(()),
        }
    }

    /// A name of lvm2: letters, digits and `+_.-`.
    fn name(&mut self) -> Result<String> {
        let from = self.at;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"+_.-".contains(&byte);
        while self.peek().is_some_and(legal) {
            self.at += 1;
        }
        if from == self.at {
            return Err(self.wrong("a name"));
        }
        Ok(self.text[from..self.at].iter().map(|&byte| char::from(byte)).collect())
    }

    fn value(&mut self, lists: bool) -> Result<Value> {
        self.count()?;
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'[') if lists => self.list(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.wrong("a number, a string or a list")),
        }
    }

    fn number(&mut self) -> Result<Value> {
        let from = self.at;
        self.at += 1;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = std::str::from_utf8(&self.text[from..self.at]).ok();
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(self.wrong("a number of 64 bits before it")),
        }
    }

    /// A quote and a backslash inside are escaped by a backslash.
    fn string(&mut self) -> Result<Value> {
        self.step();
        let mut bytes = Vec::new();
        loop {
            match self.peek() {
                None => return Err(self.wrong("the end of a string")),
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(byte @ (b'"' | b'\\')) => bytes.push(byte),
                        _ => return Err(self.wrong("'\"' or '\\' behind a '\\'")),
                    }
                }
                Some(byte) => bytes.push(byte),
            }
            self.step();
        }
        self.step();
        Ok(Value::Text(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn list(&mut self) -> Result<Value> {
        self.step();
        let mut values = Vec::new();
        self.blank();
        if self.peek() == Some(b']') {
            self.step();
            return Ok(Value::List(values));
        }
        loop {
            self.blank();
            values.push(self.value(false)?);
            self.blank();
            match self.peek() {
                Some(b',') => self.step(),
                Some(b']') => break,
                _ => return Err(self.wrong("',' or ']'")),
            }
        }
        self.step();
        Ok(Value::List(values))
    }
}

/// The parts of a text that quote whoever wrote it last: the value of `description`, which is a command line and may
/// name what it removed, and the `creation_host` with the comment on its line. lvm2 prints them and uses them for
/// nothing (`lib/format_text/import.c`).
pub(super) fn history(text: &[u8]) -> Result<Vec<Range<usize>>> {
    let root = parse(text)?;
    let mut found = Vec::new();
    for entry in &root.entries {
        let Node::Value(Value::Text(_)) = entry.node else { continue };
        match &*entry.name {
            "description" => found.push(entry.span.clone()),
            "creation_host" => found.push(entry.span.start..comment_end(text, entry.span.end)),
            _ => {}
        }
    }
    Ok(found)
}

/// Where the comment behind a value ends, as the parser ends it, zeros in it or not: what is left of one would be read.
/// Without one, `at`: another name may stand on the line.
fn comment_end(text: &[u8], at: usize) -> usize {
    let end = text.iter().rposition(|&byte| byte != 0).map_or(at, |last| at.max(last + 1));
    let rest = &text[at..end];
    let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    match rest.get(blank) {
        Some(b'#') => at + rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()),
        _ => at,
    }
}

/// An empty string, and blanks up to the old end.
pub(super) fn forget(text: &mut [u8]) -> Result<()> {
    for range in history(text)? {
        let part = &mut text[range];
        let lines: Vec<bool> = part.iter().map(|&byte| byte == b'\n').collect();
        part.fill(b' ');
        // Lines stay lines.
        for (byte, is_end) in part.iter_mut().zip(lines) {
            if is_end {
                *byte = b'\n';
            }
        }
        part[..2].fill(b'"');
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "vg-0 {\nid = \"a-b\"\nseqno = 7\nflags = []\nlist = [\"pv0\", 0,\n\"x\\\"\\\\\", -1]\n\nlv {\n}\n}\n# Generated\n\ndescription = \"Write from lvchange --deltag SECRET \\\"x\\\"\"\n\ncreation_host = \"host\"\t# Linux host 6.1\ncreation_time = 5\t# day\n\0";

    #[test]
    fn reads_what_lvm2_writes() {
        let root = parse(TEXT.as_bytes()).unwrap();
        let Some(Node::Section(group)) = root.get("vg-0") else { panic!("no section") };
        assert_eq!(group.get("seqno"), Some(&Node::Value(Value::Number(7))));
        assert_eq!(group.get("flags"), Some(&Node::Value(Value::List(Vec::new()))));
        let list =
            vec![Value::Text("pv0".into()), Value::Number(0), Value::Text("x\"\\".into()), Value::Number(-1)];
        assert_eq!(group.get("list"), Some(&Node::Value(Value::List(list))));
        assert_eq!(group.sections().map(|(name, _)| name).collect::<Vec<_>>(), ["lv"]);
    }

    #[test]
    fn a_comment_is_forgotten_to_its_end_and_nothing_else() {
        for (text, left) in [
            ("creation_host = \"host\"\t# a\0\0 host\nseqno = 7\n\0", &[("seqno", 7)][..]),
            ("creation_host = \"host\" # a host\0 of whom\0\0", &[]),
            ("creation_host = \"host\" list = [1,\n2]\nseqno = 7\n", &[("seqno", 7)]),
            ("creation_host = \"host\"", &[]),
        ] {
            let mut forgotten = text.as_bytes().to_vec();
            forget(&mut forgotten).unwrap();
            let root = parse(&forgotten).unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert!(!String::from_utf8_lossy(&forgotten).contains(" host"), "{text:?}");
            assert_eq!(root.get("creation_host"), Some(&Node::Value(Value::Text(String::new()))));
            for (name, value) in left {
                assert_eq!(root.get(name), Some(&Node::Value(Value::Number(*value))), "{text:?}");
            }
        }
    }

    #[test]
    fn forgets_who_wrote_it() {
        let mut text = TEXT.as_bytes().to_vec();
        forget(&mut text).unwrap();
        assert_eq!(text.len(), TEXT.len());
        let said = String::from_utf8(text.clone()).unwrap();
        assert!(!said.contains("SECRET") && !said.contains("Linux host") && !said.contains("\"host\""));
        let root = parse(&text).unwrap();
        assert_eq!(root.get("description"), Some(&Node::Value(Value::Text(String::new()))));
        assert_eq!(root.get("creation_time"), Some(&Node::Value(Value::Number(5))));
        let before = text.clone();
        forget(&mut text).unwrap();
        assert_eq!(text, before);
    }

    #[test]
    fn what_lvm2_does_not_write_is_refused() {
        let deep = "a {".repeat(10);
        let many = format!("a = [{}1]", "1,".repeat(MAX_NODES));
        for (text, error) in [
            ("a", "text is its end, expected '=' or '{'"),
            ("a = ", "text is its end, expected a number, a string or a list"),
            ("a = 1.5", "text is its end, expected '=' or '{'"),
            ("a = [[1]]", "text is '[', expected a number, a string or a list"),
            ("a = [1 2]", "text is something else, expected ',' or ']'"),
            ("a = \"b", "text is its end, expected the end of a string"),
            ("a = \"\\n\"", "text is something else, expected '\"' or '\\' behind a '\\'"),
            ("a = 99999999999999999999", "text is its end, expected a number of 64 bits before it"),
            ("a {", "text is its end, expected a name"),
            ("}", "text is '}', expected a name"),
            ("a = 1 a = 2", "name is that of line 1, expected each name once"),
            (&deep, "depth of sections is more than 8, expected at most 8"),
            (&many, "number of values is more than 262144, expected at most 262144"),
        ] {
            let found = parse(text.as_bytes()).unwrap_err().to_string();
            assert_eq!(found, format!("LVM2 metadata line 1: {error}"));
        }
    }
}
