//! Directories inside their inode (`struct xfs_dir2_sf_hdr`): the parent's number, then names back to back.

use std::ops::Range;

use block::{
    Result,
    field::{Be32, Be64},
    to_usize,
};

use crate::xfs::{
    format::dir::{ftype, short},
    geometry::InodeNumber,
    inode::{Fork, Inode},
};

/// A name: positions in the inode's raw bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShortEntry {
    /// All of it.
    pub(crate) entry: Range<usize>,
    pub(crate) name: Range<usize>,
    pub(crate) inode: InodeNumber,
    pub(crate) kind: u8,
}

/// A directory inside its inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Short {
    pub(crate) parent: InodeNumber,
    pub(crate) entries: Vec<ShortEntry>,
    /// Where the last entry ends in the inode's raw bytes.
    pub(crate) end: usize,
}

/// Parses what the data fork holds.
pub(crate) fn parse(inode: &Inode, has_ftype: bool) -> Result<Short> {
    let object = inode.object();
    let fork = inode.fork(Fork::Data);
    let area = &inode.raw[fork.clone()];
    let size = to_usize(inode.size());
    let (Some(count), Some(wide)) = (short::COUNT.try_get(area), short::WIDE_COUNT.try_get(area)) else {
        return Err(object.corrupt("fork", format!("{} bytes", area.len()), "a directory"));
    };
    let number_len = short::number_len(wide);
    let cut = |what: &'static str| object.corrupt(what, "cut off", format!("within {size} bytes"));
    let number = |at: usize| {
        let number = if number_len == 8 {
            Be64(at).try_get(&area[..size.min(area.len())])
        } else {
            Be32(at).try_get(&area[..size.min(area.len())]).map(u64::from)
        };
        number.map(InodeNumber)
    };
    let parent = number(short::PARENT).ok_or_else(|| cut("parent"))?;
    let mut at = short::PARENT + number_len;
    let mut entries = Vec::with_capacity(count.into());
    for _ in 0..count {
        let Some(&len) = area.get(at) else { return Err(cut("directory entry")) };
        let name = at + short::ENTRY_LEN..at + short::ENTRY_LEN + usize::from(len);
        let place = name.end + usize::from(has_ftype);
        let Some(inode) = number(place) else { return Err(cut("directory entry")) };
        let kind = if has_ftype { area[name.end] } else { ftype::UNKNOWN };
        let end = place + number_len;
        let in_inode = |range: Range<usize>| fork.start + range.start..fork.start + range.end;
        entries.push(ShortEntry { entry: in_inode(at..end), name: in_inode(name), inode, kind });
        at = end;
    }
    if at != size {
        return Err(object.corrupt("di_size", size, format!("{at}, where its {count} names end")));
    }
    Ok(Short { parent, entries, end: fork.start + at })
}
