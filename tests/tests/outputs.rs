//! What becomes of the output's name, and of the input, when a run must not or cannot end well.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "this file is tests throughout")]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::{fs::symlink, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::Output,
    thread,
    time::Duration,
};

use tests::{
    image,
    kernel::Mount,
    program::{self, can_mount, command, diskscrub, lossy, workspace},
};

/// The demo image in a directory of its own.
struct Lab {
    directory: tempfile::TempDir,
    digest: blake3::Hash,
}

impl Lab {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("image");
        let packed = workspace().join("testdata/demo/demo.img.zst");
        program::run("zstd", ["-dq".as_ref(), packed.as_os_str(), "-o".as_ref(), image.as_os_str()]).unwrap();
        Self { digest: image::digest(&image).unwrap(), directory }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Cleans `image` into `output`, whatever the outcome.
    fn clean(&self, output: &str, more: &[&str]) -> Output {
        let mut clean = command(diskscrub());
        clean.args(["clean", "image", "-o", output]).args(more).current_dir(self.directory.path());
        clean.output().unwrap()
    }

    fn assert_refused(&self, output: &str, code: i32, sentence: &str) {
        let files = self.files();
        let done = self.clean(output, &[]);
        assert_eq!((done.status.code(), &*lossy(&done.stderr)), (Some(code), sentence));
        assert_eq!(self.files(), files, "{output}");
        self.assert_untouched();
    }

    fn files(&self) -> BTreeSet<PathBuf> {
        files(self.directory.path())
    }

    fn assert_untouched(&self) {
        assert_eq!(image::digest(&self.at("image")).unwrap(), self.digest, "the input changed");
    }
}

fn files(directory: &Path) -> BTreeSet<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_input_is_never_the_output() {
    let lab = Lab::new();
    symlink("image", lab.at("link")).unwrap();
    fs::hard_link(lab.at("image"), lab.at("hard")).unwrap();
    for output in ["image", "./image", "link", "hard"] {
        let done = lab.clean(output, &["--force"]);
        assert_eq!(done.status.code(), Some(2), "{output}: {}", lossy(&done.stderr));
        lab.assert_untouched();
    }
    assert!(fs::symlink_metadata(lab.at("link")).unwrap().is_symlink());
    assert_eq!(lab.files().len(), 3);
}

#[test]
fn an_existing_output_stays_unless_forced() {
    let lab = Lab::new();
    fs::write(lab.at("out"), "precious").unwrap();
    lab.assert_refused("out", 2, "diskscrub: out: exists; --force replaces it\n");
    assert_eq!(fs::read(lab.at("out")).unwrap(), b"precious");
    assert_eq!(lab.clean("out", &["--force"]).status.code(), Some(0));
    assert_eq!(fs::metadata(lab.at("out")).unwrap().len(), 52 << 20);
}

#[test]
fn a_failed_run_replaces_nothing() {
    let lab = Lab::new();
    fs::write(lab.at("out"), "precious").unwrap();
    let file = fs::OpenOptions::new().write(true).open(lab.at("image")).unwrap();
    file.set_len(20 << 20).unwrap();
    let files = lab.files();
    let done = lab.clean("out", &["--force"]);
    assert_eq!(done.status.code(), Some(65), "{}", lossy(&done.stderr));
    assert_eq!((lab.files(), fs::read(lab.at("out")).unwrap()), (files, b"precious".to_vec()));
}

#[test]
fn an_output_in_no_directory_is_refused() {
    let lab = Lab::new();
    let done = lab.clean("none/out", &[]);
    let sentence = "diskscrub: none: No such file or directory (os error 2)\n";
    assert_eq!((done.status.code(), &*lossy(&done.stderr)), (Some(2), sentence));
    lab.assert_untouched();
    assert_eq!(lab.files().len(), 1);
}

#[test]
fn a_full_disk_ends_the_run_and_keeps_nothing() {
    if !can_mount() {
        println!("not run: needs root, to mount a small tmpfs");
        return;
    }
    let lab = Lab::new();
    fs::create_dir(lab.at("small")).unwrap();
    program::run("mount", ["-t", "tmpfs", "-o", "size=128k", "none", &lab.at("small").display().to_string()])
        .unwrap();
    let done = lab.clean("small/out", &[]);
    let left = files(&lab.at("small"));
    program::run("umount", [lab.at("small")]).unwrap();
    assert_eq!(done.status.code(), Some(74), "{}", lossy(&done.stderr));
    let stderr = lossy(&done.stderr);
    assert!(stderr.starts_with("diskscrub: small/out: writing the output at offset "), "{stderr}");
    assert!(stderr.ends_with(": No space left on device (os error 28)\n"), "{stderr}");
    assert!(left.is_empty(), "{left:?}");
    lab.assert_untouched();
}

