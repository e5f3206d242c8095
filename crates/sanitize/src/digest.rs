//! The digest of a guest disk's content, the same for every container and however holes are stored.
//!
//! `BLAKE3("diskscrub content 2\n" || for each 64 KiB piece that is not all zero: le64(index) || BLAKE3(piece)
//! || le64(size))`. The last piece may be shorter. Pieces of zeros cost nothing, so a sparse disk is as cheap
//! as its data; and where input and output are the same, one hash serves both.

use std::fmt;

use block::is_zero;

/// Length of a piece in bytes.
pub(crate) const PIECE: u64 = 64 << 10;

/// A finished digest; prints as `blake3-64k:` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("blake3-64k:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The hash of a piece; `None` if it is all zero.
pub(crate) fn hash(piece: &[u8]) -> Option<blake3::Hash> {
    (!is_zero(piece)).then(|| blake3::hash(piece))
}

/// Takes the hashes of the pieces in ascending order.
pub(crate) struct ContentDigest(blake3::Hasher);

impl ContentDigest {
    pub(crate) fn new() -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"diskscrub content 2\n");
        Self(hasher)
    }

    /// The piece `index` has this hash.
    pub(crate) fn piece(&mut self, index: u64, hash: Option<&blake3::Hash>) {
        if let Some(hash) = hash {
            self.0.update(&index.to_le_bytes()).update(hash.as_bytes());
        }
    }

    pub(crate) fn finish(mut self, size: u64) -> Digest {
        self.0.update(&size.to_le_bytes());
        Digest(*self.0.finalize().as_bytes())
    }
}
