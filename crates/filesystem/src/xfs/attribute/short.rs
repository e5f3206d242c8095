//! Attributes inside the inode (`struct xfs_attr_sf_hdr`): names and values back to back.

use std::ops::Range;

use block::Result;

use crate::xfs::{
    format::attr::short,
    inode::{Fork, Inode},
};

/// One attribute: positions in the inode's raw bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShortAttribute {
    /// All of it.
    pub(crate) entry: Range<usize>,
    pub(crate) name: Range<usize>,
    pub(crate) value: Range<usize>,
    pub(crate) flags: u8,
}

/// The attributes of an inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Short {
    pub(crate) entries: Vec<ShortAttribute>,
    /// Where the last ends in the inode's raw bytes.
    pub(crate) end: usize,
}

/// Parses what the attribute fork holds.
pub(crate) fn parse(inode: &Inode) -> Result<Short> {
    let object = inode.object();
    let fork = inode.fork(Fork::Attr);
    let area = &inode.raw[fork.clone()];
    let (Some(total), Some(count)) = (short::TOTAL.try_get(area), short::COUNT.try_get(area)) else {
        return Err(object.corrupt("attribute fork", format!("{} bytes", area.len()), "4 or more"));
    };
    let total = usize::from(total);
    if total < short::HEADER_LEN || total > area.len() {
        let expected = format!("{} to {}", short::HEADER_LEN, area.len());
        return Err(object.corrupt("length of its attributes", total, expected));
    }
    let mut at = short::HEADER_LEN;
    let mut entries = Vec::with_capacity(count.into());
    for _ in 0..count {
        let Some(head) = area[..total].get(at..at + short::ENTRY_LEN) else {
            return Err(object.corrupt("attribute", "cut off", format!("within {total} bytes")));
        };
        let name = at + short::ENTRY_LEN..at + short::ENTRY_LEN + usize::from(short::NAME_LEN.get(head));
        let value = name.end..name.end + usize::from(short::VALUE_LEN.get(head));
        if value.end > total {
            return Err(object.corrupt("attribute", "cut off", format!("within {total} bytes")));
        }
        if name.is_empty() {
            return Err(object.corrupt("attribute", "without a name", "a name"));
        }
        let in_inode = |range: Range<usize>| fork.start + range.start..fork.start + range.end;
        entries.push(ShortAttribute {
            entry: in_inode(at..value.end),
            name: in_inode(name),
            value: in_inode(value.clone()),
            flags: short::FLAGS.get(head),
        });
        at = value.end;
    }
    if at != total {
        return Err(object.corrupt(
            "length of its attributes",
            total,
            format!("{at}, where the last one ends"),
        ));
    }
    Ok(Short { entries, end: fork.start + at })
}
