//! Who uses a file or a device, by the system's own lists: mounts, swap, holders, loop devices.
//!
//! Reads /proc and /sys, and nothing of the device. Where they say nothing (a container), nobody is found: opening the
//! device exclusively is the second guard.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::fs::{major, makedev, minor};

use crate::{Extent, FileId};

/// Where the system's lists are.
pub(super) struct System {
    proc: PathBuf,
    sys: PathBuf,
    dev: PathBuf,
}

/// A device or partition of the family of the one that was asked for.
struct Member {
    number: u64,
    /// What the sentence calls it: nothing for the device itself.
    whose: String,
    folder: PathBuf,
}

impl System {
    pub(super) fn of_this_machine() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into(), dev: "/dev".into() }
    }

    /// Why the device of this number is not to be changed: the end of a sentence on it. A partition answers for its
    /// disk, too, a disk for its partitions, and loop devices for others that show the same bytes of a file.
    pub(super) fn user_of_device(&self, number: u64) -> io::Result<Option<String>> {
        let own = self.folder(number);
        if own.as_ref().is_some_and(|folder| read(&folder.join("ro")).trim() == "1") {
            return Ok(Some("is read-only".to_owned()));
        }
        for Member { number, whose, folder } in self.family(number, own)? {
            let does = |what: String| {
                if whose.is_empty() { what } else { format!("cannot be changed: {whose} {what}") }
            };
            if let Some(place) = self.mount_of(number) {
                return Ok(Some(does(format!("is mounted on {place}"))));
            }
            if self.swaps().iter().any(|path| rdev(path) == Some(number)) {
                return Ok(Some(does("is in use as swap".to_owned())));
            }
            if !folder.as_os_str().is_empty()
                && let Some(holder) = holder(&folder)
            {
                return Ok(Some(does(format!("is held by {holder}"))));
            }
        }
        Ok(None)
    }

    /// All files and devices whose bytes change if those of this device do: itself, its disk or partitions, and what is
    /// behind a loop device.
    pub(super) fn same_bytes(&self, number: u64) -> io::Result<Vec<FileId>> {
        let own = self.folder(number);
        let backing = own.as_deref().and_then(backing).map(|(file, _)| file);
        let names = self.family(number, own)?.into_iter().filter_map(|member| {
            // A slash in a device's name is an exclamation mark in sysfs.
            Some(self.dev.join(member.folder.file_name()?.to_str()?.replace('!', "/")))
        });
        let known = names.chain(backing).filter_map(|path| fs::metadata(path).ok());
        Ok(known.map(|metadata| FileId::from(&metadata)).collect())
    }

    /// The device itself, whose directory in sysfs is `own`, and those that share bytes with it.
    fn family(&self, number: u64, own: Option<PathBuf>) -> io::Result<Vec<Member>> {
        let mut family =
            vec![Member { number, whose: String::new(), folder: own.clone().unwrap_or_default() }];
        let Some(own) = own else { return Ok(family) };
        if own.join("partition").exists() {
            family.extend(own.parent().and_then(|disk| member(disk, "its whole disk $")));
        } else {
            for entry in fs::read_dir(&own)? {
                let folder = entry?.path();
                if folder.join("partition").exists() {
                    family.extend(member(&folder, "its partition $"));
                }
            }
        }
        if let Some((file, range)) = backing(&own) {
            for folder in self.disks() {
                let folder = fs::canonicalize(&folder).unwrap_or(folder);
                let shares = |(other, bytes): (PathBuf, Extent)| {
                    same_file(&other, &file) && !bytes.intersect(range).is_empty()
                };
                if folder != own && backing(&folder).is_some_and(shares) {
                    family.extend(member(&folder, "$, a loop device of the same file,"));
                }
            }
        }
        Ok(family)
    }

    /// The directories in sysfs of all disks.
    fn disks(&self) -> Vec<PathBuf> {
        let Ok(disks) = fs::read_dir(self.sys.join("block")) else { return Vec::new() };
        disks.filter_map(|disk| Some(disk.ok()?.path())).collect()
    }

    /// Why a regular file is not to be changed.
    pub(super) fn user_of_file(&self, file: &Metadata) -> io::Result<Option<String>> {
        let same = |path: &Path| {
            fs::metadata(path).is_ok_and(|other| (other.dev(), other.ino()) == (file.dev(), file.ino()))
        };
        if self.swaps().iter().any(|path| same(path)) {
            return Ok(Some("is in use as swap".to_owned()));
        }
        for folder in self.disks() {
            if backing(&folder).is_some_and(|(path, _)| same(&path)) {
                let name = folder.file_name().unwrap_or_default().to_string_lossy();
                return Ok(Some(format!(
                    "is behind the loop device {name} (losetup -d /dev/{name} detaches it)"
                )));
            }
        }
        Ok(None)
    }

    fn folder(&self, number: u64) -> Option<PathBuf> {
        let link = self.sys.join(format!("dev/block/{}:{}", major(number), minor(number)));
        fs::canonicalize(link).ok()
    }

    /// Where a device is mounted, here; by its number, or by its name for filesystems with numbers of their own.
    fn mount_of(&self, number: u64) -> Option<String> {
        let text = read(&self.proc.join("self/mountinfo"));
        mounts(&text)
            .find(|mount| mount.number == number || rdev(&mount.source) == Some(number))
            .map(|mount| mount.place)
    }

    fn swaps(&self) -> Vec<PathBuf> {
        swaps(&read(&self.proc.join("swaps")))
    }
}

