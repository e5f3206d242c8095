//! Bech32 (BIP 173), as age writes its keys: human-readable part, `1`, digits, of which the last six are a checksum.

const DIGITS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];

/// Whether the checksum is right. In either case of letters, of which a string has but one.
pub(crate) fn valid(text: &[u8]) -> bool {
    let Some(at) = text.iter().rposition(|&byte| byte == b'1') else { return false };
    if text.iter().any(u8::is_ascii_uppercase) && text.iter().any(u8::is_ascii_lowercase) {
        return false;
    }
    let (human, data) = (&text[..at], &text[at + 1..]);
    let values: Option<Vec<u8>> = data.iter().map(|&byte| value(byte)).collect();
    data.len() > 6 && !human.is_empty() && values.is_some_and(|values| checksum(human, &values) == 1)
}

fn value(byte: u8) -> Option<u8> {
    let at = DIGITS.iter().position(|&digit| digit == byte.to_ascii_lowercase())?;
    u8::try_from(at).ok()
}

/// The polynomial of BIP 173 over the expanded human-readable part and the data.
fn checksum(human: &[u8], data: &[u8]) -> u32 {
    let high = human.iter().map(|byte| byte.to_ascii_lowercase() >> 5);
    let low = human.iter().map(|byte| byte.to_ascii_lowercase() & 31);
    high.chain([0]).chain(low).chain(data.iter().copied()).fold(1, |sum: u32, value| {
        let mixed = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
        let terms = GENERATOR.iter().enumerate().filter(|(bit, _)| sum >> (25 + bit) & 1 == 1);
        terms.fold(mixed, |sum, (_, term)| sum ^ term)
    })
}

/// The data with its checksum, in capitals. Only tests make secrets.
#[cfg(test)]
pub(crate) fn make(human: &str, data: &[u8]) -> String {
    let mut values: Vec<u8> = data.iter().map(|byte| byte & 31).collect();
    values.extend([0; 6]);
    let sum = checksum(human.as_bytes(), &values) ^ 1;
    let start = data.len();
    for (digit, value) in values[start..].iter_mut().enumerate() {
        *value = u8::try_from(sum >> (5 * (5 - digit)) & 31).expect("five bits");
    }
    let digits: String = values.iter().map(|&value| char::from(DIGITS[usize::from(value)])).collect();
    format!("{human}1{}", digits.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_the_bip() {
        for good in [
            "A12UEL5L",
            "a12uel5l",
            "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
            "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
        ] {
            // The shortest of the vectors have no data, which no key has.
            assert_eq!(valid(good.as_bytes()), good.len() > 8, "{good}");
        }
        for bad in [
            "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3x",
            "1qqqqqqqqqq",
            "",
            "1",
            "abcdef1Qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
        ] {
            assert!(!valid(bad.as_bytes()), "{bad}");
        }
        assert!(valid(make("AGE-X-", &[1, 2, 3, 30]).as_bytes()));
    }
}
