//! Reads the fast commit area: which records count, and what they say.
//!
//! Decided as the kernel decides it (fs/ext4/fast_commit.c): the area starts with a HEAD of the transaction
//! behind the last full one, and each commit ends with a TAIL whose checksum is right.

use block::{
    BlockRead, Object, Result, Unsupported,
    field::{Le16, Le32},
};

use crate::ext::{
    checksum::crc32c_raw,
    journal::log::{Log, hex},
};

// Each record: tag, length of the value, value.
const FC_TAG: Le16 = Le16(0x0);
const FC_LEN: Le16 = Le16(0x2);
const RECORD_LEN: usize = 4;
// Value of HEAD.
const FC_FEATURES: Le32 = Le32(0x0);
const HEAD_TID: Le32 = Le32(0x4);
const HEAD_LEN: usize = 8;
// Value of TAIL; its checksum covers all records since the last TAIL, and itself up to the checksum.
const TAIL_TID: Le32 = Le32(0x0);
const TAIL_CRC: Le32 = Le32(0x4);
const TAIL_LEN: usize = 8;

// Value of ADD_RANGE: the inode, then an extent as in a tree; of DEL_RANGE: the inode, first block, how many.
const RANGE_INO: Le32 = Le32(0x0);
const EE_BLOCK: Le32 = Le32(0x4);
const EE_LEN: Le16 = Le16(0x8);
const EE_START_HI: Le16 = Le16(0xa);
const EE_START_LO: Le32 = Le32(0xc);
const DEL_LBLK: Le32 = Le32(0x4);
const DEL_LEN: Le32 = Le32(0x8);
/// A longer extent is unwritten, by as much.
const MAX_WRITTEN: u16 = 0x8000;
// Value of CREAT, LINK and UNLINK; the name follows.
const PARENT_INO: Le32 = Le32(0x0);
const DENTRY_INO: Le32 = Le32(0x4);
const NAME: usize = 8;
// Value of INODE; the inode follows, perhaps without its end.
const INODE_INO: Le32 = Le32(0x0);
const RAW_INODE: usize = 4;

const TAG_ADD_RANGE: u16 = 1;
const TAG_DEL_RANGE: u16 = 2;
const TAG_CREAT: u16 = 3;
const TAG_LINK: u16 = 4;
const TAG_UNLINK: u16 = 5;
const TAG_INODE: u16 = 6;
const TAG_PAD: u16 = 7;
const TAG_TAIL: u16 = 8;
const TAG_HEAD: u16 = 9;

/// One change. Blocks of a file are `logical`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    /// These blocks of a file lie here now.
    AddRange { inode: u32, logical: u64, len: u64, physical: u64, written: bool },
    /// These blocks of a file are a hole now.
    DelRange { inode: u32, logical: u64, len: u64 },
    /// A name that is there now, and whether its inode is new.
    Link { parent: u32, inode: u32, name: Vec<u8>, new: bool },
    /// A name that is gone.
    Unlink { parent: u32, inode: u32, name: Vec<u8> },
    /// What the inode says now, but for its map.
    Inode { inode: u32, raw: Vec<u8> },
}

