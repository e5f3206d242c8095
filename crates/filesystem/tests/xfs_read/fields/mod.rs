//! Each kind of metadata, one field of a good image patched at a time: the exact error.
//!
//! Each table is of one structure. Its checksum is redone, or it would hide all else; that a wrong one is seen has a
//! table of its own.

mod forks;
mod groups;
mod log;
mod names;

use std::{fs, sync::LazyLock};

use block::to_u64;
use filesystem::xfs::Xfs;

use super::{
    hostile::{Image, make, read_all},
    image::Lab,
    tree,
};

const BLOCK: usize = 4096;

/// One for all tables.
static GOOD: LazyLock<Good> = LazyLock::new(Good::new);

/// What is patched, where (byte of the image, bytes of the field), with what, and the error.
struct Row {
    field: String,
    at: usize,
    len: usize,
    value: u64,
    error: String,
}

/// A good image and where things are in it.
struct Good {
    image: Image,
    /// Inodes by the names of the prototype.
    root: usize,
    file: usize,
    empty: usize,
    mapped: usize,
    short: usize,
    long: usize,
    /// Its attributes lie in the inode.
    attributed: usize,
}

/// Where an inode lies: the only group starts at 0.
fn inode(number: usize) -> usize {
    number / 8 * BLOCK + number % 8 * 512
}

impl Good {
    fn new() -> Self {
        let lab = Lab::new();
        let bytes = make(&lab, "good", 34, "-d agcount=1 -m finobt=1,rmapbt=1,reflink=1 -i sparse=1");
        fs::write(lab.path("good"), bytes).unwrap();
        // So many attributes that leaves need a node above them.
        lab.run(
            "(echo 'path /empty'; for i in $(seq 60); do echo attr_set -v 240 many$i; done) | xfs_db -x good >/dev/null
             xfs_db -x -c 'path /longlink' -c 'attr_set -v 20 one' -c 'attr_set -v 5 second' good >/dev/null",
        );
        let mut image = Image { bytes: fs::read(lab.path("good")).unwrap(), block: BLOCK, sector: 512 };
        let tree = tree::ours(&Xfs::open(&image.bytes).unwrap()).unwrap();
        let named = |name: &str| {
            let line = &tree[format!("/{name}").as_bytes()];
            line.split(' ').next().unwrap().parse::<usize>().unwrap()
        };
        let [file, empty, mapped, short, long] = ["file", "empty", "mapped", "short", "longlink"].map(named);
        let root = usize::try_from(image.get(56, 8)).unwrap();
        give_a_tree(&mut image, mapped);
        read_all(image.bytes.clone()).unwrap_or_else(|error| panic!("{error}"));
        Self { image, root, file, empty, mapped, short, long, attributed: long }
    }

    fn get(&self, at: usize, len: usize) -> u64 {
        self.image.get(at, len)
    }

    /// An inode that is there and not in use: the last of its block.
    fn free_inode(&self) -> u64 {
        let used = |number: usize| self.get(inode(number) + 2, 2) != 0;
        to_u64((self.root..).find(|number| !used(*number)).unwrap())
    }

    /// The first block with this magic and owner.
    fn owned(&self, magic: &[u8], (magic_at, owner_at): (usize, usize), owner: usize) -> usize {
        (0..self.image.bytes.len())
            .step_by(BLOCK)
            .find(|at| {
                self.image.bytes[at + magic_at..].starts_with(magic)
                    && self.get(at + owner_at, 8) == to_u64(owner)
            })
            .unwrap()
    }

    /// Patches each row's field on its own and compares all errors.
    fn check(&self, rows: Vec<Row>) {
        self.check_by(rows, &|image| read_all(image.bytes));
    }

    fn check_by(&self, rows: Vec<Row>, read: &dyn Fn(Image) -> filesystem::Result<()>) {
        let mut wrong = Vec::new();
        for row in rows {
            let mut image = Image { bytes: self.image.bytes.clone(), ..self.image };
            assert_ne!(image.get(row.at, row.len), row.value, "{} is that already", row.field);
            image.put(row.at, row.len, row.value);
            let found = error_of(read(image));
            if found != row.error {
                wrong.push(format!("{}:\n  {found}\n  {}", row.field, row.error));
            }
        }
        assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    }
}

fn error_of(result: filesystem::Result<()>) -> String {
    result.err().map_or_else(|| "no error".to_owned(), |error| error.to_string())
}

