//! Residue inside live metadata, byte by byte: each unused byte that is not zero is seen, is all that is seen, and is
//! gone after a scrub.

use std::{collections::BTreeMap, fs};

use block::{Extent, Overlay, to_u64, to_usize};
use filesystem::{Claim, Filesystem, FilesystemMut, Owner, Tail, ext::Ext};

use super::{
    clean, count,
    image::{Lab, assert_clean, run, run_ok},
};

/// All tails of a filesystem.
pub(crate) fn of(filesystem: &impl Filesystem) -> Vec<(Extent, Tail)> {
    let mut tails = Vec::new();
    filesystem
        .tails(&mut |extent, tail| {
            tails.push((extent, tail));
            Ok(())
        })
        .unwrap();
    tails
}

/// Live metadata, in pieces as they are claimed.
fn metadata(ext: &impl Filesystem) -> Vec<Extent> {
    let mut found = Vec::new();
    ext.claims(&mut |extent, claim| {
        if matches!(claim, Claim::Live(Owner::Metadata | Owner::Mapping(_))) {
            found.push(extent);
        }
        Ok(())
    })
    .unwrap();
    found
}

/// What came of a byte that was planted.
#[derive(Debug, Default)]
struct Tally {
    seen: BTreeMap<Tail, usize>,
    /// In a field that is in use: nothing to see, and nothing to scrub.
    used: usize,
    /// In a field in use, so that bytes elsewhere no longer are.
    other: usize,
    /// The filesystem, or the structure, no longer makes sense.
    refused: usize,
}

fn plant(image: &Vec<u8>, at: u64, tally: &mut Tally) {
    const PLANTED: u8 = 0x53;
    let mut view = Overlay::new(image);
    block::BlockWrite::write_at(&mut view, at, &[PLANTED]).unwrap();
    let Ok(mut ext) = Ext::open(view) else {
        tally.refused += 1;
        return;
    };
    let mut seen = Vec::new();
    let read = ext.tails(&mut |extent, tail| {
        seen.push((extent, tail));
        Ok(())
    });
    if read.and_then(|()| ext.claims(&mut |_, _| Ok(()))).is_err() {
        tally.refused += 1;
        return;
    }
    let recovered = ext.recover();
    let at_it = seen.iter().find(|(extent, _)| extent.start <= at && at < extent.end());
    if let Some(&(extent, tail)) = at_it {
        // A block number that does not belong where it is goes as a whole.
        let number = at / 4 * 4;
        let exact = extent == Extent { start: at, len: 1 };
        let whole = extent.start >= number && extent.end() <= number + 4;
        assert!(
            exact || whole && matches!(tail, Tail::Map | Tail::Descriptors),
            "byte {at}: {extent:?} {tail:?}"
        );
        assert_eq!(seen.len(), 1, "byte {at}: {seen:?}");
        *tally.seen.entry(tail).or_default() += 1;
        if recovered.is_err() && tail == Tail::Orphans {
            return;
        }
    }
    let Ok(wiped) = recovered.and_then(|_| ext.scrub()) else {
        assert!(at_it.is_none(), "byte {at}: seen, but not scrubbed");
        tally.refused += 1;
        return;
    };
    match seen[..] {
        [] => {
            tally.used += 1;
            assert_eq!(wiped, 0, "byte {at}: scrubbed, but not seen");
        }
        // These two are for the recovery.
        [(_, Tail::Journal | Tail::Orphans)] => {}
        [_] if at_it.is_some() => assert!(wiped > 0, "byte {at}: {seen:?}, but not scrubbed"),
        // A type or a flag: others have no use now.
        _ => tally.other += 1,
    }
    assert_eq!(of(&ext), [], "byte {at}: left by the scrub");
}

#[test]
fn every_unused_byte_is_seen_and_scrubbed() {
    use Tail::{Descriptors, Directory, Inode, Journal, Map, Mmp, Orphans, Superblock, Xattr};
    let sums = "^metadata_csum,^uninit_bg";
    for (name, options, kinds) in [
        (
            "ext4",
            &["-t", "ext4", "-b", "1024", "-O", &format!("{sums},mmp,orphan_file,64bit"), "-g", "8192"][..],
            &[Superblock, Descriptors, Mmp, Inode, Directory, Map, Xattr, Orphans][..],
        ),
        (
            "inline",
            &["-t", "ext4", "-b", "4096", "-I", "512", "-O", &format!("{sums},inline_data")],
            &[Superblock, Inode, Directory],
        ),
        ("ext2", &["-t", "ext2", "-b", "1024", "-I", "128"], &[Directory, Inode]),
        ("journal", &["-t", "ext3", "-b", "1024", "-N", "400"], &[Journal]),
    ] {
        let lab = Lab::new();
        let path = lab.image(name, 12288, options);
        let at = path.to_str().unwrap();
        let mut commands = String::new();
        if name == "ext4" {
            // Five extents need a tree block.
            for hole in [2, 8, 16, 24, 32] {
                commands += &format!("punch a/file-300001 {hole} {hole}\n");
            }
        }
        if name != "inline" {
            for size in [1, 40, 60, 61, 100, 1023] {
                commands += &format!("ea_set a/file-{size} user.big {}\n", "q".repeat(500 + size / 3));
            }
        }
        // All at once: for MMP, each debugfs waits for eleven seconds whether another host has the disk.
        let script = lab.path("commands");
        fs::write(&script, commands).unwrap();
        run_ok("debugfs", &["-w", "-f", script.to_str().unwrap(), at]);
        run("e2fsck", &["-fyD", at]);
        assert_clean(&path, name);
        let (image, _) = clean(&path, name);
        let mut ext = Ext::open(image).unwrap();
        ext.recover().unwrap();
        assert_eq!(of(&ext), [], "{name}");
        let extents = metadata(&ext);
        let image = ext.into_device();
        let mut tally = Tally::default();
        // A byte of each small inode, and as many of other structures; but few where they are very long.
        let mut random = 1u64;
        for extent in extents {
            let step = if extent.len <= 64 << 10 { 128 } else { to_usize(extent.len / 3) };
            for start in (extent.start..extent.end()).step_by(step) {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = start + (random >> 33) % (extent.end() - start).min(to_u64(step));
                if image[to_usize(at)] == 0 {
                    plant(&image, at, &mut tally);
                }
            }
        }
        println!("{name}: {tally:?}");
        for kind in kinds {
            assert!(tally.seen.contains_key(kind), "{name}: no byte of {kind:?}: {tally:?}");
        }
    }
}

