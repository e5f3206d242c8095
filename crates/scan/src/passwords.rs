//! Whose password of the build still opens an account when the rules are done.

use block::Result;

use crate::{
    Guest, Note, Selection,
    edits::{self, EditId, Passwords},
    rule::Action,
};

/// A note on accounts that keep a password, or need none: because the rule is off, or because they are to be kept. A
/// selection without any rule looks at nothing.
pub(crate) fn kept(guest: &Guest<'_>, selection: &Selection) -> Result<Option<Note>> {
    if selection.rules().next().is_none() {
        return Ok(None);
    }
    let asked = selection.rules().any(|rule| rule.action == Action::Edit(EditId::LockPasswords));
    let stays = |name: &String| {
        !selection.remove_users().contains(name) && (!asked || selection.keep_users().contains(name))
    };
    let mut accounts = Passwords::default();
    for path in ["/etc/passwd", "/etc/shadow"] {
        for content in guest.read_each_small(path.as_bytes(), edits::MAX_FILE)? {
            let found = edits::passwords(&content);
            for (from, to) in [(found.hashes, &mut accounts.hashes), (found.none, &mut accounts.none)] {
                for name in from.into_iter().filter(stays) {
                    if !to.contains(&name) {
                        to.push(name);
                    }
                }
            }
        }
    }
    guest.forget_listings();
    let none = accounts.hashes.is_empty() && accounts.none.is_empty();
    Ok((!none).then_some(Note::KeepsPasswords { accounts, asked }))
}
