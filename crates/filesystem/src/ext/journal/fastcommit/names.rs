//! Puts names into directories and takes them out, as fast commits say.
//!
//! A name goes where there is room. A hash index would have to be found its place in, so it is given up: the
//! directory goes on without, which every kernel reads (and builds anew when the directory grows).

use block::{BlockRead, BlockWrite, Extent, Result};

use super::{Files, Record, file::Run, unsupported};
use crate::{
    FileKind, InodeId,
    ext::{
        Ext,
        directory::{
            BlockKind, Dirent, FILE_TYPE, Format, HEADER_LEN, INODE, NAME_LEN, REC_LEN, TAIL_LEN, entry_len,
        },
        edit::encode_len,
        inode::{self, Inode, flags},
    },
};

/// Length of `.`, behind which `..` lies.
const DOT_LEN: usize = 12;
/// file_type of the entry that holds the checksum.
const TAIL_TYPE: u8 = 0xDE;
/// More links than this and a directory counts them no more (EXT4_LINK_MAX).
const MAX_LINKS: u16 = 65000;

fn file_type(kind: FileKind) -> u8 {
    match kind {
        FileKind::File => 1,
        FileKind::Directory => 2,
        FileKind::CharDevice => 3,
        FileKind::BlockDevice => 4,
        FileKind::Fifo => 5,
        FileKind::Socket => 6,
        FileKind::Symlink => 7,
    }
}

/// A name to put into a directory.
struct New<'a> {
    name: &'a [u8],
    inode: u32,
    file_type: u8,
}

impl New<'_> {
    /// Writes the entry over `buf`, all of which it takes.
    fn write(&self, format: Format, buf: &mut [u8]) {
        let len = buf.len();
        buf.fill(0);
        INODE.set(buf, self.inode);
        REC_LEN.set(buf, encode_len(format, len));
        NAME_LEN.set(buf, u8::try_from(self.name.len()).expect("a record's name has 1 to 255 bytes"));
        FILE_TYPE.set(buf, if format.file_type { self.file_type } else { 0 });
        buf[HEADER_LEN..HEADER_LEN + self.name.len()].copy_from_slice(self.name);
    }

    /// Puts the entry into the slot of another one, behind its name, if there is room.
    fn fit(&self, format: Format, buf: &mut [u8], dirent: &Dirent) -> bool {
        let used = if dirent.inode == 0 { 0 } else { entry_len(dirent.name.len()) };
        if dirent.len.saturating_sub(used) < entry_len(self.name.len()) {
            return false;
        }
        if used > 0 {
            REC_LEN.set(&mut buf[dirent.at..], encode_len(format, used));
        }
        self.write(format, &mut buf[dirent.at + used..dirent.at + dirent.len]);
        true
    }
}

impl<D: BlockRead> Ext<D> {
    /// Bytes of a directory block that hold entries.
    fn entries_len(&self) -> usize {
        self.layout.block_len() - if self.checksums.metadata() { TAIL_LEN } else { 0 }
    }

