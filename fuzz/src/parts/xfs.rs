//! The structures of XFS, and their checksums: CRC-32C over a structure with the field itself zero.

use block::{BlockRead, Extent, Window, to_u64, to_usize};
use filesystem::{Claim, Filesystem, Owner, xfs::Xfs};

use super::{CONTENT, Part, Seal, cut};
use crate::disk::Patched;

const SECTOR: u64 = 512;
/// Sectors of the log that are patched.
const LOG_SECTORS: usize = 400;
const RECORD: u64 = 0xfeed_babe;
/// Bytes of a record's header that its checksum covers.
const CHECKED: usize = 328;

pub(super) fn parts(device: &Patched, origin: u64, len: u64) -> Vec<Part> {
    let Ok(window) = Window::new(device, &[Extent { start: origin, len }]) else { return Vec::new() };
    let Ok(xfs) = Xfs::open(readable(&window)) else { return Vec::new() };
    let (block, inode) = (device.big(origin + 4, 4).max(SECTOR), device.big(origin + 104, 2).max(256));
    let seal = Seal::Xfs { origin };
    let (mut blocks, mut content) = (Vec::new(), Vec::new());
    let claims = xfs.claims(&mut |extent, claim| {
        let start = origin + extent.start;
        match claim {
            Claim::Live(Owner::Metadata | Owner::Mapping(_)) => {
                cut(device, start, extent.len, block, seal, &mut blocks);
            }
            Claim::Live(Owner::Data(_)) if content.len() < CONTENT => {
                cut(device, start, extent.len.min(SECTOR), SECTOR, Seal::None, &mut content);
            }
            _ => {}
        }
        Ok(())
    });
    drop(claims);
    let mut parts = Vec::new();
    for part in blocks {
        let step = match device.big(part.start, 4) {
            0x5846_5342 => SECTOR,
            magic if magic >> 16 == 0x494e => inode,
            _ => block,
        };
        cut(device, part.start, to_u64(part.len), step, seal, &mut parts);
    }
    parts.extend(log(device, origin, len).into_iter().take(32));
    parts.extend(content);
    parts
}

pub(super) fn log(device: &Patched, origin: u64, len: u64) -> Vec<Part> {
    let Ok(window) = Window::new(device, &[Extent { start: origin, len }]) else { return Vec::new() };
    let Ok((log, _)) = Xfs::open(readable(&window)).and_then(|xfs| xfs.log_extent()) else {
        return Vec::new();
    };
    let start = origin + log.start;
    let mut parts = Vec::new();
    cut(device, start, log.len, SECTOR, Seal::XfsLog { start }, &mut parts);
    parts.truncate(LOG_SECTORS);
    parts
}

/// By the magic of the sector, the inode or the block that a part is in. Version 4 has no checksums.
pub(super) fn seal(device: &mut Patched, origin: u64, part: &Part) {
    if device.big(origin + 100, 2) & 15 != 5 {
        return;
    }
    let len = to_u64(part.len);
    let (at, field) = match (device.big(part.start, 4), device.big(part.start + 8, 2)) {
        (0x5846_5342, _) => (SECTOR, 224),
        (0x5841_4746, _) => (SECTOR, 216),
        (0x5841_4749, _) => (SECTOR, 312),
        (0x5841_464c, _) => (SECTOR, 32),
        (magic, _) if magic >> 16 == 0x494e => (len, 100),
        // AB3B AB3C IAB3 FIB3 RMB3 R3FC
        (0x4142_3342 | 0x4142_3343 | 0x4941_4233 | 0x4649_4233 | 0x524d_4233 | 0x5233_4643, _) => (len, 52),
        // BMA3
        (0x424d_4133, _) => (len, 64),
        // XDB3 XDD3 XDF3
        (0x5844_4233 | 0x5844_4433 | 0x5844_4633, _) => (len, 4),
        // XSLM XARM
        (0x5853_4c4d | 0x5841_524d, _) | (_, 0x3df1 | 0x3dff | 0x3ebe | 0x3bee) => (len, 12),
        _ => return,
    };
    if field + 4 > at {
        return;
    }
    device.put(part.start + field, &[0; 4]);
    let Some(bytes) = device.bytes(part.start, to_usize(at)) else { return };
    device.put(part.start + field, &crc32c::crc32c(&bytes).to_le_bytes());
}

