//! What an edit of a tree was to do, for whoever compares the tree before it with the one behind it.

use std::collections::{HashMap, HashSet};

use crate::{InodeId, NewEntry};

/// What may differ between two readings of a tree.
#[derive(Debug, Default)]
pub struct Expected {
    /// Names that must be gone, with all below them: the directory, and the name in it.
    pub gone: HashSet<(InodeId, Vec<u8>)>,
    /// Inodes whose size may differ.
    pub changed: HashSet<InodeId>,
    /// Inodes that have other content, and exactly which.
    pub rewritten: HashMap<InodeId, Vec<u8>>,
    /// Names that must be there now and were not before, with all that they are to be: the directory in the output
    /// (which is itself one of those that stay, or made), and the name in it. The directory keeps its times.
    pub made: HashMap<(InodeId, Vec<u8>), NewEntry>,
}
