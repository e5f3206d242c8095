//! Zeroes residue inside live metadata: what a structure holds beyond what it says.
//!
//! Only bytes that no reader looks at change, and checksums with them. Doing it twice changes nothing. Two things
//! cannot be zero: a slot of a free inode, which the kernel wants to be one, becomes as mkfs makes it, with its
//! generation; and the hash of a removed name, which keeps its place in an order, becomes its neighbour's.

mod attribute;
mod directory;
mod group;
mod inode;

use std::ops::Range;

use block::{BlockWrite, Result, Unsupported, to_u64};

use super::{Xfs, geometry::FsBlock, inode::Slot, superblock::OBJECT};

/// Zeroes a range. Returns how many of its bytes were not zero.
fn wipe(buf: &mut [u8], range: Range<usize>) -> u64 {
    let Some(bytes) = buf.get_mut(range) else { return 0 };
    let dirty = bytes.iter().filter(|byte| **byte != 0).count();
    bytes.fill(0);
    to_u64(dirty)
}

/// Zeroes what none of `live` covers, from `start` up to the end. Returns how many bytes were not zero.
fn wipe_gaps(buf: &mut [u8], start: usize, mut live: Vec<Range<usize>>) -> u64 {
    live.sort_unstable_by_key(|range| range.start);
    let mut wiped = 0;
    let mut at = start;
    for range in live {
        if range.start > at {
            wiped += wipe(buf, at..range.start.min(buf.len()));
        }
        at = at.max(range.end);
    }
    let end = buf.len();
    if at < end { wiped + wipe(buf, at..end) } else { wiped }
}

/// Metadata that was read, cleaned, and is to be written back.
struct Cleaned {
    /// Where each filesystem block of it lies.
    places: Vec<FsBlock>,
    raw: Vec<u8>,
}

impl<D: BlockWrite> Xfs<D> {
    /// See [`FilesystemMut::scrub`](crate::FilesystemMut::scrub). The log must have been replayed.
    pub(super) fn scrub_metadata(&mut self) -> Result<u64> {
        self.complete()?;
        if self.is_dirty()? {
            return Err(Unsupported::new(OBJECT, "scrubbing before the log is replayed").into());
        }
        let mut wiped = 0;
        for ag in self.geometry.groups() {
            wiped += self.scrub_headers(ag)? + self.scrub_trees(ag)?;
            let mut chunks = Vec::new();
            self.chunks(ag, super::btree::Tree::Inode, &mut |chunk| {
                chunks.push(chunk);
                Ok(())
            })?;
            for chunk in chunks {
                let mut slots = Vec::new();
                self.chunk_inodes(ag, chunk, &mut |slot| {
                    slots.push(slot);
                    Ok(())
                })?;
                for slot in slots {
                    wiped += match slot {
                        Slot::Free(inode) => self.scrub_free_inode(&inode)?,
                        Slot::Used(inode) => self.scrub_inode(inode)?,
                    };
                }
            }
        }
        // Headers may have changed beneath what edits know of them.
        self.reload()?;
        Ok(wiped)
    }

    /// Writes cleaned blocks back.
    fn put_cleaned(&mut self, cleaned: Vec<Cleaned>) -> Result<()> {
        for Cleaned { places, raw } in cleaned {
            for (place, part) in places.into_iter().zip(raw.chunks_exact(self.geometry.block_len())) {
                self.write_blocks(place, part)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_what_is_live_is_zero() {
        let mut buf = vec![7; 10];
        assert_eq!(wipe_gaps(&mut buf, 1, vec![5..6, 2..4, 8..20]), 4);
        assert_eq!(buf, [7, 0, 7, 7, 0, 7, 0, 0, 7, 7]);
        assert_eq!(wipe_gaps(&mut buf, 1, vec![5..6, 2..4, 8..20]), 0);
        assert_eq!(wipe_gaps(&mut buf, 0, vec![]), 6);
    }
}
