//! What of an image file the guest cannot read: a token is planted by QEMU's own tools, the host file is searched
//! for it, and each place where it is must have exactly the reason that the test knows. Whatever is reported is then
//! overwritten with noise, and the guest must see no difference.

use std::{collections::BTreeSet, fs};

use block::{
    Extent,
    container::{Container, ContainerUse},
    open, open_snapshot, to_u64, to_usize,
};

use crate::tools::{Lab, everything, read_all};

/// Length of the planted tokens; two clusters of the largest size.
const LEN: usize = 4 << 20;

/// Not a secret: 24 bytes that are nowhere else.
fn token() -> Vec<u8> {
    ["<not-a-", "secret:", "012345678>"].concat().into_bytes()
}

/// A file for `qemu-io`'s `write -s`, full of tokens.
fn plant(lab: &Lab) {
    fs::write(lab.path("tokens"), token().into_iter().cycle().take(LEN).collect::<Vec<_>>()).unwrap();
}

fn unused(container: Container<'_>) -> Vec<(Extent, ContainerUse)> {
    let mut found = Vec::<(Extent, ContainerUse)>::new();
    container
        .unused(&mut |extent, reason| {
            assert!(!extent.is_empty() && extent.end() <= container.file().size());
            assert!(found.last().is_none_or(|(last, _)| last.end() <= extent.start), "out of order");
            found.push((extent, reason));
            Ok(())
        })
        .unwrap();
    found
}

/// Why the tokens of a file are there; `None`: the guest can read them.
fn reasons(container: Container<'_>) -> BTreeSet<Option<ContainerUse>> {
    reasons_of(container, &token())
}

fn reasons_of(container: Container<'_>, token: &[u8]) -> BTreeSet<Option<ContainerUse>> {
    let (map, bytes) = (unused(container), fs::read(container.path()).unwrap());
    (0..(bytes.len() + 1).saturating_sub(token.len()))
        .filter(|&at| bytes[at] == token[0] && bytes[at..].starts_with(token))
        .map(|at| {
            let at = to_u64(at);
            let index = map.partition_point(|(extent, _)| extent.end() <= at);
            map.get(index).filter(|(extent, _)| extent.start <= at).map(|&(_, reason)| reason)
        })
        .collect()
}

/// The reasons in the first file of an image. Checks on the way that noise in place of what nobody needs does not
/// change what the guest reads, by our reader, and by QEMU's if there are no snapshots and bitmaps.
fn examine(lab: &Lab, image: &str) -> BTreeSet<Option<ContainerUse>> {
    examine_for(lab, image, &token())
}

fn examine_for(lab: &Lab, image: &str, token: &[u8]) -> BTreeSet<Option<ContainerUse>> {
    let opened = open(&lab.path(image), &everything()).unwrap();
    let before = read_all(&opened.device).unwrap();
    for container in opened.containers() {
        let kept = fs::read(container.path()).unwrap();
        let mut noisy = kept.clone();
        let mut needed_by_qemu = false;
        for (extent, reason) in unused(container) {
            needed_by_qemu |= matches!(reason, ContainerUse::Snapshot | ContainerUse::Bitmap);
            // Neither is what a snapshot's table could be read as.
            noisy[to_usize(extent.start)..to_usize(extent.end())].fill(0);
            if !needed_by_qemu {
                noisy[to_usize(extent.start)..to_usize(extent.end())].fill(0xa5);
            }
        }
        fs::write(container.path(), &noisy).unwrap();
        let mut options = everything();
        options.format = Some(block::Format::Qcow2);
        if needed_by_qemu {
            assert_eq!(read_all(&opened.device).unwrap(), before, "{image}: {:?}", container.path());
        } else {
            let again = open(&lab.path(image), &options).unwrap();
            assert!(read_all(&again.device).unwrap() == before, "{image}: {:?}", container.path());
            assert!(lab.oracle(image) == before, "{image}: {:?}, by QEMU", container.path());
        }
        fs::write(container.path(), &kept).unwrap();
    }
    reasons_of(opened.containers().next().unwrap(), token)
}

fn only(reason: ContainerUse) -> BTreeSet<Option<ContainerUse>> {
    [Some(reason)].into()
}

