//! What every allocated byte is, from the structures that reach it; and the allocator's own word, apart.
//!
//! Each block has one claimant: two are an error that names both.

mod content;
mod fixed;
mod ledger;
mod table;

use block::{BlockRead, Corrupt, Error, Extent, ExtentSet, Result};

use super::{Ext, group, superblock};
use crate::{Claim, Residue};
use content::XattrBlocks;
use fixed::LIVE;
use ledger::{Claimant, Ledger};

pub(crate) use crate::bits::Bits;
pub(crate) use content::JOURNAL_SUPERBLOCK_LEN;
pub(crate) use fixed::MMP_LEN;
pub(crate) use table::Slot;

impl<D: BlockRead> Ext<D> {
    /// See [`Filesystem::claims`](crate::Filesystem::claims).
    pub(crate) fn visit_claims(&self, visit: &mut dyn FnMut(Extent, Claim) -> Result<()>) -> Result<()> {
        let mut ledger = Ledger::new(&self.layout, None, visit);
        match self.fill(&mut ledger) {
            Ok(()) => ledger.finish(),
            Err(error) => Err(match ledger.conflict {
                Some(block) => self.name_first_claimant(block, error),
                None => error,
            }),
        }
    }

    /// All claims but those that follow from other claims.
    fn fill(&self, ledger: &mut Ledger<'_>) -> Result<()> {
        self.claim_boot(ledger)?;
        // Fixed metadata first: an inode that points into it is the one in the wrong.
        for number in 0..self.layout.groups {
            let group = self.group(number)?;
            self.claim_group(&group, ledger)?;
            ledger.claim(group.inode_table(), self.layout.inode_table_blocks(), Claimant::Group(number))?;
        }
        self.claim_mmp(ledger)?;
        let mut xattrs = XattrBlocks::default();
        for number in 0..self.layout.groups {
            let group = self.group(number)?;
            // Inodes in use that lie side by side are one claim.
            let mut inodes = Extent { start: 0, len: 0 };
            self.inode_table(&group, &mut |slot| match slot {
                Slot::Dead(extent) => {
                    ledger.say(extent.start, extent.end(), Claim::Dead(Residue::DeadInode, None))
                }
                Slot::Live(inode) => {
                    if inode.offset != inodes.end() {
                        ledger.say(inodes.start, inodes.end(), LIVE)?;
                        inodes = Extent { start: inode.offset, len: 0 };
                    }
                    inodes.len += self.layout.inode_size;
                    self.claim_inode(&inode, &mut xattrs, ledger)
                }
            })?;
            ledger.say(inodes.start, inodes.end(), LIVE)?;
        }
        xattrs.finish()
    }

    /// Walks again to tell who claimed a block first, so that the error names both.
    fn name_first_claimant(&self, block: u64, error: Error) -> Error {
        let Error::Corrupt(corrupt) = error else { return error };
        let mut ignore = |_, _| Ok(());
        let mut ledger = Ledger::new(&self.layout, Some(block), &mut ignore);
        // It ends where the first walk ended, or later with an error of no interest.
        drop(self.fill(&mut ledger));
        let first = match ledger.found {
            Some(Claimant::Group(number)) => format!("the metadata of group {number}"),
            Some(Claimant::Inode(number)) => format!("inode {number}"),
            None => return corrupt.into(),
        };
        Corrupt { found: format!("{block}, which {first} has"), ..corrupt }.into()
    }

    /// See [`Filesystem::allocated`](crate::Filesystem::allocated). Bytes before the superblock count as used.
    pub(crate) fn bitmaps(&self) -> Result<ExtentSet> {
        let layout = &self.layout;
        let mut runs = vec![Extent { start: 0, len: superblock::OFFSET }];
        for number in 0..layout.groups {
            let group = self.group(number)?;
            let bits = self.block_bitmap(&group)?;
            let first = layout.group_start(number);
            let end = first + layout.group_blocks(number);
            for (start, stop) in group::runs(&bits, layout.group_clusters(number)) {
                let block = first + start * layout.cluster_blocks;
                let last = (first + stop * layout.cluster_blocks).min(end);
                runs.push(layout.extent(block, last - block));
            }
        }
        Ok(runs.into_iter().collect())
    }
}
