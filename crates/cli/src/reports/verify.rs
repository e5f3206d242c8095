//! What `verify` found, as a report.

use std::collections::BTreeSet;

use report::{Cell, Coverage, Extent, Map, Report, Rule, Total, Volume, allow::Outcome};
use scan::{Selection, content::ContentRule};
use verify::{ClassTotal, Finding, Region, container};

use super::scan::{archives, coverage, explained, unlisted};
use crate::commands::Examined;

/// The examination in the words of every command's report.
pub(crate) fn examined(
    begun: Report,
    examined: &Examined,
    outcome: Outcome,
    content_rules: &[&ContentRule],
    selection: &Selection,
) -> Report {
    let Examined { examination, container, secrets, .. } = examined;
    let totals = |volume: Option<u32>, classes: &[ClassTotal]| -> Vec<Total> {
        let total = |class: &ClassTotal| Total {
            volume,
            region: class.region,
            bytes: class.bytes,
            non_zero: class.non_zero,
        };
        classes.iter().map(total).collect()
    };
    let of_volumes = examination.volumes.iter().map(|volume| totals(Some(volume.number), &volume.classes));
    let mut totals: Vec<Total> = of_volumes.chain([totals(None, &examination.outside)]).flatten().collect();
    totals.extend(container_total(container));
    let volumes = examination.volumes.iter().map(|volume| Volume {
        number: volume.number,
        content: volume.content.clone(),
        type_name: volume.type_name.clone(),
        name: volume.name.clone(),
        label: volume.label.clone(),
        uuid: String::new(),
        dirty: volume.dirty,
        accounted: volume.accounted,
        extents: volume
            .extents
            .iter()
            .map(|extent| Extent { start: extent.start, length: extent.len })
            .collect(),
    });
    let live = totals.iter().filter(|total| total.region.is_live()).map(|total| total.bytes).sum();
    let cells = examination.map.cells.iter();
    let mut notes: Vec<String> =
        examination.notes.iter().chain(&secrets.notes).map(ToString::to_string).collect();
    unlisted(secrets, &mut notes);
    let mut rules = explained(content_rules, &outcome);
    rules.extend(path_rules(&outcome.remaining, selection));
    Report {
        table: Some(examination.table.clone()),
        sector_size: Some(examination.sector_size),
        volumes: volumes.collect(),
        coverage: Coverage { live, ..coverage(secrets, begun.image.size, content_rules) },
        map: Some(Map {
            cell_size: examination.map.cell,
            cells: cells.map(|cell| Cell { region: cell.region, residue: cell.residue }).collect(),
        }),
        totals,
        findings: outcome.remaining,
        accepted: outcome.accepted,
        unused: outcome.unused,
        rules,
        container: described(container),
        archives: secrets.archives.as_ref().map(archives),
        shipped: secrets.shipped.clone(),
        residue: examination.residue.clone(),
        unlisted: examination.unlisted,
        opinions: examination.opinions.clone(),
        notes,
        ..begun
    }
}

/// All stored bytes of the image's files that are no part of the disk.
fn container_total(container: &container::Examined) -> Option<Total> {
    let sums = || container.files.iter().flat_map(|file| file.unused.values());
    let total = Total {
        volume: None,
        region: Region::Container,
        bytes: sums().map(|sum| sum.examined).sum(),
        non_zero: Some(sums().map(|sum| sum.non_zero).sum()),
    };
    (total.bytes > 0).then_some(total)
}

/// What each file of the image holds besides the disk, and why.
fn described(container: &container::Examined) -> Vec<String> {
    let line = |file: &container::FileUse| {
        let left = file.unused.iter().filter(|(_, sum)| sum.non_zero > 0);
        let reasons: Vec<String> =
            left.map(|(reason, sum)| format!("{} {reason}", report::size(sum.non_zero))).collect();
        (!reasons.is_empty()).then(|| format!("{}: {}", file.file, reasons.join(", ")))
    };
    container.files.iter().filter_map(line).collect()
}

/// The rules by path that findings name.
fn path_rules(findings: &[Finding], selection: &Selection) -> Vec<Rule> {
    let named: BTreeSet<&str> = findings
        .iter()
        .filter_map(|finding| match finding {
            Finding::Unwanted { rule, .. } => Some(rule.as_str()),
            _ => None,
        })
        .collect();
    let rule = |id: &str| {
        let rule = selection.rules().find(|rule| rule.id == id)?;
        Some(Rule { id: id.to_owned(), heading: rule.heading.to_owned(), explain: rule.explain.to_owned() })
    };
    named.into_iter().filter_map(rule).collect()
}
