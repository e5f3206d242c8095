//! The digest of a guest disk's content, the same for every container and however holes are stored.
//!
//! `BLAKE3("diskscrub content 1\n" || for each 1 MiB chunk that is not all zero: le64(index) || BLAKE3(chunk)
//! || le64(size))`. The last chunk may be shorter. Chunks of zeros cost nothing, so a sparse disk is as cheap
//! as its data.

use std::fmt;

/// Length of a chunk in bytes.
pub(crate) const CHUNK: u64 = 1 << 20;

/// A finished digest; prints as `blake3-1m:` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("blake3-1m:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Takes the hashes of the chunks in ascending order.
pub(crate) struct ContentDigest(blake3::Hasher);

impl ContentDigest {
    pub(crate) fn new() -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"diskscrub content 1\n");
        Self(hasher)
    }

    /// The chunk `index` is not all zero and has this hash.
    pub(crate) fn chunk(&mut self, index: u64, hash: &blake3::Hash) {
        self.0.update(&index.to_le_bytes()).update(hash.as_bytes());
    }

    pub(crate) fn finish(mut self, size: u64) -> Digest {
        self.0.update(&size.to_le_bytes());
        Digest(*self.0.finalize().as_bytes())
    }
}
