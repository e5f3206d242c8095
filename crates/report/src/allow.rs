//! The allow file: findings that are known, by digest, each with the reason why it may stay.
//!
//! ```toml
//! key = "0123..."          # 64 hexadecimal digits: the key of the digests
//!
//! [[accept]]
//! digest = "8f14e45fceea167a5a36dedd4bea2543"
//! reason = "published example, in Debian's package openssl"
//! rule = "private-key-pem"            # optional: only if this rule found it
//! path = "/usr/share/doc/x/demo.pem"  # optional: only in this file
//! ```
//!
//! Nothing is accepted by silence: a reason that is empty, a key that is not known, a digest that stands twice is an
//! error with its line. Only what has a digest can be accepted: secrets and remnants. Residue cannot, for its bytes are
//! not known, and tomorrow's residue in the same place may be another.

use std::{borrow::Cow, collections::HashMap, fmt::Write as _};

use scan::hexadecimal;
use serde::Deserialize;
use toml::Spanned;
use verify::Finding;

use crate::{Accepted, row, text::line, visible};

/// Bytes of the key, as BLAKE3 takes it.
const KEY_LEN: usize = 32;
/// Bytes of a digest.
const DIGEST_LEN: usize = 16;

/// The key of the digests of a run. Who has it can try guesses at a short secret: never printed, but to an allow file.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; KEY_LEN]);

impl Key {
    /// A key that nobody knows.
    ///
    /// Fails if the system has no random bytes.
    pub fn random() -> std::io::Result<Self> {
        let mut key = [0; KEY_LEN];
        let mut filled = 0;
        while filled < KEY_LEN {
            filled += rustix::rand::getrandom(&mut key[filled..], rustix::rand::GetRandomFlags::empty())?;
        }
        Ok(Self(key))
    }

    /// One that somebody has written down.
    #[must_use]
    pub const fn new(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// Its bytes, for BLAKE3.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// What is wrong with an allow file, in a sentence with its line. Holds neither the key nor a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Error {
    /// Line in the file, from 1.
    pub line: usize,
    /// What.
    pub what: String,
}

/// An allow file, checked.
#[derive(Debug, Clone)]
pub struct Allow {
    key: Key,
    entries: Vec<Entry>,
    /// Indices of the entries, by digest.
    index: HashMap<String, Vec<usize>>,
}

#[derive(Debug, Clone)]
struct Entry {
    digest: String,
    reason: String,
    rule: Option<String>,
    path: Option<String>,
}

/// What became of the findings.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Those that are still findings, in their order.
    pub remaining: Vec<Finding>,
    /// Those that are accepted, in their order.
    pub accepted: Vec<Accepted>,
    /// Digests of entries that accepted nothing, in the file's order: what they were for is gone.
    pub unused: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    key: Spanned<String>,
    #[serde(default)]
    accept: Vec<Spanned<RawEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    digest: Spanned<String>,
    reason: Spanned<String>,
    rule: Option<String>,
    path: Option<String>,
}

impl Allow {
    /// Reads an allow file.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let line = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        let error = |offset: usize, what: &str| Error { line: line(offset), what: what.to_owned() };
        let raw: RawFile = toml::from_str(text)
            .map_err(|bad| error(bad.span().map_or(0, |span| span.start), visible(bad.message()).as_ref()))?;
        let key = hexadecimal::<KEY_LEN>(raw.key.get_ref())
            .ok_or_else(|| error(raw.key.span().start, "key must be 64 hexadecimal digits"))?;
        let mut entries: Vec<Entry> = Vec::with_capacity(raw.accept.len());
        let mut index: HashMap<String, Vec<usize>> = HashMap::new();
        for entry in raw.accept.into_iter().map(Spanned::into_inner) {
            let (digest_at, reason_at) = (entry.digest.span().start, entry.reason.span().start);
            let digest = entry.digest.into_inner().to_ascii_lowercase();
            if hexadecimal::<DIGEST_LEN>(&digest).is_none() {
                return Err(error(digest_at, "digest must be 32 hexadecimal digits"));
            }
            let reason = entry.reason.into_inner();
            if reason.trim().is_empty() {
                return Err(error(reason_at, "reason must say why this may stay"));
            }
            let entry = Entry { digest, reason, rule: entry.rule, path: entry.path };
            let same = index.entry(entry.digest.clone()).or_default();
            if same.iter().any(|&known| entries[known].overlaps(&entry)) {
                return Err(error(digest_at, "an entry before this one accepts the same"));
            }
            same.push(entries.len());
            entries.push(entry);
        }
        Ok(Self { key: Key(key), entries, index })
    }

    /// The key that the digests of this run have to have.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Parts the findings in those that remain and those that are accepted.
    #[must_use]
    pub fn apply(&self, findings: Vec<Finding>) -> Outcome {
        let mut outcome = Outcome::default();
        let mut used = vec![false; self.entries.len()];
        for finding in findings {
            let same = row::digest(&finding).and_then(|digest| self.index.get(digest));
            let accepts = |index: &&usize| self.entries[**index].accepts(&finding);
            match same.and_then(|same| same.iter().find(accepts)).copied() {
                None => outcome.remaining.push(finding),
                Some(index) => {
                    used[index] = true;
                    outcome.accepted.push(Accepted { finding, reason: self.entries[index].reason.clone() });
                }
            }
        }
        let unused = self.entries.iter().zip(used).filter(|(_, used)| !used);
        outcome.unused = unused.map(|(entry, _)| entry.digest.clone()).collect();
        outcome
    }
}

