//! What most targets do with an input. Here rather than in their own files: compiled once, for all of them.

mod container;
mod logs;
mod policy;

use filesystem::Content;

use crate::{exercise, input::Input, parts::Shape};

pub use container::qcow2;
pub use logs::{journal, xfs_log};
pub use policy::policy;

/// The images of each target.
pub const SHAPES: &[(&str, Shape)] = &[
    ("ext", Shape::Whole(Content::Ext)),
    ("fat", Shape::Whole(Content::Fat)),
    ("gpt", Shape::Disk),
    ("journal", Shape::Journal),
    ("line", Shape::Disk),
    ("lvm", Shape::Disk),
    ("mbr", Shape::Disk),
    ("qcow2", Shape::File),
    ("swap", Shape::Whole(Content::Swap)),
    ("xfs", Shape::Whole(Content::Xfs)),
    ("xfs_log", Shape::Log),
];

/// What is done with the options' last bit, which is about checksums, taken away.
fn choices(input: &Input<'_>) -> u32 {
    input.options & 0x7fff_ffff
}

/// An ext filesystem: all that reads, then recovery, edits and scrub of a view.
pub fn ext(data: &[u8]) {
    whole(data, Content::Ext);
}

/// A FAT: the same.
pub fn fat(data: &[u8]) {
    whole(data, Content::Fat);
}

/// An XFS: the same.
pub fn xfs(data: &[u8]) {
    whole(data, Content::Xfs);
}

/// A swap area: the same; and its first page as that of a swap file.
pub fn swap(data: &[u8]) {
    whole(data, Content::Swap);
    if let Some((_, device)) = crate::image(data) {
        for len in [1024, 4096, 65_536] {
            let page = device.bytes(0, len).unwrap_or_default();
            let _ = filesystem::swap_header_of(&page, 65_536);
        }
    }
}

fn whole(data: &[u8], content: Content) {
    if let Some((input, device)) = crate::image(data) {
        crate::save(&device);
        exercise::volume(&device, content, choices(&input));
    }
}

/// A disk with a partition table: volumes, tails, scrub.
pub fn table(data: &[u8]) {
    if let Some((input, device)) = crate::image(data) {
        let sector = match input.options & 3 {
            2 => Some(512),
            3 => Some(4096),
            _ => None,
        };
        crate::save(&device);
        // An error is an answer.
        let _ = exercise::table(&device, sector);
    }
}

/// A disk with LVM2 physical volumes: the same. Bytes behind the patches are the text of its metadata.
pub fn lvm(data: &[u8]) {
    if let Some((input, mut device)) = crate::image(data) {
        if !input.rest.is_empty() {
            crate::parts::replace_text(&mut device, input.rest);
        }
        crate::save(&device);
        let _ = exercise::table(&device, None);
    }
}
