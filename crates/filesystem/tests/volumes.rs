//! Partition tables made by sgdisk, sfdisk and fdisk, read, damaged, scrubbed, and judged by the same tools.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{process::Command, sync::Arc};

use block::{BlockRead, Joined, Overlay, to_u64};
use common::{Disk, MIB, contains, live_copy, put, read, redo_crcs, run, tails};
use filesystem::{
    Content, Extent, LiveKind, OpaqueKind, TableKind, Tail, identify, layout, scrub_table, table_tails,
};

/// What must not be left over.
const MARK: &[u8] = b"RESIDUE";

/// 8 MiB with three partitions, one of them without a name.
fn gpt_disk() -> Disk {
    let disk = Disk::new(8 * MIB);
    disk.sgdisk(&[
        "-U",
        "11111111-2222-3333-4444-555555555555",
        "-n1:2048:4095",
        "-t1:ef00",
        "-c1:boot",
        "-n2:4096:8191",
        "-c2:root",
        "-n128:8192:10239",
        "-t128:8200",
        "-c128:",
    ]);
    disk
}

/// Disks that are joined are read, scrubbed and seen as each of them is alone.
#[test]
fn disks_that_are_joined_keep_their_tables() {
    let (first, second) = (gpt_disk(), Disk::new(8 * MIB + 512));
    second.sfdisk(
        "label: dos\nlabel-id: 0x12345678\nstart=2048, size=2048, type=83\nstart=6144, size=2048, type=82\n",
    );
    let mut parts = [first.read(), second.read(), vec![0; MIB]];
    for part in &mut parts[..2] {
        // In a record that is not used.
        put(part, 446 + 3 * 16 + 1, &MARK[..3]);
    }
    let disks = || parts.iter().map(|part| -> Arc<dyn BlockRead> { Arc::new(part.clone()) }).collect();
    let joined = Joined::new(disks()).unwrap();
    let found = layout(&joined, None).unwrap();
    let numbers: Vec<u32> = found.volumes.iter().map(|volume| volume.number).collect();
    assert_eq!(numbers, [1, 2, 128, 129, 130, 131]);
    let tables: Vec<_> = found.further.iter().map(|disk| (disk.table, disk.disk_id.as_str())).collect();
    assert_eq!(tables, [(TableKind::Mbr, "0x12345678"), (TableKind::None, "")]);
    let places: Vec<_> = found.volumes.iter().map(|volume| found.disk_of(volume)).collect();
    assert_eq!(places, [(0, 1), (0, 2), (0, 128), (1, 1), (1, 2), (2, 1)]);
    for ((extent, alone), part) in found.of_each_disk(&joined).into_iter().zip(&parts) {
        assert_eq!(extent.len, to_u64(part.len()));
        let mut alone = alone;
        let own = read(part);
        if own.table == TableKind::None {
            // A whole disk has no number of its own, but one among several.
            alone.volumes[0].number = 0;
        }
        assert_eq!(alone, own);
    }

    let mut dead = 0;
    let mut count = |extent: Extent, _| {
        dead += extent.len;
        Ok(())
    };
    table_tails(&joined, &found, &mut count).unwrap();
    assert_eq!(dead, 2 * 3);
    let mut view = Overlay::new(&joined);
    assert_eq!(scrub_table(&mut view, &found).unwrap(), dead);
    let mut scrubbed = vec![0; usize::try_from(joined.size()).unwrap()];
    view.read_at(0, &mut scrubbed).unwrap();
    let mut alone = parts.clone();
    for part in &mut alone {
        let found = read(part);
        scrub_table(part, &found).unwrap();
    }
    assert!(scrubbed == alone.concat(), "each disk is what it would be alone");
}

