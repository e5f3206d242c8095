//! Finds a name in a directory and takes it out, leaving no byte of it.
//!
//! A hash index stays as it is: an empty leaf is legal, and the index holds hashes, not names.

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use block::{BlockRead, BlockWrite, Result, field::Le32};

use crate::ext::{
    Ext,
    directory::{DirectoryBlock, Dirent, FILE_TYPE, Format, HEADER_LEN, INODE, NAME_LEN, REC_LEN},
    inode::{Inode, flags},
};

/// A name that was found, and where.
#[derive(Debug)]
pub(crate) struct Name {
    dirent: Dirent,
    /// Where the entry before it in the same area starts.
    previous: Option<usize>,
    /// The block that holds it; `None` if it lies in the inode.
    block: Option<DirectoryBlock>,
}

impl Name {
    /// What it names.
    pub(crate) const fn inode(&self) -> u64 {
        self.dirent.inode
    }
}

/// Where in which directory a name was found last, so that emptying a large one does not always start at its
/// front. Only ever a hint.
#[derive(Debug, Default)]
pub(in crate::ext) struct Hint(AtomicU64);

impl Hint {
    /// The block of the directory to start with.
    fn get(&self, directory: u64) -> u64 {
        let hint = self.0.load(Ordering::Relaxed);
        if hint >> 32 == directory { hint & u64::from(u32::MAX) } else { 0 }
    }

    fn set(&self, directory: u64, logical: u64) {
        // Inode numbers and blocks of a directory have 32 bits.
        self.0.store(directory << 32 | logical & u64::from(u32::MAX), Ordering::Relaxed);
    }
}

/// Looks for one name in the entries of an area, one call an entry.
struct Search<'a> {
    name: &'a [u8],
    previous: Option<usize>,
    found: Option<(Dirent, Option<usize>)>,
}

impl Search<'_> {
    fn look(&mut self, buf: &[u8], dirent: Dirent) {
        let at = dirent.at;
        if self.found.is_none() && dirent.inode != 0 && buf[dirent.name.clone()] == *self.name {
            self.found = Some((dirent, self.previous));
        }
        self.previous = Some(at);
    }
}

/// rec_len on disk: blocks of 64 KiB carry the high bits in the low ones.
pub(crate) fn encode_len(format: Format, len: usize) -> u16 {
    if len == 65536 {
        return u16::MAX;
    }
    debug_assert!(len < format.block_len || format.block_len < 65536);
    u16::try_from(len).expect("an entry is no longer than its block, which is below 64 KiB")
}

/// Takes an entry out of `buf`: the one before it grows over it; without one, it becomes a free slot.
fn strike(format: Format, buf: &mut [u8], dirent: &Dirent, previous: Option<usize>) {
    let all: Range<usize> = dirent.at..dirent.at + dirent.len;
    if let Some(at) = previous {
        let entry = &mut buf[at..];
        let len = format.rec_len(REC_LEN.get(entry)) + dirent.len;
        REC_LEN.set(entry, encode_len(format, len));
        buf[all].fill(0);
    } else {
        let entry = &mut buf[all];
        INODE.set(entry, 0);
        NAME_LEN.set(entry, 0);
        FILE_TYPE.set(entry, 0);
        entry[HEADER_LEN..].fill(0);
    }
}

