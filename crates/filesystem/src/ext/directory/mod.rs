//! Directories: linear, hashed and inline, block by block and name by name.
//!
//! Hashed directories are read in the order on disk; their index only tells which blocks hold no names.

mod dirent;
mod hash;
mod htree;
mod walk;

use std::collections::BTreeSet;

use block::{BlockRead, Result, field::Le32};

use super::{
    Ext,
    checksum::crc32c_raw,
    content::INLINE_HEAD,
    inode::{self, Inode, flags},
    map::Mapped,
    superblock::{compat, incompat},
};
use crate::{Entry, FileKind, InodeId, names::Directory};

pub(crate) use dirent::{Dirent, FILE_TYPE, Format, HEADER_LEN, INODE, NAME_LEN, REC_LEN, type_of};
pub(crate) use hash::Hasher;
pub(crate) use htree::{
    ENTRY_LEN, INDIRECT_LEVELS, Index, MAX_LEVELS, NODE_COUNT, ROOT_COUNT, ROOT_HASH_VERSION, ROOT_RESERVED,
};

/// Bytes of the checksum entry at the end of a leaf.
pub(crate) const TAIL_LEN: usize = 12;
/// file_type of that entry.
pub(crate) const TAIL_TYPE: u8 = 0xDE;
/// What an inline directory has in place of `.` and `..`, in its block area: its parent's number.
const INLINE_PARENT: Le32 = Le32(0);
/// Its bytes.
pub(crate) const INLINE_DOTS: usize = 4;

/// What a directory block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// Names.
    Leaf,
    /// `.`, `..` and the top of the hash index.
    Root,
    /// An interior node of the hash index.
    Node,
}

/// A block of a directory, by its places in the directory and in the filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) logical: u64,
    pub(crate) physical: u64,
    pub(crate) kind: BlockKind,
}

/// One block of a directory, its checksum right.
#[derive(Debug, Clone)]
pub(crate) struct DirectoryBlock {
    /// Its place in the directory.
    pub(crate) logical: u64,
    /// Its place in the filesystem.
    pub(crate) physical: u64,
    pub(crate) kind: BlockKind,
    pub(crate) data: Vec<u8>,
}

impl DirectoryBlock {
    /// How errors call it.
    fn place(&self) -> String {
        format!("block {}", self.logical)
    }
}

impl<D: BlockRead> Ext<D> {
    pub(crate) fn dirent_format(&self) -> Format {
        Format {
            file_type: self.superblock.incompat(incompat::FILETYPE),
            block_len: self.layout.block_len(),
            inodes: self.layout.inodes,
        }
    }

    /// The inode of a directory; `Corrupt` if it is something else.
    pub(crate) fn directory(&self, id: InodeId) -> Result<Inode> {
        let inode = self.inode(id)?;
        if inode.kind() != Some(FileKind::Directory) {
            let mode = inode::MODE.get(&inode.raw);
            return Err(inode.object().corrupt("i_mode", format!("{mode:#o}"), "a directory"));
        }
        Ok(inode)
    }

    /// How many blocks a directory has by its size.
    pub(crate) fn directory_len(&self, inode: &Inode) -> Result<u64> {
        let (size, block) = (inode.size(), self.layout.block_size);
        if size == 0 || size % block != 0 || size / block > self.layout.blocks {
            let expected = format!("a multiple of {block} up to {}", self.layout.size());
            return Err(inode.object().corrupt("directory size", size, expected));
        }
        Ok(size / block)
    }

    pub(crate) fn directory_block(&self, inode: &Inode, logical: u64) -> Result<u64> {
        let mut found = None;
        self.map_range(inode, logical..logical + 1, &mut |mapped| {
            if let Mapped::Data { physical, written: true, .. } = mapped {
                found = Some(physical);
            }
            Ok(())
        })?;
        found.ok_or_else(|| {
            inode.object().corrupt("directory block", format!("a hole at {logical}"), "a block")
        })
    }

    /// Whether a directory has a hash index.
    pub(crate) fn is_indexed(&self, inode: &Inode) -> bool {
        inode.has(flags::INDEX) && self.superblock.compat(compat::DIR_INDEX) && !inode.has(flags::INLINE_DATA)
    }

