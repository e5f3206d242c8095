//! `diskscrub rules`: what can go, and why; and what `scan` knows by its content.

use std::{fmt::Write, process::ExitCode};

use scan::{
    Also, Rule, built_in_policies,
    content::{self, ContentRule},
    rules,
};
use serde::Serialize;

use crate::{
    args::{RulesArgs, RulesCommand},
    failure::Failure,
    output::{print, print_json},
};

/// Width of explanations.
const WIDTH: usize = 80;
/// What the tilde of patterns means.
const HOMES: &str = "\n~ is every home: those of passwd, /root, /etc/skel, and directories below /home.\n";

/// One rule. What a content rule finds is reported; it is on in every scan.
#[derive(Serialize)]
struct Row {
    kind: &'static str,
    id: &'static str,
    heading: &'static str,
    action: String,
    sources: Vec<String>,
    policies: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<content::Tier>,
}

/// Lists the rules, or explains one.
pub(crate) fn run(args: &RulesArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        RulesCommand::List { json: true } => print_json(&rows())?,
        RulesCommand::List { json: false } => print(&table())?,
        RulesCommand::Explain { id } => {
            let text = match content::rules::get(id) {
                Some(rule) => explain_content(rule),
                None => explain(find(id)?),
            };
            print(&text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A path rule; the error names the nearest rule of either kind.
fn find(id: &str) -> Result<&'static Rule, Failure> {
    scan::find_rule(id).map_err(|error| match content::find_rule(id) {
        Err(of_content) if !error.to_string().contains("did you mean") => Failure::usage(of_content),
        _ => Failure::usage(error),
    })
}

fn policies_of(rule: &Rule) -> Vec<&'static str> {
    built_in_policies().iter().filter(|policy| policy.applies(rule)).map(|policy| policy.name).collect()
}

fn rows() -> Vec<Row> {
    rules::all()
        .map(|rule| Row {
            kind: "path",
            id: rule.id,
            heading: rule.heading,
            action: rule.action.to_string(),
            sources: rule.sources.iter().map(ToString::to_string).collect(),
            policies: policies_of(rule),
            tier: None,
        })
        .chain(content::rules::all().map(|rule| Row {
            kind: "content",
            id: rule.id,
            heading: rule.heading,
            action: "report".to_owned(),
            sources: vec![rule.source.to_owned()],
            policies: Vec::new(),
            tier: Some(rule.tier),
        }))
        .collect()
}

fn table() -> String {
    let rows = rows();
    let width = rows.iter().map(|row| row.id.len()).max().unwrap_or(0);
    rows.iter().fold(String::new(), |mut text, row| {
        let policies = match row.tier {
            Some(tier) => format!("scan, {tier}"),
            None if row.policies.is_empty() => "by name only".to_owned(),
            None => row.policies.join(", "),
        };
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

fn explain(rule: &Rule) -> String {
    let list = |title: &str, items: &[&str]| match items {
        [] => String::new(),
        items => format!("\n{title}:\n  {}\n", items.join("\n  ")),
    };
    let sources: Vec<String> = rule.sources.iter().map(ToString::to_string).collect();
    let policies = policies_of(rule);
    let has_homes = rule.find.paths.iter().any(|path| path.starts_with('~'));
    format!(
        "{}: {}\n\n{}\n\nAction: {}\nPolicies: {}\nAsked for by: {}\n{}{}{}{}",
        rule.id,
        rule.heading,
        wrapped(rule.explain),
        rule.deed(),
        if policies.is_empty() { "none; --rules names it".to_owned() } else { policies.join(", ") },
        sources.join("; "),
        list("Paths", rule.find.paths),
        list("Also", rule.find.also.map(Also::what).as_slice()),
        list("But not", rule.find.except),
        if has_homes { HOMES } else { "" },
    )
}

fn explain_content(rule: &ContentRule) -> String {
    format!(
        "{}: {}\n\n{}\n\nFound by: scan, in all bytes of an image\nSure: {}\nDefined by: {}\n",
        rule.id,
        rule.heading,
        wrapped(rule.explain),
        rule.tier,
        rule.source,
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
        for rule in content::rules::all() {
            assert_eq!(wrapped(rule.explain).replace('\n', " "), rule.explain);
        }
        let text = explain_content(content::find_rule("github-token").unwrap());
        assert!(text.contains("\nSure: proven\n"), "{text}");
        let text = explain(scan::find_rule("swap-files").unwrap());
        assert!(text.contains("Action: clear the body of regular files that are swap areas\n"), "{text}");
        assert!(text.contains("Also:\n  files of type swap in fstab\n"), "{text}");
    }
}
