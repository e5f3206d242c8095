//! QEMU's tools, and the comparison of an image with what they say of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use block::{BlockRead, OpenOptions, is_zero, open, to_u64, to_usize};

/// A directory for one test's images.
pub(crate) struct Lab {
    directory: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a tool in the directory; its arguments are separated by blanks.
    pub(crate) fn run(&self, tool: &str, arguments: &str) -> String {
        self.run_with(tool, &arguments.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn run_with(&self, tool: &str, arguments: &[&str]) -> String {
        let output = Command::new(tool)
            .args(arguments)
            .current_dir(self.directory.path())
            .output()
            .unwrap_or_else(|error| panic!("{tool} cannot be run ({error}): install qemu-utils"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{tool} {arguments:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    }

    pub(crate) fn img(&self, arguments: &str) -> String {
        // Nothing here has to survive a power cut, and waiting for the disk takes most of the time.
        self.run("qemu-img", &arguments.replacen("convert ", "convert -t unsafe ", 1))
    }

    /// Lets `qemu-io` change an image; commands are separated by `;`. Its own failures do not show in its status.
    pub(crate) fn io(&self, image: &str, commands: &str) {
        let mut arguments = vec!["-f", "qcow2", "-d", "unmap", "-t", "unsafe"];
        for command in commands.split(';') {
            arguments.extend(["-c", command.trim()]);
        }
        arguments.push(image);
        let text = self.run_with("qemu-io", &arguments);
        assert!(!text.contains("failed") && !text.contains("rror"), "{commands}: {text}");
    }

    /// `name` holds bytes that differ from sector to sector, with holes, up to `size`.
    pub(crate) fn raw(&self, name: &str, size: usize, seed: u64) {
        let mut bytes = vec![0; size];
        let mut state = seed;
        for (number, chunk) in bytes.chunks_mut(4096).enumerate() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match state >> 61 {
                // A hole, noise, or what can be compressed.
                0..3 => {}
                3..5 => {
                    let mut noise = state;
                    for byte in chunk {
                        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
                        *byte = noise.to_be_bytes()[0];
                    }
                }
                _ => chunk.fill(number.to_le_bytes()[0] | 1),
            }
        }
        fs::write(self.path(name), bytes).unwrap();
    }

    /// What QEMU reads.
    pub(crate) fn oracle(&self, image: &str) -> Vec<u8> {
        self.img(&format!("convert -f qcow2 -O raw {image} oracle.raw"));
        fs::read(self.path("oracle.raw")).unwrap()
    }

    /// That our reader sees what QEMU sees, in one read, in many of odd sizes, and in runs.
    pub(crate) fn compare(&self, image: &str) -> block::ImageInfo {
        let image_path = self.path(image);
        let found = open(&image_path, &everything()).unwrap_or_else(|error| panic!("{image}: {error}"));
        assert_same(&found.device, &self.oracle(image), image);
        found.info
    }
}

/// Options that allow what these tests' own images name.
pub(crate) fn everything() -> OpenOptions {
    OpenOptions { allow_backing: true, ..OpenOptions::default() }
}

/// The message that opening, walking or reading the image ends with.
pub(crate) fn refusal(path: &Path, options: &OpenOptions) -> String {
    let image = match open(path, options) {
        Ok(image) => image,
        Err(error) => return error.to_string(),
    };
    match read_all(&image.device) {
        Ok(_) => panic!("{} is read without an error", path.display()),
        Err(error) => block::Error::from(error).to_string(),
    }
}

pub(crate) fn read_all(device: &dyn BlockRead) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0xaa; to_usize(device.size())];
    device.read_at(0, &mut bytes)?;
    Ok(bytes)
}

fn assert_same(device: &dyn BlockRead, expected: &[u8], image: &str) {
    assert_eq!(device.size(), to_u64(expected.len()), "{image}: size");
    assert!(read_all(device).unwrap() == expected, "{image}: bytes differ");

    let (mut at, mut step) = (0, 1);
    while at < expected.len() {
        let len = step.min(expected.len() - at);
        let mut part = vec![0xaa; len];
        device.read_at(to_u64(at), &mut part).unwrap();
        assert!(part == expected[at..at + len], "{image}: {len} bytes at {at} differ");
        (at, step) = (at + len, step * 7 % 150_001 + 1);
    }

    let mut at = 0;
    while at < device.size() {
        let run = device.run_at(at).unwrap();
        assert!(run.len > 0 && run.len <= device.size() - at, "{image}: run at {at}");
        let part = &expected[to_usize(at)..to_usize(at + run.len)];
        assert!(!run.zero || is_zero(part), "{image}: {} bytes at {at} are not zero", run.len);
        at += run.len;
    }
    assert!(device.run_at(at).is_err());
    assert!(device.read_at(at, &mut [0]).is_err());
}
