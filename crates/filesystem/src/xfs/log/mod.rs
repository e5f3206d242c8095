//! Recovery: the log replayed, then emptied.
//!
//! Decides as the kernel does at mount, and refuses where the kernel refuses, or where it would do what we do not:
//! never is anything in the log passed over in silence. Afterwards `xfs_repair -n` has nothing to say about the log,
//! and a kernel mounts without a replay. A filesystem that was unmounted keeps every byte outside its log. Recovery of
//! a recovered filesystem changes nothing.
//!
//! What the replay leaves to be done, because it takes more than the log, is in [`Recovered`].

mod buffer;
mod empty;
mod head;
mod home;
mod icreate;
mod inode;
mod intent;
mod kinds;
mod layout;
mod leftover;
mod past;
mod quota;
mod record;
mod replay;
mod ring;
#[cfg(test)]
mod sample;
mod transaction;

use std::collections::BTreeSet;

use block::{BlockRead, BlockWrite, Extent, Object, Result, Unsupported};

use super::{
    Xfs, checksum,
    geometry::Geometry,
    superblock::{self as sb, Superblock},
};
use crate::InodeId;
use empty::Empty;
use head::State;
use ring::{Lsn, Ring};

/// What [`Xfs::recover_log`] did, and what it leaves to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Transactions found committed in the log; 0 if the filesystem was unmounted.
    pub transactions: u64,
    /// Buffers, inodes and dquots that the replay wrote.
    pub writes: u64,
    /// Groups whose trees lack what transactions announced and did not get to: extents to be freed, owners and
    /// reference counts to be changed. The trees have to be rebuilt from what inodes own, and the superblock's
    /// counters with them.
    pub rebuild: BTreeSet<u32>,
    /// Inodes that lost their last name while they were open, as the lists of each group have them. They have to be
    /// freed, with all that they hold, and the lists to be emptied.
    pub unlinked: Vec<InodeId>,
}

impl<D: BlockRead> Xfs<D> {
    /// Whether the log has to be replayed. `Corrupt` if its beginning and end cannot be found.
    pub fn needs_recovery(&self) -> Result<bool> {
        let log = Log::new(&self.superblock, &self.geometry)?;
        Ok(matches!(head::state(log.ring, &log.uuid, &self.device)?, State::Dirty(_)))
    }

    /// All bytes of the log, and those of them that are needed, from its start on, if it is empty: what is behind
    /// them is zero then. `None` if it holds anything of what was once logged.
    pub fn log_extent(&self) -> Result<(Extent, Option<Extent>)> {
        let log = Log::new(&self.superblock, &self.geometry)?;
        let state = head::state(log.ring, &log.uuid, &self.device)?;
        let empty = empty::recognise(log.ring, log.shape(), state, &self.device)?;
        Ok((log.ring.extent(), empty.map(|empty| empty.live())))
    }
}

impl<D: BlockWrite> Xfs<D> {
    /// Replays the log, lists what is left to be done, and empties the log. An error may come after writes: the
    /// device is of no use then.
    pub fn recover_log(&mut self) -> Result<Recovered> {
        let (mut recovered, replayed) = recover(&self.superblock, &self.geometry, &mut self.device)?;
        self.reload()?;
        if replayed {
            self.recount()?;
        }
        recovered.unlinked = self.unlinked()?;
        Ok(recovered)
    }
}

/// What recovery knows of a filesystem.
#[derive(Debug, Clone, Copy)]
struct Log {
    ring: Ring,
    uuid: [u8; 16],
    version: u32,
    unit: u32,
}

