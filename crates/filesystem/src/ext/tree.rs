//! The [`Filesystem`] and [`FilesystemMut`] traits for ext.

use block::{BlockRead, BlockWrite, Extent, ExtentSet, Result};

use super::{
    Ext, inode,
    superblock::{self, compat, incompat, ro_compat},
};
use crate::{
    Change, Claim, Entry, Filesystem, FilesystemMut, InodeId, Metadata, NewEntry, Past, Recovery, Summary,
    Tail, Target, uuid,
};

impl<D: BlockRead> Ext<D> {
    /// What blkid(8) calls it: by the features that ext2 and ext3 know.
    fn kind(&self) -> &'static str {
        // Beyond filetype, recover and meta_bg resp. sparse_super, large_file and btree_dir: ext4.
        const EXT3_INCOMPAT: u32 = 0x2 | 0x4 | 0x10;
        const EXT3_RO_COMPAT: u32 = 0x1 | 0x2 | 0x4;
        if self.superblock.incompat(!EXT3_INCOMPAT) || self.superblock.ro_compat(!EXT3_RO_COMPAT) {
            "ext4"
        } else if self.superblock.compat(compat::HAS_JOURNAL) {
            "ext3"
        } else {
            "ext2"
        }
    }
}

impl<D: BlockRead> Filesystem for Ext<D> {
    fn summary(&self) -> Result<Summary> {
        let raw = self.superblock.bytes();
        let label = superblock::VOLUME_NAME.get(raw);
        let len = label.iter().position(|&byte| byte == 0).unwrap_or(label.len());
        let state = superblock::STATE.get(raw);
        let mut notes = Vec::new();
        if self.superblock.incompat(incompat::ENCRYPT) {
            notes.push("encrypted directories (fscrypt) stay as they are".to_owned());
        }
        if state & superblock::STATE_ERROR != 0 {
            notes.push("the filesystem's own kernel has marked it as having errors".to_owned());
        }
        Ok(Summary {
            kind: self.kind(),
            label: String::from_utf8_lossy(&label[..len]).into_owned(),
            uuid: uuid::text(&superblock::UUID.get(raw)),
            size: self.layout.size(),
            block_size: u32::try_from(self.layout.block_size).unwrap_or(u32::MAX),
            features: self.superblock.features(),
            dirty: self.superblock.incompat(incompat::RECOVER)
                || self.superblock.ro_compat(ro_compat::ORPHAN_PRESENT)
                || superblock::LAST_ORPHAN.get(raw) != 0
                || state & superblock::STATE_VALID == 0,
            notes,
        })
    }

    fn claims(&self, visit: &mut dyn FnMut(Extent, Claim) -> Result<()>) -> Result<()> {
        self.visit_claims(visit)
    }

    fn allocated(&self) -> Result<ExtentSet> {
        self.bitmaps()
    }

    fn tails(&self, visit: &mut dyn FnMut(Extent, Tail) -> Result<()>) -> Result<()> {
        self.visit_tails(visit)
    }

    fn root(&self) -> Option<InodeId> {
        Some(InodeId(inode::ROOT))
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

impl<D: BlockWrite> FilesystemMut for Ext<D> {
    fn recover(&mut self) -> Result<Recovery> {
        self.recover_journal()
    }

    fn change(&mut self, target: &Target, change: &Change) -> Result<()> {
        self.change_target(target, change)
    }

    fn create(&mut self, dir: InodeId, name: &[u8], new: &NewEntry) -> Result<InodeId> {
        self.supports_new(dir, name, new)?;
        self.create_entry(dir, name, new)
    }

    fn scrub(&mut self) -> Result<u64> {
        self.scrub_metadata()
    }
}
