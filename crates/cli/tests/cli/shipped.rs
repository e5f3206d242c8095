//! Secrets that a package ships are no findings, wherever they lie: on an ext4 image with dpkg's or apk's database.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::{FileExt, symlink},
    path::Path,
    process::Command,
};

use serde_json::Value;

use crate::sandbox::token;

fn text(number: usize) -> String {
    format!("token = {}\n", token(number))
}

/// Runs a program; what it printed.
fn run(program: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program)
        .args(args)
        .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap()))
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// As coreutils and openssl see it, not as we do.
fn md5(file: &Path) -> String {
    let output = run("md5sum", &["--", file.to_str().unwrap()]);
    String::from_utf8(output).unwrap().split(' ').next().unwrap().to_owned()
}

fn write(tree: &Path, path: &str, content: &str) {
    let path = tree.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn make(directory: &Path, tree: &Path) {
    let image = directory.join("image");
    fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
    run("mke2fs", &["-q", "-t", "ext4", "-d", tree.to_str().unwrap(), image.to_str().unwrap()]);
}

fn scan(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diskscrub"));
    let done = command.args(["scan", "image"]).args(arguments).current_dir(directory).output().unwrap();
    assert!(done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).unwrap();
    for number in 0..20 {
        assert!(!text.contains(&token(number)[5..]));
    }
    (done.status.code(), text)
}

fn json(directory: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&scan(directory, &[&["--json"], arguments].concat()).1).unwrap()
}

/// The paths of these places; where there is none, the region.
fn paths(list: &Value) -> Vec<String> {
    let place = |item: &Value| {
        let place = &item["place"];
        place["path"].as_str().or(place["region"].as_str()).unwrap().to_owned()
    };
    let mut paths: Vec<String> = list.as_array().unwrap().iter().map(place).collect();
    paths.sort();
    paths
}

#[test]
fn files_of_debian_packages_and_their_copies() {
    let directory = tempfile::tempdir().unwrap();
    let (dir, tree) = (directory.path(), directory.path().join("tree"));
    for (path, number) in [
        ("usr/lib/tool/example.py", 1),
        ("usr/lib/tool/example.pyc", 1),
        ("usr/lib/tool/changed.py", 2),
        ("usr/lib/merged.conf", 3),
        ("usr/lib/unlisted", 4),
        ("etc/tool.conf", 5),
        ("etc/changed.conf", 6),
        // In use, though everybody has it.
        ("etc/login", 1),
        // Known to hold secrets.
        ("root/.netrc", 7),
        // The content of a shipped file, elsewhere.
        ("srv/copy.py", 1),
        ("etc/passwd", 8),
    ] {
        write(&tree, path, &text(number));
    }
    symlink("usr/lib", tree.join("lib")).unwrap();
    let sum = |path: &str| md5(&tree.join(path));
    let sums = format!(
        "{}  usr/lib/tool/example.py\n{}  usr/lib/tool/changed.py\n{}  lib/merged.conf\n{}  srv/gone\nnonsense\n",
        sum("usr/lib/tool/example.py"),
        sum("usr/lib/merged.conf"),
        sum("usr/lib/merged.conf"),
        sum("usr/lib/unlisted"),
    );
    let status = format!(
        "Package: other\nConffiles:\n /etc/other newconffile\nDescription: one\n\n\
         Package: tool\nStatus: install ok installed\nConffiles:\n /etc/tool.conf {}\n /etc/changed.conf {}\n \
         /root/.netrc {} obsolete\nDescription: one\n /etc/passwd {}\n",
        sum("etc/tool.conf"),
        sum("etc/tool.conf"),
        sum("root/.netrc"),
        sum("etc/passwd"),
    );
    write(&tree, "var/lib/dpkg/info/tool:amd64.md5sums", &sums);
    write(&tree, "var/lib/dpkg/status", &status);
    make(dir, &tree);
    let image = OpenOptions::new().write(true).open(dir.join("image")).unwrap();
    // The last block of a new filesystem of this size is free.
    image.write_all_at(text(1).as_bytes(), (16 << 20) - 2000).unwrap();
    image.write_all_at(text(9).as_bytes(), (16 << 20) - 1000).unwrap();

    let report = json(dir, &[]);
    let expected = [
        "/etc/changed.conf",
        "/etc/login",
        "/etc/passwd",
        "/root/.netrc",
        "/usr/lib/tool/changed.py",
        "/usr/lib/unlisted",
        "free",
    ];
    assert_eq!(paths(&report["findings"]), expected);
    let shipped = [
        "/etc/tool.conf",
        "/srv/copy.py",
        "/usr/lib/merged.conf",
        "/usr/lib/tool/example.py",
        "/usr/lib/tool/example.pyc",
        "free",
    ];
    assert_eq!(paths(&report["shipped"]), shipped);
    for known in report["shipped"].as_array().unwrap() {
        assert_eq!((&known["package"], &known["rule"]), (&"tool".into(), &"github-token".into()));
        if known["place"]["region"] == "free" {
            assert_eq!(known["path"], "/usr/lib/tool/example.py");
        }
    }
    let (code, said) = scan(dir, &["--report", "report.json"]);
    let line = "\n  6 secrets in unchanged files of packages, or copied from there, no findings: tool 6 (--shipped reports them)\n";
    assert!(code == Some(1) && said.contains(line), "{said}");
    let written: Value = serde_json::from_slice(&fs::read(dir.join("report.json")).unwrap()).unwrap();
    assert_eq!(paths(&written["shipped"]), shipped);

    let all = json(dir, &["--shipped"]);
    assert_eq!(all["findings"].as_array().unwrap().len(), 13);
    assert_eq!(all["shipped"].as_array().unwrap().len(), 0);
}

