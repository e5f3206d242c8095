//! Spoils the structures of an ext filesystem, and redoes their checksums so that the numbers are believed.

use crate::random::{CRC32C, Random, crc, get, get_be, put, put_be, spoil};

const INDEX_MAGIC: u64 = 0xf30a;
const XATTR_MAGIC: u64 = 0xea02_0000;
const JOURNAL_MAGIC: u64 = 0xc03b_3998;
const EXTENTS: u64 = 0x8_0000;
const INDEXED: u64 = 0x1000;

/// An ext filesystem at a place in an image.
struct Ext<'a> {
    bytes: &'a mut [u8],
    block: usize,
    inodes_per_group: usize,
    inode_size: usize,
    descriptor: usize,
    descriptors: usize,
    groups: usize,
    blocks: usize,
    first_block: usize,
    checksums: bool,
    seed: u32,
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

/// Spoils one to three structures of the filesystem at `start`.
pub(crate) fn spoil_ext(image: &mut [u8], start: usize, random: &mut Random) {
    let mut ext = Ext::new(&mut image[start..]);
    for _ in 0..=random.below(3) {
        ext.spoil_something(random);
    }
}

impl<'a> Ext<'a> {
    fn new(bytes: &'a mut [u8]) -> Self {
        let field = |at: usize, width| get(bytes, 1024 + at, width);
        let block = 1024 << field(0x18, 4);
        let (blocks, first_block) = (size(field(4, 4)), size(field(0x14, 4)));
        let wide = field(0x60, 4) & 0x80 != 0;
        let seed = if field(0x60, 4) & 0x2000 != 0 {
            u32::try_from(field(0x270, 4)).unwrap()
        } else {
            crc(CRC32C, !0, &bytes[1024 + 0x68..1024 + 0x78])
        };
        Self {
            block,
            inodes_per_group: size(field(0x28, 4)),
            inode_size: size(field(0x58, 2)),
            descriptor: if wide { size(field(0xfe, 2)) } else { 32 },
            descriptors: block.max(2048),
            groups: (blocks - first_block).div_ceil(size(field(0x20, 4))),
            blocks,
            first_block,
            checksums: field(0x64, 4) & 0x400 != 0,
            seed,
            bytes,
        }
    }

    fn spoil_something(&mut self, random: &mut Random) {
        match random.below(13) {
            0 => {
                spoil(self.bytes, 1024 + random.below(0x280), random.pick(&[1, 2, 4]), random);
                self.seal_super();
            }
            1 => {
                let at = self.descriptors + random.below(self.groups * self.descriptor / 4) * 4;
                let value = self.somewhere(random);
                put(self.bytes, at, 4, value);
                self.seal_group((at - self.descriptors) / self.descriptor);
            }
            2 | 3 => self.with_inode(random, |ext, at, random| {
                let field = random.pick(&[0, 4, 0x1a, 0x1c, 0x20, 0x28, 0x2c, 0x34, 0x68, 0x6c, 0x74, 0x80]);
                let near = random.below(24);
                spoil(ext.bytes, at + field + near, random.pick(&[1, 2, 4]), random);
            }),
            4 => self.with_inode(random, |ext, at, random| {
                let value = ext.somewhere(random);
                put(ext.bytes, at + 0x28 + random.below(15) * 4, 4, value);
            }),
            5 => self.with_inode(random, |ext, at, random| {
                let value = ext.somewhere(random);
                put(ext.bytes, at + random.pick(&[0x68, 0x14, 4, 0x1a]), 4, value);
            }),
            6 => self.share(random),
            7 => self.cycle(random),
            8 => self.chain_orphans(random),
            9 => self.spoil_bitmap(random),
            10 => self.spoil_journal(random),
            _ => self.spoil_block(random),
        }
    }

