//! Recovery: the journal replayed, orphans processed, the journal emptied.
//!
//! Decides as the kernel does at mount, and refuses where the kernel refuses. Afterwards `e2fsck -fn` has
//! nothing to say and the filesystem counts as cleanly unmounted. A filesystem that was clean keeps every
//! byte but those of the journal's header. Recovery of a recovered filesystem changes nothing.

mod checksum;
mod copies;
mod fastcommit;
pub(crate) mod layout;
mod log;
mod orphan;
mod replay;
#[cfg(test)]
mod sample;
mod scan;
mod tags;

use block::{BlockRead, BlockWrite, Object, Result};

use super::{
    Ext,
    map::Mapped,
    superblock::{self as sb, compat, incompat, ro_compat},
};
use crate::{FileKind, InodeId, Recovery};
pub(super) use copies::{Copy, Seen};
pub(super) use layout::MAGIC;
use log::{BlockMap, Log};

impl<D: BlockRead> Ext<D> {
    /// Whether a journal has to be replayed, orphans to be processed, or the filesystem was not unmounted.
    pub(crate) fn needs_recovery(&self) -> bool {
        let superblock = self.superblock.bytes();
        self.superblock.incompat(incompat::RECOVER)
            || self.superblock.ro_compat(ro_compat::ORPHAN_PRESENT)
            || sb::LAST_ORPHAN.get(superblock) != 0
            || sb::STATE.get(superblock) & sb::STATE_VALID == 0
    }

    /// The journal inside the filesystem; `None` if it has none.
    fn open_log(&self) -> Result<Option<Log>> {
        if !self.superblock.compat(compat::HAS_JOURNAL) {
            return Ok(None);
        }
        let inode = self.inode(InodeId(sb::JOURNAL_INUM.get(self.superblock.bytes()).into()))?;
        if inode.kind() != Some(FileKind::File) || inode.links() == 0 {
            return Err(inode.object().corrupt("journal", "no file in use", "a regular file"));
        }
        let size = self.layout.block_size;
        let mut runs = Vec::new();
        self.map(&inode, &mut |mapped| {
            if let Mapped::Data { logical, physical, count, written: true } = mapped {
                runs.push((logical, count, physical * size));
            }
            Ok(())
        })?;
        let map = BlockMap::new(runs, self.layout.block_len());
        Log::open(&self.device, self.layout.block_len(), inode.size() / size, map).map(Some)
    }
}

impl<D: BlockWrite> Ext<D> {
    /// See [`FilesystemMut::recover`](crate::FilesystemMut::recover).
    pub(super) fn recover_journal(&mut self) -> Result<Recovery> {
        let mut recovery = Recovery::default();
        let unclean = self.needs_recovery();
        let pending = self.superblock.incompat(incompat::RECOVER);
        let log = self.open_log()?;
        let state = sb::STATE.get(self.superblock.bytes());
        let mut failed = state & sb::STATE_ERROR != 0;
        if let Some(log) = &log {
            let mut sequence = log.sequence;
            // Without RECOVER, the kernel takes the log's content for left over and drops it.
            if log.start != 0 && pending {
                sequence = self.replay(log, &mut recovery)?;
            }
            failed |= log.errno != 0;
            log.empty(&mut self.device, sequence)?;
        } else if pending {
            let object = Object::the("superblock");
            return Err(object.corrupt("feature needs_recovery", "set", "not set without has_journal"));
        }
        recovery.orphans = self.process_orphans()?;
        if unclean || failed {
            self.set_superblock(|raw| {
                let features = sb::FEATURE_INCOMPAT.get(raw) & !incompat::RECOVER;
                sb::FEATURE_INCOMPAT.set(raw, features);
                let mut state = sb::STATE.get(raw);
                if failed {
                    // The kernel saw damage: the journal's word for it goes over into the superblock.
                    state |= sb::STATE_ERROR;
                }
                if log.is_some() {
                    state |= sb::STATE_VALID;
                }
                sb::STATE.set(raw, state);
            })?;
            self.recount()?;
        }
        Ok(recovery)
    }

    /// Replays the log. Returns the sequence number to go on with.
    fn replay(&mut self, log: &Log, recovery: &mut Recovery) -> Result<u32> {
        let replayed = replay::replay(log, &mut self.device, self.layout.blocks)?;
        self.reload()?;
        let inode_size = self.layout.block_len().min(block::to_usize(self.layout.inode_size));
        let (fast, records) = fastcommit::pending(log, &self.device, replayed.end, inode_size)?;
        if fast > 0 {
            self.replay_fast_commits(&records)?;
        }
        recovery.transactions = replayed.transactions + fast;
        recovery.blocks = replayed.blocks;
        // No block of the old log can be taken for one of the next transaction.
        Ok(replayed.end.wrapping_add(1))
    }
}
