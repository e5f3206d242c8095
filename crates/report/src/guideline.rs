//! The bullets of a guideline, for every format: a sentence, lines of text, a table of the page, results of SARIF.

use audit::{Evidence, Question, Row, Severity, Status, Table, bullets, checks};
use serde_json::{Value, json};

use crate::{
    Report,
    human::known_count,
    sarif,
    text::{file_uri, line, markup, relative_uri, visible},
};

/// The check whose facts are a description of the image.
const TO_PASTE: &str = "identity";
/// Evidence shown of a bullet in text; JSON has all.
const SHOWN: usize = 8;

/// `disk.raw does not meet AWS, Guidelines ...: 2 failed, 9 met, 1 not decidable offline.`
pub(crate) fn verdict(report: &Report, table: &Table) -> String {
    let failed = table.count(Status::Failed);
    let does = if failed == 0 { "fails no bullet of" } else { "does not meet" };
    let states = [Status::Failed, Status::Changed, Status::Met, Status::Undecided, Status::NotYet];
    let counts: Vec<String> = states
        .into_iter()
        .filter(|status| table.count(*status) > 0)
        .map(|status| format!("{} {}", table.count(status), status.to_string().to_lowercase()))
        .collect();
    format!("{} {does} {}: {}.", visible(&report.image.path), table.guideline, counts.join(", "))
}

/// Where the evidence is and what it says: `/etc/shadow:3 (root-password): ...`.
fn sentence(evidence: &Evidence) -> String {
    let mut text = String::new();
    if let Some(path) = evidence.path.as_ref().filter(|path| !evidence.what.contains(path.as_str())) {
        text.push_str(path);
        if let Some(line) = evidence.line {
            text.push_str(&format!(":{line}"));
        }
        text.push(' ');
    }
    if let Some(by) = &evidence.by {
        text.push_str(&format!("({by}) "));
    }
    text + &evidence.what
}

const fn mark(severity: Severity) -> char {
    match severity {
        Severity::Fail => '!',
        Severity::Unknown => '?',
        Severity::Warn => '~',
        Severity::Info => '-',
    }
}

/// The table as text.
pub(crate) fn text(text: &mut String, table: &Table) {
    line!(text, "");
    let width = table.rows.iter().map(|row| row.id.len()).max().unwrap_or(0);
    for row in &table.rows {
        line!(text, "{:width$}  {:<21}  {}", row.id, row.status.to_string(), row.asks);
        let (block, evidence): (Vec<&Evidence>, Vec<&Evidence>) =
            row.evidence.iter().partition(|evidence| evidence.by.as_deref() == Some(TO_PASTE));
        for evidence in evidence.iter().copied().take(SHOWN) {
            let mut lines = sentence(evidence);
            // A description to paste has lines of its own.
            if lines.contains('\n') {
                lines = lines.lines().map(|line| format!("\n{:width$}      {}", "", visible(line))).collect();
                line!(text, "{:width$}    {}{lines}", "", mark(evidence.severity));
            } else {
                line!(text, "{:width$}    {} {}", "", mark(evidence.severity), visible(&lines));
            }
        }
        if evidence.len() > SHOWN {
            let more = known_count(evidence.len() - SHOWN);
            line!(text, "{:width$}      and {more} more", "");
        }
        if !block.is_empty() {
            line!(text, "{:width$}    - a description to paste:\n", "");
            block.iter().for_each(|evidence| line!(text, "{}", visible(&evidence.what)));
            line!(text, "");
        }
        row.advice.iter().for_each(|advice| line!(text, "{:width$}      To do: {advice}", ""));
    }
    line!(text, "\n! fails it   ? cannot be decided   ~ to be decided by people   - for the picture");
}

/// The table as part of the page.
pub(crate) fn html(page: &mut String, table: &Table) {
    line!(
        page,
        "<h2>{}</h2>\n<div class=\"card\"><table>\n<thead><tr><th></th><th>Asked</th><th>State</th><th>Evidence</th>\
         </tr></thead>\n<tbody>",
        markup(&table.guideline.to_string())
    );
    for row in &table.rows {
        let class = if row.status == Status::Failed { " class=\"bad\"" } else { "" };
        line!(
            page,
            "<tr{class}><td>{}</td><td>{}</td><td>{}</td><td class=\"wide\">",
            row.id,
            markup(row.asks),
            row.status
        );
        if !row.evidence.is_empty() {
            line!(page, "<ul>");
            for evidence in &row.evidence {
                let class = if evidence.severity == Severity::Fail { "" } else { " class=\"dim\"" };
                let shown = markup(&sentence(evidence)).replace('\n', "<br>");
                line!(page, "<li{class}>{shown}</li>");
            }
            line!(page, "</ul>");
        }
        row.advice.iter().for_each(|advice| line!(page, "<p>To do: {}</p>", markup(advice)));
        line!(page, "</td></tr>");
    }
    line!(page, "</tbody></table></div>");
}

/// The id of a bullet among the rules of a log: `aws/A4`.
fn id(table: &Table, row: &Row) -> String {
    format!("{}/{}", table.guideline.policy(), row.id)
}

/// The bullets as rules of a SARIF log; what to do is their help.
pub(crate) fn descriptors(table: &Table) -> Vec<Value> {
    let descriptor = |row: &Row| {
        json!({
            "id": id(table, row),
            "shortDescription": { "text": row.asks },
            "fullDescription": { "text": format!("{}: {}", table.guideline, row.asks) },
            "help": { "text": help(table, row) },
            "properties": { "tags": ["compliance"] },
        })
    };
    table.rows.iter().map(descriptor).collect()
}

