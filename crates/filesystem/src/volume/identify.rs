//! What a volume's bytes are, by the signatures in its superblocks, as blkid(8) finds them.
//!
//! Every signature is looked for, not just the first: a volume with two is [`OpaqueKind::Ambiguous`], because
//! its kernel would believe one of them and nobody can know which.

use block::{
    BlockRead, Error, Object, Result,
    field::{Be16, Be32, Bytes, Le16, Le32, U8},
    is_zero, to_u64, to_usize,
};

use super::{Content, OpaqueKind, magic};

/// Bytes from the start of a volume that are read in one piece: all but VMFS and ZFS sign within them.
const HEAD: u64 = 72 << 10;
/// Names the content of a volume. A volume without a signature is [`Content::Empty`] if all its bytes are zero,
/// and [`OpaqueKind::Unknown`] otherwise.
pub fn identify(device: impl BlockRead) -> Result<Content> {
    let device: &dyn BlockRead = &device;
    // Many places are looked at: which of them it was, the offset says.
    let reading = |error: Error| error.reading(Object::the("signatures of a volume"));
    let mut found = signatures(device).map_err(reading)?;
    found.dedup();
    Ok(match found.as_slice() {
        [] if all_zero(device).map_err(reading)? => Content::Empty,
        [] => Content::Opaque(OpaqueKind::Unknown),
        [one] => *one,
        [first, second, ..] => Content::Opaque(OpaqueKind::Ambiguous(name(*first), name(*second))),
    })
}

/// The name of a signature.
fn name(content: Content) -> &'static str {
    match content {
        Content::Ext => "ext",
        Content::Fat => "vfat",
        Content::Xfs => "xfs",
        Content::Swap => "swap",
        Content::Lvm2 => OpaqueKind::Lvm2.name(),
        Content::BootCode => "boot code",
        Content::Empty => "empty",
        Content::Opaque(kind) => kind.name(),
    }
}

/// All signatures on a device, each once, in libblkid's order.
pub(super) fn signatures(device: &dyn BlockRead) -> Result<Vec<Content>> {
    let size = device.size();
    let mut head = vec![0; to_usize(HEAD.min(size))];
    device.read_object(Object::the("front of a volume"), 0, &mut head)?;
    let mut found = Vec::new();
    let mut add = |content: Content| {
        if !found.contains(&content) {
            found.push(content);
        }
    };
    for magic in magic::FROM_END {
        if let Some(start) = size.checked_sub(magic.offset)
            && matches(device, &head, start, magic.bytes)?
        {
            add(Content::Opaque(magic.kind));
        }
    }
    if old_md(device)? {
        add(Content::Opaque(OpaqueKind::MdRaid));
    }
    for magic in magic::FROM_START {
        if matches(device, &head, magic.offset, magic.bytes)? {
            add(Content::Opaque(magic.kind));
        }
    }
    if crate::swap::is_swap(&head) {
        add(Content::Swap);
    }
    if is_fat(&head) {
        add(Content::Fat);
    }
    for special in [ext, xfs, hfs, bcache, squashfs, xfs_log, minix, nilfs2, ufs, sun] {
        if let Some(content) = special(&head) {
            add(content);
        }
    }
    if udf(&head) {
        add(Content::Opaque(OpaqueKind::Udf));
    }
    if zfs(device)? {
        add(Content::Opaque(OpaqueKind::Zfs));
    }
    Ok(found)
}

/// Whether `bytes` lie at `offset`; `head` are the first bytes of the device.
fn matches(device: &dyn BlockRead, head: &[u8], offset: u64, bytes: &[u8]) -> Result<bool> {
    let end = offset.saturating_add(to_u64(bytes.len()));
    if end <= to_u64(head.len()) {
        return Ok(&head[to_usize(offset)..to_usize(end)] == bytes);
    }
    if end > device.size() {
        return Ok(false);
    }
    let mut found = vec![0; bytes.len()];
    device.read_object(Object::the("signature of a volume"), offset, &mut found)?;
    Ok(found == bytes)
}

