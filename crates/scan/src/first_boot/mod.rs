//! Helpers for the first boot: units of systemd for a guest in which nothing else does the work. Never writes.
//!
//! Without host keys sshd does not start, and without its owner's key nobody can log in to an instance. cloud-init and
//! the clouds' agents see to both; where none is installed, these do.

use filesystem::{NewKind, Result};

use crate::{
    Guest, GuestPath, Note, RuleId, Selection, Wanted, cloud_init,
    rule::Action,
    sshd::{Access, Login, effective},
    walk::host_key_maker,
};

/// What a unit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Helper {
    /// New host keys, if there are none.
    HostKeys,
    /// The public key that the metadata service has, once for each instance.
    LoginKey,
}

const HOST_KEYS_UNIT: &str = include_str!("diskscrub-host-keys.service");
const LOGIN_KEY_UNIT: &str = include_str!("diskscrub-login-key.service");
const LOGIN_KEY_SCRIPT: &str = include_str!("diskscrub-login-key");

/// Where it goes, its content, and whether it is a program.
type File = (&'static str, &'static str, bool);

const HOST_KEYS: &[File] = &[("/etc/systemd/system/diskscrub-host-keys.service", HOST_KEYS_UNIT, false)];
const LOGIN_KEY: &[File] = &[
    ("/usr/local/sbin/diskscrub-login-key", LOGIN_KEY_SCRIPT, true),
    ("/etc/systemd/system/diskscrub-login-key.service", LOGIN_KEY_UNIT, false),
];
/// What `systemctl enable` makes for `WantedBy=multi-user.target`.
const WANTS: &str = "/etc/systemd/system/multi-user.target.wants/";

/// Programs of systemd, and of SSH servers that read host keys from /etc/ssh.
const SYSTEMD: [&str; 2] = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];
const SERVERS: [&str; 3] = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"];
/// What brings the owner's key beside cloud-init: the agents of Azure, Google, AWS and OUTSCALE, Ignition.
const KEY_BRINGERS: [&str; 9] = [
    "/usr/sbin/waagent",
    "/usr/bin/waagent",
    "/usr/bin/google_guest_agent",
    "/usr/bin/afterburn",
    "/usr/lib/dracut/modules.d/30ignition",
    "/opt/aws/bin/eic_run_authorized_keys",
    "/usr/share/ec2-instance-connect/eic_run_authorized_keys",
    "/usr/local/sbin/get-ssh-key",
    "/etc/init.d/get-ssh-key",
];
/// The metadata service of all of them: who asks it in a start-up script does so for the key.
const METADATA: &[u8] = b"169.254.169.254";