impl Outcome {
    /// Parts what is accepted for another reason from what remains, too.
    pub fn accept(&mut self, reason: impl Fn(&Finding) -> Option<String>) {
        for finding in std::mem::take(&mut self.remaining) {
            match reason(&finding) {
                Some(reason) => self.accepted.push(Accepted { finding, reason }),
                None => self.remaining.push(finding),
            }
        }
    }
}

/// The rule behind a finding, its path, and the digest of what was found: what an entry can be for.
#[must_use]
pub fn facts(finding: &Finding) -> (Cow<'_, str>, Option<&str>, Option<&str>) {
    let path = row::place(finding).and_then(|place| place.path.as_deref());
    (crate::own_rules::id(finding), path, row::digest(finding))
}

impl Entry {
    /// Whether it accepts a finding that has its digest.
    fn accepts(&self, finding: &Finding) -> bool {
        let (rule, path, _) = facts(finding);
        self.rule.as_deref().is_none_or(|wanted| wanted == rule)
            && self.path.as_deref().is_none_or(|wanted| Some(wanted) == path)
    }

    /// Whether there can be a finding with the digest of both that both accept.
    fn overlaps(&self, other: &Self) -> bool {
        fn same(one: Option<&String>, other: Option<&String>) -> bool {
            one.zip(other).is_none_or(|(one, other)| one == other)
        }
        same(self.rule.as_ref(), other.rule.as_ref()) && same(self.path.as_ref(), other.path.as_ref())
    }
}

/// An allow file for these findings, to be filled in: each digest once, with an empty reason, which [`Allow::from_toml`]
/// refuses. Where each was found stands in comments.
#[must_use]
pub fn draft(key: &Key, findings: &[Finding]) -> String {
    let mut text = String::from(
        "# Findings of diskscrub that may stay. Give each a reason, or delete its entry.\n\
         # Keep this file as private as the image: its key lets a guess at a secret be tried.\n\nkey = \"",
    );
    for byte in key.bytes() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.push_str("\"\n");
    let mut digests: Vec<(&str, Vec<String>)> = Vec::new();
    let mut index: HashMap<&str, usize> = HashMap::new();
    for finding in findings {
        let Some(digest) = row::digest(finding) else { continue };
        let sentence = visible(&finding.to_string()).into_owned();
        let at = *index.entry(digest).or_insert(digests.len());
        if at == digests.len() {
            digests.push((digest, Vec::new()));
        }
        digests[at].1.push(sentence);
    }
    for (digest, sentences) in digests {
        text.push('\n');
        sentences.iter().for_each(|sentence| line!(text, "# {sentence}"));
        line!(text, "[[accept]]\ndigest = \"{}\"\nreason = \"\"", visible(digest));
    }
    text
}

#[cfg(test)]
mod tests {
    use verify::{Region, Tier};

    use super::*;
    use crate::sample;

    const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn file(entries: &str) -> String {
        format!("key = \"{KEY}\"\n{entries}")
    }

