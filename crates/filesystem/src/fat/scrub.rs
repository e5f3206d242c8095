//! Scrub: residue inside what is live. Deleted names, stale slots, leftovers behind long names, FSInfo, FATs.
//!
//! Slots behind a directory's last name become zero; those before it keep their `0xe5`, since a `0x00` would
//! hide the names that follow. Names, their order and their offsets stay.

use block::{BlockWrite, Result, to_u64};

use super::{
    Fat,
    boot::{FSI_RESERVED, Kind, SECTOR, SLOT},
    directory::{DELETED, Item, Node, Slot, pad},
    table::{ClusterSet, Run},
};

fn not_zero(bytes: &[u8]) -> u64 {
    to_u64(bytes.iter().filter(|&&byte| byte != 0).count())
}

/// What is to be done about a slot.
enum Repair {
    /// It is free, and no name follows.
    Zero(u64),
    /// It is free.
    Delete(u64),
    /// Part of a long name: the offset, which part (0 holds the beginning), and where the name ends.
    Pad(u64, usize, usize),
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
        Ok(wiped + self.scrub_info()? + self.scrub_fats()?)
    }

    fn scrub_directory(&mut self, dir: &Node, chain: &[Run]) -> Result<u64> {
        // How many residue slots come before the last slot in use.
        let (mut seen, mut before_last) = (0u64, 0);
        self.items(dir, chain, &mut |item| {
            match item {
                Item::Residue(_) => seen += 1,
                Item::Free(_) => {}
                Item::Name(_) | Item::Label(_) | Item::Other => before_last = seen,
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
                }
                Item::Label(_) | Item::Other => {}
            }
            Ok(())
        })?;
        repairs.into_iter().try_fold(0, |wiped, repair| Ok(wiped + self.repair(&repair)?))
    }

    fn repair(&mut self, repair: &Repair) -> Result<u64> {
        let (Repair::Zero(offset) | Repair::Delete(offset) | Repair::Pad(offset, ..)) = *repair;
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
        };
        if new != old {
            self.device.write_at(offset, &new)?;
        }
        Ok(wiped)
    }

    /// The reserved parts of FSInfo and of its copy.
    fn scrub_info(&mut self) -> Result<u64> {
        let mut wiped = 0;
        let sectors: Vec<u64> = self.geometry.info_sectors().collect();
        for offset in sectors {
            let Some(mut info) = self.info(offset)? else { continue };
            for (start, end) in FSI_RESERVED {
                wiped += not_zero(&info[start..end]);
                info[start..end].fill(0);
            }
            self.device.write_at(offset, &info)?;
            let behind = usize::try_from(self.geometry.sector).expect("at most 4096") - SECTOR;
            let mut rest = vec![0; behind];
            self.device.read_at(offset + to_u64(SECTOR), &mut rest)?;
            wiped += not_zero(&rest);
            rest.fill(0);
            self.device.write_at(offset + to_u64(SECTOR), &rest)?;
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