    /// A block number that is in use for something, or an extreme.
    fn somewhere(&self, random: &mut Random) -> u64 {
        match random.below(4) {
            0 => random.extreme(u64::try_from(self.blocks).unwrap()),
            1 => random.next() % u64::try_from(self.blocks).unwrap(),
            2 => get(self.bytes, self.descriptors + random.below(3) * 4, 4) + random.next() % 4,
            _ => {
                let inode = self.inode(8.min(self.inodes_per_group));
                get(self.bytes, inode + 0x3c, 4) + random.next() % 16
            }
        }
    }

    /// Where an inode lies.
    fn inode(&self, number: usize) -> usize {
        let (group, index) = ((number - 1) / self.inodes_per_group, (number - 1) % self.inodes_per_group);
        let at = self.descriptors + group.min(self.groups - 1) * self.descriptor;
        let table = size(get(self.bytes, at + 8, 4)) * self.block;
        // A spoilt table may lie anywhere.
        (table + index * self.inode_size).min(self.bytes.len() - self.inode_size)
    }

    fn used(&self) -> Vec<usize> {
        let inodes = 1..=self.groups * self.inodes_per_group;
        inodes.filter(|&number| get(self.bytes, self.inode(number), 2) != 0).collect()
    }

    fn with_inode(&mut self, random: &mut Random, change: impl Fn(&mut Self, usize, &mut Random)) {
        let used = self.used();
        if !used.is_empty() {
            let number = random.pick(&used);
            change(self, self.inode(number), random);
            self.seal_inode(number);
        }
    }

    /// Gives an inode the map, or the xattrs, of another.
    fn share(&mut self, random: &mut Random) {
        let used = self.used();
        if used.is_empty() {
            return;
        }
        let (from, number) = (self.inode(random.pick(&used)), random.pick(&used));
        let to = self.inode(number);
        let fields = if random.chance(4) { 0x68..0x6c } else { 0x28..0x64 };
        self.bytes.copy_within(from + fields.start..from + fields.end, to + fields.start);
        if random.chance(2) {
            self.bytes.copy_within(from..from + 8, to);
            self.bytes.copy_within(from + 0x20..from + 0x24, to + 0x20);
        }
        self.seal_inode(number);
    }

    /// Has an extent tree or a directory lead back to itself.
    fn cycle(&mut self, random: &mut Random) {
        let used = self.used();
        if used.is_empty() {
            return;
        }
        let number = random.pick(&used);
        let inode = self.inode(number);
        if get(self.bytes, inode, 2) & 0xf000 == 0x4000 && random.chance(2) {
            let Some(block) = self.first_block_of(inode) else { return };
            let at = block * self.block + random.below(self.block / 4) * 4;
            let other = random.pick(&used);
            put(self.bytes, at, 4, u64::try_from(other).unwrap());
            self.seal_block(block, number);
            return;
        }
        let Some(block) = self.first_block_of(inode) else { return };
        let depth = random.pick(&[1, 2, 5, 65_535]);
        for (at, count, max, depth) in
            [(inode + 0x28, 1, 4, depth), (block * self.block, 1, 84, random.pick(&[0, 1, depth - 1]))]
        {
            put(self.bytes, at, 2, INDEX_MAGIC);
            put(self.bytes, at + 2, 2, count);
            put(self.bytes, at + 4, 2, max);
            put(self.bytes, at + 6, 2, depth);
            put(self.bytes, at + 12, 4, 0);
            put(self.bytes, at + 16, 4, u64::try_from(block).unwrap());
            put(self.bytes, at + 20, 4, 0);
        }
        let flags = get(self.bytes, inode + 0x20, 4) | EXTENTS;
        put(self.bytes, inode + 0x20, 4, flags);
        self.seal_block(block, number);
        self.seal_inode(number);
    }

    /// Puts an inode at the head of the orphans, with another or itself behind it.
    fn chain_orphans(&mut self, random: &mut Random) {
        let used = self.used();
        if used.is_empty() {
            return;
        }
        let (number, next) = (random.pick(&used), random.pick(&used));
        for number in [number, next] {
            let inode = self.inode(number);
            put(self.bytes, inode + 0x14, 4, u64::try_from(random.pick(&[next, number, 0])).unwrap());
            if random.chance(2) {
                put(self.bytes, inode + 0x1a, 2, 0);
            }
            if random.chance(3) {
                spoil(self.bytes, inode + 4, 4, random);
            }
            self.seal_inode(number);
        }
        put(self.bytes, 1024 + 0xe8, 4, u64::try_from(number).unwrap());
        self.seal_super();
    }

