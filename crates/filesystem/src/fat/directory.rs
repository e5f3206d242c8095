//! Directories: slots of 32 bytes, which are names, parts of long names, or residue of both.
//!
//! A long name counts only if its parts are complete, in order, and carry the checksum of the 8.3 name that
//! follows them. All other parts are residue, as are deleted slots and whatever follows the end mark.
//!
//! Source: fatgen103, sections "FAT Directory Structure" and "FAT Long Directory Entries".

use block::{
    BlockRead, Extent, Object, Result, Unsupported,
    field::{Bytes, Le16, Le32, U8},
    to_u64, to_usize,
};

use super::{
    Fat,
    boot::{Kind, SLOT},
    name,
    table::{Run, Table, length},
};
use crate::InodeId;

pub(super) const DIR_NAME: Bytes<11> = Bytes(0);
pub(super) const DIR_ATTR: U8 = U8(11);
pub(super) const DIR_NT_RES: U8 = U8(12);
const DIR_FST_CLUS_HI: Le16 = Le16(20);
const DIR_WRT_TIME: Le16 = Le16(22);
const DIR_WRT_DATE: Le16 = Le16(24);
const DIR_FST_CLUS_LO: Le16 = Le16(26);
const DIR_FILE_SIZE: Le32 = Le32(28);
const LDIR_ORD: U8 = U8(0);
pub(super) const LDIR_CHKSUM: U8 = U8(13);
/// Where the 13 characters of a part of a long name lie.
pub(super) const LDIR_NAME: [Le16; 13] = [
    Le16(1),
    Le16(3),
    Le16(5),
    Le16(7),
    Le16(9),
    Le16(14),
    Le16(16),
    Le16(18),
    Le16(20),
    Le16(22),
    Le16(24),
    Le16(28),
    Le16(30),
];

pub(super) const READ_ONLY: u8 = 0x01;
pub(super) const VOLUME_ID: u8 = 0x08;
pub(super) const DIRECTORY: u8 = 0x10;
/// All of read-only, hidden, system and volume: a part of a long name.
pub(super) const LONG_NAME: u8 = 0x0f;
/// First byte: the slot is free, and so are all that follow.
const END: u8 = 0x00;
/// First byte: the slot is free.
pub(super) const DELETED: u8 = 0xe5;
/// `LDIR_ORD`: the last part of the name, which comes first on disk.
const LAST_PART: u8 = 0x40;
/// 255 characters need no more parts.
const MAX_PARTS: u8 = 20;
/// How much of a directory is held at a time.
const PIECE: u64 = 64 << 10;

/// No kernel makes a directory larger: 65536 slots.
const MAX_DIRECTORY: u64 = 2 << 20;

/// A directory entry on disk.
pub(super) type Slot = [u8; SLOT];

/// A file or directory: what its entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    /// The offset of its entry, 0 for the root directory.
    pub(super) inode: InodeId,
    pub(super) is_dir: bool,
    /// First cluster; 0 if there is none.
    pub(super) first: u32,
    /// In bytes; 0 for a directory.
    pub(super) size: u32,
    pub(super) attributes: u8,
    /// Last write: date in the upper half, time in the lower.
    pub(super) written: u32,
}

impl Node {
    pub(super) fn parse(kind: Kind, offset: u64, slot: &Slot) -> Self {
        let high = if kind == Kind::Fat32 { DIR_FST_CLUS_HI.get(slot) } else { 0 };
        let attributes = DIR_ATTR.get(slot);
        let is_dir = attributes & DIRECTORY != 0;
        Self {
            inode: InodeId(offset),
            is_dir,
            first: u32::from(high) << 16 | u32::from(DIR_FST_CLUS_LO.get(slot)),
            size: if is_dir { 0 } else { DIR_FILE_SIZE.get(slot) },
            attributes,
            written: u32::from(DIR_WRT_DATE.get(slot)) << 16 | u32::from(DIR_WRT_TIME.get(slot)),
        }
    }

    /// For errors.
    pub(super) fn object(&self) -> Object {
        match self.inode.0 {
            0 => Object::the("root directory"),
            offset => Object::numbered("directory entry at byte", offset),
        }
    }
}

/// Makes an entry point to other content.
pub(super) fn point(kind: Kind, slot: &mut Slot, first: u32, size: u32) {
    let [a, b, c, d] = first.to_le_bytes();
    DIR_FST_CLUS_LO.set(slot, u16::from_le_bytes([a, b]));
    if kind == Kind::Fat32 {
        DIR_FST_CLUS_HI.set(slot, u16::from_le_bytes([c, d]));
    }
    DIR_FILE_SIZE.set(slot, size);
}

/// A name, and where it lies.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) node: Node,
    pub(super) name: Vec<u8>,
    /// Its 8.3 name, if it has another one and that is legal.
    pub(super) short: Option<Vec<u8>>,
    /// The offsets of the parts of its long name, if it has one.
    pub(super) parts: Vec<u64>,
    /// The index of the NUL at its end, if something else than 0xffff follows.
    pub(super) unpadded: Option<usize>,
}

