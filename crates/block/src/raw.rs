//! A raw image, or a block device, as a device. The file is opened read-only and is never written.
//!
//! Holes of a sparse file are zero runs where the filesystem can tell (`SEEK_DATA`, `SEEK_HOLE`); elsewhere
//! everything is data, which is always true and only slower.

use std::{
    fs::{self, File},
    io::{self, Seek, SeekFrom},
    os::unix::fs::{FileExt, FileTypeExt},
    path::Path,
    sync::Arc,
};

use rustix::io::Errno;

use crate::{
    BlockRead, Extent, Object, ReadFailed, Result, Run, device::check_range, last_run::LastRun, to_u64,
};

/// A file of `size()` bytes, which need not be a multiple of the sector size.
#[derive(Debug)]
pub struct RawImage {
    file: File,
    /// By which it was opened.
    path: Option<Arc<Path>>,
    size: u64,
    last: LastRun,
    #[cfg(test)]
    pub(crate) fault: fault::Fault,
}

impl RawImage {
    /// Opens a regular file or a block device. Anything else is refused, before a FIFO could block.
    pub fn open(path: &Path) -> io::Result<Self> {
        let kind = fs::metadata(path)?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "neither a regular file nor a block device",
            ));
        }
        Ok(Self { path: Some(path.into()), ..Self::new(File::open(path)?)? })
    }

    /// Takes a file that is open for reading. A block device's size is where its end is, not what `stat` says.
    pub fn new(mut file: File) -> io::Result<Self> {
        let size = file.seek(SeekFrom::End(0))?;
        Ok(Self {
            file,
            path: None,
            size,
            last: LastRun::default(),
            #[cfg(test)]
            fault: fault::Fault::default(),
        })
    }

    /// Has the system read what is asked for and nothing else. It would read on into the holes behind, and fill memory with
    /// zeros for them: a third of the time that it takes to read a sparse file which is in memory otherwise. The advice is for
    /// all handles that came of the same `open`, and only advice.
    pub fn without_read_ahead(file: &File) {
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random);
        #[cfg(not(target_os = "linux"))]
        let _ = file;
    }

    /// The file itself, for its metadata.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    fn failed(&self, extent: Extent, error: io::Error) -> io::Error {
        ReadFailed::of(self.path.clone(), extent, error)
    }

    /// The rest of the hole or the data that `offset` lies in.
    fn find_run(&self, offset: u64) -> io::Result<Run> {
        let rest = Run { len: self.size - offset, zero: false };
        let seek = |from| match rustix::fs::seek(&self.file, from) {
            Ok(found) => Ok(Some(found.clamp(offset, self.size))),
            // Only holes (or nothing) follow.
            Err(Errno::NXIO) => Ok(Some(self.size)),
            // Such a file has no holes to tell of: EINVAL on block devices and old filesystems.
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOTTY | Errno::NOSYS) => Ok(None),
            Err(error) => Err(io::Error::from(error)),
        };
        let Some(data) = seek(rustix::fs::SeekFrom::Data(offset))? else { return Ok(rest) };
        if data > offset {
            return Ok(Run { len: data - offset, zero: true });
        }
        match seek(rustix::fs::SeekFrom::Hole(offset))? {
            Some(hole) if hole > offset => Ok(Run { len: hole - offset, zero: false }),
            _ => Ok(rest),
        }
    }
}

impl BlockRead for RawImage {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        check_range(self.size, offset, buf.len())?;
        let mut read = || {
            #[cfg(test)]
            self.fault.call()?;
            self.file.read_exact_at(buf, offset)
        };
        let outcome = read();
        outcome.map_err(|error| self.failed(Extent { start: offset, len: to_u64(buf.len()) }, error))
    }

    fn run_at(&self, offset: u64) -> io::Result<Run> {
        check_range(self.size, offset, 1)?;
        let find = || {
            #[cfg(test)]
            self.fault.call()?;
            self.find_run(offset)
        };
        let run = self.last.at(offset, find);
        run.map_err(|error| self.failed(Extent { start: offset, len: 0 }, error))
    }
}

/// Reads up to `len` bytes at `offset`: fewer where the file ends, none behind its end. `len` must not come from the image unchecked.
pub(crate) fn read_up_to(file: &RawImage, object: Object, offset: u64, len: u64) -> Result<Vec<u8>> {
    let len = len.min(file.size().saturating_sub(offset));
    let mut bytes = vec![0; crate::to_usize(len)];
    if !bytes.is_empty() {
        file.read_object(object, offset, &mut bytes)?;
    }
    debug_assert_eq!(to_u64(bytes.len()), len);
    Ok(bytes)
}

/// A call that fails, for those who read through a file.
#[cfg(test)]
pub(crate) mod fault {
    use std::{
        io,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    /// Counts calls down to the one that fails; none at 0.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct Fault(Arc<AtomicUsize>);

    impl Fault {
        pub(crate) fn at(&self, call: usize) {
            self.0.store(call, Ordering::Relaxed);
        }

        /// Calls that are left before the one that fails.
        pub(crate) fn left(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }

        pub(super) fn call(&self) -> io::Result<()> {
            let before =
                self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            if before == Ok(1) { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_fails_says_on_which_file_and_where() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(8192).unwrap();
        let image = RawImage::open(file.path()).unwrap();
        for (error, expected) in [
            (
                {
                    image.fault.at(1);
                    image.read_at(512, &mut [0; 100]).unwrap_err()
                },
                "reading 100 bytes at 512: Input/output error (os error 5)",
            ),
            (
                {
                    image.fault.at(1);
                    image.run_at(4096).unwrap_err()
                },
                "looking for data from 4096 on: Input/output error (os error 5)",
            ),
        ] {
            let error = crate::Error::from(error);
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.file(), Some(file.path()));
        }
    }

    #[test]
    fn a_sparse_file_of_odd_size() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(3_000_001).unwrap();
        file.write_all_at(&[7; 100], 1_048_576).unwrap();
        file.write_all_at(&[9], 3_000_000).unwrap();
        let image = RawImage::new(file).unwrap();
        assert_eq!(image.size(), 3_000_001);

        let mut bytes = vec![1; 3_000_001];
        image.read_at(0, &mut bytes).unwrap();
        assert_eq!((bytes[0], bytes[1_048_576], bytes[3_000_000]), (0, 7, 9));
        assert!(image.read_at(3_000_000, &mut [0; 2]).is_err());

        // Walked from the front, the runs cover the file, and a zero run is zero.
        let mut at = 0;
        while at < image.size() {
            let run = image.run_at(at).unwrap();
            assert!(run.len > 0);
            let part = &bytes[crate::to_usize(at)..crate::to_usize(at + run.len)];
            assert!(!run.zero || crate::is_zero(part), "at {at}");
            at += run.len;
        }
        assert_eq!(at, image.size());
        assert!(image.run_at(at).is_err());
    }

    #[test]
    fn a_directory_and_a_device_of_characters_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path(), Path::new("/dev/zero")] {
            let error = RawImage::open(path).unwrap_err();
            assert_eq!(error.to_string(), "neither a regular file nor a block device");
        }
    }
}
