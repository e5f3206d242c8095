//! The structures of ext filesystems, and their checksums (kernel documentation, filesystems/ext4, "Checksums").

use block::{BlockRead, Extent, Window, to_u64, to_usize};
use filesystem::{Claim, Filesystem, Owner, ext::Ext};

use super::{CONTENT, Part, Seal, cut};
use crate::disk::Patched;

const SUPER: u64 = 1024;
const INDEX_MAGIC: u64 = 0xf30a;
const XATTR_MAGIC: u64 = 0xea02_0000;
const JOURNAL_MAGIC: u64 = 0xc03b_3998;
const EXTENTS: u64 = 0x8_0000;
const INDEXED: u64 = 0x1000;

/// A structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The superblock.
    Super,
    /// A group's descriptor, or one of its bitmaps.
    Group(u64),
    /// An inode.
    Inode(u64),
    /// A block of this inode, which lies here: extents, names, attributes.
    Block(u64, u64),
    /// A block of the journal, which starts here.
    Journal(u64),
    /// A block of the fast commits of the journal that starts here.
    Fast(u64),
}

impl What {
    /// Blocks are sealed by their inode's generation, bitmaps in their descriptors.
    pub(super) fn order(self) -> u8 {
        match self {
            Self::Block(..) => 0,
            Self::Inode(_) => 1,
            Self::Group(_) => 2,
            Self::Super => 3,
            Self::Journal(_) | Self::Fast(_) => 4,
        }
    }
}

/// The numbers that say where everything is, as the superblock has them.
struct Shape {
    block: u64,
    inodes_per_group: u64,
    inode_size: u64,
    descriptor: u64,
    descriptors: u64,
    groups: u64,
    checksums: bool,
    seed: u32,
}

impl Shape {
    fn read(device: &Patched, origin: u64) -> Self {
        let field = |at, width| device.little(origin + SUPER + at, width);
        let block = 1024 << field(0x18, 4).min(6);
        let seed = if field(0x60, 4) & 0x2000 != 0 {
            u32::try_from(field(0x270, 4)).expect("four bytes")
        } else {
            !crc32c::crc32c(&device.bytes(origin + SUPER + 0x68, 16).unwrap_or_default())
        };
        let per_group = field(0x20, 4).max(8);
        Self {
            block,
            inodes_per_group: field(0x28, 4).max(1),
            inode_size: field(0x58, 2).max(128),
            descriptor: if field(0x60, 4) & 0x80 != 0 { field(0xfe, 2).max(32) } else { 32 },
            descriptors: block.max(2048),
            groups: field(4, 4).saturating_sub(field(0x14, 4)).div_ceil(per_group).clamp(1, 64),
            checksums: field(0x64, 4) & 0x400 != 0,
            seed,
        }
    }

    fn inode(&self, device: &Patched, origin: u64, number: u64) -> u64 {
        let (group, index) = ((number - 1) / self.inodes_per_group, (number - 1) % self.inodes_per_group);
        let table = device.little(origin + self.descriptors + group * self.descriptor + 8, 4) * self.block;
        origin + table + index * self.inode_size
    }
}

/// CRC-32C that goes on from `seed`, without the inversions.
fn crc(seed: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!seed, bytes)
}

/// Where the journal inode's blocks begin, and how many bytes it has.
fn journal_extent(device: &Patched, origin: u64) -> Option<(u64, u64)> {
    let shape = Shape::read(device, origin);
    let inode = shape.inode(device, origin, 8);
    let block = match device.little(inode + 0x20, 4) & EXTENTS {
        0 => device.little(inode + 0x28, 4),
        _ => device.little(inode + 0x3c, 4),
    };
    let start = origin + block * shape.block;
    (block > 0 && device.big(start, 4) == JOURNAL_MAGIC).then(|| (start, device.little(inode + 4, 4)))
}

