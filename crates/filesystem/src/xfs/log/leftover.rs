//! What the kernel finishes after its replay: inodes without a name, and the superblock's counters.

use std::collections::HashSet;

use block::{BlockRead, BlockWrite, Object, Result, to_usize};

use super::{
    super::{
        checksum,
        format::{agf, agi, inode as dinode},
        geometry::{AgInode, AgNumber, Geometry, InodeNumber, NO_AG_INODE},
        superblock::{self as sb, Superblock},
    },
    kinds,
};

/// The sectors of a group's AGF and AGI.
const AGF_SECTOR: u64 = 1;
const AGI_SECTOR: u64 = 2;

fn header(
    device: &impl BlockRead,
    geometry: &Geometry,
    group: AgNumber,
    sector: u64,
    (what, magic): (&'static str, u32),
) -> Result<Vec<u8>> {
    let mut raw = vec![0; to_usize(geometry.sector_size)];
    device.read_at(geometry.header_sector(group, sector), &mut raw)?;
    // AGF and AGI have it in the same place.
    let found = agf::MAGIC.get(&raw);
    if found != magic {
        let object = Object::numbered(what, group.0.into());
        return Err(object.corrupt("magic", format!("{found:#010x}"), format!("{magic:#010x}")));
    }
    Ok(raw)
}

/// The inodes that have lost their last name while they were open, in the order of their lists. They are to be
/// freed, with all that they hold.
pub(crate) fn unlinked(device: &impl BlockRead, geometry: &Geometry) -> Result<Vec<InodeNumber>> {
    let mut found = Vec::new();
    for group in geometry.groups() {
        let agi = header(device, geometry, group, AGI_SECTOR, ("AGI", agi::MAGIC_VALUE))?;
        let mut seen = HashSet::new();
        for bucket in 0..agi::UNLINKED_BUCKETS {
            let mut next = agi::unlinked(bucket).get(&agi);
            while next != NO_AG_INODE {
                let object = Object::numbered("AGI", group.0.into());
                let number = geometry.inode_number(group, AgInode(next));
                let split = geometry.split_inode(number);
                if split != Some((group, AgInode(next))) {
                    return Err(object.corrupt("unlinked inode", next, "one of the group's"));
                }
                if !seen.insert(next) {
                    return Err(object.corrupt("list of unlinked inodes", "a circle", "a list with an end"));
                }
                let mut raw = vec![0; to_usize(geometry.inode_size)];
                device.read_at(geometry.inode_offset(number), &mut raw)?;
                if !kinds::is_inode(&raw) {
                    let found = format!("{:#06x}", dinode::MAGIC.get(&raw));
                    return Err(Object::numbered("inode", number.0).corrupt("magic", found, "0x494e"));
                }
                found.push(number);
                next = dinode::NEXT_UNLINKED.get(&raw);
            }
        }
    }
    Ok(found)
}

/// Adds up what the groups count, for the superblock, which has it only after an unmount.
pub(crate) fn recount(
    device: &mut impl BlockWrite,
    superblock: &Superblock,
    geometry: &Geometry,
) -> Result<()> {
    let raw = superblock.bytes();
    let lazy = superblock.is_v5()
        || (superblock.has_version(sb::version::MORE)
            && sb::FEATURES2.get(raw) & sb::features2::LAZY_COUNT != 0);
    if !lazy {
        return Ok(());
    }
    let (mut inodes, mut free_inodes, mut free_blocks) = (0u64, 0u64, 0u64);
    for group in geometry.groups() {
        let agf = header(device, geometry, group, AGF_SECTOR, ("AGF", agf::MAGIC_VALUE))?;
        for field in [agf::FREE_BLOCKS, agf::FREE_LIST_COUNT, agf::BTREE_BLOCKS] {
            free_blocks += u64::from(field.get(&agf));
        }
        let agi = header(device, geometry, group, AGI_SECTOR, ("AGI", agi::MAGIC_VALUE))?;
        inodes += u64::from(agi::COUNT.get(&agi));
        free_inodes += u64::from(agi::FREE_COUNT.get(&agi));
    }
    let mut raw = raw.to_vec();
    sb::INODE_COUNT.set(&mut raw, inodes);
    sb::FREE_INODES.set(&mut raw, free_inodes);
    sb::FREE_BLOCKS.set(&mut raw, free_blocks);
    if superblock.is_v5() {
        checksum::seal(&mut raw, sb::CRC);
    }
    device.write_at(0, &raw)?;
    Ok(())
}
