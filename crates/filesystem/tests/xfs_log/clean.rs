//! Logs as mkfs and other projects leave them: nothing to replay, and emptied all the same.

use std::path::{Path, PathBuf};

use crate::tools::Images;

/// Where images that others collected lie, or a word that they are not used.
fn corpora() -> Option<PathBuf> {
    let near = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let dir = std::env::var_os("DISKSCRUB_CORPORA").map_or(near, PathBuf::from);
    if dir.join("INDEX.tsv").exists() {
        return Some(dir);
    }
    println!("not run: no corpora at {}", dir.display());
    None
}

#[test]
fn what_mkfs_makes() {
    for make in [
        "",
        "-m crc=0",
        "-m crc=0 -l version=1",
        "-l size=20m,su=256k",
        "-s size=4096",
        "-b size=1024 -l su=32k",
    ] {
        let images = Images::new();
        images.run(&format!(
            "truncate -s 128M image; export TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1; mkfs.xfs -q -K -d agcount=2 {make} image
             sha256sum image > before"
        ));
        assert!(!images.is_dirty("image"), "{make}");
        let recovered = images.recover("image").unwrap();
        assert_eq!(recovered, filesystem::xfs::Recovered::default(), "{make}");
        let (_, all, needed) = images.log("image");
        assert!(needed.unwrap() <= 262_144 && needed.unwrap() < all, "{make}: {needed:?}");
        images.judge("image");
        images.run("sha256sum image | cmp - before");
    }
}

/// What others collected: each log is recovered or refused with a reason, and what was in order stays so.
#[test]
fn other_projects_images() {
    let Some(dir) = corpora() else { return };
    let index = std::fs::read_to_string(dir.join("INDEX.tsv")).unwrap();
    let (mut emptied, mut refused) = (0, 0);
    for line in index.lines().filter(|line| line.starts_with("xfs\t")) {
        let path = line.split('\t').nth(3).unwrap();
        let images = Images::new();
        images.run(&format!("zstd -dqc {} > image; truncate -s %512 image", dir.join(path).display()));
        let sound = line.contains("xfs_repair -n=0");
        match filesystem::xfs::Xfs::open(crate::tools::Disk::open(&images.path("image"))) {
            Ok(mut xfs) => match xfs.recover_log() {
                Ok(_) => {
                    emptied += 1;
                    if sound {
                        images.judge("image");
                    }
                }
                Err(error) => {
                    println!("{path}: {error}");
                    refused += 1;
                }
            },
            Err(error) => {
                println!("{path}: not opened: {error}");
                refused += 1;
            }
        }
    }
    println!("{emptied} emptied, {refused} refused");
    assert!(emptied > 10);
}
