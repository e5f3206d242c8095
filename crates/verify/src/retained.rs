//! What was to stay has stayed, and what was to come has come: two readings of a tree, walked side by side.

use std::{collections::HashSet, rc::Rc};

use block::{Extent, ExtentSet, to_u64, to_usize};
use filesystem::{Entry, Expected, FileKind, Filesystem, InodeId, Metadata, NewEntry, NewKind, Result};

use crate::{
    Names,
    second::{PIECE, read_full},
};

/// Deepest directory that is followed; deeper ones are an error in the image or an attack.
const MAX_DEPTH: usize = 512;
/// Differences that are told one by one.
const MAX_DIFFERENCES: usize = 20;

/// Compares the tree before the edits with the tree of the output. Says what differs without being expected,
/// a sentence each, at most 20. Paths start with `/` at the volume's root.
///
/// Compared are names, kinds, modes, owners, sizes, times, link targets, and link counts (which may fall, by
/// names that went, and rise by directories that came). With `content`, also what is in the files that stay as they are; without it, the copy is
/// trusted to keep it bit by bit where it lies. Rewritten files are compared with what they are to hold in any case.
pub fn compare_trees(
    before: &dyn Filesystem,
    after: &dyn Filesystem,
    expected: &Expected,
    content: bool,
) -> Result<Vec<String>> {
    let losing = expected.gone.iter().map(|(dir, _)| *dir).collect();
    let mut walk = Walk {
        before,
        after,
        expected,
        content,
        losing,
        seen: HashSet::new(),
        met: 0,
        differences: Vec::new(),
    };
    if let (Some(a), Some(b)) = (before.root(), after.root()) {
        let mut queue = vec![(Rc::from([]), Vec::new(), (a, b), 0)];
        while let Some((parent, name, dirs, depth)) = queue.pop() {
            if walk.differences.len() >= MAX_DIFFERENCES {
                break;
            }
            let path: Rc<[u8]> = if depth == 0 { parent } else { [&*parent, b"/", &name].concat().into() };
            walk.directory(&path, dirs, depth, &mut queue)?;
        }
    }
    // Each is met once, for each directory is; those that are not there have no path to be told.
    if walk.differences.is_empty() && walk.met < expected.made.len() {
        let missing = expected.made.len() - walk.met;
        walk.differences.push(format!("names that were to be made but are not there: {missing}"));
    }
    // One directory can hold many.
    walk.differences.truncate(MAX_DIFFERENCES);
    Ok(walk.differences)
}

struct Walk<'a> {
    before: &'a dyn Filesystem,
    after: &'a dyn Filesystem,
    expected: &'a Expected,
    content: bool,
    /// Directories that names are to go from.
    losing: HashSet<InodeId>,
    /// Directories met: with a second name for one, the number of paths has no bound.
    seen: HashSet<InodeId>,
    /// Names met that were to be made.
    met: usize,
    differences: Vec<String>,
}

/// A directory to compare: the path of the one that holds it (shared, so that memory does not follow the length of
/// paths), its name, both of its inodes, and its depth.
type Pending = (Rc<[u8]>, Vec<u8>, (InodeId, InodeId), usize);

