//! Sizes and places of a filesystem, checked once; units are types, and only the geometry converts them.
//!
//! An `FsBlock` is no linear number: the allocation group (AG) is in its high bits, and an AG's size need not be a
//! power of two. Inode numbers are made the same way.

use block::{Extent, Object, Result, to_usize};

use super::superblock::{self as sb, OBJECT, Superblock};

/// An allocation group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AgNumber(pub(crate) u32);

/// A block's number within its allocation group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AgBlock(pub(crate) u32);

/// A block of the filesystem: number of its group, and of the block in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FsBlock(pub(crate) u64);

/// An inode's number within its allocation group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AgInode(pub(crate) u32);

/// An inode of the filesystem: group, block in it, and place in the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InodeNumber(pub(crate) u64);

/// An `AgBlock` field that names none.
pub(crate) const NO_AG_BLOCK: u32 = u32::MAX;
/// An `AgInode` field that names none.
pub(crate) const NO_AG_INODE: u32 = u32::MAX;
/// Inodes of a chunk.
pub(crate) const CHUNK: u32 = 64;
/// The fewest blocks of an allocation group (XFS_MIN_AG_BLOCKS).
const MIN_AG_BLOCKS: u32 = 64;
/// Sectors at a group's start: superblock, AGF, AGI, AGFL.
pub(crate) const HEADER_SECTORS: u64 = 4;

/// What follows from a superblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Bytes of a block: a power of two from 512 to 65536.
    pub(crate) block_size: u64,
    pub(crate) block_log: u32,
    /// Bytes of a sector: a power of two from 512 to 32768, at most a block.
    pub(crate) sector_size: u64,
    /// Bytes of an inode: a power of two from 256 to 2048.
    pub(crate) inode_size: u64,
    /// log2 of the inodes in a block.
    pub(crate) inodes_per_block_log: u32,
    /// How many groups there are.
    pub(crate) ag_count: u32,
    /// Blocks of each group but the last, which may have fewer.
    pub(crate) ag_blocks: u32,
    /// Bits of an `FsBlock` for the block in its group.
    pub(crate) ag_block_log: u32,
    /// Blocks of all groups.
    pub(crate) blocks: u64,
    /// log2 of the blocks in a directory block.
    pub(crate) directory_block_log: u32,
    /// The log's first block.
    pub(crate) log_start: FsBlock,
    /// The log's blocks, which all lie in one group.
    pub(crate) log_blocks: u32,
    /// The root directory.
    pub(crate) root: InodeNumber,
    /// Metadata has checksums.
    pub(crate) v5: bool,
}

fn logarithm(field: &'static str, found: u8, size: u64) -> Result<u32> {
    let expected = size.trailing_zeros();
    if u32::from(found) != expected || !size.is_power_of_two() {
        return Err(OBJECT.corrupt(field, found, format!("{expected}, as the size is {size}")));
    }
    Ok(expected)
}

