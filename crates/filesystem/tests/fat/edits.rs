//! Real images: what we read, edit and keep, by the word of mtools, fsck.fat and blkid.

use block::{BlockRead, BlockWrite};
use filesystem::{Change, Filesystem, FilesystemMut, NewEntry, NewKind, fat::Fat};

use crate::support::{Image, change, contains, our_tree, run, sanitize, utf16};

/// Size in KiB and mkfs.fat options.
const VARIANTS: &[(usize, &[&str])] = &[
    (2048, &["-F", "12", "-n", "ESPLABEL", "-i", "1234ABCD"]),
    (1001, &["-F", "12", "-s", "1", "-a"]),
    (4097, &["-F", "12", "-s", "4", "-f", "1"]),
    (4096, &["-F", "12", "-S", "1024", "-s", "2", "-R", "5"]),
    (16384, &["-F", "16", "-n", "EFI ESP"]),
    (24576, &["-F", "16", "-s", "2", "-f", "1", "-R", "8", "-r", "1024"]),
    (40960, &["-F", "16", "-S", "4096", "-s", "1"]),
    (36864, &["-F", "32", "-s", "1", "-n", "ESP32"]),
    (36864, &["-F", "32", "-s", "1", "-f", "1", "-R", "64", "-b", "12"]),
    (36864, &["-F", "32", "-s", "1", "-f", "3"]),
    (36864, &["-F", "32", "-s", "1", "-R", "3", "-b", "2"]),
];

/// mtools takes a FAT32 of less than 65525 clusters for a FAT16; Linux, firmware, fsck.fat and we do not.
const FEW_CLUSTERS: &[(usize, &[&str])] = &[
    (8192, &["-F", "32", "-s", "8", "-n", "SMALL"]),
    (8192, &["-F", "32", "-S", "2048", "-s", "1"]),
    (16384, &["-F", "32", "-S", "4096", "-s", "2", "-f", "1", "-R", "3", "-b", "2"]),
];

/// fsck.fat 4.2 knows one or two FATs only.
fn checkable(options: &[&str]) -> bool {
    !options.windows(2).any(|pair| pair == ["-f", "3"])
}

/// Keeps and secrets, some of them deleted. Deleted names consist of letters that no other name has.
fn populate(image: &Image) {
    let keep = b"keep this ".repeat(1777);
    for dir in ["EFI", "EFI/BOOT", "EFI/A long directory name", "EFI/qzvjx-deleted-directory"] {
        image.mtool("mmd", &[&format!("::{dir}")]);
    }
    image.put("EFI/BOOT/BOOTX64.EFI", &keep);
    for number in 0..12 {
        image.put(&format!("EFI/qzvjx-qzvjx-qzvjx-qzvjx-{number}.qzv"), &b"DELETED!".repeat(400));
    }
    image.put("EFI/qzvjx-deleted-directory/QZVJX.QZV", &b"DELETED!".repeat(900));
    image.put("EFI/keep me, a long name.txt", &keep[..5000]);
    image.put("EFI/A long directory name/äöü ☃ 𝄞 unicode.conf", b"snow");
    image.put("EFI/A long directory name/lower.txt", b"");
    image.put("EFI/A long directory name/secret key.pem", &b"TRUNCATE".repeat(999));
    image.put("EFI/A long directory name/grow.cfg", b"OVERWRITE");
    image.put("EFI/A long directory name/shrink.cfg", &b"OVERWRITE".repeat(3000));
    image.mtool("mmd", &["::REMOVED", "::REMOVED/deeper and deeper"]);
    image.put("REMOVED/deeper and deeper/zzyyxx.txt", &b"REMOVED!".repeat(2222));
    image.put("exactly.bin", &vec![b'x'; 4096]);
    image.mtool("mdel", &["::EFI/qzvjx-qzvjx-*.qzv"]);
    image.mtool("mdel", &["::EFI/qzvjx-deleted-directory/QZVJX.QZV"]);
    image.mtool("mrd", &["::EFI/qzvjx-deleted-directory"]);
    image.mtool("mren", &["::exactly.bin", "renamed to a longer name.bin"]);
}

#[test]
fn what_goes_is_gone_and_what_stays_is_the_same_on_fat12() {
    what_goes_is_gone_and_what_stays_is_the_same("12");
}

#[test]
fn what_goes_is_gone_and_what_stays_is_the_same_on_fat16() {
    what_goes_is_gone_and_what_stays_is_the_same("16");
}

