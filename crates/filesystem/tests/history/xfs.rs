//! The log of XFS against the kernel that wrote it: the last copy of each byte is the byte.

use std::{collections::BTreeMap, fs};

use block::{Extent, ExtentSet, to_usize};
use filesystem::{Claim, Filesystem, InodeId, Owner, xfs::Xfs};

use crate::{Told, places, tools::sh};

/// Whether this machine lets us mount; with a word to the reader if not.
fn can_mount() -> bool {
    let can = "test $(id -u) = 0 && losetup -f >/dev/null 2>&1 && grep -qw xfs /proc/filesystems";
    if std::process::Command::new("sh").args(["-c", can]).status().unwrap().success() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "mounting an image needs root, loop devices and XFS");
    println!("not run: mounting an image needs root, loop devices and XFS");
    false
}

const WORK: &str = r#"
    mkdir wide short gone
    for i in $(seq 400); do echo > wide/PLANTED-wide-$i; done
    for i in 1 2 3; do echo > short/PLANTED-short-$i; done
    ln -s $(printf 'PLANTED-link%.0s' $(seq 60)) long; ln -s PLANTED-near near
    setfattr -n user.note -v PLANTED-attribute short
    echo > file-that-goes; setfattr -n user.note -v PLANTED-victim file-that-goes
    sync; rm file-that-goes; sync
"#;

#[test]
fn the_last_copy_of_a_byte_is_the_byte() {
    if !can_mount() {
        return;
    }
    for (make, crash) in
        [("", false), ("-b size=1024 -n size=8192 -d agcount=3", false), ("-m rmapbt=1", true)]
    {
        let dir = tempfile::tempdir().unwrap();
        let stop = if crash { "xfs_io -x -c 'shutdown -f' mnt" } else { ":" };
        sh(
            &format!(
                "truncate -s 320M image; mkfs.xfs -q -K {make} image; mkdir mnt; mount -t xfs -o loop image mnt
                 (cd mnt; {WORK}) || {{ umount mnt; exit 1; }}
                 {stop}; umount mnt"
            ),
            dir.path(),
        );
        let image = fs::read(dir.path().join("image")).unwrap();
        let xfs = Xfs::open(image.clone()).unwrap();
        assert_eq!(xfs.summary().unwrap().dirty, crash);
        let told = Told::by(&xfs);
        assert!(told.copies.len() > 100, "{make}: {} copies", told.copies.len());
        let (log, _) = xfs.log_extent().unwrap();
        assert!(told.copies.iter().all(|copy| log.intersect(copy.at) == copy.at));

        // Names, targets and values in the log belong to something, and almost all of them are known.
        let logged: Vec<usize> = places(&image, "PLANTED")
            .into_iter()
            .filter(|at| log.contains_byte(block::to_u64(*at)))
            .collect();
        let known = logged.iter().filter(|at| told.copy_at(**at).is_some()).count();
        println!("{make}: {known} of {} marks in the log, {} copies", logged.len(), told.copies.len());
        assert!(logged.len() > 400 && known == logged.len());

        let mut inodes = BTreeMap::new();
        xfs.entries(xfs.root().unwrap(), &mut |entry| {
            inodes.insert(entry.name, entry.inode);
            Ok(())
        })
        .unwrap();
        let whose = |text: &str| -> Vec<(InodeId, bool)> {
            let marks = logged.iter().filter(|at| image[**at..].starts_with(text.as_bytes()));
            marks.filter_map(|at| told.file_at(*at)).map(|file| (file.inode, file.deleted)).collect()
        };
        if !crash {
            for (text, name) in
                [("PLANTED-short", "short"), ("PLANTED-near", "near"), ("PLANTED-attr", "short")]
            {
                let found = whose(text);
                assert!(!found.is_empty(), "{make}: {text}");
                let inode = inodes[name.as_bytes()];
                assert!(found.iter().all(|file| *file == (inode, false)), "{text}: {found:?}");
            }
            let found = whose("PLANTED-victim");
            assert!(!found.is_empty() && found.iter().all(|(_, deleted)| *deleted), "{make}: {found:?}");
            directories_are_as_logged(&xfs, &image, &told, make);
        }
    }
}

/// Blocks of directories that are still there: all but the headers, which are not as the log has them.
fn directories_are_as_logged(xfs: &Xfs<Vec<u8>>, image: &[u8], told: &Told, make: &str) {
    let mut directories: Vec<Extent> = Vec::new();
    xfs.claims(&mut |extent, claim| {
        if matches!(claim, Claim::Live(Owner::Mapping(_))) {
            directories.push(extent);
        }
        Ok(())
    })
    .unwrap();
    let directories: ExtentSet = directories.into_iter().collect();
    let mut last = BTreeMap::new();
    for copy in &told.copies {
        for step in
            (0..copy.at.len).filter(|step| directories.contains(Extent { start: copy.home + step, len: 1 }))
        {
            // The log's own words.
            if (copy.at.start + step) % 512 >= 4 {
                last.insert(copy.home + step, copy.at.start + step);
            }
        }
    }
    assert!(last.len() > 10_000, "{make}: {} bytes of directories are in the log", last.len());
    let block = u64::from(xfs.summary().unwrap().block_size);
    let wrong: Vec<_> = last
        .iter()
        .filter(|(home, at)| **home % block >= 64 && image[to_usize(**home)] != image[to_usize(**at)])
        .collect();
    assert!(
        wrong.is_empty(),
        "{make}: {} of {}: {:?}",
        wrong.len(),
        last.len(),
        &wrong[..wrong.len().min(9)]
    );
}
