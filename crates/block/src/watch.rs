//! Whether a file is still as it was when it was opened, by what the system knows of it without reading it.
//!
//! Size, time of the last write and time of the last change of anything else. Of a block device the times say nothing: who
//! writes to one is not seen. Nor is a write within the few milliseconds of the clock's step in which the file was opened.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::FileId;

/// What changes if a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    id: FileId,
    size: u64,
    /// Seconds and nanoseconds; programs can set it back.
    written: (i64, i64),
    /// The same of the inode; no program can.
    changed: (i64, i64),
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            id: metadata.into(),
            size: metadata.len(),
            written: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// An open file, and what it was like then.
#[derive(Debug)]
pub(crate) struct Watched {
    path: PathBuf,
    file: File,
    stamp: Stamp,
}

impl Watched {
    /// From now on. `path` is what messages call it.
    pub(crate) fn new(path: &Path, file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        let stamp = Stamp::from(&file.metadata()?);
        Ok(Self { path: path.to_owned(), file, stamp })
    }

    /// Which file it is.
    pub(crate) fn id(&self) -> FileId {
        self.stamp.id
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether anything differs.
    pub(crate) fn has_changed(&self) -> io::Result<bool> {
        Ok(Stamp::from(&self.file.metadata()?) != self.stamp)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::FileExt,
        thread,
        time::{Duration, Instant},
    };

    use super::*;

    /// Tries until the clock's step is over.
    fn sees(watched: &Watched, change: impl Fn()) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            change();
            if watched.has_changed().unwrap() {
                return true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        false
    }

    #[test]
    fn sees_what_happens_to_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&path, "0123456789").unwrap();
        let open = || Watched::new(&path, &File::open(&path).unwrap()).unwrap();
        let writing = fs::OpenOptions::new().write(true).open(&path).unwrap();

        let watched = open();
        fs::read(&path).unwrap();
        assert!(!watched.has_changed().unwrap());
        assert!(sees(&watched, || writing.write_all_at(b"x", 3).unwrap()));
        assert!(sees(&open(), || writing.set_len(5).unwrap()));
        // Written, and made to look as if it had not been.
        let watched = open();
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        assert!(sees(&watched, || {
            writing.write_all_at(b"y", 3).unwrap();
            writing.set_modified(before).unwrap();
        }));
        // Replaced: what is read is the old one, which lost its name.
        let watched = open();
        assert!(sees(&watched, || {
            fs::write(&other, "new").unwrap();
            fs::rename(&other, &path).unwrap();
        }));
    }
}
