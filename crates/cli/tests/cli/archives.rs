//! `scan` looks into archives on a filesystem, says where in them a secret is, and what it has not looked into.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::sandbox::token;

fn shell(directory: &Path, line: &str) {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
    let done = Command::new("sh").args(["-ec", line]).current_dir(directory).env("PATH", path).output();
    let done = done.expect("there is a shell");
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
}

fn scan(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diskscrub"));
    let done = command.args(["scan", "image"]).args(arguments).current_dir(directory).output().unwrap();
    assert!(done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
    (done.status.code(), String::from_utf8(done.stdout).unwrap())
}

/// A filesystem with one token in each of these, and one that is in the open, too.
fn image(at: &Path) {
    fs::create_dir_all(at.join("tree/srv")).unwrap();
    fs::create_dir_all(at.join("etc")).unwrap();
    let text = |number: usize| format!("{}\ntoken={}\n", "some text ".repeat(3000), token(number));
    for (number, line) in (1..).zip([
        "tar -czf tree/srv/gz etc",
        "tar -cJf tree/srv/xz etc",
        "tar -c --zstd -f tree/srv/zst etc",
        "tar -cjf tree/srv/bz2 etc",
        "zip -qr tree/srv/zip.zip etc",
        "zip -qr - etc | cat > tree/srv/piped",
        "gzip etc/key; tar -cf inner.tar etc; zip -q tree/srv/nested inner.tar; mv tree/srv/nested.zip tree/srv/nested; gunzip etc/key",
        "tar -cf tree/srv/plain.tar etc",
        "gzip -c etc/key > tree/srv/cut; truncate -s -9 tree/srv/cut",
    ]) {
        fs::write(at.join("etc/key"), text(number)).unwrap();
        shell(at, line);
    }
    shell(
        at,
        "zip -q -P password tree/srv/locked etc/key; truncate -s 300M zeros; gzip -9 zeros; mv zeros.gz tree/srv/bomb",
    );
    shell(at, "rm -r etc; truncate -s 32M image; mke2fs -q -t ext4 -d tree image");
}

#[test]
fn inside_of_archives_in_a_filesystem() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    image(at);
    let (code, json) = scan(at, &["--format", "raw", "--json"]);
    assert_eq!(code, Some(1));
    let report: Value = serde_json::from_str(&json).unwrap();
    let mut found: Vec<String> = Vec::new();
    for finding in report["findings"].as_array().unwrap() {
        let place = &finding["place"];
        assert_eq!((&finding["rule"], &place["region"]), (&"github-token".into(), &"file".into()));
        assert!(place["offset"].as_u64().unwrap() % 1024 == 0 || place["inside"].is_null());
        let way = place["inside"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap());
        found.push([place["path"].as_str().unwrap()].into_iter().chain(way).collect::<Vec<_>>().join(" > "));
    }
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "/srv/bz2 > bzip2 > etc/key",
            "/srv/cut > gzip",
            "/srv/gz > gzip > etc/key",
            "/srv/nested > inner.tar > etc/key.gz > gzip",
            "/srv/piped > etc/key",
            // In the open: found where it lies, once.
            "/srv/plain.tar",
            "/srv/xz > xz > etc/key",
            "/srv/zip.zip > etc/key",
            "/srv/zst > zstd > etc/key",
        ]
    );
    let archives = &report["archives"];
    assert_eq!(archives["files"], 11);
    assert_eq!(archives["left_out"], serde_json::json!({"budget": 1, "encrypted": 1, "damaged": 1}));
    assert_eq!(report["coverage"]["decoders"].as_array().unwrap().len(), 6);
    let (_, again) = scan(at, &["--format", "raw", "--json", "--threads", "5"]);
    let places = |report: &Value| {
        report["findings"].as_array().unwrap().iter().map(|f| f["place"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(places(&report), places(&serde_json::from_str(&again).unwrap()), "in any number of threads");

    let (_, text) = scan(at, &["--format", "raw"]);
    assert!(text.contains("\nlooked into 11 archives: "), "{text}");
    let note = "1 too large when unpacked, 1 encrypted, 1 damaged or cut short\n";
    assert!(text.contains(note), "{text}");
    for output in [json, text] {
        assert!((1..10).all(|number| !output.contains(&token(number)[4..])));
    }

    let (code, text) = scan(at, &["--format", "raw", "--no-archives"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("\n  archives and compressed files were not looked into\n"), "{text}");
    assert!(text.contains("image is not clean: 1 finding, 1 of them"), "{text}");
}