/// Ways to make an image that change how its file is laid out.
const LAYOUTS: [&str; 8] = [
    "compat=1.1",
    "compat=0.10",
    "cluster_size=512",
    "cluster_size=2M",
    "refcount_bits=1",
    "refcount_bits=64,lazy_refcounts=on",
    "extended_l2=on",
    "data_file=disk.data",
];

/// The image after `steps`, in each layout but those that do not have what they need. A step is for `qemu-img`, or
/// with `io ` for `qemu-io`, or with `keep ` for a `qemu-io` that gives no cluster of the file back.
fn each(without: &[&str], steps: &[&str], mut check: impl FnMut(&Lab, &str)) {
    for layout in LAYOUTS {
        if without.iter().any(|part| layout.contains(part)) {
            continue;
        }
        let lab = Lab::new();
        plant(&lab);
        lab.img(&format!("create -q -f qcow2 -o {layout} disk.qcow2 16M"));
        take(&lab, steps);
        check(&lab, layout);
    }
}

fn take(lab: &Lab, steps: &[&str]) {
    const KEEP: &str = "driver=qcow2,discard=unmap,pass-discard-request=off,pass-discard-snapshot=off,\
                        pass-discard-other=off,cache.no-flush=on,file.filename=disk.qcow2";
    for step in steps {
        match step.split_once(' ').unwrap() {
            ("io", commands) => lab.io("disk.qcow2", commands),
            ("keep", commands) => {
                let mut arguments = vec!["--image-opts", KEEP];
                commands.split(';').for_each(|command| arguments.extend(["-c", command.trim()]));
                let text = lab.run_with("qemu-io", &arguments);
                assert!(!text.contains("failed") && !text.contains("rror"), "{commands}: {text}");
            }
            _ => drop(lab.img(step)),
        }
    }
}

#[test]
fn what_the_guest_reads_is_in_use() {
    each(&[], &["io write -s tokens 0 4M; write -s tokens 9M 1M"], |lab, layout| {
        let found = examine(lab, "disk.qcow2");
        let expected = if layout.starts_with("data_file") { [].into() } else { [None].into() };
        assert_eq!(found, expected, "{layout}");
        let image = open(&lab.path("disk.qcow2"), &everything()).unwrap();
        let all: BTreeSet<_> = image.containers().flat_map(reasons).collect();
        assert_eq!(all, [None].into(), "{layout}");
    });
}

#[test]
fn clusters_that_read_as_zero_keep_their_data() {
    // Version 2 has no such clusters: zeros are written.
    each(&["0.10"], &["io write -s tokens 0 4M; write -z 0 4M"], |lab, layout| {
        let expected =
            if layout.starts_with("data_file") { [].into() } else { only(ContainerUse::ZeroFlagged) };
        assert_eq!(examine(lab, "disk.qcow2"), expected, "{layout}");
    });
    each(&["0.10", "data_file"], &["io write -s tokens 0 4M; write -z -u 0 4M"], |lab, layout| {
        assert_eq!(examine(lab, "disk.qcow2"), [].into(), "{layout}");
    });
}

#[test]
fn a_discard_leaves_free_clusters() {
    each(&["data_file"], &["io write -s tokens 0 4M", "keep discard 0 4M"], |lab, layout| {
        assert_eq!(examine(lab, "disk.qcow2"), only(ContainerUse::Free), "{layout}");
    });
}

#[test]
fn what_only_a_snapshot_holds() {
    let steps = ["io write -s tokens 0 4M", "snapshot -c before disk.qcow2", "io write -P 7 0 4M"];
    each(&["refcount_bits=1", "data_file"], &steps, |lab, layout| {
        assert_eq!(examine(lab, "disk.qcow2"), only(ContainerUse::Snapshot), "{layout}");
        // The snapshot's disk is what was before.
        let path = lab.path("disk.qcow2");
        let snapshot = open_snapshot(&path, &everything(), 0).unwrap();
        lab.img("convert -l before -O raw disk.qcow2 before.raw");
        assert!(read_all(&snapshot.device).unwrap() == fs::read(lab.path("before.raw")).unwrap(), "{layout}");
        assert!(read_all(&snapshot.device).unwrap().starts_with(&token()));
        let error = open_snapshot(&path, &everything(), 1).unwrap_err();
        assert_eq!(error.to_string(), "snapshot 1: number is 1, expected less than 1");

        take(lab, &["keep write -P 7 0 4M"]);
        lab.img("snapshot -d before disk.qcow2");
        // qemu-img gives the clusters back to the filesystem.
        assert_eq!(examine(lab, "disk.qcow2"), [].into(), "{layout}");
    });
    let shared = ["io write -s tokens 0 4M", "snapshot -c before disk.qcow2", "io write -P 7 0 1M"];
    each(&["refcount_bits=1", "data_file", "2M"], &shared, |lab, layout| {
        let expected = [None, Some(ContainerUse::Snapshot)].into();
        assert_eq!(examine(lab, "disk.qcow2"), expected, "{layout}");
    });
}

