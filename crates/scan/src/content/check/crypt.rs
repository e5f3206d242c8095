//! Passwords' hashes, as crypt(5) of libxcrypt and the modular crypt format define them. An account that is locked
//! (`!`, `*`) or has no password has no hash.

use super::{base64::distinct, known, plausible::patterned};

/// Whether a hash of crypt(3) has the salt, cost and length of its method. The pattern of the rule has seen to the
/// alphabet; this sees to the numbers, and to hashes that a person wrote.
pub(crate) fn hash(text: &[u8]) -> bool {
    let mut fields = text.split(|&byte| byte == b'$').skip(1);
    let Some(method) = fields.next() else { return false };
    let fields: Vec<&[u8]> = fields.collect();
    let Some(last) = fields.last() else { return false };
    let sound = match method {
        b"1" | b"apr1" => fields.len() == 2 && last.len() == 22,
        b"5" | b"6" => {
            let length = if method == b"5" { 43 } else { 86 };
            let rounds =
                if fields.len() == 3 { number(fields[0].strip_prefix(b"rounds=")) } else { Some(5000) };
            // The least and the most rounds (crypt(5)).
            last.len() == length && rounds.is_some_and(|rounds| (1000..=999_999_999).contains(&rounds))
        }
        b"y" | b"gy" => fields.len() == 3 && last.len() == 43 && (2..=12).contains(&fields[0].len()),
        b"7" => fields.len() == 2 && last.len() == 43 && fields[0].len() >= 11,
        b"2a" | b"2b" | b"2x" | b"2y" => {
            fields.len() == 2
                && last.len() == 53
                && number(Some(fields[0])).is_some_and(|cost| (4..=31).contains(&cost))
        }
        _ => last.len() >= 8,
    };
    sound && generated(last) && !known::published(text)
}

/// Whether the digest at the end of a hash has the spread of one.
pub(crate) fn generated(digest: &[u8]) -> bool {
    // 22 random digits of 64 have 18.8 different ones on average, and fewer than 11 never.
    distinct(digest) >= digest.len().min(22) / 2 && !patterned(digest)
}

/// The 13 characters of DES, in the field of a line of shadow(5) or passwd(5): not a word that somebody put there.
pub(crate) fn des(text: &[u8]) -> bool {
    text.len() == 13
        && distinct(text) >= 8
        && text.iter().any(u8::is_ascii_uppercase)
        && text.iter().any(u8::is_ascii_lowercase)
        // The last character holds four bits, shifted by two: every fourth digit only.
        && b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
            .iter()
            .position(|digit| Some(digit) == text.last())
            .is_some_and(|value| value % 4 == 0)
}

fn number(digits: Option<&[u8]>) -> Option<u32> {
    std::str::from_utf8(digits?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digits as a hash has them.
    fn digits(length: usize) -> String {
        let all = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        (0..length).map(|n| char::from(all[n * 37 % 61])).collect()
    }

    #[test]
    fn lengths_and_costs() {
        for (prefix, length) in [
            ("$1$salt$", 22),
            ("$apr1$salt$", 22),
            ("$5$salt$", 43),
            ("$6$rounds=10000$salt$", 86),
            ("$y$j9T$salt$", 43),
            ("$gy$j9T$salt$", 43),
            ("$7$CU..../....salt$", 43),
            ("$2b$12$", 53),
        ] {
            assert!(hash(format!("{prefix}{}", digits(length)).as_bytes()), "{prefix}");
            assert!(!hash(format!("{prefix}{}", digits(length - 1)).as_bytes()), "{prefix}");
            assert!(!hash(format!("{prefix}{}", "x".repeat(length)).as_bytes()), "{prefix}");
        }
        assert!(!hash(format!("$2b$03${}", digits(53)).as_bytes()));
        assert!(!hash(format!("$6$rounds=9$salt${}", digits(86)).as_bytes()));
        assert!(!hash(b"") && !hash(b"$") && !hash(b"$6$") && !hash(b"!") && !hash(b"*"));
    }

    #[test]
    fn des_has_spare_bits() {
        // What crypt("test", "ab") gives has 13 characters, and its last is one of sixteen.
        assert!(des(b"abgOeLfPimXQo"));
        assert!(!des(b"abgOeLfPimXQp"));
        assert!(!des(b"xxxxxxxxxxxxx") && !des(b"") && !des(b"configuration"));
    }
}
