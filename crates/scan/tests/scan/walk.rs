//! The walk: whole trees, what is kept in them, hard links, links, mount points and hostile trees.

use scan::{Contents, Guest, Overrides, Place, Policy, Scan, Selection, VolumeSource, contents, scan};

use tests::sketch::Tree;

fn selection(rules: &[&str], remove: &[&str], keep: &[&str]) -> Selection {
    let own = |list: &[&str]| list.iter().map(|&item| item.to_owned()).collect::<Vec<_>>();
    let overrides =
        Overrides { rules: Some(own(rules)), remove: own(remove), keep: own(keep), ..Overrides::default() };
    Selection::new(&Policy::built_in("none").expect("exists"), &overrides).expect("a good selection")
}

fn run(tree: &Tree, selection: &Selection) -> Scan {
    let guest =
        Guest::open(vec![VolumeSource { volume: 0, filesystem: tree, names: Vec::new() }]).expect("opens");
    scan(&guest, selection).expect("scans")
}

fn paths(scan: &Scan) -> Vec<String> {
    let mut paths: Vec<String> = scan
        .findings
        .iter()
        .map(|finding| {
            let Place::File { path, .. } = &finding.place;
            format!("{}: {path}", finding.rule)
        })
        .collect();
    paths.sort();
    paths
}

fn notes(scan: &Scan) -> Vec<String> {
    scan.notes.iter().map(ToString::to_string).filter(|note| !note.contains("fstab")).collect()
}

#[test]
fn a_tree_is_one_finding_with_all_that_it_holds() {
    let tree = Tree::new("/etc/passwd\n/tmp/d/a = 12345\n/tmp/d/e/b = 123\n/tmp/d/l -> a\n/tmp/f = 1");
    let result = run(&tree, &selection(&["temporary-files"], &[], &[]));
    assert_eq!(paths(&result), ["temporary-files: /tmp/d", "temporary-files: /tmp/f"]);
    assert_eq!(result.findings[0].contents, Contents { files: 3, directories: 2, bytes: 8 });
    let guest = Guest::open(vec![VolumeSource { volume: 0, filesystem: &tree, names: Vec::new() }]).unwrap();
    let mut listed = Vec::new();
    contents(&guest, &result.findings[0], &mut |path, _, bytes| {
        listed.push(format!("{path} {bytes}"));
        Ok(())
    })
    .unwrap();
    assert_eq!(listed, ["/tmp/d 0", "/tmp/d/a 5", "/tmp/d/e 0", "/tmp/d/e/b 3", "/tmp/d/l 0"]);
}

#[test]
fn keep_wins_inside_a_tree_that_goes() {
    let tree = Tree::new("/etc/passwd\n/tmp/d/keep/x\n/tmp/d/gone/y\n/tmp/d/z\n/tmp/other/w");
    let result = run(&tree, &selection(&["temporary-files"], &[], &["/tmp/d/keep"]));
    assert_eq!(
        paths(&result),
        ["temporary-files: /tmp/d/gone", "temporary-files: /tmp/d/z", "temporary-files: /tmp/other"]
    );
    let deep = run(&tree, &selection(&["temporary-files"], &[], &["/**/x"]));
    assert_eq!(
        paths(&deep),
        ["temporary-files: /tmp/d/gone", "temporary-files: /tmp/d/z", "temporary-files: /tmp/other"]
    );
    assert_eq!(
        paths(&run(&tree, &selection(&["temporary-files"], &[], &["/tmp"]))),
        ["temporary-files: /tmp"; 0]
    );
}

#[test]
fn a_users_pattern_comes_first_and_takes_trees() {
    let tree =
        Tree::new("/etc/passwd = r:x:0:0::/root:/x\n/etc/machine-id = 1\n/opt/secret/a/b\n/root/x/y.token");
    let result =
        run(&tree, &selection(&["machine-id"], &["/etc/machine-id", "/opt/secret", "~/**/*.token"], &[]));
    assert_eq!(
        paths(&result),
        [
            "remove /etc/machine-id: /etc/machine-id",
            "remove /opt/secret: /opt/secret",
            "remove ~/**/*.token: /root/x/y.token"
        ]
    );
}

#[test]
fn other_names_of_a_file_are_told() {
    let tree = Tree::new(
        "/etc/passwd\n/srv/copy\n/tmp/secret => /srv/copy\n/tmp/a\n/tmp/b => /tmp/a\n/tmp/d/c => /tmp/a",
    );
    let result = run(&tree, &selection(&["temporary-files"], &[], &[]));
    assert_eq!(notes(&result), ["volume 0: /tmp/secret: 1 other name keeps the content"]);
}

#[test]
fn directories_behind_links_are_found() {
    let tree = Tree::new(
        "/etc/passwd = al:x:1:1::/home/al:/x\n/var/log -> /data/log\n/data/log/syslog\n/home/al/.ssh -> ../../data/ssh\n/data/ssh/id_rsa\n/home/al/.netrc -> /data/netrc\n/data/netrc",
    );
    let result = run(&tree, &selection(&["logs", "ssh-user-keys", "package-credentials"], &[], &[]));
    assert_eq!(
        paths(&result),
        ["logs: /data/log/syslog", "package-credentials: /home/al/.netrc", "ssh-user-keys: /data/ssh/id_rsa",]
    );
    assert_eq!(notes(&result), ["volume 0: /home/al/.netrc is a symbolic link to /data/netrc, which stays"]);
}

