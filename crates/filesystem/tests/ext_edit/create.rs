//! Names that are made: by mke2fs's whole matrix, in directories of every form, until nothing is left to take.

use std::{collections::BTreeSet, fs, path::Path};

use filesystem::{Filesystem, FilesystemMut, InodeId, NewEntry, NewKind, ext::Ext};

use crate::{
    MATRIX,
    case::{Case, target},
    decorate, extend,
    image::{Lab, assert_clean, run, run_ok},
    text, tree,
};

pub(crate) const LABEL: &[u8] = b"system_u:object_r:sshd_config_t:s0\0";

pub(crate) fn entry(kind: NewKind, mode: u16) -> NewEntry {
    NewEntry { kind, mode, uid: 0, gid: 0, time: 1_700_000_000, attributes: Vec::new() }
}

pub(crate) fn file(content: &[u8]) -> NewEntry {
    entry(NewKind::File(content.to_vec()), 0o644)
}

pub(crate) fn labelled(kind: NewKind, mode: u16) -> NewEntry {
    let attributes = vec![(b"security.selinux".to_vec(), LABEL.to_vec())];
    NewEntry { attributes, ..entry(kind, mode) }
}

fn link(target: &[u8]) -> NewEntry {
    entry(NewKind::Symlink(target.to_vec()), 0o777)
}

/// The directory of a path, and the name in it.
pub(crate) fn place(ext: &impl Filesystem, path: &str) -> (InodeId, Vec<u8>) {
    let (parent, name) = path.rsplit_once('/').unwrap();
    let dir = if parent.is_empty() { ext.root().unwrap() } else { target(ext, parent).inode };
    (dir, name.as_bytes().to_vec())
}

impl Case<'_> {
    /// Makes a name that can be made.
    pub(crate) fn create(&mut self, path: &str, new: &NewEntry) {
        let (dir, name) = place(&self.ext, path);
        self.ext
            .supports_create(dir, &name, new)
            .unwrap_or_else(|error| panic!("{}: {path}: {error}", self.name));
        let inode = self.ext.create(dir, &name, new).unwrap();
        for (attribute, value) in &new.attributes {
            assert_eq!(self.ext.attribute(inode, attribute).unwrap().as_ref(), Some(value));
        }
        let (links, what) = match &new.kind {
            NewKind::File(content) | NewKind::Symlink(content) => (1, tree::digest(content)),
            NewKind::Directory => (0, "dir".to_owned()),
        };
        let line = format!("{:o} {} {} {links} {} {what}", new.mode, new.uid, new.gid, new.time);
        self.expected.insert(path.as_bytes().to_vec(), line);
    }

    /// The words of a refusal, which changes nothing.
    pub(crate) fn refusal(&mut self, dir: InodeId, name: &[u8], new: &NewEntry) -> String {
        let words = self.ext.supports_create(dir, name, new).expect_err("supports").to_string();
        let before = self.ext.device().clone();
        assert_eq!(self.ext.create(dir, name, new).expect_err("create").to_string(), words);
        assert!(*self.ext.device() == before, "{words}: something was changed");
        words
    }

    /// What debugfs prints on the image as it is now.
    pub(crate) fn debugfs(&self, command: &str) -> String {
        String::from_utf8_lossy(&self.debugfs_bytes(command)).into_owned()
    }

    fn debugfs_bytes(&self, command: &str) -> Vec<u8> {
        let path = self.lab.path("asked");
        fs::write(&path, self.ext.device()).unwrap();
        run_ok("debugfs", &["-R", command, path.to_str().unwrap()]).stdout
    }
}

#[test]
fn every_creation_leaves_e2fsck_silent() {
    create_matrix(0);
}

#[test]
fn every_creation_leaves_e2fsck_silent_too() {
    create_matrix(1);
}

fn create_matrix(half: usize) {
    let lab = Lab::new();
    extend(&lab);
    for (name, kib, options) in MATRIX.iter().skip(half).step_by(2) {
        let path = lab.image(name, *kib, options);
        decorate(&path);
        assert_clean(&path, name);
        create_all(&mut Case::new(&lab, name, &path));
        fs::remove_file(path).unwrap();
    }
}

