//! Extended attributes: what lies between entries and values, and in padding.

use std::ops::Range;

use block::{BlockRead, Result, to_usize};

use crate::{
    FileKind,
    ext::{
        Ext,
        content::INLINE_HEAD,
        inode::{Inode, flags},
        xattr::{Attributes, BLOCK_HEADER_USED},
    },
    tails::{Tail, Visit, unused},
};

/// The parts of an area in use, ascending: `header`, entries with their names, values.
fn used(header: Range<usize>, attributes: &Attributes) -> Vec<Range<usize>> {
    let mut used = Vec::with_capacity(1 + 2 * attributes.list.len());
    used.push(header);
    for attribute in &attributes.list {
        used.push(attribute.entry.start..attribute.name.end);
        used.push(attribute.value.clone());
    }
    used.retain(|range| !range.is_empty());
    used.sort_unstable_by_key(|range| range.start);
    used
}

impl<D: BlockRead> Ext<D> {
    /// The attributes in an inode, which start behind its fields.
    pub(super) fn body_tails(
        &self,
        inode: &Inode,
        attributes: &Attributes,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        // All that is before the first entry or the end mark: the fields, which are not for here, and the magic.
        let first = attributes.list.first().map_or(attributes.head.end, |attribute| attribute.entry.start);
        let mut used = used(0..first, attributes);
        if inode.has(flags::INLINE_DATA) && inode.kind() != Some(FileKind::Directory) {
            // The value of `system.data` is content, and ends where that does.
            let rest = inode.inline_rest()?;
            let size = to_usize(inode.size()).saturating_sub(INLINE_HEAD).min(rest.len());
            for range in used.iter_mut().filter(|range| **range == rest && !rest.is_empty()) {
                range.end = range.start + size;
            }
        }
        unused(&inode.raw, used, inode.offset, Tail::Xattr, visit)
    }

    pub(super) fn xattr_block_tails(&self, block: u64, visit: &mut Visit<'_>) -> Result<()> {
        let (raw, attributes) = self.xattr_block(block)?;
        let used = used(0..BLOCK_HEADER_USED, &attributes);
        unused(&raw, used, block * self.layout.block_size, Tail::Xattr, visit)
    }
}
