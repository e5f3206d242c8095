//! Makes a name and what it names: a file, an empty directory or a symbolic link.
//!
//! Whether it can be made is found out by making it, in a copy-on-write view that is thrown away: so the answer is
//! exact, and an error leaves every byte as it was. The directory keeps its times. The same request on the same image
//! always gives the same inode and the same bytes.

use block::{BlockRead, BlockWrite, Result, to_u64, to_usize};

use super::{
    directory::Names,
    pack::{Name, Short},
    remove::set_links,
    unsupported,
};
use crate::{
    InodeId, NewEntry, NewKind,
    xfs::{
        Xfs, checksum,
        format::{
            dir::ftype,
            inode::{
                ATIME, ATTR_FORMAT, CHANGE_COUNT, CREATION_TIME, CTIME, FLAGS, FLAGS2, FORMAT, GID, LINKS,
                MODE, MTIME, PROJID_HI, PROJID_LO, SIZE, UID, VERSION, flags, flags2, format,
            },
            symlink,
        },
        inode::{Fork, Inode},
        rebuild::Use,
        superblock::incompat,
    },
};

/// Longest name.
const NAME_MAX: usize = 255;
/// Most links of an inode (XFS_MAXLINK), and of one of version 1.
const LINKS_MAX: u32 = i32::MAX.cast_unsigned();
const LINKS_MAX_V1: u32 = 65_535;

impl<D: BlockRead> Xfs<D> {
    /// See [`Filesystem::supports_create`](crate::Filesystem::supports_create).
    pub(crate) fn supports_new(&self, dir: InodeId, name: &[u8], new: &NewEntry) -> Result<()> {
        self.trial().create_entry(dir, name, new).map(drop)
    }

    /// The directory that is to hold a new name, which may be made there; and its names.
    fn check_new(&self, dir: InodeId, name: &[u8], new: &NewEntry) -> Result<(Inode, Names)> {
        self.check_writable()?;
        let directory = self.directory(dir)?;
        let object = directory.object();
        if directory.links() == 0 {
            return Err(object.corrupt("di_nlink", 0, "at least 2, for it is a directory"));
        }
        let text = name.escape_ascii();
        let odd = matches!(name, b"" | b"." | b"..") || name.iter().any(|byte| matches!(byte, b'/' | 0));
        if odd || name.len() > NAME_MAX {
            return unsupported(object, format!("creating a file of the name `{text}`"));
        }
        let names = self.all_names(&directory)?;
        if names.entries.iter().any(|entry| entry.name.name == name) {
            return unsupported(object, format!("creating {text}, which exists,"));
        }
        if new.mode > 0o7777 {
            return unsupported(object, format!("creating a file with the mode {:#o}", new.mode));
        }
        if let NewKind::Symlink(target) = &new.kind {
            let most = symlink::MAX_LEN - 1;
            if target.is_empty() || to_u64(target.len()) > most || target.contains(&0) {
                let what = format!("a symbolic link to a path of other than 1 to {most} bytes without a NUL");
                return unsupported(object, what);
            }
        }
        Ok((directory, names))
    }

    /// A time as inodes have it.
    fn time(&self, directory: &Inode, time: i64) -> Result<u64> {
        let big = self.superblock.incompat(incompat::BIGTIME);
        let since = if big {
            // Nanoseconds since the least that 32 bits of seconds can say.
            time.checked_sub(i32::MIN.into())
                .and_then(|seconds| u64::try_from(seconds).ok())
                .filter(|&seconds| seconds < 1 << 34)
                .map(|seconds| seconds * 1_000_000_000)
        } else {
            i32::try_from(time).ok().map(|seconds| u64::from(seconds.cast_unsigned()) << 32)
        };
        match since {
            Some(since) => Ok(since),
            None => unsupported(directory.object(), format!("creating a file of the time {time}")),
        }
    }

