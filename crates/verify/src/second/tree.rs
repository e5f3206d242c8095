//! Our reading of a tree against another reader's: names, kinds, sizes and, if asked, content and link targets.

use std::{
    collections::{BTreeMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use block::to_u64;
use filesystem::{Entry, Error, FileKind, Filesystem, InodeId, Metadata, Result};

use crate::{Names, Options};

/// Differences that are told one by one.
const MAX_DIFFERENCES: usize = 20;
/// Deepest directory that is compared.
const MAX_DEPTH: usize = 512;
/// Most threads that compare.
const MAX_THREADS: usize = 16;
/// Directories that are given out at a time, so that nobody waits for whoever has a large one.
const AWAY: usize = 64;
/// Largest piece of content in bytes.
pub(crate) const PIECE: usize = 1 << 20;

/// What another reader says of a name.
pub(crate) struct Seen {
    pub(crate) kind: FileKind,
    /// Size in bytes: of content, or of a link's target. Not compared for other kinds. `None`: it cannot read that.
    pub(crate) size: Option<u64>,
}

/// Another reader of the same tree. Paths are absolute within the volume, of raw bytes.
pub(crate) trait Other {
    /// Whether an error says that it cannot read what is legal: then it has no opinion.
    fn is_blind(_error: &str) -> bool
    where
        Self: Sized,
    {
        false
    }
    /// How it shows a name that it has no words for; `None` for all others. Nothing else is known of what is there.
    fn shown(&self, _name: &[u8]) -> Option<Vec<u8>> {
        None
    }
    /// What is common to a name of ours and its own for the same entry, where they may differ; `None` where they may not.
    fn folded(_name: &[u8]) -> Option<Vec<u8>>
    where
        Self: Sized,
    {
        None
    }
    /// The names in a directory, without `.` and `..`. Ours, in the order on disk, are told so that it can read in an
    /// order that suits it: no more.
    fn list(&mut self, dir: &[u8], ours: &[Entry]) -> Result<Names<Seen>, String>;
    /// The target of a symbolic link.
    fn target(&mut self, path: &[u8]) -> Result<Vec<u8>, String>;
    /// Gives a file's content piece by piece, each but the last full; of a file that it cannot read, a part or nothing. The
    /// inode's number is ours.
    fn content(
        &mut self,
        path: &[u8],
        inode: InodeId,
        visit: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), String>;
}

/// What a comparison has come to.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) compared: u64,
    /// The other reader stopped with a panic: it has no opinion on the rest.
    pub(crate) stopped: bool,
    /// It has no opinion on something.
    pub(crate) blind: bool,
    pub(crate) differences: Vec<String>,
}

/// A directory that waits for its turn. The path of the one that holds it is shared, so that memory does not
/// follow the length of paths.
struct Directory {
    parent: Arc<[u8]>,
    name: Vec<u8>,
    inode: InodeId,
    depth: usize,
}

impl Directory {
    /// Its path; empty for the root.
    fn path(&self) -> Arc<[u8]> {
        if self.depth == 0 {
            Arc::clone(&self.parent)
        } else {
            [&*self.parent, b"/", &self.name].concat().into()
        }
    }
}

/// What one directory came to, and the directories in it.
type Compared = (Outcome, Vec<Directory>);

/// Opens a reader; each thread has its own.
type Open<'a, T, E> = &'a (dyn Fn() -> Result<T, E> + Sync);

/// Walks the whole tree of `ours`, some directories at a time. A failure of `ours` is an error, one of `theirs`,
/// a difference. What is said, and in which order, does not depend on the number of threads.
pub(crate) fn compare<'d, O: Other>(
    ours: Open<'_, Box<dyn Filesystem + 'd>, Error>,
    theirs: Open<'_, O, String>,
    options: Options,
) -> Result<Outcome> {
    let root =
        ours()?.root().map(|inode| Directory { parent: Arc::from([]), name: Vec::new(), inode, depth: 0 });
    let (job_sender, jobs) = mpsc::channel::<(usize, Directory)>();
    let (result_sender, results) = mpsc::channel();
    let jobs = &Mutex::new(jobs);
    thread::scope(|scope| {
        for _ in 0..options.threads.clamp(1, MAX_THREADS) {
            let result_sender = result_sender.clone();
            scope.spawn(move || {
                let mut pair = Pair::open(ours, theirs);
                loop {
                    let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((turn, directory)) = job else { break };
                    let compared = pair.compare(&directory, options.content);
                    if result_sender.send((turn, compared)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(result_sender);
        // Moved in, so that every way out of here ends the threads.
        let job_sender = job_sender;
        let mut outcome = Outcome::default();
        let mut met: HashSet<InodeId> = root.iter().map(|directory| directory.inode).collect();
        let mut stack = Vec::from_iter(root);
        let (mut sent, mut taken) = (0, 0);
        let mut early: BTreeMap<usize, Result<Compared>> = BTreeMap::new();
        while !outcome.stopped && outcome.differences.len() < MAX_DIFFERENCES {
            // What is given out depends on what has been taken, and that on no thread.
            while sent - taken < AWAY
                && let Some(directory) = stack.pop()
            {
                job_sender.send((sent, directory)).expect("the receiver outlives the threads");
                sent += 1;
            }
            if taken == sent {
                break;
            }
            let compared = loop {
                if let Some(compared) = early.remove(&taken) {
                    break compared;
                }
                match results.recv() {
                    Ok((turn, compared)) => drop(early.insert(turn, compared)),
                    Err(_) => break Ok((Outcome { stopped: true, ..Outcome::default() }, Vec::new())),
                }
            };
            taken += 1;
            let (of_one, below) = compared?;
            outcome.compared += of_one.compared;
            outcome.stopped |= of_one.stopped;
            outcome.blind |= of_one.blind;
            outcome.differences.extend(of_one.differences);
            for directory in below {
                // With a second name for a directory, the number of paths has no bound.
                let refused = match met.insert(directory.inode) {
                    false => Some("is a directory with two names"),
                    true => (directory.depth > MAX_DEPTH).then_some("lies too deep"),
                };
                match refused {
                    Some(what) => {
                        outcome.differences.push(format!("{}: {what}", directory.path().escape_ascii()));
                    }
                    None => stack.push(directory),
                }
            }
        }
        outcome.differences.truncate(MAX_DIFFERENCES);
        Ok(outcome)
    })
}

/// The two readers of a thread.
enum Pair<'d, O> {
    Open(Box<dyn Filesystem + 'd>, O),
    /// Ours could not be opened; told once.
    Failed(Option<Error>),
    /// The other could not be opened.
    Blind(String),
}

impl<'d, O: Other> Pair<'d, O> {
    fn open(ours: Open<'_, Box<dyn Filesystem + 'd>, Error>, theirs: Open<'_, O, String>) -> Self {
        match (ours(), theirs()) {
            (Ok(ours), Ok(theirs)) => Self::Open(ours, theirs),
            (Err(error), _) => Self::Failed(Some(error)),
            (_, Err(error)) => Self::Blind(error),
        }
    }

    fn compare(&mut self, directory: &Directory, content: bool) -> Result<Compared> {
        let difference = |difference: &str| {
            let differences = vec![format!("{}: {difference}", directory.path().escape_ascii())];
            Ok((Outcome { differences, ..Outcome::default() }, Vec::new()))
        };
        match self {
            Self::Open(ours, theirs) => {
                let compared =
                    catch_unwind(AssertUnwindSafe(|| compare_directory(&**ours, theirs, directory, content)));
                compared.unwrap_or_else(|_| Ok((Outcome { stopped: true, ..Outcome::default() }, Vec::new())))
            }
            Self::Failed(error) => match error.take() {
                Some(error) => Err(error),
                None => difference("not compared"),
            },
            Self::Blind(error) => difference(error),
        }
    }
}

fn compare_directory<O: Other>(
    ours: &dyn Filesystem,
    other: &mut O,
    directory: &Directory,
    content: bool,
) -> Result<Compared> {
    let mut outcome = Outcome::default();
    let mut below = Vec::new();
    let dir = directory.path();
    let name: &[u8] = if dir.is_empty() { b"/" } else { &dir };
    let mut entries = Vec::new();
    ours.entries(directory.inode, &mut |entry| {
        entries.push(entry);
        Ok(())
    })?;
    let mut theirs = match other.list(name, &entries) {
        Ok(entries) => entries,
        Err(error) if O::is_blind(&error) => {
            outcome.blind = true;
            return Ok((outcome, below));
        }
        Err(error) => {
            outcome.differences.push(format!("{}: {error}", name.escape_ascii()));
            return Ok((outcome, below));
        }
    };
    for entry in entries {
        if let Some(shown) = other.shown(&entry.name) {
            // Two such names may be shown as one.
            theirs.take(&shown);
            outcome.blind = true;
            continue;
        }
        let path = || [&*dir, b"/", &entry.name].concat();
        let metadata = ours.metadata(entry.inode)?;
        let seen = theirs.take(&entry.name);
        let seen = seen.or_else(|| theirs.take_like(&entry.name, O::folded));
        outcome.blind |= seen.as_ref().is_some_and(|seen| seen.size.is_none());
        if let Some(what) = differs(ours, other, &path, &entry, &metadata, seen, content)? {
            outcome.differences.push(format!("{}: {what}", path().escape_ascii()));
        }
        if entry.kind == FileKind::Directory && !metadata.encrypted {
            below.push(Directory {
                parent: Arc::clone(&dir),
                name: entry.name,
                inode: entry.inode,
                depth: directory.depth + 1,
            });
        }
        outcome.compared += 1;
    }
    for (name, _) in theirs.rest() {
        outcome.differences.push(format!(
            "{}/{} is only there for it",
            dir.escape_ascii(),
            name.escape_ascii()
        ));
    }
    outcome.differences.truncate(MAX_DIFFERENCES);
    Ok((outcome, below))
}

fn differs(
    ours: &dyn Filesystem,
    other: &mut dyn Other,
    path: &dyn Fn() -> Vec<u8>,
    entry: &Entry,
    metadata: &Metadata,
    seen: Option<Seen>,
    content: bool,
) -> Result<Option<String>> {
    let Some(seen) = seen else { return Ok(Some("is not there for it".to_owned())) };
    if seen.kind != entry.kind {
        return Ok(Some(format!("is {:?} for it, {:?} for us", seen.kind, entry.kind)));
    }
    let Some(size) = seen.size.filter(|_| !metadata.encrypted) else { return Ok(None) };
    match entry.kind {
        FileKind::File | FileKind::Symlink if size != metadata.size => {
            Ok(Some(format!("has {size} bytes for it, {} for us", metadata.size)))
        }
        FileKind::File if content => same_content(ours, other, &path(), entry.inode),
        FileKind::Symlink if content => match other.target(&path()) {
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
    let enough = SPARSE * stored_bytes(ours, inode)? + to_u64(PIECE);
    let mut buf = vec![0; PIECE];
    let outcome = other.content(path, inode, &mut |theirs| {
        let mine = &mut buf[..theirs.len()];
        match read_full(ours, inode, at, mine) {
            Ok(len) => different |= len != theirs.len() || mine != theirs,
            Err(error) => failure = Some(error),
        }
        at += to_u64(theirs.len());
        !different && failure.is_none() && at < enough
    });
    match (failure, outcome) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Ok(Some(error)),
        (None, Ok(())) => Ok(different.then(|| "has another content for it".to_owned())),
    }
}

/// A file is read front to back as far as so many times its stored bytes: one that is nearly all hole may be longer than any
/// disk.
pub(crate) const SPARSE: u64 = 16;

/// Bytes of a file that are stored outside its inode: at most as many as the volume has.
pub(crate) fn stored_bytes(filesystem: &dyn Filesystem, inode: InodeId) -> Result<u64> {
    let mut stored = 0;
    filesystem.extents(inode, &mut |_, extent| {
        stored += extent.len;
        Ok(())
    })?;
    Ok(stored)
}

/// Reads until `buf` is full or the file ends.
pub(crate) fn read_full(ours: &dyn Filesystem, inode: InodeId, offset: u64, buf: &mut [u8]) -> Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match ours.read(inode, offset + to_u64(done), &mut buf[done..])? {
            0 => break,
            len => done += len,
        }
    }
    Ok(done)
}
