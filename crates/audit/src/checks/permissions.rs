//! Files that anybody may write, programs that run as somebody else, and files of nobody.

use std::collections::HashSet;

use block::Result;
use filesystem::FileKind;
use scan::GuestPath;

use crate::{Check, Observation, Severity, System, accounts::accounts, packages, walk::walk};

pub(super) const PERMISSIONS: Check = Check {
    id: "permissions",
    heading: "Modes and owners that stand out",
    explain: "One look at every file: regular files that anybody may write, directories that anybody may write without \
              the sticky bit, setuid and setgid programs that no package brings (without dpkg's lists: that are none of \
              the usual ones), and files whose owner is no account. Trees of containers, which have accounts of their \
              own, are left out.",
    advice: "Take the bit or the file away, or give the file an owner.",
    run: permissions,
};

const SETUID: u16 = 0o4000;
const SETGID: u16 = 0o2000;
const STICKY: u16 = 0o1000;
const ANYBODY_WRITES: u16 = 0o002;
/// Anybody may write there, and may leave files that anybody may write.
const PUBLIC: &[&[u8]] =
    &[b"/tmp/", b"/var/tmp/", b"/var/crash/", b"/var/spool/samba/", b"/var/lib/php/sessions/"];
/// Paths that a sentence names, and paths of setuid programs that are kept.
const NAMED: usize = 4;
const MAX_PROGRAMS: usize = 10_000;
/// Setuid and setgid programs of distributions, by name, where no list says so.
const USUAL: &str = " at bsd-write btmp bwrap chage chfn chrome-sandbox chsh cockpit-session crontab \
    dbus-daemon-launch-helper doas dotlockfile dotlock.mailutils dumpcap exim exim4 expiry fping fping6 fusermount \
    fusermount3 gpasswd grub2-set-bootflag krb5_child ksu ldap_child locate lockfile lppasswd mail-lock mail-unlock \
    mail-touchlock maidag mlocate mount mount.cifs mount.ecryptfs_private mount.nfs netreport newgidmap newgrp newuidmap \
    ntfs-3g opiepasswd p11_child pam_extrausers_chkpwd pam_timestamp_check passwd ping ping6 pkexec plocate \
    polkit-agent-helper-1 postdrop postlog postqueue pppd procmail proxy_child qemu-bridge-helper screen \
    selinux_child sendmail sendmail.sendmail sg slocate snap-confine ssh-agent ssh-keysign sssd_pam staprun su sudo sudoedit \
    sudo-rs su-rs suexec traceroute6 umount umount.nfs unix_chkpwd unix2_chkpwd unix_update userhelper usernetctl utempter uuidd \
    vmware-user-suid-wrapper wall write wodim Xorg.wrap Xorg busybox bbsuid camel-lock-helper-1.2 utmp firejail zypp-refresh-wrapper ";
/// Where distributions put them.
const PROGRAMS: &[&[u8]] = &[
    b"/usr/bin/",
    b"/usr/sbin/",
    b"/usr/lib",
    b"/usr/libexec/",
    b"/bin/",
    b"/sbin/",
    b"/lib",
    b"/opt/google/",
    b"/snap/",
];

/// A few paths, and how many there are.
#[derive(Default)]
struct Few {
    first: Vec<GuestPath>,
    count: usize,
}

impl Few {
    fn add(&mut self, path: &GuestPath) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(path.clone());
        }
    }

    fn observation(&self, one: &str, many: &str) -> Option<Observation> {
        let first = self.first.first()?;
        let what = if self.count == 1 {
            one.to_owned()
        } else {
            let shown: Vec<String> = self.first.iter().map(ToString::to_string).collect();
            let more = self.count.saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{} {many}: {}{more}", self.count, shown.join(", "))
        };
        Some(Observation::new(Severity::Warn, what).at(first))
    }
}

fn permissions(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let owners: HashSet<u32> = accounts(system)?.into_iter().map(|account| account.uid).collect();
    let (mut files, mut directories, mut unowned) = (Few::default(), Few::default(), Few::default());
    let mut programs = Vec::new();
    walk(system, &mut |path, status| {
        let anybody = status.mode & ANYBODY_WRITES != 0;
        let public = PUBLIC.iter().any(|public| path.0.starts_with(public));
        match status.kind {
            FileKind::File => {
                if anybody && !public {
                    files.add(path);
                }
                if status.mode & (SETUID | SETGID) != 0
                    && status.mode & 0o111 != 0
                    && programs.len() < MAX_PROGRAMS
                {
                    programs.push(path.clone());
                }
            }
            FileKind::Directory if anybody && status.mode & STICKY == 0 => directories.add(path),
            _ => {}
        }
        if !owners.is_empty() && !owners.contains(&status.uid) {
            unowned.add(path);
        }
        Ok(())
    })?;
    let by_package = packages::without_packaged(system, &mut programs)?;
    if !by_package {
        programs.retain(|path| !is_usual(&path.0));
    }
    let mut strange = Few::default();
    programs.iter().for_each(|path| strange.add(path));
    let (one, many) = if by_package {
        (
            "a setuid or setgid program that no package brings",
            "setuid or setgid programs that no package brings",
        )
    } else {
        (
            "a setuid or setgid program that is none of the usual ones",
            "setuid or setgid programs that are none of the usual ones",
        )
    };
    let found = [
        strange.observation(one, many),
        files.observation("anybody may write this file", "files that anybody may write"),
        directories.observation(
            "anybody may replace files in this directory",
            "directories in which anybody may replace files",
        ),
        unowned.observation("its owner is no account", "files whose owner is no account"),
    ];
    Ok(found.into_iter().flatten().collect())
}

fn is_usual(path: &[u8]) -> bool {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    PROGRAMS.iter().any(|place| path.starts_with(place))
        && USUAL.split_whitespace().any(|usual| usual == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    #[test]
    fn a_usual_tree_is_fine() {
        let tree = "/etc/passwd = root:x:0:0::/root:/bin/sh\\n\n/usr/bin/su [4755]\n/usr/bin/wall [2755]\n/tmp/x [666]\n/proc/y [666 77]";
        assert_eq!(seen(&PERMISSIONS, tree), [""; 0]);
        let dpkg = "/var/lib/dpkg/info/a.list = /bin/odd\\n\n/usr/bin/odd [4755]";
        assert_eq!(seen(&PERMISSIONS, dpkg), [""; 0]);
    }

    #[test]
    fn what_stands_out() {
        let tree = "/etc/passwd = root:x:0:0::/root:/bin/sh\\n\n/opt/a [4755]\n/home/su [4755]\n/srv/b [666]\n/srv/c [644 1000]\n\
                    /srv/d [644 1000]\n/srv/e [644 1000]\n/srv/f [644 1000]\n/srv/g [644 1000]\n/usr/lib/d [4644]";
        assert_eq!(
            seen(&PERMISSIONS, tree),
            [
                "warn /home/su 2 setuid or setgid programs that are none of the usual ones: /home/su, /opt/a",
                "warn /srv/b anybody may write this file",
                "warn /srv/c 5 files whose owner is no account: /srv/c, /srv/d, /srv/e, /srv/f and 1 more",
            ]
        );
        let dpkg = "/var/lib/dpkg/info/a.list = /bin/odd\\n\n/usr/bin/su [4755]";
        assert_eq!(
            seen(&PERMISSIONS, dpkg),
            ["warn /usr/bin/su a setuid or setgid program that no package brings"]
        );
    }
}
