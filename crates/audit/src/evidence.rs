//! Why a bullet stands so: what rules, contents, residue and checks say, each as a sentence with its place.

use std::{cmp::Reverse, collections::BTreeMap};

use scan::{Note, Place, Rule, RuleId, Seen, Selection, content::rules as content};
use serde::Serialize;
use verify::Finding;

use crate::{
    Answers, Observation, Severity,
    judgement::{judged, switched_off},
};

/// Content rules that know keys of SSH, and the one that knows PEM, in which users' keys of SSH are, too.
pub(crate) const USER_KEYS: &[&str] = &[
    "openssh-key-body",
    "openssh-key-binary",
    "putty-private-key",
    "ssh1-private-key",
    "ssh2-private-key",
    PEM,
];
const PEM: &str = "pem-private-key";
/// Where programs have their keys: TLS servers and authorities in /etc and /var/lib, tests and examples in /usr.
const PROGRAMS: &[&str] = &["/etc/", "/usr/", "/var/lib/"];

/// Paths that one piece of evidence names.
const NAMED: usize = 3;

/// Why a bullet stands so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// How much it weighs.
    pub severity: Severity,
    /// The rule or check that says so; `None`: the bullet itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The file that shows it, escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The line in it, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What it is, in a sentence without a full stop.
    pub what: String,
}

impl From<&Observation> for Evidence {
    fn from(seen: &Observation) -> Self {
        Self {
            severity: seen.severity,
            by: Some(seen.check.to_owned()),
            path: seen.path.clone(),
            line: seen.line,
            what: seen.what.clone(),
        }
    }
}

pub(crate) fn unknown(why: &str) -> Evidence {
    Evidence { severity: Severity::Unknown, by: None, path: None, line: None, what: why.to_owned() }
}

/// What a check saw, as the policy weighs it.
pub(crate) fn of_check(id: &str, answers: &Answers<'_>) -> Vec<Evidence> {
    let seen = answers.observations.iter().filter(|seen| seen.check == id);
    match switched_off(answers.selection, id) {
        Some(off) => vec![off],
        None => seen.map(|seen| judged(answers.selection, seen.into(), None)).collect(),
    }
}

/// What a rule would still take, and what it could not edit.
pub(crate) fn of_rule(rule: &Rule, answers: &Answers<'_>) -> Vec<Evidence> {
    let (id, selection) = (RuleId::BuiltIn(rule.id), answers.selection);
    if let Some(off) = switched_off(selection, rule.id) {
        return vec![off];
    }
    if !selection.rules().any(|asked| asked.id == rule.id) {
        let what = "the policy leaves this rule out: nobody looked".to_owned();
        return vec![Evidence {
            severity: Severity::Unknown,
            by: Some(rule.id.to_owned()),
            path: None,
            line: None,
            what,
        }];
    }
    // What is accepted for one reason is one piece of evidence, as is what is not.
    let mut groups: BTreeMap<Option<&str>, (Vec<String>, Vec<&str>)> = BTreeMap::new();
    for finding in answers.files.iter().filter(|finding| finding.rule == id) {
        let path = path_of(finding);
        let accept = selection.accepted(&Seen { by: rule.id, path: Some(&path), digest: None });
        let (paths, changes) = groups.entry(accept.map(scan::Accept::reason)).or_default();
        paths.push(path);
        changes.extend(finding.rewrite.iter().flat_map(|new| &new.changes).map(String::as_str));
    }
    let mut evidence: Vec<Evidence> = groups
        .into_values()
        .filter_map(|(paths, changes)| match changes.is_empty() {
            true => files(rule.id, rule.heading, &paths),
            // An edit is told by what it would do: the heading alone names what is to be, not what is.
            false => files(rule.id, &format!("to be edited: {}", changes.join(", ")), &paths),
        })
        .map(|evidence| judged(selection, evidence, None))
        .collect();
    let left = answers.notes.iter().filter_map(|note| not_edited(note, rule.id));
    evidence.extend(left.map(|left| judged(selection, left, None)));
    evidence
}

