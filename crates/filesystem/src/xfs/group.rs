//! The headers of an allocation group: AGF, AGI and AGFL, read and checked.
//!
//! They are raw bytes, for the constants in [`format`](super::format): what is not modelled survives an edit.

use block::{
    BlockRead, Object, Result,
    field::{Be32, Bytes, Le32},
    to_usize,
};

use super::{
    Xfs, checksum,
    format::{agf, agfl, agi},
    geometry::{AgBlock, AgNumber},
    superblock::{MAGIC, MAGIC_VALUE},
};

/// Which of a group's header sectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// The superblock or its copy.
    Superblock,
    /// Free space.
    Agf,
    /// Inodes.
    Agi,
    /// The free list.
    Agfl,
}

impl Header {
    /// Which sector of the group.
    pub(crate) const fn sector(self) -> u64 {
        match self {
            Self::Superblock => 0,
            Self::Agf => 1,
            Self::Agi => 2,
            Self::Agfl => 3,
        }
    }

    /// Where its checksum lies.
    pub(crate) const fn crc(self) -> Le32 {
        match self {
            Self::Superblock => super::superblock::CRC,
            Self::Agf => agf::CRC,
            Self::Agi => agi::CRC,
            Self::Agfl => agfl::CRC,
        }
    }

    /// The object that errors about it name.
    pub(crate) fn object(self, ag: AgNumber) -> Object {
        let kind = match self {
            Self::Superblock => "superblock copy",
            Self::Agf => "AGF",
            Self::Agi => "AGI",
            Self::Agfl => "AGFL",
        };
        Object::numbered(kind, ag.0.into())
    }
}

/// `Corrupt` unless a number is what it has to be.
pub(crate) fn expect(
    object: Object,
    field: &'static str,
    found: impl Into<u64>,
    expected: impl Into<u64>,
) -> Result<()> {
    let (found, expected) = (found.into(), expected.into());
    if found == expected { Ok(()) } else { Err(object.corrupt(field, found, expected)) }
}

/// `Corrupt` unless a magic is what it has to be.
pub(crate) fn expect_magic(object: Object, found: u32, expected: u32) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(object.corrupt("magic", format!("{found:#010x}"), format!("{expected:#010x}")))
}

impl<D: BlockRead> Xfs<D> {
    /// `Corrupt` unless a structure is of this filesystem.
    pub(crate) fn expect_uuid(&self, object: Object, raw: &[u8], field: Bytes<16>) -> Result<()> {
        if field.get(raw) == self.superblock.meta_uuid() {
            return Ok(());
        }
        Err(object.corrupt("uuid", "another filesystem's", "this one's"))
    }

    /// The sector as it lies there; only the medium can fail.
    pub(crate) fn header_bytes(&self, ag: AgNumber, header: Header) -> Result<Vec<u8>> {
        let mut raw = vec![0; to_usize(self.geometry.sector_size)];
        let place = self.geometry.header_sector(ag, header.sector());
        self.device.read_object(header.object(ag), place, &mut raw)?;
        Ok(raw)
    }

    fn checked(&self, ag: AgNumber, header: Header, magic: (Be32, u32)) -> Result<Vec<u8>> {
        let raw = self.header_bytes(ag, header)?;
        expect_magic(header.object(ag), magic.0.get(&raw), magic.1)?;
        if self.geometry.v5 {
            checksum::check(&raw, header.crc(), header.object(ag))?;
        }
        Ok(raw)
    }

    /// The superblock's copy in a group; of group 0 itself. Numbers in a copy may be old, and none is believed.
    pub(crate) fn superblock_copy(&self, ag: AgNumber) -> Result<Vec<u8>> {
        self.checked(ag, Header::Superblock, (MAGIC, MAGIC_VALUE))
    }

