//! Inodes: fields without a use, forks behind what they hold, all but the identity of free ones, blocks of maps and
//! symbolic links.

use std::ops::Range;

use block::{BlockRead, Result, to_u64, to_usize};

use crate::{
    FileKind,
    tails::{Tail, Visit, gap, unused},
    xfs::{
        Xfs,
        attribute::short as short_attributes,
        directory::short as short_directory,
        format::{
            attr,
            btree::{extent, long},
            inode::{
                ATIME, ATTR_FORMAT, BIG_EXTENTS, CRC, EXTENTS, FLAGS, FLAGS2, FLUSHITER, FORK_OFFSET, FORMAT,
                GENERATION, LSN, MAGIC, NUMBER, OLD_LINKS, PAD2, UID, UUID, VERSION, flags2, format,
            },
        },
        inode::{Fork, Inode},
        map::Mapped,
    },
};

/// Bytes of a device number in a fork.
const DEVICE_LEN: usize = 4;

impl<D: BlockRead> Xfs<D> {
    /// A free inode keeps what the kernel checks, and what keeps the next file in it apart: its generation.
    pub(super) fn free_inode_tails(&self, inode: &Inode, visit: &mut Visit<'_>) -> Result<()> {
        let v5 = self.geometry.v5;
        let used = [
            MAGIC.0..OLD_LINKS.0,
            FORK_OFFSET.0 + 1..ATTR_FORMAT.0 + 1,
            GENERATION.0..if v5 { CRC.0 + 4 } else { CRC.0 },
            LSN.0..if v5 { FLAGS2.0 + 8 } else { LSN.0 },
            NUMBER.0..if v5 { UUID.0 + 16 } else { NUMBER.0 },
        ];
        unused(&inode.raw, used, inode.offset, Tail::Inode, visit)
    }

    /// An inode in use, and what it has in blocks of its own.
    pub(super) fn inode_tails(&self, inode: &Inode, visit: &mut Visit<'_>) -> Result<()> {
        let mut used = core_fields(inode);
        used.extend(self.data_fork_used(inode)?);
        used.extend(attr_fork_used(inode)?);
        unused(&inode.raw, used, inode.offset, Tail::Inode, visit)?;
        for fork in [Fork::Data, Fork::Attr] {
            if inode.fork_format(fork) == format::BTREE {
                self.map_tails(inode, fork, visit)?;
            }
        }
        if inode.fork_format(Fork::Data) != format::LOCAL {
            match inode.kind() {
                Some(FileKind::Directory) => self.directory_tails(inode, visit)?,
                Some(FileKind::Symlink) => self.link_tails(inode, visit)?,
                _ => {}
            }
        }
        if inode.fork_format(Fork::Attr) != format::LOCAL {
            self.attribute_tails(inode, visit)?;
        }
        Ok(())
    }

    fn map_tails(&self, inode: &Inode, fork: Fork, visit: &mut Visit<'_>) -> Result<()> {
        self.map(inode, fork, &mut |mapped| {
            let Mapped::Node(node) = mapped else { return Ok(()) };
            unused(&node.raw, node.used_ranges(), self.geometry.offset(node.block), Tail::Map, visit)
        })
    }

    fn link_tails(&self, inode: &Inode, visit: &mut Visit<'_>) -> Result<()> {
        self.link_blocks(inode, &mut |part| {
            gap(part.raw, part.used..part.raw.len(), self.geometry.offset(part.block), Tail::Inode, visit)
        })
    }

    fn data_fork_used(&self, inode: &Inode) -> Result<[Range<usize>; 2]> {
        let fork = inode.fork(Fork::Data);
        let used = match inode.fork_format(Fork::Data) {
            format::DEVICE => match inode.kind() {
                Some(FileKind::CharDevice | FileKind::BlockDevice) => fork.start..fork.start + DEVICE_LEN,
                _ => fork.start..fork.start,
            },
            format::LOCAL if inode.kind() == Some(FileKind::Directory) => {
                // Parsed to see that all of it are entries: nothing is between them.
                let parsed = short_directory::parse(inode, self.superblock.has_ftype())?;
                fork.start..parsed.end
            }
            format::LOCAL => fork.start..fork.start + to_usize(inode.size().min(to_u64(fork.len()))),
            format::BTREE => return root_used(inode, Fork::Data),
            _ => extents_used(inode, Fork::Data),
        };
        Ok([used.clone(), used.end..used.end])
    }
}

/// Fields in use of an inode in use.
fn core_fields(inode: &Inode) -> Vec<Range<usize>> {
    let version = VERSION.get(&inode.raw);
    let nrext64 = inode.has_flag2(flags2::NREXT64);
    let old_links = if version == 1 { OLD_LINKS.0..UID.0 } else { UID.0..UID.0 };
    let padding = match version {
        _ if nrext64 => BIG_EXTENTS.0..ATIME.0,
        3 => ATIME.0..ATIME.0,
        _ => FLUSHITER.0..ATIME.0,
    };
    let counters = ATIME.0..if nrext64 { EXTENTS.0 + 4 } else { FORK_OFFSET.0 };
    // The DMAPI's fields have no use in Linux.
    let middle = FLAGS.0..if version == 3 { PAD2.0 } else { CRC.0 };
    let last = if version == 3 { PAD2.0 + 12..UUID.0 + 16 } else { CRC.0..CRC.0 };
    vec![
        MAGIC.0..FORMAT.0 + 1,
        old_links,
        UID.0..BIG_EXTENTS.0,
        padding,
        counters,
        FORK_OFFSET.0..ATTR_FORMAT.0 + 1,
        middle,
        last,
    ]
}

fn attr_fork_used(inode: &Inode) -> Result<[Range<usize>; 2]> {
    if !inode.has_attr_fork() {
        return Ok([0..0, 0..0]);
    }
    let start = inode.fork(Fork::Attr).start;
    Ok(match inode.fork_format(Fork::Attr) {
        format::LOCAL => {
            let parsed = short_attributes::parse(inode)?;
            // The last byte of the header is padding.
            [start..start + attr::short::HEADER_LEN - 1, start + attr::short::HEADER_LEN..parsed.end]
        }
        format::BTREE => root_used(inode, Fork::Attr)?,
        _ => {
            let used = extents_used(inode, Fork::Attr);
            [used.clone(), used.end..used.end]
        }
    })
}

fn extents_used(inode: &Inode, fork: Fork) -> Range<usize> {
    let area = inode.fork(fork);
    let len = to_usize(inode.extent_count(fork).min(to_u64(area.len()))) * extent::LEN;
    area.start..area.start + len.min(area.len())
}

fn root_used(inode: &Inode, fork: Fork) -> Result<[Range<usize>; 2]> {
    let start = inode.fork(fork).start;
    let root = inode.root(fork)?;
    let keys = start + long::ROOT_LEN;
    let pointers = start + root.pointers;
    Ok([start..keys + root.count * long::KEY_LEN, pointers..pointers + root.count * long::POINTER_LEN])
}
