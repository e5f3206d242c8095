//! Makes a name and what it names: a file, an empty directory or a symbolic link.
//!
//! Whether it can be made is found out by making it, in a copy-on-write view that is thrown away: so the answer is
//! exact, and an error leaves every byte as it was. The directory keeps its times. The same request on the same image
//! always gives the same inode and the same bytes.

use block::{BlockRead, BlockWrite, Overlay, Result, to_u64};

use super::{Hint, pack::NewName, unsupported};
use crate::{
    InodeId, NewEntry, NewKind,
    ext::{
        Ext,
        directory::{BlockKind, type_of},
        group::LastTable,
        inode::{self, FIELDS_END, Inode, ROOT, flags},
        quota::Usage,
        superblock::{incompat, ro_compat},
    },
};

/// Longest name.
const NAME_MAX: usize = 255;
/// Longest target of a symbolic link that any kernel follows (PATH_MAX with its NUL).
const TARGET_MAX: usize = 4095;
/// Bytes of i_block.
const BLOCK_LEN: usize = 60;
/// Most links of a directory; with dir_nlink, one with an index then has 1, for too many to count.
const LINKS_MAX: u32 = 65_000;
/// i_extra_isize of a new inode: up to the last field that the format has.
const EXTRA_LEN: usize = FIELDS_END - 128;

impl<D: BlockRead> Ext<D> {
    /// See [`Filesystem::supports_create`](crate::Filesystem::supports_create).
    pub(crate) fn supports_new(&self, dir: InodeId, name: &[u8], new: &NewEntry) -> Result<()> {
        let mut trial = Ext {
            device: Overlay::new(&self.device),
            superblock: self.superblock.clone(),
            layout: self.layout.clone(),
            checksums: self.checksums,
            last_name: Hint::default(),
            last_table: LastTable::default(),
        };
        trial.create_entry(dir, name, new).map(drop)
    }

    /// The directory that is to hold a new name, which may be made there.
    fn check_new(&self, dir: InodeId, name: &[u8], new: &NewEntry) -> Result<Inode> {
        self.check_recovered()?;
        let directory = self.directory(dir)?;
        let object = directory.object();
        if dir.0 < self.layout.first_inode && dir.0 != ROOT {
            return unsupported(object, "creating a name in a directory of the filesystem's own");
        }
        self.check_in_use(&directory)?;
        if directory.has(flags::ENCRYPT) {
            return unsupported(object, "creating a name in an encrypted directory (fscrypt)");
        }
        if directory.has(flags::CASEFOLD) {
            return unsupported(object, "creating a name in a directory that ignores case (casefold)");
        }
        let text = name.escape_ascii();
        let odd = matches!(name, b"" | b"." | b"..") || name.iter().any(|byte| matches!(byte, b'/' | 0));
        if odd || name.len() > NAME_MAX {
            return unsupported(object, format!("creating a file of the name `{text}`"));
        }
        if self.find_name(&directory, name)?.is_some() {
            return unsupported(object, format!("creating {text}, which exists,"));
        }
        if new.mode > 0o7777 {
            return unsupported(object, format!("creating a file with the mode {:#o}", new.mode));
        }
        if let NewKind::Symlink(target) = &new.kind {
            let most = TARGET_MAX.min(self.layout.block_len() - 1);
            if target.is_empty() || target.len() > most || target.contains(&0) {
                let what = format!("a symbolic link to a path of other than 1 to {most} bytes without a NUL");
                return unsupported(object, what);
            }
        }
        Ok(directory)
    }

    /// i_links_count of a directory with one more directory in it.
    fn more_links(&self, directory: &Inode) -> Result<u16> {
        let links = directory.links();
        let counted = links + 1;
        if links == 1 || (counted > LINKS_MAX && self.countless(directory)) {
            return Ok(1);
        }
        match u16::try_from(counted) {
            Ok(counted) if u32::from(counted) <= LINKS_MAX => Ok(counted),
            _ => unsupported(directory.object(), "creating a directory in one that holds as many as it can"),
        }
    }

    fn countless(&self, directory: &Inode) -> bool {
        self.superblock.ro_compat(ro_compat::DIR_NLINK) && self.is_indexed(directory)
    }

