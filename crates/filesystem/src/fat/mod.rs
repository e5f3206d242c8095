//! FAT12, FAT16 and FAT32 with long names: the filesystem of EFI system partitions.
//!
//! A filesystem that opens has a directory tree without loops, at most 512 levels deep. Every chain that is
//! followed ends, and stays inside the filesystem; its length and memory are bounded by the clusters there are,
//! which are bounded by the device. Clusters are never moved, so that block lists of boot loaders (syslinux)
//! stay valid.
//!
//! An inode is the offset of its 8.3 directory entry; the root directory has none and is inode 0.
//!
//! Source: Microsoft FAT specification 1.03 (fatgen103); dosfstools and Linux where they are stricter or where
//! it is silent. The first `0x00` slot ends a directory, as the specification says; Linux and fsck.fat skip it
//! and read on, but no writer puts a name behind it. Clusters of such a name count as lost.

mod boot;
mod claims;
mod directory;
mod edit;
mod history;
mod name;
mod scrub;
mod table;
mod tails;

use std::sync::{Arc, Mutex, PoisonError};

use block::{BlockRead, Extent, ExtentSet, Object, Result, to_u64, to_usize};

use crate::{Change, Claim, Entry, FileKind, Filesystem, InodeId, Metadata, Past, Summary, Tail, Target};
pub use name::letter as cp437_letter;

use boot::{Geometry, Kind};
use directory::{Item, Node, READ_ONLY};
use table::{FAT, Table};

/// A FAT filesystem on a device.
#[derive(Debug)]
pub struct Fat<D> {
    device: D,
    geometry: Geometry,
    /// The label in the root directory, or else in the boot sector.
    label: String,
    dirty: bool,
    copies_differ: bool,
    /// How many clusters are free, once an edit had to know.
    free_count: Option<u64>,
    /// Where the file read last lies, so that reading on does not follow its chain again.
    last_read: Mutex<Option<(InodeId, Arc<[Piece]>)>>,
}

impl<D: BlockRead> Fat<D> {
    /// Checks the boot sector and the directory tree.
    ///
    /// # Errors
    /// `Unsupported` for exFAT, NTFS and BitLocker; `Corrupt` with the object at fault.
    pub fn open(device: D) -> Result<Self> {
        let geometry = Geometry::read(&device)?;
        let mut fat = Self {
            device,
            geometry,
            label: String::new(),
            dirty: false,
            copies_differ: false,
            free_count: None,
            last_read: Mutex::new(None),
        };
        fat.check_tree()?;
        fat.label = fat.find_label()?;
        fat.dirty = fat.geometry.dirty || !fat.clean_shutdown()?;
        fat.copies_differ = fat.find_differing_copies()?;
        Ok(fat)
    }

    /// The device it lies on.
    pub fn device(&self) -> &D {
        &self.device
    }

    fn find_label(&self) -> Result<String> {
        let root = self.root_node();
        let mut label = None;
        self.items(&root, &self.directory_chain(&root)?, &mut |item| {
            if let Item::Label(_, raw) = item {
                label.get_or_insert(raw);
            }
            Ok(())
        })?;
        let raw = label.or(self.geometry.label).filter(|raw| raw != b"NO NAME    ");
        Ok(raw.map(name::label).unwrap_or_default())
    }

    /// The clean shutdown bit in the entry of cluster 1. FAT12 has none.
    fn clean_shutdown(&self) -> Result<bool> {
        let flags = Table::new(&self.device, &self.geometry).raw(1)?;
        Ok(clean_bit(self.geometry.kind).is_none_or(|bit| flags & bit != 0))
    }

    fn find_differing_copies(&self) -> Result<bool> {
        for (piece, which) in self.copies() {
            if self.difference(piece, which)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The pieces of each FAT that is not the active one: bytes of the FAT, and its number.
    fn copies(&self) -> impl Iterator<Item = (Extent, u64)> + use<D> {
        const PIECE: u64 = 256 << 10;
        let (used, fats, active) = (self.geometry.fat_used(), self.geometry.fats, self.geometry.active);
        (0..used.div_ceil(PIECE)).flat_map(move |index| {
            let piece = Extent::between(index * PIECE, (index * PIECE + PIECE).min(used));
            (0..fats).filter(move |&which| which != active).map(move |which| (piece, which))
        })
    }

    /// A piece of a FAT, and the same piece of the active one, if they differ.
    fn difference(&self, piece: Extent, which: u64) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        let (mut copy, mut active) = (vec![0; to_usize(piece.len)], vec![0; to_usize(piece.len)]);
        self.device.read_object(FAT, self.geometry.fat_start(which) + piece.start, &mut copy)?;
        let start = self.geometry.fat_start(self.geometry.active) + piece.start;
        self.device.read_object(FAT, start, &mut active)?;
        Ok((copy != active).then_some((copy, active)))
    }

    /// Where the content of a file lies; the last one asked for is remembered.
    fn content(&self, file: &Node) -> Result<Arc<[Piece]>> {
        let mut last = self.last_read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((inode, pieces)) = &*last
            && *inode == file.inode
        {
            return Ok(Arc::clone(pieces));
        }
        let mut start = 0;
        let piece = |extent: Extent| {
            let piece = Piece { start, extent };
            start += extent.len;
            piece
        };
        let pieces: Arc<[Piece]> = self.extents(&self.file_chain(file)?).into_iter().map(piece).collect();
        *last = Some((file.inode, Arc::clone(&pieces)));
        Ok(pieces)
    }
}

/// Where bytes of a file lie.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// The first, in the file.
    start: u64,
    /// All, on the volume.
    extent: Extent,
}

