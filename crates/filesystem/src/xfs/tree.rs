//! The [`Filesystem`] and [`FilesystemMut`] traits for XFS.

use block::{BlockRead, BlockWrite, Extent, ExtentSet, Result};

use super::{
    Xfs,
    superblock::{self, LABEL, UUID},
};
use crate::{
    Change, Claim, Entry, Filesystem, FilesystemMut, InodeId, Metadata, NewEntry, Past, Recovery, Summary,
    Tail, Target, uuid,
};

impl<D: BlockRead> Filesystem for Xfs<D> {
    fn summary(&self) -> Result<Summary> {
        let raw = self.superblock.bytes();
        let label = LABEL.get(raw);
        let len = crate::tails::text_len(&label);
        let mut notes = Vec::new();
        if superblock::QUOTA_FLAGS.get(raw) != 0 {
            notes.push(
                "quotas stay; after an edit the next kernel that keeps them counts usage again".to_owned(),
            );
        }
        Ok(Summary {
            kind: "xfs",
            label: String::from_utf8_lossy(&label[..len]).into_owned(),
            uuid: uuid::text(&UUID.get(raw)),
            size: self.geometry.size(),
            block_size: u32::try_from(self.geometry.block_size).unwrap_or(u32::MAX),
            features: self.superblock.features(),
            dirty: self.is_dirty()?,
            notes,
        })
    }

    fn claims(&self, visit: &mut dyn FnMut(Extent, Claim) -> Result<()>) -> Result<()> {
        self.visit_claims(visit)
    }

    fn allocated(&self) -> Result<ExtentSet> {
        self.allocated_bytes()
    }

    fn tails(&self, visit: &mut dyn FnMut(Extent, Tail) -> Result<()>) -> Result<()> {
        self.visit_tails(visit)
    }

    fn root(&self) -> Option<InodeId> {
        Some(InodeId(self.geometry.root.0))
    }

    fn entries(&self, dir: InodeId, visit: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()> {
        self.read_directory(dir, visit)
    }

    fn check_names(&self) -> Result<()> {
        self.check_all_names()
    }

    fn metadata(&self, inode: InodeId) -> Result<Metadata> {
        self.describe(&self.inode(inode)?)
    }

    fn read(&self, inode: InodeId, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.read_file(&self.inode(inode)?, offset, buf)
    }

    fn extents(&self, inode: InodeId, visit: &mut dyn FnMut(u64, Extent) -> Result<()>) -> Result<()> {
        self.visit_extents(&self.inode(inode)?, visit)
    }

    fn link_target(&self, inode: InodeId) -> Result<Vec<u8>> {
        self.read_link(&self.inode(inode)?)
    }

    fn supports(&self, target: &Target, change: &Change) -> Result<()> {
        self.supports_change(target, change)
    }

    fn supports_create(&self, dir: InodeId, name: &[u8], new: &NewEntry) -> Result<()> {
        self.supports_new(dir, name, new)
    }

    fn attribute(&self, inode: InodeId, name: &[u8]) -> Result<Option<Vec<u8>>> {
        self.attribute_value(&self.inode(inode)?, name)
    }

    fn history(&self, visit: &mut dyn FnMut(Past) -> Result<()>) -> Result<()> {
        self.visit_history(visit)
    }
}

impl<D: BlockWrite> FilesystemMut for Xfs<D> {
    fn recover(&mut self) -> Result<Recovery> {
        let recovered = self.recover_log()?;
        let orphans = self.finish_recovery(&recovered)?;
        Ok(Recovery { transactions: recovered.transactions, blocks: recovered.writes, orphans })
    }

    fn change(&mut self, target: &Target, change: &Change) -> Result<()> {
        self.change_target(target, change)
    }

    fn create(&mut self, dir: InodeId, name: &[u8], new: &NewEntry) -> Result<InodeId> {
        self.complete()?;
        self.supports_new(dir, name, new)?;
        self.create_entry(dir, name, new)
    }

    fn scrub(&mut self) -> Result<u64> {
        self.scrub_metadata()
    }
}
