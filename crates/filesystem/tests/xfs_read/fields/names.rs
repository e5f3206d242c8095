//! Directories and attributes, in inodes and in blocks.

use block::Overlay;
use filesystem::{FilesystemMut, xfs::Xfs};

use super::{BLOCK, GOOD, Good, Row, inode, row};

/// What each block of a file's metadata says of itself: where place, filesystem and owner are in it.
fn own(good: &Good, object: &str, at: usize, (place, uuid, owner): (usize, usize, usize)) -> [Row; 3] {
    let object = format!("{object} {}", at / BLOCK);
    let inode = good.get(at + owner, 8);
    [
        row("place", at + place, 8, 1, format!("{object}: blkno is 1, expected {}", at / 512)),
        row("uuid", at + uuid, 8, 7, format!("{object}: uuid is another filesystem's, expected this one's")),
        row("owner", at + owner, 8, 1, format!("{object}: owner is 1, expected {inode}")),
    ]
}

#[test]
fn directories() {
    let good = &*GOOD;
    let short = good.short;
    let [single, data, free] = [b"XDB3", b"XDD3", b"XDF3"].map(|magic| good.image.find(magic, 0));
    let [leaf1, leafn] = [[0x3D, 0xF1], [0x3D, 0xFF]].map(|magic| good.image.find(&magic, 8));
    let large = usize::try_from(good.get(free + 40, 8)).unwrap();
    let node = good.owned(&[0x3E, 0xBE], (8, 48), large);
    let fork = inode(short) + 176;
    let mut rows = vec![
        row(
            "short directory's count",
            inode(good.short) + 176,
            1,
            9,
            format!(
                "inode {short}: directory entry is cut off, expected within {} bytes",
                good.get(inode(good.short) + 56, 8)
            ),
        ),
        row(
            "block magic",
            single,
            4,
            0x5844_4444,
            format!("directory block {}: magic is 0x58444444, expected 0x58444433", single / BLOCK),
        ),
        row(
            "block owner",
            single + 40,
            8,
            1,
            format!("directory block {}: owner is 1, expected {}", single / BLOCK, good.get(single + 40, 8)),
        ),
        row(
            "block's index",
            single + BLOCK - 8,
            4,
            600,
            format!("directory block {}: count of its index is 600, expected at most 503", single / BLOCK),
        ),
        row(
            "data entry's length",
            data + 64 + 8,
            1,
            0,
            format!(
                "directory block {}: directory entry is without a name at 64, expected one within its block",
                data / BLOCK
            ),
        ),
        row(
            "data tag",
            data + 64 + 14,
            2,
            0,
            format!("directory block {}: tag of an entry is 0, expected 64", data / BLOCK),
        ),
        row(
            "leaf1 count",
            leaf1 + 56,
            2,
            600,
            format!("directory block {}: count is 600, expected at most 503", leaf1 / BLOCK),
        ),
        row(
            "leafn magic",
            leafn + 8,
            2,
            0,
            format!("directory block {}: magic is 0x0000, expected a leaf's or a node's", leafn / BLOCK),
        ),
        row(
            "free count",
            free + 52,
            4,
            3000,
            format!("directory block {}: count is 3000, expected at most 2016", free / BLOCK),
        ),
        row(
            "short directory's name",
            fork + 6,
            1,
            200,
            format!(
                "inode {short}: directory entry is cut off, expected within {} bytes",
                good.get(inode(short) + 56, 8)
            ),
        ),
        row(
            "short directory's slash",
            fork + 9,
            1,
            u64::from(b'/'),
            format!(
                "inode {short}: directory entry's name is empty or with a slash or NUL, expected a file name"
            ),
        ),
        row(
            "short directory's size",
            inode(short) + 56,
            8,
            good.get(inode(short) + 56, 8) + 1,
            format!(
                "inode {short}: di_size is {}, expected {}, where its 3 names end",
                good.get(inode(short) + 56, 8) + 1,
                good.get(inode(short) + 56, 8)
            ),
        ),
        row(
            "data magic",
            data,
            4,
            0x5844_4444,
            format!("directory block {}: magic is 0x58444444, expected 0x58444433", data / BLOCK),
        ),
        row(
            "data free length",
            single_free(good, single) + 2,
            2,
            4,
            format!(
                "directory block {}: directory entry is 4 free bytes at {}, expected one within its block",
                single / BLOCK,
                single_free(good, single) - single
            ),
        ),
        row(
            "leaf1 magic",
            leaf1 + 8,
            2,
            0x3DF2,
            format!("directory block {}: magic is 0x3df2, expected a leaf's or a node's", leaf1 / BLOCK),
        ),
        row(
            "leaf1 bests",
            leaf1 + BLOCK - 4,
            4,
            2014,
            format!(
                "directory block {}: bestcount is 2014, expected at most {}",
                leaf1 / BLOCK,
                2014 - 4 * good.get(leaf1 + 56, 2)
            ),
        ),
        row(
            "leafn count",
            leafn + 56,
            2,
            505,
            format!("directory block {}: count is 505, expected at most 504", leafn / BLOCK),
        ),
        row(
            "node count",
            node + 56,
            2,
            505,
            format!("directory block {}: count is 505, expected at most 504", node / BLOCK),
        ),
        row(
            "free magic",
            free,
            4,
            0,
            format!("directory block {}: magic is 0x00000000, expected 0x58444633", free / BLOCK),
        ),
    ];
    // What lies behind a name: its inode's number, then its kind.
    let (kind, number) = (fork + 6 + 3 + usize::try_from(good.get(fork + 6, 1)).unwrap(), inode(short));
    let target = good.get(kind + 1, 4);
    assert_eq!(good.get(kind, 1), 1, "the first name is a file's: {number}");
    rows.push(row(
        "short directory's kind",
        kind,
        1,
        2,
        format!("inode {short}: directory entry's kind is a directory for inode {target}, expected a file"),
    ));
    let free_inode = good.free_inode();
    rows.push(row(
        "short directory's inode",
        kind + 1,
        4,
        free_inode,
        format!(
            "inode {short}: directory entry's inode is {free_inode}, which is free, expected one that is in use"
        ),
    ));
    let name = data + 64 + 9;
    let kind = name + usize::try_from(good.get(name - 1, 1)).unwrap();
    rows.push(row(
        "data entry's kind",
        kind,
        1,
        6,
        format!(
            "inode {}: directory entry's kind is a socket for inode {}, expected a directory",
            good.get(data + 40, 8),
            good.get(data + 64, 8)
        ),
    ));
    for at in [single, data, free] {
        rows.extend(own(good, "directory block", at, (8, 24, 40)));
    }
    for at in [leaf1, leafn, node] {
        rows.extend(own(good, "directory block", at, (16, 32, 48)));
    }
    good.check(rows);
}

