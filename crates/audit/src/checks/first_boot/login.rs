//! Whether anybody can log in to a cleaned image at all.

use block::Result;
use scan::{
    GuestPath,
    sshd::{Access, Effective, Login, effective},
};

use super::{
    SERVER_UNITS, SERVERS,
    login_key::{Whose, bringers},
};
use crate::{
    Check, Observation, Severity, System,
    accounts::{Account, accounts, groups_of, is_login_shell},
    checks::passwords::{listed, safe},
    cloud_init::cloud_init,
    services,
};

pub(in crate::checks) const LOGIN: Check = Check {
    id: "login",
    heading: "An account that the key opens",
    explain: "An SSH server that the boot starts, an account with a login shell that the key is for (cloud-init's default \
              user, which it makes; root for diskscrub's own unit and for scripts that write to /root; an agent's; or one \
              that is there), and no line of sshd's that keeps it out: PermitRootLogin, AllowUsers, AllowGroups and their \
              opposites, in `Match` blocks, too, and PubkeyAuthentication there. Blocks for addresses, hosts or programs \
              leave it open.",
    advice: "Install and enable an SSH server, and keep one account with a shell that sshd lets in.",
    run: login,
};

fn login(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let mut seen = Vec::new();
    let Some(server) = system.first(SERVERS)? else {
        let what = "no SSH server is installed: nobody can log in with a key";
        return Ok(vec![Observation::new(Severity::Fail, what)]);
    };
    let enabled = services::enabled(system)?;
    match services::find(&enabled, SERVER_UNITS) {
        Some(_) => {}
        None if enabled.is_empty() => {
            let what = format!("{server} is there, but nothing tells whether the boot starts it");
            seen.push(Observation::new(Severity::Unknown, what));
        }
        None => {
            let what =
                format!("{server} is there, but the boot does not start it: nobody can log in with a key");
            seen.push(Observation::new(Severity::Fail, what));
        }
    }
    if system.exists("/etc/nologin")? {
        let what = "while this file is there, nobody but root logs in";
        seen.push(Observation::new(Severity::Fail, what).at(&GuestPath(b"/etc/nologin".to_vec())));
    }
    let doors = doors(system)?;
    let whose = doors.iter().filter_map(|door| door.whose.clone());
    seen.extend(whose.map(|whose| Observation::new(Severity::Info, whose)));
    // One account that the key opens is enough.
    if doors.iter().all(|door| door.obstacle.is_some()) {
        seen.extend(doors.into_iter().filter_map(|door| door.obstacle));
    }
    Ok(seen)
}

/// An account that a key may be for, or several.
struct Door {
    /// Whom the key is for, if anybody.
    whose: Option<String>,
    /// Why it opens nothing.
    obstacle: Option<Observation>,
}

/// What the keys that a first boot brings are for.
fn doors(system: &System<'_, '_>) -> Result<Vec<Door>> {
    let all = accounts(system)?;
    let sshd = effective(system.guest())?;
    let (bringers, _) = bringers(system)?;
    let mut whose: Vec<Whose> = bringers.into_iter().map(|bringer| bringer.whose).collect();
    let made = cloud_init(system)?.and_then(|cloud| Some((cloud.default_user?, cloud.groups)));
    // Without an account to make, cloud-init leaves it to others; and who brings nothing is another check's.
    if made.is_none() {
        whose.retain(|whose| *whose != Whose::CloudInit);
    }
    if whose.is_empty() {
        whose.push(Whose::Any);
    }
    whose.dedup();
    whose
        .into_iter()
        .map(|whose| match (whose, &made) {
            (Whose::CloudInit, Some((name, groups))) => made_at_boot(system, &all, &sshd, name, groups),
            (Whose::Root, _) => roots(system, &all, &sshd),
            (Whose::Agent, _) => Ok(agents(&sshd)),
            (Whose::CloudInit | Whose::Any, _) => peoples(system, &all, &sshd),
        })
        .collect()
}

