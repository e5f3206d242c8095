//! Inodes: fields without a use, forks behind what they hold, blocks of maps and of long symbolic links.

use std::ops::Range;

use block::{BlockWrite, Result, to_u64, to_usize};

use super::{Cleaned, wipe, wipe_gaps};
use crate::{
    FileKind,
    xfs::{
        Xfs, checksum,
        format::{
            attr,
            btree::{extent, long},
            inode::{
                ATIME, BIG_EXTENTS, DM_EVENT_MASK, DM_STATE, EXTENTS, FLUSHITER, GENERATION, OLD_LINKS, PAD2,
                VERSION, flags2, format,
            },
            symlink,
        },
        inode::{Fork, Inode},
        map::Mapped,
    },
};

impl<D: BlockWrite> Xfs<D> {
    /// Makes the slot of a free inode as new, but for its generation.
    pub(super) fn scrub_free_inode(&mut self, inode: &Inode) -> Result<u64> {
        let mut fresh = self.fresh_inode(inode, GENERATION.get(&inode.raw));
        fresh.seal();
        let changed = inode.raw.iter().zip(&fresh.raw).filter(|(old, new)| old != new && **old != 0).count();
        if fresh.raw != inode.raw {
            self.device.write_at(fresh.offset, &fresh.raw)?;
        }
        Ok(to_u64(changed))
    }

    /// Cleans an inode in use, and what it has in blocks of its own.
    pub(super) fn scrub_inode(&mut self, mut inode: Inode) -> Result<u64> {
        let live =
            [Fork::Data, Fork::Attr].into_iter().flat_map(|fork| self.live_of_fork(&inode, fork)).collect();
        let core = inode.core_len();
        let mut wiped = wipe_gaps(&mut inode.raw, core, live) + scrub_core(&mut inode);
        if inode.has_attr_fork() && inode.fork_format(Fork::Attr) == format::LOCAL {
            // The last byte of the header is padding.
            let at = inode.fork(Fork::Attr).start + attr::short::HEADER_LEN;
            wiped += wipe(&mut inode.raw, at - 1..at);
        }
        if wiped > 0 {
            self.write_inode(&mut inode)?;
        }
        for fork in [Fork::Data, Fork::Attr] {
            if inode.fork_format(fork) == format::BTREE {
                wiped += self.scrub_map(&inode, fork)?;
            }
        }
        if inode.fork_format(Fork::Data) != format::LOCAL {
            wiped += match inode.kind() {
                Some(FileKind::Directory) => self.scrub_directory(&inode)?,
                Some(FileKind::Symlink) => self.scrub_link(&inode)?,
                _ => 0,
            };
        }
        if inode.fork_format(Fork::Attr) != format::LOCAL {
            wiped += self.scrub_attributes(&inode)?;
        }
        Ok(wiped)
    }

    /// What of a fork's area in the inode is in use. Sizes were checked when the inode was read, or are clipped here:
    /// what is not parsed is kept.
    fn live_of_fork(&self, inode: &Inode, fork: Fork) -> [Range<usize>; 2] {
        let area = inode.fork(fork);
        let upto = |len: usize| [area.start..area.start, area.start..area.start + len.min(area.len())];
        match inode.fork_format(fork) {
            format::DEVICE => match inode.kind() {
                Some(FileKind::CharDevice | FileKind::BlockDevice) => upto(4),
                _ => upto(0),
            },
            format::LOCAL if fork == Fork::Data => upto(to_usize(inode.size())),
            format::LOCAL => {
                let total = attr::short::TOTAL.try_get(&inode.raw[area.clone()]);
                upto(total.map_or(area.len(), usize::from))
            }
            format::BTREE => {
                let bytes = &inode.raw[area.clone()];
                let count = usize::from(long::ROOT_RECORDS.try_get(bytes).unwrap_or(u16::MAX));
                let room = area.len().saturating_sub(long::ROOT_LEN) / (long::KEY_LEN + long::POINTER_LEN);
                let count = count.min(room);
                let keys = area.start + long::ROOT_LEN;
                let pointers = keys + room * long::KEY_LEN;
                [area.start..keys + count * long::KEY_LEN, pointers..pointers + count * long::POINTER_LEN]
            }
            _ => {
                let count = inode.extent_count(fork).min(to_u64(area.len()));
                upto(to_usize(count) * extent::LEN)
            }
        }
    }

    fn scrub_map(&mut self, inode: &Inode, fork: Fork) -> Result<u64> {
        let v5 = self.geometry.v5;
        let mut wiped = 0;
        let mut cleaned = Vec::new();
        self.map(inode, fork, &mut |mapped| {
            let Mapped::Node(node) = mapped else { return Ok(()) };
            let body = long::len(v5);
            let live = if node.level == 0 {
                vec![body..body, body..body + node.count * long::RECORD_LEN]
            } else {
                let room = (node.raw.len() - body) / (long::KEY_LEN + long::POINTER_LEN);
                let pointers = body + room * long::KEY_LEN;
                vec![
                    body..body + node.count * long::KEY_LEN,
                    pointers..pointers + node.count * long::POINTER_LEN,
                ]
            };
            let mut raw = node.raw.clone();
            let mut count = wipe_gaps(&mut raw, body, live);
            if v5 {
                count += wipe(&mut raw, long::PAD.0..long::PAD.0 + 4);
            }
            if count > 0 {
                if v5 {
                    checksum::seal(&mut raw, long::CRC);
                }
                wiped += count;
                cleaned.push(Cleaned { places: vec![node.block], raw });
            }
            Ok(())
        })?;
        self.put_cleaned(cleaned)?;
        Ok(wiped)
    }

    fn scrub_link(&mut self, inode: &Inode) -> Result<u64> {
        let v5 = self.geometry.v5;
        let mut wiped = 0;
        let mut parts = Vec::new();
        self.link_blocks(inode, &mut |part| {
            let mut raw = part.raw.to_vec();
            let count = wipe_gaps(&mut raw, part.used, Vec::new());
            if count > 0 {
                if v5 {
                    checksum::seal(&mut raw, symlink::CRC);
                }
                wiped += count;
                parts.push((part.block, raw));
            }
            Ok(())
        })?;
        for (block, raw) in parts {
            self.write_blocks(block, &raw)?;
        }
        Ok(wiped)
    }
}

/// Zeroes fields of the core that have no use in this inode.
fn scrub_core(inode: &mut Inode) -> u64 {
    let version = VERSION.get(&inode.raw);
    let wide = inode.has_flag2(flags2::NREXT64);
    let mut unused = vec![DM_EVENT_MASK.0..DM_STATE.0, DM_STATE.0..DM_STATE.0 + 2];
    if version > 1 {
        unused.push(OLD_LINKS.0..OLD_LINKS.0 + 2);
    }
    if version == 3 {
        unused.push(PAD2.0..PAD2.0 + 12);
    }
    if wide {
        // di_nrext64_pad.
        unused.push(EXTENTS.0 + 4..EXTENTS.0 + 6);
    } else {
        let end = if version == 3 { ATIME.0 } else { FLUSHITER.0 };
        unused.push(BIG_EXTENTS.0..end);
    }
    unused.into_iter().map(|range| wipe(&mut inode.raw, range)).sum()
}
