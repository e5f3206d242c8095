//! Walks the inode tables: every live inode once, in order, in large reads.

use std::collections::BTreeSet;

use block::{BlockRead, Extent, Object, Result, is_zero, to_usize};

use crate::{
    InodeId,
    ext::{
        Ext,
        group::{self, Group},
        inode::{self, Inode},
        superblock::{self, compat, incompat, ro_compat},
    },
    names::Inodes,
};

/// Bytes read at once from a table.
const PIECE: u64 = 256 * 1024;

/// Takes an inode's number, its bytes, and where on the device they are.
type VisitSlot<'v> = &'v mut dyn FnMut(u64, &[u8], u64) -> Result<()>;

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
        let mut dead = table.start;
        self.used_slots(group, &mut |number, raw, offset| {
            let Some(inode) = self.live_inode(number, raw.to_vec(), offset)? else { return Ok(()) };
            if dead < offset {
                visit(Slot::Dead(Extent::between(dead, offset)))?;
            }
            dead = offset + layout.inode_size;
            visit(Slot::Live(inode))
        })?;
        if dead < table.end() {
            visit(Slot::Dead(Extent::between(dead, table.end())))?;
        }
        Ok(())
    }

    /// Visits the slots that a group's bitmap calls used: number, bytes, and where on the device they are.
    fn used_slots(&self, group: &Group, visit: VisitSlot<'_>) -> Result<()> {
        if group.inode_uninit() {
            return Ok(());
        }
        let layout = &self.layout;
        let table = layout.extent(group.inode_table(), layout.inode_table_blocks());
        let (bits, used) = (self.inode_bitmap(group)?, group.used_inodes(layout));
        self.check_unused(group, &bits, used)?;
        let size = layout.inode_size;
        let per_piece = PIECE / size;
        let mut first = 0;
        while first < used {
            let count = per_piece.min(used - first);
            if (first..first + count).any(|index| group::bit(&bits, index)) {
                let start = table.start + first * size;
                let mut piece = vec![0; to_usize(count * size)];
                let object = Object::numbered("inode table of group", group.number);
                self.device.read_object(object, start, &mut piece)?;
                for index in (0..count).filter(|index| group::bit(&bits, first + index)) {
                    let raw = &piece[to_usize(index * size)..to_usize((index + 1) * size)];
                    let number = group.number * layout.inodes_per_group + first + index + 1;
                    visit(number, raw, start + index * size)?;
                }
            }
            first += count;
        }
        Ok(())
    }

    /// What each inode in use is. Their claims say whether they are in order.
    pub(crate) fn inodes(&self) -> Result<Inodes> {
        let mut inodes = Inodes::new("i_links_count");
        let (mut values, mut held) = (BTreeSet::new(), BTreeSet::new());
        for number in 0..self.layout.groups {
            self.used_slots(&self.group(number)?, &mut |number, raw, offset| {
                let Some(kind) = inode::kind_of(inode::MODE.get(raw)) else { return Ok(()) };
                let links = inode::LINKS_COUNT.get(raw).into();
                inodes.insert(InodeId(number), kind, links, self.is_own(number));
                if self.superblock.incompat(incompat::EA_INODE) {
                    let inode = self.parse_inode(number, raw.to_vec(), offset)?;
                    if inode.has(inode::flags::EA_INODE) {
                        values.insert(number);
                    }
                    held.extend(self.value_inodes(&inode)?);
                }
                Ok(())
            })?;
        }
        values.intersection(&held).for_each(|&value| inodes.hold(InodeId(value)));
        Ok(inodes)
    }

    /// The inodes that hold values of an inode's attributes.
    fn value_inodes(&self, inode: &Inode) -> Result<Vec<u64>> {
        let mut list = inode.attributes()?.unwrap_or_default().list;
        if inode.xattr_block() != 0 {
            list.extend(self.xattr_block(inode.xattr_block())?.1.list);
        }
        Ok(list.iter().map(|attribute| attribute.value_inode).filter(|&value| value != 0).collect())
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
    fn live_inode(&self, number: u64, raw: Vec<u8>, offset: u64) -> Result<Option<Inode>> {
        let reserved = number < self.layout.first_inode && number != inode::ROOT;
        if reserved && is_zero(&raw) {
            return Ok(None);
        }
        let inode = self.parse_inode(number, raw, offset)?;
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
