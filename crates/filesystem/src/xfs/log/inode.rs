//! Inode items: the core in the byte order of the machine, and the forks in that of the disk.
//!
//! The root of a fork's btree is logged as it is in memory, where it has the header of a block, and is made smaller
//! to fit into the inode. An inode that is newer on disk than the log stays.

use block::{
    BlockWrite, Result, Unsupported,
    field::{Be16, Be32, Be64, Le16, Le32, Le64},
    to_u64, to_usize,
};

use super::{
    super::format::{
        btree::{self, long},
        inode::{self as dinode, flags2},
    },
    kinds,
    layout::*,
    replay::Replay,
    ring::Lsn,
    transaction::Item,
};

/// How far a core is logged on version 4: up to the list of unlinked inodes.
const LOGGED_V2: usize = dinode::NEXT_UNLINKED.0;
/// di_flushiter goes round here.
const MAX_FLUSH: u16 = 0xffff;
/// Bits of di_mode for the kind of file, and two of the kinds.
const KIND: u16 = 0xf000;
const DIRECTORY: u16 = 0x4000;
const REGULAR: u16 = 0x8000;

/// The description in its longer form.
fn description(item: &Item) -> Result<Vec<u8>> {
    let head = item.head(ILF_LEN_32)?;
    let mut head = head.to_vec();
    if head.len() < ILF_LEN_64 {
        if head.len() != ILF_LEN_32 {
            return Err(item.object().corrupt("length of an inode's description", head.len(), "52 or 56"));
        }
        head.splice(ILF_PAD..ILF_PAD, [0; ILF_LEN_64 - ILF_LEN_32]);
    }
    Ok(head)
}

/// Replays one. Returns whether it was written.
pub(crate) fn replay(
    replay: &mut Replay,
    device: &mut impl BlockWrite,
    item: &Item,
    lsn: Lsn,
) -> Result<bool> {
    let object = item.object();
    let head = description(item)?;
    let (fields, number) = (ILF_FIELDS.get(&head), ILF_INO.get(&head));
    let name = (ILF_BLKNO.get(&head), ILF_LEN.get(&head));
    if replay.is_cancelled(name) {
        return Ok(false);
    }
    let start = replay.place(item, name)?;
    let size = to_usize(replay.geometry.inode_size);
    let at = to_usize(ILF_BOFFSET.get(&head).into());
    if !at.is_multiple_of(size) || to_u64(at + size) > u64::from(name.1) * 512 {
        let expected = format!("a multiple of {size} inside the buffer");
        return Err(object.corrupt("offset of an inode", to_u64(at), expected));
    }
    let start = start + to_u64(at);
    let mut raw = vec![0; size];
    device.read_object(object, start, &mut raw)?;
    if !kinds::is_inode(&raw) {
        let found = format!("{:#06x} on disk", dinode::MAGIC.get(&raw));
        return Err(object.corrupt("magic of an inode", found, "0x494e"));
    }
    let v5 = replay.geometry.v5;
    let core = item.region(1, if v5 { dinode::CORE_V3 } else { LOGGED_V2 })?;
    check(item, core, number, v5)?;
    if fields & (ILOG_DOWNER | ILOG_AOWNER) != 0 {
        let feature = "a log with an exchange of extents (xfs_fsr) that has to be replayed";
        return Err(Unsupported::new(object, feature).into());
    }
    if v5 {
        let on_disk = dinode::LSN.get(&raw);
        if on_disk != 0 && on_disk != u64::MAX && Lsn(on_disk) > lsn {
            return Ok(false);
        }
    } else {
        let (logged, on_disk) = (Le16(dinode::FLUSHITER.0).get(core), dinode::FLUSHITER.get(&raw));
        let wrapped = on_disk == MAX_FLUSH && logged < MAX_FLUSH / 2;
        if logged < on_disk && !wrapped {
            return Ok(false);
        }
    }
    write_core(&mut raw, core, lsn);
    if fields & ILOG_DEV != 0 {
        let at = core_len(&raw);
        Be32(at).set(&mut raw, ILF_RDEV.get(&head));
    }
    write_forks(item, &mut raw, fields, v5)?;
    kinds::seal_inode(&mut raw);
    device.write_at(start, &raw)?;
    Ok(true)
}

