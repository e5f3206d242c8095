//! Good partition tables with one patched field each, and the exact sentence that refuses them; then thousands
//! with one patched byte, none of which may panic or hang.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Disk, MIB, put, redo_crcs};
use filesystem::{Content, OpaqueKind, layout, scrub_table};

/// The good image with patches (offset, bytes).
fn patched(good: &[u8], patches: &[(usize, &[u8])]) -> Vec<u8> {
    let mut image = good.to_vec();
    for (at, bytes) in patches {
        put(&mut image, *at, bytes);
    }
    image
}

fn refusal(image: &Vec<u8>) -> String {
    layout(image, None).map_or_else(|error| error.to_string(), |found| format!("read: {found:?}"))
}

/// 4 MiB with two partitions at LBA 2048 and 4096.
fn gpt() -> Vec<u8> {
    let disk = Disk::new(4 * MIB);
    disk.sgdisk(&["-n1:2048:4095", "-n2:4096:8000"]);
    disk.read()
}

#[test]
fn gpt_headers() {
    let good = gpt();
    // Both copies are patched the same way, with good checksums.
    let cases: [(usize, &[u8], &str); 13] = [
        (10, &[2, 0], "primary GPT header: revision 0x00020000 is not supported"),
        (12, &[91], "primary GPT header: header size is 91, expected 92 to 512"),
        (24, &[9], "primary GPT header: own LBA is 9, expected 1"),
        (32, &[1, 0], "primary GPT header: alternate LBA is 1, expected another, at most 8191"),
        (32, &[0, 32], "primary GPT header: alternate LBA is 8192, expected another, at most 8191"),
        (
            32,
            &[0, 16],
            "primary GPT header: alternate LBA is 4096, expected outside of 0 and the usable 34 to 8158",
        ),
        (48, &[0, 32], "primary GPT header: last usable LBA is 8192, expected at most 8191"),
        (40, &[0, 32], "primary GPT header: first usable LBA is 8192, expected at most 8158"),
        (80, &[0], "primary GPT header: number of entries is 0, expected at least 1"),
        (84, &[192], "primary GPT header: entry size is 192, expected 128, 256, 512, 1024, 2048 or 4096"),
        (82, &[1], "primary GPT header: an array of 65664 entries of 128 bytes is not supported"),
        (
            72,
            &[1],
            "primary GPT header: LBA of the entry array is 1, expected 32 sectors outside of both headers and the usable 34 to 8158",
        ),
        (
            72,
            &[3],
            "primary GPT header: LBA of the entry array is 3, expected 32 sectors outside of both headers and the usable 34 to 8158",
        ),
    ];
    for (at, bytes, expected) in cases {
        let mut image = good.clone();
        let end = image.len();
        for (header, array) in [(512, 1024), (end - 512, end - 512 - 128 * 128)] {
            put(&mut image, header + at, bytes);
            redo_crcs(&mut image, header, array, 128 * 128);
        }
        // The backup would be believed if it were still good.
        image[end - 512] = 0;
        assert_eq!(refusal(&image), expected, "header byte {at}");
    }
    let both = patched(&good, &[(512 + 60, b"x"), (good.len() - 512 + 60, b"x")]);
    assert!(refusal(&both).starts_with("primary GPT header: checksum is 0x"), "{}", refusal(&both));
}

#[test]
fn gpt_entries() {
    let good = gpt();
    let cases: [(usize, &[u8], &str); 5] = [
        (32, &[33, 0], "GPT entry 1: first LBA is 33, expected 34 to 8158"),
        (40, &[0xff, 7], "GPT entry 1: last LBA is 2047, expected 2048 to 8158"),
        (40, &[0xdf, 31], "GPT entry 1: last LBA is 8159, expected 2048 to 8158"),
        (40, &[0xff, 31], "GPT entry 1: last LBA is 8191, expected 2048 to 8158"),
        (128 + 32, &[0xff, 15], "GPT entry 2: first LBA is 4095, expected above 4095, the last of entry 1"),
    ];
    for (at, bytes, expected) in cases {
        let mut image = good.clone();
        put(&mut image, 1024 + at, bytes);
        redo_crcs(&mut image, 512, 1024, 128 * 128);
        assert_eq!(refusal(&image), expected, "array byte {at}");
    }
}

#[test]
fn protective_mbr() {
    let good = gpt();
    assert_eq!(refusal(&patched(&good, &[(446 + 8, &[2])])), "MBR partition 1: first LBA is 2, expected 1");
    assert_eq!(
        refusal(&patched(&good, &[(446, &[0; 16])])),
        "protective MBR: partition record is missing, expected one of type 0xee"
    );
    let truncated = good[..3 * MIB].to_vec();
    assert_eq!(refusal(&truncated), "primary GPT header: last usable LBA is 8158, expected at most 6143");
    assert_eq!(
        refusal(&good[..100].to_vec()),
        "disk: size is 100 bytes, expected at least one sector of 512"
    );
    assert_eq!(refusal(&Vec::new()), "disk: size is 0 bytes, expected at least one sector of 512");
    assert_eq!(refusal(&good[..512].to_vec()), "primary GPT header: LBA is 1, expected at most 0");
    assert_eq!(
        layout(&good, Some(1000)).unwrap_err().to_string(),
        "disk: a sector size of 1000 bytes is not supported"
    );
}

fn mbr() -> Vec<u8> {
    let disk = Disk::new(4 * MIB);
    disk.sfdisk(
        "label: dos\nstart=2048,size=1024,type=83\nstart=4096,size=4096,type=5\n\
         start=4200,size=1000,type=83\nstart=6000,size=1000,type=83\n",
    );
    disk.read()
}