    /// Makes `block` a leaf from byte `from` on, which has no names; the entry there gets all the room.
    fn make_leaf(&self, block: &mut [u8], from: usize) {
        let end = self.entries_len();
        REC_LEN.set(&mut block[from..], encode_len(self.dirent_format(), end - from));
        if self.checksums.metadata() {
            let tail = &mut block[end..];
            tail.fill(0);
            REC_LEN.set(tail, 12);
            FILE_TYPE.set(tail, TAIL_TYPE);
        }
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Carries out what the records say of names, in their order.
    pub(super) fn replay_names(&mut self, files: &mut Files, records: &[Record]) -> Result<()> {
        for record in records {
            match record {
                Record::Link { parent, inode: number, name, .. } => {
                    let mut directory = self.directory(InodeId((*parent).into()))?;
                    files.directories.insert(*parent);
                    if self.find_name(&directory, name)?.is_some() {
                        continue;
                    }
                    let inode = self.inode(InodeId((*number).into()))?;
                    let Some(kind) = inode.kind() else {
                        return Err(inode.object().corrupt("i_mode", 0, "the type of a file"));
                    };
                    if kind == FileKind::Directory {
                        self.start_directory(inode, *parent)?;
                        files.directories.insert(*number);
                    }
                    let new = New { name, inode: *number, file_type: file_type(kind) };
                    self.add_name(&mut directory, &new)?;
                }
                Record::Unlink { parent, inode, name } => {
                    let mut directory = self.directory(InodeId((*parent).into()))?;
                    files.directories.insert(*parent);
                    // As the kernel: a name that has gone over to another inode stays.
                    if let Some(found) = self.find_name(&directory, name)?
                        && found.inode() == u64::from(*inode)
                    {
                        self.strike_name(&mut directory, found)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add_name(&mut self, directory: &mut Inode, new: &New<'_>) -> Result<()> {
        if directory.has(flags::ENCRYPT) {
            return unsupported(directory.object(), "to an encrypted directory");
        }
        let format = self.dirent_format();
        if directory.has(flags::INLINE_DATA) {
            for area in Self::inline_areas(directory)? {
                let mut slots = Vec::new();
                format.parse_all(&directory.raw, area, directory.object(), "inline data", &mut |dirent| {
                    slots.push(dirent);
                    Ok(())
                })?;
                if slots.iter().any(|dirent| new.fit(format, &mut directory.raw, dirent)) {
                    return self.write_inode(directory);
                }
            }
            return unsupported(directory.object(), "to an inline directory that is full");
        }
        if self.is_indexed(directory) {
            self.drop_index(directory)?;
        }
        let mut walk = self.walk_directory(directory)?;
        while let Some(place) = walk.next(self, directory)? {
            let mut block = self.read_directory_block(directory, place)?;
            let mut slots = Vec::new();
            self.dirents(directory, &block, &mut |dirent| {
                slots.push(dirent);
                Ok(())
            })?;
            if slots.iter().any(|dirent| new.fit(format, &mut block.data, dirent)) {
                self.seal_directory_block(directory, block.kind, &mut block.data)?;
                return self.write_block(block.physical, &block.data);
            }
        }
        let mut block = vec![0; self.layout.block_len()];
        self.make_leaf(&mut block, 0);
        let end = self.entries_len();
        new.write(format, &mut block[..end]);
        self.append_block(directory, block)
    }

    /// Turns an indexed directory into a linear one with the same names.
    fn drop_index(&mut self, directory: &mut Inode) -> Result<()> {
        let mut walk = self.walk_directory(directory)?;
        while let Some(place) = walk.next(self, directory)? {
            let from = match place.kind {
                BlockKind::Leaf => continue,
                BlockKind::Root => DOT_LEN,
                BlockKind::Node => 0,
            };
            let mut data = self.read_directory_block(directory, place)?.data;
            // Behind `..` and its name, or from the start, there is only index.
            let keep = if from == 0 { 0 } else { from + entry_len(2) };
            data[keep..].fill(0);
            self.make_leaf(&mut data, from);
            self.seal_directory_block(directory, BlockKind::Leaf, &mut data)?;
            self.write_block(place.physical, &data)?;
        }
        let rest = directory.flags() & !flags::INDEX;
        inode::FLAGS.set(&mut directory.raw, rest);
        self.write_inode(directory)
    }

    /// Gives a directory one more block of names, its checksum still to be made.
    fn append_block(&mut self, directory: &mut Inode, mut block: Vec<u8>) -> Result<()> {
        let number = u32::try_from(directory.number).expect("inodes have numbers of 32 bits");
        if self.layout.cluster_blocks > 1 {
            return unsupported(directory.object(), "that make a directory grow (bigalloc)");
        }
        let mut file = self.load_file(number)?;
        if !file.mapped() {
            return unsupported(directory.object(), "to a directory with indirect blocks");
        }
        let group = self.layout.inode_place(directory.number).0;
        let physical = self.allocate(group, 1, directory.object())?[0].start;
        let logical = directory.size() / self.layout.block_size;
        file.map(logical, Run { physical, len: 1, written: true })?;
        self.seal_directory_block(directory, BlockKind::Leaf, &mut block)?;
        self.write_block(physical, &block)?;
        // The nodes are written anew; those that were give up their places.
        let nodes = file.nodes();
        self.free_blocks(&nodes.into_iter().collect(), &block::ExtentSet::new())?;
        let nodes = self.write_map(directory, &file.runs)?;
        let size = (logical + 1) * self.layout.block_size;
        let [a, b, c, d, e, f, g, h] = size.to_le_bytes();
        inode::SIZE_LO.set(&mut directory.raw, u32::from_le_bytes([a, b, c, d]));
        inode::SIZE_HI.set(&mut directory.raw, u32::from_le_bytes([e, f, g, h]));
        let xattrs = Some(directory.xattr_block()).filter(|&block| block != 0);
        let single = nodes.into_iter().chain(xattrs).map(|start| Extent { start, len: 1 });
        self.set_allocated(directory, &file.data_blocks().chain(single).collect())?;
        self.write_inode(directory)
    }

    /// Gives a new directory its first block, with `.` and `..`. An inline one has them already.
    fn start_directory(&mut self, mut directory: Inode, parent: u32) -> Result<()> {
        if directory.has(flags::INLINE_DATA) {
            return Ok(());
        }
        let number = u32::try_from(directory.number).expect("inodes have numbers of 32 bits");
        if !self.load_file(number)?.runs.is_empty() {
            return Ok(());
        }
        let format = self.dirent_format();
        let kind = file_type(FileKind::Directory);
        let mut block = vec![0; self.layout.block_len()];
        self.make_leaf(&mut block, DOT_LEN);
        let end = self.entries_len();
        New { name: b".", inode: number, file_type: kind }.write(format, &mut block[..DOT_LEN]);
        New { name: b"..", inode: parent, file_type: kind }.write(format, &mut block[DOT_LEN..end]);
        inode::SIZE_LO.set(&mut directory.raw, 0);
        inode::SIZE_HI.set(&mut directory.raw, 0);
        let rest = directory.flags() & !flags::INDEX;
        inode::FLAGS.set(&mut directory.raw, rest);
        if self.layout.cluster_blocks > 1 {
            return unsupported(directory.object(), "that make a directory (bigalloc)");
        }
        self.append_block(&mut directory, block)
    }

    /// Sets a directory's count of links to what its names say.
    pub(super) fn count_links(&mut self, number: u32) -> Result<()> {
        let mut directory = self.directory(InodeId(number.into()))?;
        if directory.links() == 1 {
            // It counts no more.
            return Ok(());
        }
        let mut links = 2u16;
        self.read_directory(directory.id(), &mut |entry| {
            if entry.kind == FileKind::Directory {
                links = links.saturating_add(1);
            }
            Ok(())
        })?;
        inode::LINKS_COUNT.set(&mut directory.raw, if links > MAX_LINKS { 1 } else { links });
        self.write_inode(&mut directory)
    }
}
