//! Puts a name into a directory: into the first room that fits, else into a new block at the end.
//!
//! An inline directory without room becomes one with a block. A directory with a hash index: see `index`.

use block::{BlockRead, BlockWrite, Result, field::Le32};

use super::pack::{NewName, Room};
use crate::{
    FileKind,
    ext::{
        Ext,
        directory::{BlockKind, DirectoryBlock, type_of},
        inode::{self, Inode, flags},
        superblock::incompat,
    },
};

impl<D: BlockRead> Ext<D> {
    /// The room for `len` bytes in a leaf.
    pub(super) fn room_in_leaf(
        &self,
        directory: &Inode,
        leaf: &DirectoryBlock,
        len: usize,
    ) -> Result<Option<Room>> {
        let mut room = None;
        self.dirents(directory, leaf, &mut |dirent| {
            room = room.take().or_else(|| Room::behind(&dirent, len));
            Ok(())
        })?;
        Ok(room)
    }

    /// `.` and `..`, with which every directory that is not inline starts.
    pub(super) fn dots(directory: u32, parent: u32) -> [NewName; 2] {
        let file_type = type_of(FileKind::Directory);
        [(directory, b".".to_vec()), (parent, b"..".to_vec())].map(|(inode, name)| NewName {
            inode,
            file_type,
            name,
        })
    }
}

impl<D: BlockWrite> Ext<D> {
    /// Puts a name into a directory that has none of that name. The inode of the directory is written if it changes.
    pub(super) fn insert_name(&mut self, directory: &mut Inode, new: &NewName) -> Result<()> {
        if directory.has(flags::INLINE_DATA) && self.insert_inline(directory, new)? {
            return Ok(());
        }
        if self.is_indexed(directory) {
            return self.insert_indexed(directory, new);
        }
        if directory.has(flags::INDEX) {
            // An index that is not kept up must not be used by a kernel that knows the feature later.
            let flags = directory.flags() & !flags::INDEX;
            inode::FLAGS.set(&mut directory.raw, flags);
            self.write_inode(directory)?;
        }
        let mut walk = self.walk_directory(directory)?;
        while let Some(place) = walk.next(self, directory)? {
            let block = self.read_directory_block(directory, place)?;
            if let Some(room) = self.room_in_leaf(directory, &block, new.len())? {
                return self.fill_leaf(directory, block, &room, new);
            }
        }
        let block = self.pack(std::slice::from_ref(new));
        self.append_leaf(directory, block).map(drop)
    }

    /// Writes a leaf with one more name in it.
    pub(super) fn fill_leaf(
        &mut self,
        directory: &Inode,
        mut leaf: DirectoryBlock,
        room: &Room,
        new: &NewName,
    ) -> Result<()> {
        room.fill(self.dirent_format(), &mut leaf.data, new);
        self.write_leaf(directory, leaf.physical, leaf.data)
    }

    /// Seals and writes a leaf.
    pub(super) fn write_leaf(&mut self, directory: &Inode, place: u64, mut data: Vec<u8>) -> Result<()> {
        self.seal_directory_block(directory, BlockKind::Leaf, &mut data)?;
        self.write_block(place, &data)
    }

    /// Puts a name into the inode if there is room for it; makes it a directory with a block otherwise.
    fn insert_inline(&mut self, directory: &mut Inode, new: &NewName) -> Result<bool> {
        let format = self.dirent_format();
        let object = directory.object();
        let number = u32::try_from(directory.number).expect("inode numbers have 32 bits");
        let mut names = Self::dots(number, Le32(0).get(directory.block())).to_vec();
        for area in Self::inline_areas(directory)? {
            if let Some(room) = self.room_in(&directory.raw, area.clone(), object, new.len())? {
                room.fill(format, &mut directory.raw, new);
                self.write_inode(directory)?;
                return Ok(true);
            }
            format.parse_all(&directory.raw, area, object, "inline data", &mut |dirent| {
                if dirent.inode != 0 {
                    names.push(NewName::of(&directory.raw, &dirent));
                }
                Ok(())
            })?;
        }
        // An inode is no larger than a block, but the entries that it holds leave out two.
        if names.iter().map(NewName::len).sum::<usize>() > self.leaf_room() {
            return super::unsupported(object, "moving inline entries that fill more than a block");
        }
        let before = self.allocated_bytes(directory);
        directory.leave_inline(self.superblock.incompat(incompat::EXTENTS))?;
        let mut block = self.pack(&names);
        self.seal_directory_block(directory, BlockKind::Leaf, &mut block)?;
        self.write_content(directory, &block)?;
        self.write_inode(directory)?;
        self.recharge_bytes(directory, before)?;
        Ok(false)
    }
}
