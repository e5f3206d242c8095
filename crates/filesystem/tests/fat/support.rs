//! Images by mkfs.fat and mtools, and what both sides say of them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use block::{BlockRead, BlockWrite, Extent, to_u64, to_usize};
use filesystem::{
    Change, Claim, ExtentSet, FileKind, Filesystem, FilesystemMut, InodeId, Result, Tail, Target, fat::Fat,
};
use tempfile::TempDir;

/// Runs a tool. A missing one fails the test.
pub(crate) fn tool(program: &str, arguments: &[&str]) -> Output {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    Command::new(program)
        .args(arguments)
        .envs([("PATH", &*path), ("LC_ALL", "C.UTF-8"), ("MTOOLS_SKIP_CHECK", "1"), ("TZ", "UTC")])
        .output()
        .unwrap_or_else(|error| {
            panic!("{program} cannot be run ({error}): install dosfstools, mtools and util-linux")
        })
}

/// Runs a tool that must succeed, and returns what it printed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = tool(program, arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{text}{errors}", output.status);
    text
}

/// An image file and its directory.
pub(crate) struct Image {
    dir: TempDir,
    pub(crate) path: PathBuf,
}

impl Image {
    /// Every byte holds residue of a previous life; then mkfs.fat.
    pub(crate) fn new(kib: usize, options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fat.img");
        fs::write(&path, b"PREFILL-".repeat(kib * 128)).unwrap();
        let image = Self { dir, path };
        let mut arguments = options.to_vec();
        arguments.push(image.path());
        run("mkfs.fat", &arguments);
        image
    }

    pub(crate) fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// An mtools command on this image.
    pub(crate) fn mtool(&self, program: &str, arguments: &[&str]) -> String {
        let mut all = vec!["-i", self.path()];
        all.extend(arguments);
        run(program, &all)
    }

    pub(crate) fn put(&self, name: &str, content: &[u8]) {
        let from = self.dir.path().join("content");
        fs::write(&from, content).unwrap();
        self.mtool("mcopy", &[from.to_str().unwrap(), &format!("::{name}")]);
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }

    /// Makes the image these bytes; writes only what differs, which is much faster.
    pub(crate) fn write(&self, bytes: &[u8]) {
        let file = fs::OpenOptions::new().write(true).open(&self.path).unwrap();
        let old = self.bytes();
        assert_eq!(old.len(), bytes.len());
        for (index, (old, new)) in old.chunks(1 << 16).zip(bytes.chunks(1 << 16)).enumerate() {
            if old != new {
                file.write_all_at(new, to_u64(index) << 16).unwrap();
            }
        }
    }

    /// fsck.fat finds nothing.
    pub(crate) fn assert_clean(&self, when: &str) {
        let output = tool("fsck.fat", &["-n", self.path()]);
        assert!(output.status.success(), "{when}: {}", String::from_utf8_lossy(&output.stdout));
    }

    /// All names and contents, as mtools reads them.
    pub(crate) fn mtools_tree(&self) -> Tree {
        let out = self.dir.path().join("tree");
        fs::create_dir(&out).unwrap();
        self.mtool("mcopy", &["-s", "-n", "-m", "::/", out.to_str().unwrap()]);
        let mut tree = Tree::new();
        collect(&out, "", &mut tree);
        fs::remove_dir_all(&out).unwrap();
        tree
    }
}

/// Path to content; `None` for a directory.
pub(crate) type Tree = BTreeMap<String, Option<Vec<u8>>>;

fn collect(dir: &Path, prefix: &str, tree: &mut Tree) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &name, tree);
            tree.insert(name, None);
        } else {
            tree.insert(name, Some(fs::read(entry.path()).unwrap()));
        }
    }
}

