//! What `judge` and `compare_trees` see, on filesystems made by mke2fs and mkfs.fat: each kind of residue is
//! planted by hand, and has to be found where it is.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::{fs, path::Path, process::Command, sync::Arc};

use block::{BlockRead, Extent, ExtentSet, Overlay, to_u64, to_usize};
use filesystem::{Claim, Content, Filesystem, Residue};
use verify::{Expected, Finding, Options, Reader, Region, compare_trees, judge};

const SIZE: u64 = 8 << 20;

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program)
        .args(args)
        .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap()))
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An ext4 with some files; what nobody claims is zero, and what stays is scrubbed.
fn clean_ext4() -> Vec<u8> {
    clean_ext4_with("metadata_csum")
}

fn clean_ext4_with(feature: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::write(tree.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
    fs::write(tree.join("large"), vec![b'x'; 300_001]).unwrap();
    std::os::unix::fs::symlink("etc/passwd", tree.join("link")).unwrap();
    let image = dir.path().join("image");
    fs::File::create(&image).unwrap().set_len(SIZE).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    run("mke2fs", &["-q", "-t", "ext4", "-O", feature, "-d", &path(&tree), &path(&image)]);
    live_only(fs::read(&image).unwrap(), Content::Ext)
}

fn clean_fat() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    fs::File::create(&image).unwrap().set_len(SIZE).unwrap();
    fs::write(dir.path().join("a long file name.txt"), vec![b'y'; 5000]).unwrap();
    let image_path = image.to_str().unwrap();
    run("mkfs.fat", &["-F", "16", "-s", "1", image_path]);
    run("mcopy", &["-i", image_path, dir.path().join("a long file name.txt").to_str().unwrap(), "::/"]);
    live_only(fs::read(&image).unwrap(), Content::Fat)
}

/// The scrubbed disk with all that is not live as zero.
fn live_only(disk: Vec<u8>, content: Content) -> Vec<u8> {
    let mut view = Overlay::new(disk);
    let mut filesystem = filesystem::open_mut(&mut view, content).unwrap();
    filesystem.recover().unwrap();
    filesystem.scrub().unwrap();
    let live = live(&*filesystem);
    drop(filesystem);
    let mut out = vec![0; to_usize(view.size())];
    for extent in live.iter() {
        let range = to_usize(extent.start)..to_usize(extent.end());
        view.read_at(extent.start, &mut out[range]).unwrap();
    }
    out
}

fn live(filesystem: &dyn Filesystem) -> ExtentSet {
    let mut live = Vec::new();
    let mut keep = |extent, claim| {
        if matches!(claim, Claim::Live(_)) {
            live.push(extent);
        }
        Ok(())
    };
    filesystem.claims(&mut keep).unwrap();
    live.into_iter().collect()
}

fn judged(disk: &[u8]) -> Vec<Finding> {
    let device: Arc<dyn BlockRead> = Arc::new(disk.to_vec());
    judge(&device, Options { content: true, ..Options::default() }).unwrap().findings
}

/// A byte of the disk that is dead for this reason.
fn dead(disk: &[u8], content: Content, wanted: Residue) -> u64 {
    let filesystem = filesystem::open(disk.to_vec(), content).unwrap();
    let mut found: Option<Extent> = None;
    let mut look = |extent: Extent, claim| {
        if matches!(claim, Claim::Dead(residue, _) if residue == wanted) && !extent.is_empty() {
            found.get_or_insert(extent);
        }
        Ok(())
    };
    filesystem.claims(&mut look).unwrap();
    found.unwrap_or_else(|| panic!("nothing is {wanted:?}")).end() - 1
}

fn plant(disk: &[u8], at: u64) -> Vec<Finding> {
    let mut disk = disk.to_vec();
    assert_eq!(disk[to_usize(at)], 0);
    disk[to_usize(at)] = b'S';
    judged(&disk)
}

fn residue(region: Region, first: u64) -> Vec<Finding> {
    vec![Finding::Residue { volume: Some(0), region, first, bytes: 1 }]
}

#[test]
fn a_clean_image_is_clean_for_all_readers() {
    for disk in [clean_ext4(), clean_fat()] {
        let device: Arc<dyn BlockRead> = Arc::new(disk);
        let verdict = judge(&device, Options { content: true, ..Options::default() }).unwrap();
        assert_eq!(verdict.findings, []);
        assert_eq!(verdict.opinions.len(), 1);
        assert_eq!(verdict.opinions[0].refused, None);
        assert!(verdict.opinions[0].compared > 0);
        assert!(verdict.live > 0 && verdict.examined > 0);
    }
}

