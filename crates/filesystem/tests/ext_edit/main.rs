//! Edits of ext filesystems against mke2fs, debugfs, e2fsck and the kernel.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these files are tests throughout")]

mod case;
mod corpora;
mod create;
mod create_limits;
#[allow(dead_code, reason = "shared with the tests of the reader, which use more of it")]
#[path = "../ext_read/image.rs"]
mod image;
mod kernel;
mod refuse;
mod space;
#[allow(dead_code, reason = "as above")]
#[path = "../ext_read/tree.rs"]
mod tree;

use std::{fs, os::unix::fs::FileExt, path::Path};

use case::Case;
use filesystem::Change;
use image::{Lab, assert_clean, run_ok};

/// Name, size in KiB, options of mke2fs.
const MATRIX: &[(&str, usize, &[&str])] = &[
    ("ext2-1k", 8192, &["-t", "ext2", "-b", "1024"]),
    ("ext2-rev0", 8192, &["-t", "ext2", "-b", "1024", "-r", "0", "-O", "none"]),
    ("ext2-4k-nofiletype", 8192, &["-t", "ext2", "-b", "4096", "-O", "^filetype"]),
    ("ext3-1k", 12288, &["-t", "ext3", "-b", "1024"]),
    ("ext3-4k-128", 12288, &["-t", "ext3", "-b", "4096", "-I", "128"]),
    ("ext4-default", 16384, &["-t", "ext4"]),
    ("ext4-1k", 16384, &["-t", "ext4", "-b", "1024"]),
    ("ext4-64k", 65536, &["-t", "ext4", "-b", "65536", "-O", "^has_journal"]),
    ("ext4-no64bit", 12288, &["-t", "ext4", "-O", "^64bit"]),
    ("ext4-uninit", 24576, &["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,uninit_bg"]),
    ("ext4-nocsum", 12288, &["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^uninit_bg"]),
    ("ext4-noflex", 24576, &["-t", "ext4", "-b", "1024", "-O", "^flex_bg"]),
    ("ext4-metabg", 24576, &["-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode"]),
    ("ext4-sparse2", 24576, &["-t", "ext4", "-b", "1024", "-O", "sparse_super2,^resize_inode"]),
    ("ext4-bigalloc", 49152, &["-t", "ext4", "-O", "bigalloc", "-C", "16384"]),
    ("ext4-bigalloc-1k", 24576, &["-t", "ext4", "-b", "1024", "-O", "bigalloc", "-C", "8192", "-N", "1024"]),
    ("ext4-inline", 12288, &["-t", "ext4", "-O", "inline_data"]),
    ("ext4-inline-1024", 12288, &["-t", "ext4", "-O", "inline_data", "-I", "1024"]),
    ("ext4-inode-128", 12288, &["-t", "ext4", "-I", "128"]),
    ("ext4-seed", 12288, &["-t", "ext4", "-O", "metadata_csum_seed"]),
    (
        "ext4-quota",
        16384,
        &["-t", "ext4", "-O", "quota,project", "-E", "quotatype=usrquota:grpquota:prjquota,nodiscard"],
    ),
    ("ext4-orphanfile", 12288, &["-t", "ext4", "-O", "orphan_file"]),
    ("ext4-mmp", 12288, &["-t", "ext4", "-O", "mmp"]),
    ("ext4-casefold", 12288, &["-t", "ext4", "-O", "casefold"]),
    ("ext4-ea-large", 12288, &["-t", "ext4", "-O", "ea_inode,large_dir"]),
    ("ext4-noextent", 12288, &["-t", "ext4", "-O", "^extents,^64bit"]),
];

