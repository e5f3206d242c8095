//! Inodes that are gone, and live ones that once had other blocks: what each of them had, and when.
//!
//! A slot that is used again holds another inode, with another generation or time of birth. Between these, all images
//! of a slot are one life.

use std::collections::HashMap;

use block::{BlockRead, Extent, ExtentSet, Result, field::Le32, is_zero, to_u64, to_usize};

use super::{MAX_ALIKE, MAX_LIVES, MAX_NODES, MAX_RUNS, copies::Copies};
use crate::{
    FileKind, InodeId,
    ext::{
        Ext,
        group::{self, Group},
        inode::{self, EXTRA_ISIZE, GENERATION, Inode},
    },
};

/// i_crtime, if i_extra_isize reaches so far.
const CRTIME: Le32 = Le32(0x90);
/// Bytes of a table read at once.
const PIECE: u64 = 256 * 1024;

/// Blocks of the filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: u64,
    pub(super) count: u64,
    /// How new the word for it is: a slot's time of deletion, or the order of a copy, which counts as newer.
    pub(super) rank: u64,
    /// The oldest copy of the inode with it; 0 for none.
    first: u32,
}

/// The rank of what a copy of that order says.
fn rank(order: u32) -> u64 {
    (1 << 32) + u64::from(order)
}

impl Run {
    /// How far a time is from when the file had it.
    pub(super) fn distance(&self, order: u32) -> u32 {
        match u32::try_from(self.rank.saturating_sub(1 << 32)) {
            Ok(last) if self.first != 0 => self.first.saturating_sub(order).max(order.saturating_sub(last)),
            _ => u32::MAX,
        }
    }
}

/// An inode from its creation to its end.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) number: u64,
    pub(super) kind: FileKind,
    /// It has not ended; only blocks that it has no more are in `runs`.
    pub(super) in_use: bool,
    /// The oldest and the newest image in the journal; 0 for none.
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) runs: Vec<Run>,
    /// `last` is an image with links.
    seen_alive: bool,
}

impl Life {
    /// How far apart a time and a life are.
    pub(super) fn distance(&self, first: u32, last: u32) -> u32 {
        let end = if self.in_use { u32::MAX } else { self.last };
        self.first.saturating_sub(last).max(first.saturating_sub(end))
    }
}

/// What one image of a slot says.
#[derive(Debug, Clone)]
struct Image {
    /// The life that it belongs to, by its index.
    life: usize,
    /// It has links; else it is the image of a slot that waits for its next inode.
    alive: bool,
    /// First block and how many.
    runs: Vec<(u64, u64)>,
}

/// All of them, and where to find those of one number.
#[derive(Debug, Default)]
pub(super) struct Lives {
    pub(super) gone: Vec<Life>,
    by_identity: HashMap<(u64, u32, u32), usize>,
    by_number: HashMap<u64, Vec<usize>>,
    runs: usize,
    /// Blocks of maps that were read.
    nodes: usize,
}

impl Lives {
    /// Those of an inode number, by their index.
    pub(super) fn of(&self, number: u64) -> impl Iterator<Item = (usize, &Life)> {
        self.by_number.get(&number).into_iter().flatten().map(|&index| (index, &self.gone[index]))
    }

    /// The life that an image belongs to, by its index; `None` if there are too many.
    fn index_of(&mut self, image: &Inode, kind: FileKind, in_use: bool) -> Option<usize> {
        let (generation, born) = identity(&image.raw);
        let key = (image.number, generation, born);
        if let Some(&index) = self.by_identity.get(&key) {
            return Some(index);
        }
        let index = self.gone.len();
        if index >= MAX_LIVES {
            return None;
        }
        let alike = self.by_number.entry(image.number).or_default();
        if alike.len() >= MAX_ALIKE {
            return None;
        }
        alike.push(index);
        self.by_identity.insert(key, index);
        let number = image.number;
        self.gone.push(Life { number, kind, in_use, first: 0, last: 0, runs: Vec::new(), seen_alive: false });
        Some(index)
    }

