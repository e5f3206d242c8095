//! The real sshd judges: what it takes before and after the edits, for whom, and what this crate says of it.

#![allow(clippy::print_stdout, reason = "a test that cannot run says so")]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
    sync::LazyLock,
};

use tempfile::TempDir;

use scan::{Guest, Overrides, Place, Policy, Scan, Selection, VolumeSource, scan, sshd};

use tests::sketch::Tree;

const MAIN: &str = "/etc/ssh/sshd_config";
/// As in the program of a new sshd, and of old ones.
const NEW: &str = "\0OpenSSH_7.4*\0OpenSSH_9.2p1 Debian-2\0";
const BEFORE_ALIAS: &str = "\0OpenSSH_7.4p1\0";
const OLD: &str = "\0OpenSSH_5.3p1\0";
/// What the rules may change.
const KEYWORDS: [&str; 4] =
    ["permitrootlogin", "pubkeyauthentication", "passwordauthentication", "kbdinteractiveauthentication"];
/// Who comes: everybody, and those whom Match blocks below are for.
const CLIENTS: [&str; 4] = ["root", "al", "sftp", "backup"];

/// Debian 9, CentOS 7: no Include, commented defaults.
const DEBIAN_9: &str = "#Port 22\n#LoginGraceTime 2m\n#PermitRootLogin prohibit-password\n#StrictModes yes\n\n\
                        #PubkeyAuthentication yes\n# To disable tunneled clear text passwords, change to no here!\n\
                        #PasswordAuthentication yes\n#PermitEmptyPasswords no\n\n# (s/key)\n\
                        ChallengeResponseAuthentication no\n\n# Set this to 'yes' to enable PAM authentication\n\
                        # PasswordAuthentication.  Depending on your PAM configuration,\nUsePAM no\nX11Forwarding yes\n\
                        AcceptEnv LANG LC_*\n#UseDNS no\n\n# Example\n#Match User anoncvs\n#\tX11Forwarding no\n";
const CENTOS_7: &str = "HostKey /etc/ssh/ssh_host_rsa_key\nSyslogFacility AUTHPRIV\n\n#PermitRootLogin yes\n\
                        AuthorizedKeysFile\t.ssh/authorized_keys\nPasswordAuthentication yes\n\
                        #ChallengeResponseAuthentication yes\nX11Forwarding yes\n\
                        AcceptEnv LANG LC_CTYPE LC_NUMERIC\n";
const DEBIAN_12: &str = "\nInclude /etc/ssh/sshd_config.d/*.conf\n\n#PermitRootLogin prohibit-password\n\
                         #PubkeyAuthentication yes\n#PasswordAuthentication yes\n\n\
                         KbdInteractiveAuthentication no\nX11Forwarding yes\n";

type Files = &'static [(&'static str, &'static str)];

