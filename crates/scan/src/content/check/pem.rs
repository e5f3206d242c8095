//! The first bytes of keys in PEM.

use crate::content::Candidate;

/// `openssh-key-v1`, in base64: what follows its last character depends on the next byte.
const OPENSSH: &[u8] = b"b3BlbnNzaC1rZXktdjE";

/// Whether a body begins as its label says: with OpenSSH's magic, or with a DER SEQUENCE. A body that is
/// encrypted as in RFC 1421 begins with anything.
pub(crate) fn private_key(candidate: &Candidate<'_>) -> bool {
    let body = candidate.secret();
    match candidate.group("label") {
        Some(b"OPENSSH ") => body.starts_with(OPENSSH),
        _ => candidate.group("encrypted").is_some() || is_sequence(body),
    }
}

/// Whether base64 begins with 0x30, the tag of SEQUENCE in DER.
fn is_sequence(base64: &[u8]) -> bool {
    matches!(base64, [b'M', b'A'..=b'P', ..])
}
