//! What sshd lets in, by the whole of its configuration: root, passwords, and whether it looks names up.

mod options;

use block::Result;
use scan::sshd::{Effective, Setting, effective};

use super::passwords::safe;
use crate::{Check, Observation, Severity, System};

pub(super) const SSHD_ROOT: Check = Check {
    id: "sshd-root",
    heading: "Root's login over SSH",
    explain: "PermitRootLogin as sshd takes it from all files of its configuration, and in every `Match` block: `yes` lets \
              root log in with a password. Where no line says anything, OpenSSH 7.0 and later let root in with a key only, \
              older ones with a password. Options that sshd is started with win over all files.",
    advice: "Set `PermitRootLogin prohibit-password` (rule `sshd-root-login`).",
    run: sshd_root,
};

pub(super) const SSHD_PASSWORDS: Check = Check {
    id: "sshd-passwords",
    heading: "Logins with passwords over SSH",
    explain: "PubkeyAuthentication, PasswordAuthentication and KbdInteractiveAuthentication (or \
              ChallengeResponseAuthentication, its older name) as sshd takes them from all files of its configuration, and \
              in every `Match` block. Where no line says anything, sshd takes passwords. AuthenticationMethods that ask \
              for a key in every case are enough. Options that sshd is started with win over all files.",
    advice: "Set `PubkeyAuthentication yes`, `PasswordAuthentication no` and `KbdInteractiveAuthentication no` (rules \
             `sshd-pubkey` and `sshd-no-passwords`).",
    run: sshd_passwords,
};

pub(super) const SSHD_DNS: Check = Check {
    id: "sshd-dns",
    heading: "Look-ups of clients' names by sshd",
    explain: "UseDNS as sshd takes it from all files of its configuration; `no` is the default since OpenSSH 6.8. Optional: \
              a look-up delays logins while DNS does not answer.",
    advice: "Set `UseDNS no` (rule `sshd-no-dns`).",
    run: sshd_dns,
};

/// OpenSSH with `prohibit-password` as PermitRootLogin's default, and with `no` as UseDNS's.
const ROOT_WITH_KEY: (u32, u32) = (7, 0);
const NO_DNS: (u32, u32) = (6, 8);
/// Names of one setting.
const KEYBOARD: &[&str] = &["KbdInteractiveAuthentication", "ChallengeResponseAuthentication"];

const KEYS_ONLY: &str = "sshd takes keys and no passwords";

type Judge = fn(&Effective, &mut Vec<Observation>);

/// Judges the configuration, if there is one that can be understood.
fn judged(system: &System<'_, '_>, judge: Judge) -> Result<Vec<Observation>> {
    let Some(found) = effective(system.guest())? else {
        let server = system.first(&["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"])?;
        return Ok(vec![match server {
            Some(_) => Observation::new(Severity::Unknown, "sshd is installed, but has no sshd_config"),
            None => Observation::new(Severity::Info, "no OpenSSH server is installed"),
        }]);
    };
    if let Some(problem) = &found.problem {
        let what = format!("sshd's configuration is not understood: {}", safe(problem));
        return Ok(vec![Observation::new(Severity::Unknown, what).at(&found.main)]);
    }
    let mut seen = Vec::new();
    judge(&found, &mut seen);
    Ok(seen)
}

fn shown(setting: &Setting, severity: Severity, what: impl Into<String>) -> Observation {
    Observation::new(severity, what).at(&setting.file).line(setting.line)
}

fn value(setting: &Setting) -> String {
    setting.values.first().map(|value| value.to_ascii_lowercase()).unwrap_or_default()
}

/// `, for those whom `Match User al` is for`.
fn for_whom(setting: &Setting) -> String {
    setting
        .matching
        .as_deref()
        .map(|matching| format!(", for `Match {}`", safe(matching)))
        .unwrap_or_default()
}

fn sshd_root(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let mut seen = judged(system, |found, seen| {
        match found.global("PermitRootLogin").next() {
            Some(setting) if value(setting) == "yes" => {
                seen.push(shown(setting, Severity::Fail, "root may log in with a password"));
            }
            Some(setting) => {
                let what = format!("PermitRootLogin is {}", safe(&value(setting)));
                seen.push(shown(setting, Severity::Info, what));
            }
            None => seen.push(match found.version {
                Some(version) if version >= ROOT_WITH_KEY => {
                    Observation::new(Severity::Info, "sshd's default lets root in with a key only")
                }
                Some(_) => Observation::new(Severity::Fail, "the default of this old sshd lets root in with a password"),
                None => Observation::new(
                    Severity::Unknown,
                    "no line sets PermitRootLogin, and the version of sshd, which its default goes by, was not found",
                ),
            }),
        }
        for setting in found.overrides("PermitRootLogin").filter(|setting| value(setting) == "yes") {
            let what = format!("root may log in with a password{}", for_whom(setting));
            seen.push(shown(setting, Severity::Fail, what));
        }
    })?;
    seen.extend(options::against(system, &[("PermitRootLogin", "yes")])?);
    Ok(seen)
}

