//! The replay: what committed transactions logged is written to its place.
//!
//! Two passes, as the kernel makes them: the first finds the buffers that were given up, so that old metadata does
//! not come back over what their blocks hold now, and refuses what cannot be replayed before a byte is written. On
//! version 5, what is already newer than the log stays. Nothing is written outside the filesystem or into the log.

use std::collections::{BTreeSet, HashMap, HashSet};

use block::{BlockRead, BlockWrite, Object, Result, Unsupported, to_usize};

use super::{
    super::{
        geometry::{AgNumber, Geometry},
        superblock::{self as sb, Superblock},
    },
    buffer,
    head::Ends,
    icreate, inode,
    intent::Intents,
    layout::*,
    quota,
    ring::{Lsn, Ring},
    transaction::{self, Item, Transaction},
};

/// The longest buffer: a directory block, or a cluster of inodes.
const MAX_BUFFER: u32 = 65536 / 512;

/// What a replay did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Replayed {
    /// Transactions found committed.
    pub(crate) transactions: u64,
    /// Buffers, inodes and dquots written.
    pub(crate) writes: u64,
    /// Groups whose trees lack what intents announced: extents to free, owners and reference counts to change.
    pub(crate) rebuild: BTreeSet<AgNumber>,
}

/// A buffer, as the log names it: first basic block, and how many.
pub(crate) type BufferName = (u64, u32);

/// What the replay knows while it goes on.
pub(crate) struct Replay {
    pub(crate) geometry: Geometry,
    /// The UUID that metadata carries.
    pub(crate) meta_uuid: [u8; 16],
    pub(crate) has_meta_uuid: bool,
    /// Blocks of the buffers that inodes lie in.
    pub(crate) cluster: u32,
    ring: Ring,
    /// How many more times a buffer will be given up.
    cancelled: HashMap<BufferName, u32>,
    /// Kinds of quotas that were turned off.
    quotas_off: u32,
    /// Buffers written for transactions of `lsn`: their blocks tell that LSN already, and are not newer for it.
    touched: HashSet<u64>,
    lsn: Lsn,
    intents: Intents,
    writes: u64,
}

/// Replays what lies between the ends of the log.
pub(crate) fn replay(
    superblock: &Superblock,
    geometry: Geometry,
    ring: Ring,
    ends: Ends,
    device: &mut impl BlockWrite,
) -> Result<Replayed> {
    let uuid = sb::UUID.get(superblock.bytes());
    let mut replay = Replay {
        geometry,
        meta_uuid: superblock.meta_uuid(),
        has_meta_uuid: superblock.incompat(sb::incompat::META_UUID),
        cluster: icreate::cluster_blocks(&geometry, icreate::INODE_ALIGNMENT.get(superblock.bytes())),
        ring,
        cancelled: HashMap::new(),
        quotas_off: 0,
        touched: HashSet::new(),
        lsn: Lsn::default(),
        intents: Intents::default(),
        writes: 0,
    };
    transaction::each(ring, &uuid, ends, geometry.v5, device, |_, transaction| {
        transaction.items.iter().try_for_each(|item| replay.look(item))
    })?;
    let mut transactions = 0;
    transaction::each(ring, &uuid, ends, geometry.v5, device, |device, transaction| {
        transactions += 1;
        replay.apply(device, &transaction)
    })?;
    let rebuild = replay.intents.finish(&replay.geometry)?;
    Ok(Replayed { transactions, writes: replay.writes, rebuild })
}

impl Replay {
    /// First pass: buffers given up, quotas turned off, and what cannot be replayed.
    fn look(&mut self, item: &Item) -> Result<()> {
        match item.kind {
            LI_BUF => {
                let (flags, name) = buffer::name(item)?;
                if flags & BLF_CANCEL != 0 {
                    *self.cancelled.entry(name).or_default() += 1;
                }
            }
            LI_QUOTAOFF => self.quotas_off |= QF_FLAGS.get(item.head(8)?),
            LI_INODE | LI_DQUOT | LI_ICREATE => {}
            kind if Intents::knows(kind) => {}
            kind => {
                let feature = format!("a log with {} items that has to be replayed", item_name(kind));
                return Err(Unsupported::new(Object::the("log"), feature).into());
            }
        }
        Ok(())
    }

