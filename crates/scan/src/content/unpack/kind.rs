//! What a stream is, by its first bytes; names do not matter.

use std::io::{self, BufRead, Read};

use serde::Serialize;

use super::{bzip2, tar, zip};

/// First bytes that are looked at.
pub const HEAD: usize = 512;

/// What can be looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// RFC 1952.
    Gzip,
    /// The .xz file format.
    Xz,
    /// RFC 8878.
    Zstd,
    /// bzip2.
    Bzip2,
    /// ustar, GNU and pax.
    Tar,
    /// ZIP: documents and Java archives, too.
    Zip,
}

impl Kind {
    /// The kind of a stream that begins with these bytes, [`HEAD`] of them if it has as many.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        let bzip2 = || {
            let magic = head.get(4..10)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            Some(
                matches!(head[..4], [b'B', b'Z', b'h', b'1'..=b'9'])
                    && [bzip2::BLOCK, bzip2::END].contains(&magic),
            )
        };
        match head {
            // Deflate is the only method, and three flags are reserved.
            [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0 => Some(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ if head.starts_with(&zip::LOCAL) => Some(Self::Zip),
            _ if bzip2() == Some(true) => Some(Self::Bzip2),
            _ if tar::is_header(head) => Some(Self::Tar),
            _ => None,
        }
    }

    /// `gzip`, `tar` ...
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Tar => "tar",
            Self::Zip => "zip",
        }
    }
}

/// How one stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Xz,
    Zstd,
    Bzip2,
}

impl Coding {
    /// A decoder that takes no more than about 2 to the power of `window` bytes of memory.
    pub(super) fn decoder<'a>(
        self,
        input: Box<dyn BufRead + 'a>,
        window: u32,
    ) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
            Self::Deflate => Box::new(flate2::bufread::DeflateDecoder::new(input)),
            Self::Bzip2 => Box::new(bzip2::Decoder::new(input)),
            Self::Xz => {
                // In KiB, and half a MiB for all but the dictionary.
                let limit = (1 << window.saturating_sub(10)) + 512;
                Box::new(lzma_rust2::XzReader::new_mem_limit(input, true, limit))
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
                decoder.window_log_max(window)?;
                Box::new(decoder)
            }
        })
    }
}
