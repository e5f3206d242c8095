//! Inodes: where they lie, their checksums, and what of them is in order.
//!
//! An inode is read as raw bytes and written back as raw bytes, so what is not modelled survives.

use std::ops::Range;

use block::{BlockRead, BlockWrite, Object, Result, Unsupported, to_u64, to_usize};

use super::btree::Chunk;
use super::{
    Xfs, checksum,
    format::inode::{
        ATTR_EXTENTS, ATTR_FORMAT, BIG_EXTENTS, CORE_V2, CORE_V3, CRC, EXTENTS, FLAGS, FLAGS2, FORK_OFFSET,
        FORMAT, GID, LINKS, MAGIC, MAGIC_VALUE, MODE, MTIME, NUMBER, OLD_LINKS, SIZE, UID, UUID, VERSION,
        flags, flags2, format,
    },
    geometry::{AgInode, AgNumber, CHUNK, InodeNumber},
    group::expect,
};
use crate::{FileKind, InodeId, Metadata};

/// Which content of an inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fork {
    /// What the file holds.
    Data,
    /// Its extended attributes.
    Attr,
}

/// An inode as it lies in its chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inode {
    /// Its number.
    pub(crate) number: InodeNumber,
    /// All its bytes, for the constants in [`format::inode`](super::format::inode).
    pub(crate) raw: Vec<u8>,
    /// Byte offset on the device.
    pub(crate) offset: u64,
}

impl Inode {
    /// The object that errors about it name.
    pub(crate) const fn object(&self) -> Object {
        Object::numbered("inode", self.number.0)
    }

    pub(crate) const fn id(&self) -> InodeId {
        InodeId(self.number.0)
    }

    /// The type bits of the mode; `None` for those that no type has, and for a free inode.
    pub(crate) fn kind(&self) -> Option<FileKind> {
        Some(match MODE.get(&self.raw) >> 12 {
            0x1 => FileKind::Fifo,
            0x2 => FileKind::CharDevice,
            0x4 => FileKind::Directory,
            0x6 => FileKind::BlockDevice,
            0x8 => FileKind::File,
            0xA => FileKind::Symlink,
            0xC => FileKind::Socket,
            _ => return None,
        })
    }

    /// Bytes before the forks.
    pub(crate) fn core_len(&self) -> usize {
        if VERSION.get(&self.raw) >= 3 { CORE_V3 } else { CORE_V2 }
    }

    /// Whether a bit of [`flags2`] is set; never before version 3.
    pub(crate) fn has_flag2(&self, bit: u64) -> bool {
        VERSION.get(&self.raw) >= 3 && FLAGS2.get(&self.raw) & bit != 0
    }

    pub(crate) fn size(&self) -> u64 {
        SIZE.get(&self.raw)
    }

    pub(crate) fn links(&self) -> u32 {
        if VERSION.get(&self.raw) == 1 { OLD_LINKS.get(&self.raw).into() } else { LINKS.get(&self.raw) }
    }

    /// Whether there is an attribute fork, perhaps an empty one.
    pub(crate) fn has_attr_fork(&self) -> bool {
        FORK_OFFSET.get(&self.raw) != 0
    }

    /// Where a fork lies in the inode; empty for an attribute fork that there is not.
    pub(crate) fn fork(&self, fork: Fork) -> Range<usize> {
        let start = self.core_len();
        let end = if self.has_attr_fork() {
            start + 8 * usize::from(FORK_OFFSET.get(&self.raw))
        } else {
            self.raw.len()
        };
        match fork {
            Fork::Data => start..end,
            Fork::Attr => end..self.raw.len(),
        }
    }

    /// Of [`mod@format`]. An attribute fork that there is not is an empty list of extents.
    pub(crate) fn fork_format(&self, fork: Fork) -> u8 {
        match fork {
            Fork::Data => FORMAT.get(&self.raw),
            Fork::Attr if self.has_attr_fork() => ATTR_FORMAT.get(&self.raw),
            Fork::Attr => format::EXTENTS,
        }
    }

    /// How many extents a fork says that it has.
    pub(crate) fn extent_count(&self, fork: Fork) -> u64 {
        match (fork, self.has_flag2(flags2::NREXT64)) {
            (Fork::Data, true) => BIG_EXTENTS.get(&self.raw),
            (Fork::Data, false) | (Fork::Attr, true) => EXTENTS.get(&self.raw).into(),
            (Fork::Attr, false) => ATTR_EXTENTS.get(&self.raw).into(),
        }
    }

