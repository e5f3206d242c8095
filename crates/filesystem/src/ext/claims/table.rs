//! Walks the inode tables: every live inode once, in order, in large reads.

use block::{BlockRead, Extent, Result, is_zero, to_usize};

use crate::ext::{
    Ext,
    group::{self, Group},
    inode::{self, Inode},
    superblock::{self, compat, incompat, ro_compat},
};

/// Bytes read at once from a table.
const PIECE: u64 = 256 * 1024;

/// A stretch of an inode table.
pub(crate) enum Slot {
    /// An inode that is in use.
    Live(Inode),
    /// Bytes that belong to no inode in use.
    Dead(Extent),
}

impl<D: BlockRead> Ext<D> {
    /// Unlinked but open inodes may be waiting for their end, so an inode in use may have no links.
    pub(crate) fn has_orphans(&self) -> bool {
        let sb = &self.superblock;
        sb.incompat(incompat::RECOVER)
            || superblock::LAST_ORPHAN.get(sb.bytes()) != 0
            || (sb.compat(compat::ORPHAN_FILE) && sb.ro_compat(ro_compat::ORPHAN_PRESENT))
    }

    /// Visits all bytes of a group's inode table: each live inode, and what lies between.
    pub(crate) fn inode_table(&self, group: &Group, visit: &mut dyn FnMut(Slot) -> Result<()>) -> Result<()> {
        let layout = &self.layout;
        let table = layout.extent(group.inode_table(), layout.inode_table_blocks());
        let used = group.used_inodes(layout);
        let mut dead = table.start;
        if !group.inode_uninit() {
            let bits = self.inode_bitmap(group)?;
            self.check_unused(group, &bits, used)?;
            let size = layout.inode_size;
            let per_piece = PIECE / size;
            let mut first = 0;
            while first < used {
                let count = per_piece.min(used - first);
                if (first..first + count).any(|index| group::bit(&bits, index)) {
                    let start = table.start + first * size;
                    let mut piece = vec![0; to_usize(count * size)];
                    self.device.read_at(start, &mut piece)?;
                    for index in (0..count).filter(|index| group::bit(&bits, first + index)) {
                        let offset = start + index * size;
                        let raw = &piece[to_usize(index * size)..to_usize((index + 1) * size)];
                        let number = group.number * layout.inodes_per_group + first + index + 1;
                        let Some(inode) = self.live_inode(number, raw, offset)? else { continue };
                        if dead < offset {
                            visit(Slot::Dead(Extent::between(dead, offset)))?;
                        }
                        dead = offset + size;
                        visit(Slot::Live(inode))?;
                    }
                }
                first += count;
            }
        }
        if dead < table.end() {
            visit(Slot::Dead(Extent::between(dead, table.end())))?;
        }
        Ok(())
    }

    /// bg_itable_unused hides inodes at the end of the table; none of them may be in use.
    fn check_unused(&self, group: &Group, bits: &[u8], used: u64) -> Result<()> {
        match (used..self.layout.inodes_per_group).find(|&index| group::bit(bits, index)) {
            None => Ok(()),
            Some(index) => {
                let unused = self.layout.inodes_per_group - used;
                let expected = format!("less, as inode {index} of the group is in use");
                Err(group.object().corrupt("bg_itable_unused", unused, expected))
            }
        }
    }

    /// The inode in a slot that the bitmap calls used; `None` if it is a reserved one that holds nothing.
    fn live_inode(&self, number: u64, raw: &[u8], offset: u64) -> Result<Option<Inode>> {
        let reserved = number < self.layout.first_inode && number != inode::ROOT;
        if reserved && is_zero(raw) {
            return Ok(None);
        }
        let inode = self.parse_inode(number, raw.to_vec(), offset)?;
        if !reserved {
            self.describe(&inode)?;
            if inode.links() == 0 && !self.has_orphans() {
                return Err(inode.object().corrupt(
                    "i_links_count",
                    0,
                    "at least 1, as the bitmap calls it used",
                ));
            }
        }
        Ok(Some(inode))
    }
}
