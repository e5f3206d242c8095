//! Secrets in archives and compressed files: what a pass over the disk cannot see.
//!
//! Each live regular file that begins like an archive is read through its filesystem and unpacked. Streams whose bytes
//! lie on the disk as they are (the members of a plain tar) are not searched again. Nor is what everybody has: a file
//! that a package ships, by the sum of its content, is counted and left as it is. Files are shared out among threads;
//! the result is the same for any number of them.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    io::{self, BufReader, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use block::to_u64;
use filesystem::{Error, FileKind, Filesystem, InodeId, Result};
use scan::content::{
    Secret, sweep_reader,
    unpack::{HEAD, Kind, Limits, MemberName, Outcome, Reason, unpack},
};
use serde::Serialize;

use super::{LISTED, Search, seams::on_disk, shipped::with_shipped_content};
use crate::{Region, Survey, second::SPARSE};

/// The largest file whose sum is compared with those of packages. What they ship compressed is small, and what is large
/// is seldom theirs: it would be read twice.
const COMPARED: u64 = 4 << 20;
/// Decoded bytes of all files together. Once they are reached, the files that are left are left out.
const ALL: u64 = 64 << 30;
/// Bytes of a file that are read at once.
const PIECE: usize = 1 << 18;
/// Files that may be looked into before the first of them is done.
const AHEAD: usize = 256;