fn create_all(case: &mut Case<'_>) {
    let attributes = case.name != "ext2-rev0";
    let large = !["ext2-rev0", "ext3-4k-128", "ext4-inode-128"].contains(&&*case.name);
    case.create("/a/new-empty", &file(b""));
    case.create("/a/new-30", &file(&text(30)));
    case.create("/a/new-5000", &entry(NewKind::File(text(5000)), 0o4751));
    case.create("/a/new-300000", &file(&text(300_000)));
    case.judge("new files");
    for len in [1, 59, 60, 800] {
        case.create(&format!("/a/b/c/link-{len}"), &link(&vec![b'l'; len]));
    }
    case.create("/fresh", &entry(NewKind::Directory, 0o2755));
    case.create("/fresh/sub", &entry(NewKind::Directory, 0o700));
    case.create("/fresh/sub/file", &file(&text(100)));
    case.create(&format!("/fresh/sub/{}", "l".repeat(255)), &link(b"file"));
    if !case.name.contains("quota") {
        case.create("/fresh/owned", &NewEntry { uid: 70_000, gid: 80_001, ..file(&text(61)) });
    }
    case.judge("new directories and links");
    let times: &[i64] = if large { &[-5, 0, 1 << 31, 15_032_385_535] } else { &[-5, 0, (1 << 31) - 1] };
    for time in times {
        case.create(&format!("/fresh/at{time}"), &NewEntry { time: *time, ..file(b"t") });
    }
    if attributes {
        case.create("/fresh/labelled", &labelled(NewKind::File(text(70)), 0o600));
        case.create("/fresh/labelled-link", &labelled(NewKind::Symlink(text(70)), 0o777));
        case.create("/fresh/labelled-dir", &labelled(NewKind::Directory, 0o755));
        let mut many = labelled(NewKind::File(Vec::new()), 0o600);
        many.attributes.push((b"user.long".to_vec(), text(601)));
        many.attributes.push((b"trusted.empty".to_vec(), Vec::new()));
        case.create("/fresh/many", &many);
        case.judge("attributes");
        let listed = case.debugfs("ea_list /fresh/many");
        assert!(listed.contains("user.long (601)") && listed.contains("trusted.empty (0)"), "{listed}");
        for name in ["labelled", "labelled-link", "labelled-dir", "many"] {
            let value = case.debugfs_bytes(&format!("ea_get -V /fresh/{name} security.selinux"));
            assert_eq!(value, [LABEL, b"\n"].concat(), "{}: {name}", case.name);
        }
    }
    // Into the free space between names, then into new blocks.
    for number in 0..300 {
        case.create(
            &format!("/many/{}-{number}", "n".repeat(number % 50)),
            &file(number.to_string().as_bytes()),
        );
    }
    case.judge("many names");
    assert_eq!(case.debugfs_bytes("cat /a/new-30"), text(30), "{}", case.name);
    let stat = case.debugfs("stat /a/new-5000");
    for words in ["Type: regular", "Mode:  04751", "Size: 5000", "Links: 1"] {
        assert!(stat.contains(words), "{}: {stat}", case.name);
    }
    // What was made can be edited like all else.
    for path in ["/a/new-300000", "/a/b/c/link-800", "/fresh"] {
        case.change(path, &filesystem::Change::Remove).unwrap();
    }
    case.change("/a/new-empty", &filesystem::Change::Overwrite(text(9000))).unwrap();
    case.judge("edits of what was made");
    case.judge_output();
}

