//! Small filesystems with a log of choice, for tests: two groups of 256 blocks, and 128 blocks of log.

use block::{BlockRead, field::Be32, to_u64, to_usize};

use super::{
    super::{
        checksum,
        format::{agf, agi, inode as dinode},
        geometry::Geometry,
        superblock::{self as sb, Superblock},
    },
    Log, Recovered,
    layout::*,
    record, recover,
    ring::Lsn,
};

pub(crate) const UUID: [u8; 16] = [0x5a; 16];
const BLOCKS: u64 = 512;
const AG_BLOCKS: u32 = 256;
const LOG_BLOCK: u64 = 64;
/// The first block of inodes.
pub(crate) const INODES: u64 = 16;

/// One operation: transaction, flags, data.
pub(crate) type Op = (u32, u8, Vec<u8>);

pub(crate) struct Sample {
    pub(crate) device: Vec<u8>,
    /// Where the next record goes.
    pub(crate) cycle: u32,
    pub(crate) block: u32,
    /// What records say of the tail.
    pub(crate) tail: Lsn,
}

impl Sample {
    /// A filesystem whose log has never been written to.
    pub(crate) fn new(v5: bool) -> Self {
        let mut raw = vec![0; 512];
        sb::MAGIC.set(&mut raw, sb::MAGIC_VALUE);
        sb::BLOCK_SIZE.set(&mut raw, 4096);
        sb::BLOCKS.set(&mut raw, BLOCKS);
        sb::UUID.set(&mut raw, &UUID);
        sb::LOG_START.set(&mut raw, LOG_BLOCK);
        let inode_log = if v5 { 9u8 } else { 8 };
        sb::ROOT_INODE.set(&mut raw, INODES << (12 - inode_log));
        sb::AG_BLOCKS.set(&mut raw, AG_BLOCKS);
        sb::AG_COUNT.set(&mut raw, 2);
        sb::LOG_BLOCKS.set(&mut raw, 128);
        sb::VERSION.set(&mut raw, 0xb4a0 | if v5 { 5 } else { 4 });
        sb::SECTOR_SIZE.set(&mut raw, 512);
        sb::INODE_SIZE.set(&mut raw, 1 << inode_log);
        sb::INODES_PER_BLOCK.set(&mut raw, 4096 >> inode_log);
        sb::BLOCK_LOG.set(&mut raw, 12);
        sb::SECTOR_LOG.set(&mut raw, 9);
        sb::INODE_LOG.set(&mut raw, inode_log);
        sb::INODES_PER_BLOCK_LOG.set(&mut raw, 12 - inode_log);
        sb::AG_BLOCK_LOG.set(&mut raw, 8);
        let features2 = sb::features2::LAZY_COUNT | sb::features2::ATTR2 | sb::features2::PROJID32;
        sb::FEATURES2.set(&mut raw, features2 | if v5 { sb::features2::CRC } else { 0 });
        if v5 {
            sb::FEATURES_INCOMPAT.set(&mut raw, sb::incompat::FTYPE);
            checksum::seal(&mut raw, sb::CRC);
        }
        let mut device = vec![0; to_usize(BLOCKS * 4096)];
        device[..512].copy_from_slice(&raw);
        for group in 0..2 {
            let start = group * to_usize(u64::from(AG_BLOCKS) * 4096);
            let raw = &mut device[start + 512..start + 1024];
            agf::MAGIC.set(raw, agf::MAGIC_VALUE);
            agf::FREE_BLOCKS.set(raw, 7);
            let raw = &mut device[start + 1024..start + 1536];
            agi::MAGIC.set(raw, agi::MAGIC_VALUE);
            agi::COUNT.set(raw, 64);
            for bucket in 0..agi::UNLINKED_BUCKETS {
                agi::unlinked(bucket).set(raw, u32::MAX);
            }
        }
        let mut sample = Self { device, cycle: 1, block: 0, tail: Lsn::new(1, 0) };
        let (superblock, geometry) = sample.shape();
        for index in 0..64 {
            let at = to_usize(INODES * 4096) + index * to_usize(geometry.inode_size);
            let raw = &mut sample.device[at..at + to_usize(geometry.inode_size)];
            dinode::MAGIC.set(raw, dinode::MAGIC_VALUE);
            dinode::VERSION.set(raw, if v5 { 3 } else { 2 });
            dinode::NEXT_UNLINKED.set(raw, u32::MAX);
            if v5 {
                dinode::NUMBER.set(raw, (INODES << geometry.inodes_per_block_log) + to_u64(index));
                dinode::UUID.set(raw, &superblock.meta_uuid());
                checksum::seal(raw, dinode::CRC);
            }
        }
        sample
    }

    pub(crate) fn shape(&self) -> (Superblock, Geometry) {
        let superblock = Superblock::read(&self.device).unwrap();
        let geometry = Geometry::new(&superblock, self.device.size()).unwrap();
        (superblock, geometry)
    }

    pub(crate) fn log(&self) -> Log {
        let (superblock, geometry) = self.shape();
        Log::new(&superblock, &geometry).unwrap()
    }

    pub(crate) fn recover(&mut self) -> block::Result<Recovered> {
        let (superblock, geometry) = self.shape();
        recover(&superblock, &geometry, &mut self.device).map(|(recovered, _)| recovered)
    }

    /// The error of a recovery that must fail.
    pub(crate) fn error(&mut self) -> String {
        self.recover().unwrap_err().to_string()
    }

