//! Which rules apply: a built-in policy or a policy file, and what the command line adds to it.
//!
//! Nothing is guessed: an unknown key, rule or policy, or a pattern that can never match, is an error; in a file, with
//! its line and column. Nothing is read but by functions that the caller gives.

mod accept;
mod built_in;
mod error;
mod file;
mod keys;
mod own_content;
mod own_rule;
mod selection;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use accept::{Accept, Seen, hexadecimal};
pub use built_in::{BuiltIn, built_in_policies};
pub use error::{FileError, PolicyError};
pub use file::Around;
pub use selection::{Overrides, Selection};

use self::built_in::BUILT_IN;
use crate::{
    Rule,
    content::{ContentRule, Key},
    nearest::nearest,
    pattern::Pattern,
    rules,
};

/// How much something weighs in an audit, if the policy says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// It fails what it answers.
    Fail,
    /// Somebody has to decide.
    Warn,
    /// It belongs in the picture.
    Info,
    /// Nobody asks.
    Off,
}

/// Rules by id, and patterns: what a policy says, resolved.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    base: &'static str,
    rules: BTreeSet<&'static str>,
    /// Rules that the policy defines, in the order in which it does.
    own: Vec<&'static Rule>,
    content: Vec<&'static ContentRule>,
    levels: BTreeMap<String, Level>,
    accept: Vec<Accept>,
    /// Of the digests that are accepted.
    key: Option<Key>,
    remove: Vec<String>,
    keep: Vec<String>,
    remove_users: Vec<String>,
    keep_users: Vec<String>,
}

impl Policy {
    /// A policy that comes with diskscrub, by name.
    pub fn built_in(name: &str) -> Result<Self, PolicyError> {
        let Some(built_in) = BUILT_IN.iter().find(|policy| policy.name == name) else {
            let nearest = nearest(name, BUILT_IN.iter().map(|policy| policy.name));
            return Err(PolicyError::UnknownPolicy { name: name.to_owned(), nearest });
        };
        let mut policy = Self { base: built_in.name, ..Self::default() };
        if name != "none" {
            policy.rules.extend(rules::all().filter(|rule| rule.default).map(|rule| rule.id));
        }
        for (id, _) in built_in.on {
            policy.rules.insert(find_rule(id)?.id);
        }
        Ok(policy)
    }

    /// The built-in policy that it is, or starts from.
    #[must_use]
    pub const fn base(&self) -> &'static str {
        self.base
    }

    /// The rules that it defines itself, in the order in which it does.
    #[must_use]
    pub fn own_rules(&self) -> &[&'static Rule] {
        &self.own
    }

    /// The rule of this id, be it the policy's own; the error names the nearest one.
    pub fn find_rule(&self, id: &str) -> Result<&'static Rule, PolicyError> {
        let mut known = self.own.iter().copied().chain(rules::all());
        known.find(|rule| rule.id == id).ok_or_else(|| {
            let known = self.own.iter().copied().chain(rules::all());
            PolicyError::UnknownRule { id: id.to_owned(), nearest: nearest(id, known.map(|rule| rule.id)) }
        })
    }
}

/// The rule of this id; the error names the nearest one.
pub fn find_rule(id: &str) -> Result<&'static Rule, PolicyError> {
    rules::get(id).ok_or_else(|| PolicyError::UnknownRule {
        id: id.to_owned(),
        nearest: nearest(id, rules::all().map(|rule| rule.id)),
    })
}

fn pattern(glob: &str) -> Result<Pattern, PolicyError> {
    Pattern::parse(glob).map_err(|reason| PolicyError::Pattern { glob: glob.to_owned(), reason })
}
