//! Tokens of source code hosts.

use crate::content::{ContentRule, Tier, check};

/// The rules.
pub(crate) const RULES: &[ContentRule] = &[ContentRule {
    id: "github-token",
    heading: "GitHub tokens",
    explain: "A personal, OAuth, user-to-server, server-to-server or refresh token of GitHub: reads and writes \
              repositories. Its last six characters are a checksum of those before; that must be right.",
    source: "GitHub: Behind GitHub's new authentication token formats, 2021",
    tier: Tier::Proven,
    anchors: &[b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_"],
    pattern: r"gh[pousr]_[A-Za-z0-9]{36}",
    before: 0,
    reach: 40,
    check: check::github::token,
}];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_needs_its_checksum_and_no_delimiter() {
        // Made at run time: no scanner shall find a token in this file.
        let token = check::github::sign("ghp_", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5");
        for (before, after) in [("", ""), ("\0", "\0"), ("word", "/"), ("_", "=")] {
            let text = format!("{before}{token}{after}");
            assert_eq!(RULES[0].find(text.as_bytes()), [before.len()..before.len() + 40], "{before:?}");
        }
        assert!(RULES[0].find(token.replace("a1", "b1").as_bytes()).is_empty());
    }
}