pub(crate) fn path_of(finding: &scan::Finding) -> String {
    let Place::File { path, .. } = &finding.place;
    path.to_string()
}

/// One piece of evidence for all that a rule takes.
pub(crate) fn files(by: &str, heading: &str, paths: &[String]) -> Option<Evidence> {
    let first = paths.first()?.clone();
    let what = match paths.len() {
        1 => heading.to_owned(),
        n => format!("{heading}: {n}, {}", listed(paths)),
    };
    Some(Evidence { severity: Severity::Fail, by: Some(by.to_owned()), path: Some(first), line: None, what })
}

/// `a, b, c and 4 more`.
fn listed(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn nobody_looked() -> Evidence {
    let what = "nobody looked at the contents".to_owned();
    Evidence { severity: Severity::Unknown, by: None, path: None, line: None, what }
}

/// Whether a content rule, or its family, is among those named.
pub(crate) fn is_asked(rule: &str, known: &[&str]) -> bool {
    let mut families = content::FAMILIES.iter().filter(|family| known.contains(&family.heading));
    known.contains(&rule) || families.any(|family| family.rules.iter().any(|known| known.id == rule))
}

/// Secrets by content, of these rules or families.
pub(crate) fn of_secrets(known: &[&str], answers: &Answers<'_>) -> Vec<Evidence> {
    match answers.findings {
        Some(findings) => secrets(findings, answers, |rule, _| is_asked(rule, known)),
        None => vec![nobody_looked()],
    }
}

/// Private keys that may be users' pairs for SSH. Outside of live files, nothing tells whose a key was.
pub(crate) fn of_user_keys(answers: &Answers<'_>) -> Vec<Evidence> {
    let program =
        |path: &str| PROGRAMS.iter().any(|start| path.starts_with(start)) && !path.contains("/.ssh/");
    let asks = |rule: &str, place: &verify::Place| {
        let kept = place.region.is_live() && place.path.as_deref().is_some_and(program);
        USER_KEYS.contains(&rule) && !(rule == PEM && kept)
    };
    match answers.findings {
        Some(findings) => secrets(findings, answers, asks),
        None => vec![nobody_looked()],
    }
}

/// What a rule could not read of these files.
pub(crate) fn of_unreadable(id: &str, paths: &[&str], answers: &Answers<'_>) -> Vec<Evidence> {
    let notes = answers.notes.iter().filter_map(|note| not_edited(note, id));
    let these = notes.filter(|left| left.path.as_deref().is_some_and(|path| paths.contains(&path)));
    these.map(|left| judged(answers.selection, left, None)).collect()
}

/// A file that a rule was to edit and left.
fn not_edited(note: &Note, id: &str) -> Option<Evidence> {
    let Note::NotEdited { path, rule: RuleId::BuiltIn(by), reason, .. } = note else { return None };
    (*by == id).then(|| Evidence {
        severity: Severity::Fail,
        by: Some(id.to_owned()),
        path: Some(path.to_string()),
        line: None,
        what: format!("is left as it is: {reason}"),
    })
}

/// Files that hold the passwords of accounts, those that a policy keeps, too.
fn holds_passwords(path: &str) -> bool {
    matches!(path, "/etc/shadow" | "/etc/passwd")
        || path.strip_prefix("/etc/tcb/").is_some_and(|rest| rest.ends_with("/shadow"))
}

/// Whether a hash in a live file is a kept account's: the policy keeps some, and its rule would change nothing there,
/// that is, it leaves no other.
fn is_kept(answers: &Answers<'_>, rule: &str, place: &verify::Place) -> bool {
    let Some(path) = place.path.as_deref().filter(|path| holds_passwords(path)) else { return false };
    let lock = RuleId::BuiltIn("password-hashes");
    let touched = answers.files.iter().any(|finding| finding.rule == lock && path_of(finding) == path)
        || answers.notes.iter().any(|note| {
            not_edited(note, "password-hashes").is_some_and(|left| left.path.as_deref() == Some(path))
        });
    place.region.is_live()
        && !answers.selection.keep_users().is_empty()
        && answers.selection.rules().any(|rule| rule.id == "password-hashes")
        && is_asked(rule, &["Hashes of passwords"])
        && !touched
}

/// What a policy keeps on purpose, as a fact.
fn kept(evidence: Evidence, selection: &Selection) -> Evidence {
    let names: Vec<String> = selection.keep_users().iter().map(|name| block::printable(name)).collect();
    let what = format!("accepted: the policy keeps the password of {} ({})", listed(&names), evidence.what);
    Evidence { severity: Severity::Info, what, ..evidence }
}

/// One piece of evidence for each content rule that asks, and for each reason why what it found may stay.
pub(crate) fn secrets(
    findings: &[Finding],
    answers: &Answers<'_>,
    asks: impl Fn(&str, &verify::Place) -> bool,
) -> Vec<Evidence> {
    type Found<'f> = (&'f verify::Place, &'f str);
    let selection = answers.selection;
    let mut groups: BTreeMap<(&str, Option<&str>, bool), Vec<Found<'_>>> = BTreeMap::new();
    for finding in findings {
        if let Finding::Secret { rule, place, digest, .. } = finding
            && asks(rule, place)
        {
            let seen = Seen { by: rule, path: place.path.as_deref(), digest: Some(digest) };
            let reason = selection.accepted(&seen).map(scan::Accept::reason);
            groups.entry((rule, reason, is_kept(answers, rule, place))).or_default().push((place, digest));
        }
    }
    groups
        .into_iter()
        .map(|((rule, _, keeps), places)| {
            let (first, digest) = places[0];
            let evidence = Evidence {
                severity: Severity::Fail,
                by: Some(rule.to_owned()),
                path: first.path.clone(),
                line: None,
                what: match places.len() {
                    1 => first.to_string(),
                    n => format!("{n}, the first {first}"),
                },
            };
            switched_off(selection, rule).unwrap_or_else(|| match keeps {
                true => kept(evidence, selection),
                false => judged(selection, evidence, Some(digest)),
            })
        })
        .collect()
}

/// Bytes that should not be, in one piece of evidence.
pub(crate) fn of_residue(answers: &Answers<'_>) -> Vec<Evidence> {
    let Some(findings) = answers.findings else { return vec![nobody_looked()] };
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for finding in findings {
        if let Finding::Residue { region, bytes, .. } = finding {
            let sum = sums.entry(region.name()).or_default();
            *sum = sum.saturating_add(*bytes);
        }
    }
    let mut classes: Vec<(u64, &str)> = sums.into_iter().map(|(region, bytes)| (bytes, region)).collect();
    classes.sort_unstable_by_key(|&(bytes, region)| (Reverse(bytes), region));
    let mut evidence = Vec::new();
    if !classes.is_empty() {
        let classes: Vec<String> =
            classes.into_iter().map(|(bytes, region)| format!("{bytes} in {region}")).collect();
        let what = format!("bytes that nothing live claims are not zero: {}", listed(&classes));
        evidence.push(Evidence {
            severity: Severity::Fail,
            by: Some("residue".to_owned()),
            path: None,
            line: None,
            what,
        });
    }
    evidence
}

pub(crate) fn general(finding: &Finding) -> Evidence {
    let place = match finding {
        Finding::Secret { place, .. } | Finding::Unwanted { place, .. } | Finding::Remnant { place, .. } => {
            Some(place)
        }
        _ => None,
    };
    Evidence {
        severity: Severity::Fail,
        by: None,
        path: place.and_then(|place| place.path.clone()),
        line: None,
        what: finding.to_string(),
    }
}
