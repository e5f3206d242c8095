//! Which rules apply: a built-in policy or a policy file, and what the command line adds to it.
//!
//! Nothing is guessed: an unknown key, rule or policy, or a pattern that can never match, is an error.

use std::collections::BTreeSet;

use crate::{Rule, User, edits, nearest::nearest, pattern::Pattern, rules};

/// A policy that comes with diskscrub: the default rules, and what differs.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn {
    /// By this name it is asked for.
    pub name: &'static str,
    /// What it is for.
    pub explain: &'static str,
    /// Rules that it has beside the default ones, and the guideline that asks for each.
    pub on: &'static [(&'static str, &'static str)],
}

const BUILT_IN: &[BuiltIn] = &[
    BuiltIn {
        name: "default",
        explain: "Every rule that takes nothing the guest needs: what goes is made again, or was never part of \
                  the system.",
        on: &[],
    },
    BuiltIn {
        name: "aws",
        explain: "For an AMI that others will start: the default rules, and the keys and tools' state that the \
                  AWS guidelines for shared Linux AMIs name; no account keeps a password, and sshd takes keys only.",
        on: &[
            ("password-hashes", "A3"),
            ("sshd-root-login", "A2"),
            ("sshd-pubkey", "A6"),
            ("sshd-no-passwords", "A6"),
            ("keystores", "A9, A14"),
            ("terraform-state", "A9"),
            ("sudoers-cloud-users", "A6"),
            ("cloud-init-network", "A6"),
        ],
    },
    BuiltIn {
        name: "outscale",
        explain: "For an OMI that others will start: the default rules, and all further certificates and key \
                  material that the OUTSCALE guidelines name; no account keeps a password, and sshd takes keys only.",
        on: &[
            ("password-hashes", "O6, O9"),
            ("sshd-root-login", "O7"),
            ("sshd-pubkey", "O7"),
            ("sshd-no-passwords", "O7"),
            ("keystores", "O5"),
            ("tls-private-keys", "O5"),
            ("letsencrypt", "O5"),
            ("vpn-keys", "O5"),
            ("kubernetes-node", "O5"),
            ("terraform-state", "O4"),
            ("agent-api-keys", "O4"),
            ("wifi-credentials", "O4"),
            ("sudoers-cloud-users", "O13"),
            ("cloud-init-network", "O13"),
        ],
    },
    BuiltIn { name: "none", explain: "No rule: the base for a policy file that names its own.", on: &[] },
];

impl BuiltIn {
    /// Whether it applies a rule.
    #[must_use]
    pub fn applies(&self, rule: &Rule) -> bool {
        (rule.default && self.name != "none") || self.on.iter().any(|(id, _)| *id == rule.id)
    }
}

/// The rule of this id; the error names the nearest one.
pub fn find_rule(id: &str) -> Result<&'static Rule, PolicyError> {
    rules::get(id).ok_or_else(|| PolicyError::UnknownRule {
        id: id.to_owned(),
        nearest: nearest(id, rules::all().map(|rule| rule.id)),
    })
}

/// The policies that come with diskscrub.
#[must_use]
pub const fn built_in_policies() -> &'static [BuiltIn] {
    BUILT_IN
}

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// No rule has this id.
    #[error("there is no rule {id:?}{}", hint(.nearest))]
    UnknownRule {
        /// As given.
        id: String,
        /// The rule that may be meant.
        nearest: Option<&'static str>,
    },
    /// No policy has this name.
    #[error("there is no policy {name:?}{}", hint(.nearest))]
    UnknownPolicy {
        /// As given.
        name: String,
        /// The policy that may be meant.
        nearest: Option<&'static str>,
    },
    /// A policy file has a key of its own.
    #[error("a policy has no key {key:?}{}", hint(.nearest))]
    UnknownKey {
        /// As given.
        key: String,
        /// The key that may be meant.
        nearest: Option<&'static str>,
    },
    /// A key has a value of another type.
    #[error("the key {key:?} must be {expected}")]
    WrongType {
        /// Which key.
        key: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// A pattern that is none, or never matches.
    #[error("the pattern {glob:?} cannot be used: {reason}")]
    Pattern {
        /// As given.
        glob: String,
        /// Why.
        reason: String,
    },
    /// An account that the command line names is not in the image.
    #[error("there is no account {name:?}; the image has {}", or_none(.known))]
    UnknownAccount {
        /// As given.
        name: String,
        /// Root and people's accounts.
        known: Vec<String>,
    },
    /// An account that is to go is the system's.
    #[error("the account {name:?} cannot be removed: it is the system's, by its number {uid}")]
    SystemAccount {
        /// As given.
        name: String,
        /// Its number.
        uid: u32,
    },
    /// An account is to stay and to go.
    #[error("the account {name:?} is to be kept and to be removed")]
    KeptAndRemoved {
        /// As given.
        name: String,
    },
    /// The file is no TOML.
    #[error("the policy is not valid TOML: line {line}: {reason}")]
    Toml {
        /// Counted from 1.
        line: usize,
        /// What the parser says.
        reason: String,
    },
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() { "none that can be named".to_owned() } else { edits::names(names) }
}

fn hint(nearest: &Option<&'static str>) -> String {
    nearest.map(|nearest| format!("; did you mean {nearest:?}?")).unwrap_or_default()
}

/// Rules by id, and patterns: what a policy says, resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    base: &'static str,
    rules: BTreeSet<&'static str>,
    remove: Vec<String>,
    keep: Vec<String>,
    remove_users: Vec<String>,
    keep_users: Vec<String>,
}

const KEYS: [&str; 7] = ["extends", "rules", "skip", "remove", "keep", "remove_users", "keep_users"];

