//! Edits of the tree: a name removed or made, a file emptied or given other content.
//!
//! A change is checked as a whole before the first byte is written: the name still names that inode, nothing
//! that the filesystem needs for itself is touched, a tree holds each directory once. Times stay as they are.

mod allocate;
mod attribute;
mod create;
mod file;
mod grow;
mod index;
mod inline;
mod insert;
mod map;
mod name;
mod pack;
mod slot;
mod tree;

use block::{BlockRead, BlockWrite, Error, Object, Result, Unsupported};
pub(super) use name::{Hint, encode_len};

use super::{
    Ext,
    group::bit,
    inode::{Inode, ROOT, flags},
    superblock::{self as sb, incompat, ro_compat},
};
use name::Name;

use crate::{Change, FileKind, Target};

/// e2fsck(8) misses this directory of the root when it is gone.
const LOST_FOUND: &[u8] = b"lost+found";

fn unsupported<T>(object: Object, what: impl Into<String>) -> Result<T> {
    Err::<T, Error>(Unsupported::new(object, what).into())
}

impl<D: BlockRead> Ext<D> {
    /// See [`Filesystem::supports`](crate::Filesystem::supports).
    pub(crate) fn supports_change(&self, target: &Target, change: &Change) -> Result<()> {
        let (_, inode) = self.target(target)?;
        match change {
            Change::Remove => self.doomed(target, &inode).map(drop),
            Change::Truncate => Self::check_content(&inode, change),
            Change::Overwrite(data) => {
                Self::check_content(&inode, change)?;
                self.check_room(&inode, data)
            }
        }
    }

    /// Where a target's name lies and the inode, if the directory agrees and it may be edited.
    fn target(&self, target: &Target) -> Result<(Name, Inode)> {
        self.check_recovered()?;
        let parent = self.directory(target.parent)?;
        if target.name == b"." || target.name == b".." {
            return unsupported(parent.object(), "editing `.` or `..`");
        }
        let text = String::from_utf8_lossy(&target.name);
        self.check_in_use(&parent)?;
        let name = match self.find_name(&parent, &target.name)? {
            Some(found) if found.inode() == target.inode.0 => found,
            Some(found) => {
                let found = format!("{} for {text}", found.inode());
                return Err(parent.object().corrupt("directory entry's inode", found, target.inode.0));
            }
            None => {
                return Err(parent.object().corrupt(
                    "directory",
                    format!("without {text}"),
                    "an entry of that name",
                ));
            }
        };
        let inode = self.inode(target.inode)?;
        self.check_editable(&inode)?;
        if target.parent.0 == ROOT && target.name == LOST_FOUND {
            return unsupported(inode.object(), "editing lost+found");
        }
        Ok((name, inode))
    }

    /// Refuses a filesystem that is not what its journal and orphans make of it.
    fn check_recovered(&self) -> Result<()> {
        let superblock = self.superblock.bytes();
        if self.superblock.incompat(incompat::RECOVER)
            || self.superblock.ro_compat(ro_compat::ORPHAN_PRESENT)
            || sb::LAST_ORPHAN.get(superblock) != 0
        {
            return unsupported(
                sb::OBJECT,
                "editing before the journal is replayed and orphans are processed",
            );
        }
        Ok(())
    }

    /// Whether the filesystem needs an inode for itself.
    pub(in crate::ext) fn is_own(&self, number: u64) -> bool {
        let own = [
            sb::JOURNAL_INUM,
            sb::USR_QUOTA_INUM,
            sb::GRP_QUOTA_INUM,
            sb::PRJ_QUOTA_INUM,
            sb::ORPHAN_FILE_INUM,
        ];
        let own = own.map(|field| u64::from(field.get(self.superblock.bytes())));
        number < self.layout.first_inode || own.contains(&number)
    }

    /// Refuses what the filesystem needs for itself, and what is not in use.
    fn check_editable(&self, inode: &Inode) -> Result<()> {
        if self.is_own(inode.number) || inode.has(flags::EA_INODE) {
            return unsupported(inode.object(), "editing an inode of the filesystem's own");
        }
        self.check_in_use(inode)?;
        // Also refuses an inode of no type.
        self.describe(inode).map(drop)
    }

    fn check_in_use(&self, inode: &Inode) -> Result<()> {
        let (group, index) = self.layout.inode_place(inode.number);
        if !bit(&self.inode_bitmap(&self.group(group)?)?, index) {
            return Err(inode.object().corrupt(
                "bit in the inode bitmap",
                "free",
                "in use, for it has a name",
            ));
        }
        if inode.links() == 0 {
            return Err(inode.object().corrupt("i_links_count", 0, "at least 1, for it has a name"));
        }
        Ok(())
    }

    /// Whether the content of an inode may be replaced.
    fn check_content(inode: &Inode, change: &Change) -> Result<()> {
        if inode.kind() != Some(FileKind::File) {
            return unsupported(inode.object(), "truncating or overwriting other than a regular file");
        }
        if inode.has(flags::VERITY) {
            // The Merkle tree behind the end of the file would no longer fit, and the kernel refuses to read.
            return unsupported(inode.object(), "truncating or overwriting a file with fs-verity");
        }
        if inode.has(flags::ENCRYPT) && matches!(change, Change::Overwrite(_)) {
            return unsupported(inode.object(), "overwriting encrypted content (fscrypt)");
        }
        Ok(())
    }
}

impl<D: BlockWrite> Ext<D> {
    /// See [`FilesystemMut::change`](crate::FilesystemMut::change). What [`supports_change`](Self::supports_change)
    /// finds is found before anything is changed; what else fails (the device, damage that shows on the way, no
    /// room for extent tree blocks) leaves a view that must not be used.
    pub(crate) fn change_target(&mut self, target: &Target, change: &Change) -> Result<()> {
        let (name, inode) = self.target(target)?;
        match change {
            Change::Remove => self.remove(target, name, &inode)?,
            Change::Truncate => {
                Self::check_content(&inode, change)?;
                self.truncate(inode)?;
            }
            Change::Overwrite(data) => {
                Self::check_content(&inode, change)?;
                self.overwrite(inode, data)?;
            }
        }
        self.recount()
    }
}
