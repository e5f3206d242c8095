//! The report for people: the verdict first, then what it rests on. A screen or two for a clean image.

use verify::{Finding, Region};

use crate::{
    Report, Total, count, guideline, map,
    row::{self, Row},
    size,
    text::{line, visible},
    time,
};

/// Findings shown of one rule; JSON has all.
const SHOWN: usize = 12;
/// The map's columns and rows.
const COLUMNS: usize = 64;
const ROWS: usize = 16;

/// The report as text.
#[must_use]
pub fn human(report: &Report) -> String {
    let mut text = String::new();
    line!(text, "{}", verdict(report));
    if let Some(table) = &report.guideline {
        guideline::text(&mut text, table);
        lists(&mut text, report);
        footer(&mut text, report);
        return text;
    }
    cleaned(&mut text, report);
    volumes(&mut text, report);
    picture(&mut text, report);
    findings(&mut text, report);
    residue(&mut text, report);
    accepted(&mut text, report);
    lists(&mut text, report);
    footer(&mut text, report);
    text
}

/// What is told in sentences.
fn lists(text: &mut String, report: &Report) {
    let opinions: Vec<String> = report.opinions.iter().map(opinion).collect();
    let all = [("To know", &report.notes), ("Image file", &report.container), ("Other readers", &opinions)];
    for (heading, items) in all.into_iter().filter(|(_, items)| !items.is_empty()) {
        line!(text, "\n{heading}:");
        items.iter().for_each(|item| line!(text, "  {}", visible(item)));
    }
}

/// One sentence: `disk.raw: 3 findings (2 secrets); 12.3 MiB of residue`.
pub(crate) fn verdict(report: &Report) -> String {
    if let Some(table) = &report.guideline {
        return guideline::verdict(report, table);
    }
    let path = visible(&report.image.path);
    if report.is_clean() {
        let what = match report.command {
            crate::Command::Scan => "no secret was found",
            crate::Command::Verify | crate::Command::Audit | crate::Command::Clean => {
                "nothing was found that should not be, and every byte that nobody can reach is zero"
            }
        };
        let but = match report.accepted.len() {
            0 => String::new(),
            known => format!(", {} apart", count(known_count(known), "accepted finding")),
        };
        return format!("{path} is clean: {what}{but}.");
    }
    let secrets = report.findings.iter().filter(|finding| matches!(finding, Finding::Secret { .. })).count();
    let mut sentence =
        format!("{path} is not clean: {}", count(known_count(report.findings.len()), "finding"));
    if secrets > 0 {
        sentence.push_str(&format!(", {secrets} of them secrets"));
    }
    if report.residue_bytes() > 0 {
        sentence.push_str(&format!("; {} of residue", size(report.residue_bytes())));
    }
    sentence + "."
}

/// Lengths of vectors fit in 64 bits on every platform that there is.
pub(crate) fn known_count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// What a volume is called: its number and content, or where the bytes are that are in none.
pub(crate) fn volume_name(report: &Report, number: Option<u32>, region: Region) -> String {
    match number {
        None if region == Region::Container => "image file".to_owned(),
        None => "outside volumes".to_owned(),
        Some(number) => {
            let volume = report.volumes.iter().find(|volume| volume.number == number);
            let content = volume.map_or("", |volume| volume.content.as_str());
            let label = volume.map_or("", |volume| volume.label.as_str());
            let logical = volume.map_or("", |volume| volume.logical_name());
            let mut name = format!("volume {number}");
            for word in [logical, content, label].into_iter().filter(|word| !word.is_empty()) {
                name.push(' ');
                name.push_str(&visible(word));
            }
            name
        }
    }
}

/// The totals, by volume in the order of the report.
pub(crate) fn by_volume(report: &Report) -> Vec<(String, Vec<Total>)> {
    let mut groups: Vec<(String, Vec<Total>)> = Vec::new();
    for total in report.totals.iter().filter(|total| total.bytes > 0 || total.residue() > 0) {
        let name = volume_name(report, total.volume, total.region);
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, totals)) => totals.push(*total),
            None => groups.push((name, vec![*total])),
        }
    }
    groups
}