struct Case {
    program: &'static str,
    files: Files,
    /// Lines of the main file afterwards, and how often.
    lines: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        program: BEFORE_ALIAS,
        files: &[(MAIN, DEBIAN_9)],
        lines: &[
            "PermitRootLogin prohibit-password",
            "PubkeyAuthentication yes",
            "PasswordAuthentication no",
        ],
    },
    Case {
        program: BEFORE_ALIAS,
        files: &[(MAIN, CENTOS_7)],
        lines: &["PermitRootLogin prohibit-password", "ChallengeResponseAuthentication no"],
    },
    Case {
        program: OLD,
        files: &[(MAIN, "PermitRootLogin yes\nMatch User al\n PermitRootLogin yes\n")],
        lines: &[
            "PermitRootLogin without-password",
            " PermitRootLogin without-password",
            "ChallengeResponseAuthentication no",
        ],
    },
    Case { program: "", files: &[(MAIN, "")], lines: &["PermitRootLogin without-password"] },
    // A drop-in of cloud-init comes first and wins; those behind count, too, once it is gone.
    Case {
        program: NEW,
        files: &[
            (MAIN, DEBIAN_12),
            ("/etc/ssh/sshd_config.d/50-cloud-init.conf", "PasswordAuthentication yes\n"),
            ("/etc/ssh/sshd_config.d/60-other.conf", "PasswordAuthentication no\nPermitRootLogin yes"),
            ("/etc/ssh/sshd_config.d/01-permitrootlogin.conf.bak", "PermitRootLogin yes\nthis is no line\n"),
            ("/etc/ssh/sshd_config.d/.hidden.conf", "PermitRootLogin yes\nthis is no line\n"),
        ],
        lines: &[
            "#PermitRootLogin prohibit-password",
            "#PasswordAuthentication yes",
            "PubkeyAuthentication yes",
        ],
    },
    // Include behind the values, relative, several patterns, nested, twice.
    Case {
        program: NEW,
        files: &[
            (
                MAIN,
                "PasswordAuthentication no\nKbdInteractiveAuthentication yes\nInclude extra/[ab]*.cfg \"sshd_config.d/x.conf\"\nInclude none/*.conf\n",
            ),
            ("/etc/ssh/extra/a.cfg", "PermitRootLogin yes\nInclude sshd_config.d/x.conf\n"),
            ("/etc/ssh/extra/b.cfg", "PermitRootLogin forced-commands-only\n"),
            ("/etc/ssh/extra/c.cfg", "nothing\n"),
            (
                "/etc/ssh/sshd_config.d/x.conf",
                "PubkeyAuthentication no\nMatch User al\nPasswordAuthentication yes\n",
            ),
        ],
        lines: &["KbdInteractiveAuthentication no"],
    },
    // Match blocks: weaker values become as all others, stricter ones stay; a block ends with its file.
    Case {
        program: NEW,
        files: &[
            (
                MAIN,
                "Include sshd_config.d/*.conf\nMatch User al,root\n\tPermitRootLogin yes\n\tPasswordAuthentication yes\nMatch Group nobody-here User sftp\n\tForceCommand internal-sftp\nMatch User backup\n\tPermitRootLogin no\n\tInclude /etc/ssh/within\nMatch all\n\tKbdInteractiveAuthentication yes\n",
            ),
            (
                "/etc/ssh/sshd_config.d/a.conf",
                "Match User sftp\n PasswordAuthentication yes\n X11Forwarding yes\n",
            ),
            ("/etc/ssh/sshd_config.d/b.conf", "PermitRootLogin no\n"),
            (
                "/etc/ssh/within",
                "PasswordAuthentication yes\nMatch Address 192.0.2.0/24\nPermitRootLogin yes\n",
            ),
        ],
        lines: &[
            "PubkeyAuthentication yes",
            "\tPermitRootLogin prohibit-password",
            "\tPermitRootLogin no",
            "\tKbdInteractiveAuthentication no",
        ],
    },
    // Spelling, blanks, quotes, comments, line ends.
    Case {
        program: NEW,
        files: &[(
            MAIN,
            "permitrootlogin\tYES  # for now\r\nPasswordAuthentication=\"yes\"\r\n  KbdInteractiveAuthentication = 'yes'\r\n\"PubkeyAuthentication\" no\r\nMatch User al\r\nX11Forwarding no",
        )],
        lines: &[
            "permitrootlogin\tprohibit-password  # for now\r",
            "PasswordAuthentication=no\r",
            "  KbdInteractiveAuthentication = no\r",
            "\"PubkeyAuthentication\" yes\r",
        ],
    },
    // No last line end.
    Case {
        program: NEW,
        files: &[(MAIN, "X11Forwarding yes")],
        lines: &["X11Forwarding yes", "PermitRootLogin prohibit-password"],
    },
    Case {
        program: NEW,
        files: &[(MAIN, "UsePAM no\r\nMatch User al\r\n X11Forwarding no\r\n")],
        lines: &["PasswordAuthentication no\r"],
    },
    // Without passwords, one of two ways in is left.
    Case {
        program: NEW,
        files: &[(MAIN, "AuthenticationMethods publickey,password publickey\n")],
        lines: &["PasswordAuthentication no"],
    },
];

fn tree(files: &[(&str, &str)], program: &str) -> Tree {
    let mut tree = Tree::new("/etc/passwd = root:x:0:0::/root:/bin/sh");
    for (path, content) in files {
        tree.file(path, content.as_bytes().to_vec());
    }
    if !program.is_empty() {
        tree.file("/usr/sbin/sshd", [vec![b'x'; 65_530], program.as_bytes().to_vec()].concat());
    }
    tree
}