    /// Takes note that a life had these blocks then.
    fn add(&mut self, image: &Image, order: u32, rank: u64) {
        let life = &mut self.gone[image.life];
        life.first = if life.first == 0 { order } else { life.first.min(order) };
        // A dead image may be much newer than the end. It counts only if there is no other.
        if life.last == 0 || (image.alive && !life.seen_alive) {
            life.last = order;
        } else if image.alive == life.seen_alive {
            life.last = life.last.max(order);
        }
        life.seen_alive |= image.alive;
        for &(start, count) in &image.runs {
            // The images of one slot come one after the other, so what stays the same is among the last.
            match life.runs.iter_mut().rev().take(16).find(|run| (run.start, run.count) == (start, count)) {
                Some(run) => {
                    run.rank = run.rank.max(rank);
                    run.first = if run.first == 0 { order } else { run.first.min(order) };
                }
                None if self.runs < MAX_RUNS => {
                    self.runs += 1;
                    life.runs.push(Run { start, count, rank, first: order });
                }
                None => {}
            }
        }
    }
}

/// Told of a slot's index in its group, its bytes, and whether it is in use.
type VisitSlot<'a> = dyn FnMut(u64, &[u8], bool) -> Result<()> + 'a;

/// Generation and time of birth.
fn identity(raw: &[u8]) -> (u32, u32) {
    let born = if raw.len() > 128 && EXTRA_ISIZE.get(raw) >= 20 { CRTIME.get(raw) } else { 0 };
    (GENERATION.get(raw), born)
}

impl<D: BlockRead> Ext<D> {
    /// Visits the slots of a group that may have been used: index, bytes, and whether it is in use now.
    pub(super) fn visit_slots(&self, group: &Group, visit: &mut VisitSlot<'_>) -> Result<()> {
        if group.inode_uninit() {
            return Ok(());
        }
        let bits = self.inode_bitmap(group)?;
        let (used, size) = (group.used_inodes(&self.layout), self.layout.inode_size);
        let (start, per_piece) = (group.inode_table() * self.layout.block_size, PIECE / size);
        let mut first = 0;
        while first < used {
            let count = per_piece.min(used - first);
            let mut piece = vec![0; to_usize(count * size)];
            self.device.read_at(start + first * size, &mut piece)?;
            for (index, raw) in (first..).zip(piece.chunks_exact(to_usize(size))) {
                visit(index, raw, group::bit(&bits, index))?;
            }
            first += count;
        }
        Ok(())
    }

    /// The number of a slot; `None` for a reserved inode other than the root.
    pub(super) fn number_of(&self, group: u64, index: u64) -> Option<u64> {
        let number = group * self.layout.inodes_per_group + index + 1;
        (number >= self.layout.first_inode || number == inode::ROOT).then_some(number)
    }

    /// All lives that the inode tables and their copies in the journal tell of.
    pub(super) fn lives(&self, copies: &Copies, free: &ExtentSet) -> Result<Lives> {
        let mut lives = Lives::default();
        let mut tables = Vec::new();
        for number in 0..self.layout.groups {
            let group = self.group(number)?;
            let table = group.inode_table();
            if !copies.within(table, table + self.layout.inode_table_blocks()).is_empty() {
                tables.push((table, number));
            }
            self.visit_slots(&group, &mut |index, raw, in_use| {
                let Some(number) = self.number_of(number, index).filter(|_| !in_use) else { return Ok(()) };
                if let Some(image) = self.image(number, raw, None, copies, &mut lives)? {
                    lives.add(&image, 0, u64::from(inode::DTIME.get(raw)));
                }
                Ok(())
            })?;
        }
        tables.sort_unstable();
        for all in copies.by_block() {
            let block = all[0].block;
            let at = tables.partition_point(|&(table, _)| table <= block);
            let Some(&(table, number)) = at.checked_sub(1).and_then(|at| tables.get(at)) else { continue };
            if block - table < self.layout.inode_table_blocks() {
                self.table_block(number, block - table, all, copies, free, &mut lives)?;
            }
        }
        Ok(lives)
    }

