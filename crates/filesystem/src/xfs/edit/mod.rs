//! Edits of the tree: a name removed or made, a file emptied or given other content.
//!
//! A change is checked as a whole before the first byte is written: the name still names that inode, nothing that the
//! filesystem needs for itself is touched, a tree holds each directory once. Times stay as they are. Inodes are written at
//! once; a directory that loses names is written when another one is edited, and what changes release and take is settled
//! with the groups by the scrub, or by the next creation: so many changes take time in proportion to their number.

mod attribute;
mod content;
mod create;
mod directory;
mod finish;
mod fork;
mod lookup;
mod map;
mod pack;
mod pending;
mod remove;
mod slot;

use block::{BlockRead, BlockWrite, Error, Object, Overlay, Result, Unsupported};

use super::{
    Xfs,
    chunks::Chunks,
    format::inode::format,
    inode::{Fork, Inode},
    superblock::{self as sb, features2, version},
};
use crate::{Change, FileKind, Target};

pub(super) use lookup::Lookup;
pub(super) use pending::Pending;

fn unsupported<T>(object: Object, what: impl Into<String>) -> Result<T> {
    Err::<T, Error>(Unsupported::new(object, what).into())
}

impl<D: BlockRead> Xfs<D> {
    /// See [`Filesystem::supports`](crate::Filesystem::supports).
    pub(crate) fn supports_change(&self, target: &Target, change: &Change) -> Result<()> {
        let (_, inode) = self.target(target)?;
        match change {
            Change::Remove => self.doomed(target, &inode).map(drop),
            Change::Truncate => Self::check_content(&inode),
            Change::Overwrite(data) => {
                Self::check_content(&inode)?;
                // Whether there is room depends on all the trees that change with it: tried, and thrown away.
                self.trial().overwrite(inode, data)
            }
        }
    }

    /// The same filesystem on a view of its own.
    fn trial(&self) -> Xfs<Overlay<&D>> {
        Xfs {
            device: Overlay::new(&self.device),
            superblock: self.superblock.clone(),
            geometry: self.geometry,
            groups: self.groups.clone(),
            lookup: Lookup::default(),
            chunks: Chunks::default(),
            pending: None,
        }
    }

    /// The directory and the inode of a target, if the directory agrees and it may be edited.
    fn target(&self, target: &Target) -> Result<(Inode, Inode)> {
        self.check_writable()?;
        // As it is with what it has lost, if that is not on the device yet.
        let pending = self.pending.as_ref().filter(|pending| pending.directory.number.0 == target.parent.0);
        let parent = match pending {
            Some(pending) => pending.directory.clone(),
            None => self.directory(target.parent)?,
        };
        if target.name == b"." || target.name == b".." {
            return unsupported(parent.object(), "editing `.` or `..`");
        }
        let text = target.name.escape_ascii();
        let found = match pending {
            Some(pending) => pending.find(&target.name),
            None => self.find_name(&parent, &target.name)?,
        };
        match found {
            Some(number) if number == target.inode.0 => {}
            Some(number) => {
                let found = format!("{number} for {text}");
                return Err(parent.object().corrupt("directory entry's inode", found, target.inode.0));
            }
            None => {
                return Err(parent.object().corrupt(
                    "directory",
                    format!("without {text}"),
                    "an entry of that name",
                ));
            }
        }
        let inode = self.inode(target.inode)?;
        self.check_editable(&inode)?;
        Ok((parent, inode))
    }

    /// Refuses what cannot be kept in order.
    fn check_writable(&self) -> Result<()> {
        // Without it the superblock's counters follow rules of their own; mkfs has set it since 2009.
        let lazy = sb::FEATURES2.get(self.superblock.bytes()) & features2::LAZY_COUNT != 0
            && self.superblock.has_version(version::MORE);
        if !self.geometry.v5 && !lazy {
            return unsupported(sb::OBJECT, "editing without the feature lazy-count");
        }
        Ok(())
    }

    /// Refuses what the filesystem needs for itself.
    fn check_editable(&self, inode: &Inode) -> Result<()> {
        let raw = self.superblock.bytes();
        let own = [sb::ROOT_INODE, sb::REALTIME_BITMAP_INODE, sb::REALTIME_SUMMARY_INODE]
            .map(|field| field.get(raw));
        if own.contains(&inode.number.0) || self.superblock.quota_inodes().contains(&inode.number.0) {
            return unsupported(inode.object(), "editing an inode of the filesystem's own");
        }
        if inode.links() == 0 {
            return Err(inode.object().corrupt("di_nlink", 0, "at least 1, for it has a name"));
        }
        Ok(())
    }

    /// Whether the content of an inode may be replaced.
    fn check_content(inode: &Inode) -> Result<()> {
        if inode.kind() != Some(FileKind::File) {
            return unsupported(inode.object(), "truncating or overwriting other than a regular file");
        }
        let data = inode.fork_format(Fork::Data);
        if !matches!(data, format::EXTENTS | format::BTREE) {
            return Err(inode.object().corrupt("di_format", data, "2 or 3"));
        }
        Ok(())
    }
}

impl<D: BlockWrite> Xfs<D> {
    /// See [`FilesystemMut::change`](crate::FilesystemMut::change). What [`supports_change`](Self::supports_change)
    /// finds is found before anything is changed; what else fails (the device, damage that shows on the way) leaves a
    /// view that must not be used. Nor must one without a scrub behind the last change.
    pub(crate) fn change_target(&mut self, target: &Target, change: &Change) -> Result<()> {
        let (parent, inode) = self.target(target)?;
        match change {
            Change::Remove => self.remove(target, parent, &inode),
            Change::Truncate => {
                Self::check_content(&inode)?;
                self.overwrite(inode, &[])
            }
            Change::Overwrite(data) => {
                Self::check_content(&inode)?;
                self.overwrite(inode, data)
            }
        }
    }
}