fn guest(tree: &Tree) -> Guest<'_> {
    Guest::open(vec![VolumeSource { volume: 0, filesystem: tree, names: Vec::new() }]).expect("opens")
}

fn hardened(tree: &Tree) -> Scan {
    let rules = ["sshd-root-login", "sshd-pubkey", "sshd-no-passwords"].map(str::to_owned).to_vec();
    let policy = Policy::built_in("none").expect("exists");
    let selection = Selection::new(&policy, &Overrides { rules: Some(rules), ..Overrides::default() });
    scan(&guest(tree), &selection.expect("the rules exist")).expect("scans")
}

/// The files with what the scan makes of them.
fn edited(files: Files, scan: &Scan) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> =
        files.iter().map(|(path, content)| ((*path).to_owned(), (*content).to_owned())).collect();
    for finding in &scan.findings {
        let Place::File { path, .. } = &finding.place;
        let rewrite = finding.rewrite.as_ref().expect("an edit");
        let file = files.iter_mut().find(|file| file.0 == path.to_string()).expect("it is one of them");
        file.1 = String::from_utf8(rewrite.content.clone()).expect("text");
    }
    files
}

fn notes(scan: &Scan) -> Vec<String> {
    scan.notes.iter().map(ToString::to_string).collect()
}

fn borrowed(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect()
}

/// Whether this machine can show sshd another /etc/ssh.
fn can_judge() -> bool {
    let can = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/run"]).output();
    let can = can.is_ok_and(|output| output.status.success());
    if !can {
        assert!(std::env::var_os("CI").is_none(), "CI has to run this as root");
        println!("not run: a mount namespace needs root");
    }
    can
}

/// A host key, without which sshd says nothing.
static KEY: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(directory.path().join("key"));
    assert!(keygen.status().expect("ssh-keygen, of openssh-client, is there").success());
    directory
});

/// `sshd -T` with these files in /etc/ssh; `client` has Match blocks apply to a user.
fn judge(files: &[(&str, &str)], client: Option<&str>) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    let etc = directory.path().join("etc/ssh");
    fs::create_dir_all(&etc).expect("creates");
    for (path, content) in files {
        let path = directory.path().join(&path[1..]);
        fs::create_dir_all(path.parent().expect("has one")).expect("creates");
        fs::write(path, content).expect("writes");
    }
    let script = "mount --bind \"$1\" /etc/ssh && mount -t tmpfs none /run && mkdir -m 755 /run/sshd && shift && exec /usr/sbin/sshd -T -h \"$@\"";
    let mut sshd = Command::new("unshare");
    sshd.args(["-m", "sh", "-c", script, "sh"]).arg(&etc).arg(KEY.path().join("key"));
    if let Some(user) = client {
        sshd.arg("-C").arg(format!("user={user},host=client.example,addr=192.0.2.7"));
    }
    assert!(Path::new("/usr/sbin/sshd").exists(), "sshd, of openssh-server, is not there");
    sshd.output().expect("unshare, of util-linux, is there")
}

/// Every keyword that sshd prints, with its values.
fn settings(files: &[(&str, &str)], client: Option<&str>) -> BTreeMap<String, Vec<String>> {
    let output = judge(files, client);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{files:?}: {err}");
    let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in out.lines() {
        let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
        settings.entry(keyword.to_owned()).or_default().push(value.to_owned());
    }
    settings
}

#[test]
fn the_real_sshd_takes_keys_only() {
    if !can_judge() {
        return;
    }
    for Case { program, files, lines } in CASES {
        let result = hardened(&tree(files, program));
        assert_eq!(notes(&result), [""; 0]);
        let after = edited(files, &result);
        let main = &after.iter().find(|file| file.0 == MAIN).expect("is there").1;
        for line in *lines {
            assert_eq!(main.split('\n').filter(|one| one == line).count(), 1, "{line:?} in:\n{main}");
        }
        for client in CLIENTS.map(Some).into_iter().chain([None]) {
            let (mut was, mut is) = (settings(files, client), settings(&borrowed(&after), client));
            let [root, pubkey, password, kbd] = KEYWORDS.map(|keyword| {
                was.remove(keyword);
                is.remove(keyword).expect("sshd prints it").join(" ")
            });
            assert_eq!([pubkey.as_str(), &password, &kbd], ["yes", "no", "no"], "{client:?} in:\n{main}");
            assert!(["without-password", "no", "forced-commands-only"].contains(&root.as_str()), "{root}");
            assert!(was == is, "something else changed in:\n{main}");
        }
        // Once more, nothing changes.
        assert_eq!(hardened(&tree(&borrowed(&after), program)).findings, []);
    }
}