/// The member whose directory in sysfs this is; `$` is its name.
fn member(folder: &Path, whose: &str) -> Option<Member> {
    let number = number_of(read(&folder.join("dev")).trim())?;
    let name = folder.file_name()?.to_string_lossy().into_owned();
    Some(Member { number, whose: whose.replace('$', &name), folder: folder.to_owned() })
}

/// The file behind a loop device, and the bytes of it that the device shows.
fn backing(folder: &Path) -> Option<(PathBuf, Extent)> {
    const SECTOR: u64 = 512;
    let file = read(&folder.join("loop/backing_file"));
    let number = |name: &str| -> u64 { read(&folder.join(name)).trim().parse().unwrap_or(0) };
    let len = number("size").saturating_mul(SECTOR);
    let range = Extent::new(number("loop/offset"), len).unwrap_or(Extent::between(0, u64::MAX));
    (!file.is_empty()).then(|| (file.trim_end_matches('\n').into(), range))
}

fn same_file(one: &Path, other: &Path) -> bool {
    let id = |path| fs::metadata(path).map(|metadata| FileId::from(&metadata)).ok();
    id(one).is_some_and(|one| id(other) == Some(one))
}

/// The first device that stands on this one, with the name that its owner gave it.
fn holder(folder: &Path) -> Option<String> {
    let first = fs::read_dir(folder.join("holders")).ok()?.next()?.ok()?;
    let name = first.file_name().to_string_lossy().into_owned();
    let given = read(&first.path().join("dm/name"));
    Some(if given.is_empty() { name } else { format!("{name} ({})", given.trim_end()) })
}

/// One line of mountinfo, proc_pid_mountinfo(5).
struct Mount {
    number: u64,
    place: String,
    source: PathBuf,
}

fn mounts(text: &str) -> impl Iterator<Item = Mount> {
    text.lines().filter_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        let mut fields = front.split(' ');
        let number = number_of(fields.nth(2)?)?;
        let place = unescaped(fields.nth(1)?);
        let source = unescaped(back.split(' ').nth(1)?).into();
        Some(Mount { number, place, source })
    })
}

/// The files and devices that are swapped to, proc_swaps(5).
fn swaps(text: &str) -> Vec<PathBuf> {
    text.lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .map(|path| unescaped(path).into())
        .collect()
}

