//! A content rule: one record that says what a secret looks like, and what tells it from what only looks like one.

use std::{fmt, ops::Range};

use regex_automata::util::captures::Captures;
use serde::Serialize;

use super::pattern::{Pattern, Scratch};

/// How many matches around one anchor are checked: more only occur in text made for it.
const TRIES: usize = 4;

/// How sure a content rule is of what it found. The first is the surest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Its structure or a checksum proves it.
    Proven,
    /// A distinctive prefix, the right length and alphabet, and enough entropy.
    Likely,
    /// Only what stands beside it says so. Counts where nothing live lies, and in files that are known to hold
    /// such things; not in any live file.
    Context,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proven => "proven",
            Self::Likely => "likely",
            Self::Context => "by context",
        })
    }
}

/// One rule: the report, `rules explain` and docs/rules.md all come from this record.
///
/// No rule asks for a delimiter. On a disk anything may stand before and behind a secret: NUL, another file's
/// text, noise. The pattern may only say where the secret's own alphabet ends.
#[derive(Debug, Clone, Copy)]
pub struct ContentRule {
    /// Kebab-case, for ever the same, and no path rule's.
    pub id: &'static str,
    /// A few words, for a list.
    pub heading: &'static str,
    /// What it opens, how it is recognised, what is checked.
    pub explain: &'static str,
    /// The document that defines the format.
    pub source: &'static str,
    /// How sure it is.
    pub tier: Tier,
    /// One of these bytes strings is in every match, in the case that it has here. The longer and the rarer, the
    /// cheaper: at least three bytes, better four or more; none that common text or code is full of. Rules may
    /// share anchors.
    pub anchors: &'static [&'static [u8]],
    /// A regular expression over bytes, without Unicode, `.` without newline. The secret is the group named
    /// `secret`, else the first group, else the whole match.
    pub pattern: &'static str,
    /// How many bytes of a match may stand before its anchor; at most [`ContentRule::MAX_BEFORE`]. 0: every match starts with an anchor, which is much
    /// the cheapest.
    pub before: usize,
    /// How many bytes a match may take from its anchor's first byte on; at most [`ContentRule::MAX_REACH`].
    pub reach: usize,
    /// What a match must pass: a checksum, a decoding, entropy, no placeholder.
    pub check: fn(&Candidate<'_>) -> bool,
}

/// There is one rule of an id.
impl PartialEq for ContentRule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for ContentRule {}

impl ContentRule {
    /// The most that `reach` may be.
    pub const MAX_REACH: usize = 16 << 10;
    /// The most that `before` may be.
    pub const MAX_BEFORE: usize = 4 << 10;

    /// The compiled pattern. Fails if it is no regular expression, which a test excludes for all records.
    pub(crate) fn compile(&self) -> Result<Pattern, String> {
        Pattern::new(self.pattern)
    }

    /// The match that belongs to the anchor at `anchor`: the first in its window from `floor` on that starts at
    /// the anchor or before it. `scratch` is the pattern's. Returns the secret and the end of the match. `looked`
    /// grows by the bytes that may have been looked at.
    pub(crate) fn confirm(
        &self,
        pattern: &Pattern,
        scratch: &mut Scratch,
        buffer: &[u8],
        anchor: usize,
        floor: usize,
        looked: &mut usize,
    ) -> Option<(Range<usize>, usize)> {
        let end = anchor.saturating_add(self.reach).min(buffer.len());
        let from = anchor.saturating_sub(self.before).max(floor);
        let starts = (from..=anchor).filter(|&start| pattern.begins_with(buffer[start]));
        let mut tries = 0;
        for start in starts {
            *looked += end - start;
            if !pattern.at(scratch, buffer, start..end) {
                continue;
            }
            let whole = scratch.captures.get_match()?;
            let candidate = Candidate::new(buffer, &scratch.captures)?;
            if (self.check)(&candidate) {
                return Some((candidate.range, whole.end()));
            }
            tries += 1;
            if tries == TRIES {
                break;
            }
        }
        None
    }

    /// All secrets that the rule finds in `bytes`, the plain way. What the engine finds must be the same.
    #[cfg(test)]
    pub(crate) fn find(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let pattern = self.compile().unwrap();
        let mut scratch = pattern.scratch();
        let mut anchors: Vec<usize> =
            self.anchors.iter().flat_map(|anchor| all_positions(bytes, anchor)).collect();
        anchors.sort_unstable();
        anchors.dedup();
        let (mut found, mut floor) = (Vec::new(), 0);
        for anchor in anchors {
            if anchor < floor {
                continue;
            }
            if let Some((secret, end)) = self.confirm(&pattern, &mut scratch, bytes, anchor, floor, &mut 0) {
                found.push(secret);
                floor = end;
            }
        }
        found
    }
}

#[cfg(test)]
fn all_positions(bytes: &[u8], needle: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(needle.len()).enumerate();
    windows.filter(|(_, window)| *window == needle).map(|(at, _)| at).collect()
}

/// A match that a check has to judge.
pub struct Candidate<'a> {
    buffer: &'a [u8],
    captures: &'a Captures,
    range: Range<usize>,
}

impl<'a> Candidate<'a> {
    pub(super) fn new(buffer: &'a [u8], captures: &'a Captures) -> Option<Self> {
        let span = captures
            .get_group_by_name("secret")
            .or_else(|| captures.get_group(1))
            .or_else(|| captures.get_group(0))?;
        Some(Self { buffer, captures, range: span.range() })
    }

    /// The secret: what the group captured.
    #[must_use]
    pub fn secret(&self) -> &'a [u8] {
        &self.buffer[self.range.clone()]
    }

    /// Where the secret lies in the buffer.
    pub(super) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// The whole match.
    #[must_use]
    pub fn whole(&self) -> &'a [u8] {
        self.captures.get_group(0).map_or(&[], |span| &self.buffer[span.range()])
    }

    /// A named group, if it took part in the match.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&'a [u8]> {
        self.captures.get_group_by_name(name).map(|span| &self.buffer[span.range()])
    }

    /// The byte before the secret; `None` at the start of the bytes.
    #[must_use]
    pub fn previous(&self) -> Option<u8> {
        self.range.start.checked_sub(1).map(|at| self.buffer[at])
    }

    /// The byte behind the secret; `None` at the end of the bytes. A secret of fixed length that goes on in its
    /// own alphabet is something else: `candidate.next().is_none_or(|byte| !byte.is_ascii_alphanumeric())`.
    #[must_use]
    pub fn next(&self) -> Option<u8> {
        self.buffer.get(self.range.end).copied()
    }
}
