//! What the rules by path say of a disk: files that are known to hold secrets, and files that should be gone.

use std::collections::HashSet;

use block::{Extent, is_zero, to_u64};
use filesystem::{Error, FileKind, Filesystem, InodeId, Result};
use scan::{Action, Guest, Place as Named, Selection};

use crate::{
    Finding, Place, Region, Survey,
    guest::{Tree, guest},
};

/// Bytes of a file that are read at once; at least the largest page of a swap area.
const PIECE: usize = 1 << 20;

/// What the selected path rules take, and what they say of it; volumes are indices in the layout. A tree that cannot be
/// walked has none, and is damage. Fails only if the medium does.
pub fn path_findings(
    survey: &Survey,
    selection: &Selection,
    damage: &mut Vec<Finding>,
) -> Result<scan::Scan> {
    match with_guest(survey, |guest| scan::scan(guest, selection)) {
        Ok(scan) => Ok(scan),
        Err(error @ Error::Io(_)) => Err(error),
        Err(error) => {
            let sentence = format!("the rules by path were not applied: {error}");
            damage.push(Finding::Damage { volume: None, damage: sentence });
            Ok(scan::Scan::default())
        }
    }
}

/// Asks the guest, laid out as it mounts the volumes with a tree; they are numbered as in the layout.
pub fn with_guest<T>(survey: &Survey, ask: impl FnOnce(&Guest<'_>) -> Result<T>) -> Result<T> {
    let trees = trees(survey)?;
    ask(&guest(&survey.layout, &trees)?)
}

/// The files among them, with the index of their volume.
#[must_use]
pub fn named_files(findings: &[scan::Finding]) -> HashSet<(usize, InodeId)> {
    let file = |finding: &scan::Finding| {
        let Named::File { volume, target, kind, .. } = &finding.place;
        (*kind == FileKind::File).then_some((*volume, target.inode))
    };
    findings.iter().filter_map(file).collect()
}

/// A finding for each of them: the policy wants it gone. A place is that of the first byte of content, offset 0 if
/// there is none, and as long as all that would go.
pub fn unwanted(survey: &Survey, findings: &[scan::Finding]) -> Result<Vec<Finding>> {
    let mut open: Option<(usize, Box<dyn Filesystem + '_>)> = None;
    let mut result = Vec::with_capacity(findings.len());
    for finding in findings {
        let Named::File { volume, target, path, kind } = &finding.place;
        if open.as_ref().is_none_or(|(index, _)| index != volume) {
            open = survey.views.filesystem(*volume).transpose()?.map(|filesystem| (*volume, filesystem));
        }
        if finding.action == Action::SwapFile
            && let Some((_, filesystem)) = &open
            && is_blank(&**filesystem, target.inode)?
        {
            continue;
        }
        let mut first: Option<u64> = None;
        if let (FileKind::File, Some((_, filesystem))) = (kind, &open) {
            let outcome = filesystem.extents(target.inode, &mut |_, extent: Extent| {
                first = first.or_else(|| Some(survey.on_disk(*volume, extent).first()?.start));
                Ok(())
            });
            if let Err(error @ Error::Io(_)) = outcome {
                return Err(error);
            }
        }
        let place = Place {
            volume: survey.number(Some(*volume)),
            region: if *kind == FileKind::File { Region::File } else { Region::Metadata },
            offset: first.unwrap_or(0),
            length: finding.contents.bytes,
            inode: Some(target.inode.0),
            path: Some(path.to_string()),
            file_offset: None,
            inside: Vec::new(),
            was: None,
        };
        result.push(Finding::Unwanted { rule: finding.rule.to_string(), place });
    }
    Ok(result)
}

/// Whether a swap file holds nothing but its header. One that cannot be read does not count as such.
fn is_blank(filesystem: &dyn Filesystem, inode: InodeId) -> Result<bool> {
    let mut buf = vec![0; PIECE];
    let read = |at: u64, buf: &mut [u8]| match filesystem.read(inode, at, buf) {
        Err(error @ Error::Io(_)) => Err(error),
        other => Ok(other.ok()),
    };
    let (Some(len), Ok(metadata)) = (read(0, &mut buf)?, filesystem.metadata(inode)) else {
        return Ok(false);
    };
    let Some(header) = filesystem::swap_header_of(&buf[..len], metadata.size) else { return Ok(false) };
    let mut at = to_u64(header.page.len());
    while at < metadata.size {
        match read(at, &mut buf)? {
            Some(0) => break,
            Some(len) if is_zero(&buf[..len]) => at += to_u64(len),
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// The volumes with a tree.
pub(super) fn trees(survey: &Survey) -> Result<Vec<Tree<'_>>> {
    let mut trees = Vec::new();
    for (index, volume) in survey.layout.volumes.iter().enumerate() {
        if !volume.content.has_tree() || survey.atlas.is_blank(index) {
            continue;
        }
        if let Some(filesystem) = survey.views.filesystem(index).transpose()? {
            trees.push((index, volume, filesystem));
        }
    }
    Ok(trees)
}
