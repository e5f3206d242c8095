//! Allocation groups: headers behind their fields, slots of the free list not in use, btree blocks behind their last
//! records.

use block::{BlockRead, Result};

use crate::{
    tails::{Tail, Visit, gap, text_len, unused},
    xfs::{
        Xfs,
        btree::{Met, Tree},
        format::{agf, agfl, agi},
        geometry::AgNumber,
        group::Header,
        superblock::{LABEL, ro_compat},
    },
};

impl<D: BlockRead> Xfs<D> {
    pub(super) fn group_tails(&self, ag: AgNumber, visit: &mut Visit<'_>) -> Result<()> {
        self.superblock_tails(ag, visit)?;
        self.header_tails(ag, visit)?;
        self.free_list_tails(ag, visit)?;
        for tree in Tree::ALL {
            self.walk_tree(ag, tree, &mut |met| {
                let Met::Block(block) = met else { return Ok(()) };
                let start = self.geometry.offset(block.block);
                unused(&block.raw, block.used_ranges(), start, Tail::Bitmap, visit)
            })?;
        }
        Ok(())
    }

    fn superblock_tails(&self, ag: AgNumber, visit: &mut Visit<'_>) -> Result<()> {
        let raw = self.superblock_copy(ag)?;
        let start = self.geometry.header_sector(ag, Header::Superblock.sector());
        let label = text_len(&LABEL.get(&raw));
        let used = [0..LABEL.0 + label, LABEL.0 + LABEL.get(&raw).len()..self.superblock.used_len()];
        unused(&raw, used, start, Tail::Superblock, visit)
    }

    fn header_tails(&self, ag: AgNumber, visit: &mut Visit<'_>) -> Result<()> {
        let (v5, has) = (self.geometry.v5, |bit| self.superblock.ro_compat(bit));
        let raw = self.agf(ag)?;
        let start = self.geometry.header_sector(ag, Header::Agf.sector());
        let end = if v5 { agf::SPARE.start } else { agf::END_V4 };
        let second = if v5 { agf::SPARE.end..agf::SPARE2.0 } else { end..end };
        unused(&raw, [0..end, second], start, Tail::Descriptors, visit)?;
        let raw = self.agi(ag)?;
        let start = self.geometry.header_sector(ag, Header::Agi.sector());
        let first = 0..if v5 { agi::PAD.0 } else { agi::END_V4 };
        let mut used = vec![first];
        if v5 {
            used.push(agi::LSN.0..agi::FREE_ROOT.0);
        }
        if has(ro_compat::FINOBT) {
            used.push(agi::FREE_ROOT.0..agi::INOBT_BLOCKS.0);
        }
        if has(ro_compat::INOBTCOUNT) {
            used.push(agi::INOBT_BLOCKS.0..agi::END);
        }
        unused(&raw, used, start, Tail::Descriptors, visit)
    }

    /// Slots not in use are all ones or zero; the kernel leaves old block numbers in them.
    fn free_list_tails(&self, ag: AgNumber, visit: &mut Visit<'_>) -> Result<()> {
        let (header, raw) = (self.agf(ag)?, self.agfl(ag)?);
        let start = self.geometry.header_sector(ag, Header::Agfl.sector());
        let v5 = self.geometry.v5;
        let slots = agfl::slots(raw.len(), v5);
        let mut in_use = vec![false; slots];
        for index in self.free_list_slots(&header) {
            in_use[index] = true;
        }
        for index in (0..slots).filter(|&index| !in_use[index]) {
            let slot = agfl::slot(index, v5);
            if slot.get(&raw) != u32::MAX {
                gap(&raw, slot.0..slot.0 + 4, start, Tail::Descriptors, visit)?;
            }
        }
        gap(&raw, agfl::slot(slots, v5).0..raw.len(), start, Tail::Descriptors, visit)
    }
}
