//! The btrees of an allocation group: free space, inode chunks, owners, shared extents.
//!
//! A walk checks every block and that records ascend, so it ends whatever the pointers say: a block that is met
//! again has records that have been passed.

use block::{BlockRead, Object, Result, field::Be32};

use super::{
    Xfs, checksum,
    format::{
        agf, agi,
        btree::{self, free, inodes, refcount, rmap, short},
    },
    geometry::{AgBlock, AgInode, AgNumber, CHUNK, FsBlock},
    group::{expect, expect_magic},
    superblock::{incompat, ro_compat},
};

/// A kind of tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tree {
    /// Free extents by place.
    Bno,
    /// Free extents by length.
    Cnt,
    /// Inode chunks.
    Inode,
    /// Inode chunks with a free inode.
    FreeInode,
    /// Who owns which blocks.
    Rmap,
    /// Shared extents.
    Refcount,
}

impl Tree {
    /// All kinds.
    pub(crate) const ALL: [Self; 6] =
        [Self::Bno, Self::Cnt, Self::Inode, Self::FreeInode, Self::Rmap, Self::Refcount];

    /// Its name, as errors have it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bno => "bnobt block",
            Self::Cnt => "cntbt block",
            Self::Inode => "inobt block",
            Self::FreeInode => "finobt block",
            Self::Rmap => "rmapbt block",
            Self::Refcount => "refcountbt block",
        }
    }

    /// bb_magic.
    pub(crate) const fn magic(self, v5: bool) -> u32 {
        match (self, v5) {
            (Self::Bno, true) => 0x4142_3342,
            (Self::Bno, false) => 0x4142_5442,
            (Self::Cnt, true) => 0x4142_3343,
            (Self::Cnt, false) => 0x4142_5443,
            (Self::Inode, true) => 0x4941_4233,
            (Self::Inode, false) => 0x4941_4254,
            (Self::FreeInode, true) => 0x4649_4233,
            (Self::FreeInode, false) => 0x4649_4254,
            (Self::Rmap, _) => 0x524D_4233,
            (Self::Refcount, _) => 0x5233_4643,
        }
    }

    /// Bytes of a record.
    pub(crate) const fn record_len(self) -> usize {
        match self {
            Self::Bno | Self::Cnt => 8,
            Self::Inode | Self::FreeInode => 16,
            Self::Rmap => 24,
            Self::Refcount => 12,
        }
    }

    /// Bytes of a node's key. The rmapbt has two at a time: the lowest below a child, and the highest.
    pub(crate) const fn key_len(self) -> usize {
        match self {
            Self::Bno | Self::Cnt => 8,
            Self::Inode | Self::FreeInode | Self::Refcount => 4,
            Self::Rmap => 40,
        }
    }

    /// How many records a leaf (level 0), or keys a node of `len` bytes has room for.
    pub(crate) const fn capacity(self, len: usize, level: u16, v5: bool) -> usize {
        let room = len - short::len(v5);
        if level == 0 { room / self.record_len() } else { room / (self.key_len() + POINTER_LEN) }
    }

    /// By what its records ascend.
    fn order(self, record: &[u8]) -> [u64; 3] {
        let word = |at| u64::from(Be32(at).get(record));
        match self {
            Self::Bno | Self::Refcount | Self::Inode | Self::FreeInode => [word(0), 0, 0],
            Self::Cnt => [word(4), word(0), 0],
            Self::Rmap => [word(0), rmap::OWNER.get(record), rmap::OFFSET.get(record) & !rmap::UNWRITTEN],
        }
    }
}

/// Bytes of a node's pointer: an `AgBlock`.
pub(crate) const POINTER_LEN: usize = 4;

/// A block of a tree, checked.
#[derive(Debug)]
pub(crate) struct TreeBlock {
    pub(crate) tree: Tree,
    pub(crate) block: FsBlock,
    /// 0: a leaf.
    pub(crate) level: u16,
    /// Records or keys in use.
    pub(crate) count: usize,
    /// All its bytes.
    pub(crate) raw: Vec<u8>,
    v5: bool,
}

impl TreeBlock {
    /// The object that errors about it name.
    pub(crate) fn object(&self) -> Object {
        Object::numbered(self.tree.name(), self.block.0)
    }

    /// The bytes that hold something: header, and records or keys with pointers.
    pub(crate) fn used_ranges(&self) -> [std::ops::Range<usize>; 2] {
        let head = short::len(self.v5);
        if self.level == 0 {
            let end = head + self.count * self.tree.record_len();
            return [0..end, end..end];
        }
        let pointers = self.pointers_at();
        [0..head + self.count * self.tree.key_len(), pointers..pointers + self.count * POINTER_LEN]
    }

