//! Helpers for the first boot: where they are made, what systemd thinks of the units, and what the script does beside a
//! real metadata service.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "this file is tests throughout")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use filesystem::NewKind;
use scan::{Guest, Overrides, Policy, Selection, VolumeSource, Wanted, wanted};
use tests::sketch::Tree;

const GUEST: &str = "/etc/os-release = ID=debian\n/usr/sbin/sshd\n/usr/bin/ssh-keygen\n/usr/bin/wget\n";
const SYSTEMD: &str = "/usr/lib/systemd/systemd\n";

/// What is wanted in such a guest, and what is said.
fn asked(tree: &str) -> (Vec<Wanted>, Vec<String>) {
    let tree = Tree::new(tree);
    let source = VolumeSource { volume: 0, filesystem: &tree, names: Vec::new() };
    let guest = Guest::open(vec![source]).unwrap();
    let selection = Selection::new(&Policy::built_in("outscale").unwrap(), &Overrides::default()).unwrap();
    let (wanted, notes) = wanted(&guest, &selection).unwrap();
    (wanted, notes.iter().map(ToString::to_string).collect())
}

fn paths(tree: &str) -> Vec<String> {
    asked(tree).0.iter().map(|wanted| wanted.path.to_string()).collect()
}

const HOST_KEYS: [&str; 2] = [
    "/etc/systemd/system/diskscrub-host-keys.service",
    "/etc/systemd/system/multi-user.target.wants/diskscrub-host-keys.service",
];
const LOGIN_KEY: [&str; 3] = [
    "/usr/local/sbin/diskscrub-login-key",
    "/etc/systemd/system/diskscrub-login-key.service",
    "/etc/systemd/system/multi-user.target.wants/diskscrub-login-key.service",
];

#[test]
fn helpers_are_made_where_nothing_else_does_their_work() {
    let bare = format!("{GUEST}{SYSTEMD}");
    assert_eq!(paths(&bare), [&HOST_KEYS[..], &LOGIN_KEY[..]].concat());
    assert!(paths(&format!("{bare}/usr/bin/cloud-init\n")).is_empty());
    assert_eq!(
        paths(&format!("{bare}/usr/lib/systemd/system/sshd-keygen@.service\n/lib -> usr/lib\n")),
        LOGIN_KEY
    );
    let fetches = format!("{bare}/etc/rc.local = curl http://169.254.169.254/latest/meta-data/\n");
    assert_eq!(paths(&fetches), HOST_KEYS);
    assert!(paths(&bare.replace("/usr/sbin/sshd\n", "")).is_empty(), "nobody logs in there");
    // Its own unit is no reason against it: else the second run would take the script away from the first's plan.
    assert_eq!(paths(&format!("{bare}{} = x\n", HOST_KEYS[0])).len(), 5);
}

#[test]
fn what_cannot_help_says_why() {
    let (wanted, said) = asked(GUEST);
    assert!(wanted.is_empty());
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().all(|note| note.contains("the guest has no systemd")), "{said:?}");
    let (wanted, said) = asked(&format!("{GUEST}{SYSTEMD}").replace("/usr/bin/wget\n", ""));
    assert_eq!(wanted.len(), 2);
    assert!(said[0].contains("neither curl nor wget"), "{said:?}");
    for (config, why) in [
        ("PermitRootLogin no", "it lets root in by no key (line 1 of /etc/ssh/sshd_config)"),
        ("AllowUsers al", "it allows others only (line 1 of /etc/ssh/sshd_config)"),
        ("Port 22\\nAllowGroups ssh", "it allows other groups only (line 2 of /etc/ssh/sshd_config)"),
    ] {
        let config = format!("/etc/group = root:x:0:\n/etc/ssh/sshd_config = {config}\n");
        let (wanted, said) = asked(&format!("{GUEST}{SYSTEMD}{config}"));
        assert_eq!(wanted.len(), 2, "the host keys' unit alone");
        assert!(said.len() == 1 && said[0].ends_with(why), "{said:?}");
    }
    let fine = "/etc/group = root:x:0:\n/etc/ssh/sshd_config = AllowGroups root\\nMatch User al\\nPermitRootLogin no\n";
    assert_eq!(asked(&format!("{GUEST}{SYSTEMD}{fine}")).0.len(), 5);
}

