//! What a policy says of evidence: how much it weighs, and why it may stay.
//!
//! Nothing disappears: what is accepted, or asked by nobody, is told as a fact.

use scan::{Level, Note, RuleId, Seen, Selection};

use crate::{Evidence, Observation, Severity};

/// A piece of evidence as the policy weighs it. `digest` is that of what was found.
///
/// What is accepted is a fact. A level is for what speaks against the image: facts, and what cannot be decided, stay.
pub(crate) fn judged(selection: &Selection, evidence: Evidence, digest: Option<&str>) -> Evidence {
    let by = evidence.by.as_deref().unwrap_or_default();
    if !matches!(evidence.severity, Severity::Fail | Severity::Warn) {
        return evidence;
    }
    if let Some(accept) = selection.accepted(&Seen { by, path: evidence.path.as_deref(), digest }) {
        let what = format!("accepted: {} ({})", accept.reason(), evidence.what);
        return Evidence { severity: Severity::Info, what, ..evidence };
    }
    let severity = match selection.level(by) {
        None => evidence.severity,
        Some(Level::Fail) => Severity::Fail,
        Some(Level::Warn) => Severity::Warn,
        Some(Level::Info | Level::Off) => Severity::Info,
    };
    Evidence { severity, ..evidence }
}

/// What is said of a check or rule that the policy has switched off in audits.
pub(crate) fn switched_off(selection: &Selection, id: &str) -> Option<Evidence> {
    (selection.level(id) == Some(Level::Off)).then(|| Evidence {
        severity: Severity::Info,
        by: Some(id.to_owned()),
        path: None,
        line: None,
        what: "not asked: the policy says off".to_owned(),
    })
}

/// What checks and edits see that a policy could accept; findings are the report's.
pub fn acceptable<'a>(observations: &'a [Observation], notes: &[Note]) -> Vec<(&'a str, Option<String>)> {
    let seen = observations.iter().map(|seen| (seen.check, seen.path.clone()));
    let notes = notes.iter().filter_map(|note| match note {
        Note::NotEdited { path, rule: RuleId::BuiltIn(id), .. } => Some((*id, Some(path.to_string()))),
        _ => None,
    });
    seen.chain(notes).collect()
}

#[cfg(test)]
mod tests {
    use crate::{
        Severity, Status,
        table::tests::{asked, evidence, row, secret},
    };

    const RULE: &str = "[[rule]]
id = 'build-dir'
heading = 'Directory of the build'
explain = 'Nobody needs it.'
paths = ['/srv/build*']
action = 'remove'
";

    #[test]
    fn what_is_accepted_is_a_fact_with_its_reason() {
        let accept = "extends = 'aws'
[[accept]]
rule = 'shell-histories'
path = '/root/**'
reason = 'empty, kept for its mode'
[[accept]]
rule = 'github-token'
path = '/opt/*'
reason = 'an example'";
        let found = [secret("github-token")];
        let table = asked("/root/.bash_history", accept, Some(&found));
        let what = "accepted: empty, kept for its mode (Histories of shells)";
        let history = (Severity::Info, "shell-histories", Some("/root/.bash_history"), what);
        assert_eq!(evidence(row(&table, "A11")), [history]);
        assert_eq!(row(&table, "A11").status, Status::Met);
        let [(Severity::Info, "github-token", Some("/opt/x"), what)] = evidence(row(&table, "A9"))[..] else {
            panic!("{:?}", row(&table, "A9"))
        };
        assert!(what.starts_with("accepted: an example ("), "{what}");
        // The same elsewhere is not.
        let table = asked("/root/.bash_history\n/home/al/.bash_history", accept, Some(&found));
        let [(Severity::Fail, _, Some("/home/al/.bash_history"), _), (Severity::Info, ..)] =
            evidence(row(&table, "A11"))[..]
        else {
            panic!("{:?}", row(&table, "A11"))
        };
    }

    #[test]
    fn a_level_weighs_what_speaks_against_the_image() {
        let status = |level: &str, tree: &str| {
            let policy = format!("extends = 'aws'\n[severity]\n{level}");
            let table = asked(tree, &policy, Some(&[secret("github-token")]));
            let row = row(&table, "A11");
            (row.status, evidence(row).iter().map(|(severity, ..)| *severity).collect::<Vec<_>>())
        };
        let history = "/root/.bash_history";
        assert_eq!(status("", history), (Status::Failed, vec![Severity::Fail]));
        assert_eq!(status("shell-histories = 'warn'", history), (Status::Met, vec![Severity::Warn]));
        assert_eq!(status("shell-histories = 'info'", history), (Status::Met, vec![Severity::Info]));
        assert_eq!(status("shell-histories = 'fail'", ""), (Status::Met, vec![]));
        let table = asked(history, "extends = 'aws'\nseverity.shell-histories = 'off'", Some(&[]));
        let off = (Severity::Info, "shell-histories", None, "not asked: the policy says off");
        assert_eq!(evidence(row(&table, "A11")), [off]);
        let table =
            asked("", "extends = 'aws'\nseverity.github-token = 'off'", Some(&[secret("github-token")]));
        assert_eq!(row(&table, "A9").status, Status::Met);
    }

    #[test]
    fn checks_are_accepted_and_weighed_as_rules_are() {
        let sshd = "/usr/sbin/sshd";
        let status = |policy: &str| {
            let table = asked(sshd, &format!("extends = 'aws'\n{policy}"), Some(&[]));
            let row = row(&table, "A4");
            (row.status, row.advice.len())
        };
        assert_eq!(status(""), (Status::Failed, 1));
        assert_eq!(status("severity.host-key-maker = 'warn'"), (Status::Met, 0));
        assert_eq!(status("severity.host-key-maker = 'off'"), (Status::Met, 0));
        let accept = "accept = [{ check = 'host-key-maker', reason = 'the installer makes them' }]";
        assert_eq!(status(accept), (Status::Met, 0));
    }

    #[test]
    fn a_rule_of_the_policy_counts_towards_its_bullets() {
        let tree = "/srv/build-1\n/srv/build-2";
        let policy = |bullets: &str| format!("extends = 'aws'\n{RULE}{bullets}");
        let table = asked(tree, &policy("bullets = ['A9', 'O4']"), Some(&[]));
        let what = "Directory of the build: 2, /srv/build-1, /srv/build-2";
        let seen = (Severity::Fail, "build-dir", Some("/srv/build-1"), what);
        assert_eq!(evidence(row(&table, "A9")), [seen]);
        assert!(evidence(row(&table, "policy")).is_empty());
        // Without one of this guideline, it is what the policy asks beyond it.
        let table = asked(tree, &policy("bullets = ['O4']"), Some(&[]));
        assert!(evidence(row(&table, "A9")).is_empty());
        assert_eq!(evidence(row(&table, "policy")), [seen]);
        assert_eq!(row(&table, "policy").status, Status::Failed);
        let off = format!("extends = 'aws'\nseverity.build-dir = 'info'\n{RULE}");
        let table = asked(tree, &off, Some(&[]));
        assert_eq!(row(&table, "policy").status, Status::Met);
    }
}
