//! Edits as findings: which files, in which order, and what comes before them.

use scan::{Action, Guest, Overrides, Place, Policy, Scan, Selection, VolumeSource, scan};

use tests::sketch::Tree;

const PASSWD: &str = "root:x:0:0::/root:/bin/sh\\nsshd:x:100:1::/run:/bin/false\\nal:x:1000:1000::/home/al:/bin/sh\\n\
                      bob:x:1001:1001::/home/bob:/bin/sh\\n";
const SHADOW: &str = "root:$6$fake:1::::::\\nal:$6$fake:1::::::\\nbob:$6$fake:1::::::\\n";

fn selection(policy: &str) -> Selection {
    let policy = Policy::from_toml(&format!("extends = 'none'\n{policy}")).expect("a good policy");
    Selection::new(&policy, &Overrides::default()).expect("a good selection")
}

fn run(tree: &Tree, policy: &str) -> Scan {
    let guest =
        Guest::open(vec![VolumeSource { volume: 0, filesystem: tree, names: Vec::new() }]).expect("opens");
    scan(&guest, &selection(policy)).expect("scans")
}

/// `rule: action path: what changes`.
fn findings(scan: &Scan) -> Vec<String> {
    let mut found: Vec<String> = scan
        .findings
        .iter()
        .map(|finding| {
            let Place::File { path, .. } = &finding.place;
            let changes =
                finding.rewrite.as_ref().map_or(String::new(), |new| format!(": {}", new.changes.join("; ")));
            assert_eq!(matches!(finding.action, Action::Edit(_)), finding.rewrite.is_some());
            format!("{}: {} {path}{changes}", finding.rule, finding.action)
        })
        .collect();
    found.sort();
    found
}

fn notes(scan: &Scan) -> Vec<String> {
    scan.notes.iter().map(ToString::to_string).collect()
}

#[test]
fn edits_of_a_file_build_on_each_other_by_all_its_names() {
    let tree = Tree::new(&format!(
        "/etc/passwd = {PASSWD}\n/etc/shadow = {SHADOW}\n/ostree/deploy/os/deploy/a.0/etc/shadow => /etc/shadow"
    ));
    let result = run(&tree, "rules = ['password-hashes']\nremove_users = ['al']");
    assert_eq!(
        findings(&result),
        [
            "password-hashes: edit /etc/shadow: locks root, bob",
            "remove-user al: edit /etc/passwd: removes al",
            "remove-user al: edit /etc/shadow: removes al",
        ]
    );
    let last = result.findings.iter().filter_map(|finding| finding.rewrite.as_ref()).next_back().unwrap();
    assert_eq!(last.content, b"root:*:1::::::\nbob:*:1::::::\n");
}

#[test]
fn what_removes_or_keeps_a_file_comes_before_an_edit() {
    let tree = Tree::new(&format!(
        "/etc/passwd = {PASSWD}\n/etc/shadow = {SHADOW}\n/etc/sudoers.d/packer = al ALL=ALL"
    ));
    for (policy, expected) in [
        ("rules = ['password-hashes']\nremove = ['/etc/shadow']", "remove /etc/shadow: remove /etc/shadow"),
        ("rules = ['password-hashes']\nkeep = ['/etc/shadow']", ""),
        ("rules = ['sudoers-builders']", "sudoers-builders: remove /etc/sudoers.d/packer"),
    ] {
        assert_eq!(findings(&run(&tree, policy)).join(", "), expected, "{policy}");
    }
    let both = run(&tree, "rules = ['sudoers-builders']\nremove_users = ['al']");
    let of_sudoers: Vec<_> =
        findings(&both).into_iter().filter(|finding| finding.contains("sudoers")).collect();
    assert_eq!(of_sudoers, ["sudoers-builders: remove /etc/sudoers.d/packer"]);
}

#[test]
fn a_home_goes_where_it_really_is_and_only_if_nobody_else_lives_there() {
    let passwd = "al:x:1000:1000::/home/al:/x\\nbob:x:1001:1001::/srv/b:/x\\nc:x:1002:1002::/srv/b/c:/x\\nd:x:1003:1::/etc:/x";
    let tree = Tree::new(&format!(
        "/etc/passwd = {passwd}\n/home -> /data/home\n/data/home/al/x\n/srv/b/x\n/srv/b/c/x"
    ));
    let gone = |policy| {
        let mut found = findings(&run(&tree, policy));
        found.retain(|finding| finding.contains(": remove "));
        found.join(", ")
    };
    assert_eq!(gone("remove_users = ['al']"), "remove-user al: remove /data/home/al");
    assert_eq!(gone("remove_users = ['c']"), "remove-user c: remove /srv/b/c");
    assert_eq!(gone("remove_users = ['bob', 'd', 'e']"), "");
    let said = notes(&run(&tree, "remove_users = ['bob', 'd', 'e']"));
    for note in [
        "/srv/b stays although bob goes: another account lives there, too",
        "the policy names \"e\": there is no such account",
    ] {
        assert!(said.iter().any(|one| one == note), "{said:?}");
    }
}

#[test]
fn the_systems_accounts_stay() {
    let tree =
        Tree::new(&format!("/etc/passwd = {PASSWD}\n/etc/login.defs = UID_MIN 1001\n/home/al/x\n/root/x"));
    assert_eq!(findings(&run(&tree, "remove_users = ['root', 'sshd', 'al', '', '../etc']")), [""; 0]);
    let guest =
        Guest::open(vec![VolumeSource { volume: 0, filesystem: &tree, names: Vec::new() }]).expect("opens");
    let people: Vec<_> =
        guest.users().iter().filter(|user| user.person).map(|user| user.name.as_str()).collect();
    assert_eq!(people, ["bob"]);
    assert!(selection("remove_users = ['al']").check_accounts(guest.users()).is_err());
}

#[test]
fn what_keeps_a_password_is_told() {
    let tree = Tree::new(&format!("/etc/passwd = {PASSWD}\n/etc/shadow = {SHADOW}guest::1::::::"));
    let told = |policy| notes(&run(&tree, policy)).into_iter().find(|note| note.contains("password"));
    let off = "3 accounts keep a password: root, al, bob; 1 account needs no password: guest (the rule \
               password-hashes, of the policies aws and outscale, locks them)";
    assert_eq!(told("rules = ['logs']").as_deref(), Some(off));
    assert_eq!(told("rules = ['password-hashes']"), None);
    assert_eq!(told(""), None);
    let kept = "1 account keeps a password: al (as the policy or --keep-user says)";
    assert_eq!(told("rules = ['password-hashes']\nkeep_users = ['al']").as_deref(), Some(kept));
}
