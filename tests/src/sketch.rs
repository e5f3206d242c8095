//! A filesystem from a few lines of text, for tests.
//!
//! `/a` is a file (`x` in it), `/a = text` one with content (`\n` as in C), `/a/` a directory, `/a -> b` a
//! symbolic link, `/a => /b` a second name of `/b`. Directories above come by themselves. `/a [4755]`, with ` = text`
//! behind it or not, has this mode, and `/a [4755 1000]` this owner, too.

use std::collections::BTreeMap;

use filesystem::{
    Change, Claim, Entry, Extent, ExtentSet, FileKind, Filesystem, InodeId, Metadata, Result, Summary, Target,
};

struct Inode {
    kind: FileKind,
    mode: u16,
    uid: u32,
    content: Vec<u8>,
    links: u32,
    names: BTreeMap<Vec<u8>, InodeId>,
}

/// A filesystem in memory.
pub struct Tree {
    inodes: Vec<Inode>,
    /// UUID of the filesystem.
    pub uuid: String,
    /// Its label.
    pub label: String,
}

const ROOT: InodeId = InodeId(0);

impl Tree {
    /// As the text says.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut tree = Self { inodes: Vec::new(), uuid: String::new(), label: String::new() };
        tree.inode(FileKind::Directory, Vec::new());
        for line in text.lines().filter(|line| !line.is_empty()) {
            tree.line(line);
        }
        tree
    }

    fn line(&mut self, line: &str) {
        let (name, rest) = line.split_at(line.find(" = ").unwrap_or(line.len()));
        let Some((path, mode)) = name.strip_suffix(']').and_then(|name| name.split_once(" [")) else {
            return self.plain(line);
        };
        self.plain(&[path, rest].concat());
        let inode = self.find(path).expect("it was just made");
        let (mode, uid) = mode.split_once(' ').unwrap_or((mode, "0"));
        self.at(inode).mode = u16::from_str_radix(mode, 8).expect("an octal mode");
        self.at(inode).uid = uid.parse().expect("an owner's number");
    }

    fn plain(&mut self, line: &str) {
        if let Some((path, target)) = line.split_once(" -> ") {
            let inode = self.inode(FileKind::Symlink, target.as_bytes().to_vec());
            self.link(path, inode);
        } else if let Some((path, other)) = line.split_once(" => ") {
            let inode = self.find(other).expect("the other name comes first");
            self.at(inode).links += 1;
            self.link(path, inode);
        } else if let Some((path, content)) = line.split_once(" =") {
            let inode = self.inode(FileKind::File, content.trim_start().replace("\\n", "\n").into_bytes());
            self.link(path, inode);
        } else if let Some(path) = line.strip_suffix('/') {
            self.directory(path);
        } else {
            let inode = self.inode(FileKind::File, b"x".to_vec());
            self.link(line, inode);
        }
    }

    /// One more file.
    pub fn file(&mut self, path: &str, content: Vec<u8>) {
        let inode = self.inode(FileKind::File, content);
        self.link(path, inode);
    }

    fn inode(&mut self, kind: FileKind, content: Vec<u8>) -> InodeId {
        let mode = if kind == FileKind::Directory { 0o755 } else { 0o644 };
        self.inodes.push(Inode { kind, mode, uid: 0, content, links: 1, names: BTreeMap::new() });
        InodeId(u64::try_from(self.inodes.len() - 1).expect("small"))
    }

    fn directory(&mut self, path: &str) -> InodeId {
        let mut here = ROOT;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            here = match self.get(here).names.get(part.as_bytes()) {
                Some(&below) => below,
                None => {
                    let below = self.inode(FileKind::Directory, Vec::new());
                    self.at(here).names.insert(part.as_bytes().to_vec(), below);
                    below
                }
            };
        }
        here
    }

    fn link(&mut self, path: &str, inode: InodeId) {
        let (parent, name) = path.rsplit_once('/').expect("paths are absolute");
        let parent = self.directory(parent);
        self.at(parent).names.insert(name.as_bytes().to_vec(), inode);
    }

    /// A second name for a directory: what no filesystem should have.
    pub fn loop_to_root(&mut self, path: &str) {
        self.link(path, ROOT);
    }

    fn find(&self, path: &str) -> Option<InodeId> {
        path.split('/')
            .filter(|part| !part.is_empty())
            .try_fold(ROOT, |here, part| self.get(here).names.get(part.as_bytes()).copied())
    }

    fn get(&self, inode: InodeId) -> &Inode {
        &self.inodes[usize::try_from(inode.0).expect("small")]
    }

    fn at(&mut self, inode: InodeId) -> &mut Inode {
        &mut self.inodes[usize::try_from(inode.0).expect("small")]
    }
}

impl Filesystem for Tree {
    fn summary(&self) -> Result<Summary> {
        Ok(Summary {
            kind: "tree",
            label: self.label.clone(),
            uuid: self.uuid.clone(),
            size: 0,
            block_size: 1,
            features: Vec::new(),
            dirty: false,
            notes: Vec::new(),
        })
    }

    fn claims(&self, _: &mut dyn FnMut(Extent, Claim) -> Result<()>) -> Result<()> {
        Ok(())
    }

    fn tails(&self, _: &mut dyn FnMut(Extent, filesystem::Tail) -> Result<()>) -> Result<()> {
        Ok(())
    }

    fn allocated(&self) -> Result<ExtentSet> {
        Ok(ExtentSet::new())
    }

    fn root(&self) -> Option<InodeId> {
        Some(ROOT)
    }

    fn entries(&self, dir: InodeId, visit: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()> {
        for (name, &inode) in &self.get(dir).names {
            visit(Entry { name: name.clone(), inode, kind: self.get(inode).kind })?;
        }
        Ok(())
    }

    fn metadata(&self, inode: InodeId) -> Result<Metadata> {
        let Inode { kind, mode, uid, content, links, .. } = self.get(inode);
        let size = u64::try_from(content.len()).expect("small");
        Ok(Metadata {
            kind: *kind,
            mode: *mode,
            uid: *uid,
            gid: 0,
            links: *links,
            size,
            mtime: 0,
            encrypted: false,
        })
    }

    fn read(&self, inode: InodeId, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let content = &self.get(inode).content;
        let rest = content.get(usize::try_from(offset).expect("small")..).unwrap_or_default();
        let length = rest.len().min(buf.len());
        buf[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn extents(&self, _: InodeId, _: &mut dyn FnMut(u64, Extent) -> Result<()>) -> Result<()> {
        Ok(())
    }

    fn link_target(&self, inode: InodeId) -> Result<Vec<u8>> {
        Ok(self.get(inode).content.clone())
    }

    fn supports(&self, _: &Target, _: &Change) -> Result<()> {
        Ok(())
    }
}
