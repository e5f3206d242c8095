//! Who lives in the guest: its system, its accounts and every directory that is somebody's home.

use std::collections::BTreeSet;

use block::Result;
use filesystem::FileKind;

use crate::{Guest, GuestPath};

/// A line of passwd(5); never its password field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User number.
    pub uid: u32,
    /// Home, as passwd spells it.
    pub home: GuestPath,
    /// Login shell.
    pub shell: String,
    /// Whether it is a person's, by its number: not root's, a service's (below UID_MIN of login.defs(5)) or nobody's.
    pub person: bool,
}

/// What os-release(5) says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatingSystem {
    /// `debian`, `rhel`, `amzn`.
    pub id: String,
    /// `12`, `9.4`; empty for rolling releases.
    pub version: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub pretty_name: String,
}

/// Homes in name only: directories of the system itself, where a user's pattern has no business.
const NO_HOMES: &[&str] = &[
    "",
    "/",
    "/nonexistent",
    "/bin",
    "/sbin",
    "/usr",
    "/usr/bin",
    "/usr/sbin",
    "/usr/games",
    "/usr/lib",
    "/usr/share",
    "/dev",
    "/dev/null",
    "/proc",
    "/sys",
    "/run",
    "/etc",
    "/boot",
    "/lib",
    "/lib64",
    "/opt",
    "/home",
    "/var",
    "/var/lib",
    "/var/empty",
    "/var/run",
    "/tmp",
    "/var/tmp",
    "/mnt",
    "/media",
    "/srv",
];

/// What tells a home that passwd does not name (a removed account, a directory server's) from other directories.
const SIGNS: &[&[u8]] = &[
    b".ssh",
    b".bashrc",
    b".profile",
    b".bash_profile",
    b".bash_history",
    b".zshrc",
    b".bash_logout",
    b".cache",
];

/// Where the numbers of people's accounts start, if login.defs(5) does not tell: UID_MIN. Older systems have 500.
const UID_MIN: u32 = 1000;
const UID_MIN_LEAST: u32 = 500;
/// Nobody: owner of what has no owner here; and the number that means none.
const NOBODY: [u32; 3] = [65_534, 65_535, u32::MAX];

fn uid_min(guest: &Guest<'_>) -> Result<u32> {
    let text = guest.read_file(b"/etc/login.defs")?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().map(str::split_whitespace);
    let value = lines.find_map(|mut words| (words.next() == Some("UID_MIN")).then(|| words.next())?);
    Ok(value.and_then(|value| value.parse().ok()).unwrap_or(UID_MIN).max(UID_MIN_LEAST))
}

/// The accounts of every passwd in the guest, in their order.
pub(crate) fn users(guest: &Guest<'_>) -> Result<Vec<User>> {
    let uid_min = uid_min(guest)?;
    let mut users = Vec::new();
    for text in guest.read_each(b"/etc/passwd")? {
        for line in text.split(|&byte| byte == b'\n') {
            let fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
            let [name, _password, uid, _gid, _gecos, home, rest @ ..] = fields.as_slice() else { continue };
            // A line of NIS (`+::::::`) has no number.
            let Some(uid) = std::str::from_utf8(uid).ok().and_then(|uid| uid.parse().ok()) else { continue };
            users.push(User {
                name: String::from_utf8_lossy(name).into_owned(),
                uid,
                home: GuestPath(home.to_vec()),
                shell: rest
                    .first()
                    .map(|shell| String::from_utf8_lossy(shell).into_owned())
                    .unwrap_or_default(),
                person: uid >= uid_min && !NOBODY.contains(&uid),
            });
        }
    }
    Ok(users)
}

