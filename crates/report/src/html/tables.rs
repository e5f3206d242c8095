//! The page's tables: the sums, the volumes with their classes, the findings by rule, the accepted ones, and what the
//! report is of.

use verify::{Finding, Place, Region};

use crate::{
    Report, human,
    human::known_count,
    own_rules,
    row::{self, Level, Row},
    size,
    text::{line, markup},
};

/// Findings shown of one rule; JSON has all.
const SHOWN: usize = 500;

/// The few numbers that matter most.
pub(super) fn tiles(page: &mut String, report: &Report) {
    let of = |level: Level| report.findings.iter().filter(|finding| Level::of(finding) == level).count();
    let coverage = &report.coverage;
    line!(page, "<div class=\"tiles\">");
    for (number, words) in [
        (of(Level::Error).to_string(), "certain findings"),
        (of(Level::Warning).to_string(), "likely findings"),
        (of(Level::Note).to_string(), "worth a look"),
        (size(report.residue_bytes()), "of residue"),
        (size(coverage.read), "read"),
        (size(coverage.skipped), "left out"),
    ] {
        line!(page, "<div class=\"tile\"><b>{number}</b><span>{words}</span></div>");
    }
    line!(page, "</div>");
}

/// What `clean` removed and dropped.
pub(super) fn cleaned(page: &mut String, report: &Report) {
    let table = |page: &mut String, heading: &str, head: &str| {
        line!(page, "<h2>{heading}</h2>\n<div class=\"card\"><table><thead><tr>{head}</tr></thead><tbody>");
    };
    if !report.removed.is_empty() {
        let head = "<th>Rule</th><th class=\"n\">Files</th><th class=\"n\">Bytes</th>";
        table(page, "Removed or emptied", head);
        for rule in &report.removed {
            line!(
                page,
                "<tr><td class=\"wide\"><code>{}</code></td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
                markup(&rule.rule),
                rule.files,
                size(rule.bytes)
            );
        }
        line!(page, "</tbody></table></div>");
    }
    if !report.dropped.is_empty() {
        table(page, "Residue dropped", "<th>Class</th><th class=\"n\">Bytes</th>");
        for (class, bytes) in &report.dropped {
            line!(
                page,
                "<tr><td class=\"wide\">{}</td><td class=\"n\">{}</td></tr>",
                markup(class),
                size(*bytes)
            );
        }
        line!(page, "</tbody></table></div>");
    }
}

/// Every class of every volume.
pub(super) fn volumes(page: &mut String, report: &Report) {
    let groups = human::by_volume(report);
    if groups.is_empty() {
        return;
    }
    line!(
        page,
        "<h2>Every byte by volume and class</h2>\n<div class=\"card\"><table>\n<thead><tr><th>Class</th><th>What it is\
         </th><th class=\"n\">Bytes</th><th class=\"n\">Residue</th></tr></thead>\n<tbody>"
    );
    for (name, totals) in groups {
        line!(page, "<tr class=\"head\"><td colspan=\"4\">{}</td></tr>", markup(&name));
        for total in totals {
            let number = |bytes: u64| if bytes == 0 { "–".to_owned() } else { size(bytes) };
            let class = if total.residue() > 0 { " class=\"bad\"" } else { "" };
            let residue = match total.non_zero {
                Some(_) if !total.region.is_live() => number(total.residue()),
                _ => String::new(),
            };
            line!(
                page,
                "<tr{class}><td>{}</td><td class=\"dim\">{}</td><td class=\"n\" title=\"{}\">{}</td><td class=\"n\" \
                 title=\"{}\">{residue}</td></tr>",
                total.region.name(),
                total.region,
                total.bytes,
                number(total.bytes),
                total.residue(),
            );
        }
    }
    line!(page, "</tbody></table></div>");
}

