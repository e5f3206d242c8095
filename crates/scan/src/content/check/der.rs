//! Private keys in DER (X.690), by the shape of their outermost fields. Reads what is there: a key cut short is a key.
//!
//! * PKCS#1 `RSAPrivateKey` (RFC 8017, A.1.2) and OpenSSL's `DSAPrivateKey`: SEQUENCE { INTEGER 0, INTEGER ...
//! * PKCS#8 `PrivateKeyInfo` (RFC 5208, RFC 5958): SEQUENCE { INTEGER 0 or 1, SEQUENCE { OID ...
//! * PKCS#8 `EncryptedPrivateKeyInfo`: SEQUENCE { SEQUENCE { OID ... }, OCTET STRING }
//! * SEC 1 `ECPrivateKey` (RFC 5915): SEQUENCE { INTEGER 1, OCTET STRING ...
//! * PKCS#12 `PFX` (RFC 7292): SEQUENCE { INTEGER 3, SEQUENCE { OID data or signedData ...

use super::base64::distinct;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// 1.2.840.113549.1.12.10.1.1 `keyBag`, .2 `pkcs8ShroudedKeyBag`, and 1.2.840.113549.1.7.6 `encryptedData`, behind
/// which both may hide (RFC 7292, 4.2): a store of certificates alone has none of them, or is encrypted as a whole.
const BAGS: [&[u8]; 3] = [
    &[0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x01],
    &[0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x02],
    &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x06],
];

/// One field: its tag, the length that it states, and as much of its content as is there.
struct Field<'a> {
    tag: u8,
    length: usize,
    content: &'a [u8],
    rest: &'a [u8],
}

/// The field at the start, of definite length up to 65535 bytes.
fn field(bytes: &[u8]) -> Option<Field<'_>> {
    let (&tag, bytes) = bytes.split_first()?;
    let (length, bytes) = match bytes {
        [0x81, a @ 0x80..=0xff, rest @ ..] => (usize::from(*a), rest),
        [0x82, a @ 1..=0xff, b, rest @ ..] => (usize::from(*a) << 8 | usize::from(*b), rest),
        [a @ 0..=0x7f, rest @ ..] => (usize::from(*a), rest),
        _ => return None,
    };
    let (content, rest) = bytes.split_at(length.min(bytes.len()));
    Some(Field { tag, length, content, rest })
}

/// Whether it begins as a private key does: any of the first four shapes.
pub(crate) fn private_key(der: &[u8]) -> bool {
    traditional_key(der) || pkcs8(der) || encrypted_pkcs8(der)
}

/// PKCS#1, DSA or SEC 1.
pub(crate) fn traditional_key(der: &[u8]) -> bool {
    let Some((version, next)) = versioned(der) else { return false };
    match (version, next.tag) {
        // The modulus or the prime: at least 512 bits, positive, odd; the whole starts with its length.
        (0, INTEGER) => next.length >= 64 && plausible_number(&next),
        // 128 to 571 bits (RFC 5915, section 3, and SEC 2).
        (1, OCTET_STRING) => (14..=72).contains(&next.length) && plausible_number(&next),
        _ => false,
    }
}

/// PKCS#8, not encrypted.
pub(crate) fn pkcs8(der: &[u8]) -> bool {
    let Some((version, next)) = versioned(der) else { return false };
    version <= 1 && next.tag == SEQUENCE && next.length >= 5 && next.content.first() == Some(&OID) && {
        let key = field(next.rest);
        next.rest.is_empty()
            || key.is_some_and(|key| key.tag == OCTET_STRING && (16..=16384).contains(&key.length))
    }
}

/// PKCS#8, encrypted.
pub(crate) fn encrypted_pkcs8(der: &[u8]) -> bool {
    let Some(outer) = field(der).filter(|outer| outer.tag == SEQUENCE && outer.length >= 60) else {
        return false;
    };
    let Some(scheme) = field(outer.content) else { return false };
    // The schemes of PKCS#5 (1.2.840.113549.1.5) and PKCS#12 (1.2.840.113549.1.12.1).
    let known = [
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05][..],
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01],
    ];
    scheme.tag == SEQUENCE
        && field(scheme.content)
            .is_some_and(|oid| oid.tag == OID && known.iter().any(|known| oid.content.starts_with(known)))
        && field(scheme.rest).is_none_or(|data| data.tag == OCTET_STRING && data.length >= 16)
}