#[test]
fn what_goes_is_gone_and_what_stays_is_the_same_on_fat32() {
    what_goes_is_gone_and_what_stays_is_the_same("32");
}

fn what_goes_is_gone_and_what_stays_is_the_same(bits: &str) {
    for (kib, options) in VARIANTS.iter().filter(|(_, options)| options[1] == bits) {
        let image = Image::new(*kib, options);
        populate(&image);
        let check = |when: &str| {
            if checkable(options) {
                image.assert_clean(&format!("{options:?} {when}"));
            }
        };
        check("as made");
        let before = image.bytes();
        let mut tree = image.mtools_tree();
        assert_eq!(our_tree(&Fat::open(before.clone()).unwrap()).unwrap(), tree, "{options:?}");

        // Nothing to edit: all names and contents are the same, and residue is gone.
        let clean = sanitize(&before, |_| {});
        image.write(&clean);
        check("scrubbed");
        assert_eq!(image.mtools_tree(), tree);
        let mut gone = vec![b"PREFILL".to_vec(), b"DELETED!".to_vec(), b"ZVJX".to_vec()];
        gone.extend(["qz", "zv", "vj", "jx"].map(utf16));
        for token in &gone {
            assert!(contains(&before, token), "{options:?}: {token:?} was not planted");
            assert!(!contains(&clean, token), "{options:?}: {token:?} is left");
        }
        assert!(sanitize(&clean, |_| {}) == clean, "{options:?}: the second run changed something");

        // Every edit, with fsck.fat after each.
        let mut view = before;
        let dir = "/EFI/A long directory name";
        let larger = b"bigger".repeat(5000);
        let edits: [(String, Change); 6] = [
            ("/REMOVED".into(), Change::Remove),
            (format!("{dir}/secret key.pem"), Change::Truncate),
            (format!("{dir}/grow.cfg"), Change::Overwrite(larger)),
            (format!("{dir}/shrink.cfg"), Change::Overwrite(b"less".to_vec())),
            (format!("{dir}/lower.txt"), Change::Remove),
            ("/renamed to a longer name.bin".into(), Change::Overwrite(vec![])),
        ];
        for (path, edit) in edits {
            change(&mut Fat::open(&mut view).unwrap(), &path, &edit);
            match edit {
                Change::Remove => {
                    let below = format!("{path}/");
                    tree.retain(|other, _| *other != path && !other.starts_with(&below));
                }
                Change::Truncate => drop(tree.insert(path.clone(), Some(vec![]))),
                Change::Overwrite(data) => drop(tree.insert(path.clone(), Some(data))),
            }
            image.write(&view);
            check(&path);
            assert_eq!(image.mtools_tree(), tree, "{options:?} {path}");
            assert_eq!(our_tree(&Fat::open(&mut view).unwrap()).unwrap(), tree);
        }
        let clean = sanitize(&view, |_| {});
        image.write(&clean);
        check("edited and scrubbed");
        assert_eq!(image.mtools_tree(), tree);
        gone.extend([&b"TRUNCATE"[..], b"OVERWRITE", b"REMOVED", b"EEPER"].map(<[u8]>::to_vec));
        gone.extend(["zzyy", "deep"].map(utf16));
        for token in gone {
            assert!(!contains(&clean, &token), "{options:?}: {token:?} is left");
        }
        assert!(sanitize(&clean, |_| {}) == clean);
    }
}

#[test]
fn summary_is_what_blkid_says() {
    for (kib, options) in VARIANTS.iter().chain(FEW_CLUSTERS) {
        let image = Image::new(*kib, options);
        let summary = Fat::open(image.bytes()).unwrap().summary().unwrap();
        let blkid = |tag| run("blkid", &["-p", "-o", "value", "-s", tag, image.path()]).trim_end().to_owned();
        assert_eq!(blkid("TYPE"), summary.kind);
        assert_eq!(blkid("VERSION"), summary.features[0]);
        assert_eq!(blkid("UUID"), summary.uuid);
        assert_eq!(blkid("LABEL"), summary.label, "{options:?}");
        assert!(!summary.dirty);
        assert!(summary.size <= image.bytes().size());
    }
}

