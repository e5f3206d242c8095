//! Accounts that share a number, root's above all.

use std::collections::BTreeMap;

use block::Result;
use scan::GuestPath;

use super::passwords::{listed, safe};
use crate::{Check, Observation, Severity, System, accounts::accounts};

pub(super) const UID_ZERO: Check = Check {
    id: "uid-zero",
    heading: "Twins of root",
    explain: "An account with the user number 0 is root under another name, and escapes what is said of root. Two accounts \
              with any other number own each other's files.",
    advice: "Remove the account, or give it a number of its own.",
    run: uid_zero,
};

fn uid_zero(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let passwd = GuestPath(b"/etc/passwd".to_vec());
    let mut by_number: BTreeMap<u32, Vec<(String, usize)>> = BTreeMap::new();
    for account in accounts(system)? {
        by_number.entry(account.uid).or_default().push((account.name, account.row));
    }
    let mut seen = Vec::new();
    for (uid, names) in by_number {
        if uid == 0 {
            for (name, row) in names.iter().filter(|(name, _)| name != "root") {
                let what = format!("{} is root under another name", safe(name));
                seen.push(Observation::new(Severity::Fail, what).at(&passwd).line(*row));
            }
        } else if names.len() > 1 {
            let (_, row) = names[1];
            let names: Vec<String> = names.iter().map(|(name, _)| safe(name)).collect();
            let what = format!("{} have the user number {uid} in common", listed(&names));
            seen.push(Observation::new(Severity::Warn, what).at(&passwd).line(row));
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    #[test]
    fn numbers_are_ones_own() {
        let passwd = "/etc/passwd = root:x:0:0::/root:/bin/sh\\nal:x:1:1::/:/bin/sh\\n";
        assert_eq!(seen(&UID_ZERO, passwd), [""; 0]);
        assert_eq!(
            seen(&UID_ZERO, &format!("{passwd}toor:x:0:0::/root:\\nbob:x:1:1::/:/bin/sh\\n")),
            [
                "fail /etc/passwd:3 toor is root under another name",
                "warn /etc/passwd:4 al, bob have the user number 1 in common",
            ]
        );
    }
}
