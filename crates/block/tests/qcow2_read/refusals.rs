//! A good image, one patched field, the exact error.

use std::{fs, os::unix::fs::FileExt, panic::catch_unwind};

use block::{Format, OpenOptions, field::Be64, open, to_u64, to_usize};

use crate::tools::{Lab, everything, read_all, refusal};

/// A sound image, as bytes, and where its tables are.
struct Good {
    lab: Lab,
    bytes: Vec<u8>,
    l1: usize,
    l2: usize,
}

impl Good {
    /// Three clusters of 64 KiB: data, compressed, and a hole; then zero. `options` are `qemu-img create`'s.
    fn new(options: &str) -> Self {
        let lab = Lab::new();
        lab.img(&format!("create -f qcow2 {options} good.qcow2 1M"));
        lab.io("good.qcow2", "write -P 1 0 64k");
        if !options.contains("data_file") {
            lab.io("good.qcow2", "write -c -P 2 64k 64k");
        }
        let bytes = fs::read(lab.path("good.qcow2")).unwrap();
        let l1 = to_usize(Be64(40).get(&bytes));
        let l2 = to_usize(Be64(l1).get(&bytes) & 0x00ff_ffff_ffff_fe00);
        let good = Self { lab, bytes, l1, l2 };
        read_all(&open(&good.lab.path("good.qcow2"), &everything()).unwrap().device).unwrap();
        good
    }

    /// The error after `patch` at `offset`.
    fn patched(&self, offset: usize, patch: &[u8]) -> String {
        let mut bytes = self.bytes.clone();
        bytes[offset..offset + patch.len()].copy_from_slice(patch);
        self.with(&bytes)
    }

    fn with(&self, bytes: &[u8]) -> String {
        fs::write(self.lab.path("bad.qcow2"), bytes).unwrap();
        refusal(&self.lab.path("bad.qcow2"), &OpenOptions { format: Some(Format::Qcow2), ..everything() })
    }

    fn l2_entry(&self, number: usize, entry: u64) -> String {
        self.patched(self.l2 + number * 8, &entry.to_be_bytes())
    }
}

