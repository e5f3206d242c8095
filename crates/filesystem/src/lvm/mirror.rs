//! The metadata of mirrored volumes: which of its bytes the kernel reads, and whether a leg has failed.
//!
//! What is behind the superblock and the bitmap was never cleared by lvm2, and is dead. A volume that was never
//! switched on has no superblock, and nothing of it is needed. Sources: Linux, `drivers/md/dm-raid.c`,
//! `drivers/md/md-bitmap.h`, `drivers/md/dm-log.c`.

use block::{
    BlockRead, Extent, Object, Result, Unsupported, Window,
    field::{Le32, Le64},
    is_zero,
};

use super::place::{Metadata, MetadataKind};

const SECTOR_LEN: usize = 512;
const SECTOR: u64 = 512;

// struct dm_raid_superblock
const RAID_MAGIC: Le32 = Le32(0);
const COMPAT_FEATURES: Le32 = Le32(4);
const FAILED_DEVICES: Le64 = Le64(24);
const FLAGS: Le32 = Le32(60);
const MORE_FAILED_DEVICES: std::ops::Range<usize> = 120..144;
const DM_RAID: u32 = 0x6452_6d44;
/// The fields from `FLAGS` on are there.
const V190: u32 = 1;
const RESHAPE_ACTIVE: u32 = 1;

// struct bitmap_super_s
const BITMAP: u64 = 4096;
const BITMAP_MAGIC: Le32 = Le32(0);
const SYNC_SIZE: Le64 = Le64(40);
const CHUNK_SIZE: Le32 = Le32(52);
const BITMAP_HEADER: u64 = 256;
const BITM: u32 = 0x6d74_6962;

// struct log_header_disk
const LOG_MAGIC: Le32 = Le32(0);
const LOG_REGIONS: Le64 = Le64(8);
const MIRR: u32 = 0x4d69_5272;
const LOG_BITS: u64 = 2 * SECTOR;

/// The parts of a mirror's metadata that are needed, on the disk.
pub(super) fn live(disk: &dyn BlockRead, metadata: &Metadata) -> Result<Vec<Extent>> {
    let window = Window::new(disk, &metadata.extents)?;
    let mut first = [0; SECTOR_LEN];
    if window.size() < SECTOR {
        return Ok(Vec::new());
    }
    window.read_at(0, &mut first)?;
    let mut parts = vec![Extent { start: 0, len: SECTOR }];
    match metadata.kind {
        MetadataKind::Raid if RAID_MAGIC.get(&first) == DM_RAID => {
            check(&first)?;
            parts.extend(bitmap(&window)?);
        }
        MetadataKind::MirrorLog if LOG_MAGIC.get(&first) == MIRR => {
            // Bits in words of 32.
            let len = LOG_REGIONS.get(&first).div_ceil(32).saturating_mul(4);
            parts.push(Extent { start: LOG_BITS, len });
        }
        _ => return Ok(Vec::new()),
    }
    let size = window.size();
    let inside = parts.into_iter().map(|part| Extent::between(part.start, part.end().min(size)));
    Ok(inside.filter(|part| !part.is_empty()).flat_map(|part| window.map(part).collect::<Vec<_>>()).collect())
}

fn check(superblock: &[u8; SECTOR_LEN]) -> Result<()> {
    let object = Object::the("raid superblock");
    let extended = COMPAT_FEATURES.get(superblock) & V190 != 0;
    if FAILED_DEVICES.get(superblock) != 0 || (extended && !is_zero(&superblock[MORE_FAILED_DEVICES])) {
        return Err(Unsupported::new(object, "a mirror of which a leg has failed").into());
    }
    if extended && FLAGS.get(superblock) & RESHAPE_ACTIVE != 0 {
        return Err(Unsupported::new(object, "a reshape that is not finished").into());
    }
    Ok(())
}

fn bitmap(window: &Window<&dyn BlockRead>) -> Result<Option<Extent>> {
    if window.size() < BITMAP + SECTOR {
        return Ok(None);
    }
    let mut header = [0; SECTOR_LEN];
    window.read_at(BITMAP, &mut header)?;
    let chunk = u64::from(CHUNK_SIZE.get(&header)) / SECTOR;
    if BITMAP_MAGIC.get(&header) != BITM || chunk == 0 {
        return Ok(None);
    }
    let bytes = SYNC_SIZE.get(&header).div_ceil(chunk).div_ceil(8);
    Ok(Some(Extent { start: BITMAP, len: BITMAP_HEADER.saturating_add(bytes) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raid() -> (Vec<u8>, Metadata) {
        let mut disk = vec![0xee; 1 << 16];
        disk[..8192].fill(0);
        RAID_MAGIC.set(&mut disk, DM_RAID);
        BITMAP_MAGIC.set(&mut disk[4096..], BITM);
        SYNC_SIZE.set(&mut disk[4096..], 8192 * 17);
        CHUNK_SIZE.set(&mut disk[4096..], 8192 * 512);
        let extents = vec![Extent::between(0, 5000), Extent::between(8000, 20_000)];
        (disk, Metadata { kind: MetadataKind::Raid, extents })
    }

    #[test]
    fn superblock_and_bitmap_are_needed() {
        let (disk, metadata) = raid();
        let expected = [Extent::between(0, 512), Extent { start: 4096, len: 256 + 3 }];
        assert_eq!(live(&disk, &metadata).unwrap(), expected);
    }

    #[test]
    fn a_failed_leg_is_refused() {
        let (mut disk, metadata) = raid();
        FAILED_DEVICES.set(&mut disk, 2);
        let error = live(&disk, &metadata).unwrap_err().to_string();
        assert_eq!(error, "raid superblock: a mirror of which a leg has failed is not supported");
    }

    #[test]
    fn numbers_from_the_image_do_not_lead_outside() {
        let (mut disk, mut metadata) = raid();
        SYNC_SIZE.set(&mut disk[4096..], u64::MAX);
        let parts = live(&disk, &metadata).unwrap();
        assert_eq!(parts.iter().map(|part| part.len).sum::<u64>(), 512 + 5000 - 4096 + 12_000);
        metadata.kind = MetadataKind::MirrorLog;
        assert_eq!(live(&disk, &metadata).unwrap(), []);
        LOG_MAGIC.set(&mut disk, MIRR);
        LOG_REGIONS.set(&mut disk, 33);
        let expected = [Extent::between(0, 512), Extent { start: 1024, len: 8 }];
        assert_eq!(live(&disk, &metadata).unwrap(), expected);
        LOG_REGIONS.set(&mut disk, u64::MAX);
        assert_eq!(live(&disk, &metadata).unwrap().len(), 3);
    }
}