    /// The AGF of a group; its numbers are within their limits, its trees not looked at.
    pub(crate) fn agf(&self, ag: AgNumber) -> Result<Vec<u8>> {
        let raw = self.checked(ag, Header::Agf, (agf::MAGIC, agf::MAGIC_VALUE))?;
        let object = Header::Agf.object(ag);
        if self.geometry.v5 {
            self.expect_uuid(object, &raw, agf::UUID)?;
        }
        expect(object, "agf_versionnum", agf::VERSION.get(&raw), agf::VERSION_VALUE)?;
        expect(object, "agf_seqno", agf::SEQNO.get(&raw), ag.0)?;
        expect(object, "agf_length", agf::LENGTH.get(&raw), self.geometry.ag_len(ag))?;
        let (free, longest) = (agf::FREE_BLOCKS.get(&raw), agf::LONGEST.get(&raw));
        if free > self.geometry.ag_len(ag) {
            return Err(object.corrupt(
                "agf_freeblks",
                free,
                format!("at most {}", self.geometry.ag_len(ag)),
            ));
        }
        if longest > free {
            return Err(object.corrupt("agf_longest", longest, format!("at most {free}")));
        }
        let slots = agfl::slots(raw.len(), self.geometry.v5);
        let [first, last, count] = [agf::FREE_LIST_FIRST, agf::FREE_LIST_LAST, agf::FREE_LIST_COUNT]
            .map(|field| to_usize(field.get(&raw).into()));
        if first >= slots {
            return Err(object.corrupt("agf_flfirst", first, format!("less than {slots}")));
        }
        if last >= slots {
            return Err(object.corrupt("agf_fllast", last, format!("less than {slots}")));
        }
        let between = if last >= first { last - first + 1 } else { slots - first + last + 1 };
        // An empty list is one whose count says so.
        if count != 0 && count != between {
            return Err(object.corrupt("agf_flcount", count, between));
        }
        Ok(raw)
    }

    /// The AGI of a group; its numbers are within their limits, its trees not looked at.
    pub(crate) fn agi(&self, ag: AgNumber) -> Result<Vec<u8>> {
        let raw = self.checked(ag, Header::Agi, (agi::MAGIC, agi::MAGIC_VALUE))?;
        let object = Header::Agi.object(ag);
        if self.geometry.v5 {
            self.expect_uuid(object, &raw, agi::UUID)?;
        }
        expect(object, "agi_versionnum", agi::VERSION.get(&raw), agi::VERSION_VALUE)?;
        expect(object, "agi_seqno", agi::SEQNO.get(&raw), ag.0)?;
        expect(object, "agi_length", agi::LENGTH.get(&raw), self.geometry.ag_len(ag))?;
        let (count, free) = (agi::COUNT.get(&raw), agi::FREE_COUNT.get(&raw));
        if free > count {
            return Err(object.corrupt("agi_freecount", free, format!("at most {count}")));
        }
        Ok(raw)
    }

    /// The AGFL of a group.
    pub(crate) fn agfl(&self, ag: AgNumber) -> Result<Vec<u8>> {
        if !self.geometry.v5 {
            return self.header_bytes(ag, Header::Agfl);
        }
        let raw = self.checked(ag, Header::Agfl, (agfl::MAGIC, agfl::MAGIC_VALUE))?;
        let object = Header::Agfl.object(ag);
        self.expect_uuid(object, &raw, agfl::UUID)?;
        expect(object, "agfl_seqno", agfl::SEQNO.get(&raw), ag.0)?;
        Ok(raw)
    }

    /// Which slots of a group's AGFL are in use, in the list's order.
    pub(crate) fn free_list_slots(&self, agf: &[u8]) -> Vec<usize> {
        let slots = agfl::slots(agf.len(), self.geometry.v5);
        let first = to_usize(agf::FREE_LIST_FIRST.get(agf).into());
        let count = to_usize(agf::FREE_LIST_COUNT.get(agf).into());
        (0..count.min(slots)).map(|index| (first + index) % slots).collect()
    }

    /// The blocks on a group's free list.
    pub(crate) fn free_list(&self, ag: AgNumber) -> Result<Vec<AgBlock>> {
        let (agf, agfl) = (self.agf(ag)?, self.agfl(ag)?);
        self.free_list_slots(&agf)
            .into_iter()
            .map(|index| {
                let block = AgBlock(agfl::slot(index, self.geometry.v5).get(&agfl));
                if self.geometry.ag_contains(ag, block, 1) {
                    Ok(block)
                } else {
                    let expected = format!("less than {}", self.geometry.ag_len(ag));
                    Err(Header::Agfl.object(ag).corrupt("agfl_bno", block.0, expected))
                }
            })
            .collect()
    }
}
