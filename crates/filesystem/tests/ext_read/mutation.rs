//! One byte of metadata changed, thousands of times: never a panic, never an endless walk.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
};

use filesystem::{Claim, Filesystem, FilesystemMut, Owner, Result, ext::Ext};

use super::{image::Lab, open, tree};

fn run(bytes: Vec<u8>) -> Result<()> {
    let mut ext = Ext::open(bytes)?;
    drop(ext.summary());
    // Each reader on its own: a caller may use one where another has failed.
    let claims = ext.claims(&mut |_, _| Ok(()));
    let allocated = ext.allocated();
    let named = ext.check_names();
    let tree = tree::ours(&ext);
    let tails = ext.tails(&mut |_, _| Ok(()));
    let scrubbed = ext.scrub();
    claims?;
    tails?;
    allocated?;
    named?;
    tree?;
    scrubbed?;
    // What was read without an error before must be so after a scrub.
    ext.claims(&mut |_, _| Ok(()))?;
    tree::ours(&ext)?;
    assert_eq!(ext.scrub()?, 0, "the second scrub found something");
    assert_eq!(super::tails::of(&ext), [], "what the scrub left");
    Ok(())
}

#[test]
fn a_changed_byte_never_panics_or_hangs() {
    let lab = Lab::new();
    for (name, kib, options) in [
        (
            "ext4",
            4096,
            &["-t", "ext4", "-b", "1024", "-N", "400", "-O", "^metadata_csum,^uninit_bg,^has_journal"][..],
        ),
        (
            "inline",
            4096,
            &["-t", "ext4", "-b", "1024", "-N", "400", "-O", "inline_data,^metadata_csum,^has_journal"],
        ),
        ("ext2", 4096, &["-t", "ext2", "-b", "1024", "-N", "400", "-r", "1"]),
    ] {
        let path = lab.image(name, kib, options);
        super::image::run("e2fsck", &["-fyD", path.to_str().unwrap()]);
        let ext = open(&path);
        let mut places = Vec::new();
        ext.claims(&mut |extent, claim| {
            if matches!(claim, Claim::Live(Owner::Metadata | Owner::Mapping(_))) {
                places.push(extent);
            }
            Ok(())
        })
        .unwrap();
        let image = fs::read(&path).unwrap();
        let total: u64 = places.iter().map(|extent| extent.len).sum();
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut refused = 0;
        for round in 0..700u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // A third of the changes in the superblock and the descriptors, the rest anywhere.
            let mut at = if round % 3 == 0 { (state >> 33) % 1200 } else { (state >> 33) % total };
            let extent = places
                .iter()
                .find(|extent| {
                    let inside = at < extent.len;
                    at = if inside { at } else { at - extent.len };
                    inside
                })
                .unwrap();
            let position = usize::try_from(extent.start + at).unwrap();
            let [value, pick, ..] = (state >> 20).to_le_bytes();
            let mut bytes = image.clone();
            bytes[position] = match pick % 4 {
                0 => 0xFF,
                1 => 0,
                2 => bytes[position].wrapping_add(1),
                _ => value,
            };
            let result = catch_unwind(AssertUnwindSafe(|| run(bytes.clone())));
            match result {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
                Err(_) => panic!("{name}: byte {position} changed to {:#04x}", bytes[position]),
            }
        }
        assert!(refused > 30, "{name}: only {refused} of 700 changes were noticed");
        fs::remove_file(path).unwrap();
    }
}
