//! Directory blocks: names in the gaps behind entries and in free slots, index entries behind the last one.

use block::{BlockRead, BlockWrite, Result};

use super::wipe;
use crate::ext::{
    Ext,
    directory::{
        DirectoryBlock, Dirent, HEADER_LEN, NAME_LEN, NODE_COUNT, REC_LEN, ROOT_COUNT, ROOT_HASH_VERSION,
        ROOT_RESERVED, TAIL_LEN,
    },
    inode::{Inode, flags},
};

/// Hash and minor hash behind a name, in directories that are encrypted and casefolded.
const HASHES_LEN: usize = 8;
/// Start of a leaf's checksum entry. The kernel leaves it in dt_reserved where a leaf becomes an index.
const LEAF_TAIL: [u8; 4] = [12, 0, 0, 0xDE];

/// Zeroes what an entry holds beyond its name, up to `end`; of a free slot all but its length.
fn wipe_dirent(buf: &mut [u8], dirent: &Dirent, end: usize, hashes: bool) -> u64 {
    if dirent.inode == 0 {
        return wipe(buf, dirent.at + NAME_LEN.0..dirent.at + HEADER_LEN)
            + wipe(buf, dirent.at + HEADER_LEN..end);
    }
    let name = &buf[dirent.name.clone()];
    let mut used = dirent.name.end;
    if hashes && name != b"." && name != b".." {
        // Positions in a block are multiples of 4 where entries start, so rounding up is the same as in the entry.
        let aligned = (dirent.at + (used - dirent.at).next_multiple_of(4)).min(end);
        let padding = wipe(buf, used..aligned);
        used = (aligned + HASHES_LEN).min(end);
        return padding + wipe(buf, used..end);
    }
    wipe(buf, used..end)
}

impl<D: BlockRead> Ext<D> {
    fn has_hashes(directory: &Inode) -> bool {
        directory.has(flags::ENCRYPT) && directory.has(flags::CASEFOLD)
    }

    /// Zeroes the slack of an inline directory's entries, in the inode's own bytes.
    pub(super) fn wipe_inline_directory(&self, inode: &mut Inode) -> Result<u64> {
        let format = self.dirent_format();
        let mut wiped = 0;
        for area in Self::inline_areas(inode)? {
            let mut dirents = Vec::new();
            format.parse_all(&inode.raw, area, inode.object(), "inline data", &mut |dirent| {
                dirents.push(dirent);
                Ok(())
            })?;
            let hashes = Self::has_hashes(inode);
            for dirent in dirents {
                wiped += wipe_dirent(&mut inode.raw, &dirent, dirent.at + dirent.len, hashes);
            }
        }
        Ok(wiped)
    }

    fn wipe_directory_block(&self, inode: &Inode, block: &mut DirectoryBlock) -> Result<u64> {
        let index = self.index_of(inode, block.kind, &block.data)?;
        let mut dirents = Vec::new();
        self.dirents(inode, block, &mut |dirent| {
            dirents.push(dirent);
            Ok(())
        })?;
        let hashes = Self::has_hashes(inode);
        let mut wiped = 0;
        for dirent in dirents {
            let mut end = dirent.at + dirent.len;
            if let Some(index) = index {
                // In a root, `..` only seems to fill the block.
                debug_assert_eq!(index.at, ROOT_COUNT);
                end = end.min(ROOT_RESERVED.0);
            }
            wiped += wipe_dirent(&mut block.data, &dirent, end, hashes);
        }
        let checksum = self.checksums.metadata();
        let data = &mut block.data;
        let Some(index) = index else {
            if checksum {
                let name_len = data.len() - TAIL_LEN + NAME_LEN.0;
                wiped += wipe(data, name_len..name_len + 1);
            }
            return Ok(wiped);
        };
        wiped += wipe(data, index.end()..index.tail());
        if index.at == NODE_COUNT {
            // The entry without a name that fills the block.
            wiped += wipe(data, 0..REC_LEN.0) + wipe(data, NAME_LEN.0..HEADER_LEN);
        } else {
            wiped += wipe(data, ROOT_RESERVED.0..ROOT_HASH_VERSION.0);
        }
        let reserved = index.tail()..index.tail() + 4;
        if checksum && data[reserved.clone()] != LEAF_TAIL {
            wiped += wipe(data, reserved);
        }
        Ok(wiped)
    }
}

impl<D: BlockWrite> Ext<D> {
    pub(super) fn scrub_directory(&mut self, inode: &Inode) -> Result<u64> {
        let mut wiped = 0;
        let mut walk = self.walk_directory(inode)?;
        while let Some(place) = walk.next(self, inode)? {
            let mut block = self.read_directory_block(inode, place)?;
            let dirty = self.wipe_directory_block(inode, &mut block)?;
            if dirty > 0 {
                self.seal_directory_block(inode, block.kind, &mut block.data)?;
                self.write_block(block.physical, &block.data)?;
                wiped += dirty;
            }
        }
        Ok(wiped)
    }
}
