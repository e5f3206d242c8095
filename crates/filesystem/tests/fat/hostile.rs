//! Images that lie: one patched field, the exact error; and thousands of patched bytes without a panic.

use block::to_usize;
use filesystem::{Change, Claim, Filesystem, FilesystemMut, InodeId, Owner, Result, Target, fat::Fat};

use crate::support::{Image, live, our_tree, tails, target};

/// First byte of FAT, root directory and data of a FAT16 with 512-byte sectors.
struct Layout {
    fat: usize,
    root: usize,
    data: usize,
}

fn word(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn layout(bytes: &[u8]) -> Layout {
    let fat = word(bytes, 14) * 512;
    let root = fat + usize::from(bytes[16]) * word(bytes, 22) * 512;
    Layout { fat, root, data: root + word(bytes, 17) * 32 }
}

/// `/A.TXT` in clusters 2 to 4, `/B.TXT` in 5 and 6, `/DIR` in 7, `/DIR/SUB` in 8.
fn sample() -> (Image, Vec<u8>, Layout) {
    let image = Image::new(4096, &["-F", "16", "-s", "1", "-r", "64"]);
    image.put("A.TXT", &[b'a'; 1400]);
    image.put("B.TXT", &[b'b'; 600]);
    image.mtool("mmd", &["::DIR", "::DIR/SUB"]);
    let bytes = image.bytes();
    let layout = layout(&bytes);
    (image, bytes, layout)
}

fn set(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

fn claims(bytes: &[u8]) -> Result<()> {
    Fat::open(bytes.to_vec())?.claims(&mut |_, _| Ok(()))
}

#[test]
fn every_lie_has_its_sentence() {
    let (_image, good, Layout { fat, root, data }) = sample();
    claims(&good).unwrap();
    let open = Fat::open(good.clone()).unwrap();
    let entry = |path| to_usize(target(&open, path).inode.0);
    let (a, b, dir, sub) = (entry("/A.TXT"), entry("/B.TXT"), entry("/DIR"), entry("/DIR/SUB"));
    assert_eq!((a, b, dir, sub), (root, root + 32, root + 64, data + 5 * 512 + 64));
    let last = 2 + (good.len() - data) / 512 - 1;
    let link = |cluster: usize| fat + 2 * cluster;
    let range = format!("2 to {last}");
    let at = |entry: usize| format!("directory entry at byte {entry}");

    type Case = (Vec<(usize, u16)>, String);
    let cases: [Case; 16] = [
        (vec![(link(4), 2)], format!("{}: cluster chain is cyclic, expected one that ends", at(a))),
        (vec![(link(4), 4)], format!("{}: cluster chain is cyclic, expected one that ends", at(a))),
        (vec![(link(7), 7)], format!("{}: cluster chain is cyclic, expected one that ends", at(dir))),
        (vec![(b + 26, 2)], "cluster 2: number of references is 2, expected 1".into()),
        (vec![(link(6), 4)], "cluster 4: number of references is 2, expected 1".into()),
        (vec![(sub + 26, 7)], "cluster 7: number of references is 2, expected 1".into()),
        (
            vec![(a + 28, 1537)],
            format!(
                "{}: length of the cluster chain in bytes is 1536, expected at least 1537, the file's size",
                at(a)
            ),
        ),
        (vec![(a + 26, 0)], format!("{}: first cluster is 0, expected {range}", at(a))),
        (vec![(a + 26, 60000)], format!("{}: first cluster is 60000, expected {range}", at(a))),
        (vec![(dir + 26, 0)], format!("{}: first cluster is 0, expected {range}", at(dir))),
        (
            vec![(link(3), 60000)],
            format!("cluster 3: entry in the FAT is 60000, expected {range} or an end mark"),
        ),
        (vec![(link(3), 1)], format!("cluster 3: entry in the FAT is 1, expected {range} or an end mark")),
        (
            vec![(link(3), 0)],
            format!("cluster 3: entry in the FAT is 0 (free), expected {range} or an end mark"),
        ),
        (
            vec![(link(3), 0xfff7)],
            format!("cluster 3: entry in the FAT is 0xfff7 (bad), expected {range} or an end mark"),
        ),
        (vec![(a, 0x2f41)], format!("{}: name is one with a slash or NUL, expected one without", at(a))),
        (vec![(22, 1)], "boot sector: sectors per FAT is 1, expected at least 32 for 8185 clusters".into()),
    ];
    for (patches, expected) in cases {
        let mut bad = good.clone();
        for (at, value) in patches {
            set(&mut bad, at, value);
        }
        assert_eq!(claims(&bad).unwrap_err().to_string(), expected);
    }
    let short = &good[..good.len() - 512];
    let expected =
        "boot sector: total number of sectors is 8192, expected at most 8191, which the volume has";
    assert_eq!(claims(short).unwrap_err().to_string(), expected);
    assert_eq!(
        claims(&good[..100]).unwrap_err().to_string(),
        "volume: size is 100, expected at least 512 bytes"
    );
}

/// What fsck.fat complains about but what harms nobody is kept as it is, and not live.
#[test]
fn lost_and_surplus_clusters() {
    let (image, good, Layout { fat, root, .. }) = sample();
    let a = target(&Fat::open(&good).unwrap(), "/A.TXT").inode;
    let (mut lost, mut surplus) = (good.clone(), good);
    set(&mut lost, fat + 2 * 100, 0xffff);
    set(&mut surplus, root + 28, 500); // the size of A.TXT
    for copy in [&mut lost, &mut surplus] {
        let size = word(copy, 22) * 512;
        copy.copy_within(fat..fat + size, fat + size);
        let filesystem = Fat::open(&*copy).unwrap();
        let mut claimed = Vec::new();
        filesystem
            .claims(&mut |extent, _| {
                claimed.push(extent);
                Ok(())
            })
            .unwrap();
        let unowned = filesystem.allocated().unwrap().difference(&claimed.into_iter().collect());
        image.write(copy);
        let output = crate::support::tool("fsck.fat", &["-n", image.path()]);
        let says = String::from_utf8_lossy(&output.stdout);
        if unowned.is_empty() {
            let mut held = 0;
            filesystem
                .claims(&mut |extent, claim| {
                    held += if claim == Claim::Live(Owner::Data(a)) { extent.len } else { 0 };
                    Ok(())
                })
                .unwrap();
            assert_eq!(held, 500);
            assert!(says.contains("File size is 500 bytes, cluster chain length is > 512 bytes"), "{says}");
        } else {
            assert_eq!(unowned.total(), 512);
            assert!(says.contains("Reclaimed 1 unused cluster (512 bytes)"), "{says}");
        }
    }
}

/// A name leads to one file, long or 8.3 and whatever its case: else nobody can say which of them a rule takes.
#[test]
fn a_name_twice_is_refused() {
    let (_image, good, Layout { root, .. }) = sample();
    let names =
        |bytes: &[u8]| Fat::open(bytes.to_vec()).unwrap().check_names().map_err(|error| error.to_string());
    names(&good).unwrap();
    let twice = format!(
        "root directory: directory entry's name is the same for inodes {root} and {}, expected each name once",
        root + 32
    );
    for same in [b'A', b'a'] {
        let mut bytes = good.clone();
        bytes[root + 32] = same;
        assert_eq!(names(&bytes), Err(twice.clone()), "{same}");
    }
    // The 8.3 name of one is the long name of another.
    let image = Image::new(4096, &["-F", "16", "-s", "1", "-r", "64"]);
    image.put("a long name.txt", b"x");
    image.put("ALONGN~2.TXT", b"y");
    let mut bytes = image.bytes();
    names(&bytes).unwrap();
    let at = bytes.windows(11).position(|bytes| bytes == b"ALONGN~2TXT").unwrap();
    bytes[at + 7] = b'1';
    names(&bytes).unwrap_err();
}

#[test]
fn wrong_inodes_are_refused() {
    let (_image, good, Layout { root, .. }) = sample();
    let mut fat = Fat::open(good).unwrap();
    let message = |result: Result<()>| result.unwrap_err().to_string();
    let root = u64::try_from(root).unwrap();
    let free = |at: u64| format!("directory entry at byte {at}: state is free, expected a file or directory");
    for at in [1, 512, root + 1, root + 32 * 10, 4096 * 1024 - 8, u64::MAX] {
        assert_eq!(message(fat.metadata(InodeId(at)).map(drop)), free(at));
    }
    let a = InodeId(root);
    let says = |field: &str| format!("directory entry at byte {root}: kind is a file, expected {field}");
    assert_eq!(message(fat.entries(a, &mut |_| Ok(()))), says("a directory"));
    assert_eq!(message(fat.link_target(a).map(drop)), says("a symbolic link"));
    let read = fat.read(InodeId(0), 0, &mut [0]).map(drop);
    assert_eq!(message(read), "root directory: kind is a directory, expected a file");
    let gone = Target { parent: InodeId(0), name: b"a.txt".to_vec(), inode: a };
    let absent = "root directory: name to change is absent, expected present";
    assert_eq!(message(fat.supports(&gone, &Change::Remove)), absent);
    assert_eq!(message(fat.change(&gone, &Change::Remove)), absent);
    let dir = target(&fat, "/DIR");
    let expected = format!(
        "directory entry at byte {}: replacing the content of a directory is not supported",
        dir.inode.0
    );
    assert_eq!(message(fat.change(&dir, &Change::Truncate)), expected);
}

/// 600 directories, each in the one before.
#[test]
fn too_deep_a_tree_is_refused() {
    let (_image, mut bytes, Layout { fat, data, root }) = sample();
    let mut slot = *b"DEEP       \x10____________________";
    slot[12..32].fill(0);
    let mut at = root + 96;
    for cluster in 20..620u16 {
        slot[26..28].copy_from_slice(&cluster.to_le_bytes());
        bytes[at..at + 32].copy_from_slice(&slot);
        set(&mut bytes, fat + 2 * usize::from(cluster), 0xffff);
        at = data + (usize::from(cluster) - 2) * 512;
        bytes[at..at + 512].fill(0);
    }
    let at = data + (20 + 512 - 1 - 2) * 512;
    let expected =
        format!("directory entry at byte {at}: a directory more than 512 levels deep is not supported");
    assert_eq!(claims(&bytes).unwrap_err().to_string(), expected);
}

/// Uses everything; whatever was sound before the edits must be sound behind them.
fn exercise(bytes: &[u8]) -> bool {
    let mut view = bytes.to_vec();
    let Ok(mut fat) = Fat::open(&mut view) else { return false };
    let _ = (fat.summary().unwrap(), our_tree(&fat), fat.allocated());
    if live(&fat).is_err() {
        return false;
    }
    let root = fat.root().unwrap();
    let mut targets = Vec::new();
    let mut collect = |entry: filesystem::Entry| {
        targets.push(Target { parent: root, name: entry.name, inode: entry.inode });
        Ok(())
    };
    fat.entries(root, &mut collect).unwrap();
    fat.recover().unwrap();
    let contents = [Change::Overwrite(vec![7; 3000]), Change::Truncate, Change::Overwrite(vec![8; 700])];
    for edit in contents.iter().chain([&Change::Remove]) {
        for target in targets.iter().take(3) {
            if fat.supports(target, edit).is_ok() {
                fat.change(target, edit).unwrap();
                live(&fat).unwrap();
            }
        }
    }
    fat.scrub().unwrap();
    live(&fat).unwrap();
    assert_eq!(fat.scrub().unwrap(), 0, "a second scrub found something");
    assert_eq!(tails(&fat), [], "what the scrub left");
    drop(fat);
    Fat::open(&mut view).unwrap();
    true
}

fn mutate(good: &[u8], ranges: &[(usize, usize)]) {
    assert!(exercise(good));
    let (mut bad, mut sound, mut all) = (good.to_vec(), 0, 0);
    for &(start, len) in ranges {
        for at in start..start + len {
            let old = good[at];
            for new in [0, 1, 0x0f, 0xe5, 0xff, old ^ 0x01, old ^ 0x10, old ^ 0x80, old.wrapping_add(1)] {
                bad[at] = new;
                all += 1;
                sound += u32::from(exercise(&bad));
            }
            bad[at] = old;
        }
    }
    assert!(sound > all / 20 && sound < all, "{sound} of {all}");
}

#[test]
fn patched_bytes_of_fat12() {
    let image = Image::new(64, &["-F", "12", "-s", "1", "-r", "16", "-n", "LABEL"]);
    image.put("a long name.txt", &[b'a'; 1400]);
    image.put("B.TXT", &[b'b'; 600]);
    image.mtool("mmd", &["::DIR", "::DIR/subdirectory"]);
    image.put("DIR/x", b"content");
    image.put("DIR/a name that is deleted", b"content");
    image.mtool("mdel", &["::DIR/a name that is deleted"]);
    let bytes = image.bytes();
    let Layout { fat, root, data } = layout(&bytes);
    let dir =
        data + (word(&bytes, to_usize(target(&Fat::open(&bytes).unwrap(), "/DIR").inode.0) + 26) - 2) * 512;
    mutate(&bytes, &[(0, 64), (510, 2), (fat, 32), (root, 12 * 32), (dir, 12 * 32)]);
}

#[test]
fn patched_bytes_of_fat32() {
    let image = Image::new(256, &["-F", "32", "-s", "1", "-R", "8"]);
    let mut bytes = image.bytes();
    let (fat, root) = (8 * 512, 8 * 512 + 2 * word(&bytes, 36) * 512);
    // A.TXT in 3 and 4; DIR in 5 with the dot entries.
    let mut slots = [*b"A       TXT\x20____________________"; 4];
    for (slot, (name, attributes, first, size)) in slots.iter_mut().zip([
        (b"A       TXT", 0x20, 3, 700u32),
        (b"DIR        ", 0x10, 5, 0),
        (b".          ", 0x10, 5, 0),
        (b"..         ", 0x10, 0, 0),
    ]) {
        *slot = [0; 32];
        slot[..11].copy_from_slice(name);
        (slot[11], slot[26]) = (attributes, first);
        slot[28..].copy_from_slice(&size.to_le_bytes());
    }
    bytes[root + 512..root + 4 * 512].fill(0);
    bytes[root..root + 64].copy_from_slice(&slots[..2].concat());
    bytes[root + 3 * 512..root + 3 * 512 + 64].copy_from_slice(&slots[2..].concat());
    for (cluster, next) in [(3, 4u32), (4, 0x0fff_ffff), (5, 0x0fff_ffff)] {
        for copy in [fat, fat + word(&bytes, 36) * 512] {
            bytes[copy + 4 * cluster..copy + 4 * cluster + 4].copy_from_slice(&next.to_le_bytes());
        }
    }
    let free = u16::try_from(word(&bytes, 512 + 488)).unwrap() - 3;
    set(&mut bytes, 512 + 488, free);
    image.write(&bytes);
    image.assert_clean("forged");
    mutate(&bytes, &[(0, 90), (512, 16), (512 + 480, 32), (fat, 32), (root, 96), (root + 3 * 512, 96)]);
}