    fn spoil_bitmap(&mut self, random: &mut Random) {
        let group = random.below(self.groups);
        let which = random.pick(&[0, 4]);
        let at = self.descriptors + group * self.descriptor + which;
        let bitmap = size(get(self.bytes, at, 4)) * self.block;
        if bitmap + self.block <= self.bytes.len() {
            self.bytes[bitmap + random.below(64)] ^= 1 << random.below(8);
            self.seal_group(group);
        }
    }

    /// A block that is not zero: of a directory, a map, xattrs, or content.
    fn spoil_block(&mut self, random: &mut Random) {
        let used = self.used();
        if used.is_empty() {
            return;
        }
        let number = random.pick(&used);
        let inode = self.inode(number);
        let attributes = size(get(self.bytes, inode + 0x68, 4));
        let block = match self.first_block_of(inode) {
            _ if attributes != 0 && attributes < self.blocks && random.chance(2) => Some(attributes),
            block => block,
        };
        let Some(block) = block else { return };
        for _ in 0..=random.below(3) {
            let within = random.pick(&[32, 64, 256, self.block]);
            let at = block * self.block + random.below(within);
            spoil(self.bytes, at, random.pick(&[1, 2, 4]), random);
        }
        self.seal_block(block, number);
    }

    fn spoil_journal(&mut self, random: &mut Random) {
        let Some(start) = self.first_block_of(self.inode(8)) else { return };
        let block = start + random.pick(&[0, 0, 1, 5, 6, 7, 8, 10]);
        let at = block * self.block;
        if at + self.block > self.bytes.len() {
            return;
        }
        for _ in 0..=random.below(2) {
            let field = at + random.below(if block == start { 24 } else { 12 }) * 4;
            let value = random.extreme(get_be(self.bytes, field, 4));
            put_be(self.bytes, field, 4, value & 0xffff_ffff);
        }
        if random.chance(4) {
            let flags = 1024 + 0x60;
            self.bytes[flags] |= 4;
            self.seal_super();
        }
        self.seal_journal(start, block);
    }

    /// The first block that an inode's map names, whatever it holds.
    fn first_block_of(&self, inode: usize) -> Option<usize> {
        let field = if get(self.bytes, inode + 0x20, 4) & EXTENTS == 0 {
            0x28
        } else if get(self.bytes, inode + 0x2e, 2) == 0 {
            0x3c
        } else {
            0x38
        };
        let block = size(get(self.bytes, inode + field, 4));
        (block > self.first_block && block < self.blocks && get(self.bytes, inode + 4, 4) > 160)
            .then_some(block)
    }

    fn seal_super(&mut self) {
        if self.checksums {
            let sum = crc(CRC32C, !0, &self.bytes[1024..1024 + 0x3fc]);
            put(self.bytes, 1024 + 0x3fc, 4, sum.into());
        }
    }

    /// Redoes the checksums of a group's bitmaps, then of its descriptor.
    fn seal_group(&mut self, group: usize) {
        if !self.checksums {
            return;
        }
        let at = self.descriptors + group * self.descriptor;
        let clusters = size(get(self.bytes, 1024 + 0x24, 4)) / 8;
        for (field, len, low, high) in [(0, clusters, 0x18, 0x38), (4, self.inodes_per_group / 8, 0x1a, 0x3a)]
        {
            let bitmap = size(get(self.bytes, at + field, 4)) * self.block;
            if let Some(bitmap) = self.bytes.get(bitmap..bitmap + len) {
                let sum = u64::from(crc(CRC32C, self.seed, bitmap));
                put(self.bytes, at + low, 2, sum);
                if self.descriptor >= 64 {
                    put(self.bytes, at + high, 2, sum >> 16);
                }
            }
        }
        put(self.bytes, at + 0x1e, 2, 0);
        let number = u32::try_from(group).unwrap().to_le_bytes();
        let sum = crc(CRC32C, crc(CRC32C, self.seed, &number), &self.bytes[at..at + self.descriptor]);
        put(self.bytes, at + 0x1e, 2, sum.into());
    }

