//! Residue inside live metadata, byte by byte: each unused byte that is not zero is seen, is all that is seen, and is
//! gone after a scrub.

use std::collections::BTreeMap;

use block::{BlockWrite, Extent, Overlay, to_usize};
use filesystem::{Claim, Filesystem, FilesystemMut, Owner, Tail, xfs::Xfs};

use super::{
    hostile::{Image, make},
    image::Lab,
};

fn of(filesystem: &impl Filesystem) -> filesystem::Result<Vec<(Extent, Tail)>> {
    let mut tails = Vec::new();
    filesystem.tails(&mut |extent, tail| {
        tails.push((extent, tail));
        Ok(())
    })?;
    Ok(tails)
}

/// What came of a byte that was planted.
#[derive(Debug, Default)]
struct Tally {
    seen: BTreeMap<Tail, usize>,
    /// In a field that is in use: nothing to see.
    used: usize,
    /// In a field in use, so that bytes elsewhere no longer are.
    other: usize,
    /// The filesystem, or the structure, no longer makes sense.
    refused: usize,
}

fn plant(image: &Vec<u8>, at: usize, block: usize, v5: bool, tally: &mut Tally) {
    const PLANTED: u8 = 0x53;
    let start = at / block * block;
    let mut piece = Image { bytes: image[start..start + block].to_vec(), block, sector: 512 };
    piece.bytes[at - start] = PLANTED;
    if v5 {
        piece.seal(at - start);
    }
    let mut view = Overlay::new(image);
    view.write_at(u64::try_from(start).unwrap(), &piece.bytes).unwrap();
    let Ok(mut xfs) = Xfs::open(view) else {
        tally.refused += 1;
        return;
    };
    let Ok(seen) = of(&xfs) else {
        tally.refused += 1;
        return;
    };
    if xfs.claims(&mut |_, _| Ok(())).is_err() {
        tally.refused += 1;
        return;
    }
    let here = u64::try_from(at).unwrap();
    match seen.iter().find(|(extent, _)| extent.contains_byte(here)) {
        Some(&(extent, tail)) => {
            // Block numbers and hashes that do not belong where they are go as a whole.
            let number = here / 4 * 4;
            let whole = extent.start >= number && extent.end() <= number + 4;
            assert!(extent.len == 1 || whole, "byte {at}: {extent:?} {tail:?}");
            assert_eq!(seen.len(), 1, "byte {at}: {seen:?}");
            *tally.seen.entry(tail).or_default() += 1;
        }
        None if seen.is_empty() => {
            tally.used += 1;
            return;
        }
        None => tally.other += 1,
    }
    if xfs.recover().is_err() {
        tally.refused += 1;
        return;
    }
    xfs.scrub().unwrap_or_else(|error| panic!("byte {at}: {error}"));
    let left = of(&xfs).unwrap_or_else(|error| panic!("byte {at}, after the scrub: {error}"));
    assert_eq!(left, [], "byte {at}: what the scrub left");
}

#[test]
fn planted_bytes_are_seen_and_scrubbed() {
    let lab = Lab::new();
    for (name, options, block) in
        [("v5", "-d agcount=1 -m rmapbt=1,reflink=1", 4096), ("v4", "-d agcount=1 -m crc=0", 4096)]
    {
        let mut xfs = Xfs::open(make(&lab, name, 22, options)).unwrap();
        xfs.recover().unwrap();
        xfs.scrub().unwrap();
        assert_eq!(of(&xfs).unwrap(), [], "{name}: after a scrub");
        let mut places = Vec::new();
        xfs.claims(&mut |extent, claim| {
            if matches!(claim, Claim::Live(Owner::Metadata | Owner::Mapping(_))) {
                places.push(extent);
            }
            Ok(())
        })
        .unwrap();
        // The log is long, and not what this is about.
        places.retain(|extent| extent.len < 1 << 20);
        let image = xfs.into_device();
        let total: u64 = places.iter().map(|extent| extent.len).sum();
        let mut tally = Tally::default();
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        for round in 0..400u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut at = if round % 4 == 0 { (state >> 33) % 2048 } else { (state >> 33) % total };
            let extent = places
                .iter()
                .find(|extent| {
                    let inside = at < extent.len;
                    at = if inside { at } else { at - extent.len };
                    inside
                })
                .unwrap();
            plant(&image, to_usize(extent.start + at), block, name == "v5", &mut tally);
        }
        println!("{name}: {tally:?}");
        assert!(tally.seen.values().sum::<usize>() > 100, "{name}: {tally:?}");
    }
}
