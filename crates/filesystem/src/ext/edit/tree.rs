//! Removes a name, and with the last name of an inode all that it holds; a directory with its whole tree.
//!
//! The tree is walked before anything is changed, without recursion. Each directory must be met once, and its
//! `..` must lead back, so a tree that bites its own tail or reaches out of itself is `Corrupt`.

use std::collections::{BTreeMap, BTreeSet};

use block::{BlockRead, BlockWrite, Result};

use super::name::Name;
use crate::{
    FileKind, InodeId, Target,
    ext::{
        Ext,
        inode::{self, Inode},
    },
};

/// What goes with a name.
#[derive(Debug, Default)]
pub(super) struct Doomed {
    /// Directories that go.
    directories: BTreeSet<u64>,
    /// All else, and how many of its names go.
    files: BTreeMap<u64, u32>,
}

impl<D: BlockRead> Ext<D> {
    /// What goes with a target, whose inode was checked. Nothing is changed.
    pub(super) fn doomed(&self, target: &Target, inode: &Inode) -> Result<Doomed> {
        let mut doomed = Doomed::default();
        if inode.kind() != Some(FileKind::Directory) {
            doomed.files.insert(inode.number, 1);
            return Ok(doomed);
        }
        let parent = self.directory(target.parent)?;
        if parent.links() == 2 {
            // A directory that holds one is linked to by its `..` (1 stands for too many to count).
            return Err(parent.object().corrupt("i_links_count", 2, "at least 3"));
        }
        self.check_parent(inode, target.parent.0)?;
        doomed.directories.insert(inode.number);
        let mut rest = vec![inode.number];
        while let Some(directory) = rest.pop() {
            let mut names = Vec::new();
            self.read_directory(InodeId(directory), &mut |entry| {
                names.push(entry.inode);
                Ok(())
            })?;
            for id in names {
                let child = self.inode(id)?;
                if child.kind() != Some(FileKind::Directory) {
                    // Checked once, when it is first met.
                    if !doomed.files.contains_key(&id.0) {
                        self.check_editable(&child)?;
                    }
                    *doomed.files.entry(id.0).or_default() += 1;
                    continue;
                }
                self.check_editable(&child)?;
                self.check_parent(&child, directory)?;
                if !doomed.directories.insert(id.0) {
                    return Err(child.object().corrupt("directory", "named twice", "named once"));
                }
                rest.push(id.0);
            }
        }
        for (&number, &names) in &doomed.files {
            let file = self.inode(InodeId(number))?;
            if file.links() < names {
                return Err(file.object().corrupt(
                    "i_links_count",
                    file.links(),
                    format!("at least {names}"),
                ));
            }
        }
        Ok(doomed)
    }

    fn check_parent(&self, directory: &Inode, expected: u64) -> Result<()> {
        let parent = self.parent_of(directory)?;
        if parent != expected {
            return Err(directory.object().corrupt("directory's ..", parent, expected));
        }
        Ok(())
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Removes a target's name, found where `name` says, and what goes with it.
    pub(super) fn remove(&mut self, target: &Target, name: Name, inode: &Inode) -> Result<()> {
        let doomed = self.doomed(target, inode)?;
        let mut parent = self.directory(target.parent)?;
        self.strike_name(&mut parent, name)?;
        if inode.kind() == Some(FileKind::Directory) && parent.links() > 2 {
            let links = parent.links() - 1;
            set_links(&mut parent, links);
            self.write_inode(&mut parent)?;
        }
        for (number, names) in doomed.files {
            // Read when its turn comes: what went before may have shared attributes with it.
            let mut file = self.inode(InodeId(number))?;
            match file.links().checked_sub(names) {
                Some(0) => self.release_inode(file)?,
                rest => {
                    set_links(&mut file, rest.expect("compared with the names before anything was changed"));
                    self.write_inode(&mut file)?;
                }
            }
        }
        for number in doomed.directories {
            let directory = self.inode(InodeId(number))?;
            self.release_inode(directory)?;
        }
        Ok(())
    }
}

fn set_links(inode: &mut Inode, links: u32) {
    let links = u16::try_from(links).expect("lower than what the field held");
    inode::LINKS_COUNT.set(&mut inode.raw, links);
}
