//! What a group's blocks are, from the inodes alone: for trees that a crash has left behind their time.
//!
//! Used is what headers, log, chunks of inodes, forks and their maps, and the trees themselves take; free is the rest.
//! What the old trees said of free, owned and shared blocks is not asked. Only data of regular files may be shared.

use std::{collections::BTreeMap, ops::Range};

use block::{BlockRead, Result};

use super::{Group, Owner, Owners, Runs, sharing::count_owners};
use crate::{
    FileKind,
    xfs::{
        Xfs,
        btree::Tree,
        format::btree::rmap,
        geometry::{AgBlock, AgInode, AgNumber, CHUNK, FsBlock},
        inode::{Fork, Inode, Slot},
        map::Mapped,
        superblock::ro_compat,
    },
};

/// What inodes have in one group.
#[derive(Debug, Default)]
struct Inventory {
    /// Blocks, to whom they belong, and whether they were never written.
    owned: Vec<(Range<u32>, Owner, bool)>,
    /// Those of `owned` that others may have as well.
    data: Vec<Range<u32>>,
    /// The others, each of which has one owner.
    single: Runs,
}

impl<D: BlockRead> Xfs<D> {
    /// Takes in what an inode has in the groups that are asked for. `Corrupt` if it is another's.
    fn take_inventory(&self, inode: &Inode, groups: &mut BTreeMap<AgNumber, Inventory>) -> Result<()> {
        let may_share = inode.kind() == Some(FileKind::File) && self.superblock.ro_compat(ro_compat::REFLINK);
        for fork in [Fork::Data, Fork::Attr] {
            let of = super::Use { inode: inode.number, fork };
            let mut put = |start: FsBlock, count: u64, owner: Owner, unwritten: bool, shared: bool| {
                let Some((ag, AgBlock(first))) = self.geometry.split(start) else { return Ok(()) };
                let Some(inventory) = groups.get_mut(&ag) else { return Ok(()) };
                let len = u32::try_from(count).expect("the map's reader keeps extents within a group");
                let run = first..first + len;
                if shared {
                    inventory.data.push(run.clone());
                } else if !inventory.single.insert(run.clone()) {
                    return Err(inode.object().corrupt("extent", start.0, "blocks of nobody else"));
                }
                inventory.owned.push((run, owner, unwritten));
                Ok(())
            };
            self.map(inode, fork, &mut |mapped| match mapped {
                Mapped::Node(node) => put(node.block, 1, of.map(), false, false),
                Mapped::Extent(extent) => {
                    let shared = may_share && fork == Fork::Data;
                    put(extent.start, extent.count, of.content(extent.logical), !extent.written, shared)
                }
            })?;
        }
        Ok(())
    }

    /// Learns groups from what the inodes claim, whatever their trees say.
    pub(in crate::xfs) fn take_stock(&mut self, ags: impl IntoIterator<Item = AgNumber>) -> Result<()> {
        let mut groups: BTreeMap<AgNumber, Inventory> =
            ags.into_iter().map(|ag| (ag, Inventory::default())).collect();
        if groups.is_empty() {
            return Ok(());
        }
        self.all_inodes(&mut |slot| match slot {
            Slot::Used(inode) => self.take_inventory(&inode, &mut groups),
            Slot::Free(_) => Ok(()),
        })?;
        for (ag, inventory) in groups {
            let group = Group::from_inventory(self, ag, inventory)?;
            self.groups.put(ag, group);
        }
        Ok(())
    }
}

impl Group {
    fn from_inventory<D: BlockRead>(fs: &Xfs<D>, number: AgNumber, inventory: Inventory) -> Result<Self> {
        let mut group = Self::empty(fs, number)?;
        let object = group.object();
        group.read_trees(fs)?;
        let chunks = &mut group.chunks;
        fs.chunks(number, Tree::Inode, &mut |chunk| {
            chunks.insert(chunk.start.0, chunk);
            Ok(())
        })?;
        let Inventory { mut owned, data, single: mut used } = inventory;
        let mut take = |used: &mut Runs, run: Range<u32>, owner: u64| {
            if !used.insert(run.clone()) {
                return Err(object.corrupt("block", run.start, "one without another use"));
            }
            owned.push((run, Owner::special(owner), false));
            Ok(())
        };
        take(&mut used, 0..fs.geometry.header_blocks(), rmap::OWN_FS)?;
        if let Some((ag, AgBlock(first))) = fs.geometry.split(fs.geometry.log_start)
            && ag == number
        {
            take(&mut used, first..first + fs.geometry.log_blocks, rmap::OWN_LOG)?;
        }
        let mut last = None;
        for chunk in group.chunks.values() {
            for index in (0..CHUNK).filter(|&index| chunk.is_there(index)) {
                let block = fs.geometry.inode_block(AgInode(chunk.start.0 + index)).0;
                if last.replace(block) != Some(block) {
                    take(&mut used, block..block + 1, rmap::OWN_INODES)?;
                }
            }
        }
        let trees = [
            (Some(&group.pool), rmap::OWN_AG),
            (Some(&group.inode_blocks), rmap::OWN_INOBT),
            (group.free_inode_blocks.as_ref(), rmap::OWN_INOBT),
            (group.sharing_blocks.as_ref(), rmap::OWN_REFCOUNT),
        ];
        for (blocks, owner) in trees {
            for &block in blocks.into_iter().flatten() {
                take(&mut used, block..block + 1, owner)?;
            }
        }
        group.sharing = fs.superblock.ro_compat(ro_compat::REFLINK).then(|| count_owners(&data));
        for run in union(data) {
            if !used.insert(run.clone()) {
                return Err(object.corrupt("block of a file", run.start, "one without another use"));
            }
        }
        group.free = used.complement(group.len);
        if fs.superblock.ro_compat(ro_compat::RMAPBT) {
            let mut owners = Owners::default();
            for (run, owner, unwritten) in owned {
                if !owners.insert(run.clone(), owner, unwritten) {
                    return Err(object.corrupt("block", run.start, "once in its owner"));
                }
            }
            group.owners = Some(owners);
        }
        group.dirty = true;
        Ok(group)
    }
}

/// The blocks of any of the runs.
fn union(mut runs: Vec<Range<u32>>) -> Vec<Range<u32>> {
    runs.sort_unstable_by_key(|run| run.start);
    runs.dedup_by(|next, kept| {
        let touches = next.start <= kept.end;
        if touches {
            kept.end = kept.end.max(next.end);
        }
        touches
    });
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_blocks_count_once() {
        assert_eq!(union(vec![5..9, 0..2, 7..12, 12..13, 20..21]), [0..2, 5..13, 20..21]);
    }
}