    /// Fills the core of a new inode.
    fn fill_core(&self, inode: &mut Inode, directory: &Inode, new: &NewEntry) -> Result<()> {
        let time = self.time(directory, new.time)?;
        let raw = &mut inode.raw;
        let (kind, links): (u16, u32) = match new.kind {
            NewKind::File(_) => (0x8000, 1),
            NewKind::Directory => (0x4000, 2),
            NewKind::Symlink(_) => (0xA000, 1),
        };
        MODE.set(raw, kind | new.mode);
        FORMAT.set(raw, format::EXTENTS);
        ATTR_FORMAT.set(raw, format::EXTENTS);
        UID.set(raw, new.uid);
        GID.set(raw, new.gid);
        LINKS.set(raw, links);
        for field in [ATIME, MTIME, CTIME] {
            field.set(raw, time);
        }
        if self.geometry.v5 {
            CREATION_TIME.set(raw, time);
            CHANGE_COUNT.set(raw, 1);
            let has = |bit| self.superblock.incompat(bit);
            let big = if has(incompat::BIGTIME) { flags2::BIGTIME } else { 0 };
            let wide = if has(incompat::NREXT64) { flags2::NREXT64 } else { 0 };
            FLAGS2.set(raw, big | wide);
        } else {
            VERSION.set(raw, 2);
        }
        // A directory of a project hands it on, if it is told to.
        if FLAGS.get(&directory.raw) & flags::PROJINHERIT != 0 {
            PROJID_LO.set(raw, PROJID_LO.get(&directory.raw));
            PROJID_HI.set(raw, PROJID_HI.get(&directory.raw));
            if new.kind == NewKind::Directory {
                FLAGS.set(raw, flags::PROJINHERIT);
            }
        }
        Ok(())
    }
}

impl<D: BlockWrite> Xfs<D> {
    /// See [`FilesystemMut::create`](crate::FilesystemMut::create). An error leaves a view that must not be used: see
    /// [`supports_new`](Self::supports_new).
    pub(crate) fn create_entry(&mut self, dir: InodeId, name: &[u8], new: &NewEntry) -> Result<InodeId> {
        self.flush()?;
        let (mut directory, mut names) = self.check_new(dir, name, new)?;
        let mut inode = self.take_inode(&directory)?;
        self.fill_core(&mut inode, &directory, new)?;
        self.set_attributes(&mut inode, &new.attributes)?;
        match &new.kind {
            NewKind::File(content) => self.overwrite(inode.clone(), content)?,
            NewKind::Directory => {
                let empty = Names { parent: dir.0, entries: Vec::new() };
                self.write_names(&mut inode, &empty)?;
            }
            NewKind::Symlink(target) => self.write_target(&mut inode, target)?,
        }
        let file_type = match new.kind {
            NewKind::File(_) => ftype::FILE,
            NewKind::Directory => ftype::DIRECTORY,
            NewKind::Symlink(_) => ftype::SYMLINK,
        };
        if new.kind == NewKind::Directory {
            let most = if VERSION.get(&directory.raw) == 1 { LINKS_MAX_V1 } else { LINKS_MAX };
            let links = directory.links();
            if links >= most {
                return unsupported(
                    directory.object(),
                    "creating a directory in one that holds as many as it can",
                );
            }
            set_links(&mut directory, links + 1)?;
        }
        let name = Name { name: name.to_vec(), inode: inode.number.0, file_type };
        names.entries.push(Short { name, offset: None });
        self.write_names(&mut directory, &names)?;
        self.settle()?;
        Ok(inode.id())
    }

    /// Gives a new symbolic link its target: in the inode if there is room, else in blocks.
    fn write_target(&mut self, inode: &mut Inode, target: &[u8]) -> Result<()> {
        SIZE.set(&mut inode.raw, to_u64(target.len()));
        let none = super::map::Map::default();
        if target.len() <= inode.fork(Fork::Data).len() {
            self.write_local(inode, &none, target)?;
            return self.write_inode(inode);
        }
        let v5 = self.geometry.v5;
        let head = symlink::header_len(v5);
        // As many blocks as if each had a header; but each extent has one, whatever its length (xfs_symlink_remote.c).
        let count = target.len().div_ceil(self.geometry.block_len() - head);
        let of = Use { inode: inode.number, fork: Fork::Data };
        let mut extents = self.allocate(of, 0, to_u64(count))?;
        super::fork::join(&mut extents);
        let mut at = 0;
        for extent in &extents {
            let mut raw = vec![0; to_usize(extent.count) * self.geometry.block_len()];
            let len = (raw.len() - head).min(target.len() - at);
            raw[head..head + len].copy_from_slice(&target[at..at + len]);
            if v5 {
                let short = |value: usize| u32::try_from(value).expect("a target has less than 1024 bytes");
                symlink::MAGIC.set(&mut raw, symlink::MAGIC_VALUE);
                symlink::OFFSET.set(&mut raw, short(at));
                symlink::BYTES.set(&mut raw, short(len));
                symlink::UUID.set(&mut raw, &self.superblock.meta_uuid());
                symlink::OWNER.set(&mut raw, inode.number.0);
                symlink::BLKNO.set(&mut raw, self.geometry.daddr(extent.start));
                checksum::seal(&mut raw, symlink::CRC);
            }
            at += len;
            self.write_blocks(extent.start, &raw)?;
        }
        self.write_map(inode, &none, extents)?;
        self.write_inode(inode)
    }
}
