//! Directories: names from the inode or from data blocks. The hash index is no source of names.

pub(crate) mod block;
pub(crate) mod short;

use ::block::{BlockRead, Object, Result};

use super::{
    Xfs,
    format::{dir::ftype, inode::format},
    geometry::InodeNumber,
    inode::{Fork, Inode, Slot},
};
use crate::{
    Entry, FileKind, InodeId,
    names::{Directory, Inodes},
};

/// A kind of file in an entry; `None` if the entry does not say.
pub(crate) fn kind_of(raw: u8) -> Option<FileKind> {
    Some(match raw {
        ftype::FILE => FileKind::File,
        ftype::DIRECTORY => FileKind::Directory,
        // A whiteout is a character device with number 0.
        ftype::CHAR_DEVICE | ftype::WHITEOUT => FileKind::CharDevice,
        ftype::BLOCK_DEVICE => FileKind::BlockDevice,
        ftype::FIFO => FileKind::Fifo,
        ftype::SOCKET => FileKind::Socket,
        ftype::SYMLINK => FileKind::Symlink,
        _ => return None,
    })
}

/// A name as it lies in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) inode: InodeNumber,
    /// [`ftype`], or `UNKNOWN` if the format has none.
    pub(crate) kind: u8,
}

impl<D: BlockRead> Xfs<D> {
    /// A directory's inode.
    pub(crate) fn directory(&self, dir: InodeId) -> Result<Inode> {
        let inode = self.inode(dir)?;
        match inode.kind() {
            Some(FileKind::Directory) => Ok(inode),
            _ => Err(inode.object().corrupt("kind", "no directory", "a directory")),
        }
    }

    /// Each name of a directory on disk, with `.` and `..` where the format has them as entries.
    pub(crate) fn names(&self, inode: &Inode, visit: &mut dyn FnMut(Name<'_>) -> Result<()>) -> Result<()> {
        if inode.fork_format(Fork::Data) == format::LOCAL {
            let short = short::parse(inode, self.superblock.has_ftype())?;
            return short.entries.iter().try_for_each(|entry| {
                visit(Name { name: &inode.raw[entry.name.clone()], inode: entry.inode, kind: entry.kind })
            });
        }
        self.data_blocks(inode, &mut |block| {
            block.entries(self.superblock.has_ftype(), &mut |entry| match entry {
                block::Item::Name { name, inode, kind, .. } => {
                    visit(Name { name: &block.raw[name], inode, kind })
                }
                block::Item::Free { .. } => Ok(()),
            })
        })
    }

    /// See [`Filesystem::check_names`](crate::Filesystem::check_names).
    pub(crate) fn check_all_names(&self) -> Result<()> {
        let mut inodes = Inodes::new("di_nlink");
        self.all_inodes(&mut |slot| {
            let Slot::Used(inode) = slot else { return Ok(()) };
            let Some(kind) = inode.kind() else { return Ok(()) };
            let own = inode.number == self.geometry.root || self.is_hidden(&inode);
            inodes.insert(inode.id(), kind, inode.links(), own);
            Ok(())
        })?;
        let root = InodeId(self.geometry.root.0);
        let mut directories = vec![Directory { inode: root, parent: root }];
        while let Some(of) = directories.pop() {
            let inode = self.directory(of.inode)?;
            if inode.fork_format(Fork::Data) == format::LOCAL {
                of.leads_up(InodeId(short::parse(&inode, self.superblock.has_ftype())?.parent.0))?;
            }
            self.names(&inode, &mut |found| {
                let leads_to = InodeId(found.inode.0);
                check_name(inode.object(), found.name)?;
                if inodes.name(of, found.name, leads_to, kind_of(found.kind))? {
                    directories.push(Directory { inode: leads_to, parent: of.inode });
                }
                Ok(())
            })?;
            inodes.close(of)?;
        }
        inodes.finish()
    }

    /// See [`Filesystem::entries`](crate::Filesystem::entries).
    pub(crate) fn read_directory(
        &self,
        dir: InodeId,
        visit: &mut dyn FnMut(Entry) -> Result<()>,
    ) -> Result<()> {
        let inode = self.directory(dir)?;
        let object = inode.object();
        self.names(&inode, &mut |found| {
            if found.name == b"." || found.name == b".." {
                return Ok(());
            }
            check_name(object, found.name)?;
            if self.geometry.split_inode(found.inode).is_none() {
                let expected = "one inside the filesystem";
                return Err(object.corrupt("directory entry's inode", found.inode.0, expected));
            }
            let id = InodeId(found.inode.0);
            let kind = match kind_of(found.kind) {
                Some(kind) => kind,
                None => self.describe(&self.inode(id)?)?.kind,
            };
            visit(Entry { name: found.name.to_vec(), inode: id, kind })
        })
    }
}

fn check_name(directory: Object, name: &[u8]) -> Result<()> {
    if name.is_empty() || name.iter().any(|&byte| byte == b'/' || byte == 0) {
        let what = "empty or with a slash or NUL";
        return Err(directory.corrupt("directory entry's name", what, "a file name"));
    }
    Ok(())
}
