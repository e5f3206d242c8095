//! Names that cannot be made, or only just: no inode, no block, a directory that may not be touched, a damaged image.

use std::{collections::BTreeSet, fs, path::Path};

use filesystem::{Claim, Extent, Filesystem, FilesystemMut, InodeId, NewEntry, NewKind, Owner, ext::Ext};

use crate::{
    case::{Case, target},
    create::{entry, file, indexed, labelled, link, place},
    image::{Lab, run, run_ok},
    text,
};

/// Each inode of a filesystem of several groups, most of them never used.
#[test]
fn inodes_are_taken_until_none_is_left() {
    let lab = Lab::new();
    for (name, options) in [
        ("ext4", &["-t", "ext4", "-b", "1024", "-g", "1024", "-N", "96"][..]),
        ("uninit", &["-t", "ext4", "-b", "1024", "-g", "1024", "-N", "96", "-O", "^metadata_csum,uninit_bg"]),
        ("noflex", &["-t", "ext4", "-b", "1024", "-g", "1024", "-N", "96", "-O", "^flex_bg"]),
        ("ext2", &["-t", "ext2", "-b", "1024", "-g", "1024", "-N", "96"]),
    ] {
        let path = lab.path(name);
        fs::write(&path, vec![0xEE; 6 << 20]).unwrap();
        run_ok(
            "mke2fs",
            &[&["-q", "-F", "-E", "nodiscard,lazy_itable_init=1"], options, &[path.to_str().unwrap()]]
                .concat(),
        );
        let mut case = Case::new(&lab, name, &path);
        let free = free_inodes(&path);
        assert!(free > 30, "{free}");
        let mut inodes = BTreeSet::new();
        for number in 0..free {
            let new = if number % 7 == 3 { entry(NewKind::Directory, 0o755) } else { file(b"small") };
            case.create(&format!("/{number}"), &new);
            inodes.insert(target(&case.ext, &format!("/{number}")).inode);
            if number % 9 == 0 {
                case.judge("an inode more");
            }
        }
        assert_eq!(inodes.len(), free);
        case.judge("the last inode");
        let words = case.refusal(InodeId(2), b"more", &file(b""));
        assert_eq!(words, "inode 2: creating a file in a filesystem without a free inode is not supported");
        case.judge_output();
    }
}

