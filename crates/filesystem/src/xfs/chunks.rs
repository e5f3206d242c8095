//! The inode chunks that were looked up last: a walk of the tree asks for the inodes of one chunk many times, and each
//! look-up reads and checks a header and a block of each level.

use std::sync::{Mutex, PoisonError};

use super::{
    btree::Chunk,
    geometry::{AgInode, AgNumber, CHUNK},
};

/// Chunks that are known, each in the place that its number has.
const PLACES: usize = 64;

/// Which chunks were found where. Whoever changes the inode btrees has it forget them.
#[derive(Debug)]
pub(crate) struct Chunks(Mutex<[Option<(AgNumber, Chunk)>; PLACES]>);

impl Default for Chunks {
    fn default() -> Self {
        Self(Mutex::new([None; PLACES]))
    }
}

impl Chunks {
    fn place(inode: AgInode) -> usize {
        usize::try_from(inode.0 / CHUNK).map_or(0, |number| number % PLACES)
    }

    /// The chunk that an inode is in, if it is known.
    pub(super) fn get(&self, ag: AgNumber, inode: AgInode) -> Option<Chunk> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, chunk) = known[Self::place(inode)]?;
        (of == ag && inode.0.checked_sub(chunk.start.0)? < CHUNK).then_some(chunk)
    }

    /// `inode` was found in a chunk.
    pub(super) fn insert(&self, ag: AgNumber, inode: AgInode, chunk: Chunk) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[Self::place(inode)] = Some((ag, chunk));
    }

    /// Forgets all, after something may have changed.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_known_to_its_own_inodes() {
        let mut chunks = Chunks::default();
        let chunk = |start| Chunk { start: AgInode(start), holes: 0, free: 0 };
        chunks.insert(AgNumber(1), AgInode(70), chunk(64));
        assert_eq!(chunks.get(AgNumber(1), AgInode(127)), Some(chunk(64)));
        assert_eq!(chunks.get(AgNumber(1), AgInode(128)), None);
        assert_eq!(chunks.get(AgNumber(0), AgInode(70)), None);
        // Another in the same place.
        let further = 64 + 64 * 64;
        chunks.insert(AgNumber(1), AgInode(further + 1), chunk(further));
        assert_eq!(chunks.get(AgNumber(1), AgInode(70)), None);
        assert_eq!(chunks.get(AgNumber(1), AgInode(further)), Some(chunk(further)));
        chunks.forget();
        assert_eq!(chunks.get(AgNumber(1), AgInode(further)), None);
    }
}
