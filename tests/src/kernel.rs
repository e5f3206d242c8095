//! The kernel's opinion: an image's trees before and after differ by the plan alone.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::FileExt},
    path::{Path, PathBuf},
};

use filesystem::Content;
use serde_json::Value;

use crate::{
    Result,
    image::{self, Volume},
    manifest::{self, Manifest},
    program::run,
};

/// A mounted volume; unmounted when dropped.
#[derive(Debug)]
pub struct Mount(PathBuf);

impl Mount {
    /// Mounts a volume of a raw image at a new directory in `scratch`.
    pub fn new(raw: &Path, volume: &Volume, kind: &str, options: &str, scratch: &Path) -> Result<Self> {
        let point = tempfile::Builder::new()
            .prefix("mount")
            .tempdir_in(scratch)
            .map_err(|error| format!("{}: {error}", scratch.display()))?
            .keep();
        let options = format!("loop,offset={},sizelimit={},{options}", volume.start, volume.len);
        let options = ["-t", kind, "-o", &options].map(OsStr::new);
        run("mount", options.into_iter().chain([raw.as_os_str(), point.as_os_str()]))?;
        Ok(Self(point))
    }

    /// Its root.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Whoever looks at new mounts may still hold it: then it goes as soon as they are done.
        let lazily = || run("umount", ["--lazy".as_ref(), self.0.as_os_str()]);
        if run("umount", [&self.0]).or_else(|_| lazily()).is_ok() {
            // An empty directory in a temporary one: nobody misses it.
            let _ = fs::remove_dir(&self.0);
        }
    }
}

/// Whether the kernel has a filesystem, if need be as a module.
fn knows(kind: &str) -> bool {
    let listed = || {
        fs::read_to_string("/proc/filesystems")
            .is_ok_and(|list| list.lines().any(|line| line.split_whitespace().last() == Some(kind)))
    };
    listed() || (run("modprobe", ["-q", kind]).is_ok() && listed())
}

