//! A tree as a kernel shows it: everything about every name that a user could miss.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

use rustix::{
    fs::{SeekFrom, lgetxattr, llistxattr, seek},
    io::Errno,
};

/// What a kernel says of one name: facts by their names.
pub type Facts = BTreeMap<&'static str, String>;

/// A tree: facts by the path below its root.
pub type Manifest = BTreeMap<OsString, Facts>;

/// Reads the tree below `root`.
pub fn read(root: &Path) -> io::Result<Manifest> {
    let mut manifest = Manifest::new();
    let mut todo = vec![root.to_owned()];
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path)?;
        let below = path.strip_prefix(root).expect("the walk starts there").as_os_str().to_owned();
        manifest.insert(below, facts(&path, &meta)?);
        if meta.is_dir() {
            for entry in fs::read_dir(&path)? {
                todo.push(entry?.path());
            }
        }
    }
    Ok(manifest)
}

fn facts(path: &Path, meta: &fs::Metadata) -> io::Result<Facts> {
    let mut facts = Facts::from([
        ("mode", format!("{:o}", meta.mode())),
        ("owner", format!("{}:{}", meta.uid(), meta.gid())),
        ("inode", meta.ino().to_string()),
        ("links", meta.nlink().to_string()),
        ("device", meta.rdev().to_string()),
        ("mtime", format!("{}.{:09}", meta.mtime(), meta.mtime_nsec())),
        ("ctime", format!("{}.{:09}", meta.ctime(), meta.ctime_nsec())),
        ("atime", format!("{}.{:09}", meta.atime(), meta.atime_nsec())),
        ("xattrs", xattrs(path)?),
    ]);
    if meta.is_symlink() {
        facts.insert("target", fs::read_link(path)?.as_os_str().as_bytes().escape_ascii().to_string());
    } else if meta.is_file() {
        facts.insert("size", meta.len().to_string());
        facts.insert("holes", holes(&File::open(path)?, meta.len())?);
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(path)?)?;
        facts.insert("content", hasher.finalize().to_string());
    }
    Ok(facts)
}

fn xattrs(path: &Path) -> io::Result<String> {
    let mut names = vec![0; 65_536];
    let len = match llistxattr(path, &mut names) {
        Ok(len) => len,
        Err(Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut all = Vec::new();
    for name in names[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 65_536];
        let len = lgetxattr(path, OsStr::from_bytes(name), &mut value)?;
        all.push(format!("{}={}", name.escape_ascii(), value[..len].escape_ascii()));
    }
    all.sort();
    Ok(all.join(" "))
}

/// Where data begins and ends, as lseek(2) tells.
fn holes(file: &File, size: u64) -> io::Result<String> {
    let (mut text, mut at) = (String::new(), 0);
    while at < size {
        let data = match seek(file, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        at = seek(file, SeekFrom::Hole(data))?;
        text.push_str(&format!("{data}-{at} "));
    }
    Ok(text)
}
