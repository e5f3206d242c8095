//! What residue once was: the journal's copies, and whose content the free blocks are.
//!
//! Inodes that are gone are known from their slots, if these still hold a map, and from copies of inode table blocks
//! in the journal. Everything here is evidence, so what makes no sense is passed over, and all that is kept is
//! limited, by constants and by the size of the journal, never by a number in the image.

mod copies;
mod holders;
mod lives;
mod names;
mod path;
mod runs;

use block::{BlockRead, Error, ExtentSet, Result, to_usize};

use super::{Ext, journal::Seen};
use crate::{
    FormerFile, InodeId, Past,
    history::{Held, settle},
};
use copies::Copies;
use holders::holders;

/// Copies that are remembered; those of the largest journals that mke2fs(8) makes by itself, four times over.
const MAX_COPIES: usize = 1 << 20;
/// Runs of blocks of files that are gone.
const MAX_RUNS: usize = 1 << 20;
/// Files that are gone.
const MAX_LIVES: usize = 1 << 18;
/// Files that are gone of one inode number: the kernel takes the first free one again and again.
const MAX_ALIKE: usize = 1024;
/// Blocks of maps that are read.
const MAX_NODES: usize = 1 << 18;
/// Pairs of a copy and what may have to do with it that are looked at. Ordinary journals have less than ten for each.
const MAX_STEPS: usize = 1 << 24;
/// Bytes of all paths.
const MAX_PATHS: usize = 64 << 20;
/// Names of files that are gone, and their bytes in total.
const MAX_NAMES: usize = 1 << 18;
const MAX_NAME_BYTES: usize = 16 << 20;
/// Directories above a file.
const MAX_DEPTH: usize = 64;

/// What a result says, if it is no error of the medium: evidence that makes no sense is none.
fn told<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error @ Error::Io(_)) => Err(error),
        Err(_) => Ok(None),
    }
}

impl<D: BlockRead> Ext<D> {
    /// See [`Filesystem::history`](crate::Filesystem::history).
    pub(super) fn visit_history(&self, visit: &mut dyn FnMut(Past) -> Result<()>) -> Result<()> {
        let mut found = Vec::new();
        let base = self.journal_blocks(&mut |seen| match seen {
            Seen::Own(at, kind) => visit(Past::Log { at, kind }),
            Seen::Copy(copy) => {
                if found.len() < MAX_COPIES {
                    found.push(copy);
                }
                visit(copy.past(self.layout.block_size))
            }
        })?;
        let copies = Copies::new(found, base.unwrap_or_default());
        let free = self.bitmaps()?.complement(self.layout.size());
        let lives = self.lives(&copies, &free)?;
        let names = self.names(&copies, &lives)?;
        let paths = self.former_paths(&lives, &names)?;
        let mut left = MAX_PATHS;

        let mut held = Vec::new();
        for (owner, life) in (0..).zip(&lives.gone) {
            held.extend(life.runs.iter().map(|run| Held {
                extent: self.layout.extent(run.start, run.count),
                rank: run.rank,
                owner,
            }));
        }
        let mut extents = holders(&self.layout, &copies, &lives, &free);
        for (owner, extent) in settle(held) {
            extents.entry(to_usize(owner.into())).or_default().push(extent);
        }
        for (index, life) in lives.gone.iter().enumerate() {
            let Some(extents) = extents.remove(&index) else { continue };
            let path = paths.of(index).filter(|path| path.len() <= left);
            left -= path.as_ref().map_or(0, Vec::len);
            let extents = extents.into_iter().collect::<ExtentSet>().iter().collect();
            let inode = InodeId(life.number);
            visit(Past::Former(FormerFile { inode, path, deleted: !life.in_use, extents }))?;
        }
        Ok(())
    }
}
