//! The spellings in which other files hold a piece of text: base64, hexadecimal, percent, JSON, UTF-16.
//!
//! Every spelling is of the bytes alone: what stands before and behind them in the encoded text changes no byte.

use serde::Serialize;

/// How a piece is written where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// As it was.
    Plain,
    /// RFC 4648 section 4, or with the alphabet of section 5.
    Base64,
    /// Two hexadecimal digits a byte.
    Hex,
    /// RFC 3986 section 2.1: all but unreserved characters as `%41`.
    Percent,
    /// RFC 8259 section 7.
    Json,
    /// Little-endian.
    Utf16,
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const FOR_URLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const LOWER: &[u8; 16] = b"0123456789abcdef";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";

/// Every spelling of `text`, itself the first. Some may be equal.
pub(super) fn spellings(text: &[u8]) -> Vec<(Encoding, Vec<u8>)> {
    let mut all = vec![(Encoding::Plain, text.to_vec())];
    for before in 0..3 {
        all.push((Encoding::Base64, base64(text, before, STANDARD)));
        all.push((Encoding::Base64, base64(text, before, FOR_URLS)));
    }
    all.push((Encoding::Hex, hex(text, LOWER)));
    all.push((Encoding::Hex, hex(text, UPPER)));
    all.push((Encoding::Percent, percent(text)));
    all.push((Encoding::Json, json(text)));
    if text.is_ascii() {
        all.push((Encoding::Utf16, text.iter().flat_map(|&byte| [byte, 0]).collect()));
    }
    all
}

/// The characters that depend on `text` alone if `before` bytes (modulo 3) stand in front of it.
fn base64(text: &[u8], before: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 4 / 3 + 1);
    // The bits that are not part of a whole character yet.
    let (mut bits, mut held) = (0u32, 0u32);
    // The first bits fill up a character that begins with bits of the bytes in front: it is dropped.
    let mut skip = match before {
        0 => 0,
        1 => 4,
        _ => 2,
    };
    for &byte in text {
        bits = bits << 8 | u32::from(byte);
        held += 8 - skip;
        skip = 0;
        while held >= 6 {
            held -= 6;
            out.push(alphabet[block::to_usize(u64::from(bits >> held & 63))]);
        }
        bits &= (1 << held) - 1;
    }
    out
}

fn hex(text: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    text.iter().flat_map(|&byte| pair(byte, digits)).collect()
}

fn pair(byte: u8, digits: &[u8; 16]) -> [u8; 2] {
    [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]
}

fn percent(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.push(b'%');
            out.extend(pair(byte, UPPER));
        }
    }
    out
}

fn json(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\t' => out.extend(b"\\t"),
            _ => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_found_wherever_the_text_stands() {
        // "xx" + text + "yy" in whole, from RFC 4648's own alphabet by hand: any shift holds one spelling.
        let text = b"correct horse battery";
        for before in 0..3 {
            let mut whole = vec![b'x'; before];
            whole.extend(text);
            let encoded = base64(&whole, 0, STANDARD);
            let piece = base64(text, before, STANDARD);
            assert!(piece.len() >= text.len() * 4 / 3 - 3);
            assert!(encoded.windows(piece.len()).any(|window| window == piece), "{before}");
        }
        assert_eq!(base64(b"foobar", 0, STANDARD), b"Zm9vYmFy");
        assert_eq!(base64(&[0xfb, 0xff, 0xfe], 0, FOR_URLS), b"-__-");
    }

    #[test]
    fn other_spellings_by_their_standards() {
        assert_eq!(hex(b"\x0f\xa0", LOWER), b"0fa0");
        assert_eq!(percent(b"a b/c~"), b"a%20b%2Fc~");
        assert_eq!(json(b"a\"b\\c\td"), br#"a\"b\\c\td"#);
        let all = spellings(b"ab");
        assert!(all.contains(&(Encoding::Utf16, b"a\0b\0".to_vec())));
        assert_eq!(all[0], (Encoding::Plain, b"ab".to_vec()));
    }
}
