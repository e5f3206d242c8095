//! Boot code in the MBR and what it loads, on disks made by sgdisk and sfdisk.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Disk, MIB, contains, live_copy, put};
use filesystem::{Content, Layout, LiveKind, OpaqueKind, layout};

const MARK: &[u8] = b"RESIDUE";

/// What boot.img has of texts and fields, loading its core image from `sector`.
fn grub(image: &mut [u8], sector: u64) {
    put(image, 0, b"\xeb\x63\x90");
    put(image, 0x5a, &[0, 0x80]);
    put(image, 0x5c, &sector.to_le_bytes());
    put(image, 0x180, b"GRUB \0Geom\0Hard Disk\0Read\0 Error\r\n");
}

/// A core image from `sector` on: its first sector, then these blocks.
fn core(image: &mut [u8], sector: usize, blocks: &[(u64, u16)]) {
    put(image, sector * 512, b"\x52\xe8");
    for (index, (lba, count)) in blocks.iter().enumerate() {
        let at = sector * 512 + 0x1f4 - index * 12;
        put(image, at, &lba.to_le_bytes());
        put(image, at + 8, &count.to_le_bytes());
        put(image, at + 10, &0x820u16.to_le_bytes());
        let start = usize::try_from(*lba).unwrap() * 512;
        image[start..start + usize::from(*count) * 512].fill(0xc0);
    }
}

fn mbr() -> Vec<u8> {
    let disk = Disk::new(4 * MIB);
    disk.sfdisk("label: dos\nstart=2048,size=4096,type=83\n");
    disk.read()
}

/// Partition 1 is BIOS boot, 2048 to 4095; 2 follows.
fn gpt() -> Vec<u8> {
    let disk = Disk::new(4 * MIB);
    disk.sgdisk(&["-n1:2048:4095", "-t1:ef02", "-n2:4096:8000"]);
    disk.read()
}

fn core_sectors(found: &Layout) -> Vec<(u64, u64)> {
    let core = found.live.iter().filter(|region| region.kind == LiveKind::GrubCore);
    core.map(|region| (region.extent.start / 512, region.extent.len / 512)).collect()
}

fn refusal(image: &Vec<u8>) -> String {
    layout(image, None).unwrap_err().to_string()
}

#[test]
fn grub_in_the_gap() {
    let mut image = mbr();
    grub(&mut image, 1);
    core(&mut image, 1, &[(2, 60), (70, 40)]);
    let clean = image.clone();
    put(&mut image, 65 * 512, MARK);
    put(&mut image, 110 * 512, MARK);
    let found = layout(&image, None).unwrap();
    assert_eq!(core_sectors(&found), [(1, 61), (70, 40)]);
    assert_eq!(
        found.notes,
        [
            "boot code in the MBR: GRUB 2, kept",
            "GRUB core image: 101 sectors, kept",
            "gap before the first partition: 14 non-zero bytes dropped",
        ]
    );
    assert!(live_copy(&image) == clean);
}

#[test]
fn grub_in_a_bios_boot_partition() {
    let mut image = gpt();
    grub(&mut image, 2048);
    core(&mut image, 2048, &[(2049, 475)]);
    let clean = image.clone();
    put(&mut image, 4000 * 512, MARK);
    put(&mut image, 40 * 512, MARK);
    let found = layout(&image, None).unwrap();
    assert_eq!(core_sectors(&found), [(2048, 476)]);
    assert_eq!(found.volumes[0].content, Content::BootCode);
    assert_eq!(
        found.notes,
        [
            "boot code in the MBR: GRUB 2, kept",
            "GRUB core image: 476 sectors, kept",
            "partition 1: BIOS boot, 7 non-zero bytes dropped",
            "gap before the first partition: 7 non-zero bytes dropped",
        ]
    );
    let copy = live_copy(&image);
    assert!(!contains(&copy, MARK));
    assert!(copy == clean);
}

#[test]
fn grub_in_a_file() {
    let mut image = gpt();
    grub(&mut image, 5000);
    let found = layout(&image, None).unwrap();
    assert_eq!(core_sectors(&found), []);
    assert_eq!(found.notes, ["boot code in the MBR: GRUB 2, kept", "GRUB core image: a file in partition 2"]);
}

#[test]
fn grub_that_makes_no_sense() {
    let mut good = mbr();
    grub(&mut good, 1);
    core(&mut good, 1, &[(2, 60)]);
    let list = 512 + 0x1f4;
    let cases: [(usize, &[u8], &str); 6] = [
        (
            list,
            &[0, 8],
            "GRUB core image: range of sectors is 60 from 2048, expected inside the gap before the first partition, or a BIOS boot partition",
        ),
        (list + 3, &[1], "GRUB core image: range of sectors is 60 from 16777218, expected at most 8191"),
        (list, &[1], "GRUB core image: block list is LBA 1 twice, expected each sector once"),
        (list + 8, &[0], "GRUB core image: block list is empty, expected at least one record"),
        (
            0x5c,
            &[0xff; 8],
            "GRUB core image: range of sectors is 1 from 18446744073709551615, expected at most 8191",
        ),
        (0x5a, &[0, 0], "MBR: boot code of GRUB Legacy is not supported"),
    ];
    for (at, bytes, expected) in cases {
        let mut image = good.clone();
        put(&mut image, at, bytes);
        assert_eq!(refusal(&image), expected);
    }
    let mut endless = good.clone();
    for record in 0..40 {
        put(&mut endless, list - record * 12, &(u64::try_from(record).unwrap() + 2).to_le_bytes());
        put(&mut endless, list - record * 12 + 8, &[1, 0, 0x20, 8]);
    }
    assert_eq!(
        refusal(&endless),
        "GRUB core image: block list is without an end, expected an end after at most 14 records"
    );
    let large = layout(&gpt(), Some(4096));
    assert!(large.is_err());
}

