//! `[[accept]]`: what is known, and may stay, each for a reason.

use globset::GlobMatcher;

use super::{FileError, file::Reader, keys::Table};
use crate::pattern::Pattern;

/// Its keys.
pub(super) const KEYS: &[&str] = &["check", "rule", "digest", "path", "reason"];
/// Bytes of a finding's digest.
const DIGEST_LEN: usize = 16;

/// One entry.
#[derive(Debug, Clone)]
pub struct Accept {
    /// Of a check, a rule by path or one by content; `None`: whatever has the digest.
    id: Option<String>,
    /// In lower case.
    digest: Option<String>,
    path: Option<(String, GlobMatcher)>,
    reason: String,
    /// `policy.toml:12:1`.
    spot: String,
}

/// What an accept may be for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen<'a> {
    /// The check or rule that says it.
    pub by: &'a str,
    /// Where it is, as reports show it.
    pub path: Option<&'a str>,
    /// The keyed digest of what was found, in hexadecimal.
    pub digest: Option<&'a str>,
}

impl Accept {
    /// Whether it is for this.
    #[must_use]
    pub fn accepts(&self, seen: &Seen<'_>) -> bool {
        self.id.as_deref().is_none_or(|id| id == seen.by)
            && self.digest.as_deref().is_none_or(|digest| Some(digest) == seen.digest)
            && self.path.as_ref().is_none_or(|(_, glob)| seen.path.is_some_and(|path| glob.is_match(path)))
    }

    /// The check or rule that it is for; `None`: any that found its digest.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Why it may stay.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What to say if there was nothing to accept.
    #[must_use]
    pub fn unmet(&self) -> String {
        let what = self.id.as_deref().or(self.digest.as_deref()).unwrap_or_default();
        format!("{}: there was nothing of {what} to accept", self.spot)
    }

    /// Whether it is for exactly what another one is for.
    pub(super) fn same(&self, other: &Self) -> bool {
        let path = |accept: &Self| accept.path.as_ref().map(|(text, _)| text.clone());
        (&self.id, &self.digest, path(self)) == (&other.id, &other.digest, path(other))
    }

    /// What it does, on one line.
    pub(super) fn canonical(&self) -> String {
        let path = self.path.as_ref().map(|(text, _)| text);
        format!("accept {:?} {:?} {path:?} {:?}", self.id, self.digest, self.reason)
    }

    pub(super) fn read(reader: &Reader<'_>, table: &Table<'_>) -> Result<Self, FileError> {
        let check = table.string("check", "the id of a check")?;
        let rule = table.string("rule", "the id of a rule")?;
        let digest = table.string("digest", "a string")?;
        if let (Some(_), Some(rule)) = (check, rule) {
            return Err(table.error(rule.at, "an [[accept]] has \"check\" or \"rule\", not both"));
        }
        if let (Some(_), Some(digest)) = (check, digest) {
            return Err(table.error(digest.at, "what a check sees has no digest"));
        }
        if let Some(check) = check {
            reader.known_check(check.value).map_err(|what| table.error(check.at, what))?;
        }
        if let Some(rule) = rule {
            reader.known_any_rule(rule.value).map_err(|what| table.error(rule.at, what))?;
        }
        let id = check.or(rule).map(|id| id.value.to_owned());
        if id.is_none() && digest.is_none() {
            return Err(
                table.error(table.at, "an [[accept]] needs the key \"check\", \"rule\" or \"digest\"")
            );
        }
        if let Some(digest) = digest.filter(|digest| hexadecimal::<DIGEST_LEN>(digest.value).is_none()) {
            return Err(table.error(digest.at, "digest must be 32 hexadecimal digits"));
        }
        let path = table.string("path", "a pattern")?;
        let path = path.map(|path| -> Result<_, FileError> {
            let pattern = super::pattern(path.value).map_err(|error| table.error(path.at, error))?;
            match absolute(&pattern) {
                Some(glob) => Ok((path.value.to_owned(), glob)),
                None => {
                    let what =
                        format_args!("the pattern {:?} cannot be used: it must start with /", path.value);
                    Err(table.error(path.at, what))
                }
            }
        });
        let path = path.transpose()?;
        let reason = table.string("reason", "a string")?;
        let reason = reason.ok_or_else(|| table.error(table.at, "an [[accept]] needs the key \"reason\""))?;
        if reason.value.trim().is_empty() {
            return Err(table.error(reason.at, "reason must say why this may stay"));
        }
        Ok(Self {
            id,
            digest: digest.map(|digest| digest.value.to_ascii_lowercase()),
            path,
            reason: reason.value.trim().to_owned(),
            spot: table.document.spot(table.at),
        })
    }
}

fn absolute(pattern: &Pattern) -> Option<GlobMatcher> {
    if pattern.home { None } else { pattern.compile().ok().map(|glob| glob.compile_matcher()) }
}

/// The bytes that so many pairs of hexadecimal digits are.
#[must_use]
pub fn hexadecimal<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_of_the_right_length_only() {
        assert_eq!(hexadecimal("00fF"), Some([0, 255]));
        for text in ["", "00f", "00fg", "00ff00", "é00"] {
            assert_eq!(hexadecimal::<2>(text), None, "{text}");
        }
    }
}