#[test]
fn clusters_of_a_bitmap() {
    each(
        &["0.10", "data_file"],
        &["io write -s tokens 0 4M", "bitmap --add disk.qcow2 changes"],
        |lab, layout| {
            assert_eq!(examine(lab, "disk.qcow2"), [None].into(), "{layout}");
            let image = open(&lab.path("disk.qcow2"), &everything()).unwrap();
            let map = unused(image.containers().next().unwrap());
            assert!(map.iter().any(|(_, reason)| *reason == ContainerUse::Bitmap), "{layout}");
        },
    );
}

/// A cluster's worth that compresses to about a half.
fn half_noise(lab: &Lab, name: &str, seed: u64) {
    let mut bytes = vec![0; 64 << 10];
    let mut state = seed;
    for byte in &mut bytes[..33 << 10] {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *byte = state.to_be_bytes()[0];
    }
    fs::write(lab.path(name), bytes).unwrap();
}

#[test]
fn older_versions_of_compressed_clusters() {
    for method in ["zlib", "zstd"] {
        let lab = Lab::new();
        half_noise(&lab, "old", 1);
        half_noise(&lab, "other", 2);
        half_noise(&lab, "new", 3);
        lab.img(&format!("create -q -f qcow2 -o compression_type={method} disk.qcow2 1M"));
        lab.io("disk.qcow2", "write -c -s other 64k 64k; write -c -s old 0 64k; write -c -s other 128k 64k");
        // A piece of the compressed cluster itself is what is looked for.
        let bytes = fs::read(lab.path("disk.qcow2")).unwrap();
        let entry = be64(&bytes, be64(&bytes, be64(&bytes, 40)) & 0xff_ffff_ffff_fe00);
        let at = (entry & ((1 << 54) - 1)) + 20_000;
        let piece = &bytes[at..at + 24];
        assert_eq!(examine_for(&lab, "disk.qcow2", piece), [None].into(), "{method}");

        fs::copy(lab.path("disk.qcow2"), lab.path("kept.qcow2")).unwrap();
        take(&lab, &["keep write -s new 0 64k"]);
        assert_eq!(examine_for(&lab, "disk.qcow2", piece), only(ContainerUse::CompressedSlack), "{method}");

        fs::copy(lab.path("kept.qcow2"), lab.path("disk.qcow2")).unwrap();
        lab.img("snapshot -c before disk.qcow2");
        take(&lab, &["keep write -s new 0 64k"]);
        assert_eq!(examine_for(&lab, "disk.qcow2", piece), only(ContainerUse::Snapshot), "{method}");
        let snapshot = open_snapshot(&lab.path("disk.qcow2"), &everything(), 0).unwrap();
        assert!(read_all(&snapshot.device).unwrap().starts_with(&fs::read(lab.path("old")).unwrap()));
    }
}

#[test]
fn subclusters() {
    let lab = Lab::new();
    plant(&lab);
    lab.img("create -q -f qcow2 -o extended_l2=on disk.qcow2 1M");
    take(&lab, &["io write -s tokens 0 64k; write -z 8k 4k"]);
    assert_eq!(examine(&lab, "disk.qcow2"), [None, Some(ContainerUse::ZeroFlagged)].into());
    // The host cluster is used again, and only one subcluster of it is written.
    take(&lab, &["io write -s tokens 0 64k", "keep discard 0 64k", "keep write -P 7 128k 2k"]);
    assert_eq!(examine(&lab, "disk.qcow2"), only(ContainerUse::Unmapped));
}

/// Changes bytes of an image file by hand.
fn patch(lab: &Lab, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(lab.path(name)).unwrap();
    change(&mut bytes);
    fs::write(lab.path(name), bytes).unwrap();
}

fn be64(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap()
}

