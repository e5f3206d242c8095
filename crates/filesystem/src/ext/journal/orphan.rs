//! Orphans: inodes that were unlinked while open, or whose truncation had not ended.
//!
//! They hang on a list (s_last_orphan, then each inode's i_dtime) or in the blocks of the orphan file. One
//! without a name is freed with all that it holds; one with a name is cut at its size. A list that runs in
//! circles or names an impossible inode is `Corrupt`.

use std::collections::BTreeSet;

use block::{BlockRead, BlockWrite, Object, Result, field::Le32, to_u64};

use crate::{
    InodeId,
    ext::{
        Ext,
        checksum::crc32c_raw,
        group::bit,
        inode::{DTIME, Inode},
        map::Mapped,
        superblock::{self as sb, compat, ro_compat},
    },
};

/// Magic and checksum at the end of each block of the orphan file.
const TAIL_LEN: usize = 8;
const OB_MAGIC: u32 = 0x0b10_ca04;
/// The kernel makes the orphan file of 2 to 512 blocks.
const BLOCKS_MAX: u64 = 1 << 16;

impl<D: BlockRead> Ext<D> {
    /// An orphan that something names: not reserved, and in use.
    fn orphan(&self, named_by: Object, field: &'static str, number: u64) -> Result<Inode> {
        if number < self.layout.first_inode || number > self.layout.inodes {
            let expected = format!("0, or {} to {}", self.layout.first_inode, self.layout.inodes);
            return Err(named_by.corrupt(field, number, expected));
        }
        // As the kernel does (ext4_iget): freed, its number would go to a file.
        if self.is_own(number) {
            let found = format!("{number}, which the filesystem needs for itself");
            return Err(named_by.corrupt(field, found, "the inode of a file"));
        }
        let (group, index) = self.layout.inode_place(number);
        if !bit(&self.inode_bitmap(&self.group(group)?)?, index) {
            return Err(named_by.corrupt(field, format!("{number}, which is free"), "an inode in use"));
        }
        self.inode(InodeId(number))
    }

    /// The blocks of the orphan file; none without the feature.
    fn orphan_blocks(&self) -> Result<Option<(Inode, Vec<u64>)>> {
        if !self.superblock.compat(compat::ORPHAN_FILE) {
            return Ok(None);
        }
        let file = self.inode(InodeId(sb::ORPHAN_FILE_INUM.get(self.superblock.bytes()).into()))?;
        let wrong = |found: u64| {
            Err(file.object().corrupt("orphan file", format!("{found} blocks"), "at most 65536"))
        };
        let mut blocks = Vec::new();
        self.map(&file, &mut |mapped| {
            let Mapped::Data { logical, physical, count, written } = mapped else { return Ok(()) };
            let at = to_u64(blocks.len());
            if logical != at || !written {
                let found = format!("a hole at block {at}");
                return Err(file.object().corrupt("orphan file", found, "a block"));
            }
            let len = at.saturating_add(count);
            if len > BLOCKS_MAX {
                return wrong(len);
            }
            blocks.extend(physical..physical + count);
            Ok(())
        })?;
        // What lies behind the size is slack, and would not be there the next time.
        let size = to_u64(blocks.len()) * self.layout.block_size;
        if file.size() != size {
            return Err(file.object().corrupt("i_size of the orphan file", file.size(), size));
        }
        Ok(Some((file, blocks)))
    }

    fn orphan_sum(&self, file: &Inode, block: u64, entries: &[u8]) -> u32 {
        crc32c_raw(crc32c_raw(file.seed(&self.checksums), &block.to_le_bytes()), entries)
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Processes all orphans. Returns how many.
    pub(super) fn process_orphans(&mut self) -> Result<u64> {
        Ok(self.orphan_list()? + self.orphan_file()?)
    }

    fn orphan_list(&mut self) -> Result<u64> {
        let mut seen = BTreeSet::new();
        let (mut named_by, mut field) = (sb::OBJECT, "s_last_orphan");
        let mut next = u64::from(sb::LAST_ORPHAN.get(self.superblock.bytes()));
        while next != 0 {
            if !seen.insert(next) {
                return Err(named_by.corrupt(
                    field,
                    format!("{next}, which came before"),
                    "the end of the orphan list",
                ));
            }
            let inode = self.orphan(named_by, field, next)?;
            (named_by, field) = (inode.object(), "i_dtime (next orphan)");
            next = DTIME.get(&inode.raw).into();
            self.settle(inode)?;
        }
        if !seen.is_empty() {
            self.set_superblock(|raw| sb::LAST_ORPHAN.set(raw, 0))?;
        }
        Ok(to_u64(seen.len()))
    }

    fn orphan_file(&mut self) -> Result<u64> {
        let Some((file, blocks)) = self.orphan_blocks()? else { return Ok(0) };
        let mut count = 0;
        for block in blocks {
            let mut raw = self.read_block(block)?;
            let end = raw.len() - TAIL_LEN;
            let object = Object::numbered("orphan block", block);
            let (magic, sum) = (Le32(end), Le32(end + 4));
            if magic.get(&raw) != OB_MAGIC {
                let found = format!("{:#010x}", magic.get(&raw));
                return Err(object.corrupt("ob_magic", found, format!("{OB_MAGIC:#010x}")));
            }
            if self.checksums.metadata() {
                let (found, right) = (sum.get(&raw), self.orphan_sum(&file, block, &raw[..end]));
                if found != right {
                    return Err(object.corrupt(
                        "checksum",
                        format!("{found:#010x}"),
                        format!("{right:#010x}"),
                    ));
                }
            }
            let entries: Vec<u32> = raw[..end].chunks_exact(4).map(|entry| Le32(0).get(entry)).collect();
            let orphans: Vec<u32> = entries.into_iter().filter(|&number| number != 0).collect();
            if orphans.is_empty() {
                continue;
            }
            for &number in &orphans {
                let inode = self.orphan(object, "entry", number.into())?;
                self.settle(inode)?;
            }
            count += to_u64(orphans.len());
            raw[..end].fill(0);
            if self.checksums.metadata() {
                let right = self.orphan_sum(&file, block, &raw[..end]);
                sum.set(&mut raw, right);
            }
            self.write_block(block, &raw)?;
        }
        if self.superblock.ro_compat(ro_compat::ORPHAN_PRESENT) {
            self.set_superblock(|raw| {
                let features = sb::FEATURE_RO_COMPAT.get(raw) & !ro_compat::ORPHAN_PRESENT;
                sb::FEATURE_RO_COMPAT.set(raw, features);
            })?;
        }
        Ok(count)
    }

    fn settle(&mut self, mut inode: Inode) -> Result<()> {
        if inode.links() == 0 {
            return self.release_inode(inode);
        }
        let before = self.allocated_bytes(&inode);
        let first = self.blocks_for(inode.size());
        self.cut_map(&mut inode, first)?;
        let freed = before - self.allocated_bytes(&inode);
        self.uncharge(&inode, crate::ext::quota::Usage { bytes: freed, inodes: 0 })?;
        DTIME.set(&mut inode.raw, 0);
        self.write_inode(&mut inode)
    }
}