/// Whether every byte of a device is zero. Reads up to the first that is not.
pub(super) fn all_zero(device: &dyn BlockRead) -> Result<bool> {
    let mut buf = vec![0; 1 << 18];
    let mut at = 0;
    while at < device.size() {
        let run = device.run_at(at)?;
        if run.zero {
            at += run.len;
            continue;
        }
        let len = run.len.min(to_u64(buf.len()));
        let part = &mut buf[..to_usize(len)];
        device.read_at(at, part)?;
        if !is_zero(part) {
            return Ok(false);
        }
        at += len;
    }
    Ok(true)
}

/// Linux RAID superblocks at the end: version 0.90, 64 KiB aligned and of either byte order, and 1.0.
fn old_md(device: &dyn BlockRead) -> Result<bool> {
    let size = device.size();
    let v090 = (size & !0xffff).checked_sub(0x1_0000);
    let v10 = (size / 512).checked_sub(16).map(|sector| (sector & !7) * 512);
    let mut found = false;
    for (at, value) in [
        (v090, b"\xfc\x4e\x2b\xa9\0\0\0\0"),
        (v090, b"\xa9\x2b\x4e\xfc\0\0\0\0"),
        (v10, b"\xfc\x4e\x2b\xa9\x01\0\0\0"),
    ] {
        found |= match at {
            Some(at) => matches(device, &[], at, value)?,
            None => false,
        };
    }
    Ok(found)
}

/// A FAT boot sector: FAT has no magic, so its BIOS parameter block has to make sense in all its parts
/// (Microsoft FAT specification 1.03, section 3).
pub(crate) fn is_fat(head: &[u8]) -> bool {
    const BYTES_PER_SEC: Le16 = Le16(11);
    const SEC_PER_CLUS: U8 = U8(13);
    const RSVD_SEC_CNT: Le16 = Le16(14);
    const NUM_FATS: U8 = U8(16);
    const ROOT_ENT_CNT: Le16 = Le16(17);
    const TOT_SEC16: Le16 = Le16(19);
    const MEDIA: U8 = U8(21);
    const FAT_SZ16: Le16 = Le16(22);
    const TOT_SEC32: Le32 = Le32(32);
    const FAT_SZ32: Le32 = Le32(36);
    const FAT16_TYPE: Bytes<8> = Bytes(0x36);
    const FAT32_TYPE: Bytes<8> = Bytes(0x52);
    const SIGNATURE: Le16 = Le16(510);
    let Some(boot) = head.get(..512) else { return false };
    let (old, new) = (FAT16_TYPE.get(boot), FAT32_TYPE.get(boot));
    let named = new == *b"FAT32   "
        || new.starts_with(b"MSWIN")
        || old.starts_with(b"MSDOS")
        || [b"FAT12   ", b"FAT16   ", b"FAT     "].contains(&&old);
    let jumps = matches!(boot[0], 0xeb | 0xe9) && SIGNATURE.get(boot) == 0xaa55;
    if !(named || jumps) || [b"JFS     ", b"HPFS    "].contains(&&old) {
        return false;
    }
    let (sector, cluster) = (u64::from(BYTES_PER_SEC.get(boot)), u64::from(SEC_PER_CLUS.get(boot)));
    let (fats, reserved) = (u64::from(NUM_FATS.get(boot)), u64::from(RSVD_SEC_CNT.get(boot)));
    let fat = match FAT_SZ16.get(boot) {
        0 => u64::from(FAT_SZ32.get(boot)),
        len => u64::from(len),
    };
    let sectors = match TOT_SEC16.get(boot) {
        0 => u64::from(TOT_SEC32.get(boot)),
        count => u64::from(count),
    };
    let media = MEDIA.get(boot);
    let plausible = (512..=4096).contains(&sector)
        && sector.is_power_of_two()
        && cluster.is_power_of_two()
        && fats != 0
        && reserved != 0
        && fat != 0
        && (media >= 0xf8 || media == 0xf0);
    if !plausible {
        return false;
    }
    let root = (u64::from(ROOT_ENT_CNT.get(boot)) * 32).div_ceil(sector);
    let data = sectors.checked_sub(reserved + fats * fat + root);
    let most = if FAT_SZ16.get(boot) == 0 { 0x0fff_fff6 } else { 0xfff4 };
    data.is_some_and(|data| data / cluster <= most)
}