#[test]
fn a_lost_table_leaks_what_it_refers_to() {
    for layout in ["compat=1.1", "compat=0.10", "refcount_bits=1", "refcount_bits=4", "refcount_bits=64"] {
        let lab = Lab::new();
        plant(&lab);
        lab.img(&format!("create -q -f qcow2 -o {layout} disk.qcow2 16M"));
        lab.io("disk.qcow2", "write -s tokens 0 4M");
        patch(&lab, "disk.qcow2", |bytes| {
            let l1 = be64(bytes, 40);
            bytes[l1..l1 + 8].fill(0);
        });
        assert_eq!(examine(&lab, "disk.qcow2"), only(ContainerUse::Leaked), "{layout}");
        // QEMU counts the same: 64 clusters of data and the table.
        let image = open(&lab.path("disk.qcow2"), &everything()).unwrap();
        let map = unused(image.containers().next().unwrap());
        let leaked = map.iter().filter(|(_, reason)| *reason == ContainerUse::Leaked);
        assert_eq!(leaked.map(|(extent, _)| extent.len).sum::<u64>(), 65 << 16, "{layout}");
    }
}

#[test]
fn room_behind_what_is_used() {
    let lab = Lab::new();
    lab.img("create -q -f qcow2 disk.qcow2 100k");
    lab.io("disk.qcow2", "write -P 7 0 100k");
    let (fresh, token) = (fs::read(lab.path("disk.qcow2")).unwrap(), token());
    let (l1, end) = (be64(&fresh, 40), fresh.len());
    let last_cluster = be64(&fresh, (be64(&fresh, l1) & 0xff_ffff_ffff_fe00) + 8) & 0xff_ffff_ffff_fe00;
    let places = [
        (40_000, ContainerUse::Padding),
        (l1 + 8, ContainerUse::Padding),
        (last_cluster + (36 << 10), ContainerUse::BehindEnd),
        (end, ContainerUse::Free),
        (end + 100_000, ContainerUse::Free),
    ];
    for (at, reason) in places {
        let mut bytes = fresh.clone();
        bytes.resize(end.max(at + token.len()), 0);
        bytes[at..at + token.len()].copy_from_slice(&token);
        fs::write(lab.path("disk.qcow2"), bytes).unwrap();
        assert_eq!(examine(&lab, "disk.qcow2"), only(reason), "at {at}");
    }
}

#[test]
fn each_file_of_a_chain_has_its_own_map() {
    let lab = Lab::new();
    plant(&lab);
    lab.img("create -q -f qcow2 base.qcow2 16M");
    lab.io("base.qcow2", "write -s tokens 0 1M; write -z 0 1M");
    lab.img("create -q -f qcow2 -b base.qcow2 -F qcow2 disk.qcow2");
    take(&lab, &["io write -s tokens 1M 1M", "keep discard 1M 1M"]);
    assert_eq!(examine(&lab, "disk.qcow2"), only(ContainerUse::Free));
    let image = open(&lab.path("disk.qcow2"), &everything()).unwrap();
    let all: Vec<_> = image.containers().map(|file| (file.path().to_owned(), reasons(file))).collect();
    assert_eq!(all[0], (lab.path("disk.qcow2"), only(ContainerUse::Free)));
    assert_eq!(all[1], (lab.path("base.qcow2"), only(ContainerUse::ZeroFlagged)));

    lab.img("create -q -f qcow2 -o data_file=disk.data data.qcow2 1M");
    lab.io("data.qcow2", "write -s tokens 0 512k; write -z 0 64k");
    patch(&lab, "disk.data", |bytes| bytes[900_000..900_024].copy_from_slice(&token()));
    let image = open(&lab.path("data.qcow2"), &everything()).unwrap();
    let files: Vec<_> = image.containers().collect();
    assert!(!files[0].is_data_file() && files[1].is_data_file());
    assert_eq!(reasons(files[0]), [].into());
    let expected = [None, Some(ContainerUse::ZeroFlagged), Some(ContainerUse::Free)].into();
    assert_eq!(reasons(files[1]), expected);
    // A raw image is its disk, whole.
    assert_eq!(open(&lab.path("tokens"), &everything()).unwrap().containers().count(), 0);
}

