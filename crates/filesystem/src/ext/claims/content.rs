//! Claims of inodes: their maps, their content byte by byte, their xattr blocks.

use std::collections::HashMap;

use block::{BlockRead, Error, Result, Unsupported, to_u64};

use super::{
    fixed::LIVE,
    ledger::{Claimant, Ledger},
};
use crate::{
    Claim, FileKind, Owner, Residue,
    ext::{
        Ext,
        inode::{self, Inode, flags},
        map::Mapped,
        superblock::{self, compat},
        xattr,
    },
};

/// What a map's content is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Written blocks up to this many bytes; behind it slack.
    Until(u64, Owner),
    /// A journal: only its superblock counts.
    Journal,
    /// Blocks that the medium cannot read.
    Bad,
}

/// Bytes of a journal's superblock.
pub(crate) const JOURNAL_SUPERBLOCK_LEN: u64 = 1024;
/// The inode that lists bad blocks.
const BAD_BLOCKS: u64 = 1;
/// The usual journal inode.
const JOURNAL: u64 = 8;

/// How often an xattr block was met, and how often it says that it is used.
#[derive(Debug, Default)]
pub(super) struct XattrBlocks {
    seen: HashMap<u64, (u32, u32)>,
}

impl XattrBlocks {
    /// Every block's reference count was right.
    pub(super) fn finish(&self) -> Result<()> {
        // The lowest, so that the same image gives the same error.
        let wrong = self.seen.iter().filter(|(_, (seen, count))| seen != count).min();
        match wrong {
            None => Ok(()),
            Some((&block, (seen, count))) => {
                let object = block::Object::numbered("xattr block", block);
                Err(object.corrupt("h_refcount", count, format!("{seen}, the inodes that use it")))
            }
        }
    }
}

impl<D: BlockRead> Ext<D> {
    /// Claims all blocks of a live inode.
    pub(super) fn claim_inode(
        &self,
        inode: &Inode,
        xattrs: &mut XattrBlocks,
        ledger: &mut Ledger<'_>,
    ) -> Result<()> {
        self.claim_xattr_block(inode, xattrs, ledger)?;
        if inode.number == inode::RESIZE && self.superblock.compat(compat::RESIZE_INODE) {
            return self.claim_resize_inode(inode, ledger);
        }
        let who = Claimant::Inode(inode.number);
        let content = self.content_kind(inode)?;
        self.map(inode, &mut |mapped| match mapped {
            Mapped::Node { block } => {
                ledger.claim_all(block, 1, who, Claim::Live(Owner::Mapping(inode.id())))
            }
            Mapped::Data { logical, physical, count, written } => {
                ledger.claim(physical, count, who)?;
                let place = self.layout.extent(physical, count);
                let start = logical * self.layout.block_size;
                let file = Some(inode.id());
                let (live, claim, rest) = match content {
                    _ if !written => (0, LIVE, (Residue::Unwritten, file)),
                    Content::Until(end, owner) => {
                        (end.saturating_sub(start).min(place.len), Claim::Live(owner), (Residue::Slack, file))
                    }
                    Content::Journal if logical == 0 => {
                        (JOURNAL_SUPERBLOCK_LEN, LIVE, (Residue::Journal, None))
                    }
                    Content::Journal => (0, LIVE, (Residue::Journal, None)),
                    Content::Bad => (0, LIVE, (Residue::Reserved, None)),
                };
                ledger.say(place.start, place.start + live, claim)?;
                ledger.say(place.start + live, place.end(), Claim::Dead(rest.0, rest.1))
            }
        })?;
        if inode.kind() == Some(FileKind::Symlink) && !inode.has(flags::ENCRYPT) {
            self.read_link(inode)?;
        }
        Ok(())
    }

    /// Whether an inode holds a journal, in use or not.
    pub(crate) fn is_journal(&self, inode: &Inode) -> bool {
        let named = u64::from(superblock::JOURNAL_INUM.get(self.superblock.bytes()));
        inode.number == JOURNAL || (self.superblock.compat(compat::HAS_JOURNAL) && named == inode.number)
    }

    fn content_kind(&self, inode: &Inode) -> Result<Content> {
        let sb = self.superblock.bytes();
        let named = |field: block::field::Le32| u64::from(field.get(sb)) == inode.number;
        let (size, block) = (inode.size(), self.layout.block_size);
        self.check_size(inode)?;
        let whole = size.next_multiple_of(block);
        if inode.number == BAD_BLOCKS {
            return Ok(Content::Bad);
        }
        if self.is_journal(inode) {
            return Ok(Content::Journal);
        }
        let hidden = [
            superblock::USR_QUOTA_INUM,
            superblock::GRP_QUOTA_INUM,
            superblock::PRJ_QUOTA_INUM,
            superblock::ORPHAN_FILE_INUM,
        ];
        if hidden.into_iter().any(named) {
            return Ok(Content::Until(whole, Owner::Metadata));
        }
        let data = Owner::Data(inode.id());
        Ok(match inode.kind() {
            Some(FileKind::Directory) => Content::Until(whole, Owner::Mapping(inode.id())),
            // The Merkle tree and its descriptor lie behind the end.
            Some(FileKind::File) if inode.has(flags::VERITY) => Content::Until(u64::MAX, data),
            // Ciphertext goes on to the end of the block, and is needed to decrypt what lies before.
            Some(_) if inode.has(flags::ENCRYPT) => Content::Until(whole, data),
            _ => Content::Until(size, data),
        })
    }

    fn claim_xattr_block(
        &self,
        inode: &Inode,
        xattrs: &mut XattrBlocks,
        ledger: &mut Ledger<'_>,
    ) -> Result<()> {
        let block = inode.xattr_block();
        if block == 0 {
            return Ok(());
        }
        if let Some((seen, _)) = xattrs.seen.get_mut(&block) {
            *seen += 1;
            return Ok(());
        }
        if !self.layout.contains(block, 1) {
            let expected = format!("a block up to {}", self.layout.blocks - 1);
            return Err(inode.object().corrupt("i_file_acl", block, expected));
        }
        let owner = Owner::Mapping(inode.id());
        ledger.claim_all(block, 1, Claimant::Inode(inode.number), Claim::Live(owner))?;
        let (raw, _) = self.xattr_block(block)?;
        xattrs.seen.insert(block, (1, xattr::REFCOUNT.get(&raw)));
        Ok(())
    }

    /// The resize inode's map is one double indirect block; what that points to are the reserved descriptor
    /// blocks, which the groups have claimed.
    fn claim_resize_inode(&self, inode: &Inode, ledger: &mut Ledger<'_>) -> Result<()> {
        const DOUBLE: usize = 13;
        if inode.has(flags::EXTENTS) {
            return Err(Error::from(Unsupported::new(inode.object(), "a resize inode with extents")));
        }
        for (index, pointer) in inode.block().chunks_exact(4).enumerate() {
            let block = u64::from(block::field::Le32(0).get(pointer));
            if block == 0 {
                continue;
            }
            if index != DOUBLE || !self.layout.contains(block, 1) {
                let found = format!("{block} in place {}", to_u64(index));
                return Err(inode.object().corrupt("block pointer", found, "a double indirect block only"));
            }
            let owner = Owner::Mapping(inode.id());
            ledger.claim_all(block, 1, Claimant::Inode(inode.number), Claim::Live(owner))?;
        }
        Ok(())
    }
}
