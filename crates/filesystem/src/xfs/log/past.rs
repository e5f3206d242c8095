//! What is left in the log, replayed or not: which bytes are a copy of which metadata, and of whose.
//!
//! Every record that is whole counts, however old; their checksums tell. Evidence, not proof, so what makes no sense is
//! passed over in silence. The first word of each 512 bytes is the log's own, and the byte there is none of the copy.

use std::collections::{BTreeMap, HashMap};

use block::{BlockRead, Error, Extent, ExtentSet, Result, to_u64};

use super::{
    super::{
        Xfs,
        format::inode::GENERATION,
        geometry::{AgBlock, AgNumber},
    },
    Log,
    home::{Item, Logged},
    layout::*,
    record::{Header, Operation, Record},
    ring::Lsn,
};
use crate::{
    BlockCopy, FormerFile, InodeId, Past,
    history::{Held, settle},
};

/// Records that are remembered, of 512 bytes or more: a log of 512 MiB has not more.
const MAX_RECORDS: usize = 1 << 20;
/// How often the log's length is read, at most: records that are whole do not overlap.
const MAX_ROUNDS: u64 = 4;
/// Transactions that are open at once, and the longest description of an item.
const MAX_OPEN: usize = 1 << 12;
const MAX_HEAD: usize = 128;
/// Pieces of inodes that are remembered, to tell whose they are.
const MAX_PIECES: usize = 1 << 20;

/// What a result says, if it is no error of the medium.
fn told<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error @ Error::Io(_)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// A transaction as far as it has been met.
#[derive(Debug, Default)]
struct Open {
    /// Bytes of its own header.
    header: usize,
    /// The description of the item at hand, while it comes.
    head: Vec<u8>,
    /// Regions of that item that are still to come.
    left: u16,
    item: Option<Item>,
    /// What the region at hand is a copy of, and how much of it has come.
    home: Option<std::ops::Range<u64>>,
    done: u64,
}

/// A part of a region, and where its bytes belong.
struct Piece {
    /// Offset in the record's operations.
    at: u64,
    len: u64,
    home: u64,
    file: Option<Logged>,
}

impl Open {
    /// Takes an operation whose bytes are at `at`; what it is a copy of, if that can be told.
    fn add(&mut self, at: u64, rest: bool, data: &[u8]) -> Option<Piece> {
        if self.header < TRANS_HEADER_LEN {
            self.header += data.len();
            return None;
        }
        let in_head = !self.head.is_empty();
        if rest && in_head {
            if self.head.len() < MAX_HEAD {
                self.head.extend_from_slice(data);
            }
            return None;
        }
        if !rest {
            let Some(left) = self.left.checked_sub(1) else {
                let left = ITEM_SIZE.try_get(data).map_or(0, |size| size.saturating_sub(1));
                let head = data[..data.len().min(MAX_HEAD)].to_vec();
                *self = Self { header: self.header, head, left, ..Self::default() };
                return None;
            };
            self.left = left;
            if in_head {
                self.item = Item::new(&self.head);
            }
            self.head.clear();
            let before = std::mem::take(&mut self.done);
            self.home = self.item.as_mut().and_then(|item| item.next(before));
        }
        let done = self.done;
        self.done += to_u64(data.len());
        let item = self.item.as_mut()?;
        item.seen(data);
        let home = self.home.as_ref()?;
        let start = home.start.checked_add(done)?;
        let len = home.end.saturating_sub(start).min(to_u64(data.len()));
        Some(Piece { at, len, home: start, file: item.file() })
    }
}

/// Whose pieces of the log are, newest last.
#[derive(Default)]
struct Owners {
    files: BTreeMap<Logged, u32>,
    held: Vec<Held>,
}

impl Owners {
    fn add(&mut self, file: Logged, extent: Extent, lsn: Lsn) {
        if self.held.len() < MAX_PIECES {
            let next = u32::try_from(self.files.len()).expect("there are fewer than pieces");
            let owner = *self.files.entry(file).or_insert(next);
            self.held.push(Held { extent, rank: lsn.0, owner });
        }
    }
}

