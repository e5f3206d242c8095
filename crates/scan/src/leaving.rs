//! Accounts that the user wants gone: what is theirs, and where they are listed.
//!
//! Only a person's account goes, and a home only if nobody else lives in it or below it.

use block::Result;
use globset::escape;

use crate::{
    Action, Guest, GuestPath, Note, Selection, User,
    edits::{self, Account, EditId},
    pattern::Pattern,
};

/// Files that list accounts.
const LISTS: &[&str] =
    &["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid"];
/// Files that give rights.
const RIGHTS: &[&str] = &["/etc/sudoers", "/etc/sudoers.d/*"];
/// What is an account's own, besides its home; `@` is its name.
const OWN: &[&str] = &[
    "/var/mail/@",
    "/var/spool/mail/@",
    "/var/spool/cron/@",
    "/var/spool/cron/crontabs/@",
    "/var/spool/cron/tabs/@",
    "/etc/sudoers.d/@",
    "/etc/sudoers.d/[0-9]*[-_]@",
    "/etc/tcb/@",
    "/var/lib/AccountsService/users/@",
    "/var/lib/AccountsService/icons/@",
    "/var/lib/systemd/linger/@",
    "/{var/db,var/lib,run}/sudo/{lectured,ts}/@",
];

/// An account that goes.
pub(crate) struct Leaving {
    pub(crate) account: Account,
    /// What is done where.
    pub(crate) places: [(Action, Vec<Pattern>); 3],
}

/// The accounts of a selection that are in the guest and may go, and what there is to say.
pub(crate) fn leaving(guest: &Guest<'_>, selection: &Selection) -> Result<(Vec<Leaving>, Vec<Note>)> {
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    let users = guest.users();
    let all = selection.remove_users().iter().chain(selection.keep_users());
    notes.extend(
        all.filter(|name| named(users, name).next().is_none())
            .map(|name| Note::NoAccount { name: name.clone() }),
    );
    for name in selection.remove_users() {
        // A name with a slash, or none, is a path to something else.
        let odd = name.is_empty() || name.contains('/') || name.starts_with('.');
        let Some(user) =
            named(users, name).next().filter(|_| !odd && named(users, name).all(|user| user.person))
        else {
            continue;
        };
        let mut own: Vec<Pattern> =
            OWN.iter().filter_map(|text| Pattern::parse(&text.replace('@', &escape(name))).ok()).collect();
        for user in named(users, name) {
            own.extend(home(guest, user, &mut notes)?);
        }
        let account = Account { name: name.clone(), uid: user.uid, own_group: own_group(guest, name)? };
        let known = |texts: &[&str]| texts.iter().filter_map(|text| Pattern::parse(text).ok()).collect();
        let places = [
            (Action::Remove, own),
            (Action::Edit(EditId::RemoveAccount), known(LISTS)),
            (Action::Edit(EditId::RemoveSudoRights), known(RIGHTS)),
        ];
        found.push(Leaving { account, places });
    }
    Ok((found, notes))
}

/// The accounts of this name: several, where several systems are in the image.
fn named<'u>(users: &'u [User], name: &'u str) -> impl Iterator<Item = &'u User> {
    users.iter().filter(move |user| user.name == name)
}

/// Whether the account's group goes with it: nowhere may anything speak against it.
fn own_group(guest: &Guest<'_>, name: &str) -> Result<bool> {
    let passwd = guest.read_each_small(b"/etc/passwd", edits::MAX_FILE)?;
    let group = guest.read_each_small(b"/etc/group", edits::MAX_FILE)?;
    Ok(!passwd.is_empty()
        && passwd.len() == group.len()
        && passwd.iter().zip(&group).all(|(passwd, group)| edits::own_group(name, passwd, group)))
}

/// The home of an account, where passwd says and where that really is.
fn home(guest: &Guest<'_>, user: &User, notes: &mut Vec<Note>) -> Result<Vec<Pattern>> {
    let real = |home: &GuestPath| -> Result<Vec<u8>> {
        Ok(guest.resolve(&home.0)?.map_or_else(|| home.0.clone(), |node| node.path.0))
    };
    let trimmed = user.home.0.strip_suffix(b"/").unwrap_or(&user.home.0);
    let mut places = vec![trimmed.to_vec(), real(&user.home)?];
    places.dedup();
    // Directories of the system are nobody's home, whatever passwd says.
    places.retain(|place| guest.homes().iter().any(|home| home.0 == *place));
    for other in guest.users().iter().filter(|other| other.name != user.name) {
        for theirs in [other.home.0.clone(), real(&other.home)?] {
            let inside = |place: &Vec<u8>| {
                theirs
                    .strip_prefix(place.as_slice())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
            };
            if places.iter().any(inside) {
                notes.push(Note::SharedHome { account: user.name.clone(), path: user.home.clone() });
                return Ok(Vec::new());
            }
        }
    }
    Ok(places.iter().filter_map(|place| Pattern::absolute(place, "")).collect())
}
