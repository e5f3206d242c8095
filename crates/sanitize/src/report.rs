//! What was done, as a value: printed for people by the command, or as JSON. Holds no secret's bytes.

use std::collections::BTreeMap;

use block::to_u64;
use filesystem::{Layout, NewEntry, NewKind, Recovery};
use scan::{GuestPath, RuleId};
use serde::Serialize;

use crate::{
    apply::Scrubbed,
    copy::Tally,
    digest::Digest,
    map::{Class, VolumeIndex},
    plan::{Creation, Plan, VolumeFacts},
    walk::Walked,
};

/// The report of a run. Field names are the JSON's.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `diskscrub` and its version.
    pub tool: String,
    /// Digest of the input's content.
    pub input: Digest,
    /// Digest of the output's content.
    pub output: Digest,
    /// Size of the guest's disk in bytes.
    pub size: u64,
    /// Kind of partition table.
    pub table: String,
    /// Operating system, by its own words.
    pub system: Option<String>,
    /// Digest of the effective policy.
    pub policy: String,
    /// The volumes in the order of the layout.
    pub volumes: Vec<VolumeReport>,
    /// What lay outside all volumes.
    pub outside: Residues,
    /// The edits by rule.
    pub rules: Vec<RuleReport>,
    /// Every edited path.
    pub edits: Vec<EditReport>,
    /// What a user has to know: what was not understood, kept uncleaned, or keeps a further name.
    pub notes: Vec<String>,
}

/// Non-zero bytes by class of place.
pub type Residues = BTreeMap<String, u64>;

/// One volume.
#[derive(Debug, Serialize)]
pub struct VolumeReport {
    /// Partition number; logical volumes come behind the last partition; 0: the whole disk, or a gap.
    pub number: u32,
    /// `group/name` of a logical volume; empty for all others.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it holds.
    pub content: String,
    /// Label of its filesystem.
    pub label: String,
    /// UUID of its filesystem.
    pub uuid: String,
    /// Where the guest mounts it.
    pub mount_point: Option<String>,
    /// Size in bytes.
    pub size: u64,
    /// Live bytes in blocks of 4096 bytes that are not all zero: copied.
    pub live: u64,
    /// Bytes that were not zero and were dropped, by class.
    pub dropped: Residues,
    /// Bytes of residue zeroed inside live metadata.
    pub scrubbed: u64,
    /// Journal transactions replayed.
    pub transactions: u64,
    /// Orphaned inodes freed.
    pub orphans: u64,
}

/// What one rule did.
#[derive(Debug, Serialize, Default)]
pub struct RuleReport {
    /// Its id, or the user's pattern.
    pub rule: String,
    /// Files removed, changed or made.
    pub files: u64,
    /// Their sizes in bytes, summed.
    pub bytes: u64,
}

/// One edit.
#[derive(Debug, Serialize)]
pub struct EditReport {
    /// Partition number.
    pub volume: u32,
    /// Path in the guest, escaped where it is not printable.
    pub path: String,
    /// The rule.
    pub rule: String,
    /// `remove`, `truncate`, `edit`, `create` ...
    pub action: String,
    /// What an edit changes or makes, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// Files that went, changed or came.
    pub files: u64,
    /// Their sizes in bytes, summed.
    pub bytes: u64,
    /// Each of them, in a dry run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<FileReport>,
}

