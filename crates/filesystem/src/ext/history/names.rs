//! Names that inodes had: in the journal's copies of directory blocks, in directories that are gone themselves, and
//! in the tails of live directories, where older kernels leave them.

use std::collections::{HashMap, HashSet};

use block::{BlockRead, Object, Result};

use super::{MAX_NAME_BYTES, MAX_NAMES, copies::Copies, lives::Lives, told};
use crate::{
    FileKind,
    ext::{
        Ext,
        directory::{Dirent, HEADER_LEN, INODE, NAME_LEN, REC_LEN, entry_len},
        inode::{Inode, flags},
        map::Mapped,
    },
};

/// Blocks of directories that are gone, read where they lie.
const MAX_BLOCKS: usize = 1 << 16;

/// A name and the directory that it was in.
#[derive(Debug)]
pub(super) struct Name {
    /// The directory's inode number; 0 if that is not known.
    pub(super) parent: u64,
    pub(super) name: Box<[u8]>,
    pub(super) kind: Option<FileKind>,
    /// The oldest and the newest copy that has it; 0 if it is in no copy.
    pub(super) first: u32,
    pub(super) last: u32,
}

/// All names, by the inode number that they go with.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_number: HashMap<u64, Vec<Name>>,
    count: usize,
    bytes: usize,
}

/// Where names are found: the directory, and how old.
#[derive(Debug, Clone, Copy)]
struct Place {
    parent: u64,
    order: u32,
}

impl Names {
    fn add(&mut self, number: u64, name: &[u8], kind: Option<FileKind>, place: Place) {
        let Place { parent, order } = place;
        let all = self.by_number.entry(number).or_default();
        if let Some(known) = all.iter_mut().find(|known| known.parent == parent && *known.name == *name) {
            known.first = if known.first == 0 { order } else { known.first.min(order).max(1) };
            known.last = known.last.max(order);
        } else if self.count < MAX_NAMES && self.bytes + name.len() <= MAX_NAME_BYTES && all.len() < 64 {
            self.count += 1;
            self.bytes += name.len();
            all.push(Name { parent, name: name.into(), kind, first: order, last: order });
        }
    }

    /// The name that a life had last. A name belongs to the life of its inode number that it is nearest to in time; one
    /// without a time, to the last one that is over.
    pub(super) fn of(&self, lives: &Lives, index: usize) -> Option<&Name> {
        let life = &lives.gone[index];
        self.by_number
            .get(&life.number)?
            .iter()
            .filter(|name| name.kind.is_none_or(|kind| kind == life.kind))
            .filter(|name| {
                let nearest = lives.of(life.number).min_by_key(|(_, other)| match name.last {
                    0 => (u32::from(other.in_use), u32::MAX - other.last),
                    last => (other.distance(name.first, last), u32::MAX - other.last),
                });
                nearest.is_some_and(|(nearest, _)| nearest == index)
            })
            .max_by_key(|name| name.last)
    }
}

/// Looks for names of certain inodes in blocks.
struct Search {
    wanted: HashSet<u64>,
    names: Names,
}

impl<D: BlockRead> Ext<D> {
    /// The names of all lives that are over.
    pub(super) fn names(&self, copies: &Copies, lives: &Lives) -> Result<Names> {
        let wanted = lives.gone.iter().filter(|life| !life.in_use).map(|life| life.number).collect();
        let mut search = Search { wanted, names: Names::default() };
        if search.wanted.is_empty() {
            return Ok(search.names);
        }
        let mut directories = HashMap::new();
        let mut left = MAX_BLOCKS;
        for life in lives.gone.iter().filter(|life| life.kind == FileKind::Directory && !life.in_use) {
            for run in &life.runs {
                self.note_blocks(run.start, run.count, life.number, copies, &mut directories);
                for block in (run.start..run.start + run.count).take(left) {
                    left -= 1;
                    let place = Place { parent: life.number, order: life.last };
                    self.search_block(&self.read_block(block)?, place, &mut search);
                }
            }
        }
        for number in 0..self.layout.groups {
            let group = self.group(number)?;
            self.visit_slots(&group, &mut |index, raw, in_use| {
                let Some(number) = self.number_of(number, index).filter(|_| in_use) else { return Ok(()) };
                let Some(inode) = told(self.parse_inode(number, raw.to_vec(), 0))? else { return Ok(()) };
                if inode.kind() == Some(FileKind::Directory) && !inode.has(flags::ENCRYPT) {
                    self.live_names(&inode, copies, &mut directories, &mut search)?;
                }
                Ok(())
            })?;
        }
        for all in copies.by_block() {
            let known = directories.get(&all[0].block);
            for copy in all {
                let block = self.read_copy(copy)?;
                let order = copies.order(copy).max(1);
                let parent = match (self.own_number(&block), known) {
                    (Some(own), _) => own,
                    (None, Some(known)) => nearest(known, order, lives),
                    (None, None) => continue,
                };
                self.search_block(&block, Place { parent, order }, &mut search);
            }
        }
        Ok(search.names)
    }

