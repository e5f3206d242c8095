//! Gives a new inode its extended attributes: in the inode, beside what the data fork needs there.

use block::{BlockWrite, Result};

use super::unsupported;
use crate::xfs::{
    Xfs,
    attribute::split_name,
    format::{
        attr::short,
        inode::{ATTR_FORMAT, FORK_OFFSET, format},
    },
    inode::{Fork, Inode},
    superblock::{self as sb, features2, version},
};

/// Bytes that the data fork keeps: room for the root of a map with two children.
const DATA_MIN: usize = 40;

impl<D: BlockWrite> Xfs<D> {
    /// Gives an inode without attributes these. The inode is not written.
    pub(super) fn set_attributes(
        &mut self,
        inode: &mut Inode,
        attributes: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<()> {
        if attributes.is_empty() {
            return Ok(());
        }
        let object = inode.object();
        let mut bytes = vec![0; short::HEADER_LEN];
        for (at, (name, value)) in attributes.iter().enumerate() {
            let text = name.escape_ascii();
            let Some((flags, suffix)) = split_name(name) else {
                return unsupported(object, format!("setting the attribute {text}"));
            };
            if attributes[..at].iter().any(|(other, _)| other == name) {
                return unsupported(object, format!("setting the attribute {text} twice"));
            }
            let (Ok(name_len), Ok(value_len)) = (u8::try_from(suffix.len()), u8::try_from(value.len()))
            else {
                return unsupported(object, format!("setting the attribute {text} to more than 255 bytes"));
            };
            if suffix.is_empty() || suffix.contains(&0) {
                return unsupported(object, format!("setting an attribute of the name `{text}`"));
            }
            let entry = bytes.len();
            bytes.resize(entry + short::ENTRY_LEN, 0);
            short::NAME_LEN.set(&mut bytes[entry..], name_len);
            short::VALUE_LEN.set(&mut bytes[entry..], value_len);
            short::FLAGS.set(&mut bytes[entry..], flags);
            bytes.extend(suffix);
            bytes.extend(value);
        }
        let literal = inode.fork(Fork::Data).len();
        let area = bytes.len().next_multiple_of(8);
        let offset = literal.checked_sub(area).filter(|&offset| offset >= DATA_MIN).map(|offset| offset / 8);
        let (Some(offset), Ok(total), Ok(count)) = (
            offset.and_then(|offset| u8::try_from(offset).ok()),
            u16::try_from(bytes.len()),
            u8::try_from(attributes.len()),
        ) else {
            return unsupported(object, "creating a file with more attributes than its inode holds");
        };
        short::TOTAL.set(&mut bytes, total);
        short::COUNT.set(&mut bytes, count);
        FORK_OFFSET.set(&mut inode.raw, offset);
        ATTR_FORMAT.set(&mut inode.raw, format::LOCAL);
        let start = inode.fork(Fork::Attr).start;
        inode.raw[start..start + bytes.len()].copy_from_slice(&bytes);
        self.announce_attributes(inode)
    }

    /// A filesystem of version 4 says that it has attributes, and that their place in an inode may be anywhere.
    fn announce_attributes(&mut self, inode: &Inode) -> Result<()> {
        let raw = self.superblock.bytes();
        if !self.geometry.v5 && sb::FEATURES2.get(raw) & features2::ATTR2 == 0 {
            return unsupported(inode.object(), "creating a file with attributes without the feature attr2");
        }
        if self.superblock.has_version(version::ATTR) {
            return Ok(());
        }
        self.set_superblock(|raw| {
            let word = sb::VERSION.get(raw);
            sb::VERSION.set(raw, word | version::ATTR);
        })
    }
}