    fn index_nodes(&self, inode: &Inode, blocks: u64) -> Result<BTreeSet<u64>> {
        if !self.is_indexed(inode) {
            return Ok(BTreeSet::new());
        }
        let root = self.read_logical(inode, 0)?;
        self.htree_nodes(inode, blocks, &root, &|logical| self.read_logical(inode, logical))
    }

    /// Reads one block of a directory; its checksum is right.
    pub(crate) fn read_directory_block(&self, inode: &Inode, place: Place) -> Result<DirectoryBlock> {
        let Place { logical, physical, kind } = place;
        let block = DirectoryBlock { logical, physical, kind, data: self.read_block(physical)? };
        self.check_directory_block(inode, &block)?;
        Ok(block)
    }

    /// Limit and count of a root or node; `None` for a leaf.
    pub(crate) fn index_of(&self, inode: &Inode, kind: BlockKind, data: &[u8]) -> Result<Option<Index>> {
        let at = match kind {
            BlockKind::Leaf => return Ok(None),
            BlockKind::Root => ROOT_COUNT,
            BlockKind::Node => NODE_COUNT,
        };
        Index::new(data, at, self.checksums.metadata(), inode.object()).map(Some)
    }

    fn check_directory_block(&self, inode: &Inode, block: &DirectoryBlock) -> Result<()> {
        let index = self.index_of(inode, block.kind, &block.data)?;
        if !self.checksums.metadata() {
            return Ok(());
        }
        let seed = inode.seed(&self.checksums);
        let (field, expected) = match index {
            Some(index) => (index.checksum_field(), index.checksum(&block.data, seed)),
            None => {
                let at = block.data.len() - TAIL_LEN;
                let tail = &block.data[at..];
                if INODE.get(tail) != 0 || REC_LEN.get(tail) != 12 || FILE_TYPE.get(tail) != TAIL_TYPE {
                    let found = format!("missing ({})", block.place());
                    return Err(inode.object().corrupt("directory block checksum entry", found, "present"));
                }
                (Le32(at + 8), crc32c_raw(seed, &block.data[..at]))
            }
        };
        let found = field.get(&block.data);
        if found != expected {
            let found = format!("{found:#010x} ({})", block.place());
            return Err(inode.object().corrupt(
                "directory block checksum",
                found,
                format!("{expected:#010x}"),
            ));
        }
        Ok(())
    }

    /// Redoes the checksum of a directory block, if it has one.
    pub(crate) fn seal_directory_block(&self, inode: &Inode, kind: BlockKind, data: &mut [u8]) -> Result<()> {
        if !self.checksums.metadata() {
            return Ok(());
        }
        let seed = inode.seed(&self.checksums);
        match self.index_of(inode, kind, data)? {
            Some(index) => {
                let sum = index.checksum(data, seed);
                index.checksum_field().set(data, sum);
            }
            None => {
                let at = data.len() - TAIL_LEN;
                let sum = crc32c_raw(seed, &data[..at]);
                Le32(at + 8).set(data, sum);
            }
        }
        Ok(())
    }

    /// The entries of a block, free slots included, the checksum entry not.
    pub(crate) fn dirents(
        &self,
        inode: &Inode,
        block: &DirectoryBlock,
        visit: &mut dyn FnMut(Dirent) -> Result<()>,
    ) -> Result<()> {
        let len = block.data.len();
        let end = if self.checksums.metadata() { len - TAIL_LEN } else { len };
        let format = self.dirent_format();
        let (object, place) = (inode.object(), block.place());
        match block.kind {
            BlockKind::Node => Ok(()),
            BlockKind::Leaf => format.parse_all(&block.data, 0..end, object, &place, visit),
            // `..` says that it fills the block; the index lies in what would be its slack.
            BlockKind::Root => {
                let dot = format.parse(&block.data, 0, len, object, &place)?;
                if dot.len != 12 {
                    return Err(object.corrupt("length of `.` in an htree root", dot.len, 12));
                }
                visit(dot)?;
                visit(format.parse(&block.data, 12, len, object, &place)?)
            }
        }
    }