/// A PKCS#12 store that can hold a key. One that ends before its content tells counts.
pub(crate) fn pkcs12(der: &[u8]) -> bool {
    let Some((3, next)) = versioned(der) else { return false };
    if next.tag != SEQUENCE || next.content.first() != Some(&OID) {
        return false;
    }
    let whole = next.content.len() == next.length;
    !whole || BAGS.iter().any(|bag| next.content.windows(bag.len()).any(|window| window == *bag))
}

/// SEQUENCE { INTEGER of one byte, and the field behind it.
fn versioned(der: &[u8]) -> Option<(u8, Field<'_>)> {
    let outer = field(der).filter(|outer| outer.tag == SEQUENCE)?;
    let version = field(outer.content).filter(|version| version.tag == INTEGER && version.length == 1)?;
    let next = field(version.rest)?;
    // What is inside cannot be longer than what it is in.
    (next.length < outer.length).then(|| (version.content.first().copied().unwrap_or(u8::MAX), next))
}

/// As much of it as is there looks random.
fn plausible_number(number: &Field<'_>) -> bool {
    let part = &number.content[..number.content.len().min(64)];
    part.len() >= 12 && distinct(part) * 2 >= part.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let mut bytes = match content.len() {
            0..=0x7f => vec![tag, length[1]],
            0x80..=0xff => vec![tag, 0x81, length[1]],
            _ => vec![tag, 0x82, length[0], length[1]],
        };
        bytes.extend_from_slice(content);
        bytes
    }

    fn noise(length: usize) -> Vec<u8> {
        (0..length).map(|n| u8::try_from(n * 167 % 251).unwrap() | 1).collect()
    }

    #[test]
    fn the_shapes() {
        let rsa = tlv(0x30, &[tlv(2, &[0]), tlv(2, &noise(257)), tlv(2, &[1, 0, 1])].concat());
        let ec = tlv(0x30, &[tlv(2, &[1]), tlv(4, &noise(32))].concat());
        let algorithm = tlv(0x30, &tlv(6, &[0x2b, 0x65, 0x70]));
        let ed25519 = tlv(0x30, &[tlv(2, &[0]), algorithm.clone(), tlv(4, &tlv(4, &noise(32)))].concat());
        let scheme = tlv(0x30, &tlv(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d]));
        let encrypted = tlv(0x30, &[scheme, tlv(4, &noise(96))].concat());
        for key in [&rsa, &ec, &ed25519, &encrypted] {
            assert!(private_key(key), "{key:02x?}");
            assert!(private_key(&key[..36]), "a cut one");
            assert!(!pkcs12(key));
        }
        let public = tlv(0x30, &[algorithm, tlv(3, &noise(32))].concat());
        assert!(!private_key(&public));
        assert!(!private_key(&tlv(0x30, &[tlv(2, &[0]), tlv(2, &[0; 257])].concat())), "zeros are no key");
        let bag = tlv(0x30, &[BAGS[1].to_vec(), noise(80)].concat());
        let store = tlv(0x30, &[tlv(2, &[3]), tlv(0x30, &[tlv(6, &[1]), bag].concat())].concat());
        assert!(pkcs12(&store) && !private_key(&store));
        let certificates =
            tlv(0x30, &[tlv(2, &[3]), tlv(0x30, &[tlv(6, &[1]), noise(80)].concat())].concat());
        assert!(!pkcs12(&certificates));
    }

    #[test]
    fn hostile_bytes_are_no_keys() {
        for first in 0..=255 {
            for second in [0, 1, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff] {
                for bytes in [
                    &[first][..],
                    &[first, second],
                    &[first, second, 0xff],
                    &[first, second, 0xff, 0xff, 2, 1, 0],
                ] {
                    assert!(!private_key(bytes) && !pkcs12(bytes));
                }
            }
        }
    }
}
