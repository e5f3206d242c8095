//! Private keys, by their armour.

use crate::content::{ContentRule, Tier, check};

/// The rules.
pub(crate) const RULES: &[ContentRule] = &[ContentRule {
    id: "pem-private-key",
    heading: "private keys in PEM",
    explain: "The private key of a TLS server, an authority, an SSH host or a user, in PEM: PKCS#1, PKCS#8, SEC1 or \
              OpenSSH, encrypted or not, with real line breaks or escaped ones (JSON, YAML). The body must begin as \
              such a key does; a key whose end is lost still counts.",
    source: "RFC 7468, RFC 1421, OpenSSH PROTOCOL.key",
    tier: Tier::Proven,
    anchors: &[b"PRIVATE KEY-----"],
    pattern: r"-----BEGIN (?<label>(?:[A-Z0-9]{1,12} ){0,2})PRIVATE KEY-----(?:\\+[nr]|\s)+(?:(?<encrypted>Proc-Type: 4,ENCRYPTED(?:\\+[nr]|\s)+DEK-Info: [A-Z0-9,-]+)(?:\\+[nr]|\s)+)?(?<secret>[A-Za-z0-9+/=]{40,}(?:(?:\\+[nr]|\s)+[A-Za-z0-9+/=]+)*)",
    before: 48,
    reach: ContentRule::MAX_REACH,
    check: check::pem::private_key,
}];

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(label: &str, body: &str) -> Vec<u8> {
        format!("\0-----BEGIN {label}PRIVATE KEY-----\n{body}\n-----END {label}PRIVATE KEY-----\0")
            .into_bytes()
    }

    #[test]
    fn keys_of_all_kinds_whole_or_cut() {
        let der = format!("MIIE{}\n{}", "A".repeat(60), "B".repeat(64));
        for label in ["", "RSA ", "EC ", "DSA ", "ENCRYPTED "] {
            let bytes = pem(label, &der);
            let found = RULES[0].find(&bytes);
            assert_eq!(found.len(), 1, "{label}");
            assert_eq!(&bytes[found[0].clone()], der.as_bytes());
            assert_eq!(RULES[0].find(&bytes[..bytes.len() - 80]).len(), 1, "{label} cut");
        }
        let openssh = format!("b3BlbnNzaC1rZXktdjEA{}", "A".repeat(50));
        assert_eq!(RULES[0].find(&pem("OPENSSH ", &openssh)).len(), 1);
        assert_eq!(RULES[0].find(&pem("OPENSSH ", &der)).len(), 0);
        let legacy = format!("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nx/{}", "A".repeat(62));
        assert_eq!(RULES[0].find(&pem("RSA ", &legacy)).len(), 1);
        let escaped = String::from_utf8(pem("", &der)).unwrap().replace('\n', "\\n");
        assert_eq!(RULES[0].find(escaped.as_bytes()).len(), 1);
    }

    #[test]
    fn not_headers_without_a_key() {
        assert!(RULES[0].find(&pem("", "...")).is_empty());
        assert!(RULES[0].find(&pem("RSA ", &"x".repeat(64))).is_empty());
        assert!(
            RULES[0].find(b"\"-----BEGIN PRIVATE KEY-----\" and \"-----END PRIVATE KEY-----\"").is_empty()
        );
    }
}