/// ext2, ext3, ext4, or their external journal. 16 bits of magic are not many, so what no implementation would
/// accept is not ext either.
fn ext(head: &[u8]) -> Option<Content> {
    const LOG_BLOCK_SIZE: Le32 = Le32(1024 + 0x18);
    const BLOCKS_PER_GROUP: Le32 = Le32(1024 + 0x20);
    const MAGIC: Le16 = Le16(1024 + 0x38);
    const REV_LEVEL: Le32 = Le32(1024 + 0x4c);
    const FEATURE_INCOMPAT: Le32 = Le32(1024 + 0x60);
    const JOURNAL_DEV: u32 = 0x8;
    let sb = head.get(..2048)?;
    let plausible = LOG_BLOCK_SIZE.get(sb) <= 6 && REV_LEVEL.get(sb) <= 1 && BLOCKS_PER_GROUP.get(sb) != 0;
    if MAGIC.get(sb) != 0xef53 || !plausible {
        return None;
    }
    let journal = FEATURE_INCOMPAT.get(sb) & JOURNAL_DEV != 0;
    Some(if journal { Content::Opaque(OpaqueKind::Jbd) } else { Content::Ext })
}

/// XFS signs at its start.
fn xfs(head: &[u8]) -> Option<Content> {
    head.starts_with(b"XFSB").then_some(Content::Xfs)
}

/// HFS has 16 bits of magic; its allocation blocks are multiples of 512 bytes.
fn hfs(head: &[u8]) -> Option<Content> {
    const SIGNATURE: Bytes<2> = Bytes(1024);
    const ALLOCATION_BLOCK_SIZE: Be32 = Be32(1024 + 20);
    let mdb = head.get(..1536)?;
    let size = ALLOCATION_BLOCK_SIZE.get(mdb);
    let is_hfs = SIGNATURE.get(mdb) == *b"BD" && size != 0 && size.is_multiple_of(512);
    is_hfs.then_some(Content::Opaque(OpaqueKind::Hfs))
}

/// bcache and early bcachefs share a magic; only the latter's version has a non-zero minimum behind it.
fn bcache(head: &[u8]) -> Option<Content> {
    const VERSION_MIN: Le16 = Le16(0x1012);
    const MAGIC: Bytes<16> = Bytes(0x1018);
    let sb = head.get(..0x1028)?;
    (MAGIC.get(sb) == *b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81").then(|| {
        Content::Opaque(if VERSION_MIN.get(sb) == 0 { OpaqueKind::Bcache } else { OpaqueKind::Bcachefs })
    })
}

fn squashfs(head: &[u8]) -> Option<Content> {
    const MAJOR_LE: Le16 = Le16(28);
    const MAJOR_BE: Be16 = Be16(28);
    let sb = head.get(..96)?;
    let major = match &sb[..4] {
        b"hsqs" | b"shsq" => MAJOR_LE.get(sb),
        b"sqsh" | b"qshs" => MAJOR_BE.get(sb),
        _ => return None,
    };
    Some(Content::Opaque(if major < 4 { OpaqueKind::Squashfs3 } else { OpaqueKind::Squashfs }))
}

/// An external XFS log starts with a log record header of version 1 or 2.
fn xfs_log(head: &[u8]) -> Option<Content> {
    const MAGIC: Be32 = Be32(0);
    const VERSION: Be32 = Be32(8);
    let record = head.get(..512)?;
    let is_log = MAGIC.get(record) == 0xfeed_babe && matches!(VERSION.get(record), 1 | 2);
    is_log.then_some(Content::Opaque(OpaqueKind::XfsLog))
}

/// Minix 1 to 3, in either byte order. 16 bits of magic, so its maps and block size have to be plausible too.
fn minix(head: &[u8]) -> Option<Content> {
    const MAPS: Bytes<4> = Bytes(1024 + 4);
    const MAGIC: Bytes<2> = Bytes(1024 + 16);
    const MAPS3: Bytes<4> = Bytes(1024 + 6);
    const MAGIC3: Bytes<2> = Bytes(1024 + 24);
    const BLOCK_SIZE3: Le16 = Le16(1024 + 28);
    let sb = head.get(..2048)?;
    let either = |magic: [u8; 2], one: u16| [one.to_le_bytes(), one.to_be_bytes()].contains(&magic);
    let mapped = |maps: [u8; 4]| maps[..2] != [0, 0] && maps[2..] != [0, 0];
    let old = [0x137f, 0x138f, 0x2468, 0x2478].into_iter().any(|one| either(MAGIC.get(sb), one));
    let size3 = BLOCK_SIZE3.get(sb);
    let new =
        either(MAGIC3.get(sb), 0x4d5a) && mapped(MAPS3.get(sb)) && size3 >= 1024 && size3.is_power_of_two();
    ((old && mapped(MAPS.get(sb))) || new).then_some(Content::Opaque(OpaqueKind::Minix))
}