    /// Remembers which of the blocks that the journal has copies of belong to a directory.
    fn note_blocks(
        &self,
        start: u64,
        count: u64,
        number: u64,
        copies: &Copies,
        directories: &mut HashMap<u64, Vec<u64>>,
    ) {
        for all in copies.within(start, start + count).chunk_by(|a, b| a.block == b.block) {
            let known = directories.entry(all[0].block).or_default();
            if known.len() < 16 && !known.contains(&number) {
                known.push(number);
            }
        }
    }

    /// A live directory: its blocks, and the names in its tails.
    fn live_names(
        &self,
        inode: &Inode,
        copies: &Copies,
        directories: &mut HashMap<u64, Vec<u64>>,
        search: &mut Search,
    ) -> Result<()> {
        let noted = self.map(inode, &mut |mapped| {
            if let Mapped::Data { physical, count, .. } = mapped {
                self.note_blocks(physical, count, inode.number, copies, directories);
            }
            Ok(())
        });
        told(noted)?;
        if inode.has(flags::INLINE_DATA) {
            return Ok(());
        }
        let tails = || -> Result<()> {
            let mut walk = self.walk_directory(inode)?;
            while let Some(place) = walk.next(self, inode)? {
                let block = self.read_directory_block(inode, place)?;
                if block.kind != crate::ext::directory::BlockKind::Leaf {
                    continue;
                }
                self.dirents(inode, &block, &mut |dirent| {
                    self.search_tail(&block.data, &dirent, Place { parent: inode.number, order: 0 }, search);
                    Ok(())
                })?;
            }
            Ok(())
        };
        let mut tails = tails;
        told(tails())?;
        Ok(())
    }

    /// The number in `.`, if this is the first block of a directory.
    fn own_number(&self, block: &[u8]) -> Option<u64> {
        let parent = block.get(12..24)?;
        let dot =
            REC_LEN.get(block) == 12 && NAME_LEN.get(block) == 1 && block[HEADER_LEN..12] == *b".\0\0\0";
        let dots = NAME_LEN.get(parent) == 2 && parent[HEADER_LEN..] == *b"..\0\0";
        let number = u64::from(INODE.get(block));
        (dot && dots && (1..=self.layout.inodes).contains(&number)).then_some(number)
    }

    /// Names in a block that is, or was, one of a directory, and in the tails of its entries.
    fn search_block(&self, block: &[u8], place: Place, search: &mut Search) {
        let format = self.dirent_format();
        let mut at = 0;
        while let Ok(dirent) = format.parse(block, at, block.len(), Object::the("directory"), "") {
            at += dirent.len;
            let name = &block[dirent.name.clone()];
            if search.wanted.contains(&dirent.inode) && is_name(name) {
                search.names.add(dirent.inode, name, dirent.kind, place);
            }
            self.search_tail(block, &dirent, place, search);
        }
    }

    /// Names behind an entry's own.
    fn search_tail(&self, block: &[u8], dirent: &Dirent, place: Place, search: &mut Search) {
        let format = self.dirent_format();
        let (mut at, end) = (dirent.at + HEADER_LEN, dirent.at + dirent.len);
        if dirent.inode != 0 {
            at = dirent.at + entry_len(dirent.name.len());
        }
        // Each step costs little, unless the number is one that is looked for.
        while at + HEADER_LEN < end {
            let number = u64::from(INODE.get(&block[at..]));
            if search.wanted.contains(&number)
                && let Ok(found) = format.parse(block, at, end, Object::the("directory"), "")
                && is_name(&block[found.name.clone()])
                && (!format.file_type || found.kind.is_some())
            {
                search.names.add(number, &block[found.name.clone()], found.kind, place);
                at += entry_len(found.name.len());
            } else {
                at += 4;
            }
        }
    }
}

/// Of the directories that had a block, the one of that time.
fn nearest(known: &[u64], order: u32, lives: &Lives) -> u64 {
    let distance = |number: &&u64| {
        let all = lives.of(**number).filter(|(_, life)| life.kind == FileKind::Directory);
        // A live directory that the journal has no image of was there all the time.
        all.map(|(_, life)| life.distance(order, order)).min().unwrap_or(0)
    };
    known.iter().min_by_key(distance).copied().unwrap_or(0)
}

fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.iter().any(|&byte| byte == b'/' || byte == 0)
}