/// The complete fast commits that follow the transaction before `end`: how many, and all their records. No
/// larger than the area. `inode_size`: of the filesystem.
pub(crate) fn pending(
    log: &Log,
    device: &impl BlockRead,
    end: u32,
    inode_size: usize,
) -> Result<(u64, Vec<Record>)> {
    let mut commits = 0;
    let mut records = Vec::new();
    // Records up to here belong to complete commits.
    let mut complete = 0;
    let mut crc = 0;
    'area: for index in log.fast.clone() {
        let block = log.read(device, index)?;
        let object = Object::numbered("journal block", index.into());
        if index == log.fast.start && FC_TAG.get(&block) != TAG_HEAD {
            return Ok((0, records));
        }
        let mut at = 0;
        // A block may hold several commits; records do not cross its end.
        while let Some(record) = block.get(at..).filter(|rest| rest.len() >= RECORD_LEN) {
            let (tag, len) = (FC_TAG.get(record), usize::from(FC_LEN.get(record)));
            let value = record.get(RECORD_LEN..RECORD_LEN + len).filter(|_| valid_len(tag, len, inode_size));
            let Some(value) = value else {
                stop(commits, || {
                    object.corrupt("fast commit record", tag, "a known tag of the right length")
                })?;
                break 'area;
            };
            match tag {
                TAG_HEAD => {
                    let features = FC_FEATURES.get(value);
                    if features != 0 {
                        let what = format!("fast commit features {features:#x}");
                        return Err(Unsupported::new(object, what).into());
                    }
                    if HEAD_TID.get(value) != end {
                        break 'area;
                    }
                    crc = crc32c_raw(crc, &record[..RECORD_LEN + len]);
                }
                TAG_TAIL => {
                    crc = crc32c_raw(crc, &record[..RECORD_LEN + TAIL_CRC.0]);
                    let found = TAIL_CRC.get(value);
                    if TAIL_TID.get(value) != end || found != crc {
                        let right = crc;
                        stop(commits, || object.corrupt("fast commit checksum", hex(found), hex(right)))?;
                        break 'area;
                    }
                    commits += 1;
                    complete = records.len();
                    crc = 0;
                }
                _ => {
                    crc = crc32c_raw(crc, &record[..RECORD_LEN + len]);
                    records.extend(parse(tag, value));
                }
            }
            at += RECORD_LEN + len;
        }
    }
    records.truncate(complete);
    Ok((commits, records))
}

/// What is wrong behind the last complete commit only ends the area; the kernel fails if there is none.
fn stop(commits: u64, error: impl FnOnce() -> block::Error) -> Result<()> {
    if commits == 0 { Err(error()) } else { Ok(()) }
}

/// What a record says; `None` for those that only frame others.
fn parse(tag: u16, value: &[u8]) -> Option<Record> {
    let dentry = || (PARENT_INO.get(value), DENTRY_INO.get(value), value[NAME..].to_vec());
    Some(match tag {
        TAG_ADD_RANGE => {
            let len = EE_LEN.get(value);
            let written = len <= MAX_WRITTEN;
            Record::AddRange {
                inode: RANGE_INO.get(value),
                logical: EE_BLOCK.get(value).into(),
                len: u64::from(if written { len } else { len - MAX_WRITTEN }),
                physical: u64::from(EE_START_HI.get(value)) << 32 | u64::from(EE_START_LO.get(value)),
                written,
            }
        }
        TAG_DEL_RANGE => Record::DelRange {
            inode: RANGE_INO.get(value),
            logical: DEL_LBLK.get(value).into(),
            len: DEL_LEN.get(value).into(),
        },
        TAG_CREAT | TAG_LINK => {
            let (parent, inode, name) = dentry();
            Record::Link { parent, inode, name, new: tag == TAG_CREAT }
        }
        TAG_UNLINK => {
            let (parent, inode, name) = dentry();
            Record::Unlink { parent, inode, name }
        }
        TAG_INODE => Record::Inode { inode: INODE_INO.get(value), raw: value[RAW_INODE..].to_vec() },
        _ => return None,
    })
}

fn valid_len(tag: u16, len: usize, inode_size: usize) -> bool {
    match tag {
        TAG_ADD_RANGE => len == 16,
        TAG_DEL_RANGE => len == 12,
        // CREAT, LINK, UNLINK: parent, inode, name.
        TAG_CREAT..=TAG_UNLINK => (9..=8 + 255).contains(&len),
        TAG_INODE => (4 + 128..=4 + inode_size).contains(&len),
        TAG_PAD => true,
        TAG_TAIL => len >= TAIL_LEN,
        TAG_HEAD => len == HEAD_LEN,
        _ => false,
    }
}
