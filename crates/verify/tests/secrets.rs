//! Secrets by content on filesystems made by mke2fs and mkfs.fat: in files, in free blocks, and across the pieces of a
//! fragmented file.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::{collections::HashSet, fs, path::Path, process::Command, sync::Arc};

use block::{BlockRead, to_u64};
use scan::content::{Key, Scanner, rules, unpack::Reason};
use verify::{Finding, Place, Region, Search, Secrets, Survey, Was, secrets};

const SIZE: u64 = 16 << 20;

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program)
        .args(args)
        .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap()))
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A GitHub token with a right checksum, made here: no scanner shall find one in this file.
fn token(number: usize) -> String {
    let digits: Vec<char> = ('0'..='9').chain('A'..='Z').chain('a'..='z').collect();
    let body = format!("a1B2c3D4e5F6g7H8i9J0k1L2m{number:05}");
    let mut crc = crc32fast::hash(body.as_bytes());
    let mut sum: Vec<char> = Vec::new();
    for _ in 0..6 {
        sum.push(digits[usize::try_from(crc % 62).unwrap()]);
        crc /= 62;
    }
    ["gh", "p_", &body, &sum.iter().rev().collect::<String>()].concat()
}

fn found(disk: Vec<u8>, workers: usize) -> Secrets {
    let device: Arc<dyn BlockRead> = Arc::new(disk);
    let survey = Survey::of(&device, None).unwrap();
    let scanner = Scanner::new(&rules::all().collect::<Vec<_>>());
    let key = &Key([3; 32]);
    let named = &HashSet::new();
    let search = Search { scanner: &scanner, key, workers, named, archives: true, shipped: false };
    secrets(&device, &survey, search, &mut |_| ()).unwrap()
}

fn places(secrets: &Secrets) -> Vec<&Place> {
    let place = |finding| match finding {
        &Finding::Secret { rule: "github-token", ref place, .. } => place,
        other => panic!("{other:?}"),
    };
    secrets.findings.iter().map(place).collect()
}

fn image(directory: &Path) -> String {
    let image = directory.join("image");
    fs::File::create(&image).unwrap().set_len(SIZE).unwrap();
    image.to_str().unwrap().to_owned()
}

