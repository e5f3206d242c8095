//! What a guest's package manager knows: dpkg, rpm, apk, pacman. Never runs one, and never opens rpm's database.

use std::collections::HashSet;

use block::{Error, Result};
use filesystem::FileKind;
use scan::GuestPath;

use crate::System;

/// Where dpkg has a file with the names of each package's files.
const DPKG_INFO: &str = "/var/lib/dpkg/info";
/// Databases, the newest names first: dpkg's, rpm's, apk's, pacman's.
const DATABASES: &[&str] = &[
    "/var/lib/dpkg/status",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/Packages.db",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/rpm/Packages.db",
    "/var/lib/rpm/Packages",
    "/lib/apk/db/installed",
    "/usr/lib/apk/db/installed",
    "/var/lib/pacman/local",
];

/// The database, and when it was last changed: when the last package came or went, in seconds since 1970.
pub(crate) fn database(system: &System<'_, '_>) -> Result<Option<(GuestPath, i64)>> {
    for path in DATABASES {
        if let Some(node) = system.resolve(path)? {
            let changed = system.metadata(&node)?.mtime;
            return Ok(Some((node.path, changed)));
        }
    }
    Ok(None)
}

/// How many packages are installed, if a list of them can be read.
pub(crate) fn count(system: &System<'_, '_>) -> Result<Option<usize>> {
    if system.exists(DPKG_INFO)? {
        return Ok(Some(system.files(DPKG_INFO, ".list")?.len()));
    }
    for path in ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"] {
        if let Some(text) = system.text(path)? {
            return Ok(Some(text.lines().filter(|line| line.starts_with("P:")).count()));
        }
    }
    let pacman = system.list(b"/var/lib/pacman/local")?;
    let packages = pacman.iter().filter(|item| item.kind == FileKind::Directory).count();
    Ok((packages > 0).then_some(packages))
}

/// Takes the paths that a package brings out of `paths`. `false` if no package manager lists files as text.
pub(crate) fn without_packaged(system: &System<'_, '_>, paths: &mut Vec<GuestPath>) -> Result<bool> {
    let lists = system.files(DPKG_INFO, ".list")?;
    if lists.is_empty() {
        return Ok(false);
    }
    let wanted: HashSet<Vec<u8>> = paths.iter().map(|path| merged(&path.0).to_vec()).collect();
    let mut packaged = HashSet::new();
    for item in lists {
        let text = match system.read(&item.path.0) {
            Ok(text) => text.unwrap_or_default(),
            // Too large: not one that brings what is looked for, or the answer is the careful one.
            Err(Error::Unsupported(_)) => continue,
            Err(error) => return Err(error),
        };
        let lines = text.split(|&byte| byte == b'\n').map(merged);
        packaged.extend(lines.filter(|line| wanted.contains(*line)).map(<[u8]>::to_vec));
    }
    // Moved aside or given other rights by the administrator: dpkg knows.
    let overrides = system.text("/var/lib/dpkg/statoverride")?.unwrap_or_default();
    let overridden = overrides.lines().filter_map(|line| line.split_whitespace().nth(3));
    packaged.extend(overridden.map(|path| merged(path.as_bytes()).to_vec()));
    paths.retain(|path| !packaged.contains(merged(&path.0)));
    Ok(true)
}

/// `/usr/bin/su` and `/bin/su` are one since the directories are.
fn merged(path: &[u8]) -> &[u8] {
    path.strip_prefix(b"/usr").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_system;

    #[test]
    fn packages_bring_files() {
        let tree = "/var/lib/dpkg/status\n/var/lib/dpkg/info/a.list = /.\\n/bin/su\\n\n/var/lib/dpkg/info/b:amd64.list =\n\
                    /var/lib/dpkg/statoverride = root root 4755 /opt/x\\n";
        with_system(tree, |system| {
            assert_eq!(count(system).unwrap(), Some(2));
            assert_eq!(database(system).unwrap().unwrap().0.to_string(), "/var/lib/dpkg/status");
            let path = |path: &str| GuestPath(path.as_bytes().to_vec());
            let mut paths = vec![path("/usr/bin/su"), path("/opt/x"), path("/opt/y")];
            assert!(without_packaged(system, &mut paths).unwrap());
            assert_eq!(paths, [path("/opt/y")]);
        });
        with_system("/lib/apk/db/installed = P:a\\nV:1\\n\\nP:b\\n", |system| {
            assert_eq!(count(system).unwrap(), Some(2));
            assert!(!without_packaged(system, &mut Vec::new()).unwrap());
        });
    }
}