/// cloud-init's default user.
fn made_at_boot(
    system: &System<'_, '_>,
    all: &[Account],
    sshd: &Option<Effective>,
    name: &str,
    groups: &[String],
) -> Result<Door> {
    let whose = format!("the key is for {}, an account that cloud-init makes", safe(name));
    let there = all.iter().find(|account| account.name == name);
    let obstacle = match there {
        Some(account) if !account.logs_in() => {
            let what = format!("{} is there already, and has no login shell", safe(name));
            let place = GuestPath(b"/etc/passwd".to_vec());
            Some(Observation::new(Severity::Fail, what).at(&place).line(account.row))
        }
        // Of an account that is there, cloud-init changes no group.
        Some(account) => kept_out(sshd, name, account.uid == 0, &groups_of(system, account)?),
        None => {
            let mut all = vec![name.to_owned()];
            all.extend_from_slice(groups);
            kept_out(sshd, name, false, &all)
        }
    };
    Ok(Door { whose: Some(whose), obstacle })
}

/// An account of a name that is not known.
fn agents(sshd: &Option<Effective>) -> Door {
    let lists = ["AllowUsers", "AllowGroups"];
    let line = sshd.iter().flat_map(|sshd| lists.into_iter().flat_map(|list| sshd.global(list))).next();
    let obstacle = line.map(|line| {
        let what = "sshd lets some accounts in only, and the name of the one that the agent makes is not in the image";
        Observation::new(Severity::Unknown, what).at(&line.file).line(line.line)
    });
    Door { whose: Some("the key is for an account that the agent makes".to_owned()), obstacle }
}

/// Root, whom the key is for.
fn roots(system: &System<'_, '_>, all: &[Account], sshd: &Option<Effective>) -> Result<Door> {
    let whose = Some("the key is for root".to_owned());
    let obstacle = match all.iter().find(|account| account.uid == 0) {
        Some(root) if root.logs_in() => kept_out(sshd, &root.name, true, &groups_of(system, root)?),
        _ => Some(Observation::new(Severity::Fail, "the key is for root, who has no login shell")),
    };
    Ok(Door { whose, obstacle })
}

/// People's accounts, or root's if there are none: one of them is enough.
fn peoples(system: &System<'_, '_>, all: &[Account], sshd: &Option<Effective>) -> Result<Door> {
    let people: Vec<&Account> =
        all.iter().filter(|account| is_person(account) && account.logs_in()).collect();
    if people.is_empty() {
        let root = all.iter().find(|account| account.name == "root");
        return match root {
            Some(root) if root.logs_in() => {
                let door = roots(system, all, sshd)?;
                let whose = "no account but root has a login shell: the key has to be root's";
                Ok(Door { whose: Some(whose.to_owned()), ..door })
            }
            _ => {
                let obstacle = Observation::new(Severity::Fail, "no account has a login shell");
                Ok(Door { whose: None, obstacle: Some(obstacle) })
            }
        };
    }
    let names: Vec<String> = people.iter().map(|account| safe(&account.name)).collect();
    let whose = Some(format!("accounts with a login shell: {}", listed(&names)));
    let mut obstacle = None;
    for account in people {
        match kept_out(sshd, &account.name, false, &groups_of(system, account)?) {
            None => return Ok(Door { whose, obstacle: None }),
            Some(kept) => obstacle = obstacle.or(Some(kept)),
        }
    }
    Ok(Door { whose, obstacle })
}

/// A person's account by its number, with a home to put a key in.
fn is_person(account: &Account) -> bool {
    (1000..65_000).contains(&account.uid) && account.home.starts_with('/') && is_login_shell(&account.shell)
}