    /// Areas of an inline directory's entries in the inode's raw bytes.
    pub(crate) fn inline_areas(inode: &Inode) -> Result<[std::ops::Range<usize>; 2]> {
        let start = inode::BLOCK.0;
        Ok([start + INLINE_DOTS..start + INLINE_HEAD, inode.inline_rest()?])
    }

    /// See [`Filesystem::entries`](crate::Filesystem::entries).
    pub(crate) fn read_directory(
        &self,
        dir: InodeId,
        visit: &mut dyn FnMut(Entry) -> Result<()>,
    ) -> Result<()> {
        let inode = self.directory(dir)?;
        self.slots(&inode, &mut |buf, dirent| self.report_entry(&inode, buf, &dirent, visit))
    }

    /// Each slot of a directory, free ones included, with the bytes that it lies in.
    fn slots(&self, inode: &Inode, visit: &mut dyn FnMut(&[u8], Dirent) -> Result<()>) -> Result<()> {
        if inode.has(flags::INLINE_DATA) {
            let format = self.dirent_format();
            for area in Self::inline_areas(inode)? {
                format.parse_all(&inode.raw, area, inode.object(), "inline data", &mut |dirent| {
                    visit(&inode.raw, dirent)
                })?;
            }
            return Ok(());
        }
        let mut walk = self.walk_directory(inode)?;
        while let Some(place) = walk.next(self, inode)? {
            let block = self.read_directory_block(inode, place)?;
            self.dirents(inode, &block, &mut |dirent| visit(&block.data, dirent))?;
        }
        Ok(())
    }

    /// See [`Filesystem::check_names`](crate::Filesystem::check_names).
    pub(crate) fn check_all_names(&self) -> Result<()> {
        let mut inodes = self.inodes()?;
        let root = InodeId(inode::ROOT);
        let mut directories = vec![Directory { inode: root, parent: root }];
        while let Some(of) = directories.pop() {
            let inode = self.directory(of.inode)?;
            if inode.has(flags::INLINE_DATA) {
                of.leads_up(InodeId(INLINE_PARENT.get(inode.block()).into()))?;
            }
            self.slots(&inode, &mut |buf, dirent| {
                if dirent.inode == 0 {
                    return Ok(());
                }
                let (leads_to, name) = (InodeId(dirent.inode), &buf[dirent.name.clone()]);
                check_name(&inode, name, &dirent)?;
                if inodes.name(of, name, leads_to, dirent.kind)? {
                    directories.push(Directory { inode: leads_to, parent: of.inode });
                }
                Ok(())
            })?;
            inodes.close(of)?;
        }
        inodes.finish()
    }

    fn report_entry(
        &self,
        directory: &Inode,
        buf: &[u8],
        dirent: &Dirent,
        visit: &mut dyn FnMut(Entry) -> Result<()>,
    ) -> Result<()> {
        let name = &buf[dirent.name.clone()];
        if dirent.inode == 0 || name == b"." || name == b".." {
            return Ok(());
        }
        check_name(directory, name, dirent)?;
        let kind = match dirent.kind {
            Some(kind) => kind,
            None => self.describe(&self.inode(InodeId(dirent.inode))?)?.kind,
        };
        visit(Entry { name: name.to_vec(), inode: InodeId(dirent.inode), kind })
    }
}

/// An encrypted name may hold any byte.
fn check_name(directory: &Inode, name: &[u8], dirent: &Dirent) -> Result<()> {
    let plain = !directory.has(flags::ENCRYPT);
    if name.is_empty() || (plain && name.iter().any(|&byte| byte == b'/' || byte == 0)) {
        let found = format!("empty or with a slash or NUL (byte {})", dirent.at);
        return Err(directory.object().corrupt("directory entry's name", found, "a file name"));
    }
    Ok(())
}

/// Bytes of an entry that a name of this length needs, for those who split and write entries.
pub(crate) const fn entry_len(name_len: usize) -> usize {
    (HEADER_LEN + name_len).next_multiple_of(4)
}
