//! ext4-view reads the finished ext2, ext3 or ext4.
//!
//! It resolves every path from the root, and computes the checksum of each directory block on the way with a table
//! of bytes: three quarters of its time. So it checks superblock and group descriptors, and then reads the tree
//! without checksums; our own reader, which goes first, has checked them all. Asked for content, it checks them too.

use std::{collections::HashSet, error::Error, sync::Arc};

use block::{BlockRead, Window};
use ext4_view::{DirEntry, Ext4, Ext4Error, Ext4Read, FileType, Path, PathBuf};
use filesystem::{Claim, Content, Entry, FileKind, Filesystem, InodeId, Residue, Result};

use super::{
    Opinion, Reader, guarded,
    tree::{Other, PIECE, Seen, compare},
};
use crate::{Names, Options};

/// Where the superblock, at byte 1024, has `s_inode_size` (le16).
const INODE_SIZE: u64 = 1024 + 0x58;

/// Where it has the second byte of `s_feature_ro_compat`, and the bit for metadata_csum there (0x400 in the field).
const RO_COMPAT_SECOND: u64 = 1024 + 0x65;
const METADATA_CSUM: u8 = 0x04;

/// What ext4-view says where a file without extents has a hole.
const HOLE: &str = "from block 0 (originally 0)";

/// What ext4-view 1.0 says of an inode with a time whose 32 bits in the inode itself are negative: before 1970, and in
/// 2038 to 2106 and so on. All of these are legal.
const TIME: &str = "has invalid timestamp";

/// Why it has no opinion on such an inode, and on what lies below it.
const BLIND: &str = "times before 1970 or after 2038";

/// Names whose inodes are read in the inodes' order: each takes some 300 bytes.
const BATCH: usize = 2048;

struct Device {
    window: Window<Arc<dyn BlockRead>>,
    /// The superblock is shown as it is; else without metadata_csum.
    checksums: bool,
}

impl Ext4Read for Device {
    fn read(&mut self, start: u64, dst: &mut [u8]) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.window.read_at(start, dst)?;
        if !self.checksums
            && let Some(at) = RO_COMPAT_SECOND.checked_sub(start)
            && let Some(byte) = usize::try_from(at).ok().and_then(|at| dst.get_mut(at))
        {
            *byte &= !METADATA_CSUM;
        }
        Ok(())
    }
}

struct View {
    reader: Ext4,
    /// The files of which it has no opinion: see [`with_unwritten_extents`].
    unwritten: Arc<HashSet<InodeId>>,
}

/// The opinion of ext4-view on a volume.
pub(crate) fn ext4(window: &Window<Arc<dyn BlockRead>>, number: u32, options: Options) -> Result<Opinion> {
    let ours = filesystem::open(window.clone(), Content::Ext)?;
    let summary = ours.summary()?;
    let checksums = summary.features.iter().any(|name| name == "metadata_csum");
    // ext4-view 1.0 reads the checksum of a 128-byte inode where there is none, and calls the inode truncated.
    let mut inode_size = [0; 2];
    window.read_at(INODE_SIZE, &mut inode_size)?;
    let small_inodes = checksums && options.content && u16::from_le_bytes(inode_size) == 128;
    let unwritten = Arc::new(if options.content { with_unwritten_extents(&*ours)? } else { HashSet::new() });
    let mut outcome = Ok(());
    let mut opinion = guarded(Reader::Ext4View, Some(number), |opinion| {
        if small_inodes {
            opinion.refused = Some("128-byte inodes with metadata_csum".to_owned());
            return;
        }
        let load = |checksums| Ext4::load(Box::new(Device { window: window.clone(), checksums }));
        match load(true) {
            Ok(_) => match compare(
                &|| filesystem::open(window, Content::Ext),
                &|| {
                    let reader = load(options.content).map_err(|error| error.to_string())?;
                    Ok(View { reader, unwritten: Arc::clone(&unwritten) })
                },
                options,
            ) {
                Ok(compared) => {
                    let blind = compared.blind;
                    opinion.take(compared);
                    if blind {
                        opinion.refused.get_or_insert_with(|| BLIND.to_owned());
                    }
                }
                Err(error) => outcome = Err(error),
            },
            Err(Ext4Error::Incompatible(feature)) => opinion.refused = Some(feature.to_string()),
            Err(error) => opinion.differences.push(error.to_string()),
        }
    });
    outcome?;
    opinion.differences.truncate(20);
    Ok(opinion)
}

