//! Why a policy cannot be used, each in a sentence; of a file, with line and column.

use crate::edits;

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// No rule has this id.
    #[error("there is no rule {id:?}{}", hint(.nearest))]
    UnknownRule {
        /// As given.
        id: String,
        /// The rule that may be meant.
        nearest: Option<&'static str>,
    },
    /// No policy has this name.
    #[error("there is no policy {name:?}{}", hint(.nearest))]
    UnknownPolicy {
        /// As given.
        name: String,
        /// The policy that may be meant.
        nearest: Option<&'static str>,
    },
    /// A pattern that is none, or never matches.
    #[error("the pattern {glob:?} cannot be used: {reason}")]
    Pattern {
        /// As given.
        glob: String,
        /// Why.
        reason: String,
    },
    /// An account that the command line names is not in the image.
    #[error("there is no account {name:?}; the image has {}", or_none(.known))]
    UnknownAccount {
        /// As given.
        name: String,
        /// Root and people's accounts.
        known: Vec<String>,
    },
    /// An account that is to go is the system's.
    #[error("the account {name:?} cannot be removed: it is the system's, by its number {uid}")]
    SystemAccount {
        /// As given.
        name: String,
        /// Its number.
        uid: u32,
    },
    /// An account is to stay and to go.
    #[error("the account {name:?} is to be kept and to be removed")]
    KeptAndRemoved {
        /// As given.
        name: String,
    },
}

/// What is wrong with a policy file, and where: `policy.toml:12:8: there is no rule "ssh-hostkeys"; ...`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {what}")]
pub struct FileError {
    /// The file, as it was named.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong, in a sentence without a full stop.
    pub what: String,
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() { "none that can be named".to_owned() } else { edits::names(names) }
}

/// `; did you mean "x"?`, if there is one.
pub(super) fn hint(nearest: &Option<&str>) -> String {
    nearest.map(|nearest| format!("; did you mean {nearest:?}?")).unwrap_or_default()
}
