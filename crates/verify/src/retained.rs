//! What was to stay has stayed: two readings of a tree, walked side by side.

use std::collections::{BTreeMap, HashSet};

use filesystem::{Entry, FileKind, Filesystem, InodeId, Metadata, Result};

/// What may differ between the two readings.
#[derive(Debug, Default)]
pub struct Expected {
    /// Names that must be gone, with all below them: the directory, and the name in it.
    pub gone: HashSet<(InodeId, Vec<u8>)>,
    /// Inodes whose size may differ.
    pub changed: HashSet<InodeId>,
}

/// Deepest directory that is followed; deeper ones are an error in the image or an attack.
const MAX_DEPTH: usize = 4096;
/// Differences that are told one by one.
const MAX_DIFFERENCES: usize = 20;

/// Compares the tree before the edits with the tree of the output. Says what differs without being expected,
/// a sentence each, at most 20. Paths start with `/` at the volume's root.
///
/// Compared are names, kinds, modes, owners, sizes, times, link targets, and link counts (which may fall, by
/// names that went). Content is compared by position: the copy keeps it bit by bit where it lies.
pub fn compare_trees(
    before: &dyn Filesystem,
    after: &dyn Filesystem,
    expected: &Expected,
) -> Result<Vec<String>> {
    let mut walk = Walk { before, after, expected, differences: Vec::new() };
    if let (Some(a), Some(b)) = (before.root(), after.root()) {
        let mut queue = vec![(Vec::new(), a, b, 0)];
        while let Some((path, a, b, depth)) = queue.pop() {
            if walk.differences.len() >= MAX_DIFFERENCES {
                break;
            }
            walk.directory(&path, (a, b), depth, &mut queue)?;
        }
    }
    // One directory can hold many.
    walk.differences.truncate(MAX_DIFFERENCES);
    Ok(walk.differences)
}

struct Walk<'a> {
    before: &'a dyn Filesystem,
    after: &'a dyn Filesystem,
    expected: &'a Expected,
    differences: Vec<String>,
}

type Pending = (Vec<u8>, InodeId, InodeId, usize);

impl Walk<'_> {
    fn differ(&mut self, path: &[u8], what: &str) {
        self.differences.push(format!("{} {what}", path.escape_ascii()));
    }

    fn directory(
        &mut self,
        path: &[u8],
        dirs: (InodeId, InodeId),
        depth: usize,
        queue: &mut Vec<Pending>,
    ) -> Result<()> {
        let mut after: BTreeMap<Vec<u8>, Entry> = BTreeMap::new();
        self.after.entries(dirs.1, &mut |entry| {
            after.insert(entry.name.clone(), entry);
            Ok(())
        })?;
        let mut before = Vec::new();
        self.before.entries(dirs.0, &mut |entry| {
            before.push(entry);
            Ok(())
        })?;
        for entry in before {
            let mut child = path.to_vec();
            child.push(b'/');
            child.extend_from_slice(&entry.name);
            let now = after.remove(&entry.name);
            let gone = self.expected.gone.contains(&(dirs.0, entry.name.clone()));
            match (gone, now) {
                (true, None) => {}
                (true, Some(_)) => self.differ(&child, "was to be removed but is there"),
                (false, None) => self.differ(&child, "was to stay but is gone"),
                (false, Some(now)) => {
                    self.file(&child, &entry, &now)?;
                    if entry.kind == FileKind::Directory && now.kind == entry.kind {
                        if depth < MAX_DEPTH {
                            queue.push((child, entry.inode, now.inode, depth + 1));
                        } else {
                            self.differ(&child, "lies too deep to be compared");
                        }
                    }
                }
            }
        }
        for name in after.into_keys() {
            let child = [path, b"/", &name].concat();
            self.differ(&child, "was not there before");
        }
        Ok(())
    }

    fn file(&mut self, path: &[u8], entry: &Entry, now: &Entry) -> Result<()> {
        if entry.inode != now.inode || entry.kind != now.kind {
            self.differ(path, "is another file now");
            return Ok(());
        }
        let (a, b) = (self.before.metadata(entry.inode)?, self.after.metadata(now.inode)?);
        let fixed = |m: &Metadata| (m.kind, m.mode, m.uid, m.gid, m.encrypted);
        if fixed(&a) != fixed(&b) {
            self.differ(path, "has another owner or mode");
        }
        if b.links > a.links {
            self.differ(path, "has more links than before");
        }
        let changed = a.kind == FileKind::Directory || self.expected.changed.contains(&entry.inode);
        if a.mtime != b.mtime || (!changed && a.size != b.size) {
            self.differ(path, "has another size or time");
        }
        if a.kind == FileKind::Symlink
            && !a.encrypted
            && self.before.link_target(entry.inode)? != self.after.link_target(now.inode)?
        {
            self.differ(path, "points elsewhere");
        }
        Ok(())
    }
}