/// Blanks and backslashes in both lists are `\` and three octal digits.
fn unescaped(field: &str) -> String {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let octal = behind.first_chunk::<3>().filter(|_| byte == b'\\');
        let octal = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(escaped) => {
                out.push(escaped);
                rest = &behind[3..];
            }
            None => {
                out.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// `259:1`.
fn number_of(text: &str) -> Option<u64> {
    let (major, minor) = text.split_once(':')?;
    Some(makedev(major.parse().ok()?, minor.parse().ok()?))
}

/// The number of the device at `path`, if there is one.
fn rdev(path: &Path) -> Option<u64> {
    use std::os::unix::fs::FileTypeExt;
    let metadata = fs::metadata(path).ok()?;
    metadata.file_type().is_block_device().then(|| metadata.rdev())
}

/// A file of /proc or /sys; empty if it is not there.
fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with the disk 8:0, its partitions 8:1 and 8:2, and a mapping on 8:2.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new(mountinfo: &str) -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            machine.write("proc/self/mountinfo", mountinfo);
            machine.write(
                "proc/swaps",
                "Filename Type Size Used Priority\n/nowhere/swap\\040file file 1 0 -2\n",
            );
            for (name, number) in [("sda", 0), ("sda/sda1", 1), ("sda/sda2", 2)] {
                let folder = format!("sys/devices/{name}");
                machine.write(&format!("{folder}/dev"), &format!("8:{number}\n"));
                machine.write(&format!("{folder}/ro"), "0\n");
                fs::create_dir(machine.at(&format!("{folder}/holders"))).unwrap();
                if number > 0 {
                    machine.write(&format!("{folder}/partition"), &format!("{number}\n"));
                }
                fs::create_dir_all(machine.at("sys/dev/block")).unwrap();
                let link = machine.at(&format!("sys/dev/block/8:{number}"));
                std::os::unix::fs::symlink(machine.at(&folder), link).unwrap();
            }
            machine
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
            fs::write(self.at(name), text).unwrap();
        }

        fn user(&self, minor: u32) -> String {
            let system = System { proc: self.at("proc"), sys: self.at("sys"), dev: self.at("dev") };
            system.user_of_device(makedev(8, minor)).unwrap().unwrap_or_default()
        }
    }

    const LINE: &str = "36 35 8:1 / /mnt/a\\040b rw,noatime shared:1 - ext4 /dev/none rw\n";

    #[test]
    fn a_mount_is_named_for_partition_and_disk() {
        let machine = Machine::new(LINE);
        assert_eq!(machine.user(1), "is mounted on /mnt/a b");
        assert_eq!(machine.user(0), "cannot be changed: its partition sda1 is mounted on /mnt/a b");
        assert_eq!(machine.user(2), "");
        let machine = Machine::new(&LINE.replace("8:1", "8:0"));
        assert_eq!(machine.user(2), "cannot be changed: its whole disk sda is mounted on /mnt/a b");
    }

    #[test]
    fn holders_and_switches() {
        let machine = Machine::new("");
        assert_eq!(machine.user(0), "");
        machine.write("sys/devices/sda/sda2/holders/dm-3/dm/name", "vg-root\n");
        assert_eq!(machine.user(2), "is held by dm-3 (vg-root)");
        assert_eq!(machine.user(0), "cannot be changed: its partition sda2 is held by dm-3 (vg-root)");
        assert_eq!(machine.user(1), "");
        machine.write("sys/devices/sda/sda1/ro", "1\n");
        assert_eq!(machine.user(1), "is read-only");
        // What sysfs does not know is left to the exclusive open.
        assert_eq!(machine.user(77), "");
    }

    #[test]
    fn files_behind_loop_devices_and_swap_files() {
        let machine = Machine::new("");
        machine.write("a disk", "bytes");
        let file = fs::metadata(machine.at("a disk")).unwrap();
        let system = System { proc: machine.at("proc"), sys: machine.at("sys"), dev: machine.at("dev") };
        assert_eq!(system.user_of_file(&file).unwrap(), None);
        machine.write("sys/block/loop7/loop/backing_file", &format!("{}\n", machine.at("a disk").display()));
        let said = system.user_of_file(&file).unwrap().unwrap();
        assert_eq!(said, "is behind the loop device loop7 (losetup -d /dev/loop7 detaches it)");
        let escaped = machine.at("a disk").display().to_string().replace(' ', "\\040");
        machine.write("proc/swaps", &format!("Filename\n{escaped} file 1 0 -2\n"));
        assert_eq!(system.user_of_file(&file).unwrap().unwrap(), "is in use as swap");
    }

    #[test]
    fn loop_devices_of_one_file_answer_for_each_other() {
        let machine = Machine::new("36 35 7:2 / /mnt rw - ext4 /dev/loop2 rw\n");
        machine.write("image", "bytes");
        machine.write("other", "bytes");
        for (number, file, offset, size) in
            [(1, "image", 0, 80), (2, "image", 1024, 10), (3, "image", 9000, 10), (4, "other", 0, 80)]
        {
            let folder = format!("sys/block/loop{number}");
            machine.write(&format!("dev/loop{number}"), "");
            machine.write(&format!("{folder}/dev"), &format!("7:{number}\n"));
            machine.write(&format!("{folder}/size"), &format!("{size}\n"));
            machine.write(&format!("{folder}/loop/offset"), &format!("{offset}\n"));
            machine
                .write(&format!("{folder}/loop/backing_file"), &format!("{}\n", machine.at(file).display()));
            let link = machine.at(&format!("sys/dev/block/7:{number}"));
            std::os::unix::fs::symlink(machine.at(&folder), link).unwrap();
        }
        let system = System { proc: machine.at("proc"), sys: machine.at("sys"), dev: machine.at("dev") };
        let user = |minor| system.user_of_device(makedev(7, minor)).unwrap().unwrap_or_default();
        assert_eq!(user(1), "cannot be changed: loop2, a loop device of the same file, is mounted on /mnt");
        assert_eq!(
            (user(2), user(3), user(4)),
            ("is mounted on /mnt".to_owned(), String::new(), String::new())
        );
        let id = |name: &str| FileId::from(&fs::metadata(machine.at(name)).unwrap());
        // In the order in which sysfs names them, which is any.
        let same = |number, names: &[&str]| {
            let of = system.same_bytes(number).unwrap();
            of.len() == names.len() && names.iter().all(|name| of.contains(&id(name)))
        };
        assert!(same(makedev(7, 1), &["dev/loop1", "dev/loop2", "dev/loop3", "image"]));
        assert!(same(makedev(7, 2), &["dev/loop2", "dev/loop1", "image"]));
        assert!(same(makedev(7, 4), &["dev/loop4", "other"]));
        // A disk's bytes are its partitions', and theirs are its.
        for name in ["sda", "sda1", "sda2"] {
            machine.write(&format!("dev/{name}"), "");
        }
        assert!(same(makedev(8, 1), &["dev/sda1", "dev/sda"]));
        assert!(same(makedev(8, 0), &["dev/sda", "dev/sda1", "dev/sda2"]));
    }

    #[test]
    fn lines_that_make_no_sense_say_nothing() {
        assert_eq!(mounts("\nx\n1 2 3 - 4\n1 2 8:1\n1 2 8:x / / - a b\n").count(), 0);
        assert_eq!(unescaped("a\\040b\\1\\9999\\"), "a b\\1\\9999\\");
        assert!(swaps("").is_empty());
    }
}