#[test]
fn fresh_images_hold_nothing_else() {
    use block::write::{Compression, OutputFormat, create};
    let lab = Lab::new();
    lab.raw("disk.raw", 3_000_000, 5);
    let disk = fs::read(lab.path("disk.raw")).unwrap();
    for compression in [Compression::None, Compression::Deflate, Compression::Zstd] {
        let file = fs::File::create(lab.path("fresh.qcow2")).unwrap();
        let mut writer = create(file, OutputFormat::Qcow2(compression), to_u64(disk.len()), 2).unwrap();
        writer.write(0, &disk).unwrap();
        writer.finish().unwrap();
        let image = open(&lab.path("fresh.qcow2"), &everything()).unwrap();
        for (extent, reason) in unused(image.containers().next().unwrap()) {
            let bytes =
                &fs::read(lab.path("fresh.qcow2")).unwrap()[to_usize(extent.start)..to_usize(extent.end())];
            assert!(block::is_zero(bytes), "{compression:?}: {extent:?} {reason}");
        }
    }
}

#[test]
fn a_version_2_header_may_be_all_that_there_is() {
    let lab = Lab::new();
    lab.img("create -q -f qcow2 -o compat=0.10 disk.qcow2 1M");
    patch(&lab, "disk.qcow2", |bytes| bytes.truncate(72));
    let error = open(&lab.path("disk.qcow2"), &everything()).unwrap_err();
    assert_eq!(error.to_string(), "qcow2 header: l1_table_offset is 0x30000, expected 0x10000 to 0x40");
}

#[test]
fn wrong_tables_are_errors_or_hide_nothing() {
    for layout in ["cluster_size=512", "cluster_size=16k,extended_l2=on", "compat=0.10,cluster_size=4k"] {
        let lab = Lab::new();
        plant(&lab);
        lab.img(&format!("create -q -f qcow2 -o {layout} disk.qcow2 300k"));
        lab.io("disk.qcow2", "write -s tokens 0 48k");
        lab.img("snapshot -c before disk.qcow2");
        lab.io("disk.qcow2", "write -P 7 0 17k");
        if !layout.contains("0.10") {
            lab.img("bitmap --add disk.qcow2 changes");
        }
        let good = fs::read(lab.path("disk.qcow2")).unwrap();
        // Words that are not zero: numbers and offsets as a rule.
        let words: Vec<usize> = (1..good.len() / 8)
            .map(|n| n * 8)
            .filter(|&at| !good[at..at + 8].windows(2).all(|pair| pair[0] == pair[1]))
            .filter(|&at| !token().windows(8).any(|part| part == &good[at..at + 8]))
            .filter(|&at| !token().repeat(2).windows(8).any(|part| part == &good[at..at + 8]))
            .collect();
        let values = [0, u64::MAX, 1 << 63 | 512, 0x1_0000, 1 << 62, to_u64(good.len()) / 512 * 512, 1 << 40];
        let mut sound = 0;
        for at in words {
            for value in values {
                let mut bytes = good.clone();
                bytes[at..at + 8].copy_from_slice(&value.to_be_bytes());
                fs::write(lab.path("disk.qcow2"), &bytes).unwrap();
                let Ok(image) = open(&lab.path("disk.qcow2"), &everything()) else { continue };
                let container = image.containers().next().unwrap();
                let mut end = 0;
                let walked = container.unused(&mut |extent, _| {
                    assert!(extent.start >= end && extent.len > 0, "{layout}: {value:#x} at {at}");
                    end = extent.end();
                    Ok(())
                });
                assert!(end <= to_u64(bytes.len()), "{layout}: {value:#x} at {at}");
                sound += usize::from(walked.is_ok());
                // What the guest can read tells whether the map can be made.
                assert_eq!(walked.is_ok(), read_all(&image.device).is_ok(), "{layout}: {value:#x} at {at}");
            }
        }
        assert!(sound > 50, "{layout}: {sound}");
    }
}

#[test]
fn a_hole_of_terabytes_costs_nothing() {
    let lab = Lab::new();
    lab.img("create -q -f qcow2 -o cluster_size=512 disk.qcow2 1M");
    let file = fs::OpenOptions::new().write(true).open(lab.path("disk.qcow2")).unwrap();
    file.set_len(8 << 40).unwrap();
    let image = open(&lab.path("disk.qcow2"), &everything()).unwrap();
    let map = unused(image.containers().next().unwrap());
    assert!(map.iter().map(|(extent, _)| extent.len).sum::<u64>() < 1 << 20);
}
