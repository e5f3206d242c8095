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
#[derive(Debug, Clone, Copy)]
enum Above {
    /// One that is gone, by its index.
    Gone(usize),
    Live(u64),
}

/// Where live directories hang: the one above, and the name in it.
type Tree = HashMap<u64, (u64, Box<[u8]>)>;

/// All that paths are made of.
pub(super) struct Paths<'a> {
    /// Of each life, its name and the directory above.
    above: Vec<Option<(&'a [u8], Above)>>,
    tree: Tree,
}

impl<D: BlockRead> Ext<D> {
    /// Where each life that is over was in the tree.
    pub(super) fn former_paths<'a>(&self, lives: &Lives, names: &'a Names) -> Result<Paths<'a>> {
        let mut wanted = BTreeSet::new();
        let mut above_all = Vec::with_capacity(lives.gone.len());
        for name in names.by_life(lives) {
            let named = name.map(|name| (name.name, above(lives, name)));
            if let Some((_, Above::Live(number))) = named {
                wanted.insert(number);
            }
            above_all.push(named);
        }
        Ok(Paths { above: above_all, tree: self.live_tree(wanted)? })
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
fn above(lives: &Lives, name: Name<'_>) -> Above {
    let directories = lives.of(name.parent).filter(|(_, life)| life.kind == FileKind::Directory);
    let nearest = match name.last {
        // In a live directory, now.
        0 => None,
        last => directories.min_by_key(|(_, life)| life.distance(name.first, last)),
    };
    match nearest {
        Some((index, life)) if !life.in_use => Above::Gone(index),
        _ => Above::Live(name.parent),
    }
}

impl Paths<'_> {
    /// The path of a life: from the root, if it starts with a slash; else as much of its end as is known.
    pub(super) fn of(&self, index: usize) -> Option<Vec<u8>> {
        let mut parts: Vec<&[u8]> = Vec::new();
        let mut at = Above::Gone(index);
        let mut rooted = false;
        for _ in 0..MAX_DEPTH {
            at = match at {
                Above::Gone(index) => {
                    let Some((name, above)) = self.above[index] else { break };
                    parts.push(name);
                    above
                }
                Above::Live(inode::ROOT) => {
                    rooted = true;
                    break;
                }
                Above::Live(number) => {
                    let Some((parent, name)) = self.tree.get(&number) else { break };
                    parts.push(name);
                    Above::Live(*parent)
                }
            };
        }
        parts.reverse();
        let path = parts.join(&b'/');
        let path = if rooted { [b"/", &*path].concat() } else { path };
        (!parts.is_empty() && path.len() <= MAX_PATH).then_some(path)
    }
}
