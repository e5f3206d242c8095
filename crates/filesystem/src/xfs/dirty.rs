//! Whether a log has to be replayed, or inodes wait for their end.

use block::{BlockRead, Error, Result};

use super::{Xfs, format::agi, geometry::NO_AG_INODE};

impl<D: BlockRead> Xfs<D> {
    /// Whether the log ends in anything but an unmount, or a group has a list of unlinked inodes. What makes
    /// no sense counts as dirty; only the medium can fail.
    pub(crate) fn is_dirty(&self) -> Result<bool> {
        let or_dirty = |answer: Result<bool>| match answer {
            Err(error @ Error::Io(_)) => Err(error),
            answer => Ok(answer.unwrap_or(true)),
        };
        Ok(or_dirty(self.needs_recovery())? || or_dirty(self.has_unlinked())?)
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
