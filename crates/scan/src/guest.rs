//! The guest's namespace: its volumes laid out as its own fstab mounts them, and paths resolved inside it.
//!
//! A path never leaves the guest: symbolic links are followed against the guest's root, at most 40 of them.

use std::{cell::RefCell, collections::HashMap};

use block::{Object, Result, Unsupported, to_u64, to_usize};
use filesystem::{Entry, FileKind, Filesystem, InodeId, Layout, Volume};

use crate::{
    GuestPath, Note,
    fstab::{self, Device},
    homes::{self, OperatingSystem, User},
};

/// Symbolic links followed in one resolution: the kernel's own limit (path_resolution(7)).
const MAX_LINKS: u32 = 40;
/// The largest configuration file that is read into memory.
const MAX_FILE: u64 = 4 << 20;

/// What the partition table, or the volume manager, calls a volume: `PARTUUID=` and the like in fstab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceName {
    /// The partition's UUID; case does not matter.
    PartUuid(String),
    /// The partition's name in a GPT.
    PartLabel(String),
    /// The partition's number: `/dev/sda2`, `/dev/nvme0n1p2`.
    Number(u32),
    /// The same where the machine has several disks: `/dev/sdb2` is partition 2 of the second one.
    OnDisk {
        /// Of the disks, from 0 on.
        disk: usize,
        /// The partition's number on that disk.
        number: u32,
    },
    /// A path below `/dev` that is always the same: `/dev/mapper/vg-root`.
    Path(String),
}

impl DeviceName {
    /// How fstab may call a volume of a layout: of a partition table, or a logical one.
    #[must_use]
    pub fn of(layout: &Layout, volume: &Volume) -> Vec<Self> {
        if volume.logical {
            return volume.paths.iter().cloned().map(Self::Path).collect();
        }
        let mut names = vec![match layout.disk_of(volume) {
            _ if layout.further.is_empty() => Self::Number(volume.number),
            (disk, number) => Self::OnDisk { disk, number },
        }];
        if !volume.uuid.is_empty() {
            names.push(Self::PartUuid(volume.uuid.clone()));
        }
        if !volume.name.is_empty() {
            names.push(Self::PartLabel(volume.name.clone()));
        }
        names
    }
}

/// A volume with a filesystem, as the caller found it.
pub struct VolumeSource<'a> {
    /// The caller's number for it; findings carry it.
    pub volume: usize,
    /// Its filesystem, journal already replayed.
    pub filesystem: &'a dyn Filesystem,
    /// How fstab may call it.
    pub names: Vec<DeviceName>,
}

/// A volume in its place.
pub struct Mounted<'a> {
    /// The caller's number for it.
    pub volume: usize,
    /// Its filesystem.
    pub filesystem: &'a dyn Filesystem,
    /// Where the guest mounts it: absolute, without a trailing slash; `/` for the root.
    pub mount_point: Vec<u8>,
    /// Whether the guest itself says so. Otherwise the volume is taken as if mounted at `/`.
    pub named: bool,
    pub(crate) root: InodeId,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The volume, as the caller numbered it.
    pub volume: usize,
    /// The inode in it.
    pub inode: InodeId,
    /// What it is.
    pub kind: FileKind,
    /// Its path without symbolic links.
    pub path: GuestPath,
    pub(crate) mount: usize,
}

type Names = HashMap<Vec<u8>, (InodeId, FileKind)>;

/// A guest, laid out.
pub struct Guest<'a> {
    mounts: Vec<Mounted<'a>>,
    /// Index in `mounts` of the root filesystem.
    root: Option<usize>,
    users: Vec<User>,
    homes: Vec<GuestPath>,
    system: Option<OperatingSystem>,
    swap_files: Vec<String>,
    /// Directories that show others (mount --bind): where, and which.
    binds: Vec<(Vec<u8>, Vec<u8>)>,
    notes: Vec<Note>,
    listings: RefCell<HashMap<(usize, InodeId), Names>>,
}

impl<'a> Guest<'a> {
    /// Finds the root filesystem, reads its fstab, passwd and os-release, and puts every volume in its place.
    /// A volume that no line of fstab names is taken as if mounted at `/`, with a note.
    pub fn open(volumes: Vec<VolumeSource<'a>>) -> Result<Self> {
        let mut guest = Self {
            mounts: Vec::new(),
            root: None,
            users: Vec::new(),
            homes: Vec::new(),
            system: None,
            swap_files: Vec::new(),
            binds: Vec::new(),
            notes: Vec::new(),
            listings: RefCell::default(),
        };
        let mut names = Vec::new();
        for source in volumes {
            // Swap areas have no tree.
            let Some(root) = source.filesystem.root() else { continue };
            guest.mounts.push(Mounted {
                volume: source.volume,
                filesystem: source.filesystem,
                mount_point: b"/".to_vec(),
                named: false,
                root,
            });
            names.push(source.names);
        }
        guest.root = guest.find_root()?;
        if let Some(root) = guest.root {
            guest.mounts[root].named = true;
            guest.mount_all(&names)?;
        }
        for mount in guest.mounts.iter().filter(|mount| !mount.named) {
            guest.notes.push(Note::NotInFstab { volume: mount.volume });
        }
        guest.listings.borrow_mut().clear();
        guest.users = homes::users(&guest)?;
        guest.homes = homes::homes(&guest, &guest.users)?;
        guest.system = homes::operating_system(&guest)?;
        Ok(guest)
    }

