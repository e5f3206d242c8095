//! Gives a new inode its extended attributes: behind its fields if all fit there, else in a block of their own.
//!
//! Kernel `Documentation/filesystems/ext4/attributes.rst`; the order of the entries and their hashes are the kernel's.

use block::{BlockWrite, Result, field::Le32};

use super::unsupported;
use crate::ext::{
    Ext,
    inode::{self, Inode},
    scrub::block_hash,
    superblock::{self as sb, compat, incompat},
    xattr::{
        self, BLOCK_HASH, BLOCK_HEADER_LEN, BLOCKS, BODY_HEADER_LEN, CHECKSUM, ENTRY_LEN, HASH, MAGIC,
        MAGIC_VALUE, NAME_INDEX, NAME_LEN, REFCOUNT, VALUE_OFFS, VALUE_SIZE,
    },
};

/// An attribute: name index, name without its prefix, value.
type Attribute<'a> = (u8, &'a [u8], &'a [u8]);

/// Bytes that entries and values take, with the zero word that ends the entries.
fn needed(list: &[Attribute<'_>]) -> usize {
    let each = |(_, name, value): &Attribute<'_>| {
        (ENTRY_LEN + name.len()).next_multiple_of(4) + value.len().next_multiple_of(4)
    };
    list.iter().map(each).sum::<usize>() + Le32::WIDTH
}

/// e_hash: the name's bytes, then the value's words, its padding of zeros included.
fn entry_hash(name: &[u8], value: &[u8]) -> u32 {
    let mut hash = 0u32;
    for &byte in name {
        hash = hash.rotate_left(5) ^ u32::from(byte);
    }
    for part in value.chunks(Le32::WIDTH) {
        let mut word = [0; 4];
        word[..part.len()].copy_from_slice(part);
        hash = hash.rotate_left(16) ^ u32::from_le_bytes(word);
    }
    hash
}

/// Writes entries from `first` on and values from the end of `area` down; offsets count from `base`.
fn write(area: &mut [u8], first: usize, base: usize, list: &[Attribute<'_>], hashed: bool) {
    let mut at = first;
    let mut end = area.len();
    for (index, name, value) in list {
        let entry = &mut area[at..];
        NAME_LEN.set(entry, u8::try_from(name.len()).expect("checked"));
        NAME_INDEX.set(entry, *index);
        VALUE_SIZE.set(entry, u32::try_from(value.len()).expect("it fits in a block"));
        HASH.set(entry, if hashed { entry_hash(name, value) } else { 0 });
        entry[ENTRY_LEN..ENTRY_LEN + name.len()].copy_from_slice(name);
        if !value.is_empty() {
            end -= value.len().next_multiple_of(4);
            let offset = u16::try_from(end - base).expect("a block has at most 64 KiB");
            VALUE_OFFS.set(&mut area[at..], offset);
            area[end..end + value.len()].copy_from_slice(value);
        }
        at += (ENTRY_LEN + name.len()).next_multiple_of(4);
    }
}

impl<D: BlockWrite> Ext<D> {
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
        let mut list = Vec::with_capacity(attributes.len());
        for (name, value) in attributes {
            let text = name.escape_ascii();
            let Some((index, suffix)) = xattr::split_name(name) else {
                return unsupported(object, format!("setting the attribute {text}"));
            };
            if suffix.is_empty() || suffix.len() > 255 || suffix.contains(&0) {
                return unsupported(object, format!("setting an attribute of the name {text}"));
            }
            list.push((index, suffix, value.as_slice()));
        }
        // As the kernel looks for them in a block.
        list.sort_by_key(|&(index, name, _)| (index, name.len(), name));
        if list.windows(2).any(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1)) {
            return unsupported(object, "setting an attribute twice");
        }
        if sb::REV_LEVEL.get(self.superblock.bytes()) == 0 {
            return unsupported(object, "setting an attribute in a filesystem of revision 0");
        }
        let start = inode.xattr_start();
        if start > 128 && needed(&list) + BODY_HEADER_LEN <= inode.raw.len() - start {
            MAGIC.set(&mut inode.raw[start..], MAGIC_VALUE);
            let first = start + BODY_HEADER_LEN;
            // The kernel checks no hash here, and 0 is always right.
            write(&mut inode.raw, first, first, &list, false);
        } else {
            self.set_attribute_block(inode, &list)?;
        }
        if !self.superblock.compat(compat::EXT_ATTR) {
            self.set_superblock(|raw| {
                let features = sb::FEATURE_COMPAT.get(raw) | compat::EXT_ATTR;
                sb::FEATURE_COMPAT.set(raw, features);
            })?;
        }
        Ok(())
    }

    fn set_attribute_block(&mut self, inode: &mut Inode, list: &[Attribute<'_>]) -> Result<()> {
        let object = inode.object();
        if needed(list) + BLOCK_HEADER_LEN > self.layout.block_len() {
            return unsupported(object, "attributes that fill more than a block");
        }
        let near = self.layout.inode_place(inode.number).0;
        let place = self.allocate(near, 1, object)?[0].start;
        let mut block = vec![0; self.layout.block_len()];
        MAGIC.set(&mut block, MAGIC_VALUE);
        REFCOUNT.set(&mut block, 1);
        BLOCKS.set(&mut block, 1);
        write(&mut block, BLOCK_HEADER_LEN, 0, list, true);
        let attributes = xattr::parse_block(&block, place)?;
        let hash = block_hash(&block, &attributes);
        BLOCK_HASH.set(&mut block, hash);
        if self.checksums.metadata() {
            let sum = self.checksums.xattr_block(place, &block);
            CHECKSUM.set(&mut block, sum);
        }
        self.write_block(place, &block)?;
        let [a, b, c, d, e, f, ..] = place.to_le_bytes();
        inode::FILE_ACL_LO.set(&mut inode.raw, u32::from_le_bytes([a, b, c, d]));
        if self.superblock.incompat(incompat::SIXTY_FOUR_BIT) {
            inode::FILE_ACL_HI.set(&mut inode.raw, u16::from_le_bytes([e, f]));
        }
        let unit = self.layout.cluster_blocks * self.layout.block_size;
        let bytes = self.allocated_bytes(inode).saturating_add(unit);
        self.set_allocated_bytes(inode, bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_parsed_and_fits_exactly() {
        let list: [Attribute<'_>; 2] = [(1, b"empty", b""), (6, b"selinux", b"system_u:object_r:etc_t:s0\0")];
        let len = BLOCK_HEADER_LEN + needed(&list);
        let mut block = vec![0; len];
        MAGIC.set(&mut block, MAGIC_VALUE);
        BLOCKS.set(&mut block, 1);
        write(&mut block, BLOCK_HEADER_LEN, 0, &list, true);
        let parsed = xattr::parse_block(&block, 7).unwrap();
        let found: Vec<_> = parsed
            .list
            .iter()
            .map(|attribute| (&block[attribute.name.clone()], &block[attribute.value.clone()]))
            .collect();
        assert_eq!(found, [(&b"empty"[..], &b""[..]), (b"selinux", b"system_u:object_r:etc_t:s0\0")]);
    }
}
