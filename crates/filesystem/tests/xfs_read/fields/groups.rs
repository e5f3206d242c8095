//! The superblock, the headers of a group, and its trees.

use super::{BLOCK, GOOD, row};

/// Magic and name of each tree of a group.
pub(super) const TREES: [(&[u8], &str); 6] = [
    (b"AB3B", "bnobt block"),
    (b"AB3C", "cntbt block"),
    (b"IAB3", "inobt block"),
    (b"FIB3", "finobt block"),
    (b"RMB3", "rmapbt block"),
    (b"R3FC", "refcountbt block"),
];

#[test]
fn superblock() {
    let good = &*GOOD;
    good.check(vec![
        row("magic", 0, 4, 0, "superblock: sb_magicnum is 0x00000000, expected 0x58465342"),
        row(
            "block size",
            4,
            4,
            4095,
            "superblock: sb_blocksize is 4095, expected a power of two from 512 to 65536",
        ),
        row(
            "sector size",
            102,
            2,
            100,
            "superblock: sb_sectsize is 100, expected a power of two from 512 to 32768",
        ),
        row("version", 100, 2, 0xB4A6, "superblock: version 6 is not supported"),
        row("realtime", 16, 8, 77, "superblock: a realtime device is not supported"),
        row("log", 48, 8, 0, "superblock: an external log is not supported"),
        row(
            "incompat",
            216,
            4,
            0x8000_0000,
            "superblock: unknown incompat feature 0x80000000 is not supported",
        ),
        row(
            "needsrepair",
            216,
            4,
            0x13,
            "superblock: feature needsrepair (run xfs_repair first) is not supported",
        ),
        row("parent", 216, 4, 0x83, "superblock: feature parent (parent pointers) is not supported"),
        row("metadir", 216, 4, 0x103, "superblock: feature metadir is not supported"),
        row("ro_compat", 212, 4, 0x10, "superblock: unknown ro_compat feature 0x10 is not supported"),
        row("compat", 208, 4, 4, "superblock: unknown compat feature 0x4 is not supported"),
        row("larp", 220, 4, 1, "superblock: feature larp (logged attributes) is not supported"),
        row("in progress", 126, 1, 1, "superblock: sb_inprogress is 1, expected 0 (mkfs has finished)"),
        row("agcount", 88, 4, 9, "superblock: sb_agcount is 9, expected 1, as there are 8704 blocks"),
        row("dblocks", 8, 8, 8706, "superblock: sb_agcount is 1, expected 2, as there are 8706 blocks"),
        row("agblklog", 124, 1, 9, "superblock: sb_agblklog is 9, expected 14"),
        row(
            "inode size",
            104,
            2,
            300,
            "superblock: sb_inodesize is 300, expected a power of two from 512 to 2048",
        ),
        row(
            "root",
            56,
            8,
            u64::MAX,
            format!("superblock: sb_rootino is {}, expected an inode inside the filesystem", u64::MAX),
        ),
        row(
            "log blocks",
            96,
            4,
            50000,
            format!(
                "superblock: log is 50000 blocks from {} on, expected blocks of one allocation group",
                good.get(48, 8)
            ),
        ),
        row("dirblklog", 192, 1, 5, "superblock: sb_dirblklog is 5, expected at most 4"),
        row("blocklog", 120, 1, 11, "superblock: sb_blocklog is 11, expected 12, as the size is 4096"),
        row("sectlog", 121, 1, 12, "superblock: sb_sectlog is 12, expected 9, as the size is 512"),
        row("inodelog", 122, 1, 8, "superblock: sb_inodelog is 8, expected 9, as the size is 512"),
        row("inopblock", 106, 2, 9, "superblock: sb_inopblock is 9, expected 8"),
        row("inopblog", 123, 1, 4, "superblock: sb_inopblog is 4, expected 3, as the size is 8"),
        row("agblocks", 84, 4, 63, "superblock: sb_agblocks is 63, expected 64 to 268435456"),
    ]);
}

