//! What sudoers(5) gives, as far as this needs it: to whom, all commands or some, with a password or without.
//!
//! Included files are read as sudo reads them: once each, to a bounded depth. A line that is no rule of this grammar is
//! told apart, never guessed at.

use std::collections::{BTreeMap, HashSet};

use block::Result;
use scan::GuestPath;

use crate::System;

/// Files that are read at most, sudo's own bound on nesting being 128.
const MAX_FILES: usize = 512;
/// Words that start a line which gives nothing.
const OTHERS: &[&str] = &["Host_Alias", "Runas_Alias", "Cmnd_Alias", "Cmd_Alias"];

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Accounts, `%groups`, `#numbers`, `ALL`; aliases opened.
    pub(crate) who: Vec<String>,
    /// Every command.
    pub(crate) all: bool,
    /// Without a password, at least some of it.
    pub(crate) nopasswd: bool,
    pub(crate) path: GuestPath,
    /// Where the rule starts.
    pub(crate) line: usize,
}

/// What all files say.
#[derive(Debug, Default)]
pub(crate) struct Sudoers {
    pub(crate) grants: Vec<Grant>,
    /// Lines that are none of sudoers.
    pub(crate) strange: Vec<(GuestPath, usize)>,
    /// `Defaults !authenticate`, for all: nobody is asked for a password.
    pub(crate) never_asks: Option<(GuestPath, usize)>,
    aliases: BTreeMap<String, Vec<String>>,
}

/// Reads `/etc/sudoers` and what it includes. `None` if there is none: sudo then gives nothing.
pub(crate) fn sudoers(system: &System<'_, '_>) -> Result<Option<Sudoers>> {
    // SUSE ships its own below /usr.
    let Some(first) = system.first(&["/etc/sudoers", "/usr/etc/sudoers"])? else { return Ok(None) };
    let mut sudoers = Sudoers::default();
    let mut seen = HashSet::new();
    let mut todo = vec![first.to_owned()];
    while let Some(path) = todo.pop() {
        let Some(node) = system.resolve(&path)? else { continue };
        if !seen.insert(node.path.0.clone()) || seen.len() > MAX_FILES {
            continue;
        }
        let text = system.text(&path)?.unwrap_or_default();
        let mut included = sudoers.read(&text, &node.path, system)?;
        included.reverse();
        todo.append(&mut included);
    }
    let aliases = std::mem::take(&mut sudoers.aliases);
    for grant in &mut sudoers.grants {
        // An alias may name others; five levels are plenty.
        for _ in 0..5 {
            let open = |who: &String| aliases.get(who).cloned().unwrap_or_else(|| vec![who.clone()]);
            grant.who = grant.who.iter().flat_map(open).take(1000).collect();
        }
    }
    Ok(Some(sudoers))
}

impl Sudoers {
    fn read(&mut self, text: &str, path: &GuestPath, system: &System<'_, '_>) -> Result<Vec<String>> {
        let mut included = Vec::new();
        for line in scan::sudoers::lines(text.as_bytes()) {
            let (number, line) = (line.number, String::from_utf8_lossy(&line.code));
            let line = line.as_ref();
            if let Some((kind, target)) = include(line) {
                let target = target.trim_matches('"').replace("%h", "");
                let target = if target.starts_with('/') { target } else { format!("/etc/{target}") };
                if kind == Include::File {
                    included.push(target);
                } else {
                    // sudo passes over names with a dot or a tilde at the end.
                    let items = system.files(&target, "")?.into_iter();
                    let names = items.filter(|item| !item.name.contains(&b'.') && !item.name.ends_with(b"~"));
                    included.extend(names.map(|item| item.path.to_string()));
                }
                continue;
            }
            if !line.is_empty() && self.rule(line, path, number).is_none() {
                self.strange.push((path.clone(), number));
            }
        }
        Ok(included)
    }

