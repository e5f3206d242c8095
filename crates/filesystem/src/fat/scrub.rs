//! Scrub: residue inside what is live. Deleted names, stale slots, leftovers behind long names, FSInfo, FATs.
//!
//! Slots behind a directory's last name become zero; those before it keep their `0xe5`, since a `0x00` would
//! hide the names that follow. Names, their order and their offsets stay.

use std::ops::Range;

use block::{BlockRead, BlockWrite, Result, to_u64, to_usize};

use super::{
    Fat,
    boot::{FSI_RESERVED, Kind, RESERVED32, SECTOR, SLOT},
    directory::{DELETED, Item, Node, Slot, is_label, pad},
    table::{ClusterSet, Run},
};

fn not_zero(bytes: &[u8]) -> u64 {
    to_u64(bytes.iter().filter(|&&byte| byte != 0).count())
}

/// Bytes without a use in a slot: of a part of a long name, its type and its first cluster.
const PART: [Range<usize>; 2] = [12..13, 26..28];
/// Of a volume label: first cluster and size.
const LABEL: [Range<usize>; 2] = [20..22, 26..32];
/// Of a directory: its size.
const DIRECTORY: [Range<usize>; 2] = [28..30, 30..32];
/// Of any entry, but on FAT32: the upper half of the first cluster.
const NARROW: [Range<usize>; 2] = [20..21, 21..22];

/// What is to be done about a slot.
enum Repair {
    /// It is free, and no name follows.
    Zero(u64),
    /// It is free.
    Delete(u64),
    /// Part of a long name: the offset, which part (0 holds the beginning), and where the name ends.
    Pad(u64, usize, usize),
    /// These bytes of it have no use.
    Fields(u64, [Range<usize>; 2]),
}

impl<D: BlockRead> Fat<D> {
    /// What the entry of a file or directory has no use for.
    fn fields(&self, offset: u64, is_dir: bool, repairs: &mut Vec<Repair>) {
        if is_dir {
            repairs.push(Repair::Fields(offset, DIRECTORY));
        }
        if self.geometry.kind != Kind::Fat32 {
            repairs.push(Repair::Fields(offset, NARROW));
        }
    }
}

impl<D: BlockWrite> Fat<D> {
    pub(super) fn scrub_all(&mut self) -> Result<u64> {
        let mut directories = Vec::new();
        self.walk(self.root_node(), &mut ClusterSet::new(&self.geometry), &mut |_, node, chain| {
            if node.is_dir {
                directories.push((*node, chain.to_vec()));
            }
            Ok(())
        })?;
        let mut wiped = 0;
        for (dir, chain) in directories {
            wiped += self.scrub_directory(&dir, &chain)?;
        }
        Ok(wiped + self.scrub_boot()? + self.scrub_info()? + self.scrub_fats()?)
    }

    fn scrub_directory(&mut self, dir: &Node, chain: &[Run]) -> Result<u64> {
        // How many residue slots come before the last slot in use.
        let (mut seen, mut before_last) = (0u64, 0);
        self.items(dir, chain, &mut |item| {
            match item {
                Item::Residue(_) => seen += 1,
                Item::Free(_) => {}
                Item::Name(_) | Item::Label(..) | Item::Other(_) => before_last = seen,
            }
            Ok(())
        })?;
        let (mut repairs, mut seen) = (Vec::new(), 0u64);
        self.items(dir, chain, &mut |item| {
            match item {
                Item::Residue(offset) => {
                    seen += 1;
                    let keep_mark = seen <= before_last;
                    repairs.push(if keep_mark { Repair::Delete(offset) } else { Repair::Zero(offset) });
                }
                Item::Free(offset) => repairs.push(Repair::Zero(offset)),
                Item::Name(named) => {
                    if let Some(end) = named.unpadded {
                        let parts = named.parts.iter().rev().enumerate();
                        repairs.extend(parts.map(|(part, &offset)| Repair::Pad(offset, part, end)));
                    }
                    repairs.extend(named.parts.iter().map(|&offset| Repair::Fields(offset, PART)));
                    self.fields(named.node.inode.0, named.node.is_dir, &mut repairs);
                }
                Item::Label(offset, _) => repairs.push(Repair::Fields(offset, LABEL)),
                Item::Other(offset) => {
                    let mut slot: Slot = [0; SLOT];
                    self.device.read_at(offset, &mut slot)?;
                    if is_label(&slot) {
                        repairs.push(Repair::Fields(offset, LABEL));
                    } else {
                        self.fields(offset, true, &mut repairs);
                    }
                }
            }
            Ok(())
        })?;
        repairs.into_iter().try_fold(0, |wiped, repair| Ok(wiped + self.repair(&repair)?))
    }

