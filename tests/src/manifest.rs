//! A tree as a kernel shows it: everything about every name that a user could miss.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io,
    os::{
        fd::AsRawFd,
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::Path,
};

use rustix::{
    fs::{SeekFrom, lgetxattr, llistxattr, seek},
    io::Errno,
};

use crate::{
    Result,
    program::{command, lossy, output},
};

/// What a kernel says of one name: facts by their names.
pub type Facts = BTreeMap<&'static str, String>;

/// A tree: facts by the path below its root.
pub type Manifest = BTreeMap<OsString, Facts>;

/// Names that one run of a program is asked about.
const AT_ONCE: usize = 200;

/// Reads the tree below `root`.
pub fn read(root: &Path) -> Result<Manifest> {
    let mut manifest = walk(root).map_err(|error| error.to_string())?;
    attributes(root, &mut manifest)?;
    blocks(root, &mut manifest)?;
    Ok(manifest)
}

fn walk(root: &Path) -> io::Result<Manifest> {
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
        ("birth", format!("{:?}", meta.created().ok())),
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

/// Project, generation and flags of files and directories, as lsattr tells them.
fn attributes(root: &Path, manifest: &mut Manifest) -> Result<()> {
    let mut asked: Vec<(&OsString, &mut Facts)> = manifest
        .iter_mut()
        .filter(|(_, facts)| facts.contains_key("content") || facts["mode"].starts_with('4'))
        .collect();
    for some in asked.chunks_mut(AT_ONCE) {
        let mut lsattr = command("lsattr");
        let names = some.iter().map(|(path, _)| match path.is_empty() {
            true => OsStr::new("."),
            false => path.as_os_str(),
        });
        let said = output(lsattr.current_dir(root).args(["-dpv", "--"]).args(names))?;
        let mut rest = &*said.stdout;
        for (path, facts) in some {
            // Names may have line feeds in them: each line ends with the name that was asked for. Filesystems without
            // attributes have no line.
            let line = [&b" "[..], if path.is_empty() { &b"."[..] } else { path.as_bytes() }, b"\n"].concat();
            let Some(end) = memchr::memmem::find(rest, &line) else { continue };
            let words = lossy(&rest[..end]);
            facts.insert("attributes", words.split_whitespace().collect::<Vec<_>>().join(" "));
            rest = &rest[end + line.len()..];
        }
    }
    Ok(())
}

/// Where each piece of a file lies, and which of them are unwritten, as filefrag tells it.
fn blocks(root: &Path, manifest: &mut Manifest) -> Result<()> {
    let mut asked: Vec<(&OsString, &mut Facts)> =
        manifest.iter_mut().filter(|(_, facts)| facts.contains_key("content")).collect();
    for some in asked.chunks_mut(AT_ONCE) {
        let open = |path: &OsString| File::open(root.join(path)).map_err(|error| error.to_string());
        let files: Vec<File> = some.iter().map(|(path, _)| open(path)).collect::<Result<_>>()?;
        let mut filefrag = command("filefrag");
        let me = std::process::id();
        filefrag.arg("-v").args(files.iter().map(|file| format!("/proc/{me}/fd/{}", file.as_raw_fd())));
        let said = output(&mut filefrag)?;
        let text = lossy(&said.stdout);
        // One part each file, which begins with its size.
        let parts: Vec<&str> = text.split("File size of ").skip(1).collect();
        if parts.len() != some.len() {
            continue;
        }
        for ((_, facts), part) in some.iter_mut().zip(parts) {
            let rows =
                part.lines().filter(|line| line.trim_start().starts_with(|c: char| c.is_ascii_digit()));
            let rows = rows.filter_map(|row| {
                let unwritten = if row.contains("unwritten") { " unwritten" } else { "" };
                let mut columns = row.split(':').skip(1).map(str::trim);
                let (logical, physical) = (columns.next()?, columns.next()?);
                Some(format!("{logical} at {physical}{unwritten}"))
            });
            facts.insert("blocks", rows.collect::<Vec<_>>().join(", "));
        }
    }
    Ok(())
}
