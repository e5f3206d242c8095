//! `diskscrub rules`: what can go, what is looked for, and why.

use std::{fmt::Write, process::ExitCode};

use scan::{
    Action, Also, Needs, Overrides, Policy, Rule, Selection, built_in_policies,
    content::{self, ContentRule},
    edits::EditId,
    rules,
};
use serde::Serialize;

use super::policy;

use crate::{
    args::{RulesArgs, RulesCommand},
    failure::Failure,
    output::{print, print_json},
};

/// Width of explanations.
const WIDTH: usize = 80;
/// What the tilde of patterns means.
const HOMES: &str = "\n~ is every home: those of passwd, /root, /etc/skel, and directories below /home.\n";

#[derive(Serialize)]
struct Row {
    id: &'static str,
    heading: &'static str,
    action: String,
    sources: Vec<String>,
    policies: Vec<String>,
}

/// A policy, and what it is called if it is a file.
struct Asked<'a> {
    policy: Policy,
    selection: Selection,
    file: Option<&'a str>,
}

impl<'a> Asked<'a> {
    fn new(name: &'a str) -> Result<Self, Failure> {
        let policy = policy(name)?;
        let selection = Selection::new(&policy, &Overrides::default()).map_err(Failure::usage)?;
        let built_in = built_in_policies().iter().any(|policy| policy.name == name);
        Ok(Self { policy, selection, file: (!built_in).then_some(name) })
    }

    /// The rules by content, the policy's own first.
    fn content(&self) -> impl Iterator<Item = &'static ContentRule> + '_ {
        self.selection.content().iter().copied().chain(content::rules::all())
    }

    /// The policies that apply a rule.
    fn policies_of(&self, rule: &Rule) -> Vec<String> {
        let built_in = built_in_policies().iter().filter(|policy| policy.applies(rule));
        let file = self.file.filter(|_| self.selection.rules().any(|applied| applied.id == rule.id));
        built_in.map(|policy| policy.name).chain(file).map(str::to_owned).collect()
    }
}

