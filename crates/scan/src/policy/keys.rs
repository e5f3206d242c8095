//! A table of a policy file whose keys and values know their places, so that every complaint can point at one.

use std::fmt::Display;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{FileError, error::hint};
use crate::nearest::nearest;

/// The text of a policy file, and what it is called.
#[derive(Clone, Copy)]
pub(super) struct Document<'d> {
    pub(super) name: &'d str,
    pub(super) text: &'d str,
}

impl Document<'_> {
    /// A complaint about what stands at this byte.
    pub(super) fn error(&self, at: usize, what: impl Display) -> FileError {
        let (line, column) = self.place(at);
        FileError { file: self.name.to_owned(), line, column, what: what.to_string() }
    }

    /// `policy.toml:12:8`.
    pub(super) fn spot(&self, at: usize) -> String {
        let (line, column) = self.place(at);
        format!("{}:{line}:{column}", self.name)
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let before: String =
            self.text.char_indices().take_while(|(byte, _)| *byte < at).map(|(_, c)| c).collect();
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        (1 + before.matches('\n').count(), 1 + before[start..].chars().count())
    }
}

/// Something of the file, and the byte where it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<T> {
    pub(super) at: usize,
    pub(super) value: T,
}

/// A table.
#[derive(Clone, Copy)]
pub(super) struct Table<'d> {
    pub(super) document: Document<'d>,
    /// In words: `a policy`, `an [[accept]]`.
    what: &'static str,
    pub(super) at: usize,
    table: &'d DeTable<'d>,
}

impl<'d> Table<'d> {
    /// A table that has no keys but these.
    pub(super) fn new(
        document: Document<'d>,
        what: &'static str,
        at: usize,
        table: &'d DeTable<'d>,
        keys: &[&str],
    ) -> Result<Self, FileError> {
        let unknown = table.keys().filter(|key| !keys.contains(&key.get_ref().as_ref()));
        if let Some(key) = unknown.min_by_key(|key| key.span().start) {
            let name = key.get_ref().as_ref();
            let hint = hint(&nearest(name, keys.iter().copied()));
            return Err(document.error(key.span().start, format_args!("{what} has no key {name:?}{hint}")));
        }
        Ok(Self { document, what, at, table })
    }

    pub(super) fn error(&self, at: usize, what: impl Display) -> FileError {
        self.document.error(at, what)
    }

    fn get(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.table.get(key)
    }

    fn wrong(&self, value: &Spanned<DeValue<'_>>, key: &str, expected: &str) -> FileError {
        self.error(value.span().start, format_args!("the key {key:?} must be {expected}"))
    }

    fn missing(&self, key: &str) -> FileError {
        self.error(self.at, format_args!("{} needs the key {key:?}", self.what))
    }

    /// Whether the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// A string. `expected` says what of.
    pub(super) fn string(&self, key: &str, expected: &str) -> Result<Option<At<&'d str>>, FileError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let text = value.get_ref().as_str().ok_or_else(|| self.wrong(value, key, expected))?;
        Ok(Some(At { at: value.span().start, value: text }))
    }

    /// A string that has to be there, and not blank.
    pub(super) fn text(&self, key: &str) -> Result<At<&'d str>, FileError> {
        let found = self.string(key, "a string")?.ok_or_else(|| self.missing(key))?;
        if found.value.trim().is_empty() {
            return Err(self.error(found.at, format_args!("the key {key:?} must not be empty")));
        }
        Ok(found)
    }

    /// A list of strings; none if there is no such key.
    pub(super) fn strings(&self, key: &str) -> Result<Vec<At<&'d str>>, FileError> {
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        let expected = "a list of strings";
        let list = value.get_ref().as_array().ok_or_else(|| self.wrong(value, key, expected))?;
        list.iter()
            .map(|item| {
                let text = item.get_ref().as_str().ok_or_else(|| self.wrong(item, key, expected))?;
                Ok(At { at: item.span().start, value: text })
            })
            .collect()
    }

    /// A list of strings with at least one in it.
    pub(super) fn some_strings(&self, key: &str) -> Result<Vec<At<&'d str>>, FileError> {
        let list = self.strings(key)?;
        match self.get(key) {
            None => Err(self.missing(key)),
            Some(value) if list.is_empty() => {
                Err(self.error(value.span().start, format_args!("the key {key:?} must not be empty")))
            }
            Some(_) => Ok(list),
        }
    }

    /// A number that is not above `most`.
    pub(super) fn number(&self, key: &str, most: usize) -> Result<Option<At<usize>>, FileError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let wrong = || self.wrong(value, key, &format!("a number from 0 to {most}"));
        let digits = value.get_ref().as_integer().ok_or_else(wrong)?;
        let number = usize::from_str_radix(digits.as_str(), digits.radix()).map_err(|_| wrong())?;
        if number > most {
            return Err(wrong());
        }
        Ok(Some(At { at: value.span().start, value: number }))
    }

    /// One word of several.
    pub(super) fn choice<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Result<Option<At<T>>, FileError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let found = value.get_ref().as_str().and_then(|text| words.iter().find(|(word, _)| *word == text));
        let (_, found) =
            found.ok_or_else(|| self.wrong(value, key, &one_of(words.iter().map(|(word, _)| *word))))?;
        Ok(Some(At { at: value.span().start, value: *found }))
    }

    /// One word of several that has to be there.
    pub(super) fn chosen<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Result<At<T>, FileError> {
        self.choice(key, words)?.ok_or_else(|| self.missing(key))
    }

    /// Tables: `[[key]]`, or a list of inline ones. `what` is what each is in words.
    pub(super) fn tables(
        &self,
        key: &str,
        what: &'static str,
        keys: &[&str],
    ) -> Result<Vec<Self>, FileError> {
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        let wrong = |value| self.wrong(value, key, &format!("tables, each {what}"));
        let list = value.get_ref().as_array().ok_or_else(|| wrong(value))?;
        list.iter()
            .map(|item| {
                let table = item.get_ref().as_table().ok_or_else(|| wrong(item))?;
                Self::new(self.document, what, item.span().start, table, keys)
            })
            .collect()
    }

    /// The entries of a table whose keys are free, in the order of the file.
    pub(super) fn entries<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
    ) -> Result<Vec<(At<&'d str>, T)>, FileError> {
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        let table = value.get_ref().as_table().ok_or_else(|| self.wrong(value, key, "a table"))?;
        let mut entries = Vec::new();
        for (name, value) in table {
            let word = value.get_ref().as_str().and_then(|text| words.iter().find(|(word, _)| *word == text));
            let (_, word) = word.ok_or_else(|| {
                self.wrong(value, name.get_ref(), &one_of(words.iter().map(|(word, _)| *word)))
            })?;
            entries.push((At { at: name.span().start, value: name.get_ref().as_ref() }, *word));
        }
        entries.sort_by_key(|(name, _)| name.at);
        Ok(entries)
    }
}

/// `"a", "b" or "c"`.
fn one_of<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let mut words: Vec<String> = words.map(|word| format!("{word:?}")).collect();
    let last = words.pop().unwrap_or_default();
    if words.is_empty() { last } else { format!("{} or {last}", words.join(", ")) }
}