impl Policy {
    /// A policy that comes with diskscrub, by name.
    pub fn built_in(name: &str) -> Result<Self, PolicyError> {
        let Some(built_in) = BUILT_IN.iter().find(|policy| policy.name == name) else {
            let nearest = nearest(name, BUILT_IN.iter().map(|policy| policy.name));
            return Err(PolicyError::UnknownPolicy { name: name.to_owned(), nearest });
        };
        let mut policy = Self { base: built_in.name, ..Self::default() };
        if name != "none" {
            policy.rules.extend(rules::all().filter(|rule| rule.default).map(|rule| rule.id));
        }
        for (id, _) in built_in.on {
            policy.rules.insert(known(id)?);
        }
        Ok(policy)
    }

    /// The built-in policy that it is, or starts from.
    #[must_use]
    pub const fn base(&self) -> &'static str {
        self.base
    }

    /// Reads a policy file.
    ///
    /// `extends` is a built-in policy to start from (`default` if absent), `rules` are switched on beside its
    /// own, `skip` off; `remove` and `keep` are patterns, `remove_users` and `keep_users` names of accounts.
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| PolicyError::Toml {
            line: error.span().map_or(1, |span| {
                text.as_bytes().iter().take(span.start).filter(|byte| **byte == b'\n').count() + 1
            }),
            reason: error.message().to_owned(),
        })?;
        if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(PolicyError::UnknownKey { key: key.clone(), nearest: nearest(key, KEYS) });
        }
        let mut policy = match table.get("extends") {
            None => Self::built_in("default")?,
            Some(toml::Value::String(name)) => Self::built_in(name)?,
            Some(_) => {
                return Err(PolicyError::WrongType { key: "extends", expected: "the name of a policy" });
            }
        };
        for id in strings(&table, "rules")? {
            policy.rules.insert(known(&id)?);
        }
        for id in strings(&table, "skip")? {
            policy.rules.remove(known(&id)?);
        }
        policy.remove = strings(&table, "remove")?;
        policy.keep = strings(&table, "keep")?;
        policy.remove_users = strings(&table, "remove_users")?;
        policy.keep_users = strings(&table, "keep_users")?;
        for glob in policy.remove.iter().chain(&policy.keep) {
            pattern(glob)?;
        }
        Ok(policy)
    }
}

fn strings(table: &toml::Table, key: &'static str) -> Result<Vec<String>, PolicyError> {
    let wrong = || PolicyError::WrongType { key, expected: "a list of strings" };
    let Some(value) = table.get(key) else { return Ok(Vec::new()) };
    let list = value.as_array().ok_or_else(wrong)?;
    list.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

fn known(id: &str) -> Result<&'static str, PolicyError> {
    find_rule(id).map(|rule| rule.id)
}

fn pattern(glob: &str) -> Result<Pattern, PolicyError> {
    Pattern::parse(glob).map_err(|reason| PolicyError::Pattern { glob: glob.to_owned(), reason })
}

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
            rules: rules::all().filter(|rule| ids.contains(rule.id)).collect(),
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
    pub(crate) fn keep_users(&self) -> &BTreeSet<String> {
        &self.keep_users
    }

    /// The rules, in the registry's order.
    pub fn rules(&self) -> impl Iterator<Item = &'static Rule> + '_ {
        self.rules.iter().copied()
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
    fn every_built_in_policy_resolves() {
        for policy in BUILT_IN {
            for (id, _) in policy.on {
                assert!(!rules::get(id).unwrap().default, "{id} is on anyway");
            }
            let policy = Policy::built_in(policy.name).unwrap();
            Selection::new(&policy, &Overrides::default()).unwrap();
        }
    }

    #[test]
    fn a_file_builds_on_a_policy() {
        let text =
            "extends = 'none'\nrules = ['machine-id', 'logs']\nskip = ['logs']\nremove = ['/opt/x/**']\n";
        let policy = Policy::from_toml(text).unwrap();
        let selection = Selection::new(&policy, &Overrides::default()).unwrap();
        assert_eq!(selection.rules().map(|rule| rule.id).collect::<Vec<_>>(), ["machine-id"]);
        assert_eq!(selection.remove.len(), 1);
    }

    #[test]
    fn the_command_line_comes_last() {
        let policy = Policy::built_in("default").unwrap();
        let only =
            Overrides { rules: Some(vec!["logs".into(), "machine-id".into()]), ..Overrides::default() };
        let selection = Selection::new(&policy, &only).unwrap();
        assert_eq!(selection.rules().count(), 2);
        let skip = Overrides { skip: vec!["logs".into()], ..only };
        assert_eq!(Selection::new(&policy, &skip).unwrap().rules().count(), 1);
    }

    #[test]
    fn every_refusal_says_what_was_meant() {
        for (text, message) in [
            ("rules = ['machineid']", "there is no rule \"machineid\"; did you mean \"machine-id\"?"),
            ("skips = []", "a policy has no key \"skips\"; did you mean \"skip\"?"),
            ("extends = 'awz'", "there is no policy \"awz\"; did you mean \"aws\"?"),
            ("extends = 3", "the key \"extends\" must be the name of a policy"),
            ("skip = 'logs'", "the key \"skip\" must be a list of strings"),
            ("remove = ['*.pem']", "the pattern \"*.pem\" cannot be used: it must start with / or ~/"),
        ] {
            assert_eq!(Policy::from_toml(text).unwrap_err().to_string(), message);
        }
        let error = Policy::from_toml("\nrules = [").unwrap_err();
        assert!(matches!(error, PolicyError::Toml { line: 2, .. }), "{error}");
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
            let policy = Policy::from_toml(text)?;
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
    }
}
