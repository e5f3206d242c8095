//! A policy file: TOML, read with the place of every key and value.
//!
//! Nothing in it is skipped or guessed. The file that it extends is read by the caller's function, and may extend
//! another one.

use std::{
    fmt, io,
    path::{Component, Path, PathBuf},
};

use toml::de::DeTable;

use super::{
    Accept, FileError, Level, Policy, PolicyError,
    accept::{self, hexadecimal},
    error::hint,
    keys::{At, Document, Table},
    own_content, own_rule,
};
use crate::{
    Source,
    content::{self, Key},
    nearest::nearest,
    rules,
};

/// The keys of a policy.
pub(super) const KEYS: &[&str] = &[
    "extends",
    "rules",
    "skip",
    "remove",
    "keep",
    "remove_users",
    "keep_users",
    "rule",
    "content",
    "severity",
    "key",
    "accept",
];
/// What something weighs.
pub(super) const LEVELS: &[(&str, Level)] =
    &[("fail", Level::Fail), ("warn", Level::Warn), ("info", Level::Info), ("off", Level::Off)];
/// Files that extend each other.
const MAX_DEPTH: usize = 8;
/// Characters of an id.
const MAX_ID: usize = 64;
/// Ids of findings that no rule asks for begin so, or are these.
const TAKEN: &[&str] = &["residue", "remnant", "not-retained", "disagreement", "policy"];

/// What surrounds a policy file: other files, and what only callers know.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Reads another policy file.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
    /// Ids of the checks of an audit.
    pub checks: &'a [&'static str],
    /// Bullets of guidelines, towards which a rule may count.
    pub bullets: &'a [Source],
}

impl Around<'_> {
    /// No other file, no check, no guideline.
    pub const NOTHING: Around<'static> =
        Around { read: &|_| Err(io::ErrorKind::NotFound.into()), checks: &[], bullets: &[] };
}

impl fmt::Debug for Around<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Around").field("checks", &self.checks).finish_non_exhaustive()
    }
}

impl Policy {
    /// Reads a policy file that stands alone. docs/policy.md says what is in one.
    pub fn from_toml(text: &str) -> Result<Self, FileError> {
        Self::from_file(Path::new("policy.toml"), text, &Around::NOTHING)
    }

    /// Reads a policy file. `path` is what errors call it, and where the names of other files start from.
    pub fn from_file(path: &Path, text: &str, around: &Around<'_>) -> Result<Self, FileError> {
        read(path, text, around, &mut Vec::new())
    }
}

/// `above`: the files that extend this one.
fn read(path: &Path, text: &str, around: &Around<'_>, above: &mut Vec<PathBuf>) -> Result<Policy, FileError> {
    let name = path.display().to_string();
    let document = Document { name: &name, text };
    let parsed = DeTable::parse(text).map_err(|error| {
        let what = error.message().trim().replace('\n', "; ");
        document
            .error(error.span().map_or(0, |span| span.start), format_args!("this is not valid TOML: {what}"))
    })?;
    let table = Table::new(document, "a policy", 0, parsed.get_ref(), KEYS)?;
    above.push(plain(path));
    let policy = start(&table, path, around, above)?;
    above.pop();
    let mut reader = Reader { policy, around };
    reader.rules(&table)?;
    reader.lists(&table)?;
    reader.judgement(&table)?;
    Ok(reader.policy)
}

/// The same path without `.`, and without `..` where that undoes a name. (Where links lead elsewhere, two files may look
/// like one here; none of them is read in the other's place.)
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// What the policy starts from.
fn start(
    table: &Table<'_>,
    path: &Path,
    around: &Around<'_>,
    above: &mut Vec<PathBuf>,
) -> Result<Policy, FileError> {
    let Some(base) = table.string("extends", "the name of a policy, or of a file")? else {
        return Policy::built_in("default").map_err(|error| table.error(table.at, error));
    };
    let failed = |what: &dyn fmt::Display| table.error(base.at, what);
    if !base.value.contains('/') && !base.value.ends_with(".toml") {
        return Policy::built_in(base.value).map_err(|error| failed(&error));
    }
    let file = path.parent().unwrap_or(Path::new("")).join(base.value);
    if above.contains(&plain(&file)) {
        return Err(failed(&format_args!("{} extends itself", file.display())));
    }
    if above.len() >= MAX_DEPTH {
        return Err(failed(&format_args!("more than {MAX_DEPTH} files extend each other")));
    }
    let text = (around.read)(&file)
        .map_err(|error| failed(&format_args!("{} cannot be read: {error}", file.display())))?;
    read(&file, &text, around, above)
}

/// A policy that grows.
pub(super) struct Reader<'a> {
    policy: Policy,
    pub(super) around: &'a Around<'a>,
}

