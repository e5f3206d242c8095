//! The table: every bullet of a guideline, its state, and the evidence.

use std::{collections::BTreeMap, fmt};

use scan::{
    Note, Place, Rule, RuleId, Selection, Source, built_in_policies, content::rules as content, rules,
};
use serde::Serialize;
use verify::Finding;

use crate::{Bullet, Guideline, Observation, Question, Severity, bullets, checks};

/// Paths that one piece of evidence names.
const NAMED: usize = 3;

/// How a bullet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Nothing speaks against it.
    Met,
    /// It was failed by the original, and is met now.
    Changed,
    /// Something speaks against it.
    Failed,
    /// The image alone does not decide it.
    Undecided,
    /// diskscrub does not look yet.
    NotYet,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "met",
            Self::Changed => "changed",
            Self::Failed => "FAILED",
            Self::Undecided => "not decidable offline",
            Self::NotYet => "not yet",
        })
    }
}

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

/// One bullet, answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// `A4`, `O12`; `policy` for what a policy asks beyond the guideline.
    pub id: &'static str,
    /// What is asked.
    pub asks: &'static str,
    /// How it stands.
    pub status: Status,
    /// Why, the worst first.
    pub evidence: Vec<Evidence>,
    /// What to do about it: advice of the checks that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<&'static str>,
}

/// A guideline, answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Which.
    pub guideline: Guideline,
    /// In the order of the document; the last says what else the policy asks.
    pub rows: Vec<Row>,
}

/// All that is known about an image.
#[derive(Debug, Clone, Copy)]
pub struct Answers<'a> {
    /// The rules by path that were asked.
    pub selection: &'a Selection,
    /// What they would take or change.
    pub files: &'a [scan::Finding],
    /// What they could not.
    pub notes: &'a [Note],
    /// Residue, secrets by content, disagreements; `None`: nobody looked.
    pub findings: Option<&'a [Finding]>,
    /// What the checks saw.
    pub observations: &'a [Observation],
}

impl Table {
    /// How many bullets stand so.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.rows.iter().filter(|row| row.status == status).count()
    }

    /// The same table, with what the original failed and this one meets as changed.
    #[must_use]
    pub fn since(mut self, before: &Self) -> Self {
        for (row, was) in self.rows.iter_mut().zip(&before.rows) {
            if row.status == Status::Met && was.status == Status::Failed {
                row.status = Status::Changed;
            }
            if was.status == Status::Failed && row.status != Status::Failed {
                let failed = was.evidence.iter().filter(|evidence| evidence.severity == Severity::Fail);
                row.evidence.extend(failed.map(|evidence| Evidence {
                    severity: Severity::Info,
                    what: format!("before: {}", evidence.what),
                    ..evidence.clone()
                }));
            }
        }
        self
    }
}

/// Answers every bullet of a guideline.
#[must_use]
pub fn table(guideline: Guideline, answers: &Answers<'_>) -> Table {
    let mut rows: Vec<Row> =
        bullets(guideline).iter().map(|bullet| answer(guideline, bullet, answers)).collect();
    rows.push(beyond(guideline, answers));
    Table { guideline, rows }
}

/// Whether a bullet is among the sources of a rule.
pub(crate) fn names(rule: &Rule, bullet: &str) -> bool {
    rule.sources
        .iter()
        .any(|source| matches!(source, Source::Aws(id) | Source::Outscale(id) if *id == bullet))
}

/// Whether the guideline's own policy has a rule.
fn wants(guideline: Guideline, rule: &Rule) -> bool {
    built_in_policies().iter().any(|policy| policy.name == guideline.policy() && policy.applies(rule))
}

fn answer(guideline: Guideline, bullet: &Bullet, answers: &Answers<'_>) -> Row {
    let mut evidence = Vec::new();
    let mut advice = Vec::new();
    let mut not_yet = false;
    for question in bullet.questions {
        match question {
            Question::Rules => {
                let asked = rules::all().filter(|rule| names(rule, bullet.id) && wants(guideline, rule));
                for rule in asked {
                    evidence.extend(of_rule(rule, answers));
                }
            }
            Question::Secrets(known) => evidence.extend(of_secrets(known, answers.findings)),
            Question::Residue => evidence.extend(of_residue(answers.findings)),
            Question::Check(id) => {
                let seen = answers.observations.iter().filter(|seen| seen.check == *id);
                let before = evidence.len();
                evidence.extend(seen.map(Evidence::from));
                let failed = evidence[before..].iter().any(|evidence| evidence.severity == Severity::Fail);
                advice.extend(checks::get(id).filter(|_| failed).map(|check| check.advice));
            }
            Question::Undecidable(why) => evidence.push(Evidence {
                severity: Severity::Unknown,
                by: None,
                path: None,
                line: None,
                what: (*why).to_owned(),
            }),
            Question::NotYet => not_yet = true,
        }
    }
    evidence.sort_by_key(|evidence| evidence.severity);
    let status = match evidence.first().map(|worst| worst.severity) {
        Some(Severity::Fail) => Status::Failed,
        _ if not_yet => Status::NotYet,
        Some(Severity::Unknown) => Status::Undecided,
        _ => Status::Met,
    };
    Row { id: bullet.id, asks: bullet.asks, status, evidence, advice }
}

