//! Armoured keys: the text between BEGIN and END of PEM (RFC 7468, RFC 1421), as files, JSON, YAML, logs and source
//! code hold it. A key cut short counts from one line of its body on.

use super::{base64, der, known, openssh};
use crate::content::Candidate;

/// Characters of base 64 in the shortest key (Ed25519 in PKCS#8: 48 bytes), less what a line of 64 may have lost.
const LEAST: usize = 48;
/// Digits of the shortest line that writers of PEM make, but for a last one: 64 by RFC 7468, 70 by OpenSSH.
const LINE: usize = 60;

/// The characters of base 64 in a body whose lines may be quoted, indented, joined by `+`, or end in `\n` spelled out.
pub(crate) fn digits(body: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            // `\n`, `\\n`, `\r\n` as text: the letter belongs to the escape.
            b'\\' => {
                let letter = rest.iter().position(|&byte| byte != b'\\').unwrap_or(rest.len());
                let skip = usize::from(matches!(rest.get(letter), Some(b'n' | b'r' | b't' | b'/')));
                // An escaped slash is a digit.
                if rest.get(letter) == Some(&b'/') {
                    digits.push(b'/');
                }
                rest = &rest[(letter + skip).min(rest.len())..];
            }
            // A `+` that stands alone joins two strings of source code.
            b'+' if tail.first().is_none_or(|&next| !base64::is_digit(next)) && alone(body, tail) => {}
            b'-' | b'_' => {}
            _ if base64::is_digit(byte) || byte == b'=' => digits.push(byte),
            _ => {}
        }
    }
    digits
}

/// Whether the byte before `tail` in `body` has no digit before it.
fn alone(body: &[u8], tail: &[u8]) -> bool {
    let at = body.len() - tail.len() - 1;
    at.checked_sub(1).is_none_or(|before| !base64::is_digit(body[before]))
}

/// Whether a match is a key in armour: its group `secret` a body, its group `encrypted` what says so.
pub(crate) fn armoured(found: &Candidate<'_>) -> bool {
    private_key(found.secret(), found.group("encrypted").is_some())
        && !abbreviated(found.secret(), found.next())
}

/// Whether a body is the beginning of a key that somebody shortened, as in manuals: less than a line, and what stands
/// behind it ends a line. Where a block's end cuts a line, anything may stand behind it.
fn abbreviated(body: &[u8], next: Option<u8>) -> bool {
    let ended = next.is_some_and(|next| next.is_ascii_whitespace() || b"\\\"'.<,".contains(&next));
    let digits = digits(body);
    let whole = || {
        // A key of a short curve, all of it.
        let der = base64::decode(&digits).unwrap_or_default();
        matches!(*der, [0x30, length @ 0..=0x7f, ref rest @ ..] if rest.len() >= usize::from(length))
    };
    ended && digits.len() < LINE && !whole()
}

/// Whether the body of `-----BEGIN [label ]PRIVATE KEY-----` is a key. `encrypted` as in RFC 1421, it may begin with
/// anything, but not be anything.
pub(crate) fn private_key(body: &[u8], encrypted: bool) -> bool {
    let digits = digits(body);
    if digits.len() < LEAST {
        return false;
    }
    // What was decoded before a padding in the middle (two keys run into one) is enough.
    let end = digits.iter().position(|&byte| byte == b'=').unwrap_or(digits.len());
    let Some(bytes) = base64::decode(&digits[..end]) else { return false };
    if encrypted {
        return base64::distinct(&bytes) * 2 >= bytes.len().min(100);
    }
    base64::distinct(&bytes) >= 20
        && !known::published(&bytes)
        && (der::private_key(&bytes) || openssh::private_key(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body like an RSA key's: the DER of version 0 and a modulus of 2048 bits.
    fn body() -> String {
        let mut der = vec![0x30, 0x82, 4, 0xa4, 2, 1, 0, 2, 0x82, 1, 1, 0];
        der.extend((0..300_usize).map(|n| u8::try_from(n * 91 % 253).unwrap()));
        base64::encode(&der)
    }

    fn lines(separator: &str) -> String {
        let body = body();
        body.as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect::<Vec<_>>()
            .join(separator)
    }

    #[test]
    fn whatever_stands_between_the_lines() {
        for separator in
            ["\n", "\r\n", "\\n", "\\\\n", "\\r\\n", "\n    ", "\\n\" +\n  \"", "\",\n\"", "\n> "]
        {
            assert_eq!(digits(lines(separator).as_bytes()), body().as_bytes(), "{separator:?}");
            assert!(private_key(lines(separator).as_bytes(), false), "{separator:?}");
        }
        assert_eq!(digits(br"ab\/cd"), b"ab/cd");
    }

    #[test]
    fn a_line_is_enough_and_less_is_not() {
        assert!(private_key(&body().as_bytes()[..64], false));
        assert!(!private_key(&body().as_bytes()[..40], false));
        assert!(!private_key("MIIEpAIBAAKCAQEA".repeat(4).as_bytes(), false));
        assert!(!private_key("x".repeat(200).as_bytes(), true));
        let body = body();
        let short = &body.as_bytes()[..57];
        assert!(private_key(short, false) && !abbreviated(short, None) && !abbreviated(short, Some(0)));
        for next in b"\n\r \\\"." {
            assert!(abbreviated(short, Some(*next)) && !abbreviated(&body.as_bytes()[..64], Some(*next)));
        }
        let mut curve = vec![0x30, 37, 2, 1, 1, 4, 32];
        curve.extend(1..=32);
        assert!(!abbreviated(base64::encode(&curve).as_bytes(), Some(b'\n')));
        assert!(!private_key(b"", true) && !private_key(b"\\", false) && !private_key(b"\\\\n+", true));
    }
}
