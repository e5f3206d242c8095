//! Digests of secrets: they tell equal ones from different ones, and nothing else.

use std::fmt;

/// The key of a run's digests. Who has it can test a guess, so it is shown to nobody.
#[derive(Clone, Copy)]
pub struct Key(pub [u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// Sixteen bytes of a secret's keyed BLAKE3 digest. Shown in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// The digest of a secret.
    #[must_use]
    pub fn new(key: &Key, secret: &[u8]) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&blake3::keyed_hash(&key.0, secret).as_bytes()[..16]);
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_keys_and_secrets_apart() {
        let digest = |key: u8, secret: &[u8]| Digest::new(&Key([key; 32]), secret).to_string();
        assert_eq!(digest(1, b"a"), digest(1, b"a"));
        assert_ne!(digest(1, b"a"), digest(2, b"a"));
        assert_ne!(digest(1, b"a"), digest(1, b"b"));
        assert_eq!(digest(1, b"a").len(), 32);
        assert_eq!(format!("{:?}", Key([7; 32])), "Key");
    }
}
