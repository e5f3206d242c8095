//! Frees an inode that no name refers to, and all that it holds: blocks, attributes, quota, its slot.
//!
//! Attributes may be shared: an xattr block and an EA inode count their users, and go with the last one.

use block::{BlockWrite, Extent, ExtentSet, Result, Unsupported, field::Le32, to_u64};

use super::{
    Ext,
    inode::{Inode, flags},
    quota::Usage,
    xattr,
};
use crate::InodeId;

// An EA inode keeps its count of users in two fields that it needs for nothing else (ext4_xattr_inode_get_ref).
const REF_HI: Le32 = Le32(0x0C);
const REF_LO: Le32 = Le32(0x24);

impl<D: BlockWrite> Ext<D> {
    /// Frees `inode` and all that only it holds. Names are not looked for: there must be none.
    pub(crate) fn release_inode(&mut self, mut inode: Inode) -> Result<()> {
        let mut usage = Usage { bytes: self.allocated_bytes(&inode), inodes: 1 };
        self.cut_map(&mut inode, 0)?;
        let inside = inode.attributes()?.unwrap_or_default();
        for value in inside.list.iter().map(|attribute| attribute.value_inode).filter(|&value| value != 0) {
            // Its bytes are in i_blocks; the owner pays for an inode too, however many share it.
            usage.inodes += 1;
            self.drop_value(value)?;
        }
        if inode.xattr_block() != 0 {
            self.drop_xattr_block(inode.xattr_block(), &mut usage)?;
        }
        self.uncharge(&inode, usage)?;
        self.free_inode(&inode)
    }

    /// One user less of an xattr block; with the last one it goes, and its users of EA inodes with it.
    pub(crate) fn drop_xattr_block(&mut self, block: u64, usage: &mut Usage) -> Result<()> {
        let (mut raw, attributes) = self.xattr_block(block)?;
        let values =
            || attributes.list.iter().map(|attribute| attribute.value_inode).filter(|&value| value != 0);
        usage.inodes += to_u64(values().count());
        let users = xattr::REFCOUNT.get(&raw);
        if users == 0 {
            return Err(block::Object::numbered("xattr block", block).corrupt(
                "h_refcount",
                users,
                "at least 1",
            ));
        }
        if users > 1 {
            xattr::REFCOUNT.set(&mut raw, users - 1);
            if self.checksums.metadata() {
                let sum = self.checksums.xattr_block(block, &raw);
                xattr::CHECKSUM.set(&mut raw, sum);
            }
            return self.write_block(block, &raw);
        }
        for value in values() {
            self.drop_value(value)?;
        }
        let freed: ExtentSet = [Extent { start: block, len: 1 }].into_iter().collect();
        self.free_blocks(&freed, &ExtentSet::new()).map(drop)
    }

    fn value_inode(&self, number: u64) -> Result<Inode> {
        let inode = self.inode(InodeId(number))?;
        if !inode.has(flags::EA_INODE) {
            return Err(inode.object().corrupt(
                "i_flags",
                format!("{:#x}", inode.flags()),
                "those of an EA inode",
            ));
        }
        Ok(inode)
    }

    /// One user less of an EA inode; with the last one it goes.
    fn drop_value(&mut self, number: u64) -> Result<()> {
        let mut inode = self.value_inode(number)?;
        if REF_HI.get(&inode.raw) != 0 {
            // More than 2^32 users are none: the field holds a time, as in the format that Lustre uses.
            return Err(Unsupported::new(inode.object(), "ea_inode without a count of its users").into());
        }
        match REF_LO.get(&inode.raw) {
            0 => Err(inode.object().corrupt("count of users", 0, "at least 1")),
            1 => {
                self.cut_map(&mut inode, 0)?;
                self.free_inode(&inode)
            }
            users => {
                REF_LO.set(&mut inode.raw, users - 1);
                self.write_inode(&mut inode)
            }
        }
    }
}
