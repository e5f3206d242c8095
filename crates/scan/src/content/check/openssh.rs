//! OpenSSH's private keys (PROTOCOL.key of its source): magic, cipher, KDF, its options, number of keys, public
//! keys, private keys. Strings have a length of four bytes, big-endian.

const MAGIC: &[u8] = b"openssh-key-v1\0";
/// Up to here lies what a first line of 70 digits of base 64 always holds.
const LEAST: usize = 48;

/// Whether bytes are such a key, or the start of one that reaches its public key.
pub(crate) fn private_key(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(MAGIC) else { return false };
    let header = || {
        let (cipher, rest) = string(rest)?;
        let (kdf, rest) = string(rest)?;
        let (options, rest) = string(rest)?;
        Some((cipher, kdf, options, rest))
    };
    let Some((cipher, kdf, options, rest)) = header() else { return false };
    // A cipher is `none`, or named like `aes256-ctr`; the KDF's options are a salt and the rounds.
    let named = (4..=40).contains(&cipher.len())
        && cipher
            .iter()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-@.".contains(byte));
    let kdf_fits = match kdf {
        b"none" => cipher == b"none" && options.is_empty(),
        b"bcrypt" => cipher != b"none" && (12..=72).contains(&options.len()),
        _ => false,
    };
    let one_key = rest.get(..4).is_some_and(|count| matches!(count, [0, 0, 0, 1..=8]));
    named && kdf_fits && one_key && bytes.len() >= LEAST
}

fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// A key that is none, with noise in place of numbers. Only tests make secrets.
#[cfg(test)]
pub(crate) fn make() -> Vec<u8> {
    let mut key = MAGIC.to_vec();
    for part in [&b"none"[..], b"none", b""] {
        key.extend(u32::try_from(part.len()).expect("short").to_be_bytes());
        key.extend(part);
    }
    key.extend([0, 0, 0, 1, 0, 0, 0, 0x33, 0, 0, 0, 11]);
    key.extend(b"ssh-ed25519");
    key.extend((0..180_usize).map(|n| u8::try_from(n * 89 % 251).expect("a byte")));
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_its_start() {
        let key = make();
        assert!(private_key(&key));
        assert!(private_key(&key[..LEAST]));
        assert!(!private_key(&key[..LEAST - 1]));
    }

    #[test]
    fn one_wrong_field_is_enough() {
        let key = make();
        // The magic, the cipher's name, the KDF's name, its options' length, the number of keys.
        for at in [0, 14, 19, 27, 34, 38] {
            let mut wrong = key.clone();
            wrong[at] ^= 0x40;
            assert!(!private_key(&wrong), "byte {at}");
        }
        // The program itself holds the magic among other strings.
        assert!(!private_key(b"openssh-key-v1\0aes256-ctr\0bcrypt\0none\0more strings of the program"));
    }
}
