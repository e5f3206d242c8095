//! Where the structures of a good image lie, and how the checksum of each is redone once it is patched.
//!
//! Found by diskscrub's own readers in the good image; of an image that they refuse, what is not zero is a part.

pub mod ext;
mod lvm;
mod table;
mod xfs;

use block::{BlockRead, Extent, Window};
use filesystem::Content;

use crate::disk::{Base, Patched};

pub use ext::fast_commit;
pub use lvm::replace_text;
pub use xfs::log_record;

/// Parts of one base.
const MOST: usize = 6000;
/// Parts that are content of files.
const CONTENT: usize = 48;

/// Whose checksum covers a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// Nobody's.
    None,
    /// A structure of the ext filesystem that starts at `origin`.
    Ext {
        /// Byte of the image.
        origin: u64,
        /// Which structure.
        what: ext::What,
    },
    /// Found by its magic: of an XFS at `origin`.
    Xfs {
        /// Byte of the image.
        origin: u64,
    },
    /// A sector of the log of an XFS: which lies here.
    XfsLog {
        /// Its first byte.
        start: u64,
    },
    /// Header or entries of a GPT.
    Gpt,
    /// A label, a metadata header, or a text: of the physical volume at `origin`.
    Lvm {
        /// Byte of the image.
        origin: u64,
    },
}

/// A piece that patches aim at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub len: usize,
    /// Its checksum.
    pub seal: Seal,
}

/// What a target's images are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A filesystem on the whole image.
    Whole(Content),
    /// The journal of an ext filesystem above all.
    Journal,
    /// The log of an XFS above all.
    Log,
    /// A disk: its table, and what is in its volumes.
    Disk,
    /// A file that is no disk: every sector.
    File,
}

/// The parts of a base.
pub fn find(base: &'static Base, shape: Shape) -> Vec<Part> {
    let device = Patched::new(base);
    let mut parts = match shape {
        Shape::Whole(content) => of_volume(&device, Extent { start: 0, len: device.size() }, content),
        Shape::Journal => {
            let journal = ext::journal(&device, 0);
            // Several times over: most patches are to be in the journal.
            let rest = ext::parts(&device, 0, device.size());
            let times = (rest.len() / journal.len().max(1)).clamp(1, 8);
            journal.repeat(times).into_iter().chain(rest).collect()
        }
        Shape::Log => {
            let log = xfs::log(&device, 0, device.size());
            let rest = xfs::parts(&device, 0, device.size());
            let times = (rest.len() / log.len().max(1)).clamp(1, 8);
            log.repeat(times).into_iter().chain(rest).collect()
        }
        Shape::Disk => of_disk(&device),
        Shape::File => Vec::new(),
    };
    parts.truncate(MOST);
    if parts.is_empty() {
        parts = sectors(&device);
    }
    parts
}

fn of_volume(device: &Patched, extent: Extent, content: Content) -> Vec<Part> {
    match content {
        Content::Ext => ext::parts(device, extent.start, extent.len),
        Content::Xfs => xfs::parts(device, extent.start, extent.len),
        Content::Fat => {
            let Ok(window) = Window::new(device, &[extent]) else { return Vec::new() };
            let mut parts = Vec::new();
            let window: &dyn BlockRead = &window;
            let found = filesystem::open(window, content).and_then(|fat| {
                fat.claims(&mut |claimed, claim| {
                    if !matches!(claim, filesystem::Claim::Live(filesystem::Owner::Data(_))) {
                        cut(device, extent.start + claimed.start, claimed.len, 512, Seal::None, &mut parts);
                    }
                    Ok(())
                })
            });
            if found.is_err() { Vec::new() } else { parts }
        }
        Content::Swap => vec![Part { start: extent.start, len: 4096, seal: Seal::None }],
        _ => Vec::new(),
    }
}

fn of_disk(device: &Patched) -> Vec<Part> {
    let Ok(layout) = filesystem::layout(device, None) else { return Vec::new() };
    let mut parts = table::parts(device, &layout);
    for physical in &layout.physical {
        parts.extend(lvm::parts(device, physical.extent.start));
    }
    for volume in &layout.volumes {
        if let [extent] = volume.extents[..] {
            parts.extend(of_volume(device, extent, volume.content));
        }
    }
    parts
}

/// Every sector that is not zero.
fn sectors(device: &Patched) -> Vec<Part> {
    let mut parts = Vec::new();
    for page in device.base().stored() {
        cut(device, page.start, page.len, 512, Seal::None, &mut parts);
    }
    parts
}

/// Cuts a range into parts, those left out that are zero.
fn cut(device: &Patched, start: u64, len: u64, step: u64, seal: Seal, parts: &mut Vec<Part>) {
    let mut at = start;
    while at < start + len && parts.len() < MOST {
        let piece = block::to_usize(step.min(start + len - at));
        if device.bytes(at, piece).is_some_and(|bytes| !block::is_zero(&bytes)) {
            parts.push(Part { start: at, len: piece, seal });
        }
        at += step;
    }
}

/// Redoes the checksums of what was touched, inner structures before those that sum them up.
pub fn seal(device: &mut Patched, touched: &[Part]) {
    let mut seals: Vec<(u8, &Part)> = touched
        .iter()
        .filter_map(|part| {
            let order = match part.seal {
                Seal::None => return None,
                Seal::Ext { what, .. } => what.order(),
                _ => 0,
            };
            Some((order, part))
        })
        .collect();
    seals.sort_by_key(|(order, part)| (*order, part.start));
    seals.dedup();
    for (_, part) in seals {
        match part.seal {
            Seal::None => {}
            Seal::Ext { origin, what } => ext::seal(device, origin, what, part),
            Seal::Xfs { origin } => xfs::seal(device, origin, part),
            Seal::XfsLog { start } => xfs::seal_log(device, start, part),
            Seal::Gpt => table::seal(device),
            Seal::Lvm { origin } => lvm::seal(device, origin),
        }
    }
}