/// The blocks of the journal.
pub(super) fn journal(device: &Patched, origin: u64) -> Vec<Part> {
    let Some((start, len)) = journal_extent(device, origin) else { return Vec::new() };
    let shape = Shape::read(device, origin);
    let fast = device.big(start + 0x28, 4) & 0x20 != 0;
    let fast_blocks = match device.big(start + 0x54, 4) {
        0 => 256,
        count => count,
    };
    let area = (start + len).saturating_sub(fast_blocks * shape.block);
    let mut parts = Vec::new();
    let seal = |what| Seal::Ext { origin, what };
    let mut at = start;
    while at < start + len {
        let what = if fast && at >= area { What::Fast(start) } else { What::Journal(start) };
        // Its first block may be empty as yet.
        if at == area && fast {
            parts.push(Part { start: at, len: to_usize(shape.block), seal: seal(what) });
        } else {
            cut(device, at, shape.block, shape.block, seal(what), &mut parts);
        }
        at += shape.block;
    }
    parts
}

/// All structures of the filesystem at `origin`.
pub(super) fn parts(device: &Patched, origin: u64, len: u64) -> Vec<Part> {
    let seal = |what| Seal::Ext { origin, what };
    let Ok(window) = Window::new(device, &[Extent { start: origin, len }]) else { return Vec::new() };
    let shape = Shape::read(device, origin);
    let mut parts = vec![Part { start: origin + SUPER, len: 1024, seal: seal(What::Super) }];
    for group in 0..shape.groups {
        let at = origin + shape.descriptors + group * shape.descriptor;
        parts.push(Part { start: at, len: to_usize(shape.descriptor), seal: seal(What::Group(group)) });
        for field in [0, 4] {
            let bitmap = origin + device.little(at + field, 4) * shape.block;
            parts.push(Part { start: bitmap, len: 256, seal: seal(What::Group(group)) });
        }
    }
    for number in 1..=shape.groups * shape.inodes_per_group.min(4096) {
        let at = shape.inode(device, origin, number);
        if device.little(at, 2) != 0 {
            parts.push(Part { start: at, len: to_usize(shape.inode_size), seal: seal(What::Inode(number)) });
        }
    }
    let window: &dyn BlockRead = &window;
    let Ok(ext) = Ext::open(window) else { return Vec::new() };
    let mut content = 0;
    let claims = ext.claims(&mut |extent, claim| {
        let start = origin + extent.start;
        match claim {
            Claim::Live(Owner::Mapping(inode)) => {
                let what = What::Block(inode.0, shape.inode(device, origin, inode.0));
                cut(device, start, extent.len, shape.block, seal(what), &mut parts);
            }
            Claim::Live(Owner::Data(_)) if content < CONTENT => {
                content += 1;
                cut(device, start, extent.len.min(512), 512, Seal::None, &mut parts);
            }
            _ => {}
        }
        Ok(())
    });
    drop(claims);
    parts.extend(journal(device, origin).into_iter().take(64));
    parts
}

pub(super) fn seal(device: &mut Patched, origin: u64, what: What, part: &Part) {
    let shape = Shape::read(device, origin);
    match what {
        What::Journal(start) => seal_journal(device, &shape, start, part.start),
        What::Fast(_) => seal_fast(device, &shape, part.start),
        _ if !shape.checksums => (),
        What::Super => {
            let bytes = device.bytes(origin + SUPER, 0x3fc).unwrap_or_default();
            device.put(origin + SUPER + 0x3fc, &crc(!0, &bytes).to_le_bytes());
        }
        What::Group(group) => seal_group(device, &shape, origin, group),
        What::Inode(number) => seal_inode(device, &shape, part.start, number),
        What::Block(number, inode) => seal_block(device, &shape, origin, (number, inode), part.start),
    }
}

