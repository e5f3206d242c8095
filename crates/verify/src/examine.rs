//! The examination of any image, whoever wrote it: what each byte is, what residue is left and where, and whether
//! other readers see the same trees.

use std::{sync::Arc, time::Duration};

use block::{BlockRead, Extent, Window};
use filesystem::{Claim, Content, Result};
use serde::Serialize;

use crate::{
    Finding, Note, Opinion, Options, Picture, Place, Reader, Region, Residue, Survey, attribute, legs::Legs,
    patience::Patience, residue, second,
};

/// What an image is, and what is left in it. Field names are the JSON's; names from the image are escaped.
#[derive(Debug, Serialize)]
pub struct Examination {
    /// Size of the guest's disk in bytes.
    pub size: u64,
    /// Kind of partition table.
    pub table: String,
    /// Disk identifier.
    pub disk_id: String,
    /// Bytes in a logical sector.
    pub sector_size: u32,
    /// Its volumes.
    pub volumes: Vec<ExaminedVolume>,
    /// What lies outside of them, by class.
    pub outside: Vec<ClassTotal>,
    /// What should not be. Empty: the image is clean.
    pub findings: Vec<Finding>,
    /// Where residue lies: the first 256 runs of each class of each volume. Zeros may be in a run.
    pub residue: Vec<Place>,
    /// Runs of residue that are not listed.
    pub unlisted: u64,
    /// What the other readers said, one each a volume.
    pub opinions: Vec<Opinion>,
    /// The disk at a glance.
    pub map: Picture,
    /// What was not understood, or has to be known.
    pub notes: Vec<Note>,
}

/// One volume.
#[derive(Debug, Serialize)]
pub struct ExaminedVolume {
    /// Partition number; 0: the whole disk, or a gap.
    pub number: u32,
    /// Offset on the disk in bytes.
    pub start: u64,
    /// Size in bytes.
    pub size: u64,
    /// The type that the table declares.
    pub type_name: String,
    /// The name that the table gives it.
    pub name: String,
    /// Where it lies on the disk; of a mirror, its first leg.
    #[serde(skip)]
    pub extents: Vec<Extent>,
    /// What it holds.
    pub content: String,
    /// The filesystem's label.
    pub label: String,
    /// Whether a journal has to be replayed.
    pub dirty: bool,
    /// Whether every byte of it is accounted for. If not, a note says why.
    pub accounted: bool,
    /// What is in it, by class.
    pub classes: Vec<ClassTotal>,
}

/// Bytes of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassTotal {
    /// The class.
    pub region: Region,
    /// All its bytes.
    pub bytes: u64,
    /// Those that are not zero, zeros between them in the same 4096 bytes included. `None` for what is live, or kept.
    pub non_zero: Option<u64>,
}

/// Reads an image as if for the first time, and says what is left in it. Fails only if the medium does.
pub fn examine(device: &Arc<dyn BlockRead>, options: Options) -> Result<Examination> {
    let survey = Survey::of(device, options.sector_size)?;
    let residue = residue(device, &survey, options.keep_opaque)?;
    conclude(device, &survey, residue, options)
}

/// The examination from its parts, for whoever has fed the [`Counter`](crate::Counter) from a pass of their own. More
/// findings can be added to it.
pub fn conclude(
    device: &Arc<dyn BlockRead>,
    survey: &Survey,
    residue: Residue,
    options: Options,
) -> Result<Examination> {
    let Survey { layout, atlas, .. } = survey;
    let mut notes = survey.notes.clone();
    let totals = atlas.totals();
    let classes = |volume: Option<usize>| -> Vec<ClassTotal> {
        let of_volume = totals.iter().filter(|((of, _), _)| *of == volume);
        of_volume
            .map(|(&(volume, region), &bytes)| {
                let area = crate::Area { extent: Extent { start: 0, len: 0 }, volume, region, inode: None };
                let non_zero = || residue.sums.get(&(volume, region)).map_or(0, |sum| sum.non_zero);
                let dead = survey.is_dead(&area, options.keep_opaque);
                ClassTotal { region, bytes, non_zero: dead.then(non_zero) }
            })
            .collect()
    };
    let volumes = layout.volumes.iter().enumerate().map(|(index, volume)| {
        let summary = survey.views.summary(index);
        ExaminedVolume {
            number: volume.number,
            start: volume.extents.first().map_or(0, |extent| extent.start),
            size: layout.size_of(volume),
            type_name: volume.type_name.clone(),
            name: block::printable(&volume.name),
            extents: volume.extents.clone(),
            content: summary.map_or_else(|| volume.content.to_string(), |summary| summary.kind.to_owned()),
            label: summary.map_or_else(String::new, |summary| block::printable(&summary.label)),
            dirty: summary.is_some_and(|summary| summary.dirty),
            accounted: !atlas.is_blank(index) && !matches!(volume.content, Content::Opaque(_)),
            classes: classes(Some(index)),
        }
    });
    let volumes = volumes.collect();

    let mut findings = Vec::new();
    for (&(volume, region), sum) in residue.sums.iter().filter(|(_, sum)| sum.non_zero > 0) {
        let bytes = sum.non_zero;
        findings.push(Finding::Residue { volume: survey.number(volume), region, first: sum.first, bytes });
    }
    findings.extend(survey.damage.iter().cloned());
    findings.extend(contradictions(survey, &residue));
    findings.extend(mirrors(device, survey)?);

    let opinions = second_opinions(device, survey, &residue, options, &mut notes)?;
    findings.extend(opinions.iter().flat_map(Opinion::findings));

    let extents: Vec<Extent> = residue.runs.iter().map(|run| run.extent).collect();
    let listed = attribute(survey, &extents, &mut notes)?;
    let runs: u64 = residue.sums.values().map(|sum| sum.runs).sum();
    Ok(Examination {
        size: atlas.size(),
        table: layout.table.to_string(),
        disk_id: layout.disk_id.clone(),
        sector_size: layout.sector_size,
        volumes,
        outside: classes(None),
        findings,
        unlisted: runs.saturating_sub(block::to_u64(listed.len())),
        residue: listed,
        opinions,
        map: residue.picture,
        notes,
    })
}