impl Reader<'_> {
    /// Rules of its own, then which of all rules apply.
    fn rules(&mut self, table: &Table<'_>) -> Result<(), FileError> {
        for rule in table.tables("rule", "a [[rule]]", own_rule::KEYS)? {
            let rule = own_rule::read(self, &rule)?;
            self.policy.own.push(rule);
            self.policy.rules.insert(rule.id);
        }
        for rule in table.tables("content", "a [[content]]", own_content::KEYS)? {
            let rule = own_content::read(self, &rule)?;
            self.policy.content.push(rule);
        }
        let known = |policy: &Policy, id: &At<&str>| {
            policy.find_rule(id.value).map(|rule| rule.id).map_err(|error| table.error(id.at, error))
        };
        for id in table.strings("rules")? {
            let id = known(&self.policy, &id)?;
            self.policy.rules.insert(id);
        }
        for id in table.strings("skip")? {
            let id = known(&self.policy, &id)?;
            self.policy.rules.remove(id);
        }
        Ok(())
    }

    /// Patterns and accounts.
    fn lists(&mut self, table: &Table<'_>) -> Result<(), FileError> {
        let policy = &mut self.policy;
        for (key, list) in [("remove", &mut policy.remove), ("keep", &mut policy.keep)] {
            for glob in table.strings(key)? {
                super::pattern(glob.value).map_err(|error| table.error(glob.at, error))?;
                list.push(glob.value.to_owned());
            }
        }
        let mut named = Vec::new();
        for (key, list) in
            [("remove_users", &mut policy.remove_users), ("keep_users", &mut policy.keep_users)]
        {
            for name in table.strings(key)? {
                list.push(name.value.to_owned());
                named.push(name);
            }
        }
        let both = |name: &str| {
            let listed = |list: &[String]| list.iter().any(|listed| listed == name);
            listed(&policy.remove_users) && listed(&policy.keep_users)
        };
        match named.iter().rev().find(|name| both(name.value)) {
            Some(name) => {
                Err(table.error(name.at, PolicyError::KeptAndRemoved { name: name.value.to_owned() }))
            }
            None => Ok(()),
        }
    }

    /// What findings weigh, and which may stay.
    fn judgement(&mut self, table: &Table<'_>) -> Result<(), FileError> {
        for (id, level) in table.entries("severity", LEVELS)? {
            self.known_any(id.value).map_err(|what| table.error(id.at, what))?;
            self.policy.levels.insert(id.value.to_owned(), level);
        }
        if let Some(key) = table.string("key", "a string")? {
            let bytes = hexadecimal(key.value);
            let bytes = bytes.ok_or_else(|| table.error(key.at, "key must be 64 hexadecimal digits"))?;
            if self.policy.key.is_some_and(|Key(other)| other != bytes) {
                return Err(table.error(key.at, "the policy that this one extends has another key"));
            }
            self.policy.key = Some(Key(bytes));
        }
        let mut accepts = Vec::new();
        for entry in table.tables("accept", "an [[accept]]", accept::KEYS)? {
            let accept = Accept::read(self, &entry)?;
            if accepts.iter().any(|other| accept.same(other)) {
                return Err(table.error(entry.at, "an entry before this one accepts the same"));
            }
            accepts.push(accept);
            if self.policy.key.is_none() && entry.has("digest") {
                return Err(table.error(entry.at, "a digest needs the key that it was made with: \"key\""));
            }
        }
        // What is said nearer to the run is asked first.
        accepts.append(&mut self.policy.accept);
        self.policy.accept = accepts;
        Ok(())
    }

    /// The id of something new.
    pub(super) fn new_id<'t>(&self, table: &Table<'t>) -> Result<&'t str, FileError> {
        let At { at, value: id } = table.text("id")?;
        let letters =
            id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let ends =
            id.starts_with(|c: char| c.is_ascii_lowercase()) && !id.ends_with('-') && !id.contains("--");
        if !letters || !ends || id.len() > MAX_ID {
            let what = "must be words of a-z and 0-9 with single hyphens between them";
            return Err(table.error(at, format_args!("the id {id:?} {what}, {MAX_ID} characters at most")));
        }
        let own = self.policy.own.iter().map(|rule| rule.id);
        let owner = if own.chain(self.policy.content.iter().map(|rule| rule.id)).any(|other| other == id) {
            "another rule of this policy"
        } else if rules::get(id).is_some() || content::rules::get(id).is_some() {
            "a rule of diskscrub's"
        } else if self.around.checks.contains(&id) {
            "a check"
        } else if id.starts_with("residue-") || TAKEN.contains(&id) {
            "a finding that no rule asks for"
        } else {
            return Ok(id);
        };
        Err(table.error(at, format_args!("the id {id:?} is that of {owner}")))
    }

    fn rule_ids(&self) -> impl Iterator<Item = &'static str> {
        let paths = self.policy.own.iter().copied().chain(rules::all()).map(|rule| rule.id);
        let contents = self.policy.content.iter().copied().chain(content::rules::all()).map(|rule| rule.id);
        paths.chain(contents)
    }

    /// Whether there is such a rule, by path or by content.
    pub(super) fn known_any_rule(&self, id: &str) -> Result<(), String> {
        known("rule", id, || self.rule_ids())
    }

    /// Whether there is such a check.
    pub(super) fn known_check(&self, id: &str) -> Result<(), String> {
        known("check", id, || self.around.checks.iter().copied())
    }

    /// Whether there is such a rule or check.
    fn known_any(&self, id: &str) -> Result<(), String> {
        known("check or rule", id, || self.around.checks.iter().copied().chain(self.rule_ids()))
    }
}

fn known<I: Iterator<Item = &'static str>>(what: &str, id: &str, all: impl Fn() -> I) -> Result<(), String> {
    if all().any(|known| known == id) {
        return Ok(());
    }
    Err(format!("there is no {what} {id:?}{}", hint(&nearest(id, all()))))
}
