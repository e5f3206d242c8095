//! Directory blocks from scratch, and the room for one more name in an existing one.

use std::ops::Range;

use block::{BlockRead, Object, Result};

use super::encode_len;
use crate::ext::{
    Ext,
    directory::{
        Dirent, FILE_TYPE, Format, HEADER_LEN, INODE, NAME_LEN, REC_LEN, TAIL_LEN, TAIL_TYPE, entry_len,
    },
};

/// A name to be written, and what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewName {
    pub(super) inode: u32,
    /// file_type, where the filesystem has that.
    pub(super) file_type: u8,
    pub(super) name: Vec<u8>,
}

impl NewName {
    /// The name that an entry in `buf` holds.
    pub(super) fn of(buf: &[u8], dirent: &Dirent) -> Self {
        let raw = &buf[dirent.at..];
        Self { inode: INODE.get(raw), file_type: FILE_TYPE.get(raw), name: buf[dirent.name.clone()].to_vec() }
    }

    /// Bytes that its entry needs.
    pub(super) const fn len(&self) -> usize {
        entry_len(self.name.len())
    }

    /// Writes the entry into all of `slot`; what is left behind the name is zero.
    fn write(&self, format: Format, slot: &mut [u8]) {
        let len = slot.len();
        slot.fill(0);
        INODE.set(slot, self.inode);
        REC_LEN.set(slot, encode_len(format, len));
        NAME_LEN.set(slot, u8::try_from(self.name.len()).expect("names have at most 255 bytes"));
        FILE_TYPE.set(slot, if format.file_type { self.file_type } else { 0 });
        slot[HEADER_LEN..HEADER_LEN + self.name.len()].copy_from_slice(&self.name);
    }
}

/// Where a new entry can go: at the start of a free slot, or behind the name of another entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Room {
    /// Where the entry or slot starts.
    at: usize,
    /// How much of it its own name needs; 0 of a free slot.
    used: usize,
    /// Where it ends.
    end: usize,
}

impl Room {
    /// The room that an entry leaves for one of `len` bytes.
    pub(super) fn behind(dirent: &Dirent, len: usize) -> Option<Self> {
        let used = if dirent.inode == 0 { 0 } else { entry_len(dirent.name.len()) };
        (dirent.len.saturating_sub(used) >= len).then_some(Self {
            at: dirent.at,
            used,
            end: dirent.at + dirent.len,
        })
    }

    /// Puts an entry there.
    pub(super) fn fill(&self, format: Format, buf: &mut [u8], new: &NewName) {
        if self.used > 0 {
            REC_LEN.set(&mut buf[self.at..], encode_len(format, self.used));
        }
        new.write(format, &mut buf[self.at + self.used..self.end]);
    }
}

impl<D: BlockRead> Ext<D> {
    /// Bytes of a leaf that hold entries.
    pub(super) fn leaf_room(&self) -> usize {
        self.layout.block_len() - if self.checksums.metadata() { TAIL_LEN } else { 0 }
    }

    /// A leaf with these names, which must fit; not sealed.
    pub(super) fn pack(&self, names: &[NewName]) -> Vec<u8> {
        let format = self.dirent_format();
        let room = self.leaf_room();
        let mut block = vec![0; self.layout.block_len()];
        let mut at = 0;
        for (index, name) in names.iter().enumerate() {
            let end = if index + 1 == names.len() { room } else { at + name.len() };
            name.write(format, &mut block[at..end]);
            at = end;
        }
        if names.is_empty() {
            REC_LEN.set(&mut block, encode_len(format, room));
        }
        if let Some(tail) = block.get_mut(room..).filter(|tail| !tail.is_empty()) {
            REC_LEN.set(tail, 12);
            FILE_TYPE.set(tail, TAIL_TYPE);
        }
        block
    }

    /// The first room for `len` bytes among the entries of an area.
    pub(super) fn room_in(
        &self,
        buf: &[u8],
        area: Range<usize>,
        object: Object,
        len: usize,
    ) -> Result<Option<Room>> {
        let mut room = None;
        self.dirent_format().parse_all(buf, area, object, "inline data", &mut |dirent| {
            room = room.take().or_else(|| Room::behind(&dirent, len));
            Ok(())
        })?;
        Ok(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = Format { file_type: true, block_len: 1024, inodes: 100 };

    fn dirent(at: usize, len: usize, inode: u64, name: usize) -> Dirent {
        Dirent { at, len, inode, name: at + 8..at + 8 + name, kind: None }
    }

    #[test]
    fn a_name_goes_behind_another_or_into_a_free_slot() {
        assert_eq!(Room::behind(&dirent(0, 24, 5, 4), 16), None);
        assert_eq!(Room::behind(&dirent(0, 28, 5, 4), 16), Some(Room { at: 0, used: 12, end: 28 }));
        assert_eq!(Room::behind(&dirent(8, 16, 0, 9), 16), Some(Room { at: 8, used: 0, end: 24 }));
        let mut buf = [0xEE; 40];
        let new = NewName { inode: 9, file_type: 1, name: b"new".to_vec() };
        Room { at: 4, used: 12, end: 36 }.fill(FORMAT, &mut buf, &new);
        assert_eq!(buf[8..10], [12, 0]);
        assert_eq!(buf[16..28], [9, 0, 0, 0, 20, 0, 3, 1, b'n', b'e', b'w', 0]);
        assert_eq!((&buf[28..36], &buf[36..]), (&[0; 8][..], &[0xEE; 4][..]));
    }
}
