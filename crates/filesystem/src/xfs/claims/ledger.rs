//! The ledger of claims: each block is claimed once.

use block::{Extent, Object, Result};

use crate::{
    Claim,
    bits::Bits,
    xfs::geometry::{AgNumber, FsBlock, Geometry, InodeNumber},
};

/// Who claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claimant {
    /// Metadata of a group.
    Group(AgNumber),
    /// The log.
    Log,
    /// An inode, for its content or its map.
    Inode(InodeNumber),
}

impl Claimant {
    fn object(self) -> Object {
        match self {
            Self::Group(ag) => Object::numbered("allocation group", ag.0.into()),
            Self::Log => Object::the("log"),
            Self::Inode(number) => Object::numbered("inode", number.0),
        }
    }
}

/// Collects claims of whole blocks and passes them on byte by byte. Blocks are counted from the device's start.
pub(super) struct Ledger<'a> {
    pub(super) geometry: &'a Geometry,
    visit: &'a mut dyn FnMut(Extent, Claim) -> Result<()>,
    blocks: Bits,
    /// Looks for the first claimant of this block instead.
    find: Option<u64>,
    /// Who that is.
    pub(super) found: Option<Claimant>,
    /// The block that two claim, once that has happened.
    pub(super) conflict: Option<u64>,
}

impl<'a> Ledger<'a> {
    /// With `find`, a ledger that only looks for the first claimant of a block.
    pub(super) fn new(
        geometry: &'a Geometry,
        find: Option<u64>,
        visit: &'a mut dyn FnMut(Extent, Claim) -> Result<()>,
    ) -> Self {
        Self { geometry, visit, blocks: Bits::default(), find, found: None, conflict: None }
    }

    /// Claims blocks by their place from the device's start. What is in them comes with [`say`](Self::say).
    pub(super) fn claim_linear(&mut self, start: u64, end: u64, who: Claimant) -> Result<()> {
        if let Some(wanted) = self.find {
            if self.found.is_none() && (start..end).contains(&wanted) {
                self.found = Some(who);
            }
            return Ok(());
        }
        self.blocks.insert(start, end).map_err(|block| {
            self.conflict = Some(block);
            who.object().corrupt("block", format!("{block} in use"), "a block of its own")
        })
    }

    /// Claims `count` blocks, which lie inside the filesystem.
    pub(super) fn claim(&mut self, block: FsBlock, count: u64, who: Claimant) -> Result<()> {
        let start = self.geometry.offset(block) >> self.geometry.block_log;
        self.claim_linear(start, start + count, who)
    }

    /// Says what some bytes of claimed blocks are.
    pub(super) fn say(&mut self, start: u64, end: u64, claim: Claim) -> Result<()> {
        if start >= end || self.find.is_some() {
            return Ok(());
        }
        (self.visit)(Extent::between(start, end), claim)
    }

    /// Claims whole blocks and says the same of all their bytes.
    pub(super) fn claim_all(
        &mut self,
        block: FsBlock,
        count: u64,
        who: Claimant,
        claim: Claim,
    ) -> Result<()> {
        self.claim(block, count, who)?;
        let extent = self.geometry.extent(block, count);
        self.say(extent.start, extent.end(), claim)
    }
}