#[test]
fn a_fat32_with_few_clusters_is_one() {
    for (kib, options) in FEW_CLUSTERS {
        let image = Image::new(*kib, options);
        let mut bytes = image.bytes();
        let sector = usize::from(u16::from_le_bytes([bytes[11], bytes[12]]));
        bytes[sector + 5] = b'x'; // FSI_Reserved1
        if sector > 512 {
            bytes[sector + 600] = b'x';
        }
        let clean = sanitize(&bytes, |_| {});
        image.write(&clean);
        image.assert_clean(&format!("{options:?}"));
        assert!(!contains(&clean, b"PREFILL") && !contains(&clean[sector..], b"x"), "{options:?}");
        assert!(sanitize(&clean, |_| {}) == clean);
    }
}

/// Residue in every place that a format tool, a driver or a careless writer can leave it.
#[test]
fn planted_residue_is_wiped_and_the_rest_stays() {
    let (mut padded, mut half_bytes) = (0, 0);
    for (kib, options) in VARIANTS {
        let image = Image::new(*kib, options);
        image.put("a name of sixteen", b"content");
        image.put("KEPT.TXT", &[b'k'; 700]);
        let tree = image.mtools_tree();
        let mut bytes = image.bytes();
        let clean = sanitize(&bytes, |_| {});
        let word = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let (sector, reserved, fats) = (word(11), word(14), usize::from(bytes[16]));
        let is32 = word(22) == 0;
        let fat_size = sector * if is32 { word(36) } else { word(22) };
        let root = sector * reserved + fats * fat_size; // FAT32: its first cluster is the first
        let token = b"RESIDUE";
        let (info, backup) = (word(48), word(50));
        let used = [0, info, 2, 12, backup, backup + info, backup + 2];
        let mut places: Vec<usize> = (1..reserved)
            .filter(|number| !is32 || !used.contains(number))
            .map(|number| number * sector + 100)
            .collect();
        if is32 {
            places.extend([sector + 4, sector + 477, sector + 496]); // FSI_Reserved1 and 2
        }
        // The second FAT, and the FATs' padding.
        let total = match word(19) {
            0 => word(32) | word(34) << 16,
            total => total,
        };
        let bits: usize = options[1].parse().unwrap();
        let data = root + word(17) * 32;
        let clusters = (total * sector - data) / (sector * usize::from(bytes[13]));
        let entries = ((clusters + 2) * bits).div_ceil(8);
        for start in (0..fats).map(|number| sector * reserved + number * fat_size) {
            if start > sector * reserved {
                places.push(start + entries / 2);
            }
            if entries + 7 <= fat_size {
                places.push(start + entries);
                padded += 1;
            }
            if bits == 12 && clusters % 2 == 1 {
                bytes[start + entries - 1] |= 0xf0;
                half_bytes += 1;
            }
        }
        let found = contains(&bytes, &utf16("a nam"));
        assert!(found, "the long name is not where this test expects it");
        // Behind the NUL of "a name of sixteen" (17 characters; the second part has 9 characters of padding).
        let part = (root..).step_by(32).find(|&at| bytes[at] == 0x42).unwrap();
        bytes[part + 20..part + 26].copy_from_slice(b"RESIDU");
        // Slots far behind the end of the root directory.
        places.push(root + 32 * 14 + 3);
        for &place in &places {
            bytes[place..place + 7].copy_from_slice(token);
        }
        // An orphaned part of a long name, and a deleted slot, behind the last name.
        let end = (root..).step_by(32).find(|&at| bytes[at] == 0).unwrap();
        let orphan: &[u8] = b"\x41RESIDUE---\x0f\0\x55RESIDUERESI-\0\0RESI";
        bytes[end..end + 32].copy_from_slice(&orphan[..32]);
        bytes[end + 32..end + 43].copy_from_slice(b"\xe5ESIDUETXT ");
        // Slack of the last cluster was PREFILL already.
        let wiped = sanitize(&bytes, |_| {});
        assert!(!contains(&wiped, b"RESI") && !contains(&wiped, b"ESIDU"), "{options:?}");
        assert!(wiped == clean, "{options:?}: something else changed");
        image.write(&wiped);
        if checkable(options) {
            image.assert_clean(&format!("{options:?}"));
        }
        assert_eq!(image.mtools_tree(), tree);
    }
    assert!(padded > 0 && half_bytes > 0, "{padded} {half_bytes}");
}