/// All that is wanted, below a directory.
fn install(root: &Path) {
    for wanted in asked(&format!("{GUEST}{SYSTEMD}")).0 {
        let path = root.join(wanted.path.to_string().trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match wanted.kind {
            NewKind::File(content) => {
                fs::write(&path, content).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(wanted.mode.into())).unwrap();
            }
            NewKind::Symlink(target) => {
                std::os::unix::fs::symlink(String::from_utf8(target).unwrap(), &path).unwrap();
            }
            NewKind::Directory => unreachable!("none is wanted"),
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn systemd_and_shellcheck_are_content() {
    let root = tempfile::tempdir().unwrap();
    install(root.path());
    // The programs that the units start.
    for program in ["usr/bin/ssh-keygen", "bin/sh"] {
        let path = root.path().join(program);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    // And the targets that they name.
    let system = root.path().join("usr/lib/systemd");
    fs::create_dir_all(&system).unwrap();
    let copied = Command::new("cp").args(["-a", "/usr/lib/systemd/system"]).arg(system).output().unwrap();
    assert!(copied.status.success(), "{}", said(&copied));
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "--root"]).arg(root.path());
    let output = verify.args(["diskscrub-host-keys.service", "diskscrub-login-key.service"]).output();
    let output = output.expect("systemd-analyze, of systemd, is there");
    let complaints: Vec<String> =
        said(&output).lines().filter(|line| line.contains("diskscrub")).map(str::to_owned).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    let output = Command::new("shellcheck").arg(root.path().join(&LOGIN_KEY[0][1..])).output();
    let output = output.expect("shellcheck is there");
    assert!(output.status.success(), "{}", said(&output));
}

/// Runs the script in a network and a filesystem of its own, where a metadata service has a key, and says what came of
/// it: with a session (version 2 of the service) or without, by curl or by wget.
const SCRIPT: &str = r#"
set -eu
ip link set lo up
ip addr add 169.254.169.254/32 dev lo
mount -t tmpfs none /root
mount -t tmpfs none /var/lib
mkdir -p /root/service/latest/meta-data/public-keys/0
ssh-keygen -q -t ed25519 -N '' -C owner -f /root/owner
cp /root/owner.pub /root/service/latest/meta-data/public-keys/0/openssh-key
printf i-1 >/root/service/latest/meta-data/instance-id
cat >/root/service.py <<'END'
import http.server, os, sys
class Service(http.server.SimpleHTTPRequestHandler):
    def do_PUT(self):
        if sys.argv[1] != "2": return self.send_error(405)
        self.send_response(200); self.end_headers(); self.wfile.write(b"TOKEN")
    def do_GET(self):
        if sys.argv[1] == "2" and self.headers.get("X-aws-ec2-metadata-token") != "TOKEN": return self.send_error(401)
        super().do_GET()
    def log_message(self, *_): pass
os.chdir("/root/service")
http.server.HTTPServer(("169.254.169.254", 80), Service).serve_forever()
END
python3 /root/service.py "$2" & service=$!
trap 'kill $service' EXIT
if [ "$3" = wget ]; then mkdir /root/bin; printf '#!/bin/sh\nexit 127\n' >/root/bin/curl; mount --bind /dev/null "$(command -v curl)"; fi
sh "$1"; sh "$1"
stat -c '%a %n' /root/.ssh /root/.ssh/authorized_keys
grep -cxF -f /root/owner.pub /root/.ssh/authorized_keys
: >/root/.ssh/authorized_keys
sh "$1"; wc -c </root/.ssh/authorized_keys
printf i-2 >/root/service/latest/meta-data/instance-id
sh "$1"; grep -c owner /root/.ssh/authorized_keys
echo no key >/root/service/latest/meta-data/public-keys/0/openssh-key
printf i-3 >/root/service/latest/meta-data/instance-id
sh "$1" 2>/dev/null || echo refused
"#;

#[test]
fn the_key_of_the_instance_is_added_once() {
    let can = Command::new("unshare").args(["-mn", "mount", "-t", "tmpfs", "none", "/run"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "CI has to run this as root");
        println!("not run: it needs root, for a network of its own");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    install(root.path());
    let script = root.path().join(&LOGIN_KEY[0][1..]);
    for (version, tool) in [("2", "curl"), ("1", "curl"), ("2", "wget"), ("1", "wget")] {
        let mut run = Command::new("unshare");
        run.args(["-mn", "sh", "-c", SCRIPT, "sh"]).arg(&script).args([version, tool]);
        let output = run.output().expect("unshare, of util-linux, is there");
        let expected = "700 /root/.ssh\n600 /root/.ssh/authorized_keys\n1\n0\n1\nrefused\n";
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{version} {tool}: {}", said(&output));
    }
}
