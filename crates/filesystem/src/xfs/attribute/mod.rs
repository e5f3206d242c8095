//! Extended attributes: where each name and value lies, in the inode, in leaves, or in blocks of its own.

pub(crate) mod leaf;
pub(crate) mod short;
mod unreached;

use std::ops::Range;

use block::{BlockRead, Result, to_u64, to_usize};

use super::{
    Xfs,
    format::{
        attr::{flags, remote},
        inode::format,
    },
    geometry::{FsBlock, Geometry},
    group::{expect, expect_magic},
    inode::{Fork, Inode},
};

/// Where a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Beside the name.
    Local(&'a [u8]),
    /// In blocks of the fork from this one on; of so many bytes.
    Remote(u64, usize),
}

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute<'a> {
    /// Without the prefix that the flags stand for.
    pub(crate) name: &'a [u8],
    /// See [`flags`].
    pub(crate) flags: u8,
    pub(crate) value: Value<'a>,
}

impl Attribute<'_> {
    /// Whether a reader of the filesystem sees it.
    pub(crate) const fn is_visible(&self) -> bool {
        self.flags & (flags::INCOMPLETE | flags::PARENT) == 0
    }
}

/// Told of a block of a value: where it lies, its bytes, and which of them are the value's.
pub(crate) type ValueVisit<'a> = dyn FnMut(FsBlock, &[u8], Range<usize>) -> Result<()> + 'a;

/// The longest value (XFS_XATTR_SIZE_MAX).
const MAX_VALUE: usize = 65_536;

/// Flags of a namespace by the prefix of its names.
const PREFIXES: [(&[u8], u8); 3] = [(b"user.", 0), (b"trusted.", flags::ROOT), (b"security.", flags::SECURE)];

/// The namespace's flags and the rest of a name, for attributes that keep their value as it is given: not ACLs.
pub(crate) fn split_name(name: &[u8]) -> Option<(u8, &[u8])> {
    PREFIXES.into_iter().find_map(|(prefix, flags)| Some((flags, name.strip_prefix(prefix)?)))
}

impl<D: BlockRead> Xfs<D> {
    /// Each attribute of an inode, also those that nobody sees.
    pub(crate) fn attributes(
        &self,
        inode: &Inode,
        visit: &mut dyn FnMut(Attribute<'_>) -> Result<()>,
    ) -> Result<()> {
        if !inode.has_attr_fork() {
            return Ok(());
        }
        if inode.fork_format(Fork::Attr) == format::LOCAL {
            let parsed = short::parse(inode)?;
            return parsed.entries.iter().try_for_each(|entry| {
                visit(Attribute {
                    name: &inode.raw[entry.name.clone()],
                    flags: entry.flags,
                    value: Value::Local(&inode.raw[entry.value.clone()]),
                })
            });
        }
        self.attribute_blocks(inode, &mut |block| {
            let leaf::Block::Leaf(leaf) = block else { return Ok(()) };
            leaf.entries.iter().try_for_each(|entry| {
                visit(Attribute {
                    name: &leaf.raw[entry.name.clone()],
                    flags: entry.flags,
                    value: match entry.remote {
                        None => Value::Local(&leaf.raw[entry.value.clone()]),
                        Some((block, len)) => Value::Remote(block, len),
                    },
                })
            })
        })
    }

    /// The blocks of a value that lies elsewhere, in order.
    pub(crate) fn value_blocks(
        &self,
        inode: &Inode,
        first: u64,
        len: usize,
        visit: &mut ValueVisit<'_>,
    ) -> Result<()> {
        let v5 = self.geometry.v5;
        if len == 0 || len > MAX_VALUE {
            return Err(inode.object().corrupt(
                "length of an attribute's value",
                len,
                format!("1 to {MAX_VALUE}"),
            ));
        }
        let head = remote::header_len(v5);
        let room = self.geometry.block_len() - head;
        let count = to_u64(len.div_ceil(room));
        let Some((places, raw)) = self.fork_blocks(inode, Fork::Attr, first, count)? else {
            return Err(inode.object().corrupt(
                "block of an attribute's value",
                "missing",
                "one that is there",
            ));
        };
        let mut at = 0;
        for (place, raw) in places.iter().zip(raw.chunks_exact(self.geometry.block_len())) {
            let part = room.min(len - at);
            if v5 {
                let object = Geometry::block_object("attribute value block", *place);
                expect_magic(object, remote::MAGIC.get(raw), remote::MAGIC_VALUE)?;
                let fields = (remote::CRC, remote::BLKNO, remote::UUID, remote::OWNER);
                self.check_own(inode, object, raw, *place, fields)?;
                expect(object, "rm_offset", remote::OFFSET.get(raw), to_u64(at))?;
                expect(object, "rm_bytes", remote::BYTES.get(raw), to_u64(part))?;
            }
            visit(*place, raw, head..head + part)?;
            at += part;
        }
        Ok(())
    }

    /// The value of an attribute, by its whole name.
    pub(crate) fn attribute_value(&self, inode: &Inode, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some((namespace, suffix)) = split_name(name) else { return Ok(None) };
        let mut found = None;
        let mut elsewhere = None;
        self.attributes(inode, &mut |attribute| {
            let same = attribute.name == suffix
                && attribute.flags & (flags::ROOT | flags::SECURE) == namespace
                && attribute.is_visible();
            if same {
                match attribute.value {
                    Value::Local(value) => found = Some(value.to_vec()),
                    Value::Remote(block, len) => elsewhere = Some((block, len)),
                }
            }
            Ok(())
        })?;
        if let Some((block, len)) = elsewhere {
            let mut value = Vec::with_capacity(len.min(MAX_VALUE));
            self.value_blocks(inode, block, len, &mut |_, raw, range| {
                value.extend_from_slice(&raw[range]);
                Ok(())
            })?;
            found = Some(value);
        }
        Ok(found)
    }
}

/// A block of the fork as a number of 32 bits names it.
pub(crate) fn fork_block(raw: u32) -> u64 {
    raw.into()
}

/// A length of 32 bits.
pub(crate) fn length(raw: u32) -> usize {
    to_usize(raw.into())
}
