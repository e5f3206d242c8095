//! The geometry: how big everything is and where the fixed metadata lies, from the superblock alone.
//!
//! Every number was checked against the device and the format once, here; arithmetic on them cannot overflow.

use block::{Extent, Result, to_usize};

use super::superblock::{self as sb, OBJECT, Superblock, compat, incompat, ro_compat};

/// A flex group has at most 2^31 groups.
const MAX_LOG_FLEX: u8 = 31;

/// Sizes and places. Block numbers are absolute; a cluster is one block unless `bigalloc` says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Bytes of a block: 1024 to 65536.
    pub(crate) block_size: u64,
    /// Blocks of a cluster.
    pub(crate) cluster_blocks: u64,
    /// Blocks of the filesystem.
    pub(crate) blocks: u64,
    /// The block where group 0 starts.
    pub(crate) first_data_block: u64,
    /// The block that holds the primary superblock.
    pub(crate) super_block: u64,
    /// Blocks of a group.
    pub(crate) blocks_per_group: u64,
    /// Clusters of a group: the bits of a block bitmap.
    pub(crate) clusters_per_group: u64,
    /// Inodes of a group: the bits of an inode bitmap.
    pub(crate) inodes_per_group: u64,
    /// Inodes of the filesystem; they count from 1.
    pub(crate) inodes: u64,
    /// Bytes of an inode.
    pub(crate) inode_size: u64,
    /// The first inode that is not reserved.
    pub(crate) first_inode: u64,
    /// Bytes of a group descriptor.
    pub(crate) descriptor_size: u64,
    /// Groups.
    pub(crate) groups: u64,
    /// Blocks of the whole descriptor table.
    pub(crate) descriptor_blocks: u64,
    /// Blocks reserved behind each copy of it for growth.
    pub(crate) reserved_gdt_blocks: u64,
    /// Descriptor blocks from this one on lie in their own meta block groups.
    first_meta_bg: u64,
    meta_bg: bool,
    sparse_super: bool,
    /// With sparse_super2: the only groups with backups.
    backups: Option<[u64; 2]>,
}

/// Fixed blocks at the start of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Base {
    /// The superblock or a backup of it.
    pub(crate) superblock: Option<u64>,
    /// The first block of a copy of the descriptor table, and which block of the table that is.
    pub(crate) descriptors: u64,
    /// First descriptor block of the table that lies here.
    pub(crate) descriptor_index: u64,
    /// How many descriptor blocks lie here.
    pub(crate) descriptor_count: u64,
    /// How many reserved blocks follow them.
    pub(crate) reserved: u64,
}

