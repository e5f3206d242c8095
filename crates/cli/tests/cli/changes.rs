//! An input that somebody writes to while it is read: refused, with no output and no report, whatever was read by then.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::sandbox::{Said, Sandbox};

/// An image with enough files that reading it takes longer than a step of the system's clock; as raw file, as qcow2, as
/// one with a backing file, and as one whose data is in another file.
fn images() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("tree/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    sandbox.write("tree/root/.bash_history", "a secret command\n");
    for number in 0..1500 {
        sandbox.write(&format!("tree/srv/{number}"), format!("file {number}\n"));
    }
    sandbox.sh("mke2fs -qF -t ext4 -d tree disk.raw 32M");
    sandbox.sh("qemu-img convert -O qcow2 disk.raw disk.qcow2");
    sandbox.sh("qemu-img create -q -f qcow2 -b disk.raw -F raw above.qcow2");
    sandbox.sh("qemu-img create -q -f qcow2 -o data_file=data,data_file_raw=on apart.qcow2 32M");
    sandbox.sh("qemu-img convert -n -O qcow2 disk.raw apart.qcow2");
    sandbox
}

/// Runs a command while something writes to the last byte of `file`, over and over: the same byte, so that only the
/// times can tell.
fn disturbed(sandbox: &Sandbox, file: &Path, arguments: &str) -> Said {
    let over = AtomicBool::new(false);
    let file = OpenOptions::new().read(true).write(true).open(file).unwrap();
    let last = file.metadata().unwrap().len() - 1;
    let mut byte = [0];
    file.read_exact_at(&mut byte, last).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                file.write_all_at(&byte, last).unwrap();
            }
        });
        let said = sandbox.run(arguments);
        over.store(true, Ordering::Relaxed);
        said
    })
}

#[test]
fn nothing_comes_of_what_changed_meanwhile() {
    let sandbox = images();
    let before: Vec<_> = names(sandbox.path());
    for (file, arguments) in [
        ("disk.raw", "plan disk.raw --quiet"),
        ("disk.raw", "scan disk.raw --quiet --report s.json --write-allow a.toml"),
        ("disk.raw", "verify disk.raw --quiet --report v.html"),
        ("disk.raw", "verify disk.qcow2 --original disk.raw --quiet"),
        ("disk.qcow2", "audit disk.qcow2 --policy aws --quiet --report a.json"),
        ("disk.raw", "clean disk.raw -o out.raw --quiet --report r.json"),
        ("disk.raw", "clean disk.raw -o out.qcow2 --output-format qcow2 --quiet"),
        ("disk.qcow2", "clean disk.qcow2 -o out.qcow2 --quiet --report r.sarif"),
        ("disk.raw", "clean above.qcow2 --allow-backing -o out.qcow2 --quiet"),
        ("data", "clean apart.qcow2 --allow-backing -o out.qcow2 --quiet"),
        ("disk.raw", "clean disk.raw --in-place --yes --quiet"),
    ] {
        let content = fs::read(sandbox.at(file)).unwrap();
        let (code, stdout, message) = disturbed(&sandbox, &sandbox.at(file), arguments);
        let expected =
            format!("diskscrub: {file}: changed while it was read: try again when nobody writes to it\n");
        assert_eq!((code, &*stdout, message), (Some(75), "", expected), "{arguments}");
        assert_eq!(names(sandbox.path()), before, "{arguments}");
        assert!(fs::read(sandbox.at(file)).unwrap() == content, "{arguments}");
    }
    // This is over before much can happen.
    let inspect = || disturbed(&sandbox, &sandbox.at("disk.raw"), "inspect disk.raw");
    assert!((0..200).any(|_| inspect().0 == Some(75)));
    // At rest, the same commands work.
    assert_eq!(sandbox.run("clean disk.raw -o out.raw --quiet").0, Some(0));
    assert_eq!(sandbox.run("clean above.qcow2 --allow-backing -o out.qcow2 --quiet").0, Some(0));
}

/// A file that becomes shorter is no corrupt image.
#[test]
fn what_is_cut_off_meanwhile_is_told_as_a_change() {
    let sandbox = images();
    let over = AtomicBool::new(false);
    let file = OpenOptions::new().write(true).open(sandbox.at("disk.raw")).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                file.set_len(1 << 20).unwrap();
                file.set_len(32 << 20).unwrap();
            }
        });
        for round in 0..5 {
            let (code, _, message) = sandbox.run("clean disk.raw -o out.raw --quiet --report r.json");
            // The moment of opening has its own sentences, if the file is short just then.
            let told = message.contains("changed while it was read") && code == Some(75);
            assert!(told || code == Some(65), "round {round}: {code:?} {message}");
            assert!(!sandbox.at("out.raw").exists() && !sandbox.at("r.json").exists());
        }
        over.store(true, Ordering::Relaxed);
    });
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