#[test]
fn decisions_that_are_links_stay() {
    let tree = Tree::new(
        "/etc/passwd = r:x:0:0::/root:/x\n/etc/machine-id = 1\n/var/lib/dbus/machine-id -> /etc/machine-id\n/root/.bash_history -> /dev/null\n/dev/null =",
    );
    let result = run(&tree, &selection(&["machine-id", "shell-histories"], &[], &[]));
    assert_eq!(paths(&result), ["machine-id: /etc/machine-id"]);
    let first_boot = Tree::new("/etc/passwd\n/etc/machine-id = uninitialized\\n");
    assert!(run(&first_boot, &selection(&["machine-id"], &[], &[])).findings.is_empty(), "no id to empty");
    let empty = Tree::new("/etc/passwd\n/etc/machine-id =");
    assert!(run(&empty, &selection(&["machine-id"], &[], &[])).findings.is_empty(), "nothing to empty");
}

#[test]
fn a_mount_point_stays_and_what_is_mounted_goes() {
    let root = Tree::new("/etc/passwd\n/etc/fstab = LABEL=t /tmp/big ext4\n/tmp/big/hidden\n/tmp/x");
    let mut big = Tree::new("/a/b\n/lost+found/");
    big.label = "t".to_owned();
    let volumes = [&root, &big].into_iter().enumerate();
    let guest = Guest::open(
        volumes.map(|(volume, tree)| VolumeSource { volume, filesystem: tree, names: Vec::new() }).collect(),
    )
    .unwrap();
    let result = scan(&guest, &selection(&["temporary-files"], &[], &[])).unwrap();
    assert_eq!(
        paths(&result),
        [
            "temporary-files: /tmp/big/a",
            "temporary-files: /tmp/big/hidden",
            "temporary-files: /tmp/big/lost+found",
            "temporary-files: /tmp/x"
        ]
    );
    let kept = scan(&guest, &selection(&["temporary-files"], &[], &["/tmp/big"])).unwrap();
    assert_eq!(paths(&kept), ["temporary-files: /tmp/x"]);
}

#[test]
fn hostile_trees_end() {
    let mut cycle = Tree::new("/etc/passwd\n/tmp/a/b");
    cycle.loop_to_root("/tmp/a/loop");
    let guest = Guest::open(vec![VolumeSource { volume: 0, filesystem: &cycle, names: Vec::new() }]).unwrap();
    let error = scan(&guest, &selection(&["temporary-files"], &[], &[])).unwrap_err();
    assert_eq!(error.to_string(), "inode 0: directory is reached by two names, expected one name");

    let deep = Tree::new(&format!("/etc/passwd\n/tmp{}", "/d".repeat(600)));
    let guest = Guest::open(vec![VolumeSource { volume: 0, filesystem: &deep, names: Vec::new() }]).unwrap();
    let error = scan(&guest, &selection(&["temporary-files"], &[], &[])).unwrap_err();
    assert!(
        error.to_string().ends_with("a directory below more than 512 others is not supported"),
        "{error}"
    );
}

#[test]
fn names_are_bytes() {
    let mut tree = Tree::new("/etc/passwd\n/var/log/é.log");
    tree.file("/var/log/a\n\u{1b}b", Vec::new());
    let result = run(&tree, &selection(&["logs"], &[], &[]));
    assert_eq!(paths(&result), ["logs: /var/log/a\\n\\u{1b}b", "logs: /var/log/é.log"]);
}

#[test]
fn a_given_pattern_that_meets_nothing_is_noted() {
    let tree = Tree::new("/etc/passwd\n/opt/a.key\n/tmp/d/x\n/srv/x");
    let remove = ["/opt/*.key", "/opt/*.kye", "/tmp/d/x"];
    let result = run(&tree, &selection(&["temporary-files"], &remove, &["/tmp/e", "/srv/*", "/opt/a.*"]));
    assert_eq!(paths(&result), ["temporary-files: /tmp/d"]);
    assert_eq!(
        notes(&result),
        [
            "remove \"/opt/*.kye\": no path matches",
            "keep \"/srv/*\": no path that a rule looks at matches",
            "keep \"/tmp/e\": no path that a rule looks at matches",
        ]
    );
}

#[test]
fn host_keys_that_nothing_makes_again_are_noted() {
    let host = "/etc/passwd\n/etc/ssh/ssh_host_rsa_key\n";
    let chosen = selection(&["ssh-host-keys"], &[], &[]);
    let noted =
        |tree: &str| notes(&run(&Tree::new(tree), &chosen)).iter().any(|note| note.contains("ssh-keygen -A"));
    assert!(noted(host));
    assert!(!noted(&format!("{host}/usr/bin/cloud-init")));
    assert!(!noted(&format!("{host}/usr/lib/systemd/system/sshd-keygen@.service\n/lib -> usr/lib")));
    assert!(!noted("/etc/passwd"));
}
