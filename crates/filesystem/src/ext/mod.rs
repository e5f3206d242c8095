//! ext2, ext3 and ext4: what is live, the tree, the edits and the scrub.
//!
//! Everything that is read is checked: each checksum, and each number against its limits. Only the superblock
//! is kept in memory, and where the last inode table lies; all else is read from the device when it is asked for, so
//! that a replay of the journal underneath needs no more than `Ext::reload`.

mod checksum;
mod claims;
mod content;
mod directory;
mod edit;
mod free;
mod group;
mod history;
mod inode;
mod journal;
mod layout;
mod map;
mod quota;
mod release;
mod scrub;
mod superblock;
mod tails;
mod tree;
mod truncate;
mod xattr;

use block::{BlockRead, BlockWrite, Object, Result};

use checksum::Checksums;
use layout::Layout;
use superblock::Superblock;

/// An ext2, ext3 or ext4 filesystem on a device.
#[derive(Debug)]
pub struct Ext<D> {
    device: D,
    superblock: Superblock,
    layout: Layout,
    checksums: Checksums,
    /// Where a name was found last; only a hint for the next search.
    last_name: edit::Hint,
    last_table: group::LastTable,
}

impl<D: BlockRead> Ext<D> {
    /// Reads the primary superblock. `Corrupt` if it contradicts itself, `Unsupported` for features that are
    /// not handled, by their names in mke2fs(8). A journal that needs recovery is no hindrance.
    pub fn open(device: D) -> Result<Self> {
        let superblock = Self::read_superblock(&device)?;
        let layout = Layout::new(&superblock, device.size())?;
        let checksums = Checksums::new(&superblock);
        Ok(Self {
            device,
            superblock,
            layout,
            checksums,
            last_name: edit::Hint::default(),
            last_table: group::LastTable::default(),
        })
    }

    fn read_superblock(device: &D) -> Result<Superblock> {
        let size = device.size();
        if size < superblock::OFFSET * 2 {
            return Err(Object::the("device").corrupt("size", size, "at least 2048"));
        }
        let mut raw = [0; superblock::SIZE];
        device.read_object(superblock::OBJECT, superblock::OFFSET, &mut raw)?;
        Superblock::new(raw)
    }

    /// Reads the superblock again, after something underneath may have changed it.
    pub(crate) fn reload(&mut self) -> Result<()> {
        let superblock = Self::read_superblock(&self.device)?;
        self.layout = Layout::new(&superblock, self.device.size())?;
        self.checksums = Checksums::new(&superblock);
        self.superblock = superblock;
        self.last_table = group::LastTable::default();
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

    /// One block. `Corrupt` if it lies outside the filesystem.
    pub(crate) fn read_block(&self, block: u64) -> Result<Vec<u8>> {
        self.check_blocks(block, 1)?;
        let mut buf = vec![0; self.layout.block_len()];
        self.device.read_object(
            Object::numbered("block", block),
            block * self.layout.block_size,
            &mut buf,
        )?;
        Ok(buf)
    }

    fn check_blocks(&self, block: u64, count: u64) -> Result<()> {
        // Block 0 is before first_data_block where blocks have 1 KiB, and holds boot code only.
        if self.layout.contains(block, count) {
            return Ok(());
        }
        let expected = format!("{} to {}", self.layout.first_data_block, self.layout.blocks - 1);
        Err(Object::numbered("block", block).corrupt("number", block, expected))
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Writes one whole block.
    pub(crate) fn write_block(&mut self, block: u64, data: &[u8]) -> Result<()> {
        self.check_blocks(block, 1)?;
        assert_eq!(data.len(), self.layout.block_len(), "a block is written whole");
        Ok(self.device.write_at(block * self.layout.block_size, data)?)
    }

    /// Changes the primary superblock, redoes its checksum and reads it again. Backups are rewritten by the
    /// scrub.
    pub(crate) fn set_superblock(&mut self, change: impl FnOnce(&mut [u8; superblock::SIZE])) -> Result<()> {
        let mut superblock = self.superblock.clone();
        change(superblock.bytes_mut());
        superblock.seal();
        self.device.write_at(superblock::OFFSET, superblock.bytes())?;
        self.reload()
    }
}
