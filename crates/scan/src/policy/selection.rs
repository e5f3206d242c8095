//! What a run looks for: a policy and what the command line says on top of it, checked.

use std::collections::{BTreeMap, BTreeSet};

use super::{Accept, Level, Policy, PolicyError, Seen, pattern};
use crate::{
    Rule, User,
    content::{ContentRule, Key},
    pattern::Pattern,
    rules,
};

/// What the command line says on top of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Only these rules, whatever the policy has.
    pub rules: Option<Vec<String>>,
    /// Not these.
    pub skip: Vec<String>,
    /// More patterns to remove.
    pub remove: Vec<String>,
    /// More patterns to keep.
    pub keep: Vec<String>,
    /// More accounts to remove. They have to be there.
    pub remove_users: Vec<String>,
    /// More accounts to keep as they are. They have to be there.
    pub keep_users: Vec<String>,
}

/// What a run looks for: policy and command line together, checked.
#[derive(Debug, Clone)]
pub struct Selection {
    rules: Vec<&'static Rule>,
    content: Vec<&'static ContentRule>,
    levels: BTreeMap<String, Level>,
    accept: Vec<Accept>,
    key: Option<Key>,
    remove: Vec<(String, Pattern)>,
    keep: Vec<(String, Pattern)>,
    remove_users: BTreeSet<String>,
    keep_users: BTreeSet<String>,
    /// Accounts that the command line names.
    asked: BTreeSet<String>,
}

impl Selection {
    /// Merges a policy and what the command line says.
    pub fn new(policy: &Policy, overrides: &Overrides) -> Result<Self, PolicyError> {
        let known = |id: &str| policy.find_rule(id).map(|rule| rule.id);
        let mut ids = policy.rules.clone();
        if let Some(only) = &overrides.rules {
            ids = only.iter().map(|id| known(id)).collect::<Result<_, _>>()?;
        }
        for id in &overrides.skip {
            ids.remove(known(id)?);
        }
        let patterns =
            |of_policy: &[String], added: &[String]| -> Result<Vec<(String, Pattern)>, PolicyError> {
                let all: BTreeSet<&String> = of_policy.iter().chain(added).collect();
                all.into_iter().map(|glob| Ok((glob.clone(), pattern(glob)?))).collect()
            };
        let names = |of_policy: &[String], added: &[String]| of_policy.iter().chain(added).cloned().collect();
        let remove_users: BTreeSet<String> = names(&policy.remove_users, &overrides.remove_users);
        let keep_users: BTreeSet<String> = names(&policy.keep_users, &overrides.keep_users);
        if let Some(name) = remove_users.intersection(&keep_users).next() {
            return Err(PolicyError::KeptAndRemoved { name: name.clone() });
        }
        Ok(Self {
            // The policy's own come first: where two rules take a file, the first one has the finding.
            rules: policy
                .own
                .iter()
                .copied()
                .chain(rules::all())
                .filter(|rule| ids.contains(rule.id))
                .collect(),
            content: policy.content.clone(),
            levels: policy.levels.clone(),
            accept: policy.accept.clone(),
            key: policy.key,
            remove: patterns(&policy.remove, &overrides.remove)?,
            keep: patterns(&policy.keep, &overrides.keep)?,
            remove_users,
            keep_users,
            asked: names(&overrides.remove_users, &overrides.keep_users),
        })
    }

    /// Whether the accounts that are named can be: those of the command line are among the guest's, and those to be
    /// removed are people's. A scan leaves the others alone in any case.
    pub fn check_accounts(&self, users: &[User]) -> Result<(), PolicyError> {
        let known = |user: &&User| user.person || user.uid == 0;
        for name in &self.asked {
            if !users.iter().any(|user| user.name == *name) {
                let mut names: Vec<String> = Vec::new();
                for user in users.iter().filter(known) {
                    if !names.contains(&user.name) {
                        names.push(user.name.clone());
                    }
                }
                return Err(PolicyError::UnknownAccount { name: name.clone(), known: names });
            }
        }
        match users.iter().find(|user| !user.person && self.remove_users.contains(&user.name)) {
            Some(User { name, uid, .. }) => Err(PolicyError::SystemAccount { name: name.clone(), uid: *uid }),
            None => Ok(()),
        }
    }

