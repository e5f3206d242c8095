//! The digest of a guest disk's content, the same for every container and however holes are stored.
//!
//! `BLAKE3("diskscrub content 2\n" || for each 64 KiB piece that is not all zero: le64(index) || BLAKE3(piece)
//! || le64(size))`. The last piece may be shorter. Pieces of zeros cost nothing, so a sparse disk is as cheap
//! as its data; and where input and output are the same, one hash serves both.

use std::{fmt, io};

use block::{AHEAD_PIECE, BlockRead, Extent, is_zero, read_ahead, to_usize};

/// Length of a piece in bytes.
pub(crate) const PIECE: u64 = 64 << 10;

/// Holes of so many bytes are not read by [`Digest::of`].
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
        let read = |offset: u64, buf: &mut [u8]| device.read_at(offset, buf);
        read_ahead(&read, Data { device, at: 0 }.map(|piece| Ok((piece?, ()))), |extent, (), bytes| {
            for (index, piece) in (extent.start / PIECE..).zip(bytes?.chunks(to_usize(PIECE))) {
                digest.piece(index, hash(piece).as_ref());
            }
            Ok::<_, io::Error>(())
        })?;
        Ok(digest.finish(device.size()))
    }
}

/// What of a device is not one whole hole, in ascending order; all but the device's end lies at multiples of `READ`, hence
/// of `PIECE`.
struct Data<'a> {
    device: &'a dyn BlockRead,
    at: u64,
}

impl Data<'_> {
    fn next_data(&mut self) -> io::Result<Option<Extent>> {
        let size = self.device.size();
        let mut data: Option<Extent> = None;
        while self.at < size {
            let run = self.device.run_at(self.at)?;
            let end = self.at.saturating_add(READ).min(size);
            let zero = run.zero && self.at + run.len >= end;
            if zero && data.is_some() {
                break;
            }
            if zero {
                // On to the read in which the zeros end.
                self.at = end.max((self.at + run.len) / READ * READ);
                continue;
            }
            let start = data.map_or(self.at, |data| data.start);
            data = Some(Extent::between(start, end));
            self.at = end;
            if end - start >= AHEAD_PIECE {
                break;
            }
        }
        Ok(data)
    }
}

impl Iterator for Data<'_> {
    type Item = io::Result<Extent>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_data().transpose()
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