    /// Checks what every reader relies on, of an inode in use or not.
    fn check<D: BlockRead>(&self, xfs: &Xfs<D>) -> Result<()> {
        let (raw, object) = (&self.raw, self.object());
        if MAGIC.get(raw) != MAGIC_VALUE {
            let found = format!("{:#06x}", MAGIC.get(raw));
            return Err(object.corrupt("di_magic", found, format!("{MAGIC_VALUE:#06x}")));
        }
        let version = VERSION.get(raw);
        if xfs.geometry.v5 {
            expect(object, "di_version", version, 3u8)?;
            checksum::check(raw, CRC, object)?;
            expect(object, "di_ino", NUMBER.get(raw), self.number.0)?;
            xfs.expect_uuid(object, raw, UUID)?;
        } else if !matches!(version, 1 | 2) {
            return Err(object.corrupt("di_version", version, "1 or 2"));
        }
        Ok(())
    }

    /// Checks what a reader of an inode in use relies on.
    pub(crate) fn check_used(&self) -> Result<()> {
        let (raw, object) = (&self.raw, self.object());
        let mode = MODE.get(raw);
        let Some(kind) = self.kind() else {
            return Err(object.corrupt("di_mode", format!("{mode:#o}"), "the type of a file"));
        };
        if FLAGS.get(raw) & flags::REALTIME != 0 && kind == FileKind::File {
            return Err(Unsupported::new(object, "data on a realtime device").into());
        }
        let room = raw.len() - self.core_len();
        let fork = 8 * usize::from(FORK_OFFSET.get(raw));
        if fork >= room {
            return Err(object.corrupt("di_forkoff", fork / 8, format!("less than {}", room / 8)));
        }
        let data = self.fork_format(Fork::Data);
        let fits = match kind {
            FileKind::File => matches!(data, format::EXTENTS | format::BTREE),
            FileKind::Directory | FileKind::Symlink => {
                matches!(data, format::LOCAL | format::EXTENTS | format::BTREE)
            }
            _ => data == format::DEVICE,
        };
        if !fits {
            return Err(object.corrupt("di_format", data, format!("one that a file of mode {mode:#o} has")));
        }
        let size = self.size();
        if size > i64::MAX.cast_unsigned() {
            return Err(object.corrupt("di_size", size, "less than 2^63"));
        }
        let inline = self.fork(Fork::Data).len();
        if data == format::LOCAL && size > to_u64(inline) {
            return Err(object.corrupt("di_size", size, format!("at most the {inline} bytes of its fork")));
        }
        let attr = self.fork_format(Fork::Attr);
        if !matches!(attr, format::LOCAL | format::EXTENTS | format::BTREE) {
            return Err(object.corrupt("di_aformat", attr, "1 to 3"));
        }
        if !self.has_attr_fork() && self.extent_count(Fork::Attr) != 0 {
            return Err(object.corrupt("di_anextents", self.extent_count(Fork::Attr), 0));
        }
        Ok(())
    }

    /// Redoes the checksum, if there is one.
    pub(crate) fn seal(&mut self) {
        if VERSION.get(&self.raw) >= 3 {
            checksum::seal(&mut self.raw, CRC);
        }
    }
}

/// A time as seconds since 1970.
fn seconds(raw: u64, big: bool) -> i64 {
    // Nanoseconds since the least that 32 bits of seconds can say; or seconds and nanoseconds in 32 bits each.
    if big {
        i64::try_from(raw / 1_000_000_000).unwrap_or(i64::MAX) + i64::from(i32::MIN)
    } else {
        let [a, b, c, d, ..] = raw.to_be_bytes();
        i32::from_be_bytes([a, b, c, d]).into()
    }
}

/// An inode of a chunk, met on a walk.
pub(crate) enum Slot {
    /// In use.
    Used(Inode),
    /// Not in use. Its bytes stay an inode, or the kernel refuses its block.
    Free(Inode),
}

