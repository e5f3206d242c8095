//! Reads what a group's trees and its free list say, as a state that can be changed and written again.

use block::{BlockRead, Result};

use super::{Group, Owners, Runs, Sharing};
use crate::xfs::{
    Xfs,
    btree::{Met, Tree},
    format::btree::rmap,
    geometry::AgNumber,
    superblock::ro_compat,
};

impl Group {
    /// Reads a group. `Corrupt` if its trees and its free list do not fit each other.
    pub(in crate::xfs) fn load<D: BlockRead>(fs: &Xfs<D>, number: AgNumber) -> Result<Self> {
        let mut group = Self::empty(fs, number)?;
        let object = group.object();
        let mut free = Runs::default();
        fs.free_extents(number, Tree::Bno, &mut |start, count| {
            // The walk has checked order and limits.
            let _ = free.insert(start.0..start.0 + count);
            Ok(())
        })?;
        group.free = free;
        let mut by_size = 0;
        fs.free_extents(number, Tree::Cnt, &mut |_, count| {
            by_size += u64::from(count);
            Ok(())
        })?;
        if by_size != group.free.total() {
            return Err(object.corrupt("blocks of cntbt", by_size, group.free.total()));
        }
        let chunks = &mut group.chunks;
        fs.chunks(number, Tree::Inode, &mut |chunk| {
            chunks.insert(chunk.start.0, chunk);
            Ok(())
        })?;
        group.read_trees(fs)?;
        if fs.superblock.ro_compat(ro_compat::RMAPBT) {
            group.owners = Some(fs.owners(&group)?);
        }
        if fs.superblock.ro_compat(ro_compat::REFLINK) {
            let mut sharing = Sharing::default();
            let staging = &mut group.staging;
            fs.shared_extents(number, &mut |shared| {
                let run = shared.start.0..shared.start.0 + shared.count;
                if shared.cow {
                    staging.push(run);
                } else if !sharing.push(run, shared.owners) {
                    return Err(object.corrupt("refcountbt", "out of order", "ascending records"));
                }
                Ok(())
            })?;
            group.sharing = Some(sharing);
        }
        let mut seen = group.free.clone();
        let trees = [&group.inode_blocks, &group.pool];
        let optional = [&group.free_inode_blocks, &group.sharing_blocks];
        for &block in trees.into_iter().chain(optional.into_iter().flatten()).flatten() {
            if !seen.insert(block..block + 1) {
                return Err(object.corrupt(
                    "block of a tree or the free list",
                    block,
                    "one without another use",
                ));
            }
        }
        Ok(group)
    }
}

impl Group {
    /// Reads which blocks the trees and the free list take.
    pub(super) fn read_trees<D: BlockRead>(&mut self, fs: &Xfs<D>) -> Result<()> {
        for tree in [Tree::Bno, Tree::Cnt, Tree::Rmap] {
            let blocks = fs.blocks_of(self.number, tree)?;
            self.pool.extend(blocks);
        }
        self.pool.extend(fs.free_list(self.number)?.into_iter().map(|block| block.0));
        self.inode_blocks = fs.blocks_of(self.number, Tree::Inode)?;
        if fs.superblock.ro_compat(ro_compat::FINOBT) {
            self.free_inode_blocks = Some(fs.blocks_of(self.number, Tree::FreeInode)?);
        }
        if fs.superblock.ro_compat(ro_compat::REFLINK) {
            self.sharing_blocks = Some(fs.blocks_of(self.number, Tree::Refcount)?);
        }
        Ok(())
    }
}

impl<D: BlockRead> Xfs<D> {
    /// The blocks of a tree: none if the filesystem has no such tree.
    fn blocks_of(&self, ag: AgNumber, tree: Tree) -> Result<Vec<u32>> {
        let mut blocks = Vec::new();
        self.walk_tree(ag, tree, &mut |met| {
            if let Met::Block(block) = met {
                blocks.extend(self.geometry.split(block.block).map(|(_, block)| block.0));
            }
            Ok(())
        })?;
        Ok(blocks)
    }

    fn owners(&self, group: &Group) -> Result<Owners> {
        let mut owners = Owners::default();
        self.walk_tree(group.number, Tree::Rmap, &mut |met| {
            let Met::Record(record) = met else { return Ok(()) };
            let (start, len) = (rmap::START.get(record), rmap::COUNT.get(record));
            let inside = start.checked_add(len).is_some_and(|end| end <= group.len);
            if inside && owners.insert_record(start, len, rmap::OWNER.get(record), rmap::OFFSET.get(record)) {
                return Ok(());
            }
            Err(group.object().corrupt("rmapbt record", start, "blocks of the group, once for each owner"))
        })?;
        Ok(owners)
    }
}
