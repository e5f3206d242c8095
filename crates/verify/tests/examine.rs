//! The test of the test: one byte of residue, planted in each class of a clean disk, is named by class, volume and
//! offset. The disks are made by mke2fs, mkfs.fat, mkswap and sgdisk.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::{collections::BTreeMap, fs, path::Path, process::Command, sync::Arc};

use block::{BlockRead, Extent, Overlay, Window, to_u64, to_usize};
use filesystem::{Claim, Content};
use verify::{Examination, Finding, Options, Place, Region, Survey, attribute, examine};

const MIB: u64 = 1 << 20;

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program)
        .args(args)
        .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap()))
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes a file of this size, and has tools make something of it.
fn made(size: u64, make: impl FnOnce(&Path, &Path)) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let (image, tree) = (dir.path().join("image"), dir.path().join("tree"));
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::write(tree.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
    fs::write(tree.join("large\nfile"), vec![b'x'; 300_001]).unwrap();
    fs::File::create(&image).unwrap().set_len(size).unwrap();
    make(&image, &tree);
    fs::read(&image).unwrap()
}

/// An ext4 with a file of which a part was never written, and a directory.
fn ext4(size: u64, options: &[&str]) -> Vec<u8> {
    made(size, |image, tree| {
        let image = image.to_str().unwrap();
        let common = ["-q", "-F", "-t", "ext4", "-d", tree.to_str().unwrap()];
        run("mke2fs", &[&common[..], options, &[image]].concat());
        for command in ["write /dev/null unwritten", "fallocate unwritten 0 3", "sif unwritten size 12288"] {
            run("debugfs", &["-w", "-R", command, image]);
        }
    })
}

fn fat(size: u64) -> Vec<u8> {
    made(size, |image, tree| {
        let image = image.to_str().unwrap();
        // Four sectors a cluster: the last one of a file has slack.
        run("mkfs.fat", &["-F", "12", "-s", "4", image]);
        run("mcopy", &["-i", image, tree.join("etc/passwd").to_str().unwrap(), "::/loader.cfg"]);
    })
}

fn swap(size: u64) -> Vec<u8> {
    made(size, |image, _| run("mkswap", &["-q", image.to_str().unwrap()]))
}

/// What a disk looks like with its metadata scrubbed and all that is not live as zero.
fn clean(disk: &[u8]) -> Vec<u8> {
    let mut view = Overlay::new(disk.to_vec());
    let layout = filesystem::layout(&view, None).unwrap();
    let mut live: Vec<Extent> = layout.live.iter().map(|region| region.extent).collect();
    for volume in &layout.volumes {
        if matches!(volume.content, Content::Empty | Content::BootCode) {
            continue;
        }
        let mut window = Window::new(&mut view, &volume.extents).unwrap();
        let mut filesystem = filesystem::open_mut(&mut window, volume.content).unwrap();
        filesystem.recover().unwrap();
        filesystem.scrub().unwrap();
        let mut claims = Vec::new();
        let mut keep = |extent, claim| {
            if matches!(claim, Claim::Live(_)) {
                claims.push(extent);
            }
            Ok(())
        };
        filesystem.claims(&mut keep).unwrap();
        drop(filesystem);
        live.extend(claims.into_iter().flat_map(|extent| window.map(extent).collect::<Vec<_>>()));
    }
    let mut out = vec![0; disk.len()];
    for extent in live {
        let range = to_usize(extent.start)..to_usize(extent.end());
        view.read_at(extent.start, &mut out[range]).unwrap();
    }
    out
}