impl<D: BlockRead> Ext<D> {
    /// Where a directory holds this name. `..` can be asked for, but not of an inline directory.
    pub(crate) fn find_name(&self, directory: &Inode, name: &[u8]) -> Result<Option<Name>> {
        let mut search = Search { name, previous: None, found: None };
        if directory.has(flags::INLINE_DATA) {
            let format = self.dirent_format();
            for area in Self::inline_areas(directory)? {
                search.previous = None;
                format.parse_all(&directory.raw, area, directory.object(), "inline data", &mut |dirent| {
                    search.look(&directory.raw, dirent);
                    Ok(())
                })?;
            }
            return Ok(search.found.map(|(dirent, previous)| Name { dirent, previous, block: None }));
        }
        // Neighbours are often looked for one after the other, so start where the last name was.
        let start = self.last_name.get(directory.number);
        let mut walk = self.walk_directory(directory)?;
        walk.go_to(start);
        let mut wrapped = start == 0;
        loop {
            let place = walk.next(self, directory)?;
            let Some(place) = place.filter(|place| !wrapped || start == 0 || place.logical < start) else {
                if wrapped {
                    return Ok(None);
                }
                wrapped = true;
                walk.go_to(0);
                continue;
            };
            let block = self.read_directory_block(directory, place)?;
            search.previous = None;
            self.dirents(directory, &block, &mut |dirent| {
                search.look(&block.data, dirent);
                Ok(())
            })?;
            if let Some((dirent, previous)) = search.found.take() {
                if name != b".." {
                    self.last_name.set(directory.number, place.logical);
                }
                return Ok(Some(Name { dirent, previous, block: Some(block) }));
            }
        }
    }

    /// The number of the directory that holds this one, by its own `..`.
    pub(crate) fn parent_of(&self, directory: &Inode) -> Result<u64> {
        if directory.has(flags::INLINE_DATA) {
            return Ok(u64::from(Le32(0).get(directory.block())));
        }
        match self.find_name(directory, b"..")? {
            Some(name) => Ok(name.inode()),
            None => Err(directory.object().corrupt("directory", "without ..", "an entry of that name")),
        }
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Takes a name out of a directory, which must not have changed since it was found.
    pub(crate) fn strike_name(&mut self, directory: &mut Inode, name: Name) -> Result<()> {
        let format = self.dirent_format();
        match name.block {
            None => {
                strike(format, &mut directory.raw, &name.dirent, name.previous);
                self.write_inode(directory)
            }
            Some(mut block) => {
                strike(format, &mut block.data, &name.dirent, name.previous);
                self.seal_directory_block(directory, block.kind, &mut block.data)?;
                self.write_block(block.physical, &block.data)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use block::field::Le16;

    use super::*;

    fn entry(inode: u32, len: u16, name: &[u8]) -> Vec<u8> {
        let mut raw = vec![0xEE; len.into()];
        INODE.set(&mut raw, inode);
        REC_LEN.set(&mut raw, len);
        NAME_LEN.set(&mut raw, u8::try_from(name.len()).unwrap());
        FILE_TYPE.set(&mut raw, 1);
        raw[HEADER_LEN..HEADER_LEN + name.len()].copy_from_slice(name);
        raw
    }

    fn dirent(at: usize, len: usize) -> Dirent {
        Dirent { at, len, inode: 12, name: at + 8..at + 11, kind: None }
    }

    const FORMAT: Format = Format { file_type: true, block_len: 1024, inodes: 100 };

    #[test]
    fn the_entry_before_grows_and_no_byte_is_left() {
        let mut buf = [entry(12, 16, b"one"), entry(13, 24, b"two")].concat();
        strike(FORMAT, &mut buf, &dirent(16, 24), Some(0));
        assert_eq!(buf[..4], entry(12, 40, b"one")[..4]);
        assert_eq!(Le16(4).get(&buf), 40);
        assert_eq!(buf[16..], [0; 24]);
    }

    #[test]
    fn the_first_entry_becomes_a_free_slot() {
        let mut buf = [entry(12, 16, b"one"), entry(13, 24, b"two")].concat();
        strike(FORMAT, &mut buf, &dirent(0, 16), None);
        assert_eq!(buf[..16], [0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(buf[16..], entry(13, 24, b"two"));
    }

    #[test]
    fn a_length_of_64_kib_has_its_own_code() {
        let format = Format { block_len: 65536, ..FORMAT };
        for len in [12, 4096, 65532, 65536] {
            assert_eq!(format.rec_len(encode_len(format, len)), len);
        }
    }
}