/// What an index has no room for is not passed over by the scrub, for whoever looks afterwards to find.
#[test]
fn counts_of_an_index() {
    let good = &*GOOD;
    let free = good.image.find(b"XDF3", 0);
    let [leaf1, leafn] = [[0x3D, 0xF1], [0x3D, 0xFF]].map(|magic| good.image.find(&magic, 8));
    let node = good.owned(&[0x3E, 0xBE], (8, 48), usize::try_from(good.get(free + 40, 8)).unwrap());
    let entries = good.get(leaf1 + 56, 2);
    let count = |what: &str, block: usize, (at, len): (usize, usize), field: &str, most: u64| {
        let error =
            format!("directory block {}: {field} is {}, expected at most {most}", block / BLOCK, most + 1);
        row(what, block + at, len, most + 1, error)
    };
    let rows = vec![
        count("leaf1 count", leaf1, (56, 2), "count", 503),
        count("leaf1 bests", leaf1, (BLOCK - 4, 4), "bestcount", 2014 - 4 * entries),
        count("leafn count", leafn, (56, 2), "count", 504),
        count("node count", node, (56, 2), "count", 504),
        count("free count", free, (52, 4), "count", 2016),
    ];
    good.check_by(rows, &|image| {
        let mut view = Overlay::new(&image.bytes);
        Xfs::open(&mut view)?.scrub().map(drop)
    });
}

/// Where the first free region of a directory's block is.
fn single_free(good: &Good, block: usize) -> usize {
    (64..BLOCK).step_by(8).map(|at| block + at).find(|at| good.get(*at, 2) == 0xFFFF).unwrap()
}