impl Geometry {
    /// Checks that all sizes fit each other and the device.
    pub(crate) fn new(superblock: &Superblock, device: u64) -> Result<Self> {
        let raw = superblock.bytes();
        if sb::IN_PROGRESS.get(raw) != 0 {
            return Err(OBJECT.corrupt("sb_inprogress", sb::IN_PROGRESS.get(raw), "0 (mkfs has finished)"));
        }
        let block_size = u64::from(sb::BLOCK_SIZE.get(raw));
        if !block_size.is_power_of_two() || !(512..=65_536).contains(&block_size) {
            return Err(OBJECT.corrupt("sb_blocksize", block_size, "a power of two from 512 to 65536"));
        }
        let block_log = logarithm("sb_blocklog", sb::BLOCK_LOG.get(raw), block_size)?;
        let sector_size = u64::from(sb::SECTOR_SIZE.get(raw));
        logarithm("sb_sectlog", sb::SECTOR_LOG.get(raw), sector_size)?;
        if sector_size > block_size {
            return Err(OBJECT.corrupt("sb_sectsize", sector_size, format!("at most {block_size}")));
        }
        let inode_size = u64::from(sb::INODE_SIZE.get(raw));
        let least = if superblock.is_v5() { 512 } else { 256 };
        if !inode_size.is_power_of_two() || !(least..=2048.min(block_size)).contains(&inode_size) {
            let expected = format!("a power of two from {least} to {}", 2048.min(block_size));
            return Err(OBJECT.corrupt("sb_inodesize", inode_size, expected));
        }
        logarithm("sb_inodelog", sb::INODE_LOG.get(raw), inode_size)?;
        let per_block = block_size / inode_size;
        if u64::from(sb::INODES_PER_BLOCK.get(raw)) != per_block {
            return Err(OBJECT.corrupt("sb_inopblock", sb::INODES_PER_BLOCK.get(raw), per_block));
        }
        let inodes_per_block_log = logarithm("sb_inopblog", sb::INODES_PER_BLOCK_LOG.get(raw), per_block)?;
        let directory_block_log = u32::from(sb::DIRECTORY_BLOCK_LOG.get(raw));
        if directory_block_log + block_log > 16 {
            return Err(OBJECT.corrupt(
                "sb_dirblklog",
                directory_block_log,
                format!("at most {}", 16 - block_log),
            ));
        }
        let (ag_blocks, ag_count) = (sb::AG_BLOCKS.get(raw), sb::AG_COUNT.get(raw));
        let blocks = sb::BLOCKS.get(raw);
        let least = MIN_AG_BLOCKS
            .max(u32::try_from((HEADER_SECTORS * sector_size).div_ceil(block_size)).unwrap_or(4) + 4);
        if ag_blocks < least || u64::from(ag_blocks) > (1 << 40) >> block_log {
            return Err(OBJECT.corrupt(
                "sb_agblocks",
                ag_blocks,
                format!("{least} to {}", (1u64 << 40) >> block_log),
            ));
        }
        let ag_block_log = u32::from(sb::AG_BLOCK_LOG.get(raw));
        let expected = ag_blocks.next_power_of_two().trailing_zeros();
        if ag_block_log != expected {
            return Err(OBJECT.corrupt("sb_agblklog", ag_block_log, expected));
        }
        let groups = blocks.div_ceil(u64::from(ag_blocks));
        if u64::from(ag_count) != groups || groups == 0 {
            return Err(OBJECT.corrupt(
                "sb_agcount",
                ag_count,
                format!("{groups}, as there are {blocks} blocks"),
            ));
        }
        let last = blocks - (groups - 1) * u64::from(ag_blocks);
        if last < u64::from(least) {
            return Err(OBJECT.corrupt("sb_dblocks", blocks, "a last group of 64 blocks or more"));
        }
        match blocks.checked_mul(block_size) {
            Some(size) if size <= device => {}
            _ => {
                let expected = format!("at most {} (the device's {device} bytes)", device / block_size);
                return Err(OBJECT.corrupt("sb_dblocks", blocks, expected));
            }
        }
        let geometry = Self {
            block_size,
            block_log,
            sector_size,
            inode_size,
            inodes_per_block_log,
            ag_count,
            ag_blocks,
            ag_block_log,
            blocks,
            directory_block_log,
            log_start: FsBlock(sb::LOG_START.get(raw)),
            log_blocks: sb::LOG_BLOCKS.get(raw),
            root: InodeNumber(sb::ROOT_INODE.get(raw)),
            v5: superblock.is_v5(),
        };
        if geometry.log_blocks == 0 || !geometry.contains(geometry.log_start, geometry.log_blocks.into()) {
            let found = format!("{} blocks from {} on", geometry.log_blocks, geometry.log_start.0);
            return Err(OBJECT.corrupt("log", found, "blocks of one allocation group"));
        }
        if geometry.split_inode(geometry.root).is_none() {
            return Err(OBJECT.corrupt("sb_rootino", geometry.root.0, "an inode inside the filesystem"));
        }
        Ok(geometry)
    }

    /// Size of the filesystem in bytes.
    pub(crate) const fn size(&self) -> u64 {
        self.blocks * self.block_size
    }

    /// Bytes of a block, as a buffer's length.
    pub(crate) const fn block_len(&self) -> usize {
        to_usize(self.block_size)
    }

    /// Blocks of a directory block.
    pub(crate) const fn directory_blocks(&self) -> u64 {
        1 << self.directory_block_log
    }

    /// Bytes of a directory block: at most 65536.
    pub(crate) const fn directory_len(&self) -> usize {
        to_usize(self.block_size << self.directory_block_log)
    }

    /// All groups.
    pub(crate) fn groups(&self) -> impl Iterator<Item = AgNumber> + use<> {
        (0..self.ag_count).map(AgNumber)
    }

