//! Images that the kernel has written: what mke2fs and debugfs do not make. And what the kernel makes of ours.

use std::{
    fs,
    os::unix::fs::{FileExt, chown, symlink},
    path::{Path, PathBuf},
};

use filesystem::{Change, NewEntry, NewKind};

use crate::{
    case::Case,
    create::{LABEL, entry, file, labelled},
    image::{Lab, assert_clean, run, run_ok},
    text, tree,
};

/// A mounted image; unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    /// `None` where mounting is not allowed.
    fn new(image: &Path, options: &str) -> Option<Self> {
        let dir = image.with_extension("mount");
        fs::create_dir_all(&dir).unwrap();
        let loops = format!("loop,noatime{options}");
        let output = run("mount", &["-o", &loops, image.to_str().unwrap(), dir.to_str().unwrap()]);
        if output.status.success() {
            return Some(Self(dir));
        }
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(std::env::var_os("CI").is_none(), "mounting an image needs root and loop devices: {why}");
        println!("not run: mount: {}", why.trim());
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn tool(&self, tool: &str, arguments: &[&str]) {
        let file = self.path(arguments[arguments.len() - 1]);
        let arguments: Vec<&str> =
            arguments[..arguments.len() - 1].iter().copied().chain([file.to_str().unwrap()]).collect();
        run_ok(tool, &arguments);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &[self.0.to_str().unwrap()]);
    }
}

fn write(mount: &Mount, name: &str, data: &[u8]) {
    fs::write(mount.path(name), data).unwrap();
}

/// Two files that grow in turns, each write on disk before the next, so that both are in many pieces.
fn fragments(mount: &Mount) {
    let files = ["pieces1", "pieces2"].map(|name| fs::File::create(mount.path(name)).unwrap());
    for piece in 0..200 {
        for file in &files {
            file.write_all_at(&[b'p'; 4096], piece * 8192).unwrap();
            file.sync_data().unwrap();
        }
    }
}

fn populate(mount: &Mount, extents: bool) {
    fs::create_dir_all(mount.path("many/sub")).unwrap();
    for number in 0..1500 {
        write(mount, &format!("many/{number:04}-{}", "n".repeat(60)), b"");
    }
    // Equal attributes share a block.
    let value = "v".repeat(600);
    for name in ["share1", "share2", "share3", "share4"] {
        write(mount, name, name.as_bytes());
        mount.tool("setfattr", &["-n", "user.long", "-v", &value, name]);
    }
    write(mount, "acl", b"acl");
    mount.tool("setfacl", &["-m", "u:1234:rw", "acl"]);
    fragments(mount);
    write(mount, "preallocated", b"x");
    if extents {
        mount.tool("fallocate", &["-l", "1M", "preallocated"]);
        mount.tool("fallocate", &["-n", "-o", "1M", "-l", "1M", "preallocated"]);
    }
    let sparse = fs::File::create(mount.path("sparse")).unwrap();
    sparse.write_all_at(b"far", 40 << 20).unwrap();
    symlink("t".repeat(100), mount.path("slow")).unwrap();
    symlink("t", mount.path("fast")).unwrap();
    run_ok("mknod", &[mount.path("device").to_str().unwrap(), "c", "300", "70000"]);
    write(mount, "owned", &text(7000));
    chown(mount.path("owned"), Some(70_000), Some(80_000)).unwrap();
    fs::hard_link(mount.path("owned"), mount.path("many/sub/hard")).unwrap();
    write(mount, "immutable", b"i");
    mount.tool("chattr", &["+i", "immutable"]);
    write(mount, "small", b"small");
    write(mount, "medium", &[b'm'; 100]);
    mount.tool("setfattr", &["-n", "user.near", "-v", "attribute", "medium"]);
}

