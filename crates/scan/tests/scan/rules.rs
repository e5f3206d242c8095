//! Every rule, against data/rules.txt: what it must take, and what looks alike and must stay. And all default
//! rules against a fresh Debian: nothing that a package brings may go.

use std::collections::{BTreeMap, BTreeSet};

use scan::{Guest, Kinds, Needs, Overrides, Place, Policy, Scan, Selection, VolumeSource, rules};
use tests::sketch::Tree;

/// Accounts of the trees in these tests; `old` has a home, but no line.
const PASSWD: &str = "root:x:0:0::/root:/bin/sh\\nal:x:1000:1000::/home/al:/bin/bash\\nwww-data:x:33:33::/var/www:/bin/false\\npostgres:x:5:5::/var/lib/postgresql:/bin/sh";

fn scan_tree(tree: &Tree, selection: &Selection) -> Scan {
    let guest =
        Guest::open(vec![VolumeSource { volume: 0, filesystem: tree, names: Vec::new() }]).expect("opens");
    scan::scan(&guest, selection).expect("scans")
}

fn only(rules: &[&str]) -> Selection {
    let rules = Some(rules.iter().map(|&rule| rule.to_owned()).collect());
    Selection::new(&Policy::built_in("none").expect("exists"), &Overrides { rules, ..Overrides::default() })
        .expect("the rules exist")
}

/// Path and action of each finding.
fn taken(scan: &Scan) -> BTreeMap<String, String> {
    scan.findings
        .iter()
        .map(|finding| {
            let Place::File { path, .. } = &finding.place;
            (path.to_string(), finding.action.to_string())
        })
        .collect()
}

fn action_on<'t>(taken: &'t BTreeMap<String, String>, path: &str) -> Option<&'t str> {
    std::iter::successors(Some(path), |path| path.rsplit_once('/').map(|(above, _)| above))
        .find_map(|path| taken.get(path))
        .map(String::as_str)
}

/// What a detector looks for, by the word in the fourth column.
fn content(word: &str) -> Vec<u8> {
    match word {
        "key" => b"Bag\n-----BEGIN RSA PRIVATE KEY-----\nAAAA\n".to_vec(),
        "cert" => b"-----BEGIN CERTIFICATE-----\nAAAA\n".to_vec(),
        "core" => [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 9], &[4, 0], &[0; 40]].concat(),
        "elf" => [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 9], &[2, 0], &[0; 40]].concat(),
        "swap" | "swap64k" => {
            let page = if word == "swap" { 4096 } else { 65536 };
            let mut area = vec![0; page * 12];
            area[page - 10..page].copy_from_slice(b"SWAPSPACE2");
            area
        }
        other => other.replace("\\n", "\n").into_bytes(),
    }
}

struct Case<'t> {
    rule: &'t str,
    path: &'t str,
    action: &'t str,
    content: Vec<u8>,
}

fn cases(text: &str) -> Vec<Case<'_>> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with("# "))
        .map(|line| {
            let mut fields = line.split(" | ").map(str::trim);
            let mut field = || fields.next().unwrap_or_default();
            let (rule, path, action) = (field(), field(), field());
            let content = match field() {
                "" => b"x".to_vec(),
                word => content(word),
            };
            Case { rule, path, action, content }
        })
        .collect()
}

