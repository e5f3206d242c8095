//! The searched disk as its guest sees it: whose a byte is, and the paths of files. Read anew from the disk.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use block::{BlockRead, Extent, Window, to_usize};
use filesystem::{Claim, Content, FileKind, InodeId, Layout, LiveKind, Owner, Result};
use scan::Guest;

use crate::{Region, guest::Tree};

/// Deepest directory that is looked into.
const MAX_DEPTH: usize = 512;

/// Whose a byte is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Whose {
    /// Index in the layout's volumes.
    pub(super) volume: Option<usize>,
    pub(super) region: Region,
    pub(super) inode: Option<InodeId>,
    /// Offset in the file, if it is content.
    pub(super) file_offset: Option<u64>,
    /// Where on the disk the file would end that has it, if it went on in one piece.
    pub(super) end: Option<u64>,
}

/// A disk, and its volumes.
pub(super) struct Disk<'d> {
    layout: &'d Layout,
    windows: Vec<Window<Arc<dyn BlockRead>>>,
}

impl<'d> Disk<'d> {
    pub(super) fn new(device: &Arc<dyn BlockRead>, layout: &'d Layout) -> Result<Self> {
        let windows: std::io::Result<Vec<_>> =
            layout.volumes.iter().map(|volume| Window::new(Arc::clone(device), &volume.extents)).collect();
        Ok(Self { layout, windows: windows? })
    }

    /// Says whose the bytes at some offsets are.
    pub(super) fn owners(&self, offsets: &[u64]) -> Result<HashMap<u64, Whose>> {
        let mut sorted = offsets.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let within = |extent: Extent| {
            let from = sorted.partition_point(|&offset| offset < extent.start);
            let to = sorted.partition_point(|&offset| offset < extent.end());
            &sorted[from..to]
        };
        let gap = Whose { volume: None, region: Region::Gap, inode: None, file_offset: None, end: None };
        let mut owners: HashMap<u64, Whose> = sorted.iter().map(|&offset| (offset, gap.clone())).collect();
        for (index, volume) in self.layout.volumes.iter().enumerate() {
            let readable = volume.content.is_filesystem();
            let region = match volume.content {
                Content::Ext | Content::Fat | Content::Xfs | Content::Swap => Region::Free,
                Content::Opaque(_) => Region::Opaque,
                Content::Lvm2 => Region::Free,
                Content::BootCode | Content::Empty => Region::Empty,
            };
            let mut any = false;
            for offset in volume.places().flat_map(|&extent| within(extent)) {
                any = true;
                owners.insert(*offset, Whose { volume: Some(index), region, ..gap.clone() });
            }
            if any && readable {
                self.owners_in(index, &within, &mut owners)?;
            }
        }
        for live in &self.layout.live {
            let region = match live.kind {
                LiveKind::BootCode | LiveKind::GrubCore | LiveKind::Prep => Region::BootCode,
                _ => Region::Metadata,
            };
            for offset in within(live.extent) {
                owners.insert(*offset, Whose { region, ..gap.clone() });
            }
        }
        Ok(owners)
    }

    fn owners_in<'s>(
        &self,
        index: usize,
        within: &dyn Fn(Extent) -> &'s [u64],
        owners: &mut HashMap<u64, Whose>,
    ) -> Result<()> {
        let window = &self.windows[index];
        let filesystem = filesystem::open(window, self.layout.volumes[index].content)?;
        let mut files: BTreeMap<InodeId, Vec<u64>> = BTreeMap::new();
        filesystem.claims(&mut |extent, claim| {
            for &offset in window.map(extent).flat_map(within) {
                let (region, inode) = match claim {
                    Claim::Live(Owner::Data(inode)) => (Region::File, Some(inode)),
                    Claim::Live(Owner::Mapping(inode)) => (Region::Metadata, Some(inode)),
                    Claim::Live(Owner::Metadata) => (Region::Metadata, None),
                    Claim::Dead(residue, inode) => (Region::from(residue), inode),
                };
                if let (Region::File, Some(inode)) = (region, inode) {
                    files.entry(inode).or_default().push(offset);
                }
                owners.insert(
                    offset,
                    Whose { volume: Some(index), region, inode, file_offset: None, end: None },
                );
            }
            Ok(())
        })?;
        for (inode, offsets) in files {
            let offsets: HashSet<u64> = offsets.into_iter().collect();
            // The content of what is no regular file has no offsets.
            let metadata = filesystem.metadata(inode)?;
            if metadata.kind != FileKind::File {
                continue;
            }
            filesystem.extents(inode, &mut |mut at, extent| {
                for part in window.map(extent) {
                    for offset in within(part).iter().filter(|offset| offsets.contains(offset)) {
                        if let Some(whose) = owners.get_mut(offset) {
                            let within = at + (offset - part.start);
                            whose.file_offset = Some(within);
                            whose.end = offset.checked_add(metadata.size.saturating_sub(within));
                        }
                    }
                    at += part.len;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The volumes with trees.
    pub(super) fn trees(&self) -> Result<Vec<Tree<'_>>> {
        let mut trees = Vec::new();
        for (index, volume) in self.layout.volumes.iter().enumerate() {
            if volume.content.has_tree() {
                trees.push((index, volume, filesystem::open(&self.windows[index], volume.content)?));
            }
        }
        Ok(trees)
    }
}

/// One path in the guest of each of these inodes, by their volumes.
pub(super) fn paths(
    guest: &Guest<'_>,
    wanted: &HashSet<(usize, InodeId)>,
) -> Result<HashMap<(usize, InodeId), Vec<u8>>> {
    let mut paths = HashMap::new();
    for tree in guest.mounts() {
        let mut missing: HashSet<InodeId> =
            wanted.iter().filter(|(volume, _)| *volume == tree.volume).map(|(_, inode)| *inode).collect();
        let mut seen = HashSet::new();
        let mount_point = tree.mount_point.strip_suffix(b"/").unwrap_or(&tree.mount_point);
        let root = tree.filesystem.root().map(|root| (root, mount_point.to_vec(), 0));
        let mut stack = Vec::from_iter(root);
        while let Some((directory, path, depth)) = stack.pop() {
            if missing.remove(&directory) {
                let path = if path.is_empty() { b"/".to_vec() } else { path.clone() };
                paths.insert((tree.volume, directory), path);
            }
            if missing.is_empty() {
                break;
            }
            if depth > MAX_DEPTH || !seen.insert(directory) {
                continue;
            }
            let from = stack.len();
            tree.filesystem.entries(directory, &mut |entry| {
                let directory = entry.kind == FileKind::Directory;
                if directory || missing.contains(&entry.inode) {
                    let path = [&path, b"/".as_slice(), &entry.name].concat();
                    if directory {
                        stack.push((entry.inode, path, depth + 1));
                    } else if missing.remove(&entry.inode) {
                        paths.insert((tree.volume, entry.inode), path);
                    }
                }
                Ok(())
            })?;
            stack[from..].reverse();
        }
    }
    Ok(paths)
}

/// Bytes of a disk, at most a mebibyte.
pub(super) fn bytes(device: &dyn BlockRead, at: u64, len: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; to_usize(len.min(1 << 20))];
    device.read_at(at, &mut bytes)?;
    Ok(bytes)
}
