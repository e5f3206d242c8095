//! Pieces of removed files that are planted in files that stay are found and named, whatever their spelling; what
//! everybody has is not. On filesystems made by mke2fs.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::{fs, path::Path, process::Command, sync::Arc};

use block::{BlockRead, Window, to_u64};
use filesystem::{Content, Filesystem, InodeId};
use verify::{
    Finding, Region,
    taint::{Ahead, Hits, Index, Removed, Taint, search},
};

type Files = Vec<(&'static str, Vec<u8>)>;

/// An ext4 with these files; with a feature, small ones lie inside their inodes.
fn disk(files: &Files, features: &str) -> Arc<dyn BlockRead> {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    for (path, content) in files {
        let path = tree.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let image = dir.path().join("image");
    fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let output = Command::new("mke2fs")
        .args(["-q", "-t", "ext4", "-O", features, "-d", &text(&tree), &text(&image)])
        .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap()))
        .output()
        .unwrap_or_else(|error| panic!("mke2fs is needed by this test: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Arc::new(fs::read(&image).unwrap())
}

fn inode(filesystem: &dyn Filesystem, path: &str) -> InodeId {
    path.split('/').filter(|name| !name.is_empty()).fold(filesystem.root().unwrap(), |directory, name| {
        let mut found = None;
        let mut look = |entry: filesystem::Entry| {
            if entry.name == name.as_bytes() {
                found = Some(entry.inode);
            }
            Ok(())
        };
        filesystem.entries(directory, &mut look).unwrap();
        found.unwrap()
    })
}

/// Removes some files, keeps the others, and searches what is kept.
fn taint(removed: Files, kept: &Files, threads: usize) -> Taint {
    let (gone, output) =
        (removed.iter().map(|(path, _)| *path).collect::<Vec<_>>(), disk(kept, "^inline_data"));
    let mut all = kept.clone();
    all.extend(removed);
    let input = disk(&all, "inline_data");
    let layout = filesystem::layout(&input, None).unwrap();
    let window = Window::new(&input, &layout.volumes[0].extents).unwrap();
    let filesystem = filesystem::open(&window, Content::Ext).unwrap();
    let mut removed = Removed::new();
    for path in gone {
        let inode = inode(&*filesystem, path);
        let kind = filesystem.metadata(inode).unwrap().kind;
        removed.add(&window, 0, &*filesystem, (inode, kind), path.as_bytes()).unwrap();
    }
    let index = Index::new(&input, &removed).unwrap();
    let layout = filesystem::layout(&output, None).unwrap();
    let ahead = Ahead::default();
    if threads > 1 {
        // Most is searched before its turn, as while it is written.
        for start in (0..output.size()).step_by(1 << 20).filter(|start| start % (5 << 20) != 0) {
            let mut chunk = vec![0; 1 << 20];
            output.read_at(start, &mut chunk).unwrap();
            index.search_ahead(start, &chunk, &ahead);
        }
    }
    search(&index, &ahead, &output, &layout, &[7; 32], threads).unwrap()
}

/// The remnants: of which file, in which.
fn found(taint: &Taint) -> Vec<(&str, &str)> {
    let mut found: Vec<_> = taint
        .findings
        .iter()
        .map(|finding| match finding {
            Finding::Remnant { of, place, digest } => {
                assert_eq!((place.region, digest.len()), (Region::File, 32));
                (of.as_str(), place.path.as_deref().unwrap())
            }
            other => panic!("{other}"),
        })
        .collect();
    found.sort_unstable();
    found
}

/// Bytes without a pattern, always the same for a seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes()[0]
    };
    (0..len).map(|_| step()).collect()
}

fn letters(seed: u64, len: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    noise(seed, len).iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect()
}

