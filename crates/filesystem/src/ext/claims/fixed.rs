//! Claims of fixed metadata: boot block, superblocks, descriptor tables, bitmaps, the MMP block.

use block::{BlockRead, Object, Result};

use super::ledger::{Claimant, Ledger};
use crate::{
    Claim, Owner, Residue,
    ext::{
        Ext,
        group::Group,
        superblock::{self, compat, incompat},
    },
};

pub(super) const LIVE: Claim = Claim::Live(Owner::Metadata);
const RESERVED: Claim = Claim::Dead(Residue::Reserved, None);
/// Bytes of an MMP structure.
pub(crate) const MMP_LEN: u64 = 1024;

impl<D: BlockRead> Ext<D> {
    /// Whether the 1024 bytes before the superblock hold a boot sector: they end as one does. The filesystem
    /// itself never uses them.
    pub(crate) fn has_boot_code(&self) -> Result<bool> {
        let mut signature = [0; 2];
        self.device.read_at(510, &mut signature)?;
        Ok(signature == [0x55, 0xAA])
    }

    /// The bytes before the superblock, which no bitmap covers where blocks have 1 KiB.
    pub(super) fn claim_boot(&self, ledger: &mut Ledger<'_>) -> Result<()> {
        let claim = if self.has_boot_code()? { LIVE } else { RESERVED };
        // Where block 0 is not the superblock's and yet counted (bigalloc), it is a block like others.
        if self.layout.super_block > 0 && self.layout.first_data_block == 0 {
            ledger.claim(0, 1, Claimant::Group(0))?;
        }
        ledger.say(0, superblock::OFFSET, claim)
    }

    /// Superblock or backup, descriptors and bitmaps of a group.
    pub(super) fn claim_group(&self, group: &Group, ledger: &mut Ledger<'_>) -> Result<()> {
        let layout = &self.layout;
        let who = Claimant::Group(group.number);
        let base = layout.base(group.number);
        if let Some(block) = base.superblock {
            ledger.claim(block, 1, who)?;
            let extent = layout.extent(block, 1);
            // The primary lies behind the boot block, which is claimed already.
            let start = if group.number == 0 { superblock::OFFSET } else { extent.start };
            ledger.say(start, start + superblock::OFFSET, LIVE)?;
            ledger.say(start + superblock::OFFSET, extent.end(), RESERVED)?;
        }
        if base.descriptor_count > 0 {
            ledger.claim_all(base.descriptors, base.descriptor_count, who, LIVE)?;
        }
        if base.reserved > 0 {
            // Group 0's are the resize inode's indirect blocks.
            let live = group.number == 0 && self.superblock.compat(compat::RESIZE_INODE);
            let start = base.descriptors + base.descriptor_count;
            ledger.claim_all(start, base.reserved, who, if live { LIVE } else { RESERVED })?;
        }
        let state = |uninit| if uninit { RESERVED } else { LIVE };
        ledger.claim_all(group.block_bitmap(), 1, who, state(group.block_uninit()))?;
        ledger.claim_all(group.inode_bitmap(), 1, who, state(group.inode_uninit()))
    }

    /// The block that the MMP structure is in, checked; `None` without that feature.
    pub(crate) fn mmp_block(&self) -> Result<Option<u64>> {
        if !self.superblock.incompat(incompat::MMP) {
            return Ok(None);
        }
        let block = superblock::MMP_BLOCK.get(self.superblock.bytes());
        if !self.layout.contains(block, 1) {
            let expected = format!("a block up to {}", self.layout.blocks - 1);
            return Err(Object::the("superblock").corrupt("s_mmp_block", block, expected));
        }
        Ok(Some(block))
    }

    pub(super) fn claim_mmp(&self, ledger: &mut Ledger<'_>) -> Result<()> {
        let Some(block) = self.mmp_block()? else { return Ok(()) };
        ledger.claim(block, 1, Claimant::Group(self.layout.group_of(block)))?;
        let extent = self.layout.extent(block, 1);
        ledger.say(extent.start, extent.start + MMP_LEN, LIVE)?;
        ledger.say(extent.start + MMP_LEN, extent.end(), RESERVED)
    }
}