/// What a directory is made of, in the order on disk.
#[derive(Debug)]
pub(super) enum Item {
    Name(Named),
    /// The volume label: its offset, and itself.
    Label(u64, [u8; 11]),
    /// `.` and `..`, or a volume label outside the root directory. They own nothing. The offset.
    Other(u64),
    /// A deleted slot, or a part of a long name that belongs to no name.
    Residue(u64),
    /// A slot at or behind the end mark.
    Free(u64),
}

/// The parts of a long name seen so far: offset and characters of each, in the order on disk.
#[derive(Debug, Default)]
struct Parts {
    found: Vec<(u64, [u16; 13])>,
    checksum: u8,
    /// The number that the next part must have; 0 if the name is complete.
    next: u8,
}

impl Parts {
    /// Takes a part; hands back those that it shows to be residue.
    fn push(&mut self, offset: u64, slot: &Slot) -> Vec<u64> {
        let (order, checksum) = (LDIR_ORD.get(slot), LDIR_CHKSUM.get(slot));
        let number = order & !LAST_PART;
        let starts = order & LAST_PART != 0;
        let fits = if starts {
            (1..=MAX_PARTS).contains(&number)
        } else {
            number != 0 && number == self.next && checksum == self.checksum
        };
        let mut residue = if starts || !fits { self.clear() } else { Vec::new() };
        if !fits {
            residue.push(offset);
            return residue;
        }
        self.found.push((offset, LDIR_NAME.map(|unit| unit.get(slot))));
        (self.checksum, self.next) = (checksum, number - 1);
        residue
    }

    fn clear(&mut self) -> Vec<u64> {
        self.next = 0;
        self.found.drain(..).map(|(offset, _)| offset).collect()
    }

    /// Whether this is the long name of that 8.3 name.
    fn belong_to(&self, short: &[u8; 11]) -> bool {
        !self.found.is_empty() && self.next == 0 && self.checksum == name::checksum(short)
    }
}

impl<D: BlockRead> Fat<D> {
    /// The root directory.
    pub(super) fn root_node(&self) -> Node {
        let first = self.geometry.root_cluster;
        Node { inode: InodeId(0), is_dir: true, first, size: 0, attributes: DIRECTORY, written: 0 }
    }

    /// The entry at an offset that was reported as an inode.
    pub(super) fn node(&self, inode: InodeId) -> Result<Node> {
        if inode.0 == 0 {
            return Ok(self.root_node());
        }
        let slot_len = to_u64(SLOT);
        let root = self.geometry.root;
        let data = Extent::between(self.geometry.data, self.geometry.size);
        let aligned = [root, data].iter().any(|area| {
            inode.0 >= area.start && inode.0 < area.end() && (inode.0 - area.start).is_multiple_of(slot_len)
        });
        let mut slot = [0; SLOT];
        if aligned && inode.0 <= self.device.size() - slot_len {
            self.device.read_object(
                Object::numbered("directory entry at byte", inode.0),
                inode.0,
                &mut slot,
            )?;
        }
        if matches!(slot[0], END | DELETED) || DIR_ATTR.get(&slot) & VOLUME_ID != 0 {
            let of = Object::numbered("directory entry at byte", inode.0);
            return Err(of.corrupt("state", "free", "a file or directory"));
        }
        Ok(Node::parse(self.geometry.kind, inode.0, &slot))
    }

    /// The clusters of a directory; none for the fixed root directory.
    pub(super) fn directory_chain(&self, dir: &Node) -> Result<Vec<Run>> {
        if dir.inode.0 == 0 && self.geometry.kind != Kind::Fat32 {
            return Ok(Vec::new());
        }
        let chain = Table::new(&self.device, &self.geometry).chain(dir.object(), dir.first)?;
        if length(&chain) > MAX_DIRECTORY.div_ceil(self.geometry.cluster) {
            return Err(Unsupported::new(dir.object(), "a directory of more than 65536 slots").into());
        }
        Ok(chain)
    }

    /// Reports what a directory is made of, given its chain.
    pub(super) fn items(
        &self,
        dir: &Node,
        chain: &[Run],
        visit: &mut dyn FnMut(Item) -> Result<()>,
    ) -> Result<()> {
        let is_root = dir.inode.0 == 0;
        let extents = if chain.is_empty() { vec![self.geometry.root] } else { self.extents(chain) };
        let (mut parts, mut ended) = (Parts::default(), false);
        for extent in extents {
            let mut start = extent.start;
            while start < extent.end() {
                let mut piece = vec![0; to_usize(PIECE.min(extent.end() - start))];
                self.device.read_object(
                    Object::numbered("directory at byte", dir.inode.0),
                    start,
                    &mut piece,
                )?;
                let (slots, _) = piece.as_chunks::<SLOT>();
                for (slot, offset) in slots.iter().zip((start..).step_by(SLOT)) {
                    ended |= slot[0] == END;
                    self.item(offset, slot, ended, is_root, &mut parts, visit)?;
                }
                start += to_u64(piece.len());
            }
        }
        parts.clear().into_iter().try_for_each(|offset| visit(Item::Residue(offset)))
    }

