//! docs/guidelines.md, from the records.

use std::fmt::Write;

use scan::{built_in_policies, rules};

use crate::{Guideline, Question, bullets, checks, table::names};

/// The text of docs/guidelines.md. Ends with a newline.
#[must_use]
pub fn guidelines_markdown() -> String {
    let mut text = String::from(
        "# The guidelines, bullet by bullet\n\n\
         Made by `cargo xtask docs` from the records in `crates/audit/src`; do not edit.\n\n\
         `diskscrub audit IMAGE --policy aws` (or `outscale`) prints this table for an image: each bullet is *met*, \
         *changed* (the original failed it), *failed*, *not decidable offline*, or *not yet* looked at. It exits with \
         1 if one is failed.\n",
    );
    // Writing to a string cannot fail.
    for guideline in Guideline::ALL {
        let policy = built_in_policies().iter().find(|policy| policy.name == guideline.policy());
        let _ = writeln!(
            text,
            "\n## {guideline}\n\n| | asks | what diskscrub does | answered by |\n|---|---|---|---|"
        );
        for bullet in bullets(guideline) {
            let mut by: Vec<String> = Vec::new();
            for question in bullet.questions {
                match question {
                    Question::Rules => {
                        let asked = rules::all().filter(|rule| {
                            names(rule, bullet.id) && policy.is_some_and(|policy| policy.applies(rule))
                        });
                        by.extend(asked.map(|rule| format!("`{}`", rule.id)));
                    }
                    Question::Secrets(known) => {
                        let known: Vec<String> = known
                            .iter()
                            .map(|name| match name.contains(char::is_uppercase) || name.contains(' ') {
                                true => name.to_lowercase(),
                                false => format!("`{name}`"),
                            })
                            .collect();
                        by.push(format!("contents: {}", known.join(", ")));
                    }
                    Question::UserKeys => {
                        by.push(
                            "contents: keys of SSH, keys in PEM outside of /etc, /usr and /var/lib"
                                .to_owned(),
                        );
                    }
                    Question::Readable(id, _) => by.push(format!("`{id}`, where it cannot read")),
                    Question::Residue => by.push("residue".to_owned()),
                    Question::Check(id) => by.push(format!("check `{id}`")),
                    Question::Undecidable(why) => by.push(format!("not decidable offline: {why}")),
                    Question::NotYet => by.push("not yet".to_owned()),
                }
            }
            let _ =
                writeln!(text, "| {} | {} | {} | {} |", bullet.id, bullet.asks, bullet.does, by.join("; "));
        }
    }
    text.push_str("\n## Checks\n");
    for check in checks::all() {
        let _ = write!(
            text,
            "\n### `{}`: {}\n\n{}\n\n- what to do: {}\n",
            check.id, check.heading, check.explain, check.advice
        );
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_document_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guidelines.md");
        if std::env::var_os("DISKSCRUB_BLESS").is_some() {
            std::fs::write(path, super::guidelines_markdown()).expect("docs is writable");
        }
        let committed = std::fs::read_to_string(path).expect("docs/guidelines.md is committed");
        assert!(
            committed == super::guidelines_markdown(),
            "docs/guidelines.md is stale: run again with DISKSCRUB_BLESS=1"
        );
    }
}