/// One file of an edit.
#[derive(Debug, Serialize)]
pub struct FileReport {
    /// Path in the guest, escaped where it is not printable.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The edits of a plan, as the report and the dry run show them; what is made comes last.
#[must_use]
pub fn edit_reports(plan: &Plan) -> Vec<EditReport> {
    let creations = plan.creations.iter().map(|creation| {
        let NewEntry { kind, mode, uid, gid, .. } = &creation.new;
        EditReport {
            volume: plan.layout.volumes[usize::from(creation.volume)].number,
            path: creation.path.to_string(),
            rule: creation.rule.to_string(),
            action: "create".to_owned(),
            changes: vec![match kind {
                NewKind::File(_) => format!("makes a file of mode {mode:04o}, owner {uid}:{gid}"),
                NewKind::Directory => format!("makes a directory of mode {mode:04o}, owner {uid}:{gid}"),
                NewKind::Symlink(to) => format!("makes a link to {}", GuestPath(to.clone())),
            }],
            files: made(creation).0,
            bytes: made(creation).1,
            contents: Vec::new(),
        }
    });
    let edits = plan.edits.iter().map(|edit| EditReport {
        volume: plan.layout.volumes[usize::from(edit.volume)].number,
        path: edit.path.to_string(),
        rule: edit.rule.to_string(),
        action: edit.action.to_string(),
        changes: edit.rewrite.as_ref().map_or_else(Vec::new, |rewrite| rewrite.changes.clone()),
        files: edit.files,
        bytes: edit.bytes,
        contents: edit
            .listed
            .iter()
            .map(|file| FileReport { path: file.path.to_string(), bytes: file.bytes })
            .collect(),
    });
    edits.chain(creations).collect()
}

/// Files that a creation makes, and their bytes.
fn made(creation: &Creation) -> (u64, u64) {
    match &creation.new.kind {
        NewKind::File(content) => (1, to_u64(content.len())),
        NewKind::Symlink(_) => (1, 0),
        NewKind::Directory => (0, 0),
    }
}

/// The edits of a plan summed by rule, in the order of the first of each.
#[must_use]
pub fn rule_reports(plan: &Plan) -> Vec<RuleReport> {
    let mut reports: Vec<(&RuleId, RuleReport)> = Vec::new();
    let edits = plan.edits.iter().map(|edit| (&edit.rule, (edit.files, edit.bytes)));
    let creations = plan.creations.iter().map(|creation| (&creation.rule, made(creation)));
    for (rule, (files, bytes)) in edits.chain(creations) {
        let index = reports.iter().position(|(id, _)| *id == rule).unwrap_or_else(|| {
            reports.push((rule, RuleReport { rule: rule.to_string(), ..RuleReport::default() }));
            reports.len() - 1
        });
        reports[index].1.files += files;
        reports[index].1.bytes += bytes;
    }
    reports.into_iter().map(|(_, report)| report).collect()
}

pub(crate) fn report(plan: &Plan, scrubbed: &Scrubbed, copied: &Walked, policy: String, size: u64) -> Report {
    let volumes = (0u16..).zip(&plan.volumes).map(|(index, facts)| {
        volume_report(&plan.layout, index, facts, scrubbed.volumes[usize::from(index)], &copied.tally)
    });
    let mut outside = dropped(&copied.tally, None);
    if scrubbed.table > 0 {
        outside.insert("partition table".to_owned(), scrubbed.table);
    }
    Report {
        tool: concat!("diskscrub ", env!("CARGO_PKG_VERSION")).to_owned(),
        input: copied.input,
        output: copied.output,
        size,
        table: plan.layout.table.to_string(),
        system: plan.system.as_ref().map(|system| block::printable(&system.pretty_name)),
        policy,
        volumes: volumes.collect(),
        outside,
        rules: rule_reports(plan),
        edits: edit_reports(plan),
        notes: plan.notes.clone(),
    }
}

fn volume_report(
    layout: &Layout,
    index: u16,
    facts: &VolumeFacts,
    scrubbed: u64,
    tally: &Tally,
) -> VolumeReport {
    let volume = &layout.volumes[usize::from(index)];
    let summary = facts.summary.as_ref();
    let Recovery { transactions, orphans, .. } = facts.recovery;
    VolumeReport {
        number: volume.number,
        name: if volume.logical { volume.name.clone() } else { String::new() },
        content: summary.map_or_else(|| volume.content.to_string(), |summary| summary.kind.to_owned()),
        label: summary.map_or_else(String::new, |summary| summary.label.clone()),
        uuid: summary.map_or_else(String::new, |summary| summary.uuid.clone()),
        mount_point: facts.mount_point.as_ref().map(ToString::to_string),
        size: layout.size_of(volume),
        live: tally.get(&(Some(index), Class::Live)).copied().unwrap_or(0),
        dropped: dropped(tally, Some(index)),
        scrubbed,
        transactions,
        orphans,
    }
}

fn dropped(tally: &Tally, volume: VolumeIndex) -> Residues {
    tally
        .iter()
        .filter(|((of, class), _)| *of == volume && *class != Class::Live)
        .map(|((_, class), bytes)| (class.to_string(), *bytes))
        .collect()
}

/// What a plan will do, in the report's words, before it is done.
#[derive(Debug, Serialize)]
pub struct DryRun {
    /// The edits by rule.
    pub rules: Vec<RuleReport>,
    /// Every path to be edited.
    pub edits: Vec<EditReport>,
    /// What a user has to know.
    pub notes: Vec<String>,
}

impl DryRun {
    /// The dry run of a plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self { rules: rule_reports(plan), edits: edit_reports(plan), notes: plan.notes.clone() }
    }
}
