//! Removes a name, and with the last name of an inode all that it holds; a directory with its whole tree.

use std::collections::BTreeMap;

use block::{BlockRead, BlockWrite, Result};

use super::unsupported;
use crate::{
    FileKind, InodeId, Target,
    xfs::{
        Xfs,
        format::inode::{LINKS, OLD_LINKS, VERSION},
        inode::{Fork, Inode},
        rebuild::Use,
    },
};

/// What goes with a name: inodes by number, each with how many of its names go; directories have all.
#[derive(Debug, Default)]
pub(super) struct Doomed {
    directories: Vec<u64>,
    others: BTreeMap<u64, u32>,
}

impl<D: BlockRead> Xfs<D> {
    /// What a removal takes with it. `Corrupt` if a directory is in the tree twice.
    pub(super) fn doomed(&self, target: &Target, inode: &Inode) -> Result<Doomed> {
        let mut doomed = Doomed::default();
        if inode.kind() != Some(FileKind::Directory) {
            doomed.others.insert(inode.number.0, 1);
            return Ok(doomed);
        }
        if inode.number.0 == target.parent.0 {
            return Err(inode.object().corrupt("directory", "in itself", "in another"));
        }
        let mut seen = std::collections::BTreeSet::from([inode.number.0]);
        let mut rest = vec![inode.id()];
        while let Some(directory) = rest.pop() {
            doomed.directories.push(directory.0);
            let mut entries = Vec::new();
            self.read_directory(directory, &mut |entry| {
                entries.push((entry.inode, entry.kind));
                Ok(())
            })?;
            for (id, kind) in entries {
                let inode = self.inode(id)?;
                if inode.kind() != Some(kind) {
                    return Err(inode.object().corrupt("kind in its directory", "another", "its own"));
                }
                self.check_editable(&inode)?;
                if kind != FileKind::Directory {
                    *doomed.others.entry(id.0).or_default() += 1;
                } else if seen.insert(id.0) {
                    rest.push(id);
                } else {
                    return Err(inode.object().corrupt("directory", "in the tree twice", "once"));
                }
            }
        }
        if seen.contains(&target.parent.0) {
            return Err(inode.object().corrupt("directory", "above itself", "below another"));
        }
        for (&number, &names) in &doomed.others {
            let links = self.inode(InodeId(number))?.links();
            if links < names {
                let object = block::Object::numbered("inode", number);
                return Err(object.corrupt("di_nlink", links, format!("{names} or more")));
            }
        }
        Ok(doomed)
    }
}

/// Sets how many names an inode has.
pub(super) fn set_links(inode: &mut Inode, links: u32) -> Result<()> {
    if VERSION.get(&inode.raw) == 1 {
        let Ok(links) = u16::try_from(links) else {
            return unsupported(inode.object(), "more than 65535 links of a version 1 inode");
        };
        OLD_LINKS.set(&mut inode.raw, links);
    } else {
        LINKS.set(&mut inode.raw, links);
    }
    Ok(())
}

impl<D: BlockWrite> Xfs<D> {
    /// Removes a target, whose directory and inode these are.
    pub(super) fn remove(&mut self, target: &Target, parent: Inode, inode: &Inode) -> Result<()> {
        // A tree may hold the directory that has lost names.
        if self.pending.as_ref().is_some_and(|pending| pending.directory.number != parent.number) {
            self.flush()?;
        }
        let doomed = self.doomed(target, inode)?;
        let pending = self.lose_names(parent)?;
        pending.remove(&target.name);
        if inode.kind() == Some(FileKind::Directory) {
            // Its `..` goes, too.
            let parent = &mut pending.directory;
            let links = parent.links();
            let Some(links) = links.checked_sub(1).filter(|&links| links >= 2) else {
                return Err(parent.object().corrupt("di_nlink", links, "at least 3, with a directory in it"));
            };
            set_links(parent, links)?;
        }
        for (number, names) in doomed.others {
            let mut inode = self.inode(InodeId(number))?;
            let links = inode.links() - names;
            if links == 0 {
                self.release_inode(&inode)?;
            } else {
                set_links(&mut inode, links)?;
                self.write_inode(&mut inode)?;
            }
        }
        for number in doomed.directories {
            let inode = self.inode(InodeId(number))?;
            self.release_inode(&inode)?;
        }
        Ok(())
    }

    /// Releases all that an inode has, and the inode.
    pub(in crate::xfs) fn release_inode(&mut self, inode: &Inode) -> Result<()> {
        for fork in [Fork::Data, Fork::Attr] {
            let map = self.whole_map(inode, fork)?;
            self.release_map(Use { inode: inode.number, fork }, &map)?;
        }
        self.free_inode(inode)
    }
}
