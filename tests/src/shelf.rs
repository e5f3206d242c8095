//! A shelf of small images, for the tests of `batch`: a few raw ones, and one in every wrapper.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use crate::program::{command, diskscrub, lossy, run};

/// Inputs in `in`, and places for outputs beside it.
#[derive(Debug)]
pub struct Shelf {
    directory: tempfile::TempDir,
}

impl Shelf {
    /// `count` plain images besides the wrapped ones, all different, each with logs and a key that go and a file that
    /// stays.
    ///
    /// # Panics
    /// If one cannot be made: these are tests.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let shelf = Self { directory: tempfile::tempdir().expect("a directory for the shelf") };
        fs::create_dir(shelf.at("in")).expect("a directory for the images");
        for number in 0..count {
            shelf.image(&format!("in/{number:02}.raw"), number);
        }
        shelf
    }

    /// The same with a qcow2, and one in every wrapper.
    ///
    /// # Panics
    /// If one cannot be made.
    #[must_use]
    pub fn wrapped(count: usize) -> Self {
        let shelf = Self::new(count);
        for (number, name) in ["disk.raw", "gz.raw", "xz.raw", "zst.raw", "q.raw"].iter().enumerate() {
            shelf.image(&format!("in/{name}"), count + number);
        }
        shelf.sh(
            "cd in && tar --format=oldgnu -Sczf tar.tar.gz disk.raw && rm disk.raw && gzip -1 gz.raw && xz -0 xz.raw \
             && zstd -q --rm zst.raw && qemu-img convert -O qcow2 q.raw q.qcow2 && rm q.raw \
             && qemu-img convert -O qcow2 00.raw gzq.qcow2 && gzip -1 gzq.qcow2",
        );
        shelf
    }

    /// A path below the shelf.
    #[must_use]
    pub fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// An ext4 of 16 MiB; the same number gives the same files.
    fn image(&self, name: &str, number: usize) {
        let script = format!(
            "rm -rf tree && mkdir -p tree/etc/ssh tree/var/log tree/root tree/home/a && \
             echo 'root:x:0:0::/root:/bin/sh' > tree/etc/passwd && echo host{number} > tree/etc/stays && \
             echo 'not a key {number}' > tree/etc/ssh/ssh_host_rsa_key && echo 'ls {number}' > tree/root/.bash_history && \
             seq {number} {} > tree/var/log/syslog && \
             mke2fs -q -t ext4 -d tree -U clear -E hash_seed=6f6f6f6f-0000-4000-8000-000000000000 '{name}' 16M && rm -rf tree",
            number + 40_000
        );
        self.sh(&script);
    }

    fn sh(&self, script: &str) {
        let mut sh = command("sh");
        let done = sh.args(["-ec", script]).current_dir(self.directory.path()).output().expect("sh runs");
        assert!(done.status.success(), "{script}: {}", lossy(&done.stderr));
    }

    /// `diskscrub batch` in the shelf's directory, whatever the outcome.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn batch(&self, arguments: &[&str]) -> Output {
        let mut batch = command(diskscrub());
        batch.arg("batch").args(arguments).current_dir(self.directory.path());
        batch.output().expect("diskscrub runs")
    }

    /// Writes the plan `NAME.jsonl` for everything in `in`, with outputs in `NAME`.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn plan(&self, name: &str, more: &[&str]) -> PathBuf {
        let done = self.batch(&[&["plan", "in", "--out", name], more].concat());
        assert!(done.status.success(), "{}", lossy(&done.stderr));
        let path = self.at(&format!("{name}.jsonl"));
        fs::write(&path, done.stdout).expect("the plan is written");
        path
    }

    /// Every file below a directory, hidden ones too, with its digest.
    ///
    /// # Panics
    /// If one cannot be read.
    #[must_use]
    pub fn files(&self, name: &str) -> BTreeMap<String, blake3::Hash> {
        let (root, mut files) = (self.at(name), BTreeMap::new());
        let listed = run("find", [root.as_os_str(), "-not".as_ref(), "-type".as_ref(), "d".as_ref()])
            .expect("find runs");
        for path in listed.lines().map(Path::new) {
            let name = path.strip_prefix(&root).expect("find lists what is below").display().to_string();
            files.insert(name, crate::image::digest(path).expect("the file can be read"));
        }
        files
    }

    /// The outputs alone.
    #[must_use]
    pub fn outputs(&self, name: &str) -> BTreeMap<String, blake3::Hash> {
        let mut files = self.files(name);
        files.retain(|name, _| !name.ends_with(".json"));
        files
    }
}
