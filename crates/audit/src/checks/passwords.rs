//! Passwords that open accounts: usual ones, none at all, and root's.

use block::Result;

use super::programs;
use crate::{
    Check, Observation, Severity, System,
    accounts::{Account, Password, accounts},
    hashes,
};

pub(super) const DEFAULT_PASSWORDS: Check = Check {
    id: "default-passwords",
    heading: "Usual passwords, and none",
    explain: "Accounts of passwd(5) and shadow(5) that an empty field lets anybody into, and hashes that a usual password \
              opens: the account's name, `password`, `changeme` and a score of others. md5-crypt, sha-crypt, bcrypt and \
              yescrypt are tried, as far as a bounded time goes; what could not be tried is said. Other hashes are what \
              the rule `password-hashes` is for. Of programs: usual passwords in Tomcat's users, PostgreSQL's method \
              `trust`, MySQL without its table of grants, MongoDB without authorization.",
    advice: "Lock the account (`passwd -l NAME`, or the rule `password-hashes`), and let the first boot bring a key; give \
             a program's accounts passwords of their own when the clone starts.",
    run: default_passwords,
};

pub(super) const ROOT_PASSWORD: Check = Check {
    id: "root-password",
    heading: "Root's password",
    explain: "Root's field in shadow(5): locked, or one that opens the account on every clone.",
    advice: "Lock it: `passwd -l root`, or the rule `password-hashes`.",
    run: root_password,
};

/// What images are published with, the most frequent first; the account's own name comes before them.
const USUAL: &[&str] = &[
    "password",
    "root",
    "toor",
    "admin",
    "vagrant",
    "changeme",
    "123456",
    "ubuntu",
    "debian",
    "centos",
    "default",
    "test",
    "guest",
    "user",
    "ec2-user",
    "outscale",
    "cloud",
    "packer",
    "linux",
    "fedora",
    "rocky",
    "alpine",
    "alarm",
    "pi",
    "raspberry",
    "12345",
    "12345678",
    "123456789",
    "1234",
    "qwerty",
    "letmein",
    "secret",
    "pass",
    "welcome",
    "osboxes.org",
    "kali",
    "dietpi",
    "opensuse",
    "oracle",
    "passw0rd",
    "Password1",
    "P@ssw0rd",
    "administrator",
];
/// Rounds of SHA-512 that one account, and all together, may cost: a second and half a minute or so.
const PER_ACCOUNT: u64 = 1_400_000;
const IN_ALL: u64 = 40_000_000;
/// Names in one sentence.
const NAMED: usize = 5;

fn default_passwords(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    if !system.exists("/etc/passwd")? {
        return Ok(vec![Observation::new(Severity::Unknown, "there is no /etc/passwd")]);
    }
    let mut seen = Vec::new();
    let (mut left, mut partly, mut untried) = (IN_ALL, Vec::new(), Vec::new());
    for account in accounts(system)? {
        let shown = |severity, what| Observation::new(severity, what).at(&account.path).line(account.line);
        let name = &account.name;
        match &account.password {
            Password::Empty if account.logs_in() => {
                seen.push(shown(Severity::Fail, format!("{} logs in without a password", safe(name))));
            }
            Password::Empty => {
                let what = format!("{} has no password, but no login shell either", safe(name));
                seen.push(shown(Severity::Warn, what));
            }
            Password::Locked => {}
            Password::Hash(hash) => match attempt(&account, hash, &mut left) {
                Tried::Opens => {
                    seen.push(shown(
                        Severity::Fail,
                        format!("a usual password opens the account {}", safe(name)),
                    ));
                }
                Tried::All => {}
                Tried::Some => partly.push(safe(name)),
                Tried::None => untried.push(safe(name)),
            },
        }
    }
    for (names, what) in [
        (partly, "only some usual passwords were tried, as each takes long: "),
        (untried, "no usual password was tried, as the hash is of another kind or takes too long: "),
    ] {
        if !names.is_empty() {
            seen.push(Observation::new(Severity::Info, format!("{what}{}", listed(&names))));
        }
    }
    seen.extend(programs::programs(system)?);
    Ok(seen)
}

enum Tried {
    Opens,
    All,
    Some,
    None,
}

