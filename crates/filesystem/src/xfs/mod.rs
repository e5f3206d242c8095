//! XFS versions 4 and 5: what is live, the tree, the edits and the scrub.
//!
//! Everything that is read is checked: each checksum, each number against its limits, and on version 5 that a block
//! is of this filesystem, in its own place and its owner's. Only the superblock and a few inode chunks are kept in memory; all
//! else is read from the device when it is asked for, so that a replay of the log underneath needs no more than `Xfs::reload`.

mod attribute;
mod btree;
mod checksum;
mod chunks;
mod claims;
mod content;
mod directory;
mod dirty;
mod edit;
mod format;
mod geometry;
mod group;
mod inode;
mod log;
mod map;
mod rebuild;
mod scrub;
mod superblock;
mod tails;
mod tree;

use block::{BlockRead, Object, Result, to_usize};

use geometry::{FsBlock, Geometry};
use superblock::Superblock;

pub use log::Recovered;

/// An XFS filesystem on a device.
#[derive(Debug)]
pub struct Xfs<D> {
    device: D,
    superblock: Superblock,
    geometry: Geometry,
    /// What edits know of the groups; nothing before the first.
    groups: rebuild::Groups,
    lookup: edit::Lookup,
    chunks: chunks::Chunks,
    /// A directory that has lost names which the device still has.
    pending: Option<edit::Pending>,
}

impl<D: BlockRead> Xfs<D> {
    /// Reads the primary superblock. `Corrupt` if it contradicts itself, `Unsupported` for features that are not
    /// handled, by their names in mkfs.xfs(8). A log that needs replay is no hindrance.
    pub fn open(device: D) -> Result<Self> {
        let superblock = Superblock::read(&device)?;
        let geometry = Geometry::new(&superblock, device.size())?;
        Ok(Self {
            device,
            superblock,
            geometry,
            groups: rebuild::Groups::default(),
            lookup: edit::Lookup::default(),
            chunks: chunks::Chunks::default(),
            pending: None,
        })
    }

    /// Reads the superblock again, after something underneath may have changed it.
    pub(crate) fn reload(&mut self) -> Result<()> {
        let superblock = Superblock::read(&self.device)?;
        self.geometry = Geometry::new(&superblock, self.device.size())?;
        self.superblock = superblock;
        self.groups = rebuild::Groups::default();
        self.lookup = edit::Lookup::default();
        self.chunks.forget();
        Ok(())
    }

    /// The device that it lies on.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The device again, with all edits.
    pub fn into_device(self) -> D {
        self.device
    }

    /// Some blocks. `Corrupt` if they are not all in one group of the filesystem. `count` is the format's, not a
    /// number from the image.
    pub(crate) fn read_blocks(&self, block: FsBlock, count: u64) -> Result<Vec<u8>> {
        self.check_blocks(block, count)?;
        let mut buf = vec![0; to_usize(count * self.geometry.block_size)];
        self.device.read_object(Object::numbered("block", block.0), self.geometry.offset(block), &mut buf)?;
        Ok(buf)
    }

    /// `Corrupt` if blocks are not all in one group of the filesystem.
    pub(crate) fn check_blocks(&self, block: FsBlock, count: u64) -> Result<()> {
        if self.geometry.contains(block, count) {
            return Ok(());
        }
        let found = format!("{count} blocks from {} on", block.0);
        Err(Object::the("filesystem").corrupt("place", found, "blocks of one allocation group"))
    }
}