/// What a rule would still take, and what it could not edit.
fn of_rule(rule: &Rule, answers: &Answers<'_>) -> Vec<Evidence> {
    let id = RuleId::BuiltIn(rule.id);
    if !answers.selection.rules().any(|asked| asked.id == rule.id) {
        let what = "the policy leaves this rule out: nobody looked".to_owned();
        return vec![Evidence {
            severity: Severity::Unknown,
            by: Some(rule.id.to_owned()),
            path: None,
            line: None,
            what,
        }];
    }
    let taken = answers.files.iter().filter(|finding| finding.rule == id);
    let mut evidence: Vec<Evidence> = files(rule.id, rule.heading, taken).into_iter().collect();
    for note in answers.notes {
        if let Note::NotEdited { path, rule: by, reason, .. } = note
            && *by == id
        {
            evidence.push(Evidence {
                severity: Severity::Fail,
                by: Some(rule.id.to_owned()),
                path: Some(path.to_string()),
                line: None,
                what: format!("is left as it is: {reason}"),
            });
        }
    }
    evidence
}

/// One piece of evidence for all that a rule takes.
fn files<'f>(by: &str, heading: &str, taken: impl Iterator<Item = &'f scan::Finding>) -> Option<Evidence> {
    let paths: Vec<String> = taken
        .map(|finding| {
            let Place::File { path, .. } = &finding.place;
            path.to_string()
        })
        .collect();
    let first = paths.first()?.clone();
    let what = match paths.len() {
        1 => heading.to_owned(),
        n => format!("{heading}: {n}, {}", listed(&paths)),
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

/// Secrets by content, of some rules or families.
fn of_secrets(known: &[&str], findings: Option<&[Finding]>) -> Vec<Evidence> {
    let Some(findings) = findings else { return vec![nobody_looked()] };
    let family = |rule: &str| {
        let family =
            content::FAMILIES.iter().find(|family| family.rules.iter().any(|known| known.id == rule));
        family.map(|family| family.heading)
    };
    let mut by_rule: BTreeMap<&str, Vec<&verify::Place>> = BTreeMap::new();
    for finding in findings {
        if let Finding::Secret { rule, place, .. } = finding
            && (known.contains(rule) || family(rule).is_some_and(|heading| known.contains(&heading)))
        {
            by_rule.entry(rule).or_default().push(place);
        }
    }
    by_rule
        .into_iter()
        .map(|(rule, places)| Evidence {
            severity: Severity::Fail,
            by: Some(rule.to_owned()),
            path: places[0].path.clone(),
            line: None,
            what: match places.len() {
                1 => places[0].to_string(),
                n => format!("{n}, the first {}", places[0]),
            },
        })
        .collect()
}

/// Bytes that should not be, and pieces of removed files.
fn of_residue(findings: Option<&[Finding]>) -> Vec<Evidence> {
    let Some(findings) = findings else { return vec![nobody_looked()] };
    let left = findings
        .iter()
        .filter(|finding| matches!(finding, Finding::Residue { .. } | Finding::Remnant { .. }));
    left.map(general).collect()
}

fn general(finding: &Finding) -> Evidence {
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

/// What a policy asks beyond the guideline: rules that no bullet names, patterns and accounts of the user's, and what
/// other readers say.
fn beyond(guideline: Guideline, answers: &Answers<'_>) -> Row {
    let bullets = bullets(guideline);
    let named = |rule: &Rule| bullets.iter().any(|bullet| names(rule, bullet.id)) && wants(guideline, rule);
    let mut evidence = Vec::new();
    for rule in answers.selection.rules().filter(|rule| !named(rule)) {
        evidence.extend(of_rule(rule, answers));
    }
    let mut own: BTreeMap<&RuleId, Vec<&scan::Finding>> = BTreeMap::new();
    for finding in answers.files.iter().filter(|finding| !matches!(finding.rule, RuleId::BuiltIn(_))) {
        own.entry(&finding.rule).or_default().push(finding);
    }
    for (rule, taken) in own {
        evidence.extend(files(&rule.to_string(), "the user wants it gone", taken.into_iter()));
    }
    let others = answers.findings.unwrap_or_default().iter();
    let odd =
        |finding: &&Finding| matches!(finding, Finding::NotRetained { .. } | Finding::Disagreement { .. });
    evidence.extend(others.filter(odd).map(general));
    let status = if evidence.is_empty() { Status::Met } else { Status::Failed };
    Row {
        id: "policy",
        asks: "What the policy asks beyond the guideline.",
        status,
        evidence,
        advice: Vec::new(),
    }
}
