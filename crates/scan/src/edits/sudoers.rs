//! The rights of an account go from sudoers(5): lines that are for it alone, continued ones too.
//!
//! A line that names the account among others, in an alias, or behind a run-as, stays and is noted.

use super::{Context, Outcome, Rewrite, names};
use crate::sudoers;

pub(super) fn remove(content: &[u8], context: &Context<'_>) -> Result<Outcome, String> {
    let Some(account) = context.account else { return Ok(Outcome::default()) };
    if content.contains(&0) {
        return Err("it is no text".to_owned());
    }
    let mut outcome = Outcome::default();
    let mut new = Vec::with_capacity(content.len());
    let (mut gone, mut others) = (0_usize, Vec::new());
    for line in sudoers::lines(content) {
        let who = who(&String::from_utf8_lossy(&line.code), &account.name, account.uid);
        match who {
            Who::Alone => gone += 1,
            Who::AmongOthers => others.push(line.number.to_string()),
            Who::Others => {}
        }
        if who != Who::Alone {
            new.extend(line.raw);
        }
    }
    if !others.is_empty() {
        let (account, lines) = (names(&[&account.name]), names(&others));
        outcome.notes.push(if others.len() == 1 {
            format!("line {lines} names {account}, and stays")
        } else {
            format!("lines {lines} name {account}, and stay")
        });
    }
    if gone > 0 {
        let lines = if gone == 1 { "1 line".to_owned() } else { format!("{gone} lines") };
        let changes = vec![format!("removes {lines} of {}", names(&[&account.name]))];
        outcome.rewrite = Some(Rewrite { content: new, changes });
    }
    Ok(outcome)
}

/// Whom a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Alone,
    AmongOthers,
    Others,
}

/// Of a line without its comment.
fn who(line: &str, name: &str, uid: u32) -> Who {
    let number = format!("#{uid}");
    let is = |word: &str| {
        let word = word.trim().trim_matches('"');
        word == name || word == number
    };
    let first = line.split([' ', '\t']).next().unwrap_or_default();
    if is(first) || first.strip_prefix("Defaults:").is_some_and(is) {
        // `al, bob ALL=...`: a list goes on behind a comma.
        let rest = line[first.len()..].trim_start();
        return if rest.starts_with(',') { Who::AmongOthers } else { Who::Alone };
    }
    if line.split([' ', '\t', ',', '=', ':', '(', ')', '!']).any(is) {
        return Who::AmongOthers;
    }
    Who::Others
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::edits::Account;

    #[test]
    fn tells_whom_a_line_is_for() {
        for (line, expected) in [
            ("al ALL=(ALL) NOPASSWD: ALL", Who::Alone),
            ("\tal\tALL = ALL", Who::Alone),
            ("\"al\" ALL=(ALL) ALL", Who::Alone),
            ("#1000 ALL=(ALL) ALL", Who::Alone),
            ("Defaults:al !requiretty", Who::Alone),
            ("al,bob ALL=(ALL) ALL", Who::AmongOthers),
            ("al , bob ALL=(ALL) ALL", Who::AmongOthers),
            ("bob,al ALL=(ALL) ALL", Who::AmongOthers),
            ("User_Alias ADMINS = root, al", Who::AmongOthers),
            ("bob ALL=(al) ALL", Who::AmongOthers),
            ("# al ALL=(ALL) ALL", Who::Others),
            ("#al ALL=(ALL) ALL", Who::Others),
            ("#10000 ALL=(ALL) ALL", Who::Others),
            ("alice ALL=(ALL) ALL", Who::Others),
            ("%al ALL=(ALL) ALL", Who::Others),
            ("#includedir /etc/sudoers.d", Who::Others),
            ("bob ALL=(ALL) ALL # as al has", Who::Others),
            ("", Who::Others),
        ] {
            let code = sudoers::lines(line.as_bytes())
                .next()
                .map_or(String::new(), |line| String::from_utf8(line.code).unwrap());
            assert_eq!(who(&code, "al", 1000), expected, "{line}");
        }
    }

    #[test]
    fn continued_lines_go_whole_and_the_rest_stays() {
        let account = Account { name: "al".to_owned(), uid: 1000, own_group: true };
        let (beside, keep) = (BTreeSet::new(), BTreeSet::new());
        let context = Context { beside: &beside, keep: &keep, account: Some(&account), ..Context::NONE };
        let before = "Defaults env_reset\nal ALL=(ALL) /bin/a, \\ \n  /bin/b\nroot ALL=(ALL) ALL\r\n\
                      User_Alias A = al\n# a \\\nal ALL=ALL\nal ALL=ALL # b \\\nbob ALL=ALL\nal ALL=ALL";
        let outcome = remove(before.as_bytes(), &context).unwrap();
        let new = outcome.rewrite.unwrap();
        assert_eq!(
            String::from_utf8(new.content.clone()).unwrap(),
            "Defaults env_reset\nroot ALL=(ALL) ALL\r\nUser_Alias A = al\n# a \\\nbob ALL=ALL\n"
        );
        assert_eq!(
            (new.changes, outcome.notes),
            (vec!["removes 4 lines of al".to_owned()], vec!["line 5 names al, and stays".to_owned()])
        );
        assert_eq!(remove(&new.content, &context).unwrap().rewrite, None);
    }
}
