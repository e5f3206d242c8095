//! Names of members, fit to be shown.

use std::fmt;

use crate::GuestPath;

/// Bytes of a name that are kept.
const MOST: usize = 1024;

/// The name of a member of an archive, as it is written there: a path that nobody has checked, escaped like every
/// name from an image. What is longer than 1024 bytes is cut.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberName(String);

impl MemberName {
    /// From an archive.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        let kept = &name[..name.len().min(MOST)];
        let cut = if kept.len() < name.len() { "..." } else { "" };
        Self(GuestPath(kept.to_vec()).to_string() + cut)
    }

    /// Escaped.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
