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

/// Where the system's lists are.
pub(super) struct System {
    proc: PathBuf,
    sys: PathBuf,
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
        Self { proc: "/proc".into(), sys: "/sys".into() }
    }

    /// Why the device of this number is not to be changed: the end of a sentence on it. A partition answers for its
    /// disk, too, and a disk for its partitions.
    pub(super) fn user_of_device(&self, number: u64) -> io::Result<Option<String>> {
        let own = self.folder(number);
        if own.as_ref().is_some_and(|folder| read(&folder.join("ro")).trim() == "1") {
            return Ok(Some("is read-only".to_owned()));
        }
        let mut family =
            vec![Member { number, whose: String::new(), folder: own.clone().unwrap_or_default() }];
        if let Some(own) = own {
            let is_partition = own.join("partition").exists();
            if is_partition && let Some(disk) = own.parent() {
                family.extend(member(disk, "whole disk"));
            } else {
                for entry in fs::read_dir(&own)? {
                    let folder = entry?.path();
                    if folder.join("partition").exists() {
                        family.extend(member(&folder, "partition"));
                    }
                }
            }
        }
        for Member { number, whose, folder } in family {
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

    /// The same for a regular file.
    pub(super) fn user_of_file(&self, file: &Metadata) -> io::Result<Option<String>> {
        let same = |path: &Path| {
            fs::metadata(path).is_ok_and(|other| (other.dev(), other.ino()) == (file.dev(), file.ino()))
        };
        if self.swaps().iter().any(|path| same(path)) {
            return Ok(Some("is in use as swap".to_owned()));
        }
        let Ok(devices) = fs::read_dir(self.sys.join("block")) else { return Ok(None) };
        for device in devices {
            let device = device?;
            let backing = read(&device.path().join("loop/backing_file"));
            if !backing.is_empty() && same(Path::new(backing.trim_end_matches('\n'))) {
                let name = device.file_name().to_string_lossy().into_owned();
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

/// The member whose directory in sysfs this is.
fn member(folder: &Path, kind: &str) -> Option<Member> {
    let number = number_of(read(&folder.join("dev")).trim())?;
    let name = folder.file_name()?.to_string_lossy().into_owned();
    Some(Member { number, whose: format!("its {kind} {name}"), folder: folder.to_owned() })
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
            let system = System { proc: self.at("proc"), sys: self.at("sys") };
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
        let system = System { proc: machine.at("proc"), sys: machine.at("sys") };
        assert_eq!(system.user_of_file(&file).unwrap(), None);
        machine.write("sys/block/loop7/loop/backing_file", &format!("{}\n", machine.at("a disk").display()));
        let said = system.user_of_file(&file).unwrap().unwrap();
        assert_eq!(said, "is behind the loop device loop7 (losetup -d /dev/loop7 detaches it)");
        let escaped = machine.at("a disk").display().to_string().replace(' ', "\\040");
        machine.write("proc/swaps", &format!("Filename\n{escaped} file 1 0 -2\n"));
        assert_eq!(system.user_of_file(&file).unwrap().unwrap(), "is in use as swap");
    }

    #[test]
    fn lines_that_make_no_sense_say_nothing() {
        assert_eq!(mounts("\nx\n1 2 3 - 4\n1 2 8:1\n1 2 8:x / / - a b\n").count(), 0);
        assert_eq!(unescaped("a\\040b\\1\\9999\\"), "a b\\1\\9999\\");
        assert!(swaps("").is_empty());
    }
}
