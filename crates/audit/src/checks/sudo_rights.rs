//! Who becomes root by sudo or doas, and whether a password is asked for.

use block::{Error, Result};
use scan::GuestPath;

use super::passwords::{listed, safe};
use crate::{
    Check, Observation, Severity, System,
    accounts::{self, Password, accounts},
    sudoers::{Grant, sudoers},
};

pub(super) const SUDO_RIGHTS: Check = Check {
    id: "sudo-rights",
    heading: "Rights by sudo and doas",
    explain: "NOPASSWD in sudoers(5), and `nopass` in doas.conf(5), make a stolen session one of root. For the account that \
              the cloud's key opens it is the rule, as nobody has a password there: that is told as a fact. For others, \
              for everybody, and for groups that are not those of administrators, somebody has to decide. Lines that \
              cannot be read are named.",
    advice: "Remove the right (the rules `sudoers-builders` and `sudoers-cloud-users`), or let it ask for a password.",
    run: sudo_rights,
};

/// Groups whose members are administrators.
const ADMINISTRATORS: &[&str] = &["%wheel", "%sudo", "%admin", "%adm", "%google-sudoers", "%root", "%#0"];
/// Where cloud-init and agents note the accounts that they make, by the start of the name.
const CLOUDS: &[&str] =
    &["90-cloud-init-users", "google_sudoers", "waagent", "90-waagent", "ssm-agent-users", "google-oslogin"];

/// Lines that cannot be read and are named.
const MAX_STRANGE: usize = 10;

fn sudo_rights(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let mut seen = Vec::new();
    match sudoers(system) {
        Ok(None) => {}
        Ok(Some(sudoers)) => {
            for (path, line) in sudoers.strange.iter().take(MAX_STRANGE) {
                let what =
                    "the line is not understood: sudo may refuse the file, or give what is not seen here";
                seen.push(Observation::new(Severity::Warn, what).at(path).line(*line));
            }
            if let Some((path, line)) = &sudoers.never_asks {
                let what = "sudo asks nobody for a password";
                seen.push(Observation::new(Severity::Warn, what).at(path).line(*line));
            }
            let known = accounts(system)?;
            let has_password =
                |name: &str| known.iter().any(|a| a.name == name && !matches!(a.password, Password::Locked));
            for grant in &sudoers.grants {
                seen.extend(of_grant(system, grant, &has_password)?);
            }
        }
        Err(error @ Error::Io(_)) => return Err(error),
        Err(error) => seen.push(Observation::new(Severity::Warn, format!("sudoers cannot be read: {error}"))),
    }
    seen.extend(doas(system)?);
    Ok(seen)
}

fn of_grant(
    system: &System<'_, '_>,
    grant: &Grant,
    has_password: &dyn Fn(&str) -> bool,
) -> Result<Option<Observation>> {
    let others: Vec<&String> = grant.who.iter().filter(|who| *who != "root" && *who != "#0").collect();
    if others.is_empty() {
        return Ok(None);
    }
    let who = listed(&others.iter().map(|who| safe(who)).collect::<Vec<_>>());
    let shown = |severity, what| Some(Observation::new(severity, what).at(&grant.path).line(grant.line));
    let everybody = others.iter().any(|who| *who == "ALL");
    let commands = if grant.all { "everything" } else { "some commands" };
    if !grant.nopasswd {
        let odd = grant.all
            && others.iter().any(|who| who.starts_with('%') && !ADMINISTRATORS.contains(&who.as_str()));
        return Ok(if grant.all && everybody && !asks_for_roots(system)? {
            shown(Severity::Warn, "everybody who has a password may do everything as root".to_owned())
        } else if odd {
            shown(
                Severity::Warn,
                format!("{who} may do everything as root, and is no usual group of administrators"),
            )
        } else {
            None
        });
    }
    if everybody {
        return Ok(shown(Severity::Warn, format!("everybody may do {commands} without a password")));
    }
    let name = grant.path.0.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let of_cloud = CLOUDS.iter().any(|cloud| name.starts_with(cloud.as_bytes()));
    let mut with_password = Vec::new();
    for who in &others {
        let members = match who.strip_prefix('%') {
            Some(group) => accounts::group(system, group)?.unwrap_or_default(),
            None => vec![(*who).clone()],
        };
        with_password.extend(members.into_iter().filter(|name| has_password(name)).map(|name| safe(&name)));
    }
    Ok(if of_cloud {
        shown(
            Severity::Info,
            format!("{who} may do {commands} without a password, as the cloud's accounts do"),
        )
    } else if !with_password.is_empty() {
        let names = listed(&with_password);
        let what =
            format!("{who} may do {commands} without a password, though there is one to ask for: {names}");
        shown(Severity::Warn, what)
    } else if grant.all {
        shown(Severity::Warn, format!("{who} may do everything without a password"))
    } else {
        shown(Severity::Info, format!("{who} may do some commands without a password"))
    })
}

