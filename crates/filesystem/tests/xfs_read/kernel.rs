//! Filesystems that the running kernel has filled: all formats of directories, maps and attributes.

use std::fs;

use filesystem::{Claim, Filesystem, InodeId, Owner};

use super::{
    assert_partition,
    image::{Lab, Mount, assert_clean, open},
    tree,
};

/// Name, MiB, options of mkfs.xfs.
const MATRIX: &[(&str, u64, &str)] = &[
    ("rhel7", 120, "-m crc=1,finobt=0,reflink=0,rmapbt=0,bigtime=0,inobtcount=0 -i sparse=0"),
    ("rhel8", 120, "-m crc=1,finobt=1,reflink=1,rmapbt=0,bigtime=0,inobtcount=0 -i sparse=1"),
    ("rhel9", 120, "-m crc=1,finobt=1,reflink=1,rmapbt=0,bigtime=1,inobtcount=1"),
    ("all", 120, "-m crc=1,finobt=1,reflink=1,rmapbt=1,bigtime=1,inobtcount=1 -i nrext64=1 -d agcount=7"),
    ("1k", 120, "-b size=1024 -m rmapbt=1 -i nrext64=1,sparse=1"),
    ("2k-dir8k", 120, "-b size=2048 -n size=8192 -i size=1024"),
    ("dir64k", 120, "-n size=65536"),
    ("sector4k", 120, "-s size=4096 -m rmapbt=1"),
    ("inode2k", 120, "-i size=2048"),
];

/// Makes what there is to be read, and residue of what was there before.
const FILL: &str = include_str!("fill.py");

#[test]
fn the_kernel_sees_the_same() {
    if !Lab::can_mount() {
        return;
    }
    let lab = Lab::new();
    fs::write(lab.path("fill.py"), FILL).unwrap();
    for (name, mib, options) in MATRIX {
        let path = lab.make(name, *mib, options);
        {
            let mount = Mount::new(&lab, name, "");
            lab.run("python3 fill.py mnt");
            drop(mount);
        }
        let mount = Mount::new(&lab, name, ",ro,norecovery");
        let expected = tree::theirs(&mount.0);
        let attributes = tree::their_attributes(&mount.0);
        drop(mount);
        assert_clean(&lab, name);
        let xfs = open(&path);
        assert!(!xfs.summary().unwrap().dirty, "{name}");
        let found = tree::ours(&xfs).unwrap_or_else(|error| panic!("{name}: {error}"));
        tree::assert_same(&found, &expected, name);
        assert!(attributes.len() > 230, "{name}: only {} attributes", attributes.len());
        for (inode, attribute, value) in &attributes {
            let found = xfs.attribute(InodeId(*inode), attribute.as_bytes());
            let found = found.unwrap_or_else(|error| panic!("{name}: {inode} {attribute}: {error}"));
            assert!(found.as_ref() == Some(value), "{name}: {inode} {attribute}");
        }
        assert_eq!(xfs.attribute(xfs.root().unwrap(), b"user.none").unwrap(), None);
        assert_partition(&xfs, name);
        let mut tails = 0;
        xfs.tails(&mut |_, _| {
            tails += 1;
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{name}: {error}"));
        println!("{name}: {} names, {} attributes, {tails} tails", expected.len(), attributes.len());
        same_extents_as_xfs_db(&lab, name, &expected);
    }
}

/// An independent reader of maps: xfs_db.
fn same_extents_as_xfs_db(lab: &Lab, name: &str, tree: &tree::Tree) {
    let xfs = open(&lab.path(name));
    let size = u64::from(xfs.summary().unwrap().block_size);
    for file in ["frag", "sparse", "unwritten"] {
        let line = &tree[format!("/{file}").as_bytes()];
        let inode = line.split(' ').next().unwrap();
        // `data offset 0 startblock 12 (0/12) count 1 flag 0`
        let said = lab.run(&format!(
            "xfs_db -r -c 'inode {inode}' -c bmap {name}; xfs_db -r -c 'sb 0' -c 'p agblocks' {name}"
        ));
        let blocks: u64 = said.lines().last().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
        let theirs: Vec<(u64, u64, u64)> = said
            .lines()
            .filter(|line| line.starts_with("data offset") && line.ends_with("flag 0"))
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                let (ag, block) = words[5].trim_matches(['(', ')']).split_once('/').unwrap();
                let [ag, block, offset, count] =
                    [ag, block, words[2], words[7]].map(|word| word.parse::<u64>().unwrap());
                (offset * size, (ag * blocks + block) * size, count * size)
            })
            .collect();
        assert!(!theirs.is_empty(), "{name}: {said}");
        let mut ours = Vec::new();
        let length = xfs.metadata(InodeId(inode.parse().unwrap())).unwrap().size;
        xfs.extents(InodeId(inode.parse().unwrap()), &mut |offset, extent| {
            ours.push((offset, extent.start, extent.len.next_multiple_of(size)));
            Ok(())
        })
        .unwrap();
        let theirs: Vec<_> = theirs.into_iter().filter(|(offset, ..)| *offset < length).collect();
        assert_eq!(ours, theirs, "{name}: {file}");
    }
}