/// All names and contents, as we read them.
pub(crate) fn our_tree<D: BlockRead>(fat: &Fat<D>) -> Result<Tree> {
    let mut tree = Tree::new();
    let mut pending = vec![(String::new(), fat.root().unwrap())];
    while let Some((prefix, dir)) = pending.pop() {
        fat.entries(dir, &mut |entry| {
            let path = format!("{prefix}/{}", String::from_utf8_lossy(&entry.name));
            if entry.kind == FileKind::Directory {
                pending.push((path.clone(), entry.inode));
                tree.insert(path, None);
            } else {
                tree.insert(path, Some(content(fat, entry.inode)?));
            }
            Ok(())
        })?;
    }
    Ok(tree)
}

/// A file's content, in reads of an odd length.
pub(crate) fn content<D: BlockRead>(fat: &Fat<D>, inode: InodeId) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut buf = vec![0; 7919];
    loop {
        match fat.read(inode, to_u64(content.len()), &mut buf)? {
            0 => return Ok(content),
            len => content.extend_from_slice(&buf[..len]),
        }
    }
}

/// The target that a path names.
pub(crate) fn target<D: BlockRead>(fat: &Fat<D>, path: &str) -> Target {
    let mut parent = fat.root().unwrap();
    let mut parts = path.trim_start_matches('/').split('/').peekable();
    while let Some(part) = parts.next() {
        let mut found = None;
        fat.entries(parent, &mut |entry| {
            if entry.name == part.as_bytes() {
                found = Some(entry.inode);
            }
            Ok(())
        })
        .unwrap();
        let inode = found.unwrap_or_else(|| panic!("{path} is not there"));
        if parts.peek().is_none() {
            return Target { parent, name: part.into(), inode };
        }
        parent = inode;
    }
    unreachable!("split yields at least one part")
}

pub(crate) fn change<D: BlockWrite>(fat: &mut Fat<D>, path: &str, change: &Change) {
    let target = target(fat, path);
    fat.supports(&target, change).unwrap();
    fat.change(&target, change).unwrap();
}

/// The live bytes; all claims must be disjoint, inside the filesystem, and what the FAT calls in use.
pub(crate) fn live<D: BlockRead>(fat: &Fat<D>) -> Result<ExtentSet> {
    let (mut live, mut all) = (Vec::new(), Vec::new());
    fat.claims(&mut |extent, claim| {
        if matches!(claim, Claim::Live(_)) {
            live.push(extent);
        }
        all.push(extent);
        Ok(())
    })?;
    let all = ExtentSet::disjoint(all).expect("claims are disjoint");
    assert!(all.difference(&fat.allocated()?).is_empty(), "claimed, but not in use");
    Ok(live.into_iter().collect())
}

/// `output = live ? view : 0`
pub(crate) fn output(view: &[u8], live: &ExtentSet) -> Vec<u8> {
    let mut out = vec![0; view.len()];
    for Extent { start, len } in live.iter() {
        let range = to_usize(start)..to_usize(start + len);
        out[range.clone()].copy_from_slice(&view[range]);
    }
    out
}

/// Unused bytes inside live metadata that are not zero.
pub(crate) fn tails<D: BlockRead>(fat: &Fat<D>) -> Vec<(Extent, Tail)> {
    let mut tails = Vec::new();
    fat.tails(&mut |extent, tail| {
        tails.push((extent, tail));
        Ok(())
    })
    .unwrap();
    tails
}

/// Recover, edit, scrub, copy what is live; the two witnesses must agree.
pub(crate) fn sanitize(image: &[u8], edit: impl FnOnce(&mut Fat<&mut Vec<u8>>)) -> Vec<u8> {
    let mut view = image.to_vec();
    let mut fat = Fat::open(&mut view).unwrap();
    fat.recover().unwrap();
    edit(&mut fat);
    fat.scrub().unwrap();
    assert_eq!(tails(&fat), [], "what the scrub left");
    let live = live(&fat).unwrap();
    let mut claimed = Vec::new();
    fat.claims(&mut |extent, _| {
        claimed.push(extent);
        Ok(())
    })
    .unwrap();
    assert_eq!(claimed.into_iter().collect::<ExtentSet>(), fat.allocated().unwrap());
    output(&view, &live)
}

pub(crate) fn contains(bytes: &[u8], token: &[u8]) -> bool {
    memchr::memmem::find(bytes, token).is_some()
}

pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