/// Name, KiB, options, and whether files have extents.
const MATRIX: &[(&str, usize, &[&str], bool)] = &[
    ("ext2", 24576, &["-t", "ext2", "-b", "1024"], false),
    ("ext3", 32768, &["-t", "ext3", "-b", "4096"], false),
    ("ext4", 32768, &["-t", "ext4"], true),
    ("ext4-1k", 32768, &["-t", "ext4", "-b", "1024", "-O", "large_dir"], true),
    ("bigalloc", 65536, &["-t", "ext4", "-O", "bigalloc", "-C", "16384", "-N", "4096"], true),
    ("inline", 32768, &["-t", "ext4", "-O", "inline_data"], true),
    ("ea_inode", 32768, &["-t", "ext4", "-O", "ea_inode"], true),
    ("uninit", 32768, &["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,uninit_bg"], true),
];

#[test]
fn what_the_kernel_wrote_can_be_edited_and_mounted_again() {
    let lab = Lab::new();
    for (name, kib, options, extents) in MATRIX {
        let path = lab.path(name);
        fs::write(&path, crate::image::RESIDUE.repeat(kib * 64)).unwrap();
        let nodiscard = ["-q", "-F", "-E", "nodiscard,lazy_itable_init=1"];
        run_ok("mke2fs", &[&nodiscard[..], options, &[path.to_str().unwrap()]].concat());
        let Some(mount) = Mount::new(&path, ",noinit_itable").or_else(|| Mount::new(&path, "")) else {
            return;
        };
        populate(&mount, *extents);
        if *name == "ea_inode" {
            for file in ["huge1", "huge2"] {
                write(&mount, file, b"");
                mount.tool("setfattr", &["-n", "user.huge", "-v", &"h".repeat(20_000), file]);
            }
        }
        drop(mount);
        assert_clean(&path, name);
        let mut case = Case::new(&lab, name, &path);
        edit(&mut case, *name == "ea_inode");
        case.judge_output();
        let output = lab.path("output");
        let mount = Mount::new(&output, ",ro").unwrap();
        assert_eq!(tree::theirs(&mount.0), case.expected, "{name}: the kernel");
        for (file, attribute, value) in
            [("medium", "user.near", "attribute".to_owned()), ("share4", "user.long", "v".repeat(600))]
        {
            let file = mount.path(file);
            let output = run_ok(
                "getfattr",
                &["--only-values", "-n", attribute, "--absolute-names", file.to_str().unwrap()],
            );
            assert_eq!(String::from_utf8_lossy(&output.stdout), value, "{name}: {attribute}");
        }
        drop(mount);
        // The kernel can work with it.
        let mount = Mount::new(&output, "").unwrap();
        for number in 0..300 {
            write(&mount, &format!("many/new-{number}"), &text(number * 20));
        }
        write(&mount, "small", &text(100_000));
        fs::remove_file(mount.path("share4")).unwrap();
        fs::remove_dir_all(mount.path("many")).unwrap();
        drop(mount);
        assert_clean(&output, &format!("{name}, written by the kernel"));
        fs::remove_file(path).unwrap();
    }
}

fn edit(case: &mut Case<'_>, huge: bool) {
    let remove = |case: &mut Case<'_>, paths: &[&str]| {
        for path in paths {
            case.change(path, &Change::Remove)
                .unwrap_or_else(|error| panic!("{}: {path}: {error}", case.name));
        }
    };
    for number in (0..1500).filter(|number| number % 5 != 0) {
        remove(case, &[&format!("/many/{number:04}-{}", "n".repeat(60))]);
    }
    case.judge("removals from an indexed directory");
    remove(
        case,
        &["/share1", "/share3", "/acl", "/pieces1", "/slow", "/fast", "/device", "/immutable", "/many/sub"],
    );
    if huge {
        remove(case, &["/huge1"]);
        case.judge("removal of one user of an EA inode");
        remove(case, &["/huge2"]);
    }
    case.judge("removals");
    let contents = [
        ("/preallocated", Change::Truncate),
        ("/sparse", Change::Truncate),
        ("/share2", Change::Overwrite(text(9000))),
        ("/pieces2", Change::Overwrite(text(300_000))),
        ("/owned", Change::Overwrite(text(3))),
        ("/small", Change::Overwrite(text(2000))),
        ("/medium", Change::Overwrite(text(80))),
        ("/medium", Change::Overwrite(text(8000))),
        ("/share4", Change::Truncate),
    ];
    for (path, change) in &contents {
        case.change(path, change).unwrap_or_else(|error| panic!("{}: {path}: {error}", case.name));
    }
    case.judge("new contents");
}

