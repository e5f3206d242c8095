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
mod icreate;
mod inode;
mod intent;
mod kinds;
mod layout;
mod leftover;
mod quota;
mod record;
mod replay;
mod ring;
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
        let recovered = recover(&self.superblock, &self.geometry, &mut self.device)?;
        self.reload()?;
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

/// Replays the log, lists what is left to be done, and empties the log. The superblock may have changed afterwards
/// and has to be read again.
fn recover(superblock: &Superblock, geometry: &Geometry, device: &mut impl BlockWrite) -> Result<Recovered> {
    let log = Log::new(superblock, geometry)?;
    let state = head::state(log.ring, &log.uuid, device)?;
    let mut recovered = Recovered::default();
    let floor = match state {
        State::Zeroed => Lsn::new(1, 0),
        State::Clean(ends) => ends.lsn(),
        State::Dirty(ends) => {
            if log.version == 1 {
                let feature = "a version 1 log that has to be replayed";
                return Err(Unsupported::new(Object::the("log"), feature).into());
            }
            let replayed = replay::replay(superblock, *geometry, log.ring, ends, device)?;
            recovered.transactions = replayed.transactions;
            recovered.writes = replayed.writes;
            recovered.rebuild = replayed.rebuild.into_iter().map(|group| group.0).collect();
            let superblock = Superblock::read(device)?;
            let geometry = Geometry::new(&superblock, device.size())?;
            leftover::recount(device, &superblock, &geometry)?;
            ends.lsn()
        }
    };
    if empty::recognise(log.ring, log.shape(), state, device)?.is_none() {
        Empty::plan(log.ring, log.shape(), geometry.v5.then_some(floor)).write(device)?;
        forget_log_features(device)?;
    }
    let geometry = Geometry::new(&Superblock::read(device)?, device.size())?;
    let unlinked = leftover::unlinked(device, &geometry)?;
    recovered.unlinked = unlinked.into_iter().map(|number| InodeId(number.0)).collect();
    Ok(recovered)
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
