//! Inodes, the maps of their forks, and the blocks of symbolic links.

use filesystem::{Filesystem, InodeId, xfs::Xfs};

use super::{BLOCK, GOOD, inode, row};

#[test]
fn inodes() {
    let good = &*GOOD;
    let (root, file, short) = (good.root, good.file, good.short);
    let fork = inode(file) + 176;
    let used = inode(file);
    good.check(vec![
        row("inode magic", inode(good.root), 2, 0x4E49, format!("inode {root}: di_magic is 0x4e49, expected 0x494e")),
        row("inode version", inode(good.root) + 4, 1, 2, format!("inode {root}: di_version is 2, expected 3")),
        row("inode number", inode(good.root) + 152, 8, 7, format!("inode {root}: di_ino is 7, expected {root}")),
        row("inode mode", inode(good.file) + 2, 2, 0, format!("inode {file}: di_mode is 0o0, expected the type of a file")),
        row("inode format", inode(good.file) + 5, 1, 1, format!("inode {file}: di_format is 1, expected one that a file of mode 0o100640 has")),
        row("inode blocks", inode(good.file) + 64, 8, 99, format!("inode {file}: di_nblocks is 99, expected {}", good.get(inode(good.file) + 64, 8))),
        row("inode links", inode(good.file) + 16, 4, 9, format!("inode {file}: di_nlink is 9, expected {}, the number of names that lead to it", good.get(inode(good.file) + 16, 4))),
        row("inode fork", inode(good.file) + 82, 1, 42, format!("inode {file}: di_forkoff is 42, expected less than 42")),
        row("inode extents", inode(good.file) + 76, 4, 60, format!("inode {file}: number of extents is 60, expected at most {}, as they are in the inode", good.get(inode(good.file) + 82, 1) * 8 / 16)),
        row("extent length", fork + 8, 8, good.get(fork + 8, 8) & !0x1F_FFFF | 9000, format!("inode {file}: extent is 9000 blocks from {} on, expected blocks of one allocation group", good.get(fork + 8, 8) >> 21)),
        row("extent in the header", fork + 8, 8, good.get(fork + 8, 8) & 0x1F_FFFF, format!("inode {file}: block is 0 in use, which the metadata of allocation group 0 has, expected a block of its own")),
        row("uuid", used + 160, 8, 7, format!("inode {file}: uuid is another filesystem's, expected this one's")),
        row("realtime", used + 90, 2, 1, format!("inode {file}: data on a realtime device is not supported")),
        row("format of attributes", used + 83, 1, 4, format!("inode {file}: di_aformat is 4, expected 1 to 3")),
        row("extents, too few", used + 76, 4, 0, format!("inode {file}: di_nblocks is {}, expected {}", good.get(used + 64, 8), good.get(used + 64, 8) - 7)),
        row("extents of attributes", used + 80, 2, 40, format!("inode {file}: number of extents is 40, expected at most {}, as they are in the inode", (336 - 8 * good.get(used + 82, 1)) / 16)),
        row("extents without a fork", inode(short) + 80, 2, 1, format!("inode {short}: di_anextents is 1, expected 0")),
        row("size of a short directory", inode(short) + 56, 8, 400, format!("inode {short}: di_size is 400, expected at most the 336 bytes of its fork")),
        row("extent, unwritten", inode(root) + 5, 1, 4, format!("inode {root}: di_format is 4, expected one that a file of mode 0o40755 has")),
    ]);
    assert!(Xfs::open(&good.image.bytes).unwrap().metadata(InodeId(1)).is_err());
}

#[test]
fn maps() {
    let good = &*GOOD;
    let number = good.mapped;
    let root = inode(number) + 176;
    let pointer = root + 4 + 160;
    let leaf = good.image.find(b"BMA3", 0);
    let object = format!("bmbt block {}", leaf / BLOCK);
    let first = leaf / BLOCK - 1;
    good.check(vec![
        row("root's level, 0", root, 2, 0, format!("inode {number}: bb_level of its map is 0, expected 1 to 8")),
        row("root's level", root, 2, 9, format!("inode {number}: bb_level of its map is 9, expected 1 to 8")),
        row("root's level, by one", root, 2, 2, format!("{object}: bb_level is 0, expected 1")),
        row("root's count", root + 2, 2, 21, format!("inode {number}: bb_numrecs of its map is 21, expected 1 to 20")),
        row("root's count, 0", root + 2, 2, 0, format!("inode {number}: bb_numrecs of its map is 0, expected 1 to 20")),
        row("root's key", root + 4, 8, 5, format!("{object}: first file offset is 0, expected 5")),
        row("root's pointer", pointer, 8, 9000, format!("inode {number}: block of its map is 9000, expected one inside the filesystem")),
        row("magic", leaf, 4, 0, format!("{object}: magic is 0x00000000, expected 0x424d4133")),
        row("level", leaf + 4, 2, 1, format!("{object}: bb_level is 1, expected 0")),
        row("count", leaf + 6, 2, 252, format!("{object}: bb_numrecs is 252, expected 1 to 251")),
        row("count, 0", leaf + 6, 2, 0, format!("{object}: bb_numrecs is 0, expected 1 to 251")),
        row("place", leaf + 24, 8, 1, format!("{object}: bb_blkno is 1, expected {}", leaf / 512)),
        row("uuid", leaf + 40, 8, 7, format!("{object}: uuid is another filesystem's, expected this one's")),
        row("owner", leaf + 56, 8, 1, format!("{object}: bb_owner is 1, expected {number}")),
        row("extent", leaf + 80, 8, to_extent(first, 9000), format!("inode {number}: extent is 9000 blocks from {first} on, expected blocks of one allocation group")),
        row("extent in its own tree", leaf + 80, 8, to_extent(first, 2), format!("inode {number}: block is {} in use, which inode {number} has, expected a block of its own", first + 1)),
    ]);
}

/// The second word of an extent that lies at a low block.
fn to_extent(block: usize, count: u64) -> u64 {
    block::to_u64(block) << 21 | count
}

#[test]
fn links() {
    let good = &*GOOD;
    let long = good.long;
    let link = good.image.find(b"XSLM", 0);
    let object = format!("symlink block {}", link / BLOCK);
    good.check(vec![
        row(
            "symlink bytes",
            link + 8,
            4,
            901,
            format!("symlink block {}: sl_bytes is 901, expected 900", link / BLOCK),
        ),
        row(
            "symlink size",
            inode(good.long) + 56,
            8,
            1025,
            format!("inode {long}: di_size is 1025, expected 1 to 1024"),
        ),
        row("magic", link, 4, 0, format!("{object}: magic is 0x00000000, expected 0x58534c4d")),
        row("offset", link + 4, 4, 1, format!("{object}: sl_offset is 1, expected 0")),
        row("uuid", link + 16, 8, 7, format!("{object}: uuid is another filesystem's, expected this one's")),
        row("owner", link + 32, 8, 1, format!("{object}: sl_owner is 1, expected {long}")),
        row("place", link + 40, 8, 1, format!("{object}: sl_blkno is 1, expected {}", link / 512)),
    ]);
}
