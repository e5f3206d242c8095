//! Whether sshd lets an account in with a key, by its names and groups alone.
//!
//! auth.c (`allowed_user`): DenyUsers, AllowUsers, DenyGroups and AllowGroups, in this order, and auth-rhosts's and
//! auth2's word on PermitRootLogin; PubkeyAuthentication where a `Match` turns it off. A `Match` whose criteria are
//! accounts and groups is decided; one that asks for addresses, hosts or programs is not, and then the answer may be that
//! it depends. Shells and key files are not asked.

use super::{Effective, Setting};

/// Who wants in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Login<'a> {
    /// The account.
    pub name: &'a str,
    /// Whether it is root by its number, whatever its name.
    pub root: bool,
    /// All groups that it is in.
    pub groups: &'a [String],
}

/// What sshd says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access<'e> {
    /// It comes in with its key.
    In,
    /// It does not: this line says so.
    Out(&'e Setting, &'static str),
    /// For some clients it is so, for others not: this line is for them.
    Depends(&'e Setting),
}

/// What lines say of one keyword for one account.
struct Said<'e> {
    /// Those that count.
    lines: Vec<&'e Setting>,
    /// The first of a `Match` that may hold instead.
    perhaps: Vec<&'e Setting>,
}

impl Effective {
    /// Whether it lets this account in with a key. Nothing is certain where there is a [`problem`](Effective::problem).
    #[must_use]
    pub fn access(&self, login: Login<'_>) -> Access<'_> {
        let mut depends = None;
        for (keyword, keeps, why) in KEYWORDS {
            let Said { lines, perhaps } = self.said(keyword, login);
            let out = keeps(&lines, login);
            // A line that holds for some clients only, and says the opposite.
            if let Some(other) =
                perhaps.iter().find(|line| keeps(&[**line], login).is_some() != out.is_some())
            {
                depends = depends.or(Some(*other));
            } else if let Some(line) = out {
                return Access::Out(line, why);
            }
        }
        depends.map_or(Access::In, Access::Depends)
    }

    fn said(&self, keyword: &str, login: Login<'_>) -> Said<'_> {
        let (mut sure, mut perhaps) = (Vec::new(), Vec::new());
        for line in self.overrides(keyword) {
            match line.matching.as_deref().and_then(|criteria| meets(criteria, login)) {
                Some(true) => sure.push(line),
                Some(false) => {}
                None => perhaps.push(line),
            }
        }
        // What a block says takes the place of what is said to everybody.
        let lines = if sure.is_empty() { self.global(keyword).collect() } else { sure };
        Said { lines, perhaps }
    }
}

/// The line that keeps an account out, of those that hold for it.
type Keeps = for<'e> fn(&[&'e Setting], Login<'_>) -> Option<&'e Setting>;

const KEYWORDS: [(&str, Keeps, &str); 6] = [
    ("pubkeyauthentication", no_keys, "it takes no key of the account"),
    ("permitrootlogin", root_is_out, "it lets root in by no key"),
    ("denyusers", |lines, login| denied(lines, |word| is_user(word, login)), "it denies the account"),
    ("allowusers", |lines, login| not_allowed(lines, |word| is_user(word, login)), "it allows others only"),
    (
        "denygroups",
        |lines, login| denied(lines, |word| is_in(word, login)),
        "it denies a group of the account",
    ),
    (
        "allowgroups",
        |lines, login| not_allowed(lines, |word| is_in(word, login)),
        "it allows other groups only",
    ),
];

/// The first line decides; `forced-commands-only` takes no key without a command of its own.
fn root_is_out<'e>(lines: &[&'e Setting], login: Login<'_>) -> Option<&'e Setting> {
    let no =
        |value: &String| ["no", "forced-commands-only"].iter().any(|out| value.eq_ignore_ascii_case(out));
    lines.first().copied().filter(|line| login.root && line.values.first().is_some_and(no))
}

/// For some only. Where it is for everybody, `sshd-pubkey` sets it right, and another check tells it.
fn no_keys<'e>(lines: &[&'e Setting], _: Login<'_>) -> Option<&'e Setting> {
    let no = |line: &&Setting| line.values.first().is_some_and(|value| value.eq_ignore_ascii_case("no"));
    lines.first().copied().filter(|line| line.matching.is_some()).filter(no)
}

fn denied<'e>(lines: &[&'e Setting], is: impl Fn(&String) -> bool) -> Option<&'e Setting> {
    lines.iter().find(|line| line.values.iter().any(&is)).copied()
}

/// Lists add up.
fn not_allowed<'e>(lines: &[&'e Setting], is: impl Fn(&String) -> bool) -> Option<&'e Setting> {
    let none = !lines.iter().any(|line| line.values.iter().any(&is));
    lines.first().copied().filter(|_| none)
}

/// `USER` or `USER@HOST`: from some host, then.
fn is_user(word: &str, login: Login<'_>) -> bool {
    pattern(word.rsplit_once('@').map_or(word, |(user, _)| user), login.name)
}

fn is_in(word: &str, login: Login<'_>) -> bool {
    login.groups.iter().any(|group| pattern(word, group))
}

