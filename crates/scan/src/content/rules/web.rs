//! Tokens and credentials that any service may use.

use super::TOKEN;
use crate::content::{
    ContentRule, Tier,
    check::{jwt, plausible, secret},
};

/// The rules.
pub(crate) const RULES: &[ContentRule] = &[
    ContentRule {
        id: "json-web-token",
        heading: "JSON Web Tokens",
        explain: "A signed statement that lets its bearer in: a session, a service account of Kubernetes, a licence. \
                  Header and payload must decode to JSON, and the header must name an algorithm. The examples of the \
                  documents do not count.",
        source: "RFC 7519, RFC 7515",
        tier: Tier::Proven,
        anchors: &[b"eyJ"],
        pattern: r"eyJ[A-Za-z0-9_-]{12,2000}\.(?:eyJ|eyA|ewog|eyI)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}",
        reach: 8192,
        check: |found| jwt::token(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "basic-authorization",
        heading: "user and password in a header of HTTP",
        explain: "The header Authorization: Basic, in a log, a script or a capture. It must decode to such a pair.",
        source: "RFC 7617",
        tier: Tier::Context,
        anchors: &[b"Basic "],
        pattern: r"Basic (?<secret>[A-Za-z0-9+/]{8,400}={0,2})",
        reach: 512,
        check: |found| secret::basic(found.secret()),
        ..TOKEN
    },
    ContentRule {
        id: "bearer-authorization",
        heading: "tokens in a header of HTTP",
        explain: "The header Authorization: Bearer, in a log, a history, a script or a capture.",
        source: "RFC 6750",
        tier: Tier::Context,
        anchors: &[b"Bearer "],
        pattern: r"Bearer (?<secret>[A-Za-z0-9+/._~-]{20,2000}=*)",
        reach: 2048,
        check: |found| plausible::random(found.secret()) && found.secret().iter().any(u8::is_ascii_digit),
        ..TOKEN
    },
];
