//! The fast commit area: small logical changes (names, extents, inodes) committed after the last full
//! transaction.
//!
//! They are never ignored: what the kernel would replay is either replayed or refused. Which ones count is
//! decided as the kernel decides it (fs/ext4/fast_commit.c): the area starts with a HEAD of the transaction
//! behind the last full one, and each commit ends with a TAIL whose checksum is right.

use block::{
    BlockRead, Object, Result, Unsupported,
    field::{Le16, Le32},
};

use super::log::{Log, hex};
use crate::ext::checksum::crc32c_raw;

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

const TAG_ADD_RANGE: u16 = 1;
const TAG_DEL_RANGE: u16 = 2;
const TAG_CREAT: u16 = 3;
const TAG_UNLINK: u16 = 5;
const TAG_INODE: u16 = 6;
const TAG_PAD: u16 = 7;
const TAG_TAIL: u16 = 8;
const TAG_HEAD: u16 = 9;

/// Counts the complete fast commits that follow the transaction before `end`. `inode_size`: of the filesystem.
pub(crate) fn pending(log: &Log, device: &impl BlockRead, end: u32, inode_size: usize) -> Result<u64> {
    let mut commits = 0;
    let mut crc = 0;
    for index in log.fast.clone() {
        let block = log.read(device, index)?;
        let object = Object::numbered("journal block", index.into());
        if index == log.fast.start && FC_TAG.get(&block) != TAG_HEAD {
            return Ok(0);
        }
        let mut at = 0;
        // A block may hold several commits; records do not cross its end.
        while let Some(record) = block.get(at..).filter(|rest| rest.len() >= RECORD_LEN) {
            let (tag, len) = (FC_TAG.get(record), usize::from(FC_LEN.get(record)));
            let value = record.get(RECORD_LEN..RECORD_LEN + len).filter(|_| valid_len(tag, len, inode_size));
            let Some(value) = value else {
                return stop(commits, || {
                    object.corrupt("fast commit record", tag, "a known tag of the right length")
                });
            };
            match tag {
                TAG_HEAD => {
                    let features = FC_FEATURES.get(value);
                    if features != 0 {
                        let what = format!("fast commit features {features:#x}");
                        return Err(Unsupported::new(object, what).into());
                    }
                    if HEAD_TID.get(value) != end {
                        return Ok(commits);
                    }
                    crc = crc32c_raw(crc, &record[..RECORD_LEN + len]);
                }
                TAG_TAIL => {
                    crc = crc32c_raw(crc, &record[..RECORD_LEN + TAIL_CRC.0]);
                    let found = TAIL_CRC.get(value);
                    if TAIL_TID.get(value) != end || found != crc {
                        let right = crc;
                        return stop(commits, || {
                            object.corrupt("fast commit checksum", hex(found), hex(right))
                        });
                    }
                    commits += 1;
                    crc = 0;
                }
                _ => crc = crc32c_raw(crc, &record[..RECORD_LEN + len]),
            }
            at += RECORD_LEN + len;
        }
    }
    Ok(commits)
}

/// What is wrong behind the last complete commit only ends the area; the kernel fails if there is none.
fn stop(commits: u64, error: impl FnOnce() -> block::Error) -> Result<u64> {
    if commits == 0 { Err(error()) } else { Ok(commits) }
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
