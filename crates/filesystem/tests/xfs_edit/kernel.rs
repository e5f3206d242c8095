//! Filesystems that a kernel filled, as the distributions make them: edited, cleaned, judged, and written on again.

use std::collections::BTreeMap;

use filesystem::{Change, Filesystem, FilesystemMut};

use crate::images::Lab;

/// As RHEL 7, RHEL 8, RHEL 9 and Amazon Linux 2023 make them, and what else changes the layout.
pub(crate) const VARIANTS: [(&str, &str); 8] = [
    ("rhel7", "-m crc=1,finobt=0,reflink=0,rmapbt=0,bigtime=0,inobtcount=0 -i sparse=0"),
    ("rhel8", "-m crc=1,finobt=1,reflink=1,rmapbt=0,bigtime=0,inobtcount=0 -i sparse=1"),
    ("rhel9", "-m crc=1,finobt=1,reflink=1,rmapbt=0,bigtime=1,inobtcount=1 -i sparse=1"),
    ("rmapbt", "-m rmapbt=1,reflink=1"),
    ("noreflink", "-m rmapbt=1,reflink=0 -i nrext64=1"),
    ("nrext64", "-m rmapbt=1,bigtime=1 -i nrext64=1,size=1024"),
    ("block1k", "-b size=1024 -m rmapbt=1 -d agcount=6"),
    ("dir16k", "-n size=16384 -m rmapbt=1 -s size=4096"),
];

/// Which lines of two lists differ: of paths that are gone, that are new, and that changed.
pub(crate) fn differences(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> (Vec<String>, Vec<String>, Vec<String>) {
    let gone = before.keys().filter(|path| !after.contains_key(*path)).cloned().collect();
    let new = after.keys().filter(|path| !before.contains_key(*path)).cloned().collect();
    let changed = before.iter().filter(|(path, said)| after.get(*path).is_some_and(|now| now != *said));
    (gone, new, changed.map(|(path, _)| path.clone()).collect())
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| b"0123456789abcdefghi\n"[at % 20]).collect()
}

#[test]
fn what_is_edited_is_gone_and_all_else_stays() {
    if !Lab::can_mount() {
        return;
    }
    for (variant, options) in VARIANTS {
        println!("{variant}");
        let lab = Lab::new();
        lab.run(&format!("truncate -s 400M image; mkfs.xfs -q {options} image"));
        lab.mounted("image", "", include_str!("fill.sh"));
        assert!(lab.marks("image") > 1000);
        let before = lab.list("image");

        let mut xfs = lab.open("image");
        xfs.recover().unwrap();
        lab.change(&mut xfs, "victims", &Change::Remove);
        lab.change(&mut xfs, "edited/short", &Change::Overwrite(content(100_000)));
        lab.change(&mut xfs, "edited/large", &Change::Overwrite(content(50)));
        lab.change(&mut xfs, "edited/nothing", &Change::Overwrite(content(5000)));
        lab.change(&mut xfs, "edited/empty", &Change::Truncate);
        lab.change(&mut xfs, "edited/extents", &Change::Truncate);
        lab.change(&mut xfs, "edited/shared", &Change::Overwrite(content(200_000)));
        xfs.complete().unwrap();
        drop(xfs);
        lab.judge("image");

        let mut xfs = lab.open("image");
        assert!(xfs.scrub().unwrap() > 0);
        assert_eq!(xfs.scrub().unwrap(), 0, "{variant}: a second scrub");
        xfs.tails(&mut |extent, tail| panic!("{variant}: {tail:?} at {extent:?} was left")).unwrap();
        drop(xfs);
        lab.live_copy("image", "clean");
        lab.judge("clean");
        assert_eq!(lab.marks("clean"), 0, "{variant}");

        let after = lab.list("clean");
        let (gone, new, changed) = differences(&before, &after);
        assert!(gone.iter().all(|path| path.starts_with("./victims")), "{variant}: {gone:?}");
        assert_eq!(new, Vec::<String>::new(), "{variant}");
        // The other name of `victims/hard` has one link less.
        let expected = [
            "./edited/empty",
            "./edited/extents",
            "./edited/large",
            "./edited/nothing",
            "./edited/shared",
            "./edited/short",
            "./keep/hard",
        ];
        assert_eq!(changed, expected, "{variant}");
        for path in expected {
            let fields = |said: &str| said.split(", ").map(str::to_owned).collect::<Vec<_>>();
            let (old, now) = (fields(&before[path]), fields(&after[path]));
            let from = if path == "./keep/hard" { 2 } else { 1 };
            assert_eq!(old[from..8], now[from..8], "{variant}: number, mode, owner and times of {path}");
        }

        // The kernel writes on it for a while.
        lab.mounted(
            "clean",
            "",
            "for i in $(seq 20); do mkdir n$i; head -c 50000 /dev/urandom > n$i/f; ln -s x n$i/l; done
             cp -r keep copy; for i in $(seq 300); do echo $i > keep/many/new$i; done; rm -rf keep/huge n1
             for i in $(seq 1000); do echo $i > edited/new-$i; done; sync; rm -rf copy
             for i in edited/short edited/large edited/shared shared/copy; do echo more >> $i; done",
        );
        lab.judge("clean");
    }
}

#[test]
fn names_go_one_by_one_through_all_forms_of_a_directory() {
    if !Lab::can_mount() {
        return;
    }
    for (variant, options) in [VARIANTS[1], VARIANTS[6], VARIANTS[7]] {
        let lab = Lab::new();
        lab.run(&format!("truncate -s 400M image; mkfs.xfs -q {options} image"));
        lab.mounted(
            "image",
            "",
            "mkdir d; for i in $(seq 1500); do : > d/name-$i-$(printf 'y%.0s' $(seq $((i % 30 + 1)))); done",
        );
        let before = lab.list("image");
        let mut names: Vec<&str> = before
            .keys()
            .filter_map(|path| path.strip_prefix("./"))
            .filter(|path| path.contains('/'))
            .collect();
        // In an order that is neither theirs nor the directory's.
        names.sort_by_key(|name| {
            name.bytes().fold(7u32, |hash, byte| hash.wrapping_mul(31) ^ u32::from(byte))
        });
        for (at, name) in names.iter().enumerate() {
            let mut xfs = lab.open("image");
            lab.change(&mut xfs, name, &Change::Remove);
            xfs.complete().unwrap();
            drop(xfs);
            if [500, 1000, 1400, 1450, 1480, 1495, 1499].contains(&at) {
                lab.judge("image");
                let (gone, new, changed) = differences(&before, &lab.list("image"));
                assert_eq!((gone.len(), new, changed), (at + 1, Vec::new(), Vec::new()), "{variant}");
            }
        }
    }
}