/// A core that the kernel would not replay, neither do we.
fn check(item: &Item, core: &[u8], number: u64, v5: bool) -> Result<()> {
    let object = item.object();
    let magic = Le16(dinode::MAGIC.0).get(core);
    if magic != dinode::MAGIC_VALUE {
        return Err(object.corrupt("magic of a logged inode", format!("{magic:#06x}"), "0x494e"));
    }
    let version = dinode::VERSION.get(core);
    if v5 != (version == 3) || version == 0 || version > 3 {
        let expected = if v5 { "3" } else { "1 or 2" };
        return Err(object.corrupt("version of a logged inode", version, expected));
    }
    if v5 && Le64(dinode::NUMBER.0).get(core) != number {
        return Err(object.corrupt("number of a logged inode", Le64(dinode::NUMBER.0).get(core), number));
    }
    let format = dinode::FORMAT.get(core);
    let known = match Le16(dinode::MODE.0).get(core) & KIND {
        REGULAR => &[dinode::format::EXTENTS, dinode::format::BTREE][..],
        DIRECTORY => &[dinode::format::LOCAL, dinode::format::EXTENTS, dinode::format::BTREE],
        _ => return Ok(()),
    };
    if !known.contains(&format) {
        return Err(object.corrupt(
            "data fork format of a logged inode",
            format,
            format!("one of {known:?}"),
        ));
    }
    Ok(())
}

fn core_len(raw: &[u8]) -> usize {
    if dinode::VERSION.get(raw) >= 3 { dinode::CORE_V3 } else { dinode::CORE_V2 }
}

/// The core, field by field; the pointer to the next unlinked inode stays.
fn write_core(raw: &mut [u8], core: &[u8], lsn: Lsn) {
    let short = |raw: &mut [u8], field: Be16| field.set(raw, Le16(field.0).get(core));
    let word = |raw: &mut [u8], field: Be32| field.set(raw, Le32(field.0).get(core));
    let long = |raw: &mut [u8], field: Be64| field.set(raw, Le64(field.0).get(core));
    let v3 = dinode::VERSION.get(core) == 3;
    let flags2 = if v3 { Le64(dinode::FLAGS2.0).get(core) } else { 0 };
    let time = |raw: &mut [u8], field: Be64| {
        if flags2 & flags2::BIGTIME != 0 {
            return long(raw, field);
        }
        word(raw, Be32(field.0));
        word(raw, Be32(field.0 + 4));
    };
    for field in
        [dinode::MAGIC, dinode::MODE, dinode::PROJID_LO, dinode::PROJID_HI, dinode::DM_STATE, dinode::FLAGS]
    {
        short(raw, field);
    }
    for field in [dinode::VERSION, dinode::FORMAT, dinode::FORK_OFFSET, dinode::ATTR_FORMAT] {
        field.set(raw, field.get(core));
    }
    short(raw, dinode::OLD_LINKS);
    for field in [
        dinode::UID,
        dinode::GID,
        dinode::LINKS,
        dinode::EXTENT_SIZE,
        dinode::DM_EVENT_MASK,
        dinode::GENERATION,
    ] {
        word(raw, field);
    }
    for field in [dinode::ATIME, dinode::MTIME, dinode::CTIME] {
        time(raw, field);
    }
    long(raw, dinode::SIZE);
    long(raw, dinode::BLOCKS);
    dinode::BIG_EXTENTS.set(raw, 0);
    if v3 {
        long(raw, dinode::CHANGE_COUNT);
        time(raw, dinode::CREATION_TIME);
        long(raw, dinode::FLAGS2);
        word(raw, dinode::COW_EXTENT_SIZE);
        long(raw, dinode::NUMBER);
        dinode::LSN.set(raw, lsn.0);
        dinode::PAD2.set(raw, &[0; 12]);
        dinode::UUID.set(raw, &dinode::UUID.get(core));
    }
    word(raw, dinode::EXTENTS);
    if flags2 & flags2::NREXT64 != 0 {
        long(raw, dinode::BIG_EXTENTS);
    }
    short(raw, dinode::ATTR_EXTENTS);
}

