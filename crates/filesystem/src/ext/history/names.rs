//! Names that inodes had: in the journal's copies of directory blocks, in directories that are gone themselves, and
//! in the tails of live directories, where older kernels leave them.

use std::collections::{HashMap, HashSet};

use block::{BlockRead, Object, Result};

use super::{MAX_NAME_BYTES, MAX_NAMES, MAX_STEPS, copies::Copies, lives::Lives, told};
use crate::{
    FileKind,
    ext::{
        Ext,
        directory::{BlockKind, Dirent, HEADER_LEN, INODE, NAME_LEN, REC_LEN, entry_len},
        inode::{Inode, flags},
        map::Mapped,
    },
};

/// Blocks of directories that are gone, read where they lie.
const MAX_BLOCKS: usize = 1 << 16;
/// Directories that had the same block.
const MAX_OWNERS: usize = 16;

/// The name of a life, and the directory that it was in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name<'a> {
    /// The newest and the oldest copy that has it; 0 if it is in no copy.
    pub(super) last: u32,
    pub(super) first: u32,
    pub(super) name: &'a [u8],
    /// The directory's inode number.
    pub(super) parent: u64,
}

/// When a name was seen.
#[derive(Debug)]
struct Times {
    kind: Option<FileKind>,
    first: u32,
    last: u32,
}

/// All names, by the inode number that they go with and the directory's.
#[derive(Debug, Default)]
pub(super) struct Names {
    all: HashMap<(u64, u64), HashMap<Box<[u8]>, Times>>,
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
        let known = self.all.entry((number, parent)).or_default();
        if let Some(times) = known.get_mut(name) {
            let either = times.first == 0 || order == 0;
            times.first = if either { times.first.max(order) } else { times.first.min(order) };
            times.last = times.last.max(order);
        } else if self.count < MAX_NAMES && self.bytes + name.len() <= MAX_NAME_BYTES {
            self.count += 1;
            self.bytes += name.len();
            known.insert(name.into(), Times { kind, first: order, last: order });
        }
    }

    /// The name that each life had last, in the order of lives. A name belongs to the life of its inode number that it
    /// is nearest to in time; one without a time, to the last one that is over.
    pub(super) fn by_life(&self, lives: &Lives) -> Vec<Option<Name<'_>>> {
        let mut found: Vec<Option<Name<'_>>> = vec![None; lives.gone.len()];
        for (&(number, parent), known) in &self.all {
            for (name, &Times { kind, first, last }) in known {
                let alike = lives.of(number).filter(|(_, life)| kind.is_none_or(|kind| kind == life.kind));
                let nearest = alike.min_by_key(|(_, life)| match last {
                    0 => (u32::from(life.in_use), u32::MAX - life.last),
                    last => (life.distance(first, last), u32::MAX - life.last),
                });
                if let Some((index, _)) = nearest.filter(|(_, life)| !life.in_use) {
                    let name = Name { last, first, name, parent };
                    found[index] = found[index].max(Some(name));
                }
            }
        }
        found
    }
}

/// Looks for names of certain inodes in blocks.
struct Search<'a> {
    wanted: HashSet<u64>,
    copies: &'a Copies,
    names: Names,
    /// Which of the blocks that the journal has copies of belong, or belonged, to which directories.
    directories: HashMap<u64, Vec<u64>>,
    /// What may still be looked at for that, and how many blocks of live directories: each has one owner at most.
    steps: usize,
    blocks: u64,
}

impl Search<'_> {
    /// Remembers that a directory has, or had, these blocks.
    fn note_blocks(&mut self, start: u64, count: u64, number: u64) {
        for all in self.copies.within(start, start + count).chunk_by(|a, b| a.block == b.block) {
            let Some(left) = self.steps.checked_sub(1) else { return };
            self.steps = left;
            let known = self.directories.entry(all[0].block).or_default();
            if known.len() < MAX_OWNERS && !known.contains(&number) {
                known.push(number);
            }
        }
    }
}

impl<D: BlockRead> Ext<D> {
    /// The names of all lives that are over.
    pub(super) fn names(&self, copies: &Copies, lives: &Lives) -> Result<Names> {
        let wanted = lives.gone.iter().filter(|life| !life.in_use).map(|life| life.number).collect();
        let mut search = Search {
            wanted,
            copies,
            names: Names::default(),
            directories: HashMap::new(),
            steps: MAX_STEPS,
            blocks: self.layout.blocks,
        };
        if search.wanted.is_empty() {
            return Ok(search.names);
        }
        let mut left = MAX_BLOCKS;
        for life in lives.gone.iter().filter(|life| life.kind == FileKind::Directory && !life.in_use) {
            for run in &life.runs {
                search.note_blocks(run.start, run.count, life.number);
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
                    self.live_names(&inode, &mut search)?;
                }
                Ok(())
            })?;
        }
        for all in copies.by_block() {
            let known = search.directories.get(&all[0].block).cloned().unwrap_or_default();
            for copy in all {
                let block = self.read_copy(copy)?;
                let order = copies.order(copy).max(1);
                let Some(parent) =
                    self.own_number(&block).or_else(|| nearest(&known, order, lives, &mut search.steps))
                else {
                    continue;
                };
                self.search_block(&block, Place { parent, order }, &mut search);
            }
        }
        Ok(search.names)
    }

    /// A live directory: its blocks, and the names in its tails.
    fn live_names(&self, inode: &Inode, search: &mut Search<'_>) -> Result<()> {
        let Some(left) = search.blocks.checked_sub(inode.size() / self.layout.block_size) else {
            return Ok(());
        };
        search.blocks = left;
        let noted = self.map_range(inode, 0..inode.size() / self.layout.block_size, &mut |mapped| {
            if let Mapped::Data { physical, count, .. } = mapped {
                search.note_blocks(physical, count, inode.number);
            }
            Ok(())
        });
        told(noted)?;
        if !inode.has(flags::INLINE_DATA) {
            told(self.tails(inode, search))?;
        }
        Ok(())
    }

    fn tails(&self, inode: &Inode, search: &mut Search<'_>) -> Result<()> {
        let mut walk = self.walk_directory(inode)?;
        while let Some(place) = walk.next(self, inode)? {
            let block = self.read_directory_block(inode, place)?;
            if block.kind != BlockKind::Leaf {
                continue;
            }
            self.dirents(inode, &block, &mut |dirent| {
                self.search_tail(&block.data, &dirent, Place { parent: inode.number, order: 0 }, search);
                Ok(())
            })?;
        }
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
    fn search_block(&self, block: &[u8], place: Place, search: &mut Search<'_>) {
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
    fn search_tail(&self, block: &[u8], dirent: &Dirent, place: Place, search: &mut Search<'_>) {
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
fn nearest(known: &[u64], order: u32, lives: &Lives, steps: &mut usize) -> Option<u64> {
    if let [only] = known {
        return Some(*only);
    }
    let cost = known.iter().map(|number| lives.of(*number).count()).sum();
    *steps = steps.checked_sub(cost)?;
    let distance = |number: &&u64| {
        let all = lives.of(**number).filter(|(_, life)| life.kind == FileKind::Directory);
        // A live directory that the journal has no image of was there all the time.
        all.map(|(_, life)| life.distance(order, order)).min().unwrap_or(0)
    };
    known.iter().min_by_key(distance).copied()
}

fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.iter().any(|&byte| byte == b'/' || byte == 0)
}