#[test]
fn archives_of_packages_are_left_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let (dir, tree) = (directory.path(), directory.path().join("tree"));
    write(&tree, "etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    let file = |name: &str| format!("usr/share/doc/tool/{name}");
    for (name, number) in [("same", 1), ("changed", 2), ("own", 3), ("conffile", 4), ("deep", 5)] {
        // Larger than an inode, so that it is a file on the disk.
        let noise: String = (0..400_u32).map(|n| n.wrapping_mul(0x9e37_79b9).to_string()).collect();
        write(&tree, &file(name), &format!("{noise}{}", text(number)));
        run("gzip", &["-n", tree.join(file(name)).to_str().unwrap()]);
    }
    write(&tree, "root/.netrc", "");
    fs::copy(tree.join(file("deep.gz")), tree.join("root/.netrc")).unwrap();
    let sum = |name: &str| md5(&tree.join(file(name)));
    let sums = format!(
        "{}  {}\n{}  {}\n{}  {}\n",
        sum("same.gz"),
        file("same.gz"),
        sum("same.gz"),
        file("changed.gz"),
        sum("deep.gz"),
        file("deep.gz")
    );
    write(&tree, "var/lib/dpkg/info/tool.md5sums", &sums);
    let status = format!("Package: tool\nConffiles:\n /{} {}\n", file("conffile.gz"), sum("conffile.gz"));
    write(&tree, "var/lib/dpkg/status", &status);
    make(dir, &tree);

    let report = json(dir, &[]);
    // What a rule by path knows is looked into, whoever ships it.
    assert_eq!(
        paths(&report["findings"]),
        ["/root/.netrc", "changed.gz", "own.gz"]
            .map(|name| { if name.starts_with('/') { name.to_owned() } else { format!("/{}", file(name)) } })
    );
    assert_eq!(paths(&report["shipped"]), [format!("/{}", file("conffile.gz"))]);
    let archives = &report["archives"];
    assert_eq!(
        (&archives["files"], &archives["shipped"], &archives["streams"]),
        (&6.into(), &2.into(), &4.into())
    );
    let said = scan(dir, &[]).1;
    assert!(said.contains("looked into 4 archives: "), "{said}");
    assert!(said.contains("\n2 archives that packages ship, unchanged, not unpacked\n"), "{said}");

    let all = json(dir, &["--shipped"]);
    assert_eq!((all["findings"].as_array().unwrap().len(), &all["archives"]["shipped"]), (6, &0.into()));
}

#[test]
fn nothing_else_is_clean() {
    let directory = tempfile::tempdir().unwrap();
    let (dir, tree) = (directory.path(), directory.path().join("tree"));
    write(&tree, "etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    write(&tree, "usr/share/tool/demo", &text(1));
    let sums = format!("{}  usr/share/tool/demo\n", md5(&tree.join("usr/share/tool/demo")));
    write(&tree, "var/lib/dpkg/info/tool.md5sums", &sums);
    make(dir, &tree);
    let (code, said) = scan(dir, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 secret in unchanged files of packages"), "{said}");
    assert_eq!(scan(dir, &["--shipped"]).0, Some(1));
}

#[test]
fn files_of_alpine_and_a_database_that_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let (dir, tree) = (directory.path(), directory.path().join("tree"));
    write(&tree, "etc/passwd", "root:x:0:0::/root:/bin/ash\n");
    write(&tree, "usr/share/demo", &text(1));
    write(&tree, "usr/share/changed", &text(2));
    write(&tree, "var/lib/rpm/rpmdb.sqlite", "");
    let demo = tree.join("usr/share/demo");
    let sum = run("sh", &["-c", "openssl dgst -sha1 -binary \"$0\" | base64", demo.to_str().unwrap()]);
    let sum = String::from_utf8(sum).unwrap();
    let database = format!(
        "C:Q1xx\nP:demo\nV:1-r0\nF:usr\nF:usr/share\nR:demo\na:0:0:644\nZ:Q1{}\nR:changed\nZ:Q1{}\n\n",
        sum.trim(),
        sum.trim()
    );
    write(&tree, "lib/apk/db/installed", &database);
    make(dir, &tree);
    let report = json(dir, &[]);
    assert_eq!(paths(&report["shipped"]), ["/usr/share/demo"]);
    assert_eq!(report["shipped"][0]["package"], "demo");
    assert_eq!(paths(&report["findings"]), ["/usr/share/changed"]);
    let notes = report["notes"].to_string();
    assert!(notes.contains("RPM's database is not read"), "{notes}");
}
