//! What an inode becomes by the records that speak of it, in memory.

use std::collections::BTreeMap;

use block::{BlockRead, Extent, Result, to_usize};

use super::unsupported;
use crate::{
    FileKind, InodeId,
    ext::{
        Ext,
        group::bit,
        inode::{self, Inode, flags},
        map::Mapped,
    },
};

/// Blocks that lie end to end, in the file and in the filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) physical: u64,
    pub(super) len: u64,
    pub(super) written: bool,
}

/// An inode, its map taken apart.
#[derive(Debug)]
pub(super) struct File {
    /// As it was.
    pub(super) inode: Inode,
    /// As it will be, but for the map.
    pub(super) now: Inode,
    /// By first block of the file; disjoint.
    pub(super) runs: BTreeMap<u64, Run>,
    before: Vec<Extent>,
    nodes: Vec<Extent>,
}

impl<D: BlockRead> Ext<D> {
    /// An inode as the last full transaction left it; empty if it was free.
    pub(super) fn load_file(&self, number: u32) -> Result<File> {
        let mut inode = self.inode_slot(number.into())?;
        let (group, index) = self.layout.inode_place(number.into());
        if !bit(&self.inode_bitmap(&self.group(group)?)?, index) {
            inode.raw.fill(0);
        }
        let mut file =
            File { now: inode.clone(), inode, runs: BTreeMap::new(), before: Vec::new(), nodes: Vec::new() };
        if file.kind().is_none() || !file.inode.has_map() {
            return Ok(file);
        }
        if !file.inode.has(flags::EXTENTS) {
            return unsupported(file.inode.object(), "to a file with indirect blocks");
        }
        self.map(&file.inode, &mut |mapped| {
            match mapped {
                Mapped::Node { block } => file.nodes.push(Extent { start: block, len: 1 }),
                Mapped::Data { logical, physical, count, written } => {
                    file.before.push(Extent { start: physical, len: count });
                    file.runs.insert(logical, Run { physical, len: count, written });
                }
            }
            Ok(())
        })?;
        Ok(file)
    }

    /// The slot of an inode, whatever it holds: one that was never used has no right checksum.
    fn inode_slot(&self, number: u64) -> Result<Inode> {
        let (group, index) = self.layout.inode_place(number.max(1));
        let empty = vec![0; to_usize(self.layout.inode_size)];
        if number > self.layout.inodes {
            // Says so.
            return self.inode(InodeId(number));
        }
        let group = self.group(group)?;
        if bit(&self.inode_bitmap(&group)?, index) {
            return self.inode(InodeId(number));
        }
        let offset = group.inode_table() * self.layout.block_size + index * self.layout.inode_size;
        self.parse_inode(number, empty, offset)
    }
}

impl File {
    fn flags(&self) -> u32 {
        inode::FLAGS.get(&self.now.raw)
    }

    pub(super) fn kind(&self) -> Option<FileKind> {
        self.now.kind()
    }

    pub(super) fn links(&self) -> u16 {
        inode::LINKS_COUNT.get(&self.now.raw)
    }

    pub(super) fn set_links(&mut self, links: u16) {
        inode::LINKS_COUNT.set(&mut self.now.raw, links);
    }

    /// In use without a name before the fast commits.
    pub(super) fn was_orphan(&self) -> bool {
        self.inode.kind().is_some() && self.inode.links() == 0
    }

    /// Whether it has an extent tree.
    pub(super) fn mapped(&self) -> bool {
        self.flags() & flags::EXTENTS != 0
    }

    /// Blocks that it held, map included.
    pub(super) fn blocks_before(&self) -> impl Iterator<Item = Extent> + '_ {
        self.before.iter().chain(&self.nodes).copied()
    }

    /// Blocks of its old map.
    pub(super) fn nodes(&self) -> Vec<Extent> {
        self.nodes.clone()
    }

    /// Blocks of content that it will hold.
    pub(super) fn data_blocks(&self) -> impl Iterator<Item = Extent> + '_ {
        self.runs.values().map(|run| Extent { start: run.physical, len: run.len })
    }

    /// Takes over what the record says of the inode, the map excepted: ranges tell that. What the record does
    /// not reach stays.
    pub(super) fn become_inode(&mut self, raw: &[u8]) -> Result<()> {
        let block = inode::BLOCK.0..inode::BLOCK.0 + 60;
        let flags = inode::FLAGS.get(raw);
        let generation = inode::GENERATION;
        if generation.get(raw) != generation.get(&self.now.raw) && self.kind().is_some() {
            // Another file under the same number: what the old one held went with its last name.
            if self.inode.xattr_block() != 0 {
                return unsupported(
                    self.inode.object(),
                    "to an inode used again after one with an xattr block",
                );
            }
            self.runs.clear();
        }
        let map = self.now.raw[block.clone()].to_vec();
        self.now.raw[..raw.len()].copy_from_slice(raw);
        if flags & flags::EXTENTS != 0 {
            // An inode that was no file with extents before has none yet.
            self.now.raw[block].copy_from_slice(&map);
            return Ok(());
        }
        match self.kind() {
            Some(FileKind::File | FileKind::Directory) if flags & flags::INLINE_DATA == 0 => {
                unsupported(self.inode.object(), "to a file with indirect blocks")
            }
            // Inline data, a short symlink or a device number: i_block is no map.
            _ => {
                self.runs.clear();
                Ok(())
            }
        }
    }

    /// Cuts the run that goes on at block `logical` in two.
    fn split(&mut self, logical: u64) {
        let Some((&start, &run)) = self.runs.range(..logical).next_back() else { return };
        let head = logical - start;
        if head < run.len {
            self.runs.insert(start, Run { len: head, ..run });
            self.runs.insert(logical, Run { physical: run.physical + head, len: run.len - head, ..run });
        }
    }

    /// Makes a hole.
    pub(super) fn unmap(&mut self, logical: u64, len: u64) -> Result<()> {
        // Numbers of 32 bits in the record: no overflow.
        let end = logical + len;
        self.split(logical);
        self.split(end);
        let gone: Vec<u64> = self.runs.range(logical..end).map(|(&start, _)| start).collect();
        for start in gone {
            self.runs.remove(&start);
        }
        Ok(())
    }

    /// Maps blocks, whatever was there.
    pub(super) fn map(&mut self, logical: u64, run: Run) -> Result<()> {
        // Inline data may be about to move out: the inode's own record comes after its ranges.
        if !self.mapped() && self.flags() & flags::INLINE_DATA == 0 {
            return unsupported(self.inode.object(), "to a file with indirect blocks");
        }
        self.unmap(logical, run.len)?;
        self.runs.insert(logical, run);
        Ok(())
    }
}