/// The forks that were logged.
fn write_forks(item: &Item, raw: &mut [u8], fields: u32, v5: bool) -> Result<()> {
    let object = item.object();
    if item.regions.len() == 2 {
        return Ok(());
    }
    let core = core_len(raw);
    let offset = to_usize(dinode::FORK_OFFSET.get(raw).into()) * 8;
    let literal = raw.len() - core;
    if offset >= literal {
        let expected = format!("less than {literal} bytes");
        return Err(object.corrupt("fork offset of a logged inode", to_u64(offset), expected));
    }
    let split = if offset == 0 { literal } else { offset };
    let (data, attributes) = raw[core..].split_at_mut(split);
    let mut index = 2;
    let forks = [
        ("data fork", ILOG_DDATA | ILOG_DEXT, ILOG_DBROOT, data),
        ("attribute fork", ILOG_ADATA | ILOG_AEXT, ILOG_ABROOT, attributes),
    ];
    for (what, plain, root, fork) in forks {
        match fields & (plain | root) {
            0 => continue,
            bits if !bits.is_power_of_two() => {
                let found = format!("{bits:#x}");
                return Err(object.corrupt("fork fields of a logged inode", found, "one for each fork"));
            }
            bits => {
                let region = item.region(index, 0)?;
                if bits == root {
                    write_root(item, fork, region, v5)?;
                } else if region.len() > fork.len() {
                    let expected = format!("at most the {} of the {what}", fork.len());
                    return Err(object.corrupt("bytes of a logged fork", region.len(), expected));
                } else {
                    fork[..region.len()].copy_from_slice(region);
                }
            }
        }
        index += 1;
    }
    Ok(())
}

