//! Residue inside live metadata, seen read-only: what a structure holds beyond what it uses.
//!
//! Written as positive lists. Each structure says which of its bytes are in use; all others must be zero, and those
//! that are not are reported. What nobody thought of is thus residue, not trusted. None of this is the code of the
//! scrub, so that what the one forgets the other finds.

use std::ops::Range;

use block::{Extent, Result, is_zero, to_u64};

/// In what kind of live metadata an unused byte that is not zero lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tail {
    /// A directory: old names, behind or between its entries, or in a deleted one.
    Directory,
    /// A live inode, behind its fields, or in what its kind does not need of them.
    Inode,
    /// An area of extended attributes, between its entries and values.
    Xattr,
    /// A block of an inode's map, behind its last entry.
    Map,
    /// A superblock or a copy of it: last mount point, error record, fields without a use.
    Superblock,
    /// A table of group descriptors or a copy of it.
    Descriptors,
    /// The padding of a bitmap.
    Bitmap,
    /// The block for multiple mount protection: names of a host and a device.
    Mmp,
    /// The superblock of a journal.
    Journal,
    /// The file that lists orphans.
    Orphans,
    /// A boot sector or what belongs to one.
    Boot,
    /// A file allocation table: what lies behind its last entry, or a copy that differs.
    Table,
    /// The header of a swap area.
    Swap,
    /// A partition table.
    Partitions,
    /// Label or metadata of an LVM2 physical volume: unused fields, and who wrote the text last.
    Lvm,
}

/// Told of each run of unused bytes, from the first to the last that is not zero.
pub(crate) type Visit<'a> = dyn FnMut(Extent, Tail) -> Result<()> + 'a;

/// Reports a range of `bytes`, which lie at `start`, if not all of it is zero.
pub(crate) fn gap(
    bytes: &[u8],
    range: Range<usize>,
    start: u64,
    tail: Tail,
    visit: &mut Visit<'_>,
) -> Result<()> {
    let Some(part) = bytes.get(range.clone()).filter(|part| !is_zero(part)) else { return Ok(()) };
    let used = |&byte: &u8| byte != 0;
    let first = part.iter().position(used).expect("the part is not all zero");
    let last = part.iter().rposition(used).expect("the part is not all zero");
    let start = start + to_u64(range.start + first);
    visit(Extent { start, len: to_u64(last - first + 1) }, tail)
}

/// Reports what of `bytes`, which lie at `start`, is in none of the ranges in use. These ascend; they may overlap.
pub(crate) fn unused(
    bytes: &[u8],
    used: impl IntoIterator<Item = Range<usize>>,
    start: u64,
    tail: Tail,
    visit: &mut Visit<'_>,
) -> Result<()> {
    let mut at = 0;
    for range in used {
        if at < range.start {
            gap(bytes, at..range.start.min(bytes.len()), start, tail, visit)?;
        }
        at = at.max(range.end);
    }
    if at < bytes.len() {
        gap(bytes, at..bytes.len(), start, tail, visit)?;
    }
    Ok(())
}

/// How many bytes of a text are in use: up to its NUL, or all.
pub(crate) fn text_len(text: &[u8]) -> usize {
    text.iter().position(|&byte| byte == 0).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8], used: &[Range<usize>]) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        unused(bytes, used.iter().cloned(), 100, Tail::Inode, &mut |extent, _| {
            found.push((extent.start, extent.len));
            Ok(())
        })
        .unwrap();
        found
    }

    #[test]
    fn what_is_not_in_use_must_be_zero() {
        let mut bytes = [0; 20];
        assert_eq!(found(&bytes, &[]), []);
        bytes[3] = 1;
        bytes[6] = 1;
        bytes[19] = 1;
        assert_eq!(found(&bytes, &[]), [(103, 17)]);
        assert_eq!(found(&bytes, &[3..4, 10..12]), [(106, 1), (119, 1)]);
        assert_eq!(found(&bytes, &[0..5, 2..4, 5..20]), []);
        assert_eq!(found(&bytes, &[0..5, 5..30]), []);
        assert_eq!(found(&bytes, &[25..30, 40..50]), [(103, 17)]);
    }
}