    /// Blocks of a group.
    pub(crate) fn ag_len(&self, ag: AgNumber) -> u32 {
        let before = u64::from(ag.0) * u64::from(self.ag_blocks);
        u32::try_from(self.blocks.saturating_sub(before).min(self.ag_blocks.into())).unwrap_or(self.ag_blocks)
    }

    /// First byte of a group.
    pub(crate) fn ag_start(&self, ag: AgNumber) -> u64 {
        u64::from(ag.0) * u64::from(self.ag_blocks) * self.block_size
    }

    /// First byte of one of the four header sectors of a group.
    pub(crate) fn header_sector(&self, ag: AgNumber, sector: u64) -> u64 {
        self.ag_start(ag) + sector * self.sector_size
    }

    /// Blocks that the header sectors of a group take.
    pub(crate) fn header_blocks(&self) -> u32 {
        u32::try_from((HEADER_SECTORS * self.sector_size).div_ceil(self.block_size))
            .expect("a sector is at most a block, so these are at most 4")
    }

    /// The number of a block of a group.
    pub(crate) fn fs_block(&self, ag: AgNumber, block: AgBlock) -> FsBlock {
        FsBlock(u64::from(ag.0) << self.ag_block_log | u64::from(block.0))
    }

    /// Group and block in it; `None` if there is no such block.
    pub(crate) fn split(&self, block: FsBlock) -> Option<(AgNumber, AgBlock)> {
        let ag = AgNumber(u32::try_from(block.0 >> self.ag_block_log).ok().filter(|&ag| ag < self.ag_count)?);
        let within = u32::try_from(block.0 & ((1 << self.ag_block_log) - 1)).ok()?;
        (within < self.ag_len(ag)).then_some((ag, AgBlock(within)))
    }

    /// Whether `count` blocks from `block` on are all in one group of the filesystem.
    pub(crate) fn contains(&self, block: FsBlock, count: u64) -> bool {
        self.split(block).is_some_and(|(ag, first)| count <= u64::from(self.ag_len(ag)) - u64::from(first.0))
    }

    /// Whether `count` blocks from `block` on are in a group.
    pub(crate) fn ag_contains(&self, ag: AgNumber, block: AgBlock, count: u32) -> bool {
        let len = self.ag_len(ag);
        block.0 < len && count <= len - block.0
    }

    /// First byte of a block that is inside the filesystem.
    pub(crate) fn offset(&self, block: FsBlock) -> u64 {
        let (ag, within) = (block.0 >> self.ag_block_log, block.0 & ((1 << self.ag_block_log) - 1));
        (ag * u64::from(self.ag_blocks) + within) * self.block_size
    }

    /// The bytes of blocks that [`contains`](Self::contains) found to be inside the filesystem.
    pub(crate) fn extent(&self, block: FsBlock, count: u64) -> Extent {
        Extent { start: self.offset(block), len: count * self.block_size }
    }

    /// What metadata calls its own place: the number of 512-byte sectors before it.
    pub(crate) fn daddr(&self, block: FsBlock) -> u64 {
        self.offset(block) / 512
    }

    /// The number of an inode of a group.
    pub(crate) fn inode_number(&self, ag: AgNumber, inode: AgInode) -> InodeNumber {
        InodeNumber(u64::from(ag.0) << (self.ag_block_log + self.inodes_per_block_log) | u64::from(inode.0))
    }

    /// Group and number in it; `None` if the filesystem has no block for such an inode.
    pub(crate) fn split_inode(&self, inode: InodeNumber) -> Option<(AgNumber, AgInode)> {
        let bits = self.ag_block_log + self.inodes_per_block_log;
        let (ag, _) = self.split(FsBlock(inode.0 >> self.inodes_per_block_log))?;
        let within = u32::try_from(inode.0 & ((1 << bits) - 1)).ok()?;
        Some((ag, AgInode(within)))
    }

    /// The block of its group that an inode lies in.
    pub(crate) fn inode_block(&self, inode: AgInode) -> AgBlock {
        AgBlock(inode.0 >> self.inodes_per_block_log)
    }

    /// First byte of an inode for which [`split_inode`](Self::split_inode) found a block.
    pub(crate) fn inode_offset(&self, inode: InodeNumber) -> u64 {
        let index = inode.0 & ((1 << self.inodes_per_block_log) - 1);
        self.offset(FsBlock(inode.0 >> self.inodes_per_block_log)) + index * self.inode_size
    }

    /// The object that errors about a block name.
    pub(crate) fn block_object(kind: &'static str, block: FsBlock) -> Object {
        Object::numbered(kind, block.0)
    }
}
