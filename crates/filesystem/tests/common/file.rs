//! Scripts that make images, and an image file as a device.

#![allow(dead_code, reason = "each test uses a part")]

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
    process::Command,
};

use block::{BlockRead, BlockWrite, Run};

/// Runs a script, which must succeed, and returns what it printed. A tool that is missing is named by the shell.
pub(crate) fn sh(script: &str, dir: &Path) -> String {
    let script = format!("set -e; export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C\n{script}");
    let output = Command::new("bash").args(["-c", &script]).current_dir(dir).output().expect("bash is there");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{script}\n{printed}{complaints}", output.status);
    printed
}

/// A file as a device: images of this size do not belong into memory.
#[derive(Debug)]
pub(crate) struct Disk(File);

impl Disk {
    pub(crate) fn open(path: &Path) -> Self {
        Self(OpenOptions::new().read(true).write(true).open(path).unwrap())
    }

    pub(crate) fn resize(&self, bytes: u64) {
        self.0.set_len(bytes).unwrap();
    }
}

impl BlockRead for Disk {
    fn size(&self) -> u64 {
        self.0.metadata().unwrap().len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    fn run_at(&self, offset: u64) -> io::Result<Run> {
        Ok(Run { len: self.size() - offset, zero: false })
    }
}

impl BlockWrite for Disk {
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        assert!(offset + u64::try_from(data.len()).unwrap() <= self.size(), "writes stay inside the device");
        self.0.write_all_at(data, offset)
    }
}