    /// Writes a record with these operations, and returns where.
    pub(crate) fn record(&mut self, ops: &[Op]) -> u32 {
        let mut body = Vec::new();
        for (tid, flags, data) in ops {
            let mut head = vec![0; OP_HEADER_LEN];
            OH_TID.set(&mut head, *tid);
            OH_LEN.set(&mut head, u32::try_from(data.len()).unwrap());
            OH_CLIENTID.set(&mut head, if flags & OP_UNMOUNT == 0 { CLIENTS[0] } else { CLIENT_LOG });
            OH_FLAGS.set(&mut head, *flags);
            body.extend(head);
            body.extend(data);
        }
        body.resize(body.len().next_multiple_of(BB), 0);
        let size = u32::try_from(body.len()).unwrap().next_multiple_of(HEADER_COVERS);
        let headers = to_usize((size / HEADER_COVERS).into());
        let mut bytes = vec![0; headers * BB];
        let place = self.block;
        H_MAGIC.set(&mut bytes, HEADER_MAGIC);
        H_CYCLE.set(&mut bytes, self.cycle);
        H_VERSION.set(&mut bytes, 2);
        H_LEN.set(&mut bytes, u32::try_from(body.len()).unwrap());
        H_LSN.set(&mut bytes, Lsn::new(self.cycle, place).0);
        H_TAIL_LSN.set(&mut bytes, self.tail.0);
        H_NUM_LOGOPS.set(&mut bytes, u32::try_from(ops.len()).unwrap());
        H_FMT.set(&mut bytes, FMT_LINUX_LE);
        H_FS_UUID.set(&mut bytes, &UUID);
        H_SIZE.set(&mut bytes, size);
        bytes.extend(body);
        record::seal(&mut bytes, headers);
        for block in bytes.chunks_mut(BB) {
            let at = to_usize(self.log().ring.offset(self.block));
            // What goes round is of the next cycle.
            if H_MAGIC.get(block) != HEADER_MAGIC {
                CYCLE.set(block, self.cycle);
            }
            self.device[at..at + BB].copy_from_slice(block);
            self.block += 1;
            if self.block == self.log().ring.blocks {
                self.block = 0;
                self.cycle += 1;
            }
        }
        place
    }

    pub(crate) fn unmount(&mut self) -> u32 {
        let mut data = vec![0; 8];
        block::field::Le16(0).set(&mut data, UNMOUNT_MAGIC);
        self.record(&[(9, OP_UNMOUNT, data)])
    }

    /// A record with one transaction.
    pub(crate) fn transaction(&mut self, items: &[Vec<Vec<u8>>]) -> u32 {
        self.record(&transaction(7, items))
    }

    /// Changes the header of the record at `block`, and redoes its checksum.
    pub(crate) fn patch(&mut self, block: u32, change: impl Fn(&mut [u8])) {
        let ring = self.log().ring;
        let mut header = ring.read(&self.device, block, 1).unwrap();
        change(&mut header);
        H_CRC.set(&mut header, 0);
        let len = H_LEN.get(&header);
        let body =
            ring.read(&self.device, ring.after(block, 1), len.min(HEADER_COVERS).div_ceil(512)).unwrap();
        let body = &body[..to_usize(len.into()).min(body.len())];
        let sum = crc32c::crc32c_append(crc32c::crc32c(&header[..H_CHECKED[0]]), body);
        H_CRC.set(&mut header, sum);
        let at = to_usize(ring.offset(block));
        self.device[at..at + BB].copy_from_slice(&header);
    }

    pub(crate) fn bytes(&self, at: u64, len: usize) -> &[u8] {
        &self.device[to_usize(at)..to_usize(at) + len]
    }
}

/// The operations of a transaction.
pub(crate) fn transaction(tid: u32, items: &[Vec<Vec<u8>>]) -> Vec<Op> {
    let mut header = vec![0; TRANS_HEADER_LEN];
    TH_MAGIC.set(&mut header, TRANS_MAGIC);
    let mut ops = vec![(tid, OP_START, Vec::new()), (tid, 0, header)];
    ops.extend(items.iter().flatten().map(|region| (tid, 0, region.clone())));
    ops.push((tid, OP_COMMIT, Vec::new()));
    ops
}

/// A buffer item that writes `pieces` of 128 bytes to a buffer.
pub(crate) fn buffer(block: u64, len: u16, flags: u16, pieces: &[(u32, Vec<u8>)]) -> Vec<Vec<u8>> {
    let mut head = vec![0; BLF_DATA_MAP + 4 * 3];
    ITEM_TYPE.set(&mut head, LI_BUF);
    ITEM_SIZE.set(&mut head, u16::try_from(pieces.len()).unwrap() + 1);
    BLF_FLAGS.set(&mut head, flags);
    BLF_LEN.set(&mut head, len);
    BLF_BLKNO.set(&mut head, block);
    BLF_MAP_SIZE.set(&mut head, 3);
    let mut item = vec![head];
    for (bit, piece) in pieces {
        for bit in *bit..*bit + u32::try_from(piece.len() / BLF_CHUNK).unwrap() {
            item[0][BLF_DATA_MAP + to_usize(u64::from(bit / 8))] |= 1 << (bit % 8);
        }
        item.push(piece.clone());
    }
    item
}

/// The flags of a buffer of one kind.
pub(crate) fn kind(kind: u16) -> u16 {
    kind << BLFT_SHIFT
}

/// A piece that begins with a magic.
pub(crate) fn piece(magic: &[u8; 4], fill: u8) -> Vec<u8> {
    let mut piece = vec![fill; BLF_CHUNK];
    Be32(0).set(&mut piece, u32::from_be_bytes(*magic));
    piece
}
