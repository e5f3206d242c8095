//! Filesystems with a history that the running kernel made: before and after, it must see the same.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{
    assert_cleans,
    image::{Lab, run, run_ok},
    open, tree,
};

/// A loop mount that ends with the test.
struct Mount(PathBuf);

impl Mount {
    fn new(image: &Path, at: PathBuf, options: &str) -> Self {
        fs::create_dir_all(&at).unwrap();
        run_ok("mount", &["-o", &format!("loop,{options}"), image.to_str().unwrap(), at.to_str().unwrap()]);
        Self(at)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &[self.0.to_str().unwrap()]);
    }
}

fn xattrs(root: &Path) -> String {
    let output = run_ok("getfattr", &["-hdRm", "-", "--absolute-names", root.to_str().unwrap()]);
    let mut files: Vec<String> =
        String::from_utf8(output.stdout).unwrap().split("\n\n").map(str::to_owned).collect();
    files.sort();
    files.join("\n\n")
}

/// Names, contents, xattrs, links and directories that come and go.
fn live_and_die(root: &Path, with_xattrs: bool) {
    let set = |path: &Path, name: &str, value: &str| {
        if with_xattrs {
            run_ok("setfattr", &["-n", name, "-v", value, path.to_str().unwrap()]);
        }
    };
    let dir = root.join("d");
    fs::create_dir(&dir).unwrap();
    for number in 0..400 {
        fs::write(dir.join(format!("GONENAME-{number}")), "GONEDATA".repeat(number % 90)).unwrap();
        fs::write(dir.join(format!("stays-{number}")), "stays".repeat(number % 70)).unwrap();
    }
    for number in 0..40 {
        let path = dir.join(format!("stays-{number}"));
        set(&path, "user.stays", &"v".repeat(number * 5));
        set(&path, "user.gone", &"GONEXATTR".repeat(number % 20 + 1));
        set(&path, "user.last", "last");
        if with_xattrs {
            run_ok("setfattr", &["-x", "user.gone", path.to_str().unwrap()]);
        }
        symlink(format!("GONELINK-{number}"), dir.join(format!("gone-link-{number}"))).unwrap();
        symlink("t".repeat(number + 30), dir.join(format!("link-{number}"))).unwrap();
        fs::remove_file(dir.join(format!("gone-link-{number}"))).unwrap();
    }
    for number in 0..400 {
        fs::remove_file(dir.join(format!("GONENAME-{number}"))).unwrap();
    }
    for number in 0..20 {
        let path = dir.join(format!("stays-{number}"));
        fs::rename(&path, dir.join(format!("moved-{number}"))).unwrap();
        let small = dir.join(format!("small-{number}"));
        fs::create_dir(&small).unwrap();
        for inner in 0..4 {
            fs::write(small.join(format!("GONENAME-{inner}")), "GONEDATA").unwrap();
        }
        fs::remove_file(small.join("GONENAME-2")).unwrap();
        fs::remove_file(small.join("GONENAME-0")).unwrap();
        fs::rename(small.join("GONENAME-1"), small.join("a")).unwrap();
        fs::rename(small.join("GONENAME-3"), small.join("bb")).unwrap();
        fs::write(small.join("a"), "x").unwrap();
        fs::write(small.join("bb"), "y".repeat(90)).unwrap();
    }
    // Long content made short, and the other way round; extents that come and go.
    let path = dir.join("frag");
    let file = fs::File::create(&path).unwrap();
    for block in 0..200u64 {
        std::os::unix::fs::FileExt::write_all_at(&file, b"GONEDATA", block * 16384).unwrap();
    }
    file.set_len(16384 * 3 + 5).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[b'z'; 16384 * 3 + 5], 0).unwrap();
    file.sync_all().unwrap();
    // An index of two levels, and an extent tree of two on small blocks.
    let large = root.join("large");
    fs::create_dir(&large).unwrap();
    for number in 0..3500 {
        fs::write(large.join(format!("{}-{number}", "GONENAME".repeat(7))), "").unwrap();
    }
    for number in 0..3000 {
        fs::remove_file(large.join(format!("{}-{number}", "GONENAME".repeat(7)))).unwrap();
        fs::write(large.join(format!("{}-{number}", "stays".repeat(9))), "").unwrap();
    }
    for number in 3000..3500 {
        fs::remove_file(large.join(format!("{}-{number}", "GONENAME".repeat(7)))).unwrap();
    }
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    for block in 0..700u64 {
        std::os::unix::fs::FileExt::write_all_at(&sparse, b"stays", block * 8192).unwrap();
    }
    for block in (0..700u64).step_by(3) {
        let (at, path) = ((block * 8192).to_string(), root.join("sparse"));
        if block % 30 == 0 {
            run("fallocate", &["-p", "-o", &at, "-l", "8192", path.to_str().unwrap()]);
        }
    }
    fs::write(root.join("reuse"), "GONEDATA".repeat(50_000)).unwrap();
    fs::File::open(root.join("reuse")).unwrap().sync_all().unwrap();
    fs::remove_file(root.join("reuse")).unwrap();
    run("sync", &["-f", root.to_str().unwrap()]);
    run("fallocate", &["-l", "300000", root.join("unwritten").to_str().unwrap()]);
    run("fallocate", &["-n", "-l", "300000", dir.join("moved-3").to_str().unwrap()]);
}

