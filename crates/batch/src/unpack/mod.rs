//! Images out of their wrappers: decoded once, front to back, into a sparse file.
//!
//! Memory is bounded whatever the wrapper's headers ask for, and so is what is stored: who gives a limit gets an error
//! instead of a full disk. Zeros are not stored.

mod sparse;
mod tar;

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufReader, Read},
    rc::Rc,
};

use block::{Error, Object, Result, Unsupported};

use self::sparse::Sparse;
use crate::Wrapper;

/// Binary logarithm of the largest window that a decoder may ask for: zstd's own default, and more than `xz -9` takes.
const WINDOW: u32 = 27;
/// Bytes that are decoded at once.
const PIECE: usize = 256 << 10;

/// What came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unpacked {
    /// The image, of so many bytes.
    Whole(u64),
    /// More than the limit would have been stored; the file is of no use.
    TooLarge,
}

/// Unpacks `input` into `output`, an empty file, of which at most `limit` bytes get stored.
///
/// # Errors
/// `Corrupt` if the stream is damaged or cut short, `Unsupported` if it needs more memory than 128 MiB or is an archive
/// without `disk.raw`, `Io` if the input cannot be read or the output not be written.
pub fn unpack(wrapper: Wrapper, input: File, output: &File, limit: u64) -> Result<Unpacked> {
    let failed = Rc::new(Cell::new(None));
    let input = BufReader::with_capacity(PIECE, Watched { input, failed: Rc::clone(&failed) });
    let decoder: Box<dyn Read> = match wrapper {
        Wrapper::None => Box::new(input),
        Wrapper::Gzip | Wrapper::TarGzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Wrapper::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            decoder.window_log_max(WINDOW)?;
            Box::new(decoder)
        }
        // In KiB, and some for all but the dictionary.
        Wrapper::Xz => {
            Box::new(lzma_rust2::XzReader::new_mem_limit(input, true, (1 << (WINDOW - 10)) + 1024))
        }
    };
    let mut source = Source { decoder, wrapper, failed };
    let mut sparse = Sparse::new(output, limit);
    let size = match wrapper {
        Wrapper::TarGzip => tar::disk_raw(&mut source, &mut sparse)?,
        _ => copy(&mut source, &mut sparse, u64::MAX)?,
    };
    sparse.finish(size)?;
    Ok(if sparse.is_full() { Unpacked::TooLarge } else { Unpacked::Whole(size) })
}

/// Copies until the source ends, `most` bytes are copied, or nothing more may be stored; says how many.
fn copy(source: &mut Source, sparse: &mut Sparse<'_>, most: u64) -> Result<u64> {
    let (mut buf, mut done) = (vec![0; PIECE], 0);
    while done < most && !sparse.is_full() {
        let want = block::to_usize(block::to_u64(PIECE).min(most - done));
        let read = source.read(&mut buf[..want])?;
        if read == 0 {
            break;
        }
        sparse.write(&buf[..read])?;
        done += block::to_u64(read);
    }
    Ok(done)
}

/// Remembers that the medium failed, which decoders tell in their own words.
struct Watched {
    input: File,
    failed: Rc<Cell<Option<io::Error>>>,
}

impl Read for Watched {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.input.read(buf).inspect_err(|error| {
            self.failed.set(Some(
                error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error),
            ));
        })
    }
}

/// What a decoder gives, with its failures told apart.
struct Source {
    decoder: Box<dyn Read>,
    wrapper: Wrapper,
    failed: Rc<Cell<Option<io::Error>>>,
}