/// What was looked into.
#[derive(Debug, Default, Serialize)]
pub struct Archives {
    /// Live files that are archives or compressed.
    pub files: u64,
    /// Those of them whose content a package ships: they were not looked into.
    pub shipped: u64,
    /// What is in them, and what was left out.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A secret in an archive.
pub(super) struct Found {
    /// Index of the volume in the layout.
    pub(super) volume: usize,
    pub(super) inode: InodeId,
    /// Its offset is where the file begins on the disk.
    pub(super) secret: Secret,
    /// The way to it, escaped.
    pub(super) inside: Vec<String>,
}

/// A file to look into.
#[derive(Clone, Copy)]
struct File {
    volume: usize,
    inode: InodeId,
    size: u64,
    /// Bytes that are stored: holes are none.
    stored: u64,
    /// Where it begins on the disk.
    start: u64,
}

/// What one file had.
#[derive(Default)]
struct Looked {
    outcome: Outcome,
    found: Vec<Found>,
    unlisted: u64,
}

/// The archives of a disk.
struct Candidates {
    /// To be looked into.
    files: Vec<File>,
    archives: Archives,
}

/// Looks into archives. Gives each secret once for each stream that has it, in the order of the files on the
/// disk; of one file 10000, and the number of the others comes with them. Fails only if the medium does.
pub(super) fn find(
    survey: &Survey,
    search: Search<'_>,
    visit: &mut dyn FnMut(Vec<Found>, u64),
) -> Result<Archives> {
    let Candidates { files, mut archives } = candidates(survey, search)?;
    let mut left_out = 0_u64;
    let mut visit = |looked: Looked| {
        // In the order of files, so that the limit is the same for any number of threads.
        if archives.outcome.bytes >= ALL {
            left_out += 1;
            return false;
        }
        archives.outcome.add(&looked.outcome);
        visit(looked.found, looked.unlisted);
        true
    };
    let done = share_out(survey, search, &files, &mut visit)?;
    left_out += to_u64(files.len() - done);
    if left_out > 0 {
        *archives.outcome.left_out.entry(Reason::Budget).or_default() += left_out;
    }
    Ok(archives)
}

/// The live regular files that begin like an archive, in the order of their first bytes on the disk. Fails only if the
/// medium does.
fn candidates(survey: &Survey, search: Search<'_>) -> Result<Candidates> {
    let mut archives = Archives::default();
    let mut files = all(survey, &mut archives.outcome)?;
    archives.files = to_u64(files.len());
    if !search.shipped {
        let comparable =
            files.iter().filter(|file| file.size <= COMPARED).map(|file| (file.volume, file.inode));
        // Whatever is in a file that is known to hold secrets is in use.
        let comparable = comparable.filter(|file| !search.named.contains(file)).collect();
        let shipped = with_shipped_content(survey, &comparable)?;
        files.retain(|file| !shipped.contains(&(file.volume, file.inode)));
        archives.shipped = archives.files - to_u64(files.len());
    }
    files.sort_by_key(|file| file.start);
    Ok(Candidates { files, archives })
}

fn all(survey: &Survey, outcome: &mut Outcome) -> Result<Vec<File>> {
    let mut inodes: BTreeMap<usize, BTreeSet<InodeId>> = BTreeMap::new();
    for area in survey.atlas.areas().filter(|area| area.region == Region::File) {
        if let (Some(volume), Some(inode)) = (area.volume, area.inode) {
            inodes.entry(volume).or_default().insert(inode);
        }
    }
    let mut files = Vec::new();
    for (volume, inodes) in inodes {
        let Some(filesystem) = survey.views.filesystem(volume).transpose()? else { continue };
        for inode in inodes {
            match candidate(survey, &*filesystem, volume, inode) {
                Ok(file) => files.extend(file),
                Err(error @ Error::Io(_)) => return Err(error),
                Err(_) => *outcome.left_out.entry(Reason::Unreadable).or_default() += 1,
            }
        }
    }
    Ok(files)
}

fn candidate(
    survey: &Survey,
    filesystem: &dyn Filesystem,
    volume: usize,
    inode: InodeId,
) -> Result<Option<File>> {
    let metadata = filesystem.metadata(inode)?;
    if metadata.kind != FileKind::File {
        return Ok(None);
    }
    let mut head = [0; HEAD];
    let length = filesystem.read(inode, 0, &mut head)?;
    if Kind::of(&head[..length]).is_none() {
        return Ok(None);
    }
    let (mut first, mut stored) = (None, 0);
    filesystem.extents(inode, &mut |offset, extent| {
        first = first.or((offset == 0).then_some(extent.start));
        stored += extent.len;
        Ok(())
    })?;
    let start = first.and_then(|first| on_disk(&survey.layout.volumes[volume], first));
    Ok(start.map(|start| File { volume, inode, size: metadata.size, stored, start }))
}

/// Which files the threads are at.
#[derive(Default)]
struct Progress {
    /// The next file that nobody has.
    next: usize,
    /// Files that are done, and all before them.
    done: usize,
    stop: bool,
}

#[derive(Default)]
struct Shared {
    progress: Mutex<Progress>,
    moved: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next file to look into, once it is not too far ahead.
    fn next(&self, files: usize) -> Option<usize> {
        let mut progress = self.lock();
        loop {
            if progress.stop || progress.next == files {
                return None;
            }
            if progress.next < progress.done + AHEAD {
                progress.next += 1;
                return Some(progress.next - 1);
            }
            progress = self.moved.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn update(&self, update: impl FnOnce(&mut Progress)) {
        update(&mut self.lock());
        self.moved.notify_all();
    }
}

/// Looks into the files in several threads; `visit` has them in order, until it gives `false`. Returns how many it had.
fn share_out(
    survey: &Survey,
    search: Search<'_>,
    files: &[File],
    visit: &mut dyn FnMut(Looked) -> bool,
) -> Result<usize> {
    let shared = Shared::default();
    let (shared, workers) = (&shared, search.workers.clamp(1, files.len().max(1)));
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..workers {
            let sender = sender.clone();
            scope.spawn(move || {
                while let Some(index) = shared.next(files.len()) {
                    if sender.send((index, look(survey, search, files[index]))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut done = 0;
        for (index, looked) in receiver {
            waiting.insert(index, looked);
            while let Some(looked) = waiting.remove(&done) {
                done += 1;
                let more = match looked {
                    Ok(looked) => visit(looked),
                    Err(error) => {
                        shared.update(|progress| progress.stop = true);
                        return Err(error);
                    }
                };
                shared.update(|progress| (progress.done, progress.stop) = (done, !more));
                if !more {
                    return Ok(done);
                }
            }
        }
        Ok(done)
    })
}

/// What is in one file. A decoder that panics is kept from the others.
fn look(survey: &Survey, search: Search<'_>, file: File) -> Result<Looked> {
    let one = |reason| Outcome { left_out: BTreeMap::from([(reason, 1)]), ..Outcome::default() };
    match catch_unwind(AssertUnwindSafe(|| look_into(survey, search, file))) {
        Ok(Err(error @ Error::Io(_))) => Err(error),
        Ok(Err(_)) => Ok(Looked { outcome: one(Reason::Unreadable), ..Looked::default() }),
        Ok(looked) => looked,
        Err(_) => Ok(Looked { outcome: one(Reason::Failed), ..Looked::default() }),
    }
}

fn look_into(survey: &Survey, search: Search<'_>, file: File) -> Result<Looked> {
    let File { volume, inode, size, stored, start } = file;
    let Some(filesystem) = survey.views.filesystem(volume).transpose()? else {
        return Ok(Looked::default());
    };
    let mut looked = Looked::default();
    let mut scanner = search.scanner.clone();
    let mut content = Content { filesystem: &*filesystem, inode, at: 0, error: None };
    // One that is nearly all hole may be longer than any disk.
    let enough = SPARSE * stored;
    let mut reader = BufReader::with_capacity(PIECE, (&mut content).take(enough));
    let outcome = unpack(&mut reader, Limits::for_file(size), &mut |inner| {
        if inner.plain {
            return io::copy(inner.content, &mut io::sink()).map(drop);
        }
        let mut seen = HashSet::new();
        sweep_reader(inner.content, &mut scanner, search.key, &mut |mut secret| {
            if looked.found.len() >= LISTED {
                looked.unlisted += 1;
            } else if seen.insert((secret.rule.id, secret.digest)) {
                secret.offset = start;
                let inside = inner.names.iter().map(MemberName::to_string).collect();
                looked.found.push(Found { volume, inode, secret, inside });
            }
        })
        .map(drop)
    });
    match (outcome, content.error) {
        (_, Some(error @ Error::Io(_))) => Err(error),
        // What was found before the filesystem failed is kept.
        (_, Some(_)) => {
            looked.outcome.left_out.insert(Reason::Unreadable, 1);
            Ok(looked)
        }
        (Ok(outcome), None) => {
            looked.outcome = outcome;
            if size > enough {
                looked.outcome.left_out.insert(Reason::Budget, 1);
            }
            Ok(looked)
        }
        (Err(error), None) => Err(error.into()),
    }
}

/// A file's content, front to back.
struct Content<'a> {
    filesystem: &'a dyn Filesystem,
    inode: InodeId,
    at: u64,
    error: Option<Error>,
}

impl Read for Content<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.filesystem.read(self.inode, self.at, buf) {
            Ok(read) => {
                self.at += to_u64(read);
                Ok(read)
            }
            Err(error) => {
                self.error = Some(error);
                Err(io::Error::other("the file cannot be read"))
            }
        }
    }
}