/// Attributes inside an inode: a header, and names with values back to back.
#[test]
fn short_attributes() {
    let good = &*GOOD;
    let (number, at) = (good.attributed, inode(good.attributed));
    let fork = at + 176 + 8 * usize::try_from(good.get(at + 82, 1)).unwrap();
    let (total, room) = (good.get(fork, 2), at + 512 - fork);
    assert_eq!((good.get(at + 83, 1), good.get(fork + 2, 1)), (1, 2), "two attributes inside the inode");
    let second = fork + 4 + 3 + usize::try_from(good.get(fork + 4, 1) + good.get(fork + 5, 1)).unwrap();
    let object = format!("inode {number}");
    let cut = |total: u64| format!("{object}: attribute is cut off, expected within {total} bytes");
    let cut_off = cut(total);
    let length = |found: u64, expected: &str| {
        format!("{object}: length of its attributes is {found}, expected {expected}")
    };
    good.check(vec![
        row("length, 0", fork, 2, 0, length(0, &format!("4 to {room}"))),
        row("length, too small for its header", fork, 2, 3, length(3, &format!("4 to {room}"))),
        row("length, beyond the inode", fork, 2, 500, length(500, &format!("4 to {room}"))),
        row(
            "length, by one",
            fork,
            2,
            total + 1,
            length(total + 1, &format!("{total}, where the last one ends")),
        ),
        row("length, short by one", fork, 2, total - 1, cut(total - 1)),
        row("count, 0", fork + 2, 1, 0, length(total, "4, where the last one ends")),
        row(
            "count, one less",
            fork + 2,
            1,
            1,
            length(total, &format!("{}, where the last one ends", second - fork)),
        ),
        row("count, one more", fork + 2, 1, 3, cut_off.clone()),
        row("count", fork + 2, 1, 255, cut_off.clone()),
        row("length of a name", fork + 4, 1, 255, cut_off.clone()),
        row("length of a value", fork + 5, 1, 255, cut_off.clone()),
        row("length of the last name", second, 1, 200, cut_off.clone()),
        row(
            "length of the last value",
            second + 1,
            1,
            0,
            length(total, &format!("{}, where the last one ends", total - good.get(second + 1, 1))),
        ),
        row("no name", second, 1, 0, format!("{object}: attribute is without a name, expected a name")),
        row("place of the fork", at + 82, 1, 41, length(good.get(at + 176 + 41 * 8, 2), "4 to 8")),
    ]);
}

#[test]
fn attributes() {
    let good = &*GOOD;
    let (file, empty) = (good.file, good.empty);
    let attr = good.owned(&[0x3B, 0xEE], (8, 48), file);
    let value = good.image.find(b"XARM", 0);
    let node = good.owned(&[0x3E, 0xBE], (8, 48), empty);
    let (leaf, top) =
        (format!("attribute leaf {}", attr / BLOCK), format!("attribute leaf {}", node / BLOCK));
    let part = format!("attribute value block {}", value / BLOCK);
    let mut rows = vec![
        row(
            "attr count",
            attr + 56,
            2,
            600,
            format!("attribute leaf {}: count is 600, expected at most 502", attr / BLOCK),
        ),
        row(
            "attr name",
            attr + 80 + 4,
            2,
            8,
            format!(
                "attribute leaf {}: nameidx is 8, expected a name between {} and 4096",
                attr / BLOCK,
                80 + 8 * good.get(attr + 56, 2)
            ),
        ),
        row(
            "attr value's bytes",
            value + 8,
            4,
            5,
            format!("attribute value block {}: rm_bytes is 5, expected 4040", value / BLOCK),
        ),
        row("leaf magic", attr + 8, 2, 0, format!("{leaf}: magic is 0x0000, expected 0x3bee or 0x3ebe")),
        row("node level, 0", node + 58, 2, 0, format!("{top}: level is 0, expected 1 to 5")),
        row("node level", node + 58, 2, 6, format!("{top}: level is 6, expected 1 to 5")),
        row("node count", node + 56, 2, 505, format!("{top}: count is 505, expected 1 to 504")),
        row("node count, 0", node + 56, 2, 0, format!("{top}: count is 0, expected 1 to 504")),
        row(
            "node's child",
            node + 64 + 4,
            4,
            0,
            format!("inode {empty}: block of its attributes is 0, expected one not named twice"),
        ),
        row(
            "node's child, far",
            node + 64 + 4,
            4,
            7000,
            format!("inode {empty}: block of its attributes is 7000, expected one that is there"),
        ),
        row("value magic", value, 4, 0, format!("{part}: magic is 0x00000000, expected 0x5841524d")),
        row("value offset", value + 4, 4, 1, format!("{part}: rm_offset is 1, expected 0")),
    ];
    rows.extend(own(good, "attribute leaf", attr, (16, 32, 48)));
    rows.extend(own(good, "attribute leaf", node, (16, 32, 48)));
    rows.extend(own(good, "attribute value block", value, (40, 16, 32)));
    good.check(rows);
}
