//! An account goes from the files that list accounts, groups and their ranges of numbers, as `userdel` does it.

use super::{
    Account, Context, Outcome, Rewrite,
    lines::{self, Fate},
    names,
};

/// Columns of passwd(5), shadow(5), group(5) and gshadow(5), subuid(5).
const PASSWD: usize = 7;
const SHADOW: usize = 9;
const GROUP: usize = 4;
const RANGE: usize = 3;
/// The user's group in passwd; the number of a group; lists of a group's people.
const PASSWD_GID: usize = 3;
const GID: usize = 2;
const ADMINISTRATORS: usize = 2;
const MEMBERS: usize = 3;

/// Whether the group of an account's name is there for it alone: its own by number, nobody else's, and without other
/// members (userdel(8), USERGROUPS_ENAB).
#[must_use]
pub fn own_group(account: &str, passwd: &[u8], group: &[u8]) -> bool {
    let account = account.as_bytes();
    let users: Vec<_> = lines::lines(passwd).filter_map(|line| lines::row(line.text)).collect();
    let gid = |name: &[u8]| Some(*users.iter().find(|row| row[0] == name)?.get(PASSWD_GID)?);
    let Some(gid) = gid(account) else { return false };
    let others = users.iter().any(|row| row[0] != account && row.get(PASSWD_GID) == Some(&gid));
    let mut groups = lines::lines(group).filter_map(|line| lines::row(line.text));
    !others
        && groups.any(|row| {
            let alone = |members: &&[u8]| members.is_empty() || *members == account;
            row[0] == account && row.get(GID) == Some(&gid) && row.get(MEMBERS).is_none_or(alone)
        })
}

/// A list of names without one; `None` if it is not in it.
fn without(list: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let all: Vec<&[u8]> = list.split(|&byte| byte == b',').collect();
    let rest: Vec<&[u8]> = all.iter().copied().filter(|one| one.trim_ascii() != name).collect();
    (rest.len() < all.len()).then(|| rest.join(&b','))
}

pub(super) fn remove(file: &[u8], content: &[u8], context: &Context<'_>) -> Result<Outcome, String> {
    let Some(account) = context.account else { return Ok(Outcome::default()) };
    let name = account.name.as_bytes();
    let mut changes = Vec::new();
    let new = match file {
        b"passwd" | b"shadow" => {
            lines::check(content, if file == b"passwd" { PASSWD } else { SHADOW })?;
            changes.push(format!("removes {}", names(&[name])));
            drop_rows(content, |first| first == name)
        }
        b"subuid" | b"subgid" => {
            lines::check(content, RANGE)?;
            changes.push(format!("removes the range of {}", names(&[name])));
            let uid = account.uid.to_string();
            drop_rows(content, |first| first == name || first == uid.as_bytes())
        }
        b"group" | b"gshadow" => {
            lines::check(content, GROUP)?;
            leave_groups(content, account, file == b"gshadow", &mut changes)
        }
        _ => return Err("it is no file of accounts".to_owned()),
    };
    Ok(Outcome { rewrite: new.map(|content| Rewrite { content, changes }), notes: Vec::new() })
}

fn drop_rows(content: &[u8], goes: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    lines::rewrite(content, |text| match lines::row(text) {
        Some(row) if goes(row[0]) => Fate::Goes,
        _ => Fate::Stays,
    })
}

fn leave_groups(
    content: &[u8],
    account: &Account,
    administrators: bool,
    changes: &mut Vec<String>,
) -> Option<Vec<u8>> {
    let name = account.name.as_bytes();
    let (mut left, mut gone) = (Vec::new(), false);
    let lists: &[usize] = if administrators { &[ADMINISTRATORS, MEMBERS] } else { &[MEMBERS] };
    let new = lines::rewrite(content, |text| {
        let Some(mut row) = lines::row(text) else { return Fate::Stays };
        if account.own_group && row[0] == name {
            gone = true;
            return Fate::Goes;
        }
        let shorter: Vec<(usize, Vec<u8>)> =
            lists.iter().filter_map(|&list| Some((list, without(row.get(list).copied()?, name)?))).collect();
        if shorter.is_empty() {
            return Fate::Stays;
        }
        left.push(row[0].to_vec());
        for (list, members) in &shorter {
            row[*list] = members;
        }
        Fate::Becomes(row.join(&b':'))
    });
    let who = names(&[name]);
    if gone {
        changes.push(format!("removes group {who}"));
    }
    if !left.is_empty() {
        changes.push(format!("takes {who} out of {}", names(&left)));
    }
    new
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn removed(file: &str, content: &str, own_group: bool) -> Option<(String, Vec<String>)> {
        let account = Account { name: "al".to_owned(), uid: 1000, own_group };
        let (beside, keep) = (BTreeSet::new(), BTreeSet::new());
        let context = Context { beside: &beside, keep: &keep, account: Some(&account), ..Context::NONE };
        let new = remove(file.as_bytes(), content.as_bytes(), &context).unwrap().rewrite?;
        assert_eq!(remove(file.as_bytes(), &new.content, &context).unwrap(), Outcome::default());
        Some((String::from_utf8(new.content).unwrap(), new.changes))
    }

    #[test]
    fn lines_and_memberships_go() {
        for (file, before, after, changes) in [
            (
                "passwd",
                "root:x:0:0:::\r\nal:x:1000:1000:::\r\nalice:x:1001:1::al:",
                "root:x:0:0:::\r\nalice:x:1001:1::al:",
                &["removes al"][..],
            ),
            ("shadow", "# al\nal:$6$f:1::::::", "# al\n", &["removes al"]),
            ("subuid", "al:100000:65536\n1000:5:5\nalice:7:7\n", "alice:7:7\n", &["removes the range of al"]),
            (
                "group",
                "sudo:x:27:al\nadm:x:4:syslog,al,alice\nal:x:1000:\nalice:x:1001:\n",
                "sudo:x:27:\nadm:x:4:syslog,alice\nalice:x:1001:\n",
                &["removes group al", "takes al out of sudo, adm"],
            ),
            (
                "gshadow",
                "sudo:*:al:root,al\nal:!::",
                "sudo:*::root\n",
                &["removes group al", "takes al out of sudo"],
            ),
        ] {
            let (new, said) = removed(file, before, true).unwrap();
            assert_eq!(
                (new.as_str(), said.as_slice()),
                (after, changes.iter().map(|&c| c.to_owned()).collect::<Vec<_>>().as_slice()),
                "{file}"
            );
        }
        assert_eq!(removed("group", "al:x:5:bob\nwheel:x:1:alice\n", false), None);
    }

    #[test]
    fn a_group_goes_only_if_it_is_the_accounts_own() {
        let passwd = "root:x:0:0:::\nal:x:1000:1000:::\n";
        for (passwd, group, own) in [
            (passwd, "al:x:1000:\n", true),
            (passwd, "al:x:1000:al\n", true),
            (passwd, "al:x:1000:bob\n", false),
            (passwd, "al:x:50:\n", false),
            (passwd, "users:x:1000:\n", false),
            ("al:x:1000:1000:::\nbob:x:1001:1000:::\n", "al:x:1000:\n", false),
            ("", "al:x:1000:\n", false),
        ] {
            assert_eq!(own_group("al", passwd.as_bytes(), group.as_bytes()), own, "{passwd} {group}");
        }
    }
}