#[test]
fn header_fields() {
    let good = Good::new("");
    let size = good.bytes.len();
    let cases: &[(usize, &[u8], &str)] = &[
        (0, b"QFI\0", "magic is 51464900, expected 514649fb"),
        (4, &[0, 0, 0, 1], "version 1 (the old qcow format) is not supported"),
        (4, &[0, 0, 0, 4], "version 4 is not supported"),
        (20, &[0, 0, 0, 8], "cluster_bits is 8, expected 9 to 21"),
        (20, &[0, 0, 0, 22], "cluster_bits is 22, expected 9 to 21"),
        (20, &[0xff; 4], "cluster_bits is 4294967295, expected 9 to 21"),
        (24, &[0, 0, 0, 0, 0x40, 0, 0, 0], "l1_size is 1, expected at least 2 for the virtual size"),
        (24, &[0xff; 8], "l1_size is 1, expected at least 34359738368 for the virtual size"),
        (32, &[0, 0, 0, 1], "AES encryption is not supported"),
        (32, &[0, 0, 0, 2], "LUKS encryption is not supported"),
        (32, &[0, 0, 0, 3], "crypt_method is 3, expected 0, 1 or 2"),
        (36, &[0, 0, 0, 0], "l1_size is 0, expected at least 1 for the virtual size"),
        (36, &[0, 0x40, 0, 1], "l1_size is 4194305, expected at most 4194304 (32 MiB)"),
        (40, &[0, 0, 0, 0, 0, 3, 2, 0], "l1_table_offset is 0x30200, expected a multiple of 0x10000"),
        (40, &[0; 8], "l1_table_offset is 0x0, expected 0x10000 to 0xLAST"),
        (40, &[0, 0, 0, 1, 0, 0, 0, 0], "l1_table_offset is 0x100000000, expected 0x10000 to 0xLAST"),
        (48, &[0, 0, 0, 0, 0, 1, 0, 1], "refcount_table_offset is 0x10001, expected a multiple of 0x10000"),
        (79, &[2], "corrupt bit is set, expected clear: `qemu-img check -r all` may repair the image"),
        (79, &[0x20], "incompatible feature bit 5 is not supported"),
        (72, &[0x80], "incompatible feature bit 63 is not supported"),
        (79, &[8], "compression_type is 0, expected not 0, as its feature bit is set"),
        (104, &[1], "compression_type is 1, expected 0, as its feature bit is clear"),
        (96, &[0, 0, 0, 7], "refcount_order is 7, expected at most 6"),
        (100, &[0, 0, 0, 96], "header_length is 96, expected a multiple of 8 from 104 to 65536"),
        (100, &[0, 0, 0, 105], "header_length is 105, expected a multiple of 8 from 104 to 65536"),
        (100, &[0xff; 4], "header_length is 4294967295, expected a multiple of 8 from 104 to 65536"),
        (116, &[0xff; 4], "extension length is 4294967295, expected at most 65416"),
        (8, &[0, 0, 0, 0, 0, 0, 0, 8], "backing_file_offset is 8, expected 112 to 65536"),
        (8, &[0xff; 8], "backing_file_offset is 18446744073709551615, expected 112 to 65536"),
    ];
    let last = format!("{:x}", size - 8);
    for &(offset, patch, expected) in cases {
        let expected = expected.replace("LAST", &last);
        assert_eq!(good.patched(offset, patch), format!("qcow2 header: {expected}"));
    }
    // Two fields at a time: an unknown method, a name that is too long, a cluster too small for subclusters.
    let mut bytes = good.bytes.clone();
    (bytes[79], bytes[104]) = (8, 2);
    assert_eq!(good.with(&bytes), "qcow2 header: compression type 2 is not supported");
    let mut bytes = good.bytes.clone();
    bytes[8..20].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 4, 0]);
    assert_eq!(good.with(&bytes), "qcow2 header: backing_file_size is 1024, expected 1 to 1023");
    let mut bytes = good.bytes.clone();
    (bytes[79], bytes[23]) = (16, 13);
    let expected = "qcow2 header: cluster_bits with extended L2 entries is 13, expected 14 to 21";
    assert_eq!(good.with(&bytes), expected);
}

/// The image itself knows what the bit is called.
#[test]
fn an_unknown_feature_is_named() {
    let good = Good::new("");
    let name = good.bytes.windows(9).position(|bytes| bytes == b"dirty bit").unwrap();
    let mut bytes = good.bytes.clone();
    bytes[name - 1] = 40;
    bytes[name..name + 9].copy_from_slice(b"time\x1b[2Jx");
    bytes[74] = 1;
    let expected = r"qcow2 header: incompatible feature bit 40 (time\u{1b}[2Jx) is not supported";
    assert_eq!(good.with(&bytes), expected);
}