impl Layout {
    /// Checks each number against the format's limits and the size of the device in bytes.
    pub(crate) fn new(super_block: &Superblock, device_size: u64) -> Result<Self> {
        let raw = super_block.bytes();
        let log = sb::LOG_BLOCK_SIZE.get(raw);
        if log > 6 {
            return Err(OBJECT.corrupt("s_log_block_size", log, "0 to 6"));
        }
        let block_size = 1024u64 << log;
        let cluster_blocks = if super_block.ro_compat(ro_compat::BIGALLOC) {
            let cluster = sb::LOG_CLUSTER_SIZE.get(raw);
            if cluster < log || cluster > 19 {
                return Err(OBJECT.corrupt("s_log_cluster_size", cluster, format!("{log} to 19")));
            }
            1u64 << (cluster - log)
        } else {
            1
        };
        let first_data_block = u64::from(sb::FIRST_DATA_BLOCK.get(raw));
        let expected = u64::from(block_size == 1024 && cluster_blocks == 1);
        if first_data_block != expected {
            return Err(OBJECT.corrupt("s_first_data_block", first_data_block, expected));
        }
        let wide = super_block.incompat(incompat::SIXTY_FOUR_BIT);
        let high = if wide { u64::from(sb::BLOCKS_COUNT_HI.get(raw)) << 32 } else { 0 };
        let blocks = high | u64::from(sb::BLOCKS_COUNT_LO.get(raw));
        // 2^48 is what an extent can name.
        let limit = (device_size / block_size).min(1 << 48);
        if blocks > limit || blocks <= first_data_block {
            let expected = format!("{} to {limit} (the device's end)", first_data_block + 1);
            return Err(OBJECT.corrupt("s_blocks_count", blocks, expected));
        }
        let bits = block_size * 8;
        let blocks_per_group = u64::from(sb::BLOCKS_PER_GROUP.get(raw));
        let clusters_per_group = if cluster_blocks > 1 || super_block.ro_compat(ro_compat::BIGALLOC) {
            u64::from(sb::CLUSTERS_PER_GROUP.get(raw))
        } else {
            blocks_per_group
        };
        if clusters_per_group == 0 || clusters_per_group > bits || clusters_per_group % 8 != 0 {
            return Err(OBJECT.corrupt(
                "s_clusters_per_group",
                clusters_per_group,
                format!("a multiple of 8 up to {bits}"),
            ));
        }
        if blocks_per_group != clusters_per_group * cluster_blocks {
            let expected = clusters_per_group * cluster_blocks;
            return Err(OBJECT.corrupt("s_blocks_per_group", blocks_per_group, expected));
        }
        let rev = sb::REV_LEVEL.get(raw);
        if rev > 1 {
            return Err(OBJECT.corrupt("s_rev_level", rev, "0 or 1"));
        }
        let (inode_size, first_inode) = if rev == 0 {
            (128, 11)
        } else {
            (u64::from(sb::INODE_SIZE.get(raw)), u64::from(sb::FIRST_INO.get(raw)))
        };
        if inode_size < 128 || inode_size > block_size || !inode_size.is_power_of_two() {
            let expected = format!("a power of two from 128 to {block_size}");
            return Err(OBJECT.corrupt("s_inode_size", inode_size, expected));
        }
        let inodes_per_group = u64::from(sb::INODES_PER_GROUP.get(raw));
        if inodes_per_group == 0 || inodes_per_group > bits || inodes_per_group % 8 != 0 {
            let expected = format!("a multiple of 8 up to {bits}");
            return Err(OBJECT.corrupt("s_inodes_per_group", inodes_per_group, expected));
        }
        let groups = (blocks - first_data_block).div_ceil(blocks_per_group);
        let inodes = u64::from(sb::INODES_COUNT.get(raw));
        // The count stops one group short of the last where it would not fit in 32 bits (resize2fs).
        let total = groups.saturating_mul(inodes_per_group);
        let fits = if total > u64::from(u32::MAX) { total.saturating_sub(inodes_per_group) } else { total };
        if inodes != fits {
            return Err(OBJECT.corrupt("s_inodes_count", inodes, fits));
        }
        if first_inode < 11 || first_inode > inodes {
            return Err(OBJECT.corrupt("s_first_ino", first_inode, format!("11 to {inodes}")));
        }
        let descriptor_size = if wide { u64::from(sb::DESC_SIZE.get(raw)) } else { 32 };
        if wide
            && (descriptor_size < 64 || descriptor_size > block_size || !descriptor_size.is_power_of_two())
        {
            let expected = format!("a power of two from 64 to {block_size}");
            return Err(OBJECT.corrupt("s_desc_size", descriptor_size, expected));
        }
        // e2fsprogs opens no other (`ext2fs_open2`), with flex_bg or without.
        let flex = sb::LOG_GROUPS_PER_FLEX.get(raw);
        if flex > MAX_LOG_FLEX {
            return Err(OBJECT.corrupt("s_log_groups_per_flex", flex, format!("at most {MAX_LOG_FLEX}")));
        }
        let descriptor_blocks = groups.div_ceil(block_size / descriptor_size);
        let meta_bg = super_block.incompat(incompat::META_BG);
        let first_meta_bg = u64::from(sb::FIRST_META_BG.get(raw));
        if meta_bg && first_meta_bg > descriptor_blocks {
            return Err(OBJECT.corrupt(
                "s_first_meta_bg",
                first_meta_bg,
                format!("0 to {descriptor_blocks}"),
            ));
        }
        // Only resize_inode reserves; meta_bg makes growth possible without (ext2fs_super_and_bgd_loc2).
        let reserved = u64::from(sb::RESERVED_GDT_BLOCKS.get(raw));
        if reserved > block_size / 4 {
            return Err(OBJECT.corrupt(
                "s_reserved_gdt_blocks",
                reserved,
                format!("0 to {}", block_size / 4),
            ));
        }
        let layout = Self {
            block_size,
            cluster_blocks,
            blocks,
            first_data_block,
            super_block: u64::from(block_size == 1024),
            blocks_per_group,
            clusters_per_group,
            inodes_per_group,
            inodes,
            inode_size,
            first_inode,
            descriptor_size,
            groups,
            descriptor_blocks,
            reserved_gdt_blocks: if meta_bg { 0 } else { reserved },
            first_meta_bg,
            meta_bg,
            sparse_super: super_block.ro_compat(ro_compat::SPARSE_SUPER),
            backups: super_block
                .compat(compat::SPARSE_SUPER2)
                .then(|| sb::BACKUP_BGS.map(|field| u64::from(field.get(raw)))),
        };
        for group in [0, groups - 1] {
            let base = layout.base(group);
            let len = layout.base_len(&base) + (layout.base_start(group) - layout.group_start(group));
            if len > layout.group_blocks(group) {
                let expected =
                    format!("at most {} blocks of metadata at its start", layout.group_blocks(group));
                return Err(block::Object::numbered("group", group).corrupt("size", len, expected));
            }
        }
        Ok(layout)
    }

