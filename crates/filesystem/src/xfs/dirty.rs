//! Whether a log has to be replayed, or inodes wait for their end.

use block::{BlockRead, Result};

use super::{Xfs, format::agi, geometry::NO_AG_INODE};

impl<D: BlockRead> Xfs<D> {
    /// Whether the log ends in anything but an unmount, or a group has a list of unlinked inodes. What cannot be
    /// read counts as dirty.
    pub(crate) fn is_dirty(&self) -> bool {
        self.needs_recovery().unwrap_or(true) || self.has_unlinked().unwrap_or(true)
    }

    fn has_unlinked(&self) -> Result<bool> {
        for ag in self.geometry.groups() {
            let header = self.agi(ag)?;
            let mut lists = (0..agi::UNLINKED_BUCKETS).map(|bucket| agi::unlinked(bucket).get(&header));
            if lists.any(|head| head != NO_AG_INODE) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