/// In directories that the kernel made, with an index, inline or plain: it reads what we made, and goes on with it.
#[test]
fn what_was_made_is_read_and_written_by_the_kernel() {
    let lab = Lab::new();
    for (name, kib, options, extents) in MATRIX {
        let path = lab.path(name);
        fs::write(&path, crate::image::RESIDUE.repeat(kib * 64)).unwrap();
        run_ok("mke2fs", &[&["-q", "-F", "-E", "nodiscard"], *options, &[path.to_str().unwrap()]].concat());
        let Some(mount) = Mount::new(&path, "") else { return };
        populate(&mount, *extents);
        // Larger than what the lists of trees look at.
        fs::remove_file(mount.path("sparse")).unwrap();
        fs::create_dir(mount.path("tiny")).unwrap();
        write(&mount, "tiny/one", b"1");
        drop(mount);
        let mut case = Case::new(&lab, name, &path);
        for number in 0..200 {
            case.create(&format!("/many/made-{number}-{}", "m".repeat(number % 60)), &file(&text(number)));
        }
        for number in 0..30 {
            let new = labelled(NewKind::File(text(number * 300)), 0o640);
            case.create(&format!("/tiny/{number}"), &NewEntry { uid: 7, gid: 70_000, ..new });
            if number == 0 {
                case.judge("a first name in a tiny directory");
            }
        }
        case.create("/tiny/dir", &labelled(NewKind::Directory, 0o750));
        case.create("/tiny/dir/slow", &labelled(NewKind::Symlink(text(200)), 0o777));
        case.create("/tiny/dir/fast", &entry(NewKind::Symlink(b"slow".to_vec()), 0o777));
        case.create("/large", &file(&text(400_000)));
        case.judge("names beside the kernel's");
        case.judge_output();
        let output = lab.path("output");
        let mount = Mount::new(&output, ",ro").unwrap();
        assert_eq!(tree::theirs(&mount.0), case.expected, "{name}: the kernel");
        for made in ["tiny/7", "tiny/dir", "tiny/dir/slow"] {
            let made = mount.path(made);
            let arguments = ["-h", "--only-values", "-n", "security.selinux", "--absolute-names"];
            let output = run_ok("getfattr", &[&arguments[..], &[made.to_str().unwrap()]].concat());
            assert_eq!(output.stdout, LABEL, "{name}: {}", made.display());
        }
        // A look-up by name goes through the index.
        assert_eq!(fs::read(mount.path("many/made-3-mmm")).unwrap(), text(3), "{name}");
        drop(mount);
        let mount = Mount::new(&output, "").unwrap();
        for number in 0..200 {
            write(&mount, &format!("many/later-{number}-{}", "l".repeat(40)), &text(number));
            fs::remove_file(mount.path(&format!("many/made-{number}-{}", "m".repeat(number % 60)))).unwrap();
            write(&mount, &format!("tiny/dir/{number}"), &text(number));
        }
        write(&mount, "tiny/7", &text(90_000));
        mount.tool("setfattr", &["-n", "user.more", "-v", &"m".repeat(300), "tiny/8"]);
        mount.tool("setfattr", &["-x", "security.selinux", "tiny/9"]);
        fs::rename(mount.path("tiny/dir"), mount.path("many/dir")).unwrap();
        fs::remove_file(mount.path("large")).unwrap();
        drop(mount);
        assert_clean(&output, &format!("{name}, written by the kernel"));
        fs::remove_file(path).unwrap();
    }
}
