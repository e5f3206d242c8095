//! What `scan` found, as a report.

use std::collections::BTreeMap;

use report::{Coverage, Report, Rule, allow::Outcome};
use scan::content::ContentRule;
use verify::{Finding, Secrets, Shipped, Survey};

use crate::human;

/// Packages that are named of many.
const NAMED: usize = 5;

/// The secrets in the words of every command's report.
pub(crate) fn scanned(
    begun: Report,
    survey: &Survey,
    secrets: &Secrets,
    outcome: Outcome,
    rules: &[&ContentRule],
) -> Report {
    let totals = survey.atlas.totals().into_iter();
    let live = totals.filter(|((_, region), _)| region.is_live()).map(|(_, bytes)| bytes).sum();
    let mut notes: Vec<String> = survey.notes.iter().chain(&secrets.notes).map(ToString::to_string).collect();
    unlisted(secrets, &mut notes);
    Report {
        coverage: Coverage { live, ..coverage(secrets, begun.image.size, rules) },
        archives: secrets.archives.as_ref().map(archives),
        rules: explained(rules, &outcome),
        findings: outcome.remaining,
        accepted: outcome.accepted,
        unused: outcome.unused,
        shipped: secrets.shipped.clone(),
        notes,
        ..begun
    }
}

/// What was searched.
pub(super) fn coverage(secrets: &Secrets, size: u64, rules: &[&ContentRule]) -> Coverage {
    let decoders = secrets.archives.iter().flat_map(|archives| &archives.outcome.kinds);
    Coverage {
        read: secrets.scanned,
        holes: size.saturating_sub(secrets.scanned),
        rules: block::to_u64(rules.len()),
        decoders: decoders.map(|kind| kind.name().to_owned()).collect(),
        ..Coverage::default()
    }
}

/// The content rules that findings name.
pub(super) fn explained(rules: &[&ContentRule], outcome: &Outcome) -> Vec<Rule> {
    let named = |id: &str| {
        let known = outcome.accepted.iter().map(|accepted| &accepted.finding);
        outcome.remaining.iter().chain(known).any(|finding| match finding {
            Finding::Secret { rule, .. } => *rule == id,
            _ => false,
        })
    };
    let rule = |rule: &&ContentRule| Rule {
        id: rule.id.to_owned(),
        heading: rule.heading.to_owned(),
        explain: rule.explain.to_owned(),
    };
    rules.iter().filter(|rule| named(rule.id)).map(rule).collect()
}

/// What was unpacked.
pub(super) fn archives(archives: &verify::Archives) -> report::Archives {
    let left_out = archives.outcome.left_out.iter();
    report::Archives {
        files: archives.files,
        shipped: archives.shipped,
        streams: archives.outcome.streams,
        bytes: archives.outcome.bytes,
        left_out: left_out.map(|(reason, number)| (reason.name().to_owned(), *number)).collect(),
    }
}

/// What was found and not listed, or set apart, and what was not looked into.
pub(super) fn unlisted(secrets: &Secrets, notes: &mut Vec<String>) {
    notes.extend(apart(&secrets.shipped));
    if secrets.archives.is_none() {
        notes.push("archives and compressed files were not looked into".to_owned());
    }
    if secrets.unlisted > 0 {
        notes.push(format!("{} more secrets are not listed", secrets.unlisted));
    }
}

/// What is no finding because packages ship it, in a sentence.
fn apart(shipped: &[Shipped]) -> Option<String> {
    let mut packages: BTreeMap<&str, u64> = BTreeMap::new();
    shipped.iter().for_each(|secret| *packages.entry(&secret.package).or_default() += 1);
    let mut most: Vec<(&str, u64)> = packages.into_iter().collect();
    most.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    let mut names: Vec<String> =
        most.iter().take(NAMED).map(|(name, number)| format!("{name} {number}")).collect();
    let more = block::to_u64(most.len().saturating_sub(NAMED));
    names.extend((more > 0).then(|| human::count(more, "more package")));
    let all = human::count(block::to_u64(shipped.len()), "secret");
    let names = names.join(", ");
    (!shipped.is_empty()).then(|| {
        format!("{all} in unchanged files of packages, or copied from there, no findings: {names} (--shipped reports them)")
    })
}