/// GPT with a FAT (1), a swap area (2), an ext4 (3), an empty partition (4) and, by its options, a bigalloc (5).
fn disk() -> Vec<u8> {
    let sizes = [8, 2, 24, 1, 24];
    let mut starts = Vec::new();
    let raw = made(64 * MIB, |image, _| {
        let mut arguments: Vec<String> = vec!["-a".to_owned(), "1".to_owned()];
        let mut at = 2048;
        for (index, mib) in sizes.into_iter().enumerate() {
            arguments.push(format!("--new={}:{at}:{}", index + 1, at + mib * 2048 - 1));
            starts.push(at * 512);
            at += mib * 2048 + 256;
        }
        arguments.push(image.to_str().unwrap().to_owned());
        run("sgdisk", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    });
    let bigalloc = ["-O", "bigalloc,^resize_inode", "-C", "16384", "-b", "1024"];
    let contents = [
        fat(sizes[0] * MIB),
        swap(sizes[1] * MIB),
        ext4(sizes[2] * MIB, &["-b", "4096", "-J", "size=4"]),
        Vec::new(),
        ext4(sizes[4] * MIB, &bigalloc),
    ];
    let mut disk = raw;
    for (start, content) in starts.into_iter().zip(contents) {
        let start = to_usize(start);
        disk[start..start + content.len()].copy_from_slice(&content);
    }
    clean(&disk)
}

fn examined(disk: &[u8]) -> Examination {
    let device: Arc<dyn BlockRead> = Arc::new(disk.to_vec());
    examine(&device, Options { content: true, ..Options::default() }).unwrap()
}

fn survey(disk: &[u8]) -> Survey {
    let device: Arc<dyn BlockRead> = Arc::new(disk.to_vec());
    Survey::of(&device, None).unwrap()
}

#[test]
fn one_byte_in_each_class_is_named() {
    let disk = disk();
    let before = examined(&disk);
    assert_eq!(before.findings, [], "the clean disk is clean");
    assert_eq!(before.residue, []);
    let readers: Vec<_> = before.opinions.iter().map(|opinion| (opinion.volume, &opinion.refused)).collect();
    assert_eq!(readers, [(None, &None), (Some(1), &None), (Some(3), &None), (Some(5), &None)]);
    assert_eq!(before.map.letters().to_ascii_lowercase(), before.map.letters());

    let survey = survey(&disk);
    // One place of each dead class of each volume. Whatever stands in the first 440 bytes of a disk is boot code.
    let mut places = BTreeMap::new();
    for area in survey.atlas.areas().filter(|area| !area.region.is_live() && area.extent.start >= 440) {
        places.entry((survey.number(area.volume), area.region)).or_insert(area);
    }
    let classes: Vec<_> = places.keys().copied().collect();
    for expected in [
        (None, Region::Gap),
        (Some(1), Region::Free),
        (Some(1), Region::Slack),
        (Some(1), Region::Reserved),
        (Some(2), Region::Swap),
        (Some(3), Region::Free),
        (Some(3), Region::Journal),
        (Some(3), Region::Slack),
        (Some(3), Region::Unwritten),
        (Some(3), Region::DeadInode),
        (Some(3), Region::Reserved),
        (Some(4), Region::Empty),
        (Some(5), Region::Unmapped),
        (Some(5), Region::Unwritten),
    ] {
        assert!(classes.contains(&expected), "{expected:?} is not among {classes:?}");
    }
    for ((volume, region), area) in places {
        for offset in [area.extent.start, area.extent.end() - 1] {
            let mut planted = disk.clone();
            assert_eq!(planted[to_usize(offset)], 0);
            planted[to_usize(offset)] = b'S';
            let after = examined(&planted);
            // A byte in an empty volume makes it one that is not known.
            let region = if region == Region::Empty { Region::Opaque } else { region };
            let finding = Finding::Residue { volume, region, first: offset, bytes: 1 };
            assert_eq!(after.findings, [finding], "{volume:?} {region:?} {area:?}");
            let [place] = &after.residue[..] else { panic!("{:?}", after.residue) };
            assert_eq!((place.volume, place.region, place.offset, place.length), (volume, region, offset, 1));
            assert_eq!(place.inode, area.inode.map(|inode| inode.0));
            if matches!(region, Region::Slack | Region::Unwritten) {
                assert!(place.path.is_some(), "{place:?}");
            }
            assert_eq!(after.map.letters().chars().filter(char::is_ascii_uppercase).count(), 1);
            let classes = after.volumes.iter().flat_map(|volume| &volume.classes).chain(&after.outside);
            let sums: Vec<_> =
                classes.filter(|class| class.non_zero.is_some_and(|bytes| bytes > 0)).collect();
            assert_eq!(sums.len(), 1);
            assert_eq!((sums[0].region, sums[0].non_zero), (region, Some(1)));
        }
    }
}

#[test]
fn every_byte_has_one_class_and_the_sums_agree() {
    let disk = disk();
    let examination = examined(&disk);
    let classes = examination.volumes.iter().flat_map(|volume| &volume.classes).chain(&examination.outside);
    assert_eq!(classes.map(|class| class.bytes).sum::<u64>(), to_u64(disk.len()));
    for volume in &examination.volumes {
        assert_eq!(volume.classes.iter().map(|class| class.bytes).sum::<u64>(), volume.size);
        assert!(volume.accounted);
    }
    let survey = survey(&disk);
    let mut at = 0;
    for area in survey.atlas.areas() {
        assert_eq!(area.extent.start, at);
        assert_eq!(survey.atlas.at(at), Some(area));
        at = area.extent.end();
    }
    assert_eq!(at, to_u64(disk.len()));
}

/// Whoever reads the disk for another purpose can count on the way: the count is the same.
#[test]
fn a_pass_of_another_counts_the_same() {
    let mut disk = disk();
    let survey = survey(&disk);
    let dead: Vec<Extent> = survey.atlas.areas().filter(|a| !a.region.is_live()).map(|a| a.extent).collect();
    for (number, extent) in dead.iter().enumerate() {
        for at in (extent.start..extent.end()).step_by(40_961 + number) {
            disk[to_usize(at)] = 1;
        }
    }
    let alone = verify::residue(&disk, &survey, false).unwrap();
    let mut counter = verify::Counter::new(&survey, false);
    for (index, chunk) in disk.chunks(5 * 4096).enumerate() {
        counter.feed(to_u64(index) * 5 * 4096, chunk);
    }
    let fed = counter.finish();
    assert_eq!(alone.sums, fed.sums);
    assert_eq!(alone.runs, fed.runs);
    assert_eq!(alone.picture, fed.picture);
    let planted: u64 = alone.sums.values().map(|sum| sum.non_zero).sum();
    assert_eq!(
        planted,
        to_u64(
            dead.iter()
                .enumerate()
                .map(|(number, extent)| { (extent.start..extent.end()).step_by(40_961 + number).count() })
                .sum::<usize>()
        )
    );
    let runs: u64 = alone.sums.values().map(|sum| sum.runs).sum();
    assert!(runs > to_u64(alone.runs.len()), "more than are listed");
    let most =
        alone.sums.keys().map(|key| alone.runs.iter().filter(|run| (run.volume, run.region) == *key).count());
    assert_eq!(most.max(), Some(256));
}

#[test]
fn a_byte_of_a_file_has_its_path_and_offset() {
    let disk = clean(&ext4(24 * MIB, &["-b", "1024"]));
    let survey = survey(&disk);
    let large = disk.windows(600).position(|window| window == [b'x'; 600]).map(to_u64).unwrap();
    let passwd = disk.windows(7).position(|window| window == b"root:x:").map(to_u64).unwrap();
    let ask = [Extent { start: large + 70_000, len: 5 }, Extent { start: passwd + 3, len: 9 }];
    let mut notes = Vec::new();
    let places = attribute(&survey, &ask, &mut notes).unwrap();
    assert_eq!(notes, []);
    let facts: Vec<_> = places
        .iter()
        .map(|place: &Place| (place.region, place.path.as_deref().unwrap(), place.file_offset, place.length))
        .collect();
    let expected_places =
        [(Region::File, r"/large\nfile", Some(70_000), 5), (Region::File, "/etc/passwd", Some(3), 9)];
    assert_eq!(facts, expected_places);
    // The directory's own block belongs to it, and is metadata.
    let directory = disk.windows(6).position(|window| window == b"passwd").map(to_u64).unwrap();
    let places = attribute(&survey, &[Extent { start: directory, len: 6 }], &mut notes).unwrap();
    assert_eq!((places[0].region, places[0].path.as_deref()), (Region::Metadata, Some("/etc")));
    assert_eq!(places[0].file_offset, None);
}

/// A volume that contradicts itself is opaque, and says why; the others are judged as ever.
#[test]
fn a_damaged_volume_costs_no_other() {
    let good = disk();
    let survey_of_good = survey(&good);
    let third = &survey_of_good.layout.volumes[2].extents[0];
    let mut disk = good.clone();
    // The magic number of the first extent header in the inode table; the superblock's block has a copy of one.
    let magic = disk[to_usize(third.start + 4096)..to_usize(third.end())]
        .windows(2)
        .position(|window| window == [0x0A, 0xF3])
        .unwrap();
    disk[to_usize(third.start + 4096) + magic] ^= 1;
    disk[100_000] = 1; // in a gap
    let examination = examined(&disk);
    assert!(!examination.volumes[2].accounted);
    let said: Vec<_> = examination.notes.iter().filter(|note| note.volume == Some(3)).collect();
    assert!(said.iter().any(|note| note.text.starts_with("cannot be accounted for: inode")), "{said:?}");
    let classes: Vec<_> = examination.findings.iter().map(ToString::to_string).collect();
    assert_eq!(classes.len(), 2, "{classes:?}");
    assert!(classes[0].contains("1 bytes outside all partitions, the first at offset 100000"), "{classes:?}");
    assert!(classes[1].starts_with("volume 3: ") && classes[1].contains("cannot be read"), "{classes:?}");
    // What is damaged was not kept on purpose.
    let device: Arc<dyn BlockRead> = Arc::new(disk);
    let kept = examine(&device, Options { keep_opaque: true, ..Options::default() }).unwrap();
    assert_eq!(kept.findings.len(), 2);
}

#[test]
fn an_unreadable_table_makes_the_disk_opaque() {
    let mut disk = disk();
    disk[512 + 24] ^= 0xFF; // both headers' own place
    let end = disk.len();
    disk[end - 512 + 24] ^= 0xFF;
    let examination = examined(&disk);
    assert_eq!(examination.volumes.len(), 1);
    assert!(examination.notes[0].text.starts_with("the layout cannot be read: "), "{:?}", examination.notes);
    assert!(matches!(examination.findings[..], [Finding::Residue { region: Region::Opaque, .. }]));
}

/// A block that a file has and the bitmap does not: a finding, zero or not.
#[test]
fn the_two_witnesses_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    fs::write(&image, clean(&ext4(24 * MIB, &["-b", "1024"]))).unwrap();
    let debugfs = |command: &str| run("debugfs", &["-w", "-R", command, image.to_str().unwrap()]);
    debugfs("setb 20000 3");
    let disk = fs::read(&image).unwrap();
    let examination = examined(&disk);
    assert_eq!(examination.findings, [], "what is allocated for nothing but zero is no residue");
    assert!(
        examination.notes.iter().any(|note| note.text.starts_with("3072 bytes are allocated, but owned by")),
        "{:?}",
        examination.notes
    );
    let mut planted = disk.clone();
    planted[20_001 * 1024] = 1;
    let first = 20_001 * 1024;
    let finding = Finding::Residue { volume: Some(0), region: Region::Unowned, first, bytes: 1 };
    assert_eq!(examined(&planted).findings, [finding]);

    debugfs("freeb 20000 3");
    let survey = survey(&fs::read(&image).unwrap());
    let file = survey.atlas.areas().find(|area| area.region == Region::Unwritten).unwrap();
    debugfs(&format!("freeb {} 1", file.extent.start / 1024));
    let findings = examined(&fs::read(&image).unwrap()).findings;
    let first = file.extent.start;
    assert_eq!(
        findings,
        [Finding::Residue { volume: Some(0), region: Region::OwnedButFree, first, bytes: 1024 }]
    );
}
