//! Inodes: what lies behind their fields, between their xattrs, and in the unused part of i_block.

use block::{BlockRead, BlockWrite, Result, to_usize};

use super::{extent, wipe, wipe_gaps, xattr};
use crate::{
    FileKind, InodeId,
    ext::{
        Ext,
        content::INLINE_HEAD,
        inode::{self, Inode, flags},
        map::{DEPTH, Mapped},
        superblock as sb,
    },
};

impl<D: BlockRead> Ext<D> {
    /// Whether a live inode may reach further metadata: blocks of a map or of a directory, or an xattr block.
    pub(super) fn has_more(inode: &Inode) -> bool {
        let tree = inode.has(flags::EXTENTS) && inode.has_map() && DEPTH.get(inode.block()) > 0;
        tree || inode.kind() == Some(FileKind::Directory) || inode.xattr_block() != 0
    }

    /// Zeroes all that the inode itself holds and does not use, in `inode` alone.
    pub(super) fn wipe_inode(&self, inode: &mut Inode) -> Result<u64> {
        Ok(self.wipe_fields(inode) + Self::wipe_body(inode)? + self.wipe_block(inode)?)
    }

    /// Zeroes fields that nothing uses: i_obso_faddr, l_i_reserved, and what i_extra_isize counts beyond the last
    /// field that is known.
    fn wipe_fields(&self, inode: &mut Inode) -> u64 {
        let end = inode.xattr_start();
        // The Hurd has another field in the place of l_i_reserved.
        let linux = sb::CREATOR_OS.get(self.superblock.bytes()) == sb::OS_LINUX;
        let reserved = if linux { inode::RESERVED.0..inode::RESERVED.0 + 2 } else { 0..0 };
        let faddr = inode::OBSO_FADDR.0..inode::OBSO_FADDR.0 + 4;
        let extra = inode::FIELDS_END.min(end)..end;
        [faddr, reserved, extra].into_iter().map(|range| wipe(&mut inode.raw, range)).sum()
    }

    /// Zeroes the space behind the fields but for xattrs.
    fn wipe_body(inode: &mut Inode) -> Result<u64> {
        let end = inode.raw.len();
        // Of an inode with i_extra_isize 0, the fields beyond the first 128 bytes are not in use either.
        let start = inode.xattr_start();
        let Some(attributes) = inode.attributes()? else { return Ok(wipe(&mut inode.raw, start..end)) };
        let padding = xattr::wipe_padding(&mut inode.raw, &attributes);
        Ok(padding + wipe_gaps(&mut inode.raw, start, end, xattr::live_parts(&attributes)))
    }

    /// Zeroes what i_block holds beyond what its kind needs.
    fn wipe_block(&self, inode: &mut Inode) -> Result<u64> {
        let (start, end) = (inode::BLOCK.0, inode::BLOCK.0 + INLINE_HEAD);
        let size = inode.size();
        if inode.has(flags::INLINE_DATA) {
            if inode.kind() == Some(FileKind::Directory) {
                return self.wipe_inline_directory(inode);
            }
            let rest = inode.inline_rest()?;
            let used = start + to_usize(size.min(60));
            let rest_used = rest.start.saturating_add(to_usize(size.saturating_sub(60))).min(rest.end);
            return Ok(wipe(&mut inode.raw, used..end) + wipe(&mut inode.raw, rest_used..rest.end));
        }
        Ok(match inode.kind() {
            // The old and the new form of the device number.
            Some(FileKind::CharDevice | FileKind::BlockDevice) => wipe(&mut inode.raw, start + 8..end),
            Some(FileKind::Fifo | FileKind::Socket) => wipe(&mut inode.raw, start..end),
            Some(FileKind::Symlink) if inode.is_fast_symlink() => {
                wipe(&mut inode.raw, start + to_usize(size)..end)
            }
            _ if inode.has_map() && inode.has(flags::EXTENTS) => {
                extent::wipe_node(&mut inode.raw[start..end], 0)
            }
            _ if inode.has_map() => 0,
            // Of no type that has a map, or any other use for it.
            _ => wipe(&mut inode.raw, start..end),
        })
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Scrubs a live inode and all metadata that it reaches.
    pub(super) fn scrub_inode(&mut self, id: InodeId) -> Result<u64> {
        let mut inode = self.inode(id)?;
        let mut nodes = Vec::new();
        if inode.has(flags::EXTENTS) && inode.has_map() {
            self.map(&inode, &mut |mapped| {
                if let Mapped::Node { block } = mapped {
                    nodes.push(block);
                }
                Ok(())
            })?;
        }
        let mut wiped = 0;
        for block in nodes {
            wiped += self.scrub_extent_node(&inode, block)?;
        }
        if inode.kind() == Some(FileKind::Directory) && !inode.has(flags::INLINE_DATA) {
            wiped += self.scrub_directory(&inode)?;
        }
        let block = inode.xattr_block();
        if block != 0 {
            wiped += self.scrub_xattr_block(block)?;
        }
        let own = self.wipe_inode(&mut inode)?;
        if own > 0 {
            self.write_inode(&mut inode)?;
        }
        Ok(wiped + own)
    }
}