    fn item(
        &self,
        offset: u64,
        slot: &Slot,
        ended: bool,
        is_root: bool,
        parts: &mut Parts,
        visit: &mut dyn FnMut(Item) -> Result<()>,
    ) -> Result<()> {
        let attributes = DIR_ATTR.get(slot);
        let residue = |offset| Item::Residue(offset);
        if !ended && slot[0] != DELETED && attributes == LONG_NAME {
            return parts.push(offset, slot).into_iter().map(residue).try_for_each(visit);
        }
        let short = DIR_NAME.get(slot);
        let named = !ended && slot[0] != DELETED && attributes & VOLUME_ID == 0;
        let dots = &short == b".          " || &short == b"..         ";
        if !(named && !dots && parts.belong_to(&short)) {
            parts.clear().into_iter().map(residue).try_for_each(&mut *visit)?;
        }
        visit(match () {
            () if ended => Item::Free(offset),
            () if slot[0] == DELETED => Item::Residue(offset),
            () if attributes & VOLUME_ID != 0 && is_root => Item::Label(offset, short),
            () if !named || dots => Item::Other(offset),
            () => Item::Name(self.named(offset, slot, &std::mem::take(parts))?),
        })
    }

    fn named(&self, offset: u64, slot: &Slot, parts: &Parts) -> Result<Named> {
        let node = Node::parse(self.geometry.kind, offset, slot);
        let units: Vec<u16> = parts.found.iter().rev().flat_map(|(_, units)| *units).collect();
        let short = name::short(node.object(), slot);
        let (name, short) = match &units[..] {
            [] => (short?, None),
            units => (name::long(node.object(), units)?, short.ok()),
        };
        let end = units.iter().position(|&unit| unit == 0);
        let unpadded = end.filter(|&end| units[end + 1..].iter().any(|&unit| unit != name::FILLER));
        Ok(Named {
            node,
            name,
            short,
            parts: parts.found.iter().map(|&(offset, _)| offset).collect(),
            unpadded,
        })
    }

    /// Where the clusters of a chain lie.
    pub(super) fn extents(&self, chain: &[Run]) -> Vec<Extent> {
        let bytes = |run: &Run| Extent {
            start: self.geometry.cluster_start(run.first),
            len: u64::from(run.count) * self.geometry.cluster,
        };
        chain.iter().map(bytes).collect()
    }
}

/// Whether a slot in use holds a volume label.
pub(super) fn is_label(slot: &Slot) -> bool {
    DIR_ATTR.get(slot) & VOLUME_ID != 0
}

/// Pads the part of a long name at index `part` of the name (0 holds its beginning) behind the name's end.
/// Returns how many bytes were not as they should be.
pub(super) fn pad(slot: &mut Slot, part: usize, end: usize) -> u64 {
    let mut changed = 0;
    for (index, unit) in (part * 13..).zip(LDIR_NAME) {
        if index > end && unit.get(slot) != name::FILLER {
            changed += 2;
            unit.set(slot, name::FILLER);
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(order: u8, checksum: u8) -> Slot {
        let mut slot = [0; SLOT];
        LDIR_ORD.set(&mut slot, order);
        DIR_ATTR.set(&mut slot, LONG_NAME);
        LDIR_CHKSUM.set(&mut slot, checksum);
        slot
    }

    #[test]
    fn a_long_name_is_whole_or_residue() {
        let short = b"README  TXT";
        let sum = name::checksum(short);
        let run = |slots: &[Slot]| {
            let mut parts = Parts::default();
            let residue: Vec<u64> =
                (0..).zip(slots).flat_map(|(offset, slot)| parts.push(offset, slot)).collect();
            (residue, parts.belong_to(short))
        };
        assert_eq!(run(&[part(0x42, sum), part(1, sum)]), (vec![], true));
        assert_eq!(run(&[part(0x42, sum)]), (vec![], false), "incomplete");
        assert_eq!(run(&[part(0x41, sum ^ 1)]), (vec![], false), "checksum of another name");
        assert_eq!(run(&[part(0x42, sum), part(1, sum ^ 1)]), (vec![0, 1], false));
        assert_eq!(run(&[part(0x43, sum), part(1, sum)]), (vec![0, 1], false), "gap");
        assert_eq!(run(&[part(1, sum), part(0x41, sum)]), (vec![0], true), "start is missing");
        assert_eq!(run(&[part(0x42, sum), part(0x41, sum)]), (vec![0], true), "a new one within an old one");
        assert_eq!(run(&[part(0x40, sum)]), (vec![0], false), "number 0");
        assert_eq!(run(&[part(0x40 | 21, sum)]), (vec![0], false), "too many");
        assert_eq!(run(&[part(0x41, sum), part(0, sum)]), (vec![0, 1], false), "after the last");
    }
}