/// Inode chunks with holes: what the kernel makes where no free extent is long enough for a whole one.
#[test]
fn sparse_chunks() {
    if !Lab::can_mount() {
        return;
    }
    let lab = Lab::new();
    let path = lab.make("sparse", 40, "-d agcount=1 -m reflink=0,rmapbt=0 -i sparse=1 -l size=8m");
    {
        let mount = Mount::new(&lab, "sparse", "");
        lab.run(
            "cd mnt; mkdir fill; dd if=/dev/zero of=big bs=4096 2>/dev/null || true
             size=$(stat -c %s big); i=0; while test $((i*16384)) -lt $size; do
             xfs_io -c \"fpunch $((i*16384)) 8192\" big; i=$((i+1)); done; sync
             for i in $(seq 2000); do echo > fill/$i 2>/dev/null || break; done; sync",
        );
        drop(mount);
    }
    let holes = lab.run("xfs_db -r -c 'agi 0' -c 'addr root' -c p sparse | grep -c '0x[^0]' || true");
    println!("inobt lines with something in hex: {holes}");
    let mount = Mount::new(&lab, "sparse", ",ro,norecovery");
    let expected = tree::theirs(&mount.0);
    drop(mount);
    let xfs = open(&path);
    tree::assert_same(&tree::ours(&xfs).unwrap(), &expected, "sparse");
    assert_partition(&xfs, "sparse");
    let sparse = lab.run("xfs_db -r -c 'sb 0' -c 'p features_incompat' sparse");
    assert!(!sparse.is_empty());
}

/// Quotas: their inodes are metadata, of which every block counts. Not every kernel makes them, so a file is called one.
#[test]
fn quota_inodes_are_metadata() {
    let lab = Lab::new();
    lab.run("head -c 50000 /dev/urandom > data; printf '/none\\n0 0\\nd--755 0 0\\nquota ---600 0 0 data\\n$\\n' > proto");
    let path = lab.make("quota", 100, "-p proto");
    let inode = tree::ours(&open(&path)).unwrap()[&b"/quota"[..]].split(' ').next().unwrap().to_owned();
    let data = |xfs: &dyn Filesystem| {
        let mut data = 0;
        xfs.claims(&mut |extent, claim| {
            if matches!(claim, Claim::Live(Owner::Data(_))) {
                data += extent.len;
            }
            Ok(())
        })
        .unwrap();
        data
    };
    assert_eq!(data(&open(&path)), 50000);
    lab.run(&format!(
        "xfs_db -x -c 'sb 0' -c 'write -d uquotino {inode}' -c 'write -d versionnum 0xb4f5' quota"
    ));
    let xfs = open(&path);
    assert_eq!(data(&xfs), 0);
    assert_partition(&xfs, "quota");
}
