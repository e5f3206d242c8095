//! `verify` says where something is left, gates with its exit code, and never tells what it was.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

fn sh(script: &str, dir: &Path) -> (Option<i32>, String, String) {
    let script = format!("export PATH=$PATH:/usr/sbin:/sbin; {script}");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(dir).env("diskscrub", env!("CARGO_BIN_EXE_diskscrub"));
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_deleted_file_is_found_and_a_clean_image_passes() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    fs::create_dir(dir.join("tree")).unwrap();
    fs::write(dir.join("tree/kept"), "kept").unwrap();
    fs::write(dir.join("tree/gone"), "not-a-secret".repeat(200)).unwrap();
    let made = "mke2fs -qF -t ext4 -d tree image 4M && debugfs -w -R 'rm gone' image 2>/dev/null";
    assert_eq!(sh(made, dir).0, Some(0));
    let before = fs::read(dir.join("image")).unwrap();

    let (code, said, message) = sh("\"$diskscrub\" verify image", dir);
    assert_eq!(code, Some(1), "{said}{message}");
    assert!(message.starts_with("diskscrub: image: ") && message.contains("finding"), "{message}");
    assert!(said.contains("volume 0: 2400 bytes in free blocks"), "{said}");
    assert!(said.contains("ext4-view agrees on volume 0"), "{said}");
    assert!(!said.contains("not-a-secret"));

    let (code, json, _) = sh("\"$diskscrub\" verify image --json", dir);
    assert_eq!(code, Some(1));
    assert!(!json.contains("not-a-secret"));
    let report: Value = serde_json::from_str(&json).unwrap();
    let places = report["residue"].as_array().unwrap();
    assert!(places.iter().any(|place| place["region"] == "free" && place["length"] == 2400), "{places:?}");
    let classes = report["totals"].as_array().unwrap();
    assert_eq!(classes.iter().map(|class| class["bytes"].as_u64().unwrap()).sum::<u64>(), 4 << 20);
    let cells = report["map"]["cells"].as_array().unwrap();
    let number: u64 = cells.iter().map(|cell| cell["count"].as_u64().unwrap()).sum();
    assert!(number == 1024 && cells.iter().any(|cell| cell["residue"].as_u64() > Some(0)), "{cells:?}");
    assert_eq!(fs::read(dir.join("image")).unwrap(), before, "the image is as it was");

    let (code, _, message) = sh("\"$diskscrub\" clean -q image -o out && \"$diskscrub\" verify out", dir);
    assert_eq!((code, &*message), (Some(0), ""));
    assert_eq!(sh("\"$diskscrub\" verify nowhere", dir).0, Some(2));
    assert_eq!(sh(": > empty; \"$diskscrub\" verify empty", dir).0, Some(65));
}

#[test]
fn a_removed_file_that_also_lies_elsewhere_is_found_beside_the_original() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    fs::create_dir_all(dir.join("tree/root/.aws")).unwrap();
    fs::create_dir_all(dir.join("tree/srv")).unwrap();
    let secret =
        format!("[default]\nkey = {}\n", ["Zq8", "xW3r", "T9uY", "2bN7", "cM4d", "K6fH", "1gJ5"].concat());
    fs::write(dir.join("tree/root/.aws/credentials"), &secret).unwrap();
    fs::write(dir.join("tree/srv/notes"), format!("some notes\n{secret}more notes\n")).unwrap();
    fs::write(dir.join("tree/srv/other"), "nothing of it").unwrap();
    assert_eq!(sh("mke2fs -qF -t ext4 -d tree image 4M", dir).0, Some(0));

    let (code, _, message) = sh("\"$diskscrub\" clean -q --taint off image -o out", dir);
    assert_eq!((code, &*message), (Some(0), ""));
    let (code, said, message) = sh("\"$diskscrub\" verify -q out --original image --json", dir);
    assert_eq!(code, Some(1), "{said}{message}");
    let report: Value = serde_json::from_str(&said).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0]["kind"], "remnant");
    assert_eq!(findings[0]["place"]["path"], "/srv/notes");
    assert_eq!(findings[0]["of"], "/root/.aws/credentials");
    assert_eq!(report["original"]["path"], "image");
    assert!(!said.contains("T9uY"));
    // Without the original nobody can know.
    assert_eq!(sh("\"$diskscrub\" verify -q out", dir).0, Some(0));
}
