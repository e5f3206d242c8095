//! Signatures on the superblocks that other projects collected. Needs a checkout of the corpora (see
//! `DISKSCRUB_CORPORA`); without one, says so and passes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use filesystem::{Content, OpaqueKind, identify, layout};

/// Where the corpora are, if they are.
fn corpora() -> Option<PathBuf> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora"));
    let dir = std::env::var_os("DISKSCRUB_CORPORA").map_or_else(default, PathBuf::from);
    let found = dir.join("INDEX.tsv").is_file();
    if !found {
        println!("not run: no corpora at {}", dir.display());
    }
    found.then_some(dir)
}

fn unpack(path: &Path) -> Vec<u8> {
    let output = Command::new("zstd").arg("-qdc").arg(path).output().expect("zstd(1) has to be installed");
    assert!(output.status.success(), "zstd -qdc {}", path.display());
    output.stdout
}

fn name(content: Content) -> String {
    match content {
        Content::Ext => "ext".to_owned(),
        other => other.to_string(),
    }
}

/// libblkid's own test images, each with the type that libblkid prints for it.
#[test]
fn agrees_with_blkid() {
    let Some(dir) = corpora() else { return };
    let index = fs::read_to_string(dir.join("INDEX.tsv")).unwrap();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for line in index.lines() {
        let field: Vec<&str> = line.split('\t').collect();
        let Some(upstream) = field.get(8).and_then(|text| text.strip_prefix("upstream blkid: ID_FS_TYPE="))
        else {
            continue;
        };
        let expected = upstream.split(' ').next().unwrap();
        let expected = if matches!(expected, "ext2" | "ext3" | "ext4") { "ext" } else { expected };
        let image = unpack(&dir.join(field[3]));
        let found = identify(&image).unwrap();
        let agrees = match found {
            // Two signatures are never believed, even where libblkid prefers one.
            Content::Opaque(OpaqueKind::Ambiguous(one, two)) => one == expected || two == expected,
            content => name(content) == expected,
        };
        if !agrees {
            wrong.push(format!("{}: {found}, blkid says {expected}", field[3]));
        }
        println!("{} {found} {expected}", field[3]);
        seen += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen >= 70, "only {seen} images");
}

/// Partition tables that other projects test with: the partitions are those that sfdisk(8) sees.
#[test]
fn agrees_with_sfdisk() {
    let Some(dir) = corpora() else { return };
    let work = tempfile::tempdir().unwrap();
    let path = work.path().join("disk");
    for (image, partitions) in [
        ("dfir_ntfs/gpt-512-3p.raw.zst", 3),
        ("dfir_ntfs/mbr-512-p1e2_2.bin.zst", 3),
        ("dfir_ntfs/mbr-win-512__mbr-win-512.raw.zst", 7),
        ("dfvfs/gpt.raw.zst", 2),
        ("forensics-samples/fs.multiple.img.zst", 4),
        ("libguestfs/mbr-ext2-empty.img.zst", 1),
        ("plaso/tsk_volume_system.raw.zst", 2),
    ] {
        let bytes = unpack(&dir.join(image));
        fs::write(&path, &bytes).unwrap();
        let output =
            Command::new("sfdisk").arg("-d").arg(&path).output().expect("sfdisk(8) has to be installed");
        let dump = String::from_utf8(output.stdout).unwrap();
        let number = |text: &str, key: &str| {
            let rest = &text[text.find(key).unwrap() + key.len()..];
            rest.trim_start().split(',').next().unwrap().parse::<u64>().unwrap()
        };
        let expected: Vec<_> = dump
            .lines()
            .filter(|line| line.contains("start=") && !line.contains("type=5") && !line.contains("type=f"))
            .map(|line| (number(line, "start=") * 512, number(line, "size=") * 512))
            .collect();
        let found = layout(&bytes, None).unwrap();
        let seen: Vec<_> =
            found.volumes.iter().map(|one| (one.extents[0].start, one.extents[0].len)).collect();
        assert_eq!(seen, expected, "{image}");
        assert_eq!(seen.len(), partitions, "{image}");
    }
}

/// Tables that are not read, by the sentence or by what the whole disk is called.
#[test]
fn other_tables_are_named() {
    let Some(dir) = corpora() else { return };
    for (image, expected) in [
        ("dfir_ntfs/mbr-512-p4.bin.zst", "MBR partition 1: last LBA is 2, expected at most 1"),
        ("util-linux/images-pt/bsd.img.zst", "bsd"),
        ("util-linux/images-pt/sun.img.zst", "sun"),
        ("util-linux/images-pt/atari-xgm.img.zst", "unknown"),
        (
            "util-linux/images-pt/dos+bsd.img.zst",
            "disk: both a DOS partition table and the signature of ext is not supported",
        ),
    ] {
        let found = match layout(&unpack(&dir.join(image)), None) {
            Ok(layout) => layout.volumes[0].content.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{image}");
    }
}

/// Sectors of 4096 bytes under a DOS table, which only the sense of it tells.
#[test]
fn large_sectors_under_a_dos_table() {
    let Some(dir) = corpora() else { return };
    for (image, volumes) in [("dfir_ntfs/mbr-4096-p1e0.bin.zst", 1), ("dfir_ntfs/mbr-4096-p1e1.bin.zst", 2)] {
        let found = layout(&unpack(&dir.join(image)), None).unwrap();
        assert_eq!((found.sector_size, found.volumes.len()), (4096, volumes), "{image}");
    }
}