/// Whether an account meets the criteria of its `Match` blocks; `None` if more than its names decides.
fn meets(criteria: &str, login: Login<'_>) -> Option<bool> {
    let mut words = criteria.split_whitespace();
    let mut known = Some(true);
    while let Some(word) = words.next() {
        let met = match word.to_ascii_lowercase().as_str() {
            // Between a block and the one that its file is included in.
            "all" | "and" => Some(true),
            "user" => Some(list(words.next()?, &[login.name])),
            "group" => {
                let groups: Vec<&str> = login.groups.iter().map(String::as_str).collect();
                Some(list(words.next()?, &groups))
            }
            _ => {
                words.next();
                None
            }
        };
        match met {
            // All have to be met: one that is not is enough.
            Some(false) => return Some(false),
            Some(true) => {}
            None => known = None,
        }
    }
    known
}

/// `match_pattern_list`, and `ga_match_pattern_list` of all groups: patterns with commas between them, of which one has to
/// match a name; `!` in front of one that matches any name takes all away.
fn list(patterns: &str, names: &[&str]) -> bool {
    let hit = |one: &str| names.iter().any(|name| pattern(one, name));
    let mut all = patterns.split(',');
    !all.clone().filter_map(|one| one.strip_prefix('!')).any(hit)
        && all.any(|one| !one.starts_with('!') && hit(one))
}

/// `match_pattern`: `*` and `?`. Takes the product of both lengths at most.
fn pattern(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // Which starts of the name the pattern so far matches.
    let mut starts = vec![false; name.len() + 1];
    starts[0] = true;
    for c in pattern {
        let mut next = vec![false; name.len() + 1];
        for at in 0..=name.len() {
            next[at] = match c {
                '*' => starts[at] || (at > 0 && next[at - 1]),
                '?' => at > 0 && starts[at - 1],
                c => at > 0 && starts[at - 1] && name[at - 1] == c,
            };
        }
        starts = next;
    }
    starts[name.len()]
}

#[cfg(test)]
mod tests {
    use ::tests::sketch::Tree;

    use super::*;
    use crate::{Guest, VolumeSource, sshd::effective};

    /// `in`, `out LINE` or `depends LINE` for an account of these groups; `root` is root.
    fn asked(config: &str, name: &str, groups: &[&str]) -> String {
        let mut tree = Tree::new("/etc/passwd");
        tree.file("/etc/ssh/sshd_config", config.as_bytes().to_vec());
        let source = VolumeSource { volume: 0, filesystem: &tree, names: Vec::new() };
        let guest = Guest::open(vec![source]).unwrap();
        let found = effective(&guest).unwrap().unwrap();
        let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
        match found.access(Login { name, root: name == "root", groups: &groups }) {
            Access::In => "in".to_owned(),
            Access::Out(line, _) => format!("out {}", line.line),
            Access::Depends(line) => format!("depends {}", line.line),
        }
    }

    #[test]
    fn root() {
        for (config, expected) in [
            ("PermitRootLogin no", "out 1"),
            ("PermitRootLogin forced-commands-only", "out 1"),
            ("PermitRootLogin prohibit-password\nPermitRootLogin no", "in"),
            ("X11Forwarding no", "in"),
            ("PermitRootLogin no\nMatch User root\nPermitRootLogin without-password", "in"),
            ("PermitRootLogin no\nMatch User al\nPermitRootLogin yes", "out 1"),
            ("PermitRootLogin no\nMatch Address 192.0.2.0/24\nPermitRootLogin yes", "depends 3"),
            ("PermitRootLogin yes\nMatch User al Address 192.0.2.0/24\nPermitRootLogin no", "in"),
            ("Match all\nPermitRootLogin no", "out 2"),
            ("AllowUsers al", "out 1"),
            ("AllowGroups root", "in"),
        ] {
            assert_eq!(asked(config, "root", &["root"]), expected, "{config}");
        }
        assert_eq!(asked("PermitRootLogin no", "al", &[]), "in");
    }

    #[test]
    fn lists_of_accounts_and_groups() {
        for (config, expected) in [
            ("AllowUsers bob\nAllowUsers a*", "in"),
            ("AllowUsers bob a", "out 1"),
            ("AllowUsers al@192.0.2.1", "in"),
            ("AllowUsers *\nDenyUsers al", "out 2"),
            ("AllowUsers al\nAllowGroups wheel", "out 2"),
            ("AllowUsers al\nAllowGroups su?o", "in"),
            ("DenyGroups adm sudo", "out 1"),
            ("AllowUsers bob\nMatch User al\nAllowUsers al", "in"),
            ("AllowUsers al\nMatch Group wheel,sudo\nDenyUsers al", "out 3"),
            ("AllowUsers al\nMatch Group *,!sudo\nDenyUsers al", "in"),
            ("AllowUsers al\nMatch User *,!al\nDenyUsers al", "in"),
            ("Match Host *.example\nDenyUsers al", "depends 2"),
            ("DenyUsers al\nMatch Host *.example\nDenyUsers al", "out 1"),
            ("Match Exec /bin/true\nAllowUsers bob", "depends 2"),
            ("PubkeyAuthentication no", "in"),
            ("PubkeyAuthentication yes\nMatch User al,bob\nPubkeyAuthentication no", "out 3"),
            ("Match User bob\nPubkeyAuthentication no", "in"),
            ("Match Address 192.0.2.0/24\nPubkeyAuthentication no", "depends 2"),
        ] {
            assert_eq!(asked(config, "al", &["al", "sudo"]), expected, "{config}");
        }
    }

    #[test]
    fn patterns() {
        for (one, name, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a?c", "ac", false),
            ("", "a", false),
            ("ab", "abc", false),
            ("**b", "b", true),
        ] {
            assert_eq!(pattern(one, name), expected, "{one} {name}");
        }
    }
}