impl<D: BlockRead> Xfs<D> {
    /// An inode in use.
    pub(crate) fn inode(&self, id: InodeId) -> Result<Inode> {
        let number = InodeNumber(id.0);
        let object = Object::numbered("inode", id.0);
        let Some((ag, within)) = self.geometry.split_inode(number) else {
            return Err(object.corrupt("number", id.0, "an inode inside the filesystem"));
        };
        let chunk = match self.chunks.get(ag, within) {
            Some(known) => Some(known),
            None => self.find_chunk(ag, within)?.inspect(|&found| self.chunks.insert(ag, within, found)),
        };
        let used = chunk.is_some_and(|chunk| chunk.is_used(within.0 - chunk.start.0));
        if !used {
            return Err(object.corrupt("inode", "free", "one that is in use"));
        }
        let offset = self.geometry.inode_offset(number);
        let mut raw = vec![0; to_usize(self.geometry.inode_size)];
        self.device.read_object(object, offset, &mut raw)?;
        let inode = self.parse_inode(number, raw, offset)?;
        inode.check_used()?;
        Ok(inode)
    }

    /// An inode from bytes already read from `offset` of the device, in use or not.
    pub(crate) fn parse_inode(&self, number: InodeNumber, raw: Vec<u8>, offset: u64) -> Result<Inode> {
        let inode = Inode { number, raw, offset };
        inode.check(self)?;
        Ok(inode)
    }

    /// Each inode of a chunk that is there, in order. Whether it is in use is the inobt's word; its mode has to
    /// agree.
    pub(crate) fn chunk_inodes(
        &self,
        ag: AgNumber,
        chunk: Chunk,
        visit: &mut dyn FnMut(Slot) -> Result<()>,
    ) -> Result<()> {
        let size = to_usize(self.geometry.inode_size);
        let number = |index: u32| self.geometry.inode_number(ag, AgInode(chunk.start.0 + index));
        let mut first = 0;
        while first < CHUNK {
            if !chunk.is_there(first) {
                first += 1;
                continue;
            }
            let last = (first..CHUNK).find(|&index| !chunk.is_there(index)).unwrap_or(CHUNK);
            let start = self.geometry.inode_offset(number(first));
            let mut piece = vec![0; size * to_usize((last - first).into())];
            self.device.read_object(Object::numbered("inode", number(first).0), start, &mut piece)?;
            for (index, raw) in (first..last).zip(piece.chunks_exact(size)) {
                let offset = start + u64::from(index - first) * self.geometry.inode_size;
                let inode = self.parse_inode(number(index), raw.to_vec(), offset)?;
                if chunk.is_used(index) {
                    inode.check_used()?;
                    visit(Slot::Used(inode))?;
                } else {
                    let mode = MODE.get(&inode.raw);
                    if mode != 0 {
                        return Err(inode.object().corrupt(
                            "di_mode",
                            format!("{mode:#o}"),
                            "0, as it is free",
                        ));
                    }
                    visit(Slot::Free(inode))?;
                }
            }
            first = last;
        }
        Ok(())
    }

    /// Each inode of the filesystem that is there, in order.
    pub(crate) fn all_inodes(&self, visit: &mut dyn FnMut(Slot) -> Result<()>) -> Result<()> {
        for ag in self.geometry.groups() {
            self.chunks(ag, super::btree::Tree::Inode, &mut |chunk| self.chunk_inodes(ag, chunk, visit))?;
        }
        Ok(())
    }

    /// What an inode says of itself.
    pub(crate) fn describe(&self, inode: &Inode) -> Result<Metadata> {
        let raw = &inode.raw;
        let Some(kind) = inode.kind() else {
            let found = format!("{:#o}", MODE.get(raw));
            return Err(inode.object().corrupt("di_mode", found, "the type of a file"));
        };
        Ok(Metadata {
            kind,
            mode: MODE.get(raw) & 0o7777,
            uid: UID.get(raw),
            gid: GID.get(raw),
            links: inode.links(),
            size: inode.size(),
            mtime: seconds(MTIME.get(raw), inode.has_flag2(flags2::BIGTIME)),
            encrypted: false,
        })
    }
}

impl<D: BlockWrite> Xfs<D> {
    /// Writes an inode back to its slot, its checksum redone.
    pub(crate) fn write_inode(&mut self, inode: &mut Inode) -> Result<()> {
        inode.seal();
        Ok(self.device.write_at(inode.offset, &inode.raw)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(seconds(0x0000_0001_3B9A_C9FF, false), 1);
        assert_eq!(seconds(0xFFFF_FFFF_0000_0000, false), -1);
        assert_eq!(seconds(0, true), i64::from(i32::MIN));
        assert_eq!(seconds((2_147_483_648 + 1_700_000_000) * 1_000_000_000 + 5, true), 1_700_000_000);
        assert!(seconds(u64::MAX, true) > 0);
    }
}
