//! Superblock strings, and backups as copies of the primary.

use block::{BlockRead, BlockWrite, Result};

use super::{wipe, wipe_behind_nul};
use crate::ext::{
    Ext,
    superblock::{
        BLOCK_GROUP_NR, ERROR_RECORD, ERROR_RECORD_HI, LAST_MOUNTED, MOUNT_OPTS, RESERVED, RESERVED_PAD,
        SIZE, SNAPSHOT, STATE, STATE_VALID, Superblock, VOLUME_NAME,
    },
};

/// Where it was last mounted, the record of errors (functions, times, inodes), and what no feature uses. Label,
/// UUID and mount options stay up to their ends: the system needs them.
fn wipe_strings(raw: &mut [u8; SIZE]) -> u64 {
    let fields = [
        LAST_MOUNTED.0..LAST_MOUNTED.0 + 64,
        RESERVED_PAD.0..RESERVED_PAD.0 + 1,
        SNAPSHOT.0..ERROR_RECORD.0,
        ERROR_RECORD.0..ERROR_RECORD.0 + 0x6C,
        ERROR_RECORD_HI.0..ERROR_RECORD_HI.0 + 4,
        RESERVED,
    ];
    let fields: u64 = fields.into_iter().map(|range| wipe(raw, range)).sum();
    let texts = [VOLUME_NAME.0..VOLUME_NAME.0 + 16, MOUNT_OPTS.0..MOUNT_OPTS.0 + 64];
    fields + texts.into_iter().map(|range| wipe_behind_nul(raw, range)).sum::<u64>()
}

impl<D: BlockRead> Ext<D> {
    /// The backup that belongs in a group: as e2fsprogs writes it, never marked as cleanly unmounted.
    fn backup(&self, group: u64) -> Superblock {
        let mut backup = self.superblock.clone();
        let raw = backup.bytes_mut();
        // s_block_group_nr has 16 bits; beyond them it wraps.
        let [a, b, ..] = group.to_le_bytes();
        BLOCK_GROUP_NR.set(raw, u16::from_le_bytes([a, b]));
        let state = STATE.get(raw) & !STATE_VALID;
        STATE.set(raw, state);
        backup.seal();
        backup
    }
}

impl<D: BlockWrite> Ext<D> {
    pub(super) fn scrub_superblock(&mut self) -> Result<u64> {
        let mut raw = *self.superblock.bytes();
        let mut wiped = wipe_strings(&mut raw);
        if wiped > 0 {
            self.set_superblock(|primary| *primary = raw)?;
        }
        for group in 1..self.layout.groups {
            let Some(block) = self.layout.base(group).superblock else { continue };
            let offset = block * self.layout.block_size;
            let mut old = [0; SIZE];
            self.device.read_at(offset, &mut old)?;
            let backup = self.backup(group);
            if old != *backup.bytes() {
                self.device.write_at(offset, backup.bytes())?;
                wiped += wipe_strings(&mut old);
            }
        }
        Ok(wiped)
    }
}
