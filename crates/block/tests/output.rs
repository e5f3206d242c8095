//! The output file: under its name there is the whole image or nothing, and never an input replaced.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, ErrorKind, Write},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, Stdio},
};

use block::{
    FileId, ImageWriter, OpenOptions, OutputFile, open,
    write::{Compression, OutputFormat, RawWriter, create},
};

const FORMATS: [OutputFormat; 4] = [
    OutputFormat::Raw,
    OutputFormat::Qcow2(Compression::None),
    OutputFormat::Qcow2(Compression::Deflate),
    OutputFormat::Qcow2(Compression::Zstd),
];

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

/// A file system of 1 MiB, a disk of 8 MiB of noise.
#[test]
fn no_space_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(dir.path())
        .status()
        .expect("this test needs mount(8)");
    assert!(mounted.success(), "this test mounts a tmpfs and needs root");
    let result = std::panic::catch_unwind(|| FORMATS.map(|format| no_space(dir.path(), format)));
    let unmounted = Command::new("umount").arg(dir.path()).status().unwrap();
    assert!(unmounted.success());
    for message in result.unwrap() {
        assert!(message.starts_with("writing the output at offset "), "{message}");
        assert!(message.ends_with(": No space left on device (os error 28)"), "{message}");
    }
}

fn no_space(dir: &Path, format: OutputFormat) -> String {
    let output = OutputFile::create(&dir.join("new.img"), false, &[]).unwrap();
    let mut writer = create(output.file().try_clone().unwrap(), format, 8 << 20, 2).unwrap();
    let noise: Vec<u8> =
        (0..1u32 << 18).flat_map(|i| (i.wrapping_mul(2_654_435_761)).to_le_bytes()).collect();
    let error = (0..8)
        .try_for_each(|mib| writer.write(mib << 20, &noise))
        .and_then(|()| writer.finish())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    drop(output);
    assert!(names(dir).is_empty());
    error.to_string()
}

/// Dropped in the middle, threads at work included.
#[test]
fn an_unfinished_writer_leaves_nothing() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let output = OutputFile::create(&dir.path().join("new.img"), false, &[]).unwrap();
        let mut writer = create(output.file().try_clone().unwrap(), format, 64 << 20, 3).unwrap();
        writer.write(5000, &[7; 20 << 20]).unwrap();
        drop(writer);
        drop(output);
        assert!(names(dir.path()).is_empty());
    }
}

const KILLED_IN: &str = "DISKSCRUB_TEST_KILLED_IN";

/// Run by [`killed_it_leaves_nothing`] as a process of its own: writes, and waits for its end.
#[test]
fn helper_that_is_killed() {
    let Some(dir) = std::env::var_os(KILLED_IN) else { return };
    let output = OutputFile::create(&Path::new(&dir).join("new.img"), false, &[]).unwrap();
    put(&output, b"half an image");
    println!("written");
    std::thread::sleep(std::time::Duration::from_secs(60));
}

#[test]
#[cfg(target_os = "linux")]
fn killed_it_leaves_nothing() {
    for signal in ["-INT", "-TERM", "-KILL"] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "helper_that_is_killed", "--nocapture"])
            .env(KILLED_IN, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map(Result::unwrap).any(|line| line.ends_with("written")));
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        assert!(!child.wait().unwrap().success());
        assert!(names(dir.path()).is_empty(), "{signal}");
    }
}

#[test]
fn a_full_device_is_an_error() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut writer = RawWriter::new(full, 4 << 20).unwrap();
    let error = writer.write(0, &[1; 2 << 20]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
}

#[test]
fn the_data_file_of_a_backing_file_is_an_input() {
    let dir = tempfile::tempdir().unwrap();
    let [top, data] = ["top", "data"].map(|name| dir.path().join(name));
    for options in ["-o data_file=data base 1M", "-b base -F qcow2 top"] {
        let status = Command::new("qemu-img")
            .args(["create", "-q", "-f", "qcow2"])
            .args(options.split(' '))
            .current_dir(dir.path())
            .status()
            .expect("this test needs qemu-img (qemu-utils)");
        assert!(status.success());
    }
    let image = open(&top, &OpenOptions { allow_backing: true, ..OpenOptions::default() }).unwrap();
    assert_eq!(image.info.files.len(), 3);
    let why = "OUT: is the input or a file that the input builds on";
    assert_eq!(refusal(&data, true, &image.info.files), (ErrorKind::InvalidInput, why.into()));
}
