//! Files that are known to hold secrets: those that the rules by path name.

use std::collections::HashSet;

use filesystem::{Content, Error, FileKind, Filesystem, InodeId, Result, Volume};
use scan::{DeviceName, Guest, Place, Selection, VolumeSource};

use crate::{Note, Survey};

/// The files that the selected path rules take, with the index of their volume in the layout. A tree that cannot be
/// walked has none, and a note says why. Fails only if the medium does.
pub fn named_files(
    survey: &Survey,
    selection: &Selection,
    notes: &mut Vec<Note>,
) -> Result<HashSet<(usize, InodeId)>> {
    match walk(survey, selection) {
        Ok(files) => Ok(files),
        Err(error @ Error::Io(_)) => Err(error),
        Err(error) => {
            let text = format!("files that are known to hold secrets cannot be found: {error}");
            notes.push(Note { volume: None, text });
            Ok(HashSet::new())
        }
    }
}

fn walk(survey: &Survey, selection: &Selection) -> Result<HashSet<(usize, InodeId)>> {
    let mut filesystems: Vec<(usize, &Volume, Box<dyn Filesystem + '_>)> = Vec::new();
    for (index, volume) in survey.layout.volumes.iter().enumerate() {
        if !matches!(volume.content, Content::Ext | Content::Fat) || survey.atlas.is_blank(index) {
            continue;
        }
        if let Some(filesystem) = survey.views.filesystem(index).transpose()? {
            filesystems.push((index, volume, filesystem));
        }
    }
    let sources = filesystems.iter().map(|(index, volume, filesystem)| VolumeSource {
        volume: *index,
        filesystem: &**filesystem,
        names: device_names(volume),
    });
    let guest = Guest::open(sources.collect())?;
    let files = scan::scan(&guest, selection)?.findings.into_iter().filter_map(|finding| {
        let Place::File { volume, target, kind, .. } = finding.place;
        (kind == FileKind::File).then_some((volume, target.inode))
    });
    Ok(files.collect())
}

/// How fstab may call a volume.
fn device_names(volume: &Volume) -> Vec<DeviceName> {
    let mut names = vec![DeviceName::Number(volume.number)];
    if !volume.uuid.is_empty() {
        names.push(DeviceName::PartUuid(volume.uuid.clone()));
    }
    if !volume.name.is_empty() {
        names.push(DeviceName::PartLabel(volume.name.clone()));
    }
    names
}
