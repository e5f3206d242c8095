//! What is live: reserved sectors in use, the FATs, directories, and files to the byte. Derived from the tree.
//!
//! Chains that are marked as used but that no name reaches are not claimed: `Fat::allocated` has them, so
//! that whoever compares the two sees them. fsck.fat calls them unused clusters and frees them.

use block::{BlockRead, Extent, ExtentSet, Object, Result, Unsupported};

use super::{
    Fat,
    directory::{Item, Node},
    name,
    table::{ClusterSet, Link, Run, Table, length},
};
use crate::{Claim, Owner, Residue, twins::Twins};

/// Deeper trees are refused; a path has at most 260 characters on Windows, 4096 bytes on Linux.
const MAX_DEPTH: usize = 512;

/// Told of each directory with its chain, and of each file without.
pub(super) type Visit<'a> = dyn FnMut(&mut ClusterSet, &Node, &[Run]) -> Result<()> + 'a;

impl<D: BlockRead> Fat<D> {
    /// Reports each directory, the root first, with its chain, and each file. A directory that is reached twice
    /// (a loop, too) is `Corrupt`: its clusters are in `seen` already.
    pub(super) fn walk(&self, from: Node, seen: &mut ClusterSet, visit: &mut Visit<'_>) -> Result<()> {
        if !from.is_dir {
            return visit(seen, &from, &[]);
        }
        let mut pending = vec![(from, 0)];
        while let Some((node, depth)) = pending.pop() {
            if depth > MAX_DEPTH {
                let feature = format!("a directory more than {MAX_DEPTH} levels deep");
                return Err(Unsupported::new(node.object(), feature).into());
            }
            let chain = self.directory_chain(&node)?;
            seen.add(&chain)?;
            visit(seen, &node, &chain)?;
            let inside = pending.len();
            self.items(&node, &chain, &mut |item| {
                match item {
                    Item::Name(named) if named.node.is_dir => pending.push((named.node, depth + 1)),
                    Item::Name(named) => visit(seen, &named.node, &[])?,
                    _ => {}
                }
                Ok(())
            })?;
            pending[inside..].reverse(); // popped in the order on disk
        }
        Ok(())
    }

    /// `Corrupt` if a directory has two entries that can be asked for by one name, long or 8.3, whatever its case.
    pub(super) fn check_all_names(&self) -> Result<()> {
        let mut twins = Twins::default();
        self.walk(self.root_node(), &mut ClusterSet::new(&self.geometry), &mut |_, node, chain| {
            if !node.is_dir {
                return Ok(());
            }
            self.items(node, chain, &mut |item| {
                if let Item::Name(named) = item {
                    let name = name::folded(&named.name);
                    twins.name(&name, named.node.inode.0);
                    let short = named.short.as_deref().map(name::folded);
                    if let Some(short) = short.filter(|short| *short != name) {
                        twins.name(&short, named.node.inode.0);
                    }
                }
                Ok(())
            })?;
            twins.finish(node.object())
        })
    }

    /// The chain of a file, long enough for its size; may be longer.
    pub(super) fn file_chain(&self, file: &Node) -> Result<Vec<Run>> {
        if file.first == 0 && file.size == 0 {
            return Ok(Vec::new());
        }
        let chain = Table::new(&self.device, &self.geometry).chain(file.object(), file.first)?;
        let bytes = length(&chain) * self.geometry.cluster;
        if bytes < file.size.into() {
            let expected = format!("at least {}, the file's size", file.size);
            return Err(file.object().corrupt("length of the cluster chain in bytes", bytes, expected));
        }
        Ok(chain)
    }

    pub(super) fn claim_all(&self, visit: &mut dyn FnMut(Extent, Claim) -> Result<()>) -> Result<()> {
        let mut visit = |extent: Extent, claim| if extent.is_empty() { Ok(()) } else { visit(extent, claim) };
        let geometry = &self.geometry;
        let mut done = 0;
        for sector in geometry.reserved_in_use() {
            visit(Extent::between(done, sector.start), Claim::Dead(Residue::Reserved, None))?;
            visit(sector, Claim::Live(Owner::Metadata))?;
            done = sector.end();
        }
        visit(Extent::between(done, geometry.reserved), Claim::Dead(Residue::Reserved, None))?;
        for which in 0..geometry.fats {
            let (start, used) = (geometry.fat_start(which), geometry.fat_used());
            visit(Extent { start, len: used }, Claim::Live(Owner::Metadata))?;
            let padding = Extent { start: start + used, len: geometry.fat_size - used };
            visit(padding, Claim::Dead(Residue::Reserved, None))?;
        }
        let root = self.root_node();
        visit(geometry.root, Claim::Live(Owner::Mapping(root.inode)))?;
        self.walk(root, &mut ClusterSet::new(geometry), &mut |seen, node, chain| {
            if node.is_dir {
                let claim = Claim::Live(Owner::Mapping(node.inode));
                return self.extents(chain).into_iter().try_for_each(|extent| visit(extent, claim));
            }
            let chain = self.file_chain(node)?;
            seen.add(&chain)?;
            let mut left = u64::from(node.size);
            for Extent { start, len } in self.extents(&chain) {
                let live = left.min(len);
                visit(Extent { start, len: live }, Claim::Live(Owner::Data(node.inode)))?;
                let slack = Claim::Dead(Residue::Slack, Some(node.inode));
                visit(Extent { start: start + live, len: len - live }, slack)?;
                left -= live;
            }
            Ok(())
        })
    }

    pub(super) fn allocated_all(&self) -> Result<ExtentSet> {
        let geometry = &self.geometry;
        let mut extents = vec![Extent { start: 0, len: geometry.data }];
        let mut table = Table::new(&self.device, geometry);
        for number in 2..2 + geometry.clusters {
            if matches!(table.link(number)?, Link::Free | Link::Bad) {
                continue;
            }
            let cluster = Extent { start: geometry.cluster_start(number), len: geometry.cluster };
            match extents.last_mut() {
                Some(last) if last.end() == cluster.start => last.len += cluster.len,
                _ => extents.push(cluster),
            }
        }
        Ok(extents.into_iter().collect())
    }

    /// Whether `dir` is one.
    pub(super) fn expect_directory(&self, node: &Node) -> Result<()> {
        if node.is_dir { Ok(()) } else { Err(node.object().corrupt("kind", "a file", "a directory")) }
    }

    /// Whether `file` is one.
    pub(super) fn expect_file(&self, node: &Node) -> Result<()> {
        if node.is_dir { Err(node.object().corrupt("kind", "a directory", "a file")) } else { Ok(()) }
    }

    /// Refuses trees that have a loop or are too deep, so that nobody who descends from the root has to.
    pub(super) fn check_tree(&self) -> Result<()> {
        let mut seen = ClusterSet::new(&self.geometry);
        self.walk(self.root_node(), &mut seen, &mut |_, _, _| Ok(()))
    }

    /// The error for an inode that is no symbolic link; FAT has none.
    pub(super) fn no_link(&self, node: &Node) -> Result<Vec<u8>> {
        let kind = if node.is_dir { "a directory" } else { "a file" };
        Err(Object::corrupt(node.object(), "kind", kind, "a symbolic link"))
    }
}