#[test]
fn table_entries() {
    let good = Good::new("");
    let size = to_usize(to_u64(good.bytes.len()));
    let at_most = |len: usize| format!("expected at most {:#x}", size - len);
    let l1 = |entry: u64| good.patched(good.l1, &entry.to_be_bytes());
    let beyond = "L1 entry 0: L2 table offset is 0x100000000, ".to_owned() + &at_most(65_536);
    assert_eq!(l1(1 << 32), beyond);
    assert_eq!(l1(0x200), "L1 entry 0: L2 table offset is 0x200, expected a multiple of 0x10000");
    assert_eq!(l1(1), "L1 entry 0: reserved bits is 0x1, expected 0");

    // The virtual size in 128 MiB more, and a second entry like the first.
    let mut bytes = good.bytes.clone();
    bytes.copy_within(good.l1..good.l1 + 8, good.l1 + 8);
    (bytes[28], bytes[39]) = (0x20 + 8, 2);
    let expected = "L1 table: L2 table offset is 0x40000 in more than one entry, \
                    expected one L2 table for each entry";
    assert_eq!(good.with(&bytes), expected);

    let beyond = "guest cluster 5: host offset is 0x7fff0000, ".to_owned() + &at_most(65_536);
    assert_eq!(good.l2_entry(5, 0x8000_0000_7fff_0000), beyond);
    let expected = "guest cluster 3: host offset is 0x50200, expected a multiple of 0x10000";
    assert_eq!(good.l2_entry(3, 0x50200), expected);
    let expected = "guest cluster 2: reserved bits of the L2 entry is 0x2, expected 0";
    assert_eq!(good.l2_entry(2, 0x50002), expected);
    let expected = "guest cluster 2: host offset is 0x0, expected not 0, as the copied flag is set";
    assert_eq!(good.l2_entry(2, 1 << 63), expected);
    let expected =
        format!("guest cluster 1: compressed data offset is 0x7fffffff, expected less than {size:#x}");
    assert_eq!(good.l2_entry(1, 1 << 62 | 0x7fff_ffff), expected);
    // The L1 table's own zeros and pointers are no deflate stream of a cluster.
    let message = good.l2_entry(1, 1 << 62 | to_u64(good.l1));
    assert!(message.starts_with("guest cluster 1: compressed data is "), "{message}");

    // Cut within the last L2 table or data, the file is refused; a compressed cluster's last sector may be short.
    let cut = good.with(&good.bytes[..0x50200]);
    assert_eq!(cut, "guest cluster 0: host offset is 0x50000, expected at most 0x40200");
    let cut = good.with(&good.bytes[..0x40200]);
    assert_eq!(cut, "L1 entry 0: L2 table offset is 0x40000, expected at most 0x30200");
    let cut = good.with(&good.bytes[..0x30000]);
    assert_eq!(cut, "qcow2 header: l1_table_offset is 0x30000, expected 0x10000 to 0x2fff8");
    assert_eq!(good.with(&good.bytes[..50]), "qcow2 header: file size is 50, expected at least 72");
    assert_eq!(good.with(&good.bytes[..80]), "qcow2 header: file size is 80, expected at least 104");
    assert_eq!(good.with(&[]), "qcow2 header: magic is , expected 514649fb");
}

#[test]
fn entries_of_other_kinds_of_image() {
    let old = Good::new("-o compat=0.10");
    let expected = "guest cluster 2: zero flag of the L2 entry is 1, expected 0 in a version 2 image";
    assert_eq!(old.l2_entry(2, 1), expected);

    let extended = Good::new("-o extended_l2=on");
    let bitmap = |bits: u64| extended.patched(extended.l2 + 8, &bits.to_be_bytes());
    let expected = "guest cluster 0: subcluster bitmap is 0x00000001ffffffff, \
                    expected no subcluster both allocated and zero";
    assert_eq!(bitmap(0x1_ffff_ffff), expected);
    let expected = "guest cluster 3: host offset is 0x0, expected not 0, as subclusters are allocated";
    assert_eq!(extended.patched(extended.l2 + 3 * 16 + 8, &1u64.to_be_bytes()), expected);
    let expected = "guest cluster 2: zero flag of the L2 entry is 1, expected 0 with extended L2 entries";
    assert_eq!(extended.patched(extended.l2 + 2 * 16, &1u64.to_be_bytes()), expected);

    let external = Good::new("-o data_file=data.raw");
    let expected = "guest cluster 1: offset in the data file is 0x50000, expected 0x10000, the guest's own";
    assert_eq!(external.l2_entry(1, 0x8000_0000_0005_0000), expected);
    let expected = "guest cluster 1: compressed flag is 1, expected 0 in an image with an external data file";
    assert_eq!(external.l2_entry(1, 1 << 62), expected);
    fs::write(external.lab.path("data.raw"), [1; 1000]).unwrap();
    let expected = "guest cluster 0: host offset is 0x0, expected none in a file of 1000 bytes";
    assert_eq!(external.with(&external.bytes), expected);
}