fn attempt(account: &Account, hash: &str, left: &mut u64) -> Tried {
    let Some(cost) = hashes::cost(hash) else { return Tried::None };
    let mut own = PER_ACCOUNT.min(*left);
    let candidates = [account.name.as_str(), ""].into_iter().chain(USUAL.iter().copied());
    for (number, password) in candidates.enumerate() {
        if own < cost {
            return if number == 0 { Tried::None } else { Tried::Some };
        }
        own -= cost;
        *left -= cost;
        if hashes::opens(password, hash) {
            return Tried::Opens;
        }
    }
    Tried::All
}

fn root_password(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let Some(root) = accounts(system)?.into_iter().find(|account| account.name == "root") else {
        return Ok(vec![Observation::new(Severity::Unknown, "there is no account root in /etc/passwd")]);
    };
    let (severity, what) = match root.password {
        Password::Empty => (Severity::Fail, "root needs no password"),
        Password::Hash(_) => (Severity::Fail, "root has a password, the same on every clone"),
        Password::Locked => (Severity::Info, "root's password is locked"),
    };
    Ok(vec![Observation::new(severity, what).at(&root.path).line(root.line)])
}

/// A name as a sentence can have it: from the image, so escaped.
pub(super) fn safe(name: &str) -> String {
    block::visible(&name.chars().take(64).collect::<String>()).into_owned()
}

/// `a, b and 4 more`.
pub(super) fn listed(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    /// `password`, and something that nobody uses, as sha512-crypt with the fewest rounds.
    const USUAL_HASH: &str = "$6$rounds=1000$roundsalt$.5mYe7AXZNNji.rZibqlffO.3YoDcHSMpZ5Cq8cnumEpfdJgb2OF7BpRYEbbKR2anPgTQaFLkwuLmK7AYQU0/0";

    #[test]
    fn usual_passwords_and_none() {
        let passwd =
            "/etc/passwd = root:x:0:0::/root:/bin/sh\\nal:x:1:1::/:/bin/sh\\nbob:x:2:2::/:/sbin/nologin\\n";
        let locked = format!("{passwd}\n/etc/shadow = root:*:::\\nal:!{USUAL_HASH}:::\\nbob:!!:::\\n");
        assert_eq!(seen(&DEFAULT_PASSWORDS, &locked), [""; 0]);
        let open = format!("{passwd}\n/etc/shadow = root:{USUAL_HASH}:::\\nal::::\\nbob::::\\n");
        assert_eq!(
            seen(&DEFAULT_PASSWORDS, &open),
            [
                "fail /etc/shadow:1 a usual password opens the account root",
                "fail /etc/shadow:2 al logs in without a password",
                "warn /etc/shadow:3 bob has no password, but no login shell either",
            ]
        );
        let costly = format!("{passwd}\n/etc/shadow = root:$2b$31$xxxxxxxxxxxxx:::\\nal:abcdefghijklm:::\\n");
        let untried =
            "info no usual password was tried, as the hash is of another kind or takes too long: root, al";
        assert_eq!(seen(&DEFAULT_PASSWORDS, &costly), [untried]);
        assert_eq!(seen(&DEFAULT_PASSWORDS, ""), ["unknown there is no /etc/passwd"]);
    }

    #[test]
    fn a_lot_of_hashes_takes_bounded_time() {
        let mut passwd = "/etc/passwd = ".to_owned();
        for n in 0..10_000 {
            passwd.push_str(&format!("u{n}:$6$rounds=500000$salt$x:{n}:1::/:/bin/sh\\n"));
        }
        let seen = seen(&DEFAULT_PASSWORDS, &passwd);
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(seen[0].starts_with("info only some") && seen[1].starts_with("info no usual"));
    }

    #[test]
    fn roots_password() {
        let passwd = "/etc/passwd = root:x:0:0::/root:/bin/sh\\n";
        let of = |field: &str| {
            seen(&ROOT_PASSWORD, &format!("{passwd}\n/etc/shadow = daemon:*:1\\nroot:{field}:1::::::\\n"))
        };
        assert_eq!(of("*"), ["info /etc/shadow:2 root's password is locked"]);
        assert_eq!(of("!"), ["info /etc/shadow:2 root's password is locked"]);
        assert_eq!(of(""), ["fail /etc/shadow:2 root needs no password"]);
        assert_eq!(of(USUAL_HASH), ["fail /etc/shadow:2 root has a password, the same on every clone"]);
        assert_eq!(seen(&ROOT_PASSWORD, ""), ["unknown there is no account root in /etc/passwd"]);
    }
}