/// An ext4 image with a directory of 200 names and the index that e2fsck makes.
fn indexed(lab: &Lab, name: &str, options: &[&str], hash: &str) -> std::path::PathBuf {
    let source = lab.path("source");
    fs::create_dir_all(source.join("many")).unwrap();
    for number in 0..200 {
        fs::write(source.join(format!("many/{number:03}-{}", "i".repeat(20))), b"").unwrap();
    }
    let path = lab.path(name);
    fs::write(&path, vec![0xEE; 32 << 20]).unwrap();
    let fixed = ["-q", "-F", "-t", "ext4", "-N", "8192", "-d", source.to_str().unwrap()];
    run_ok("mke2fs", &[&fixed[..], options, &[path.to_str().unwrap()]].concat());
    run_ok("tune2fs", &["-E", &format!("hash_alg={hash}"), path.to_str().unwrap()]);
    run("e2fsck", &["-fyD", path.to_str().unwrap()]);
    path
}

#[test]
fn a_hash_index_leads_to_every_new_name() {
    let lab = Lab::new();
    let plain = "^metadata_csum,uninit_bg";
    for (name, options, hash) in [
        ("half-md4", &["-b", "1024"][..], "half_md4"),
        ("tea", &["-b", "1024", "-O", plain], "tea"),
        ("legacy", &["-b", "2048", "-O", "^extents,^64bit"], "legacy"),
        ("bigalloc", &["-b", "1024", "-O", "bigalloc", "-C", "4096"], "half_md4"),
    ] {
        let path = indexed(&lab, name, options, hash);
        let mut case = Case::new(&lab, name, &path);
        let before = case.ext.metadata(target(&case.ext, "/many").inode).unwrap().size;
        for number in 0..700 {
            // Bytes beyond ASCII, of which some hashes see the sign.
            let rest = ["x", "\u{e9}", "\u{1f600}"][number % 3].repeat(number % 40);
            case.create(&format!("/many/{number}{rest}"), &file(b""));
            if number % 233 == 0 {
                case.judge("a name in an index");
            }
        }
        case.judge("names in an index");
        let stat = case.debugfs("stat /many");
        assert!(
            stat.contains("Flags: 0x81000") || stat.contains("Flags: 0x1000"),
            "{name}: no index: {stat}"
        );
        let after = case.ext.metadata(target(&case.ext, "/many").inode).unwrap().size;
        assert!(after > before * 2, "{name}: no leaf was split: {before} to {after}");
        case.judge_output();
        // e2fsck leaves an index alone that it finds in order; `htree_dump` follows it.
        let dump = case.debugfs("htree_dump /many");
        assert!(dump.contains("699"), "{name}");
    }
}

#[test]
fn an_index_takes_names_until_it_is_full() {
    let lab = Lab::new();
    let path = indexed(&lab, "full", &["-b", "1024", "-O", "^has_journal"], "half_md4");
    let mut case = Case::new(&lab, "full", &path);
    let dir = target(&case.ext, "/many").inode;
    let mut made = 0;
    let words = loop {
        let name = format!("{made}-{}", "y".repeat(200));
        match case.ext.create(dir, name.as_bytes(), &file(b"")) {
            Ok(_) => made += 1,
            Err(_) => break case.refusal(dir, name.as_bytes(), &file(b"")),
        }
    };
    assert_eq!(
        words,
        format!("inode {}: creating a name in a directory whose hash index is full is not supported", dir.0)
    );
    assert!(made > 250, "{made}");
    case.expected = tree::ours(&case.ext).unwrap();
    case.judge("a full index");
}

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
        let mut places = Vec::new();
        let ext = Ext::open(image.clone()).unwrap();
        ext.claims(&mut |extent, claim| {
            if matches!(
                claim,
                filesystem::Claim::Live(filesystem::Owner::Metadata | filesystem::Owner::Mapping(_))
            ) {
                places.push(extent);
            }
            Ok(())
        })
        .unwrap();
        let many = target(&ext, "/many").inode;
        let total: u64 = places.iter().map(|extent| extent.len).sum();
        let mut state = 0x2545_F491_4F6C_DD1Du64;
        let mut outcomes = [0, 0];
        for round in 0..150u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut at = if round % 2 == 0 { (state >> 33) % 4096 } else { (state >> 33) % total };
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
        assert!(outcomes[0] > 0 && outcomes[1] > 500, "{name}: {outcomes:?}");
    }
}