#[test]
fn every_keyword_of_the_real_sshd_is_known() {
    if !can_judge() {
        return;
    }
    let printed = settings(&[(MAIN, "")], None);
    assert!(printed.len() > 80, "{printed:?}");
    let all: String = printed.keys().map(|keyword| format!("{keyword} x\n")).collect();
    let tree = tree(&[(MAIN, &all)], NEW);
    let guest =
        Guest::open(vec![VolumeSource { volume: 0, filesystem: &tree, names: Vec::new() }]).expect("opens");
    let found = sshd::effective(&guest).expect("is read").expect("is there");
    assert_eq!(found.problem, None);
}

#[test]
fn says_what_the_real_sshd_says() {
    if !can_judge() {
        return;
    }
    for Case { program, files, .. } in CASES {
        let after = edited(files, &hardened(&tree(files, program)));
        let all = [files.to_vec(), borrowed(&after)];
        for files in &all {
            let real = settings(files, None);
            let tree = tree(files, program);
            let ours = sshd::effective(&guest(&tree)).expect("reads").expect("is there");
            assert_eq!((ours.problem.as_deref(), ours.main.to_string().as_str()), (None, MAIN));
            for keyword in [
                "permitrootlogin",
                "pubkeyauthentication",
                "passwordauthentication",
                "x11forwarding",
                "usepam",
            ] {
                let Some(first) = ours.global(keyword).next() else { continue };
                let value = first.values.join(" ").to_ascii_lowercase();
                let value = if value == "prohibit-password" { "without-password" } else { &value };
                assert_eq!([value], real[keyword].as_slice(), "{keyword} in {files:?}");
            }
        }
    }
}

#[test]
fn tells_files_lines_and_criteria() {
    let case = &CASES[6];
    let tree = tree(case.files, case.program);
    let ours = sshd::effective(&guest(&tree)).expect("reads").expect("is there");
    assert_eq!(ours.version, Some((9, 2)));
    let told = |keyword: &str| -> Vec<String> {
        let all = ours.global(keyword).chain(ours.overrides(keyword));
        let words =
            all.map(|one| format!("{}:{} {:?} {}", one.file, one.line, one.matching, one.values.join(" ")));
        words.collect()
    };
    assert_eq!(
        told("PermitRootLogin"),
        [
            "/etc/ssh/sshd_config.d/b.conf:1 None no",
            "/etc/ssh/sshd_config:3 Some(\"User al,root\") yes",
            "/etc/ssh/sshd_config:8 Some(\"User backup\") no",
            "/etc/ssh/within:3 Some(\"User backup and Address 192.0.2.0/24\") yes",
        ]
    );
    assert!(ours.keywords().any(|keyword| keyword == "forcecommand"));
    assert!(sshd::effective(&guest(&Tree::new("/etc/passwd"))).expect("reads").is_none());
}

