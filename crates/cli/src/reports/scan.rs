//! What `scan` found, as a report.

use report::{Accepted, Coverage, Report, Rule};
use scan::content::ContentRule;
use verify::{Finding, Secrets};

/// The secrets in the words of every command's report.
pub(crate) fn scanned(
    begun: Report,
    secrets: &Secrets,
    accepted: Vec<Accepted>,
    unused: Vec<String>,
    rules: &[&ContentRule],
) -> Report {
    let named = |id: &str| {
        let known = accepted.iter().map(|accepted| &accepted.finding);
        secrets.findings.iter().chain(known).any(|finding| match finding {
            Finding::Secret { rule, .. } => *rule == id,
            _ => false,
        })
    };
    let found = rules.iter().filter(|rule| named(rule.id)).map(|rule| Rule {
        id: rule.id.to_owned(),
        heading: rule.heading.to_owned(),
        explain: rule.explain.to_owned(),
    });
    let mut notes: Vec<String> = secrets.notes.iter().map(ToString::to_string).collect();
    let mut decoders = Vec::new();
    match &secrets.archives {
        Some(archives) => decoders.extend(archives.outcome.kinds.iter().map(|kind| kind.name().to_owned())),
        None => notes.push("archives and compressed files were not looked into".to_owned()),
    }
    if secrets.unlisted > 0 {
        notes.push(format!("{} more findings are not listed", secrets.unlisted));
    }
    Report {
        coverage: Coverage {
            read: secrets.scanned,
            holes: begun.image.size.saturating_sub(secrets.scanned),
            rules: block::to_u64(rules.len()),
            decoders,
            ..Coverage::default()
        },
        rules: found.collect(),
        findings: secrets.findings.clone(),
        accepted,
        unused,
        notes,
        ..begun
    }
}
