//! A first look at a disk: its layout, its filesystems, and the class of every byte. All else in this crate that
//! needs to know what a byte is asks here.

use std::sync::{Arc, OnceLock};

use block::{BlockRead, Extent, Window};
use filesystem::{Content, Error, Layout, OpaqueKind, Result, TableKind, Volume};

use crate::{Area, Atlas, Finding, History, Note, Region, Views, tails};

/// Less than this is no disk.
const SECTOR: u64 = 512;

/// What a disk is, by its own word.
#[derive(Debug)]
pub struct Survey {
    /// Partition table and volumes.
    pub layout: Layout,
    /// Its filesystems, journals replayed in memory.
    pub views: Views,
    /// What each byte is.
    pub atlas: Atlas,
    /// What was not understood, or has to be known.
    pub notes: Vec<Note>,
    /// What is damaged so that not all of it can be known.
    pub damage: Vec<Finding>,
    /// Read when it is asked for.
    history: OnceLock<History>,
}

impl Survey {
    /// Looks at a disk. What is corrupt or unsupported is opaque, with a note that says why; if that is the partition
    /// table, then it is the whole disk. Fails only if the medium does, or if there is not one sector.
    pub fn of(device: &Arc<dyn BlockRead>, sector_size: Option<u32>) -> Result<Self> {
        let mut notes = Vec::new();
        let layout = match filesystem::layout(device, sector_size) {
            Ok(layout) => layout,
            Err(error @ Error::Io(_)) => return Err(error),
            // Nothing is not clean.
            Err(error) if device.size() < SECTOR => return Err(error),
            Err(error) => {
                notes.push(Note { volume: None, text: format!("the layout cannot be read: {error}") });
                unknown(device.size(), sector_size)
            }
        };
        // Those that tell what a clean copy would not have are told by the residue itself.
        let kept = layout.notes.iter().filter(|note| !note.ends_with("dropped"));
        notes.extend(kept.map(|text| Note { volume: None, text: text.clone() }));
        for volume in &layout.volumes {
            if let Some(reason) = &volume.reason {
                notes.push(Note { volume: Some(volume.number), text: format!("cannot be read: {reason}") });
            }
        }
        let views = Views::of(device, &layout, &mut notes)?;
        let mut atlas = Atlas::of(device, &layout, &views, &mut notes)?;
        let mut damage = Vec::new();
        let tails = tails_of(device, &layout, &views, &atlas, &mut damage)?;
        atlas.carve(tails);
        Ok(Self { layout, views, atlas, notes, damage, history: OnceLock::new() })
    }

    /// What residue once was. What cannot be read is not known, with a note. Fails only if the medium does.
    pub(crate) fn history(&self, notes: &mut Vec<Note>) -> Result<&History> {
        if self.history.get().is_none() {
            let _ = self.history.set(History::of(self, notes)?);
        }
        Ok(self.history.get_or_init(History::default))
    }

    /// Number of a volume, by its index in the layout.
    #[must_use]
    pub fn number(&self, volume: Option<usize>) -> Option<u32> {
        Some(self.layout.volumes.get(volume?)?.number)
    }

    /// Whether a byte of this area that is not zero is residue. With `keep_opaque`, volumes of a kind that is not
    /// read are none; volumes that are damaged still are.
    #[must_use]
    pub fn is_dead(&self, area: &Area, keep_opaque: bool) -> bool {
        let kept = area.region == Region::Opaque
            && keep_opaque
            && area.volume.is_some_and(|volume| !self.atlas.is_blank(volume));
        !area.region.is_live() && !kept
    }

    /// Where bytes of a volume lie on the disk, in the volume's order.
    pub(crate) fn on_disk(&self, volume: usize, extent: Extent) -> Vec<Extent> {
        let mut before = 0;
        let mut parts = Vec::new();
        for piece in self.layout.volumes.get(volume).map_or(&[][..], |volume| &volume.extents) {
            let part = extent.intersect(Extent { start: before, len: piece.len });
            if !part.is_empty() {
                parts.push(Extent { start: piece.start + (part.start - before), len: part.len });
            }
            before += piece.len;
        }
        parts
    }

    /// Where a byte of the disk lies in a volume, by the volume's index in the layout.
    pub(crate) fn in_volume(&self, volume: usize, offset: u64) -> Option<u64> {
        let volume = self.layout.volumes.get(volume)?;
        for leg in std::iter::once(&volume.extents).chain(&volume.copies) {
            let mut before = 0;
            for extent in leg {
                if extent.contains_byte(offset) {
                    return Some(before + (offset - extent.start));
                }
                before += extent.len;
            }
        }
        None
    }
}

/// Bytes inside live metadata that hold something and are in no use, with their class, journals replayed.
fn tails_of(
    device: &Arc<dyn BlockRead>,
    layout: &Layout,
    views: &Views,
    atlas: &Atlas,
    damage: &mut Vec<Finding>,
) -> Result<Vec<(Extent, Region)>> {
    let mut found = Vec::new();
    let mut visit = |extent: Extent, region| {
        found.push((extent, region));
        Ok(())
    };
    let mut told = |outcome: Result<()>, volume: Option<u32>, what: &str| match outcome {
        Ok(()) => Ok(()),
        Err(error @ Error::Io(_)) => Err(error),
        Err(error) => {
            damage.push(Finding::Damage { volume, damage: format!("{what}: {error}") });
            Ok(())
        }
    };
    let unknown = "unused parts of metadata are not all known";
    told(tails::table_tails(device, layout, &mut visit), None, unknown)?;
    for (index, volume) in layout.volumes.iter().enumerate() {
        let Some(filesystem) = views.filesystem(index).transpose()? else { continue };
        if atlas.is_blank(index) {
            continue;
        }
        told(filesystem.check_names(), Some(volume.number), "not all names can be believed")?;
        let window = Window::new(Arc::clone(device), &volume.extents)?;
        let tails = tails::volume_tails(&*filesystem, &window, &mut visit);
        told(tails, Some(volume.number), unknown)?;
    }
    Ok(found)
}

/// A disk of which nothing is known.
fn unknown(size: u64, sector_size: Option<u32>) -> Layout {
    let volume = Volume {
        extents: vec![Extent { start: 0, len: size }],
        type_name: "whole disk".to_owned(),
        content: Content::Opaque(OpaqueKind::Unknown),
        ..Volume::default()
    };
    Layout {
        table: TableKind::None,
        sector_size: sector_size.unwrap_or(512),
        disk_id: String::new(),
        further: Vec::new(),
        volumes: vec![volume],
        live: Vec::new(),
        physical: Vec::new(),
        notes: Vec::new(),
    }
}
