//! Metadata that lies in hidden inodes: the journal's superblock, the resize inode's block, the orphan file.

use block::{BlockRead, Result, field::Le32, to_usize};

use super::fixed::pointers;
use crate::{
    ext::{
        Ext,
        claims::JOURNAL_SUPERBLOCK_LEN,
        inode::{self, Inode},
        journal::layout::{
            COMPAT_CHECKSUM, H_BLOCKTYPE, H_MAGIC, MAGIC, S_CHECKSUM, S_CHECKSUM_TYPE, S_FEATURE_COMPAT,
            S_NR_USERS, S_NUM_FC_BLKS, S_PADDING, S_USERS, SUPERBLOCK_V1_LEN, TYPE_SUPERBLOCK_V1,
            TYPE_SUPERBLOCK_V2,
        },
        map::Mapped,
        superblock::{self as sb, compat},
    },
    tails::{Tail, Visit, unused},
};

/// Bytes of a user's UUID in the journal's superblock.
const USER_LEN: usize = 16;
/// Place of the double indirect block in i_block.
const DOUBLE: usize = 13;

impl<D: BlockRead> Ext<D> {
    /// What a hidden inode holds of metadata, if this is one.
    pub(super) fn hidden_tails(&self, inode: &Inode, visit: &mut Visit<'_>) -> Result<()> {
        let is = |field: Le32, feature| {
            self.superblock.compat(feature) && u64::from(field.get(self.superblock.bytes())) == inode.number
        };
        if inode.number == inode::RESIZE && self.superblock.compat(compat::RESIZE_INODE) {
            return self.resize_tails(inode, visit);
        }
        if self.is_journal(inode) {
            return self.journal_tails(inode, visit);
        }
        if is(sb::ORPHAN_FILE_INUM, compat::ORPHAN_FILE) {
            return self.orphan_tails(inode, visit);
        }
        Ok(())
    }

    /// The resize inode's double indirect block: the reserved descriptor blocks of group 0.
    fn resize_tails(&self, inode: &Inode, visit: &mut Visit<'_>) -> Result<()> {
        let block = u64::from(Le32(DOUBLE * Le32::WIDTH).get(inode.block()));
        if block == 0 {
            return Ok(());
        }
        let raw = self.read_block(block)?;
        let (first, end) = self.reserved_blocks(0);
        let reserved = |block| (first..end).contains(&block);
        pointers(&raw, reserved, block * self.layout.block_size, Tail::Map, visit)
    }

    fn journal_tails(&self, inode: &Inode, visit: &mut Visit<'_>) -> Result<()> {
        let mut place = None;
        self.map_range(inode, 0..1, &mut |mapped| {
            if let Mapped::Data { logical: 0, physical, written: true, .. } = mapped {
                place = Some(physical * self.layout.block_size);
            }
            Ok(())
        })?;
        let Some(start) = place else { return Ok(()) };
        let mut raw = vec![0; to_usize(JOURNAL_SUPERBLOCK_LEN)];
        self.device.read_at(start, &mut raw)?;
        let fields = match (H_MAGIC.get(&raw), H_BLOCKTYPE.get(&raw)) {
            (MAGIC, TYPE_SUPERBLOCK_V1) => [0..SUPERBLOCK_V1_LEN, 0..0, 0..0, 0..0],
            (MAGIC, TYPE_SUPERBLOCK_V2) => {
                // An unknown compatible feature may have its fields in what is padding to us.
                let known = S_FEATURE_COMPAT.get(&raw) & !COMPAT_CHECKSUM == 0;
                let end = if known { S_PADDING } else { S_CHECKSUM.0 };
                let users = to_usize(S_NR_USERS.get(&raw).min(1).into());
                [
                    0..S_CHECKSUM_TYPE.0 + 1,
                    S_NUM_FC_BLKS.0..end,
                    S_CHECKSUM.0..S_USERS,
                    S_USERS..S_USERS + USER_LEN * users,
                ]
            }
            _ => [0..0, 0..0, 0..0, 0..0],
        };
        unused(&raw, fields, start, Tail::Journal, visit)
    }

    /// Entries are in use only while there are orphans.
    fn orphan_tails(&self, inode: &Inode, visit: &mut Visit<'_>) -> Result<()> {
        const TAIL_LEN: usize = 8;
        let pending = self.has_orphans();
        self.map(inode, &mut |mapped| {
            let Mapped::Data { physical, count, written: true, .. } = mapped else { return Ok(()) };
            for block in physical..physical + count {
                let raw = self.read_block(block)?;
                let tail = raw.len() - TAIL_LEN;
                let used = if pending { 0..raw.len() } else { tail..raw.len() };
                unused(&raw, [used], block * self.layout.block_size, Tail::Orphans, visit)?;
            }
            Ok(())
        })
    }
}