/// ext4-view 1.0 takes an unwritten extent for one of 32,768 blocks more: what it reads from there on is not the file.
fn with_unwritten_extents(ours: &dyn Filesystem) -> Result<HashSet<InodeId>> {
    let mut inodes = HashSet::new();
    ours.claims(&mut |_, claim| {
        if let Claim::Dead(Residue::Unwritten, Some(inode)) = claim {
            inodes.insert(inode);
        }
        Ok(())
    })?;
    Ok(inodes)
}

fn kind(file_type: FileType) -> FileKind {
    match file_type {
        FileType::BlockDevice => FileKind::BlockDevice,
        FileType::CharacterDevice => FileKind::CharDevice,
        FileType::Directory => FileKind::Directory,
        FileType::Fifo => FileKind::Fifo,
        FileType::Regular => FileKind::File,
        FileType::Socket => FileKind::Socket,
        FileType::Symlink => FileKind::Symlink,
    }
}

/// What it says of a name.
fn see(entry: &DirEntry) -> Result<Seen, String> {
    match entry.metadata().map_err(|error| error.to_string()) {
        Ok(metadata) => Ok(Seen { kind: kind(metadata.file_type()), size: Some(metadata.len()) }),
        Err(error) if View::is_blind(&error) => {
            let file_type = entry.file_type().map_err(|error| error.to_string())?;
            Ok(Seen { kind: kind(file_type), size: None })
        }
        Err(error) => Err(error),
    }
}

fn path(bytes: &[u8]) -> Result<Path<'_>, String> {
    Path::try_from(bytes).map_err(|error| format!("{error:?}"))
}

impl Other for View {
    fn is_blind(error: &str) -> bool {
        error.contains(TIME)
    }

    fn list(&mut self, dir: &[u8], ours: &[Entry]) -> Result<Names<Seen>, String> {
        let named = |entry: &Result<DirEntry, Ext4Error>| match entry {
            Ok(entry) => !matches!(entry.file_name().as_ref(), b"." | b".."),
            Err(_) => true,
        };
        let mut entries = self.reader.read_dir(path(dir)?).map_err(|error| error.to_string())?.filter(named);
        let mut inodes = ours.iter();
        let mut seen = Vec::with_capacity(ours.len());
        loop {
            let mut batch: Vec<DirEntry> = Vec::new();
            let mut order: Vec<(u64, usize)> = Vec::new();
            for entry in entries.by_ref().take(BATCH) {
                order.push((inodes.next().map_or(0, |entry| entry.inode.0), batch.len()));
                batch.push(entry.map_err(|error| error.to_string())?);
            }
            if batch.is_empty() {
                return Ok(seen.into_iter().collect());
            }
            // Where the names are in another order than the inodes, it would search its cache for each, or miss it.
            order.sort_unstable();
            for (_, place) in order {
                let entry = &batch[place];
                seen.push((entry.file_name().as_ref().to_vec(), see(entry)?));
            }
        }
    }

    fn target(&mut self, link: &[u8]) -> Result<Vec<u8>, String> {
        let target: PathBuf = self.reader.read_link(path(link)?).map_err(|error| error.to_string())?;
        Ok(target.as_path().as_ref().to_vec())
    }

    fn content(
        &mut self,
        file: &[u8],
        inode: InodeId,
        visit: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), String> {
        if self.unwritten.contains(&inode) {
            return Ok(());
        }
        let mut file = self.reader.open(path(file)?).map_err(|error| error.to_string())?;
        let mut buf = vec![0; PIECE];
        loop {
            let len = match file.read_bytes(&mut buf).map_err(|error| error.to_string()) {
                // ext4-view 1.0 takes a hole in a block map for block 0, and has no opinion from there on.
                Err(error) if error.contains(HOLE) => return Ok(()),
                len => len?,
            };
            if len == 0 || !visit(&buf[..len]) {
                return Ok(());
            }
        }
    }
}