    /// All copies of one block of a group's inode table.
    fn table_block(
        &self,
        number: u64,
        block: u64,
        all: &[crate::ext::journal::Copy],
        copies: &Copies,
        free: &ExtentSet,
        lives: &mut Lives,
    ) -> Result<()> {
        let group = self.group(number)?;
        let bits = self.inode_bitmap(&group)?;
        let size = to_usize(self.layout.inode_size);
        let per_block = self.layout.block_size / self.layout.inode_size;
        let now = self.read_block(group.inode_table() + block)?;
        let mut before = Vec::new();
        let mut known: Vec<Option<Image>> = vec![None; to_usize(per_block)];
        // The newest first: if there are too many, it is the oldest that are left out.
        for copy in all.iter().rev() {
            let order = copies.order(copy);
            let then = self.read_copy(copy)?;
            for (slot, raw) in (0..per_block).zip(then.chunks_exact(size)) {
                let index = block * per_block + slot;
                let Some(number) =
                    self.number_of(number, index).filter(|_| index < self.layout.inodes_per_group)
                else {
                    continue;
                };
                let bytes = to_usize(slot) * size..(to_usize(slot) + 1) * size;
                let known = &mut known[to_usize(slot)];
                if before.get(bytes.clone()) != Some(raw) {
                    let present = group::bit(&bits, index).then(|| &now[bytes]);
                    *known = self.image(number, raw, Some((order, present)), copies, lives)?;
                    if let Some(image) = known.as_mut().filter(|image| lives.gone[image.life].in_use) {
                        image.runs = self.only_free(&image.runs, free);
                    }
                } else if known.as_ref().is_some_and(|image| !image.alive) {
                    // The slot lies there unused: nothing new of the inode that was in it.
                    continue;
                }
                if let Some(image) = known {
                    lives.add(image, order, rank(order));
                }
            }
            before = then;
        }
        Ok(())
    }

    /// One image of an inode: of a dead slot, or of the journal, with its order and what the slot holds now.
    fn image(
        &self,
        number: u64,
        raw: &[u8],
        copy: Option<(u32, Option<&[u8]>)>,
        copies: &Copies,
        lives: &mut Lives,
    ) -> Result<Option<Image>> {
        if is_zero(raw) {
            return Ok(None);
        }
        let Some(image) = super::told(self.parse_inode(number, raw.to_vec(), 0))? else { return Ok(None) };
        let Some(kind) = image.kind() else { return Ok(None) };
        let present = copy.and_then(|(_, present)| present);
        let in_use = present.is_some_and(|now| identity(now) == identity(raw));
        let Some(life) = lives.index_of(&image, kind, in_use) else { return Ok(None) };
        let mut left = MAX_NODES.saturating_sub(lives.nodes);
        // A slot's own map is from before its end, whenever the journal was written. What a file has now is not gone.
        let order = copy.map_or(u32::MAX, |(order, _)| order);
        let runs = if present == Some(raw) {
            Vec::new()
        } else {
            self.former_runs(&image, copies, order, &mut left)?
        };
        lives.nodes = MAX_NODES - left;
        Ok(Some(Image { life, alive: image.links() > 0, runs }))
    }

    /// What the same file has no more.
    fn only_free(&self, runs: &[(u64, u64)], free: &ExtentSet) -> Vec<(u64, u64)> {
        let size = self.layout.block_size;
        let parts = |&(start, count): &(u64, u64)| {
            free.parts(Extent { start: start * size, len: count * size }).collect::<Vec<_>>()
        };
        runs.iter().flat_map(parts).map(|part| (part.start / size, part.len / size)).collect()
    }

    /// A directory that is in use; `None` if that number is something else.
    pub(super) fn live_directory(&self, number: u64) -> Result<Option<Inode>> {
        let (group, index) = match number.checked_sub(1) {
            Some(_) if number <= self.layout.inodes => self.layout.inode_place(number),
            _ => return Ok(None),
        };
        let bits = self.inode_bitmap(&self.group(group)?)?;
        if !group::bit(&bits, index) {
            return Ok(None);
        }
        super::told(self.directory(InodeId(number)))
    }
}

/// So many bytes a life takes, that all of them stay below a hundred megabytes.
const _: () = assert!(size_of::<Life>() <= 64 && to_u64(MAX_LIVES) * 64 <= 100 << 20);