/// Redoes the checksum of the record that a sector of the log is in.
pub(super) fn seal_log(device: &mut Patched, start: u64, part: &Part) {
    let mut header = part.start;
    while device.big(header, 4) != RECORD {
        if header < start + SECTOR || part.start - header > 600 * SECTOR {
            return;
        }
        header -= SECTOR;
    }
    seal_record(device, header);
}

/// Redoes the checksum of the record at `header`, if it does not go round the log's end.
fn seal_record(device: &mut Patched, header: u64) {
    let (len, size) = (device.big(header + 12, 4), device.big(header + 320, 4));
    if len > 1 << 18 {
        return;
    }
    let long = device.big(header + 8, 4) & 2 != 0 && size > 32_768;
    let headers = if long { size.min(1 << 18).div_ceil(32_768) } else { 1 };
    device.put(header + 32, &[0; 4]);
    let Some(first) = device.bytes(header, CHECKED) else { return };
    let mut sum = crc32c::crc32c(&first);
    for further in 1..headers.min(len.div_ceil(32_768)) {
        sum = crc32c::crc32c_append(sum, &device.bytes(header + further * SECTOR, 260).unwrap_or_default());
    }
    let Some(body) = device.bytes(header + headers * SECTOR, to_usize(len)) else { return };
    device.put(header + 32, &crc32c::crc32c_append(sum, &body).to_le_bytes());
}

/// Writes a record of one transaction behind the first one of the log, as the kernel would: of the filesystem on an
/// image of `size` bytes.
pub fn log_record(device: &mut Patched, size: u64, operations: &[(u8, Vec<u8>)]) {
    // An empty log starts with the record of an unmount, in two sectors.
    const PLACE: u32 = 2;
    let Ok(window) = Window::new(&*device, &[Extent { start: 0, len: size }]) else { return };
    let Ok((log, _)) = Xfs::open(readable(&window)).and_then(|xfs| xfs.log_extent()) else { return };
    let (start, uuid) = (log.start, device.bytes(start_of_uuid(device), 16).unwrap_or_default());
    let cycle = u32::try_from(device.big(start + 4, 4)).unwrap_or(1);
    let mut body = Vec::new();
    for (flags, data) in operations {
        body.extend(7u32.to_be_bytes());
        body.extend(u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
        body.extend([0x69, *flags, 0, 0]);
        body.extend(data);
    }
    body.resize(body.len().next_multiple_of(512), 0);
    if body.len() > 32_768 {
        return;
    }
    let mut record = vec![0; 512];
    let lsn = (u64::from(cycle) << 32 | u64::from(PLACE)).to_be_bytes();
    let len = u32::try_from(body.len()).unwrap_or(0).to_be_bytes();
    let count = u32::try_from(operations.len()).unwrap_or(0).to_be_bytes();
    for (at, bytes) in [
        (0, &0xfeed_babeu32.to_be_bytes()[..]),
        (4, &cycle.to_be_bytes()),
        (8, &2u32.to_be_bytes()),
        (12, &len),
        (16, &lsn),
        (24, &lsn),
        (40, &count),
        (300, &1u32.to_be_bytes()),
        (304, &uuid),
        (320, &32_768u32.to_be_bytes()),
    ] {
        record[at..at + bytes.len()].copy_from_slice(bytes);
    }
    // The cycle stands in each block's first word, which the header keeps.
    for (index, block) in body.chunks_exact_mut(512).enumerate() {
        record[44 + 4 * index..48 + 4 * index].copy_from_slice(&block[..4]);
        block[..4].copy_from_slice(&cycle.to_be_bytes());
    }
    let at = start + u64::from(PLACE) * SECTOR;
    device.put(at, &[record, body].concat());
    seal_record(device, at);
}

/// Where the superblock has the UUID that the metadata and the log have: of its own, if a feature says so.
fn start_of_uuid(device: &Patched) -> u64 {
    if device.big(100, 2) & 15 == 5 && device.big(216, 4) & 4 != 0 { 248 } else { 32 }
}

/// One type for all readers: each further one is the whole reader compiled again.
fn readable(device: &dyn BlockRead) -> &dyn BlockRead {
    device
}
