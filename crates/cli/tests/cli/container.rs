//! What an image file holds besides its disk: `scan` and `verify` say so, in qcow2 clusters that no guest reads.

use std::fs;

use crate::sandbox::{Sandbox, findings, token};

/// A qcow2 whose snapshot has a token that the disk has no more, and whose file ends in another.
fn image() -> Sandbox {
    let sandbox = Sandbox::new();
    let mut disk = vec![0; 4 << 20];
    disk[1 << 20..(1 << 20) + token(1).len()].copy_from_slice(token(1).as_bytes());
    fs::write(sandbox.at("raw"), disk).unwrap();
    sandbox.sh("qemu-img convert -O qcow2 raw image; qemu-img snapshot -c before image
         qemu-io -f qcow2 -c 'write -q -z 1M 64k' image");
    let mut file = fs::read(sandbox.at("image")).unwrap();
    file.resize(file.len().next_multiple_of(1 << 16), 0);
    file.extend(token(2).as_bytes());
    fs::write(sandbox.at("image"), file).unwrap();
    sandbox
}

#[test]
fn secrets_in_snapshots_and_behind_the_end_are_found() {
    let sandbox = image();
    for command in ["scan", "verify"] {
        let report = sandbox.json(&format!("{command} image --format qcow2"));
        let found = findings(&report, "secret");
        let digests: std::collections::BTreeSet<_> = found.iter().map(|f| f["digest"].to_string()).collect();
        assert_eq!(digests.len(), 2, "{command}: {found:?}");
        assert!(found.iter().all(|finding| finding["place"]["region"] == "container"), "{found:?}");
    }
    let report = sandbox.json("verify image --format qcow2");
    let residue = findings(&report, "residue");
    assert!(residue.iter().any(|finding| finding["region"] == "container"), "{residue:?}");
    assert!(report["container"][0].as_str().unwrap().contains("snapshot"), "{}", report["container"]);

    // The disk alone is clean.
    sandbox.sh("qemu-img convert -f qcow2 -O qcow2 image disk");
    assert_eq!(sandbox.run("verify -q disk").0, Some(0));
}
