//! What every allocated byte is, from the structures that reach it; and the allocator's own word, apart.
//!
//! Each block has one claimant, but for shared extents: those have as many owners as the refcountbt says, all of
//! them files' data. A block with one too many is an error that names two of them.

mod content;
mod fixed;
mod ledger;
mod shared;

use block::{BlockRead, Corrupt, Error, Extent, ExtentSet, Object, Result};

use super::{
    Xfs,
    btree::Tree,
    format::agf,
    geometry::{AgBlock, AgNumber},
    group::{Header, expect},
    inode::Slot,
};
use crate::Claim;
use ledger::{Claimant, Ledger};
use shared::SharedExtents;

impl<D: BlockRead> Xfs<D> {
    /// See [`Filesystem::claims`](crate::Filesystem::claims).
    pub(crate) fn visit_claims(&self, visit: &mut dyn FnMut(Extent, Claim) -> Result<()>) -> Result<()> {
        let mut ledger = Ledger::new(&self.geometry, None, visit);
        self.fill(&mut ledger).map_err(|error| match ledger.conflict {
            Some(block) => self.name_first_claimant(block, error),
            None => error,
        })
    }

    fn fill(&self, ledger: &mut Ledger<'_>) -> Result<()> {
        // Fixed metadata first: an inode that points into it is the one in the wrong.
        for ag in self.geometry.groups() {
            self.claim_group(ag, ledger)?;
        }
        self.claim_log(ledger)?;
        let mut shared = SharedExtents::default();
        for ag in self.geometry.groups() {
            self.load_shared(ag, ledger, &mut shared)?;
        }
        for ag in self.geometry.groups() {
            self.chunks(ag, Tree::Inode, &mut |chunk| {
                self.chunk_inodes(ag, chunk, &mut |slot| match slot {
                    Slot::Used(inode) => self.claim_inode(&inode, &mut shared, ledger),
                    // Its bytes stay: the kernel wants an inode there. What it holds too many of is a tail.
                    Slot::Free(_) => Ok(()),
                })
            })?;
        }
        shared.finish(ledger)
    }

    /// Walks again to tell who claimed a block first, so that the error names both.
    fn name_first_claimant(&self, block: u64, error: Error) -> Error {
        let Error::Corrupt(corrupt) = error else { return error };
        let mut ignore = |_, _| Ok(());
        let mut ledger = Ledger::new(&self.geometry, Some(block), &mut ignore);
        // It ends where the first walk ended, or later with an error of no interest.
        drop(self.fill(&mut ledger));
        let first = match ledger.found {
            Some(Claimant::Group(ag)) => format!("the metadata of allocation group {}", ag.0),
            Some(Claimant::Log) => "the log".to_owned(),
            Some(Claimant::Inode(number)) => format!("inode {}", number.0),
            None => return corrupt.into(),
        };
        Corrupt { found: format!("{}, which {first} has", corrupt.found), ..corrupt }.into()
    }

    /// See [`Filesystem::allocated`](crate::Filesystem::allocated): all that the bnobt does not call free. The
    /// cntbt and the group's header have to say the same.
    pub(crate) fn allocated_bytes(&self) -> Result<ExtentSet> {
        let mut runs = Vec::new();
        for ag in self.geometry.groups() {
            let (mut at, mut free, mut longest) = (0, 0u64, 0);
            let mut by_place = (0u64, 0u64);
            self.free_extents(ag, Tree::Bno, &mut |start, count| {
                if start.0 > at {
                    runs.push(self.run(ag, at, start.0));
                }
                at = start.0 + count;
                free += u64::from(count);
                longest = longest.max(count);
                by_place = sums(by_place, start, count);
                Ok(())
            })?;
            runs.push(self.run(ag, at, self.geometry.ag_len(ag)));
            let mut by_length = (0u64, 0u64);
            self.free_extents(ag, Tree::Cnt, &mut |start, count| {
                by_length = sums(by_length, start, count);
                Ok(())
            })?;
            if by_place != by_length {
                let object = Object::numbered("allocation group", ag.0.into());
                return Err(object.corrupt("cntbt", "another set of free extents", "the bnobt's"));
            }
            let header = self.agf(ag)?;
            let object = Header::Agf.object(ag);
            expect(object, "agf_freeblks", agf::FREE_BLOCKS.get(&header), free)?;
            expect(object, "agf_longest", agf::LONGEST.get(&header), longest)?;
        }
        Ok(runs.into_iter().collect())
    }

    fn run(&self, ag: AgNumber, start: u32, end: u32) -> Extent {
        self.geometry.extent(self.geometry.fs_block(ag, AgBlock(start)), u64::from(end - start))
    }
}

/// Adds an extent to two sums that do not depend on the order: equal sets have equal sums.
fn sums((count, mixed): (u64, u64), start: AgBlock, len: u32) -> (u64, u64) {
    let extent = u64::from(start.0) << 32 | u64::from(len);
    // Multiplied so that swapped lengths do not cancel out.
    let mix = extent.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (count + 1, mixed.wrapping_add(mix ^ mix >> 29))
}
