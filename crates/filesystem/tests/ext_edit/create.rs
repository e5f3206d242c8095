//! Names that are made: in mke2fs's whole matrix, and in directories with an index until that is full.

use std::fs;

use filesystem::{Filesystem, FilesystemMut, InodeId, NewEntry, NewKind};

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

pub(crate) fn link(target: &[u8]) -> NewEntry {
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
pub(crate) fn indexed(lab: &Lab, name: &str, options: &[&str], hash: &str) -> std::path::PathBuf {
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