/// Lists the rules, or explains one.
pub(crate) fn run(args: &RulesArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        RulesCommand::List { policy, content, json } => {
            let asked = Asked::new(policy)?;
            match (content, json) {
                (true, true) => print_json(&content_rows(&asked))?,
                (true, false) => print(&content_table(&asked))?,
                (false, true) => print_json(&rows(&asked))?,
                (false, false) => print(&table(&asked))?,
            }
        }
        RulesCommand::Explain { id, policy } => {
            let asked = Asked::new(policy)?;
            // No id is of two kinds.
            let text = if let Some(rule) = asked.content().find(|rule| rule.id == id) {
                explain_content(rule)
            } else if let Some(check) = audit::checks::get(id) {
                explain_check(check)
            } else {
                explain(asked.policy.find_rule(id).map_err(Failure::usage)?, &asked)
            };
            print(&text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct ContentRow {
    id: &'static str,
    heading: &'static str,
    tier: content::Tier,
    source: &'static str,
}

fn content_rows(asked: &Asked<'_>) -> Vec<ContentRow> {
    let row = |rule: &ContentRule| ContentRow {
        id: rule.id,
        heading: rule.heading,
        tier: rule.tier,
        source: rule.source,
    };
    asked.content().map(row).collect()
}

fn content_table(asked: &Asked<'_>) -> String {
    let rows = content_rows(asked);
    let width = rows.iter().map(|row| row.id.len()).max().unwrap_or(0);
    rows.iter().map(|row| format!("{:width$}  {} ({})\n", row.id, row.heading, row.tier)).collect()
}

fn explain_content(rule: &ContentRule) -> String {
    let anchors: Vec<String> = rule.anchors.iter().map(|anchor| anchor.escape_ascii().to_string()).collect();
    format!(
        "{}: {}\n\n{}\n\nFound by content: {}\nDefined by: {}\n\nIn every match is one of:\n  {}\n",
        rule.id,
        rule.heading,
        wrapped(rule.explain),
        rule.tier,
        rule.source,
        anchors.join("\n  ")
    )
}

fn explain_check(check: &audit::Check) -> String {
    let bullets: Vec<&str> = audit::Guideline::ALL
        .into_iter()
        .flat_map(audit::bullets)
        .filter(|bullet| bullet.questions.contains(&audit::Question::Check(check.id)))
        .map(|bullet| bullet.id)
        .collect();
    format!(
        "{}: {}\n\n{}\n\nA check of `audit`, for {}\nWhat to do: {}\n",
        check.id,
        check.heading,
        wrapped(check.explain),
        bullets.join(", "),
        check.advice
    )
}

fn rows(asked: &Asked<'_>) -> Vec<Row> {
    let own = asked.policy.own_rules().iter().copied();
    own.chain(rules::all())
        .map(|rule| Row {
            id: rule.id,
            heading: rule.heading,
            action: rule.action.to_string(),
            sources: rule.sources.iter().map(ToString::to_string).collect(),
            policies: asked.policies_of(rule),
        })
        .collect()
}

fn table(asked: &Asked<'_>) -> String {
    let rows = rows(asked);
    let width = rows.iter().map(|row| row.id.len()).max().unwrap_or(0);
    rows.iter().fold(String::new(), |mut text, row| {
        let policies =
            if row.policies.is_empty() { "by name only".to_owned() } else { row.policies.join(", ") };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:width$}  {} ({policies})", row.id, row.heading);
        text
    })
}

/// Lines of at most `WIDTH` characters, broken at spaces.
fn wrapped(text: &str) -> String {
    let mut width = 0;
    text.split(' ').fold(String::new(), |mut lines, word| {
        let next = word.chars().count();
        if width > 0 && width + 1 + next > WIDTH {
            lines.push('\n');
            width = 0;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += next;
        lines
    })
}

fn explain(rule: &Rule, asked: &Asked<'_>) -> String {
    let list = |title: &str, items: &[&str]| match items {
        [] => String::new(),
        items => format!("\n{title}:\n  {}\n", items.join("\n  ")),
    };
    let sources: Vec<String> = rule.sources.iter().map(ToString::to_string).collect();
    let policies = asked.policies_of(rule);
    let lines: Vec<String> = match rule.action {
        Action::Edit(EditId::Lines(edits)) => edits.described().collect(),
        Action::Create(helper) => helper.paths(),
        _ => Vec::new(),
    };
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let has_homes = rule.find.paths.iter().any(|path| path.starts_with('~'));
    format!(
        "{}: {}\n\n{}\n\nAction: {}\nPolicies: {}\nAsked for by: {}\n{}{}{}{}{}{}",
        rule.id,
        rule.heading,
        wrapped(rule.explain),
        rule.deed(),
        if policies.is_empty() { "none; --rules names it".to_owned() } else { policies.join(", ") },
        sources.join("; "),
        list(if matches!(rule.action, Action::Create(_)) { "Makes" } else { "Edits" }, &lines),
        list("Paths", rule.find.paths),
        list("Also", rule.find.also.map(Also::what).as_slice()),
        list("But not", rule.find.except),
        list("Only with", rule.find.needs.map(Needs::what).as_slice()),
        if has_homes { HOMES } else { "" },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explanations_fit_a_terminal_and_lose_no_word() {
        for rule in rules::all() {
            let text = wrapped(rule.explain);
            assert!(
                text.lines().all(|line| line.chars().count() <= WIDTH || !line.contains(' ')),
                "{}",
                rule.id
            );
            assert_eq!(text.replace('\n', " "), rule.explain);
        }
        let text = explain(scan::find_rule("swap-files").unwrap(), &Asked::new("default").unwrap());
        assert!(text.contains("Action: clear the body of regular files that are swap areas\n"), "{text}");
        assert!(text.contains("Also:\n  files of type swap in fstab\n"), "{text}");
    }
}