    /// How many records or keys there is room for.
    pub(crate) fn capacity(&self) -> usize {
        self.tree.capacity(self.raw.len(), self.level, self.v5)
    }

    /// A record of a leaf.
    pub(crate) fn record(&self, index: usize) -> &[u8] {
        let len = self.tree.record_len();
        let at = short::len(self.v5) + index * len;
        &self.raw[at..at + len]
    }

    /// A key of a node.
    pub(crate) fn key(&self, index: usize) -> &[u8] {
        let len = self.tree.key_len();
        let at = short::len(self.v5) + index * len;
        &self.raw[at..at + len]
    }

    /// Where a node's pointers start.
    pub(crate) fn pointers_at(&self) -> usize {
        short::len(self.v5) + self.capacity() * self.tree.key_len()
    }

    /// A pointer of a node.
    pub(crate) fn pointer(&self, index: usize) -> AgBlock {
        AgBlock(Be32(self.pointers_at() + index * POINTER_LEN).get(&self.raw))
    }
}

/// What a walk meets: each block before what is in it.
pub(crate) enum Met<'a> {
    Block(&'a TreeBlock),
    Record(&'a [u8]),
}

/// A chunk of inodes: a record of inobt or finobt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Its first inode.
    pub(crate) start: AgInode,
    /// A set bit is 4 inodes that are not there.
    pub(crate) holes: u16,
    /// A set bit is an inode not in use, or not there.
    pub(crate) free: u64,
}

impl Chunk {
    /// Whether inode `index` of the 64 is there.
    pub(crate) const fn is_there(self, index: u32) -> bool {
        self.holes >> (index / inodes::PER_HOLE) & 1 == 0
    }

    /// Whether inode `index` of the 64 is in use.
    pub(crate) const fn is_used(self, index: u32) -> bool {
        self.free >> index & 1 == 0
    }

    /// How many of the 64 are there.
    pub(crate) const fn there(self) -> u32 {
        CHUNK - self.holes.count_ones() * inodes::PER_HOLE
    }

    /// A bit for each of the 64 that are there.
    pub(crate) fn there_mask(self) -> u64 {
        (0..CHUNK).filter(|&index| self.is_there(index)).fold(0, |mask, index| mask | 1 << index)
    }
}

/// A record of the refcountbt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shared {
    pub(crate) start: AgBlock,
    pub(crate) count: u32,
    /// 2 or more; 1 if it is held for a copy on write.
    pub(crate) owners: u32,
    /// Held for a copy on write: of no file yet.
    pub(crate) cow: bool,
}

impl<D: BlockRead> Xfs<D> {
    /// Where a tree of a group starts, and its levels; `None` if the filesystem has no such tree.
    pub(crate) fn tree_root(&self, ag: AgNumber, tree: Tree) -> Result<Option<(AgBlock, u32)>> {
        let has = |bit| self.superblock.ro_compat(bit);
        let (root, level) = match tree {
            Tree::Bno => (agf::BNO_ROOT, agf::BNO_LEVEL),
            Tree::Cnt => (agf::CNT_ROOT, agf::CNT_LEVEL),
            Tree::Inode => (agi::ROOT, agi::LEVEL),
            Tree::FreeInode if has(ro_compat::FINOBT) => (agi::FREE_ROOT, agi::FREE_LEVEL),
            Tree::Rmap if has(ro_compat::RMAPBT) => (agf::RMAP_ROOT, agf::RMAP_LEVEL),
            Tree::Refcount if has(ro_compat::REFLINK) => (agf::REFCOUNT_ROOT, agf::REFCOUNT_LEVEL),
            Tree::FreeInode | Tree::Rmap | Tree::Refcount => return Ok(None),
        };
        let raw = match tree {
            Tree::Inode | Tree::FreeInode => self.agi(ag)?,
            _ => self.agf(ag)?,
        };
        let (root, levels) = (AgBlock(root.get(&raw)), level.get(&raw));
        if levels == 0 || levels > btree::MAX_LEVELS {
            let object = Object::numbered("allocation group", ag.0.into());
            let found = format!("{levels} for its {}s", tree.name());
            return Err(object.corrupt("levels", found, format!("1 to {}", btree::MAX_LEVELS)));
        }
        Ok(Some((root, levels)))
    }

