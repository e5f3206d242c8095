//! Directories: what lies behind names, in free slots, in the padding of the hash index.

use block::{BlockRead, Result};

use crate::{
    ext::{
        Ext,
        directory::{
            DirectoryBlock, Dirent, HEADER_LEN, Index, NAME_LEN, REC_LEN, ROOT_COUNT, ROOT_HASH_VERSION,
            ROOT_RESERVED, TAIL_LEN,
        },
        inode::{Inode, flags},
    },
    tails::{Tail, Visit, gap},
};

/// Hash and minor hash behind a name, in directories that are encrypted and casefolded.
const HASHES_LEN: usize = 8;
/// det_reserved_name_len of a leaf's checksum entry.
const TAIL_NAME_LEN: usize = 6;
/// dt_reserved of an index's checksum.
const INDEX_TAIL_RESERVED: usize = 4;
/// What the kernel leaves there of a leaf's checksum entry, the same in every leaf.
const LEAF_TAIL: [u8; INDEX_TAIL_RESERVED] = [12, 0, 0, 0xDE];

impl<D: BlockRead> Ext<D> {
    pub(super) fn directory_tails(&self, inode: &Inode, visit: &mut Visit<'_>) -> Result<()> {
        let mut walk = self.walk_directory(inode)?;
        while let Some(place) = walk.next(self, inode)? {
            let block = self.read_directory_block(inode, place)?;
            let start = block.physical * self.layout.block_size;
            match self.index_of(inode, block.kind, &block.data)? {
                None => self.leaf_tails(inode, &block, start, visit)?,
                Some(index) => self.index_tails(inode, &block, index, start, visit)?,
            }
        }
        Ok(())
    }

    fn leaf_tails(
        &self,
        inode: &Inode,
        block: &DirectoryBlock,
        start: u64,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let data = &block.data;
        self.dirents(inode, block, &mut |dirent| {
            dirent_tails(inode, data, &dirent, dirent.at + dirent.len, start, visit)
        })?;
        if self.checksums.metadata() {
            let at = data.len() - TAIL_LEN + TAIL_NAME_LEN;
            gap(data, at..at + 1, start, Tail::Directory, visit)?;
        }
        Ok(())
    }

    /// The top or an interior node of a hash index.
    fn index_tails(
        &self,
        inode: &Inode,
        block: &DirectoryBlock,
        index: Index,
        start: u64,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let data = &block.data;
        let mut unused = |range| gap(data, range, start, Tail::Directory, visit);
        if index.at == ROOT_COUNT {
            unused(ROOT_RESERVED.0..ROOT_HASH_VERSION.0)?;
        } else {
            // An entry without a name fills the block.
            unused(0..REC_LEN.0)?;
            unused(NAME_LEN.0..HEADER_LEN)?;
        }
        unused(index.end()..index.tail())?;
        let reserved = index.tail()..index.tail() + INDEX_TAIL_RESERVED;
        if self.checksums.metadata() && data[reserved.clone()] != LEAF_TAIL {
            unused(reserved)?;
        }
        self.dirents(inode, block, &mut |dirent| {
            // `..` only seems to fill the block.
            let end = (dirent.at + dirent.len).min(ROOT_RESERVED.0);
            dirent_tails(inode, data, &dirent, end, start, visit)
        })
    }

    pub(super) fn inline_directory_tails(&self, inode: &Inode, visit: &mut Visit<'_>) -> Result<()> {
        let format = self.dirent_format();
        for area in Self::inline_areas(inode)? {
            format.parse_all(&inode.raw, area, inode.object(), "inline data", &mut |dirent| {
                dirent_tails(inode, &inode.raw, &dirent, dirent.at + dirent.len, inode.offset, visit)
            })?;
        }
        Ok(())
    }
}

/// What an entry that ends at `end` has beyond its name; a free one beyond its length.
fn dirent_tails(
    inode: &Inode,
    data: &[u8],
    dirent: &Dirent,
    end: usize,
    start: u64,
    visit: &mut Visit<'_>,
) -> Result<()> {
    let mut unused = |range| gap(data, range, start, Tail::Directory, visit);
    if dirent.inode == 0 {
        return unused(dirent.at + NAME_LEN.0..end);
    }
    let name = &data[dirent.name.clone()];
    let hashed = inode.has(flags::ENCRYPT) && inode.has(flags::CASEFOLD) && name != b"." && name != b"..";
    if !hashed {
        return unused(dirent.name.end..end);
    }
    let hashes = dirent.at + (dirent.name.end - dirent.at).next_multiple_of(4);
    unused(dirent.name.end..hashes.min(end))?;
    unused((hashes + HASHES_LEN).min(end)..end)
}