    /// Accounts to remove, if they are people's.
    pub(crate) fn remove_users(&self) -> &BTreeSet<String> {
        &self.remove_users
    }

    /// Accounts to leave as they are.
    #[must_use]
    pub fn keep_users(&self) -> &BTreeSet<String> {
        &self.keep_users
    }

    /// The rules: the policy's own, then those of the registry in its order.
    pub fn rules(&self) -> impl Iterator<Item = &'static Rule> + '_ {
        self.rules.iter().copied()
    }

    /// The rules by content that the policy defines.
    #[must_use]
    pub fn content(&self) -> &[&'static ContentRule] {
        &self.content
    }

    /// What a check or rule weighs, if the policy says so.
    #[must_use]
    pub fn level(&self, id: &str) -> Option<Level> {
        self.levels.get(id).copied()
    }

    /// What accepts this: the first entry that is for it.
    #[must_use]
    pub fn accepted(&self, seen: &Seen<'_>) -> Option<&Accept> {
        self.accept.iter().find(|accept| accept.accepts(seen))
    }

    /// The entries that are for nothing of all that was seen.
    pub fn unmet<'s>(&self, seen: &[Seen<'s>]) -> impl Iterator<Item = &Accept> + use<'_, 's> {
        let met: Vec<bool> =
            self.accept.iter().map(|accept| seen.iter().any(|seen| accept.accepts(seen))).collect();
        self.accept.iter().zip(met).filter(|(_, met)| !met).map(|(accept, _)| accept)
    }

    /// The key of the digests that are accepted.
    #[must_use]
    pub const fn key(&self) -> Option<Key> {
        self.key
    }

    pub(crate) fn remove(&self) -> impl Iterator<Item = &(String, Pattern)> {
        self.remove.iter()
    }

    /// With a kept directory goes all that is below it.
    pub(crate) fn keep(&self) -> impl Iterator<Item = &(String, Pattern)> {
        self.keep.iter()
    }

    /// What this selection does, as text: one line for each rule with its patterns, then the user's patterns.
    /// The same selection always gives the same text; a rule whose patterns change gives another.
    #[must_use]
    pub fn canonical(&self) -> String {
        use std::fmt::Write;
        let mut text = String::from("diskscrub policy 1\n");
        for rule in &self.rules {
            let find = rule.find;
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "rule {} {:?} {:?} {:?} {:?} {:?} {:?}",
                rule.id, rule.action, find.kinds, find.detector, find.also, find.paths, find.except
            );
            if let Some(needs) = find.needs {
                let _ = writeln!(text, "needs {} {needs:?}", rule.id);
            }
        }
        for rule in &self.content {
            let _ = writeln!(
                text,
                "content {} {:?} {:?} {:?} {} {}",
                rule.id, rule.tier, rule.anchors, rule.pattern, rule.before, rule.reach
            );
        }
        for (id, level) in &self.levels {
            let _ = writeln!(text, "severity {id} {level:?}");
        }
        for accept in &self.accept {
            let _ = writeln!(text, "{}", accept.canonical());
        }
        for (word, globs) in [("remove", &self.remove), ("keep", &self.keep)] {
            for (glob, _) in globs {
                let _ = writeln!(text, "{word} {glob:?}");
            }
        }
        for (word, names) in [("remove-user", &self.remove_users), ("keep-user", &self.keep_users)] {
            for name in names {
                let _ = writeln!(text, "{word} {name:?}");
            }
        }
        text
    }

    /// BLAKE3 of the canonical text, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        blake3::hash(self.canonical().as_bytes()).to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_comes_last() {
        let policy = Policy::built_in("default").unwrap();
        let only =
            Overrides { rules: Some(vec!["logs".into(), "machine-id".into()]), ..Overrides::default() };
        let selection = Selection::new(&policy, &only).unwrap();
        assert_eq!(selection.rules().count(), 2);
        let skip = Overrides { skip: vec!["logs".into()], ..only };
        assert_eq!(Selection::new(&policy, &skip).unwrap().rules().count(), 1);
        let own = "[[rule]]\nid = 'mine'\nheading = 'h'\nexplain = 'e'\npaths = ['/a']\naction = 'remove'";
        let policy = Policy::from_toml(own).unwrap();
        let ids = |overrides: &Overrides| -> Vec<&str> {
            Selection::new(&policy, overrides).unwrap().rules().map(|rule| rule.id).collect()
        };
        assert_eq!(ids(&Overrides::default())[0], "mine");
        let skip = vec!["mine".to_owned()];
        assert!(!ids(&Overrides { skip: skip.clone(), ..Overrides::default() }).contains(&"mine"));
        assert_eq!(ids(&Overrides { rules: Some(skip), ..Overrides::default() }), ["mine"]);
    }

    #[test]
    fn accounts_must_be_there_and_people_s() {
        let user = |name: &str, uid| User {
            name: name.to_owned(),
            uid,
            home: crate::GuestPath(Vec::new()),
            shell: String::new(),
            person: uid >= 1000,
        };
        let users = [user("root", 0), user("sshd", 100), user("al", 1000), user("bob", 1001)];
        let check = |text: &str, remove: &[&str]| {
            let policy = Policy::from_toml(text).unwrap();
            let remove_users = remove.iter().map(|&name| name.to_owned()).collect();
            Selection::new(&policy, &Overrides { remove_users, ..Overrides::default() })?
                .check_accounts(&users)
        };
        let message = |text: &str, remove: &[&str]| check(text, remove).unwrap_err().to_string();
        assert_eq!(check("keep_users = ['nobody-here']", &["al"]), Ok(()));
        assert_eq!(message("", &["ab"]), "there is no account \"ab\"; the image has root, al, bob");
        let system = "the account \"root\" cannot be removed: it is the system's, by its number 0";
        assert_eq!(message("remove_users = ['root']", &[]), system);
        assert_eq!(
            message("keep_users = ['al']", &["al"]),
            "the account \"al\" is to be kept and to be removed"
        );
    }

    #[test]
    fn the_digest_follows_the_meaning() {
        let digest = |text: &str| {
            Selection::new(&Policy::from_toml(text).unwrap(), &Overrides::default()).unwrap().digest()
        };
        assert_eq!(digest("keep = ['/a', '/b']"), digest("keep = ['/b', '/a', '/a']"));
        assert_ne!(digest("keep = ['/a']"), digest("remove = ['/a']"));
        assert_ne!(digest(""), digest("skip = ['logs']"));
        assert_ne!(digest("keep_users = ['a']"), digest("remove_users = ['a']"));
        let rule = "heading = 'h'\nexplain = 'e'\npaths = ['/a']\n";
        let own = |more: &str| digest(&format!("[[rule]]\nid = 'x'\n{rule}{more}"));
        assert_ne!(own("action = 'remove'"), digest(""));
        assert_ne!(own("action = 'remove'"), own("action = 'truncate'"));
        let edit =
            |with: &str| own(&format!("action = 'edit'\nedit = [{{ replace = 'a', with = '{with}' }}]"));
        assert_ne!(edit("b"), edit("c"));
        assert_eq!(edit("b"), edit("b"));
        let content = |pattern: &str| {
            let more = format!("heading = 'h'\nexplain = 'e'\nanchors = ['abc']\npattern = '{pattern}'");
            digest(&format!("[[content]]\nid = 'x'\n{more}"))
        };
        assert_ne!(content("abcd+"), content("abcd*"));
        assert_ne!(digest("severity.logs = 'off'"), digest("severity.logs = 'warn'"));
        let accept = |reason: &str| digest(&format!("accept = [{{ rule = 'logs', reason = '{reason}' }}]"));
        assert_ne!(accept("a"), accept("b"));
    }
}
