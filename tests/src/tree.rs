//! The trees of an image as text, one name a line, as diskscrub's own reader sees them: the expected trees of
//! the cases. (Whether that reader is right, the kernel says: see `kernel`.)

use std::{fmt::Write, path::Path};

use block::{OpenOptions, Window};
use filesystem::{Content, FileKind, Filesystem, InodeId};

use crate::Result;

/// Every name of every volume: path, kind, mode, owner, group, links, size, digest of the content.
pub fn text(image: &Path) -> Result<String> {
    let device = block::open(image, &OpenOptions::default()).map_err(|error| error.to_string())?.device;
    let layout = filesystem::layout(&device, None).map_err(|error| error.to_string())?;
    let mut text = String::new();
    for volume in &layout.volumes {
        if !matches!(volume.content, Content::Ext | Content::Fat | Content::Xfs) {
            continue;
        }
        let _ = writeln!(text, "volume {}", volume.number);
        let mut lines = Vec::new();
        let mut names = || -> block::Result<()> {
            let filesystem = filesystem::open(Window::new(&device, &volume.extents)?, volume.content)?;
            filesystem.root().map_or(Ok(()), |root| walk(&*filesystem, root, "", &mut lines))
        };
        names().map_err(|error| error.to_string())?;
        lines.sort();
        lines.iter().for_each(|line| text.extend([line.as_str(), "\n"]));
    }
    Ok(text)
}

fn walk(
    filesystem: &dyn Filesystem,
    dir: InodeId,
    above: &str,
    lines: &mut Vec<String>,
) -> block::Result<()> {
    let mut entries = Vec::new();
    filesystem.entries(dir, &mut |entry| {
        entries.push(entry);
        Ok(())
    })?;
    for entry in entries {
        let path = format!("{above}/{}", entry.name.escape_ascii());
        let meta = filesystem.metadata(entry.inode)?;
        let (kind, rest) = match meta.kind {
            FileKind::File => ("file", format!("{} {}", meta.size, content(filesystem, entry.inode)?)),
            FileKind::Directory => ("directory", String::new()),
            FileKind::Symlink => {
                ("link", format!("-> {}", filesystem.link_target(entry.inode)?.escape_ascii()))
            }
            FileKind::Fifo => ("fifo", String::new()),
            FileKind::Socket => ("socket", String::new()),
            FileKind::CharDevice => ("char", String::new()),
            FileKind::BlockDevice => ("block", String::new()),
        };
        let line = format!("{path} {kind} {:o} {}:{} {} {rest}", meta.mode, meta.uid, meta.gid, meta.links);
        lines.push(line.trim_end().to_owned());
        if meta.kind == FileKind::Directory {
            walk(filesystem, entry.inode, &path, lines)?;
        }
    }
    Ok(())
}

/// The first digits of a content's digest.
fn content(filesystem: &dyn Filesystem, inode: InodeId) -> block::Result<String> {
    let mut hasher = blake3::Hasher::new();
    let (mut buffer, mut offset) = (vec![0; 1 << 16], 0);
    loop {
        let len = filesystem.read(inode, offset, &mut buffer)?;
        if len == 0 {
            return Ok(hasher.finalize().to_hex()[..16].to_owned());
        }
        hasher.update(&buffer[..len]);
        offset += block::to_u64(len);
    }
}