#[test]
fn a_full_volume_refuses_growth_and_changes_nothing() {
    let image = Image::new(256, &["-F", "12", "-s", "1"]);
    image.put("A.TXT", b"small");
    let mut view = image.bytes();
    let before = view.clone();
    let mut fat = Fat::open(&mut view).unwrap();
    let target = crate::support::target(&fat, "/A.TXT");
    let edit = Change::Overwrite(vec![1; 256 << 10]);
    let error = fat.change(&target, &edit).unwrap_err().to_string();
    assert_eq!(error, fat.supports(&target, &edit).unwrap_err().to_string());
    let expected = ": growing to 262144 bytes with 242688 bytes free is not supported";
    assert!(error.ends_with(expected), "{error}");
    drop(fat);
    assert!(view == before);
    // To the last cluster, and back.
    change(&mut Fat::open(&mut view).unwrap(), "/A.TXT", &Change::Overwrite(vec![1; 242_688 + 512]));
    image.write(&view);
    image.assert_clean("full");
    change(&mut Fat::open(&mut view).unwrap(), "/A.TXT", &Change::Truncate);
    image.write(&view);
    image.assert_clean("empty");
}

#[test]
fn the_dirty_bits_are_cleared() {
    for (kib, options) in [(16384, ["-F", "16"]), (36864, ["-F", "32"])] {
        let image = Image::new(kib, &options);
        let clean = image.bytes();
        let is32 = options[1] == "32";
        let fat = 512 * usize::from(u16::from_le_bytes([clean[14], clean[15]]));
        let (state, flags) = if is32 { (65, fat + 7) } else { (37, fat + 3) };
        for (at, bit) in [(state, 0x01), (flags, if is32 { 0x08 } else { 0x80 })] {
            let mut dirty = clean.clone();
            dirty[at] ^= bit;
            image.write(&dirty);
            let mut filesystem = Fat::open(&mut dirty).unwrap();
            assert!(filesystem.summary().unwrap().dirty);
            filesystem.recover().unwrap();
            assert!(!filesystem.summary().unwrap().dirty);
            filesystem.scrub().unwrap();
            drop(filesystem);
            image.write(&dirty);
            image.assert_clean("recovered");
            assert!(!Fat::open(&mut dirty).unwrap().summary().unwrap().dirty);
            dirty.write_at(0, &clean[..fat]).unwrap();
            assert_eq!(sanitize(&dirty, |_| {}), sanitize(&clean, |_| {}));
        }
    }
}

/// `BPB_ExtFlags` 0x81: only the second FAT is in use. The first is stale, and becomes like it.
#[test]
fn the_active_fat_is_believed() {
    let image = Image::new(36864, &["-F", "32", "-s", "1"]);
    image.put("KEPT.TXT", &[b'k'; 7000]);
    image.put("LESS.TXT", &[b'l'; 7000]);
    let good = image.bytes();
    let fats = 512 * usize::from(u16::from_le_bytes([good[14], good[15]]));
    let size = 512 * usize::from(u16::from_le_bytes([good[36], good[37]]));
    let tree = our_tree(&Fat::open(good.clone()).unwrap()).unwrap();
    let mut view = good.clone();
    view[40] = 0x81;
    view[6 * 512 + 40] = 0x81;
    view[fats + 16..fats + size].fill(0x5a);
    let mut fat = Fat::open(&mut view).unwrap();
    assert_eq!(our_tree(&fat).unwrap(), tree);
    let note = "the FATs differ; number 2 is used, and copied over the others";
    assert_eq!(fat.summary().unwrap().notes, [note]);
    change(&mut fat, "/LESS.TXT", &Change::Truncate);
    drop(fat);
    assert!(view[fats + 16..fats + size].iter().all(|&byte| byte == 0x5a), "the inactive FAT was edited");
    let clean = sanitize(&view, |_| {});
    assert!(clean[fats..fats + size] == clean[fats + size..fats + 2 * size]);
    image.write(&clean);
    image.assert_clean("after the scrub");
    assert_eq!(image.mtools_tree()["/KEPT.TXT"], tree["/KEPT.TXT"]);
    assert_eq!(image.mtools_tree()["/LESS.TXT"], Some(vec![]));
}

#[test]
fn no_file_is_made() {
    let image = Image::new(2048, &["-F", "12"]);
    let mut fat = Fat::open(image.bytes()).unwrap();
    let root = fat.root().unwrap();
    let kind = NewKind::File(b"new".to_vec());
    let new = NewEntry { kind, mode: 0o644, uid: 0, gid: 0, time: 0, attributes: Vec::new() };
    let words = "filesystem: creating files in all but ext2, ext3, ext4 and XFS is not supported";
    assert_eq!(fat.supports_create(root, b"new", &new).unwrap_err().to_string(), words);
    assert_eq!(fat.create(root, b"new", &new).unwrap_err().to_string(), words);
    assert!(*fat.device() == image.bytes());
}
