//! Whose bytes are these? From bytes of the disk to places: volume, class, inode, path, offset in the file.

use std::collections::{BTreeMap, HashMap, HashSet};

use block::Extent;
use filesystem::{Error, InodeId, Result};

use crate::{Area, Note, Place, Region, Survey, past, paths};

/// Names the place of each of these extents of the disk, in their order. Trees are walked once, and only where an
/// inode is to be named.
///
/// A place tells of its first byte. What cannot be told because a tree or a map is damaged is left out, with a note.
/// Fails only if the medium does.
pub fn attribute(survey: &Survey, extents: &[Extent], notes: &mut Vec<Note>) -> Result<Vec<Place>> {
    let areas: Vec<Option<Area>> = extents.iter().map(|extent| survey.atlas.at(extent.start)).collect();
    let mut places: Vec<Place> =
        extents.iter().zip(&areas).map(|(extent, area)| place(survey, *extent, area.as_ref())).collect();

    // For each volume, and each inode in it: the places that are its.
    let mut owned: BTreeMap<usize, BTreeMap<InodeId, Vec<usize>>> = BTreeMap::new();
    for (index, area) in areas.iter().enumerate() {
        if let Some(Area { volume: Some(volume), inode: Some(inode), .. }) = area {
            owned.entry(*volume).or_default().entry(*inode).or_default().push(index);
        }
    }
    for (volume, inodes) in owned {
        let Some(filesystem) = survey.views.filesystem(volume).transpose()? else { continue };
        for (&inode, indices) in &inodes {
            let mut content: Vec<(u64, usize)> = indices
                .iter()
                .filter(|&&index| places[index].region == Region::File)
                .filter_map(|&index| Some((survey.in_volume(volume, places[index].offset)?, index)))
                .collect();
            content.sort_unstable();
            if content.is_empty() {
                continue;
            }
            let outcome = filesystem.extents(inode, &mut |file_offset, extent| {
                let first = content.partition_point(|(at, _)| *at < extent.start);
                for (at, index) in content[first..].iter().take_while(|(at, _)| *at < extent.end()) {
                    places[*index].file_offset = file_offset.checked_add(at - extent.start);
                }
                Ok(())
            });
            told(outcome, "offsets in a file are not known", survey.number(Some(volume)), notes)?;
        }
        let wanted: HashSet<InodeId> = inodes.keys().copied().collect();
        let mut paths = HashMap::new();
        walk(survey, volume, &wanted, &mut paths, notes)?;
        for (inode, indices) in &inodes {
            for &index in indices {
                places[index].path = paths.get(inode).cloned();
            }
        }
    }
    past::tell(survey, &mut places, notes)?;
    Ok(places)
}

/// Paths of inodes of a volume. Those that a damaged tree does not show are left out, with a note.
pub(crate) fn walk(
    survey: &Survey,
    volume: usize,
    wanted: &HashSet<InodeId>,
    paths: &mut HashMap<InodeId, String>,
    notes: &mut Vec<Note>,
) -> Result<()> {
    let Some(filesystem) = survey.views.filesystem(volume).transpose()? else { return Ok(()) };
    if wanted.is_empty() {
        return Ok(());
    }
    told(
        paths::find(&*filesystem, wanted, paths),
        "some paths are not known",
        survey.number(Some(volume)),
        notes,
    )
}

/// Turns a failure into a note, unless the medium failed.
fn told(outcome: Result<()>, what: &str, volume: Option<u32>, notes: &mut Vec<Note>) -> Result<()> {
    match outcome {
        Ok(()) => Ok(()),
        Err(error @ Error::Io(_)) => Err(error),
        Err(error) => {
            notes.push(Note { volume, text: format!("{what}: {error}") });
            Ok(())
        }
    }
}

fn place(survey: &Survey, extent: Extent, area: Option<&Area>) -> Place {
    Place {
        volume: survey.number(area.and_then(|area| area.volume)),
        region: area.map_or(Region::Gap, |area| area.region),
        offset: extent.start,
        length: extent.len,
        inode: area.and_then(|area| area.inode).map(|inode| inode.0),
        path: None,
        file_offset: None,
        inside: Vec::new(),
        was: None,
    }
}
