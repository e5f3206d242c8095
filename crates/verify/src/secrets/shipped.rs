//! What everybody has is no secret: sets secrets apart that lie in unchanged files of packages, and copies of these.
//!
//! The package manager's own database says what belongs to a package, and its sums whether it is unchanged. It is part
//! of the image: whoever changed a file could have changed its sum, and a package may be nobody else's. So nothing is
//! dropped: all that is set apart is listed with its package. What cannot be told stays a finding.

use std::collections::{BTreeSet, HashMap, HashSet};

use filesystem::{Error, FileKind, InodeId, Result};
use scan::{Guest, GuestPath};
use serde::Serialize;

use super::{Secrets, named};
use crate::{
    Finding, Note, Place, Region, Survey, Tier,
    guest::guest,
    packages::{Budget, CONTENT, Listed, Packages, Sum},
};

/// Databases that are there, but not read, and whose they are.
const UNREAD: [(&[u8], &str); 6] = [
    (b"/var/lib/rpm/rpmdb.sqlite", "RPM"),
    (b"/var/lib/rpm/Packages", "RPM"),
    (b"/var/lib/rpm/Packages.db", "RPM"),
    (b"/usr/lib/sysimage/rpm/rpmdb.sqlite", "RPM"),
    (b"/usr/lib/sysimage/rpm/Packages.db", "RPM"),
    (b"/var/lib/pacman/local", "pacman"),
];

/// A secret that everybody has who has a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shipped {
    /// The package, escaped.
    pub package: String,
    /// The path in the guest of its file, by its list, escaped.
    pub path: String,
    /// The rule that knows the secret.
    pub rule: &'static str,
    /// How sure the rule is.
    pub tier: Tier,
    /// Where it is: in that file, or somewhere else, as a copy.
    pub place: Place,
    /// Its keyed digest, in hexadecimal.
    pub digest: String,
}

/// A file, by the index of its volume in the layout.
type File = (usize, InodeId);

/// Who ships a file.
#[derive(Clone)]
struct Owner {
    package: String,
    path: String,
}

#[derive(Default)]
struct Owners {
    /// Unchanged files of packages.
    of: HashMap<File, Owner>,
    /// Where each volume is mounted, `/` at its end.
    mounts: HashMap<usize, String>,
}

/// Moves findings to [`Secrets::shipped`]: secrets in live files that belong to a package and are unchanged, and of the
/// same secrets, unless only their context tells of them, every copy elsewhere.
///
/// Two things stay findings. What lies in configuration that `named`, the files that are known to hold secrets, has.
/// And a copy in such a file, or anywhere in `/etc`: a key that everybody has is a way in if it is in use.
///
/// Lists are read only if there is a secret in a live file. Fails only if the medium does.
pub fn set_shipped_apart(survey: &Survey, named: &HashSet<File>, secrets: &mut Secrets) -> Result<()> {
    let files: BTreeSet<File> =
        secrets.findings.iter().filter_map(|finding| live_file(survey, place(finding)?)).collect();
    if files.is_empty() {
        return Ok(());
    }
    match owners(survey, named, &files, &mut secrets.notes) {
        Ok(owners) => {
            part(survey, named, &owners, secrets);
            Ok(())
        }
        Err(error @ Error::Io(_)) => Err(error),
        Err(error) => {
            let text = format!("which files belong to packages is not known: {error}");
            secrets.notes.push(Note { volume: None, text });
            Ok(())
        }
    }
}

fn place(finding: &Finding) -> Option<&Place> {
    match finding {
        Finding::Secret { place, .. } => Some(place),
        _ => None,
    }
}

/// The file that holds it, if one does.
fn live_file(survey: &Survey, place: &Place) -> Option<File> {
    let area = survey.atlas.at(place.offset).filter(|area| area.region == Region::File)?;
    let inode = area.inode.filter(|inode| place.region == Region::File && place.inode == Some(inode.0))?;
    Some((area.volume?, inode))
}