    /// Reads and checks a block of a tree.
    pub(crate) fn tree_block(
        &self,
        ag: AgNumber,
        tree: Tree,
        block: AgBlock,
        level: u16,
    ) -> Result<TreeBlock> {
        let v5 = self.geometry.v5;
        if !self.geometry.ag_contains(ag, block, 1) {
            let object = Object::numbered("allocation group", ag.0.into());
            let found = format!("{} of its {}", block.0, tree.name());
            return Err(object.corrupt("place", found, format!("less than {}", self.geometry.ag_len(ag))));
        }
        let block = self.geometry.fs_block(ag, block);
        let object = Object::numbered(tree.name(), block.0);
        let raw = self.read_blocks(block, 1)?;
        expect_magic(object, btree::MAGIC.get(&raw), tree.magic(v5))?;
        if v5 {
            checksum::check(&raw, short::CRC, object)?;
            self.expect_uuid(object, &raw, short::UUID)?;
            expect(object, "bb_blkno", short::BLKNO.get(&raw), self.geometry.daddr(block))?;
            expect(object, "bb_owner", short::OWNER.get(&raw), ag.0)?;
        }
        expect(object, "bb_level", btree::LEVEL.get(&raw), level)?;
        let count = usize::from(btree::RECORDS.get(&raw));
        let capacity = tree.capacity(raw.len(), level, v5);
        if count > capacity {
            return Err(object.corrupt("bb_numrecs", count, format!("at most {capacity}")));
        }
        Ok(TreeBlock { tree, block, level, count, raw, v5 })
    }

