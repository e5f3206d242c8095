//! Claims of inodes: their maps, their content byte by byte, their attributes.

use block::{BlockRead, Result};

use super::{
    ledger::{Claimant, Ledger},
    shared::{Piece, SharedExtents},
};
use crate::{
    Claim, FileKind, Owner, Residue,
    xfs::{
        Xfs,
        format::inode::BLOCKS,
        group::expect,
        inode::{Fork, Inode},
        map::{Mapped, Mapping},
        superblock,
    },
};

/// What a data fork's content is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// A file's: written blocks up to its size; behind it slack.
    File,
    /// Every block, for this owner.
    Whole(Owner),
}

impl<D: BlockRead> Xfs<D> {
    /// Claims all blocks of an inode in use.
    pub(super) fn claim_inode(
        &self,
        inode: &Inode,
        shared: &mut SharedExtents,
        ledger: &mut Ledger<'_>,
    ) -> Result<()> {
        let who = Claimant::Inode(inode.number);
        let mapping_claim = Claim::Live(Owner::Mapping(inode.id()));
        let content = self.content_of(inode);
        let (mut blocks, mut extents) = (0u64, 0u64);
        self.map(inode, Fork::Data, &mut |mapped| match mapped {
            Mapped::Node(node) => {
                blocks += 1;
                ledger.claim_all(node.block, 1, who, mapping_claim)
            }
            Mapped::Extent(mapping) => {
                blocks += mapping.count;
                extents += 1;
                match content {
                    Content::File => self.claim_data(inode, mapping, shared, ledger),
                    Content::Whole(_) if !mapping.written => {
                        Err(inode.object().corrupt("extent", "unwritten", "written"))
                    }
                    Content::Whole(owner) => {
                        ledger.claim_all(mapping.start, mapping.count, who, Claim::Live(owner))
                    }
                }
            }
        })?;
        expect(inode.object(), "number of extents", inode.extent_count(Fork::Data), extents)?;
        let mut attr_extents = 0u64;
        self.map(inode, Fork::Attr, &mut |mapped| match mapped {
            Mapped::Node(node) => {
                blocks += 1;
                ledger.claim_all(node.block, 1, who, mapping_claim)
            }
            Mapped::Extent(mapping) => {
                blocks += mapping.count;
                attr_extents += 1;
                ledger.claim_all(mapping.start, mapping.count, who, mapping_claim)
            }
        })?;
        expect(
            inode.object(),
            "number of extents of attributes",
            inode.extent_count(Fork::Attr),
            attr_extents,
        )?;
        expect(inode.object(), "di_nblocks", BLOCKS.get(&inode.raw), blocks)?;
        if inode.kind() == Some(FileKind::Symlink) {
            self.read_link(inode)?;
        }
        Ok(())
    }

    /// Inodes that no directory names: quotas, and those of a realtime device.
    pub(crate) fn is_hidden(&self, inode: &Inode) -> bool {
        let raw = self.superblock.bytes();
        [superblock::REALTIME_BITMAP_INODE, superblock::REALTIME_SUMMARY_INODE]
            .iter()
            .any(|field| field.get(raw) == inode.number.0)
            || self.superblock.quota_inodes().contains(&inode.number.0)
    }

    fn content_of(&self, inode: &Inode) -> Content {
        if self.is_hidden(inode) {
            return Content::Whole(Owner::Metadata);
        }
        match inode.kind() {
            Some(FileKind::File) => Content::File,
            Some(FileKind::Directory) => Content::Whole(Owner::Mapping(inode.id())),
            _ => Content::Whole(Owner::Data(inode.id())),
        }
    }

    /// An extent of a file's data, of which parts may be shared.
    fn claim_data(
        &self,
        inode: &Inode,
        mapping: Mapping,
        shared: &mut SharedExtents,
        ledger: &mut Ledger<'_>,
    ) -> Result<()> {
        let size = self.geometry.block_size;
        let whole = self.geometry.extent(mapping.start, mapping.count);
        let file_start = mapping.logical.saturating_mul(size);
        let live_len =
            if mapping.written { inode.size().saturating_sub(file_start).min(whole.len) } else { 0 };
        let live_end = whole.start + live_len;
        let rest = if mapping.written { Residue::Slack } else { Residue::Unwritten };
        let (first, last) = (whole.start / size, whole.end() / size);
        let mut at = first;
        for part in shared.parts(first, last) {
            self.claim_own(inode, at..part.start, live_end, rest, ledger)?;
            shared.add(Piece {
                start: part.start,
                end: part.end,
                inode: inode.number,
                live_end: live_end.clamp(part.start * size, part.end * size),
                written: mapping.written,
            });
            at = part.end;
        }
        self.claim_own(inode, at..last, live_end, rest, ledger)
    }

    /// Blocks that only this file has; its live bytes end at `live_end` of the device.
    fn claim_own(
        &self,
        inode: &Inode,
        blocks: std::ops::Range<u64>,
        live_end: u64,
        rest: Residue,
        ledger: &mut Ledger<'_>,
    ) -> Result<()> {
        if blocks.is_empty() {
            return Ok(());
        }
        ledger.claim_linear(blocks.start, blocks.end, Claimant::Inode(inode.number))?;
        let (start, end) = (blocks.start * self.geometry.block_size, blocks.end * self.geometry.block_size);
        let middle = live_end.clamp(start, end);
        ledger.say(start, middle, Claim::Live(Owner::Data(inode.id())))?;
        ledger.say(middle, end, Claim::Dead(rest, Some(inode.id())))
    }
}
