//! Disk images made by the tools that also judge them.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use filesystem::{Content, Extent, Layout, Tail, layout, scrub_table, table_tails};
use tempfile::TempDir;

pub const MIB: usize = 1 << 20;
/// Runs a tool, which has to succeed, and returns what it printed.
pub fn run(tool: &str, args: &[&str], input: &str) -> String {
    let mut child = Command::new(tool)
        .args(args)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{tool} has to be installed: {error}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {args:?}: {stdout}{stderr}");
    stdout
}

/// A disk image in a temporary directory.
pub struct Disk {
    dir: TempDir,
}

impl Disk {
    pub fn new(bytes: usize) -> Self {
        let disk = Self { dir: tempfile::tempdir().unwrap() };
        disk.write(&vec![0; bytes]);
        disk
    }

    pub fn path(&self) -> String {
        self.dir.path().join("disk").to_str().unwrap().to_owned()
    }

    pub fn write(&self, bytes: &[u8]) {
        fs::write(Path::new(&self.path()), bytes).unwrap();
    }

    pub fn read(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    pub fn sgdisk(&self, args: &[&str]) -> String {
        let path = self.path();
        run("sgdisk", &[args, &[path.as_str()]].concat(), "")
    }

    pub fn sfdisk(&self, script: &str) {
        run("sfdisk", &["-q", &self.path()], script);
    }

    pub fn dump(&self) -> String {
        run("sfdisk", &["-d", &self.path()], "")
    }

    /// What sgdisk(8) has to say against the table, if anything.
    pub fn complaints(&self) -> Option<String> {
        let text = self.sgdisk(&["-v"]);
        let good = text.contains("No problems found") && !text.to_lowercase().contains("warning");
        (!good).then_some(text)
    }
}

/// `layout`, which has to succeed.
pub fn read(image: &Vec<u8>) -> Layout {
    layout(image, None).unwrap()
}

/// The unused bytes of the table's sectors that are not zero.
pub fn tails(image: &Vec<u8>) -> Vec<(Extent, Tail)> {
    let mut tails = Vec::new();
    let mut keep = |extent, tail| {
        tails.push((extent, tail));
        Ok(())
    };
    table_tails(image, &read(image), &mut keep).unwrap();
    tails
}

/// Only what is live survives, after a scrub of the table; this is what the sanitizer will write.
pub fn live_copy(image: &[u8]) -> Vec<u8> {
    let mut view = image.to_vec();
    let found = read(&view);
    scrub_table(&mut view, &found).unwrap();
    assert_eq!(tails(&view), [], "what the scrub left");
    let filesystems = found.volumes.iter().filter(|volume| volume.content != Content::BootCode);
    let volumes = filesystems.flat_map(|volume| &volume.extents);
    let mut copy = vec![0; view.len()];
    for extent in found.live.iter().map(|region| &region.extent).chain(volumes) {
        let range = usize::try_from(extent.start).unwrap()..usize::try_from(extent.end()).unwrap();
        copy[range.clone()].copy_from_slice(&view[range]);
    }
    copy
}

pub fn contains(image: &[u8], text: &[u8]) -> bool {
    image.windows(text.len()).any(|window| window == text)
}

pub fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Redoes both checksums of the GPT copy whose header is at byte `header`.
pub fn redo_crcs(image: &mut [u8], header: usize, array: usize, len: usize) {
    let crc = crc32(&image[array..array + len]);
    put(image, header + 88, &crc.to_le_bytes());
    put(image, header + 16, &[0; 4]);
    let crc = crc32(&image[header..header + 92]);
    put(image, header + 16, &crc.to_le_bytes());
}

/// CRC-32 bit by bit, so that the tests do not lean on the code's own.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}
