//! The damaged and odd images of e2fsprogs: each is read in full, or refused with a sentence.

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Instant,
};

use block::ExtentSet;
use filesystem::{Filesystem, FilesystemMut, Result, ext::Ext};

use super::{image, tree};

/// Where the corpora lie, if they are here.
fn corpora() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let here = env::var_os("DISKSCRUB_CORPORA").map_or(beside, PathBuf::from);
    here.join("INDEX.tsv").exists().then_some(here)
}

/// Images that `e2fsck -fn` leaves with exit code 0 and that are refused all the same, with what we say.
const REFUSED: &[(&str, &str)] = &[
    // The kernel refuses these two as well.
    ("f_extent_too_deep", "inode 12: extent tree depth is 7, expected at most 5"),
    ("f_first_meta_bg_too_big", "superblock: s_first_meta_bg is 2, expected 0 to 1"),
    ("f_shared_blocks_ok", "superblock: feature shared_blocks is not supported"),
    ("f_unshare_blocks_no_space", "superblock: feature shared_blocks is not supported"),
    // uninit_bg was switched on by hand; the kernel does not mount it.
    ("f_uninit_enable", "group 0: descriptor checksum is 0x0000, expected 0x13f6"),
    ("f_zero_inode_size", "superblock: s_inode_size is 0, expected a power of two from 128 to 1024"),
];

/// Everything that a run does: claims, bitmaps, tree, scrub, and all again.
fn read_all(bytes: Vec<u8>) -> Result<String> {
    let mut ext = Ext::open(bytes)?;
    drop(ext.summary());
    let claims = |ext: &Ext<Vec<u8>>| -> Result<ExtentSet> {
        let mut claims = Vec::new();
        ext.claims(&mut |extent, _| {
            claims.push(extent);
            Ok(())
        })?;
        Ok(ExtentSet::disjoint(claims).expect("claims are disjoint"))
    };
    let claimed = claims(&ext)?;
    let agree = if claimed == ext.allocated()? { "agrees" } else { "differs" };
    let tree = tree::ours(&ext)?;
    if ext.summary().unwrap().features.iter().any(|feature| feature == "needs_recovery") {
        return Ok(format!("{} names, {agree}, not recovered", tree.len()));
    }
    let wiped = ext.scrub()?;
    assert_eq!(ext.scrub()?, 0, "the second scrub found something");
    assert_eq!(super::tails::of(&ext), [], "what the scrub left");
    assert!(claims(&ext)? == claimed && tree::ours(&ext)? == tree, "the scrub changed what it must not");
    Ok(format!("{} names, {agree}, {wiped} bytes scrubbed", tree.len()))
}

#[test]
fn every_image_is_read_or_refused_with_a_sentence() {
    let Some(corpora) = corpora() else {
        println!("not run: no corpora (set DISKSCRUB_CORPORA)");
        return;
    };
    let index = fs::read_to_string(corpora.join("INDEX.tsv")).unwrap();
    let lab = image::Lab::new();
    let mut failures = Vec::new();
    let mut count = 0;
    for line in index.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if fields[1] != "e2fsprogs" || !fields[3].ends_with(".zst") {
            continue;
        }
        let (path, clean) = (fields[3], fields[9].trim() == "e2fsck -fn=0");
        let file = corpora.join(path);
        let bytes = image::run_ok("zstd", &["-dcq", file.to_str().unwrap()]).stdout;
        let start = Instant::now();
        let original = bytes.clone();
        let result = catch_unwind(AssertUnwindSafe(|| read_all(bytes)));
        count += 1;
        let said = match result {
            Err(_) => {
                failures.push(format!("{path}: panicked"));
                "PANIC".to_owned()
            }
            Ok(Ok(said)) => {
                if clean && said.contains("differs") {
                    failures.push(format!("{path}: e2fsck calls it clean, but {said}"));
                }
                if clean && said.contains("scrubbed") {
                    let file = lab.path("image");
                    fs::write(&file, original).unwrap();
                    let (output, _) = super::clean(&file, path);
                    fs::write(&file, output).unwrap();
                    let check = image::run("e2fsck", &["-fn", file.to_str().unwrap()]);
                    if !check.status.success() {
                        let said = String::from_utf8_lossy(&check.stdout).into_owned();
                        failures.push(format!("{path}: clean before, but not after: {said}"));
                    }
                }
                said
            }
            Ok(Err(error)) => {
                let refused =
                    REFUSED.iter().any(|(name, text)| path.contains(name) && error.to_string() == *text);
                if clean && !refused {
                    failures.push(format!("{path}: e2fsck calls it clean, but {error}"));
                }
                error.to_string()
            }
        };
        println!("{path}\t{}\t{:?}\t{said}", fields[9].trim(), start.elapsed());
    }
    println!("{count} images");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