    /// Bytes of the filesystem.
    pub(crate) const fn size(&self) -> u64 {
        self.blocks * self.block_size
    }

    /// The bytes of `count` blocks from `block` on, which the caller knows to be inside the filesystem.
    pub(crate) const fn extent(&self, block: u64, count: u64) -> Extent {
        Extent { start: block * self.block_size, len: count * self.block_size }
    }

    /// Block size as a buffer length.
    pub(crate) const fn block_len(&self) -> usize {
        to_usize(self.block_size)
    }

    /// First block of a group.
    pub(crate) const fn group_start(&self, group: u64) -> u64 {
        self.first_data_block + group * self.blocks_per_group
    }

    /// Blocks of a group; the last one may be shorter.
    pub(crate) fn group_blocks(&self, group: u64) -> u64 {
        self.blocks_per_group.min(self.blocks - self.group_start(group))
    }

    /// Clusters of a group.
    pub(crate) fn group_clusters(&self, group: u64) -> u64 {
        self.group_blocks(group).div_ceil(self.cluster_blocks)
    }

    /// The cluster that holds a block at or behind `first_data_block`, counted from that.
    pub(crate) const fn cluster_of(&self, block: u64) -> u64 {
        (block - self.first_data_block) / self.cluster_blocks
    }

    /// Group of a block at or behind `first_data_block`.
    pub(crate) const fn group_of(&self, block: u64) -> u64 {
        (block - self.first_data_block) / self.blocks_per_group
    }

    /// Whether these blocks all lie inside the filesystem, behind `first_data_block`.
    pub(crate) const fn contains(&self, block: u64, count: u64) -> bool {
        match block.checked_add(count) {
            Some(end) => block >= self.first_data_block && end <= self.blocks,
            None => false,
        }
    }

    /// Blocks of an inode table.
    pub(crate) const fn inode_table_blocks(&self) -> u64 {
        (self.inodes_per_group * self.inode_size).div_ceil(self.block_size)
    }

    /// Group and index within it of an inode, which counts from 1.
    pub(crate) const fn inode_place(&self, number: u64) -> (u64, u64) {
        ((number - 1) / self.inodes_per_group, (number - 1) % self.inodes_per_group)
    }

    /// Descriptors in one block.
    pub(crate) const fn descriptors_per_block(&self) -> u64 {
        self.block_size / self.descriptor_size
    }

    /// Whether a group starts with the superblock or a backup.
    pub(crate) fn has_super(&self, group: u64) -> bool {
        if group == 0 {
            return true;
        }
        if let Some(backups) = self.backups {
            return backups.contains(&group);
        }
        if group == 1 || !self.sparse_super {
            return true;
        }
        [3u64, 5, 7].iter().any(|&base| {
            let mut power = base;
            while power < group {
                power = power.saturating_mul(base);
            }
            power == group
        })
    }

    /// Where the fixed blocks of a group start. With 1 KiB blocks and bigalloc, group 0 starts at block 0 but
    /// the superblock is in block 1.
    fn base_start(&self, group: u64) -> u64 {
        if group == 0 { self.super_block } else { self.group_start(group) }
    }

    fn base_len(&self, base: &Base) -> u64 {
        u64::from(base.superblock.is_some()) + base.descriptor_count + base.reserved
    }

    /// The superblock and descriptors at the start of a group.
    pub(crate) fn base(&self, group: u64) -> Base {
        let start = self.base_start(group);
        let has_super = self.has_super(group);
        let per_block = self.descriptors_per_block();
        let meta = group / per_block;
        let descriptors = start + u64::from(has_super);
        let mut base = Base {
            superblock: has_super.then_some(start),
            descriptors,
            descriptor_index: 0,
            descriptor_count: 0,
            reserved: 0,
        };
        if !self.meta_bg || meta < self.first_meta_bg {
            if has_super {
                base.descriptor_count =
                    if self.meta_bg { self.first_meta_bg } else { self.descriptor_blocks };
                base.reserved = self.reserved_gdt_blocks;
            }
        } else if [0, 1, per_block - 1].contains(&(group % per_block)) {
            base.descriptor_index = meta;
            base.descriptor_count = 1;
        }
        base
    }

    /// The block that holds block `index` of the descriptor table: the primary copy.
    pub(crate) fn descriptor_block(&self, index: u64) -> u64 {
        if !self.meta_bg || index < self.first_meta_bg {
            return self.super_block + 1 + index;
        }
        self.base(index * self.descriptors_per_block()).descriptors
    }
}
