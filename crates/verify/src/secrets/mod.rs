//! Secrets by content, anywhere on a disk: one pass over all its bytes, a look at the seams of fragmented files, and
//! one into archives and compressed files.
//!
//! Never holds a secret's bytes: rule, place, length, keyed digest.

mod archives;
mod file;
mod named;
mod seams;
mod shipped;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use block::{BlockRead, Extent, to_u64};
use filesystem::{InodeId, Result};
use scan::content::{Key, Scanner, Secret, sweep};
use serde::Serialize;

pub use archives::Archives;
pub use file::{InFile, secrets_in_file};
pub use named::{named_files, path_findings, unwanted, with_guest};
pub use shipped::{Shipped, set_shipped_apart};

use crate::{Finding, Note, Place, Region, Survey, Tier, attribute};

/// Findings that are listed, in the order of their places; all are counted.
const LISTED: usize = 10_000;

/// What to look for, and how.
#[derive(Clone, Copy)]
pub struct Search<'a> {
    /// Finds it.
    pub scanner: &'a Scanner,
    /// For the digests.
    pub key: &'a Key,
    /// Threads.
    pub workers: usize,
    /// Files that are known to hold secrets, by the index of their volume in the layout: rules that only go by
    /// context count in them, too.
    pub named: &'a HashSet<(usize, InodeId)>,
    /// Whether to look into archives and compressed files.
    pub archives: bool,
    /// Whether to look into those, too, whose content a package ships.
    pub shipped: bool,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Secrets {
    /// Bytes that were searched; holes are not among them.
    pub scanned: u64,
    /// How many there are, by class of place.
    pub totals: BTreeMap<Region, u64>,
    /// The first of them, by offset.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub unlisted: u64,
    /// Those that everybody has, by offset: no findings, and not in the sums ([`set_shipped_apart`]).
    pub shipped: Vec<Shipped>,
    /// What was looked into; `None` if that was not asked for.
    pub archives: Option<Archives>,
    /// What was not looked at, or has to be known.
    pub notes: Vec<Note>,
}

impl Secrets {
    /// Adds what was found in the image's file.
    pub fn add(&mut self, found: InFile) {
        let InFile { scanned, findings, unlisted } = found;
        let number = to_u64(findings.len()) + unlisted;
        if number > 0 {
            *self.totals.entry(Region::Container).or_default() += number;
        }
        self.scanned += scanned;
        self.unlisted += unlisted;
        self.findings.extend(findings);
    }

    /// Takes a finding that is accepted, or set apart, out of the sums.
    pub fn uncount(&mut self, finding: &Finding) {
        let Finding::Secret { place, .. } = finding else { return };
        if let Some(number) = self.totals.get_mut(&place.region) {
            *number = number.saturating_sub(1);
            if *number == 0 {
                self.totals.remove(&place.region);
            }
        }
    }
}

