//! The crate imago, a reader of qcow2 that we share nothing with, sees what we wrote.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::fs::File;

use block::{
    to_u64, to_usize,
    write::{Compression, OutputFormat, create},
};
use imago::{FormatAccess, FormatDriverBuilder, PermissiveImplicitOpenGate, qcow2::Qcow2};

const SIZE: u64 = 9 << 20;

#[test]
fn imago_reads_what_we_wrote() {
    // Half of it compresses, half does not; with holes, and pieces of clusters.
    let mut state = 7u32;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    let pieces: Vec<(u64, Vec<u8>)> = vec![
        (0, b"boot".to_vec()),
        (70_000, (0..200_000).map(|_| noise()).collect()),
        (3 << 20, b"text that repeats itself. ".repeat(20_000)),
        (SIZE - 3, vec![1, 2, 3]),
    ];
    let mut expected = vec![0; to_usize(SIZE)];
    for (offset, data) in &pieces {
        expected[to_usize(*offset)..to_usize(*offset) + data.len()].copy_from_slice(data);
    }
    let dir = tempfile::tempdir().unwrap();
    for compression in [Compression::None, Compression::Deflate] {
        let path = dir.path().join(format!("{compression:?}.qcow2"));
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        let mut writer = create(file, OutputFormat::Qcow2(compression), SIZE, 2).unwrap();
        for (offset, data) in &pieces {
            writer.write(*offset, data).unwrap();
        }
        writer.finish().unwrap();

        let theirs = Qcow2::<imago::file::File>::builder_path(&path)
            .open(PermissiveImplicitOpenGate::default())
            .unwrap();
        let theirs = FormatAccess::new(theirs);
        assert_eq!(theirs.size(), to_u64(expected.len()));
        let mut seen = vec![0xff; expected.len()];
        theirs.read(&mut seen, 0).unwrap();
        assert!(seen == expected, "{compression:?}");
    }
}
