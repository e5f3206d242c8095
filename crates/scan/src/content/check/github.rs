//! The checksum in GitHub's tokens: CRC-32 of the 30 characters behind the prefix, as six digits of base 62.

use crate::content::Candidate;

/// Characters of a token that its checksum covers.
const COVERED: usize = 30;
/// Digits of base 62, in the order of their values.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Whether a token's last six characters are the checksum of those between prefix and them.
pub(crate) fn token(candidate: &Candidate<'_>) -> bool {
    candidate.secret().split_at_checked("ghp_".len()).is_some_and(|(_, body)| checksum(body))
}

/// Whether `body` is 30 characters and their checksum.
pub(crate) fn checksum(body: &[u8]) -> bool {
    body.split_at_checked(COVERED).is_some_and(|(covered, sum)| sum == base62(crc32fast::hash(covered)))
}

/// Six digits, the highest first.
fn base62(mut value: u32) -> [u8; 6] {
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(value % 62).expect("less than 62")];
        value /= 62;
    }
    digits
}

/// A token with this prefix and body, for tests.
#[cfg(test)]
pub(crate) fn sign(prefix: &str, body: &str) -> String {
    let sum = base62(crc32fast::hash(body.as_bytes()));
    format!("{prefix}{body}{}", std::str::from_utf8(&sum).unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_counts() {
        let body = sign("", "0123456789abcdefghijABCDEFGHIJ").into_bytes();
        assert!(checksum(&body));
        for at in 0..body.len() {
            let mut wrong = body.clone();
            wrong[at] ^= 1;
            assert!(!checksum(&wrong), "character {at}");
        }
        assert!(!checksum(b"short"));
    }

    #[test]
    fn base62_is_padded() {
        assert_eq!(&base62(0), b"000000");
        assert_eq!(&base62(61), b"00000z");
        assert_eq!(&base62(62), b"000010");
        assert_eq!(&base62(u32::MAX), b"4gfFC3");
    }
}