impl<D: BlockRead> Xfs<D> {
    /// See [`Filesystem::history`](crate::Filesystem::history).
    pub(crate) fn visit_history(&self, visit: &mut dyn FnMut(Past) -> Result<()>) -> Result<()> {
        let Some(log) = told(Log::new(&self.superblock, &self.geometry))? else { return Ok(()) };
        let mut owners = Owners::default();
        let mut open: HashMap<u32, Open> = HashMap::new();
        let mut expected = None;
        let mut left = u64::from(log.ring.blocks) * MAX_ROUNDS;
        for (_, block) in self.records(&log)? {
            if expected != Some(block) {
                open.clear();
            }
            expected = None;
            let header = told(Header::read(log.ring, &self.device, block))?;
            let Some(header) = header.filter(|header| u64::from(header.blocks()) <= left) else { continue };
            left -= u64::from(header.blocks());
            let Some(record) = told(Record::read(log.ring, &self.device, header, false))? else { continue };
            expected = Some(log.ring.after(block, header.blocks()));
            let mut pieces = Vec::new();
            let mut at = 0;
            let outcome = record.each(|Operation { transaction, flags, data }| {
                at += to_u64(OP_HEADER_LEN);
                let start = at;
                at += to_u64(data.len());
                if flags & (OP_COMMIT | OP_UNMOUNT) != 0 {
                    open.remove(&transaction);
                } else if flags & OP_START != 0 {
                    if open.len() < MAX_OPEN {
                        open.insert(transaction, Open::default());
                    }
                } else if let Some(open) = open.get_mut(&transaction).filter(|_| !data.is_empty()) {
                    pieces.extend(open.add(start, flags & OP_WAS_CONT != 0, data));
                }
                Ok(())
            });
            if told(outcome)?.is_none() {
                open.clear();
            }
            for piece in pieces {
                self.tell_piece(&log, &header, &piece, &mut owners, visit)?;
            }
        }
        self.tell_files(owners, visit)
    }

    /// The records whose headers are there, oldest first.
    fn records(&self, log: &Log) -> Result<Vec<(Lsn, u32)>> {
        const STEP: u32 = 128;
        let mut records = Vec::new();
        let mut at = 0;
        while at < log.ring.blocks {
            let run = self.device.run_at(log.ring.offset(at))?;
            let zeros = u32::try_from(run.len / to_u64(BB)).unwrap_or(u32::MAX);
            if run.zero && zeros > 0 {
                at = at.saturating_add(zeros);
                continue;
            }
            let step = STEP.min(log.ring.blocks - at);
            let bytes = log.ring.read(&self.device, at, step)?;
            for (block, raw) in (at..).zip(bytes.chunks_exact(BB)) {
                let lsn = Lsn(H_LSN.get(raw));
                let own = H_MAGIC.get(raw) == HEADER_MAGIC
                    && H_FS_UUID.get(raw) == log.uuid
                    && H_FMT.get(raw) == FMT_LINUX_LE
                    && lsn.block() == block;
                if own && records.len() < MAX_RECORDS {
                    records.push((lsn, block));
                }
            }
            at += step;
        }
        records.sort_unstable();
        Ok(records)
    }

    /// A piece block by block, and where the log goes round in two.
    fn tell_piece(
        &self,
        log: &Log,
        header: &Header,
        piece: &Piece,
        owners: &mut Owners,
        visit: &mut dyn FnMut(Past) -> Result<()>,
    ) -> Result<()> {
        let geometry = &self.geometry;
        let ring = log.ring.extent();
        let Some(end) = piece.home.checked_add(piece.len).filter(|&end| end <= geometry.size()) else {
            return Ok(());
        };
        let first = (u64::from(header.block) + u64::from(header.headers)) * to_u64(BB) + piece.at;
        let mut done = 0;
        while done < piece.len {
            let home = piece.home + done;
            let place = (first + done) % ring.len;
            let block_end = (home / geometry.block_size + 1) * geometry.block_size;
            let len = (end.min(block_end) - home).min(ring.len - place);
            let at = Extent { start: ring.start + place, len };
            let linear = home / geometry.block_size;
            let ag = AgNumber(u32::try_from(linear / u64::from(geometry.ag_blocks)).unwrap_or(u32::MAX));
            let within = AgBlock(u32::try_from(linear % u64::from(geometry.ag_blocks)).unwrap_or(u32::MAX));
            let block = geometry.fs_block(ag, within).0;
            let sequence = header.lsn.cycle();
            visit(Past::Copy(BlockCopy { at, block, home, sequence, escaped: false }))?;
            if let Some(file) = piece.file {
                owners.add(file, at, header.lsn);
            }
            done += len;
        }
        Ok(())
    }