    /// The volumes with a tree, the root first.
    #[must_use]
    pub fn mounts(&self) -> &[Mounted<'a>] {
        &self.mounts
    }

    /// The accounts of passwd, in its order.
    #[must_use]
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// Every home: of passwd, of orphans below /home, /root and /etc/skel; without symbolic links, sorted.
    #[must_use]
    pub fn homes(&self) -> &[GuestPath] {
        &self.homes
    }

    /// What os-release says.
    #[must_use]
    pub fn system(&self) -> Option<&OperatingSystem> {
        self.system.as_ref()
    }

    /// What a report has to say about the layout.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Swap files that fstab names.
    pub(crate) fn swap_files(&self) -> &[String] {
        &self.swap_files
    }

    /// The filesystem of a volume, by the caller's number.
    #[must_use]
    pub fn filesystem(&self, volume: usize) -> Option<&'a dyn Filesystem> {
        self.mounts.iter().find(|mount| mount.volume == volume).map(|mount| mount.filesystem)
    }

    /// Follows a path through volumes and symbolic links, the last one included. `None` if it leads nowhere.
    pub fn resolve(&self, path: &[u8]) -> Result<Option<Node>> {
        match self.root {
            Some(root) => self.resolve_in(root, path, true),
            None => Ok(None),
        }
    }

    /// Reads a configuration file. `None` if there is no regular file; an error if it is larger than 4 MiB.
    pub fn read_file(&self, path: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.resolve(path)? {
            Some(node) => self.read_node(&node),
            None => Ok(None),
        }
    }

    /// The same for every volume that is taken as if mounted at `/`, the root first.
    pub(crate) fn read_each(&self, path: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut contents = Vec::new();
        for mount in 0..self.mounts.len() {
            if self.mounts[mount].mount_point == b"/"
                && let Some(node) = self.resolve_in(mount, path, true)?
            {
                contents.extend(self.read_node(&node)?);
            }
        }
        Ok(contents)
    }

    /// The same, without those that are larger than `limit` bytes.
    pub(crate) fn read_each_small(&self, path: &[u8], limit: u64) -> Result<Vec<Vec<u8>>> {
        let mut contents = Vec::new();
        for mount in 0..self.mounts.len() {
            if self.mounts[mount].mount_point == b"/"
                && let Some(node) = self.resolve_in(mount, path, true)?
                && self.mounts[node.mount].filesystem.metadata(node.inode)?.size <= limit
            {
                contents.extend(self.read_node(&node)?);
            }
        }
        Ok(contents)
    }

    /// The mounts that are taken as if mounted at `/`, the root first.
    pub(crate) fn roots(&self) -> Vec<usize> {
        let all = 0..self.mounts.len();
        let mut roots: Vec<usize> = all.filter(|&mount| self.mounts[mount].mount_point == b"/").collect();
        roots.sort_by_key(|&mount| Some(mount) != self.root);
        roots
    }

    pub(crate) fn read_node(&self, node: &Node) -> Result<Option<Vec<u8>>> {
        if node.kind != FileKind::File {
            return Ok(None);
        }
        let filesystem = self.mounts[node.mount].filesystem;
        let size = filesystem.metadata(node.inode)?.size;
        if size > MAX_FILE {
            let object = Object::numbered("inode", node.inode.0);
            return Err(Unsupported::new(
                object,
                format!("a configuration file of {size} bytes (more than {MAX_FILE})"),
            )
            .into());
        }
        let mut content = vec![0; to_usize(size)];
        let mut filled = 0;
        while filled < content.len() {
            match filesystem.read(node.inode, to_u64(filled), &mut content[filled..])? {
                0 => break,
                n => filled += n,
            }
        }
        content.truncate(filled);
        Ok(Some(content))
    }

    /// As [`resolve`](Self::resolve); the last name itself, if it is a link that is not to be followed.
    pub(crate) fn resolve_at(&self, path: &[u8], follow_last: bool) -> Result<Option<Node>> {
        match self.root {
            Some(root) => self.resolve_in(root, path, follow_last),
            None => Ok(None),
        }
    }

    /// Resolution that starts at the root of one mount. Others are entered only from the root filesystem.
    pub(crate) fn resolve_in(&self, start: usize, path: &[u8], follow_last: bool) -> Result<Option<Node>> {
        let at_start = || Node {
            volume: self.mounts[start].volume,
            inode: self.mounts[start].root,
            kind: FileKind::Directory,
            path: GuestPath(Vec::new()),
            mount: start,
        };
        let mut links = 0;
        let mut trail = vec![at_start()];
        let mut todo: Vec<Vec<u8>> = components(path);
        while let Some(name) = todo.pop() {
            if name == b"." {
                continue;
            }
            if name == b".." {
                if trail.len() > 1 {
                    trail.pop();
                }
                continue;
            }
            let here = trail.last().cloned().unwrap_or_else(at_start);
            if here.kind != FileKind::Directory {
                return Ok(None);
            }
            let Some((inode, kind)) = self.lookup(here.mount, here.inode, &name)? else { return Ok(None) };
            if kind == FileKind::Symlink && (follow_last || !todo.is_empty()) {
                links += 1;
                if links > MAX_LINKS {
                    return Ok(None);
                }
                let target = self.mounts[here.mount].filesystem.link_target(inode)?;
                if target.starts_with(b"/") {
                    trail.truncate(1);
                }
                todo.extend(components(&target));
                continue;
            }
            let mut full = here.path.0;
            full.push(b'/');
            full.extend(&name);
            let mut node =
                Node { volume: here.volume, inode, kind, path: GuestPath(full), mount: here.mount };
            if Some(start) == self.root
                && let Some(over) = self.mounts.iter().position(|m| m.named && m.mount_point == node.path.0)
            {
                node.mount = over;
                node.volume = self.mounts[over].volume;
                node.inode = self.mounts[over].root;
                node.kind = FileKind::Directory;
            }
            if Some(start) == self.root
                && let Some((_, source)) = self.binds.iter().find(|(place, _)| *place == node.path.0)
            {
                // As a link to the source would, which also bounds binds that show each other.
                links += 1;
                if links > MAX_LINKS {
                    return Ok(None);
                }
                trail.truncate(1);
                todo.extend(components(source));
                continue;
            }
            trail.push(node);
        }
        let mut node = trail.pop().unwrap_or_else(at_start);
        if node.path.0.is_empty() {
            node.path.0.push(b'/');
        }
        Ok(Some(node))
    }

    /// One name of a directory. Listings are kept while paths are resolved, and dropped before the walk.
    fn lookup(&self, mount: usize, dir: InodeId, name: &[u8]) -> Result<Option<(InodeId, FileKind)>> {
        if let Some(names) = self.listings.borrow().get(&(mount, dir)) {
            return Ok(names.get(name).copied());
        }
        let mut names = Names::new();
        self.mounts[mount].filesystem.entries(dir, &mut |entry| {
            names.insert(entry.name, (entry.inode, entry.kind));
            Ok(())
        })?;
        let found = names.get(name).copied();
        self.listings.borrow_mut().insert((mount, dir), names);
        Ok(found)
    }

    /// The entries of a directory that a path leads to; nothing if it is none.
    pub fn list(&self, node: &Node) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        if node.kind == FileKind::Directory {
            self.mounts[node.mount].filesystem.entries(node.inode, &mut |entry| {
                entries.push(entry);
                Ok(())
            })?;
        }
        Ok(entries)
    }

    /// Frees the listings.
    pub(crate) fn forget_listings(&self) {
        self.listings.borrow_mut().clear();
    }

    /// The volume that looks most like a root: `/etc` with passwd, os-release or fstab, the more the better;
    /// the first of equals.
    fn find_root(&self) -> Result<Option<usize>> {
        let mut best = (0, None);
        for mount in 0..self.mounts.len() {
            let mut score = 0;
            for path in ["/etc/passwd", "/etc/os-release", "/etc/fstab", "/usr/lib/os-release"] {
                // os-release is mostly a link, and may point to a volume that is not mounted yet.
                if self.resolve_in(mount, path.as_bytes(), false)?.is_some() {
                    score += 1;
                }
            }
            if score > best.0 {
                best = (score, Some(mount));
            }
        }
        Ok(best.1)
    }

    fn mount_all(&mut self, names: &[Vec<DeviceName>]) -> Result<()> {
        let Some(text) = self.read_file(b"/etc/fstab")? else { return Ok(()) };
        for line in fstab::parse(&text) {
            if line.bind {
                if let Device::Path(source) = line.device {
                    self.binds.push((line.mount_point, source.into_bytes()));
                }
                continue;
            }
            if line.kind == "swap" {
                if let Device::Path(path) = line.device
                    && !path.starts_with("/dev/")
                    && path.starts_with('/')
                {
                    self.swap_files.push(path);
                }
                continue;
            }
            let mut found = None;
            for mount in (0..self.mounts.len()).filter(|&mount| !self.mounts[mount].named) {
                let summary = self.mounts[mount].filesystem.summary()?;
                if fstab::names(&line.device, &summary, &names[mount]) {
                    found = Some(mount);
                    break;
                }
            }
            let Some(found) = found else { continue };
            if line.mount_point.as_slice() != b"/" {
                self.mounts[found].mount_point = line.mount_point;
                self.mounts[found].named = true;
            }
        }
        Ok(())
    }
}

/// The components of a path, last first, so that the next one to walk can be popped.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&byte| byte == b'/').rev().filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect()
}
