//! Inodes: the fields, where they lie, and their checksums.
//!
//! An inode is read as raw bytes and written back as raw bytes, so what we do not model survives.

use block::{
    BlockRead, BlockWrite, Object, Result,
    field::{Bytes, Le16, Le32},
    is_zero, to_usize,
};

use super::{Ext, checksum, superblock::incompat};
use crate::{FileKind, InodeId, Metadata};

pub(crate) const MODE: Le16 = Le16(0x00);
pub(crate) const UID_LO: Le16 = Le16(0x02);
pub(crate) const SIZE_LO: Le32 = Le32(0x04);
pub(crate) const ATIME: Le32 = Le32(0x08);
pub(crate) const CTIME: Le32 = Le32(0x0C);
pub(crate) const MTIME: Le32 = Le32(0x10);
pub(crate) const DTIME: Le32 = Le32(0x14);
pub(crate) const GID_LO: Le16 = Le16(0x18);
pub(crate) const LINKS_COUNT: Le16 = Le16(0x1A);
pub(crate) const BLOCKS_LO: Le32 = Le32(0x1C);
pub(crate) const FLAGS: Le32 = Le32(0x20);
/// i_block: the map, or a short symlink's target, or inline data.
pub(crate) const BLOCK: Bytes<60> = Bytes(0x28);
pub(crate) const GENERATION: Le32 = Le32(0x64);
pub(crate) const FILE_ACL_LO: Le32 = Le32(0x68);
pub(crate) const SIZE_HI: Le32 = Le32(0x6C);
pub(crate) const OBSO_FADDR: Le32 = Le32(0x70);
pub(crate) const BLOCKS_HI: Le16 = Le16(0x74);
pub(crate) const FILE_ACL_HI: Le16 = Le16(0x76);
pub(crate) const UID_HI: Le16 = Le16(0x78);
pub(crate) const GID_HI: Le16 = Le16(0x7A);
pub(crate) const CHECKSUM_LO: Le16 = Le16(0x7C);
/// l_i_reserved.
pub(crate) const RESERVED: Le16 = Le16(0x7E);
pub(crate) const EXTRA_ISIZE: Le16 = Le16(0x80);
pub(crate) const CHECKSUM_HI: Le16 = Le16(0x82);
pub(crate) const CTIME_EXTRA: Le32 = Le32(0x84);
pub(crate) const MTIME_EXTRA: Le32 = Le32(0x88);
pub(crate) const ATIME_EXTRA: Le32 = Le32(0x8C);
pub(crate) const CRTIME: Le32 = Le32(0x90);
pub(crate) const CRTIME_EXTRA: Le32 = Le32(0x94);
pub(crate) const PROJID: Le32 = Le32(0x9C);
/// Where the last field ends that the format has.
pub(crate) const FIELDS_END: usize = 0xA0;

/// i_flags.
pub(crate) mod flags {
    pub(crate) const ENCRYPT: u32 = 0x800;
    pub(crate) const INDEX: u32 = 0x1000;
    pub(crate) const HUGE_FILE: u32 = 0x4_0000;
    pub(crate) const EXTENTS: u32 = 0x8_0000;
    pub(crate) const VERITY: u32 = 0x10_0000;
    pub(crate) const EA_INODE: u32 = 0x20_0000;
    pub(crate) const INLINE_DATA: u32 = 0x1000_0000;
    pub(crate) const PROJINHERIT: u32 = 0x2000_0000;
    pub(crate) const CASEFOLD: u32 = 0x4000_0000;
}

/// The root directory.
pub(crate) const ROOT: u64 = 2;
/// The resize inode: its indirect blocks are group 0's reserved descriptor blocks.
pub(crate) const RESIZE: u64 = 7;

