//! Whether anybody can log in to a cleaned image at all.

use block::Result;
use scan::GuestPath;

use super::{SERVER_UNITS, SERVERS};
use crate::{
    Check, Observation, Severity, System,
    accounts::{Account, accounts, is_login_shell},
    checks::passwords::{listed, safe},
    cloud_init::cloud_init,
    services,
};

pub(in crate::checks) const LOGIN: Check = Check {
    id: "login",
    heading: "An account that the key opens",
    explain: "An SSH server that the boot starts, an account with a login shell that the key is for (cloud-init's default \
              user, which it makes; an agent's; or one that is there), and no line of sshd's that keeps it out: AllowUsers, \
              AllowGroups and their opposites.",
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
    let all = accounts(system)?;
    let people: Vec<&Account> =
        all.iter().filter(|account| is_person(account) && account.logs_in()).collect();
    let cloud = cloud_init(system)?.filter(|cloud| cloud.off.is_none());
    if let Some(name) = cloud.as_ref().and_then(|cloud| cloud.default_user.clone()) {
        let groups = cloud.map(|cloud| cloud.groups).unwrap_or_default();
        seen.push(Observation::new(
            Severity::Info,
            format!("the key is for {}, an account that cloud-init makes", safe(&name)),
        ));
        if let Some(account) = all.iter().find(|account| account.name == name && !account.logs_in()) {
            let what = format!("{} is there already, and has no login shell", safe(&name));
            let place = GuestPath(b"/etc/passwd".to_vec());
            seen.push(Observation::new(Severity::Fail, what).at(&place).line(account.row));
        }
        seen.extend(kept_out(system, &name, &groups)?);
    } else if people.is_empty() {
        let root = all.iter().find(|account| account.name == "root");
        seen.push(match root {
            Some(root) if root.logs_in() => Observation::new(
                Severity::Info,
                "no account but root has a login shell: the key has to be root's",
            ),
            _ => Observation::new(Severity::Fail, "no account has a login shell"),
        });
    } else {
        let names: Vec<String> = people.iter().map(|account| safe(&account.name)).collect();
        seen.push(Observation::new(
            Severity::Info,
            format!("accounts with a login shell: {}", listed(&names)),
        ));
        let mut out = Vec::new();
        for account in &people {
            out.push(kept_out(system, &account.name, &[])?);
        }
        if out.iter().all(Option::is_some) {
            seen.extend(out.into_iter().flatten().next());
        }
    }
    Ok(seen)
}

/// A person's account by its number, with a home to put a key in.
fn is_person(account: &Account) -> bool {
    (1000..65_000).contains(&account.uid) && account.home.starts_with('/') && is_login_shell(&account.shell)
}

/// A line of sshd's configuration that keeps an account out: it is denied, or others are allowed. Lines in `Match` blocks
/// count only for those whom they match, and are left out.
fn kept_out(system: &System<'_, '_>, name: &str, groups: &[String]) -> Result<Option<Observation>> {
    let mut files = vec![GuestPath(b"/etc/ssh/sshd_config".to_vec())];
    files.extend(system.files("/etc/ssh/sshd_config.d", ".conf")?.into_iter().map(|item| item.path));
    let mut allowed: Vec<(String, bool, GuestPath, usize)> = Vec::new();
    for path in files {
        let text = services::small(system, &path.0)?.unwrap_or_default();
        for (number, line) in (1..).zip(text.lines()) {
            let words: Vec<&str> = line.split([' ', '\t', '=']).filter(|word| !word.is_empty()).collect();
            let Some((keyword, values)) = words.split_first() else { continue };
            let keyword = keyword.to_lowercase();
            if keyword == "match" {
                break;
            }
            let users = values.iter().any(|value| matches(value.split('@').next().unwrap_or_default(), name));
            let in_group =
                |value: &&str| groups.iter().any(|group| matches(value, group)) || matches(value, name);
            let by_group = values.iter().any(in_group);
            match keyword.as_str() {
                "denyusers" if users => {
                    let what = format!("sshd keeps {} out", safe(name));
                    return Ok(Some(Observation::new(Severity::Fail, what).at(&path).line(number)));
                }
                "denygroups" if by_group => {
                    let what = format!("sshd keeps a group of {} out", safe(name));
                    return Ok(Some(Observation::new(Severity::Warn, what).at(&path).line(number)));
                }
                "allowusers" => allowed.push((keyword, users, path.clone(), number)),
                "allowgroups" => allowed.push((keyword, by_group, path.clone(), number)),
                _ => {}
            }
        }
    }
    // Lists of one keyword add up; both have to let the account in.
    for (keyword, what) in [
        ("allowusers", "lets others in, but not"),
        ("allowgroups", "lets groups in, none of which is known of"),
    ] {
        let lists: Vec<_> = allowed.iter().filter(|(known, ..)| known == keyword).collect();
        if let Some((_, _, path, line)) = lists.first()
            && lists.iter().all(|(_, in_it, ..)| !in_it)
        {
            let what = format!("sshd {what} {}", safe(name));
            return Ok(Some(Observation::new(Severity::Warn, what).at(path).line(*line)));
        }
    }
    Ok(None)
}

/// Patterns of ssh_config(5): `*` and `?`.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // Which starts of the name the pattern so far matches.
    let mut starts = vec![false; name.len() + 1];
    starts[0] = true;
    for c in pattern {
        let mut next = vec![false; name.len() + 1];
        for at in 0..=name.len() {
            next[at] = match c {
                '*' => starts[at] || (at > 0 && next[at - 1]),
                '?' => at > 0 && starts[at - 1],
                c => at > 0 && starts[at - 1] && name[at - 1] == c,
            };
        }
        starts = next;
    }
    starts[name.len()]
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
        assert_eq!(
            of("AllowUsers al\\n"),
            [made, "warn /etc/ssh/sshd_config:1 sshd lets others in, but not debian"]
        );
        assert_eq!(of("DenyUsers deb?an\\n"), [made, "fail /etc/ssh/sshd_config:1 sshd keeps debian out"]);
        assert_eq!(
            of("AllowGroups wheel\\n"),
            [made, "warn /etc/ssh/sshd_config:1 sshd lets groups in, none of which is known of debian"]
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

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a?c", "ac", false),
            ("", "a", false),
            ("ab", "abc", false),
            ("**b", "b", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
