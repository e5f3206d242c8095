//! Swap areas made by mkswap(8), cut down to their live bytes, and judged by blkid(8), swaplabel(8) and file(1).

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, process::Command};

use filesystem::{
    Claim, Content, Extent, Filesystem, FilesystemMut, Residue, Swap, identify, open_mut, swap_header_of,
};

const SIZE: usize = 1 << 20;

fn run(tool: &str, args: &[&str]) -> String {
    let output = Command::new(tool)
        .args(args)
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|error| panic!("{tool} has to be installed: {error}"));
    assert!(output.status.success(), "{tool} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

struct Area {
    dir: tempfile::TempDir,
}

impl Area {
    fn mkswap(args: &[&str]) -> Self {
        let area = Self { dir: tempfile::tempdir().unwrap() };
        area.write(&vec![0; SIZE]);
        run("mkswap", &[args, &[area.path().as_str()]].concat());
        area
    }
    fn path(&self) -> String {
        self.dir.path().join("swap").to_str().unwrap().to_owned()
    }
    fn write(&self, bytes: &[u8]) {
        fs::write(self.path(), bytes).unwrap();
    }
    fn read(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }
    /// What three tools say of it.
    fn judged(&self) -> [String; 3] {
        let path = self.path();
        [
            run("blkid", &["-p", "-o", "export", &path]),
            run("swaplabel", &[&path]),
            run("file", &["-b", &path]),
        ]
    }
}

/// The live bytes of an area, everything else zero.
fn live_copy(image: &[u8]) -> Vec<u8> {
    let mut view = image.to_vec();
    assert_eq!(identify(&view).unwrap(), Content::Swap);
    let mut copy = vec![0; view.len()];
    let mut extents = Vec::new();
    {
        let mut swap = open_mut(&mut view, Content::Swap).unwrap();
        swap.recover().unwrap();
        swap.scrub().unwrap();
        swap.tails(&mut |extent, _| panic!("left by the scrub: {extent:?}")).unwrap();
        let mut at = 0;
        swap.claims(&mut |extent, claim| {
            assert_eq!(extent.start, at, "claims are in order and have no gaps");
            at = extent.end();
            match claim {
                Claim::Live(_) => extents.push(extent),
                Claim::Dead(residue, _) => assert_eq!(residue, Residue::Swap),
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(swap.allocated().unwrap().total(), at);
    }
    for extent in extents {
        let range = usize::try_from(extent.start).unwrap()..usize::try_from(extent.end()).unwrap();
        copy[range.clone()].copy_from_slice(&view[range]);
    }
    copy
}

#[test]
fn the_body_goes_and_the_header_stays() {
    for page in [4096, 8192, 16384, 32768, 65536] {
        let area = Area::mkswap(&[
            "-p",
            &page.to_string(),
            "-L",
            "label",
            "-U",
            "12345678-1234-1234-1234-123456789abc",
        ]);
        let clean = area.read();
        let judged = area.judged();
        let mut used = clean.clone();
        used[page..].fill(0xa5);
        used[..1024].fill(0xa5);
        used[1068..1536].fill(0xa5);
        used[1536..page - 10].fill(0xa5);
        used[1060..1068].copy_from_slice(b"\0RESIDUE");
        let swap = Swap::open(&used).unwrap();
        let summary = swap.summary().unwrap();
        assert_eq!((summary.kind, summary.label.as_str()), ("swap", "label"));
        assert_eq!(summary.uuid, "12345678-1234-1234-1234-123456789abc");
        assert_eq!((summary.size, u64::from(summary.block_size)), (1 << 20, u64::try_from(page).unwrap()));
        assert_eq!(summary.notes, ["the 1024 bytes before the header are not empty and dropped"]);
        let copy = live_copy(&used);
        assert!(copy == clean, "page size {page}");
        assert!(live_copy(&copy) == copy);
        area.write(&copy);
        assert_eq!(area.judged(), judged);
        // The same bytes as a swap file.
        let first = swap_header_of(&used[..65536], 1 << 20).unwrap().page;
        assert!(first == clean[..page]);
    }
}

#[test]
fn a_suspended_system_is_named_and_forgotten() {
    let area = Area::mkswap(&["-p", "4096"]);
    let clean = area.read();
    for name in ["S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001", "TuxOnIce"] {
        let mut suspended = clean.clone();
        if name == "TuxOnIce" {
            suspended[..8].copy_from_slice(b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c");
        } else {
            suspended[4086..4096].fill(0);
            suspended[4086..4086 + name.len()].copy_from_slice(name.as_bytes());
            suspended[4076..4086].copy_from_slice(b"SWAPSPACE2");
        }
        suspended[8192..9000].fill(0x5a);
        let swap = Swap::open(&suspended).unwrap();
        assert!(swap.summary().unwrap().dirty);
        let expected =
            format!("holds a suspended system ({name}), which is dropped: filesystems may be dirty");
        assert_eq!(swap.summary().unwrap().notes, [expected]);
        assert!(live_copy(&suspended) == clean, "{name}");
        let header = swap_header_of(&suspended[..65536], 1 << 20).unwrap();
        assert!(header.page == clean[..4096]);
        assert!(header.note.is_some_and(|note| note.starts_with("holds a suspended system")));
        // Not only the copy: nothing reads as suspended in the edited view itself.
        let mut swap = Swap::open(suspended).unwrap();
        swap.recover().unwrap();
        assert!(!swap.summary().unwrap().dirty);
        assert!(swap.summary().unwrap().notes.is_empty());
    }
}

#[test]
fn bad_pages_and_big_endian() {
    let area = Area::mkswap(&["-p", "4096"]);
    let mut image = area.read();
    image[1032..1036].copy_from_slice(&2u32.to_le_bytes());
    image[1536..1544].copy_from_slice(b"\x05\0\0\0\x09\0\0\0");
    assert!(live_copy(&image) == image);
    for at in [1024, 1028, 1032, 1536, 1540] {
        image[at..at + 4].reverse();
    }
    assert!(live_copy(&image) == image);
    assert_eq!(Swap::open(&image).unwrap().summary().unwrap().features, ["big-endian"]);
    area.write(&image);
    assert!(run("blkid", &["-p", &area.path()]).contains("TYPE=\"swap\""));
}

#[test]
fn what_lies_behind_the_area_is_not_claimed() {
    let area = Area::mkswap(&["-p", "4096"]);
    let mut image = area.read();
    image.resize(SIZE + 5000, 7);
    let swap = Swap::open(&image).unwrap();
    assert_eq!(swap.allocated().unwrap().iter().collect::<Vec<_>>(), [Extent { start: 0, len: 1 << 20 }]);
}

#[test]
fn refusals() {
    let area = Area::mkswap(&["-p", "4096"]);
    let good = area.read();
    let cases: [(usize, &[u8], &str); 8] = [
        (1024, &[2], "swap header: version is 2, expected 1"),
        (1028, &[0, 0], "swap header: last page is 0, expected 1 to 255"),
        (1029, &[1], "swap header: last page is 511, expected 1 to 255"),
        (1032, &[0xff, 0xff], "swap header: number of bad pages is 65535, expected at most 637"),
        (1032, &[1], "bad page 0: number is 0, expected 1 to 255"),
        (4086, b"SWAP-SPACE", "swap header: version 0 (SWAP-SPACE) is not supported"),
        (4086, b"SWAPSPACE3", "swap header: signature is missing, expected SWAPSPACE2"),
        (1028, &[0xff; 4], "swap header: last page is 4294967295, expected 1 to 255"),
    ];
    for (at, bytes, expected) in cases {
        let mut image = good.clone();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        assert_eq!(Swap::open(&image).unwrap_err().to_string(), expected);
        assert_eq!(swap_header_of(&image[..65536], 1 << 20), None);
    }
    assert!(Swap::open(Vec::new()).is_err());
    assert!(Swap::open(vec![0; 4095]).is_err());
    let error = Swap::open(&good).unwrap().metadata(filesystem::InodeId(1)).unwrap_err();
    assert_eq!(error.to_string(), "swap area: a file is not supported");
}
