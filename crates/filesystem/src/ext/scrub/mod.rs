//! Zeroes residue inside live metadata: what a structure holds beyond what it says.
//!
//! Only bytes that no reader looks at change, and checksums with them. Doing it twice changes nothing.

mod directory;
mod extent;
mod group;
mod inode;
mod mmp;
mod superblock;
mod xattr;

use std::ops::Range;

use block::{BlockWrite, Result, Unsupported, is_zero, to_u64};

use super::{
    Ext,
    claims::Slot,
    superblock::{OBJECT, incompat},
};
pub(super) use xattr::block_hash;

/// Zeroes a range. Returns how many of its bytes were not zero.
fn wipe(buf: &mut [u8], range: Range<usize>) -> u64 {
    let Some(bytes) = buf.get_mut(range) else { return 0 };
    if is_zero(bytes) {
        return 0;
    }
    let dirty = bytes.iter().filter(|byte| **byte != 0).count();
    bytes.fill(0);
    to_u64(dirty)
}

/// Zeroes what lies behind the NUL of a text.
fn wipe_behind_nul(buf: &mut [u8], text: Range<usize>) -> u64 {
    let end = buf[text.clone()].iter().position(|&byte| byte == 0).map_or(text.end, |len| text.start + len);
    wipe(buf, end..text.end)
}

/// Zeroes what none of `live` covers, from `start` up to `end`. Returns how many bytes were not zero.
fn wipe_gaps(buf: &mut [u8], start: usize, end: usize, mut live: Vec<Range<usize>>) -> u64 {
    live.sort_unstable_by_key(|range| range.start);
    let mut wiped = 0;
    let mut at = start;
    for range in live {
        if range.start > at {
            wiped += wipe(buf, at..range.start.min(end));
        }
        at = at.max(range.end);
    }
    if at < end {
        wiped += wipe(buf, at..end);
    }
    wiped
}

impl<D: BlockWrite> Ext<D> {
    /// See [`FilesystemMut::scrub`](crate::FilesystemMut::scrub). The journal must have been replayed.
    pub(super) fn scrub_metadata(&mut self) -> Result<u64> {
        if self.superblock.incompat(incompat::RECOVER) {
            return Err(Unsupported::new(OBJECT, "scrubbing before the journal is replayed").into());
        }
        let mut wiped = self.scrub_mmp()? + self.scrub_reserved_descriptors()?;
        for number in 0..self.layout.groups {
            let group = self.group(number)?;
            let mut dirty = Vec::new();
            self.inode_table(&group, &mut |slot| {
                if let Slot::Live(mut inode) = slot
                    && (Self::has_more(&inode) || self.wipe_inode(&mut inode)? > 0)
                {
                    dirty.push(inode.id());
                }
                Ok(())
            })?;
            for id in dirty {
                wiped += self.scrub_inode(id)?;
            }
            wiped += self.scrub_bitmaps(number)? + self.scrub_descriptor(number)?;
        }
        // Backups are copies of what the groups and the superblock have become.
        wiped += self.scrub_superblock()?;
        wiped += self.scrub_descriptors()?;
        Ok(wiped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_is_not_live() {
        let mut buf = vec![1u8; 20];
        assert_eq!(wipe_gaps(&mut buf, 2, 18, vec![10..12, 4..6, 5..7]), 11);
        let kept: Vec<usize> = (0..20).filter(|at| buf[*at] == 1).collect();
        assert_eq!(kept, [0, 1, 4, 5, 6, 10, 11, 18, 19]);
        assert_eq!(wipe_gaps(&mut buf, 2, 18, vec![10..12, 4..6, 5..7]), 0);
    }
}