/// Finds secrets on a disk. What is told by context alone counts where nothing live lies, and in named files.
/// `progress` is told the offset that the pass has come to. Fails only if the medium does.
pub fn secrets(
    device: &Arc<dyn BlockRead>,
    survey: &Survey,
    search: Search<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Secrets> {
    let mut result = Secrets::default();
    let mut found: Vec<Secret> = Vec::new();
    let counts = |secret: &Secret| {
        let area = survey.atlas.at(secret.offset)?;
        let named = || Some(search.named.contains(&(area.volume?, area.inode?)));
        let counts = secret.rule.tier != Tier::Context || !area.region.is_live() || named().unwrap_or(false);
        counts.then_some(area.region)
    };
    let whole = [Extent { start: 0, len: device.size() }].into_iter().collect();
    let workers = search.workers;
    let pass = || {
        sweep(device, &whole, search.scanner, search.key, workers, progress, &mut |secret| {
            let Some(region) = counts(&secret) else { return };
            *result.totals.entry(region).or_default() += 1;
            if found.len() < LISTED {
                found.push(secret);
            } else {
                result.unlisted += 1;
            }
        })
    };
    let archives = || search.archives.then(|| look_inside(survey, search)).transpose();
    let (scanned, inside) = block::side_by_side(workers, pass, archives);
    result.scanned = scanned?;
    for (volume, details) in survey.layout.volumes.iter().enumerate() {
        let Some(filesystem) = survey.views.filesystem(volume).transpose()? else { continue };
        let mut note = |text| result.notes.push(Note { volume: Some(details.number), text });
        for secret in seams::find(&*filesystem, details, search, &mut note)? {
            let Some(region) = counts(&secret) else { continue };
            // The pass may have found the part before the seam.
            let same = |other: &Secret| other.offset == secret.offset && other.rule == secret.rule;
            match found.iter().position(same) {
                Some(index) => found[index] = secret,
                None => {
                    *result.totals.entry(region).or_default() += 1;
                    found.push(secret);
                }
            }
        }
    }
    let mut found: Vec<(Secret, Vec<String>)> =
        found.into_iter().map(|secret| (secret, Vec::new())).collect();
    if let Some(inside) = inside? {
        add_inside(survey, inside, &mut found, &mut result);
    }
    found.sort_by_key(|(secret, _)| secret.offset);
    let extents: Vec<Extent> =
        found.iter().map(|(secret, _)| Extent { start: secret.offset, len: secret.length }).collect();
    let places = attribute(survey, &extents, &mut result.notes)?;
    let finding = |((secret, inside), place): ((Secret, Vec<String>), Place)| {
        let file_offset = place.file_offset.filter(|_| inside.is_empty());
        Finding::Secret {
            rule: secret.rule.id,
            tier: secret.rule.tier,
            place: Place { inside, file_offset, ..place },
            digest: secret.digest.to_string(),
        }
    };
    result.findings = found.into_iter().zip(places).map(finding).collect();
    Ok(result)
}

/// What archives hold.
struct Inside {
    archives: Archives,
    found: Vec<archives::Found>,
    unlisted: u64,
}

/// Looks into archives. What only its context tells is left out where nothing else does.
fn look_inside(survey: &Survey, search: Search<'_>) -> Result<Inside> {
    let (mut all, mut further) = (Vec::new(), 0);
    let archives = archives::find(survey, search, &mut |found, unlisted| {
        further += unlisted;
        for found in found {
            let named = || search.named.contains(&(found.volume, found.inode));
            if found.secret.rule.tier == Tier::Context && !named() {
                continue;
            }
            // As many again may be known.
            if all.len() < 2 * LISTED {
                all.push(found);
            } else {
                further += 1;
            }
        }
    })?;
    Ok(Inside { archives, found: all, unlisted: further })
}

/// Adds what archives hold, but for what the same file shows outside of them.
fn add_inside(survey: &Survey, inside: Inside, found: &mut Vec<(Secret, Vec<String>)>, result: &mut Secrets) {
    let owner = |secret: &Secret| {
        let area = survey.atlas.at(secret.offset).filter(|area| area.region == Region::File)?;
        Some((area.volume?, area.inode?, secret.rule.id, secret.digest))
    };
    let known: HashSet<_> = found.iter().filter_map(|(secret, _)| owner(secret)).collect();
    let Inside { archives, found: all, unlisted } = inside;
    *result.totals.entry(Region::File).or_default() += unlisted;
    result.unlisted += unlisted;
    for archives::Found { volume, inode, secret, inside } in all {
        if known.contains(&(volume, inode, secret.rule.id, secret.digest)) {
            continue;
        }
        *result.totals.entry(Region::File).or_default() += 1;
        if found.len() < LISTED {
            found.push((secret, inside));
        } else {
            result.unlisted += 1;
        }
    }
    let reasons: Vec<String> =
        archives.outcome.left_out.iter().map(|(reason, number)| format!("{number} {reason}")).collect();
    if !reasons.is_empty() {
        let text = format!("not looked into, or not to the end, in archives: {}", reasons.join(", "));
        result.notes.push(Note { volume: None, text });
    }
    result.totals.retain(|_, number| *number > 0);
    result.archives = Some(archives);
}
