//! Dquots in the log: whole blocks of new ones, and single ones.
//!
//! Source: `struct xfs_dqblk` of xfs_format.h. Both the log and the disk have them big-endian.

use block::{
    BlockWrite, Result,
    field::{Be16, Be64, Le32, U8},
    to_u64, to_usize,
};

use super::{super::checksum, layout::*, replay::Replay, ring::Lsn, transaction::Item};

/// `DQ`.
const MAGIC_VALUE: u16 = 0x4451;
const MAGIC: Be16 = Be16(0);
/// d_type: the low three bits are user, project, group.
const TYPE: U8 = U8(3);
/// Bytes of `struct xfs_disk_dquot`, which is what is logged.
const LOGGED_LEN: usize = 104;
const CRC: Le32 = Le32(108);
const LSN: Be64 = Be64(112);
/// Bytes of a dquot on disk.
const LEN: usize = 136;

/// The superblock's flag for the accounting of users', projects' and groups' quotas.
const ACCOUNTED: [u32; 3] = [0x1, 0x8, 0x40];

/// What a buffer of dquots is for, in the superblock's flags.
pub(crate) fn kinds(flags: u16) -> u32 {
    let of = [BLF_UDQUOT_BUF, BLF_PDQUOT_BUF, BLF_GDQUOT_BUF];
    of.iter().zip(ACCOUNTED).filter(|(flag, _)| flags & **flag != 0).map(|(_, kind)| kind).sum()
}

/// Redoes the checksums of all dquots of a buffer.
pub(crate) fn seal_all(bytes: &mut [u8]) {
    for dquot in bytes.chunks_exact_mut(LEN).filter(|dquot| MAGIC.get(dquot) == MAGIC_VALUE) {
        checksum::seal(dquot, CRC);
    }
}

/// Replays one dquot. Returns whether it was written.
pub(crate) fn replay(
    replay: &mut Replay,
    device: &mut impl BlockWrite,
    item: &Item,
    lsn: Lsn,
) -> Result<bool> {
    let head = item.head(QLF_SIZE)?;
    let object = item.object();
    let logged = item.region(1, LOGGED_LEN)?;
    if MAGIC.get(logged) != MAGIC_VALUE {
        let found = format!("{:#06x}", MAGIC.get(logged));
        return Err(object.corrupt("magic of a dquot", found, "0x4451"));
    }
    let kind = TYPE.get(logged) & 7;
    let off =
        ACCOUNTED.iter().enumerate().filter(|(bit, _)| kind >> bit & 1 == 1).map(|(_, kind)| kind).sum();
    if replay.quota_off(off) {
        return Ok(false);
    }
    let name = (QLF_BLKNO.get(head), QLF_LEN.get(head));
    let (start, mut bytes) = replay.read(device, item, name)?;
    let at = to_usize(QLF_BOFFSET.get(head).into());
    if at % LEN != 0 || at + LEN > bytes.len() {
        let expected = format!("a multiple of {LEN} inside the buffer");
        return Err(object.corrupt("offset of a dquot", to_u64(at), expected));
    }
    let dquot = &mut bytes[at..at + LEN];
    if MAGIC.get(dquot) != MAGIC_VALUE {
        let found = format!("{:#06x} on disk", MAGIC.get(dquot));
        return Err(object.corrupt("magic of a dquot", found, "0x4451"));
    }
    if replay.geometry.v5 {
        let on_disk = LSN.get(dquot);
        if on_disk != 0 && on_disk != u64::MAX && Lsn(on_disk) >= lsn {
            return Ok(false);
        }
    }
    dquot[..LOGGED_LEN].copy_from_slice(&logged[..LOGGED_LEN]);
    if replay.geometry.v5 {
        checksum::seal(dquot, CRC);
    }
    device.write_at(start + to_u64(at), dquot)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_quotas() {
        assert_eq!(kinds(BLF_UDQUOT_BUF), 0x1);
        assert_eq!(kinds(BLF_PDQUOT_BUF | BLF_CANCEL), 0x8);
        assert_eq!(kinds(BLF_GDQUOT_BUF), 0x40);
    }
}