#[test]
fn unknown_code_makes_the_gap_opaque() {
    let mut image = mbr();
    put(&mut image, 0, b"\xfa\x33\xc0 something of its own");
    let found = layout(&image, None).unwrap();
    assert_eq!(found.notes, ["boot code in the MBR: unknown, kept"]);
    assert_eq!(found.volumes.len(), 1);
    put(&mut image, 5 * 512, b"stage 2");
    let found = layout(&image, None).unwrap();
    let gap = &found.volumes[0];
    assert_eq!((gap.number, gap.content), (0, Content::Opaque(OpaqueKind::Unknown)));
    assert_eq!((gap.extents[0].start, gap.extents[0].end()), (512, 2048 * 512));
    assert_eq!(found.notes[1], "gap before the first partition: 7 bytes that may be a boot loader");
    // The same in a BIOS boot partition.
    let mut image = gpt();
    put(&mut image, 0, b"\xfa\x33\xc0 something of its own");
    put(&mut image, 3000 * 512, b"stage 2");
    let found = layout(&image, None).unwrap();
    assert_eq!(found.volumes[0].content, Content::Opaque(OpaqueKind::Unknown));
}

#[test]
fn code_that_loads_a_partition_needs_no_gap() {
    // The text that each has, and the name that it gets.
    let cases: [(&[u8], &str); 4] = [
        (b"Missing operating system.\r\nOperating system load error.\r\n", "Syslinux'"),
        (b"Missing OS\r\nMultiple active partitions\r\n", "Syslinux' for GPT"),
        (b"Invalid partition table\0Error loading operating system\0Missing operating system\0", "Windows'"),
        (b"\xfa\xb8\x00\x10\x8e\xd0\xbc\x00\xb0\xb8\x00\x00\x8e\xd8\x8e\xc0\xfb", "parted's"),
    ];
    for (text, name) in cases {
        let mut image = mbr();
        put(&mut image, 0, text);
        put(&mut image, 5 * 512, MARK);
        let found = layout(&image, None).unwrap();
        assert_eq!(
            found.notes,
            [
                format!("boot code in the MBR: {name}, kept"),
                "gap before the first partition: 7 non-zero bytes dropped".to_owned(),
            ]
        );
    }
}

#[test]
fn a_board_loader_makes_the_gap_opaque() {
    for (name, at, magic) in [
        ("U-Boot SPL (Allwinner)", 8196, &b"eGON.BT0"[..]),
        ("U-Boot (Rockchip)", 64 * 512, b"RKNS"),
        ("U-Boot (i.MX)", 1024, b"\xd1\0\x20\x40"),
    ] {
        let mut image = mbr();
        put(&mut image, at, magic);
        let found = layout(&image, None).unwrap();
        assert_eq!(found.notes[0], format!("gap before the first partition: holds {name}"));
        assert_eq!(found.volumes[0].type_name, name);
        assert_eq!(found.volumes[0].content, Content::Opaque(OpaqueKind::Unknown));
    }
}

#[test]
fn a_board_loader_under_a_gpt_that_makes_room_for_it() {
    let disk = Disk::new(4 * MIB);
    disk.sgdisk(&["-j", "1000", "-n1:2048:4095"]);
    let mut image = disk.read();
    put(&mut image, 8196, b"eGON.BT0");
    let found = layout(&image, None).unwrap();
    assert_eq!(found.notes[0], "gap before the first partition: holds U-Boot SPL (Allwinner)");
    let extents: Vec<_> =
        found.volumes[0].extents.iter().map(|extent| (extent.start / 512, extent.end() / 512)).collect();
    assert_eq!(extents, [(2, 1000), (1032, 2048)]);
    // With the gap, all of it is kept.
    assert!(live_copy(&image) == image);
}

#[test]
fn prep_is_kept_whole() {
    let disk = Disk::new(4 * MIB);
    disk.sfdisk("label: dos\nstart=2048,size=1024,type=41\nstart=4096,size=1024,type=83\n");
    let mut image = disk.read();
    put(&mut image, 2048 * 512 + 100, b"\x7fELF");
    let found = layout(&image, None).unwrap();
    assert_eq!(found.volumes[0].content, Content::BootCode);
    assert_eq!(found.notes, ["partition 1: PReP boot code, kept whole"]);
    assert!(found.live_set().contains(found.volumes[0].extents[0]));
}
