//! Units of systemd that a boot reaches: from default.target along what units want and require.
//!
//! systemd.unit(5): `/etc` wins over `/usr/lib`, a link to `/dev/null` or an empty file masks, a link to another unit is
//! an alias, drop-ins of `NAME.d` add, `NAME.wants` and `NAME.requires` pull in.

use std::collections::{BTreeMap, HashSet, VecDeque};

use block::Result;
use filesystem::FileKind;
use scan::GuestPath;

use super::{Service, Starter};
use crate::System;

/// Where units are, the first wins.
pub(super) const DIRECTORIES: &[&str] = &[
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// Units that are followed: a desktop reaches a few hundred.
const MAX_UNITS: usize = 20_000;
/// Units that a boot to any target reaches: what services depend on by themselves.
const ALWAYS: &[&str] = &["basic.target", "sysinit.target", "sockets.target", "local-fs.target"];
/// Starts cloud-init unless it is disabled.
const CLOUD_INIT_GENERATOR: &[&str] = &[
    "/usr/lib/systemd/system-generators/cloud-init-generator",
    "/lib/systemd/system-generators/cloud-init-generator",
];
/// What pulls other units in, in the section `[Unit]`.
const PULLS: &[&str] = &["Wants", "Requires", "BindsTo", "Upholds"];
/// Keys of sockets that listen.
const LISTENS: &[&str] = &["ListenStream", "ListenDatagram", "ListenSequentialPacket"];

/// Whether there is systemd to start anything.
pub(super) fn is_there(system: &System<'_, '_>) -> Result<bool> {
    Ok(system.first(&["/usr/lib/systemd/systemd", "/lib/systemd/systemd", "/usr/bin/systemd"])?.is_some())
}

/// Services and sockets that a boot reaches, sorted by name.
pub(super) fn enabled(system: &System<'_, '_>) -> Result<Vec<Service>> {
    if !is_there(system)? {
        return Ok(Vec::new());
    }
    let units = Units { system, pulled: pulled(system)? };
    let mut found = BTreeMap::new();
    let mut seen = HashSet::new();
    let mut todo: VecDeque<String> = ALWAYS.iter().map(|&unit| unit.to_owned()).collect();
    todo.push_front(match system.first(&["/etc/systemd/system/default.target"])? {
        Some(_) => "default.target".to_owned(),
        None => "graphical.target".to_owned(),
    });
    // The one generator that whole clouds depend on links its target at boot.
    if system.first(CLOUD_INIT_GENERATOR)?.is_some() && !system.exists("/etc/cloud/cloud-init.disabled")? {
        todo.push_back("cloud-init.target".to_owned());
    }
    while let Some(asked) = todo.pop_front() {
        if !seen.insert(asked.clone()) || seen.len() > MAX_UNITS {
            continue;
        }
        let Some(unit) = units.load(&asked)? else { continue };
        if unit.name != asked && !seen.insert(unit.name.clone()) {
            continue;
        }
        for name in [&asked, &unit.name] {
            todo.extend(units.pulled.get(name).into_iter().flatten().cloned());
        }
        todo.extend(unit.pulls);
        let (stem, starter) = match unit.name.rsplit_once('.') {
            Some((stem, "service")) => (stem, Starter::Unit),
            Some((stem, "socket")) => (stem, Starter::Socket),
            _ => continue,
        };
        found.insert(
            unit.name.clone(),
            Service { name: stem.to_owned(), starter, path: unit.path, line: None, listens: unit.listens },
        );
    }
    Ok(found.into_values().collect())
}

/// A unit, read.
struct Unit {
    /// Its own name, not an alias.
    name: String,
    path: GuestPath,
    pulls: Vec<String>,
    listens: Vec<String>,
}

struct Units<'s, 'g, 'a> {
    system: &'s System<'g, 'a>,
    /// What the directories `NAME.wants` and the like of a unit name.
    pulled: BTreeMap<String, Vec<String>>,
}

/// The names in all directories `NAME.wants`, `NAME.requires` and `NAME.upholds`.
fn pulled(system: &System<'_, '_>) -> Result<BTreeMap<String, Vec<String>>> {
    let mut pulled: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut seen = HashSet::new();
    for directory in DIRECTORIES {
        let Some(node) = system.resolve(directory)? else { continue };
        if !seen.insert(node.path.0.clone()) {
            continue;
        }
        for item in system.list(directory.as_bytes())? {
            let name = String::from_utf8_lossy(&item.name).into_owned();
            let Some((unit, "wants" | "requires" | "upholds")) = name.rsplit_once('.') else { continue };
            for entry in system.list(&item.path.0)? {
                // A link to /dev/null takes away what another directory names.
                let masked = system.target(&entry)?.is_some_and(|target| target == b"/dev/null");
                if !masked {
                    let name = String::from_utf8_lossy(&entry.name).into_owned();
                    pulled.entry(unit.to_owned()).or_default().push(name);
                }
            }
        }
    }
    Ok(pulled)
}

