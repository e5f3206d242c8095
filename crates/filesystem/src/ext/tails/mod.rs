//! Residue inside live metadata: everything that [`claims`](crate::Filesystem::claims) calls live but content.
//!
//! One pass over the inode tables, in memory that does not follow the image. Quota files count as in use: all their
//! fields are numbers.

mod directory;
mod fixed;
mod hidden;
mod inode;
mod xattr;

use block::{BlockRead, Result};

use super::{
    Ext,
    claims::{Bits, Slot},
};
use crate::tails::Visit;

impl<D: BlockRead> Ext<D> {
    /// See [`Filesystem::tails`](crate::Filesystem::tails).
    pub(super) fn visit_tails(&self, visit: &mut Visit<'_>) -> Result<()> {
        self.superblock_tails(visit)?;
        self.descriptor_tails(visit)?;
        self.reserved_descriptor_tails(visit)?;
        self.mmp_tails(visit)?;
        // Xattr blocks that inodes share are looked at once.
        let mut shared = Bits::default();
        for number in 0..self.layout.groups {
            let group = self.group(number)?;
            self.bitmap_tails(&group, visit)?;
            self.inode_table(&group, &mut |slot| match slot {
                Slot::Dead(_) => Ok(()),
                Slot::Live(inode) => self.inode_tails(&inode, &mut shared, visit),
            })?;
        }
        Ok(())
    }
}