#[test]
fn every_rule_takes_what_it_should_and_nothing_alike() {
    let cases = cases(include_str!("data/rules.txt"));
    let mut by_rule: BTreeMap<&str, Vec<&Case<'_>>> = BTreeMap::new();
    for case in &cases {
        by_rule.entry(case.rule).or_default().push(case);
    }
    let mut wrong = Vec::new();
    // Those that make files have no findings.
    for rule in rules::all().filter(|rule| !matches!(rule.action, scan::Action::Create(_))) {
        let Some(cases) = by_rule.remove(rule.id) else {
            wrong.push(format!("{}: no case", rule.id));
            continue;
        };
        if !cases.iter().any(|case| case.action == "keep") || cases.iter().all(|case| case.action == "keep") {
            wrong.push(format!("{}: needs a path that goes and one that stays", rule.id));
        }
        let sshd = "AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u\\nHostKey /etc/keys/host";
        let mut tree = Tree::new(&format!(
            "/etc/passwd = {PASSWD}\n/etc/ssh/sshd_config = {sshd}\n/etc/fstab = /srv/page.file none swap sw 0 0"
        ));
        for case in &cases {
            tree.file(case.path, case.content.clone());
        }
        if rule.find.needs == Some(Needs::CloudInitNetwork) {
            let without = scan_tree(&tree, &only(&[rule.id])).findings;
            wrong.extend((!without.is_empty()).then(|| format!("{}: takes what it has no need to", rule.id)));
            tree.file("/usr/bin/cloud-init", b"x".to_vec());
        }
        let taken = taken(&scan_tree(&tree, &only(&[rule.id])));
        for case in &cases {
            let action = match action_on(&taken, case.path) {
                None => "keep",
                Some("clear the body of") => "clear",
                Some(action) => action,
            };
            if action != case.action {
                wrong.push(format!("{}: {}: {action} instead of {}", rule.id, case.path, case.action));
            }
        }
        if let Some(config) = taken
            .keys()
            .filter(|path| !cases.iter().any(|case| case.path == *path))
            .find(|path| ["/etc/passwd", "/etc/ssh/sshd_config", "/etc/fstab"].contains(&path.as_str()))
        {
            wrong.push(format!("{}: takes {config}", rule.id));
        }
    }
    wrong.extend(by_rule.keys().map(|rule| format!("{rule}: no such rule")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What the default rules take from a Debian 12 that has never been started (mmdebstrap, variant important, with
/// openssh-server, cloud-init, cron, rsyslog, logrotate, postfix, network-manager, plocate; without /usr).
#[test]
fn a_fresh_debian_loses_nothing_that_it_needs() {
    let policy = Policy::built_in("default").expect("exists");
    let selection = Selection::new(&policy, &Overrides::default()).expect("the policy is good");
    let mut tree = Tree::new(include_str!("data/debian12.txt"));
    tree.file("/etc/passwd", PASSWD.replace("\\n", "\n").into_bytes());
    let found = taken(&scan_tree(&tree, &selection));
    let found: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    let expected: BTreeSet<&str> = include_str!("data/debian12-goes.txt").lines().collect();
    assert_eq!(found, expected);
}

/// What lies in /usr belongs to packages, with one exception: state that rpm and dnf keep there.
#[test]
fn no_rule_reaches_into_usr() {
    for rule in rules::all() {
        for path in rule.find.paths {
            let into = path.starts_with("/usr") && !path.starts_with("/usr/lib/sysimage/");
            assert!(!into && !path.starts_with("/**") && !path.starts_with("/*"), "{}: {path}", rule.id);
        }
    }
}

/// A rule that takes directories with their trees must not take one that a service needs.
#[test]
fn directories_of_var_stay() {
    for rule in rules::all().filter(|rule| rule.find.kinds == Kinds::Any) {
        for path in
            rule.find.paths.iter().filter(|path| path.starts_with("/var/") && path.matches('/').count() < 3)
        {
            assert!(path.ends_with("/*") || path.ends_with("abrt"), "{}: {path}", rule.id);
        }
    }
}

/// docs/virt-sysprep.md has each of the 45 operations once, and names only rules that exist, with the right state.
#[test]
fn every_operation_of_virt_sysprep_has_an_answer() {
    let document =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/virt-sysprep.md"))
            .expect("the document is committed");
    let rows: Vec<Vec<&str>> = document
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| operation"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let operations: BTreeSet<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!((rows.len(), operations.len()), (45, 45));
    for row in &rows {
        let named: Vec<&str> = row[2].split('`').skip(1).step_by(2).collect();
        for rule in &named {
            let rule = rules::get(rule).unwrap_or_else(|| panic!("{}: no rule {rule}", row[0]));
            assert_eq!(rule.default, row[3] == "yes", "{}: {}", row[0], rule.id);
        }
        assert!(!named.is_empty() || row[2].starts_with("not "), "{}: neither covered nor left out", row[0]);
    }
    for rule in rules::all() {
        for source in rule.sources {
            if let scan::Source::Sysprep(operation) = source {
                assert!(operations.contains(operation), "{}: no operation {operation}", rule.id);
            }
        }
    }
}
