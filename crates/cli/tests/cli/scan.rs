//! `scan` says where secrets are, never what they are, and its exit code says whether there are any.

use std::{fs, path::Path, process::Command};

use crate::sandbox::token;

fn scan(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diskscrub"));
    let done = command.arg("scan").args(arguments).current_dir(directory).output().expect("diskscrub runs");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (done.status.code(), text(done.stdout), text(done.stderr))
}

#[test]
fn finds_and_does_not_tell() {
    let directory = tempfile::tempdir().unwrap();
    let mut image = vec![0; 3 << 20];
    fs::write(directory.path().join("clean"), &image).unwrap();
    image[1_048_556..1_048_596].copy_from_slice(token(1).as_bytes());
    fs::write(directory.path().join("image"), &image).unwrap();

    let (code, text, error) = scan(directory.path(), &["clean", "--format", "raw"]);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{text}");
    assert!(text.starts_with("clean is clean: no secret was found.\n"), "{text}");

    let (code, text, _) = scan(directory.path(), &["image", "--format", "raw"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("\ngithub-token: GitHub tokens (error, 1)\n"), "{text}");
    assert!(text.contains("40 bytes at offset 1048556  ["), "{text}");
    assert!(text.contains(" live, 3.0 MiB read, "), "{text}");
    let (code, json, _) = scan(directory.path(), &["image", "--format", "raw", "--json", "--threads", "3"]);
    assert_eq!(code, Some(1));
    let json_value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let finding = &json_value["findings"][0];
    assert_eq!((&finding["kind"], &finding["rule"]), (&"secret".into(), &"github-token".into()));
    assert_eq!((&finding["place"]["offset"], &finding["place"]["length"]), (&1_048_556.into(), &40.into()));
    assert_eq!(finding["digest"].as_str().unwrap().len(), 32);
    for output in [text, json] {
        assert!(!output.contains(&token(1)[4..12]), "{output}");
    }

    for [option, rule] in [["--skip", "github-token"], ["--rules", "pem-private-key"]] {
        let (code, text, _) = scan(directory.path(), &["image", "--format", "raw", option, rule]);
        assert_eq!(code, Some(0), "{text}");
    }
    let (code, _, error) = scan(directory.path(), &["image", "--rules", "github-tokens"]);
    let said = "diskscrub: there is no rule \"github-tokens\"; did you mean \"github-token\"?\n";
    assert_eq!((code, error.as_str()), (Some(2), said));
}

/// What could not be asked is a finding: a gate must not pass what nobody has seen.
#[test]
fn a_damaged_tree_is_not_clean() {
    let directory = tempfile::tempdir().unwrap();
    let (tree, image) = (directory.path().join("tree"), directory.path().join("image"));
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::write(tree.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
    fs::File::create(&image).unwrap().set_len(8 << 20).unwrap();
    let options = ["-q", "-t", "ext4", "-O", "^metadata_csum,^has_journal", "-d"];
    let made = Command::new("mke2fs").args(options).arg(&tree).arg(&image).status();
    assert!(made.expect("mke2fs is needed by this test").success());
    let (code, text, _) = scan(directory.path(), &["image"]);
    assert_eq!(code, Some(0), "{text}");

    let mut disk = fs::read(&image).unwrap();
    let at = disk.windows(5).position(|bytes| bytes == b"\x03\x02etc").expect("its name in the root");
    disk[at - 6..at - 2].copy_from_slice(&999u32.to_le_bytes());
    fs::write(&image, disk).unwrap();
    let (code, text, error) = scan(directory.path(), &["image"]);
    assert_eq!((code, error.as_str()), (Some(1), ""), "{text}");
    assert!(text.starts_with("image is not clean: 2 findings.\n"), "{text}");
    let names = "volume 0: not all names can be believed: inode 2: directory entry's inode is 999, which is free, expected";
    assert!(text.contains(names) && text.contains("the rules by path were not applied: "), "{text}");
}
