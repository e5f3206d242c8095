//! What a version 5 metadata block is, by its magic: where its LSN, UUID and checksum lie.
//!
//! Version 4 blocks have none of these, and are replayed whatever they hold.

use block::field::{Be64, Bytes, Le32};

use super::{
    super::{
        checksum,
        format::{agf, agfl, agi, attr, btree, dir, inode, symlink},
        superblock as sb,
    },
    layout::{MAGIC16, MAGIC32},
    ring::Lsn,
};

/// Where a kind of block has what log recovery looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) lsn: Be64,
    pub(crate) uuid: Bytes<16>,
    pub(crate) crc: Le32,
    /// It may be longer than a block of the filesystem.
    pub(crate) directory: bool,
    /// Its LSN says when it was logged. Remote attribute values are not logged.
    pub(crate) ordered: bool,
}

const fn kind(lsn: Be64, uuid: Bytes<16>, crc: Le32) -> Kind {
    Kind { lsn, uuid, crc, directory: false, ordered: true }
}

const SHORT: Kind = kind(btree::short::LSN, btree::short::UUID, btree::short::CRC);
const DATA: Kind = Kind { directory: true, ..kind(dir::data::LSN, dir::data::UUID, dir::data::CRC) };
const NODE: Kind = kind(dir::da::LSN, dir::da::UUID, dir::da::CRC);

/// What a version 5 block is, if its first bytes tell. Inodes and dquots do not count: each has a sum of its own.
pub(crate) fn of(block: &[u8]) -> Option<Kind> {
    let found = match &MAGIC32.get(block).to_be_bytes() {
        b"XFSB" => kind(sb::LSN, sb::META_UUID, sb::CRC),
        b"XAGF" => kind(agf::LSN, agf::UUID, agf::CRC),
        b"XAGI" => kind(agi::LSN, agi::UUID, agi::CRC),
        b"XAFL" => kind(agfl::LSN, agfl::UUID, agfl::CRC),
        b"AB3B" | b"AB3C" | b"IAB3" | b"FIB3" | b"RMB3" | b"R3FC" => SHORT,
        b"BMA3" => kind(btree::long::LSN, btree::long::UUID, btree::long::CRC),
        b"XDB3" | b"XDD3" | b"XDF3" => DATA,
        b"XSLM" => kind(symlink::LSN, symlink::UUID, symlink::CRC),
        b"XARM" => Kind { ordered: false, ..kind(attr::remote::LSN, attr::remote::UUID, attr::remote::CRC) },
        _ => {
            let magic = dir::da::MAGIC.get(block);
            if magic == dir::leaf::leaf1_magic(true) || magic == dir::leaf::leafn_magic(true) {
                Kind { directory: true, ..NODE }
            } else if magic == dir::da::node_magic(true) || magic == attr::leaf::magic(true) {
                NODE
            } else {
                return None;
            }
        }
    };
    Some(found)
}

/// When a version 5 block was last logged; `None` if it does not tell, or belongs to another filesystem.
pub(crate) fn logged_at(block: &[u8], meta_uuid: &[u8; 16], has_meta_uuid: bool) -> Option<Lsn> {
    let kind = of(block).filter(|kind| kind.ordered)?;
    let uuid = if kind.uuid == sb::META_UUID && !has_meta_uuid { sb::UUID } else { kind.uuid };
    let lsn = kind.lsn.get(block);
    (uuid.get(block) == *meta_uuid && lsn != 0 && lsn != u64::MAX).then_some(Lsn(lsn))
}

/// Writes the LSN and the checksum of a version 5 block.
pub(crate) fn seal(block: &mut [u8], kind: Kind, lsn: Lsn) {
    if kind.ordered {
        kind.lsn.set(block, lsn.0);
    }
    checksum::seal(block, kind.crc);
}

/// Whether the block begins with an inode.
pub(crate) fn is_inode(block: &[u8]) -> bool {
    MAGIC16.get(block) == inode::MAGIC_VALUE
}

/// Redoes an inode's checksum, if it has one.
pub(crate) fn seal_inode(raw: &mut [u8]) {
    if inode::VERSION.get(raw) >= 3 {
        checksum::seal(raw, inode::CRC);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_lsn_of_its_own_blocks_only() {
        let uuid = [7; 16];
        let mut block = vec![0; 512];
        assert_eq!(logged_at(&block, &uuid, false), None);
        block[..4].copy_from_slice(b"XAGF");
        agf::UUID.set(&mut block, &uuid);
        assert_eq!(logged_at(&block, &uuid, false), None, "never logged");
        let kind = of(&block).unwrap();
        seal(&mut block, kind, Lsn::new(3, 4));
        assert_eq!(logged_at(&block, &uuid, false), Some(Lsn::new(3, 4)));
        assert_eq!(logged_at(&block, &[8; 16], false), None);
        assert_eq!(agf::CRC.get(&block), checksum::crc(&block, agf::CRC));
    }

    #[test]
    fn the_superblocks_uuid_is_where_its_features_say() {
        let (mut block, uuid) = (vec![0; 512], [7; 16]);
        block[..4].copy_from_slice(b"XFSB");
        sb::UUID.set(&mut block, &uuid);
        sb::LSN.set(&mut block, 5);
        assert_eq!(logged_at(&block, &uuid, false), Some(Lsn(5)));
        assert_eq!(logged_at(&block, &uuid, true), None);
        sb::META_UUID.set(&mut block, &uuid);
        assert_eq!(logged_at(&block, &uuid, true), Some(Lsn(5)));
    }
}
