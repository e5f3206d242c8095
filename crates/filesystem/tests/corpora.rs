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

/// Partition tables that other projects test with: what is refused, and how many volumes the others have.
#[test]
fn reads_the_tables_of_others() {
    let Some(dir) = corpora() else { return };
    for path in fs::read_to_string(dir.join("INDEX.tsv"))
        .unwrap()
        .lines()
        .filter(|l| l.starts_with("pt"))
        .map(|l| l.split("\t").nth(3).unwrap())
    {
        let image = unpack(&dir.join(path));
        println!("{path}: {:?}", layout(&image, None));
    }
}
