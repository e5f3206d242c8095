//! The output file: it appears under its name only when it is complete and on disk.
//!
//! Until [`OutputFile::publish`] the bytes have no name (Linux, on a file system with `O_TMPFILE`): however
//! the process ends, `kill -9` included, nothing is left. Elsewhere they are in `.NAME.XXXXXX.partial` beside
//! the target: removed on drop, left behind by a signal that kills the process. In both cases there is never
//! a file under the target's name that is not the whole image. An input is never replaced.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    fs::{self, File, Permissions},
    io,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile, TempPath};

/// Permissions of the output, less the process's umask.
const MODE: u32 = 0o644;
/// A file name has at most 255 bytes; a temporary one keeps this much of the target's.
const NAME_KEPT: usize = 200;
const SUFFIX: &str = ".partial";
/// Random characters of a temporary name.
const RANDOM: usize = 6;

/// What makes two open files or paths the same file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

impl FileId {
    /// The identity of an open file.
    pub fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::from(&metadata))
    }
}

impl From<&fs::Metadata> for FileId {
    fn from(metadata: &fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// A file being written that will be called `path` once it is published. Dropped before that, it is gone.
#[derive(Debug)]
pub struct OutputFile {
    file: File,
    /// Where the bytes are until then; `None` if nowhere in the tree.
    partial: Option<TempPath>,
    directory: File,
    path: PathBuf,
    overwrite: bool,
}

impl OutputFile {
    /// Starts the file that will be `path`, empty, readable and writable.
    ///
    /// `AlreadyExists` if something has that name, unless it is a regular file and `overwrite` is set (then it
    /// stays untouched until [`publish`](Self::publish)); `InvalidInput` if it is one of `inputs`, by whatever
    /// name, or no file name at all.
    pub fn create(path: &Path, overwrite: bool, inputs: &[FileId]) -> io::Result<Self> {
        Self::start(path, overwrite, inputs, true)
    }

    fn start(path: &Path, overwrite: bool, inputs: &[FileId], nameless: bool) -> io::Result<Self> {
        let name = path.file_name().ok_or_else(|| invalid(path, "is not a file name"))?;
        if path.as_os_str().as_bytes().ends_with(b"/") {
            return Err(invalid(path, "is a directory's name"));
        }
        check_target(path, overwrite, inputs)?;
        let parent = parent(path);
        let directory = File::open(parent).map_err(|error| named(&error, parent))?;
        let anonymous = if nameless { anonymous(&directory) } else { Ok(None) };
        let (file, partial) = match anonymous.map_err(|error| named(&error, parent))? {
            Some(file) => (file, None),
            None => {
                let (file, partial) = Builder::new()
                    .prefix(&prefix(name))
                    .rand_bytes(RANDOM)
                    .suffix(SUFFIX)
                    .permissions(Permissions::from_mode(MODE))
                    .tempfile_in(parent)?
                    .into_parts();
                (file, Some(partial))
            }
        };
        Ok(Self { file, partial, directory, path: path.to_owned(), overwrite })
    }

    /// Removes what killed runs left of this file beside it, where bytes have a name from the start. Nobody may be
    /// writing the same file now. Says how many there were.
    pub fn sweep(path: &Path) -> io::Result<usize> {
        let Some(name) = path.file_name() else { return Ok(0) };
        let (prefix, mut swept) = (prefix(name), 0);
        for entry in fs::read_dir(parent(path))? {
            let entry = entry?;
            let found = entry.file_name();
            let random = found.as_bytes().strip_prefix(prefix.as_bytes());
            let random = random.and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
            if random.is_some_and(|random| random.len() == RANDOM && !random.contains(&b'.')) {
                fs::remove_file(entry.path())?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// The file, to write and to verify before it has a name.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The name it will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of that name.
    pub fn directory(&self) -> &Path {
        parent(&self.path)
    }

    /// The directory in which a file called `path` would be made.
    #[must_use]
    pub fn directory_of(path: &Path) -> &Path {
        parent(path)
    }

    /// Whether both will have the same name in the same directory.
    pub fn same_name(&self, other: &Self) -> io::Result<bool> {
        let same_directory = FileId::of(&self.directory)? == FileId::of(&other.directory)?;
        Ok(same_directory && self.path.file_name() == other.path.file_name())
    }

    /// Puts all bytes on disk, gives the file its name, and puts the name on disk.
    ///
    /// Fails without a trace if the bytes cannot be synced, or if something has taken the name meanwhile and
    /// `overwrite` is not set. If only the last step fails, the complete file has its name, and a crash of the
    /// whole machine may still lose that name.
    pub fn publish(self) -> io::Result<()> {
        let synced = self.file.sync_all();
        synced
            .map_err(|error| failed(&error, format_args!("{}: syncing it to disk", self.path.display())))?;
        let result = match self.partial {
            None => link(&self.file, &self.directory, &self.path, self.overwrite),
            Some(partial) if self.overwrite => partial.persist(&self.path).map_err(|failed| failed.error),
            Some(partial) => partial.persist_noclobber(&self.path).map_err(|failed| failed.error),
        };
        result.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(&self.path),
            _ => named(&error, &self.path),
        })?;
        let of = || format!("{} is complete, but syncing its name to disk failed", self.path.display());
        self.directory.sync_all().map_err(|error| failed(&error, of()))
    }
}

fn check_target(path: &Path, overwrite: bool, inputs: &[FileId]) -> io::Result<()> {
    // Followed first: a symbolic link to the input is the input.
    if fs::metadata(path).is_ok_and(|metadata| inputs.contains(&FileId::from(&metadata))) {
        return Err(invalid(path, "is the input or a file that the input builds on"));
    }
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(named(&error, path)),
        Ok(metadata) if overwrite && metadata.is_file() => Ok(()),
        Ok(metadata) if metadata.is_file() => Err(exists(path)),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("{}: exists and is not a regular file", path.display()),
        )),
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn invalid(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {why}", path.display()))
}

fn exists(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, format!("{}: exists", path.display()))
}

fn named(error: &io::Error, path: &Path) -> io::Error {
    failed(error, path.display())
}

fn failed(error: &io::Error, what: impl fmt::Display) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// The `.NAME.` of `.NAME.XXXXXX.partial`, with a long name cut.
fn prefix(name: &OsStr) -> OsString {
    let name = &name.as_bytes()[..name.len().min(NAME_KEPT)];
    OsString::from_vec([b".", name, b"."].concat())
}

/// A file in `directory` without a name; `None` if this system or file system has none, or could not name it.
#[cfg(target_os = "linux")]
fn anonymous(directory: &File) -> io::Result<Option<File>> {
    use rustix::{
        fs::{Mode, OFlags, openat},
        io::Errno,
    };
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match openat(directory, c".", flags, Mode::from_raw_mode(MODE)) {
        Ok(file) => {
            let file = File::from(file);
            // The name comes through /proc at the end of a long run: see now that it is there.
            Ok(fs::metadata(descriptor(&file)).is_ok().then_some(file))
        }
        // open(2): not supported by the file system, or a kernel that takes it for opening a directory.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn anonymous(_: &File) -> io::Result<Option<File>> {
    Ok(None)
}

/// A path that leads to an open file.
fn descriptor(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Names a nameless file, in one step if the name is free. Over an existing file it takes two: between them the
/// complete image is `.NAME.XXXXXX.partial`.
fn link(file: &File, directory: &File, path: &Path, overwrite: bool) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    let from = descriptor(file);
    let name = path.file_name().expect("create() saw to it");
    match linkat(CWD, &from, directory, name, AtFlags::SYMLINK_FOLLOW) {
        Err(rustix::io::Errno::EXIST) if overwrite => {
            let linked: NamedTempFile<()> = Builder::new()
                .prefix(&prefix(name))
                .rand_bytes(RANDOM)
                .suffix(SUFFIX)
                .make_in(parent(path), |partial| {
                    Ok(linkat(CWD, &from, CWD, partial, AtFlags::SYMLINK_FOLLOW)?)
                })?;
            linked.into_temp_path().persist(path).map_err(|failed| failed.error)
        }
        done => Ok(done?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<OsString> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    /// What systems without nameless files do.
    #[test]
    fn a_partial_name_until_published() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("n".repeat(255));
        let output = OutputFile::start(&path, false, &[], false).unwrap();
        let name = names(dir.path()).remove(0).into_string().unwrap();
        assert!(name.starts_with(".nnn") && name.ends_with(".partial"), "{name}");
        drop(output);
        assert!(names(dir.path()).is_empty());

        OutputFile::start(&path, false, &[], false).unwrap().publish().unwrap();
        assert_eq!(names(dir.path()), [path.file_name().unwrap()]);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o133, 0);
        OutputFile::start(&path, true, &[], false).unwrap().publish().unwrap();
        assert_eq!(names(dir.path()).len(), 1);
    }

    #[test]
    fn what_a_killed_run_left_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        // As a kill does, it leaves the file where it is.
        std::mem::forget(OutputFile::start(&at("a.raw"), false, &[], false).unwrap());
        let others = ["a.raw", ".a.raw.partial", ".a.raw.x.abc.partial", ".b.raw.abcdef.partial"];
        others.iter().for_each(|name| fs::write(at(name), "").unwrap());
        assert_eq!((names(dir.path()).len(), OutputFile::sweep(&at("a.raw")).unwrap()), (5, 1));
        assert!(others.map(|name| at(name).exists()).iter().all(|there| *there));
        assert_eq!(OutputFile::sweep(&at("a.raw")).unwrap(), 0);
    }

    #[test]
    fn a_name_taken_meanwhile_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("race.img");
        let output = OutputFile::start(&path, false, &[], false).unwrap();
        fs::write(&path, b"theirs").unwrap();
        assert_eq!(output.publish().unwrap_err().to_string(), format!("{}: exists", path.display()));
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(names(dir.path()).len(), 1);
    }
}
