//! Residue inside live metadata, byte by byte: an unused byte that is not zero is seen, and is gone after a scrub.

use std::collections::BTreeMap;

use block::{BlockWrite, Extent, Overlay, to_u64, to_usize};
use filesystem::{Claim, Filesystem, FilesystemMut, Owner, Tail, fat::Fat};

use crate::support::{Image, sanitize, tails};

#[test]
fn every_unused_byte_is_seen_and_scrubbed() {
    use Tail::{Boot, Directory, Table};
    for (kib, options, kinds) in [
        (2048, &["-F", "12", "-S", "1024"][..], &[Boot, Directory, Table][..]),
        (8192, &["-F", "16", "-s", "1"], &[Directory, Table]),
        (40_960, &["-F", "32", "-s", "1"], &[Boot, Directory, Table]),
    ] {
        let image = Image::new(kib, options);
        image.mtool("mmd", &["::/a directory"]);
        for number in 0..20 {
            image.put(&format!("a directory/long name {number}.txt"), b"content");
            image.put(&format!("S{number}.TXT"), b"content");
        }
        image.mtool("mdel", &["::/S3.TXT", "::/a directory/long name 4.txt"]);
        let clean = sanitize(&image.bytes(), |_| {});
        let mut places = Vec::new();
        let fat = Fat::open(clean.clone()).unwrap();
        fat.claims(&mut |extent, claim| {
            if matches!(claim, Claim::Live(Owner::Metadata | Owner::Mapping(_))) {
                // All of a sector or two, and some of what is larger.
                places.extend((extent.start..extent.end()).step_by(to_usize(extent.len / 512).max(1) | 1));
            }
            Ok(())
        })
        .unwrap();
        let mut seen: BTreeMap<Tail, usize> = BTreeMap::new();
        for at in places.into_iter().filter(|&at| clean[to_usize(at)] == 0) {
            plant(&clean, at, &mut seen);
        }
        println!("{options:?}: {seen:?}");
        assert!(kinds.iter().all(|kind| seen.contains_key(kind)), "{options:?}: {seen:?}");
    }
}

fn plant(image: &Vec<u8>, at: u64, seen: &mut BTreeMap<Tail, usize>) {
    let mut view = Overlay::new(image);
    view.write_at(at, b"S").unwrap();
    let Ok(mut fat) = Fat::open(view) else { return };
    if fat.claims(&mut |_, _| Ok(())).is_err() {
        return;
    }
    let found = tails(&fat);
    // A name or a mark that changes can make others residue, and an entry of a FAT that differs goes as a whole.
    if let [(extent, tail)] = found[..] {
        *seen.entry(tail).or_default() += 1;
        let near = Extent::between(at.saturating_sub(to_u64(32)), at + 32);
        assert!(near.start <= extent.start && extent.end() <= near.end(), "byte {at}: {extent:?} {tail:?}");
    }
    fat.recover().unwrap();
    let wiped = fat.scrub().unwrap();
    assert_eq!(found.is_empty(), wiped == 0, "byte {at}: {found:?}, {wiped} bytes scrubbed");
    assert_eq!(tails(&fat), [], "byte {at}: left by the scrub");
}
