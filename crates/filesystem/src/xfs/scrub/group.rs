//! Headers of groups behind their fields, slots of the free list without a block, tree blocks behind their records.

use block::{BlockWrite, Result, field::Le32, to_u64};

use super::{Cleaned, wipe, wipe_gaps};
use crate::xfs::{
    Xfs,
    btree::{Met, Tree},
    checksum,
    format::{agf, agfl, agi, btree::short},
    geometry::{AgNumber, NO_AG_BLOCK},
    group::Header,
    superblock::{self as sb, ro_compat},
};

impl<D: BlockWrite> Xfs<D> {
    /// The four header sectors of a group.
    pub(super) fn scrub_headers(&mut self, ag: AgNumber) -> Result<u64> {
        let v5 = self.geometry.v5;
        let mut raw = self.superblock_copy(ag)?;
        let label = sb::LABEL.get(&raw);
        let text = label.iter().position(|&byte| byte == 0).unwrap_or(label.len());
        let mut wiped = wipe(&mut raw, sb::LABEL.0 + text..sb::LABEL.0 + label.len());
        wiped += wipe_gaps(&mut raw, self.superblock.used_len(), Vec::new());
        self.put_header(ag, Header::Superblock, sb::CRC, raw, wiped)?;

        let mut raw = self.agf(ag)?;
        let fields =
            if v5 { vec![agf::UUID.0..agf::SPARE.start, agf::LSN.0..agf::CRC.0 + 4] } else { Vec::new() };
        let count = wipe_gaps(&mut raw, agf::END_V4, fields);
        self.put_header(ag, Header::Agf, agf::CRC, raw, count)?;
        wiped += count;

        let mut raw = self.agi(ag)?;
        let mut fields = Vec::new();
        if v5 {
            fields.extend([agi::UUID.0..agi::CRC.0 + 4, agi::LSN.0..agi::LSN.0 + 8]);
        }
        if self.superblock.ro_compat(ro_compat::FINOBT) {
            fields.push(agi::FREE_ROOT.0..agi::FREE_LEVEL.0 + 4);
        }
        if self.superblock.ro_compat(ro_compat::INOBTCOUNT) {
            fields.push(agi::INOBT_BLOCKS.0..agi::FINOBT_BLOCKS.0 + 4);
        }
        let count = wipe_gaps(&mut raw, agi::END_V4, fields);
        self.put_header(ag, Header::Agi, agi::CRC, raw, count)?;
        Ok(wiped + count + self.scrub_free_list(ag)?)
    }

    /// A slot without a block names none.
    fn scrub_free_list(&mut self, ag: AgNumber) -> Result<u64> {
        let v5 = self.geometry.v5;
        let in_use = self.free_list_slots(&self.agf(ag)?);
        let mut raw = self.agfl(ag)?;
        let slots = agfl::slots(raw.len(), v5);
        let mut wiped = 0;
        for slot in (0..slots).filter(|slot| !in_use.contains(slot)).map(|slot| agfl::slot(slot, v5)) {
            if slot.get(&raw) != NO_AG_BLOCK {
                wiped += to_u64(raw[slot.0..slot.0 + 4].iter().filter(|byte| **byte != 0).count());
                // What was zero and stays unused is changed as well, so that all of them are alike.
                slot.set(&mut raw, NO_AG_BLOCK);
            }
        }
        wiped += wipe_gaps(&mut raw, agfl::slot(slots, v5).0, Vec::new());
        self.put_header(ag, Header::Agfl, agfl::CRC, raw, wiped)?;
        Ok(wiped)
    }

    fn put_header(
        &mut self,
        ag: AgNumber,
        header: Header,
        crc: Le32,
        mut raw: Vec<u8>,
        wiped: u64,
    ) -> Result<()> {
        if wiped == 0 {
            return Ok(());
        }
        if self.geometry.v5 {
            checksum::seal(&mut raw, crc);
        }
        Ok(self.device.write_at(self.geometry.header_sector(ag, header.sector()), &raw)?)
    }

    /// The blocks of a group's trees.
    pub(super) fn scrub_trees(&mut self, ag: AgNumber) -> Result<u64> {
        let v5 = self.geometry.v5;
        let mut wiped = 0;
        let mut cleaned = Vec::new();
        for tree in Tree::ALL {
            self.walk_tree(ag, tree, &mut |met| {
                let Met::Block(block) = met else { return Ok(()) };
                let body = short::len(v5);
                let mut live = Vec::new();
                if block.level == 0 {
                    live.push(body..body + block.count * tree.record_len());
                } else {
                    let pointers = block.pointers_at();
                    live.push(body..body + block.count * tree.key_len());
                    live.push(pointers..pointers + block.count * crate::xfs::btree::POINTER_LEN);
                }
                let mut raw = block.raw.clone();
                let count = wipe_gaps(&mut raw, body, live);
                if count > 0 {
                    if v5 {
                        checksum::seal(&mut raw, short::CRC);
                    }
                    wiped += count;
                    cleaned.push(Cleaned { places: vec![block.block], raw });
                }
                Ok(())
            })?;
        }
        self.put_cleaned(cleaned)?;
        Ok(wiped)
    }
}
