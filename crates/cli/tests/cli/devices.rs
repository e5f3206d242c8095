//! Block devices: cleaned in place, written whole, verified; and refused while anybody uses them. Needs root and loop
//! devices.

use crate::{
    in_place::disk,
    sandbox::{Said, Sandbox},
};

/// Attaches files to loop devices that vanish with the test.
struct Devices<'a> {
    sandbox: &'a Sandbox,
    names: Vec<String>,
}

impl<'a> Devices<'a> {
    /// `None`, with a word to the reader, where the machine has none for us.
    fn new(sandbox: &'a Sandbox) -> Option<Self> {
        let (code, ..) = sandbox.script("test $(id -u) = 0 && losetup -f");
        if code != Some(0) {
            assert!(std::env::var_os("CI").is_none(), "this needs root and loop devices");
            println!("not run: this needs root and loop devices");
            return None;
        }
        Some(Self { sandbox, names: Vec::new() })
    }

    fn attach(&mut self, options: &str, file: &str) -> String {
        let name = self.sandbox.sh(&format!("losetup -f --show {options} {file}")).trim().to_owned();
        self.names.push(name.clone());
        name
    }

    /// What diskscrub says of `$dev`.
    fn run(&self, arguments: &str, device: &str) -> Said {
        self.sandbox.run(&arguments.replace("$dev", device))
    }
}

impl Drop for Devices<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            self.sandbox.script(&format!("umount {name} 2>/dev/null; losetup -d {name}"));
        }
    }
}

#[test]
fn in_place_and_whole_with_sectors_of_any_size() {
    let sandbox = disk();
    let Some(mut devices) = Devices::new(&sandbox) else { return };
    sandbox.sh("mkdir state");
    for sector in [512, 4096] {
        sandbox.sh("cp before inside; tr '\\0' x < /dev/zero | head -c 20M > whole");
        let (inside, whole) = (
            devices.attach(&format!("-b {sector}"), "inside"),
            devices.attach(&format!("-b {sector}"), "whole"),
        );
        let (code, said, message) = devices.run("clean --in-place $dev --yes -q --state state", &inside);
        assert_eq!((code, message.as_str()), (Some(0), ""), "{said}");
        sandbox.sh(&format!("cmp {inside} copy; test -z \"$(ls -A state)\""));
        let (code, _, message) = devices.run("clean before -o $dev --yes -q", &whole);
        assert_eq!((code, message.as_str()), (Some(0), ""));
        // Behind the image, the device is zero.
        sandbox.sh(&format!(
            "cmp -n 16777216 {whole} copy; test -z \"$(tail -c 4194304 {whole} | tr -d '\\0')\""
        ));
        for device in [&inside, &whole] {
            let report = sandbox.json(&format!("verify {device}"));
            assert_eq!(report["verdict"], "clean", "{report}");
        }
        sandbox.sh(&format!("losetup -d {inside}; losetup -d {whole}; cmp inside copy"));
        devices.names.clear();
    }
}

/// A filesystem in a partition of a disk with sectors of 4096 bytes, which nothing but the device says.
#[test]
fn a_device_says_how_long_its_sectors_are() {
    let sandbox = disk();
    let Some(mut devices) = Devices::new(&sandbox) else { return };
    sandbox.sh(
        "truncate -s 32M mbr; cp mbr out; mkdir state
         printf 'label: dos\\n256,4096,83\\n' > table; dd if=before of=mbr bs=1M seek=1 conv=notrunc status=none",
    );
    let device = devices.attach("-b 4096", "mbr");
    sandbox.sh(&format!("sfdisk -q --no-reread --no-tell-kernel {device} < table"));
    let (code, said, message) = devices.run("inspect $dev --json", &device);
    assert_eq!(code, Some(0), "{message}");
    assert!(said.contains("\"sector_size\": 4096"), "{said}");
    let (code, _, message) = devices.run("clean --in-place $dev --yes -q --state state", &device);
    assert_eq!((code, message.as_str()), (Some(0), ""));
    sandbox.sh(&format!("dd if={device} bs=1M skip=1 count=16 status=none | cmp - copy"));
}

#[test]
fn a_device_in_use_is_refused_by_name() {
    let sandbox = disk();
    let Some(mut devices) = Devices::new(&sandbox) else { return };
    sandbox.sh("mkdir state mounted; cp disk other; truncate -s 1M small; cp disk ro");
    let device = devices.attach("", "disk");
    let name = device.trim_start_matches("/dev/").to_owned();
    let (_, _, message) = devices.run("clean --in-place $dev --yes", &device);
    assert!(message.contains("is a device: --state has to name a directory"), "{message}");
    let (_, _, message) = devices.run("clean --in-place disk --yes", &device);
    assert!(message.contains(&format!("disk: is behind the loop device {name}")), "{message}");
    let (_, _, message) = devices.run("clean other -o $dev", &device);
    assert!(message.contains("there is no terminal to ask on"), "{message}");
    let (_, _, message) = devices.run("clean other -o $dev --yes --output-format qcow2", &device);
    assert!(message.contains("is a device, which holds a raw disk"), "{message}");
    let (_, _, message) = devices.run("clean $dev -o $dev --yes", &device);
    assert!(message.contains("is the input"), "{message}");
    let (_, _, message) = devices.run("clean disk -o $dev --yes", &device);
    assert!(message.contains("has its bytes"), "{message}");
    let twin = devices.attach("-o 4096", "disk");
    sandbox.sh(&format!("mount -o ro {device} mounted"));
    let (code, _, message) = devices.run("clean --in-place $dev --yes --state state", &twin);
    assert!(
        code == Some(2) && message.contains("a loop device of the same file, is mounted on"),
        "{message}"
    );
    sandbox.sh("umount mounted");
    let small = devices.attach("", "small");
    let (_, _, message) = devices.run("clean other -o $dev --yes", &small);
    assert!(message.contains("the image needs 16777216 bytes, the device has 1048576"), "{message}");
    let read_only = devices.attach("-r", "ro");
    let (_, _, message) = devices.run("clean --in-place $dev --yes --state state", &read_only);
    assert!(message.contains("is read-only"), "{message}");
    sandbox.sh(&format!("mount -o ro {device} mounted"));
    for arguments in ["clean --in-place $dev --yes --state state", "clean other -o $dev --yes"] {
        let (code, _, message) = devices.run(arguments, &device);
        let place = sandbox.at("mounted").display().to_string();
        assert!(
            code == Some(2) && message.contains(&format!("{device}: is mounted on {place}")),
            "{message}"
        );
    }
    sandbox.sh("umount mounted; test -z \"$(ls -A state)\"; cmp disk before; cmp ro before");
}
