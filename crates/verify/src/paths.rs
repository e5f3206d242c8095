//! From inodes to paths: one walk over a tree for all that are asked for, and memory for no others.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use filesystem::{Entry, FileKind, Filesystem, InodeId, Result};
use scan::GuestPath;

/// Deepest directory that is followed.
const MAX_DEPTH: usize = 512;

/// A directory to look into: the path of the one that holds it (shared, so that memory does not follow the length of
/// paths), and its name in there.
struct Pending {
    parent: Rc<[u8]>,
    name: Vec<u8>,
    inode: InodeId,
    depth: usize,
}

/// One path in the volume for each of the wanted inodes that has a name, escaped. Of several, the first that the walk
/// comes to. What was found before a failure stays in `paths`.
pub(crate) fn find(
    filesystem: &dyn Filesystem,
    wanted: &HashSet<InodeId>,
    paths: &mut HashMap<InodeId, String>,
) -> Result<()> {
    let Some(root) = filesystem.root() else { return Ok(()) };
    if wanted.contains(&root) {
        paths.insert(root, "/".to_owned());
    }
    // With a second name for a directory, the number of paths has no bound.
    let mut seen = HashSet::from([root]);
    let mut stack = vec![Pending { parent: Rc::from([]), name: Vec::new(), inode: root, depth: 0 }];
    while let Some(directory) = stack.pop() {
        if paths.len() == wanted.len() {
            break;
        }
        let path: Rc<[u8]> = match directory.depth {
            0 => Rc::from([]),
            _ => [&*directory.parent, b"/", &directory.name].concat().into(),
        };
        let below = stack.len();
        filesystem.entries(directory.inode, &mut |Entry { name, inode, kind }| {
            if wanted.contains(&inode) {
                let path = || GuestPath([&*path, b"/", &name].concat()).to_string();
                paths.entry(inode).or_insert_with(path);
            }
            if kind == FileKind::Directory && directory.depth < MAX_DEPTH && seen.insert(inode) {
                stack.push(Pending { parent: Rc::clone(&path), name, inode, depth: directory.depth + 1 });
            }
            Ok(())
        })?;
        // In the order on disk.
        stack[below..].reverse();
    }
    Ok(())
}
