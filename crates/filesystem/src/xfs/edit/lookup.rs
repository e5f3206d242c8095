//! Finds a name in a directory that is asked for many of its names: its names are read once.
//!
//! Of each name a keyed hash of 64 bits is kept, and the inode: 16 bytes a name, whatever its length.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
};

use block::{BlockRead, Result};

use crate::xfs::{Xfs, inode::Inode};

/// The names of the directory that was last asked.
#[derive(Debug, Default)]
pub(in crate::xfs) struct Lookup(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    directory: u64,
    hasher: RandomState,
    inodes: HashMap<u64, u64>,
}

impl Lookup {
    /// Forgets all, after something may have changed.
    pub(super) fn forget(&mut self) {
        *self.0.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl<D: BlockRead> Xfs<D> {
    /// The inode that a name in a directory stands for. `Corrupt` if the directory has a name twice.
    pub(super) fn find_name(&self, directory: &Inode, name: &[u8]) -> Result<Option<u64>> {
        let mut known = self.lookup.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| known.directory != directory.number.0) {
            let (hasher, mut inodes) = (RandomState::new(), HashMap::new());
            let mut twice = None;
            self.names(directory, &mut |found| {
                if inodes.insert(hasher.hash_one(found.name), found.inode.0).is_some() {
                    twice = Some(found.inode.0);
                }
                Ok(())
            })?;
            if let Some(inode) = twice {
                let found = format!("with a name of inode {inode} twice");
                return Err(directory.object().corrupt("directory", found, "each name once"));
            }
            *known = Some(Known { directory: directory.number.0, hasher, inodes });
        }
        let known = known.as_ref().expect("it was filled");
        Ok(known.inodes.get(&known.hasher.hash_one(name)).copied())
    }
}
