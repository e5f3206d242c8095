//! A check: one record that says what to look at, what it means, and what to do about it.

use block::{Error, Result};
use scan::GuestPath;
use serde::Serialize;

use crate::{System, checks};

/// How bad an observation is. The first is the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The guideline is not met.
    Fail,
    /// It cannot be decided from the image.
    Unknown,
    /// Somebody has to decide: it may be meant.
    Warn,
    /// A fact that belongs in the picture.
    Info,
}

/// What a check saw. Names and settings, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observation {
    /// The check's id.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The line in it, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What it is, in a sentence without a full stop.
    pub what: String,
}

impl Observation {
    /// Of no file.
    #[must_use]
    pub fn new(severity: Severity, what: impl Into<String>) -> Self {
        Self { check: "", severity, path: None, line: None, what: what.into() }
    }

    /// Shown by this file.
    #[must_use]
    pub fn at(mut self, path: &GuestPath) -> Self {
        self.path = Some(path.to_string());
        self
    }

    /// In this line of it, from 1.
    #[must_use]
    pub fn line(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }
}

/// One check: the report and docs/guidelines.md come from this record.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Kebab-case, for ever the same, and no rule's.
    pub id: &'static str,
    /// A few words, for a list.
    pub heading: &'static str,
    /// What is looked at, and what it means.
    pub explain: &'static str,
    /// What to do if it fails.
    pub advice: &'static str,
    /// Looks. Observations need not name the check.
    pub run: fn(&System<'_, '_>) -> Result<Vec<Observation>>,
}

/// All that all checks see, in the order of the registry; worst first within a check. What cannot be read leaves its
/// check undecided; fails only if the medium does.
pub fn observe(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let mut all = Vec::new();
    for check in checks::all() {
        let mut seen = match (check.run)(system) {
            Ok(seen) => seen,
            Err(error @ Error::Io(_)) => return Err(error),
            Err(error) => vec![Observation::new(Severity::Unknown, error.to_string())],
        };
        seen.iter_mut().for_each(|observation| observation.check = check.id);
        seen.sort_by_key(|observation| observation.severity);
        all.append(&mut seen);
    }
    Ok(all)
}
