//! Edits: remove a name or a tree, truncate a file, overwrite it.
//!
//! Everything that an edit needs is read and checked before its first write, so that a refusal changes nothing.
//! Kept clusters are never moved. Freed ones keep their content: what is not live is not copied.

use block::{BlockRead, BlockWrite, Result, Unsupported, to_u64, to_usize};

use super::{
    Fat,
    boot::{DIRTY, FSI_FREE_COUNT, FSI_LEAD, FSI_LEAD_SIG, FSI_STRUC, FSI_STRUC_SIG, SECTOR, SLOT},
    clean_bit,
    directory::{DELETED, Item, Named, Node, point},
    table::{ClusterSet, Link, Run, Table, length},
};
use crate::{Change, FilesystemMut, Recovery, Target};

/// `FSI_FREE_COUNT`: not known.
const UNKNOWN: u32 = u32::MAX;

impl<D: BlockRead> Fat<D> {
    /// The name that a target speaks of.
    pub(super) fn find(&self, target: &Target) -> Result<Named> {
        let parent = self.node(target.parent)?;
        self.expect_directory(&parent)?;
        let mut found = None;
        self.items(&parent, &self.directory_chain(&parent)?, &mut |item| {
            match item {
                Item::Name(named) if named.node.inode == target.inode && named.name == target.name => {
                    found = Some(named);
                }
                _ => {}
            }
            Ok(())
        })?;
        found.ok_or_else(|| parent.object().corrupt("name to change", "absent", "present"))
    }

    /// Free clusters, at most `limit`, the first ones first.
    fn free_clusters(&self, limit: u64) -> Result<Vec<Run>> {
        let mut table = Table::new(&self.device, &self.geometry);
        let (mut runs, mut found) = (Vec::<Run>::new(), 0);
        for number in 2..2 + self.geometry.clusters {
            if found == limit {
                break;
            }
            if table.link(number)? == Link::Free {
                found += 1;
                match runs.last_mut() {
                    Some(run) if run.numbers().end == number => run.count += 1,
                    _ => runs.push(Run { first: number, count: 1 }),
                }
            }
        }
        Ok(runs)
    }

    fn count_free(&self) -> Result<u64> {
        let mut table = Table::new(&self.device, &self.geometry);
        let mut free = 0;
        for number in 2..2 + self.geometry.clusters {
            free += u64::from(table.link(number)? == Link::Free);
        }
        Ok(free)
    }

    /// The clusters that a file of `size` bytes will have: those it has, then free ones; and those it loses.
    fn reallocate(&self, file: &Node, size: usize) -> Result<(Vec<Run>, Vec<Run>)> {
        let chain = self.file_chain(file)?;
        if u32::try_from(size).is_err() {
            let feature = format!("a file of {size} bytes, more than {} on FAT,", u32::MAX);
            return Err(Unsupported::new(file.object(), feature).into());
        }
        let needed = to_u64(size).div_ceil(self.geometry.cluster);
        let (mut kept, lost) = split(&chain, needed);
        let missing = needed - length(&kept);
        let free = self.free_clusters(missing)?;
        if length(&free) < missing {
            let has = length(&free) * self.geometry.cluster;
            let feature = format!("growing to {size} bytes with {has} bytes free");
            return Err(Unsupported::new(file.object(), feature).into());
        }
        kept.extend(free);
        Ok((kept, lost))
    }

    pub(super) fn check_change(&self, target: &Target, change: &Change) -> Result<()> {
        let named = self.find(target)?;
        match change {
            Change::Remove => self.tree_chains(&named.node).map(drop),
            Change::Truncate | Change::Overwrite(_) if named.node.is_dir => {
                let feature = "replacing the content of a directory";
                Err(Unsupported::new(named.node.object(), feature).into())
            }
            Change::Truncate => self.file_chain(&named.node).map(drop),
            Change::Overwrite(data) => self.reallocate(&named.node, data.len()).map(drop),
        }
    }