impl Helper {
    /// What it makes.
    const fn files(self) -> &'static [File] {
        match self {
            Self::HostKeys => HOST_KEYS,
            Self::LoginKey => LOGIN_KEY,
        }
    }

    /// The paths of what it makes, the link that enables the unit last.
    #[must_use]
    pub fn paths(self) -> Vec<String> {
        let units = self.files().iter().filter_map(|(path, ..)| path.rsplit_once('/'));
        let link =
            units.filter(|(_, name)| name.ends_with(".service")).map(|(_, name)| format!("{WANTS}{name}"));
        self.files().iter().map(|(path, ..)| (*path).to_owned()).chain(link).collect()
    }

    /// Whether something in the guest does the work already.
    fn is_needless(self, guest: &Guest<'_>) -> Result<bool> {
        if self == Self::HostKeys {
            return Ok(host_key_maker(guest)?.is_some());
        }
        if cloud_init::runs(guest)? || first(guest, &KEY_BRINGERS)?.is_some() {
            return Ok(true);
        }
        for path in ["/etc/rc.local", "/etc/rc.d/rc.local"] {
            let text = guest.read_file(path.as_bytes())?.unwrap_or_default();
            if memchr::memmem::find(&text, METADATA).is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Why it cannot help here, as the end of a sentence.
    fn obstacle(self, guest: &Guest<'_>) -> Result<Option<String>> {
        if first(guest, &SYSTEMD)?.is_none() {
            return Ok(Some("the guest has no systemd, and nothing else that does the work".to_owned()));
        }
        let tools: &[&str] = match self {
            Self::HostKeys => &["/usr/bin/ssh-keygen"],
            Self::LoginKey => &["/usr/bin/curl", "/usr/bin/wget"],
        };
        match first(guest, tools)? {
            None if self == Self::HostKeys => Ok(Some("the guest has no /usr/bin/ssh-keygen".to_owned())),
            None => Ok(Some("the guest has neither curl nor wget".to_owned())),
            Some(_) if self == Self::LoginKey => root_is_out(guest),
            Some(_) => Ok(None),
        }
    }
}

/// Why a key of root's opens nothing: a line of sshd's that holds for every client. No edit takes such a line away.
fn root_is_out(guest: &Guest<'_>) -> Result<Option<String>> {
    let Some(sshd) = effective(guest)?.filter(|sshd| sshd.problem.is_none()) else { return Ok(None) };
    let text = guest.read_file(b"/etc/group")?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let roots = text.lines().filter_map(|line| {
        let [name, _, gid, members] = line.split(':').collect::<Vec<_>>()[..] else { return None };
        (gid == "0" || members.split(',').any(|member| member == "root")).then(|| name.to_owned())
    });
    let groups: Vec<String> = roots.collect();
    Ok(match sshd.access(Login { name: "root", root: true, groups: &groups }) {
        Access::Out(line, why) => {
            let place = format!("line {} of {}", line.line, line.file);
            Some(format!("the key would be root's, and sshd keeps root out: {why} ({place})"))
        }
        Access::In | Access::Depends(_) => None,
    })
}

/// The first of these paths that leads to something.
fn first(guest: &Guest<'_>, paths: &[&'static str]) -> Result<Option<&'static str>> {
    for path in paths {
        if guest.resolve(path.as_bytes())?.is_some() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Whether there is an SSH server that reads its host keys from /etc/ssh.
pub(crate) fn serves(guest: &Guest<'_>) -> Result<bool> {
    Ok(first(guest, &SERVERS)?.is_some())
}

/// What the selected rules want made, and why a helper that is wanted cannot be had. Nothing for a guest without an
/// SSH server.
pub fn wanted(guest: &Guest<'_>, selection: &Selection) -> Result<(Vec<Wanted>, Vec<Note>)> {
    let (mut wanted, mut notes) = (Vec::new(), Vec::new());
    if !serves(guest)? {
        return Ok((wanted, notes));
    }
    for rule in selection.rules() {
        let Action::Create(helper) = rule.action else { continue };
        let path = |path: &str| GuestPath(path.as_bytes().to_vec());
        // Its own files are no reason against it: what is there as it is wanted is not made again.
        let paths = helper.paths();
        let made = guest.resolve(paths[0].as_bytes())?.is_some();
        if !made && helper.is_needless(guest)? {
            continue;
        }
        let rule = RuleId::BuiltIn(rule.id);
        if let Some(obstacle) = helper.obstacle(guest)? {
            notes.push(Note::NotCreated { path: path(&paths[0]), rule, reason: obstacle });
            continue;
        }
        let root =
            |at: &str, kind, mode| Wanted { rule: rule.clone(), path: path(at), kind, mode, uid: 0, gid: 0 };
        for (at, content, program) in helper.files() {
            let mode = if *program { 0o755 } else { 0o644 };
            wanted.push(root(at, NewKind::File(content.as_bytes().to_vec()), mode));
            if let Some((_, name)) = at.rsplit_once('/').filter(|(_, name)| name.ends_with(".service")) {
                let target = NewKind::Symlink(at.as_bytes().to_vec());
                wanted.push(root(&format!("{WANTS}{name}"), target, 0o777));
            }
        }
    }
    Ok((wanted, notes))
}
