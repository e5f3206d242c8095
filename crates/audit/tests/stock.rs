//! All checks at once, on trees made by hand after the cloud images of distributions: what a stock image is must not
//! fail, and what a builder does to it must.

use audit::{Severity, System, observe};
use scan::{Guest, VolumeSource};
use tests::sketch::Tree;

/// What all have: systemd, locked accounts, an SSH server.
const COMMON: &str = "\
/usr/lib/systemd/systemd
/usr/sbin/sshd [755] = x\u{1}OpenSSH_9.6p1 Stock-1\u{1}
/etc/ssh/sshd_config = PasswordAuthentication no\\nKbdInteractiveAuthentication no\\nUsePAM yes\\n
/etc/passwd = root:x:0:0:root:/root:/bin/bash\\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\\n
/etc/shadow = root:*:19000:0:99999:7:::\\nsshd:!:19000::::::\\n
/usr/lib/systemd/system/basic.target = [Unit]\\nRequires=sysinit.target\\nWants=sockets.target\\n
/usr/lib/systemd/system/sockets.target = [Unit]\\n
/usr/lib/systemd/system/multi-user.target = [Unit]\\nRequires=basic.target\\n
/usr/lib/systemd/system/graphical.target = [Unit]\\nRequires=multi-user.target\\n
/usr/lib/systemd/system/systemd-journald.socket = [Socket]\\nListenStream=/run/systemd/journal/stdout\\n
/usr/lib/systemd/system/sockets.target.wants/systemd-journald.socket -> ../systemd-journald.socket
/usr/bin/su [4755]
/tmp/ [1777]
";

const CLOUD_INIT: &str = "\
/usr/bin/cloud-init
/usr/lib/systemd/system-generators/cloud-init-generator
/usr/lib/systemd/system/cloud-init.target = [Unit]\\n
/etc/systemd/system/cloud-init.target.wants/cloud-init.service -> /usr/lib/systemd/system/cloud-init.service
/usr/lib/systemd/system/cloud-init.service = [Service]\\nExecStart=/usr/bin/cloud-init init\\n
";

const DEBIAN: &str = "\
/lib -> usr/lib
/etc/os-release = PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\\nID=debian\\nVERSION_ID=\"12\"\\n
/var/lib/dpkg/status
/var/lib/dpkg/info/login.list = /.\\n/bin/su\\n
/etc/sudoers = root ALL=(ALL:ALL) ALL\\n%sudo ALL=(ALL:ALL) ALL\\n@includedir /etc/sudoers.d\\n
/etc/cloud/cloud.cfg = system_info:\\n  default_user:\\n    name: debian\\n    lock_passwd: True\\n    groups: [adm, sudo]\\n
/usr/lib/systemd/system/ssh.service = [Service]\\nExecStart=/usr/sbin/sshd -D\\n[Install]\\nAlias=sshd.service\\n
/etc/systemd/system/sshd.service -> /lib/systemd/system/ssh.service
/etc/systemd/system/multi-user.target.wants/ssh.service -> /lib/systemd/system/ssh.service
/etc/init.d/ssh
/etc/rc2.d/S01ssh -> ../init.d/ssh
/usr/lib/systemd/system/chrony.service = [Service]\\n
/etc/systemd/system/multi-user.target.wants/chrony.service -> /lib/systemd/system/chrony.service
";

const UBUNTU: &str = "\
/lib -> usr/lib
/etc/os-release = PRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\\nID=ubuntu\\nVERSION_ID=\"24.04\"\\n
/var/lib/dpkg/status
/var/lib/dpkg/info/login.list = /.\\n/bin/su\\n
/etc/sudoers = Defaults use_pty\\nroot ALL=(ALL:ALL) ALL\\n%admin ALL=(ALL) ALL\\n%sudo ALL=(ALL:ALL) ALL\\n@includedir /etc/sudoers.d\\n
/etc/cloud/cloud.cfg = system_info:\\n  default_user:\\n    name: ubuntu\\n    groups: [adm, cdrom, dip, lxd, sudo]\\n
/usr/lib/systemd/system/ssh.socket = [Socket]\\nListenStream=0.0.0.0:22\\nListenStream=[::]:22\\n
/etc/systemd/system/sockets.target.wants/ssh.socket -> /usr/lib/systemd/system/ssh.socket
/usr/lib/systemd/system/ssh.service = [Service]\\n
/usr/lib/systemd/system/ubuntu-advantage.service = [Service]\\n
/etc/systemd/system/multi-user.target.wants/ubuntu-advantage.service -> /usr/lib/systemd/system/ubuntu-advantage.service
/usr/lib/systemd/system/iscsid.socket = [Socket]\\nListenStream=@ISCSIADM_ABSTRACT_NAMESPACE\\n
/etc/systemd/system/sockets.target.wants/iscsid.socket -> /usr/lib/systemd/system/iscsid.socket
";

const FEDORA: &str = "\
/etc/os-release = PRETTY_NAME=\"Fedora Linux 42 (Cloud Edition)\"\\nID=fedora\\nVERSION_ID=42\\n
/usr/lib/sysimage/rpm/rpmdb.sqlite
/etc/sudoers = Defaults !visiblepw\\nroot ALL=(ALL) ALL\\n%wheel ALL=(ALL) ALL\\n#includedir /etc/sudoers.d\\n
/etc/cloud/cloud.cfg = system_info:\\n  default_user:\\n    name: fedora\\n    groups: [wheel, adm]\\n
/etc/systemd/system/default.target -> /usr/lib/systemd/system/multi-user.target
/usr/lib/systemd/system/sshd.service = [Unit]\\nWants=sshd-keygen.target\\n[Service]\\nExecStart=/usr/sbin/sshd -D\\n
/usr/lib/systemd/system/sshd-keygen.target = [Unit]\\nWants=sshd-keygen@rsa.service sshd-keygen@ed25519.service\\n
/usr/lib/systemd/system/sshd-keygen@.service = [Service]\\nExecStart=/usr/libexec/openssh/sshd-keygen %i\\n
/etc/systemd/system/multi-user.target.wants/sshd.service -> /usr/lib/systemd/system/sshd.service
/usr/lib/systemd/system/sshd-vsock.socket = [Socket]\\nListenStream=vsock::22\\n
/etc/systemd/system/sockets.target.wants/sshd-vsock.socket -> /usr/lib/systemd/system/sshd-vsock.socket
/usr/bin/wall [2755]
";

