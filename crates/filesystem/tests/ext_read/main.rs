//! The ext reader against mke2fs, debugfs, e2fsck and the kernel.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these files are tests throughout")]

mod corpora;
mod image;
mod kernel;
mod mutation;
mod planted;
mod refusals;
mod tails;
mod tree;

use std::{fs, path::Path};

use block::{Extent, ExtentSet, is_zero, to_usize};
use filesystem::{Claim, Filesystem, FilesystemMut, ext::Ext};
use image::{Lab, assert_clean};
use tree::Tree;

/// Name, size in KiB, and options of mke2fs: each feature that it makes, alone and with others.
const MATRIX: &[(&str, usize, &[&str])] = &[
    ("ext2-1k", 8192, &["-t", "ext2", "-b", "1024"]),
    ("ext2-rev0", 8192, &["-t", "ext2", "-b", "1024", "-r", "0", "-O", "none"]),
    ("ext2-4k-nofiletype", 8192, &["-t", "ext2", "-b", "4096", "-O", "^filetype"]),
    ("ext3-1k", 16384, &["-t", "ext3", "-b", "1024"]),
    ("ext3-4k-128", 16384, &["-t", "ext3", "-b", "4096", "-I", "128"]),
    ("ext4-default", 32768, &["-t", "ext4"]),
    ("ext4-1k", 24576, &["-t", "ext4", "-b", "1024"]),
    ("ext4-2k-64bit", 24576, &["-t", "ext4", "-b", "2048", "-O", "64bit"]),
    ("ext4-64k", 65536, &["-t", "ext4", "-b", "65536", "-O", "^has_journal"]),
    ("ext4-no64bit", 24576, &["-t", "ext4", "-O", "^64bit"]),
    ("ext4-uninit", 24576, &["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,uninit_bg"]),
    ("ext4-nocsum", 24576, &["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^uninit_bg"]),
    ("ext4-noflex", 24576, &["-t", "ext4", "-b", "1024", "-O", "^flex_bg"]),
    ("ext4-metabg", 49152, &["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode"]),
    (
        "ext4-metabg-512",
        131_072,
        &["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode,^flex_bg", "-g", "1024"],
    ),
    ("ext4-sparse2", 49152, &["-t", "ext4", "-b", "1024", "-O", "sparse_super2,^resize_inode"]),
    ("ext4-nosparse", 49152, &["-t", "ext4", "-b", "1024", "-O", "^sparse_super,^resize_inode"]),
    ("ext4-bigalloc", 65536, &["-t", "ext4", "-O", "bigalloc", "-C", "16384"]),
    ("ext4-bigalloc-1k", 32768, &["-t", "ext4", "-b", "1024", "-O", "bigalloc", "-C", "8192", "-N", "1024"]),
    ("ext4-inline", 24576, &["-t", "ext4", "-O", "inline_data"]),
    ("ext4-inline-1024", 24576, &["-t", "ext4", "-O", "inline_data", "-I", "1024"]),
    ("ext4-inode-128", 24576, &["-t", "ext4", "-I", "128"]),
    ("ext4-inode-512", 24576, &["-t", "ext4", "-I", "512"]),
    ("ext4-seed", 24576, &["-t", "ext4", "-O", "metadata_csum_seed"]),
    (
        "ext4-quota",
        24576,
        &["-t", "ext4", "-O", "quota,project", "-E", "quotatype=usrquota:grpquota:prjquota,nodiscard"],
    ),
    ("ext4-orphanfile", 24576, &["-t", "ext4", "-O", "orphan_file"]),
    ("ext4-mmp", 24576, &["-t", "ext4", "-O", "mmp"]),
    ("ext4-casefold", 24576, &["-t", "ext4", "-O", "casefold"]),
    ("ext4-encrypt", 24576, &["-t", "ext4", "-O", "encrypt"]),
    ("ext4-verity-stable", 24576, &["-t", "ext4", "-O", "verity,stable_inodes"]),
    ("ext4-ea-large", 24576, &["-t", "ext4", "-O", "ea_inode,large_dir"]),
    ("ext4-fastcommit", 24576, &["-t", "ext4", "-O", "fast_commit"]),
    ("ext4-noextent", 24576, &["-t", "ext4", "-O", "^extents,^64bit"]),
];

