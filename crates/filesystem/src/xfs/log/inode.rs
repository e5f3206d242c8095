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
    if at % size != 0 || to_u64(at + size) > u64::from(name.1) * 512 {
        let expected = format!("a multiple of {size} inside the buffer");
        return Err(object.corrupt("offset of an inode", to_u64(at), expected));
    }
    let start = start + to_u64(at);
    let mut raw = vec![0; size];
    device.read_at(start, &mut raw)?;
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
