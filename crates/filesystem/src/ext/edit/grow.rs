//! A directory gets one more block at its end: its map is written anew, its other blocks stay where they are.

use block::{BlockWrite, Extent, ExtentSet, Result};

use super::unsupported;
use crate::ext::{Ext, directory::BlockKind, inode::Inode, map::Mapped};

/// From here on a directory needs the high half of i_size, and so large_dir.
const LARGE: u64 = 1 << 31;

impl<D: BlockWrite> Ext<D> {
    /// Appends a leaf to a directory that is not inline, sealing it. Returns its place in the directory, whose inode
    /// is written.
    pub(super) fn append_leaf(&mut self, directory: &mut Inode, mut data: Vec<u8>) -> Result<u64> {
        let object = directory.object();
        let before = self.allocated_bytes(directory);
        let (size, ratio) = (self.layout.block_size, self.layout.cluster_blocks);
        let blocks = self.directory_len(directory)?;
        if (blocks + 1) * size >= LARGE {
            return unsupported(object, "growing a directory to 2 GiB");
        }
        let mut runs: Vec<Extent> = Vec::new();
        let mut nodes = Vec::new();
        let mut next = 0;
        self.map(directory, &mut |mapped| {
            match mapped {
                Mapped::Node { block } => nodes.push(block),
                Mapped::Data { logical, physical, count, written } => {
                    if logical != next || !written || count > blocks - next {
                        let found = format!("other than {blocks} blocks in a row");
                        return Err(object.corrupt("map of the directory", found, "what its size says"));
                    }
                    next += count;
                    runs.push(Extent { start: physical, len: count });
                }
            }
            Ok(())
        })?;
        if next != blocks {
            return Err(object.corrupt("map of the directory", format!("{next} blocks"), blocks));
        }
        let kept: ExtentSet = runs.iter().copied().collect();
        let freed: ExtentSet = nodes.iter().map(|&start| Extent { start, len: 1 }).collect();
        let mut clusters = 0;
        let extents = self.writes_extents(directory)?;
        let near = self.layout.inode_place(directory.number).0;
        let last = runs.last().map_or(0, |run| run.end() - 1);
        let place = if blocks.is_multiple_of(ratio) {
            clusters += 1;
            self.allocate(near, 1, object)?[0].start
        } else {
            // The rest of the last cluster is this directory's already.
            let place = last + 1;
            if !self.layout.contains(place, 1)
                || self.layout.cluster_of(place) != self.layout.cluster_of(last)
            {
                return Err(object.corrupt("place in the cluster", last, "as in the directory"));
            }
            place
        };
        match runs.last_mut() {
            Some(run) if run.end() == place => run.len += 1,
            _ => runs.push(Extent { start: place, len: 1 }),
        }
        // The new map takes what the old one leaves.
        let gone = self.free_blocks(&freed, &kept)?;
        if extents {
            clusters += self.write_extents(directory, &runs, blocks + 1)?;
        } else {
            let maps = self.pointer_blocks(directory, blocks + 1)?;
            if maps > 0 {
                runs.extend(self.allocate(near, maps, object)?);
                clusters += maps;
            }
            self.write_pointers(directory, &runs, blocks + 1)?;
        }
        self.seal_directory_block(directory, BlockKind::Leaf, &mut data)?;
        self.write_block(place, &data)?;
        directory.set_size((blocks + 1) * size);
        let unit = ratio * size;
        let Some(rest) = before.checked_sub(gone * unit) else {
            return Err(object.corrupt("i_blocks", before / 512, format!("at least {}", gone * unit / 512)));
        };
        self.set_allocated_bytes(directory, rest.saturating_add(clusters * unit));
        self.write_inode(directory)?;
        self.recharge_bytes(directory, before)?;
        Ok(blocks)
    }
}
