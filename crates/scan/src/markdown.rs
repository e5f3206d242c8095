//! docs/rules.md, from the records.

use std::fmt::Write;

use crate::{Action, built_in_policies, rules};

/// Where policy files are described.
const POLICY_FILE: &str = "
A policy file starts from one of them, or from another file, and says what differs: [policy.md](policy.md).
";

/// The text of docs/rules.md: policies, then every rule by family. Ends with a newline.
#[must_use]
pub fn rules_markdown() -> String {
    let mut text = String::from(
        "# Rules\n\n\
         Made by `cargo xtask docs` from the records in `crates/scan/src/rules`; do not edit.\n\n\
         `~` is every home: those of passwd, /root, /etc/skel, and directories below /home that no account \
         claims. `*` stops at a slash, `**` does not; a leading dot is not special.\n\n\
         ## Policies\n\n",
    );
    // Writing to a string cannot fail.
    for policy in built_in_policies() {
        let _ = writeln!(text, "- `{}`: {}", policy.name, policy.explain);
        for (id, guideline) in policy.on {
            let _ = writeln!(text, "  - also `{id}` ({guideline})");
        }
    }
    text.push_str(POLICY_FILE);
    for family in rules::FAMILIES {
        let _ = write!(text, "\n## {}\n", family.heading);
        for rule in family.rules {
            let state = if rule.default { "" } else { " (off by default)" };
            let _ = write!(text, "\n### `{}`: {}{state}\n\n{}\n\n", rule.id, rule.heading, rule.explain);
            let sources: Vec<String> = rule.sources.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "- source: {}", sources.join(", "));
            let _ = writeln!(text, "- action: {}", rule.deed());
            if let Action::Create(helper) = rule.action {
                let made: Vec<String> = helper.paths().iter().map(|path| format!("`{path}`")).collect();
                let _ = writeln!(text, "- makes: {}", made.join(", "));
                continue;
            }
            let _ = writeln!(text, "- paths: {}", code(rule.find.paths));
            if !rule.find.except.is_empty() {
                let _ = writeln!(text, "- except: {}", code(rule.find.except));
            }
            if let Some(also) = rule.find.also {
                let _ = writeln!(text, "- also: {}", also.what());
            }
            if let Some(needs) = rule.find.needs {
                let _ = writeln!(text, "- only with {}", needs.what());
            }
        }
    }
    text
}

fn code(paths: &[&str]) -> String {
    paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_document_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules.md");
        if std::env::var_os("DISKSCRUB_BLESS").is_some() {
            std::fs::write(path, super::rules_markdown()).expect("docs is writable");
        }
        let committed = std::fs::read_to_string(path).expect("docs/rules.md is committed");
        assert!(
            committed == super::rules_markdown(),
            "docs/rules.md is stale: run again with DISKSCRUB_BLESS=1"
        );
    }
}
