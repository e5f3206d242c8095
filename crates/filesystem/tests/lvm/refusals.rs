//! Each field of a label, a header and a text, one at a time: a good image, one patched field, the exact reason.

use filesystem::{Content, OpaqueKind, layout};

use super::sample::{
    AREA, AREA_LEN, DATA, EXTENT, PV, disk, group, linear, lv, put, put64, pv, seal_header, seal_label,
    set_text,
};

fn good() -> (String, Vec<u8>) {
    let text = group(1, &lv("root", true, &[(4, &linear(0, 0))]));
    let image = pv(PV[0], 64, Some(&text));
    (text, image)
}

/// Why the first volume is opaque.
fn reason(image: &Vec<u8>) -> String {
    let found = layout(image, None).unwrap();
    assert_eq!(found.volumes.len(), 1, "no logical volume of what is not understood");
    assert_eq!(found.volumes[0].content, Content::Opaque(OpaqueKind::Lvm2));
    assert!(found.live.is_empty() && found.physical.is_empty());
    found.volumes[0].reason.clone().expect("a reason")
}

#[test]
fn labels() {
    type Patch = fn(&mut Vec<u8>);
    let cases: &[(Patch, bool, &str)] = &[
        (|image| image[1000] = 1, false, "LVM2 label: checksum is 0x"),
        (
            |image| image[512] = b'X',
            false,
            "LVM2 label: magic is missing, expected LABELONE in one of the first four sectors",
        ),
        (|image| image[520] = 2, true, "LVM2 label: sector number is 2, expected 1"),
        (|image| image[532] = 31, true, "LVM2 label: offset of the header is 31, expected 32 to 472"),
        (
            |image| put(image, 532, &[0xff; 4]),
            true,
            "LVM2 label: offset of the header is 4294967295, expected 32 to 472",
        ),
        (
            |image| image[544] = 0,
            true,
            "LVM2 physical volume header: UUID is of other bytes, expected 32 letters and digits",
        ),
        (
            |image| put64(image, 584, 0),
            true,
            "LVM2 physical volume header: list of data areas is empty, expected one area",
        ),
        (
            |image| put64(image, 584, 1 << 40),
            true,
            "LVM2 physical volume header: data areas is 0 bytes at 1099511627776, expected inside the 327680 bytes of the volume",
        ),
        (
            |image| put64(image, 600, 8192),
            true,
            "LVM2 physical volume header: more than one data area is not supported",
        ),
        (
            |image| put64(image, 616, usize::MAX),
            true,
            "LVM2 physical volume header: metadata areas is 61440 bytes at 18446744073709551615, expected inside the 327680 bytes of the volume",
        ),
        (|image| put64(image, 624, 100), true, "LVM2 metadata area 1: size is 100, expected at least 1024"),
        (|image| put64(image, 624, 62 << 10), true, "LVM2 metadata area 1: size is 61440, expected 63488"),
        (
            |image| (616..1024).for_each(|at| image[at] = 1),
            true,
            "LVM2 physical volume header: metadata areas is 72340172838076673 bytes at 72340172838076673, expected inside the 327680 bytes of the volume",
        ),
        (|image| image[648] = 3, true, "LVM2 physical volume header: extension 3 is not supported"),
        (
            |image| {
                let copy = image[512..1024].to_vec();
                put(image, 0, &copy);
            },
            false,
            "LVM2 label: a second one in another sector is not supported",
        ),
    ];
    for (patch, sealed, expected) in cases {
        let (_, mut image) = good();
        patch(&mut image);
        if *sealed {
            seal_label(&mut image);
        }
        let found = reason(&image);
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
    // Areas without an end: as many as fit.
    let (_, mut image) = good();
    for at in (616..1024 - 16).step_by(16) {
        put64(&mut image, at, AREA);
        put64(&mut image, at + 8, AREA_LEN);
    }
    put64(&mut image, 1024 - 8, 1);
    seal_label(&mut image);
    let expected = "LVM2 physical volume header: metadata areas is without an end, expected an end mark within the sector";
    assert_eq!(reason(&image), expected);
}

#[test]
fn headers() {
    type Patch = fn(&mut Vec<u8>);
    let cases: &[(Patch, &str)] = &[
        (|image| image[AREA + 4] = 0, "LVM2 metadata area 1: magic is another, expected that of LVM2"),
        (|image| image[AREA + 20] = 2, "LVM2 metadata area 1: version 2 is not supported"),
        (|image| put64(image, AREA + 24, 8192), "LVM2 metadata area 1: start is 8192, expected 4096"),
        (|image| put64(image, AREA + 32, 512), "LVM2 metadata area 1: size is 512, expected 61440"),
        (
            |image| put64(image, AREA + 40, 511),
            "LVM2 metadata area 1: offset of the text is 511, expected 512 to 61439",
        ),
        (
            |image| put64(image, AREA + 40, AREA_LEN),
            "LVM2 metadata area 1: offset of the text is 61440, expected 512 to 61439",
        ),
        (
            |image| put64(image, AREA + 40, usize::MAX),
            "LVM2 metadata area 1: offset of the text is 18446744073709551615, expected 512 to 61439",
        ),
        (
            |image| put64(image, AREA + 48, 0),
            "LVM2 metadata area 1: size of the text is 0, expected 1 to 60928",
        ),
        (
            |image| put64(image, AREA + 48, usize::MAX),
            "LVM2 metadata area 1: size of the text is 18446744073709551615, expected 1 to 60928",
        ),
        (|image| image[AREA + 56] ^= 1, "LVM2 metadata area 1: checksum of the text is 0x"),
        (|image| image[AREA + 600] ^= 1, "LVM2 metadata area 1: checksum of the text is 0x"),
        // The area is switched off, so the group has no metadata.
        (
            |image| image[AREA + 60] = 1,
            "physical volume: PVaaaa-0000-0000-0000-0000-0000-000001 of a volume group whose metadata is not in this image is not supported",
        ),
    ];
    for (patch, expected) in cases {
        let (_, mut image) = good();
        patch(&mut image);
        seal_header(&mut image);
        let found = reason(&image);
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
    let (_, mut image) = good();
    image[AREA + 100] = 1;
    assert!(reason(&image).starts_with("LVM2 metadata area 1: header checksum is 0x"));
}

#[test]
fn texts() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "contents = \"Text Format Volume Group\"",
            "",
            "LVM2 metadata: format is not named, expected Text Format Volume Group, version 1",
        ),
        ("version = 1\n", "version = 2\n", "LVM2 metadata: version 2 of its format is not supported"),
        ("t-vg {", "t-vg {\n}\nother {", "LVM2 metadata: number of volume groups is 2, expected 1"),
        (
            "id = \"VGaaaa-",
            "id = \"VGaaaa",
            "volume group: id is another, expected 32 letters and digits in groups of 6-4-4-4-4-4-6",
        ),
        ("seqno = 7", "seqno = -7", "volume group: seqno is -7, expected 0 or more"),
        ("extent_size = 8", "", "volume group: extent_size is missing, expected a number"),
        (
            "extent_size = 8",
            "extent_size = \"8\"",
            "volume group: extent_size is of another type, expected a number",
        ),
        (
            "extent_size = 8",
            "extent_size = 0",
            "volume group: extent_size is 0, expected 1 to 2147483648 sectors",
        ),
        (
            "extent_size = 8",
            "extent_size = 9223372036854775807",
            "volume group: extent_size is 9223372036854775807, expected 1 to 2147483648 sectors",
        ),
        (
            "extent_size = 8",
            "extent_size = 16",
            "physical volume 0: end of the last extent is 589824, expected at most 327680 bytes",
        ),
        ("pe_start = 128", "pe_start = 64", "physical volume 0: pe_start is 32768, expected 65536"),
        (
            "pe_count = 64",
            "pe_count = 65",
            "physical volume 0: end of the last extent is 331776, expected at most 327680 bytes",
        ),
        (
            "pe_count = 64",
            "pe_count = 9223372036854775807",
            "physical volume 0: pe_count is 9223372036854775807, expected extents below 2^63 bytes",
        ),
        (
            "id = \"PVaaaa",
            "id = \"PVzzzz",
            "volume group: t-vg with its physical volume PVzzzz-0000-0000-0000-0000-0000-000001 on another disk is not supported",
        ),
        ("start_extent = 0", "start_extent = 1", "logical volume 0: start_extent is 1, expected 0"),
        (
            "extent_count = 4",
            "extent_count = 0",
            "logical volume 0: extent_count is 0, expected at least 1, and below 2^64 bytes",
        ),
        ("extent_count = 4", "extent_count = 65", "logical volume: extents is 65 from 0, expected below 64"),
        (
            "extent_count = 4",
            "extent_count = 9223372036854775807",
            "logical volume 0: extent_count is 9223372036854775807, expected at least 1, and below 2^64 bytes",
        ),
        ("segment_count = 1", "segment_count = 2", "logical volume 0: segment_count is 2, expected 1"),
        ("type = \"striped\"", "type = 5", "logical volume 0: type is of another type, expected a string"),
        (
            "\"pv0\", 0",
            "\"pv0\"",
            "logical volume 0: stripes is of other values, expected names and extents in turn",
        ),
        (
            "\"pv0\", 0",
            "0, \"pv0\"",
            "logical volume 0: stripes is of other values, expected names and extents in turn",
        ),
        (
            "\"pv0\", 0",
            "\"pv0\", -1",
            "logical volume 0: stripes is of other values, expected names and extents in turn",
        ),
        (
            "\"pv0\", 0",
            "\"pv7\", 0",
            "logical volume: part is of an unknown name, expected a physical or logical volume",
        ),
        ("\"pv0\", 0", "\"root\", 0", "logical volume: depth is more than 8, expected 8"),
        ("\"pv0\", 0", "", "logical volume 0: stripe_count is 1, expected 0"),
        (
            "stripe_count = 1",
            "stripe_count = 1000000",
            "logical volume 0: stripe_count is 1000000, expected 1",
        ),
        (
            "stripe_count = 1\nstripes = [\n\"pv0\", 0",
            "stripe_count = 0\nstripes = [\n",
            "logical volume: stripes is 0, expected a divisor of 4",
        ),
        (
            "stripe_count = 1\nstripes = [\n\"pv0\", 0",
            "stripe_count = 3\nstripes = [\n\"pv0\", 0, \"pv0\", 8, \"pv0\", 16",
            "logical volume: stripes is 3, expected a divisor of 4",
        ),
        (
            "stripe_count = 1\nstripes = [\n\"pv0\", 0",
            "stripe_count = 2\nstripes = [\n\"pv0\", 0, \"pv0\", 8",
            "logical volume: stripe_size is 0, expected a divisor of 8192",
        ),
        (
            "stripe_count = 1\nstripes = [\n\"pv0\", 0",
            "stripe_count = 2\nstripe_size = 4\nstripes = [\"pv0\", 0, \"pv0\", 1",
            "volume group: first byte that two volumes use is 69632, expected none",
        ),
        (
            "stripe_count = 1",
            "stripe_size = 36028797018963968",
            "logical volume 0: stripe_size is 36028797018963968, expected below 2^64 bytes",
        ),
        (
            "type = \"striped\"",
            "type = \"raid1\"\nraids = [\"a\"]",
            "logical volume: raids is 1, expected pairs of metadata and data",
        ),
        (
            "type = \"striped\"",
            "type = \"mirror\"\nmirror_log = 5",
            "logical volume 0: mirror_log is of another type, expected a string",
        ),
        (
            "logical_volumes {",
            "logical_volumes {\nroot {\n}",
            "LVM2 metadata line 30: name is that of line 27, expected each name once",
        ),
        (
            "seqno = 7",
            "seqno = ",
            "LVM2 metadata line 4: text is something else, expected a number, a string or a list",
        ),
        ("t-vg {", "t-vg ", "LVM2 metadata line 2: text is something else, expected '=' or '{'"),
    ];
    for (from, to, expected) in cases {
        let (text, mut image) = good();
        assert!(text.contains(from), "{from}");
        set_text(&mut image, 512, &text.replacen(from, to, 1));
        assert_eq!(reason(&image), *expected, "{from} -> {to}");
    }
}

