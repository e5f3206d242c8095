//! A summary for people and for spreadsheets. Names are data of whoever made them: they are escaped in every format.

use std::fmt::Write;

use report::{count, markup, size, visible};

use crate::{State, Summary, SummaryRow};

/// Rows shown to people that are not clean; the other formats have all.
const SHOWN: usize = 50;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884;\
vertical-align:top;overflow-wrap:anywhere}td.n{text-align:right;white-space:nowrap}.clean{color:#161}\
.findings,.failed{color:#a11}.stale,.missing{color:#850}:root{color-scheme:light dark}\
@media(prefers-color-scheme:dark){.clean{color:#7d7}.findings,.failed{color:#f88}.stale,.missing{color:#fc6}}";

/// One sentence.
fn verdict(summary: &Summary) -> String {
    let images = count(block::to_u64(summary.rows.len()), "image");
    match summary.verdict {
        "clean" => format!("{images}, all clean"),
        _ => {
            let counts: Vec<String> =
                summary.counts.iter().map(|(word, number)| format!("{number} {word}")).collect();
            format!("{images}: {}", counts.join(", "))
        }
    }
}

/// A few lines: what is not clean, and how many are.
#[must_use]
pub fn human(summary: &Summary) -> String {
    let mut text = String::new();
    let open: Vec<&SummaryRow> = summary.rows.iter().filter(|row| row.state != State::Clean).collect();
    for row in open.iter().take(SHOWN) {
        let (word, reason) = (row.state.word(), row.state.reason());
        let colon = if reason.is_empty() { "" } else { ": " };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{word:8}  {}{colon}{}", visible(&row.id), visible(reason));
    }
    if open.len() > SHOWN {
        let _ = writeln!(text, "and {} more that are not clean", open.len() - SHOWN);
    }
    let (mut files, mut residue) = (0u64, 0u64);
    for facts in summary.rows.iter().filter_map(|row| row.report.as_ref()) {
        (files, residue) = (files.saturating_add(facts.files), residue.saturating_add(facts.residue));
    }
    let _ = writeln!(
        text,
        "{} ({}). {} removed or changed, {} of hidden residue dropped.",
        verdict(summary),
        size(summary.size),
        count(files, "file"),
        size(residue)
    );
    text
}

/// All rows, for spreadsheets (RFC 4180).
#[must_use]
pub fn csv(summary: &Summary) -> String {
    let head = [
        "id",
        "state",
        "exit_code",
        "reason",
        "input",
        "size",
        "output",
        "shard",
        "disk",
        "files_removed_or_changed",
        "residue_dropped",
        "findings",
        "started",
        "input_digest",
        "output_digest",
    ];
    let mut text = head.join(",") + "\r\n";
    for row in &summary.rows {
        let code = match &row.state {
            State::Clean => "0".to_owned(),
            State::Findings { .. } => "1".to_owned(),
            State::Failed { code, .. } => code.to_string(),
            State::Stale { .. } | State::Missing => String::new(),
        };
        let mut fields = vec![
            row.id.clone(),
            row.state.word().to_owned(),
            code,
            row.state.reason().to_owned(),
            row.input.clone(),
            row.size.to_string(),
            row.output.clone(),
            row.shard.to_string(),
        ];
        match &row.report {
            Some(facts) => fields.extend([
                facts.disk.to_string(),
                facts.files.to_string(),
                facts.residue.to_string(),
                facts.findings.to_string(),
                facts.started.clone(),
                facts.input_digest.clone(),
                facts.output_digest.clone(),
            ]),
            None => fields.resize(head.len(), String::new()),
        }
        let fields: Vec<String> = fields.iter().map(|field| cell(field)).collect();
        text.push_str(&fields.join(","));
        text.push_str("\r\n");
    }
    text
}

/// A field in quotes if it needs them. One that a spreadsheet would take for a formula is text.
fn cell(field: &str) -> String {
    let shown = visible(field);
    let formula = shown.starts_with(['=', '+', '-', '@']);
    if formula || shown.contains([',', '"']) {
        let quote = if formula { "'" } else { "" };
        format!("\"{quote}{}\"", shown.replace('"', "\"\""))
    } else {
        shown.into_owned()
    }
}

/// One page that needs nothing else, under the strictest policy that allows a style.
#[must_use]
pub fn html(summary: &Summary) -> String {
    let title = markup(&verdict(summary));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         <p>{} of images, policy {} ({}), diskscrub {}.</p>\n<table>\n<thead><tr><th>image</th><th>state</th>\
         <th>why</th><th>size</th><th>files</th><th>residue dropped</th><th>digest of the output's disk</th></tr></thead>\n<tbody>\n",
        size(summary.size),
        markup(&summary.policy.name),
        markup(&summary.policy.digest),
        markup(&summary.version),
    );
    for row in &summary.rows {
        let (files, residue, digest) = row.report.as_ref().map_or_else(Default::default, |facts| {
            (facts.files.to_string(), size(facts.residue), markup(&facts.output_digest))
        });
        let word = row.state.word();
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td class=\"{word}\">{word}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{files}</td>\
             <td class=\"n\">{residue}</td><td>{digest}</td></tr>",
            markup(&row.id),
            markup(row.state.reason()),
            size(row.size),
        );
    }
    page.push_str("</tbody>\n</table>\n</body>\n</html>\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Beside, Stamp, plan::tests::plan, record::tests::report};

    fn summary(states: &[State], name: &str) -> Summary {
        let names: Vec<String> = (0..states.len()).map(|number| format!("{name}{number}.raw")).collect();
        let images: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1 << 20)).collect();
        let plan = plan(&images, 0).unwrap();
        let rows = plan.rows.iter().zip(states).map(|(row, state)| {
            let stamp = Stamp { size: 1, modified: String::new() };
            let record = serde_json::from_value(report(row, &stamp)).unwrap();
            let beside = Beside { record: Some(Ok(record)), ..Beside::default() };
            SummaryRow::new(row, state.clone(), &beside)
        });
        Summary::new(&plan, "0.1.0", rows.collect())
    }

    fn failed() -> State {
        State::Failed { code: 65, reason: "inode 12: \"x\" is <b>, expected 3".to_owned() }
    }

    #[test]
    fn only_all_clean_is_clean() {
        let verdict = |states: &[State]| summary(states, "a").verdict;
        assert_eq!(verdict(&[State::Clean, State::Clean]), "clean");
        assert_eq!(verdict(&[State::Clean, failed()]), "findings");
        assert_eq!(verdict(&[State::Missing, failed()]), "incomplete");
        assert_eq!(verdict(&[State::Findings { written: true }]), "findings");
    }

    #[test]
    fn people_see_what_is_not_clean() {
        let text = human(&summary(&[State::Clean, failed(), State::Missing], "a"));
        assert_eq!(
            text,
            "failed    a1.raw: inode 12: \"x\" is <b>, expected 3\nmissing   a2.raw\n\
             3 images: 1 clean, 1 failed, 1 missing (3.0 MiB). 4 files removed or changed, 15 B of hidden residue \
             dropped.\n"
        );
        assert!(human(&summary(&[State::Clean], "a")).starts_with("1 image, all clean (1.0 MiB). "));
    }

    #[test]
    fn names_stay_in_their_place() {
        let summary = summary(&[State::Clean, failed()], "=cmd|'<img>,\u{202e}\"");
        let table = csv(&summary);
        assert!(table.contains("\r\n\"'=cmd|'<img>,\\u{202e}\"\"0.raw\",clean,0,,"), "{table}");
        assert!(table.contains("\"inode 12: \"\"x\"\" is <b>, expected 3\""), "{table}");
        let rows: Vec<&str> = table.split("\r\n").collect();
        assert_eq!((rows.len(), rows[3]), (4, ""));
        let page = html(&summary);
        assert!(!page.contains("<img>") && !page.contains("<b>") && !page.contains('\u{202e}'), "{page}");
        assert!(human(&summary).contains("\\u{202e}"));
    }
}