/// The padding of a bitmap is 1 or, by other writers, 0: anything else is seen.
#[test]
fn the_padding_of_a_bitmap_holds_nothing_else() {
    let lab = Lab::new();
    let path = lab.image("padding", 8192, &["-t", "ext2", "-b", "4096"]);
    let (image, _) = clean(&path, "padding");
    let text = String::from_utf8(run_ok("dumpe2fs", &[path.to_str().unwrap()]).stdout).unwrap();
    let block = |what: &str| -> usize {
        let rest = text.split(what).nth(1).unwrap().trim_start();
        rest.split(|at: char| !at.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    for start in ["Block bitmap at", "Inode bitmap at"].map(|what| block(what) * 4096) {
        for (value, seen) in [(0xFF, false), (0, false), (b'S', true)] {
            let mut image = image.clone();
            assert_eq!(image[start + 4000], 0xFF);
            image[start + 4000] = value;
            let mut ext = Ext::open(image).unwrap();
            let expected = (Extent { start: to_u64(start + 4000), len: 1 }, Tail::Bitmap);
            assert_eq!(of(&ext), if seen { vec![expected] } else { Vec::new() });
            assert_eq!(ext.scrub().unwrap(), u64::from(value != 0xFF));
            assert_eq!(of(&ext), []);
        }
    }
}

/// As `residue_in_every_kind_of_slack_is_gone`, but with checksums: tune2fs computes them over what was planted.
#[test]
fn tokens_under_checksums_are_seen_and_scrubbed() {
    const TOKEN: &[u8] = b"SECRETTOKEN";
    let lab = Lab::new();
    let path = lab.image("sealed", 16384, &["-t", "ext4", "-b", "1024"]);
    let at = path.to_str().unwrap().to_owned();
    for (name, len) in [("user.inner", 10), ("user.big", 600)] {
        run_ok("debugfs", &["-w", "-R", &format!("ea_set a/file-1 {name} {}", "q".repeat(len)), &at]);
    }
    for hole in [2, 8, 16, 24, 32] {
        run_ok("debugfs", &["-w", "-R", &format!("punch a/file-300001 {hole} {hole}"), &at]);
    }
    run("e2fsck", &["-fyD", &at]);
    run_ok("tune2fs", &["-O", "^metadata_csum", &at]);
    run("e2fsck", &["-fy", &at]);
    let base = clean(&path, "sealed").0;
    let mut image = base.clone();
    let mut planted = 0;
    for extent in metadata(&Ext::open(&base).unwrap()) {
        // In the body of an inode, behind the extents of its root, near the end of a block, in the midst.
        let offsets = [200, 0x28 + 36, 1024 - 40, 600];
        for start in offsets.map(|offset| extent.start + offset) {
            let range = to_usize(start)..to_usize(start) + TOKEN.len();
            let wanted = Extent { start, len: 11 };
            if wanted.end() > extent.end() || !block::is_zero(&image[range.start - 20..range.end + 20]) {
                continue;
            }
            let mut view = Overlay::new(&base);
            block::BlockWrite::write_at(&mut view, start, TOKEN).unwrap();
            let Ok(ext) = Ext::open(view) else { continue };
            let mut seen = Vec::new();
            let read = ext.tails(&mut |extent, _| {
                seen.push(extent);
                Ok(())
            });
            if read.is_ok() && seen == [wanted] && planted < 200 {
                image[range].copy_from_slice(TOKEN);
                planted += 1;
            }
        }
    }
    assert!(planted > 10, "{planted}");
    fs::write(&path, &image).unwrap();
    run_ok("tune2fs", &["-O", "metadata_csum", &at]);
    let ext = super::open(&path);
    let (seen, image) = (of(&ext), ext.device());
    let all = count(image, TOKEN);
    let mut inside = 0;
    for (extent, _) in seen {
        inside += count(&image[to_usize(extent.start)..to_usize(extent.end())], TOKEN);
    }
    assert!(inside > 10 && inside == all, "{inside} of {all}");
    let mut ext = ext;
    ext.recover().unwrap();
    fs::write(&path, ext.device()).unwrap();
    let (output, _) = clean(&path, "sealed");
    fs::write(&path, &output).unwrap();
    assert_clean(&path, "sealed");
    assert_eq!((count(&output, TOKEN), of(&super::open(&path))), (0, Vec::new()));
}