/// ext4-view cannot read a hole in a block map: what it does not see is no difference.
#[test]
fn a_sparse_file_without_extents_is_no_finding() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, image) = (dir.path().join("tree"), dir.path().join("image"));
    fs::create_dir(&tree).unwrap();
    let sparse = fs::File::create(tree.join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", 50_000).unwrap();
    fs::File::create(&image).unwrap().set_len(SIZE).unwrap();
    run("mke2fs", &["-q", "-t", "ext2", "-d", tree.to_str().unwrap(), image.to_str().unwrap()]);
    let disk = live_only(fs::read(&image).unwrap(), Content::Ext);
    assert_eq!(judged(&disk), []);
}

/// ext4-view takes an unwritten extent for a much longer one: what it reads behind it is no difference.
#[test]
fn a_preallocated_file_is_no_finding() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, image, behind) =
        (dir.path().join("tree"), dir.path().join("image"), dir.path().join("behind"));
    fs::create_dir(&tree).unwrap();
    fs::File::create(tree.join("file")).unwrap().set_len(40_000).unwrap();
    fs::write(&behind, vec![b'x'; 100_000]).unwrap();
    fs::File::create(&image).unwrap().set_len(SIZE).unwrap();
    let to = image.to_str().unwrap();
    run("mke2fs", &["-q", "-t", "ext4", "-b", "1024", "-d", tree.to_str().unwrap(), to]);
    // Four blocks at its front that were never written, then a hole; on the disk, what another file has follows.
    run("debugfs", &["-w", "-R", "fallocate /file 0 3", to]);
    run("debugfs", &["-w", "-R", &format!("write {} behind", behind.display()), to]);
    let disk = live_only(fs::read(&image).unwrap(), Content::Ext);
    assert_eq!(judged(&disk), []);
}

/// ext4-view calls an inode corrupt whose times lie before 1970, or where 32 bits have no room for them: it has no
/// opinion on these names, and one on all others.
#[test]
fn an_old_or_a_far_time_is_no_finding() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, image) = (dir.path().join("tree"), dir.path().join("image"));
    for name in ["old/below", "far/below", "now"] {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    for kind in ["ext2", "ext4"] {
        fs::File::create(&image).unwrap().set_len(SIZE).unwrap();
        let (from, to) = (tree.to_str().unwrap(), image.to_str().unwrap());
        run("mke2fs", &["-q", "-t", kind, "-O", "^resize_inode", "-d", from, to]);
        for request in [
            // 1969, on a directory and on a file; 2040, with its high bits behind the classic inode.
            "sif /old mtime 0xffffffff",
            "sif /far/below mtime 0x83aa7e80",
            "sif /far/below mtime_extra 1",
        ] {
            run("debugfs", &["-w", "-R", request, to]);
        }
        let disk = live_only(fs::read(&image).unwrap(), Content::Ext);
        assert_eq!(judged(&disk), [], "{kind}");
        let device: Arc<dyn BlockRead> = Arc::new(disk);
        for content in [false, true] {
            let verdict = judge(&device, Options { content, ..Options::default() }).unwrap();
            assert_eq!(verdict.findings, [], "{kind}");
            let opinion = &verdict.opinions[0];
            assert_eq!(opinion.refused.as_deref(), Some("times before 1970 or after 2038"), "{kind}");
            // All but what lies below /old: root's four names, and one.
            assert_eq!(opinion.compared, 5, "{kind}");
        }
    }
}

/// fatfs shows half of a pair of UTF-16 as U+FFFD, we as it is: that is no difference, and nothing else is hidden by it.
#[test]
fn a_long_name_that_is_no_text_is_no_finding() {
    let mut disk = clean_fat();
    let name = b"a\0 \0l\0o\0n\0";
    let at = disk.windows(name.len()).position(|bytes| bytes == name).unwrap();
    disk[at + 4..at + 6].copy_from_slice(&0xd82du16.to_le_bytes());
    assert_eq!(judged(&disk), []);
}

#[test]
fn each_kind_of_residue_is_found_where_it_is() {
    let disk = clean_ext4();
    let cases = [
        (Residue::Journal, Region::Journal),
        (Residue::Slack, Region::Slack),
        (Residue::DeadInode, Region::DeadInode),
    ];
    for (dead_by, region) in cases {
        let at = dead(&disk, Content::Ext, dead_by);
        assert_eq!(plant(&disk, at), residue(region, at), "{region:?}");
    }
    let filesystem = filesystem::open(disk.clone(), Content::Ext).unwrap();
    let free = filesystem.allocated().unwrap().complement(SIZE).iter().next().unwrap().start;
    drop(filesystem);
    assert_eq!(plant(&disk, free), residue(Region::Free, free));

    let disk = clean_fat();
    let at = dead(&disk, Content::Fat, Residue::Slack);
    assert_eq!(plant(&disk, at), residue(Region::Slack, at));
}

