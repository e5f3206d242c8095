//! Fast commits: small logical changes (names, extents, inodes) committed after the last full transaction.
//!
//! They are never ignored: what the kernel would replay is either replayed or refused. Where the kernel replays
//! one record after the other, we first gather what each inode becomes, then write it: blocks and inodes that
//! change owner meanwhile need no order of their own.

mod file;
mod names;
mod nodes;
mod scan;

use std::collections::{BTreeMap, BTreeSet};

use block::{BlockWrite, Extent, ExtentSet, Object, Result, Unsupported};

pub(super) use scan::{Record, pending};

use crate::{
    FileKind, InodeId,
    ext::{Ext, inode, superblock::ro_compat},
};
use file::File;

/// All inodes that the records touch, by number.
#[derive(Debug, Default)]
struct Files {
    by_number: BTreeMap<u32, File>,
    /// Directories whose names changed: their count of links follows from the names.
    directories: BTreeSet<u32>,
}

/// Refuses with the reason.
fn unsupported<T>(object: Object, what: &str) -> Result<T> {
    Err(Unsupported::new(object, format!("replay of fast commits (fast_commit) {what}")).into())
}

impl<D: BlockWrite> Ext<D> {
    /// Carries out the records of complete fast commits.
    pub(super) fn replay_fast_commits(&mut self, records: &[Record]) -> Result<()> {
        if self.superblock.ro_compat(ro_compat::QUOTA) {
            return unsupported(Object::the("journal"), "with quota");
        }
        let mut files = Files::default();
        for record in records {
            match record {
                Record::Inode { inode, raw } => self.file(&mut files, *inode)?.become_inode(raw)?,
                Record::AddRange { inode, logical, len, physical, written } => {
                    let extent = file::Run { physical: *physical, len: *len, written: *written };
                    if *len == 0 || !self.layout.contains(*physical, *len) {
                        let expected = format!("blocks below {}", self.layout.blocks);
                        let found = format!("{len} blocks from {physical}");
                        return Err(Object::numbered("inode", (*inode).into()).corrupt(
                            "new extent",
                            found,
                            expected,
                        ));
                    }
                    self.file(&mut files, *inode)?.map(*logical, extent)?;
                }
                Record::DelRange { inode, logical, len } => {
                    self.file(&mut files, *inode)?.unmap(*logical, *len)?;
                }
                // Names come when all inodes are there; what they do to a count of links comes in order.
                Record::Link { inode, new, .. } => {
                    let file = self.file(&mut files, *inode)?;
                    // A directory's count comes from its names.
                    if file.kind() != Some(FileKind::Directory) {
                        file.set_links(if *new { 1 } else { file.links().saturating_add(1) });
                    }
                }
                Record::Unlink { inode, .. } => {
                    let file = self.file(&mut files, *inode)?;
                    // Directories are not renamed by fast commits: the name goes with all it holds.
                    let directory = file.kind() == Some(FileKind::Directory);
                    file.set_links(if directory { 0 } else { file.links().saturating_sub(1) });
                }
            }
        }
        self.write_files(&mut files)?;
        self.replay_names(&mut files, records)?;
        // What lost its last name goes. What had none before is an orphan, and its turn comes later.
        let gone = |file: &File| file.links() == 0 && !file.was_orphan();
        let gone: BTreeSet<u32> =
            files.by_number.iter().filter(|(_, file)| gone(file)).map(|(&n, _)| n).collect();
        for &number in &gone {
            self.release_inode(self.inode(InodeId(number.into()))?)?;
        }
        for &number in files.directories.difference(&gone) {
            self.count_links(number)?;
        }
        Ok(())
    }

    fn file<'f>(&self, files: &'f mut Files, number: u32) -> Result<&'f mut File> {
        if u64::from(number) < self.layout.first_inode && u64::from(number) != inode::ROOT {
            let expected = format!("{} or more", self.layout.first_inode);
            return Err(Object::the("fast commit record").corrupt("inode", number, expected));
        }
        match files.by_number.entry(number) {
            std::collections::btree_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::btree_map::Entry::Vacant(entry) => Ok(entry.insert(self.load_file(number)?)),
        }
    }

    /// Writes all inodes and their maps: first what they need is taken into use, then what they leave is freed.
    fn write_files(&mut self, files: &mut Files) -> Result<()> {
        let lost = |file: &&File| !file.mapped() && !file.runs.is_empty();
        if let Some(file) = files.by_number.values().find(lost) {
            return unsupported(file.inode.object(), "that map blocks to a file with inline data");
        }
        let before: ExtentSet = files.by_number.values().flat_map(File::blocks_before).collect();
        let after: ExtentSet = files.by_number.values().flat_map(File::data_blocks).collect();
        self.take_blocks(&after)?;
        self.free_blocks(&before.difference(&after), &after)?;
        for (&number, file) in &mut files.by_number {
            self.take_inode(number, file.kind() == Some(FileKind::Directory))?;
            let mut inode = file.now.clone();
            let nodes = if file.mapped() { self.write_map(&mut inode, &file.runs)? } else { Vec::new() };
            let mut blocks: ExtentSet = file.data_blocks().collect();
            blocks = blocks.union(&nodes.into_iter().map(|block| Extent { start: block, len: 1 }).collect());
            if inode.xattr_block() != 0 {
                blocks = blocks.union(&[Extent { start: inode.xattr_block(), len: 1 }].into_iter().collect());
            }
            self.set_allocated(&mut inode, &blocks)?;
            self.write_inode(&mut inode)?;
        }
        Ok(())
    }
}
