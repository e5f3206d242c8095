//! Deleted files: their directory entries, which keep all but the first byte of the 8.3 name, the first cluster and
//! the size.
//!
//! The chain is gone from the FAT. As is usual, a deleted file is taken to have had the free clusters from its first
//! one on, end to end, as many as its size asks for, up to the first that is in use. If two claim a cluster, the one
//! that was written last has it.
//!
//! The name is the long one if its parts lie right before the entry and have its checksum; that one byte of the 8.3
//! name is lost makes no difference, since the checksum tells it. Else it is the 8.3 name with `?` in its place.

use std::{collections::HashSet, rc::Rc};

use block::{BlockRead, Extent, Object, Result, to_u64};

use super::{
    Fat,
    boot::SLOT,
    directory::{
        DELETED, DIR_ATTR, DIR_NAME, Item, LDIR_CHKSUM, LDIR_NAME, LONG_NAME, Node, Slot, VOLUME_ID,
    },
    name,
    table::{Link, Table},
};
use crate::{
    FormerFile, InodeId, Past,
    history::{Held, settle},
};

/// Deleted files that are remembered.
const MAX_FILES: usize = 1 << 18;
/// Bytes of all their paths.
const MAX_PATHS: usize = 32 << 20;
/// Bytes of a path.
const MAX_PATH: usize = 4096;
/// Parts of a long name.
const MAX_PARTS: usize = 20;

/// A deleted file, and where it is taken to have lain.
struct Deleted {
    inode: InodeId,
    path: Vec<u8>,
    extent: Extent,
    written: u32,
}

struct Search<'a, D> {
    table: Table<'a, D>,
    deleted: Vec<Deleted>,
    bytes: usize,
    /// First clusters of deleted directories that were looked into.
    seen: HashSet<u32>,
    /// Clusters of deleted directories to look into, with their paths.
    inside: Vec<(Extent, Vec<u8>)>,
    /// Entries of the FAT that may still be looked at: many files could claim one long run.
    steps: u64,
}

/// The parts of a long name right before an entry, in the order on disk.
#[derive(Default)]
struct Slots {
    parts: Vec<Slot>,
    /// The first byte of the entry, if it is known.
    first: Option<u8>,
}

impl Slots {
    fn push(&mut self, slot: &Slot) {
        if self.parts.len() >= MAX_PARTS {
            self.parts.remove(0);
        }
        self.parts.push(*slot);
    }

    /// The name of the deleted entry `slot`; the next one starts anew.
    fn name(&mut self, slot: &Slot) -> Vec<u8> {
        let (parts, first) = (std::mem::take(&mut self.parts), self.first);
        let mut short = *slot;
        let long = long_name(&parts, DIR_NAME.get(slot));
        short[0] = first.unwrap_or(b'?');
        let of = Object::the("directory entry");
        long.or_else(|| name::short(of, &short).ok()).unwrap_or_else(|| b"?".to_vec())
    }
}

/// The long name that `parts` end with, if it is that of an entry with this 8.3 name, whose first byte is lost.
fn long_name(parts: &[Slot], mut short: [u8; 11]) -> Option<Vec<u8>> {
    let sum = LDIR_CHKSUM.get(parts.last()?);
    let mut units: Vec<u16> = Vec::new();
    // The numbers of the parts are lost, too. The nearest one is the first; the last one is not full, or the last
    // that has the same checksum.
    for part in parts.iter().rev().take_while(|part| LDIR_CHKSUM.get(*part) == sum) {
        units.extend(LDIR_NAME.map(|unit| unit.get(part)));
        if units.contains(&0) {
            break;
        }
    }
    // Exactly one byte gives the checksum; a part of another name would hardly give one that 8.3 names have.
    let fits = |byte: &u8| {
        short[0] = *byte;
        name::checksum(&short) == sum
    };
    let first = (0..=u8::MAX).find(fits)?;
    let allowed = first.is_ascii_uppercase() || first.is_ascii_digit() || first >= 0x80 || first == 0x05;
    if !allowed && !b"!#$%&'()-@^_`{}~".contains(&first) {
        return None;
    }
    name::long(Object::the("directory entry"), &units).ok()
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    [path, b"/", name].concat()
}

impl<D: BlockRead> Fat<D> {
    pub(super) fn visit_history(&self, visit: &mut dyn FnMut(Past) -> Result<()>) -> Result<()> {
        let table = Table::new(&self.device, &self.geometry);
        let steps = 8 * u64::from(self.geometry.clusters) + (1 << 20);
        let mut search =
            Search { table, deleted: Vec::new(), bytes: 0, seen: HashSet::new(), inside: Vec::new(), steps };
        // The tree has no loop, and no depth without end: `Fat::open` saw to that.
        let mut pending: Vec<(Node, Rc<[u8]>)> = vec![(self.root_node(), Rc::from([]))];
        while let Some((node, path)) = pending.pop() {
            let mut slots = Slots::default();
            self.items(&node, &self.directory_chain(&node)?, &mut |item| {
                match item {
                    Item::Name(named) if named.node.is_dir => {
                        pending.push((named.node, join(&path, &named.name).into()));
                        slots.parts.clear();
                    }
                    Item::Residue(offset) => {
                        let mut slot = [0; SLOT];
                        self.device.read_at(offset, &mut slot)?;
                        self.slot(offset, &slot, &path, &mut slots, &mut search)?;
                    }
                    _ => slots.parts.clear(),
                }
                Ok(())
            })?;
        }
        while let Some((extent, path)) = search.inside.pop() {
            self.inside(extent, &path, &mut search)?;
        }
        let held = (0..).zip(&search.deleted).map(|(owner, deleted)| Held {
            extent: deleted.extent,
            rank: deleted.written.into(),
            owner,
        });
        let mut extents: Vec<Vec<Extent>> = vec![Vec::new(); search.deleted.len()];
        for (owner, extent) in settle(held.collect()) {
            extents[block::to_usize(owner.into())].push(extent);
        }
        for (deleted, extents) in search.deleted.into_iter().zip(extents).filter(|(_, all)| !all.is_empty()) {
            let Deleted { inode, path, .. } = deleted;
            visit(Past::Former(FormerFile { inode, path: Some(path), deleted: true, extents }))?;
        }
        Ok(())
    }

