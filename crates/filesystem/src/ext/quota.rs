//! Brings the quota files up to date where the filesystem keeps them in hidden inodes: what was freed goes, what was
//! made comes.
//!
//! A quota file (format vfsv1) is a tree of 1 KiB blocks: four levels of 256 references by the bytes of the id,
//! then a block of 14 records. Only the two counts of usage are changed; limits stay.

use block::{
    BlockRead, BlockWrite, Result,
    field::{Le32, Le64},
    is_zero,
};

use super::{
    Ext,
    inode::{self, Inode},
    map::Mapped,
    superblock::{self as sb, ro_compat},
};
use crate::InodeId;

/// What an inode and its attributes use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Bytes of allocated clusters.
    pub(crate) bytes: u64,
    /// Inodes.
    pub(crate) inodes: u64,
}

const QUOTA_BLOCK: u64 = 1024;
const LEVELS: u32 = 4;
/// The block with the references of the first level.
const ROOT_BLOCK: u32 = 1;
// Block of records: header, then records (struct v2r1_disk_dqblk).
const HEADER_LEN: usize = 16;
const RECORD_LEN: usize = 72;
const RECORDS: usize = 14;
const DQB_ID: Le32 = Le32(0x0);
const DQB_CURINODES: Le64 = Le64(24);
const DQB_CURSPACE: Le64 = Le64(48);

/// A record that is all zero is unused, not that of id 0.
fn is_record(record: &[u8], id: u32) -> bool {
    DQB_ID.get(record) == id && !is_zero(record)
}

impl<D: BlockRead> Ext<D> {
    /// The quota files and the ids of an inode in them.
    fn quotas(&self, inode: &Inode) -> Vec<(u64, u32)> {
        if !self.superblock.ro_compat(ro_compat::QUOTA) {
            return Vec::new();
        }
        let raw = &inode.raw;
        let id = |low: block::field::Le16, high: block::field::Le16| {
            u32::from(low.get(raw)) | u32::from(high.get(raw)) << 16
        };
        let mut ids = vec![
            (sb::USR_QUOTA_INUM, id(inode::UID_LO, inode::UID_HI)),
            (sb::GRP_QUOTA_INUM, id(inode::GID_LO, inode::GID_HI)),
        ];
        if self.superblock.ro_compat(ro_compat::PROJECT) {
            // Without the field the project is 0.
            let present = inode.xattr_start() >= inode::PROJID.0 + Le32::WIDTH && raw.len() > 128;
            ids.push((sb::PRJ_QUOTA_INUM, if present { inode::PROJID.get(raw) } else { 0 }));
        }
        let file = |field: Le32| u64::from(field.get(self.superblock.bytes()));
        ids.into_iter().map(|(field, id)| (file(field), id)).filter(|&(file, _)| file != 0).collect()
    }

    /// Byte offset on the device of a block of a quota file.
    fn quota_offset(&self, file: &Inode, index: u32) -> Result<u64> {
        let at = u64::from(index) * QUOTA_BLOCK;
        let size = self.layout.block_size;
        let logical = at / size;
        let mut place = None;
        self.map_range(file, logical..logical + 1, &mut |mapped| {
            if let Mapped::Data { physical, written: true, .. } = mapped {
                place = Some(physical * size + at % size);
            }
            Ok(())
        })?;
        place.ok_or_else(|| file.object().corrupt("quota tree block", index, "inside the file"))
    }

    /// The block of records that may hold an id; `None` if the file has none for it.
    fn record_block(&self, file: &Inode, id: u32) -> Result<Option<u32>> {
        let mut index = ROOT_BLOCK;
        for level in (0..LEVELS).rev() {
            let (_, block) = self.quota_block(file, index)?;
            let [slot, ..] = (id >> (8 * level)).to_le_bytes();
            index = Le32(usize::from(slot) * Le32::WIDTH).get(&block);
            if index == 0 {
                return Ok(None);
            }
        }
        Ok(Some(index))
    }

    /// Whether each quota file has a record for its owner of an inode.
    pub(crate) fn has_quota_records(&self, inode: &Inode) -> Result<bool> {
        for (number, id) in self.quotas(inode) {
            let file = self.inode(InodeId(number))?;
            let Some(index) = self.record_block(&file, id)? else { return Ok(false) };
            let (_, block) = self.quota_block(&file, index)?;
            let mut records = block[HEADER_LEN..].chunks_exact(RECORD_LEN).take(RECORDS);
            if !records.any(|record| is_record(record, id)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn quota_block(&self, file: &Inode, index: u32) -> Result<(u64, [u8; 1024])> {
        let offset = self.quota_offset(file, index)?;
        let mut block = [0; 1024];
        self.device.read_object(file.object(), offset, &mut block)?;
        Ok((offset, block))
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Takes `usage` off the quotas of the owners of `inode`. An owner without a record uses nothing.
    pub(crate) fn uncharge(&mut self, inode: &Inode, usage: Usage) -> Result<()> {
        self.recharge(inode, usage, Usage { bytes: 0, inodes: 0 })
    }

    /// Lets the quotas of the owners of `inode` count `after` instead of `before`.
    pub(crate) fn recharge(&mut self, inode: &Inode, before: Usage, after: Usage) -> Result<()> {
        for (number, id) in self.quotas(inode) {
            let file = self.inode(InodeId(number))?;
            let Some(index) = self.record_block(&file, id)? else { continue };
            let (offset, mut block) = self.quota_block(&file, index)?;
            let records = block[HEADER_LEN..].chunks_exact_mut(RECORD_LEN).take(RECORDS);
            for record in records.filter(|record| is_record(record, id)) {
                let inodes =
                    DQB_CURINODES.get(record).saturating_sub(before.inodes).saturating_add(after.inodes);
                DQB_CURINODES.set(record, inodes);
                let space = DQB_CURSPACE.get(record).saturating_sub(before.bytes).saturating_add(after.bytes);
                DQB_CURSPACE.set(record, space);
            }
            self.device.write_at(offset, &block)?;
        }
        Ok(())
    }
}