#[test]
fn another_reader_that_sees_another_tree_is_heard() {
    // A name that does not say what it leads to: we read the inode for it, ext4-view does not.
    let mut disk = clean_ext4_with("^metadata_csum");
    let at = disk.windows(6).position(|window| window == b"\x05\x01larg").expect("its name in the root");
    disk[at + 1] = 0;
    let findings = judged(&disk);
    let disagrees =
        |finding: &Finding| matches!(finding, Finding::Disagreement { reader: Reader::Ext4View, .. });
    assert!(findings.iter().any(disagrees), "one name has no kind, and nobody noticed: {findings:?}");
}

/// Short names alone, in letters of code page 437, by the bits of Windows NT in lower case.
#[test]
fn a_short_name_in_other_letters_is_no_finding() {
    let disk = clean_fat();
    let short = disk.windows(4).position(|window| window == b"ALON").expect("the short name of the file");
    for (letter, case) in [(0xff, 0), (0x80, 0), (0x80, 0x18), (0x87, 0x08), (0x9a, 0x18)] {
        let mut disk = disk.clone();
        // The long name's checksum no longer fits: its parts are residue until scrubbed.
        disk[short + 4] = letter;
        disk[short + 12] = case;
        assert_eq!(judged(&live_only(disk, Content::Fat)), [], "{letter:#x} {case:#x}");
    }
}

#[test]
fn what_was_to_stay_or_go_is_compared() {
    let before = clean_ext4();
    let open = |disk: &[u8]| filesystem::open(disk.to_vec(), Content::Ext).unwrap();
    let same = compare_trees(&*open(&before), &*open(&before), &Expected::default(), true).unwrap();
    assert_eq!(same, [""; 0]);

    let filesystem = open(&before);
    let root = filesystem.root().unwrap();
    let mut link = None;
    let mut find = |entry: filesystem::Entry| {
        if entry.name == b"link" {
            link = Some(entry.inode);
        }
        Ok(())
    };
    filesystem.entries(root, &mut find).unwrap();
    let target =
        filesystem::Target { parent: root, name: b"link".to_vec(), inode: link.expect("the tree has it") };
    let mut after = before.clone();
    let mut edited = filesystem::open_mut(&mut after, Content::Ext).unwrap();
    edited.change(&target, &filesystem::Change::Remove).unwrap();
    drop(edited);

    let unexpected = compare_trees(&*open(&before), &*open(&after), &Expected::default(), true).unwrap();
    assert_eq!(unexpected, ["/link was to stay but is gone"]);
    let expected = Expected { gone: [(root, b"link".to_vec())].into(), ..Expected::default() };
    assert_eq!(compare_trees(&*open(&before), &*open(&after), &expected, true).unwrap(), [""; 0]);
    assert_eq!(
        compare_trees(&*open(&before), &*open(&before), &expected, true).unwrap(),
        ["/link was to be removed but is there"]
    );
    assert_eq!(
        compare_trees(&*open(&after), &*open(&before), &Expected::default(), true).unwrap(),
        ["/link was not there before"]
    );
}

#[test]
fn an_opaque_volume_is_a_finding_unless_it_was_kept() {
    let mut disk = vec![0; to_usize(SIZE)];
    disk[..6].copy_from_slice(b"LUKS\xba\xbe");
    disk[7] = 1;
    let device: Arc<dyn BlockRead> = Arc::new(disk);
    let kept = judge(&device, Options { keep_opaque: true, ..Options::default() }).unwrap();
    assert_eq!(kept.findings, []);
    let judged = judge(&device, Options::default()).unwrap();
    assert!(matches!(judged.findings[..], [Finding::Residue { region: Region::Opaque, first: 0, .. }]));
    assert_eq!(to_u64(judged.findings.len()), 1);
}

/// Two names for one directory make as many paths as a walk has steps: it has to end at the second.
#[test]
fn a_directory_in_itself_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    fs::write(&image, clean_ext4()).unwrap();
    let path = image.to_str().unwrap();
    for name in ["/etc/one", "/etc/two"] {
        run("debugfs", &["-w", "-R", &format!("link /etc {name}"), path]);
    }
    let disk = fs::read(&image).unwrap();
    let open = || filesystem::open(disk.clone(), Content::Ext).unwrap();
    let differences = compare_trees(&*open(), &*open(), &Expected::default(), true).unwrap();
    assert_eq!(
        differences,
        ["/etc/two is a directory with two names", "/etc/one is a directory with two names"]
    );
    let device: Arc<dyn BlockRead> = Arc::new(disk);
    let refused = judge(&device, Options::default()).unwrap_err().to_string();
    assert!(
        refused.ends_with(", a directory with a name already, expected one that it alone leads to"),
        "{refused}"
    );
    let findings = verify::examine(&device, Options::default()).unwrap().findings;
    assert!(!findings.is_empty() && findings.len() <= 21, "{findings:?}");
}

