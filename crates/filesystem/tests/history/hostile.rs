//! Bytes changed in the journal, in directories and in inode tables: never a panic, never a walk without end.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
};

use filesystem::{Filesystem, ext::Ext};

use super::{Told, kernel::mounted};

const WORK: &str = "for i in $(seq 12); do mkdir -p d$i/e; token d$i/e/f; commit; rm -rf d$((i / 2)); done
    i=0; while test $i -lt 60; do cat d12/e/f >> big; sync -d big; cat d12/e/f >> gap; sync -d gap; i=$((i + 1)); done
    commit; rm big; commit";

#[test]
fn a_changed_byte_never_panics_or_hangs() {
    for make in [
        "-b 1024 -N 256 -O ^metadata_csum,^64bit,^uninit_bg -J size=1 image 8M",
        "-b 1024 -N 256 -O ^metadata_csum,^64bit,^extent,^uninit_bg -J size=1 image 8M",
        "-b 1024 -N 256 -J size=1 image 8M",
    ] {
        let Some(image) = mounted(make, "", WORK) else { return };
        let bytes = image.read();
        let told = Told::of(bytes.clone());
        assert!(told.files.len() > 6, "{make}: {}", told.files.len());
        // Only blocks that tell something: the journal's own, copies, and the metadata at the start.
        let mut places: Vec<u64> = told.log.keys().copied().collect();
        places.extend(told.copies.iter().map(|copy| copy.at.start));
        places.extend((0..100).map(|block| block * 1024));
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        for round in 0..400 {
            let mut changed = bytes.clone();
            for _ in 0..1 + round % 16 {
                let block = places[usize::try_from(next()).unwrap() % places.len()];
                let at = usize::try_from(block + next() % 1024).unwrap();
                changed[at] = match next() % 4 {
                    0 => 0xFF,
                    1 => 0,
                    2 => changed[at].wrapping_add(1),
                    _ => u8::try_from(next() % 256).unwrap(),
                };
            }
            if catch_unwind(AssertUnwindSafe(|| history(changed.clone()))).is_err() {
                let kept = std::env::temp_dir().join("history-panic.img");
                fs::write(&kept, changed).unwrap();
                panic!("{make}: round {round}, image kept as {}", kept.display());
            }
        }
    }
}

fn history(image: Vec<u8>) {
    let Ok(ext) = Ext::open(image) else { return };
    let size = ext.summary().unwrap().size;
    let mut extents = Vec::new();
    let told = ext.history(&mut |past| {
        if let filesystem::Past::Former(file) = past {
            extents.extend(file.extents);
        }
        Ok(())
    });
    if let Err(error) = told {
        assert!(!error.to_string().is_empty());
    }
    assert!(extents.iter().all(|extent| extent.end() <= size));
}