fn seal_group(device: &mut Patched, shape: &Shape, origin: u64, group: u64) {
    let at = origin + shape.descriptors + group * shape.descriptor;
    let clusters = device.little(origin + SUPER + 0x24, 4) / 8;
    for (field, len, low, high) in [(0, clusters, 0x18, 0x38), (4, shape.inodes_per_group / 8, 0x1a, 0x3a)] {
        let bitmap = origin + device.little(at + field, 4) * shape.block;
        if let Some(bytes) = device.bytes(bitmap, to_usize(len.min(65_536))) {
            let sum = crc(shape.seed, &bytes).to_le_bytes();
            device.put(at + low, &sum[..2]);
            if shape.descriptor >= 64 {
                device.put(at + high, &sum[2..]);
            }
        }
    }
    device.put(at + 0x1e, &[0; 2]);
    let number = u32::try_from(group).unwrap_or(0).to_le_bytes();
    let bytes = device.bytes(at, to_usize(shape.descriptor)).unwrap_or_default();
    device.put(at + 0x1e, &crc(crc(shape.seed, &number), &bytes).to_le_bytes()[..2]);
}

fn inode_seed(device: &Patched, shape: &Shape, inode: u64, number: u64) -> u32 {
    let number = u32::try_from(number).unwrap_or(0).to_le_bytes();
    crc(crc(shape.seed, &number), &device.bytes(inode + 0x64, 4).unwrap_or_default())
}

fn seal_inode(device: &mut Patched, shape: &Shape, at: u64, number: u64) {
    let high = shape.inode_size > 128 && device.little(at + 0x80, 2) >= 4;
    device.put(at + 0x7c, &[0; 2]);
    if high {
        device.put(at + 0x82, &[0; 2]);
    }
    let bytes = device.bytes(at, to_usize(shape.inode_size)).unwrap_or_default();
    let sum = crc(inode_seed(device, shape, at, number), &bytes).to_le_bytes();
    device.put(at + 0x7c, &sum[..2]);
    if high {
        device.put(at + 0x82, &sum[2..]);
    }
}

/// By what the block looks like.
fn seal_block(device: &mut Patched, shape: &Shape, origin: u64, (number, inode): (u64, u64), at: u64) {
    let Some(data) = device.bytes(at, to_usize(shape.block)) else { return };
    let seed = inode_seed(device, shape, inode, number);
    let field = |at: usize, width: usize| {
        data[at..at + width].iter().rev().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte))
    };
    if field(0, 4) == XATTR_MAGIC {
        let mut data = data;
        data[16..20].fill(0);
        let place = ((at - origin) / shape.block).to_le_bytes();
        device.put(at + 16, &crc(crc(shape.seed, &place), &data).to_le_bytes());
    } else if field(0, 2) == INDEX_MAGIC {
        let tail = to_usize(12 + 12 * field(4, 2));
        if tail + 4 <= data.len() {
            device.put(at + to_u64(tail), &crc(seed, &data[..tail]).to_le_bytes());
        }
    } else if device.little(inode + 0x20, 4) & INDEXED != 0 && seal_index(device, &data, seed, at) {
    } else {
        let len = data.len();
        device.put(at + to_u64(len) - 4, &crc(seed, &data[..len - 12]).to_le_bytes());
    }
}

/// A block of a hashed directory's tree; says whether it is one.
fn seal_index(device: &mut Patched, data: &[u8], seed: u32, at: u64) -> bool {
    let short = |at: usize| usize::from(u16::from_le_bytes([data[at], data[at + 1]]));
    let root = short(4) == 12;
    let node = short(4) == data.len();
    if !root && !node {
        return false;
    }
    let head = if root { 0x20 } else { 8 };
    let (limit, count) = (short(head), short(head + 2));
    let tail = head + limit * 8;
    if count > limit || tail + 8 > data.len() {
        return false;
    }
    let sum = crc(crc(seed, &data[..head + count * 8]), &data[tail..tail + 4]);
    device.put(at + to_u64(tail) + 4, &crc(sum, &[0; 4]).to_le_bytes());
    true
}