/// SUSE's way: everybody may, but the password asked for is root's.
fn asks_for_roots(system: &System<'_, '_>) -> Result<bool> {
    for path in ["/etc/sudoers", "/usr/etc/sudoers"] {
        let text = system.text(path)?.unwrap_or_default();
        if text.lines().any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some("Defaults") && words.next() == Some("targetpw")
        }) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// doas.conf(5): `permit [nopass ...] who [as ...] [cmd ...]`.
fn doas(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let mut paths = vec![GuestPath(b"/etc/doas.conf".to_vec())];
    paths.extend(system.files("/etc/doas.d", ".conf")?.into_iter().map(|item| item.path));
    let mut seen = Vec::new();
    for path in paths {
        let text = system.read(&path.0)?.unwrap_or_default();
        for (number, line) in (1..).zip(String::from_utf8_lossy(&text).lines()) {
            let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
            let ["permit", rest @ ..] = words.as_slice() else { continue };
            let nopass = rest.contains(&"nopass");
            // Options, and a list of variables in braces, stand before the name.
            let mut braces = false;
            let who = rest.iter().find(|word| {
                let inside = braces || word.contains('{');
                braces = inside && !word.contains('}');
                !inside && !["nopass", "nolog", "persist", "keepenv", "setenv"].contains(word)
            });
            let Some(who) = who.filter(|who| **who != "root" && nopass) else { continue };
            let group = who.strip_prefix(':');
            let what = format!(
                "{} may act by doas without a password",
                safe(&group.map_or((*who).to_owned(), |g| format!("%{g}")))
            );
            seen.push(Observation::new(Severity::Warn, what).at(&path).line(number));
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    #[test]
    fn a_stock_file_is_fine_and_a_clouds_is_told() {
        let stock =
            "/etc/sudoers = root ALL=(ALL:ALL) ALL\\n%sudo ALL=(ALL:ALL) ALL\\n@includedir /etc/sudoers.d\\n";
        assert_eq!(seen(&SUDO_RIGHTS, ""), [""; 0]);
        assert_eq!(seen(&SUDO_RIGHTS, stock), [""; 0]);
        let cloud = format!("{stock}\n/etc/sudoers.d/90-cloud-init-users = debian ALL=(ALL) NOPASSWD:ALL\\n");
        let told = "info /etc/sudoers.d/90-cloud-init-users:1 debian may do everything without a password, as the cloud's \
                    accounts do";
        assert_eq!(seen(&SUDO_RIGHTS, &cloud), [told]);
        let suse = "/etc/sudoers = Defaults targetpw # x\\nALL ALL=(ALL) ALL\\n";
        assert_eq!(seen(&SUDO_RIGHTS, suse), [""; 0]);
    }

    #[test]
    fn rights_that_somebody_has_to_decide() {
        let tree = "/etc/passwd = al:$6$abcdefgh$x:1:1::/:/bin/sh\\n\n/etc/group = ops:x:5:al\\n\n\
                    /etc/sudoers = %ops ALL=NOPASSWD: ALL\\n%dev ALL=(ALL) ALL\\nALL ALL=(ALL) ALL\\nALL ALL=(ALL) NOPASSWD: /bin/a\\n\
                    bob ALL=(ALL) NOPASSWD: ALL\\nbackup ALL=(root) NOPASSWD: /bin/a\\nDefaults !authenticate\\nwhat\\n";
        assert_eq!(
            seen(&SUDO_RIGHTS, tree),
            [
                "warn /etc/sudoers:8 the line is not understood: sudo may refuse the file, or give what is not seen here",
                "warn /etc/sudoers:7 sudo asks nobody for a password",
                "warn /etc/sudoers:1 %ops may do everything without a password, though there is one to ask for: al",
                "warn /etc/sudoers:2 %dev may do everything as root, and is no usual group of administrators",
                "warn /etc/sudoers:3 everybody who has a password may do everything as root",
                "warn /etc/sudoers:4 everybody may do some commands without a password",
                "warn /etc/sudoers:5 bob may do everything without a password",
                "info /etc/sudoers:6 backup may do some commands without a password",
            ]
        );
        let doas = "/etc/doas.conf = permit persist :wheel\\npermit nopass keepenv setenv { A B } al as root\\npermit nopass root\\n";
        assert_eq!(seen(&SUDO_RIGHTS, doas), ["warn /etc/doas.conf:2 al may act by doas without a password"]);
    }
}