fn sshd_passwords(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let mut seen = judged(system, |found, seen| {
        let off = |setting: &&Setting| value(setting) == "no";
        seen.extend(
            found
                .global("PubkeyAuthentication")
                .next()
                .filter(off)
                .map(|setting| shown(setting, Severity::Fail, "sshd takes no keys")),
        );
        let methods = "AuthenticationMethods";
        let always = found.overrides(methods).all(asks_for_key);
        if let Some(setting) = found.global(methods).next().filter(|setting| always && asks_for_key(setting))
        {
            let what = "AuthenticationMethods asks for a key in every case";
            seen.push(shown(setting, Severity::Info, what));
        } else {
            passwords(found, seen);
        }
        if seen.iter().all(|seen| seen.severity != Severity::Fail) {
            seen.push(Observation::new(Severity::Info, KEYS_ONLY));
        }
    })?;
    let bad = [
        ("PasswordAuthentication", "yes"),
        (KEYBOARD[0], "yes"),
        (KEYBOARD[1], "yes"),
        ("PubkeyAuthentication", "no"),
    ];
    let given = options::against(system, &bad)?;
    if !given.is_empty() {
        seen.retain(|seen| seen.what != KEYS_ONLY);
    }
    seen.extend(given);
    Ok(seen)
}

fn passwords(found: &Effective, seen: &mut Vec<Observation>) {
    let yes = |setting: &&Setting| value(setting) != "no";
    match found.global("PasswordAuthentication").next() {
        Some(setting) if yes(&setting) => seen.push(shown(setting, Severity::Fail, "sshd takes passwords")),
        Some(_) => {}
        None => {
            let what = "no line sets PasswordAuthentication: sshd takes passwords";
            seen.push(Observation::new(Severity::Fail, what).at(&found.main));
        }
    }
    // By keyboard, a password is what PAM asks for; without PAM, nothing does.
    let pam = found.global("UsePAM").next().is_some_and(|setting| yes(&setting));
    let mut keyboard: Vec<&Setting> = KEYBOARD.iter().flat_map(|keyword| found.global(keyword)).collect();
    keyboard.retain(yes);
    let silent = KEYBOARD.iter().all(|keyword| found.global(keyword).next().is_none());
    if let Some(setting) = keyboard.first().filter(|_| pam) {
        seen.push(shown(setting, Severity::Fail, "sshd takes passwords that PAM asks for by keyboard"));
    } else if silent && pam {
        let what =
            "no line sets KbdInteractiveAuthentication: sshd takes passwords that PAM asks for by keyboard";
        seen.push(Observation::new(Severity::Fail, what).at(&found.main));
    }
    for keyword in ["PasswordAuthentication"].iter().chain(KEYBOARD) {
        for setting in found.overrides(keyword).filter(yes) {
            let what = format!("{keyword} is on{}", for_whom(setting));
            seen.push(shown(setting, Severity::Fail, what));
        }
    }
}

/// Whether every one of the alternatives of AuthenticationMethods has a key in it.
fn asks_for_key(setting: &Setting) -> bool {
    let key = |list: &String| list.split(',').any(|method| method.eq_ignore_ascii_case("publickey"));
    !setting.values.is_empty() && setting.values.iter().all(key)
}