/// Which of these files belong to a package and are unchanged.
fn owners(
    survey: &Survey,
    named: &HashSet<File>,
    files: &BTreeSet<File>,
    notes: &mut Vec<Note>,
) -> Result<Owners> {
    let trees = named::trees(survey)?;
    let guest = guest(&survey.layout, &trees)?;
    let mut owners = Owners::default();
    for mount in guest.mounts() {
        let point = GuestPath(mount.mount_point.clone()).to_string();
        owners.mounts.insert(mount.volume, point.trim_end_matches('/').to_owned());
    }
    let mut note = |text| notes.push(Note { volume: None, text });
    let mut unread: Vec<&str> = Vec::new();
    for (path, manager) in UNREAD {
        if !unread.contains(&manager) && guest.resolve(path)?.is_some() {
            unread.push(manager);
            note(format!("{manager}'s database is not read: files of its packages are as any other"));
        }
    }
    let Some(packages) = Packages::of(&guest)? else { return Ok(owners) };
    let unchanged = by_sum(&guest, files, &packages, &mut note)?;
    let mut visit = |listed: Listed<'_>| {
        let Some(same) = unchanged.get(&listed.sum) else { return Ok(()) };
        // The guest's own links and mounts lead to the file: /lib to /usr/lib, /boot to its volume.
        let Some(node) = guest.resolve(listed.path)?.filter(|node| node.kind == FileKind::File) else {
            return Ok(());
        };
        let file = (node.volume, node.inode);
        if same.contains(&file) && !(listed.configuration && named.contains(&file)) {
            let text = |bytes: &[u8]| GuestPath(bytes.to_vec()).to_string();
            let owner = || Owner { package: text(listed.package), path: text(listed.path) };
            owners.of.entry(file).or_insert_with(owner);
        }
        Ok(())
    };
    let unread = packages.visit(&mut visit)?;
    if unread.damaged > 0 {
        let damaged = unread.damaged;
        note(format!("{damaged} lists of packages cannot be read: files of theirs are as any other"));
    }
    if unread.too_long {
        note("the lists of packages are too long: some of their files are as any other".to_owned());
    }
    Ok(owners)
}

/// Those of these files whose content a package ships, under whatever name; configuration does not count. None, where
/// that cannot be told. Fails only if the medium does.
pub(super) fn with_shipped_content(survey: &Survey, files: &BTreeSet<File>) -> Result<HashSet<File>> {
    let find = || {
        let trees = named::trees(survey)?;
        let guest = guest(&survey.layout, &trees)?;
        let mut shipped = HashSet::new();
        let Some(packages) = Packages::of(&guest)?.filter(|_| !files.is_empty()) else { return Ok(shipped) };
        let by_sum = by_sum(&guest, files, &packages, &mut |_| ())?;
        packages.visit(&mut |listed| {
            if let Some(same) = by_sum.get(&listed.sum).filter(|_| !listed.configuration) {
                shipped.extend(same);
            }
            Ok(())
        })?;
        Ok(shipped)
    };
    match find() {
        Err(error) if !matches!(error, Error::Io(_)) => Ok(HashSet::new()),
        found => found,
    }
}

/// The files by the sums of their content.
fn by_sum(
    guest: &Guest<'_>,
    files: &BTreeSet<File>,
    packages: &Packages<'_>,
    note: &mut dyn FnMut(String),
) -> Result<HashMap<Sum, Vec<File>>> {
    let mut unchanged: HashMap<Sum, Vec<File>> = HashMap::new();
    let (mut budget, mut unknown) = (Budget::new(CONTENT), 0_u64);
    for &(volume, inode) in files {
        let Some(filesystem) = guest.filesystem(volume) else { continue };
        match packages.sums(filesystem, inode, &mut budget) {
            Ok(Some(sums)) => sums.for_each(|sum| unchanged.entry(sum).or_default().push((volume, inode))),
            Err(error @ Error::Io(_)) => return Err(error),
            Ok(None) | Err(_) => unknown += 1,
        }
    }
    if unknown > 0 {
        note(format!(
            "{unknown} files with secrets are too large, or damaged, to be compared with a package's"
        ));
    }
    Ok(unchanged)
}

/// Parts the findings.
fn part(survey: &Survey, named: &HashSet<File>, owners: &Owners, secrets: &mut Secrets) {
    let owner = |place: &Place| owners.of.get(&live_file(survey, place)?);
    let mut published: HashMap<String, Owner> = HashMap::new();
    for finding in &secrets.findings {
        // Words that mean something by their context alone mean something else in another.
        if let Finding::Secret { place, digest, tier: Tier::Proven | Tier::Likely, .. } = finding
            && let Some(owner) = owner(place)
        {
            published.entry(digest.clone()).or_insert_with(|| owner.clone());
        }
    }
    let in_use = |place: &Place| {
        live_file(survey, place).is_some_and(|file| {
            let mount = owners.mounts.get(&file.0).map_or("", String::as_str);
            let path = place.path.as_deref().unwrap_or_default();
            named.contains(&file) || format!("{mount}{path}").starts_with("/etc/")
        })
    };
    for finding in std::mem::take(&mut secrets.findings) {
        let known = match &finding {
            Finding::Secret { rule, tier, place, digest } => {
                let copy = || published.get(digest).filter(|_| *tier != Tier::Context && !in_use(place));
                owner(place).or_else(copy).map(|owner| Shipped {
                    package: owner.package.clone(),
                    path: owner.path.clone(),
                    rule,
                    tier: *tier,
                    place: place.clone(),
                    digest: digest.clone(),
                })
            }
            _ => None,
        };
        match known {
            Some(shipped) => {
                secrets.uncount(&finding);
                secrets.shipped.push(shipped);
            }
            None => secrets.findings.push(finding),
        }
    }
}
