//! The log: the header of the one record that mkfs.xfs(8) writes. Records that have to be replayed, and the items in
//! them, have their tables beside the code, where logs are made.

use filesystem::{FilesystemMut, xfs::Xfs};

use super::{BLOCK, GOOD, row};

#[test]
fn the_last_record() {
    let good = &*GOOD;
    let log = usize::try_from(good.get(48, 8)).unwrap() * BLOCK;
    let blocks = good.get(96, 4) * 8;
    let header = |text: &str| format!("log block 0: {text}");
    let rows = vec![
        row("magic", log, 4, 1, "log: last record is without a header, expected a header"),
        row("cycle", log + 4, 4, 5, header("cycle is 5, expected 1, because the last block has none")),
        row(
            "tail",
            log + 24,
            8,
            1 << 32 | 999_999,
            header(&format!("tail is 999999, expected less than {blocks}")),
        ),
        row(
            "uuid",
            log + 304,
            8,
            7,
            header("UUID is that of another filesystem, expected that of the superblock"),
        ),
        row(
            "length",
            log + 12,
            4,
            40_000,
            header("tail is 1:0, expected less than a round before the head at 2:0"),
        ),
    ];
    good.check_by(rows, &|image| Xfs::open(image.bytes)?.recover().map(drop));
}
