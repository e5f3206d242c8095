//! A directory of one test: files made by shell and by other programs, and diskscrub run in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// What a command said: exit code, stdout, stderr.
pub(crate) type Said = (Option<i32>, String, String);

/// A token with a right checksum, made here: no scanner shall find one in these files.
pub(crate) fn token(number: usize) -> String {
    let body = format!("a1B2c3D4e5F6g7H8i9J0k1L2m{number:05}");
    let digits: Vec<char> = ('0'..='9').chain('A'..='Z').chain('a'..='z').collect();
    let mut crc = crc32fast::hash(body.as_bytes());
    let mut sum = String::new();
    for _ in 0..6 {
        sum.insert(0, digits[usize::try_from(crc % 62).unwrap()]);
        crc /= 62;
    }
    ["gh", "p_", &body, &sum].concat()
}

/// Removed at the end of the test.
pub(crate) struct Sandbox(tempfile::TempDir);

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file, with the directories above it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Runs a script that has to work; what it printed.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        let (code, said, message) = self.script(script);
        assert_eq!(code, Some(0), "{script}: {message}");
        said
    }

    /// Runs a script that stops at the first failure. `$diskscrub` is diskscrub.
    pub(crate) fn script(&self, script: &str) -> Said {
        let script = format!("export PATH=$PATH:/usr/sbin:/sbin; {script}");
        let mut command = Command::new("sh");
        command.args(["-ec", &script]).env("diskscrub", env!("CARGO_BIN_EXE_diskscrub"));
        self.said(&mut command)
    }

    /// Runs diskscrub, quietly, at a fixed time; arguments are words.
    pub(crate) fn run(&self, arguments: &str) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diskscrub"));
        self.said(command.args(arguments.split_whitespace()).env("SOURCE_DATE_EPOCH", "1769860800"))
    }

    /// The JSON that it prints, whatever its exit code.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &str) -> Value {
        let (_, json, message) = self.run(&format!("{arguments} --json"));
        serde_json::from_str(&json).unwrap_or_else(|error| panic!("{arguments}: {error}: {message}"))
    }

    fn said(&self, command: &mut Command) -> Said {
        let output = command.current_dir(self.path()).stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

/// The findings of a kind.
pub(crate) fn findings<'r>(report: &'r Value, kind: &str) -> Vec<&'r Value> {
    report["findings"].as_array().unwrap().iter().filter(|finding| finding["kind"] == kind).collect()
}
