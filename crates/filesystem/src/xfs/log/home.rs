//! Where the regions of a logged item belong: known from the item's description, one region after the other.
//!
//! For those who look at what is left of a log, not for the replay: what makes no sense belongs nowhere.

use std::ops::Range;

use block::{
    field::{Le16, Le32},
    to_u64, to_usize,
};

use super::{
    super::format::inode::{self as dinode, CORE_V2, CORE_V3},
    layout::*,
};

/// A file, as the log names it: its inode, and which file of that inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Logged {
    pub(super) inode: u64,
    pub(super) generation: u32,
}

/// An item whose regions come one after the other.
#[derive(Debug)]
pub(super) enum Item {
    Buffer {
        /// First byte of the buffer.
        start: u64,
        /// A bit for each 128 bytes.
        map: Vec<u8>,
        /// The first chunk of the region at hand.
        bit: usize,
    },
    Inode {
        number: u64,
        /// First byte of the inode.
        start: u64,
        /// What else of it is logged.
        fields: u32,
        /// The start of its core, as far as it has been seen.
        core: Vec<u8>,
        /// How many regions have begun.
        begun: usize,
    },
    Dquot {
        start: u64,
    },
}

impl Item {
    /// From a whole description; `None` if it is of no metadata, or makes no sense.
    pub(super) fn new(head: &[u8]) -> Option<Self> {
        match ITEM_TYPE.try_get(head)? {
            LI_BUF => {
                let words = to_usize(BLF_MAP_SIZE.try_get(head)?.into());
                let map = head.get(BLF_DATA_MAP..)?.chunks_exact(4).take(words).flatten().copied().collect();
                let start = BLF_BLKNO.get(head).checked_mul(512)?;
                // A buffer that is given up holds nothing.
                (BLF_FLAGS.get(head) & BLF_CANCEL == 0).then_some(Self::Buffer { start, map, bit: 0 })
            }
            LI_INODE => {
                let mut head = head.to_vec();
                if head.len() == ILF_LEN_32 {
                    head.splice(ILF_PAD..ILF_PAD, [0; ILF_LEN_64 - ILF_LEN_32]);
                }
                let within = u64::from(ILF_BOFFSET.try_get(&head)?);
                let start = ILF_BLKNO.get(&head).checked_mul(512)?.checked_add(within)?;
                let (number, fields) = (ILF_INO.get(&head), ILF_FIELDS.get(&head));
                Some(Self::Inode { number, start, fields, core: Vec::new(), begun: 0 })
            }
            LI_DQUOT => {
                let within = u64::from(QLF_BOFFSET.try_get(head)?);
                Some(Self::Dquot { start: QLF_BLKNO.get(head).checked_mul(512)?.checked_add(within)? })
            }
            _ => None,
        }
    }

    /// The bytes that the next region is a copy of; `before` is the length of the region before it.
    pub(super) fn next(&mut self, before: u64) -> Option<Range<u64>> {
        match self {
            Self::Buffer { start, map, bit } => {
                let is_set = |bit: usize| map.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1);
                // A run may be in two regions, so the next begins where this one ended.
                let from = bit.saturating_add(to_usize(before) / BLF_CHUNK);
                let first = (from..map.len() * 8).find(|&bit| is_set(bit))?;
                *bit = first;
                let last = (first..).find(|&bit| !is_set(bit))?;
                let at = |bit: usize| start.checked_add(to_u64(bit * BLF_CHUNK));
                Some(at(first)?..at(last)?)
            }
            Self::Inode { start, fields, core, begun, .. } => {
                *begun += 1;
                if *begun == 1 {
                    return Some(*start..start.checked_add(to_u64(CORE_V3))?);
                }
                let len = if *core.get(dinode::VERSION.0)? >= 3 { CORE_V3 } else { CORE_V2 };
                let data = *fields & (ILOG_DDATA | ILOG_DEXT | ILOG_DBROOT) != 0 && *begun == 2;
                let offset = 8 * u64::from(*core.get(dinode::FORK_OFFSET.0)?);
                let fork = if data { 0 } else { offset };
                let from = start.checked_add(to_u64(len) + fork)?;
                let end = if data && offset != 0 {
                    from.checked_add(offset)?
                } else {
                    from.checked_add(MAX_INODE)?
                };
                Some(from..end)
            }
            Self::Dquot { start } => Some(*start..start.checked_add(BLF_CHUNK.try_into().ok()?)?),
        }
    }

    /// Takes note of the bytes of a region, or of a part of one.
    pub(super) fn seen(&mut self, data: &[u8]) {
        if let Self::Inode { core, begun: 1, .. } = self
            && core.len() < CORE_V2
        {
            core.extend_from_slice(&data[..data.len().min(CORE_V3)]);
        }
    }

    /// The file that the item is of, once its core has been seen.
    pub(super) fn file(&self) -> Option<Logged> {
        let Self::Inode { number, core, .. } = self else { return None };
        let magic = Le16(dinode::MAGIC.0).try_get(core)?;
        let generation = Le32(dinode::GENERATION.0).try_get(core)?;
        (magic == dinode::MAGIC_VALUE).then_some(Logged { inode: *number, generation })
    }
}