/// Adds to the lab's tree what edits care for.
fn extend(lab: &Lab) {
    let root = lab.tree();
    fs::create_dir_all(root.join("gone/deep/er")).unwrap();
    for (at, dir) in ["gone", "gone/deep", "gone/deep/er"].into_iter().enumerate() {
        fs::write(root.join(dir).join("file"), vec![b'g'; 3000 * at]).unwrap();
    }
    fs::hard_link(root.join("a/file-1025"), root.join("gone/deep/outside")).unwrap();
    fs::hard_link(root.join("gone/file"), root.join("gone/deep/inside")).unwrap();
    // A hole after each piece, so that a map of its own has many entries.
    let holes = fs::File::create(root.join("a/holes")).unwrap();
    for piece in 0..300 {
        holes.write_all_at(&[b'h'; 4096], piece * 8192).unwrap();
    }
}

fn decorate(path: &Path) {
    let commands = "cd /a\nmknod null c 1 3\nmknod disk b 259 7\nmknod pipe p\n\
         ea_set /a/file-60 user.small s\nea_set /a/file-70000 user.long "
        .to_owned()
        + &"v".repeat(700)
        + "\nea_set /a/file-5000 user.other "
        + &"w".repeat(600)
        + "\n";
    let script = path.with_extension("debugfs");
    fs::write(&script, commands).unwrap();
    run_ok("debugfs", &["-w", "-f", script.to_str().unwrap(), path.to_str().unwrap()]);
    // debugfs does not keep quota files; nothing else is to be put right.
    image::run("e2fsck", &["-fp", path.to_str().unwrap()]);
}

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at * 13 % 253).unwrap() + 1).collect()
}

/// One half of the matrix runs beside the other.
#[test]
fn every_edit_leaves_e2fsck_silent() {
    edit_matrix(0);
}

#[test]
fn every_edit_leaves_e2fsck_silent_too() {
    edit_matrix(1);
}

fn edit_matrix(half: usize) {
    let lab = Lab::new();
    extend(&lab);
    for (name, kib, options) in MATRIX.iter().skip(half).step_by(2) {
        let path = lab.image(name, *kib, options);
        decorate(&path);
        assert_clean(&path, name);
        let mut case = Case::new(&lab, name, &path);
        let removed = [
            "/a/file-0",
            "/a/file-40",
            "/a/file-4096",
            "/a/file-300001",
            "/a/holes",
            "/a/b/hard",
            "/a/short",
            "/a/link59",
            "/a/link60",
            "/a/link800",
            "/a/null",
            "/a/disk",
            "/a/pipe",
            "/a/file-70000",
            "/gone",
        ];
        let contents = [
            ("/a/file-1", Change::Truncate),
            ("/a/file-100", Change::Truncate),
            ("/a/file-1024", Change::Truncate),
            ("/a/hole", Change::Truncate),
            ("/a/file-5000", Change::Overwrite(text(20))),
            ("/a/file-5000", Change::Overwrite(text(9999))),
            ("/a/file-61", Change::Overwrite(text(30))),
            ("/a/file-61", Change::Overwrite(text(62))),
            ("/a/file-1025", Change::Overwrite(text(400_000))),
            ("/a/file-60", Change::Overwrite(text(61))),
            ("/a/file-60", Change::Overwrite(text(5000))),
            ("/a/file-1023", Change::Overwrite(Vec::new())),
        ];
        for path in removed {
            case.change(path, &Change::Remove).unwrap_or_else(|error| panic!("{name}: {path}: {error}"));
        }
        case.judge("removals");
        for number in 0..300 {
            let path = format!("/many/{number:04}-{}", "e".repeat(number % 40));
            if number % 3 != 1 {
                case.change(&path, &Change::Remove).unwrap_or_else(|error| panic!("{name}: {path}: {error}"));
            }
        }
        case.judge("removals in a large directory");
        for (path, change) in &contents {
            case.change(path, change).unwrap_or_else(|error| panic!("{name}: {path}: {error}"));
        }
        case.judge("new contents");
        let before = case.ext.device().clone();
        for (path, change) in contents.iter().rev().take(2).chain(&contents[..4]) {
            case.change(path, change).unwrap();
        }
        assert!(*case.ext.device() == before, "{name}: a second run changes something");
        case.change("/many", &Change::Remove).unwrap();
        case.judge("removal of a large tree");
        case.judge_output();
        fs::remove_file(path).unwrap();
    }
}
