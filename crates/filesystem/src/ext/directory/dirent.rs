//! Directory entries: one after the other, each as long as it says, together as long as their area.
//!
//! Kernel `Documentation/filesystems/ext4/directory.rst`. Parsing checks what the kernel checks.

use std::ops::Range;

use block::{
    Object, Result,
    field::{Le16, Le32, U8},
};

use crate::FileKind;

/// inode: 0 for a slot without a name.
pub(crate) const INODE: Le32 = Le32(0);
/// rec_len; see [`Format::rec_len`] for what it means.
pub(crate) const REC_LEN: Le16 = Le16(4);
/// name_len, and file_type in the second byte where the filesystem has that.
pub(crate) const NAME_LEN: U8 = U8(6);
/// file_type, or the high byte of name_len.
pub(crate) const FILE_TYPE: U8 = U8(7);
/// Bytes before the name.
pub(crate) const HEADER_LEN: usize = 8;
/// The shortest entry that holds a name.
const MIN_LEN: usize = 12;

/// What of the format depends on the filesystem.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    /// Entries have a file_type.
    pub(crate) file_type: bool,
    /// Bytes of a block.
    pub(crate) block_len: usize,
    /// Inodes of the filesystem.
    pub(crate) inodes: u64,
}

/// One entry: where it lies in its buffer, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dirent {
    /// First byte.
    pub(crate) at: usize,
    /// Length up to the next entry.
    pub(crate) len: usize,
    /// The inode; 0 if the slot is free.
    pub(crate) inode: u64,
    /// Where the name lies; whatever it holds if the slot is free.
    pub(crate) name: Range<usize>,
    /// By file_type; `None` if that says nothing.
    pub(crate) kind: Option<FileKind>,
}

impl Format {
    /// Bytes of an entry: blocks of 64 KiB need more than 16 bits, so two low bits carry the high ones.
    pub(crate) fn rec_len(&self, raw: u16) -> usize {
        let raw = usize::from(raw);
        if self.block_len < 65536 {
            return raw;
        }
        if raw == 0xFFFF || raw == 0 { self.block_len } else { (raw & 0xFFFC) | (raw & 3) << 16 }
    }

    /// The entry at `at` of an area that ends at `end`.
    pub(crate) fn parse(
        &self,
        buf: &[u8],
        at: usize,
        end: usize,
        directory: Object,
        place: &str,
    ) -> Result<Dirent> {
        let bad = |field, found: &dyn std::fmt::Display, expected: String| {
            Err(directory.corrupt(field, format!("{found} ({place}, byte {at})"), expected))
        };
        let room = end.saturating_sub(at);
        let Some(raw) = buf.get(at..at + HEADER_LEN).filter(|_| room >= HEADER_LEN) else {
            return bad("directory entry", &"cut off", "8 bytes or more".to_owned());
        };
        let len = self.rec_len(REC_LEN.get(raw));
        if len < MIN_LEN || !len.is_multiple_of(4) || len > room {
            return bad("directory entry length", &len, format!("a multiple of 4 from {MIN_LEN} to {room}"));
        }
        let inode = u64::from(INODE.get(raw));
        if inode > self.inodes {
            return bad("directory entry's inode", &inode, format!("at most {}", self.inodes));
        }
        if self.file_type && inode != 0 && FILE_TYPE.get(raw) > LAST_TYPE {
            return bad("directory entry's file_type", &FILE_TYPE.get(raw), format!("0 to {LAST_TYPE}"));
        }
        let low = usize::from(NAME_LEN.get(raw));
        let kind = FILE_TYPE.get(raw);
        let name_len = if self.file_type { low } else { low | usize::from(kind) << 8 };
        let limit = (len - HEADER_LEN).min(255);
        if name_len > limit && inode != 0 {
            return bad("directory entry's name length", &name_len, format!("at most {limit}"));
        }
        let name = at + HEADER_LEN..at + HEADER_LEN + name_len.min(limit);
        let kind = if self.file_type { kind_of(kind) } else { None };
        Ok(Dirent { at, len, inode, name, kind })
    }

    /// All entries of `area`, in their order.
    pub(crate) fn parse_all(
        &self,
        buf: &[u8],
        area: Range<usize>,
        directory: Object,
        place: &str,
        visit: &mut dyn FnMut(Dirent) -> Result<()>,
    ) -> Result<()> {
        let mut at = area.start;
        while at < area.end {
            let dirent = self.parse(buf, at, area.end, directory, place)?;
            at += dirent.len;
            visit(dirent)?;
        }
        Ok(())
    }
}

/// The last file_type: 0 says nothing.
const LAST_TYPE: u8 = 7;

/// file_type to kind.
fn kind_of(file_type: u8) -> Option<FileKind> {
    Some(match file_type {
        1 => FileKind::File,
        2 => FileKind::Directory,
        3 => FileKind::CharDevice,
        4 => FileKind::BlockDevice,
        5 => FileKind::Fifo,
        6 => FileKind::Socket,
        7 => FileKind::Symlink,
        _ => return None,
    })
}

/// kind to file_type.
pub(crate) const fn type_of(kind: FileKind) -> u8 {
    match kind {
        FileKind::File => 1,
        FileKind::Directory => 2,
        FileKind::CharDevice => 3,
        FileKind::BlockDevice => 4,
        FileKind::Fifo => 5,
        FileKind::Socket => 6,
        FileKind::Symlink => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_64_kib_blocks() {
        let format = Format { file_type: true, block_len: 65536, inodes: 100 };
        assert_eq!(format.rec_len(0xFFFF), 65536);
        assert_eq!(format.rec_len(0), 65536);
        assert_eq!(format.rec_len(12), 12);
        assert_eq!(format.rec_len(0xFFF4), 65524);
    }

    #[test]
    fn an_entry_that_leaves_its_block_is_corrupt() {
        let format = Format { file_type: true, block_len: 1024, inodes: 100 };
        let mut block = vec![0; 1024];
        INODE.set(&mut block, 12);
        REC_LEN.set(&mut block, 1028);
        let error = format.parse(&block, 0, 1024, Object::numbered("inode", 2), "block 0").unwrap_err();
        assert_eq!(
            error.to_string(),
            "inode 2: directory entry length is 1028 (block 0, byte 0), expected a multiple of 4 from 12 to 1024"
        );
    }
}