    fn rule(&mut self, line: &str, path: &GuestPath, number: usize) -> Option<()> {
        let first = line.split([' ', '\t']).next()?;
        if first.starts_with("Defaults") {
            if first == "Defaults"
                && line[first.len()..].split(',').any(|word| word.trim() == "!authenticate")
            {
                self.never_asks = Some((path.clone(), number));
            }
            return Some(());
        }
        if OTHERS.contains(&first) {
            return Some(());
        }
        if first == "User_Alias" {
            for definition in line[first.len()..].split(':') {
                let (name, members) = definition.split_once('=')?;
                self.aliases.insert(name.trim().to_owned(), list(members));
            }
            return Some(());
        }
        let (left, right) = line.split_once('=')?;
        // Users, and the hosts behind the last blank that no comma stands at.
        let left = left.trim();
        let spaced = left.replace(", ", ",").replace(" ,", ",");
        let (who, _hosts) = spaced.split_once([' ', '\t'])?;
        let who = list(who);
        let all = right.rsplit([':', ')', ' ', '\t', ',', '=']).any(|word| word.trim() == "ALL") && {
            // Behind the run-as and the tags, not in it.
            let commands = match right.split_once(')') {
                Some((_, rest)) => rest,
                None => right,
            };
            commands.split([':', ' ', '\t', ',']).any(|word| word.trim() == "ALL")
        };
        let nopasswd = right.split([':', ')', ' ', '\t', ',']).any(|word| word.trim() == "NOPASSWD");
        if who.is_empty() || right.trim().is_empty() {
            return None;
        }
        self.grants.push(Grant { who, all, nopasswd, path: path.clone(), line: number });
        Some(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Include {
    File,
    Directory,
}

fn include(line: &str) -> Option<(Include, &str)> {
    let rest = line.strip_prefix(['#', '@'])?;
    let (word, target) = rest.split_once([' ', '\t'])?;
    match word {
        "include" => Some((Include::File, target.trim())),
        "includedir" => Some((Include::Directory, target.trim())),
        _ => None,
    }
}

fn list(text: &str) -> Vec<String> {
    let words = text.split(',').map(|word| word.trim().trim_matches('"').to_owned());
    words.filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_system;

    #[test]
    fn rules_includes_aliases_and_lines_that_are_none() {
        let tree = "/etc/sudoers = Defaults env_reset\\nUser_Alias ADMINS = al, \\\\n bob\\n\
                    root ALL=(ALL:ALL) ALL\\n%sudo\tALL=(ALL:ALL) ALL # x\\nADMINS ALL=(ALL) NOPASSWD: /bin/a, /bin/b\\n\
                    al , eve ALL = (root) NOPASSWD: ALL\\nwhat is this # \\\\n#1000 ALL=(ALL) ALL\\n# x = y\\n#includedir /etc/sudoers.d\\n\n\
                    /etc/sudoers.d/90-cloud = debian ALL=(ALL) NOPASSWD:ALL\\n\n/etc/sudoers.d/x.bak = bad ALL=ALL\n\
                    /etc/sudoers.d/loop = @include sudoers\\n";
        with_system(tree, |system| {
            let sudoers = sudoers(system).unwrap().unwrap();
            let grants: Vec<String> = sudoers
                .grants
                .iter()
                .map(|g| {
                    format!("{}:{} {} all={} nopasswd={}", g.path, g.line, g.who.join("+"), g.all, g.nopasswd)
                })
                .collect();
            assert_eq!(
                grants,
                [
                    "/etc/sudoers:4 root all=true nopasswd=false",
                    "/etc/sudoers:5 %sudo all=true nopasswd=false",
                    "/etc/sudoers:6 al+bob all=false nopasswd=true",
                    "/etc/sudoers:7 al+eve all=true nopasswd=true",
                    "/etc/sudoers:9 #1000 all=true nopasswd=false",
                    "/etc/sudoers.d/90-cloud:1 debian all=true nopasswd=true",
                ]
            );
            let strange: Vec<usize> = sudoers.strange.iter().map(|(_, line)| *line).collect();
            assert_eq!(strange, [8]);
        });
    }
}