    fn inode_seed(&self, number: usize) -> u32 {
        let seed = crc(CRC32C, self.seed, &u32::try_from(number).unwrap().to_le_bytes());
        let inode = self.inode(number);
        crc(CRC32C, seed, &self.bytes[inode + 0x64..inode + 0x68])
    }

    fn seal_inode(&mut self, number: usize) {
        if !self.checksums {
            return;
        }
        let at = self.inode(number);
        let high = self.inode_size > 128 && get(self.bytes, at + 0x80, 2) >= 4;
        put(self.bytes, at + 0x7c, 2, 0);
        if high {
            put(self.bytes, at + 0x82, 2, 0);
        }
        let seed = self.inode_seed(number);
        let sum = u64::from(crc(CRC32C, seed, &self.bytes[at..at + self.inode_size]));
        put(self.bytes, at + 0x7c, 2, sum);
        if high {
            put(self.bytes, at + 0x82, 2, sum >> 16);
        }
    }

    /// Redoes the checksum of an inode's block, by what it looks like.
    fn seal_block(&mut self, block: usize, number: usize) {
        if !self.checksums {
            return;
        }
        let (at, len) = (block * self.block, self.block);
        let inode = self.inode(number);
        let seed = self.inode_seed(number);
        let data = &self.bytes[at..at + len];
        if get(data, 0, 4) == XATTR_MAGIC || size(get(self.bytes, inode + 0x68, 4)) == block {
            put(self.bytes, at + 0x10, 4, 0);
            let place = u64::try_from(block).unwrap().to_le_bytes();
            let sum = crc(CRC32C, crc(CRC32C, self.seed, &place), &self.bytes[at..at + len]);
            put(self.bytes, at + 0x10, 4, sum.into());
        } else if get(data, 0, 2) == INDEX_MAGIC {
            let tail = 12 + 12 * size(get(data, 4, 2));
            if tail + 4 <= len {
                let sum = crc(CRC32C, seed, &data[..tail]);
                put(self.bytes, at + tail, 4, sum.into());
            }
        } else if get(self.bytes, inode + 0x20, 4) & INDEXED != 0 {
            let (limit, count) = (size(get(data, 0x20, 2)), size(get(data, 0x22, 2)));
            let tail = 0x20 + limit * 8;
            if count <= limit && tail + 8 <= len {
                let sum = crc(CRC32C, seed, &data[..0x20 + count * 8]);
                let sum = crc(CRC32C, crc(CRC32C, sum, &data[tail..tail + 4]), &[0; 4]);
                put(self.bytes, at + tail + 4, 4, sum.into());
            }
        } else if get(self.bytes, inode, 2) & 0xf000 == 0x4000 {
            let sum = crc(CRC32C, seed, &data[..len - 12]);
            put(self.bytes, at + len - 4, 4, sum.into());
        }
    }

    fn seal_journal(&mut self, start: usize, block: usize) {
        let (superblock, at, len) = (start * self.block, block * self.block, self.block);
        if get_be(self.bytes, superblock, 4) != JOURNAL_MAGIC {
            return;
        }
        put(self.bytes, superblock + 0xfc, 4, 0);
        let sum = crc(CRC32C, !0, &self.bytes[superblock..superblock + 1024]);
        put_be(self.bytes, superblock + 0xfc, 4, sum.into());
        let seed = crc(CRC32C, !0, &self.bytes[superblock + 0x30..superblock + 0x40]);
        let field = match get_be(self.bytes, at + 4, 4) {
            1 | 5 => at + len - 4,
            2 => at + 0x10,
            _ => return,
        };
        put(self.bytes, field, 4, 0);
        let sum = crc(CRC32C, seed, &self.bytes[at..at + len]);
        put_be(self.bytes, field, 4, sum.into());
    }
}
