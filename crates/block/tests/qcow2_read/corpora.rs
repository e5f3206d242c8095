//! Images from other projects' test suites, where they are at hand.

use std::{env, fs, path::PathBuf, process::Command};

use block::{OpenOptions, open};

use crate::tools::Lab;

fn corpora() -> Option<PathBuf> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora"));
    let path = env::var_os("DISKSCRUB_CORPORA").map_or_else(default, PathBuf::from);
    let found = path.join("INDEX.tsv").is_file();
    if !found {
        println!("not run: no corpora at {} (set DISKSCRUB_CORPORA)", path.display());
    }
    found.then_some(path)
}

/// Every qcow2 image in the index reads as `qemu-img` reads it.
#[test]
fn qcow2_images() {
    let Some(corpora) = corpora() else { return };
    let index = fs::read_to_string(corpora.join("INDEX.tsv")).unwrap();
    let lab = Lab::new();
    let mut compared = 0;
    for line in index.lines().filter(|line| line.starts_with("container-qcow2\t")) {
        let path = corpora.join(line.split('\t').nth(3).unwrap());
        let packed = fs::File::open(&path).unwrap();
        let mut image = fs::File::create(lab.path("disk.qcow2")).unwrap();
        zstd::stream::copy_decode(packed, &mut image).unwrap();
        // The largest of them has a disk of 1 GiB, most of it sparse.
        lab.compare("disk.qcow2");
        compared += 1;
    }
    assert!(compared > 0);
}

/// A header that crashed another reader, and every container that is not read.
#[test]
fn hostile_and_foreign_images() {
    let Some(corpora) = corpora() else { return };
    let lab = Lab::new();
    let crash = corpora.join("../lab/crates/crash_qcow2rs.qcow2");
    if crash.is_file() {
        match open(&crash, &OpenOptions::default()) {
            Ok(image) => drop(crate::tools::read_all(&image.device)),
            Err(error) => println!("{error}"),
        }
    }
    let index = fs::read_to_string(corpora.join("INDEX.tsv")).unwrap();
    for line in index.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let &[class, _, _, path, format, ..] = &fields[..] else { continue };
        let name = match class {
            "container-vmdk" => "VMDK",
            "container-vhd" => "VHD",
            "container-vhdx" => "VHDX",
            "container-unsupported" if format == "parallels" => "Parallels",
            _ => continue,
        };
        let image = lab.path("image");
        let status = Command::new("zstd")
            .args(["-dqf", "--sparse"])
            .arg(corpora.join(path))
            .arg("-o")
            .arg(&image)
            .status();
        assert!(status.expect("zstd cannot be run: install zstd").success());
        let error = open(&image, &OpenOptions::default()).expect_err(path);
        assert_eq!(error.to_string(), format!("image: {name} format is not supported"), "{path}");
    }
}