fn free_inodes(path: &Path) -> usize {
    let output = run_ok("dumpe2fs", &["-h", path.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("Free inodes:")).unwrap();
    line.trim().parse().unwrap()
}

#[test]
fn a_full_filesystem_is_refused_and_nothing_changed() {
    let lab = Lab::new();
    for (name, options) in [
        ("extents", &["-t", "ext4", "-b", "1024", "-O", "^has_journal,^resize_inode"][..]),
        ("pointers", &["-t", "ext2", "-b", "1024"]),
        (
            "bigalloc",
            &["-t", "ext4", "-b", "1024", "-C", "4096", "-O", "bigalloc,^has_journal,^resize_inode"],
        ),
    ] {
        let path = lab.path(name);
        fs::write(&path, vec![0xEE; 2 << 20]).unwrap();
        run_ok("mke2fs", &[&["-q", "-F", "-N", "256"], options, &[path.to_str().unwrap()]].concat());
        let mut case = Case::new(&lab, name, &path);
        // Names that fill the root's block, and content that fills all else.
        let mut number = 0;
        loop {
            let path = format!("/{number:03}{}", "f".repeat(200));
            let (dir, bytes) = place(&case.ext, &path);
            if case.ext.supports_create(dir, &bytes, &file(&text(60_000))).is_err() {
                break;
            }
            case.create(&path, &file(&text(60_000)));
            number += 1;
        }
        case.judge("nearly full");
        let words = case.refusal(InodeId(2), b"large", &file(&text(60_000)));
        assert!(words.ends_with("more free clusters than there are is not supported"), "{words}");
        let mut left = 0;
        while case.ext.supports_create(InodeId(2), format!("{left}").as_bytes(), &file(b"1")).is_ok() {
            case.create(&format!("/{left}"), &file(b"1"));
            left += 1;
        }
        case.judge("full");
        let words = case.refusal(InodeId(2), b"more", &file(b"1"));
        assert!(words.ends_with("more free clusters than there are is not supported"), "{words}");
        // No content, but a block for the name. Then a name that fits where it is.
        for path in (0..).map(|at| format!("/{at}{}", "g".repeat(240))) {
            let (dir, bytes) = place(&case.ext, &path);
            if case.ext.supports_create(dir, &bytes, &file(b"")).is_err() {
                let words = case.refusal(dir, &bytes, &file(b""));
                assert!(words.ends_with("more free clusters than there are is not supported"), "{words}");
                break;
            }
            case.create(&path, &file(b""));
        }
        case.judge("full to the last name");
        case.judge_output();
    }
}

#[test]
fn refusals_name_what_is_in_the_way() {
    let lab = Lab::new();
    let path = lab.image("refused", 16384, &["-t", "ext4", "-b", "4096", "-O", "encrypt,casefold,quota"]);
    let a = target(&Ext::open(fs::read(&path).unwrap()).unwrap(), "/a").inode;
    let image = |commands: &str| {
        let copy = lab.path("patched");
        fs::copy(&path, &copy).unwrap();
        fs::write(lab.path("commands"), commands).unwrap();
        run_ok("debugfs", &["-w", "-f", lab.path("commands").to_str().unwrap(), copy.to_str().unwrap()]);
        copy
    };
    let mut case = Case::new(&lab, "refused", &image(""));
    let object = format!("inode {}", a.0);
    let file_1 = target(&case.ext, "/a/file-1").inode;
    let long = "n".repeat(256);
    for (name, new, words) in [
        (&b"file-1"[..], file(b""), "creating file-1, which exists, is not supported".to_owned()),
        (b"", file(b""), "creating a file of the name `` is not supported".to_owned()),
        (b"..", file(b""), "creating a file of the name `..` is not supported".to_owned()),
        (b"x/y", file(b""), "creating a file of the name `x/y` is not supported".to_owned()),
        (long.as_bytes(), file(b""), format!("creating a file of the name `{long}` is not supported")),
        (
            b"n",
            entry(NewKind::Directory, 0o10_000),
            "creating a file with the mode 0o10000 is not supported".into(),
        ),
        (
            b"n",
            link(b""),
            "a symbolic link to a path of other than 1 to 4095 bytes without a NUL is not supported".into(),
        ),
        (
            b"n",
            NewEntry { time: 1 << 35, ..file(b"") },
            "creating a file of the time 34359738368 is not supported".to_owned(),
        ),
    ] {
        assert_eq!(case.refusal(a, name, &new), format!("{object}: {words}"));
    }
    let owner = NewEntry { uid: 4242, ..file(b"") };
    let words = case.refusal(a, b"n", &owner);
    assert!(
        words.ends_with(": creating a file for an owner without a record in the quota file is not supported"),
        "{words}"
    );
    for (attribute, end) in [
        ("system.posix_acl_access", "setting the attribute system.posix_acl_access is not supported"),
        ("strange", "setting the attribute strange is not supported"),
        ("user.", "setting an attribute of the name user. is not supported"),
    ] {
        let attributes = vec![(attribute.as_bytes().to_vec(), b"v".to_vec())];
        let words = case.refusal(a, b"n", &NewEntry { attributes, ..file(b"") });
        assert!(words.ends_with(end), "{words}");
    }
    let twice = NewEntry { attributes: vec![(b"user.a".to_vec(), b"v".to_vec()); 2], ..file(b"") };
    assert!(case.refusal(a, b"n", &twice).ends_with("setting an attribute twice is not supported"));
    let huge = NewEntry { attributes: vec![(b"user.a".to_vec(), text(5000))], ..file(b"") };
    assert!(
        case.refusal(a, b"n", &huge).ends_with("attributes that fill more than a block is not supported")
    );
    assert_eq!(
        case.refusal(file_1, b"n", &file(b"")),
        format!("inode {}: i_mode is 0o100644, expected a directory", file_1.0)
    );
    for (commands, words) in [
        (
            "sif /a flags 0x80800\n",
            format!("{object}: creating a name in an encrypted directory (fscrypt) is not supported"),
        ),
        (
            "sif /a flags 0x40080000\n",
            format!("{object}: creating a name in a directory that ignores case (casefold) is not supported"),
        ),
        (
            "sif /a links_count 65000\n",
            format!("{object}: creating a directory in one that holds as many as it can is not supported"),
        ),
        (
            "feature needs_recovery\n",
            "superblock: editing before the journal is replayed and orphans are processed is not supported"
                .into(),
        ),
    ] {
        let mut case = Case::new(&lab, "patched", &image(commands));
        assert_eq!(case.refusal(a, b"n", &entry(NewKind::Directory, 0o755)), words);
    }
}

/// One byte of metadata changed, over and over: never a panic, and what is refused changes nothing.
#[test]
fn a_changed_byte_never_panics() {
    let lab = Lab::new();
    for (name, options) in [
        ("extents", &["-b", "1024", "-O", "^metadata_csum,^uninit_bg,^has_journal"][..]),
        ("inline", &["-b", "1024", "-O", "inline_data,^metadata_csum,^has_journal"]),
        ("pointers", &["-b", "1024", "-O", "^extents,^64bit,^metadata_csum,^has_journal"]),
    ] {
        let path = indexed(&lab, name, options, "half_md4");
        let small = lab.path("small");
        let tree = lab.path("source");
        fs::write(&small, vec![0; 4 << 20]).unwrap();
        let fixed = ["-q", "-F", "-t", "ext4", "-N", "400", "-d", tree.to_str().unwrap()];
        run_ok("mke2fs", &[&fixed[..], options, &[small.to_str().unwrap()]].concat());
        run("e2fsck", &["-fyD", small.to_str().unwrap()]);
        fs::remove_file(path).unwrap();
        let image = fs::read(&small).unwrap();
        let ext = Ext::open(image.clone()).unwrap();
        let many = target(&ext, "/many").inode;
        // The fields of the superblock and the first descriptors, and the directory: twice as likely as all else.
        let (mut near, mut places) =
            (vec![Extent { start: 1024, len: 256 }, Extent { start: 2048, len: 64 }], vec![]);
        ext.claims(&mut |extent, claim| {
            match claim {
                Claim::Live(Owner::Mapping(inode)) if inode == many => near.push(extent),
                Claim::Live(Owner::Metadata | Owner::Mapping(_)) => places.push(extent),
                _ => {}
            }
            Ok(())
        })
        .unwrap();
        let mut state = 0x2545_F491_4F6C_DD1Du64;
        let mut outcomes = [0, 0];
        for round in 0..150u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let places = if round % 3 == 0 { &places } else { &near };
            let mut at = (state >> 33) % places.iter().map(|extent| extent.len).sum::<u64>();
            let extent = places
                .iter()
                .find(|extent| {
                    let inside = at < extent.len;
                    at = if inside { at } else { at - extent.len };
                    inside
                })
                .unwrap();
            let position = usize::try_from(extent.start + at).unwrap();
            let [value, pick, ..] = (state >> 20).to_le_bytes();
            let mut bytes = image.clone();
            bytes[position] = [0xFF, 0, bytes[position].wrapping_add(1), value][usize::from(pick % 4)];
            let Ok(mut ext) = Ext::open(bytes) else { continue };
            for step in 0..8 {
                let name = format!("{step}-{}", "m".repeat(200));
                let new = match step % 4 {
                    0 => labelled(NewKind::Directory, 0o755),
                    1 => labelled(NewKind::File(text(20_000)), 0o644),
                    2 => labelled(NewKind::Symlink(text(100)), 0o777),
                    _ => file(b""),
                };
                let dir = if step % 5 == 4 { InodeId(2) } else { many };
                let before = ext.device().clone();
                let supported = ext.supports_create(dir, name.as_bytes(), &new);
                let outcome = ext.create(dir, name.as_bytes(), &new);
                assert_eq!(supported.is_ok(), outcome.is_ok(), "{name}: byte {position}");
                outcomes[usize::from(outcome.is_ok())] += 1;
                match outcome {
                    Err(_) => assert!(*ext.device() == before, "{name}: byte {position}"),
                    Ok(inode) => assert_eq!(ext.metadata(inode).unwrap().kind, new.kind.file_kind()),
                }
            }
        }
        assert!(outcomes[0] > 20 && outcomes[1] > 300, "{name}: {outcomes:?}");
    }
}