/// A file of 4 TiB, nearly all of which is a hole.
#[test]
fn holes_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    fs::write(&image, clean_ext4()).unwrap();
    let path = image.to_str().unwrap();
    // The largest file that blocks of 1 KiB allow.
    run("debugfs", &["-w", "-R", "sif /large size 0x3fffffffc00", path]);
    let disk = fs::read(&image).unwrap();
    let open = || filesystem::open(disk.clone(), Content::Ext).unwrap();
    assert_eq!(compare_trees(&*open(), &*open(), &Expected::default(), true).unwrap(), [""; 0]);
    let device: Arc<dyn BlockRead> = Arc::new(disk);
    let verdict = judge(&device, Options { content: true, ..Options::default() }).unwrap();
    assert!(verdict.opinions.iter().any(|opinion| opinion.volume.is_some()), "{verdict:?}");
}

#[test]
fn a_changed_byte_of_a_kept_file_is_seen_where_content_is_compared() {
    let before = clean_ext4();
    let mut after = before.clone();
    let at = after.windows(64).position(|window| window == [b'x'; 64]).expect("the large file is there");
    after[at + 7] = b'y';
    let open = |disk: &[u8]| filesystem::open(disk.to_vec(), Content::Ext).unwrap();
    let compare =
        |content| compare_trees(&*open(&before), &*open(&after), &Expected::default(), content).unwrap();
    assert_eq!(compare(true), ["/large has another content"]);
    assert_eq!(compare(false), [""; 0]);
}

#[test]
fn an_edited_file_holds_exactly_what_it_was_to_get() {
    let disk = clean_ext4();
    let open = || filesystem::open(disk.clone(), Content::Ext).unwrap();
    let filesystem = open();
    let mut large = None;
    let mut look = |entry: filesystem::Entry| {
        if entry.name == b"large" {
            large = Some(entry.inode);
        }
        Ok(())
    };
    filesystem.entries(filesystem.root().unwrap(), &mut look).unwrap();
    let large = large.expect("the large file is there");
    let mut content = vec![0; usize::try_from(filesystem.metadata(large).unwrap().size).unwrap()];
    assert_eq!(filesystem.read(large, 0, &mut content).unwrap(), content.len());
    let compare = |content: &[u8]| {
        let expected = Expected { rewritten: [(large, content.to_vec())].into(), ..Expected::default() };
        compare_trees(&*open(), &*open(), &expected, false).unwrap()
    };
    assert_eq!(compare(&content), [""; 0]);
    assert_eq!(compare(&content[1..]), ["/large has not the content that it was to get"]);
    *content.last_mut().unwrap() ^= 1;
    assert_eq!(compare(&content), ["/large has not the content that it was to get"]);
}

/// What a filesystem holds inside its live metadata is found, and told apart by where it lies.
#[test]
fn unused_bytes_inside_live_metadata_are_found() {
    // s_last_mounted, and the padding behind `..` of the root directory.
    let mut disk = clean_ext4();
    let filesystem = filesystem::open(disk.clone(), Content::Ext).unwrap();
    let root = filesystem.root().unwrap();
    let mut directory = None;
    let mut look = |extent: Extent, claim| {
        if claim == Claim::Live(filesystem::Owner::Mapping(root)) {
            directory.get_or_insert(extent.start);
        }
        Ok(())
    };
    filesystem.claims(&mut look).unwrap();
    let directory = directory.unwrap();
    drop(filesystem);
    // Without checksums, so that a byte changes nothing else.
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    fs::write(&image, &disk).unwrap();
    run("tune2fs", &["-O", "^metadata_csum", image.to_str().unwrap()]);
    disk = live_only(fs::read(&image).unwrap(), Content::Ext);
    assert_eq!(judged(&disk), []);
    assert_eq!(plant(&disk, 1024 + 0x88), residue(Region::MetadataTail, 1024 + 0x88));
    assert_eq!(plant(&disk, directory + 23), residue(Region::DirectoryTail, directory + 23));
    // Behind the last slot of the root directory, and in the reserved part of a FAT's copy.
    let disk = clean_fat();
    let (reserved, fat) = (u64::from(disk[14]) * 512, u64::from(disk[22]) * 512);
    let slot = reserved + 2 * fat + 100 * 32 + 5;
    assert_eq!(plant(&disk, slot), residue(Region::DirectoryTail, slot));
}