impl Log {
    fn new(superblock: &Superblock, geometry: &Geometry) -> Result<Self> {
        let raw = superblock.bytes();
        let extent = geometry.extent(geometry.log_start, geometry.log_blocks.into());
        let blocks =
            u32::try_from(extent.len / 512).ok().filter(|&blocks| blocks <= i32::MAX.cast_unsigned());
        let Some(blocks) = blocks.filter(|&blocks| blocks >= MIN_BLOCKS) else {
            let expected = format!("{} to 2 GiB", u64::from(MIN_BLOCKS) * 512);
            return Err(Object::the("log").corrupt("size", extent.len, expected));
        };
        let version = if superblock.has_version(sb::version::LOG_V2) { 2 } else { 1 };
        let ring = Ring { start: extent.start, blocks };
        Ok(Self { ring, uuid: sb::UUID.get(raw), version, unit: sb::LOG_STRIPE_UNIT.get(raw) })
    }

    fn shape(&self) -> ([u8; 16], u32, u32) {
        (self.uuid, self.version, self.unit)
    }
}

/// The fewest basic blocks of a log: two of the longest records.
const MIN_BLOCKS: u32 = 1024;

/// Replays the log and empties it. Also returns whether there was something to replay. The superblock may have
/// changed afterwards and has to be read again.
fn recover(
    superblock: &Superblock,
    geometry: &Geometry,
    device: &mut impl BlockWrite,
) -> Result<(Recovered, bool)> {
    let log = Log::new(superblock, geometry)?;
    let state = head::state(log.ring, &log.uuid, device)?;
    let mut recovered = Recovered::default();
    let mut replayed = false;
    let floor = match state {
        State::Zeroed => Lsn::new(1, 0),
        State::Clean(ends) => ends.lsn(),
        State::Dirty(ends) => {
            if log.version == 1 {
                let feature = "a version 1 log that has to be replayed";
                return Err(Unsupported::new(Object::the("log"), feature).into());
            }
            let did = replay::replay(superblock, *geometry, log.ring, ends, device)?;
            recovered.transactions = did.transactions;
            recovered.writes = did.writes;
            recovered.rebuild = did.rebuild.into_iter().map(|group| group.0).collect();
            replayed = true;
            ends.lsn()
        }
    };
    if empty::recognise(log.ring, log.shape(), state, device)?.is_none() {
        Empty::plan(log.ring, log.shape(), geometry.v5.then_some(floor)).write(device)?;
        forget_log_features(device)?;
    }
    Ok((recovered, replayed))
}

