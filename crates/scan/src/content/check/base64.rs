//! Base 64 (RFC 4648), as found in the wild. Memory is bounded by the input; what is not base 64 is `None`.

/// Decodes either alphabet, with or without padding. Bytes of an incomplete last group are dropped, as a text cut
/// short has them. `None` if a byte is of neither alphabet, or follows the padding.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|&byte| byte != b'=').map_or(0, |at| at + 1);
    let mut bytes = Vec::with_capacity(end / 4 * 3 + 3);
    for group in text[..end].chunks(4) {
        let mut bits = 0_u32;
        for &byte in group {
            bits = bits << 6 | u32::from(value(byte)?);
        }
        let [_, a, b, c] = (bits << (6 * (4 - u32::try_from(group.len()).ok()?))).to_be_bytes();
        bytes.extend_from_slice(&[a, b, c][..group.len() * 3 / 4]);
    }
    Some(bytes)
}

/// As [`decode`], if it gives exactly so many bytes and they are spread as random ones are.
pub(crate) fn decodes_to(text: &[u8], length: usize) -> bool {
    decode(text).is_some_and(|bytes| bytes.len() == length && distinct(&bytes) * 2 >= length.min(100))
}

/// How many different bytes. Of 32 random ones, 30 on average, and fewer than 22 less than once in a million times.
pub(crate) fn distinct(bytes: &[u8]) -> usize {
    let mut seen = [false; 256];
    for &byte in bytes {
        seen[usize::from(byte)] = true;
    }
    seen.iter().filter(|&&seen| seen).count()
}

/// Whether the byte is of either alphabet.
pub(crate) fn is_digit(byte: u8) -> bool {
    value(byte).is_some()
}

fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// Encodes with the first alphabet, padded. Only tests make secrets.
#[cfg(test)]
pub(crate) fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits =
            group.iter().chain([0, 0].iter()).take(3).fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte));
        for digit in 0..4 {
            let index = usize::try_from(bits >> (18 - 6 * digit) & 63).expect("six bits");
            text.push(if digit > u32::try_from(group.len()).expect("at most 3") {
                '='
            } else {
                char::from(DIGITS[index])
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_the_rfc() {
        // RFC 4648, section 10.
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(decode(text.as_bytes()).unwrap(), plain.as_bytes());
            assert_eq!(decode(text.trim_end_matches('=').as_bytes()).unwrap(), plain.as_bytes());
            assert_eq!(encode(plain.as_bytes()), text);
        }
        assert_eq!(decode(b"-_-_").unwrap(), decode(b"+/+/").unwrap());
    }

    #[test]
    fn what_is_not_base_64() {
        assert_eq!(decode(b"Zm 9v"), None);
        assert_eq!(decode(b"Z=9v"), None);
        assert!(decode(b"Z").unwrap().is_empty());
    }

    #[test]
    fn zeros_are_no_key() {
        assert!(!decodes_to(encode(&[0; 32]).as_bytes(), 32));
        assert!(decodes_to(encode(&(0..32).map(|n| n * 7).collect::<Vec<u8>>()).as_bytes(), 32));
    }
}