    /// Second pass: one transaction, in the kernel's order. Buffers and new inodes come first, because other items
    /// write into them; the list of unlinked inodes comes after the inodes; what is given up comes last.
    fn apply(&mut self, device: &mut impl BlockWrite, transaction: &Transaction) -> Result<()> {
        if transaction.lsn != self.lsn {
            self.touched.clear();
            self.lsn = transaction.lsn;
        }
        let mut order: Vec<(u8, &Item)> = Vec::with_capacity(transaction.items.len());
        for item in &transaction.items {
            let rank = match item.kind {
                LI_BUF => match buffer::name(item)?.0 {
                    flags if flags & BLF_CANCEL != 0 => 3,
                    flags if flags & BLF_INODE_BUF != 0 => 2,
                    _ => 0,
                },
                LI_ICREATE => 0,
                _ => 1,
            };
            order.push((rank, item));
        }
        order.sort_by_key(|&(rank, _)| rank);
        for (_, item) in order {
            let wrote = match item.kind {
                LI_BUF => buffer::replay(self, device, item, transaction.lsn)?,
                LI_INODE => inode::replay(self, device, item, transaction.lsn)?,
                LI_DQUOT => quota::replay(self, device, item, transaction.lsn)?,
                LI_ICREATE => icreate::replay(self, device, item)?,
                LI_QUOTAOFF => false,
                _ => {
                    self.intents.add(item)?;
                    false
                }
            };
            self.writes += u64::from(wrote);
        }
        Ok(())
    }

    /// Whether a buffer is given up later on in the log.
    pub(crate) fn is_cancelled(&self, name: BufferName) -> bool {
        self.cancelled.contains_key(&name)
    }

    /// A buffer was given up: what is logged behind this for its blocks counts again.
    pub(crate) fn cancel(&mut self, name: BufferName) {
        if let Some(count) = self.cancelled.get_mut(&name) {
            *count -= 1;
            if *count == 0 {
                self.cancelled.remove(&name);
            }
        }
    }

    /// Whether quotas of one of these kinds (bits of the superblock's quota flags) were turned off.
    pub(crate) fn quota_off(&self, kinds: u32) -> bool {
        self.quotas_off & kinds != 0
    }

    /// Whether the buffer was already written for this LSN; it is from now on.
    pub(crate) fn touch(&mut self, block: u64) -> bool {
        !self.touched.insert(block)
    }

    /// Whether the buffer was already written for this LSN.
    pub(crate) fn is_touched(&self, block: u64) -> bool {
        self.touched.contains(&block)
    }

    /// First byte of a buffer. `Corrupt` if it is not inside the filesystem, or lies in the log.
    pub(crate) fn place(&self, item: &Item, (block, count): BufferName) -> Result<u64> {
        let len = u64::from(count) * 512;
        let object = item.object();
        if count == 0 || count > MAX_BUFFER {
            return Err(object.corrupt("buffer length in blocks", count, format!("1 up to {MAX_BUFFER}")));
        }
        let log = self.ring.extent();
        match block.checked_mul(512).and_then(|start| Some((start, start.checked_add(len)?))) {
            Some((start, end)) if end <= self.geometry.size() && (end <= log.start || start >= log.end()) => {
                Ok(start)
            }
            _ => Err(object.corrupt("buffer's first block", block, "outside the log, inside the filesystem")),
        }
    }

    /// The bytes of a buffer and where they lie.
    pub(crate) fn read(
        &self,
        device: &impl BlockRead,
        item: &Item,
        name: BufferName,
    ) -> Result<(u64, Vec<u8>)> {
        let start = self.place(item, name)?;
        let mut bytes = vec![0; to_usize(u64::from(name.1) * 512)];
        device.read_object(Object::the("buffer of the log"), start, &mut bytes)?;
        Ok((start, bytes))
    }

    /// The superblock was replayed: the filesystem may have grown. The log must be where it was.
    pub(crate) fn reload(&mut self, device: &impl BlockRead) -> Result<()> {
        let superblock = Superblock::read(device)?;
        let geometry = Geometry::new(&superblock, device.size())?;
        if (geometry.log_start, geometry.log_blocks) != (self.geometry.log_start, self.geometry.log_blocks)
            || geometry.block_size != self.geometry.block_size
            || geometry.ag_blocks != self.geometry.ag_blocks
        {
            return Err(sb::OBJECT.corrupt("geometry in the log", "another", "the same as outside of it"));
        }
        self.geometry = geometry;
        Ok(())
    }
}