fn sshd_dns(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    judged(system, |found, seen| {
        let what = "sshd looks up the names of clients";
        seen.push(match found.global("UseDNS").next() {
            Some(setting) if value(setting) == "no" => shown(setting, Severity::Info, "UseDNS is no"),
            Some(setting) => shown(setting, Severity::Warn, what),
            None if found.version.is_some_and(|version| version < NO_DNS) => {
                Observation::new(Severity::Warn, format!("{what}, by the default of this old sshd"))
            }
            None => Observation::new(Severity::Info, "UseDNS is no, by sshd's default"),
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    const NEW: &str = "/usr/sbin/sshd = \u{1}OpenSSH_9.2p1 Debian\u{1}\n";

    fn of(check: &Check, config: &str) -> Vec<String> {
        seen(check, &format!("{NEW}/etc/ssh/sshd_config = {config}"))
    }

    #[test]
    fn root() {
        assert_eq!(seen(&SSHD_ROOT, ""), ["info no OpenSSH server is installed"]);
        assert_eq!(seen(&SSHD_ROOT, NEW), ["unknown sshd is installed, but has no sshd_config"]);
        assert_eq!(
            of(&SSHD_ROOT, "#PermitRootLogin yes\\n"),
            ["info sshd's default lets root in with a key only"]
        );
        assert_eq!(
            of(
                &SSHD_ROOT,
                "Include /etc/ssh/sshd_config.d/*.conf\\nPermitRootLogin no\\n\n/etc/ssh/sshd_config.d/a.conf = PermitRootLogin yes\\n"
            ),
            ["fail /etc/ssh/sshd_config.d/a.conf:1 root may log in with a password"]
        );
        assert_eq!(
            of(&SSHD_ROOT, "PermitRootLogin no\\nMatch Address 10.0.0.0/8\\n PermitRootLogin yes\\n"),
            [
                "info /etc/ssh/sshd_config:1 PermitRootLogin is no",
                "fail /etc/ssh/sshd_config:3 root may log in with a password, for `Match Address 10.0.0.0/8`",
            ]
        );
        let old = "/usr/sbin/sshd = \u{1}OpenSSH_6.6p1\u{1}\n/etc/ssh/sshd_config = Port 22\\n";
        assert_eq!(seen(&SSHD_ROOT, old), ["fail the default of this old sshd lets root in with a password"]);
        let unknown = seen(&SSHD_ROOT, "/etc/ssh/sshd_config = Port 22\\n");
        assert!(unknown[0].starts_with("unknown no line sets PermitRootLogin"), "{unknown:?}");
    }

    #[test]
    fn passwords_and_keys() {
        let safe = "info sshd takes keys and no passwords";
        assert_eq!(
            of(
                &SSHD_PASSWORDS,
                "PasswordAuthentication no\\nKbdInteractiveAuthentication no\\nUsePAM yes\\n"
            ),
            [safe]
        );
        assert_eq!(of(&SSHD_PASSWORDS, "PasswordAuthentication no\\nUsePAM no\\n"), [safe]);
        assert_eq!(
            of(&SSHD_PASSWORDS, "UsePAM yes\\n"),
            [
                "fail /etc/ssh/sshd_config no line sets PasswordAuthentication: sshd takes passwords",
                "fail /etc/ssh/sshd_config no line sets KbdInteractiveAuthentication: sshd takes passwords that PAM asks for by keyboard",
            ]
        );
        assert_eq!(
            of(
                &SSHD_PASSWORDS,
                "PubkeyAuthentication no\\nPasswordAuthentication no\\nUsePAM yes\\nChallengeResponseAuthentication yes\\n\
                Match User al\\nPasswordAuthentication yes\\n"
            ),
            [
                "fail /etc/ssh/sshd_config:1 sshd takes no keys",
                "fail /etc/ssh/sshd_config:4 sshd takes passwords that PAM asks for by keyboard",
                "fail /etc/ssh/sshd_config:6 PasswordAuthentication is on, for `Match User al`",
            ]
        );
        let methods = of(&SSHD_PASSWORDS, "AuthenticationMethods publickey publickey,password\\n");
        assert_eq!(
            methods,
            ["info /etc/ssh/sshd_config:1 AuthenticationMethods asks for a key in every case", safe]
        );
        assert_eq!(
            of(
                &SSHD_PASSWORDS,
                "AuthenticationMethods publickey\\nPasswordAuthentication no\\nMatch User al\\n\
                 AuthenticationMethods password\\nPasswordAuthentication yes\\n"
            ),
            ["fail /etc/ssh/sshd_config:5 PasswordAuthentication is on, for `Match User al`"]
        );
        let started =
            "PasswordAuthentication no\\n\n/etc/default/ssh = SSHD_OPTS=-oPasswordAuthentication=yes\\n";
        assert_eq!(
            of(&SSHD_PASSWORDS, started),
            [
                "fail /etc/default/ssh:1 sshd is started with `-o PasswordAuthentication=yes`, which wins over sshd_config"
            ]
        );
    }

    #[test]
    fn dns() {
        assert_eq!(of(&SSHD_DNS, "Port 22\\n"), ["info UseDNS is no, by sshd's default"]);
        assert_eq!(of(&SSHD_DNS, "UseDNS no\\n"), ["info /etc/ssh/sshd_config:1 UseDNS is no"]);
        assert_eq!(
            of(&SSHD_DNS, "UseDNS yes\\n"),
            ["warn /etc/ssh/sshd_config:1 sshd looks up the names of clients"]
        );
    }

    #[test]
    fn what_is_not_understood_is_not_decided() {
        for check in [&SSHD_ROOT, &SSHD_PASSWORDS, &SSHD_DNS] {
            let seen = of(check, "PermitRootLogin\\n");
            assert!(
                seen.len() == 1 && seen[0].starts_with("unknown /etc/ssh/sshd_config sshd's configuration"),
                "{seen:?}"
            );
        }
    }
}
