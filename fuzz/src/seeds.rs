//! What a run starts from: each image as it is, with each way to use it; and for some targets a few words of their
//! language.

use std::{fs, io, path::Path};

use crate::{
    disk::Base,
    input::{END, PATCH},
};

/// Options of a seed: nothing, one thing, several, all.
const OPTIONS: [u32; 6] = [0, 1, 0b10_1100, 0b111_0001, 0x0123_4567, 0x7fff_ffff];

/// Writes the seeds of a target, if they are not there.
pub fn write(target: &str, bases: &[&'static Base], into: &Path) -> io::Result<()> {
    fs::create_dir_all(into)?;
    for base in bases {
        for (number, options) in OPTIONS.iter().enumerate() {
            let head = [base.id().to_le_bytes(), options.to_le_bytes()].concat();
            fs::write(into.join(format!("seed-{}-{number}", base.name)), &head)?;
            for (word, rest) in words(target).iter().enumerate() {
                // Free bytes come behind the first byte of a patch that ends the patches.
                let mut whole = [&head[..], &[END], rest].concat();
                whole.resize(whole.len().max(head.len() + PATCH), 0);
                fs::write(into.join(format!("seed-{}-{number}-{word}", base.name)), whole)?;
            }
        }
    }
    Ok(())
}

/// Policy files: those of the tests, and the examples of the manual.
pub fn write_policies(into: &Path) -> io::Result<()> {
    const FILES: [&str; 2] = [
        include_str!("../../tests/cases/policy-file/policy.toml"),
        include_str!("../../tests/cases/remove-users/policy.toml"),
    ];
    const MANUAL: &str = include_str!("../../docs/policy.md");
    fs::create_dir_all(into)?;
    let examples = MANUAL.split("```toml\n").skip(1).filter_map(|behind| behind.split("```").next());
    for (number, text) in FILES.into_iter().chain(examples).enumerate() {
        fs::write(into.join(format!("seed-{number}")), text)?;
    }
    Ok(())
}

/// Free bytes that mean something.
fn words(target: &str) -> Vec<Vec<u8>> {
    let record = |tag: u8, value: &[u8]| {
        let len = u8::try_from(value.len()).expect("seeds are short");
        [&[tag, 0, len, 0], value].concat()
    };
    let numbers =
        |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    match target {
        // Records of a fast commit: an inode that is new, its extent, its name; a name that goes; a hole.
        "journal" => {
            let mut inode = numbers(&[90, 0x81a4, 3000]);
            inode.resize(4 + 128, 0);
            inode[4 + 26] = 1;
            inode[4 + 34] = 8;
            inode[4 + 40..4 + 44].copy_from_slice(&[0x0a, 0xf3, 0, 0]);
            inode[4 + 44] = 4;
            let made = [&numbers(&[2, 90])[..], b"made"].concat();
            let gone = [&numbers(&[2, 12])[..], b"etc"].concat();
            let create = [record(6, &inode), record(3, &made)].concat();
            let extent = record(1, &[numbers(&[90, 0]), vec![3, 0, 0, 0], numbers(&[3000])].concat());
            vec![
                create.clone(),
                [&create[..], &extent].concat(),
                record(5, &gone),
                record(4, &made),
                record(2, &numbers(&[13, 0, 4])),
            ]
        }
        // Operations of a log: a buffer of one chunk, an inode's core, an intent without its end.
        "xfs_log" => {
            let operation =
                |data: &[u8]| [&[0, u8::try_from(data.len()).expect("seeds are short")], data].concat();
            let head = |kind: u16, regions: u16, rest: &[u8]| {
                [&kind.to_le_bytes()[..], &regions.to_le_bytes(), rest].concat()
            };
            let buffer =
                [&[0, 0x08, 8, 0][..], &1u64.to_le_bytes(), &1u32.to_le_bytes(), &1u32.to_le_bytes()]
                    .concat();
            let inode = [
                &[1, 0, 0, 0, 0, 0, 0, 0][..],
                &0u32.to_le_bytes(),
                &128u64.to_le_bytes(),
                &[0; 16],
                &128u64.to_le_bytes(),
                &32u32.to_le_bytes(),
                &0u32.to_le_bytes(),
            ]
            .concat();
            let mut core = vec![0; 176];
            core[..8].copy_from_slice(&[0x4e, 0x49, 0xa4, 0x81, 3, 2, 0, 0]);
            let intent =
                [&1u32.to_le_bytes()[..], &7u64.to_le_bytes(), &100u64.to_le_bytes(), &4u32.to_le_bytes()]
                    .concat();
            vec![
                [operation(&head(0x123c, 2, &buffer)), operation(&[b'X'; 128])].concat(),
                [operation(&head(0x123b, 2, &inode)), operation(&core)].concat(),
                operation(&head(0x1236, 1, &intent)),
            ]
        }
        "lvm" => vec![include_bytes!("lvm.txt").to_vec()],
        _ => Vec::new(),
    }
}