/// Bytes that files own but the bitmaps call free are a contradiction even where they are zero.
fn contradictions(survey: &Survey, residue: &Residue) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let owned = survey.atlas.areas().filter(|area| area.region == Region::OwnedButFree);
    for area in owned {
        let told = residue.sums.get(&(area.volume, area.region)).is_some_and(|sum| sum.non_zero > 0);
        let number = survey.number(area.volume);
        match findings.last_mut() {
            _ if told => {}
            Some(Finding::Residue { volume, bytes, .. }) if *volume == number => *bytes += area.extent.len,
            _ => findings.push(Finding::Residue {
                volume: number,
                region: area.region,
                first: area.extent.start,
                bytes: area.extent.len,
            }),
        }
    }
    findings
}

/// What the legs of mirrors do not have in common where it is in use: old content may be in one of them.
fn mirrors(device: &Arc<dyn BlockRead>, survey: &Survey) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (index, volume) in survey.layout.volumes.iter().enumerate() {
        let Some(filesystem) = survey.views.filesystem(index).transpose()? else { continue };
        if volume.copies.is_empty() || survey.atlas.is_blank(index) {
            continue;
        }
        let mut legs = Legs::of(device, volume)?;
        filesystem.claims(&mut |extent, claim| {
            if matches!(claim, Claim::Live(_)) {
                legs.add(extent, &mut Vec::new());
            }
            Ok(())
        })?;
        // As it lies: a leg may lack what only the journal has, but all lack the same.
        findings.extend(legs.compare(&Window::new(device, &volume.extents)?, volume.number)?);
    }
    Ok(findings)
}

/// How long another reader may take for a volume: a minute, and what a slow medium needs.
fn patience_for(size: u64) -> Duration {
    Duration::from_secs(60 + (size >> 25))
}

/// The published readers look at what our own checks have passed, and at nothing else: some do not end, or stop with
/// a panic, on images that contradict themselves.
fn second_opinions(
    device: &Arc<dyn BlockRead>,
    survey: &Survey,
    residue: &Residue,
    options: Options,
    notes: &mut Vec<Note>,
) -> Result<Vec<Opinion>> {
    let noting = Arc::new(second::Noting::new(Arc::clone(device)));
    let noted: Arc<dyn BlockRead> = Arc::<second::Noting<_>>::clone(&noting);
    let mut opinions: Vec<Opinion> = second::gpt(&noted, &survey.layout).into_iter().collect();
    noting.check()?;
    for (index, volume) in survey.layout.volumes.iter().enumerate() {
        let reader = match volume.content {
            Content::Ext => Reader::Ext4View,
            Content::Fat => Reader::Fatfs,
            _ => continue,
        };
        let Some(device) = survey.views.device(index).filter(|_| !survey.atlas.is_blank(index)) else {
            continue;
        };
        let mut options = options;
        // ext4-view shows what lies in unwritten extents as content.
        let unwritten = residue.sums.get(&(Some(index), Region::Unwritten));
        if options.content && unwritten.is_some_and(|sum| sum.non_zero > 0) {
            options.content = false;
            let text = "contents are not compared: the other reader shows what was never written".to_owned();
            notes.push(Note { volume: Some(volume.number), text });
        }
        let patience = Patience::new(patience_for(device.size()));
        let noting = Arc::new(second::Noting::new(Arc::clone(device)));
        let limited: Arc<dyn BlockRead> = Arc::new(patience.limit(Arc::<second::Noting<_>>::clone(&noting)));
        let window = Window::new(limited, &[Extent { start: 0, len: device.size() }])?;
        let outcome = match reader {
            Reader::Ext4View => second::ext4(&window, volume.number, options),
            Reader::Fatfs | Reader::Gpt => second::fat(&window, volume.number, options),
        };
        noting.check()?;
        let none = |why: String| Opinion {
            reader,
            volume: Some(volume.number),
            compared: 0,
            refused: Some(why),
            differences: Vec::new(),
        };
        opinions.push(match outcome {
            _ if patience.is_over() => none(format!("it took more than {} s", patience.seconds())),
            Ok(opinion) => opinion,
            Err(error @ block::Error::Io(_)) => return Err(error),
            Err(error) => none(format!("we cannot read the tree ourselves: {error}")),
        });
    }
    Ok(opinions)
}
