//! Trees as lists of lines, by our reader and by the operating system, so that they can be compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

use block::BlockRead;
use filesystem::{FileKind, Filesystem, InodeId, Result, ext::Ext};

/// Path to a line that says all of it that both readers see.
pub(crate) type Tree = BTreeMap<Vec<u8>, String>;

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("{:08x}/{}", crc32c::crc32c(bytes), bytes.len())
}

pub(crate) fn content(ext: &impl Filesystem, inode: InodeId) -> Result<Vec<u8>> {
    // Of files that are huge but for a hole, the start is enough.
    let size = usize::try_from(ext.metadata(inode)?.size.min(16 << 20)).unwrap();
    let mut content = vec![0xEE; size];
    let mut done = 0;
    // An odd step, so that reads start and end anywhere in a block.
    while done < size {
        let end = (done + 77_777).min(size);
        let len = ext.read(inode, u64::try_from(done).unwrap(), &mut content[done..end])?;
        assert!(len > 0, "inode {}: a short read before the end", inode.0);
        done += len;
    }
    Ok(content)
}

/// The tree as our reader sees it. `lost+found` is left out.
pub(crate) fn ours<D: BlockRead>(ext: &Ext<D>) -> Result<Tree> {
    let mut tree = Tree::new();
    let mut stack = vec![(Vec::new(), ext.root().unwrap())];
    // A damaged tree may hold a directory twice, or in itself.
    let mut seen = BTreeSet::new();
    while let Some((path, dir)) = stack.pop() {
        if !seen.insert(dir) {
            continue;
        }
        let mut entries = Vec::new();
        ext.entries(dir, &mut |entry| {
            entries.push(entry);
            Ok(())
        })?;
        for entry in entries {
            if path.is_empty() && entry.name == b"lost+found" {
                continue;
            }
            let path = [&path[..], b"/", &entry.name].concat();
            let meta = ext.metadata(entry.inode)?;
            let what = match meta.kind {
                FileKind::File if meta.encrypted => "encrypted".to_owned(),
                FileKind::File => digest(&content(ext, entry.inode)?),
                FileKind::Symlink if meta.encrypted => "encrypted".to_owned(),
                FileKind::Symlink => digest(&ext.link_target(entry.inode)?),
                FileKind::Directory => "dir".to_owned(),
                _ => "special".to_owned(),
            };
            let links = if meta.kind == FileKind::Directory { 0 } else { meta.links };
            let line = format!("{:o} {} {} {} {} {what}", meta.mode, meta.uid, meta.gid, links, meta.mtime);
            tree.insert(path.clone(), line);
            assert!(tree.len() < 100_000, "the tree has no end");
            if meta.kind == FileKind::Directory {
                stack.push((path, entry.inode));
            }
        }
    }
    Ok(tree)
}

/// The tree as the operating system sees it.
pub(crate) fn theirs(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut stack = vec![(Vec::new(), root.to_owned())];
    while let Some((path, dir)) = stack.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let entry = entry.unwrap();
            if path.is_empty() && entry.file_name() == "lost+found" {
                continue;
            }
            let path = [&path[..], b"/", entry.file_name().as_bytes()].concat();
            let meta = fs::symlink_metadata(entry.path()).unwrap();
            let kind = meta.file_type();
            let what = if kind.is_file() {
                digest(&fs::read(entry.path()).unwrap())
            } else if kind.is_symlink() {
                digest(fs::read_link(entry.path()).unwrap().as_os_str().as_bytes())
            } else if kind.is_dir() {
                "dir".to_owned()
            } else {
                "special".to_owned()
            };
            let links = if kind.is_dir() { 0 } else { meta.nlink() };
            let line = format!(
                "{:o} {} {} {links} {} {what}",
                meta.mode() & 0o7777,
                meta.uid(),
                meta.gid(),
                meta.mtime()
            );
            tree.insert(path.clone(), line);
            if kind.is_dir() {
                stack.push((path, entry.path()));
            }
        }
    }
    tree
}

/// Fails with the first difference only.
pub(crate) fn assert_same(found: &Tree, expected: &Tree, what: &str) {
    for path in found.keys().chain(expected.keys()) {
        let (found, expected) = (found.get(path), expected.get(path));
        assert_eq!(found, expected, "{what}: {}", String::from_utf8_lossy(path));
    }
}
