//! Takes an inode that is not in use: of a chunk that is there, or of a new one.

use block::{BlockRead, BlockWrite, Object, Result, to_usize};

use super::unsupported;
use crate::xfs::{
    Xfs,
    format::inode::{GENERATION, VERSION},
    geometry::{AgInode, AgNumber, CHUNK},
    inode::Inode,
    superblock::{self as sb, version},
};

impl<D: BlockRead> Xfs<D> {
    /// The groups, from the one that an inode is in.
    fn groups_from(&self, inode: &Inode) -> impl Iterator<Item = AgNumber> + use<D> {
        let near = self.geometry.split_inode(inode.number).map_or(0, |(ag, _)| ag.0);
        let count = self.geometry.ag_count;
        (0..count).map(move |step| AgNumber((near + step) % count))
    }
}

impl<D: BlockWrite> Xfs<D> {
    /// Takes an inode near another. It is as a free one is, and not written.
    pub(super) fn take_inode(&mut self, near: &Inode) -> Result<Inode> {
        let within = self.geometry.split_inode(near.number).map_or(AgInode(0), |(_, within)| within);
        for ag in self.groups_from(near) {
            if let Some(taken) = self.group(ag)?.take_inode(within) {
                let number = self.geometry.inode_number(ag, taken);
                let offset = self.geometry.inode_offset(number);
                let mut raw = vec![0; to_usize(self.geometry.inode_size)];
                self.device.read_object(Object::numbered("inode", number.0), offset, &mut raw)?;
                let slot = self.parse_inode(number, raw, offset)?;
                return Ok(self.fresh_inode(&slot, GENERATION.get(&slot.raw)));
            }
        }
        for ag in self.groups_from(near) {
            if self.make_chunk(ag)? {
                return self.take_inode(near);
            }
        }
        unsupported(near.object(), "creating a file without room for more inodes")
    }

    /// Makes a chunk of inodes, if the group has room for one.
    fn make_chunk(&mut self, ag: AgNumber) -> Result<bool> {
        let geometry = self.geometry;
        let per_block = 1u32 << geometry.inodes_per_block_log;
        if per_block > CHUNK {
            return Ok(false);
        }
        let len = CHUNK / per_block;
        let aligned = self.superblock.has_version(version::ALIGN);
        let align = if aligned { sb::INODE_ALIGNMENT.get(self.superblock.bytes()).max(1) } else { 1 };
        let Some(block) = self.group(ag)?.take_chunk(&geometry, len, align)? else { return Ok(false) };
        let first = block << geometry.inodes_per_block_log;
        for index in 0..CHUNK {
            let number = geometry.inode_number(ag, AgInode(first + index));
            let offset = geometry.inode_offset(number);
            let mut raw = vec![0; to_usize(geometry.inode_size)];
            // Of version 4, links of 32 bits: version 2.
            VERSION.set(&mut raw, 2);
            let empty = Inode { number, raw, offset };
            let mut fresh = self.fresh_inode(&empty, 0);
            self.write_inode(&mut fresh)?;
        }
        Ok(true)
    }
}