/// Turns the map of a file of two blocks into a btree: mkfs.xfs makes none. Its second block becomes the leaf.
fn give_a_tree(image: &mut Image, number: usize) {
    let at = inode(number);
    let fork = at + 176;
    let low = image.get(fork + 8, 8);
    assert_eq!((image.get(at + 76, 4), low & 0x1F_FFFF), (1, 2), "one extent of two blocks");
    let leaf = usize::try_from(low >> 21).unwrap() + 1;
    let (record, uuid) = (image.get(fork, 8), image.bytes[32..48].to_vec());
    let start = leaf * BLOCK;
    image.bytes[start..start + BLOCK].fill(0);
    image.bytes[start..start + 4].copy_from_slice(b"BMA3");
    image.bytes[start + 40..start + 56].copy_from_slice(&uuid);
    for (field, len, value) in [
        (6, 2, 1),
        (8, 8, u64::MAX),
        (16, 8, u64::MAX),
        (24, 8, to_u64(leaf * 8)),
        (56, 8, to_u64(number)),
        (72, 8, record),
        (80, 8, low & !0x1F_FFFF | 1),
    ] {
        image.put(start + field, len, value);
    }
    // Level 1, one key, which is 0, and its pointer behind the room for all keys.
    let room = 336 - 4;
    let pointer = fork + 4 + room / 16 * 8;
    image.bytes[fork..at + 512].fill(0);
    for (place, len, value) in [
        (at + 5, 1, 3),
        (at + 56, 8, to_u64(BLOCK)),
        (fork, 2, 1),
        (fork + 2, 2, 1),
        (pointer, 8, to_u64(leaf)),
    ] {
        image.put(place, len, value);
    }
}

fn row(field: &str, at: usize, len: usize, value: u64, error: impl Into<String>) -> Row {
    Row { field: field.to_owned(), at, len, value, error: error.into() }
}

/// A structure's name, its place and length, and where its checksum is: each is damaged and not sealed again.
#[test]
fn every_checksum_is_compared() {
    let good = &*GOOD;
    let block = |name: &str, at: usize, crc: usize| (format!("{name} {}", at / BLOCK), at, BLOCK, crc);
    let mut places = vec![
        ("superblock: sb_crc".to_owned(), 0, 512, 224),
        ("AGF 0".to_owned(), 512, 512, 216),
        ("AGI 0".to_owned(), 1024, 512, 312),
        ("AGFL 0".to_owned(), 1536, 512, 32),
        (format!("inode {}", good.root), inode(good.root), 512, 100),
        (format!("inode {}", good.file), inode(good.file), 512, 100),
    ];
    for (magic, name) in groups::TREES {
        places.push(block(name, good.image.find(magic, 0), 52));
    }
    places.push(block("bmbt block", good.image.find(b"BMA3", 0), 64));
    for magic in [b"XDB3", b"XDD3", b"XDF3"] {
        places.push(block("directory block", good.image.find(magic, 0), 4));
    }
    for magic in [[0x3D, 0xF1], [0x3D, 0xFF], [0x3E, 0xBE]] {
        let at = good.image.find(&magic, 8);
        let name =
            if good.get(at + 48, 8) == to_u64(good.empty) { "attribute leaf" } else { "directory block" };
        places.push(block(name, at, 12));
    }
    for owner in [good.empty, good.file] {
        places.push(block("attribute leaf", good.owned(&[0x3B, 0xEE], (8, 48), owner), 12));
    }
    places.push(block("attribute leaf", good.owned(&[0x3E, 0xBE], (8, 48), good.empty), 12));
    places.push(block("attribute value block", good.image.find(b"XARM", 0), 12));
    places.push(block("symlink block", good.image.find(b"XSLM", 0), 12));
    for (name, start, len, crc) in places {
        let mut image = Image { bytes: good.image.bytes.clone(), ..good.image };
        let old = good.image.bytes[start + crc..start + crc + 4].try_into().map(u32::from_le_bytes).unwrap();
        // The LSN's or a time's last byte: nothing else looks at it.
        let at = match crc {
            224 => start + 247,
            216 => start + 215,
            312 => start + 327,
            32 => start + 31,
            100 => start + 51,
            52 => start + 31,
            64 => start + 39,
            4 => start + 23,
            _ if name.starts_with("attribute value") || name.starts_with("symlink") => start + 55,
            _ => start + 31,
        };
        image.bytes[at] ^= 0x10;
        let mut area = image.bytes[start..start + len].to_vec();
        area[crc..crc + 4].fill(0);
        let expected = crc32c::crc32c(&area);
        let field = if name.ends_with("sb_crc") { name } else { format!("{name}: checksum") };
        assert_eq!(
            error_of(read_all(image.bytes)),
            format!("{field} is {old:#010x}, expected {expected:#010x}")
        );
    }
}