    /// The files whose inodes were logged: the inode is theirs no more if it is free, or of another generation.
    fn tell_files(&self, owners: Owners, visit: &mut dyn FnMut(Past) -> Result<()>) -> Result<()> {
        let mut extents: HashMap<u32, Vec<Extent>> = HashMap::new();
        for (owner, extent) in settle(owners.held) {
            extents.entry(owner).or_default().push(extent);
        }
        for (file, owner) in owners.files {
            let Some(extents) = extents.remove(&owner) else { continue };
            let id = InodeId(file.inode);
            let now = told(self.inode(id))?;
            let same = now.is_some_and(|now| GENERATION.get(&now.raw) == file.generation);
            let extents = extents.into_iter().collect::<ExtentSet>().iter().collect();
            visit(Past::Former(FormerFile { inode: id, path: None, deleted: !same, extents }))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::sample::{INODES, Op, Sample, buffer, kind, piece, transaction},
        *,
    };
    use crate::Filesystem;

    fn past(sample: &Sample) -> (Vec<BlockCopy>, Vec<FormerFile>) {
        let (mut copies, mut files) = (Vec::new(), Vec::new());
        Xfs::open(&sample.device)
            .unwrap()
            .history(&mut |past| {
                match past {
                    Past::Copy(copy) => copies.push(copy),
                    Past::Former(file) => files.push(file),
                    Past::Log { .. } => {}
                }
                Ok(())
            })
            .unwrap();
        (copies, files)
    }

    /// An inode with a short directory, of the last slot but one.
    fn inode() -> Vec<Vec<u8>> {
        use super::super::super::format::inode as dinode;
        use block::field::{Le16, Le32};
        let mut head = vec![0; ILF_LEN_64];
        ITEM_TYPE.set(&mut head, LI_INODE);
        ITEM_SIZE.set(&mut head, 3);
        ILF_FIELDS.set(&mut head, ILOG_CORE | ILOG_DDATA);
        ILF_INO.set(&mut head, 131);
        ILF_BLKNO.set(&mut head, INODES * 8);
        ILF_BOFFSET.set(&mut head, 3 * 512);
        let mut core = vec![0; dinode::CORE_V3];
        Le16(0).set(&mut core, dinode::MAGIC_VALUE);
        core[dinode::VERSION.0] = 3;
        Le32(dinode::GENERATION.0).set(&mut core, 5);
        vec![head, core, b"PLANTED name".to_vec()]
    }

    fn check(sample: &Sample) {
        let (copies, files) = past(sample);
        let text = |copy: &BlockCopy| {
            let at = block::to_usize(copy.at.start);
            sample.device[at..at + block::to_usize(copy.at.len)].to_vec()
        };
        let planted: Vec<_> = memchr::memmem::find_iter(&sample.device, b"PLANTED").collect();
        assert_eq!(planted.len(), 1);
        let planted = to_u64(planted[0]);
        let copy = copies.iter().find(|copy| copy.at.contains_byte(planted)).unwrap();
        assert_eq!(copy.home + (planted - copy.at.start), INODES * 4096 + 3 * 512 + 176);
        assert_eq!(copy.block, INODES);
        let of = files.iter().find(|file| file.extents.iter().any(|extent| extent.contains_byte(planted)));
        assert_eq!(of.map(|file| (file.inode, file.deleted)), Some((InodeId(131), true)));
        // A buffer's two runs, the second in another block of a directory.
        let (ones, twos): (Vec<BlockCopy>, Vec<BlockCopy>) = copies
            .iter()
            .copied()
            .filter(|copy| copy.home < INODES * 4096 || copy.home >= (INODES + 1) * 4096)
            .partition(|copy| copy.home < 41 * 4096);
        let first: u64 = ones.iter().map(|copy| copy.at.len).sum();
        assert_eq!((first, ones[0].home, ones[0].block), (256, 40 * 4096 + 128, 40));
        assert!(ones.iter().all(|copy| text(copy).iter().filter(|byte| **byte != 1).count() <= 4));
        assert_eq!((twos[0].home, twos[0].block), (41 * 4096, 41));
    }

    fn items() -> [Vec<Vec<u8>>; 2] {
        [buffer(320, 16, kind(10), &[(1, vec![1; 256]), (32, piece(b"XDD3", 2))]), inode()]
    }

    #[test]
    fn what_a_log_that_was_replayed_or_not_is_a_copy_of() {
        let mut sample = Sample::new(true);
        sample.unmount();
        sample.tail = Lsn::new(1, 2);
        sample.transaction(&items());
        check(&sample);
        sample.unmount();
        check(&sample);
        // A record that is not whole any more tells nothing.
        let ring = sample.log().ring;
        sample.device[block::to_usize(ring.offset(3)) + 100] ^= 1;
        assert_eq!(past(&sample), (Vec::new(), Vec::new()));
    }

    #[test]
    fn cut_between_records_and_mixed() {
        let other: Vec<Op> = transaction(8, &[]);
        let ops = transaction(7, &items());
        for cut in 1..ops.len() - 1 {
            let mut sample = Sample::new(true);
            sample.unmount();
            let (tid, flags, data) = ops[cut].clone();
            let middle = if data.starts_with(b"PLANTED") { data.len() } else { data.len() / 2 / 4 * 4 };
            let mut first = ops[..cut].to_vec();
            first.extend(other[..2].to_vec());
            first.push((tid, flags | OP_CONTINUE, data[..middle].to_vec()));
            sample.record(&first);
            let mut second = vec![(tid, OP_WAS_CONT | OP_END, data[middle..].to_vec())];
            second.extend(other[2..].to_vec());
            second.extend(ops[cut + 1..].to_vec());
            sample.record(&second);
            println!("{cut}");
            check(&sample);
        }
    }

    /// At every place of the ring.
    #[test]
    fn round_the_ring() {
        let mut sample = Sample::new(true);
        sample.unmount();
        for _ in 0..400 {
            sample.transaction(&items());
            let (copies, _) = past(&sample);
            let extents: ExtentSet = copies.iter().map(|copy| copy.at).collect();
            assert!(sample.log().ring.extent().end() >= extents.iter().last().unwrap().end());
            assert!(copies.iter().all(|copy| copy.at.len <= 256 && copy.home < 42 * 4096));
        }
        assert!(sample.cycle > 1);
    }
}