/// Name, options of mke2fs, and whether the kernel allows xattrs on it.
const CONFIGS: &[(&str, &[&str])] = &[
    ("default", &["-t", "ext4", "-N", "12000"]),
    ("1k", &["-t", "ext4", "-b", "1024", "-N", "12000"]),
    ("inline", &["-t", "ext4", "-N", "12000", "-O", "inline_data"]),
    ("inline-1k-512", &["-t", "ext4", "-N", "12000", "-b", "1024", "-I", "512", "-O", "inline_data"]),
    ("ext2", &["-t", "ext2", "-N", "12000", "-b", "1024", "-O", "ext_attr"]),
    ("ext3", &["-t", "ext3", "-N", "12000"]),
    ("ext4-uninit", &["-t", "ext4", "-N", "12000", "-b", "1024", "-O", "^metadata_csum,uninit_bg"]),
    ("bigalloc", &["-t", "ext4", "-N", "8000", "-O", "bigalloc", "-C", "8192"]),
    ("metabg", &["-t", "ext4", "-N", "12000", "-b", "1024", "-O", "meta_bg,^resize_inode"]),
    ("orphan-file-ea", &["-t", "ext4", "-N", "12000", "-O", "orphan_file,ea_inode,large_dir"]),
    ("mmp", &["-t", "ext4", "-N", "12000", "-O", "mmp"]),
];

#[test]
fn the_kernel_sees_the_same_before_and_after() {
    let can = "test $(id -u) = 0 && losetup -f >/dev/null 2>&1";
    if !std::process::Command::new("sh").args(["-c", can]).status().unwrap().success() {
        assert!(std::env::var_os("CI").is_none(), "mounting an image needs root and loop devices");
        println!("not run: mounting an image needs root and loop devices");
        return;
    }
    let lab = Lab::new();
    for (name, options) in CONFIGS {
        let path = lab.path(name);
        fs::write(&path, super::image::RESIDUE.repeat(65536 * 64 / 64)).unwrap();
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(64 << 20).unwrap();
        let mut arguments = vec!["-q", "-F", "-E", "nodiscard"];
        arguments.extend(*options);
        arguments.push(path.to_str().unwrap());
        run_ok("mke2fs", &arguments);
        {
            let mount = Mount::new(&path, lab.path("mnt"), "rw");
            live_and_die(&mount.0, true);
        }
        let look = || {
            let mount = Mount::new(&path, lab.path("mnt"), "ro");
            (tree::theirs(&mount.0), xattrs(&mount.0))
        };
        let before = look();
        tree::assert_same(&tree::ours(&open(&path)).unwrap(), &before.0, name);
        let tokens: [&[u8]; 5] =
            [b"GONE", b"PREFILL", b"residue!", lab.dir.path().to_str().unwrap().as_bytes(), b"loop"];
        assert_cleans(&path, &before.0, &tokens, name);
        let after = look();
        tree::assert_same(&after.0, &before.0, name);
        assert_eq!(after.1, before.1, "{name}: xattrs");
        {
            // It can be written to again.
            let mount = Mount::new(&path, lab.path("mnt"), "rw");
            fs::remove_dir_all(mount.0.join("d/small-1")).unwrap();
            live_and_die(
                &{
                    fs::create_dir(mount.0.join("again")).unwrap();
                    mount.0.join("again")
                },
                true,
            );
        }
        super::assert_clean(&path, name);
        fs::remove_file(path).unwrap();
    }
}