/// The root of a btree: the header of a block becomes that of a root, keys and pointers move together.
fn write_root(item: &Item, fork: &mut [u8], region: &[u8], v5: bool) -> Result<()> {
    let entry = long::KEY_LEN + long::POINTER_LEN;
    let head = long::len(v5);
    let object = item.object();
    if region.len() < head || fork.len() < long::ROOT_LEN {
        return Err(object.corrupt(
            "bytes of a btree root",
            region.len(),
            format!("{head} or more, in a fork"),
        ));
    }
    let (level, records) = (btree::LEVEL.get(region), btree::RECORDS.get(region));
    let (have, room) = ((region.len() - head) / entry, (fork.len() - long::ROOT_LEN) / entry);
    let count = usize::from(records);
    if level == 0 || count == 0 || count > have.min(room) {
        let found = format!("{count} records of level {level}");
        return Err(object.corrupt(
            "btree root",
            found,
            format!("1 to {} of level 1 or more", have.min(room)),
        ));
    }
    long::ROOT_LEVEL.set(fork, level);
    long::ROOT_RECORDS.set(fork, records);
    let keys = count * long::KEY_LEN;
    fork[long::ROOT_LEN..long::ROOT_LEN + keys].copy_from_slice(&region[head..head + keys]);
    let (from, to) = (head + have * long::KEY_LEN, long::ROOT_LEN + room * long::KEY_LEN);
    let pointers = count * long::POINTER_LEN;
    fork[to..to + pointers].copy_from_slice(&region[from..from + pointers]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use block::field::{Bytes, U8};

    use super::{
        super::{
            super::checksum,
            sample::{INODES, Sample, UUID},
        },
        *,
    };

    fn sample(v5: bool) -> Sample {
        let mut sample = Sample::new(v5);
        sample.unmount();
        sample.tail = Lsn::new(1, 2);
        sample
    }

    /// A core in the machine's byte order, of inode 2 of the block.
    fn core(v5: bool) -> Vec<u8> {
        let mut core = vec![0; if v5 { dinode::CORE_V3 } else { LOGGED_V2 }];
        Le16(0).set(&mut core, dinode::MAGIC_VALUE);
        Le16(dinode::MODE.0).set(&mut core, REGULAR | 0o640);
        U8(4).set(&mut core, if v5 { 3 } else { 2 });
        dinode::FORMAT.set(&mut core, dinode::format::EXTENTS);
        dinode::ATTR_FORMAT.set(&mut core, dinode::format::EXTENTS);
        Le32(dinode::UID.0).set(&mut core, 0x0102_0304);
        Le32(dinode::LINKS.0).set(&mut core, 3);
        Le64(dinode::MTIME.0).set(&mut core, 0x1112_1314_2122_2324);
        Le64(dinode::SIZE.0).set(&mut core, 0x31_3233_3435);
        Le32(dinode::EXTENTS.0).set(&mut core, 0x0506);
        Le16(dinode::ATTR_EXTENTS.0).set(&mut core, 0x0708);
        if v5 {
            Le64(dinode::NUMBER.0).set(&mut core, (INODES << 3) + 2);
            Bytes::<16>(dinode::UUID.0).set(&mut core, &UUID);
        }
        core
    }

    fn item(v5: bool, fields: u32, core: Vec<u8>, forks: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut head = vec![0; ILF_LEN_64];
        ITEM_TYPE.set(&mut head, LI_INODE);
        ITEM_SIZE.set(&mut head, u16::try_from(forks.len()).unwrap() + 2);
        ILF_FIELDS.set(&mut head, fields | ILOG_CORE);
        ILF_INO.set(&mut head, (INODES << 3) + 2);
        ILF_RDEV.set(&mut head, 0x0a0b_0c0d);
        ILF_BLKNO.set(&mut head, INODES * 8);
        ILF_LEN.set(&mut head, 16);
        ILF_BOFFSET.set(&mut head, if v5 { 1024 } else { 512 });
        [head, core].into_iter().chain(forks.iter().cloned()).collect()
    }

    fn replayed(v5: bool, item: Vec<Vec<u8>>) -> Vec<u8> {
        let mut sample = sample(v5);
        sample.transaction(&[item]);
        assert_eq!(sample.recover().unwrap().writes, 1);
        let size = if v5 { 512 } else { 256 };
        let raw = sample.bytes(INODES * 4096 + 2 * size, to_usize(size)).to_vec();
        if v5 {
            assert_eq!(dinode::CRC.get(&raw), checksum::crc(&raw, dinode::CRC));
            assert_eq!(dinode::LSN.get(&raw), Lsn::new(1, 2).0);
        }
        assert_eq!(dinode::NEXT_UNLINKED.get(&raw), u32::MAX);
        raw
    }

    fn error(v5: bool, item: Vec<Vec<u8>>) -> String {
        let mut sample = sample(v5);
        sample.transaction(&[item]);
        sample.error()
    }

    #[test]
    fn cores_of_both_versions_and_forms() {
        for v5 in [false, true] {
            let raw = replayed(v5, item(v5, ILOG_DEXT, core(v5), &[vec![7; 16]]));
            assert_eq!(dinode::MODE.get(&raw), REGULAR | 0o640);
            assert_eq!((dinode::UID.get(&raw), dinode::LINKS.get(&raw)), (0x0102_0304, 3));
            assert_eq!(dinode::SIZE.get(&raw), 0x31_3233_3435);
            assert_eq!((dinode::EXTENTS.get(&raw), dinode::ATTR_EXTENTS.get(&raw)), (0x0506, 0x0708));
            // Seconds, then nanoseconds: two words, not one long one.
            assert_eq!(dinode::MTIME.get(&raw), 0x2122_2324_1112_1314);
            let fork = core_len(&raw);
            assert_eq!((raw[fork], raw[fork + 15], raw[fork + 16]), (7, 7, 0));
            let mut short = item(v5, ILOG_DEXT, core(v5), &[vec![7; 16]]);
            short[0].drain(ILF_PAD..ILF_PAD + 4);
            assert_eq!(replayed(v5, short), raw, "as 32-bit machines log it");
        }
    }

    #[test]
    fn long_times_and_wide_counters() {
        let mut core = core(true);
        Le64(dinode::FLAGS2.0).set(&mut core, flags2::BIGTIME | flags2::NREXT64);
        Le64(dinode::BIG_EXTENTS.0).set(&mut core, 0x0102_0304_0506);
        Le16(dinode::ATTR_EXTENTS.0).set(&mut core, 0);
        let raw = replayed(true, item(true, 0, core, &[]));
        assert_eq!(dinode::MTIME.get(&raw), 0x1112_1314_2122_2324);
        assert_eq!((dinode::BIG_EXTENTS.get(&raw), dinode::EXTENTS.get(&raw)), (0x0102_0304_0506, 0x0506));
    }

    #[test]
    fn devices_and_both_forks() {
        for v5 in [false, true] {
            let mut node = core(v5);
            Le16(dinode::MODE.0).set(&mut node, 0x2000);
            dinode::FORMAT.set(&mut node, dinode::format::DEVICE);
            dinode::FORK_OFFSET.set(&mut node, 4);
            dinode::ATTR_FORMAT.set(&mut node, dinode::format::LOCAL);
            let raw = replayed(v5, item(v5, ILOG_DEV | ILOG_ADATA, node, &[vec![9; 20]]));
            let fork = core_len(&raw);
            assert_eq!(Be32(fork).get(&raw), 0x0a0b_0c0d);
            assert_eq!((raw[fork + 31], raw[fork + 32], raw[fork + 51], raw[fork + 52]), (0, 9, 9, 0));
        }
    }

    #[test]
    fn roots_of_btrees() {
        for v5 in [false, true] {
            let mut tree = core(v5);
            dinode::FORMAT.set(&mut tree, dinode::format::BTREE);
            dinode::FORK_OFFSET.set(&mut tree, 10);
            // In memory there is room for three: header, three keys, three pointers.
            let head = long::len(v5);
            let mut root = vec![0; head + 3 * 16];
            btree::LEVEL.set(&mut root, 1);
            btree::RECORDS.set(&mut root, 2);
            for (at, value) in [(0, 11), (8, 12), (24, 21), (32, 22)] {
                Be64(head + at).set(&mut root, value);
            }
            let raw = replayed(v5, item(v5, ILOG_DBROOT, tree.clone(), &[root.clone()]));
            let fork = &raw[core_len(&raw)..][..80];
            assert_eq!((Be16(0).get(fork), Be16(2).get(fork)), (1, 2));
            // In the inode there is room for four.
            let found = [4, 12, 4 + 32, 4 + 40].map(|at| Be64(at).get(fork));
            assert_eq!(found, [11, 12, 21, 22], "{v5}");

            btree::RECORDS.set(&mut root, 4);
            let expected = "log item: btree root is 4 records of level 1, expected 1 to 3 of level 1 or more";
            assert_eq!(error(v5, item(v5, ILOG_DBROOT, tree.clone(), &[root])), expected);
            let expected =
                format!("log item: bytes of a btree root is 8, expected {head} or more, in a fork");
            assert_eq!(error(v5, item(v5, ILOG_DBROOT, tree, &[vec![0; 8]])), expected);
        }
    }

    #[test]
    fn what_is_newer_stays() {
        let mut sample = sample(true);
        let at = to_usize(INODES * 4096 + 1024);
        dinode::LSN.set(&mut sample.device[at..], Lsn::new(1, 3).0);
        sample.transaction(&[item(true, 0, core(true), &[])]);
        assert_eq!(sample.recover().unwrap().writes, 0);

        let mut sample = self::sample(false);
        let at = to_usize(INODES * 4096 + 512);
        dinode::FLUSHITER.set(&mut sample.device[at..], 2);
        let mut older = core(false);
        Le16(dinode::FLUSHITER.0).set(&mut older, 1);
        sample.transaction(&[item(false, 0, older, &[])]);
        assert_eq!(sample.recover().unwrap().writes, 0);
    }

    #[test]
    fn what_makes_no_sense() {
        let with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
            let mut item = item(true, ILOG_DEXT, core(true), &[vec![7; 16]]);
            change(&mut item);
            error(true, item)
        };
        let end = "expected a multiple of 512 inside the buffer";
        for offset in [1, 8192, u32::MAX] {
            let expected = format!("log item: offset of an inode is {offset}, {end}");
            assert_eq!(with(&|item| ILF_BOFFSET.set(&mut item[0], offset)), expected);
        }
        assert_eq!(
            with(&|item| item[1][0] = 0),
            "log item: magic of a logged inode is 0x4900, expected 0x494e"
        );
        assert_eq!(with(&|item| item[1][4] = 2), "log item: version of a logged inode is 2, expected 3");
        assert_eq!(
            with(&|item| Le64(dinode::NUMBER.0).set(&mut item[1], 9)),
            "log item: number of a logged inode is 9, expected 130"
        );
        assert_eq!(
            with(&|item| item[1][5] = 1),
            "log item: data fork format of a logged inode is 1, expected one of [2, 3]"
        );
        assert_eq!(
            with(&|item| item[1][82] = 60),
            "log item: fork offset of a logged inode is 480, expected less than 336 bytes"
        );
        assert_eq!(
            with(&|item| item[2].resize(340, 0)),
            "log item: bytes of a logged fork is 340, expected at most the 336 of the data fork"
        );
        assert_eq!(
            with(&|item| ILF_FIELDS.set(&mut item[0], ILOG_DEXT | ILOG_DDATA)),
            "log item: fork fields of a logged inode is 0x6, expected one for each fork"
        );
        assert_eq!(
            with(&|item| ILF_FIELDS.set(&mut item[0], ILOG_DEXT | ILOG_ADATA)),
            "log item: length is 0 bytes in region 3 of a INODE item, expected at least 0"
        );
        assert_eq!(
            with(&|item| item[1].truncate(172)),
            "log item: length is 172 bytes in region 1 of a INODE item, expected at least 176"
        );
        assert_eq!(
            with(&|item| ILF_FIELDS.set(&mut item[0], ILOG_DEXT | ILOG_DOWNER)),
            "log item: a log with an exchange of extents (xfs_fsr) that has to be replayed is not supported"
        );
        assert_eq!(
            with(&|item| ILF_BLKNO.set(&mut item[0], 40 * 8)),
            "log item: magic of an inode is 0x0000 on disk, expected 0x494e"
        );
    }
}