    /// Fills the fields of a new inode that do not depend on its content.
    fn fill_fields(&self, inode: &mut Inode, directory: &Inode, new: &NewEntry) -> Result<()> {
        let object = directory.object();
        let raw = &mut inode.raw;
        let kind: u16 = match new.kind {
            NewKind::File(_) => 0x8000,
            NewKind::Directory => 0x4000,
            NewKind::Symlink(_) => 0xA000,
        };
        inode::MODE.set(raw, kind | new.mode);
        for (low, high, id) in
            [(inode::UID_LO, inode::UID_HI, new.uid), (inode::GID_LO, inode::GID_HI, new.gid)]
        {
            let [a, b, c, d] = id.to_le_bytes();
            low.set(raw, u16::from_le_bytes([a, b]));
            high.set(raw, u16::from_le_bytes([c, d]));
        }
        inode::LINKS_COUNT.set(raw, if kind == 0x4000 { 2 } else { 1 });
        let large = raw.len() >= FIELDS_END;
        // 32 signed bits, and two more that count how often they wrapped (inodes.rst).
        let [a, b, c, d, ..] = new.time.to_le_bytes();
        let low = i32::from_le_bytes([a, b, c, d]);
        let epoch = (new.time - i64::from(low)) >> 32;
        let Some(epoch) = u32::try_from(epoch).ok().filter(|&epoch| epoch < if large { 4 } else { 1 }) else {
            return unsupported(object, format!("creating a file of the time {}", new.time));
        };
        for field in [inode::ATIME, inode::CTIME, inode::MTIME] {
            field.set(raw, low.cast_unsigned());
        }
        if !large {
            return Ok(());
        }
        inode::EXTRA_ISIZE.set(raw, u16::try_from(EXTRA_LEN).expect("32"));
        inode::CRTIME.set(raw, low.cast_unsigned());
        for field in [inode::ATIME_EXTRA, inode::CTIME_EXTRA, inode::MTIME_EXTRA, inode::CRTIME_EXTRA] {
            field.set(raw, epoch);
        }
        // A directory of a project hands it on, if it is told to.
        if directory.has(flags::PROJINHERIT) && directory.raw.len() >= FIELDS_END {
            inode::PROJID.set(raw, inode::PROJID.get(&directory.raw));
            if new.kind == NewKind::Directory {
                inode::FLAGS.set(raw, flags::PROJINHERIT);
            }
        }
        Ok(())
    }
}

impl<D: BlockWrite> Ext<D> {
    /// See [`FilesystemMut::create`](crate::FilesystemMut::create). An error leaves a view that must not be used: see
    /// [`supports_new`](Self::supports_new).
    pub(crate) fn create_entry(&mut self, dir: InodeId, name: &[u8], new: &NewEntry) -> Result<InodeId> {
        let mut directory = self.check_new(dir, name, new)?;
        let is_directory = new.kind == NewKind::Directory;
        let near = self.layout.inode_place(dir.0).0;
        let mut inode = self.allocate_inode(near, is_directory, directory.object())?;
        self.fill_fields(&mut inode, &directory, new)?;
        self.fill_content(&mut inode, dir, new)?;
        self.set_attributes(&mut inode, &new.attributes)?;
        self.write_inode(&mut inode)?;
        self.charge_new(&inode)?;
        let number = u32::try_from(inode.number).expect("s_inodes_count has 32 bits");
        let file_type = type_of(new.kind.file_kind());
        if is_directory {
            let links = self.more_links(&directory)?;
            inode::LINKS_COUNT.set(&mut directory.raw, links);
            self.write_inode(&mut directory)?;
        }
        self.insert_name(&mut directory, &NewName { inode: number, file_type, name: name.to_vec() })?;
        self.recount()?;
        Ok(inode.id())
    }

    /// Gives a new inode its content, and i_size, i_blocks and flags with it.
    fn fill_content(&mut self, inode: &mut Inode, parent: InodeId, new: &NewEntry) -> Result<()> {
        if let NewKind::Symlink(target) = &new.kind
            && target.len() < BLOCK_LEN
        {
            inode.raw[inode::BLOCK.0..inode::BLOCK.0 + target.len()].copy_from_slice(target);
            inode.set_size(to_u64(target.len()));
            return Ok(());
        }
        if self.superblock.incompat(incompat::EXTENTS) {
            let flags = inode.flags() | flags::EXTENTS;
            inode::FLAGS.set(&mut inode.raw, flags);
            // An empty tree has a header, too.
            self.write_extents(inode, &[], 0)?;
        }
        let block;
        let content = match &new.kind {
            NewKind::File(content) | NewKind::Symlink(content) => content,
            NewKind::Directory => {
                let number = |id: u64| u32::try_from(id).expect("s_inodes_count has 32 bits");
                let mut names = self.pack(&Self::dots(number(inode.number), number(parent.0)));
                self.seal_directory_block(inode, BlockKind::Leaf, &mut names)?;
                block = names;
                &block
            }
        };
        self.check_room(inode, content)?;
        self.write_content(inode, content)
    }

    /// Lets the quotas of its owners count a new inode.
    fn charge_new(&mut self, inode: &Inode) -> Result<()> {
        if !self.has_quota_records(inode)? {
            return unsupported(
                inode.object(),
                "creating a file for an owner without a record in the quota file",
            );
        }
        let after = Usage { bytes: self.allocated_bytes(inode), inodes: 1 };
        self.recharge(inode, Usage { bytes: 0, inodes: 0 }, after)
    }
}