/// Bytes of a file whose blocks other files have, too.
fn shared(path: &Path) -> u64 {
    let extents = program::run("filefrag", ["-v".as_ref(), "-b1".as_ref(), path.as_os_str()]).unwrap();
    let shared = extents.lines().filter(|line| line.ends_with("shared") || line.contains("shared,"));
    shared.map(|line| line.split(':').nth(3).unwrap().trim().parse::<u64>().unwrap()).sum()
}

#[test]
fn what_stays_is_shared_with_a_raw_input_where_the_file_system_can() {
    if !can_mount() {
        println!("not run: needs root, to mount XFS");
        return;
    }
    let lab = Lab::new();
    // A large file that stays, beside a history that goes.
    let tree = lab.at("tree");
    fs::create_dir_all(tree.join("root")).unwrap();
    let mut noise = blake3::Hasher::new().finalize_xof();
    let mut large = vec![0; 8 << 20];
    noise.fill(&mut large);
    fs::write(tree.join("large"), &large).unwrap();
    fs::write(tree.join("root/.bash_history"), "passwd\n".repeat(9000)).unwrap();
    fs::remove_file(lab.at("image")).unwrap();
    let make = ["-q", "-t", "ext4", "-d", "tree", "image", "64M"];
    assert!(command("mke2fs").args(make).current_dir(lab.directory.path()).status().unwrap().success());
    let file_system = lab.at("xfs");
    fs::File::create(&file_system).unwrap().set_len(400 << 20).unwrap();
    program::run("mkfs.xfs", ["-q".as_ref(), "-mreflink=1".as_ref(), file_system.as_os_str()]).unwrap();
    let volume = image::volumes(&file_system).unwrap().remove(0);
    let mount = Mount::new(&file_system, &volume, "xfs", "rw", lab.directory.path()).unwrap();
    let (input, output) = (mount.path().join("image"), mount.path().join("out"));
    fs::copy(lab.at("image"), &input).unwrap();
    let before = image::digest(&input).unwrap();

    image::clean(&input, &output, &[]).unwrap();
    image::clean(&lab.at("image"), &lab.at("copied"), &[]).unwrap();
    assert_eq!(image::digest(&output).unwrap(), image::digest(&lab.at("copied")).unwrap());
    assert_eq!(image::digest(&input).unwrap(), before, "the input changed");
    let shared = shared(&output);
    assert!((8 << 20..9 << 20).contains(&shared), "{shared} bytes are shared");
    // Not a raw input: there is nothing to share.
    let qcow2 = mount.path().join("image.qcow2");
    program::run("qemu-img", ["convert".as_ref(), "-Oqcow2".as_ref(), input.as_os_str(), qcow2.as_os_str()])
        .unwrap();
    let other = mount.path().join("other");
    image::clean(&qcow2, &other, &["--output-format", "raw"]).unwrap();
    assert_eq!(image::digest(&other).unwrap(), image::digest(&output).unwrap());
    assert_eq!(self::shared(&other), 0);
}

#[test]
fn a_killed_run_leaves_no_output() {
    let lab = Lab::new();
    let mut killed = 0;
    for moment in [1, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128] {
        let mut clean = command(diskscrub());
        clean.args(["clean", "--quiet", "image", "-o", "out"]).current_dir(lab.directory.path());
        let mut run = clean.stdout(std::process::Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(moment));
        run.kill().unwrap();
        let status = run.wait().unwrap();
        lab.assert_untouched();
        if status.signal().is_some() {
            killed += 1;
        } else {
            assert_eq!(status.code(), Some(0), "it was done before it was killed");
        }
        // A name appears with the whole image behind it, or not at all.
        if lab.at("out").exists() {
            let again = lab.at("again");
            image::clean(&lab.at("out"), &again, &[]).unwrap();
            assert_eq!(image::digest(&lab.at("out")).unwrap(), image::digest(&again).unwrap());
            fs::remove_file(again).unwrap();
            fs::remove_file(lab.at("out")).unwrap();
        }
        assert_eq!(lab.files().len(), 1, "{:?}", lab.files());
    }
    assert!(killed > 0, "every run was done before it could be killed");
}

#[test]
fn the_report_of_a_run_is_as_its_schemas_say() {
    let lab = Lab::new();
    let reports = ["r.json", "r.sarif", "r.xml"];
    let asked: Vec<&str> = reports.iter().flat_map(|name| ["--report", name]).collect();
    let done = lab.clean("out", &asked);
    assert_eq!(done.status.code(), Some(0), "{}", lossy(&done.stderr));
    let schema = |path: &str| workspace().join(path).into_os_string();
    for (report, schema) in
        [("r.json", "docs/report.schema.json"), ("r.sarif", "testdata/sarif/sarif-schema-2.1.0.json")]
            .map(|(report, path)| (report, schema(path)))
    {
        program::run("jsonschema", ["-i".into(), lab.at(report).into_os_string(), schema]).unwrap();
    }
    let xsd = schema("crates/report/tests/dfxml.xsd");
    let arguments =
        ["--noout".into(), "--nonet".into(), "--schema".into(), xsd, lab.at("r.xml").into_os_string()];
    program::run("xmllint", arguments).unwrap();
}