#[test]
fn in_files_and_in_free_blocks() {
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    fs::create_dir_all(tree.join("srv")).unwrap();
    fs::write(tree.join("srv/config"), format!("{}token={}\n", "x".repeat(5000), token(1))).unwrap();
    let image = image(directory.path());
    run("mke2fs", &["-q", "-t", "ext4", "-d", tree.to_str().unwrap(), &image]);
    let mut disk = fs::read(&image).unwrap();
    // The last block of a new filesystem of this size is free.
    let free = disk.len() - 2000;
    disk[free..free + 40].copy_from_slice(token(2).as_bytes());
    disk[free + 100..free + 140].copy_from_slice(token(1).as_bytes());
    let secrets = found(disk.clone(), 1);
    assert_eq!(secrets.totals.into_iter().collect::<Vec<_>>(), [(Region::File, 1), (Region::Free, 2)]);
    let all = found(disk, 3);
    let [live, second, copy] = places(&all)[..] else { panic!("{all:?}") };
    assert_eq!((live.path.as_deref(), live.file_offset, live.length), (Some("/srv/config"), Some(5006), 40));
    assert_eq!((second.offset, second.region), (to_u64(free), Region::Free));
    assert_eq!(copy.offset, to_u64(free) + 100);
    let digests: Vec<&str> = all
        .findings
        .iter()
        .map(|finding| match finding {
            Finding::Secret { digest, .. } => digest.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(digests[0], digests[2], "the same secret");
    assert_ne!(digests[0], digests[1]);
    assert_eq!(format!("{:?}", secrets.findings), format!("{:?}", all.findings), "in any number of threads");
    let json = serde_json::to_string(&all).unwrap();
    assert!(!json.contains(&token(1)[5..20]) && !json.contains(&token(2)[5..20]));
}

/// An archive that is all hole but for its first bytes costs what its blocks do.
#[test]
fn in_archives_that_never_end() {
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    fs::create_dir_all(&tree).unwrap();
    for (name, front) in
        [("a.zst", &b"\x28\xb5\x2f\xfd"[..]), ("b.zip", b"PK\x03\x04"), ("c.gz", b"\x1f\x8b\x08")]
    {
        let file = tree.join(name);
        fs::write(&file, front).unwrap();
        fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(1 << 40).unwrap();
    }
    let image = image(directory.path());
    run("mke2fs", &["-q", "-t", "ext4", "-b", "4096", "-d", tree.to_str().unwrap(), &image]);
    let archives = found(fs::read(&image).unwrap(), 2).archives.unwrap();
    assert_eq!(archives.files, 3);
    assert_eq!(archives.outcome.left_out[&Reason::Budget], 3, "{:?}", archives.outcome.left_out);
}

#[test]
fn across_the_pieces_of_a_fragmented_file() {
    const CLUSTER: usize = 2048;
    let directory = tempfile::tempdir().unwrap();
    let image = image(directory.path());
    let mut content = vec![b'.'; 3 * CLUSTER];
    content[CLUSTER - 17..CLUSTER + 23].copy_from_slice(token(7).as_bytes());
    let file = directory.path().join("notes.txt");
    fs::write(&file, &content).unwrap();
    run("mkfs.fat", &["-F", "16", "-s", "4", &image]);
    run("mcopy", &["-i", &image, file.to_str().unwrap(), "::/"]);
    let mut disk = fs::read(&image).unwrap();
    let all = found(disk.clone(), 1);
    assert_eq!(places(&all).len(), 1);

    // The second and third cluster of the file, 3 and 4, change places.
    let word = |at: usize| usize::from(u16::from_le_bytes([disk[at], disk[at + 1]]));
    let (reserved, fats, roots, sectors) = (word(14), usize::from(disk[16]), word(17), word(22));
    let data = (reserved + fats * sectors) * 512 + roots * 32;
    let clusters: Vec<u8> = disk[data..data + 3 * CLUSTER].to_vec();
    assert!(clusters == content, "the file has the first clusters");
    for copy in 0..fats {
        let fat = (reserved + copy * sectors) * 512;
        for (cluster, next) in [(2, 4_u16), (4, 3), (3, 0xffff)] {
            disk[fat + 2 * cluster..][..2].copy_from_slice(&next.to_le_bytes());
        }
    }
    disk[data + CLUSTER..data + 2 * CLUSTER].copy_from_slice(&content[2 * CLUSTER..]);
    disk[data + 2 * CLUSTER..data + 3 * CLUSTER].copy_from_slice(&content[CLUSTER..2 * CLUSTER]);

    let all = found(disk, 2);
    let [place] = places(&all)[..] else { panic!("{all:?}") };
    assert_eq!(place.offset, to_u64(data + CLUSTER - 17));
    assert_eq!((place.path.as_deref(), place.file_offset), (Some("/notes.txt"), Some(to_u64(CLUSTER - 17))));
    assert_eq!(all.totals.into_iter().collect::<Vec<_>>(), [(Region::File, 1)]);
}

/// In the log of XFS, unmounted or not: of which inode, and where that is, if it is still there.
#[test]
fn in_the_log_of_xfs() {
    let can = "test $(id -u) = 0 && losetup -f >/dev/null 2>&1 && grep -qw xfs /proc/filesystems";
    if !Command::new("sh").args(["-c", can]).status().unwrap().success() {
        assert!(std::env::var_os("CI").is_none(), "mounting an image needs root, loop devices and XFS");
        println!("not run: mounting an image needs root, loop devices and XFS");
        return;
    }
    for stop in [":", "xfs_io -x -c 'shutdown -f' mnt"] {
        let directory = tempfile::tempdir().unwrap();
        // The target of a link lies in the inode: nothing else is logged of it. The log's own words cut some in two.
        let links = |name: &str, from: usize| -> String {
            (from..from + 9).map(|number| format!("ln -s {} mnt/d/{name}{number}; ", token(number))).collect()
        };
        let script = format!(
            "set -e; cd {}; truncate -s 64M image; export TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1
             mkfs.xfs -q -K image; mkdir mnt; mount -t xfs -o loop image mnt
             mkdir mnt/d; {}{} sync; rm mnt/d/gone*; sync
             {stop}; umount mnt",
            directory.path().display(),
            links("kept", 10),
            links("gone", 20)
        );
        run("bash", &["-c", &script]);
        let secrets = found(fs::read(directory.path().join("image")).unwrap(), 1);
        let logged: Vec<_> =
            places(&secrets).into_iter().filter(|place| place.region == Region::Journal).collect();
        let mut paths = Vec::new();
        for place in logged {
            let Some(Was::CopyOf { inode: Some(_), path, .. }) = &place.was else { panic!("{place:?}") };
            paths.push(path.clone());
        }
        let kept = |path: &Option<String>| path.as_ref().is_some_and(|path| path.starts_with("/d/kept"));
        assert!(paths.iter().any(kept) && paths.contains(&None), "{stop}: {paths:?}");
        assert!(paths.iter().all(|path| path.is_none() || kept(path)), "{stop}: {paths:?}");
    }
}