fn open(path: &Path) -> Ext<Vec<u8>> {
    Ext::open(fs::read(path).unwrap()).unwrap()
}

/// All claims: live and dead, disjoint.
fn claims(ext: &impl Filesystem) -> (ExtentSet, ExtentSet) {
    let (mut live, mut dead): (Vec<Extent>, Vec<Extent>) = Default::default();
    ext.claims(&mut |extent, claim| {
        assert!(!extent.is_empty());
        match claim {
            Claim::Live(_) => live.push(extent),
            Claim::Dead(..) => dead.push(extent),
        }
        Ok(())
    })
    .unwrap();
    let both: Vec<Extent> = live.iter().chain(&dead).copied().collect();
    ExtentSet::disjoint(both).unwrap();
    (live.into_iter().collect(), dead.into_iter().collect())
}

/// The two witnesses agree to the byte.
fn assert_partition(ext: &impl Filesystem, what: &str) {
    let (live, dead) = claims(ext);
    let claimed = live.union(&dead);
    let allocated = ext.allocated().unwrap();
    let (more, less): (Vec<_>, Vec<_>) =
        (claimed.difference(&allocated).iter().collect(), allocated.difference(&claimed).iter().collect());
    assert!(
        more.is_empty() && less.is_empty(),
        "{what}: claimed but free {more:?}, in use but unclaimed {less:?}"
    );
}

/// What diskscrub writes: the scrubbed view where it is live, zero elsewhere. Also the bytes scrubbed.
fn clean(path: &Path, what: &str) -> (Vec<u8>, u64) {
    let mut ext = open(path);
    let wiped = ext.scrub().unwrap_or_else(|error| panic!("{what}: {error}"));
    let (live, _) = claims(&ext);
    let view = ext.into_device();
    let mut output = vec![0; view.len()];
    for extent in live.iter() {
        let range = to_usize(extent.start)..to_usize(extent.end());
        output[range.clone()].copy_from_slice(&view[range]);
    }
    (output, wiped)
}

/// How often a token occurs. Output is mostly zero, so zero pages are skipped.
fn count(haystack: &[u8], needle: &[u8]) -> usize {
    let mut found = 0;
    for start in (0..haystack.len()).step_by(4096) {
        let page = &haystack[start..(start + 4096 + needle.len() - 1).min(haystack.len())];
        if !is_zero(page) {
            found += page.windows(needle.len()).filter(|window| *window == needle).count();
        }
    }
    found
}

/// Cleans the image in place and checks all that must hold of the result.
fn assert_cleans(path: &Path, expected: &Tree, tokens: &[&[u8]], what: &str) {
    let (output, _) = clean(path, what);
    fs::write(path, &output).unwrap();
    assert_clean(path, what);
    let ext = open(path);
    tree::assert_same(&tree::ours(&ext).unwrap(), expected, what);
    assert_partition(&ext, what);
    assert_eq!(tails::of(&ext), [], "{what}: what the scrub left");
    for token in tokens {
        assert_eq!(count(&output, token), 0, "{what}: {} is still there", String::from_utf8_lossy(token));
    }
    let (again, wiped) = clean(path, what);
    assert_eq!(wiped, 0, "{what}: the second scrub found something");
    assert!(again == output, "{what}: the second run changed something");
}

#[test]
fn every_feature_reads_and_cleans() {
    let lab = Lab::new();
    let expected = tree::theirs(&lab.tree());
    for (name, kib, options) in MATRIX {
        let path = lab.image(name, *kib, options);
        assert_clean(&path, name);
        let ext = open(&path);
        tree::assert_same(&tree::ours(&ext).unwrap(), &expected, name);
        assert_partition(&ext, name);
        let residue = ext.device().windows(7).any(|window| window == &image::RESIDUE[..7]);
        assert!(residue, "{name}: the image had no residue");
        assert_cleans(&path, &expected, &[&image::RESIDUE[..7]], name);
        // Rebuilt as hash trees.
        image::run("e2fsck", &["-fyD", path.to_str().unwrap()]);
        let what = format!("{name} with hash trees");
        assert_cleans(&path, &expected, &[&image::RESIDUE[..7]], &what);
        fs::remove_file(path).unwrap();
    }
}
