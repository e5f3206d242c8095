//! Puts a name into a directory with a hash index: into the leaf of its hash, which is split in two if it is full.
//!
//! The index itself grows by one entry a split; one without room for that is refused, for no directory of a system's
//! configuration comes near.

use block::{
    BlockRead, BlockWrite, Result,
    field::{Le16, Le32},
};

use super::{pack::NewName, unsupported};
use crate::ext::{
    Ext,
    directory::{BlockKind, DirectoryBlock, ENTRY_LEN, Hasher, INDIRECT_LEVELS, Index, MAX_LEVELS, Place},
    inode::Inode,
};

/// The lowest level of an index on the way to a hash.
struct Way {
    hasher: Hasher,
    /// The root or node that names the leaf.
    node: DirectoryBlock,
    index: Index,
    /// Which of its entries.
    entry: usize,
    leaf: DirectoryBlock,
}

/// Hash of an entry of an index: where the name's hash or a higher one starts. The first has none.
fn hash_at(block: &[u8], index: Index, entry: usize) -> u32 {
    if entry == 0 { 0 } else { Le32(index.at + entry * ENTRY_LEN).get(block) }
}

/// How many of the names, sorted by hash, stay when a leaf is split: about half of its bytes. Of two names or more, one
/// at least goes and one stays.
fn split_at(lens: &[usize], room: usize) -> usize {
    let mut moved = 0;
    let mut bytes = 0;
    for len in lens.iter().rev() {
        if bytes + len / 2 > room / 2 {
            break;
        }
        bytes += len;
        moved += 1;
    }
    (lens.len() - moved).clamp(1, lens.len() - 1)
}

impl<D: BlockRead> Ext<D> {
    fn block_at(&self, directory: &Inode, logical: u64, kind: BlockKind) -> Result<DirectoryBlock> {
        let physical = self.directory_block(directory, logical)?;
        self.read_directory_block(directory, Place { logical, physical, kind })
    }

    /// From the root of the index down to the leaf of a name.
    fn way_to(&self, directory: &Inode, name: &[u8]) -> Result<Way> {
        let object = directory.object();
        let blocks = self.directory_len(directory)?;
        let mut node = self.block_at(directory, 0, BlockKind::Root)?;
        let hasher = Hasher::new(&self.superblock, &node.data, object)?;
        let hash = hasher.hash(name);
        let levels = INDIRECT_LEVELS.get(&node.data);
        if levels > MAX_LEVELS {
            return Err(object.corrupt("htree indirect_levels", levels, format!("at most {MAX_LEVELS}")));
        }
        for level in 0..=levels {
            let Some(index) = self.index_of(directory, node.kind, &node.data)? else {
                return Err(object.corrupt("htree index block", node.logical, "a root or node"));
            };
            let entry =
                (1..index.count).take_while(|&entry| hash_at(&node.data, index, entry) <= hash).last();
            let entry = entry.unwrap_or(0);
            let child = index.children(&node.data).nth(entry).unwrap_or(0);
            if child == 0 || child >= blocks {
                return Err(object.corrupt("htree index block", child, format!("1 to {}", blocks - 1)));
            }
            if level == levels {
                let leaf = self.block_at(directory, child, BlockKind::Leaf)?;
                return Ok(Way { hasher, node, index, entry, leaf });
            }
            node = self.block_at(directory, child, BlockKind::Node)?;
        }
        unreachable!("the last level returns")
    }
}

impl<D: BlockWrite> Ext<D> {
    pub(super) fn insert_indexed(&mut self, directory: &mut Inode, new: &NewName) -> Result<()> {
        let way = self.way_to(directory, &new.name)?;
        if let Some(room) = self.room_in_leaf(directory, &way.leaf, new.len())? {
            return self.fill_leaf(directory, way.leaf, &room, new);
        }
        self.split_leaf(directory, way, new)
    }

    /// Moves the names with the higher hashes into a new leaf, and puts the new name into the one of its hash.
    fn split_leaf(&mut self, directory: &mut Inode, way: Way, new: &NewName) -> Result<()> {
        let object = directory.object();
        let Way { hasher, mut node, index, entry, leaf } = way;
        if index.count >= index.limit {
            return unsupported(object, "creating a name in a directory whose hash index is full");
        }
        let mut names = Vec::new();
        self.dirents(directory, &leaf, &mut |dirent| {
            if dirent.inode != 0 {
                let name = NewName::of(&leaf.data, &dirent);
                names.push((hasher.hash(&name.name), name));
            }
            Ok(())
        })?;
        if names.len() < 2 {
            // Two entries of any length fit into the smallest block.
            return Err(object.corrupt("directory block", "full with one name", "room beside it"));
        }
        names.sort_by_key(|(hash, _)| *hash);
        let lens: Vec<usize> = names.iter().map(|(_, name)| name.len()).collect();
        let split = split_at(&lens, self.leaf_room());
        let first = names[split].0;
        // The lowest bit says that names of the same hash are in the leaf before, too.
        let boundary = if names[split - 1].0 == first { first | 1 } else { first };
        let goes = hasher.hash(&new.name) >= first;
        let plain = |names: &[(u32, NewName)]| names.iter().map(|(_, name)| name.clone()).collect();
        let (mut low, mut high): (Vec<NewName>, Vec<NewName>) =
            (plain(&names[..split]), plain(&names[split..]));
        if goes { &mut high } else { &mut low }.push(new.clone());
        for half in [&low, &high] {
            if half.iter().map(NewName::len).sum::<usize>() > self.leaf_room() {
                return unsupported(object, "splitting a directory block with names as long as these");
            }
        }
        let added = self.pack(&high);
        let added = self.append_leaf(directory, added)?;
        let kept = self.pack(&low);
        self.write_leaf(directory, leaf.physical, kept)?;
        let at = index.at + (entry + 1) * ENTRY_LEN;
        node.data.copy_within(at..index.end(), at + ENTRY_LEN);
        let Ok(added) = u32::try_from(added) else {
            return unsupported(object, "a directory of 2^32 blocks");
        };
        Le32(at).set(&mut node.data, boundary);
        Le32(at + 4).set(&mut node.data, added);
        let count = u16::try_from(index.count + 1).expect("at most the limit, which has 16 bits");
        Le16(index.at + 2).set(&mut node.data, count);
        self.seal_directory_block(directory, node.kind, &mut node.data)?;
        self.write_block(node.physical, &node.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_split_at_half_of_its_bytes() {
        assert_eq!(split_at(&[100; 10], 1000), 5);
        assert_eq!(split_at(&[264, 264, 264], 1012), 1);
        assert_eq!(split_at(&[12, 1000], 1012), 1);
        assert_eq!(split_at(&[1000, 12], 1012), 1);
        assert_eq!(split_at(&[1, 1], 1012), 1);
    }
}
