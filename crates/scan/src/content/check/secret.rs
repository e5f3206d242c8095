//! Credentials that wrap others: keys of 32 bytes, user and password in base 64, macaroons, keys of clouds.

use super::{base64, plausible};

/// A private key of Curve25519, in base 64: 32 bytes, clamped as RFC 7748, section 5, has them.
pub(crate) fn curve25519(text: &[u8]) -> bool {
    base64::decode(text).is_some_and(|key| {
        key.len() == 32 && key[0] & 7 == 0 && key[31] & 0xc0 == 0x40 && base64::distinct(&key) >= 22
    })
}

/// `user:password` in base 64 (RFC 7617; the `auth` of Docker's config.json).
pub(crate) fn basic(text: &[u8]) -> bool {
    let Some(bytes) = base64::decode(text) else { return false };
    let Some(colon) = bytes.iter().position(|&byte| byte == b':') else { return false };
    let (user, password) = (&bytes[..colon], &bytes[colon + 1..]);
    let printable = std::str::from_utf8(&bytes).is_ok_and(|text| !text.chars().any(char::is_control));
    printable && !user.is_empty() && plausible::password(password) && !plausible::contains(user, b"example")
}

/// A macaroon of version 2 for PyPI: behind the version, the location `pypi.org` or `test.pypi.org`.
pub(crate) fn pypi(token: &[u8]) -> bool {
    let body = token.strip_prefix(b"pypi-").unwrap_or(token);
    base64::decode(body).is_some_and(|bytes| {
        // Version 2; field 1, location, and its length (libmacaroons, doc/format.txt).
        let location = bytes.strip_prefix(&[2, 1]).and_then(|rest| rest.split_first());
        location.is_some_and(|(&length, rest)| {
            rest.get(..usize::from(length)).is_some_and(|name| name.ends_with(b"pypi.org"))
                && bytes.len() >= 60
        })
    }) && plausible::entropy(body) >= 4.0
}

/// An id of an access key of AWS: digits of base 32, and no example of the documents.
pub(crate) fn aws_id(id: &[u8]) -> bool {
    id.get(4..).is_some_and(|digits| {
        plausible::entropy(digits) >= 2.8 && !plausible::placeholder(digits) && !plausible::patterned(digits)
    })
}

/// A secret of 40 characters of base 64, as AWS and others of its API have it. Neither hexadecimal (a digest) nor a
/// path nor words.
pub(crate) fn secret_40(text: &[u8]) -> bool {
    text.len() == 40
        && plausible::random(text)
        && plausible::mixed(text)
        && plausible::entropy(text) >= 4.2
        && text.iter().filter(|&&byte| byte == b'/').count() <= 5
}

/// A secret of 40 capitals and digits, as OUTSCALE has it.
pub(crate) fn outscale_40(text: &[u8]) -> bool {
    text.len() == 40
        && text.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && text.iter().any(u8::is_ascii_digit)
        && text.iter().any(|byte| (b'G'..=b'Z').contains(byte))
        && plausible::random(text)
        && plausible::entropy(text) >= 3.8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clamped() {
        let mut key: Vec<u8> = (0..32_u8).map(|n| n.wrapping_mul(83).wrapping_add(40)).collect();
        key[0] &= 0xf8;
        key[31] = key[31] & 0x3f | 0x40;
        assert!(curve25519(base64::encode(&key).as_bytes()));
        key[31] |= 0x80;
        assert!(!curve25519(base64::encode(&key).as_bytes()));
        assert!(!curve25519(base64::encode(&[0x40; 32]).as_bytes()) && !curve25519(b""));
    }

    #[test]
    fn pairs() {
        assert!(basic(base64::encode(b"builder:hunter2!").as_bytes()));
        for pair in ["builder:", ":hunter2!", "builder", "builder:password", "a\0b:hunter2!"] {
            assert!(!basic(base64::encode(pair.as_bytes()).as_bytes()), "{pair}");
        }
    }

    #[test]
    fn keys_of_clouds() {
        assert!(aws_id(concat!("AK", "IAQ7ZT2RK3VNXWLPSD").as_bytes()));
        assert!(!aws_id(concat!("AK", "IAIOSFODNN7EXAMPLE").as_bytes()));
        assert!(!aws_id(b"AKIA") && !aws_id(b""));
        assert!(secret_40(b"q7Zt0Rk2Vn9Xw4Lp8Sd3Yb6Mf1Hc5Jg+/aTeUiOo"));
        assert!(!secret_40(b"da39a3ee5e6b4b0d3255bfef95601890afd80709"));
        assert!(outscale_40(b"Q7ZT0RK2VN9XW4LP8SD3YB6MF1HC5JGEUAO2I4K6"));
        assert!(!outscale_40(b"DA39A3EE5E6B4B0D3255BFEF95601890AFD80709"));
    }
}
