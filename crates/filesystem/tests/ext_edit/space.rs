//! Edits where space is short or in pieces, quotas that have to follow, and many edits.

use std::{fs, time::Instant};

use filesystem::{Change, Filesystem, FilesystemMut, ext::Ext};

use crate::{
    case::{Case, target},
    image::{Lab, assert_clean, run, run_ok},
    text,
};

/// An image of a source tree.
fn image(lab: &Lab, name: &str, kib: usize, options: &[&str]) -> std::path::PathBuf {
    let path = lab.path(name);
    fs::write(&path, vec![0xEE; kib << 10]).unwrap();
    let source = lab.path("source");
    let fixed = ["-q", "-F", "-E", "nodiscard", "-d", source.to_str().unwrap()];
    run_ok("mke2fs", &[&fixed[..], options, &[path.to_str().unwrap()]].concat());
    path
}

#[test]
fn content_goes_into_many_pieces_and_a_full_filesystem_is_refused() {
    let lab = Lab::new();
    fs::create_dir_all(lab.path("source")).unwrap();
    for number in 0..900 {
        fs::write(lab.path("source").join(format!("f{number:03}")), text(3000)).unwrap();
    }
    for (name, options) in [
        ("extents", &["-t", "ext4", "-b", "1024", "-O", "^has_journal,^resize_inode", "-N", "1000"][..]),
        ("pointers", &["-t", "ext2", "-b", "1024", "-N", "1000"]),
        (
            "bigalloc",
            &[
                "-t",
                "ext4",
                "-b",
                "1024",
                "-C",
                "4096",
                "-O",
                "bigalloc,^has_journal,^resize_inode",
                "-N",
                "1000",
            ],
        ),
    ] {
        let kib = if name == "bigalloc" { 5600 } else { 4096 };
        let path = image(&lab, name, kib, options);
        let mut case = Case::new(&lab, name, &path);
        for number in (0..900).step_by(2) {
            case.change(&format!("/f{number:03}"), &Change::Remove).unwrap();
        }
        // More than any hole and the free rest behind the files hold.
        case.change("/f001", &Change::Overwrite(text(1_300_000))).unwrap();
        case.judge("content in many pieces");
        if name == "extents" {
            // So many that the tree has nodes between its root and its leaves.
            let mut pieces = 0;
            let inode = target(&case.ext, "/f001").inode;
            case.ext
                .extents(inode, &mut |_, _| {
                    pieces += 1;
                    Ok(())
                })
                .unwrap();
            assert!(pieces > 4 * 84, "{pieces} pieces");
        }
        case.change("/f003", &Change::Overwrite(text(90_000))).unwrap();
        case.judge("content in more pieces");
        let too_long = case.change("/f005", &Change::Overwrite(text(3_000_000))).unwrap_err().to_string();
        assert!(too_long.starts_with("inode 1"), "{too_long}");
        assert!(too_long.ends_with("more free clusters than there are is not supported"), "{too_long}");
        case.judge("a refusal");
        case.change("/f001", &Change::Overwrite(text(10))).unwrap();
        case.judge("short content again");
        case.judge_output();
    }
}

#[test]
fn quotas_follow_each_owner_and_project() {
    let lab = Lab::new();
    fs::create_dir_all(lab.path("source/d")).unwrap();
    for name in ["a", "b", "c", "d/e", "d/f"] {
        fs::write(lab.path("source").join(name), text(20_000)).unwrap();
    }
    let quotas = "quotatype=usrquota:grpquota:prjquota,nodiscard";
    let options = ["-t", "ext4", "-O", "quota,project,ea_inode", "-E", quotas];
    let path = image(&lab, "quotas", 16384, &options);
    fs::write(lab.path("value"), "h".repeat(9000)).unwrap();
    let value = lab.path("value");
    let mut commands = String::new();
    for (at, name) in ["a", "b", "c", "d/e", "d/f"].into_iter().enumerate() {
        commands += &format!("sif /{name} uid {}\nsif /{name} gid {}\n", at % 2 * 70_000, 5);
        commands += &format!("sif /{name} projid {}\n", 4_000_000_000u32 + u32::try_from(at % 3).unwrap());
    }
    commands += &format!("ea_set -f {} /b user.huge\nea_set -f {0} /d/e user.huge\n", value.display());
    fs::write(lab.path("commands"), commands).unwrap();
    run_ok("debugfs", &["-w", "-f", lab.path("commands").to_str().unwrap(), path.to_str().unwrap()]);
    run("e2fsck", &["-fy", path.to_str().unwrap()]);
    assert_clean(&path, "quotas");
    let mut case = Case::new(&lab, "quotas", &path);
    for (path, change) in [
        ("/a", Change::Overwrite(text(100_000))),
        ("/a", Change::Overwrite(text(10))),
        ("/b", Change::Truncate),
        ("/b", Change::Remove),
        ("/c", Change::Truncate),
        ("/c", Change::Overwrite(text(4097))),
        ("/d", Change::Remove),
    ] {
        case.change(path, &change).unwrap();
        case.judge(path);
    }
    case.judge_output();
}

#[test]
fn thousands_of_removals() {
    let lab = Lab::new();
    fs::create_dir_all(lab.path("source/many")).unwrap();
    for number in 0..2000 {
        fs::write(lab.path("source/many").join(format!("{number:05}-{}", "n".repeat(30))), b"x").unwrap();
    }
    let path = image(&lab, "many", 32768, &["-t", "ext4", "-N", "2500"]);
    let mut ext = Ext::open(fs::read(&path).unwrap()).unwrap();
    let many = target(&ext, "/many").inode;
    let mut targets = Vec::new();
    ext.entries(many, &mut |entry| {
        targets.push(filesystem::Target { parent: many, name: entry.name, inode: entry.inode });
        Ok(())
    })
    .unwrap();
    let start = Instant::now();
    for target in &targets[..1990] {
        ext.change(target, &Change::Remove).unwrap();
    }
    println!("1990 removals one by one: {:?}", start.elapsed());
    let start = Instant::now();
    ext.change(&target(&ext, "/many"), &Change::Remove).unwrap();
    println!("the rest as a tree: {:?}", start.elapsed());
    fs::write(&path, ext.device()).unwrap();
    assert_clean(&path, "after 2,000 removals");
}
