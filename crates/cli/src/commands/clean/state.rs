//! Where the intent log of a run in place lies, and whether one is there that has to be finished first.
//!
//! A log belongs to the disk that it knows by its bytes, whatever name that has today. Beside another disk it is left
//! alone; a disk that something else has written to since is refused.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use block::{BlockRead, Target, to_usize};
use rustix::fs::OFlags;
use sanitize::in_place::{Identity, IntentLog};

use crate::failure::Failure;

/// What the names of logs end with.
const SUFFIX: &str = ".diskscrub-intent";

/// What the name of a log ends with when its run is finished: it is worth nothing any more, and is about to be removed.
const FINISHED: &str = "diskscrub-finished";

/// The directory of the logs, and the name of this disk's.
pub(super) struct State {
    directory: PathBuf,
    own: PathBuf,
}

/// A log, and where it lies.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) log: IntentLog,
}

impl State {
    /// Beside the image, unless the command line names a directory.
    pub(super) fn of(directory: Option<&Path>, target: &Target) -> Result<Self, Failure> {
        let path = target.path();
        let real = fs::canonicalize(path).map_err(|error| Failure::output(path, &error))?;
        let directory = match directory {
            Some(directory) if directory.is_dir() => directory.to_owned(),
            Some(directory) => {
                return Err(Failure::usage(format_args!("{}: is not a directory", directory.display())));
            }
            None if target.is_device() => {
                return Err(Failure::usage(format_args!(
                    "{}: is a device: --state has to name a directory for its intent log, on a disk that outlives a \
                     loss of power",
                    path.display()
                )));
            }
            None => real.parent().unwrap_or(Path::new("/")).to_owned(),
        };
        let mut name = OsString::from(".");
        name.push(real.file_name().unwrap_or(real.as_os_str()));
        name.push(SUFFIX);
        Ok(Self { own: directory.join(name), directory })
    }

    /// Where all logs go.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where this disk's log goes.
    pub(super) fn own(&self) -> &Path {
        &self.own
    }

    /// The log of a run on `disk` that was not finished. What is left of one that was is removed.
    pub(super) fn find(&self, disk: &dyn BlockRead) -> Result<Option<Found>, Failure> {
        let finished = self.own.with_extension(FINISHED);
        remove_finished(&finished).map_err(|error| Failure::output(&finished, &error))?;
        let mut paths = vec![self.own.clone()];
        let entries =
            fs::read_dir(&self.directory).map_err(|error| Failure::output(&self.directory, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| Failure::output(&self.directory, &error))?.path();
            if path.as_os_str().as_encoded_bytes().ends_with(SUFFIX.as_bytes()) && path != self.own {
                paths.push(path);
            }
        }
        for path in paths {
            let own = path == self.own;
            let refused =
                |what: &dyn std::fmt::Display| Failure::usage(format_args!("{}: {what}", path.display()));
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Failure::output(&path, &error)),
            };
            if !trusted(&file).map_err(|error| Failure::output(&path, &error))? {
                if own {
                    return Err(refused(&"is an intent log that somebody else can write"));
                }
                continue;
            }
            let log = match IntentLog::open(file) {
                Ok(log) => log,
                Err(error) if own => return Err(refused(&error)),
                // Of whatever disk it was.
                Err(_) => continue,
            };
            match log.identify(disk).map_err(|error| refused(&error))? {
                Identity::Same => return Ok(Some(Found { path, log })),
                Identity::Changed => {
                    return Err(refused(
                        &"is the intent log of a run on this disk that was not finished, but something else has \
                          written to the disk since: nothing was written",
                    ));
                }
                Identity::Other if own => {
                    let uuids = log.meta().uuids.join(", ");
                    return Err(refused(&format_args!(
                        "is the intent log of another disk, of {} bytes, with the filesystems {uuids}: finish that \
                         run, or remove the log",
                        log.meta().size
                    )));
                }
                Identity::Other => {}
            }
        }
        Ok(None)
    }
}

/// Whether nobody else can have put anything into a log: what it says will be written.
fn trusted(file: &File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    Ok(metadata.is_file() && ours && metadata.mode() & 0o022 == 0)
}

impl Found {
    /// Overwrites the log, which says what was replaced by what, and removes it.
    ///
    /// Its name changes first, and for good: a run that dies here is finished, and half a log is no riddle to the next.
    pub(super) fn remove(self) -> io::Result<()> {
        let finished = self.path.with_extension(FINISHED);
        fs::rename(&self.path, &finished)?;
        sync_directory(&finished)?;
        remove_finished(&finished)
    }
}

/// Overwrites and removes what nobody else can have put there, if it is there.
fn remove_finished(path: &Path) -> io::Result<()> {
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).expect("a flag of open(2) is an int");
    let mut file = match OpenOptions::new().write(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !trusted(&file)? || file.metadata()?.nlink() != 1 {
        return Err(io::Error::other(
            "is no log of a finished run: it has another owner or another name, or others can write it",
        ));
    }
    let mut rest = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    let zeros = vec![0; 1 << 20];
    while rest > 0 {
        let len = rest.min(block::to_u64(zeros.len()));
        file.write_all(&zeros[..to_usize(len)])?;
        rest -= len;
    }
    file.sync_all()?;
    fs::remove_file(path)?;
    sync_directory(path)
}

/// Puts a name on disk, or its removal.
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