/// Every home, without symbolic links, sorted and once each.
pub(crate) fn homes(guest: &Guest<'_>, users: &[User]) -> Result<Vec<GuestPath>> {
    let mut homes = BTreeSet::new();
    let mut add = |path: &[u8]| {
        let text = String::from_utf8_lossy(path);
        let outside = ["/proc/", "/sys/", "/dev/", "/usr/bin/", "/usr/sbin/"];
        if path.starts_with(b"/")
            && !NO_HOMES.contains(&&*text)
            && !outside.iter().any(|dir| text.starts_with(dir))
        {
            homes.insert(GuestPath(path.to_vec()));
        }
    };
    let named = users.iter().map(|user| user.home.0.as_slice());
    for home in named.chain([b"/root".as_slice(), b"/etc/skel"]) {
        let home = trim(home);
        // The guest may have the home elsewhere, behind a link; volumes that it does not mount have it here.
        add(home);
        if let Some(node) = guest.resolve(home)? {
            add(&node.path.0);
        }
    }
    for mount in 0..guest.mounts().len() {
        let Mount { home, whole_volume } = place_of_homes(guest, mount);
        let Some(node) = guest.resolve_in(mount, &home, true)? else { continue };
        let prefix =
            |name: &[u8]| [guest.mounts()[mount].mount_point.as_slice(), &node.path.0, name].join(&b'/');
        for entry in guest.list(&node)?.into_iter().filter(|entry| entry.kind == FileKind::Directory) {
            let inside = [home.as_slice(), b"/", &entry.name].concat();
            let path = trim_all(&prefix(&entry.name));
            if !whole_volume || is_home(guest, mount, &inside)? {
                add(&path);
            }
            if whole_volume {
                continue;
            }
            // One level more: /home/EXAMPLE.COM/alice.
            let Some(below) = guest.resolve_in(mount, &inside, false)? else { continue };
            for entry in guest.list(&below)?.into_iter().filter(|entry| entry.kind == FileKind::Directory) {
                if is_home(guest, mount, &[inside.as_slice(), b"/", &entry.name].concat())? {
                    add(&[path.as_slice(), b"/", &entry.name].concat());
                }
            }
        }
        guest.forget_listings();
    }
    Ok(homes.into_iter().collect())
}

struct Mount {
    /// Where homes lie, in the volume.
    home: Vec<u8>,
    /// Any directory at the top of the volume may be one, if it looks like one.
    whole_volume: bool,
}

fn place_of_homes(guest: &Guest<'_>, mount: usize) -> Mount {
    let mounted = &guest.mounts()[mount];
    if mounted.mount_point == b"/home" {
        Mount { home: b"/".to_vec(), whole_volume: false }
    } else if mounted.mount_point == b"/"
        && guest.resolve_in(mount, b"/home", false).is_ok_and(|n| n.is_some())
    {
        Mount { home: b"/home".to_vec(), whole_volume: false }
    } else {
        Mount { home: b"/".to_vec(), whole_volume: true }
    }
}

fn is_home(guest: &Guest<'_>, mount: usize, path: &[u8]) -> Result<bool> {
    let Some(node) = guest.resolve_in(mount, path, false)? else { return Ok(false) };
    Ok(guest.list(&node)?.iter().any(|entry| SIGNS.contains(&entry.name.as_slice())))
}

fn trim(path: &[u8]) -> &[u8] {
    let mut path = path;
    while let Some(shorter) = path.strip_suffix(b"/") {
        path = shorter;
    }
    path
}

/// One slash where there are several.
fn trim_all(path: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(path.len());
    for part in path.split(|&byte| byte == b'/').filter(|part| !part.is_empty()) {
        clean.push(b'/');
        clean.extend(part);
    }
    clean
}

/// What os-release says; etc's wins over the vendor's.
pub(crate) fn operating_system(guest: &Guest<'_>) -> Result<Option<OperatingSystem>> {
    let text = match guest.read_file(b"/etc/os-release")? {
        Some(text) => text,
        None => match guest.read_file(b"/usr/lib/os-release")? {
            Some(text) => text,
            None => return Ok(None),
        },
    };
    let text = String::from_utf8_lossy(&text);
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))
            .map(|value| value.trim_matches(['"', '\'']).to_owned())
            .unwrap_or_default()
    };
    Ok(Some(OperatingSystem {
        id: value("ID"),
        version: value("VERSION_ID"),
        pretty_name: value("PRETTY_NAME"),
    }))
}