#[test]
fn headers() {
    let good = &*GOOD;
    let (free, longest, unused) = (good.get(512 + 52, 4), good.get(512 + 56, 4), good.get(1024 + 28, 4));
    good.check(vec![
        row("agf number", 512 + 8, 4, 1, "AGF 0: agf_seqno is 1, expected 0"),
        row("agf length", 512 + 12, 4, 7, "AGF 0: agf_length is 7, expected 8704"),
        row(
            "agf level",
            512 + 28,
            4,
            10,
            "allocation group 0: levels is 10 for its bnobt blocks, expected 1 to 9",
        ),
        row(
            "agf root",
            512 + 16,
            4,
            8704,
            "allocation group 0: place is 8704 of its bnobt block, expected less than 8704",
        ),
        row("agf first", 512 + 40, 4, 119, "AGF 0: agf_flfirst is 119, expected less than 119"),
        row(
            "agf longest",
            512 + 56,
            4,
            9000,
            format!("AGF 0: agf_longest is 9000, expected at most {}", good.get(512 + 52, 4)),
        ),
        row("agi number", 1024 + 8, 4, 1, "AGI 0: agi_seqno is 1, expected 0"),
        row(
            "agi count",
            1024 + 16,
            4,
            6400,
            format!("AGI 0: agi_count is 6400, expected {}", good.get(1024 + 16, 4)),
        ),
        row("agfl number", 1536 + 4, 4, 1, "AGFL 0: agfl_seqno is 1, expected 0"),
        row(
            "agfl slot",
            1536 + 36 + 4 * usize::try_from(good.get(512 + 40, 4)).unwrap(),
            4,
            9999,
            "AGFL 0: agfl_bno is 9999, expected less than 8704",
        ),
        row("agf version", 512 + 4, 4, 2, "AGF 0: agf_versionnum is 2, expected 1"),
        row("agf magic", 512, 4, 0x5841_4749, "AGF 0: magic is 0x58414749, expected 0x58414746"),
        row("agf uuid", 512 + 64, 8, 7, "AGF 0: uuid is another filesystem's, expected this one's"),
        row("agf free", 512 + 52, 4, 8705, "AGF 0: agf_freeblks is 8705, expected at most 8704"),
        row(
            "agf free, by one",
            512 + 52,
            4,
            free + 1,
            format!("AGF 0: agf_freeblks is {}, expected {free}", free + 1),
        ),
        row(
            "agf longest, by one",
            512 + 56,
            4,
            longest - 1,
            format!("AGF 0: agf_longest is {}, expected {longest}", longest - 1),
        ),
        row("agf last", 512 + 44, 4, 119, "AGF 0: agf_fllast is 119, expected less than 119"),
        row(
            "agf list's count",
            512 + 48,
            4,
            99,
            format!("AGF 0: agf_flcount is 99, expected {}", good.get(512 + 48, 4)),
        ),
        row("agi magic", 1024, 4, 0, "AGI 0: magic is 0x00000000, expected 0x58414749"),
        row("agi version", 1024 + 4, 4, 2, "AGI 0: agi_versionnum is 2, expected 1"),
        row("agi length", 1024 + 12, 4, 7, "AGI 0: agi_length is 7, expected 8704"),
        row(
            "agi free",
            1024 + 28,
            4,
            99_999,
            format!("AGI 0: agi_freecount is 99999, expected at most {}", good.get(1024 + 16, 4)),
        ),
        row(
            "agi free, by one",
            1024 + 28,
            4,
            unused + 1,
            format!("AGI 0: agi_freecount is {}, expected {unused}", unused + 1),
        ),
        row("agi uuid", 1024 + 296, 8, 7, "AGI 0: uuid is another filesystem's, expected this one's"),
        row(
            "agi root",
            1024 + 20,
            4,
            9000,
            "allocation group 0: place is 9000 of its inobt block, expected less than 8704",
        ),
        row(
            "agi level",
            1024 + 24,
            4,
            0,
            "allocation group 0: levels is 0 for its inobt blocks, expected 1 to 9",
        ),
        row(
            "agi free root",
            1024 + 328,
            4,
            9000,
            "allocation group 0: place is 9000 of its finobt block, expected less than 8704",
        ),
        row(
            "agi free level",
            1024 + 332,
            4,
            10,
            "allocation group 0: levels is 10 for its finobt blocks, expected 1 to 9",
        ),
        row("agfl magic", 1536, 4, 0, "AGFL 0: magic is 0x00000000, expected 0x5841464c"),
        row("agfl uuid", 1536 + 8, 8, 7, "AGFL 0: uuid is another filesystem's, expected this one's"),
    ]);
}