#[test]
fn directories() {
    let good = Good::new("");
    good.lab.img("snapshot -c s good.qcow2");
    good.lab.img("bitmap --add good.qcow2 b");
    let bytes = fs::read(good.lab.path("good.qcow2")).unwrap();
    let table = to_usize(Be64(64).get(&bytes));
    let extension = bytes.windows(4).position(|bytes| bytes == [0x23, 0x85, 0x28, 0x75]).unwrap();
    let patched = |offset: usize, patch: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[offset..offset + patch.len()].copy_from_slice(patch);
        good.with(&bytes)
    };
    let room = bytes.len() - table;
    let message = patched(table + 36, &[0xff; 4]);
    assert_eq!(message, format!("snapshot table entry 0: length is 4294967337, expected at most {room}"));
    let message = patched(60, &[0, 1, 0, 1]);
    assert_eq!(message, "snapshot table: number of snapshots is 65537, expected at most 65536");
    let message = patched(64, &[0, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(
        message,
        format!("snapshot table: offset is 0x100000000, expected less than {:#x}", bytes.len())
    );
    let message = patched(extension + 8, &[0; 4]);
    assert_eq!(message, "bitmap directory: number of bitmaps is 0, expected 1 to 65535");
    let message = patched(extension + 8 + 8, &[0xff; 8]);
    let expected = format!("size is 0xffffffffffffffff, expected at most the file's {:#x}", bytes.len());
    assert_eq!(message, format!("bitmap directory: {expected}"));
    let message = patched(extension + 8 + 3, &[2]);
    assert_eq!(message, "bitmap directory entry 1: length is 24, expected at most 0");
}

#[test]
fn encrypted_images() {
    let lab = Lab::new();
    let secret = "--object secret,id=s,data=abc123";
    lab.img(&format!(
        "create {secret} -f qcow2 -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 a 1M"
    ));
    assert_eq!(refusal(&lab.path("a"), &everything()), "qcow2 header: LUKS encryption is not supported");
    lab.img(&format!("create {secret} -f qcow2 -o encrypt.format=aes,encrypt.key-secret=s b 1M"));
    assert_eq!(refusal(&lab.path("b"), &everything()), "qcow2 header: AES encryption is not supported");
}

#[test]
fn files_that_an_image_names() {
    let lab = Lab::new();
    lab.raw("base", 1 << 20, 1);
    lab.img("create -f qcow2 -F raw -b base top 1M");
    let closed = OpenOptions::default();
    let expected = r#"qcow2 image: backing file "base" without --allow-backing is not supported"#;
    assert_eq!(refusal(&lab.path("top"), &closed), expected);
    lab.img("create -f qcow2 -o data_file=data,data_file_raw=on external 1M");
    let expected = r#"qcow2 image: external data file "data" without --allow-backing is not supported"#;
    assert_eq!(refusal(&lab.path("external"), &closed), expected);

    let message = |name: &str, format: &str| {
        lab.img(&format!("create -u -f qcow2 -F {format} -b {name} other 1M"));
        refusal(&lab.path("other"), &everything())
    };
    let expected = r#"qcow2 image: backing file "nbd:localhost:1", which names a protocol, is not supported"#;
    assert_eq!(message("nbd:localhost:1", "raw"), expected);
    let expected = r#"qcow2 image: backing file "json:{}", which names a protocol, is not supported"#;
    assert_eq!(message("json:{}", "raw"), expected);
    let expected = r#"qcow2 image: backing file "base" of format "vmdk" is not supported"#;
    assert_eq!(message("base", "vmdk"), expected);
    assert_eq!(message("base", "qcow2").split_once(" is ").unwrap().0, "qcow2 header: magic");
    let missing = format!("backing file {:?}: No such file or directory (os error 2)", lab.path("absent"));
    assert_eq!(message("absent", "raw"), missing);
    let fifo = "backing file \"/dev/zero\": neither a regular file nor a block device";
    assert_eq!(message("/dev/zero", "raw"), fifo);

    // Two files that name each other, and one that names itself.
    let expected = r#"qcow2 image: backing file is "one", expected a file that is not in the chain already"#;
    lab.img("create -u -f qcow2 -F qcow2 -b one two 1M");
    lab.img("create -u -f qcow2 -F qcow2 -b two one 1M");
    assert_eq!(refusal(&lab.path("one"), &everything()), expected);
    lab.img("create -u -f qcow2 -F qcow2 -b one ./one 1M");
    assert_eq!(refusal(&lab.path("one"), &everything()), expected);
}

/// Versions of QEMU before 6.1 let the format of a backing file go unrecorded.
#[test]
fn a_backing_file_of_unrecorded_format() {
    let lab = Lab::new();
    lab.raw("base", 1 << 20, 1);
    lab.img("create -f qcow2 -F raw -b base top 1M");
    let mut bytes = fs::read(lab.path("top")).unwrap();
    let at = bytes.windows(4).position(|bytes| bytes == [0xe2, 0x79, 0x2a, 0xca]).unwrap();
    bytes[at] = 0x11;
    fs::write(lab.path("top"), bytes).unwrap();
    let expected = "qcow2 image: backing file \"base\" of unrecorded format (say which with --backing-format) \
                    is not supported";
    assert_eq!(refusal(&lab.path("top"), &everything()), expected);
    let options = OpenOptions { backing_format: Some(Format::Raw), ..everything() };
    let image = open(&lab.path("top"), &options).unwrap();
    assert_eq!(read_all(&image.device).unwrap(), fs::read(lab.path("base")).unwrap());
}

#[test]
fn a_chain_that_is_too_long() {
    let lab = Lab::new();
    lab.img("create -f qcow2 0 1M");
    for n in 1..=64 {
        lab.img(&format!("create -u -f qcow2 -F qcow2 -b {} {n} 1M", n - 1));
    }
    let image = open(&lab.path("63"), &everything()).unwrap();
    assert!(block::is_zero(&read_all(&image.device).unwrap()));
    let expected = "qcow2 image: a chain of more than 64 files is not supported";
    assert_eq!(refusal(&lab.path("64"), &everything()), expected);
}

/// One byte of the header, the L1 or an L2 table changed at a time: an image or an error, never a panic.
#[test]
fn mutants() {
    let mut state = 7u64;
    let mut random = move |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        to_usize(state >> 33) % limit
    };
    for options in [
        "-o cluster_size=512",
        "-o extended_l2=on,cluster_size=16k",
        "-o cluster_size=4k,compression_type=zstd",
    ] {
        let good = Good::new(options);
        let path = good.lab.path("good.qcow2");
        let file = fs::File::options().write(true).open(&path).unwrap();
        let (mut read, mut refused) = (0, 0);
        for round in 0..2000 {
            let at = match round % 3 {
                0 => random(320),
                1 => good.l1 + random(16),
                _ => good.l2 + random(64),
            };
            let old = good.bytes[at];
            let new = if random(2) == 0 { old ^ 1 << random(8) } else { random(256).to_le_bytes()[0] };
            file.write_all_at(&[new], to_u64(at)).unwrap();
            let outcome = catch_unwind(|| {
                let image = open(&path, &OpenOptions::default())?;
                let device = &image.device;
                let (mut offset, mut steps) = (0, 0);
                // A mutant's disk may be exabytes long: some of its runs will do, and their first bytes.
                while offset < device.size() && steps < 20 {
                    let run = device.run_at(offset)?;
                    assert!(run.len > 0 && run.len <= device.size() - offset);
                    let mut part = vec![0; to_usize(run.len.min(20_000))];
                    device.read_at(offset, &mut part)?;
                    assert!(!run.zero || block::is_zero(&part));
                    (offset, steps) = (offset + run.len, steps + 1);
                }
                Ok::<_, block::Error>(())
            });
            match outcome.unwrap_or_else(|_| panic!("{options}: byte {at} set to {new:#x}")) {
                Ok(()) => read += 1,
                Err(_) => refused += 1,
            }
            file.write_all_at(&[old], to_u64(at)).unwrap();
        }
        assert!(read > 100 && refused > 100, "{options}: {read} read, {refused} refused");
    }
}
