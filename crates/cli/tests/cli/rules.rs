//! `rules` lists and explains whatever a report may name: rules by path, rules by content, checks.

use crate::sandbox::Sandbox;

#[test]
fn every_id_of_a_report_can_be_explained() {
    let sandbox = Sandbox::new();
    for (id, part) in [
        ("ssh-host-keys", "\nPaths:\n  /etc/ssh/ssh_host_*key\n"),
        ("first-boot-login-key", "\nMakes:\n  /usr/local/sbin/diskscrub-login-key\n"),
        ("github-token", "\nFound by content: proven\n"),
        ("sshd-passwords", "\nA check of `audit`, for O7\n"),
    ] {
        let (code, text, message) = sandbox.run(&format!("rules explain {id}"));
        assert_eq!((code, &*message), (Some(0), ""));
        assert!(text.starts_with(&format!("{id}: ")) && text.contains(part), "{text}");
    }
    let (code, _, message) = sandbox.run("rules explain github-tokn");
    assert_eq!(code, Some(2), "{message}");
    assert!(message.starts_with("diskscrub: there is no rule \"github-tokn\""), "{message}");
}

#[test]
fn both_kinds_of_rules_are_listed() {
    let sandbox = Sandbox::new();
    for (arguments, known, unknown) in [
        ("rules list", "ssh-host-keys", "github-token"),
        ("rules list --content", "github-token", "ssh-host-keys"),
    ] {
        let (code, text, _) = sandbox.run(arguments);
        assert_eq!(code, Some(0));
        let has = |id: &str| text.lines().any(|line| line.split(' ').next() == Some(id));
        assert!(has(known) && !has(unknown), "{text}");
        let rows = sandbox.json(arguments);
        assert!(rows.as_array().unwrap().iter().any(|row| row["id"] == known), "{rows}");
    }
}