/// The type bits of an i_mode; `None` for those that no type has.
pub(crate) const fn kind_of(mode: u16) -> Option<FileKind> {
    Some(match mode >> 12 {
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

/// An inode as it lies in its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inode {
    /// Its number.
    pub(crate) number: u64,
    /// All `s_inode_size` bytes, for the field constants above.
    pub(crate) raw: Vec<u8>,
    /// Byte offset on the device.
    pub(crate) offset: u64,
    /// i_file_acl has a high half.
    wide: bool,
}

impl Inode {
    /// The object that errors about it name.
    pub(crate) const fn object(&self) -> Object {
        Object::numbered("inode", self.number)
    }

    pub(crate) const fn id(&self) -> InodeId {
        InodeId(self.number)
    }

    /// The type bits of i_mode; `None` for those that no type has.
    pub(crate) fn kind(&self) -> Option<FileKind> {
        kind_of(MODE.get(&self.raw))
    }

    pub(crate) fn flags(&self) -> u32 {
        FLAGS.get(&self.raw)
    }

    pub(crate) fn has(&self, flag: u32) -> bool {
        self.flags() & flag != 0
    }

    /// i_size. Only files and directories have a high half (i_size_high was i_dir_acl on others).
    pub(crate) fn size(&self) -> u64 {
        let low = u64::from(SIZE_LO.get(&self.raw));
        match self.kind() {
            Some(FileKind::File | FileKind::Directory) => low | u64::from(SIZE_HI.get(&self.raw)) << 32,
            _ => low,
        }
    }

    pub(crate) fn links(&self) -> u32 {
        u32::from(LINKS_COUNT.get(&self.raw))
    }

    /// The block with its xattrs; 0 if there is none.
    pub(crate) fn xattr_block(&self) -> u64 {
        let high = if self.wide { u64::from(FILE_ACL_HI.get(&self.raw)) << 32 } else { 0 };
        high | u64::from(FILE_ACL_LO.get(&self.raw))
    }

    /// i_block.
    pub(crate) fn block(&self) -> &[u8] {
        &self.raw[BLOCK.0..BLOCK.0 + 60]
    }

    /// Where the xattrs inside the inode may start: behind the fields that i_extra_isize counts.
    pub(crate) fn xattr_start(&self) -> usize {
        if self.raw.len() <= 128 { self.raw.len() } else { 128 + usize::from(EXTRA_ISIZE.get(&self.raw)) }
    }

    /// Start value for the checksums of its directory and extent blocks.
    pub(crate) fn seed(&self, checksums: &checksum::Checksums) -> u32 {
        checksums.inode_seed(self.number, GENERATION.get(&self.raw))
    }

    /// Whether it has data blocks, or a map of them: devices, sockets, inline files and fast symlinks have none.
    pub(crate) fn has_map(&self) -> bool {
        if self.has(flags::INLINE_DATA) {
            return false;
        }
        match self.kind() {
            Some(FileKind::File | FileKind::Directory) => true,
            // As the kernel: a symlink whose only blocks, if any, are its xattrs' is a fast one.
            Some(FileKind::Symlink) => !self.is_fast_symlink(),
            // Reserved inodes (bad blocks, resize, journal) may have no mode at all.
            None => MODE.get(&self.raw) == 0,
            _ => false,
        }
    }

    /// A symlink whose target lies in i_block.
    pub(crate) fn is_fast_symlink(&self) -> bool {
        // Old writers may have given even a short target its own block.
        self.kind() == Some(FileKind::Symlink)
            && !self.has(flags::INLINE_DATA)
            && self.size() < 60
            && !(self.has(flags::EXTENTS) && self.block()[..2] == [0x0A, 0xF3])
    }

    fn checksum(&self, checksums: &checksum::Checksums) -> (u32, u32) {
        let expected = checksums.inode(self.number, &self.raw);
        let low = u32::from(CHECKSUM_LO.get(&self.raw));
        if checksum::has_high_half(&self.raw) {
            (low | u32::from(CHECKSUM_HI.get(&self.raw)) << 16, expected)
        } else {
            (low, expected & 0xFFFF)
        }
    }

    /// Checks what every reader relies on: the checksum and i_extra_isize. A slot that is all zero is in order.
    fn check(&self, checksums: &checksum::Checksums) -> Result<()> {
        if self.raw.len() > 128 {
            let extra = EXTRA_ISIZE.get(&self.raw);
            if 128 + usize::from(extra) > self.raw.len() || !extra.is_multiple_of(4) {
                let expected = format!("a multiple of 4 up to {}", self.raw.len() - 128);
                return Err(self.object().corrupt("i_extra_isize", extra, expected));
            }
        }
        if checksums.metadata() && !is_zero(&self.raw) {
            let (found, expected) = self.checksum(checksums);
            if found != expected {
                return Err(self.object().corrupt(
                    "checksum",
                    format!("{found:#010x}"),
                    format!("{expected:#010x}"),
                ));
            }
        }
        Ok(())
    }

    /// Redoes the checksum, if there is one. A slot that is all zero stays so.
    pub(crate) fn seal(&mut self, checksums: &checksum::Checksums) {
        if checksums.metadata() && !is_zero(&self.raw) {
            let [a, b, c, d] = checksums.inode(self.number, &self.raw).to_le_bytes();
            CHECKSUM_LO.set(&mut self.raw, u16::from_le_bytes([a, b]));
            if checksum::has_high_half(&self.raw) {
                CHECKSUM_HI.set(&mut self.raw, u16::from_le_bytes([c, d]));
            }
        }
    }
}

impl<D: BlockRead> Ext<D> {
    /// An inode as its table holds it, whether in use or not; its checksum is right.
    pub(crate) fn inode(&self, id: InodeId) -> Result<Inode> {
        if id.0 == 0 || id.0 > self.layout.inodes {
            let expected = format!("1 to {}", self.layout.inodes);
            return Err(Object::numbered("inode", id.0).corrupt("number", id.0, expected));
        }
        let (group, index) = self.layout.inode_place(id.0);
        let table = self.inode_table_of(group)?;
        let offset = table * self.layout.block_size + index * self.layout.inode_size;
        let mut raw = vec![0; to_usize(self.layout.inode_size)];
        self.device.read_object(Object::numbered("inode", id.0), offset, &mut raw)?;
        self.parse_inode(id.0, raw, offset)
    }

    /// An inode from bytes already read from `offset` of the device.
    pub(crate) fn parse_inode(&self, number: u64, raw: Vec<u8>, offset: u64) -> Result<Inode> {
        let wide = self.superblock.incompat(incompat::SIXTY_FOUR_BIT);
        let inode = Inode { number, raw, offset, wide };
        inode.check(&self.checksums)?;
        Ok(inode)
    }

    /// What an inode says of itself; `Corrupt` if it is of no type.
    pub(crate) fn describe(&self, inode: &Inode) -> Result<Metadata> {
        let raw = &inode.raw;
        let mode = MODE.get(raw);
        let Some(kind) = inode.kind() else {
            return Err(inode.object().corrupt("i_mode", format!("{mode:#o}"), "the type of a file"));
        };
        // Seconds are signed 32 bits; two more bits count how often they wrapped (inodes.rst).
        let [a, b, c, d] = MTIME.get(raw).to_le_bytes();
        let epoch = if raw.len() > 128 && EXTRA_ISIZE.get(raw) >= 12 { MTIME_EXTRA.get(raw) & 3 } else { 0 };
        Ok(Metadata {
            kind,
            mode: mode & 0o7777,
            uid: u32::from(UID_LO.get(raw)) | u32::from(UID_HI.get(raw)) << 16,
            gid: u32::from(GID_LO.get(raw)) | u32::from(GID_HI.get(raw)) << 16,
            links: inode.links(),
            size: inode.size(),
            mtime: i64::from(i32::from_le_bytes([a, b, c, d])) + (i64::from(epoch) << 32),
            encrypted: inode.has(flags::ENCRYPT),
        })
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Writes an inode back to its slot, its checksum redone.
    pub(crate) fn write_inode(&mut self, inode: &mut Inode) -> Result<()> {
        inode.seal(&self.checksums);
        Ok(self.device.write_at(inode.offset, &inode.raw)?)
    }
}
