//! The guidelines' bullets on trees of distributions' own packages: each is failed by what a builder leaves, and met when
//! it is cleaned; and the guest's own programs like what was edited.
//!
//! Debian 12 and 13 are what mmdebstrap makes of their packages. Ubuntu and Fedora are Debian's packages arranged as
//! theirs are (`tests/distributions/*.sh` say how), because no registry that this project may use has their packages; the
//! same holds for the sshd_config without `Include`, which no Debian that is still to be had ships.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "this file is tests throughout")]

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    time::Instant,
};

use serde_json::Value;
use tests::{
    checkers, image, kernel,
    program::{self, command, lossy, output, run},
};

/// Name, suite of Debian, and the scripts that arrange its tree.
const ARRANGED: [(&str, &str, &[&str]); 5] = [
    ("debian-12", "bookworm", &[]),
    ("debian-13", "trixie", &[]),
    ("old", "bookworm", &["old"]),
    ("ubuntu", "trixie", &["ubuntu"]),
    ("fedora", "trixie", &["fedora"]),
];

/// A bullet, who fails it, and a file that shows it.
type Failed = (&'static str, &'static str, Option<&'static str>);

/// What `sins.sh` does to each bullet that cleaning mends.
const AWS: &[Failed] = &[
    ("A2", "sshd-root", None),
    ("A3", "root-password", Some("/etc/shadow")),
    ("A4", "ssh-host-keys", Some("/etc/ssh/ssh_host_ecdsa_key")),
    ("A5", "residue", None),
    ("A6", "sshd-no-passwords", None),
    ("A7", "ssh-authorized-keys", Some("/home/al/.ssh/authorized_keys")),
    ("A9", "aws-credentials", Some("/root/.aws")),
    ("A10", "ssh-user-keys", Some("/home/al/.ssh/id_ed25519")),
    ("A11", "shell-histories", Some("/home/al/.bash_history")),
    ("A12", "shell-histories", Some("/home/al/.bash_history")),
    ("A13", "program-histories", Some("/home/al/.python_history")),
    ("A14", "ec2-bundling", Some("/root/cert-build.pem")),
    ("A16", "ssh-host-keys", Some("/etc/ssh/ssh_host_ecdsa_key")),
];
const OUTSCALE: &[Failed] = &[
    ("O3", "outscale-credentials", Some("/home/al/.osc")),
    ("O4", "container-credentials", Some("/home/al/.docker/config.json")),
    ("O5", "tls-private-keys", Some("/etc/ssl/private/server.key")),
    ("O6", "default-passwords", Some("/etc/shadow")),
    ("O7", "sshd-passwords", None),
    ("O8", "ssh-host-keys", Some("/etc/ssh/ssh_host_ecdsa_key")),
    ("O9", "password-hashes", Some("/etc/shadow")),
    ("O10", "ssh-user-keys", Some("/home/al/.ssh/id_ed25519")),
    ("O11", "shell-histories", Some("/home/al/.bash_history")),
    ("O12", "ssh-host-keys", Some("/etc/ssh/ssh_host_ecdsa_key")),
];
/// What `broken.sh` does to those that it does not.
const BROKEN: &[(&str, &[Failed])] = &[
    (
        "aws",
        &[
            ("A2", "cloud-init-passwords", Some("/etc/cloud/cloud.cfg.d/90_build.cfg")),
            ("A4", "host-key-maker", None),
            ("A6", "login", Some("/etc/ssh/sshd_config")),
        ],
    ),
    (
        "outscale",
        &[
            ("O1", "clear-text-services", Some("/etc/inetd.conf")),
            ("O2", "network-services", Some("/usr/lib/systemd/system/rpcbind.service")),
            ("O6", "uid-zero", Some("/etc/passwd")),
            ("O7", "cloud-init-passwords", Some("/etc/cloud/cloud.cfg.d/90_build.cfg")),
            ("O8", "host-key-maker", None),
            ("O9", "password-hashes", Some("/etc/gshadow")),
            ("O13", "login", Some("/etc/ssh/sshd_config")),
        ],
    ),
];

/// Bullets that no image decides, and those about Windows.
const OPEN: [&str; 15] =
    ["A1", "A15", "O14", "O15", "O16", "O17", "O18", "O19", "O20", "O21", "O22", "O23", "O24", "O25", "O26"];

fn script(name: &str, arguments: &[&Path]) {
    let script = program::workspace().join("tests/distributions").join(format!("{name}.sh"));
    let all = [script.as_path()].into_iter().chain(arguments.iter().copied());
    run("sh", all.map(Path::as_os_str)).unwrap();
}

/// The tree of a suite: made once, and kept where `DISKSCRUB_TREES` says.
fn suite(name: &str, scratch: &Path) -> PathBuf {
    let kept = env::var_os("DISKSCRUB_TREES").map_or_else(|| scratch.to_owned(), PathBuf::from);
    let tree = kept.join(name);
    if !tree.exists() {
        script("make", &[Path::new(name), &tree]);
    }
    tree
}

/// An image of a suite's tree, changed by scripts, in whose free blocks lies what was there before.
fn image_of(name: &str, tree: &Path, scripts: &[&str], scratch: &Path) -> PathBuf {
    let (copy, file) = (scratch.join("tree"), scratch.join(format!("{name}.raw")));
    run("cp", ["-a".as_ref(), "--reflink=auto".as_ref(), tree.as_os_str(), copy.as_os_str()]).unwrap();
    scripts.iter().for_each(|script_name| script(script_name, &[&copy]));
    run("sh", ["-c", "head -c 500M /dev/urandom >\"$0\"", file.to_str().unwrap()]).unwrap();
    let options = ["-q", "-F", "-t", "ext4", "-E", "nodiscard,lazy_itable_init=0", "-d"];
    let paths = [copy.as_os_str(), file.as_os_str()];
    run("mke2fs", options.iter().map(AsRef::as_ref).chain(paths)).unwrap();
    fs::remove_dir_all(&copy).unwrap();
    file
}

/// Runs diskscrub; its exit code and what it printed.
fn diskscrub(arguments: &[&str]) -> (Option<i32>, String) {
    let output = output(command(program::diskscrub()).args(arguments)).unwrap();
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 1)), "{arguments:?}: {}", lossy(&output.stderr));
    (code, lossy(&output.stdout))
}

