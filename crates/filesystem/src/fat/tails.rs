//! Residue inside live metadata: reserved sectors in use, the FATs, directory slots.

use std::ops::Range;

use block::{BlockRead, Extent, Result, to_u64, to_usize};

use super::{
    Fat,
    boot::{FSI_RESERVED, Kind, RESERVED32, SECTOR, SLOT},
    directory::{DELETED, Item, LDIR_NAME, Node, Slot, is_label},
    name::FILLER,
    table::{ClusterSet, Run},
};
use crate::tails::{Tail, Visit, gap, unused};

/// What of a part of a long name is in use: all but `LDIR_TYPE` and `LDIR_FST_CLUS_LO`.
const PART: [Range<usize>; 3] = [0..12, 13..26, 28..32];
/// What of a volume label is in use: it has no cluster and no size.
const LABEL: [Range<usize>; 2] = [0..20, 22..26];
/// The size, which a directory does not have.
const SIZE: Range<usize> = 28..32;
/// The upper half of the first cluster, which only FAT32 has.
const FST_CLUS_HI: Range<usize> = 20..22;

impl<D: BlockRead> Fat<D> {
    pub(super) fn all_tails(&self, visit: &mut Visit<'_>) -> Result<()> {
        for sector in self.geometry.reserved_in_use() {
            self.reserved_tails(sector, visit)?;
        }
        self.table_tails(visit)?;
        self.walk(self.root_node(), &mut ClusterSet::new(&self.geometry), &mut |_, node, chain| {
            if node.is_dir { self.directory_tails(node, chain, visit) } else { Ok(()) }
        })
    }

    fn reserved_tails(&self, sector: Extent, visit: &mut Visit<'_>) -> Result<()> {
        let mut raw = vec![0; to_usize(sector.len)];
        self.device.read_at(sector.start, &mut raw)?;
        let boot = sector.start == 0 || self.geometry.backup == Some(sector.start);
        let used = if boot {
            // Boot code and its texts have no structure: all behind the fields.
            let reserved = if self.geometry.kind == Kind::Fat32 { RESERVED32 } else { 0..0 };
            [0..reserved.start, reserved.end..SECTOR, SECTOR..SECTOR]
        } else if self.geometry.info_sectors().any(|start| start == sector.start) {
            let [one, two] = FSI_RESERVED;
            if self.info(sector.start)?.is_some() {
                [0..one.0, one.1..two.0, two.1..SECTOR]
            } else {
                [0..0, 0..0, 0..0]
            }
        } else {
            // More boot code.
            [0..raw.len(), 0..0, 0..0]
        };
        unused(&raw, used, sector.start, Tail::Boot, visit)
    }

    /// What differs from the active FAT, and the half byte behind the last entry of FAT12.
    fn table_tails(&self, visit: &mut Visit<'_>) -> Result<()> {
        let geometry = &self.geometry;
        if geometry.kind == Kind::Fat12 && geometry.clusters % 2 == 1 {
            for which in 0..geometry.fats {
                let start = geometry.fat_start(which) + geometry.fat_used() - 1;
                let mut last = [0];
                self.device.read_at(start, &mut last)?;
                gap(&[last[0] & 0xf0], 0..1, start, Tail::Table, visit)?;
            }
        }
        for (piece, which) in self.copies() {
            let Some((mut copy, active)) = self.difference(piece, which)? else { continue };
            copy.iter_mut().zip(active).filter(|(old, new)| **old == *new).for_each(|(old, _)| *old = 0);
            let start = geometry.fat_start(which) + piece.start;
            gap(&copy, 0..copy.len(), start, Tail::Table, visit)?;
        }
        Ok(())
    }

    fn directory_tails(&self, dir: &Node, chain: &[Run], visit: &mut Visit<'_>) -> Result<()> {
        let mut window = Window { sector: None, bytes: [0; SECTOR] };
        let wide = self.geometry.kind == Kind::Fat32;
        self.items(dir, chain, &mut |item| match item {
            Item::Residue(offset) => {
                let slot = window.slot(&self.device, offset)?;
                // That it is free is all that it says.
                let mark = usize::from(slot[0] == DELETED);
                gap(&slot, mark..SLOT, offset, Tail::Directory, visit)
            }
            Item::Free(offset) => {
                gap(&window.slot(&self.device, offset)?, 0..SLOT, offset, Tail::Directory, visit)
            }
            Item::Label(offset, _) | Item::Other(offset) => {
                let slot = window.slot(&self.device, offset)?;
                if is_label(&slot) {
                    return unused(&slot, LABEL, offset, Tail::Directory, visit);
                }
                entry_tails(&slot, offset, true, wide, visit)
            }
            Item::Name(named) => {
                for (part, &offset) in named.parts.iter().rev().enumerate() {
                    let slot = window.slot(&self.device, offset)?;
                    part_tails(slot, offset, part, named.unpadded, visit)?;
                }
                let offset = named.node.inode.0;
                let slot = window.slot(&self.device, offset)?;
                entry_tails(&slot, offset, named.node.is_dir, wide, visit)
            }
        })
    }
}

/// An entry of a file or directory.
fn entry_tails(slot: &Slot, offset: u64, is_dir: bool, wide: bool, visit: &mut Visit<'_>) -> Result<()> {
    if !wide {
        gap(slot, FST_CLUS_HI, offset, Tail::Directory, visit)?;
    }
    if is_dir {
        gap(slot, SIZE, offset, Tail::Directory, visit)?;
    }
    Ok(())
}

/// Part number `part` (0 holds the beginning) of a long name whose NUL has the index `end`, if anything but padding
/// follows that.
fn part_tails(
    mut slot: Slot,
    offset: u64,
    part: usize,
    end: Option<usize>,
    visit: &mut Visit<'_>,
) -> Result<()> {
    unused(&slot, PART, offset, Tail::Directory, visit)?;
    let Some(end) = end else { return Ok(()) };
    let mut behind = [0; SLOT];
    for (index, unit) in (part * LDIR_NAME.len()..).zip(LDIR_NAME) {
        if index > end && unit.get(&slot) != FILLER {
            behind[unit.0..unit.0 + 2].copy_from_slice(&slot[unit.0..unit.0 + 2]);
        }
    }
    slot = behind;
    gap(&slot, 0..SLOT, offset, Tail::Directory, visit)
}

/// The sector read last: slots come mostly in order.
struct Window {
    sector: Option<u64>,
    bytes: [u8; SECTOR],
}

impl Window {
    fn slot(&mut self, device: &impl BlockRead, offset: u64) -> Result<Slot> {
        let len = to_u64(SECTOR);
        let sector = offset / len * len;
        if self.sector != Some(sector) {
            // Directories lie in whole sectors of 512 bytes or more.
            device.read_at(sector, &mut self.bytes)?;
            self.sector = Some(sector);
        }
        let at = to_usize(offset - sector);
        Ok(self.bytes[at..at + SLOT].try_into().expect("a slot has 32 bytes and lies in one sector"))
    }
}