    /// All clusters of a file, or of a directory and what it holds.
    fn tree_chains(&self, node: &Node) -> Result<Vec<Run>> {
        let mut all = Vec::new();
        self.walk(*node, &mut ClusterSet::new(&self.geometry), &mut |seen, node, chain| {
            if node.is_dir {
                all.extend_from_slice(chain);
            } else {
                let chain = self.file_chain(node)?;
                seen.add(&chain)?;
                all.extend(chain);
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// Whether there is an FSInfo sector at `offset`. Linux and fsck.fat ignore one with wrong signatures.
    pub(super) fn info(&self, offset: u64) -> Result<Option<[u8; SECTOR]>> {
        let mut info = [0; SECTOR];
        self.device.read_at(offset, &mut info)?;
        let good = FSI_LEAD_SIG.get(&info) == FSI_LEAD && FSI_STRUC_SIG.get(&info) == FSI_STRUC;
        Ok(good.then_some(info))
    }
}

/// The first `count` clusters of a chain, and the rest.
fn split(chain: &[Run], count: u64) -> (Vec<Run>, Vec<Run>) {
    let (mut head, mut tail, mut left) = (Vec::new(), Vec::new(), count);
    for run in chain {
        let take = u32::try_from(left.min(run.count.into())).expect("at most run.count");
        left -= u64::from(take);
        head.push(Run { first: run.first, count: take });
        tail.push(Run { first: run.first + take, count: run.count - take });
    }
    head.retain(|run| run.count != 0);
    tail.retain(|run| run.count != 0);
    (head, tail)
}

impl<D: BlockWrite> Fat<D> {
    /// Marks clusters as free.
    fn free(&mut self, runs: &[Run]) -> Result<()> {
        for number in runs.iter().flat_map(|run| run.numbers()) {
            self.geometry.set_link(&mut self.device, number, 0)?;
        }
        Ok(())
    }

    /// Makes clusters a chain, in their order.
    fn link(&mut self, runs: &[Run]) -> Result<()> {
        let end = self.geometry.kind.end();
        let next = runs.iter().flat_map(|run| run.numbers()).skip(1).chain([end]);
        for (number, next) in runs.iter().flat_map(|run| run.numbers()).zip(next) {
            self.geometry.set_link(&mut self.device, number, next)?;
        }
        Ok(())
    }

    /// A slot that held a name and no longer does: `0xe5`, then zeros. A `0x00` would end the directory.
    pub(super) fn delete_slot(&mut self, offset: u64) -> Result<()> {
        let mut slot = [0; SLOT];
        slot[0] = DELETED;
        Ok(self.device.write_at(offset, &slot)?)
    }

    /// Gives a file this content and these clusters; frees others.
    fn replace(&mut self, file: &Node, data: &[u8], kept: &[Run], lost: &[Run]) -> Result<()> {
        self.link(kept)?;
        self.free(lost)?;
        let mut rest = data;
        for extent in self.extents(kept) {
            let (part, behind) = rest.split_at(rest.len().min(to_usize(extent.len)));
            self.device.write_at(extent.start, part)?;
            rest = behind;
        }
        let mut slot = [0; SLOT];
        self.device.read_at(file.inode.0, &mut slot)?;
        let size = u32::try_from(data.len()).expect("checked by reallocate");
        point(self.geometry.kind, &mut slot, kept.first().map_or(0, |run| run.first), size);
        Ok(self.device.write_at(file.inode.0, &slot)?)
    }

    /// Brings the count of free clusters in FSInfo up to date, unless it says that it is not known. The copy
    /// behind the backup boot sector stays as it is: no one but a format writes it.
    fn update_info(&mut self, before: u64, after: u64) -> Result<()> {
        let Some(offset) = self.geometry.info else { return Ok(()) };
        let Some(mut info) = self.info(offset)? else { return Ok(()) };
        let old = FSI_FREE_COUNT.get(&info);
        if old == UNKNOWN || before == after {
            return Ok(());
        }
        let free = match self.free_count {
            Some(count) => count + before - after,
            None => self.count_free()?,
        };
        self.free_count = Some(free);
        FSI_FREE_COUNT.set(&mut info, u32::try_from(free).expect("FAT32 has 28 bits"));
        Ok(self.device.write_at(offset, &info)?)
    }
}

impl<D: BlockWrite> FilesystemMut for Fat<D> {
    /// FAT has no journal. Marks the volume as cleanly unmounted, as fsck.fat does; bits that ask for a surface
    /// test stay.
    fn recover(&mut self) -> Result<Recovery> {
        let mut boot = [0; SECTOR];
        self.device.read_at(0, &mut boot)?;
        for offset in [Some(0), self.geometry.backup].into_iter().flatten() {
            let mut copy = [0; SECTOR];
            self.device.read_at(offset, &mut copy)?;
            let state = self.geometry.state.get(&copy);
            // A backup is one only if all before the state byte is the same.
            if state & DIRTY != 0 && copy[..self.geometry.state.0] == boot[..self.geometry.state.0] {
                self.geometry.state.set(&mut copy, state & !DIRTY);
                self.device.write_at(offset, &copy)?;
            }
        }
        if let Some(bit) = clean_bit(self.geometry.kind)
            && !self.clean_shutdown()?
        {
            let flags = Table::new(&self.device, &self.geometry).raw(1)?;
            self.geometry.set_link(&mut self.device, 1, flags | bit)?;
        }
        self.dirty = false;
        Ok(Recovery::default())
    }

    fn change(&mut self, target: &Target, change: &Change) -> Result<()> {
        self.check_change(target, change)?;
        let Named { node, parts, .. } = self.find(target)?;
        self.last_read = Default::default();
        let (before, after) = match change {
            Change::Remove => {
                let chains = self.tree_chains(&node)?;
                self.free(&chains)?;
                parts.into_iter().chain([node.inode.0]).try_for_each(|offset| self.delete_slot(offset))?;
                (length(&chains), 0)
            }
            Change::Truncate => {
                let chain = self.file_chain(&node)?;
                self.replace(&node, &[], &[], &chain)?;
                (length(&chain), 0)
            }
            Change::Overwrite(data) => {
                let (kept, lost) = self.reallocate(&node, data.len())?;
                let before = length(&self.file_chain(&node)?);
                self.replace(&node, data, &kept, &lost)?;
                (before, length(&kept))
            }
        };
        self.update_info(before, after)
    }

    fn scrub(&mut self) -> Result<u64> {
        self.scrub_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_split_anywhere() {
        let run = |first, count| Run { first, count };
        let chain = [run(5, 2), run(9, 3)];
        assert_eq!(split(&chain, 0), (vec![], chain.to_vec()));
        assert_eq!(split(&chain, 2), (vec![run(5, 2)], vec![run(9, 3)]));
        assert_eq!(split(&chain, 3), (vec![run(5, 2), run(9, 1)], vec![run(10, 2)]));
        assert_eq!(split(&chain, 9), (chain.to_vec(), vec![]));
    }
}
