//! Names: 8.3 names in code page 437 with the case bits of Windows NT, and VFAT long names in UTF-16.
//!
//! The translation loses nothing: code page 437 is one-to-one, and a lone surrogate of a long name becomes the
//! three bytes that UTF-8 would use if it allowed it (WTF-8). A name with `/`, which no kernel shows, is refused.
//!
//! Source: fatgen103, sections "FAT Directory Structure" and "FAT Long Directory Entries"; Linux' default code
//! page.

use std::borrow::Cow;

use block::{Object, Result};

use super::directory::{DIR_NT_RES, Slot};

/// The upper half of code page 437.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
/// `DIR_NT_RES`: show the name, or the extension, in lower case.
const LOWER_BASE: u8 = 0x08;
const LOWER_EXTENSION: u8 = 0x10;
/// What follows the NUL of a long name, up to the end of its part.
pub(super) const FILLER: u16 = 0xffff;

/// The character of a byte in code page 437.
#[must_use]
pub fn letter(byte: u8) -> char {
    match byte.checked_sub(0x80) {
        None => char::from(byte),
        Some(upper) => CP437.chars().nth(upper.into()).expect("128 characters"),
    }
}

fn cp437(bytes: &[u8]) -> String {
    bytes.iter().copied().map(letter).collect()
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let len = bytes.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
    &bytes[..len]
}

/// A volume label: 11 bytes without the padding.
pub(super) fn label(mut raw: [u8; 11]) -> String {
    if raw[0] == 0x05 {
        raw[0] = 0xe5;
    }
    let end = raw.iter().position(|&byte| byte == 0).unwrap_or(raw.len());
    cp437(trimmed(&raw[..end]))
}

/// The 8.3 name of an entry, as Linux and Windows show it where there is no long one.
pub(super) fn short(of: Object, slot: &Slot) -> Result<Vec<u8>> {
    let mut raw = super::directory::DIR_NAME.get(slot);
    if raw[0] == 0x05 {
        raw[0] = 0xe5; // 0xe5 itself would mean deleted
    }
    let case = DIR_NT_RES.get(slot);
    let part = |bytes: &[u8], lower: u8| {
        let text = cp437(trimmed(bytes));
        if case & lower != 0 { text.to_lowercase() } else { text }
    };
    let (base, extension) = (part(&raw[..8], LOWER_BASE), part(&raw[8..], LOWER_EXTENSION));
    let name = if extension.is_empty() { base } else { format!("{base}.{extension}") };
    checked(of, name.into_bytes())
}

/// A name without regard to case, by which a file is found.
pub(super) fn folded(name: &[u8]) -> Cow<'_, [u8]> {
    std::str::from_utf8(name).map_or(Cow::Borrowed(name), |name| Cow::Owned(name.to_uppercase().into_bytes()))
}

/// A long name: UTF-16 up to the first NUL. What fills the last part behind that is no character.
pub(super) fn long(of: Object, units: &[u16]) -> Result<Vec<u8>> {
    let end = units.iter().position(|&unit| unit == 0).unwrap_or(units.len());
    if let Some(place) = units[..end].iter().position(|&unit| unit == FILLER) {
        let found = format!("0xffff at character {place}");
        return Err(of.corrupt("long name", found, "0xffff behind the NUL at its end only"));
    }
    let mut name = Vec::with_capacity(end * 3);
    for unit in char::decode_utf16(units[..end].iter().copied()) {
        match unit {
            Ok(letter) => name.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => {
                // 0xd800 to 0xdfff: 1110_1101 10xx_xxxx 10xx_xxxx
                let [high, low] = lone.unpaired_surrogate().to_be_bytes();
                name.extend([0xed, 0x80 | (high & 0xf) << 2 | low >> 6, 0x80 | low & 0x3f]);
            }
        }
    }
    checked(of, name)
}

fn checked(of: Object, name: Vec<u8>) -> Result<Vec<u8>> {
    match () {
        () if name.is_empty() => Err(of.corrupt("name", "empty", "at least one character")),
        () if name == b"." || name == b".." => Err(of.corrupt("long name", "a dot entry", "any other name")),
        () if name.contains(&b'/') || name.contains(&0) => {
            Err(of.corrupt("name", "one with a slash or NUL", "one without"))
        }
        () => Ok(name),
    }
}

/// The checksum of an 8.3 name that each part of its long name carries.
pub(super) fn checksum(short: &[u8; 11]) -> u8 {
    short.iter().fold(0, |sum: u8, &byte| sum.rotate_right(1).wrapping_add(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(raw: &[u8; 11], case: u8) -> Result<String> {
        let mut slot = [0; 32];
        slot[..11].copy_from_slice(raw);
        slot[12] = case;
        short(Object::the("test"), &slot).map(|name| String::from_utf8(name).unwrap())
    }

    #[test]
    fn short_names() {
        assert_eq!(CP437.chars().count(), 128);
        assert_eq!(named(b"README  TXT", 0).unwrap(), "README.TXT");
        assert_eq!(named(b"README  TXT", 0x08).unwrap(), "readme.TXT");
        assert_eq!(named(b"README  TXT", 0x18).unwrap(), "readme.txt");
        assert_eq!(named(b"A B        ", 0).unwrap(), "A B");
        assert_eq!(named(b"\x05\x81      \x9a  ", 0).unwrap(), "σü.Ü");
        assert_eq!(named(b"\x80\x9a         ", 8).unwrap(), "çü");
        assert_eq!(label(*b"ESP LABEL  "), "ESP LABEL");
        let error = named(b"A/B        ", 0).unwrap_err().to_string();
        assert_eq!(error, "test: name is one with a slash or NUL, expected one without");
        let error = named(b"           ", 0).unwrap_err().to_string();
        assert_eq!(error, "test: name is empty, expected at least one character");
    }

    #[test]
    fn long_names_are_lossless() {
        let of = Object::the("test");
        let text: Vec<u16> = "höchst 𝄞.txt".encode_utf16().chain([0, 0xffff]).collect();
        assert_eq!(long(of, &text).unwrap(), "höchst 𝄞.txt".as_bytes());
        assert_eq!(long(of, &[0x41, 0xd834, 0x42]).unwrap(), b"A\xed\xa0\xb4B");
        assert_eq!(long(of, &[0xdfff]).unwrap(), b"\xed\xbf\xbf");
        assert_eq!(
            long(of, &[0x41, 0x100, 0xffff, 0xffff]).unwrap_err().to_string(),
            "test: long name is 0xffff at character 2, expected 0xffff behind the NUL at its end only"
        );
    }

    /// The value that mtools writes for this name.
    #[test]
    fn checksums() {
        assert_eq!(checksum(b"README  TXT"), 0x73);
    }
}
