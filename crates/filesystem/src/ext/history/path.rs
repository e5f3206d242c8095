//! From names to paths: up through directories that are gone, then through live ones.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use block::{BlockRead, Result};

use super::{
    MAX_DEPTH,
    lives::Lives,
    names::{Name, Names},
    told,
};
use crate::{
    FileKind, InodeId,
    ext::{Ext, inode},
};

/// Bytes of a path that is reported; Linux knows no longer ones.
const MAX_PATH: usize = 4096;

/// The directory above, as far as it is known.
enum Above {
    /// One that is gone, by its index.
    Gone(usize),
    Live(u64),
    Unknown,
}

/// Where live directories hang: the one above, and the name in it.
type Tree = HashMap<u64, (u64, Box<[u8]>)>;

impl<D: BlockRead> Ext<D> {
    /// The path of each life that is over, in the order of all lives.
    pub(super) fn former_paths(&self, lives: &Lives, names: &Names) -> Result<Vec<Option<Vec<u8>>>> {
        let mut wanted = BTreeSet::new();
        for (index, life) in lives.gone.iter().enumerate() {
            if !life.in_use
                && let Some(name) = names.of(lives, index)
                && let Above::Live(number) = above(lives, name)
            {
                wanted.insert(number);
            }
        }
        let tree = self.live_tree(wanted)?;
        Ok((0..lives.gone.len()).map(|index| path(lives, names, &tree, index)).collect())
    }

    /// The names of these live directories and of all above them.
    fn live_tree(&self, mut wanted: BTreeSet<u64>) -> Result<Tree> {
        let mut tree = Tree::new();
        for _ in 0..MAX_DEPTH {
            let mut by_parent: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
            for number in std::mem::take(&mut wanted) {
                if number == inode::ROOT || tree.contains_key(&number) {
                    continue;
                }
                if let Some(directory) = self.live_directory(number)?
                    && let Some(parent) = told(self.parent_of(&directory))?
                {
                    by_parent.entry(parent).or_default().insert(number);
                }
            }
            for (parent, children) in by_parent {
                if self.live_directory(parent)?.is_none() {
                    continue;
                }
                told(self.read_directory(InodeId(parent), &mut |entry| {
                    if children.contains(&entry.inode.0) {
                        tree.entry(entry.inode.0).or_insert((parent, entry.name.into()));
                    }
                    Ok(())
                }))?;
                wanted.insert(parent);
            }
        }
        Ok(tree)
    }
}

/// Which directory a name was in: of all that had its number, the one of its time.
fn above(lives: &Lives, name: &Name) -> Above {
    let directories = lives.of(name.parent).filter(|(_, life)| life.kind == FileKind::Directory);
    let nearest = match name.last {
        // In a live directory, now.
        0 => None,
        last => directories.min_by_key(|(_, life)| life.distance(name.first, last)),
    };
    match nearest {
        _ if name.parent == 0 => Above::Unknown,
        Some((index, life)) if !life.in_use => Above::Gone(index),
        _ => Above::Live(name.parent),
    }
}

fn path(lives: &Lives, names: &Names, tree: &Tree, index: usize) -> Option<Vec<u8>> {
    let life = &lives.gone[index];
    let mut parts: Vec<&[u8]> = Vec::new();
    let mut at = Above::Gone(index);
    if life.in_use {
        return None;
    }
    let mut rooted = false;
    for _ in 0..MAX_DEPTH {
        at = match at {
            Above::Gone(index) => {
                let Some(name) = names.of(lives, index) else { break };
                parts.push(&name.name);
                above(lives, name)
            }
            Above::Live(inode::ROOT) => {
                rooted = true;
                break;
            }
            Above::Live(number) => {
                let Some((parent, name)) = tree.get(&number) else { break };
                parts.push(name);
                Above::Live(*parent)
            }
            Above::Unknown => break,
        };
    }
    if parts.is_empty() {
        return None;
    }
    let mut path = Vec::new();
    for part in parts.iter().rev() {
        if rooted || !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(part);
    }
    (path.len() <= MAX_PATH).then_some(path)
}
