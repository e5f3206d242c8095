//! The accounts that a guest knows, and whether their passwords let anybody in. A hash never leaves this module but to
//! be tried.

use std::fmt;

use block::Result;
use scan::GuestPath;

use crate::System;

/// Accounts that are looked at: more than any image has, and a bound on hostile files.
const MAX_ACCOUNTS: usize = 100_000;
/// Programs that end at once, or let nobody do anything: no login shells.
const NO_SHELLS: &[&str] = &["nologin", "false", "sync", "shutdown", "halt", "true", "git-shell"];

/// What stands in a password field, shadow(5).
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Password {
    /// Nothing: anybody is let in.
    Empty,
    /// No password matches it: `*`, `!`, and what `passwd -l` makes of a hash.
    Locked,
    /// A hash.
    Hash(String),
}

// The hash is a secret.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Locked => "Locked",
            Self::Hash(_) => "Hash(..)",
        })
    }
}

impl Password {
    fn of(field: &str) -> Self {
        match field {
            "" => Self::Empty,
            _ if field.starts_with(['!', '*']) || field == "x" => Self::Locked,
            // Marks without a hash: `LK`, `NP`, `*LK*`. The shortest hash, DES's, has 13 characters.
            _ if field.len() < 13 => Self::Locked,
            _ => Self::Hash(field.to_owned()),
        }
    }
}

/// An account.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) shell: String,
    pub(crate) home: String,
    pub(crate) password: Password,
    /// The file with the password field, and the line in it.
    pub(crate) path: GuestPath,
    pub(crate) line: usize,
    /// Line in passwd(5).
    pub(crate) row: usize,
}

impl Account {
    /// Whether its shell is one to log in with. None in passwd(5) means `/bin/sh`.
    pub(crate) fn logs_in(&self) -> bool {
        is_login_shell(&self.shell)
    }
}

/// Whether somebody with this shell can do anything.
pub(crate) fn is_login_shell(shell: &str) -> bool {
    let name = shell.rsplit('/').next().unwrap_or_default();
    !NO_SHELLS.contains(&name)
}

/// The accounts of passwd(5) with their passwords, in its order; lines that are none are passed over.
pub(crate) fn accounts(system: &System<'_, '_>) -> Result<Vec<Account>> {
    let passwd = system.text("/etc/passwd")?.unwrap_or_default();
    let shadow = rows(&system.text("/etc/shadow")?.unwrap_or_default());
    let shadow: std::collections::HashMap<&str, (usize, &str)> = shadow
        .iter()
        .rev()
        .filter_map(|(line, row)| Some((row.first()?.as_str(), (*line, row.get(1)?.as_str()))))
        .collect();
    let mut accounts = Vec::new();
    for (row, fields) in rows(&passwd).into_iter().take(MAX_ACCOUNTS) {
        let [name, field, uid, gid, _gecos, home, rest @ ..] = fields.as_slice() else { continue };
        let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse()) else { continue };
        let (mut path, mut line, mut password) = ("/etc/passwd".to_owned(), row, Password::of(field));
        // Only `x` sends login to shadow; a shadow without the account locks it.
        if field == "x" {
            let tcb = format!("/etc/tcb/{name}/shadow");
            if let Some((there, field)) = shadow.get(name.as_str()) {
                (path, line, password) = ("/etc/shadow".to_owned(), *there, Password::of(field));
            } else if !name.contains(['/', '\0'])
                && let Some(text) = system.text(&tcb)?
                && let Some((there, fields)) = rows(&text).into_iter().find(|(_, row)| row[0] == *name)
            {
                let field = fields.get(1).map_or("*", String::as_str);
                (path, line, password) = (tcb, there, Password::of(field));
            }
        }
        accounts.push(Account {
            name: name.clone(),
            uid,
            gid,
            shell: rest.first().cloned().unwrap_or_default(),
            home: home.clone(),
            password,
            path: GuestPath(path.into_bytes()),
            line,
            row,
        });
    }
    Ok(accounts)
}

/// Members of groups, by the group's name: `None` if there is no such group.
pub(crate) fn group(system: &System<'_, '_>, name: &str) -> Result<Option<Vec<String>>> {
    let text = system.text("/etc/group")?.unwrap_or_default();
    let found = rows(&text).into_iter().find(|(_, row)| row[0] == name);
    Ok(found.map(|(_, row)| {
        let members = row.get(3).map(String::as_str).unwrap_or_default();
        members.split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect()
    }))
}

/// The groups that an account is in, its own one first.
pub(crate) fn groups_of(system: &System<'_, '_>, account: &Account) -> Result<Vec<String>> {
    let text = system.text("/etc/group")?.unwrap_or_default();
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for (_, row) in rows(&text).into_iter().take(MAX_ACCOUNTS) {
        let [name, _, gid, members @ ..] = row.as_slice() else { continue };
        if gid.parse() == Ok(account.gid) {
            own.push(name.clone());
        } else if members.iter().flat_map(|list| list.split(',')).any(|member| member == account.name) {
            others.push(name.clone());
        }
    }
    own.extend(others);
    Ok(own)
}

/// Lines with their columns; none of NIS's, and no comments.
fn rows(text: &str) -> Vec<(usize, Vec<String>)> {
    let lines = (1..).zip(text.lines());
    lines
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with(['#', '+', '-']))
        .map(|(number, line)| (number, line.trim_end_matches('\r').split(':').map(str::to_owned).collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_system;

    #[test]
    fn passwords_come_from_where_login_looks() {
        let tree = "/etc/passwd = root:x:0:0:root:/root:/bin/bash\\nal::1000:1000::/home/al:\\n\
                    bob:x:1001:1001::/home/bob:/usr/sbin/nologin\\neve:x:1002:1002::/home/eve:/bin/sh\\n\
                    tcb:x:1003:1003::/:/bin/sh\\n+::::::\\nbroken:x:y\\n\n\
                    /etc/shadow = root:!*:1::::::\\nbob::1::::::\\nbob:!:1::::::\n/etc/tcb/tcb/shadow = tcb:abcdefghijklmno:\n";
        with_system(tree, |system| {
            let seen: Vec<String> = accounts(system)
                .unwrap()
                .iter()
                .map(|a| format!("{} {:?} {}:{} {}", a.name, a.password, a.path, a.line, a.logs_in()))
                .collect();
            assert_eq!(
                seen,
                [
                    "root Locked /etc/shadow:1 true",
                    "al Empty /etc/passwd:2 true",
                    "bob Empty /etc/shadow:2 false",
                    "eve Locked /etc/passwd:4 true",
                    "tcb Hash(..) /etc/tcb/tcb/shadow:1 true",
                ]
            );
        });
    }
}
