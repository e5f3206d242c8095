//! What a pipeline's gate rests on: findings that are accepted, volumes that are kept, and what is left out on purpose.

use std::fs;

use crate::sandbox::{Sandbox, findings, token};

/// An image of the whole disk with two tokens in live files.
fn image() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("tree/srv/one", token(1));
    sandbox.write("tree/srv/two", token(2));
    sandbox.sh("mke2fs -qF -t ext4 -d tree image 8M");
    sandbox
}

#[test]
fn findings_are_accepted_by_digest_and_for_a_reason() {
    let sandbox = image();
    assert_eq!(sandbox.run("verify -q image --write-allow allow").0, Some(1));
    let draft = fs::read_to_string(sandbox.at("allow")).unwrap();
    assert_eq!(draft.matches("[[accept]]").count(), 2, "{draft}");
    assert!(!draft.contains(&token(1)[4..]));

    // A draft has no reasons yet.
    let (code, _, message) = sandbox.run("verify -q image --allow allow");
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("reason"), "{message}");

    let reasoned = draft.replace("reason = \"\"", "reason = \"revoked, kept as an example\"");
    fs::write(sandbox.at("allow"), &reasoned).unwrap();
    for command in ["verify", "scan"] {
        let (code, said, message) = sandbox.run(&format!("{command} -q image --allow allow"));
        assert_eq!((code, &*message), (Some(0), ""), "{said}");
        assert!(
            said.contains("2 accepted findings") && said.contains("revoked, kept as an example"),
            "{said}"
        );
    }

    // One that is not accepted is still there.
    let report = sandbox.json("verify image");
    let digest = findings(&report, "secret")[0]["digest"].as_str().unwrap().to_owned();
    let one = reasoned.split("[[accept]]").take(2).collect::<Vec<_>>().join("[[accept]]");
    fs::write(sandbox.at("one"), one).unwrap();
    let report = sandbox.json("verify image --allow one");
    assert_eq!((findings(&report, "secret").len(), report["accepted"].as_array().unwrap().len()), (1, 1));
    assert_ne!(
        digest,
        findings(&report, "secret")[0]["digest"],
        "a run without an allow file has a key of its own"
    );
    let before = fs::read(sandbox.at("allow")).unwrap();
    assert_eq!(sandbox.run("verify -q image --write-allow allow").0, Some(2), "it replaces nothing");
    assert_eq!(fs::read(sandbox.at("allow")).unwrap(), before);
}

#[test]
fn what_an_archive_holds_is_found_unless_nobody_is_to_look() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/srv/notes", format!("{}{}\n", "some text ".repeat(500), token(3)));
    sandbox.sh("gzip tree/srv/notes; mke2fs -qF -t ext4 -d tree image 8M");
    let report = sandbox.json("verify image");
    let found = findings(&report, "secret");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["place"]["path"], "/srv/notes.gz");
    let report = sandbox.json("verify image --no-archives");
    assert!(findings(&report, "secret").is_empty());
    assert!(report["archives"].is_null());
}

#[test]
fn a_volume_that_cannot_be_read_is_kept_or_has_to_be_zero() {
    let sandbox = image();
    sandbox.sh(
        "truncate -s 32M disk; printf 'start=2048,size=16384\\nstart=20480,size=8192\\n' | sfdisk -q disk
         dd if=image of=disk bs=1M seek=1 conv=notrunc status=none
         printf 'LUKS\\272\\276\\000\\001' | dd of=disk bs=512 seek=20480 conv=notrunc status=none",
    );
    let residue = |arguments: &str| -> Vec<String> {
        let report = sandbox.json(&format!("verify disk {arguments}"));
        let regions = findings(&report, "residue").into_iter().map(|finding| finding["region"].to_string());
        regions.collect()
    };
    assert_eq!(residue(""), ["\"opaque\""]);
    assert!(residue("--opaque keep").is_empty());
}
