//! Journals made block by block, for tests of what no tool can be made to write.

use block::BlockWrite;

use super::{
    checksum::{Checksum, of_superblock},
    layout::*,
    log::{BlockMap, Log},
};

pub(super) const BLOCK: usize = 1024;
/// Where the journal starts; what lies before is the filesystem.
pub(super) const FIRST: u64 = 100;
/// Blocks of the journal.
pub(super) const LEN: u32 = 12;

/// A device of 100 blocks of filesystem and a journal, and where the next journal block goes.
pub(super) struct Sample {
    pub(super) device: Vec<u8>,
    checksum: Checksum,
    next: u32,
    pub(super) sequence: u32,
    time: u64,
}

impl Sample {
    /// An empty log that starts at block `start` with transaction `sequence`; incompat `features`.
    pub(super) fn new(features: u32, start: u32, sequence: u32) -> Self {
        let mut device = vec![0; BLOCK * (100 + usize::try_from(LEN).unwrap())];
        let superblock = &mut device[BLOCK * 100..][..BLOCK];
        H_MAGIC.set(superblock, MAGIC);
        H_BLOCKTYPE.set(superblock, TYPE_SUPERBLOCK_V2);
        S_BLOCKSIZE.set(superblock, 1024);
        S_MAXLEN.set(superblock, LEN);
        S_FIRST.set(superblock, 1);
        S_START.set(superblock, start);
        S_SEQUENCE.set(superblock, sequence);
        S_FEATURE_INCOMPAT.set(superblock, features);
        S_NR_USERS.set(superblock, 1);
        if features & INCOMPAT_CSUM_V3 != 0 {
            S_CHECKSUM_TYPE.set(superblock, CHECKSUM_CRC32C);
            let sum = of_superblock(superblock);
            S_CHECKSUM.set(superblock, sum);
        }
        let mut sample = Self { device, checksum: Checksum::None, next: start, sequence, time: 1000 };
        sample.checksum = sample.log().checksum;
        sample
    }

    pub(super) fn log(&self) -> Log {
        let map = BlockMap::new(vec![(0, LEN.into(), FIRST * 1024)], BLOCK);
        Log::open(&self.device, BLOCK, LEN.into(), map).unwrap()
    }

    fn append(&mut self, block: &[u8]) {
        let at = (FIRST + u64::from(self.next)) * 1024;
        self.device.write_at(at, block).unwrap();
        self.next = if self.next + 1 == LEN { 1 } else { self.next + 1 };
    }

    fn header(&self, kind: u32) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        H_MAGIC.set(&mut block, MAGIC);
        H_BLOCKTYPE.set(&mut block, kind);
        H_SEQUENCE.set(&mut block, self.sequence);
        block
    }

    fn seal(&self, block: &mut [u8], field: block::field::Be32) {
        let sum = if field == H_CHKSUM {
            self.checksum.commit_mismatch(block)
        } else {
            self.checksum.tail_mismatch(block)
        };
        if let Some((_, right)) = sum {
            field.set(block, right);
        }
    }

    /// A descriptor and its copies: each block of the filesystem filled with one byte. Narrow tags only.
    pub(super) fn write(&mut self, copies: &[(u32, u8)]) -> &mut Self {
        let mut block = self.header(TYPE_DESCRIPTOR);
        let mut at = HEADER_LEN;
        for (index, &(number, byte)) in copies.iter().enumerate() {
            let last = if index + 1 == copies.len() { FLAG_LAST_TAG } else { 0 };
            // The first tag is followed by a UUID, as the kernel writes it.
            let same = if index == 0 { 0 } else { FLAG_SAME_UUID };
            T_BLOCKNR.set(&mut block[at..], number);
            T_FLAGS.set(&mut block[at..], last | same);
            let v3 = matches!(self.checksum, Checksum::V3 { .. });
            if let Some(sum) = self.checksum.of_copy(self.sequence, &[byte; BLOCK]) {
                T3_CHECKSUM.set(&mut block[at..], sum);
            }
            at += if v3 { 16 } else { 8 } + if index == 0 { TAG_UUID_LEN } else { 0 };
        }
        self.seal(&mut block, block::field::Be32(BLOCK - TAIL_LEN));
        self.append(&block);
        for &(_, byte) in copies {
            self.append(&[byte; BLOCK]);
        }
        self
    }

    pub(super) fn revoke(&mut self, numbers: impl IntoIterator<Item = u32>) -> &mut Self {
        let mut block = self.header(TYPE_REVOKE);
        let mut at = REVOKE_HEADER_LEN;
        for number in numbers {
            block[at..at + 4].copy_from_slice(&number.to_be_bytes());
            at += 4;
        }
        R_COUNT.set(&mut block, u32::try_from(at).unwrap());
        self.seal(&mut block, block::field::Be32(BLOCK - TAIL_LEN));
        self.append(&block);
        self
    }

    /// Ends the transaction. `right`: with a right checksum.
    pub(super) fn commit_as(&mut self, right: bool, time: u64) -> &mut Self {
        let mut block = self.header(TYPE_COMMIT);
        H_COMMIT_SEC.set(&mut block, time);
        self.seal(&mut block, H_CHKSUM);
        if !right {
            let sum = H_CHKSUM.get(&block);
            H_CHKSUM.set(&mut block, !sum);
        }
        self.append(&block);
        self.sequence = self.sequence.wrapping_add(1);
        self
    }

    pub(super) fn commit(&mut self) -> &mut Self {
        self.time += 1;
        self.commit_as(true, self.time)
    }

    /// What the first byte of a block of the filesystem is.
    pub(super) fn byte(&self, block: usize) -> u8 {
        self.device[block * BLOCK]
    }
}
