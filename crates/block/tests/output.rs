//! The output file: under its name there is the whole image or nothing, and never an input replaced.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use block::{FileId, ImageWriter, OutputFile, write::RawWriter};

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn put(output: &OutputFile, bytes: &[u8]) {
    let mut file = output.file();
    file.write_all(bytes).unwrap();
}

fn refusal(path: &Path, overwrite: bool, inputs: &[FileId]) -> (ErrorKind, String) {
    let error = OutputFile::create(path, overwrite, inputs).unwrap_err();
    (error.kind(), error.to_string().replace(path.to_str().unwrap(), "OUT"))
}

#[test]
fn appears_when_published() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new.img");
    let output = OutputFile::create(&path, false, &[]).unwrap();
    put(&output, b"image");
    assert!(!path.exists());
    output.publish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"image");
    assert_eq!(names(dir.path()), ["new.img"]);
    let umask = File::create(dir.path().join("other")).unwrap().metadata().unwrap().permissions().mode();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644 & umask & 0o777);
}

#[test]
fn dropped_it_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let output = OutputFile::create(&dir.path().join("new.img"), false, &[]).unwrap();
    put(&output, b"image");
    drop(output);
    assert!(names(dir.path()).is_empty());
}

#[test]
fn an_existing_file_stays_unless_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("old.img");
    fs::write(&path, b"old").unwrap();
    assert_eq!(refusal(&path, false, &[]), (ErrorKind::AlreadyExists, "OUT: exists".into()));

    let output = OutputFile::create(&path, true, &[]).unwrap();
    put(&output, b"new");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    output.publish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(names(dir.path()), ["old.img"]);
}

#[test]
fn a_name_taken_meanwhile_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("race.img");
    let output = OutputFile::create(&path, false, &[]).unwrap();
    fs::write(&path, b"theirs").unwrap();
    assert_eq!(output.publish().unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), b"theirs");
    assert_eq!(names(dir.path()), ["race.img"]);
}

#[test]
fn no_input_is_replaced_by_any_name() {
    let dir = tempfile::tempdir().unwrap();
    let [input, backing, soft, hard] = ["in", "backing", "soft", "hard"].map(|name| dir.path().join(name));
    fs::write(&input, b"input").unwrap();
    fs::write(&backing, b"backing").unwrap();
    symlink(&input, &soft).unwrap();
    fs::hard_link(&input, &hard).unwrap();
    let inputs = [&input, &backing].map(|path| FileId::of(&File::open(path).unwrap()).unwrap());
    let why = "OUT: is the input or a file that the input builds on";
    for path in [&input, &backing, &soft, &hard] {
        for overwrite in [false, true] {
            assert_eq!(refusal(path, overwrite, &inputs), (ErrorKind::InvalidInput, why.into()));
        }
    }
    assert_eq!(fs::read(&input).unwrap(), b"input");
}

#[test]
fn only_regular_files_are_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("link");
    symlink("nowhere", &link).unwrap();
    for path in [&link, dir.path(), Path::new("/dev/null")] {
        let (kind, message) = refusal(path, true, &[]);
        assert_eq!((kind, &*message), (ErrorKind::AlreadyExists, "OUT: exists and is not a regular file"));
    }
    assert_eq!(refusal(Path::new("/"), true, &[]).1, "OUT: is not a file name");
}

/// A file system of 1 MiB in which both kinds of unfinished file run out of space.
#[test]
fn no_space_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(dir.path())
        .status()
        .expect("this test needs mount(8)");
    assert!(mounted.success(), "this test mounts a tmpfs and needs root");
    let result = std::panic::catch_unwind(|| {
        let output = OutputFile::create(&dir.path().join("new.img"), false, &[]).unwrap();
        let mut writer = Box::new(RawWriter::new(output.file().try_clone().unwrap(), 8 << 20).unwrap());
        let error = (0..8)
            .try_for_each(|mib| writer.write(mib << 20, &[0xaa; 1 << 20]))
            .and_then(|()| writer.finish())
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        let message = "writing the output at offset 1048576: No space left on device (os error 28)";
        assert_eq!(error.to_string(), message);
        drop(output);
        names(dir.path())
    });
    let unmounted = Command::new("umount").arg(dir.path()).status().unwrap();
    assert!(unmounted.success());
    assert!(result.unwrap().is_empty());
}

#[test]
fn a_full_device_is_an_error() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut writer = RawWriter::new(full, 4 << 20).unwrap();
    let error: io::Error = writer.write(0, &[1; 2 << 20]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
}