/// NILFS2 has 16 bits of magic; its superblock is revision 2 and says how long it is.
fn nilfs2(head: &[u8]) -> Option<Content> {
    const REV_LEVEL: Le32 = Le32(1024);
    const MAGIC: Le16 = Le16(1024 + 6);
    const BYTES: Le16 = Le16(1024 + 8);
    let sb = head.get(..2048)?;
    let is_nilfs2 =
        MAGIC.get(sb) == 0x3434 && REV_LEVEL.get(sb) == 2 && (200..=1024).contains(&BYTES.get(sb));
    is_nilfs2.then_some(Content::Opaque(OpaqueKind::Nilfs2))
}

/// UFS 1 and 2 sign at byte 1372 of a superblock in one of four places.
fn ufs(head: &[u8]) -> Option<Content> {
    let signed = [0, 8 << 10, 64 << 10].into_iter().any(|at| {
        let magic = head.get(at + 1372..at + 1376);
        [0x0001_1954_u32, 0x1954_0119]
            .into_iter()
            .any(|one| magic == Some(&one.to_le_bytes()) || magic == Some(&one.to_be_bytes()))
    });
    signed.then_some(Content::Opaque(OpaqueKind::Ufs))
}

/// A Sun label has a magic and a checksum: all its 16-bit words together are zero.
fn sun(head: &[u8]) -> Option<Content> {
    const MAGIC: Be16 = Be16(508);
    let label = head.get(..512)?;
    let sum = label.as_chunks::<2>().0.iter().fold(0, |sum, word| sum ^ u16::from_be_bytes(*word));
    (MAGIC.get(label) == 0xdabe && sum == 0).then_some(Content::Opaque(OpaqueKind::SunLabel))
}

/// UDF: a volume recognition sequence from byte 32768 on, of structures 2 or 4 KiB apart, that has an NSR
/// descriptor (ECMA-167 part 2, section 9).
fn udf(head: &[u8]) -> bool {
    [2048, 4096].into_iter().any(|step| {
        (32768..HEAD)
            .step_by(step)
            .map(|at| head.get(to_usize(at) + 1..to_usize(at) + 6))
            .take_while(|id| {
                id.is_some_and(|id| {
                    [b"BEA01", b"BOOT2", b"CD001", b"CDW02", b"NSR02", b"NSR03", b"TEA01"]
                        .iter()
                        .any(|known| id == *known)
                })
            })
            .any(|id| id.is_some_and(|id| id.starts_with(b"NSR0")))
    })
}

/// ZFS has four labels of 256 KiB; the second half of each is a ring of uberblocks, all at multiples of 1 KiB.
/// As libblkid, this wants to see four.
fn zfs(device: &dyn BlockRead) -> Result<bool> {
    const RING: u64 = 128 << 10;
    const MAGIC: u64 = 0x00ba_b10c;
    let size = device.size();
    let end = size & !((256 << 10) - 1);
    let labels = [Some(0), Some(256 << 10), end.checked_sub(512 << 10), end.checked_sub(256 << 10)];
    let mut ring = vec![0; to_usize(RING)];
    for label in labels.into_iter().flatten().filter(|label| label + 2 * RING <= size) {
        device.read_at(label + RING, &mut ring)?;
        let seen = ring.as_chunks::<1024>().0.iter().filter(|uberblock| {
            uberblock.starts_with(&MAGIC.to_le_bytes()) || uberblock.starts_with(&MAGIC.to_be_bytes())
        });
        if seen.count() >= 4 {
            return Ok(true);
        }
    }
    Ok(false)
}