/// What `clean` removed and dropped.
fn cleaned(text: &mut String, report: &Report) {
    if !report.removed.is_empty() {
        line!(text, "\nRemoved or emptied:");
    }
    let width = report.removed.iter().map(|rule| visible(&rule.rule).chars().count()).max().unwrap_or(0);
    for rule in &report.removed {
        let (id, files) = (visible(&rule.rule), count(rule.files, "file"));
        line!(text, "  {id:width$}  {files:>12}  {:>10}", size(rule.bytes));
    }
    if !report.dropped.is_empty() {
        let parts =
            report.dropped.iter().map(|(class, bytes)| format!("{} {}", visible(class), size(*bytes)));
        line!(text, "\nResidue dropped: {}", parts.collect::<Vec<_>>().join(", "));
    }
}

fn volumes(text: &mut String, report: &Report) {
    let groups = by_volume(report);
    if groups.is_empty() {
        return;
    }
    line!(text, "\n  {:<16}{:>12}{:>14}  {}", "class", "bytes", "not zero", "");
    for (name, totals) in groups {
        line!(text, "{name}");
        for total in totals {
            let mark = if total.residue() > 0 { "RESIDUE" } else { "" };
            let non_zero = total.non_zero.map_or_else(String::new, |bytes| match bytes {
                0 => "-".to_owned(),
                bytes => size(bytes),
            });
            let row =
                format!("  {:<16}{:>12}{non_zero:>14}  {mark}", total.region.name(), size(total.bytes),);
            line!(text, "{}", row.trim_end());
        }
    }
}

/// The sign of a class in the map.
const fn sign(region: Region) -> char {
    match region {
        Region::File => 'f',
        Region::Metadata => 'm',
        Region::BootCode => 'b',
        Region::Journal => 'j',
        Region::Swap => 's',
        Region::Opaque => 'o',
        Region::Unowned | Region::OwnedButFree => 'u',
        Region::Gap
        | Region::Free
        | Region::Unwritten
        | Region::Slack
        | Region::DeadInode
        | Region::DirectoryTail
        | Region::MetadataTail
        | Region::Reserved
        | Region::Unmapped
        | Region::OldMetadata
        | Region::Empty
        | Region::Container => '.',
    }
}

const LEGEND: [(char, &str); 9] = [
    ('f', "files"),
    ('m', "metadata"),
    ('b', "boot code"),
    ('j', "journal"),
    ('s', "swap"),
    ('o', "opaque"),
    ('u', "unowned"),
    ('.', "free or unused"),
    ('#', "residue"),
];

fn picture(text: &mut String, report: &Report) {
    let Some(disk) = report.map.as_ref().filter(|map| !map.cells.is_empty()) else { return };
    let (each, spots) = map::picture(disk, &report.findings, COLUMNS * ROWS);
    let signs: String = spots
        .iter()
        .map(|spot| match spot {
            spot if spot.findings > 0 => 'X',
            spot if spot.residue > 0 => '#',
            spot => sign(spot.region),
        })
        .collect();
    line!(text, "\nDisk map, {} a sign:", size(each));
    for (row, signs) in signs.as_bytes().chunks(COLUMNS).enumerate() {
        let offset = each.saturating_mul(known_count(row * COLUMNS));
        // Signs are ASCII.
        line!(text, "  {:>10}  {}", size(offset), String::from_utf8_lossy(signs));
    }
    let mut known: Vec<String> = LEGEND
        .iter()
        .filter(|(sign, _)| signs.contains(*sign))
        .map(|(sign, what)| format!("{sign} {what}"))
        .collect();
    if signs.contains('X') {
        known.push("X a finding".to_owned());
    }
    line!(text, "  {}", known.join("   "));
}

/// The finding as a line of a group that names its rule.
pub(crate) fn sentence(row: &Row<'_>) -> String {
    let sentence = match row.finding {
        Finding::Secret { place, .. } | Finding::Unwanted { place, .. } => place.to_string(),
        Finding::Residue { .. }
        | Finding::Remnant { .. }
        | Finding::NotRetained { .. }
        | Finding::Disagreement { .. }
        | Finding::Damage { .. } => row.finding.to_string(),
    };
    visible(&sentence).into_owned()
}

fn findings(text: &mut String, report: &Report) {
    for (id, rows) in row::groups(&report.findings) {
        let rule = crate::own_rules::rule(report, rows[0].finding);
        let level = rows[0].level.name();
        line!(text, "\n{}: {} ({level}, {})", visible(&id), visible(&rule.heading), rows.len());
        for row in rows.iter().take(SHOWN) {
            let digest = row.digest.map_or_else(String::new, |digest| format!("  [{}]", visible(digest)));
            line!(text, "  {}{digest}", sentence(row));
        }
        if rows.len() > SHOWN {
            line!(text, "  and {} more", rows.len() - SHOWN);
        }
    }
}

