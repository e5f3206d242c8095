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
    if !at.is_multiple_of(LEN) || at + LEN > bytes.len() {
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
    use super::{super::sample::Sample, *};

    #[test]
    fn kinds_of_quotas() {
        assert_eq!(kinds(BLF_UDQUOT_BUF), 0x1);
        assert_eq!(kinds(BLF_PDQUOT_BUF | BLF_CANCEL), 0x8);
        assert_eq!(kinds(BLF_GDQUOT_BUF), 0x40);
    }

    /// A dquot of user 5 at byte 136 of the blocks from 40 on, and an item that logs it.
    fn sample(kind: u8) -> (Sample, Vec<Vec<u8>>) {
        let mut sample = Sample::new(true);
        sample.unmount();
        sample.tail = Lsn::new(1, 2);
        let mut dquot = vec![0; LEN];
        MAGIC.set(&mut dquot, MAGIC_VALUE);
        TYPE.set(&mut dquot, kind);
        let at = 40 * 4096 + LEN;
        sample.device[at..at + LEN].copy_from_slice(&dquot);
        dquot[50] = 9;
        let mut head = vec![0; QLF_SIZE];
        ITEM_TYPE.set(&mut head, LI_DQUOT);
        ITEM_SIZE.set(&mut head, 2);
        QLF_BLKNO.set(&mut head, 40 * 8);
        QLF_LEN.set(&mut head, 8);
        QLF_BOFFSET.set(&mut head, 136);
        (sample, vec![head, dquot[..LOGGED_LEN].to_vec()])
    }

    #[test]
    fn one_dquot() {
        let (mut sample, item) = self::sample(1);
        sample.transaction(&[item]);
        assert_eq!(sample.recover().unwrap().writes, 1);
        let dquot = sample.bytes(40 * 4096 + 136, LEN);
        assert_eq!((dquot[50], CRC.get(dquot)), (9, checksum::crc(dquot, CRC)));
    }

    #[test]
    fn what_is_newer_or_turned_off_stays() {
        let (mut sample, item) = self::sample(1);
        LSN.set(&mut sample.device[40 * 4096 + LEN..], Lsn::new(1, 2).0);
        sample.transaction(&[item]);
        assert_eq!(sample.recover().unwrap().writes, 0);
        for (kind, written) in [(1, 1), (2, 1), (4, 0)] {
            let (mut sample, item) = self::sample(kind);
            let mut off = vec![0; 16];
            ITEM_TYPE.set(&mut off, LI_QUOTAOFF);
            ITEM_SIZE.set(&mut off, 1);
            QF_FLAGS.set(&mut off, 0x40);
            sample.transaction(&[item, vec![off]]);
            assert_eq!(sample.recover().unwrap().writes, written, "{kind}");
        }
    }

    #[test]
    fn what_makes_no_sense() {
        let error = |change: fn(&mut Vec<Vec<u8>>)| {
            let (mut sample, mut item) = self::sample(1);
            change(&mut item);
            sample.transaction(&[item]);
            sample.error()
        };
        assert_eq!(error(|item| item[1][0] = 0), "log item: magic of a dquot is 0x0051, expected 0x4451");
        assert_eq!(
            error(|item| QLF_BOFFSET.set(&mut item[0], 137)),
            "log item: offset of a dquot is 137, expected a multiple of 136 inside the buffer"
        );
        assert_eq!(
            error(|item| QLF_BOFFSET.set(&mut item[0], 0)),
            "log item: magic of a dquot is 0x0000 on disk, expected 0x4451"
        );
    }
}