fn seal_journal(device: &mut Patched, shape: &Shape, start: u64, at: u64) {
    device.put(start + 0xfc, &[0; 4]);
    let sum = crc(!0, &device.bytes(start, 1024).unwrap_or_default());
    if device.big(start + 0x28, 4) & 0x18 != 0 {
        device.put(start + 0xfc, &sum.to_be_bytes());
    }
    let seed = crc(!0, &device.bytes(start + 0x30, 16).unwrap_or_default());
    let field = match device.big(at + 4, 4) {
        1 | 5 => shape.block - 4,
        2 => 0x10,
        _ => return,
    };
    if at == start || device.big(at, 4) != JOURNAL_MAGIC {
        return;
    }
    device.put(at + field, &[0; 4]);
    let sum = crc(seed, &device.bytes(at, to_usize(shape.block)).unwrap_or_default());
    device.put(at + field, &sum.to_be_bytes());
}

/// Every tail's checksum.
fn seal_fast(device: &mut Patched, shape: &Shape, at: u64) {
    let Some(mut data) = device.bytes(at, to_usize(shape.block)) else { return };
    let (mut next, mut sum) = (0, 0);
    while next + 4 <= data.len() {
        let short = |at: usize| u16::from_le_bytes([data[at], data[at + 1]]);
        let (tag, len) = (short(next), usize::from(short(next + 2)));
        let Some(end) = Some(next + 4 + len).filter(|&end| end <= data.len()) else { break };
        if tag == 8 && len >= 8 {
            sum = crc(sum, &data[next..next + 8]);
            data[next + 8..next + 12].copy_from_slice(&sum.to_le_bytes());
            sum = 0;
        } else {
            sum = crc(sum, &data[next..end]);
        }
        next = end;
    }
    device.put(at, &data);
}

/// Puts records of one fast commit into the journal of the filesystem at the image's start, if there is one, and has
/// it count.
pub fn fast_commit(device: &mut Patched, records: &[u8]) {
    let shape = Shape::read(device, 0);
    let Some((start, _)) = journal_extent(device, 0) else { return };
    // What the kernel sets when it mounts: the feature, and where the log begins.
    let flags = u32::try_from(device.big(start + 0x28, 4)).unwrap_or(0) | 0x20;
    device.put(start + 0x28, &flags.to_be_bytes());
    if device.big(start + 0x1c, 4) == 0 {
        device.put(start + 0x1c, &1u32.to_be_bytes());
    }
    seal_journal(device, &shape, start, start);
    let Some(area) = journal(device, 0)
        .iter()
        .find(|part| matches!(part.seal, Seal::Ext { what: What::Fast(_), .. }))
        .map(|part| part.start)
    else {
        return;
    };
    // A head that is there has the right number; of an empty journal it is that of its superblock.
    let number = match device.little(area, 2) {
        9 => device.little(area + 8, 4),
        _ => device.big(start + 0x18, 4),
    };
    let number = u32::try_from(number).unwrap_or(0).to_le_bytes();
    let room = shape.block.saturating_sub(16 + 12);
    let records = &records[..records.len().min(to_usize(room))];
    // Head: tag, length, features, transaction. Tail: tag, length, transaction, checksum.
    let head = [&[9, 0, 8, 0, 0, 0, 0, 0][..], &number].concat();
    let tail = [&[8, 0, 8, 0][..], &number, &[0; 4]].concat();
    device.put(area, &[&head, records, &tail].concat());
    seal_fast(device, &shape, area);
    let flags = device.little(SUPER + 0x60, 4) | 4;
    device.put(SUPER + 0x60, &u32::try_from(flags).unwrap_or(0).to_le_bytes());
    let part = Part { start: SUPER, len: 1024, seal: Seal::None };
    seal(device, 0, What::Super, &part);
}