/// The findings, a table each rule.
pub(super) fn findings(page: &mut String, report: &Report) {
    if report.findings.is_empty() {
        return;
    }
    line!(page, "<h2>Findings</h2>");
    for (id, rows) in row::groups(&report.findings) {
        let rule = own_rules::rule(report, rows[0].finding);
        let level = rows[0].level.name();
        line!(
            page,
            "<details open><summary><span class=\"level {level}\">{level}</span><b>{}</b><code>{}</code>\
             <span class=\"count\">{}</span></summary>\n<div class=\"in\"><p class=\"dim\">{}</p>",
            markup(&rule.heading),
            markup(&id),
            crate::count(known_count(rows.len()), "finding"),
            markup(&rule.explain)
        );
        line!(
            page,
            "<table><thead><tr><th class=\"c1\">Volume</th><th class=\"c2\">Class</th><th>What</th><th class=\"n c4\">Offset\
             </th><th class=\"n c5\">Length</th><th class=\"c6\">Digest</th></tr></thead><tbody>"
        );
        rows.iter().take(SHOWN).for_each(|row| finding(page, report, row));
        line!(page, "</tbody></table>");
        if rows.len() > SHOWN {
            line!(page, "<p class=\"dim\">and {} more, in the JSON report</p>", rows.len() - SHOWN);
        }
        line!(page, "</div></details>");
    }
}

/// The volume without its label, which stands above.
fn short_name(report: &Report, number: Option<u32>, region: Region) -> String {
    match report.volumes.iter().find(|volume| Some(volume.number) == number) {
        Some(volume) => format!("{} {}", volume.number, volume.content),
        None => human::volume_name(report, number, region),
    }
}

fn finding(page: &mut String, report: &Report, row: &Row<'_>) {
    let region = match row.finding {
        Finding::Residue { region, .. } => Some(*region),
        _ => row.place.map(|place| place.region),
    };
    let volume = region.map_or_else(
        || row.volume.map_or_else(String::new, |number| format!("volume {number}")),
        |region| short_name(report, row.volume, region),
    );
    let number =
        |pick: fn((u64, u64)) -> u64| row.bytes.map_or_else(String::new, |bytes| pick(bytes).to_string());
    line!(
        page,
        "<tr><td>{}</td><td>{}</td><td class=\"wide\">{}</td><td class=\"n code\">{}</td><td class=\"n code\">{}</td>\
         <td class=\"code\">{}</td></tr>",
        markup(&volume),
        region.map_or("", verify::Region::name),
        what(row),
        number(|bytes| bytes.0),
        number(|bytes| bytes.1),
        row.digest.map(markup).unwrap_or_default()
    );
}

/// Path, members and history, as far as they are known; else the finding's sentence.
fn what(row: &Row<'_>) -> String {
    let Some(place) = row.place else {
        return match row.finding {
            Finding::Residue { .. } => "bytes that are not zero; the offset is of the first".to_owned(),
            Finding::NotRetained { difference, .. } => markup(difference),
            other => markup(&other.to_string()),
        };
    };
    let mut parts = Vec::new();
    if let Finding::Remnant { of, .. } = row.finding {
        parts.push(format!("of the removed <code>{}</code>", markup(of)));
    }
    parts.extend(whose(place));
    parts.join("<br>")
}

/// Whose bytes they are or were, line by line, as markup.
fn whose(place: &Place) -> Vec<String> {
    let mut parts = Vec::new();
    match (&place.path, place.inode) {
        (Some(path), _) => parts.push(format!("<code>{}</code>", markup(path))),
        (None, Some(inode)) => parts.push(format!("inode {inode}")),
        (None, None) => {}
    }
    let members = place.inside.iter().map(|member| format!("in it <code>{}</code>", markup(member)));
    parts.extend(members);
    if let Some(offset) = place.file_offset {
        parts.push(format!("<span class=\"dim\">at {offset} of the file</span>"));
    }
    if let Some(was) = &place.was {
        parts.push(format!("<span class=\"dim\">{}</span>", markup(&was.to_string())));
    }
    parts
}