/// A file that looks like a private key and is none.
fn key(seed: u64) -> Vec<u8> {
    let lines: Vec<String> = (0..20).map(|n| letters(seed + n * 1000, 64)).collect();
    format!("-----BEGIN FAKE KEY-----\n{}\n-----END FAKE KEY-----\n", lines.join("\n")).into_bytes()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|part| {
            let word =
                part.iter().fold(0u32, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - part.len()));
            (0..=part.len())
                .map(move |n| char::from(ALPHABET[usize::try_from(word >> (18 - 6 * n) & 63).unwrap()]))
        })
        .collect()
}

/// `piece` somewhere in bytes of no interest.
fn around(piece: &[u8], at: usize, seed: u64) -> Vec<u8> {
    let mut content = noise(seed, at);
    content.extend(piece);
    content.extend(noise(seed + 1, 5000));
    content
}

fn removed() -> Files {
    vec![
        ("/root/.ssh/id_fake", key(1)),
        ("/root/token", b"token = \"fake-8Kq2Zp7Lm4Xw9Rt6\"\n".to_vec()),
        ("/root/.bash_history", b"ls\nmysql -u root -p\"Open Sesame\" shop\n".to_vec()),
        ("/var/log/app.log", noise(77, 300_000)),
    ]
}

#[test]
fn every_planted_piece_is_found_and_named() {
    let log = noise(77, 300_000);
    let mut tar = noise(5, 512);
    tar.extend(key(1));
    let wide: Vec<u8> = "x=fake-8Kq2Zp7Lm4Xw9Rt6;".bytes().flat_map(|byte| [byte, 0]).collect();
    let hex: String = b"-fake-8Kq2Zp7Lm4Xw9Rt6".iter().map(|byte| format!("{byte:02X}")).collect();
    let user_data = format!("user-data: {}\n", base64(b"#!/bin/sh\nTOKEN=fake-8Kq2Zp7Lm4Xw9Rt6 run\n"));
    let kept: Files = vec![
        ("/srv/backup.tar", tar),
        ("/srv/copy-of-token", around(b"fake-8Kq2Zp7Lm4Xw9Rt6", 3, 17)),
        ("/srv/user-data", around(user_data.as_bytes(), 18, 18)),
        ("/srv/state.json", around(br#"{"last": "mysql -u root -p\"Open Sesame\" shop"}"#, 19, 19)),
        ("/srv/registry", around(&wide, 1001, 11)),
        ("/srv/dump", around(hex.as_bytes(), 333, 12)),
        ("/srv/sector", around(&log[512 * 100..512 * 101], 1024, 13)),
        ("/srv/piece", around(&log[100_001..100_701], 777, 14)),
        ("/srv/half-a-line", around(&key(1)[30..75], 55, 15)),
        ("/srv/innocent", around(b"nothing", 9000, 16)),
    ];
    let token = "/root/token";
    let expected = [
        ("/root/.bash_history", "/srv/state.json"),
        ("/root/.ssh/id_fake", "/srv/backup.tar"),
        ("/root/.ssh/id_fake", "/srv/half-a-line"),
        (token, "/srv/copy-of-token"),
        (token, "/srv/dump"),
        (token, "/srv/registry"),
        (token, "/srv/user-data"),
        ("/var/log/app.log", "/srv/piece"),
        ("/var/log/app.log", "/srv/sector"),
    ];
    let one = taint(removed(), &kept, 1);
    assert_eq!(found(&one), expected);
    let place = |path: &str| {
        let mut places = one.findings.iter().filter_map(|finding| match finding {
            Finding::Remnant { place, .. } if place.path.as_deref() == Some(path) => Some(place.clone()),
            _ => None,
        });
        places.next().unwrap()
    };
    assert_eq!((place("/srv/piece").file_offset, place("/srv/piece").length), (Some(777), 700));
    assert_eq!((place("/srv/sector").file_offset, place("/srv/sector").length), (Some(1024), 512));
    assert_eq!(
        (place("/srv/backup.tar").file_offset, place("/srv/backup.tar").length),
        (Some(512), to_u64(key(1).len()))
    );
    let all = serde_json::to_string(&one).unwrap();
    assert!(!all.contains("fake-8K") && !all.contains("Sesame"));
    // Neither the number of threads nor what was searched before its turn changes anything.
    assert_eq!(serde_json::to_string(&taint(removed(), &kept, 5)).unwrap(), all);
}

#[test]
fn what_everybody_has_is_no_finding() {
    let licence =
        "Permission is hereby granted, free of charge, to any person obtaining fake 7Hq2Zp7Lm4Xw9Rt6Kb\n"
            .repeat(40);
    let line = b"# see https://example.org/fake?id=3Fp8Qw2Zr7Lx9Tn4 for more\n".to_vec();
    let sum = "e2fc714c4727ee9395f324cd2e7f331f";
    let gone: Files = vec![
        ("/root/LICENSE", licence.clone().into_bytes()),
        ("/root/.profile", line.clone()),
        ("/root/zeros", vec![0; 100_000]),
        ("/root/table", (0..20_000u32).flat_map(|n| (n % 7).to_le_bytes()).collect()),
        ("/etc/passwd-", format!("root:x:0:0:{}:/root:/bin/sh\n", letters(3, 40)).into_bytes()),
    ];
    let md5 = |content: &[u8]| {
        use md5::Digest;
        md5::Md5::digest(content).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let sums = format!(
        "{sum}  usr/bin/other\n{}  usr/share/common-licenses/FAKE\n{}  etc/skel/.profile\n",
        md5(licence.as_bytes()),
        md5(&line)
    );
    let mut kept: Files = vec![
        ("/var/lib/dpkg/info/fake.md5sums", sums.into_bytes()),
        ("/usr/share/common-licenses/FAKE", licence.clone().into_bytes()),
        ("/etc/skel/.profile", line.clone()),
        ("/opt/app/LICENSE", licence.into_bytes()),
        ("/home/al/.profile", line.clone()),
        ("/srv/zeros", vec![0; 50_000]),
        ("/srv/table", (0..9_000u32).flat_map(|n| (n % 7).to_le_bytes()).collect()),
        ("/etc/passwd", format!("root:x:0:0:{}:/root:/bin/sh\nal:x:1:1::/:\n", letters(3, 40)).into_bytes()),
    ];
    let result = taint(gone.clone(), &kept, 2);
    assert_eq!(found(&result), []);
    assert!(result.tolerated.in_packages >= 2 && result.tolerated.as_in_packages >= 2);
    assert!(result.tolerated.newer_versions >= 1);
    // Once the package's file has been changed, nobody knows whose the line is.
    kept[2].1.extend(b"# changed\n");
    let result = taint(gone, &kept, 2);
    let profile = "/root/.profile";
    assert_eq!(found(&result), [(profile, "/etc/skel/.profile"), (profile, "/home/al/.profile")]);
}

#[test]
fn a_stream_is_searched_as_a_buffer_is() {
    let mut removed = Removed::new();
    for (path, content) in self::removed() {
        removed.add_content(path.as_bytes(), &content);
    }
    let nothing: Vec<u8> = Vec::new();
    let index = Index::new(&nothing, &removed).unwrap();
    let mut whole = noise(21, 700_000);
    // Across the borders of the pieces in which a stream is read, too.
    for at in [0, 1000, 263_000, 264_150, 264_190, 524_200, 526_300, 699_979] {
        whole[at..at + 21].copy_from_slice(b"fake-8Kq2Zp7Lm4Xw9Rt6");
    }
    whole[400_003..401_003].copy_from_slice(&noise(77, 300_000)[2001..3001]);
    let (mut at_once, mut streamed) = (Hits::default(), Hits::default());
    index.search(&whole, 0..whole.len(), 0, &mut at_once).unwrap();
    let read = index.search_stream(&mut whole.as_slice(), u64::MAX, &mut streamed).unwrap();
    assert_eq!(read, to_u64(whole.len()));
    assert_eq!(streamed.hits, at_once.hits);
    assert_eq!(at_once.hits.iter().filter(|hit| hit.word).count(), 8);
    assert_eq!(at_once.hits.iter().filter(|hit| !hit.word).count(), 1);
}