fn audit(image: &Path, policy: &str, original: Option<&Path>) -> Vec<Value> {
    let mut arguments = vec!["audit", "--quiet", "--json", "--policy", policy, image.to_str().unwrap()];
    arguments.extend(original.iter().flat_map(|original| ["--original", original.to_str().unwrap()]));
    let report: Value = serde_json::from_str(&diskscrub(&arguments).1).unwrap();
    report["guideline"]["rows"].as_array().unwrap().clone()
}

fn row<'r>(rows: &'r [Value], id: &str) -> &'r Value {
    rows.iter().find(|row| row["id"] == id).unwrap()
}

/// That each of these fails its bullet.
fn assert_failed(name: &str, rows: &[Value], expected: &[Failed]) {
    for (id, by, path) in expected {
        let row = row(rows, id);
        let shown = row["evidence"].as_array().unwrap().iter().any(|evidence| {
            let at = evidence["path"].as_str();
            let said = evidence["what"].as_str().unwrap();
            let names = |path: &str| at.is_some_and(|at| at.starts_with(path)) || said.contains(path);
            evidence["severity"] == "fail" && evidence["by"] == *by && path.is_none_or(names)
        });
        assert!(shown && row["status"] == "failed", "{name}: {id} by {by}: {row:#}");
    }
}

/// Asks programs of the guest, in its tree; what each printed, both ways, with its exit code in front.
const ASK: &str = r#"
root=$1
mount -t tmpfs none "$root/run" && mkdir -m 755 "$root/run/sshd" && mount --bind /dev "$root/dev" && mount -t proc none "$root/proc"
ask() { echo "== $1"; shift; chroot "$root" "$@" 2>&1; echo "exit $?"; }
chroot "$root" ssh-keygen -q -t ed25519 -N '' -f /run/key
for user in root al; do ask "sshd $user" /usr/sbin/sshd -T -h /run/key -C "user=$user,host=client.example,addr=192.0.2.7"; done
ask pwck pwck -r
ask grpck grpck -r
ask visudo visudo -c
units=$(cd "$root/etc/systemd/system" && echo diskscrub-*.service)
[ "$units" = 'diskscrub-*.service' ] || ask systemd systemd-analyze verify --man=no $units
"#;

