//! Our reading of a tree against another reader's: names, kinds, sizes, link targets and, if asked, content.

use std::{
    collections::{BTreeMap, HashSet},
    rc::Rc,
};

use block::to_u64;
use filesystem::{Entry, FileKind, Filesystem, InodeId, Result};

/// Differences that are told one by one.
const MAX_DIFFERENCES: usize = 20;
/// Deepest directory that is compared.
const MAX_DEPTH: usize = 512;
/// Largest piece of content in bytes.
pub(crate) const PIECE: usize = 1 << 20;

/// What another reader says of a name.
pub(crate) struct Seen {
    pub(crate) kind: FileKind,
    /// Size in bytes; only compared for regular files.
    pub(crate) size: u64,
}

/// Another reader of the same tree. Paths are absolute within the volume, of raw bytes.
pub(crate) trait Other {
    /// The names in a directory, without `.` and `..`.
    fn list(&mut self, dir: &[u8]) -> Result<BTreeMap<Vec<u8>, Seen>, String>;
    /// The target of a symbolic link.
    fn target(&mut self, path: &[u8]) -> Result<Vec<u8>, String>;
    /// Gives a file's content piece by piece, each but the last full.
    fn content(&mut self, path: &[u8], visit: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), String>;
}

/// What a comparison has come to.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) compared: u64,
    pub(crate) differences: Vec<String>,
}

/// Walks the whole tree of `ours`. A failure of `ours` is an error, one of `other` a difference.
pub(crate) fn compare(ours: &dyn Filesystem, other: &mut dyn Other, content: bool) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    // The path of a directory's parent is shared, so that memory does not follow the length of paths.
    let mut queue: Vec<(Rc<[u8]>, Vec<u8>, InodeId, usize)> =
        ours.root().map(|root| (Rc::from([]), Vec::new(), root, 0)).into_iter().collect();
    let mut seen = HashSet::new();
    while let Some((parent, name, inode, depth)) = queue.pop() {
        if outcome.differences.len() >= MAX_DIFFERENCES {
            break;
        }
        let dir: Rc<[u8]> = if depth == 0 { parent } else { [&*parent, b"/", &name].concat().into() };
        let name: &[u8] = if dir.is_empty() { b"/" } else { &dir };
        if depth > MAX_DEPTH || !seen.insert(inode) {
            let what = if depth > MAX_DEPTH { "lies too deep" } else { "is a directory with two names" };
            outcome.differences.push(format!("{}: {what}", name.escape_ascii()));
            continue;
        }
        let mut theirs = match other.list(name) {
            Ok(entries) => entries,
            Err(error) => {
                outcome.differences.push(format!("{}: {error}", name.escape_ascii()));
                continue;
            }
        };
        let mut entries = Vec::new();
        ours.entries(inode, &mut |entry| {
            entries.push(entry);
            Ok(())
        })?;
        for entry in entries {
            let path = [&*dir, b"/", &entry.name].concat();
            let seen = theirs.remove(&entry.name);
            if let Some(what) = differs(ours, other, &path, &entry, seen, content)? {
                outcome.differences.push(format!("{}: {what}", path.escape_ascii()));
            }
            if entry.kind == FileKind::Directory && !ours.metadata(entry.inode)?.encrypted {
                queue.push((Rc::clone(&dir), entry.name, entry.inode, depth + 1));
            }
            outcome.compared += 1;
        }
        for name in theirs.into_keys() {
            outcome.differences.push(format!(
                "{}/{} is only there for it",
                dir.escape_ascii(),
                name.escape_ascii()
            ));
        }
    }
    outcome.differences.truncate(MAX_DIFFERENCES);
    Ok(outcome)
}

fn differs(
    ours: &dyn Filesystem,
    other: &mut dyn Other,
    path: &[u8],
    entry: &Entry,
    seen: Option<Seen>,
    content: bool,
) -> Result<Option<String>> {
    let Some(seen) = seen else { return Ok(Some("is not there for it".to_owned())) };
    if seen.kind != entry.kind {
        return Ok(Some(format!("is {:?} for it, {:?} for us", seen.kind, entry.kind)));
    }
    let metadata = ours.metadata(entry.inode)?;
    if metadata.encrypted {
        return Ok(None);
    }
    match entry.kind {
        FileKind::File if seen.size != metadata.size => {
            Ok(Some(format!("has {} bytes for it, {} for us", seen.size, metadata.size)))
        }
        FileKind::File if content => same_content(ours, other, path, entry.inode),
        FileKind::Symlink => match other.target(path) {
            Ok(target) if target == ours.link_target(entry.inode)? => Ok(None),
            Ok(_) => Ok(Some("points elsewhere for it".to_owned())),
            Err(error) => Ok(Some(error)),
        },
        _ => Ok(None),
    }
}

fn same_content(
    ours: &dyn Filesystem,
    other: &mut dyn Other,
    path: &[u8],
    inode: InodeId,
) -> Result<Option<String>> {
    let (mut at, mut failure, mut different) = (0u64, None, false);
    let mut buf = vec![0; PIECE];
    let outcome = other.content(path, &mut |theirs| {
        let mine = &mut buf[..theirs.len()];
        match read_full(ours, inode, at, mine) {
            Ok(len) => different |= len != theirs.len() || mine != theirs,
            Err(error) => failure = Some(error),
        }
        at += to_u64(theirs.len());
        !different && failure.is_none()
    });
    match (failure, outcome) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Ok(Some(error)),
        (None, Ok(())) => Ok(different.then(|| "has another content for it".to_owned())),
    }
}

/// Reads until `buf` is full or the file ends.
fn read_full(ours: &dyn Filesystem, inode: InodeId, offset: u64, buf: &mut [u8]) -> Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match ours.read(inode, offset + to_u64(done), &mut buf[done..])? {
            0 => break,
            len => done += len,
        }
    }
    Ok(done)
}