#[test]
fn mbr_records() {
    let good = mbr();
    let (second, first_ebr) = (446 + 16, 4096 * 512);
    let second_ebr = {
        let link = &good[first_ebr + 446 + 16 + 8..][..4];
        (4096 + usize::try_from(u32::from_le_bytes(link.try_into().unwrap())).unwrap()) * 512
    };
    let cases: [(usize, &[u8], &str); 11] = [
        (446 + 8, &[0, 0], "MBR partition 1: first LBA is 0, expected 1 to 8191"),
        (446 + 8, &[0, 32], "MBR partition 1: first LBA is 8192, expected 1 to 8191"),
        (446 + 14, &[1], "MBR partition 1: last LBA is 68607, expected at most 8191"),
        (446 + 13, &[8], "MBR partition 2: first LBA is 4096, expected above 4096, which is taken"),
        (446 + 4, &[5], "MBR partition 2: a second extended partition is not supported"),
        (first_ebr + 510, &[0], "extended boot record at LBA 4096: signature is 0xaa00, expected 0xaa55"),
        (
            first_ebr + 446 + 13,
            &[80],
            "MBR partition 5: range of sectors is 4200 to 24911, expected inside the extended partition, 4096 to 8191",
        ),
        (
            first_ebr + 446 + 16 + 8,
            &[0, 0],
            "extended boot record at LBA 4096: link to it is a second one, expected none: the chain must end",
        ),
        (first_ebr + 446 + 16 + 9, &[16], "extended boot record at LBA 4096: link is "),
        (
            first_ebr + 446 + 16 + 4,
            &[0x83],
            "extended boot record at LBA 4096: more than one partition and one link in it is not supported",
        ),
        (
            second_ebr + 446 + 32,
            &good[second_ebr + 446..second_ebr + 462],
            "more than one partition and one link in it is not supported",
        ),
    ];
    // Partition 1 grown into the second: 2048 sectors and one more.
    for (index, (at, bytes, expected)) in cases.into_iter().enumerate() {
        let mut image = patched(&good, &[(at, bytes)]);
        if index == 3 {
            put(&mut image, 446 + 12, &[1]);
        }
        let found = refusal(&image);
        assert!(found.contains(expected), "byte {at}: {found}");
    }
    let active = patched(&good, &[(second, &[0x80]), (first_ebr, b"code")]);
    assert_eq!(
        refusal(&active),
        "extended boot record at LBA 4096: boot code in an active extended partition is not supported"
    );
}

#[test]
fn one_signature_too_many() {
    let good = mbr();
    let disk = Disk::new(MIB / 2);
    common::run("mke2fs", &["-q", "-F", &disk.path()], "");
    let ext = disk.read();
    let image = patched(&good, &[(1024, &ext[1024..2048])]);
    assert_eq!(refusal(&image), "disk: both a DOS partition table and the signature of ext is not supported");
    common::run("mkfs.fat", &["-I", "--mbr=n", &disk.path()], "");
    let image = patched(&good, &[(0, &disk.read()[..440])]);
    assert_eq!(
        refusal(&image),
        "disk: both a boot sector and a partition table in sector 0 is not supported"
    );
}

/// Any byte of the tables' sectors as three other values, on disks small enough to be quick.
#[test]
fn no_byte_makes_it_panic() {
    let disk = Disk::new(256 << 10);
    disk.sgdisk(&["-a1", "-n1:40:100", "-n2:200:300"]);
    let gpt = disk.read();
    disk.write(&vec![0; 256 << 10]);
    disk.sfdisk("label: dos\nstart=20,size=80,type=83\nstart=100,size=400,type=5\nstart=110,size=80,type=83\nstart=300,size=80,type=83\n");
    for (good, count) in [(gpt, 2), (disk.read(), 3)] {
        assert_eq!(layout(&good, None).map(|found| found.volumes.len()).unwrap(), count);
        let end = good.len();
        let head = (0..1024 + 512).chain(17_380..17_500).chain(100 * 512 + 440..100 * 512 + 512);
        let tail =
            (end - 40 * 512..end - 39 * 512).chain(end - 34 * 512..end - 32 * 512).chain(end - 512..end);
        let mut image = good.clone();
        let mut read = 0;
        for at in head.chain(tail) {
            for value in [0xff, good[at] ^ 1, good[at].wrapping_add(0x7f)] {
                image[at] = value;
                if let Ok(found) = layout(&image, None) {
                    read += 1;
                    // What was read can be scrubbed, and then reads the same.
                    scrub_table(&mut image, &found).unwrap();
                    let again = layout(&image, None).unwrap();
                    assert_eq!(again.volumes, found.volumes, "byte {at} as {value}");
                    assert_eq!(scrub_table(&mut image, &again).unwrap(), 0, "byte {at} as {value}");
                    image.copy_from_slice(&good);
                }
            }
            image[at] = good[at];
        }
        assert!(read > 1000, "only {read} still read");
    }
}

/// Every length around every field that is looked at, and every byte value, on devices too short for the rest.
#[test]
fn no_length_makes_it_panic() {
    let lengths =
        (0..2100).chain([4085, 4086, 4095, 4096, 4097, 8191, 8192, 32_768, 32_774, 65_535, 65_536, 65_600]);
    for len in lengths.chain([72 << 10, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, 512 << 10]) {
        for fill in [0, 0xff] {
            let device = vec![fill; len];
            let content = filesystem::identify(&device).unwrap();
            let expected =
                if fill == 0 || len == 0 { Content::Empty } else { Content::Opaque(OpaqueKind::Unknown) };
            assert_eq!(content, expected, "{len} bytes of {fill:#x}");
            assert_eq!(layout(&device, None).is_ok(), len >= 512, "{len} bytes of {fill:#x}");
        }
    }
}
