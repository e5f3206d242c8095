//! The real tools of accounts judge edited files: pwck, grpck, passwd, userdel and visudo.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "this file is tests throughout")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use tests::{
    image,
    program::{command, lossy, output, run},
};

/// A tree with accounts that the real tools made, and the image that mke2fs makes of it. `None` without root, which
/// those tools need.
fn guest(directory: &Path) -> Option<PathBuf> {
    if run("id", ["-u"]).unwrap().trim() != "0" {
        println!("not run: useradd and its like need root");
        return None;
    }
    let tree = directory.join("tree");
    for (path, text) in [
        ("bin/sh", ""),
        ("root/.profile", ""),
        ("var/mail/other", ""),
        ("etc/login.defs", "UID_MIN 1000\nUSERGROUPS_ENAB yes\n"),
        ("etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
        ("etc/shadow", "root:*:19000:0:99999:7:::\n"),
        ("etc/group", "root:x:0:\nsudo:x:27:\nadm:x:4:\n"),
        ("etc/gshadow", "root:*::\nsudo:*::\nadm:*::\n"),
        ("etc/subuid", ""),
        ("etc/subgid", ""),
        ("etc/sudoers", "root ALL=(ALL:ALL) ALL\n"),
        ("etc/sudoers.d/users", "al ALL=(ALL:ALL) ALL\n\nbob ALL=(ALL:ALL) /bin/sh, \\\n /bin/sh\n"),
    ] {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let root = tree.to_str().unwrap();
    for name in ["al", "bob"] {
        run("useradd", ["-R", root, "-m", "-U", "-G", "sudo,adm", "-s", "/bin/sh", name]).unwrap();
    }
    let passwords = directory.join("passwords");
    fs::write(&passwords, "root:fake-one\nal:fake-two\nbob:fake-three\n").unwrap();
    let script = format!("chpasswd -c SHA512 -R '{root}' <'{}'", passwords.display());
    run("sh", ["-c", &script]).unwrap();
    let file = directory.join("image");
    run("mke2fs", ["-q", "-t", "ext4", "-d", root, file.to_str().unwrap(), "16M"]).unwrap();
    Some(file)
}

/// The tree of an image that diskscrub cleans with these arguments; e2fsck has nothing to say against it.
fn cleaned(image: &Path, arguments: &[&str]) -> (tempfile::TempDir, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    image::clean(image, &out, arguments).unwrap();
    run("e2fsck", ["-fn".as_ref(), out.as_os_str()]).unwrap();
    let dump = format!("rdump / {}", directory.path().display());
    run("debugfs", ["-R".as_ref(), dump.as_ref(), out.as_os_str()]).unwrap();
    let bytes = fs::read(out).unwrap();
    (directory, bytes)
}

/// What follows the name in each line of shadow: the hashes.
fn hashes(tree: &Path) -> Vec<String> {
    let shadow = fs::read_to_string(tree.join("etc/shadow")).unwrap();
    let fields = shadow.lines().filter_map(|line| line.split(':').nth(1));
    fields.filter(|field| field.starts_with("$6$")).map(str::to_owned).collect()
}

fn status(tree: &Path, name: &str) -> String {
    let said = run("passwd", ["-S", "-R", tree.to_str().unwrap(), name]).unwrap();
    said.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn locked_accounts_are_locked_and_all_files_good() {
    let directory = tempfile::tempdir().unwrap();
    let Some(image) = guest(directory.path()) else { return };
    let before = hashes(&directory.path().join("tree"));
    assert_eq!(before.len(), 3);
    let (after, bytes) = cleaned(&image, &["--policy", "aws", "--keep-user", "bob"]);
    let tree = after.path();
    assert_eq!([status(tree, "root"), status(tree, "al"), status(tree, "bob")], ["L", "L", "P"]);
    let root = tree.to_str().unwrap();
    run("pwck", ["-r", "-R", root]).unwrap();
    run("grpck", ["-r", "-R", root]).unwrap();
    let left = before.iter().filter(|hash| memchr::memmem::find(&bytes, hash.as_bytes()).is_some());
    assert_eq!(left.collect::<Vec<_>>(), [&before[2]]);
    // A new password works as ever.
    run("sh", ["-c", &format!("echo al:fake-new | chpasswd -c SHA512 -R '{root}'")]).unwrap();
    assert_eq!(status(tree, "al"), "P");
}

#[test]
fn a_removed_account_is_as_gone_as_after_userdel() {
    let directory = tempfile::tempdir().unwrap();
    let Some(image) = guest(directory.path()) else { return };
    let (after, bytes) = cleaned(&image, &["--policy", "none", "--remove-user", "al"]);
    let (tree, theirs) = (after.path(), directory.path().join("tree"));
    let al = &hashes(&theirs)[1];
    assert!(memchr::memmem::find(&bytes, al.as_bytes()).is_none());
    // Silent but for the missing mail spool.
    output(command("userdel").args(["-r", "-R"]).arg(&theirs).arg("al")).unwrap();
    for file in ["passwd", "shadow", "group", "gshadow", "subuid", "subgid"] {
        let lines = |root: &Path| -> BTreeSet<String> {
            fs::read_to_string(root.join("etc").join(file)).unwrap().lines().map(str::to_owned).collect()
        };
        assert_eq!(lines(tree), lines(&theirs), "{file}");
    }
    assert_eq!((tree.join("home/al").exists(), tree.join("home/bob").exists()), (false, true));
    let root = tree.to_str().unwrap();
    run("pwck", ["-r", "-R", root]).unwrap();
    run("grpck", ["-r", "-R", root]).unwrap();
    let rights = tree.join("etc/sudoers.d/users");
    assert_eq!(fs::read_to_string(&rights).unwrap(), "\nbob ALL=(ALL:ALL) /bin/sh, \\\n /bin/sh\n");
    run("visudo", ["-cf".as_ref(), rights.as_os_str()]).unwrap();
}

#[test]
fn an_account_that_is_not_there_is_a_mistake() {
    let directory = tempfile::tempdir().unwrap();
    let Some(image) = guest(directory.path()) else { return };
    for (option, name, sentence) in [
        ("--remove-user", "ali", "diskscrub: there is no account \"ali\"; the image has root, al, bob\n"),
        ("--keep-user", "ali", "diskscrub: there is no account \"ali\"; the image has root, al, bob\n"),
        (
            "--remove-user",
            "root",
            "diskscrub: the account \"root\" cannot be removed: it is the system's, by its number 0\n",
        ),
    ] {
        let mut clean = command(tests::program::diskscrub());
        clean.arg("clean").arg(&image).args(["-o", "out", option, name]).current_dir(directory.path());
        let done = output(&mut clean).unwrap();
        assert_eq!((done.status.code(), &*lossy(&done.stderr)), (Some(2), sentence));
        assert!(!directory.path().join("out").exists());
    }
}