#[test]
fn a_gpt_is_read_as_sgdisk_wrote_it() {
    let disk = gpt_disk();
    let found = read(&disk.read());
    assert_eq!((found.table, found.sector_size), (TableKind::Gpt, 512));
    assert_eq!(found.disk_id, "11111111-2222-3333-4444-555555555555");
    assert_eq!(found.notes, Vec::<String>::new());
    let seen: Vec<_> = found
        .volumes
        .iter()
        .map(|volume| (volume.number, volume.extents[0], volume.type_name.as_str(), volume.name.as_str()))
        .collect();
    let extent = |first: u64, last: u64| Extent::between(first * 512, (last + 1) * 512);
    assert_eq!(
        seen,
        [
            (1, extent(2048, 4095), "EFI System", "boot"),
            (2, extent(4096, 8191), "Linux filesystem", "root"),
            (128, extent(8192, 10239), "Linux swap", ""),
        ]
    );
    assert!(found.volumes.iter().all(|volume| volume.content == Content::Empty));
    assert_eq!(found.volumes[0].type_id, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B");
    let live: Vec<_> =
        found.live.iter().map(|region| (region.kind, region.extent.start, region.extent.len)).collect();
    let end = 8 * 1024 * 1024;
    assert_eq!(
        live,
        [
            (LiveKind::ProtectiveMbr, 440, 72),
            (LiveKind::GptHeader, 512, 92),
            (LiveKind::GptEntries, 1024, 128 * 128),
            (LiveKind::GptEntries, end - 512 - 128 * 128, 128 * 128),
            (LiveKind::GptHeader, end - 512, 92),
        ]
    );
}

#[test]
fn a_clean_table_stays_as_it_is() {
    let disk = gpt_disk();
    let mut image = disk.read();
    let found = read(&image);
    let before = image.clone();
    assert_eq!(scrub_table(&mut image, &found).unwrap(), 0);
    assert!(image == before);
    assert!(live_copy(&image) == before);
}

#[test]
fn residue_in_a_gpt_goes_and_the_table_stays() {
    let disk = gpt_disk();
    let dump = disk.dump();
    let mut image = disk.read();
    let end = image.len();
    // Reserved bytes and an unused record of the MBR.
    put(&mut image, 444, b"RE");
    put(&mut image, 446 + 16 + 1, &MARK[..3]);
    for (header, array) in [(512, 1024), (end - 512, end - 512 - 128 * 128)] {
        put(&mut image, header + 92, MARK);
        put(&mut image, header + 500, MARK);
        // An unused entry: a deleted partition's name. A used one: behind the end of its name.
        put(&mut image, array + 5 * 128 + 56, MARK);
        put(&mut image, array + 56 + 12, MARK);
        redo_crcs(&mut image, header, array, 128 * 128);
    }
    put(&mut image, 100_000, MARK);
    disk.write(&image);
    assert_eq!(disk.complaints(), None);
    let mut view = image.clone();
    let found = read(&view);
    let mut seen: Vec<_> =
        tails(&image).iter().map(|(extent, tail)| (*tail, extent.start, extent.len)).collect();
    let array = to_u64(end - 512 - 128 * 128);
    let expected =
        [(444, 2), (446 + 17, 3), (1024 + 68, 7), (1024 + 696, 7), (array + 68, 7), (array + 696, 7)];
    seen.sort_unstable();
    assert_eq!(seen, expected.map(|(start, len)| (Tail::Partitions, start, len)));
    let cleared = scrub_table(&mut view, &found).unwrap();
    assert!(cleared >= 2 + 3 + 8 * 7, "{cleared}");
    let again = scrub_table(&mut view.clone(), &found).unwrap();
    assert_eq!(again, 0);
    let copy = live_copy(&image);
    assert!(!contains(&copy, b"RES") && copy[444..446] == [0, 0]);
    disk.write(&copy);
    assert_eq!(disk.complaints(), None);
    assert_eq!(disk.dump(), dump);
}

#[test]
fn either_copy_of_a_gpt_is_repaired_from_the_other() {
    let disk = gpt_disk();
    let good = disk.read();
    let end = good.len();
    let cases = [
        ("primary GPT header: checksum is", 512 + 60),
        ("primary GPT header: signature is", 512),
        ("primary GPT header: checksum of the entry array is", 1024 + 32),
        ("backup GPT header: checksum is", end - 512 + 60),
        ("backup GPT header: signature is", end - 512),
        ("backup GPT header: checksum of the entry array is", end - 512 - 128 * 128 + 32),
    ];
    for (note, at) in cases {
        let mut image = good.clone();
        image[at] ^= 0x40;
        let found = read(&image);
        assert!(found.notes.iter().any(|text| text.starts_with(note)), "{note}: {:?}", found.notes);
        assert_eq!(found.volumes.len(), 3);
        scrub_table(&mut image, &found).unwrap();
        assert!(image == good, "{note}");
    }
    // Not even a trace of the first two sectors.
    let mut image = good.clone();
    image[512..1024 + 128 * 128].fill(0xff);
    let found = read(&image);
    scrub_table(&mut image, &found).unwrap();
    assert!(image == good);
}

#[test]
fn a_stale_backup_is_brought_up_to_date() {
    let disk = gpt_disk();
    let image = disk.read();
    disk.sgdisk(&["-c2:renamed"]);
    let renamed = disk.read();
    let half = image.len() / 2;
    let mut mixed = [&renamed[..half], &image[half..]].concat();
    let found = read(&mixed);
    assert_eq!(found.notes, ["backup GPT: differs from the primary, which is used"]);
    assert_eq!(found.volumes[1].name, "renamed");
    scrub_table(&mut mixed, &found).unwrap();
    assert!(mixed == renamed);
}

#[test]
fn a_grown_image_keeps_its_backup_where_it_is() {
    let disk = gpt_disk();
    let mut image = disk.read();
    image.resize(9 * MIB, 0);
    let found = read(&image);
    assert_eq!(
        found.notes,
        ["backup GPT header: at LBA 16383, not at the last, 18431: the image has grown since"]
    );
    let copy = live_copy(&image);
    assert!(copy == image);
    // A bad primary leads to it all the same, as long as its own word of where it is can be read.
    let mut bad = image.clone();
    bad[512 + 60] ^= 1;
    let found = read(&bad);
    scrub_table(&mut bad, &found).unwrap();
    assert!(bad == image);
}

#[test]
fn sectors_of_4096_bytes() {
    let disk = Disk::new(16 * MIB);
    let path = disk.path();
    run("fdisk", &["-b", "4096", &path], "g\nn\n1\n256\n511\nn\n2\n512\n1023\nw\n");
    let image = disk.read();
    let found = read(&image);
    assert_eq!((found.table, found.sector_size), (TableKind::Gpt, 4096));
    assert_eq!(found.volumes[0].extents, [Extent::between(256 * 4096, 512 * 4096)]);
    let mut dirty = image.clone();
    put(&mut dirty, 512, MARK);
    put(&mut dirty, 4096 + 92, MARK);
    put(&mut dirty, 4096 + 512, MARK);
    put(&mut dirty, image.len() - 100, MARK);
    let found = read(&dirty);
    assert_eq!(scrub_table(&mut dirty, &found).unwrap(), 3 * 7);
    // What lies behind the MBR in its sector is gap.
    assert!(live_copy(&dirty) == image);
    let mut bad = image.clone();
    bad[4096 + 70] ^= 1;
    let found = read(&bad);
    scrub_table(&mut bad, &found).unwrap();
    assert!(bad == image);
    assert!(layout(&image, Some(512)).is_err());
    assert!(layout(&image, Some(4096)).is_ok());
    assert!(run("fdisk", &["-b", "4096", &path], "v\nq\n").contains("No errors detected"));
}

#[test]
fn entries_of_256_bytes() {
    let disk = gpt_disk();
    let mut image = disk.read();
    let end = image.len();
    // 64 entries of 256 bytes fill the same array. What was entry 2 is the second half of entry 1 now.
    for (header, array) in [(512, 1024), (end - 512, end - 512 - 128 * 128)] {
        image.copy_within(array + 128..array + 256, array + 256);
        image[array + 128..array + 256].fill(0);
        image[array + 127 * 128..array + 128 * 128].fill(0);
        put(&mut image, array + 200, MARK);
        put(&mut image, header + 80, &64u32.to_le_bytes());
        put(&mut image, header + 84, &256u32.to_le_bytes());
        redo_crcs(&mut image, header, array, 128 * 128);
    }
    let found = read(&image);
    let names: Vec<_> = found.volumes.iter().map(|volume| (volume.number, volume.name.as_str())).collect();
    assert_eq!(names, [(1, "boot"), (2, "root")]);
    disk.write(&image);
    let dump = disk.dump();
    let copy = live_copy(&image);
    assert!(!contains(&copy, MARK));
    disk.write(&copy);
    assert_eq!(disk.dump(), dump);
}

#[test]
fn a_hybrid_mbr_is_kept() {
    let disk = gpt_disk();
    disk.sgdisk(&["-h", "2"]);
    let image = disk.read();
    let found = read(&image);
    assert_eq!(found.table, TableKind::HybridMbr);
    assert_eq!(found.notes, ["hybrid MBR: names partitions of the GPT for old firmware"]);
    assert!(live_copy(&image) == image);
    let mut other = image.clone();
    let slot = (0..4).find(|slot| !matches!(image[446 + slot * 16 + 4], 0 | 0xee)).unwrap();
    other[446 + slot * 16 + 8] ^= 1;
    assert_eq!(
        layout(&other, None).unwrap_err().to_string(),
        "MBR partition 2: a hybrid MBR partition that is not also in the GPT is not supported"
    );
}

/// 8 MiB: two primary partitions and three logical ones.
fn mbr_disk() -> Disk {
    let disk = Disk::new(8 * MIB);
    disk.sfdisk(
        "label: dos\nlabel-id: 0x12345678\n\
         start=2048,size=2048,type=83,bootable\nstart=4096,size=2048,type=82\nstart=6144,type=5\n\
         start=6200,size=1000,type=83\nstart=8000,size=1000,type=c\nstart=10000,size=1000,type=8e\n",
    );
    disk
}

#[test]
fn an_mbr_is_read_as_sfdisk_wrote_it() {
    let disk = mbr_disk();
    let image = disk.read();
    let found = read(&image);
    assert_eq!((found.table, found.disk_id.as_str()), (TableKind::Mbr, "0x12345678"));
    let seen: Vec<_> = found
        .volumes
        .iter()
        .map(|volume| {
            (volume.number, volume.extents[0].start / 512, volume.extents[0].len / 512, &*volume.type_id)
        })
        .collect();
    assert_eq!(
        seen,
        [
            (1, 2048, 2048, "83"),
            (2, 4096, 2048, "82"),
            (5, 6200, 1000, "83"),
            (6, 8000, 1000, "c"),
            (7, 10000, 1000, "8e")
        ]
    );
    let ebrs = found.live.iter().filter(|region| region.kind == LiveKind::Ebr).count();
    assert_eq!(ebrs, 3);
    assert!(live_copy(&image) == image);
}

#[test]
fn residue_in_boot_records_goes_and_the_table_stays() {
    let disk = mbr_disk();
    let dump = disk.dump();
    let mut image = disk.read();
    let ebrs: Vec<usize> = read(&image)
        .live
        .iter()
        .filter(|region| region.kind == LiveKind::Ebr)
        .map(|region| usize::try_from(region.extent.start).unwrap() - 446)
        .collect();
    put(&mut image, 444, b"RE");
    put(&mut image, 446 + 3 * 16 + 1, &MARK[..3]);
    for &ebr in &ebrs {
        put(&mut image, ebr, MARK);
        put(&mut image, ebr + 435, MARK);
        put(&mut image, ebr + 446 + 2 * 16 + 1, MARK);
    }
    put(&mut image, 3 * 512, MARK);
    assert_eq!(read(&image).notes, ["gap before the first partition: 7 non-zero bytes dropped"]);
    let mut view = image.clone();
    let found = read(&view);
    // Boot code of the extended records lies outside of what is live.
    assert_eq!(tails(&image).iter().map(|(extent, _)| extent.len).sum::<u64>(), 2 + 3 + 3 * 7);
    assert_eq!(scrub_table(&mut view, &found).unwrap(), 2 + 3 + 3 * 21);
    let copy = live_copy(&image);
    assert!(!contains(&copy, MARK) && !contains(&copy, b"RES"));
    disk.write(&copy);
    assert_eq!(disk.dump(), dump);
}

#[test]
fn a_filesystem_on_the_whole_disk() {
    let disk = Disk::new(4 * MIB);
    let path = disk.path();
    for (tool, args, content) in [
        ("mkfs.fat", &["-v"][..], Content::Fat),
        ("mkfs.fat", &["--mbr=y"], Content::Fat),
        ("mke2fs", &["-q", "-F"], Content::Ext),
        ("mkswap", &[], Content::Swap),
    ] {
        disk.write(&vec![0; 4 * MIB]);
        run(tool, &[args, &[path.as_str()]].concat(), "");
        let found = read(&disk.read());
        assert_eq!((found.table, found.volumes.len()), (TableKind::None, 1), "{tool}");
        let volume = &found.volumes[0];
        assert_eq!((volume.number, volume.content), (0, content), "{tool}");
        assert_eq!(volume.extents, [Extent { start: 0, len: 4 << 20 }]);
        assert!(found.live.is_empty());
    }
}

#[test]
fn a_disk_without_a_table_or_with_an_empty_one() {
    let zero = vec![0; MIB];
    assert_eq!(read(&zero).volumes[0].content, Content::Empty);
    let mut unknown = zero.clone();
    unknown[MIB / 2] = 1;
    assert_eq!(read(&unknown).volumes[0].content, Content::Opaque(OpaqueKind::Unknown));
    let disk = Disk::new(MIB);
    disk.sfdisk("label: dos\n");
    let mut image = disk.read();
    let found = read(&image);
    assert_eq!((found.table, found.volumes.len(), found.live.len()), (TableKind::Mbr, 0, 1));
    image[MIB / 2] = 1;
    assert_eq!(read(&image).volumes[0].content, Content::Opaque(OpaqueKind::Unknown));
}

#[test]
fn a_filesystem_with_a_table_that_covers_itself() {
    // Hybrid ISO images have a partition from sector 0 on, for firmware that boots from USB.
    let mut image = vec![0; MIB];
    put(&mut image, 32769, b"CD001");
    put(&mut image, 446, &[0x80, 0, 0, 0, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0]);
    put(&mut image, 510, &[0x55, 0xaa]);
    let found = read(&image);
    assert_eq!(
        (found.table, found.volumes[0].content),
        (TableKind::None, Content::Opaque(OpaqueKind::Iso9660))
    );
}

#[test]
fn two_signatures_are_not_believed() {
    let disk = Disk::new(4 * MIB);
    run("mke2fs", &["-q", "-F", &disk.path()], "");
    let mut both = disk.read();
    put(&mut both, 65536 + 64, b"_BHRfS_M");
    assert_eq!(identify(&both).unwrap().to_string(), "ambiguous (btrfs and ext)");
    disk.write(&both);
    let blkid =
        Command::new("blkid").args(["-p", &disk.path()]).output().expect("blkid(8) has to be installed");
    assert_eq!(blkid.status.code(), Some(8), "blkid calls it ambivalent, too");
}

/// Each filesystem made over each other one, as happens to partitions that are used again: what blkid says.
#[test]
fn the_last_one_counts() {
    let makers: [(&str, &[&str], Content); 6] = [
        ("mke2fs", &["-q", "-F", "-b", "1024"], Content::Ext),
        ("mke2fs", &["-q", "-F", "-b", "4096"], Content::Ext),
        ("mkfs.fat", &["-F", "16", "-s", "1"], Content::Fat),
        ("mkfs.fat", &["-F", "32", "-s", "1"], Content::Fat),
        ("mkswap", &["-q", "-p", "4096"], Content::Swap),
        ("mkswap", &["-q", "-p", "65536"], Content::Swap),
    ];
    for (first, first_args, _) in makers {
        for (second, second_args, content) in makers {
            let disk = Disk::new(8 * MIB);
            let path = disk.path();
            run(first, &[first_args, &[path.as_str()]].concat(), "");
            run(second, &[second_args, &[path.as_str()]].concat(), "");
            let found = identify(disk.read()).unwrap();
            assert_eq!(found, content, "{second} {second_args:?} over {first} {first_args:?}");
        }
    }
}
