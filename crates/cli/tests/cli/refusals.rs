//! What the command does when it is asked for the impossible: one sentence, the right exit code, and nothing lost.

use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

/// A directory with a small ext2 called `good`.
fn image() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("tree/etc/ssh")).unwrap();
    fs::write(dir.path().join("tree/etc/ssh/ssh_host_rsa_key"), "a secret key").unwrap();
    let made = sh("mke2fs -qF -t ext2 -d tree good 1M", dir.path());
    assert!(made.status.success(), "{made:?}");
    dir
}

fn sh(script: &str, dir: &Path) -> Output {
    let script = format!("export PATH=$PATH:/usr/sbin:/sbin; {script}");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(dir).stdin(Stdio::null());
    command.env("diskscrub", env!("CARGO_BIN_EXE_diskscrub")).output().unwrap()
}

/// The exit code and the message of `diskscrub` with these arguments.
#[track_caller]
fn refused(dir: &Path, arguments: &str) -> (Option<i32>, String) {
    let output = sh(&format!("exec \"$diskscrub\" {arguments}"), dir);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(message.lines().count(), 1, "{arguments}: {message}");
    (output.status.code(), message.trim_start_matches("diskscrub: ").trim_end().to_owned())
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn files_that_cannot_be() {
    let temporary = image();
    let dir = temporary.path();
    let made = sh(
        "mkfifo fifo; mkdir folder; : > empty; ln -s good symlink; ln good hardlink; cp good raw.vhd; : > taken.vhd",
        dir,
    );
    assert!(made.status.success());
    let (good, before) = (fs::read(dir.join("good")).unwrap(), names(dir));
    let is_input = "is the input or a file that the input builds on";
    for (arguments, code, message) in [
        (
            "clean good -o out.qcow2",
            2,
            "out.qcow2: the output would be raw, as the input is: add --output-format qcow2, or raw if that is meant",
        ),
        (
            "clean good -o out.vmdk",
            2,
            "out.vmdk: the output would be raw, as the input is: add --output-format raw or qcow2, whichever is meant",
        ),
        // A raw disk that has such a name already keeps it.
        ("clean raw.vhd -o taken.vhd", 2, "taken.vhd: exists; --force replaces it"),
        ("clean nothing -o out", 2, "nothing: No such file or directory (os error 2)"),
        ("clean folder -o out", 2, "folder: neither a regular file nor a block device"),
        ("clean fifo -o out", 2, "fifo: neither a regular file nor a block device"),
        (
            "clean empty -o out",
            65,
            "empty: disk: size is 0 bytes, expected at least one sector of 512; nothing was written",
        ),
        ("clean good -o missing/out", 2, "missing: No such file or directory (os error 2)"),
        ("clean good -o out/", 2, "out/: is a directory's name"),
        ("clean good -o folder --force", 2, "folder: exists and is not a regular file"),
        ("clean good -o fifo --force", 2, "fifo: exists and is not a regular file"),
        ("clean good -o empty", 2, "empty: exists; --force replaces it"),
        ("clean good -o good --force", 2, &format!("good: {is_input}")),
        ("clean good -o symlink --force", 2, &format!("symlink: {is_input}")),
        ("clean good -o hardlink --force", 2, &format!("hardlink: {is_input}")),
        ("clean good -o out --report good", 2, &format!("good: {is_input}")),
        ("clean good -o out --report symlink", 2, &format!("symlink: {is_input}")),
        ("clean good -o out --report out", 2, "out: is the output, not a place for its report"),
        ("clean good -o out --report ./out", 2, "./out: is the output, not a place for its report"),
        ("clean good -o out --report missing/r", 2, "missing: No such file or directory (os error 2)"),
    ] {
        assert_eq!(refused(dir, arguments), (Some(code), message.to_owned()), "{arguments}");
        assert_eq!(names(dir), before, "{arguments}");
        assert!(fs::read(dir.join("good")).unwrap() == good, "{arguments}");
    }
}

#[test]
fn names_steer_no_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"bad\xff\n\x1b[31m\xe2\x80\xae.raw");
    symlink("nowhere", dir.path().join(name)).unwrap();
    assert_eq!(
        refused(dir.path(), "inspect *.raw").1,
        "bad\u{fffd}\\n\\u{1b}[31m\\u{202e}.raw: No such file or directory (os error 2)"
    );
}

/// A run is not lost with its words, and a policy's mistake is named.
#[test]
fn reports_and_policies() {
    let temporary = image();
    let dir = temporary.path();
    let run = sh("exec \"$diskscrub\" clean good -o out --report report --json > /dev/full", dir);
    assert_eq!(run.status.code(), Some(74));
    assert!(fs::read_to_string(dir.join("report")).unwrap().contains("\"verdict\""));
    let out = fs::read(dir.join("out")).unwrap();
    assert!(!out.windows(12).any(|bytes| bytes == b"a secret key"));
    assert_eq!(sh("exec \"$diskscrub\" plan good >&- 2>&-", dir).status.code(), Some(0));
    for (policy, message) in [
        ("name = \"x\n", "p:1:10: this is not valid TOML: invalid basic string, expected `\"`"),
        ("nonsense = 1\n", "p:1:1: a policy has no key \"nonsense\""),
    ] {
        fs::write(dir.join("p"), policy).unwrap();
        assert_eq!(refused(dir, "plan good --policy p"), (Some(2), message.to_owned()));
    }
}

/// Wherever an image ends too early, it is refused in one sentence and nothing is left behind.
#[test]
fn images_cut_short() {
    let temporary = image();
    let dir = temporary.path();
    let good = fs::read(dir.join("good")).unwrap();
    // Shorter, and there is nothing but zeros: a clean disk.
    for len in (4096..65_536).step_by(4096).chain([1536, 2048, good.len() - 512]) {
        fs::write(dir.join("cut"), &good[..len]).unwrap();
        let (code, message) = refused(dir, "clean cut -o out");
        assert_eq!(code, Some(65), "{len}: {message}");
        assert!(!dir.join("out").exists());
    }
}

#[test]
fn the_output_is_not_more_readable_than_the_input() {
    use std::os::unix::fs::PermissionsExt;
    let temporary = image();
    let dir = temporary.path();
    for (mode, expected) in [("600", 0o600), ("640", 0o640), ("666", 0o644)] {
        let run =
            sh(&format!("chmod {mode} good && umask 022 && \"$diskscrub\" clean good -o out{mode} -q"), dir);
        assert!(run.status.success(), "{run:?}");
        let seen = fs::metadata(dir.join(format!("out{mode}"))).unwrap().permissions().mode() & 0o777;
        assert_eq!(seen, expected, "input {mode}: {seen:o}");
    }
}
