//! Trees as lists of lines, by our reader and by the operating system, so that they can be compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
    process::Command,
};

use block::Object;
use filesystem::{FileKind, Filesystem, InodeId, Result};

/// Path to a line that says all of it that both readers see.
pub(crate) type Tree = BTreeMap<Vec<u8>, String>;

/// Of files that are huge but for a hole, the start is enough.
const LARGE: u64 = 16 << 20;

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("{:08x}/{}", crc32c::crc32c(bytes), bytes.len())
}

fn content(xfs: &impl Filesystem, inode: InodeId) -> Result<Vec<u8>> {
    let size = usize::try_from(xfs.metadata(inode)?.size.min(LARGE)).unwrap();
    let mut content = vec![0xEE; size];
    let mut done = 0;
    // An odd step, so that reads start and end anywhere in a block.
    while done < size {
        let end = (done + 77_777).min(size);
        let len = xfs.read(inode, u64::try_from(done).unwrap(), &mut content[done..end])?;
        assert!(len > 0, "inode {}: a short read before the end", inode.0);
        done += len;
    }
    Ok(content)
}

/// The tree as our reader sees it.
pub(crate) fn ours(xfs: &impl Filesystem) -> Result<Tree> {
    let mut tree = Tree::new();
    let mut stack = vec![(Vec::new(), xfs.root().unwrap())];
    // A damaged tree may hold a directory twice, or in itself.
    let mut seen = BTreeSet::new();
    while let Some((path, dir)) = stack.pop() {
        if !seen.insert(dir) {
            continue;
        }
        let mut entries = Vec::new();
        xfs.entries(dir, &mut |entry| {
            entries.push(entry);
            Ok(())
        })?;
        for entry in entries {
            let path = [&path[..], b"/", &entry.name].concat();
            let meta = xfs.metadata(entry.inode)?;
            if meta.kind != entry.kind {
                let object = Object::numbered("inode", entry.inode.0);
                return Err(object.corrupt("kind", format!("{:?}", meta.kind), format!("{:?}", entry.kind)));
            }
            let what = match meta.kind {
                FileKind::File => digest(&content(xfs, entry.inode)?),
                FileKind::Symlink => digest(&xfs.link_target(entry.inode)?),
                FileKind::Directory => "dir".to_owned(),
                _ => "special".to_owned(),
            };
            let line = format!(
                "{} {:o} {} {} {} {} {} {what}",
                entry.inode.0, meta.mode, meta.uid, meta.gid, meta.links, meta.size, meta.mtime
            );
            tree.insert(path.clone(), line);
            assert!(tree.len() < 300_000, "the tree has no end");
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
            let path = [&path[..], b"/", entry.file_name().as_bytes()].concat();
            let meta = fs::symlink_metadata(entry.path()).unwrap();
            let kind = meta.file_type();
            let what = if kind.is_file() {
                let mut content = Vec::new();
                fs::File::open(entry.path()).unwrap().take(LARGE).read_to_end(&mut content).unwrap();
                digest(&content)
            } else if kind.is_symlink() {
                digest(fs::read_link(entry.path()).unwrap().as_os_str().as_bytes())
            } else if kind.is_dir() {
                "dir".to_owned()
            } else {
                "special".to_owned()
            };
            let line = format!(
                "{} {:o} {} {} {} {} {} {what}",
                meta.ino(),
                meta.mode() & 0o7777,
                meta.uid(),
                meta.gid(),
                meta.nlink(),
                meta.size(),
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

/// Every attribute that getfattr(1) sees below `root` as (inode, name, value), of the namespaces that we read.
pub(crate) fn their_attributes(root: &Path) -> Vec<(u64, String, Vec<u8>)> {
    let output = Command::new("getfattr")
        .args(["-hdRm", "^(user|trusted|security)\\.", "-e", "hex", "--absolute-names"])
        .arg(root)
        .output()
        .expect("getfattr is there (package attr)");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut inode = 0;
    let mut all = Vec::new();
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("# file: ") {
            inode = fs::symlink_metadata(path).unwrap().ino();
        } else if let Some((name, value)) = line.split_once("=0x") {
            let value = (0..value.len() / 2)
                .map(|at| u8::from_str_radix(&value[2 * at..2 * at + 2], 16).unwrap())
                .collect();
            all.push((inode, name.to_owned(), value));
        } else if let Some((name, _)) = line.split_once('=') {
            all.push((inode, name.to_owned(), Vec::new()));
        }
    }
    all
}