/// Of a group with several physical volumes.
#[test]
fn groups_that_are_not_whole() {
    let text = group(2, &lv("root", true, &[(4, &linear(0, 0))]));
    let (a, b) = (pv(PV[0], 64, Some(&text)), pv(PV[1], 64, Some(&text)));
    let reasons = |image: &Vec<u8>| -> Vec<Option<String>> {
        layout(image, None).unwrap().volumes.into_iter().map(|volume| volume.reason).collect()
    };
    assert_eq!(reasons(&disk(&[&a, &b])), [None, None, None]);
    let missing = "volume group: t-vg with its physical volume PVbbbb-0000-0000-0000-0000-0000-000002 on another disk is not supported";
    assert_eq!(reasons(&a), [Some(missing.to_owned())]);

    let newer = text.replacen("seqno = 7", "seqno = 8", 1);
    let stale = disk(&[&a, &pv(PV[1], 64, Some(&newer))]);
    let differs = "volume group: metadata is of sequence numbers 7 and 8, expected one text in every copy";
    assert_eq!(reasons(&stale), [Some(differs.to_owned()), Some(differs.to_owned())]);

    let twin = "physical volume 0: UUID is that of two, expected each once";
    let twins = disk(&[&a, &b, &a]);
    assert_eq!(reasons(&twins), vec![Some(twin.to_owned()); 3]);

    // One that another group's text leads to.
    let strange = disk(&[&a, &b, &pv(PV[2], 64, Some(&text))]);
    let named = "volume group: list of physical volumes is without one that names it, expected all of them";
    assert_eq!(reasons(&strange), vec![Some(named.to_owned()); 3]);

    // A damaged member takes its group with it, and nothing else.
    let mut bad = b.clone();
    bad[700] ^= 1;
    let own = pv(PV[2], 64, None);
    let found = reasons(&disk(&[&a, &bad, &own]));
    assert_eq!(found[0].as_deref(), Some(missing));
    assert!(found[1].as_ref().is_some_and(|reason| reason.starts_with("LVM2 label: checksum is")));
    assert_eq!(found[2], None);
}