/// Where residue lies.
pub(super) fn residue(page: &mut String, report: &Report) {
    if report.residue.is_empty() {
        return;
    }
    let rows = known_count(report.residue.len()).saturating_add(report.unlisted);
    line!(
        page,
        "<h2>Where residue lies</h2>\n<details><summary><b>Runs of bytes that are not zero</b><span class=\"count\">{}\
         </span></summary>\n<div class=\"in\"><table><thead><tr><th class=\"c1\">Volume</th><th class=\"c2\">Class</th>\
         <th>What</th><th class=\"n c4\">Offset</th><th class=\"n c5\">Length</th></tr></thead><tbody>",
        crate::count(rows, "run")
    );
    for place in report.residue.iter().take(SHOWN) {
        line!(
            page,
            "<tr><td>{}</td><td>{}</td><td class=\"wide\">{}</td><td class=\"n code\">{}</td><td class=\"n code\">{}\
             </td></tr>",
            markup(&short_name(report, place.volume, place.region)),
            place.region.name(),
            whose(place).join("<br>"),
            place.offset,
            place.length
        );
    }
    line!(page, "</tbody></table>");
    let more = rows.saturating_sub(known_count(report.residue.len().min(SHOWN)));
    if more > 0 {
        line!(page, "<p class=\"dim\">and {more} more</p>");
    }
    line!(page, "</div></details>");
}

/// What is accepted, and why; and what the allow file accepts in vain.
pub(super) fn accepted(page: &mut String, report: &Report) {
    if !report.accepted.is_empty() {
        line!(
            page,
            "<h2>Accepted</h2>\n<div class=\"card\"><table><thead><tr><th>Rule</th><th>Where</th><th>Why it may stay</th>\
             <th>Digest</th></tr></thead><tbody>"
        );
        for known in &report.accepted {
            let row = Row::new(&known.finding);
            line!(
                page,
                "<tr><td><code>{}</code></td><td class=\"wide\">{}</td><td class=\"wide\">{}</td><td class=\"code\">{}\
                 </td></tr>",
                markup(&row.rule),
                markup(&human::sentence(&row)),
                markup(&known.reason),
                row.digest.map(markup).unwrap_or_default()
            );
        }
        line!(page, "</tbody></table></div>");
    }
    super::list(page, "Accepted, but not found", &report.unused);
}

/// What the report is of, and how it was made.
pub(super) fn provenance(page: &mut String, report: &Report) {
    line!(page, "<h2>About this report</h2>\n<div class=\"card\"><table><tbody>");
    let line = |page: &mut String, what: &str, value: &str| {
        line!(page, "<tr><th>{what}</th><td class=\"wide\">{}</td></tr>", markup(value));
    };
    line(page, "Command", report.command.name());
    for (what, image) in [("Image", Some(&report.image)), ("Original", report.original.as_ref())] {
        let Some(image) = image else { continue };
        let file = image.file_size.map_or_else(String::new, |bytes| format!(", a file of {}", size(bytes)));
        line(page, what, &format!("{}: {}, a disk of {}{file}", image.path, image.format, size(image.size)));
        if let Some(digest) = &image.digest {
            line(
                page,
                &format!("{what}: digest of the disk"),
                &format!("{} {}", digest.algorithm, digest.value),
            );
        }
    }
    if let Some(table) = &report.table {
        let sectors =
            report.sector_size.map_or_else(String::new, |bytes| format!(", sectors of {bytes} bytes"));
        line(page, "Partition table", &format!("{table}{sectors}"));
    }
    if let Some(policy) = &report.policy {
        line(page, "Policy", &format!("{} {}", policy.name, policy.digest));
    }
    let coverage = &report.coverage;
    line(
        page,
        "Coverage",
        &format!(
            "{} read, {} of holes, {} left out, {} live",
            size(coverage.read),
            size(coverage.holes),
            size(coverage.skipped),
            size(coverage.live)
        ),
    );
    if coverage.rules > 0 {
        line(page, "Content rules", &coverage.rules.to_string());
    }
    if !coverage.decoders.is_empty() {
        line(page, "Looked inside", &coverage.decoders.join(", "));
    }
    line!(page, "</tbody></table></div>");
}