impl Walk<'_> {
    fn differ(&mut self, path: &[u8], what: &str) {
        self.differences.push(format!("{} {what}", path.escape_ascii()));
    }

    fn directory(
        &mut self,
        path: &Rc<[u8]>,
        dirs: (InodeId, InodeId),
        depth: usize,
        queue: &mut Vec<Pending>,
    ) -> Result<()> {
        if !self.seen.insert(dirs.0) {
            self.differ(path, "is a directory with two names");
            return Ok(());
        }
        let mut after = Vec::new();
        self.after.entries(dirs.1, &mut |Entry { name, inode, kind }| {
            after.push((name, (inode, kind)));
            Ok(())
        })?;
        let mut after: Names<(InodeId, FileKind)> = after.into_iter().collect();
        let mut before = Vec::new();
        self.before.entries(dirs.0, &mut |entry| {
            before.push(entry);
            Ok(())
        })?;
        let loses = self.losing.contains(&dirs.0);
        for entry in before {
            let gone = loses && self.expected.gone.contains(&(dirs.0, entry.name.clone()));
            // Made only where it is told: most names are as they were.
            let child = || [path, b"/".as_slice(), &entry.name].concat();
            match (gone, after.take(&entry.name)) {
                (true, None) => {}
                (true, Some(_)) => self.differ(&child(), "was to be removed but is there"),
                (false, None) => self.differ(&child(), "was to stay but is gone"),
                (false, Some(now)) => {
                    self.file(&child, (entry.inode, entry.kind), now)?;
                    if entry.kind == FileKind::Directory && now.1 == entry.kind {
                        if depth < MAX_DEPTH {
                            queue.push((Rc::clone(path), entry.name, (entry.inode, now.0), depth + 1));
                        } else {
                            self.differ(&child(), "lies too deep to be compared");
                        }
                    }
                }
            }
        }
        for (name, (inode, kind)) in after.rest() {
            self.made(path, dirs.1, Entry { name, inode, kind })?;
        }
        Ok(())
    }

    /// A name that was not there before, and what is below it.
    fn made(&mut self, path: &[u8], dir: InodeId, entry: Entry) -> Result<()> {
        let mut rest = vec![(path.to_vec(), dir, entry)];
        while let Some((path, dir, entry)) = rest.pop() {
            let child = [&path, b"/".as_slice(), &entry.name].concat();
            let Some(new) = self.expected.made.get(&(dir, entry.name.clone())) else {
                self.differ(&child, "was not there before");
                continue;
            };
            self.met += 1;
            if !self.is(&entry, new)? {
                self.differ(&child, "is not what was to be made");
            }
            if entry.kind != FileKind::Directory {
                continue;
            }
            if !self.seen.insert(entry.inode) {
                self.differ(&child, "is a directory with two names");
                continue;
            }
            self.after.entries(entry.inode, &mut |below| {
                rest.push((child.clone(), entry.inode, below));
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Whether a name is all that it was to be.
    fn is(&self, entry: &Entry, new: &NewEntry) -> Result<bool> {
        let found = self.after.metadata(entry.inode)?;
        let wanted = (new.kind.file_kind(), new.mode, new.uid, new.gid, new.time);
        if entry.kind != found.kind
            || (found.kind, found.mode, found.uid, found.gid, found.mtime) != wanted
            || (found.links != 1 && found.kind != FileKind::Directory)
        {
            return Ok(false);
        }
        for (name, value) in &new.attributes {
            if self.after.attribute(entry.inode, name)?.as_ref() != Some(value) {
                return Ok(false);
            }
        }
        match &new.kind {
            NewKind::File(content) => has_content(self.after, entry.inode, found.size, content),
            NewKind::Directory => Ok(true),
            NewKind::Symlink(target) => Ok(self.after.link_target(entry.inode)? == *target),
        }
    }

    /// Directories that were to be made in a directory, each of which it has a link for.
    fn made_in(&self, dir: InodeId) -> u32 {
        let made = self.expected.made.iter();
        let links = made.filter(|((of, _), new)| *of == dir && new.kind == NewKind::Directory).count();
        u32::try_from(links).unwrap_or(u32::MAX)
    }

    /// A file that stays, by its inode and kind before and now.
    fn file(
        &mut self,
        path: &dyn Fn() -> Vec<u8>,
        before: (InodeId, FileKind),
        now: (InodeId, FileKind),
    ) -> Result<()> {
        if before != now {
            self.differ(&path(), "is another file now");
            return Ok(());
        }
        let (inode, _) = now;
        let (a, b) = (self.before.metadata(inode)?, self.after.metadata(inode)?);
        let fixed = |m: &Metadata| (m.kind, m.mode, m.uid, m.gid, m.encrypted);
        if fixed(&a) != fixed(&b) {
            self.differ(&path(), "has another owner or mode");
        }
        let more = || if a.kind == FileKind::Directory { self.made_in(inode) } else { 0 };
        if b.links > a.links && b.links > a.links.saturating_add(more()) {
            self.differ(&path(), "has more links than before");
        }
        let rewritten = self.expected.rewritten.get(&inode);
        let changed =
            a.kind == FileKind::Directory || rewritten.is_some() || self.expected.changed.contains(&inode);
        if let Some(content) = rewritten
            && !has_content(self.after, inode, b.size, content)?
        {
            self.differ(&path(), "has not the content that it was to get");
        }
        if a.mtime != b.mtime || (!changed && a.size != b.size) {
            self.differ(&path(), "has another size or time");
        }
        if self.content && a.kind == FileKind::File && !a.encrypted && !changed && a.size == b.size {
            let same = same_content(self.before, self.after, inode)?;
            if !same {
                self.differ(&path(), "has another content");
            }
        }
        if a.kind == FileKind::Symlink
            && !a.encrypted
            && self.before.link_target(inode)? != self.after.link_target(inode)?
        {
            self.differ(&path(), "points elsewhere");
        }
        Ok(())
    }
}

/// Whether a file holds exactly these bytes.
fn has_content(filesystem: &dyn Filesystem, inode: InodeId, size: u64, content: &[u8]) -> Result<bool> {
    if size != to_u64(content.len()) {
        return Ok(false);
    }
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    for part in content.chunks(PIECE) {
        let len = read_full(filesystem, inode, at, &mut piece[..part.len()])?;
        if piece[..len] != *part {
            return Ok(false);
        }
        at += to_u64(len);
    }
    Ok(true)
}

/// Whether a file reads the same in both. Where both have a hole, nothing is read: a file may be nearly all hole, and longer
/// than any disk.
fn same_content(before: &dyn Filesystem, after: &dyn Filesystem, inode: InodeId) -> Result<bool> {
    // What lies inside an inode has no extents.
    let mut written = vec![Extent { start: 0, len: to_u64(PIECE) }];
    for filesystem in [before, after] {
        filesystem.extents(inode, &mut |offset, extent| {
            written.push(Extent { start: offset, len: extent.len });
            Ok(())
        })?;
    }
    let (mut a, mut b) = (vec![0; PIECE], vec![0; PIECE]);
    for run in written.into_iter().collect::<ExtentSet>().iter() {
        let mut at = run.start;
        while at < run.end() {
            let len = to_usize((run.end() - at).min(to_u64(PIECE)));
            let read = read_full(before, inode, at, &mut a[..len])?;
            if read != read_full(after, inode, at, &mut b[..len])? || a[..read] != b[..read] {
                return Ok(false);
            }
            if read < len {
                break;
            }
            at += to_u64(len);
        }
    }
    Ok(true)
}
