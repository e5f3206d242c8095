//! The digest of a guest disk's content, the same for every container and however holes are stored.
//!
//! `BLAKE3("diskscrub content 2\n" || for each 64 KiB piece that is not all zero: le64(index) || BLAKE3(piece)
//! || le64(size))`. The last piece may be shorter. Pieces of zeros cost nothing, so a sparse disk is as cheap
//! as its data; and where input and output are the same, one hash serves both.

use std::{fmt, io};

use block::{BlockRead, is_zero, to_usize};

/// Length of a piece in bytes.
pub(crate) const PIECE: u64 = 64 << 10;

/// Bytes that [`Digest::of`] reads at once.
const READ: u64 = 1 << 20;

/// The name of this digest, as it is printed.
pub const ALGORITHM: &str = "blake3-64k";

/// A finished digest; prints as `blake3-64k:` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}:{}", self.hex())
    }
}

impl Digest {
    /// Its value alone, in hexadecimal.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Of what `device` shows. Holes cost nothing.
    pub fn of(device: &dyn BlockRead) -> io::Result<Self> {
        let mut digest = ContentDigest::new();
        let mut buf = vec![0; to_usize(READ)];
        // Always a multiple of `READ`, hence of `PIECE`, up to the end.
        let mut at = 0;
        while at < device.size() {
            let run = device.run_at(at)?;
            let end = at.saturating_add(READ).min(device.size());
            // On to the read in which the zeros end.
            if run.zero && at + run.len >= end {
                at = end.max((at + run.len) / READ * READ);
                continue;
            }
            let bytes = &mut buf[..to_usize(end - at)];
            device.read_at(at, bytes)?;
            for (index, piece) in (at / PIECE..).zip(bytes.chunks(to_usize(PIECE))) {
                digest.piece(index, hash(piece).as_ref());
            }
            at = end;
        }
        Ok(digest.finish(device.size()))
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use block::RawImage;

    use super::*;

    #[test]
    fn the_same_with_and_without_holes() {
        // Pieces of zeros, of data, and both; the last one is short.
        let mut disk = vec![0; 9_000_001];
        for at in [0, 3_145_727, 3_145_728, 5_000_000, 9_000_000] {
            disk[at] = 7;
        }
        let file = tempfile::tempfile().unwrap();
        file.set_len(9_000_001).unwrap();
        for (at, _) in (0..).zip(&disk).filter(|(_, byte)| **byte != 0) {
            file.write_all_at(&[7], at).unwrap();
        }
        let sparse = Digest::of(&RawImage::new(file).unwrap()).unwrap();
        assert_eq!(sparse, Digest::of(&disk).unwrap());
        disk[9_000_000] = 0;
        assert_ne!(sparse, Digest::of(&disk).unwrap());

        let mut expected = ContentDigest::new();
        for (index, piece) in (0..).zip(disk.chunks(to_usize(PIECE))) {
            expected.piece(index, hash(piece).as_ref());
        }
        assert_eq!(Digest::of(&disk).unwrap(), expected.finish(9_000_001));
    }
}
