//! The content of files and the targets of symbolic links.

use block::{BlockRead, Extent, Object, Result, Unsupported, to_u64, to_usize};

use super::{
    Ext,
    inode::{Inode, flags},
    map::Mapped,
};
use crate::{FileKind, names};

/// Bytes of inline data in i_block; the rest is an xattr's value.
pub(crate) const INLINE_HEAD: usize = 60;

impl<D: BlockRead> Ext<D> {
    /// Inline content up to i_size, or to the end of the space for it. The rest of the file is a hole.
    fn inline_content(&self, inode: &Inode) -> Result<Vec<u8>> {
        self.check_size(inode)?;
        let mut data = inode.block().to_vec();
        data.extend_from_slice(&inode.raw[inode.inline_rest()?]);
        data.truncate(to_usize(inode.size().min(to_u64(data.len()))));
        Ok(data)
    }

    /// Reads blocks of the file from byte `offset` on into all of `buf`; holes and unwritten extents are zero.
    fn read_mapped(&self, inode: &Inode, offset: u64, buf: &mut [u8]) -> Result<()> {
        buf.fill(0);
        let size = self.layout.block_size;
        let end = offset + to_u64(buf.len());
        self.map_range(inode, offset / size..end.div_ceil(size), &mut |mapped| {
            let Mapped::Data { logical, physical, count, written: true } = mapped else { return Ok(()) };
            let from = (logical * size).max(offset);
            let to = ((logical + count) * size).min(end);
            let target = &mut buf[to_usize(from - offset)..to_usize(to - offset)];
            let place = physical * size + (from - logical * size);
            self.device.read_object(Object::numbered("content of inode", inode.number), place, target)
        })
    }

    fn refuse_encrypted(inode: &Inode) -> Result<()> {
        if inode.has(flags::ENCRYPT) {
            return Err(Unsupported::new(inode.object(), "reading encrypted content (fscrypt)").into());
        }
        Ok(())
    }

    /// See [`Filesystem::read`](crate::Filesystem::read).
    pub(crate) fn read_file(&self, inode: &Inode, offset: u64, buf: &mut [u8]) -> Result<usize> {
        if inode.kind() != Some(FileKind::File) {
            return Err(Unsupported::new(inode.object(), "reading other than a regular file").into());
        }
        Self::refuse_encrypted(inode)?;
        let size = inode.size();
        let len = to_usize(size.saturating_sub(offset).min(to_u64(buf.len())));
        if len == 0 {
            return Ok(0);
        }
        if inode.has(flags::INLINE_DATA) {
            let data = self.inline_content(inode)?;
            let data = &data[to_usize(offset.min(to_u64(data.len())))..];
            let stored = len.min(data.len());
            buf[..stored].copy_from_slice(&data[..stored]);
            buf[stored..len].fill(0);
        } else {
            self.check_size(inode)?;
            self.read_mapped(inode, offset, &mut buf[..len])?;
        }
        Ok(len)
    }

    /// See [`Filesystem::extents`](crate::Filesystem::extents).
    pub(crate) fn visit_extents(
        &self,
        inode: &Inode,
        visit: &mut dyn FnMut(u64, Extent) -> Result<()>,
    ) -> Result<()> {
        if inode.kind() != Some(FileKind::File) {
            return Err(Unsupported::new(inode.object(), "mapping other than a regular file").into());
        }
        self.check_size(inode)?;
        let (file, size) = (inode.size(), self.layout.block_size);
        self.map_range(inode, 0..file.div_ceil(size), &mut |mapped| {
            let Mapped::Data { logical, physical, count, written: true } = mapped else { return Ok(()) };
            let start = logical * size;
            visit(start, Extent { start: physical * size, len: (count * size).min(file - start) })
        })
    }

    /// No file is longer than 2^32 blocks of it, and no symbolic link as long as one block or the space for it in its
    /// inode. A file may be: `mke2fs -d` makes such of zeros, and e2fsck lets them be.
    pub(crate) fn check_size(&self, inode: &Inode) -> Result<()> {
        let (size, block) = (inode.size(), self.layout.block_size);
        let corrupt = |expected| Err(inode.object().corrupt("i_size", size, expected));
        if inode.has(flags::INLINE_DATA) && inode.kind() != Some(FileKind::File) {
            let space = INLINE_HEAD + inode.inline_rest()?.len();
            if size > to_u64(space) {
                return corrupt(format!("at most the {space} bytes of inline data"));
            }
        }
        if inode.kind() == Some(FileKind::Symlink) {
            if size == 0 || size >= block {
                return corrupt(format!("1 to {}", block - 1));
            }
        } else if size > block << 32 {
            return corrupt(format!("at most {}", block << 32));
        }
        Ok(())
    }

    /// See [`Filesystem::link_target`](crate::Filesystem::link_target).
    pub(crate) fn read_link(&self, inode: &Inode) -> Result<Vec<u8>> {
        if inode.kind() != Some(FileKind::Symlink) {
            return Err(
                Unsupported::new(inode.object(), "reading the target of what is no symbolic link").into()
            );
        }
        Self::refuse_encrypted(inode)?;
        self.check_size(inode)?;
        if inode.has(flags::INLINE_DATA) {
            return names::target(inode.object(), self.inline_content(inode)?);
        }
        let size = to_usize(inode.size());
        if inode.is_fast_symlink() {
            return names::target(inode.object(), inode.block()[..size].to_vec());
        }
        let mut target = vec![0; size];
        self.read_mapped(inode, 0, &mut target)?;
        names::target(inode.object(), target)
    }
}
