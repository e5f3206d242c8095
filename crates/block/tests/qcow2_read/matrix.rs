//! Every kind of image that QEMU can make, read as QEMU reads it.

use std::{fs, os::unix::fs::FileExt};

use block::{
    BlockRead, Format,
    field::Be64,
    open,
    qcow2::{
        Compression,
        layout::{MAGIC_VALUE, header},
    },
    to_u64, to_usize,
};

use crate::tools::{Lab, everything};

/// Not a multiple of any cluster but the smallest.
const SIZE: usize = 2_097_152 + 512;

#[test]
fn converted_images() {
    let lab = Lab::new();
    lab.raw("disk.raw", SIZE, 1);
    for version in ["0.10", "1.1"] {
        for bits in [9, 10, 12, 14, 16, 18, 21] {
            for flags in ["", "-c "] {
                let options = format!("compat={version},cluster_size={}", 1 << bits);
                lab.img(&format!("convert {flags}-f raw -O qcow2 -o {options} disk.raw disk.qcow2"));
                let info = lab.compare("disk.qcow2");
                assert_eq!(info.format, Format::Qcow2);
                assert_eq!(info.version, Some(if version == "1.1" { 3 } else { 2 }));
                assert_eq!(info.cluster_size, Some(1 << bits));
                assert_eq!(info.compression, Some(Compression::Deflate));
            }
        }
    }
    for options in [
        "compression_type=zstd",
        "compression_type=zstd,cluster_size=512",
        "extended_l2=on",
        "extended_l2=on,cluster_size=16384",
        "extended_l2=on,cluster_size=2M,compression_type=zstd",
        "lazy_refcounts=on",
        "refcount_bits=1",
        "refcount_bits=64",
        "preallocation=metadata",
        "preallocation=falloc",
        "preallocation=metadata,extended_l2=on",
    ] {
        for flags in ["", "-c "] {
            if flags == "-c " && options.contains("preallocation") {
                continue;
            }
            lab.img(&format!("convert {flags}-f raw -O qcow2 -o {options} disk.raw disk.qcow2"));
            lab.compare("disk.qcow2");
        }
    }
}

#[test]
fn zero_clusters_with_and_without_unmap() {
    let lab = Lab::new();
    for options in
        ["", ",cluster_size=512", ",cluster_size=2M", ",extended_l2=on,cluster_size=64k", ",compat=0.10"]
    {
        for preallocation in ["off", "metadata"] {
            lab.img(&format!("create -f qcow2 -o preallocation={preallocation}{options} disk.qcow2 5M"));
            lab.io("disk.qcow2", "write -P 1 0 1M; write -P 2 3000k 700k; write -P 3 5119k 1k");
            lab.io(
                "disk.qcow2",
                "write -z 128k 64k; write -z -u 256k 64k; write -z 3001k 3k; discard 512k 128k",
            );
            lab.io(
                "disk.qcow2",
                "write -P 4 130k 2k; write -z -u 4M 512k; write -P 5 4100k 1k; discard 3100k 99k",
            );
            lab.compare("disk.qcow2");
        }
    }
}

#[test]
fn subclusters() {
    let lab = Lab::new();
    lab.raw("base.raw", 700_000, 3);
    for size in ["16k", "64k", "2M"] {
        let options = format!("-o extended_l2=on,cluster_size={size} -F raw -b base.raw");
        lab.img(&format!("create -f qcow2 {options} disk.qcow2 5M"));
        lab.io(
            "disk.qcow2",
            "write -P 1 3k 1k; write -P 2 64k 2k; write -P 3 70k 2k; write -z 66k 4k; write -z 100k 64k",
        );
        lab.io(
            "disk.qcow2",
            "write -P 9 4M 600k; discard 4100k 32k; write -P 6 1900k 2k; write -z -u 10k 2k",
        );
        lab.io("disk.qcow2", "write -P 7 690k 1k; write -c -P 8 2M 2M");
        lab.compare("disk.qcow2");
    }
}

#[test]
fn sizes_that_are_odd() {
    let lab = Lab::new();
    for size in [0, 512, 65_536, 65_536 + 512, 1_000_001, (1 << 29) + 512] {
        for options in ["cluster_size=64k", "cluster_size=2M", "cluster_size=64k,extended_l2=on"] {
            lab.img(&format!("create -f qcow2 -o {options} disk.qcow2 {size}"));
            if size >= 512 {
                let last = (size - 1) / 512 * 512;
                lab.io("disk.qcow2", &format!("write -P 7 {last} 512"));
            }
            if size < 1 << 29 {
                lab.compare("disk.qcow2");
            }
        }
    }
}