/// The bit in the entry of cluster 1 that is clear while the volume is mounted.
fn clean_bit(kind: Kind) -> Option<u32> {
    match kind {
        Kind::Fat12 => None,
        Kind::Fat16 => Some(0x8000),
        Kind::Fat32 => Some(0x0800_0000),
    }
}

impl<D: BlockRead> Filesystem for Fat<D> {
    fn summary(&self) -> Result<Summary> {
        let feature = match self.geometry.kind {
            Kind::Fat12 => "FAT12",
            Kind::Fat16 => "FAT16",
            Kind::Fat32 => "FAT32",
        };
        let mut notes = Vec::new();
        if self.copies_differ {
            let believed = self.geometry.active + 1;
            notes.push(format!("the FATs differ; number {believed} is used, and copied over the others"));
        }
        Ok(Summary {
            kind: "vfat",
            label: self.label.clone(),
            uuid: self
                .geometry
                .serial
                .map_or_else(String::new, |serial| format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff)),
            size: self.geometry.size,
            block_size: u32::try_from(self.geometry.cluster).expect("at most 128 sectors of 4096 bytes"),
            features: vec![feature.to_owned()],
            dirty: self.dirty,
            notes,
        })
    }

    fn claims(&self, visit: &mut dyn FnMut(Extent, Claim) -> Result<()>) -> Result<()> {
        self.claim_all(visit)
    }

    fn allocated(&self) -> Result<ExtentSet> {
        self.allocated_all()
    }

    fn tails(&self, visit: &mut dyn FnMut(Extent, Tail) -> Result<()>) -> Result<()> {
        self.all_tails(visit)
    }

    fn root(&self) -> Option<InodeId> {
        Some(self.root_node().inode)
    }

    fn entries(&self, dir: InodeId, visit: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()> {
        let dir = self.node(dir)?;
        self.expect_directory(&dir)?;
        self.items(&dir, &self.directory_chain(&dir)?, &mut |item| match item {
            Item::Name(named) => {
                visit(Entry { inode: named.node.inode, kind: kind(&named.node), name: named.name })
            }
            _ => Ok(()),
        })
    }

    fn check_names(&self) -> Result<()> {
        self.check_all_names()
    }

    /// FAT knows no owners and modes: all is root's, with the modes that Linux shows by default. Times are in
    /// an unknown time zone, taken as UTC.
    fn metadata(&self, inode: InodeId) -> Result<Metadata> {
        let node = self.node(inode)?;
        Ok(Metadata {
            kind: kind(&node),
            mode: if node.attributes & READ_ONLY != 0 { 0o555 } else { 0o755 },
            uid: 0,
            gid: 0,
            links: 1,
            size: node.size.into(),
            mtime: unix_time(node.written),
            encrypted: false,
        })
    }

    fn read(&self, inode: InodeId, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let file = self.node(inode)?;
        self.expect_file(&file)?;
        let len = buf.len().min(to_usize(u64::from(file.size).saturating_sub(offset)));
        if len == 0 {
            return Ok(0);
        }
        let pieces = self.content(&file)?;
        let first = pieces.partition_point(|piece| piece.start + piece.extent.len <= offset);
        let mut done = 0;
        for piece in pieces[first..].iter().take_while(|piece| piece.start < offset + to_u64(len)) {
            let skip = offset + to_u64(done) - piece.start;
            let part = to_usize(piece.extent.len - skip).min(len - done);
            let (object, place) =
                (Object::numbered("content of the file at byte", inode.0), piece.extent.start + skip);
            self.device.read_object(object, place, &mut buf[done..done + part])?;
            done += part;
        }
        Ok(done)
    }

    fn extents(&self, inode: InodeId, visit: &mut dyn FnMut(u64, Extent) -> Result<()>) -> Result<()> {
        let file = self.node(inode)?;
        self.expect_file(&file)?;
        let size = u64::from(file.size);
        for piece in self.content(&file)?.iter().take_while(|piece| piece.start < size) {
            let len = piece.extent.len.min(size - piece.start);
            visit(piece.start, Extent { start: piece.extent.start, len })?;
        }
        Ok(())
    }

    fn link_target(&self, inode: InodeId) -> Result<Vec<u8>> {
        self.no_link(&self.node(inode)?)
    }

    fn supports(&self, target: &Target, change: &Change) -> Result<()> {
        self.check_change(target, change)
    }

    fn history(&self, visit: &mut dyn FnMut(Past) -> Result<()>) -> Result<()> {
        self.visit_history(visit)
    }
}

fn kind(node: &Node) -> FileKind {
    if node.is_dir { FileKind::Directory } else { FileKind::File }
}

/// Date (years from 1980 in 7 bits, month in 4, day in 5) and time (hours in 5 bits, minutes in 6, pairs of
/// seconds in 5) as seconds since 1970. Numbers that no calendar has are carried over.
fn unix_time(written: u32) -> i64 {
    let bits = |shift: u32, width: u32| i64::from(written >> shift & ((1 << width) - 1));
    let (year, month, day) = (1980 + bits(25, 7), bits(21, 4).clamp(1, 12), bits(16, 5).max(1));
    // Days from the civil calendar: years begin in March, so that the leap day is the last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719_468;
    days * 86_400 + bits(11, 5) * 3600 + bits(5, 6) * 60 + bits(0, 5) * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(unix_time(0x0021_0000), 315_532_800, "1980-01-01");
        assert_eq!(unix_time((44 << 9 | 2 << 5 | 29) << 16 | 23 << 11 | 59 << 5 | 29), 1_709_251_198);
    }
}
