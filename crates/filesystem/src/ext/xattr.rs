//! Extended attributes: where each entry and value lies, inside an inode or in a block.
//!
//! Kernel `Documentation/filesystems/ext4/attributes.rst`. Values stay where they are; nothing here copies one.

use std::ops::Range;

use block::{
    BlockRead, Object, Result, Unsupported,
    field::{Le16, Le32, U8},
};

use super::{Ext, inode::Inode};

pub(crate) const MAGIC: Le32 = Le32(0);
pub(crate) const MAGIC_VALUE: u32 = 0xEA02_0000;
/// h_refcount of a block: how many inodes share it.
pub(crate) const REFCOUNT: Le32 = Le32(0x04);
pub(crate) const BLOCKS: Le32 = Le32(0x08);
/// h_hash of a block.
pub(crate) const BLOCK_HASH: Le32 = Le32(0x0C);
/// h_checksum of a block.
pub(crate) const CHECKSUM: Le32 = Le32(0x10);
/// Bytes of a block's header before h_reserved.
pub(crate) const BLOCK_HEADER_USED: usize = 0x14;
/// Bytes of a block's header.
pub(crate) const BLOCK_HEADER_LEN: usize = 32;
/// Bytes of an inode's header: the magic.
pub(crate) const BODY_HEADER_LEN: usize = 4;

pub(crate) const NAME_LEN: U8 = U8(0);
pub(crate) const NAME_INDEX: U8 = U8(1);
/// e_value_offs.
pub(crate) const VALUE_OFFS: Le16 = Le16(2);
const VALUE_INUM: Le32 = Le32(4);
/// e_value_size.
pub(crate) const VALUE_SIZE: Le32 = Le32(8);
/// e_hash; 0 is always right inside an inode.
pub(crate) const HASH: Le32 = Le32(12);
/// Bytes of an entry before its name.
pub(crate) const ENTRY_LEN: usize = 16;

/// e_name_index of `system.`; with the name `data` it is inline data.
const INDEX_SYSTEM: u8 = 7;

/// e_name_index by the prefix that it stands for. The two of ACLs stand for whole names.
const PREFIXES: [(u8, &[u8]); 6] = [
    (1, b"user."),
    (2, b"system.posix_acl_access"),
    (3, b"system.posix_acl_default"),
    (4, b"trusted."),
    (6, b"security."),
    (INDEX_SYSTEM, b"system."),
];

/// e_name_index and the rest of a name, for those attributes that keep their value as it is given: not ACLs, nor what
/// else is the kernel's own.
pub(crate) fn split_name(name: &[u8]) -> Option<(u8, &[u8])> {
    let (index, prefix) = PREFIXES.into_iter().find(|(_, prefix)| name.starts_with(prefix))?;
    (![2, 3, INDEX_SYSTEM].contains(&index)).then_some((index, &name[prefix.len()..]))
}

/// One attribute: positions in the buffer that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// The whole entry, padding after the name included.
    pub(crate) entry: Range<usize>,
    /// The name within it.
    pub(crate) name: Range<usize>,
    /// The value; empty if it has none here.
    pub(crate) value: Range<usize>,
    /// The inode that holds the value instead; 0 if none does.
    pub(crate) value_inode: u64,
    name_index: u8,
}

/// Attributes of one area.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Attributes {
    /// In the order on disk.
    pub(crate) list: Vec<Attribute>,
    /// Header and entries up to the end of the zero word behind the last one.
    pub(crate) head: Range<usize>,
}

/// Parses entries from `first` on in `area[..]`; value offsets count from `base`.
fn parse(area: &[u8], head: usize, first: usize, base: usize, object: Object) -> Result<Attributes> {
    let mut list = Vec::new();
    let mut at = first;
    // The list ends with a zero word, or with the area.
    while area.get(at..at + 4).is_some_and(|word| word != [0; 4]) {
        let bad = |what| object.corrupt("xattr entry", what, "inside its area");
        let Some(raw) = area.get(at..at + ENTRY_LEN) else { return Err(bad("cut off")) };
        let name_len = usize::from(NAME_LEN.get(raw));
        let name = at + ENTRY_LEN..at + ENTRY_LEN + name_len;
        let end = name.end.next_multiple_of(4);
        if end > area.len() {
            return Err(bad("cut off"));
        }
        let value_inode = u64::from(VALUE_INUM.get(raw));
        let start = base + usize::from(VALUE_OFFS.get(raw));
        let size = usize::try_from(VALUE_SIZE.get(raw)).unwrap_or(usize::MAX);
        let value = if value_inode != 0 || size == 0 {
            0..0
        } else {
            match start.checked_add(size) {
                Some(value_end) if value_end <= area.len() => start..value_end,
                _ => return Err(bad("a value outside")),
            }
        };
        list.push(Attribute { entry: at..end, name, value, value_inode, name_index: NAME_INDEX.get(raw) });
        at = end;
    }
    let end = (at + 4).min(area.len());
    if let Some(attribute) =
        list.iter().find(|attribute| !attribute.value.is_empty() && attribute.value.start < at)
    {
        return Err(object.corrupt("xattr value's place", attribute.value.start, format!("{end} or more")));
    }
    let mut values: Vec<_> =
        list.iter().map(|attribute| &attribute.value).filter(|value| !value.is_empty()).collect();
    values.sort_unstable_by_key(|value| value.start);
    // Equal values may lie on top of each other in no known writer; a partial overlap is damage.
    if let Some(pair) = values.windows(2).find(|pair| pair[0].end > pair[1].start) {
        return Err(object.corrupt("xattr value's place", pair[1].start, format!("{} or more", pair[0].end)));
    }
    Ok(Attributes { list, head: head..end })
}