/// The largest inode.
const MAX_INODE: u64 = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_a_buffer() {
        let mut head = vec![0; BLF_DATA_MAP + 8];
        ITEM_TYPE.set(&mut head, LI_BUF);
        BLF_BLKNO.set(&mut head, 80);
        BLF_MAP_SIZE.set(&mut head, 2);
        head[BLF_DATA_MAP] = 0b0110_0001;
        head[BLF_DATA_MAP + 7] = 0x80;
        let mut item = Item::new(&head).unwrap();
        let start = 80 * 512;
        assert_eq!(item.next(0), Some(start..start + 128));
        assert_eq!(item.next(128), Some(start + 5 * 128..start + 7 * 128));
        // Logged in two regions.
        assert_eq!(item.next(128), Some(start + 6 * 128..start + 7 * 128));
        assert_eq!(item.next(128), Some(start + 63 * 128..start + 64 * 128));
        assert_eq!(item.next(128), None, "a map has an end");
        BLF_FLAGS.set(&mut head, BLF_CANCEL);
        assert!(Item::new(&head).is_none());
        BLF_FLAGS.set(&mut head, 0);
        BLF_BLKNO.set(&mut head, u64::MAX);
        assert!(Item::new(&head).is_none());
        assert!((0..BLF_MAP_SIZE.0 + 4).all(|len| Item::new(&head[..len]).is_none()));
    }

    #[test]
    fn forks_of_an_inode() {
        let mut head = vec![0; ILF_LEN_64];
        ITEM_TYPE.set(&mut head, LI_INODE);
        ILF_FIELDS.set(&mut head, ILOG_CORE | ILOG_DDATA | ILOG_ADATA);
        ILF_INO.set(&mut head, 131);
        ILF_BLKNO.set(&mut head, 128);
        ILF_BOFFSET.set(&mut head, 1536);
        let mut core = vec![0; CORE_V3];
        Le16(0).set(&mut core, dinode::MAGIC_VALUE);
        (core[dinode::VERSION.0], core[dinode::FORK_OFFSET.0]) = (3, 10);
        Le32(dinode::GENERATION.0).set(&mut core, 77);
        let mut item = Item::new(&head).unwrap();
        let start = 128 * 512 + 1536;
        assert_eq!(item.next(0), Some(start..start + 176));
        assert_eq!(item.file(), None);
        item.seen(&core);
        assert_eq!(item.file(), Some(Logged { inode: 131, generation: 77 }));
        assert_eq!(item.next(176), Some(start + 176..start + 256));
        assert_eq!(item.next(20), Some(start + 256..start + 256 + 2048));
        // Without the fork of data; and as 32-bit machines log it.
        ILF_FIELDS.set(&mut head, ILOG_CORE | ILOG_ADATA);
        head.drain(ILF_PAD..ILF_PAD + 4);
        let mut item = Item::new(&head).unwrap();
        item.next(0).unwrap();
        item.seen(&core);
        assert_eq!(item.next(176).map(|home| home.start), Some(start + 256));
    }
}