/// The answers of the guest's programs, each with its name.
fn asked(raw: &Path, scratch: &Path) -> Vec<(String, String)> {
    let volume = &image::volumes(raw).unwrap()[0];
    let mounted = kernel::Mount::new(raw, volume, "ext4", "rw", scratch).unwrap();
    let mut ask = command("unshare");
    let said = output(ask.args(["-m", "sh", "-c", ASK, "sh"]).arg(mounted.path())).unwrap();
    assert!(said.status.success() || !said.stdout.is_empty(), "{}", lossy(&said.stderr));
    let text = lossy(&said.stdout);
    let parts = text.split("== ").skip(1).filter_map(|part| part.split_once('\n'));
    parts.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

/// The guest's own programs: sshd takes keys and nothing else, and nobody has more to say against the accounts than before.
fn consumers(name: &str, before: &[(String, String)], after: &[(String, String)]) {
    let of = |all: &[(String, String)], program: &str| {
        all.iter().find(|(name, _)| name == program).map(|(_, text)| text.clone())
    };
    for user in ["sshd root", "sshd al"] {
        let settings = of(after, user).unwrap();
        let has = |line: &str| settings.lines().any(|one| one == line);
        for line in
            ["pubkeyauthentication yes", "passwordauthentication no", "kbdinteractiveauthentication no"]
        {
            assert!(has(line), "{name}: {user}: {line}: {settings}");
        }
        assert!(has("permitrootlogin without-password") || has("permitrootlogin no"), "{name}: {settings}");
        let was = of(before, user).unwrap();
        assert!(was.lines().any(|line| line == "passwordauthentication yes"), "{name}: {was}");
    }
    for program in ["pwck", "grpck", "visudo"] {
        let lines =
            |all| -> BTreeSet<String> { of(all, program).unwrap().lines().map(str::to_owned).collect() };
        let more: Vec<String> = lines(after).difference(&lines(before)).cloned().collect();
        let fine = |line: &String| line == "exit 0" || line.ends_with(": parsed OK");
        assert!(more.iter().all(fine), "{name}: {program}: {more:?}");
    }
    let units = of(after, "systemd");
    assert_eq!(units.is_some(), name == "old", "only there nothing else brings a key");
    let complaints = units.iter().flat_map(|text| text.lines()).filter(|line| line.contains("diskscrub"));
    assert_eq!(complaints.collect::<Vec<_>>(), [""; 0], "{name}");
}

#[test]
#[ignore = "takes minutes and Debian's packages; `cargo xtask test` runs it as root"]
fn each_bullet_is_failed_by_a_builder_and_met_once_cleaned() {
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for (name, debian, scripts) in ARRANGED {
        let begun = Instant::now();
        let tree = suite(debian, scratch.path());
        let raw = image_of(name, &tree, &[scripts, &["sins"]].concat(), scratch.path());
        let copy = scratch.path().join("before.raw");
        run("cp", ["--sparse=always".as_ref(), raw.as_os_str(), copy.as_os_str()]).unwrap();
        let before = asked(&copy, scratch.path());
        // AWS's policy leaves the keys of TLS servers, which may be the product: this one does not.
        let aws = scratch.path().join("aws.toml");
        fs::write(&aws, "extends = 'aws'\nrules = ['tls-private-keys']\n").unwrap();
        for (policy, expected) in [(aws.to_str().unwrap(), AWS), ("outscale", OUTSCALE)] {
            let sinned = audit(&raw, policy, None);
            assert_failed(name, &sinned, expected);
            let out = scratch.path().join("out.raw");
            let clean = ["clean", "--quiet", "--force", "--policy", policy, raw.to_str().unwrap(), "-o"];
            let (code, said) = diskscrub(&[clean.as_slice(), &[out.to_str().unwrap()]].concat());
            assert_eq!(code, Some(0), "{name}: {said}");
            assert_eq!(checkers::complaints(&out, &out, scratch.path()).unwrap(), [""; 0], "{name}");
            let rows = audit(&out, policy, Some(&raw));
            for row in &rows {
                let id = row["id"].as_str().unwrap();
                let status = row["status"].as_str().unwrap();
                if expected.iter().any(|(failed, ..)| *failed == id) {
                    assert_eq!(status, "changed", "{name}: {row:#}");
                } else if !OPEN.contains(&id) {
                    assert!(["met", "changed"].contains(&status), "{name}: {row:#}");
                }
            }
            let after = scratch.path().join("after.raw");
            run("cp", ["--sparse=always".as_ref(), out.as_os_str(), after.as_os_str()]).unwrap();
            consumers(name, &before, &asked(&after, scratch.path()));
        }
        fs::remove_file(&raw).unwrap();
        println!("{name}: {} s", begun.elapsed().as_secs());
    }
}

#[test]
#[ignore = "takes minutes and Debian's packages; `cargo xtask test` runs it as root"]
fn what_no_cleaning_mends_stays_failed() {
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let tree = suite("bookworm", scratch.path());
    let stock = image_of("stock", &tree, &[], scratch.path());
    let raw = image_of("broken", &tree, &["broken"], scratch.path());
    for (policy, expected) in BROKEN {
        assert_failed("broken", &audit(&raw, policy, None), expected);
        let out = scratch.path().join("out.raw");
        let clean = ["clean", "--quiet", "--force", "--policy", policy];
        let cleaned = |from: &Path| {
            let paths = [from.to_str().unwrap(), "-o", out.to_str().unwrap()];
            (diskscrub(&[clean.as_slice(), &paths].concat()).0, audit(&out, policy, None))
        };
        let (code, rows) = cleaned(&raw);
        assert_eq!(code, Some(1), "a file cannot be made as the policy asks");
        assert_failed("broken and cleaned", &rows, expected);
        // The same tree without.
        let (code, rows) = cleaned(&stock);
        assert_eq!(code, Some(0));
        for (id, ..) in *expected {
            assert_eq!(row(&rows, id)["status"], "met", "{:#}", row(&rows, id));
        }
    }
}