#[test]
fn what_is_not_understood_stays_whole() {
    let dropin = "/etc/ssh/sshd_config.d/a.conf";
    let long = format!("# {}\nPermitRootLogin yes\n", "x".repeat(5000));
    let including = "Include sshd_config.d/*.conf\nPermitRootLogin yes\n";
    for (files, rules, reason) in [
        (
            vec![(MAIN, "PermitRootLogin yes\n<<<<<<< HEAD\n")],
            3,
            "line 2 of /etc/ssh/sshd_config is none that sshd knows",
        ),
        (
            vec![(MAIN, including), (dropin, "PasswordAuthentication yes\nPort\n")],
            3,
            "line 2 of /etc/ssh/sshd_config.d/a.conf has a keyword and nothing behind it",
        ),
        (
            vec![(MAIN, including), (dropin, "Include sshd_config.d/*.conf\n")],
            3,
            "its Include lines lead in a circle, or to more files than sshd reads",
        ),
        (vec![(MAIN, "PermitRootLogin yes\0\n")], 3, "line 1 of /etc/ssh/sshd_config is no text"),
        (vec![(MAIN, long.as_str())], 3, "line 1 of /etc/ssh/sshd_config is too long"),
        (
            vec![(MAIN, "PermitRootLogin sometimes\nPasswordAuthentication yes\n")],
            3,
            "line 1 of /etc/ssh/sshd_config gives permitrootlogin a value that sshd does not know",
        ),
        (
            vec![(MAIN, including), (dropin, "PasswordAuthentication yes no\n")],
            3,
            "line 1 of /etc/ssh/sshd_config.d/a.conf gives passwordauthentication a value that sshd does not know",
        ),
        (
            vec![(MAIN, "PermitRootLogin yes\nlorem ipsum dolor\n")],
            3,
            "line 2 of /etc/ssh/sshd_config has a keyword that no sshd knows",
        ),
        (
            vec![(MAIN, "Match User \"al\nPermitRootLogin yes\n")],
            3,
            "line 1 of /etc/ssh/sshd_config has an open quote",
        ),
        (
            vec![(
                MAIN,
                "PasswordAuthentication yes\nMatch User al\nAuthenticationMethods publickey,keyboard-interactive:pam\n",
            )],
            3,
            "line 3 of /etc/ssh/sshd_config (AuthenticationMethods) lets nobody in without a password",
        ),
    ] {
        let result = hardened(&tree(&files, NEW));
        let notes = notes(&result);
        assert_eq!(notes.len(), rules, "{notes:?}");
        assert!(notes.iter().all(|note| note.ends_with(&format!(": {reason}"))), "{notes:?}");
        if rules == 3 {
            assert_eq!(result.findings, []);
        }
    }
}

#[test]
fn links_vendors_and_blocks() {
    let link = Tree::new(
        "/etc/passwd\n/etc/ssh/sshd_config -> /srv/sshd.conf\n/srv/sshd.conf = PasswordAuthentication yes",
    );
    let result = hardened(&link);
    let places = result.findings.iter().map(|one| match &one.place {
        Place::File { path, .. } => path.to_string(),
    });
    assert_eq!(places.collect::<Vec<_>>(), ["/srv/sshd.conf"; 3]);

    let vendor = Tree::new(
        "/etc/passwd\n/usr/etc/ssh/sshd_config = Include /etc/ssh/sshd_config.d/*.conf\\nPermitRootLogin yes\n/etc/ssh/sshd_config.d/a.conf = PasswordAuthentication yes",
    );
    let result = hardened(&vendor);
    assert_eq!(
        notes(&result),
        [
            "volume 0: /usr/etc/ssh/sshd_config: it belongs to a package, whose next version brings the old values back"
        ]
    );
    assert_eq!(result.findings.len(), 4);

    let block = Tree::new(
        "/etc/passwd\n/etc/ssh/sshd_config = PubkeyAuthentication yes\\nMatch User al\\n PubkeyAuthentication no\\nMatch all\\n PubkeyAuthentication no",
    );
    let result = hardened(&block);
    assert_eq!(
        notes(&result),
        ["volume 0: /etc/ssh/sshd_config: line 4, for Match User al says PubkeyAuthentication no, and stays"]
    );
    let changes: Vec<_> =
        result.findings.iter().flat_map(|one| one.rewrite.clone().expect("an edit").changes).collect();
    assert_eq!(
        changes,
        [
            "line 2: PermitRootLogin without-password is new",
            "line 6, for Match all: PubkeyAuthentication no becomes yes",
            "line 3: PasswordAuthentication no is new",
            "line 4: ChallengeResponseAuthentication no is new",
        ]
    );
    let dangling = Tree::new(
        "/etc/passwd\n/etc/ssh/sshd_config = Include sshd_config.d/*.conf\n/etc/ssh/sshd_config.d/a.conf -> /run/a.conf",
    );
    assert_eq!(hardened(&dangling).findings, []);
    assert!(notes(&hardened(&dangling))[0].ends_with(
        "line 1 of /etc/ssh/sshd_config includes /etc/ssh/sshd_config.d/a.conf, which is not in the image"
    ));
}