const ALPINE: &str = "\
/etc/os-release = PRETTY_NAME=\"Alpine Linux v3.22\"\\nID=alpine\\nVERSION_ID=3.22.0\\n
/usr/sbin/sshd [755] = x\u{1}OpenSSH_9.9p2\u{1}
/etc/ssh/sshd_config = PermitRootLogin no\\nPasswordAuthentication no\\n
/etc/passwd = root:x:0:0:root:/root:/bin/ash\\nalpine:x:1000:1000::/home/alpine:/bin/ash\\n
/etc/shadow = root:*::0:::::\\nalpine:*:19000:0:99999:7:::\\n
/lib/apk/db/installed = P:busybox\\n\\nP:tiny-cloud\\n
/bin/bbsuid [4111]
/etc/init.d/sshd [755] = #!/sbin/openrc-run\\nssh-keygen -A\\n
/etc/runlevels/default/sshd -> /etc/init.d/sshd
/etc/runlevels/boot/tiny-cloud-early -> /etc/init.d/tiny-cloud-early
/etc/doas.conf = permit persist :wheel\\n
";

/// The observations that are at least a warning, as `severity check path what`.
fn judged(tree: &str) -> Vec<String> {
    let tree = Tree::new(tree);
    let source = VolumeSource { volume: 0, filesystem: &tree, names: Vec::new() };
    let guest = Guest::open(vec![source]).expect("a tree in memory can be read");
    let seen = observe(&System::new(&guest)).expect("a tree in memory can be read");
    let bad = seen.iter().filter(|seen| seen.severity != Severity::Info);
    bad.map(|seen| format!("{:?} {} {}", seen.severity, seen.check, seen.what)).collect()
}

#[test]
fn stock_images_of_clouds_neither_fail_nor_warn() {
    for (name, tree) in [
        ("Debian", [COMMON, CLOUD_INIT, DEBIAN].concat()),
        ("Ubuntu", [COMMON, CLOUD_INIT, UBUNTU].concat()),
        ("Fedora", [COMMON, CLOUD_INIT, FEDORA].concat()),
        ("Alpine", ALPINE.to_owned()),
    ] {
        assert_eq!(judged(&tree), [""; 0], "{name}");
    }
}

#[test]
fn what_a_builder_left_is_told() {
    let built = "\
/etc/passwd = root:x:0:0:root:/root:/bin/bash\\ntoor:x:0:0::/root:/bin/sh\\nal::1000:1000::/home/al:/bin/bash\\n
/etc/cloud/cloud-init.disabled =
/usr/lib/systemd/system/inetutils-inetd.service = [Service]\\n
/etc/systemd/system/multi-user.target.wants/inetutils-inetd.service -> /lib/systemd/system/inetutils-inetd.service
/etc/inetd.conf = telnet stream tcp nowait root /usr/sbin/telnetd telnetd\\n
/etc/sudoers.d/packer = al ALL=(ALL) NOPASSWD: ALL\\n
/opt/helper [4755]
/var/lib/tailscale/tailscaled.state
/etc/ssl/private/ssl-cert-snakeoil.key
";
    let seen = judged(&[COMMON, CLOUD_INIT, DEBIAN, built].concat());
    for expected in [
        "Fail clear-text-services telnet sends passwords in clear text",
        "Fail network-services telnet is started: telnet has no encryption",
        "Warn network-services inetutils-inetd is started, a super-server of services",
        "Warn registered-agents the registration of this machine with Tailscale is in the image (rule mesh-networks)",
        "Warn certificates ssl-cert made this key pair when it was installed: it is the same on every clone",
        "Fail default-passwords al logs in without a password",
        "Fail uid-zero toor is root under another name",
        "Warn sudo-rights al may do everything without a password, though there is one to ask for: al",
        "Fail login-key nothing that brings the key of a clone's owner is started: nobody can log in to a cleaned image",
        "Fail host-key-maker nothing that makes host keys was found: sshd will not start",
        "Warn permissions a setuid or setgid program that no package brings",
    ] {
        assert!(seen.iter().any(|line| line == expected), "{expected} is not in {seen:#?}");
    }
    assert_eq!(seen.len(), 11, "{seen:#?}");
}

#[test]
fn an_empty_tree_and_a_broken_one_are_answered() {
    assert!(judged("").iter().any(|line| line.starts_with("Fail login-key")));
    // Loops of links, directories where files are expected, files where directories are, and no text.
    let broken = "\
/etc/os-release -> os-release
/etc/passwd/x
/etc/sudoers -> /etc/sudoers
/etc/systemd/system/default.target -> default.target
/usr/lib/systemd/systemd
/usr/lib/systemd/system = x
/etc/systemd/system/multi-user.target.wants = x
/etc/rc2.d -> /etc/rc2.d
/etc/inetd.conf/
/var/lib/dpkg/info = x
/etc/fstab = \u{0}\u{1}\u{fffd}
";
    assert!(judged(broken).iter().any(|line| line.starts_with("Fail login-key")));
}