#[test]
fn trees() {
    let good = &*GOOD;
    let mut rows = Vec::new();
    // What all trees have, and how many records each has room for.
    for ((magic, name), most) in TREES.into_iter().zip([505, 505, 252, 252, 168, 336]) {
        let at = good.image.find(magic, 0);
        let (number, magic) = (at / BLOCK, good.get(at, 4));
        let object = format!("{name} {number}");
        rows.extend([
            row(
                "magic",
                at,
                4,
                0x5858_5858,
                format!("{object}: magic is 0x58585858, expected {magic:#010x}"),
            ),
            row("level", at + 4, 2, 1, format!("{object}: bb_level is 1, expected 0")),
            row(
                "count",
                at + 6,
                2,
                most + 1,
                format!("{object}: bb_numrecs is {}, expected at most {most}", most + 1),
            ),
            row("place", at + 16, 8, 1, format!("{object}: bb_blkno is 1, expected {}", at / 512)),
            row(
                "uuid",
                at + 32,
                8,
                7,
                format!("{object}: uuid is another filesystem's, expected this one's"),
            ),
            row("owner", at + 48, 4, 1, format!("{object}: bb_owner is 1, expected 0")),
        ]);
    }
    good.check(rows);
}

#[test]
fn records() {
    let good = &*GOOD;
    let [bno, cnt, ino, rmap, refc] =
        [b"AB3B", b"AB3C", b"IAB3", b"RMB3", b"R3FC"].map(|magic| good.image.find(magic, 0));
    let last = ino + 56 + 16 * usize::try_from(good.get(ino + 6, 2) - 1).unwrap();
    good.check(vec![
        row("bno extent", bno + 56 + 4, 4, 9000, format!("allocation group 0: extent is 9000 blocks from {} on, in its bnobt block, expected within its 8704 blocks", good.get(bno + 56, 4))),
        row("cnt extent", cnt + 56, 4, 5, "allocation group 0: cntbt is another set of free extents, expected the bnobt's"),
        row("chunk start", ino + 56, 4, 3, "inode chunk 3: ir_startino is 3, in its inobt block, expected a multiple of 8"),
        row("chunk count", ino + 56 + 6, 1, 60, format!("inode chunk {}: ir_count is 60, expected 64", good.get(ino + 56, 4))),
        row("chunk free count", ino + 56 + 7, 1, 64, format!("inode chunk {}: ir_freecount is 64, expected {}", good.get(ino + 56, 4), good.get(ino + 56 + 7, 1))),
        row("refcount count", refc + 6, 2, 1, "allocation group 0: extent is 0 blocks from 0 on, in its refcountbt block, expected within its 8704 blocks"),
        row("rmap order", rmap + 56 + 24, 4, 0, format!("rmapbt block {}: record is 1 out of order, expected ascending", rmap / BLOCK)),
        row("chunk free in a hole", ino + 56 + 4, 2, 1, format!("inode chunk {}: ir_count is 64, expected 60", good.get(ino + 56, 4))),
        row("chunk far away", last, 4, 69_632, "inode chunk 69632: ir_startino is 69632, expected a chunk within 8704 blocks"),
    ]);
}