    fn repair(&mut self, repair: &Repair) -> Result<u64> {
        let (Repair::Zero(offset)
        | Repair::Delete(offset)
        | Repair::Pad(offset, ..)
        | Repair::Fields(offset, _)) = *repair;
        let mut old: Slot = [0; SLOT];
        self.device.read_at(offset, &mut old)?;
        let mut new = [0; SLOT];
        let wiped = match *repair {
            Repair::Zero(_) => not_zero(&old),
            Repair::Delete(_) => {
                new[0] = DELETED;
                not_zero(&old[1..]) + u64::from(old[0] != DELETED)
            }
            Repair::Pad(_, part, end) => {
                new = old;
                pad(&mut new, part, end)
            }
            Repair::Fields(_, ref ranges) => {
                new = old;
                ranges.iter().for_each(|range| new[range.clone()].fill(0));
                not_zero(&old) - not_zero(&new)
            }
        };
        if new != old {
            self.device.write_at(offset, &new)?;
        }
        Ok(wiped)
    }

    /// The reserved field of FAT32's boot sector and of its backup, and what lies behind the first 512 bytes.
    fn scrub_boot(&mut self) -> Result<u64> {
        let mut wiped = 0;
        let wide = self.geometry.kind == Kind::Fat32;
        for offset in [Some(0), self.geometry.backup].into_iter().flatten() {
            if wide {
                let field = RESERVED32;
                wiped += self.wipe_at(offset + to_u64(field.start), to_u64(field.len()))?;
            }
            wiped += self.wipe_at(offset + to_u64(SECTOR), self.geometry.sector - to_u64(SECTOR))?;
        }
        Ok(wiped)
    }

    /// Zeroes bytes of the volume, at most a sector.
    fn wipe_at(&mut self, offset: u64, len: u64) -> Result<u64> {
        let mut bytes = vec![0; to_usize(len)];
        self.device.read_at(offset, &mut bytes)?;
        let wiped = not_zero(&bytes);
        if wiped > 0 {
            bytes.fill(0);
            self.device.write_at(offset, &bytes)?;
        }
        Ok(wiped)
    }

    /// The reserved parts of FSInfo and of its copy; all of a sector that should be one and is not.
    fn scrub_info(&mut self) -> Result<u64> {
        let mut wiped = 0;
        let sectors: Vec<u64> = self.geometry.info_sectors().collect();
        for offset in sectors {
            let Some(mut info) = self.info(offset)? else {
                if offset != 0 && self.geometry.backup != Some(offset) {
                    wiped += self.wipe_at(offset, self.geometry.sector)?;
                }
                continue;
            };
            for (start, end) in FSI_RESERVED {
                wiped += not_zero(&info[start..end]);
                info[start..end].fill(0);
            }
            self.device.write_at(offset, &info)?;
            wiped += self.wipe_at(offset + to_u64(SECTOR), self.geometry.sector - to_u64(SECTOR))?;
        }
        Ok(wiped)
    }

    /// All FATs become like the active one. On FAT12, the half byte behind the last entry becomes zero.
    fn scrub_fats(&mut self) -> Result<u64> {
        let mut wiped = 0;
        let geometry = &self.geometry;
        if geometry.kind == Kind::Fat12 && geometry.clusters % 2 == 1 {
            let offset = geometry.fat_start(geometry.active) + geometry.fat_used() - 1;
            let mut last = [0];
            self.device.read_at(offset, &mut last)?;
            if last[0] & 0xf0 != 0 {
                wiped += 1;
                self.device.write_at(offset, &[last[0] & 0x0f])?;
            }
        }
        for (piece, which) in self.copies() {
            if let Some((copy, active)) = self.difference(piece, which)? {
                let stale = copy.iter().zip(&active).filter(|(old, new)| old != new && **old != 0);
                wiped += to_u64(stale.count());
                self.device.write_at(self.geometry.fat_start(which) + piece.start, &active)?;
            }
        }
        self.copies_differ = false;
        Ok(wiped)
    }
}
