//! Large values of attributes that were never complete, or are no more: their bytes are residue.

use std::fs;

use block::{Extent, to_u64, to_usize};
use filesystem::{Claim, Filesystem, FilesystemMut, Tail, xfs::Xfs};

use super::{
    hostile::{Image, make},
    image::Lab,
    tree,
};

const BLOCK: usize = 4096;

/// The first leaf's entry for `user.large`: flags, and the name with where its value is.
fn entry(image: &Image, v5: bool) -> (usize, usize) {
    let (magic, first) = if v5 { ([0x3B, 0xEE], 80) } else { ([0xFB, 0xEE], 32) };
    let leaf = image.find(&magic, 8);
    (0..64)
        .map(|index| leaf + first + 8 * index)
        .map(|at| (at + 6, leaf + usize::try_from(image.get(at + 4, 2)).unwrap()))
        .find(|(_, name)| image.bytes[name + 9..].starts_with(b"large"))
        .unwrap()
}

/// What is left of it in the leaf: as the kernel leaves it when it replaces a value, and when it is stopped in between.
fn spoil(image: &mut Image, v5: bool, forgotten: bool) {
    let (flags, name) = entry(image, v5);
    assert_eq!(image.get(flags, 1) & 1, 0, "the value lies elsewhere");
    image.put(flags, 1, 0x80);
    if forgotten {
        image.put(name, 8, 0);
    }
}

fn tails(xfs: &impl Filesystem) -> Vec<(Extent, Tail)> {
    let mut tails = Vec::new();
    xfs.tails(&mut |extent, tail| {
        tails.push((extent, tail));
        Ok(())
    })
    .unwrap();
    tails
}

#[test]
fn bytes_of_values_that_nobody_reads() {
    let lab = Lab::new();
    for (name, options) in [("v5", "-m crc=1"), ("v4", "-m crc=0")] {
        for forgotten in [false, true] {
            let v5 = name == "v5";
            let mut xfs = Xfs::open(make(&lab, name, 40, &format!("-d agcount=2 {options}"))).unwrap();
            xfs.recover().unwrap();
            xfs.scrub().unwrap();
            assert_eq!(tails(&xfs), []);
            let file = |xfs: &Xfs<Vec<u8>>| tree::ours(xfs).unwrap()[&b"/file"[..]].clone();
            let (line, other) = (file(&xfs), b"user.three");
            let inode = filesystem::InodeId(line.split(' ').next().unwrap().parse().unwrap());
            let kept = xfs.attribute(inode, other).unwrap().unwrap();
            let value = xfs.attribute(inode, b"user.large").unwrap().unwrap();
            assert_eq!(value.len(), 9000);

            let mut image = Image { bytes: xfs.into_device(), block: BLOCK, sector: 512 };
            spoil(&mut image, v5, forgotten);
            fs::write(lab.path(name), &image.bytes).unwrap();
            let judged = |lab: &Lab| {
                // It has a word to say about each entry that is not complete.
                lab.run(&format!("xfs_repair -n -f {name} 2>&1 | grep -v '^ *- ' || true"))
            };
            let before = judged(&lab);

            let mut xfs = Xfs::open(image.bytes).unwrap();
            assert_eq!(xfs.attribute(inode, b"user.large").unwrap(), None);
            let found = tails(&xfs);
            let seen: u64 = found.iter().map(|(extent, _)| extent.len).sum();
            assert!(found.iter().all(|(_, tail)| *tail == Tail::Xattr), "{found:?}");
            assert!(seen >= 9000, "{name}: {found:?}");
            assert!(xfs.scrub().unwrap() > 8000);
            assert_eq!(tails(&xfs), []);
            assert_eq!(xfs.scrub().unwrap(), 0);
            assert_eq!(xfs.attribute(inode, other).unwrap().as_ref(), Some(&kept));
            assert_eq!(file(&xfs), line);
            // The blocks stay the file's: whoever removes it gives them back.
            let mut live = 0;
            xfs.claims(&mut |extent, claim| {
                live += if matches!(claim, Claim::Live(_)) { extent.len } else { 0 };
                Ok(())
            })
            .unwrap();
            assert!(live > to_u64(value.len()));
            let bytes = xfs.into_device();
            for (extent, _) in found {
                let left = &bytes[to_usize(extent.start)..to_usize(extent.end())];
                assert!(left.iter().all(|byte| *byte == 0), "{name}: {extent:?}");
            }
            fs::write(lab.path(name), &bytes).unwrap();
            assert_eq!(judged(&lab), before, "{name}: what xfs_repair says");
        }
    }
}
