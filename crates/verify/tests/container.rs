//! What an image file holds besides its disk is found, summed by its reason; a fresh image holds nothing.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::{fs, path::Path, process::Command};

use block::{
    OpenOptions,
    container::ContainerUse,
    open, to_u64,
    write::{Compression, OutputFormat, create},
};
use verify::{
    Finding, Region,
    container::{Sum, examine},
};

fn qemu(directory: &Path, tool: &str, args: &[&str]) {
    let output = Command::new(tool)
        .args(args)
        .current_dir(directory)
        .output()
        .unwrap_or_else(|error| panic!("{tool} is needed by this test ({error}): install qemu-utils"));
    assert!(output.status.success(), "{tool} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn sums_by_reason_and_a_finding_for_each() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk.qcow2");
    qemu(directory.path(), "qemu-img", &["create", "-q", "-f", "qcow2", "disk.qcow2", "1M"]);
    let image = || open(&path, &OpenOptions::default()).unwrap();
    assert_eq!(examine(&image()).unwrap().findings().count(), 0);

    let writes = ["write -P 7 0 256k", "write -z 64k 128k", "write -P 8 512k 64k"];
    for write in writes {
        qemu(directory.path(), "qemu-io", &["-c", write, "disk.qcow2"]);
    }
    let examined = examine(&image()).unwrap();
    let sum = examined.files[0].unused[&ContainerUse::ZeroFlagged];
    let first = sum.first.unwrap();
    assert_eq!(sum, Sum { examined: 128 << 10, non_zero: 128 << 10, first: Some(first) });
    assert_eq!(fs::read(&path).unwrap()[usize::try_from(first).unwrap()], 7);
    let findings: Vec<_> = examined.findings().collect();
    let residue = Finding::Residue { volume: None, region: Region::Container, first, bytes: 128 << 10 };
    assert_eq!(findings, [residue]);

    let json = serde_json::to_value(&examined).unwrap();
    assert_eq!(json["files"][0]["file"], path.to_str().unwrap());
    assert_eq!(json["files"][0]["unused"]["zero-flagged"]["non_zero"], 128 << 10);

    qemu(directory.path(), "qemu-img", &["snapshot", "-c", "before", "disk.qcow2"]);
    qemu(directory.path(), "qemu-io", &["-c", "write -P 9 0 64k", "disk.qcow2"]);
    let examined = examine(&image()).unwrap();
    let unused = &examined.files[0].unused;
    // At least the old cluster, and the tables that lead to it.
    assert!(unused[&ContainerUse::Snapshot].non_zero > 64 << 10);
    assert_eq!(examined.findings().count(), 1, "{unused:?}");
}

#[test]
fn a_fresh_image_holds_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let disk: Vec<u8> = (0..2_000_000u32).flat_map(|n| (n / 5 * (n >> 14 & 1)).to_le_bytes()).collect();
    for compression in [Compression::None, Compression::Deflate, Compression::Zstd] {
        let path = directory.path().join("fresh.qcow2");
        let format = OutputFormat::Qcow2(compression);
        let mut writer = create(fs::File::create(&path).unwrap(), format, to_u64(disk.len()), 2).unwrap();
        writer.write(0, &disk).unwrap();
        writer.finish().unwrap();
        let examined = examine(&open(&path, &OpenOptions::default()).unwrap()).unwrap();
        assert_eq!(examined.files.len(), 1);
        assert_eq!(examined.findings().count(), 0, "{compression:?}: {examined:?}");
    }
    let raw = directory.path().join("disk.raw");
    fs::write(&raw, &disk).unwrap();
    assert!(examine(&open(&raw, &OpenOptions::default()).unwrap()).unwrap().files.is_empty());
}
