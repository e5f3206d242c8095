//! A directory that loses one name after the other is written once: when something else is edited, or all is done.
//!
//! Writing a directory costs time in proportion to its names, so to write it for each of them would take the square.

use std::collections::HashMap;

use block::{BlockWrite, Result};

use super::{directory::Names, pack::Short};
use crate::xfs::{Xfs, inode::Inode};

/// A directory that has lost names, but not on the device yet.
#[derive(Debug)]
pub(in crate::xfs) struct Pending {
    pub(super) directory: Inode,
    parent: u64,
    /// Those that are gone are `None`.
    entries: Vec<Option<Short>>,
    by_name: HashMap<Vec<u8>, usize>,
}

impl Pending {
    /// The inode that a name stands for.
    pub(super) fn find(&self, name: &[u8]) -> Option<u64> {
        let entry = self.entries[*self.by_name.get(name)?].as_ref();
        entry.map(|entry| entry.name.inode)
    }

    /// Takes a name out.
    pub(super) fn remove(&mut self, name: &[u8]) {
        if let Some(index) = self.by_name.remove(name) {
            self.entries[index] = None;
        }
    }
}

impl<D: BlockWrite> Xfs<D> {
    /// Takes up a directory to lose names. What another one has lost is written.
    pub(super) fn lose_names(&mut self, directory: Inode) -> Result<&mut Pending> {
        let same = |pending: &Pending| pending.directory.number == directory.number;
        if !self.pending.as_ref().is_some_and(same) {
            self.flush()?;
            let Names { parent, entries } = self.all_names(&directory)?;
            let named = entries.iter().enumerate().map(|(index, entry)| (entry.name.name.clone(), index));
            let by_name = named.collect();
            let entries = entries.into_iter().map(Some).collect();
            self.pending = Some(Pending { directory, parent, entries, by_name });
        }
        Ok(self.pending.as_mut().expect("it was put there"))
    }

    /// Writes the directory that has lost names.
    pub(super) fn flush(&mut self) -> Result<()> {
        let Some(Pending { mut directory, parent, entries, .. }) = self.pending.take() else { return Ok(()) };
        let names = Names { parent, entries: entries.into_iter().flatten().collect() };
        self.write_names(&mut directory, &names)
    }

    /// Brings the device up to all changes: directories, groups and counters. The scrub begins with it.
    pub fn complete(&mut self) -> Result<()> {
        self.flush()?;
        self.settle()
    }
}
