//! A finding as the rows of tables and lists show it, whatever its kind.

use std::borrow::Cow;

use verify::{Finding, Place, Tier};

use crate::own_rules;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Certain, or a promise that was not kept.
    Error,
    /// Likely.
    Warning,
    /// Worth a look.
    Note,
}

impl Level {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }

    pub(crate) const fn of(finding: &Finding) -> Self {
        match finding {
            Finding::Secret { tier: Tier::Proven, .. }
            | Finding::Remnant { .. }
            | Finding::Unwanted { .. }
            | Finding::NotRetained { .. } => Self::Error,
            Finding::Secret { tier: Tier::Likely, .. }
            | Finding::Residue { .. }
            | Finding::Disagreement { .. }
            | Finding::Damage { .. } => Self::Warning,
            Finding::Secret { tier: Tier::Context, .. } => Self::Note,
        }
    }
}

/// What every kind of finding has, or lacks.
pub(crate) struct Row<'a> {
    pub(crate) finding: &'a Finding,
    pub(crate) rule: Cow<'a, str>,
    pub(crate) level: Level,
    pub(crate) volume: Option<u32>,
    /// Offset and length.
    pub(crate) bytes: Option<(u64, u64)>,
    pub(crate) place: Option<&'a Place>,
    pub(crate) digest: Option<&'a str>,
}

impl<'a> Row<'a> {
    pub(crate) fn new(finding: &'a Finding) -> Self {
        let (volume, bytes) = match finding {
            Finding::Residue { volume, first, bytes, .. } => (*volume, Some((*first, *bytes))),
            Finding::NotRetained { volume, .. } => (Some(*volume), None),
            Finding::Disagreement { volume, .. } | Finding::Damage { volume, .. } => (*volume, None),
            Finding::Secret { place, .. }
            | Finding::Unwanted { place, .. }
            | Finding::Remnant { place, .. } => (place.volume, Some((place.offset, place.length))),
        };
        Self {
            finding,
            rule: own_rules::id(finding),
            level: Level::of(finding),
            volume,
            bytes,
            place: place(finding),
            digest: digest(finding),
        }
    }
}

/// Where a finding is, if it has one place.
pub(crate) const fn place(finding: &Finding) -> Option<&Place> {
    match finding {
        Finding::Secret { place, .. } | Finding::Unwanted { place, .. } | Finding::Remnant { place, .. } => {
            Some(place)
        }
        Finding::Residue { .. }
        | Finding::NotRetained { .. }
        | Finding::Disagreement { .. }
        | Finding::Damage { .. } => None,
    }
}

/// The keyed digest of what was found, if it was taken.
pub(crate) fn digest(finding: &Finding) -> Option<&str> {
    match finding {
        Finding::Secret { digest, .. } | Finding::Remnant { digest, .. } => Some(digest),
        Finding::Residue { .. }
        | Finding::Unwanted { .. }
        | Finding::NotRetained { .. }
        | Finding::Disagreement { .. }
        | Finding::Damage { .. } => None,
    }
}

/// The findings by rule, the gravest first, each group in the order of the image.
pub(crate) fn groups<'a>(
    findings: impl IntoIterator<Item = &'a Finding>,
) -> Vec<(Cow<'a, str>, Vec<Row<'a>>)> {
    let mut rows: Vec<Row<'a>> = findings.into_iter().map(Row::new).collect();
    let key = |row: &Row<'a>| (row.level, row.bytes.is_some(), row.volume, row.bytes);
    rows.sort_by(|a, b| (a.level, &a.rule).cmp(&(b.level, &b.rule)).then_with(|| key(a).cmp(&key(b))));
    let mut groups: Vec<(Cow<'a, str>, Vec<Row<'a>>)> = Vec::new();
    for row in rows {
        match groups.last_mut() {
            Some((rule, group)) if *rule == row.rule => group.push(row),
            _ => groups.push((row.rule.clone(), vec![row])),
        }
    }
    groups
}