fn residue(text: &mut String, report: &Report) {
    if report.residue.is_empty() {
        return;
    }
    line!(text, "\nWhere residue lies:");
    for place in report.residue.iter().take(SHOWN) {
        line!(text, "  {}", visible(&place.to_string()));
    }
    let more = known_count(report.residue.len().saturating_sub(SHOWN)).saturating_add(report.unlisted);
    if more > 0 {
        line!(text, "  and {more} more");
    }
}

fn accepted(text: &mut String, report: &Report) {
    if !report.accepted.is_empty() {
        line!(text, "\nAccepted:");
    }
    for known in &report.accepted {
        line!(text, "  {}", visible(&known.finding.to_string()));
        line!(text, "    because {}", visible(&known.reason));
    }
    if !report.unused.is_empty() {
        line!(text, "\nAccepted, but not found:");
        report.unused.iter().for_each(|digest| line!(text, "  {}", visible(digest)));
    }
}

/// `ext4-view agrees on volume 2: 31207 names`.
pub(crate) fn opinion(opinion: &verify::Opinion) -> String {
    let volume = opinion.volume.map_or_else(|| "the table".to_owned(), |number| format!("volume {number}"));
    match &opinion.refused {
        Some(why) => format!("{} has no opinion on {volume}: {why}", opinion.reader),
        None if !opinion.differences.is_empty() => format!("{} disagrees on {volume}", opinion.reader),
        None => format!("{} agrees on {volume}: {}", opinion.reader, count(opinion.compared, "name")),
    }
}

fn footer(text: &mut String, report: &Report) {
    let coverage = &report.coverage;
    line!(
        text,
        "\n{} live, {} read, {} of holes, {} left out",
        size(coverage.live),
        size(coverage.read),
        size(coverage.holes),
        size(coverage.skipped)
    );
    if coverage.rules > 0 {
        line!(text, "{} looked at the content", count(coverage.rules, "rule"));
    }
    if !coverage.decoders.is_empty() {
        line!(text, "looked inside {}", visible(&coverage.decoders.join(", ")));
    }
    if let Some(archives) = report.archives.as_ref().filter(|archives| archives.files > 0) {
        let left: Vec<String> = archives
            .left_out
            .iter()
            .map(|(reason, number)| format!(", {number} left out: {reason}"))
            .collect();
        line!(
            text,
            "looked into {}: {}, {} unpacked{}",
            count(archives.files.saturating_sub(archives.shipped), "archive"),
            count(archives.streams, "stream"),
            size(archives.bytes),
            left.concat()
        );
        if archives.shipped > 0 {
            line!(text, "{} that packages ship, unchanged, not unpacked", count(archives.shipped, "archive"));
        }
    }
    for (what, image) in [("image", Some(&report.image)), ("original", report.original.as_ref())] {
        let Some(image) = image else { continue };
        let digest = image.digest.as_ref().map_or_else(String::new, |digest| format!(" {}", digest.value));
        let line = format!("{what} {} ({}, {}){digest}", image.path, image.format, size(image.size));
        line!(text, "{}", visible(&line));
    }
    if let Some(policy) = &report.policy {
        line!(text, "policy {} {}", visible(&policy.name), visible(&policy.digest));
    }
    line!(
        text,
        "{} {} {}, {}",
        visible(&report.tool.name),
        visible(&report.tool.version),
        report.command.name(),
        time::rfc3339(report.started)
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_verdict_comes_first() {
        let text = human(&sample::report());
        let first = text.lines().next().unwrap();
        assert_eq!(
            first,
            "shelf/web server.qcow2 is not clean: 15 findings, 6 of them secrets; 224.0 MiB of residue."
        );
        assert!(human(&sample::clean()).starts_with("clean.raw is clean: no secret was found."));
    }

    #[test]
    fn the_map_fits_a_terminal() {
        let text = human(&sample::report());
        assert!(text.lines().filter(|line| line.starts_with("    ")).all(|line| line.len() <= 80), "{text}");
        assert_eq!(text.lines().filter(|line| line.len() == COLUMNS + 14).count(), ROWS, "{text}");
        for sign in ["# residue", "X a finding", "j journal", "f files"] {
            assert!(text.contains(sign), "{sign}: {text}");
        }
    }

    #[test]
    fn names_stay_on_their_line() {
        let hostile = human(&sample::hostile());
        sample::assert_tame(&hostile);
        let plain = human(&sample::report()).lines().count();
        // One rule more.
        assert_eq!(hostile.lines().count(), plain + 3);
    }
}
