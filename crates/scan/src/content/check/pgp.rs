//! Armoured secret keys of OpenPGP (RFC 9580, section 6.2; RFC 4880, section 6.1 for the checksum).

use super::{base64, pem};

/// Initial value and polynomial of CRC-24.
const CRC24_INIT: u32 = 0x00b7_04ce;
const CRC24_POLY: u32 = 0x0186_4cfb;
/// Shorter than the packet of any secret key.
const LEAST: usize = 48;

/// Whether the body of `BEGIN PGP PRIVATE KEY BLOCK` starts with a secret key's packet. A checksum, where the body
/// has one, must be right; a body that is cut has none.
pub(crate) fn private_key(body: &[u8]) -> bool {
    let digits = pem::digits(body);
    let (data, sum) = split(&digits);
    let Some(bytes) = base64::decode(data).filter(|bytes| bytes.len() >= LEAST) else { return false };
    // Tag 5, in the old form with a length of one to four bytes, or in the new one; then the version.
    let version = match bytes[0] {
        0x94 => bytes[2],
        0x95 => bytes[3],
        0x96 => bytes[5],
        0xc5 if bytes[1] < 192 => bytes[2],
        0xc5 if bytes[1] < 224 => bytes[3],
        0xc5 => bytes[6],
        _ => return false,
    };
    (3..=6).contains(&version) && sum.is_none_or(|sum| sum == crc24(&bytes))
}

/// Digits, and the checksum behind their padding: `=` and four digits at the end.
fn split(digits: &[u8]) -> (&[u8], Option<u32>) {
    let Some((data, tail)) = digits.len().checked_sub(5).map(|at| digits.split_at(at)) else {
        return (digits, None);
    };
    match base64::decode(&tail[1..]).as_deref() {
        Some(&[a, b, c]) if tail[0] == b'=' => (data, Some(u32::from_be_bytes([0, a, b, c]))),
        _ => (digits, None),
    }
}

/// CRC-24 of RFC 4880.
fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(CRC24_INIT, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 16, |crc, _| {
            let shifted = crc << 1;
            if shifted & 0x0100_0000 == 0 { shifted } else { shifted ^ CRC24_POLY }
        })
    })
}

/// A block's body that is no key, with its checksum. Only tests make secrets.
#[cfg(test)]
pub(crate) fn make() -> String {
    let mut packet = vec![0x95, 1, 0x1e, 4];
    packet.extend((0..160_usize).map(|n| u8::try_from(n * 71 % 251).expect("a byte")));
    let sum = crc24(&packet).to_be_bytes();
    format!("{}\n={}", base64::encode(&packet), base64::encode(&sum[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_catalogue() {
        assert_eq!(crc24(b"123456789"), 0x0021_cf02);
    }

    #[test]
    fn the_checksum_counts_if_it_is_there() {
        let body = make();
        assert!(private_key(body.as_bytes()));
        assert!(private_key(&body.as_bytes()[..100]), "a cut one");
        let mut wrong = body.into_bytes();
        wrong[20] = if wrong[20] == b'A' { b'B' } else { b'A' };
        assert!(!private_key(&wrong));
        assert!(!private_key(b"=") && !private_key(b""));
        // A public key's packet has tag 6.
        let mut public = vec![0x99, 1, 0x1e, 4];
        public.extend([7; 100]);
        assert!(!private_key(base64::encode(&public).as_bytes()));
    }
}
