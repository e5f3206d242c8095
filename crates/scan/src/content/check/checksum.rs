//! Tokens that carry a checksum over themselves. A string that a person made up does not pass.
//!
//! * GitLab: <https://handbook.gitlab.com/handbook/engineering/architecture/design-documents/cells/routable_tokens/>
//! * Grafana: `pkg/components/satokengen` of its source.

const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A routable token of GitLab, versioned or not: `glpat-` payload `.`, perhaps `01.`, length (2), CRC-32 (7), the latter two
/// in base 36; the length is of the payload in base 64, the checksum of everything before it.
pub(crate) fn gitlab(token: &[u8]) -> bool {
    let Some(at) = token.len().checked_sub(7) else { return false };
    let (before, sum) = token.split_at(at);
    let Some(dot) = before.iter().position(|&byte| byte == b'.') else { return false };
    let Some(dash) = before.iter().position(|&byte| byte == b'-') else { return false };
    let length = u32::try_from(dot.saturating_sub(dash + 1)).unwrap_or(u32::MAX);
    before.ends_with(&digits(length, BASE36, 2)) && digits(crc32fast::hash(before), BASE36, 7) == sum
}

/// A service account's token of Grafana: `glsa_` 32 characters `_` CRC-32 of all before that `_`, its bytes from
/// the lowest on, in hexadecimal.
pub(crate) fn grafana(token: &[u8]) -> bool {
    let Some(at) = token.iter().rposition(|&byte| byte == b'_') else { return false };
    format!("{:08x}", crc32fast::hash(&token[..at]).swap_bytes()).as_bytes() == &token[at + 1..]
}

/// `number` in a base, padded with zeros to `width` digits, or longer.
fn digits(mut number: u32, base: &[u8], width: usize) -> Vec<u8> {
    let radix = u32::try_from(base.len()).expect("a base has few digits");
    let mut text = Vec::with_capacity(width);
    while number > 0 || text.len() < width {
        text.push(base[usize::try_from(number % radix).expect("below the radix")]);
        number /= radix;
    }
    text.reverse();
    text
}

/// The token with its checksum. Only tests make secrets.
#[cfg(test)]
pub(crate) mod make {
    use super::*;

    pub(crate) fn gitlab(prefix: &str, payload: &str, version: &str) -> String {
        let length = digits(u32::try_from(payload.len()).expect("short"), BASE36, 2);
        let before = format!("{prefix}{payload}.{version}{}", String::from_utf8(length).expect("ASCII"));
        let sum = digits(crc32fast::hash(before.as_bytes()), BASE36, 7);
        format!("{before}{}", String::from_utf8(sum).expect("ASCII"))
    }

    pub(crate) fn grafana(secret: &str) -> String {
        let before = format!("{}{secret}", concat!("gl", "sa_"));
        format!("{before}_{:08x}", crc32fast::hash(before.as_bytes()).swap_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: &str = "qkJaB6MffYVzZXWqmcoF49yrUxP3wf";

    #[test]
    fn one_wrong_digit_is_enough() {
        for token in
            [make::gitlab("glpat-", RANDOM, ""), make::gitlab("glpat-", RANDOM, "01."), make::grafana(RANDOM)]
        {
            let holds = |token: &[u8]| gitlab(token) || grafana(token);
            assert!(holds(token.as_bytes()), "{token}");
            let mut wrong = token.clone().into_bytes();
            let at = wrong.len() / 2;
            wrong[at] = if wrong[at] == b'Q' { b'R' } else { b'Q' };
            assert!(!holds(&wrong), "{token}");
        }
    }

    #[test]
    fn short_ones_are_refused() {
        for token in [&b""[..], b"_", b"glpat-", b".", b"glsa_"] {
            assert!(!gitlab(token), "{token:?}");
            assert!(!grafana(token), "{token:?}");
        }
    }
}