/// Whether the kernel mounts an XFS of this version: 4 is an option that distributions leave out.
fn mounts_xfs(raw: &Path, volume: &Volume) -> Result<bool> {
    let start =
        volume.pieces.first().and_then(|pieces| pieces.first()).map_or(volume.start, |piece| piece.start);
    let mut version = [0; 2];
    let file = fs::File::open(raw).and_then(|file| file.read_exact_at(&mut version, start + 100));
    file.map_err(|error| format!("{}: {error}", raw.display()))?;
    if version[1] & 0xf == 5 {
        return Ok(true);
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let config = fs::read_to_string(format!("/boot/config-{}", release.trim())).unwrap_or_default();
    Ok(config.contains("CONFIG_XFS_SUPPORT_V4=y"))
}

/// Whether an ext4 has names in which case does not matter (`s_feature_incompat` at 96 of the superblock).
fn folds(raw: &Path, volume: &Volume) -> Result<bool> {
    let start =
        volume.pieces.first().and_then(|pieces| pieces.first()).map_or(volume.start, |piece| piece.start);
    let mut incompat = [0; 4];
    let file = fs::File::open(raw).and_then(|file| file.read_exact_at(&mut incompat, start + 1024 + 96));
    file.map_err(|error| format!("{}: {error}", raw.display()))?;
    Ok(u32::from_le_bytes(incompat) & 0x2_0000 != 0)
}

fn knows_folding() -> bool {
    Path::new("/sys/fs/ext4/features/casefold").exists()
}

/// Compares every ext, XFS and FAT volume of two raw images. `before` is recovered by the kernel, so it is written:
/// give it a copy. Returns the differences that the report's edits do not explain.
pub fn compare(before: &Path, after: &Path, report: &Value, scratch: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (volume, cleaned) in image::volumes(before)?.iter().zip(image::volumes(after)?) {
        let (kind, recover, options) = match volume.content {
            Content::Ext => ("ext4", "rw", "ro,noload"),
            Content::Fat => ("vfat", "rw,utf8", "ro,utf8"),
            // The loop device of the input has the same UUID, if a mount of it lingers.
            Content::Xfs => ("xfs", "rw,nouuid,noatime", "ro,nouuid"),
            _ => continue,
        };
        if !knows(kind) {
            println!("volume {} is not compared: this kernel has no {kind}", volume.number);
            continue;
        }
        if volume.content == Content::Xfs && !mounts_xfs(before, volume)? {
            println!("volume {} is not compared: this kernel has no XFS of version 4", volume.number);
            continue;
        }
        if volume.content == Content::Ext && folds(before, volume)? && !knows_folding() {
            println!("volume {} is not compared: this kernel has no casefold", volume.number);
            continue;
        }
        let (before, volume) = &image::in_one_piece(before, volume, scratch, "before.volume")?;
        let (after, cleaned) = image::in_one_piece(after, &cleaned, scratch, "after.volume")?;
        // With a feature that this kernel reads but does not write, quota for one, it recovers all the same.
        let reading = recover.replace("rw", "ro");
        drop(
            Mount::new(before, volume, kind, recover, scratch)
                .or_else(|_| Mount::new(before, volume, kind, &reading, scratch))?,
        );
        let read = |raw: &Path, volume: &Volume| {
            let mount = Mount::new(raw, volume, kind, options, scratch)?;
            manifest::read(mount.path()).map_err(|error| format!("volume {}: {error}", volume.number))
        };
        let plan = Plan::new(report, volume.number);
        let fat = volume.content == Content::Fat;
        let differences = plan.unexplained(&read(before, volume)?, &read(&after, &cleaned)?, fat);
        found.extend(differences.into_iter().map(|line| format!("volume {}: {line}", volume.number)));
    }
    Ok(found)
}

/// Facts that an edit of a file's content changes.
const CONTENT: [&str; 4] = ["content", "size", "holes", "blocks"];

/// The bytes of a path that a report has escaped: controls and backslashes as in Rust, what is no UTF-8 as `\xff`.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at + 1..];
        let (len, meant) = match escape.as_bytes().first() {
            Some(b'n') => (1, vec![b'\n']),
            Some(b'r') => (1, vec![b'\r']),
            Some(b't') => (1, vec![b'\t']),
            Some(b'x') => (
                3,
                escape.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok()).into_iter().collect(),
            ),
            Some(b'u') => {
                let len = escape.find('}').map_or(escape.len(), |end| end + 1);
                let digits = escape.get(2..len.saturating_sub(1)).unwrap_or_default();
                let one = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                (len, one.map_or_else(Vec::new, |one| one.to_string().into_bytes()))
            }
            Some(other) => (1, vec![*other]),
            None => (0, Vec::new()),
        };
        bytes.extend(meant);
        rest = &escape[len..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// What the report says was done to one volume, by paths below its root.
struct Plan {
    removed: BTreeSet<Vec<u8>>,
    emptied: BTreeSet<Vec<u8>>,
    made: BTreeSet<Vec<u8>>,
}

impl Plan {
    fn new(report: &Value, number: u32) -> Self {
        let rows = |name: &str| report[name].as_array().cloned().unwrap_or_default();
        let ours = |row: &Value, field: &str| row[field].as_u64() == Some(u64::from(number));
        let volumes = rows("volumes");
        let place = volumes.iter().find(|volume| ours(volume, "number"));
        let prefix = place.and_then(|volume| volume["mount_point"].as_str()).unwrap_or("/").to_owned();
        let paths = |action: fn(&str) -> bool| {
            let edits = rows("edits")
                .into_iter()
                .filter(|edit| ours(edit, "volume") && action(edit["action"].as_str().unwrap_or_default()));
            let below = edits.filter_map(|edit| {
                let path = edit["path"].as_str()?;
                let path = path.strip_prefix(prefix.trim_end_matches('/')).unwrap_or(path);
                Some(unescape(path.trim_start_matches('/')))
            });
            below.collect()
        };
        Self {
            removed: paths(|action| action == "remove"),
            emptied: paths(|action| !matches!(action, "remove" | "create")),
            made: paths(|action| action == "create"),
        }
    }

    fn removes(&self, path: &OsStr) -> bool {
        let path = path.as_bytes();
        let parents = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at]);
        parents.chain([path]).any(|part| self.removed.contains(part))
    }

    fn unexplained(&self, before: &Manifest, after: &Manifest, fat: bool) -> Vec<String> {
        let mut found = Vec::new();
        // Links may go for each name that went; names of one inode share their number.
        let mut lost: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
        let mut parents = BTreeSet::new();
        for (path, facts) in before.iter().filter(|(path, _)| self.removes(path)) {
            *lost.entry(&facts["inode"]).or_default() += 1;
            parents.insert(
                Path::new(path).parent().map_or_else(Default::default, |path| path.as_os_str().to_owned()),
            );
        }
        let emptied: BTreeSet<&str> = before
            .iter()
            .filter(|(path, _)| self.emptied.contains(path.as_bytes()))
            .map(|(_, facts)| facts["inode"].as_str())
            .collect();
        for (path, facts) in before {
            let name = path.display();
            let Some(now) = after.get(path) else {
                if !self.removes(path) {
                    found.push(format!("/{name} is gone"));
                }
                continue;
            };
            if self.removes(path) {
                found.push(format!("/{name} is still there"));
            }
            for (fact, was) in facts {
                let same = now.get(fact) == Some(was);
                // A number that the FAT driver makes up on each mount.
                let made_up = fat && *fact == "inode";
                let emptied = emptied.contains(facts["inode"].as_str()) && CONTENT.contains(fact);
                let fewer = *fact == "links"
                    && (lost.contains_key(facts["inode"].as_str()) || parents.contains(path));
                let grew = ["links", "size"].contains(fact)
                    && self
                        .made
                        .iter()
                        .any(|made| Path::new(OsStr::from_bytes(made)).parent() == Some(Path::new(path)));
                if !(same || made_up || emptied || fewer || grew) {
                    let now = now.get(fact).map_or("nothing", String::as_str);
                    found.push(format!("/{name}: {fact} was {was}, is {now}"));
                }
            }
        }
        let missing = self.made.iter().filter(|made| !after.contains_key(OsStr::from_bytes(made)));
        found.extend(missing.map(|made| format!("/{} is not made", String::from_utf8_lossy(made))));
        found.extend(
            after
                .keys()
                .filter(|path| !before.contains_key(*path) && !self.made.contains(path.as_bytes()))
                .map(|path| format!("/{} is new", path.display())),
        );
        found
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn reads_escaped_paths() {
        let bytes = super::unescape(r"a\\b\n\u{202e}\xff\u{1}z");
        assert_eq!(bytes, b"a\\b\n\xe2\x80\xae\xff\x01z");
    }
}
