//! The content of files and the targets of symbolic links.

use block::{BlockRead, Extent, Object, Result, Unsupported, to_u64, to_usize};

use super::{
    Xfs, checksum,
    format::{inode::format, symlink},
    geometry::{FsBlock, Geometry},
    group::{expect, expect_magic},
    inode::{Fork, Inode},
    map::Mapped,
};
use crate::{FileKind, names};

/// An extent of a long symbolic link.
pub(crate) struct LinkPart<'a> {
    /// Its first block.
    pub(crate) block: FsBlock,
    /// All its bytes.
    pub(crate) raw: &'a [u8],
    /// How many of them are in use: header and target.
    pub(crate) used: usize,
}

impl<D: BlockRead> Xfs<D> {
    fn expect_file(inode: &Inode) -> Result<()> {
        if inode.kind() == Some(FileKind::File) {
            return Ok(());
        }
        Err(Unsupported::new(inode.object(), "reading other than a regular file").into())
    }

    /// See [`Filesystem::read`](crate::Filesystem::read).
    pub(crate) fn read_file(&self, inode: &Inode, offset: u64, buf: &mut [u8]) -> Result<usize> {
        Self::expect_file(inode)?;
        let len = to_usize(inode.size().saturating_sub(offset).min(to_u64(buf.len())));
        let buf = &mut buf[..len];
        buf.fill(0);
        if len == 0 {
            return Ok(0);
        }
        let size = self.geometry.block_size;
        let end = offset + to_u64(len);
        self.map_range(inode, Fork::Data, offset / size..end.div_ceil(size), &mut |mapped| {
            let Mapped::Extent(mapping) = mapped else { return Ok(()) };
            if !mapping.written {
                return Ok(());
            }
            // In blocks, as the bytes of a hostile extent need not fit in 64 bits.
            let first = mapping.logical.max(offset / size);
            let last = mapping.end().min(end.div_ceil(size));
            let (from, to) = ((first * size).max(offset), (last * size).min(end));
            let place = self.geometry.offset(mapping.start)
                + (first - mapping.logical) * size
                + (from - first * size);
            let target = &mut buf[to_usize(from - offset)..to_usize(to - offset)];
            self.device.read_object(Object::numbered("content of inode", inode.number.0), place, target)
        })?;
        Ok(len)
    }

    /// See [`Filesystem::extents`](crate::Filesystem::extents).
    pub(crate) fn visit_extents(
        &self,
        inode: &Inode,
        visit: &mut dyn FnMut(u64, Extent) -> Result<()>,
    ) -> Result<()> {
        Self::expect_file(inode)?;
        let (file, size) = (inode.size(), self.geometry.block_size);
        self.map_range(inode, Fork::Data, 0..file.div_ceil(size), &mut |mapped| {
            let Mapped::Extent(mapping) = mapped else { return Ok(()) };
            if !mapping.written {
                return Ok(());
            }
            let start = mapping.logical * size;
            let place = self.geometry.extent(mapping.start, mapping.count);
            visit(start, Extent { start: place.start, len: place.len.min(file - start) })
        })
    }

    /// See [`Filesystem::link_target`](crate::Filesystem::link_target).
    pub(crate) fn read_link(&self, inode: &Inode) -> Result<Vec<u8>> {
        if inode.kind() != Some(FileKind::Symlink) {
            let what = "reading the target of what is no symbolic link";
            return Err(Unsupported::new(inode.object(), what).into());
        }
        let size = inode.size();
        if size == 0 || size > symlink::MAX_LEN {
            return Err(inode.object().corrupt("di_size", size, format!("1 to {}", symlink::MAX_LEN)));
        }
        if inode.fork_format(Fork::Data) == format::LOCAL {
            let area = &inode.raw[inode.fork(Fork::Data)];
            return names::target(inode.object(), area[..to_usize(size)].to_vec());
        }
        let mut target = Vec::new();
        self.link_blocks(inode, &mut |part| {
            target.extend_from_slice(&part.raw[symlink::header_len(self.geometry.v5)..part.used]);
            Ok(())
        })?;
        names::target(inode.object(), target)
    }

    /// The extents of a long target, in order. Version 5 has one header for each, not for each block
    /// (`xfs_symlink_remote.c`).
    pub(crate) fn link_blocks(
        &self,
        inode: &Inode,
        visit: &mut dyn FnMut(LinkPart<'_>) -> Result<()>,
    ) -> Result<()> {
        let v5 = self.geometry.v5;
        let head = symlink::header_len(v5);
        let size = to_usize(inode.size().min(symlink::MAX_LEN));
        // As many as if each block had a header.
        let blocks = to_u64(size.div_ceil(self.geometry.block_len() - head));
        let (mut at, mut next) = (0, 0);
        self.map_range(inode, Fork::Data, 0..blocks, &mut |mapped| {
            let Mapped::Extent(mapping) = mapped else { return Ok(()) };
            if mapping.logical != next || !mapping.written || mapping.end() > blocks {
                let found = format!("blocks {} to {}", mapping.logical, mapping.end());
                return Err(inode.object().corrupt(
                    "extent of a symbolic link",
                    found,
                    format!("{blocks} blocks"),
                ));
            }
            next = mapping.end();
            let raw = self.read_blocks(mapping.start, mapping.count)?;
            let len = (raw.len() - head).min(size - at);
            if v5 {
                self.check_link_block(inode, mapping.start, &raw, at, len)?;
            }
            visit(LinkPart { block: mapping.start, raw: &raw, used: head + len })?;
            at += len;
            Ok(())
        })?;
        if at == size {
            return Ok(());
        }
        Err(inode.object().corrupt("length of its target", at, size))
    }

    fn check_link_block(
        &self,
        inode: &Inode,
        block: FsBlock,
        raw: &[u8],
        at: usize,
        len: usize,
    ) -> Result<()> {
        let object: Object = Geometry::block_object("symlink block", block);
        expect_magic(object, symlink::MAGIC.get(raw), symlink::MAGIC_VALUE)?;
        checksum::check(raw, symlink::CRC, object)?;
        self.expect_uuid(object, raw, symlink::UUID)?;
        expect(object, "sl_owner", symlink::OWNER.get(raw), inode.number.0)?;
        expect(object, "sl_blkno", symlink::BLKNO.get(raw), self.geometry.daddr(block))?;
        expect(object, "sl_offset", symlink::OFFSET.get(raw), to_u64(at))?;
        expect(object, "sl_bytes", symlink::BYTES.get(raw), to_u64(len))
    }
}
