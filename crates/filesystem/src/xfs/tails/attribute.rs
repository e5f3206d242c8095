//! Attribute leaves between names and values, nodes behind their entries, the last blocks of large values, and blocks
//! that no reader reaches.

use block::{BlockRead, Result};

use crate::{
    tails::{Tail, Visit, gap, unused},
    xfs::{
        Xfs,
        attribute::leaf::{Block, Leaf, used_of_node},
        format::{
            attr::{flags, leaf},
            dir::da,
        },
        inode::Inode,
    },
};

impl<D: BlockRead> Xfs<D> {
    /// The blocks of an attribute fork.
    pub(super) fn attribute_tails(&self, inode: &Inode, visit: &mut Visit<'_>) -> Result<()> {
        let v5 = self.geometry.v5;
        self.attribute_blocks(inode, &mut |block| match block {
            Block::Node(node) => {
                let start = self.geometry.offset(node.block);
                let header = da::node_level(v5).0 + 2;
                let used =
                    [0..da::PAD.0, da::PAD.0 + 2..header, da::node_header_len(v5)..used_of_node(node, v5)];
                unused(&node.raw, used, start, Tail::Xattr, visit)
            }
            Block::Leaf(leaf) => {
                self.leaf_tails(leaf, visit)?;
                leaf.entries
                    .iter()
                    .filter_map(|entry| entry.remote.filter(|_| entry.flags & flags::INCOMPLETE == 0))
                    .try_for_each(|(first, len)| self.value_tails(inode, first, len, visit))
            }
        })?;
        self.unreached_blocks(inode, &mut |block, raw| {
            gap(&raw, 0..raw.len(), self.geometry.offset(block), Tail::Xattr, visit)
        })
    }

    fn leaf_tails(&self, leaf: &Leaf, visit: &mut Visit<'_>) -> Result<()> {
        let v5 = self.geometry.v5;
        let map = leaf::free_map(v5);
        let mut used = vec![
            0..da::PAD.0,
            da::PAD.0 + 2..leaf::pad1(v5).0,
            map..map + leaf::FREE_MAP_COUNT * leaf::FREE_MAP_LEN,
        ];
        let first = leaf::header_len(v5);
        used.extend((0..leaf.entries.len()).map(|index| {
            let at = first + index * leaf::ENTRY_LEN;
            at..at + leaf::PAD.0
        }));
        // Nobody sees the value of an entry that is not complete.
        let mut names: Vec<_> = leaf
            .entries
            .iter()
            .map(|entry| {
                let end = if entry.flags & flags::INCOMPLETE == 0 { entry.whole.end } else { entry.name.end };
                entry.whole.start..end
            })
            .collect();
        names.sort_unstable_by_key(|range| range.start);
        used.extend(names);
        unused(&leaf.raw, used, self.geometry.offset(leaf.block), Tail::Xattr, visit)
    }

    fn value_tails(&self, inode: &Inode, first: u64, len: usize, visit: &mut Visit<'_>) -> Result<()> {
        self.value_blocks(inode, first, len, &mut |block, raw, value| {
            gap(raw, value.end..raw.len(), self.geometry.offset(block), Tail::Xattr, visit)
        })
    }
}
