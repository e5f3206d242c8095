//! A file or device that is opened to be changed where it lies. It is opened only if nobody else uses it.
//!
//! Refused by name: what is mounted, swapped to, held by LVM, RAID or a mapping, behind a loop device, locked or open
//! elsewhere, read-only, or no disk at all. A device stays claimed (`O_EXCL`) and locked as long as the target lives.

mod medium;
mod usage;

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, OFlags, fcntl_lock, flock},
    io::Errno,
};

pub use self::medium::FileMedium;
use self::usage::System;
use crate::{BlockRead, FileId, RawImage};

/// How often, and how many milliseconds apart, a lock is asked for: udev holds it for a moment after each change.
const LOCK: (u32, u64) = (20, 50);

/// Why something cannot be changed where it lies.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Not now, or not at all; the sentence's end.
    #[error("{0}")]
    Refused(String),
    /// The system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// An image file or a block device, open for reading and writing.
#[derive(Debug)]
pub struct Target {
    file: File,
    path: PathBuf,
    device: bool,
    size: u64,
    sector_size: Option<u32>,
}

impl Target {
    /// Opens `path` if it may be changed. Nothing is.
    pub fn open(path: &Path) -> Result<Self, TargetError> {
        let metadata = fs::metadata(path)?;
        let kind = metadata.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(refused("is neither a regular file nor a block device"));
        }
        let device = kind.is_block_device();
        let system = System::of_this_machine();
        let user =
            if device { system.user_of_device(metadata.rdev())? } else { system.user_of_file(&metadata)? };
        if let Some(user) = user {
            return Err(refused(user));
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        if device {
            let flags = i32::try_from(OFlags::EXCL.bits()).expect("a flag of open(2) is an int");
            options.custom_flags(flags);
        }
        let file = options.open(path).map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::BUSY) => {
                refused("is in use: a filesystem, a mapping or another program has claimed it")
            }
            Some(Errno::ROFS) => refused("is read-only"),
            Some(Errno::ACCESS | Errno::PERM) => refused("cannot be opened for writing: permission denied"),
            _ => error.into(),
        })?;
        lock(&file)?;
        let size = RawImage::new(file.try_clone()?)?.size();
        let sector_size = device.then(|| rustix::fs::ioctl_blksszget(&file).ok()).flatten();
        Ok(Self { file, path: path.to_owned(), device, size, sector_size })
    }

    /// The name that it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Whether it is a block device.
    #[must_use]
    pub fn is_device(&self) -> bool {
        self.device
    }

    /// Size in bytes: of a device, what it says itself.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of a logical sector, of a device.
    #[must_use]
    pub fn sector_size(&self) -> Option<u32> {
        self.sector_size
    }

    /// Which file it is.
    pub fn id(&self) -> io::Result<FileId> {
        FileId::of(&self.file)
    }

    /// Whether any of these files changes if this one does: the same, a disk's partition or a partition's disk, or the
    /// file behind a loop device.
    pub fn shares_bytes_with(&self, files: &[FileId]) -> io::Result<bool> {
        let mut same = vec![self.id()?];
        if self.device {
            same.extend(System::of_this_machine().same_bytes(self.file.metadata()?.rdev())?);
        }
        Ok(same.iter().any(|id| files.contains(id)))
    }

    /// To change it.
    pub fn medium(&self) -> io::Result<FileMedium> {
        FileMedium::new(self.file.try_clone()?, self.size, self.device)
    }
}

/// Bytes of a logical sector, if `path` is a block device that says so.
#[must_use]
pub fn device_sector_size(path: &Path) -> Option<u32> {
    let device = fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_block_device());
    let file = device.then(|| File::open(path).ok()).flatten()?;
    rustix::fs::ioctl_blksszget(&file).ok()
}

/// Whether `path` is a block device, by whatever name.
#[must_use]
pub fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_block_device())
}

fn refused(why: impl Into<String>) -> TargetError {
    TargetError::Refused(why.into())
}

/// Takes the lock that udev and other careful programs respect, and sees whether an emulator holds one of its own.
fn lock(file: &File) -> Result<(), TargetError> {
    let locked = || refused("is locked by another program");
    for round in 0.. {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(Errno::WOULDBLOCK) if round < LOCK.0 => thread::sleep(Duration::from_millis(LOCK.1)),
            Err(Errno::WOULDBLOCK) => return Err(locked()),
            // A filesystem without locks locks nobody out.
            Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::INVAL) => break,
            Err(error) => return Err(TargetError::Io(error.into())),
        }
    }
    // QEMU locks single bytes of its images (block/file-posix.c): a lock of the whole conflicts with each.
    match fcntl_lock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::ACCESS | Errno::AGAIN) => Err(locked()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(path: &Path) -> String {
        Target::open(path).unwrap_err().to_string()
    }

    #[test]
    fn a_file_is_claimed_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let target = Target::open(file.path()).unwrap();
        assert!(!target.is_device() && target.sector_size().is_none() && target.size() == 0);
        assert_eq!(sentence(file.path()), "is locked by another program");
        drop(target);
        assert!(Target::open(file.path()).is_ok());
    }

    #[test]
    fn what_is_no_disk_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path(), Path::new("/dev/null")] {
            assert_eq!(sentence(path), "is neither a regular file nor a block device");
        }
        assert!(matches!(Target::open(&dir.path().join("none")), Err(TargetError::Io(_))));
    }
}