    /// A slot of a directory at `path` that is in no use.
    fn slot(
        &self,
        offset: u64,
        slot: &Slot,
        path: &[u8],
        slots: &mut Slots,
        search: &mut Search<'_, D>,
    ) -> Result<()> {
        let attributes = DIR_ATTR.get(slot);
        if slot[0] != DELETED {
            slots.parts.clear();
        } else if attributes == LONG_NAME {
            slots.push(slot);
        } else if attributes & VOLUME_ID != 0 {
            slots.parts.clear();
        } else {
            let name = slots.name(slot);
            self.found(offset, slot, join(path, &name), search)?;
        }
        Ok(())
    }

    /// A deleted entry.
    fn found(&self, offset: u64, slot: &Slot, path: Vec<u8>, search: &mut Search<'_, D>) -> Result<()> {
        let geometry = &self.geometry;
        let node = Node::parse(geometry.kind, offset, slot);
        if !geometry.has_cluster(node.first) || path.len() > MAX_PATH {
            return Ok(());
        }
        // A directory does not tell its size.
        let wanted = if node.is_dir { 1 } else { u64::from(node.size).div_ceil(geometry.cluster) };
        let mut count = 0;
        let mut number = node.first;
        while count < wanted
            && search.steps > 0
            && geometry.has_cluster(number)
            && search.table.link(number)? == Link::Free
        {
            search.steps -= 1;
            count += 1;
            number += 1;
        }
        let room = search.deleted.len() < MAX_FILES && search.bytes + path.len() <= MAX_PATHS;
        if count == 0 || !room {
            return Ok(());
        }
        let start = geometry.cluster_start(node.first);
        let extent = Extent { start, len: count * geometry.cluster };
        search.bytes += path.len();
        search.deleted.push(Deleted {
            inode: InodeId(offset),
            path: path.clone(),
            extent,
            written: node.written,
        });
        if node.is_dir && search.seen.insert(node.first) {
            search.inside.push((extent, path));
        }
        Ok(())
    }

    /// The first cluster of a deleted directory, if it still is one. All in it counts as deleted.
    fn inside(&self, extent: Extent, path: &[u8], search: &mut Search<'_, D>) -> Result<()> {
        let mut cluster = vec![0; block::to_usize(extent.len)];
        self.device.read_at(extent.start, &mut cluster)?;
        let (found, _) = cluster.as_chunks::<SLOT>();
        let [dot, dots, rest @ ..] = found else { return Ok(()) };
        if &DIR_NAME.get(dot) != b".          " || &DIR_NAME.get(dots) != b"..         " {
            return Ok(());
        }
        let mut slots = Slots::default();
        for (slot, offset) in rest.iter().zip((extent.start + 2 * to_u64(SLOT)..).step_by(SLOT)) {
            if slot[0] == 0 {
                break;
            }
            // Names that outlived their directory: deleted with it.
            let mut slot = *slot;
            slots.first = (slot[0] != DELETED).then_some(slot[0]);
            slot[0] = DELETED;
            self.slot(offset, &slot, path, &mut slots, search)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use block::field::{Le16, U8};

    fn part(name: &[u16], sum: u8) -> Slot {
        let mut slot = [0xff; SLOT];
        slot[0] = DELETED;
        U8(13).set(&mut slot, sum);
        for (unit, &value) in LDIR_NAME.iter().zip(name) {
            Le16(unit.0).set(&mut slot, value);
        }
        slot
    }

    #[test]
    fn the_lost_byte_does_not_lose_the_long_name() {
        let sum = name::checksum(b"SECRET~1TXT");
        let units: Vec<u16> = "secret-of-old.txt".encode_utf16().chain([0]).collect();
        let parts = [part(&units[13..], sum), part(&units[..13], sum)];
        assert_eq!(long_name(&parts, *b"\xe5ECRET~1TXT").unwrap(), b"secret-of-old.txt");
        assert_eq!(long_name(&parts[..1], *b"\xe5ECRET~1TXT").unwrap(), b".txt", "what is left of it");
        assert_eq!(long_name(&[], *b"\xe5ECRET~1TXT"), None);
        let other = [part(&units[13..], sum ^ 1), part(&units[..13], sum)];
        assert_eq!(
            long_name(&other, *b"\xe5ECRET~1TXT").unwrap(),
            b"secret-of-old",
            "a part of another name"
        );
        assert_eq!(long_name(&[part(&units, name::checksum(b"\x01ECRET~1TXT"))], *b"\xe5ECRET~1TXT"), None);
    }
}