#[test]
fn external_data_files() {
    let lab = Lab::new();
    for raw in ["on", "off"] {
        for extended in ["on", "off"] {
            let options = format!("data_file=data.raw,data_file_raw={raw},extended_l2={extended}");
            lab.img(&format!("create -f qcow2 -o {options} disk.qcow2 3M"));
            lab.io(
                "disk.qcow2",
                "write -P 1 0 100k; write -P 2 1000k 1M; write -z 1100k 100k; discard 1500k 128k",
            );
            lab.io("disk.qcow2", "write -P 3 3071k 1k");
            let info = lab.compare("disk.qcow2");
            assert_eq!(info.data_file, Some(lab.path("data.raw")));
            fs::remove_file(lab.path("data.raw")).unwrap();
        }
    }
}

/// Three files of different formats, sizes and cluster sizes, in different directories.
#[test]
fn a_backing_chain() {
    let lab = Lab::new();
    fs::create_dir(lab.path("below")).unwrap();
    lab.raw("below/base.raw", 900_001, 5);
    lab.img("create -f qcow2 -o cluster_size=512,compat=0.10 -F raw -b base.raw below/middle.qcow2 2M");
    lab.io("below/middle.qcow2", "write -P 1 10k 100k; write -P 2 1500k 10k");
    lab.img("create -f qcow2 -o cluster_size=4k -F qcow2 -b below/middle.qcow2 upper.qcow2 1M");
    lab.io("upper.qcow2", "write -z 20k 8k; write -P 3 880k 10k; write -c -P 4 400k 4k");
    lab.img("create -f qcow2 -o compression_type=zstd -F qcow2 -b upper.qcow2 top.qcow2 3M");
    lab.io(
        "top.qcow2",
        "write -P 5 600k 1k; write -z 700k 100k; write -P 6 2500k 1k; write -c -P 7 192k 64k",
    );
    let info = lab.compare("top.qcow2");
    let below = ["upper.qcow2", "below/middle.qcow2", "below/base.raw"];
    assert_eq!(info.backing, below.map(|name| lab.path(name)));
}

#[test]
fn snapshots_and_bitmaps_are_named_and_not_shown() {
    let lab = Lab::new();
    lab.img("create -f qcow2 disk.qcow2 2M");
    lab.io("disk.qcow2", "write -P 1 0 1M");
    lab.img("snapshot -c before disk.qcow2");
    lab.io("disk.qcow2", "write -P 2 64k 640k");
    lab.run_with("qemu-img", &["snapshot", "-c", "a second one", "disk.qcow2"]);
    lab.io("disk.qcow2", "write -z -u 128k 64k");
    lab.img("bitmap --add disk.qcow2 backup0");
    lab.img("bitmap --add disk.qcow2 b1");
    let info = lab.compare("disk.qcow2");
    let names: Vec<_> = info.snapshots.iter().map(|found| (found.id.as_str(), found.name.as_str())).collect();
    assert_eq!(names, [("1", "before"), ("2", "a second one")]);
    assert!(info.snapshots.iter().all(|found| found.date > 1_700_000_000 && found.vm_state_size == 0));
    assert_eq!(info.bitmaps, ["backup0", "b1"]);
    assert!(info.notes.is_empty());
}

/// The 64-bit size in an entry's extra data counts, as QEMU writes it.
#[test]
fn a_snapshot_with_vm_state_says_so() {
    let lab = Lab::new();
    lab.img("create -f qcow2 disk.qcow2 2M");
    lab.img("snapshot -c running disk.qcow2");
    let mut bytes = fs::read(lab.path("disk.qcow2")).unwrap();
    let table = to_usize(Be64(64).get(&bytes));
    Be64(table + 40).set(&mut bytes, 5 << 32);
    fs::write(lab.path("disk.qcow2"), bytes).unwrap();
    let image = open(&lab.path("disk.qcow2"), &everything()).unwrap();
    assert_eq!(image.info.snapshots[0].vm_state_size, 5 << 32);
}