/// Areas of one physical volume that share bytes.
#[test]
fn areas_must_not_overlap() {
    let (text, mut image) = good();
    put64(&mut image, 584, 32 << 10);
    seal_label(&mut image);
    set_text(&mut image, 512, &text.replacen("pe_start = 128", "pe_start = 64", 1));
    assert_eq!(reason(&image), "physical volume 0: byte in two areas is 32768, expected each byte once");
}

/// A striped volume in more pieces than anybody has: memory does not follow the numbers of an image.
#[test]
fn too_many_pieces_are_refused() {
    struct Sparse(Vec<u8>, u64);
    impl block::BlockRead for Sparse {
        fn size(&self) -> u64 {
            self.1
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
            buf.fill(0);
            if let Some(rest) = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)) {
                let len = rest.len().min(buf.len());
                buf[..len].copy_from_slice(&rest[..len]);
            }
            Ok(())
        }
        fn run_at(&self, offset: u64) -> std::io::Result<block::Run> {
            let held = u64::try_from(self.0.len()).unwrap();
            let zero = offset >= held;
            let end = if zero { self.1 } else { held };
            Ok(block::Run { len: end - offset, zero })
        }
    }
    let stripes = "type = \"striped\"\nstripe_size = 1\nstripes = [\"pv0\", 0, \"pv0\", 1099511627776]";
    let text = group(1, &lv("root", true, &[(1 << 41, stripes)])).replacen(
        "pe_count = 64",
        "pe_count = 2199023255552",
        1,
    );
    let image = Sparse(pv(PV[0], 1, Some(&text)), 1 << 54);
    let found = layout(&image, None).unwrap();
    let expected = "volume group: logical volumes in more than 1048576 pieces is not supported";
    assert_eq!(found.volumes[0].reason.as_deref(), Some(expected));
    assert_eq!(DATA / EXTENT, 16);
}