    fn entry(digest: &str, more: &str) -> String {
        format!("[[accept]]\ndigest = \"{digest}\"\nreason = \"known\"\n{more}\n")
    }

    fn secret(rule: &'static str, path: &str, digest: u8) -> Finding {
        let place = verify::Place { path: Some(path.to_owned()), ..sample::place(Region::File, 4096, 20) };
        sample::secret(rule, Tier::Likely, place, digest)
    }

    #[test]
    fn accepts_by_digest_rule_and_path() {
        let digest = "ab".repeat(16);
        let findings =
            || vec![secret("jwt", "/a", 0xab), secret("jwt", "/b", 0xab), secret("pem", "/a", 0xcd)];
        for (more, remaining) in [
            ("", 1),
            ("rule = \"jwt\"", 1),
            ("rule = \"pem\"", 3),
            ("path = \"/b\"", 2),
            ("rule = \"jwt\"\npath = \"/c\"", 3),
        ] {
            let allow = Allow::from_toml(&file(&entry(&digest.to_ascii_uppercase(), more))).unwrap();
            let outcome = allow.apply(findings());
            assert_eq!(outcome.remaining.len(), remaining, "{more}");
            assert_eq!(outcome.accepted.len(), 3 - remaining, "{more}");
            assert_eq!(outcome.unused, if remaining == 3 { vec![digest.clone()] } else { vec![] }, "{more}");
            assert!(outcome.accepted.iter().all(|accepted| accepted.reason == "known"));
        }
    }

    #[test]
    fn residue_is_never_accepted() {
        let residue = Finding::Residue { volume: None, region: Region::Gap, first: 0, bytes: 1 };
        let allow = Allow::from_toml(&file(&entry(&"00".repeat(16), ""))).unwrap();
        assert_eq!(allow.apply(vec![residue.clone()]).remaining, [residue]);
    }

    #[test]
    fn errors_name_the_line() {
        let digest = "ab".repeat(16);
        let twice = entry(&digest, "rule = \"jwt\"") + &entry(&digest, "path = \"/a\"");
        for (text, line, what) in [
            ("key = \"12\"".to_owned(), 1, "key must be 64 hexadecimal digits"),
            (format!("key = \"{}\"", "é".repeat(32)), 1, "key must be 64 hexadecimal digits"),
            (String::new(), 1, "missing field `key`"),
            (file("[[accept]]\ndigest = \"12\"\nreason = \"x\""), 3, "digest must be 32 hexadecimal digits"),
            (
                file(&format!("[[accept]]\ndigest = \"{digest}\"\nreason = \" \"")),
                4,
                "reason must say why this may stay",
            ),
            (file(&twice), 7, "an entry before this one accepts the same"),
            (file("[[accept]]\nreason = \"x\""), 2, "missing field `digest`"),
            (file("\n\nallow = 1"), 4, "unknown field `allow`, expected `key` or `accept`"),
            (
                file(&entry(&digest, "line = 3")),
                5,
                "unknown field `line`, expected one of `digest`, `reason`, `rule`, `path`",
            ),
        ] {
            let error = Allow::from_toml(&text).unwrap_err();
            assert_eq!((error.line, &*error.what), (line, what), "{text}");
        }
    }

    #[test]
    fn a_draft_has_every_digest_once_and_wants_reasons() {
        let key = Key::random().unwrap();
        let hostile = secret("jwt", sample::HOSTILE, 0xcd);
        let findings = vec![
            secret("jwt", "/a", 0xab),
            secret("pem", "/b", 0xab),
            hostile,
            sample::report().findings.pop().unwrap(),
        ];
        let text = draft(&key, &findings);
        sample::assert_tame(&text);
        assert_eq!(Allow::from_toml(&text).unwrap_err().what, "reason must say why this may stay");
        let allow = Allow::from_toml(&text.replace("reason = \"\"", "reason = \"known\"")).unwrap();
        assert_eq!(*allow.key(), key);
        let outcome = allow.apply(findings);
        assert_eq!((outcome.remaining.len(), outcome.accepted.len(), outcome.unused.len()), (1, 3, 0));
    }

    #[test]
    fn the_key_is_not_printed_and_not_guessed() {
        let key = Key::random().unwrap();
        assert_eq!(format!("{key:?}"), "Key(..)");
        assert_ne!(key, Key::random().unwrap());
    }
}