/// Reads come from several threads, which share the caches.
#[test]
fn four_threads_see_the_same_disk() {
    let lab = Lab::new();
    lab.raw("disk.raw", SIZE, 4);
    lab.img("convert -c -f raw -O qcow2 -o cluster_size=4k disk.raw base.qcow2");
    lab.img("create -f qcow2 -F qcow2 -b base.qcow2 -o extended_l2=on top.qcow2");
    lab.io("top.qcow2", "write -P 1 100k 300k; write -z 1M 100k");
    let image = open(&lab.path("top.qcow2"), &everything()).unwrap();
    let expected = lab.oracle("top.qcow2");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (device, expected) = (&image.device, &expected);
            scope.spawn(move || {
                for number in (0..SIZE / 1000).map(|number| number ^ thread) {
                    let at = (number * 1000).min(SIZE - 1500);
                    let mut part = [0; 1500];
                    device.read_at(to_u64(at), &mut part).unwrap();
                    assert!(part == expected[at..at + 1500], "at {at}");
                }
            });
        }
    });
}

/// QEMU leaves the dirty bit behind when it is killed with lazy refcounts on.
#[test]
fn a_dirty_image_is_read_and_noted() {
    let lab = Lab::new();
    lab.img("create -f qcow2 -o lazy_refcounts=on disk.qcow2 2M");
    lab.io("disk.qcow2", "write -P 1 0 1M");
    let file = fs::File::options().write(true).open(lab.path("disk.qcow2")).unwrap();
    file.write_all_at(&[1], 79).unwrap();
    let image = open(&lab.path("disk.qcow2"), &everything()).unwrap();
    let mut bytes = [0; 4096];
    image.device.read_at((1 << 20) - 4096, &mut bytes).unwrap();
    assert_eq!(bytes, [1; 4096]);
    let note = "the image was not closed cleanly: its refcounts may be wrong (reading does not use them)";
    assert_eq!(image.info.notes, [note]);
}

/// A whole absent L2 table is one step.
#[test]
fn a_huge_sparse_image_is_a_few_runs() {
    let lab = Lab::new();
    for (size, options) in
        [("8T", "cluster_size=64k"), ("64T", "cluster_size=2M"), ("64G", "cluster_size=512")]
    {
        lab.img(&format!("create -f qcow2 -o {options} disk.qcow2 {size}"));
        lab.io("disk.qcow2", "write -P 1 33G 2M");
        let image = open(&lab.path("disk.qcow2"), &everything()).unwrap();
        let (mut at, mut runs, mut data) = (0, 0, 0);
        while at < image.device.size() {
            let run = image.device.run_at(at).unwrap();
            (at, runs) = (at + run.len, runs + 1);
            data += if run.zero { 0 } else { run.len };
        }
        assert_eq!(data, 2 << 20);
        assert!(runs < 100, "{runs} runs");
    }
}

/// A million L2 tables in the holes of a sparse file, which claim 512 PiB, are a million steps.
#[test]
fn empty_tables_in_holes_are_not_read() {
    let lab = Lab::new();
    let (tables, cluster) = (1u64 << 20, 2u64 << 20);
    let mut bytes = vec![0; to_usize(cluster)];
    header::MAGIC.set(&mut bytes, MAGIC_VALUE);
    header::VERSION.set(&mut bytes, 3);
    header::CLUSTER_BITS.set(&mut bytes, 21);
    header::SIZE.set(&mut bytes, 1 << 59);
    header::L1_SIZE.set(&mut bytes, 1 << 20);
    header::L1_TABLE_OFFSET.set(&mut bytes, cluster);
    header::HEADER_LENGTH.set(&mut bytes, 104);
    bytes.extend((0..tables).flat_map(|table| ((32 + table) * cluster).to_be_bytes()));
    fs::write(lab.path("disk.qcow2"), &bytes).unwrap();
    let file = fs::File::options().write(true).open(lab.path("disk.qcow2")).unwrap();
    file.set_len((32 + tables) * cluster).unwrap();
    let image = open(&lab.path("disk.qcow2"), &everything()).unwrap();
    let mut at = 0;
    while at < image.device.size() {
        let run = image.device.run_at(at).unwrap();
        assert!(run.zero);
        at += run.len;
    }
    assert_eq!(at, 1 << 59);
}

#[test]
fn a_raw_image_keeps_its_odd_size() {
    let lab = Lab::new();
    lab.raw("disk.raw", 100_001, 9);
    let image = open(&lab.path("disk.raw"), &everything()).unwrap();
    assert_eq!((image.info.format, image.info.virtual_size), (Format::Raw, 100_001));
    assert_eq!(crate::tools::read_all(&image.device).unwrap(), fs::read(lab.path("disk.raw")).unwrap());
}
