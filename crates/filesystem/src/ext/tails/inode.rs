//! Live inodes: what lies behind their fields, in what their kind does not need of i_block, and in their map.

use block::{
    BlockRead, Result,
    field::{Le16, Le32},
    to_u64, to_usize,
};

use crate::{
    FileKind,
    ext::{
        Ext,
        claims::Bits,
        content::INLINE_HEAD,
        inode::{self, FIELDS_END, Inode, OBSO_FADDR, RESERVED, flags},
        map::{
            DEPTH, ENTRIES, ENTRY_LEN, GENERATION, HEADER_LEN, INDEX_UNUSED, MAGIC, MAGIC_VALUE, MAX, Mapped,
        },
        superblock as sb,
    },
    tails::{Tail, Visit, gap, unused},
};

/// The old and the new form of a device number.
const DEVICE_LEN: usize = 8;
/// Bytes of a checksum behind the slots of an extent block.
const CHECKSUM_LEN: usize = 4;

impl<D: BlockRead> Ext<D> {
    /// All metadata that an inode reaches, and itself.
    pub(super) fn inode_tails(&self, inode: &Inode, shared: &mut Bits, visit: &mut Visit<'_>) -> Result<()> {
        self.field_tails(inode, visit)?;
        self.i_block_tails(inode, visit)?;
        self.map_tails(inode, visit)?;
        if inode.kind() == Some(FileKind::Directory) && !inode.has(flags::INLINE_DATA) {
            self.directory_tails(inode, visit)?;
        }
        let block = inode.xattr_block();
        // Where many inodes share a block, so does the set have it once.
        if block != 0 && shared.insert(block, block + 1).is_ok() {
            self.xattr_block_tails(block, visit)?;
        }
        self.hidden_tails(inode, visit)
    }

    /// The fields, and the attributes behind them.
    fn field_tails(&self, inode: &Inode, visit: &mut Visit<'_>) -> Result<()> {
        let raw = &inode.raw;
        let end = inode.xattr_start();
        // The Hurd has an author where Linux has a checksum and a reserved field.
        let linux = sb::CREATOR_OS.get(self.superblock.bytes()) == sb::OS_LINUX;
        let behind = RESERVED.0 + Le16::WIDTH;
        let reserved = if linux { RESERVED.0 } else { behind };
        let faddr = OBSO_FADDR.0 + Le32::WIDTH;
        let used = [0..OBSO_FADDR.0, faddr..reserved, behind..end.min(FIELDS_END)];
        unused(&raw[..end], used, inode.offset, Tail::Inode, visit)?;
        match inode.attributes()? {
            None => gap(raw, end..raw.len(), inode.offset, Tail::Inode, visit),
            Some(attributes) => self.body_tails(inode, &attributes, visit),
        }
    }

    /// What i_block holds beyond what its kind needs.
    fn i_block_tails(&self, inode: &Inode, visit: &mut Visit<'_>) -> Result<()> {
        let (raw, start) = (inode.block(), inode.offset + to_u64(inode::BLOCK.0));
        let used = if inode.has(flags::INLINE_DATA) {
            if inode.kind() == Some(FileKind::Directory) {
                return self.inline_directory_tails(inode, visit);
            }
            to_usize(inode.size().min(to_u64(INLINE_HEAD)))
        } else if inode.has_map() {
            if inode.has(flags::EXTENTS) {
                return node_tails(raw, 0, start, Tail::Inode, visit);
            }
            raw.len()
        } else {
            match inode.kind() {
                Some(FileKind::CharDevice | FileKind::BlockDevice) => DEVICE_LEN,
                Some(FileKind::Symlink) => to_usize(inode.size().min(to_u64(raw.len()))),
                _ => 0,
            }
        };
        gap(raw, used..raw.len(), start, Tail::Inode, visit)
    }

    /// The blocks of an extent tree. An indirect block has nothing but pointers, and a walk checks each.
    fn map_tails(&self, inode: &Inode, visit: &mut Visit<'_>) -> Result<()> {
        if !inode.has(flags::EXTENTS) || !inode.has_map() || DEPTH.get(inode.block()) == 0 {
            return Ok(());
        }
        let checksum = if self.checksums.metadata() { CHECKSUM_LEN } else { 0 };
        self.map(inode, &mut |mapped| {
            let Mapped::Node { block } = mapped else { return Ok(()) };
            let node = self.read_block(block)?;
            node_tails(&node, checksum, block * self.layout.block_size, Tail::Map, visit)
        })
    }
}

/// A node of an extent tree; `checksum` bytes behind the last slot are in use.
fn node_tails(node: &[u8], checksum: usize, start: u64, tail: Tail, visit: &mut Visit<'_>) -> Result<()> {
    if MAGIC.get(node) != MAGIC_VALUE {
        return gap(node, 0..node.len(), start, tail, visit);
    }
    let used = if DEPTH.get(node) == 0 { ENTRY_LEN } else { INDEX_UNUSED.0 };
    let entries = (0..usize::from(ENTRIES.get(node))).map(|index| {
        let at = HEADER_LEN + index * ENTRY_LEN;
        at..at + used
    });
    let slots = HEADER_LEN + ENTRY_LEN * usize::from(MAX.get(node));
    let used = std::iter::once(0..GENERATION.0).chain(entries);
    unused(node, used.chain(std::iter::once(slots..slots + checksum)), start, tail, visit)
}