/// A line of sshd's configuration that keeps an account out.
fn kept_out(sshd: &Option<Effective>, name: &str, root: bool, groups: &[String]) -> Option<Observation> {
    let sshd = sshd.as_ref()?;
    if let Some(problem) = &sshd.problem {
        let what = format!("sshd's configuration is not understood: {}", safe(problem));
        return Some(Observation::new(Severity::Unknown, what).at(&sshd.main));
    }
    let (severity, line, what) = match sshd.access(Login { name, root, groups }) {
        Access::In => return None,
        Access::Out(line, why) => (Severity::Fail, line, format!("sshd keeps {} out: {why}", safe(name))),
        Access::Depends(line) => {
            let matching = line.matching.as_deref().map(safe).unwrap_or_default();
            let what = format!("whether sshd lets {} in depends on `Match {matching}`", safe(name));
            (Severity::Unknown, line, what)
        }
    };
    Some(Observation::new(severity, what).at(&line.file).line(line.line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    const BASE: &str = "/usr/sbin/sshd\n/usr/lib/systemd/systemd\n/usr/lib/systemd/system/ssh.service = [Unit]\n\
                        /usr/lib/systemd/system/graphical.target = [Unit]\\nWants=ssh.service";
    const CLOUD: &str = "/usr/bin/cloud-init\n/etc/cloud/cloud.cfg = system_info:\\n  default_user:\\n    name: debian\\n    groups: [adm, sudo]\\n";

    #[test]
    fn a_server_that_is_started() {
        assert_eq!(seen(&LOGIN, ""), ["fail no SSH server is installed: nobody can log in with a key"]);
        let passwd = "/etc/passwd = root:x:0:0::/root:/bin/bash\\n";
        let root = "info no account but root has a login shell: the key has to be root's";
        let unknown = "unknown /usr/sbin/sshd is there, but nothing tells whether the boot starts it";
        assert_eq!(seen(&LOGIN, &format!("/usr/sbin/sshd\n{passwd}")), [unknown, root]);
        assert_eq!(seen(&LOGIN, &format!("{BASE}\n{passwd}")), [root]);
        let off = BASE
            .replace("Wants=ssh.service", "Wants=other.service\n/usr/lib/systemd/system/other.service = x");
        let not =
            "fail /usr/sbin/sshd is there, but the boot does not start it: nobody can log in with a key";
        assert_eq!(seen(&LOGIN, &format!("{off}\n{passwd}")), [not, root]);
        let none = "/etc/passwd = root:x:0:0::/root:/sbin/nologin\\n";
        assert_eq!(seen(&LOGIN, &format!("{BASE}\n{none}")), ["fail no account has a login shell"]);
    }

    #[test]
    fn an_account_that_the_key_opens() {
        let made = "info the key is for debian, an account that cloud-init makes";
        assert_eq!(seen(&LOGIN, &format!("{BASE}\n{CLOUD}")), [made]);
        let of = |config: &str| seen(&LOGIN, &format!("{BASE}\n{CLOUD}\n/etc/ssh/sshd_config = {config}"));
        assert_eq!(of("AllowUsers al\\nAllowUsers deb*\\n"), [made]);
        assert_eq!(of("AllowGroups sudo\\n"), [made]);
        assert_eq!(of("Match User al\\nDenyUsers debian\\n"), [made]);
        let out = |line: u32, why: &str| {
            vec![made.to_owned(), format!("fail /etc/ssh/sshd_config:{line} sshd keeps debian out: {why}")]
        };
        assert_eq!(of("AllowUsers al\\n"), out(1, "it allows others only"));
        assert_eq!(of("DenyUsers deb?an\\n"), out(1, "it denies the account"));
        assert_eq!(of("AllowGroups wheel\\n"), out(1, "it allows other groups only"));
        assert_eq!(of("PermitRootLogin no\\n"), [made]);
        let match_ = "unknown /etc/ssh/sshd_config:2 whether sshd lets debian in depends on `Match Address 192.0.2.0/24`";
        assert_eq!(of("Match Address 192.0.2.0/24\\nAllowUsers al\\n"), [made, match_]);
        // An account that is there keeps its groups.
        let there = "/etc/passwd = debian:x:1000:1000::/home/debian:/bin/sh\\n\n/etc/group = debian:x:1000:\\nsudo:x:27:al\\n";
        let config = "/etc/ssh/sshd_config = AllowGroups sudo\\n";
        assert_eq!(
            seen(&LOGIN, &format!("{BASE}\n{CLOUD}\n{there}\n{config}")),
            out(1, "it allows other groups only")
        );
        let people = "/etc/passwd = al:x:1000:1000::/home/al:/bin/sh\\nbob:x:1001:1::/home/bob:/bin/false\\n";
        assert_eq!(seen(&LOGIN, &format!("{BASE}\n{people}")), ["info accounts with a login shell: al"]);
        let nologin = format!("{BASE}\n{people}\n/etc/nologin = x");
        assert_eq!(
            seen(&LOGIN, &nologin),
            [
                "fail /etc/nologin while this file is there, nobody but root logs in",
                "info accounts with a login shell: al"
            ]
        );
    }

    const OWN: &str = "/etc/systemd/system/diskscrub-login-key.service = [Service]\n\
                       /usr/lib/systemd/system/ssh.service.wants/diskscrub-login-key.service -> x\n\
                       /etc/passwd = root:x:0:0::/root:/bin/bash\\nal:x:1000:1000::/home/al:/bin/sh\\n\n\
                       /etc/group = root:x:0:\\nal:x:1000:\\n";

    #[test]
    fn the_key_of_diskscrub_s_own_unit_is_root_s() {
        let of = |config: &str| seen(&LOGIN, &format!("{BASE}\n{OWN}\n/etc/ssh/sshd_config = {config}"));
        let root = "info the key is for root";
        let out =
            |why: &str| [root.to_owned(), format!("fail /etc/ssh/sshd_config:1 sshd keeps root out: {why}")];
        assert_eq!(of("PermitRootLogin prohibit-password\\n"), [root]);
        assert_eq!(of("PermitRootLogin no\\n"), out("it lets root in by no key"));
        assert_eq!(of("AllowUsers al\\n"), out("it allows others only"));
        assert_eq!(of("AllowGroups al\\n"), out("it allows other groups only"));
        assert_eq!(of("AllowGroups r*\\n"), [root]);
        let locked = format!("{BASE}\n{}", OWN.replace("/bin/bash", "/usr/sbin/nologin"));
        let fail = "fail the key is for root, who has no login shell";
        assert_eq!(seen(&LOGIN, &locked), [root, fail]);
        // So is that of a script as the guidelines print it; the key of another bringer is enough.
        let script = "/etc/rc.local [755] = curl http://169.254.169.254/x >> /root/.ssh/authorized_keys\\n\n\
                      /etc/passwd = root:x:0:0::/root:/bin/bash\\n\n/etc/ssh/sshd_config = PermitRootLogin no\\n";
        assert_eq!(seen(&LOGIN, &format!("{BASE}\n{script}")), out("it lets root in by no key"));
        let both = format!("{BASE}\n{CLOUD}\n{OWN}\n/etc/ssh/sshd_config = PermitRootLogin no\\n");
        let made = "info the key is for debian, an account that cloud-init makes";
        assert_eq!(seen(&LOGIN, &both), [made, root]);
    }

    #[test]
    fn an_agent_makes_accounts_of_unknown_names() {
        let agent = "/usr/lib/systemd/system/google-guest-agent.service = [Service]\n\
                     /usr/lib/systemd/system/ssh.service.wants/google-guest-agent.service -> x";
        let of = |config: &str| seen(&LOGIN, &format!("{BASE}\n{agent}\n/etc/ssh/sshd_config = {config}"));
        let made = "info the key is for an account that the agent makes";
        assert_eq!(of("PermitRootLogin no\\n"), [made]);
        let what = "sshd lets some accounts in only, and the name of the one that the agent makes is not in the image";
        assert_eq!(
            of("AllowGroups wheel\\n"),
            [made.to_owned(), format!("unknown /etc/ssh/sshd_config:1 {what}")]
        );
    }
}