impl Inode {
    /// The attributes in the inode itself; `None` if it has no such area. Positions are in `raw`.
    pub(crate) fn attributes(&self) -> Result<Option<Attributes>> {
        let start = self.xattr_start();
        // i_extra_isize 0: the space behind was never taken into use (the kernel looks no further either).
        if start <= 128 || self.raw.get(start..start + 4).is_none_or(|word| MAGIC.get(word) != MAGIC_VALUE) {
            return Ok(None);
        }
        let first = start + BODY_HEADER_LEN;
        parse(&self.raw, start, first, first, self.object()).map(Some)
    }

    /// Where in `raw` inline data continues behind the 60 bytes of i_block; empty if it does not.
    pub(crate) fn inline_rest(&self) -> Result<Range<usize>> {
        Ok(self.inline_attribute()?.map_or(0..0, |attribute| attribute.value))
    }

    /// The attribute `system.data` in the inode, whose value is that continuation.
    pub(crate) fn inline_attribute(&self) -> Result<Option<Attribute>> {
        let Some(attributes) = self.attributes()? else { return Ok(None) };
        let data = attributes.list.into_iter().find(|attribute| {
            attribute.name_index == INDEX_SYSTEM && self.raw[attribute.name.clone()] == *b"data"
        });
        Ok(data)
    }
}

/// An xattr block whose header and entries are in order.
pub(crate) fn parse_block(raw: &[u8], block: u64) -> Result<Attributes> {
    let object = Object::numbered("xattr block", block);
    let magic = MAGIC.get(raw);
    if magic != MAGIC_VALUE {
        return Err(object.corrupt("h_magic", format!("{magic:#010x}"), format!("{MAGIC_VALUE:#010x}")));
    }
    if BLOCKS.get(raw) != 1 {
        return Err(object.corrupt("h_blocks", BLOCKS.get(raw), 1));
    }
    parse(raw, 0, BLOCK_HEADER_LEN, 0, object)
}

impl<D: BlockRead> Ext<D> {
    /// Reads an xattr block: its bytes and what lies where in them; the checksum is right.
    pub(crate) fn xattr_block(&self, block: u64) -> Result<(Vec<u8>, Attributes)> {
        let raw = self.read_block(block)?;
        let attributes = parse_block(&raw, block)?;
        if self.checksums.metadata() {
            let (found, expected) = (CHECKSUM.get(&raw), self.checksums.xattr_block(block, &raw));
            if found != expected {
                let object = Object::numbered("xattr block", block);
                return Err(object.corrupt(
                    "checksum",
                    format!("{found:#010x}"),
                    format!("{expected:#010x}"),
                ));
            }
        }
        Ok((raw, attributes))
    }

    /// The value of an attribute, by its whole name. `Unsupported` if it lies in an inode of its own.
    pub(crate) fn attribute_value(&self, inode: &Inode, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some((index, suffix)) = split_name(name) else { return Ok(None) };
        let find = |raw: &[u8], attributes: &Attributes| {
            let found = attributes
                .list
                .iter()
                .find(|attribute| attribute.name_index == index && raw[attribute.name.clone()] == *suffix)?;
            Some((found.value_inode, raw[found.value.clone()].to_vec()))
        };
        let mut value = inode.attributes()?.and_then(|attributes| find(&inode.raw, &attributes));
        let block = inode.xattr_block();
        if value.is_none() && block != 0 {
            let (raw, attributes) = self.xattr_block(block)?;
            value = find(&raw, &attributes);
        }
        match value {
            Some((0, value)) => Ok(Some(value)),
            Some(_) => {
                let what = "reading an attribute whose value lies in an inode (ea_inode)";
                Err(Unsupported::new(inode.object(), what).into())
            }
            None => Ok(None),
        }
    }
}
