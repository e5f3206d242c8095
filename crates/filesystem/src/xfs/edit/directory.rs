//! Gives a directory other names: it is read whole, and written whole in the smallest form that holds it.
//!
//! The kernel patches a directory where a name lies. Writing it anew costs time in proportion to its names, and buys
//! that every form can become every other, that no data block is left empty, and that no removed name stays anywhere
//! in it. Names keep their order. Blocks that it has at an offset stay there.

use block::{BlockRead, BlockWrite, Result, field::Be16, to_u64, to_usize};

use super::{
    map::Map,
    pack::{self, Block, Form, Format, Name, Short},
};
use crate::xfs::{
    Xfs,
    directory::short,
    format::inode::{SIZE, format},
    geometry::FsBlock,
    inode::{Fork, Inode},
    map::Mapping,
    rebuild::Use,
};

/// What a directory holds.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) parent: u64,
    pub(super) entries: Vec<Short>,
}

impl<D: BlockRead> Xfs<D> {
    /// Reads a directory whole.
    pub(super) fn all_names(&self, inode: &Inode) -> Result<Names> {
        let mut names = Names { parent: 0, entries: Vec::new() };
        if inode.fork_format(Fork::Data) == format::LOCAL {
            let short = short::parse(inode, self.superblock.has_ftype())?;
            names.parent = short.parent.0;
            for entry in short.entries {
                let offset = Be16(entry.entry.start + 1).get(&inode.raw);
                let name = Name {
                    name: inode.raw[entry.name.clone()].to_vec(),
                    inode: entry.inode.0,
                    file_type: entry.kind,
                };
                names.entries.push(Short { name, offset: Some(offset) });
            }
            return Ok(names);
        }
        let mut parent = None;
        self.names(inode, &mut |found| {
            match found.name {
                b"." => {}
                b".." => parent = Some(found.inode.0),
                name => {
                    let name = Name { name: name.to_vec(), inode: found.inode.0, file_type: found.kind };
                    names.entries.push(Short { name, offset: None });
                }
            }
            Ok(())
        })?;
        match parent {
            Some(parent) => names.parent = parent,
            None => return Err(inode.object().corrupt("directory", "without ..", "an entry of that name")),
        }
        Ok(names)
    }

    pub(super) fn pack_format(&self, inode: &Inode, parent: u64) -> Format {
        Format {
            block_size: self.geometry.directory_len(),
            unit: self.geometry.block_len(),
            crc: self.geometry.v5,
            ftype: self.superblock.has_ftype(),
            uuid: self.superblock.meta_uuid(),
            inode: inode.number.0,
            parent,
        }
    }
}

impl<D: BlockWrite> Xfs<D> {
    /// Writes a directory and its inode.
    pub(super) fn write_names(&mut self, inode: &mut Inode, names: &Names) -> Result<()> {
        self.lookup.forget();
        let format = self.pack_format(inode, names.parent);
        let old = self.whole_map(inode, Fork::Data)?;
        let room = inode.fork(Fork::Data).len();
        let form = pack::short(&format, &names.entries, room).unwrap_or_else(|| {
            let names: Vec<Name> = names.entries.iter().map(|entry| entry.name.clone()).collect();
            pack::in_blocks(&format, &names)
        });
        match form {
            Form::Short(bytes) => {
                self.release_map(Use { inode: inode.number, fork: Fork::Data }, &old)?;
                self.write_local(inode, &old, &bytes)?;
                SIZE.set(&mut inode.raw, to_u64(bytes.len()));
            }
            Form::Blocks(blocks, size) => {
                self.write_directory_blocks(inode, &format, &old, blocks)?;
                SIZE.set(&mut inode.raw, size);
            }
        }
        self.write_inode(inode)
    }

    fn write_directory_blocks(
        &mut self,
        inode: &mut Inode,
        format: &Format,
        old: &Map,
        blocks: Vec<Block>,
    ) -> Result<()> {
        let of = Use { inode: inode.number, fork: Fork::Data };
        let per = self.geometry.directory_blocks();
        let wanted: Vec<u64> = blocks.iter().map(|block| block.offset).collect();
        let is_wanted = |logical: u64| wanted.binary_search(&(logical / per * per)).is_ok();
        // What it keeps, block by block: directories are small, and joined again in the end.
        let mut extents: Vec<Mapping> = Vec::new();
        for extent in &old.extents {
            let mut at = extent.logical;
            while at < extent.end() {
                let keep = is_wanted(at);
                let mut end = at + 1;
                while end < extent.end() && is_wanted(end) == keep {
                    end += 1;
                }
                let start = FsBlock(extent.start.0 + (at - extent.logical));
                let part = Mapping { logical: at, start, count: end - at, written: true };
                if keep {
                    extents.push(part);
                } else {
                    self.release(of, part)?;
                }
                at = end;
            }
        }
        // All that is missing at once, where it follows each other.
        let mut missing: Vec<(u64, u64)> = Vec::new();
        for &offset in &wanted {
            match covered(&extents, offset, per) {
                0 => match missing.last_mut() {
                    Some((start, count)) if *start + *count == offset => *count += per,
                    _ => missing.push((offset, per)),
                },
                count if count == per => {}
                count => return Err(inode.object().corrupt("blocks of a directory block", count, per)),
            }
        }
        for (logical, count) in missing {
            let more = self.allocate(of, logical, count)?;
            extents.extend(more);
        }
        super::fork::join(&mut extents);
        for block in blocks {
            let places = places(&extents, block.offset, per);
            let daddr = self.geometry.daddr(places[0]);
            let raw = block.seal(format, daddr);
            for (place, part) in places.into_iter().zip(raw.chunks_exact(to_usize(self.geometry.block_size)))
            {
                self.write_blocks(place, part)?;
            }
        }
        self.write_map(inode, old, extents)
    }
}

/// How many of `count` blocks of a fork from `logical` on it has.
fn covered(extents: &[Mapping], logical: u64, count: u64) -> u64 {
    let first = extents.partition_point(|extent| extent.end() <= logical);
    let overlap =
        |extent: &Mapping| extent.end().min(logical + count).saturating_sub(extent.logical.max(logical));
    extents[first..].iter().take_while(|extent| extent.logical < logical + count).map(overlap).sum()
}

/// Where `count` blocks of a fork from `logical` on lie, all of which it has.
fn places(extents: &[Mapping], logical: u64, count: u64) -> Vec<FsBlock> {
    let mut at = extents.partition_point(|extent| extent.end() <= logical);
    (logical..logical + count)
        .map(|block| {
            if extents[at].end() <= block {
                at += 1;
            }
            FsBlock(extents[at].start.0 + (block - extents[at].logical))
        })
        .collect()
}