/// An empty log has no features.
fn forget_log_features(device: &mut impl BlockWrite) -> Result<()> {
    let superblock = Superblock::read(device)?;
    let mut raw = superblock.bytes().to_vec();
    if superblock.is_v5() && sb::FEATURES_LOG_INCOMPAT.get(&raw) != 0 {
        sb::FEATURES_LOG_INCOMPAT.set(&mut raw, 0);
        checksum::seal(&mut raw, sb::CRC);
        device.write_at(0, &raw)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        layout::*,
        ring::Lsn,
        sample::{Sample, buffer, kind, piece},
    };

    fn intent(kind: u16, id: u64, extents: &[u64]) -> Vec<Vec<u8>> {
        let mut head = vec![0; INTENT_EXTENTS];
        ITEM_TYPE.set(&mut head, kind);
        ITEM_SIZE.set(&mut head, 1);
        INTENT_COUNT.set(&mut head, u32::try_from(extents.len()).unwrap());
        INTENT_ID.set(&mut head, id);
        for start in extents {
            head.extend(start.to_le_bytes());
            head.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        }
        vec![head]
    }

    fn sample() -> Sample {
        let mut sample = Sample::new(true);
        sample.unmount();
        sample.tail = Lsn::new(1, 2);
        sample
    }

    #[test]
    fn groups_that_lack_what_was_announced() {
        let mut sample = sample();
        sample.transaction(&[intent(LI_EFI, 1, &[5]), intent(LI_EFI, 2, &[(1 << 8) + 7, 9])]);
        sample.transaction(&[intent(LI_EFD, 1, &[]), intent(LI_CUI, 3, &[3])]);
        sample.transaction(&[intent(LI_CUD, 3, &[])]);
        let recovered = sample.recover().unwrap();
        assert_eq!(recovered.transactions, 3);
        assert_eq!(recovered.rebuild.into_iter().collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn what_cannot_be_finished_is_refused() {
        for (kind, name) in [(LI_BUI, "BUI"), (LI_ATTRI, "ATTRI"), (LI_XMI, "XMI")] {
            let mut sample = sample();
            sample.transaction(&[intent(kind, 1, &[])]);
            assert_eq!(sample.error(), format!("log: a log with an unfinished {name} item is not supported"));
        }
        let mut sample = sample();
        sample.transaction(&[intent(LI_EFI, 1, &[3 << 8])]);
        assert_eq!(sample.error(), "log item: block of an intent is 768, expected inside the filesystem");
    }

    #[test]
    fn unknown_items_are_refused_before_anything_is_written() {
        for (kind, name) in [(0x124a, "0x124a"), (0, "0x0000"), (LI_IUNLINK, "IUNLINK")] {
            let mut sample = sample();
            sample.transaction(&[buffer(320, 8, super::sample::kind(10), &[(0, piece(b"XDB3", 1))])]);
            sample.transaction(&[intent(kind, 1, &[])]);
            let before = sample.device.clone();
            let expected = format!("log: a log with {name} items that has to be replayed is not supported");
            assert_eq!(sample.error(), expected);
            assert!(before == sample.device);
        }
    }

    #[test]
    fn version_1_logs() {
        let mut sample = Sample::new(false);
        super::sb::VERSION.set(&mut sample.device, 0xb4a4 & !super::sb::version::LOG_V2);
        sample.unmount();
        sample.recover().unwrap();
        let mut sample = Sample::new(false);
        super::sb::VERSION.set(&mut sample.device, 0xb4a4 & !super::sb::version::LOG_V2);
        sample.transaction(&[]);
        assert_eq!(sample.error(), "log: a version 1 log that has to be replayed is not supported");
    }

    #[test]
    fn the_superblock_in_the_log() {
        // The logged one is another size: the filesystem was grown, which the device does not show.
        let mut sample = sample();
        let mut raw = sample.bytes(0, 512).to_vec();
        super::sb::BLOCKS.set(&mut raw, 700);
        super::sb::AG_COUNT.set(&mut raw, 3);
        sample.transaction(&[buffer(0, 1, kind(18), &[(0, raw)])]);
        assert_eq!(
            sample.error(),
            "superblock: sb_dblocks is 700, expected at most 512 (the device's 2097152 bytes)"
        );
        let mut sample = self::sample();
        let mut raw = sample.bytes(0, 512).to_vec();
        super::sb::LOG_START.set(&mut raw, 65);
        sample.transaction(&[buffer(0, 1, kind(18), &[(0, raw)])]);
        let expected = "superblock: geometry in the log is another, expected the same as outside of it";
        assert_eq!(sample.error(), expected);
    }

    /// Whatever a byte of the log is: no panic, no hang, and every refusal has its reason.
    #[test]
    fn any_byte_may_be_wrong() {
        for checked in [false, true] {
            let mut original = sample();
            let item = buffer(320, 8, kind(10), &[(0, piece(b"XDB3", 1)), (5, vec![1; 256])]);
            original.transaction(&[item, intent(LI_EFI, 1, &[5])]);
            original.transaction(&[intent(LI_EFD, 1, &[])]);
            let ring = original.log().ring;
            let start = block::to_usize(ring.start);
            for at in start..start + block::to_usize(original.block.into()) * BB {
                let mut sample = Sample { device: original.device.clone(), ..sample() };
                sample.device[at] ^= 1 << (at % 8);
                if checked {
                    // With the right checksum, so that what it says is looked at.
                    let block = u32::try_from((at - start) / BB).unwrap();
                    let header = ring.last_header(&sample.device, 0, block + 1).unwrap();
                    header.into_iter().for_each(|header| sample.patch(header, |_| ()));
                }
                if let Err(error) = sample.recover() {
                    assert!(!matches!(error, block::Error::Io(_)), "{at}: {error}");
                }
            }
        }
    }
}