impl Units<'_, '_, '_> {
    /// The unit that a name leads to; `None` if there is none, or it is masked.
    fn load(&self, name: &str) -> Result<Option<Unit>> {
        if name.contains(['/', '\0']) {
            return Ok(None);
        }
        let template = match (name.split_once('@'), name.rsplit_once('.')) {
            (Some((stem, _)), Some((_, kind))) => Some(format!("{stem}@.{kind}")),
            _ => None,
        };
        for file in [Some(name.to_owned()), template].into_iter().flatten() {
            for directory in DIRECTORIES {
                let path = format!("{directory}/{file}");
                let Some(node) = self.system.resolve(&path)? else {
                    // What is there but leads nowhere is a mask, too: /dev is empty in an image.
                    if self.is_link(directory, &file)? {
                        return Ok(None);
                    }
                    continue;
                };
                if node.kind != FileKind::File || self.system.metadata(&node)?.size == 0 {
                    return Ok(None);
                }
                let target = node.path.0.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
                let target = String::from_utf8_lossy(target).into_owned();
                // An instance keeps its name behind a link to its template.
                let name = if target == file || target.contains("@.") { name.to_owned() } else { target };
                return Ok(Some(self.read(name, &path, node.path)?));
            }
        }
        Ok(None)
    }

    fn is_link(&self, directory: &str, name: &str) -> Result<bool> {
        let Some(node) = self.system.resolve(directory)? else { return Ok(false) };
        let entries = self.system.guest().list(&node)?;
        Ok(entries.iter().any(|entry| entry.name == name.as_bytes() && entry.kind == FileKind::Symlink))
    }

    fn read(&self, name: String, path: &str, place: GuestPath) -> Result<Unit> {
        let mut texts = vec![self.system.text(path)?.unwrap_or_default()];
        for directory in DIRECTORIES {
            for item in self.system.files(&format!("{directory}/{name}.d"), ".conf")? {
                texts.push(
                    String::from_utf8_lossy(&self.system.read(&item.path.0)?.unwrap_or_default())
                        .into_owned(),
                );
            }
        }
        let mut unit = Unit { name, path: place, pulls: Vec::new(), listens: Vec::new() };
        for (key, value) in texts.iter().flat_map(|text| settings(text)) {
            if PULLS.contains(&key) {
                unit.pulls.extend(value.split_whitespace().map(str::to_owned));
            } else if LISTENS.contains(&key) {
                // Nothing: a drop-in starts the list anew.
                if value.is_empty() {
                    unit.listens.clear();
                } else {
                    unit.listens.push(value.to_owned());
                }
            }
        }
        Ok(unit)
    }
}

/// Keys and values of a unit, comments aside.
fn settings(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';', '[']));
    lines.filter_map(|line| line.split_once('=')).map(|(key, value)| (key.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_system;

    fn names(tree: &str) -> Vec<String> {
        let tree = format!(
            "/usr/lib/systemd/systemd\n/lib -> usr/lib\n\
             /usr/lib/systemd/system/multi-user.target = [Unit]\\nRequires=basic.target\n\
             /usr/lib/systemd/system/basic.target = [Unit]\\nWants=sockets.target\n\
             /usr/lib/systemd/system/sockets.target = [Unit]\n\
             /usr/lib/systemd/system/graphical.target = [Unit]\\nRequires=multi-user.target\n\
             /usr/lib/systemd/system/a.service = [Service]\n\
             /usr/lib/systemd/system/b@.service = [Service]\n\
             /usr/lib/systemd/system/s.socket = [Socket]\\nListenStream=80\\nListenStream=/run/s\n{tree}"
        );
        with_system(&tree, |system| {
            let of = |service: Service| {
                format!("{} {:?} {}", service.name, service.starter, service.listens.join(","))
            };
            enabled(system).unwrap().into_iter().map(of).collect()
        })
    }

    #[test]
    fn what_a_boot_reaches() {
        let wants = "/etc/systemd/system/multi-user.target.wants";
        assert_eq!(names(""), [""; 0]);
        assert_eq!(names(&format!("{wants}/a.service -> /lib/systemd/system/a.service")), ["a Unit "]);
        assert_eq!(names(&format!("{wants}/gone.service -> /lib/systemd/system/gone.service")), [""; 0]);
        assert_eq!(names(&format!("{wants}/b@x.service -> /lib/systemd/system/b@.service")), ["b@x Unit "]);
        assert_eq!(
            names("/usr/lib/systemd/system/sockets.target.wants/s.socket -> ../s.socket"),
            ["s Socket 80,/run/s"]
        );
        assert_eq!(
            names("/etc/systemd/system/rescue.target.wants/a.service -> /lib/systemd/system/a.service"),
            [""; 0]
        );
        // A unit that an enabled one wants; in a loop.
        let loops = "/usr/lib/systemd/system/c.service = [Unit]\\nWants=a.service c.service\n\
                     /usr/lib/systemd/system/a.service.wants/c.service -> ../c.service";
        assert_eq!(names(&format!("{loops}\n{wants}/a.service -> x")), ["a Unit ", "c Unit "]);
    }

    #[test]
    fn masks_aliases_and_drop_ins() {
        let wants = "/etc/systemd/system/multi-user.target.wants";
        let enabled = format!("{wants}/a.service -> /lib/systemd/system/a.service");
        assert_eq!(names(&format!("{enabled}\n/etc/systemd/system/a.service -> /dev/null")), [""; 0]);
        assert_eq!(names(&format!("{enabled}\n/etc/systemd/system/a.service =")), [""; 0]);
        let alias =
            format!("/etc/systemd/system/z.service -> /lib/systemd/system/a.service\n{wants}/z.service -> x");
        assert_eq!(names(&alias), ["a Unit "]);
        let drop_in = "/usr/lib/systemd/system/sockets.target.wants/s.socket -> ../s.socket\n\
                       /etc/systemd/system/s.socket.d/x.conf = [Socket]\\nListenStream=\\nListenStream=127.0.0.1:81";
        assert_eq!(names(drop_in), ["s Socket 127.0.0.1:81"]);
        let graphical = "/etc/systemd/system/graphical.target.wants/a.service -> x";
        assert_eq!(names(graphical), ["a Unit "]);
        let server = "/etc/systemd/system/default.target -> /lib/systemd/system/multi-user.target";
        assert_eq!(names(&format!("{graphical}\n{server}")), [""; 0]);
    }
}