    /// Walks a tree of a group, if the filesystem has it.
    pub(crate) fn walk_tree(
        &self,
        ag: AgNumber,
        tree: Tree,
        visit: &mut dyn FnMut(Met<'_>) -> Result<()>,
    ) -> Result<()> {
        let Some((root, levels)) = self.tree_root(ag, tree)? else { return Ok(()) };
        let level = u16::try_from(levels - 1).expect("there are at most 9 levels");
        let root = self.tree_block(ag, tree, root, level)?;
        if root.count == 0 && level > 0 {
            return Err(root.object().corrupt("bb_numrecs", 0, "1 or more"));
        }
        self.walk_below(ag, &root, &mut None, visit)
    }

    fn walk_below(
        &self,
        ag: AgNumber,
        node: &TreeBlock,
        last: &mut Option<[u64; 3]>,
        visit: &mut dyn FnMut(Met<'_>) -> Result<()>,
    ) -> Result<()> {
        visit(Met::Block(node))?;
        for index in 0..node.count {
            if node.level == 0 {
                let record = node.record(index);
                let order = node.tree.order(record);
                if last.is_some_and(|last| last >= order) {
                    return Err(node.object().corrupt(
                        "record",
                        format!("{index} out of order"),
                        "ascending",
                    ));
                }
                *last = Some(order);
                visit(Met::Record(record))?;
            } else {
                let child = self.tree_block(ag, node.tree, node.pointer(index), node.level - 1)?;
                if child.count == 0 {
                    return Err(child.object().corrupt("bb_numrecs", 0, "1 or more"));
                }
                self.walk_below(ag, &child, last, visit)?;
            }
        }
        Ok(())
    }

    fn extent_in(&self, ag: AgNumber, tree: Tree, start: AgBlock, count: u32) -> Result<()> {
        if count > 0 && self.geometry.ag_contains(ag, start, count) {
            return Ok(());
        }
        let object = Object::numbered("allocation group", ag.0.into());
        let found = format!("{count} blocks from {} on, in its {}", start.0, tree.name());
        Err(object.corrupt("extent", found, format!("within its {} blocks", self.geometry.ag_len(ag))))
    }

    /// The free extents of a group, by place or by length; none overlaps another if by place.
    pub(crate) fn free_extents(
        &self,
        ag: AgNumber,
        tree: Tree,
        visit: &mut dyn FnMut(AgBlock, u32) -> Result<()>,
    ) -> Result<()> {
        let mut end = 0;
        self.walk_tree(ag, tree, &mut |met| {
            let Met::Record(record) = met else { return Ok(()) };
            let (start, count) = (AgBlock(free::START.get(record)), free::COUNT.get(record));
            self.extent_in(ag, tree, start, count)?;
            if tree == Tree::Bno && start.0 < end {
                let object = Object::numbered("allocation group", ag.0.into());
                return Err(object.corrupt("free extent", start.0, format!("{end} or more")));
            }
            end = start.0 + count;
            visit(start, count)
        })
    }

    fn chunk(&self, ag: AgNumber, tree: Tree, record: &[u8]) -> Result<Chunk> {
        let sparse = self.superblock.incompat(incompat::SPARSE);
        let start = AgInode(inodes::START.get(record));
        let chunk = Chunk {
            start,
            holes: if sparse { inodes::HOLES.get(record) } else { 0 },
            free: inodes::FREE.get(record),
        };
        let object = Object::numbered("inode chunk", self.geometry.inode_number(ag, start).0);
        let align = CHUNK.min(1 << self.geometry.inodes_per_block_log);
        if !start.0.is_multiple_of(align) || start.0.checked_add(CHUNK).is_none() {
            let found = format!("{}, in its {}", start.0, tree.name());
            return Err(object.corrupt("ir_startino", found, format!("a multiple of {align}")));
        }
        for index in (0..CHUNK).filter(|&index| chunk.is_there(index)) {
            let block = self.geometry.inode_block(AgInode(start.0 + index));
            if !self.geometry.ag_contains(ag, block, 1) {
                let expected = format!("a chunk within {} blocks", self.geometry.ag_len(ag));
                return Err(object.corrupt("ir_startino", start.0, expected));
            }
        }
        let there = chunk.there_mask();
        let free = (chunk.free & there).count_ones();
        let counted = if sparse {
            expect(object, "ir_count", inodes::SPARSE_COUNT.get(record), chunk.there())?;
            u32::from(inodes::SPARSE_FREE_COUNT.get(record))
        } else {
            inodes::FREE_COUNT.get(record)
        };
        expect(object, "ir_freecount", counted, free)?;
        if chunk.free | there != u64::MAX {
            return Err(object.corrupt("ir_free", "a used inode in a hole", "holes that are free"));
        }
        Ok(chunk)
    }

    /// The chunks of a group, from inobt or finobt.
    pub(crate) fn chunks(
        &self,
        ag: AgNumber,
        tree: Tree,
        visit: &mut dyn FnMut(Chunk) -> Result<()>,
    ) -> Result<()> {
        let mut end = 0;
        self.walk_tree(ag, tree, &mut |met| {
            let Met::Record(record) = met else { return Ok(()) };
            let chunk = self.chunk(ag, tree, record)?;
            if chunk.start.0 < end {
                let object = Object::numbered("inode chunk", self.geometry.inode_number(ag, chunk.start).0);
                return Err(object.corrupt("ir_startino", chunk.start.0, format!("{end} or more")));
            }
            end = chunk.start.0 + CHUNK;
            visit(chunk)
        })
    }

    /// The chunk that an inode is in, by the inobt.
    pub(crate) fn find_chunk(&self, ag: AgNumber, inode: AgInode) -> Result<Option<Chunk>> {
        let Some((mut block, levels)) = self.tree_root(ag, Tree::Inode)? else { return Ok(None) };
        for level in (0..u16::try_from(levels).expect("there are at most 9 levels")).rev() {
            let node = self.tree_block(ag, Tree::Inode, block, level)?;
            let start = |index| {
                let entry = if level == 0 { node.record(index) } else { node.key(index) };
                inodes::START.get(entry)
            };
            // The last entry that does not start behind it; a tree out of order finds none or a wrong one.
            let (mut low, mut high) = (0, node.count);
            while low < high {
                let middle = low.midpoint(high);
                if start(middle) <= inode.0 { low = middle + 1 } else { high = middle }
            }
            let Some(index) = low.checked_sub(1) else { return Ok(None) };
            if level == 0 {
                let chunk = self.chunk(ag, Tree::Inode, node.record(index))?;
                return Ok((inode.0 - chunk.start.0 < CHUNK).then_some(chunk));
            }
            block = node.pointer(index);
        }
        Ok(None)
    }

    /// The shared extents of a group, then those held for copies on write; none overlaps another of its kind.
    pub(crate) fn shared_extents(
        &self,
        ag: AgNumber,
        visit: &mut dyn FnMut(Shared) -> Result<()>,
    ) -> Result<()> {
        let mut end = 0;
        let mut was_cow = false;
        self.walk_tree(ag, Tree::Refcount, &mut |met| {
            let Met::Record(record) = met else { return Ok(()) };
            let raw = refcount::START.get(record);
            let shared = Shared {
                start: AgBlock(raw & !refcount::COW),
                count: refcount::COUNT.get(record),
                owners: refcount::OWNERS.get(record),
                cow: raw & refcount::COW != 0,
            };
            self.extent_in(ag, Tree::Refcount, shared.start, shared.count)?;
            if shared.cow != was_cow {
                end = 0;
            }
            was_cow = shared.cow;
            let object = Object::numbered("allocation group", ag.0.into());
            if shared.start.0 < end {
                return Err(object.corrupt("shared extent", shared.start.0, format!("{end} or more")));
            }
            if shared.cow != (shared.owners == 1) || shared.owners == 0 {
                let expected = if shared.cow { "1" } else { "2 or more" };
                return Err(object.corrupt("rc_refcount", shared.owners, expected));
            }
            end = shared.start.0 + shared.count;
            visit(shared)
        })
    }
}