/// What diskscrub does about a bullet, and what whoever fails it can do.
fn help(table: &Table, row: &Row) -> String {
    let bullet = bullets(table.guideline).iter().find(|bullet| bullet.id == row.id);
    let checks =
        bullet.into_iter().flat_map(|bullet| bullet.questions).filter_map(|question| match question {
            Question::Check(id) => checks::get(id).map(|check| check.advice),
            _ => None,
        });
    let does = bullet.map_or("Clean the image with this policy.", |bullet| bullet.does);
    // A bullet's row adds advice of its own where it failed.
    let mut parts = vec![does];
    for advice in checks.chain(row.advice.iter().copied()) {
        if !parts.contains(&advice) {
            parts.push(advice);
        }
    }
    parts.join(" ")
}

/// Where the evidence is: what fails the bullet, or else all; the image file, if no file of the guest shows it.
fn locations(report: &Report, row: &Row) -> Vec<Value> {
    let failed = row.status == Status::Failed;
    let counts = |evidence: &&Evidence| !failed || evidence.severity == Severity::Fail;
    let mut locations: Vec<Value> = Vec::new();
    for evidence in row.evidence.iter().filter(counts) {
        let Some(path) = &evidence.path else { continue };
        let artifact = json!({ "uri": relative_uri(path), "uriBaseId": sarif::GUEST });
        let mut physical = json!({ "artifactLocation": artifact });
        if let Some(line) = evidence.line {
            physical["region"] = json!({ "startLine": line });
        }
        let location = json!({ "physicalLocation": physical });
        if !locations.contains(&location) && locations.len() < SHOWN {
            locations.push(location);
        }
    }
    if locations.is_empty() {
        let artifact = json!({ "uri": file_uri(&report.image.path), "index": sarif::FILE });
        locations.push(json!({ "physicalLocation": { "artifactLocation": artifact } }));
    }
    locations
}

/// A result for each bullet (SARIF 2.1.0, section 3.27.9: `kind`). `index` is that of the first bullet's rule.
pub(crate) fn results(report: &Report, table: &Table, index: usize) -> Vec<Value> {
    let result = |(number, row): (usize, &Row)| {
        let (kind, level) = match row.status {
            Status::Met | Status::Changed => ("pass", "none"),
            Status::Failed => ("fail", "error"),
            Status::Undecided => ("review", "none"),
            Status::NotYet => ("open", "none"),
        };
        let evidence: Vec<String> = row.evidence.iter().map(sentence).collect();
        let mut text = match evidence.len() {
            0 => format!("{}: {}", row.id, row.status),
            _ => format!("{}: {}. {}", row.id, row.status, evidence.join(". ")),
        };
        row.advice.iter().for_each(|advice| text.push_str(&format!(". To do: {advice}")));
        json!({
            "ruleId": id(table, row),
            "ruleIndex": index + number,
            "kind": kind,
            "level": level,
            "message": { "text": text },
            "locations": locations(report, row),
        })
    };
    table.rows.iter().enumerate().map(result).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::{html, human, sample, sarif};

    #[test]
    fn the_states_are_counted_and_the_worst_decides() {
        let report = sample::audited();
        assert!(!report.is_clean());
        let text = human(&report);
        let first = "audited.raw does not meet 3DS OUTSCALE, Guidelines for Building OUTSCALE Machine Images: \
                     1 failed, 1 changed, 1 met, 1 not decidable offline, 1 not yet.";
        assert_eq!(text.lines().next(), Some(first));
        for line in
            ["O2  FAILED ", "    ! /etc/shadow:1 (root-password) a password opens root", "To do: Lock it"]
        {
            assert!(text.contains(line), "{line}: {text}");
        }
        sample::assert_tame(&text);
        let page = html(&report);
        sample::assert_tame(&page);
        assert!(page.contains("<header class=\"dirty\">") && !page.contains("<script"), "{page}");
    }

    #[test]
    fn a_finding_that_fails_no_bullet_is_weighed_by_the_policy() {
        let mut report = sample::audited();
        report.findings = sample::report().findings;
        let table = report.guideline.as_mut().unwrap();
        table.rows.retain(|row| row.status != super::Status::Failed);
        assert!(report.is_clean());
        assert_eq!(crate::json(&report)["verdict"], "clean");
    }

    #[test]
    fn a_log_has_a_result_for_each_bullet() {
        let log = sarif(&sample::audited());
        let run = &log["runs"][0];
        let results = run["results"].as_array().unwrap();
        let kinds: Vec<&str> = results.iter().map(|result| result["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["pass", "fail", "pass", "review", "open"]);
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            let rule: &Value = &run["tool"]["driver"]["rules"][index];
            assert_eq!(rule["id"], result["ruleId"]);
            assert!(rule["help"]["text"].as_str().is_some_and(|help| !help.is_empty()), "{rule}");
        }
        let failed = &results[1];
        assert_eq!(
            failed["locations"],
            serde_json::json!([{ "physicalLocation": {
                "artifactLocation": { "uri": "etc/shadow", "uriBaseId": "GUEST" },
                "region": { "startLine": 1 },
            } }])
        );
        assert!(run["originalUriBaseIds"]["GUEST"].is_object(), "{run}");
        assert!(failed["message"]["text"].as_str().unwrap().contains(". To do: Lock it"), "{failed}");
        // Without a file of the guest, it is the image.
        let places: Vec<&Value> = results
            .iter()
            .map(|result| &result["locations"][0]["physicalLocation"]["artifactLocation"])
            .collect();
        assert!(places.iter().any(|place| place["index"] == 0), "{places:?}");
    }
}