impl Source {
    /// Up to `buf.len()` bytes; 0 at the end.
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        loop {
            match self.decoder.read(buf) {
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.told(&error)),
            }
        }
    }

    /// All of `buf`, or how the stream ends before.
    fn read_exact(&mut self, buf: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.read(&mut buf[filled..])? {
                0 => return Err(self.object().corrupt("content", "cut short", "whole members")),
                read => filled += read,
            }
        }
        Ok(())
    }

    fn object(&self) -> Object {
        Object::the(match self.wrapper {
            Wrapper::None => "file",
            Wrapper::Gzip => "gzip stream",
            Wrapper::Zstd => "zstd stream",
            Wrapper::Xz => "xz stream",
            Wrapper::TarGzip => "tar archive",
        })
    }

    fn told(&self, error: &io::Error) -> Error {
        if let Some(medium) = self.failed.take() {
            return Error::Io(medium);
        }
        // zstd has only words for it.
        let words = error.to_string();
        if error.kind() == io::ErrorKind::OutOfMemory || words.contains("memory") {
            let feature = format!("a window of more than {} MiB", 1 << (WINDOW - 20));
            return Unsupported::new(self.object(), feature).into();
        }
        self.object().corrupt("content", format_args!("damaged or cut short ({words})"), "one whole stream")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Seek, Write},
        os::unix::fs::{FileExt, MetadataExt},
    };

    /// A disk with data here and there.
    pub(super) fn disk() -> Vec<u8> {
        let mut disk = vec![0; 3_000_001];
        for (number, at) in (1u8..).zip([0, 65_536, 700_000, 2_999_990]) {
            disk[at..at + 11].fill(number);
        }
        disk
    }

    pub(super) fn unpacked(wrapper: Wrapper, packed: &[u8], limit: u64) -> Result<(Unpacked, Vec<u8>, File)> {
        let mut input = tempfile::tempfile().unwrap();
        input.write_all(packed).unwrap();
        input.rewind().unwrap();
        let output = tempfile::tempfile().unwrap();
        let done = unpack(wrapper, input, &output, limit)?;
        let mut bytes = vec![0; usize::try_from(output.metadata().unwrap().len()).unwrap()];
        output.read_exact_at(&mut bytes, 0).unwrap();
        Ok((done, bytes, output))
    }

    pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn packed() -> [(Wrapper, Vec<u8>); 3] {
        let disk = disk();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&disk).unwrap();
        let xz = std::process::Command::new("xz").arg("-1c").arg(file.path()).output().expect("xz runs");
        [
            (Wrapper::Gzip, gzip(&disk)),
            (Wrapper::Zstd, zstd::encode_all(&*disk, 1).unwrap()),
            (Wrapper::Xz, xz.stdout),
        ]
    }

    #[test]
    fn every_wrapper_gives_the_disk_and_stores_no_zeros() {
        for (wrapper, packed) in packed() {
            let (done, bytes, file) = unpacked(wrapper, &packed, 1 << 20).unwrap();
            assert_eq!((done, bytes == disk()), (Unpacked::Whole(3_000_001), true), "{wrapper:?}");
            assert!(file.metadata().unwrap().blocks() * 512 <= 5 * 65_536, "{wrapper:?}");
        }
        // pigz and bgzip write several members, zstd --long and pzstd several frames.
        let halves = [gzip(&disk()[..1_000_000]), gzip(&disk()[1_000_000..])].concat();
        assert_eq!(unpacked(Wrapper::Gzip, &halves, 1 << 20).unwrap().1, disk());
    }

    #[test]
    fn no_more_is_stored_than_allowed() {
        for (wrapper, packed) in packed() {
            let (done, _, file) = unpacked(wrapper, &packed, 100_000).unwrap();
            assert_eq!(done, Unpacked::TooLarge);
            assert!(file.metadata().unwrap().blocks() * 512 <= 3 * 65_536, "{wrapper:?}");
        }
    }

    #[test]
    fn damage_is_told() {
        for (wrapper, packed) in packed() {
            let mut flipped = packed.clone();
            let middle = flipped.len() / 2;
            flipped[middle] ^= 0x55;
            for broken in [&packed[..packed.len() - 9], &flipped, b"no stream at all"] {
                let error = unpacked(wrapper, broken, 1 << 30).map(|_| ()).unwrap_err();
                assert!(matches!(error, Error::Corrupt(_)), "{wrapper:?}: {error}");
            }
        }
        let error = unpacked(Wrapper::Gzip, b"", 1).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("gzip stream: content is damaged or cut short ("), "{error}");
    }

    #[test]
    fn a_window_cannot_ask_for_all_memory() {
        // RFC 8878, 3.1.1: magic, no single segment, no checksum; a window of 2 to the power of 41.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 0xf8, 1, 0, 0];
        let error = unpacked(Wrapper::Zstd, &frame, 1).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "zstd stream: a window of more than 128 MiB is not supported");
    }
}
