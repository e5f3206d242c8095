//! The guest as checks read it: configuration files, directories, links. Bounded, and never on the host.

use block::{Object, Result, Unsupported, to_u64};
use filesystem::{FileKind, Filesystem, InodeId, Metadata};
use scan::{Guest, GuestPath, Node};

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The name.
    pub name: Vec<u8>,
    /// The directory's path, without symbolic links, and the name.
    pub path: GuestPath,
    /// What it is.
    pub kind: FileKind,
    volume: usize,
    inode: InodeId,
}

/// A guest, as checks read it.
pub struct System<'g, 'a> {
    guest: &'g Guest<'a>,
    today: Option<i64>,
}

impl<'g, 'a> System<'g, 'a> {
    /// Of a guest.
    #[must_use]
    pub const fn new(guest: &'g Guest<'a>) -> Self {
        Self { guest, today: None }
    }

    /// The same, on a day: seconds since 1970. Without one, nothing is compared with today, and the same image gets the
    /// same answers for ever.
    #[must_use]
    pub const fn today(mut self, unix: i64) -> Self {
        self.today = Some(unix);
        self
    }

    /// The day, if the caller gave one.
    #[must_use]
    pub const fn day(&self) -> Option<i64> {
        self.today
    }

    /// The guest itself.
    #[must_use]
    pub const fn guest(&self) -> &'g Guest<'a> {
        self.guest
    }

    /// Follows a path, the last link included. `None` if it leads nowhere.
    pub fn resolve(&self, path: &str) -> Result<Option<Node>> {
        self.guest.resolve(path.as_bytes())
    }

    /// Whether a path leads to something.
    pub fn exists(&self, path: &str) -> Result<bool> {
        Ok(self.resolve(path)?.is_some())
    }

    /// The first of these paths that leads to something.
    pub fn first<'p>(&self, paths: &[&'p str]) -> Result<Option<&'p str>> {
        for path in paths {
            if self.exists(path)? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// A configuration file. `None` if there is no regular file.
    pub fn read(&self, path: &[u8]) -> Result<Option<Vec<u8>>> {
        self.guest.read_file(path)
    }

    /// The same as text; what is not UTF-8 is replaced.
    pub fn text(&self, path: &str) -> Result<Option<String>> {
        let content = self.read(path.as_bytes())?;
        Ok(content.map(|content| String::from_utf8_lossy(&content).into_owned()))
    }

    /// The names in a directory but `.` and `..`, sorted; none if there is no such directory.
    pub fn list(&self, path: &[u8]) -> Result<Vec<Item>> {
        let Some(node) = self.guest.resolve(path)? else { return Ok(Vec::new()) };
        let prefix = if node.path.0 == b"/" { Vec::new() } else { node.path.0.clone() };
        let mut items: Vec<Item> = self
            .guest
            .list(&node)?
            .into_iter()
            .map(|entry| Item {
                path: GuestPath([&*prefix, b"/", &entry.name].concat()),
                name: entry.name,
                kind: entry.kind,
                volume: node.volume,
                inode: entry.inode,
            })
            .collect();
        items.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(items)
    }

    /// The files in a directory whose names end so, sorted, as `conf.d` directories are read.
    pub fn files(&self, directory: &str, end: &str) -> Result<Vec<Item>> {
        let mut items = self.list(directory.as_bytes())?;
        items.retain(|item| item.kind != FileKind::Directory && item.name.ends_with(end.as_bytes()));
        Ok(items)
    }

    /// Mode, owner, size and times of a name in a directory; of the link itself, if it is one.
    pub fn status(&self, item: &Item) -> Result<Metadata> {
        self.filesystem(item.volume)?.metadata(item.inode)
    }

    /// Where a symbolic link points, as it is written; `None` for all else.
    pub fn target(&self, item: &Item) -> Result<Option<Vec<u8>>> {
        if item.kind != FileKind::Symlink {
            return Ok(None);
        }
        Ok(Some(self.filesystem(item.volume)?.link_target(item.inode)?))
    }

    /// Mode, owner, size and times of what a path leads to.
    pub fn metadata(&self, node: &Node) -> Result<Metadata> {
        self.filesystem(node.volume)?.metadata(node.inode)
    }

    fn filesystem(&self, volume: usize) -> Result<&'a dyn Filesystem> {
        let missing = || Unsupported::new(Object::numbered("volume", to_u64(volume)), "no filesystem").into();
        self.guest.filesystem(volume).ok_or_else(missing)
    }
}
