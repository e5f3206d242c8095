//! Fresh images, judged by qemu-img: no leak, no error, and the same disk as the raw source.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::{
    fs::{self, File},
    io::ErrorKind,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    process::Command,
};

use block::{
    OpenOptions, open, to_u64, to_usize,
    write::{Compression, OutputFormat, create},
};

const FORMATS: [OutputFormat; 4] = [
    OutputFormat::Raw,
    OutputFormat::Qcow2(Compression::None),
    OutputFormat::Qcow2(Compression::Deflate),
    OutputFormat::Qcow2(Compression::Zstd),
];

fn qemu_img(args: &[&str], paths: &[&Path]) -> String {
    let output = Command::new("qemu-img")
        .args(args)
        .args(paths)
        .output()
        .expect("these tests need qemu-img (qemu-utils)");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(output.status.success(), "qemu-img {args:?}: {text}");
    text
}

fn qemu_io(command: &str, path: &Path) {
    let output = Command::new("qemu-io").args(["-f", "qcow2", "-c", command]).arg(path).output();
    let output = output.expect("these tests need qemu-io (qemu-utils)");
    let text = String::from_utf8_lossy(&output.stdout);
    // A pattern that does not match is only told.
    assert!(output.status.success() && !text.contains("failed"), "qemu-io {command}: {text}");
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, limit: usize) -> usize {
        to_usize(self.next()) % limit
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// Noise, text and nothing, in stretches of any length and at any offset.
fn pattern(size: usize, random: &mut Random) -> Vec<u8> {
    let mut disk = vec![0; size];
    let mut at = 0;
    while at < size {
        let longest = [100, 5000, 70_000, 400_000][random.below(4)];
        let end = size.min(at + 1 + random.below(longest));
        match random.below(4) {
            0 => disk[at..end].copy_from_slice(&random.bytes(end - at)),
            1 => disk[at..end]
                .iter_mut()
                .zip(b"some words, ".iter().cycle())
                .for_each(|(to, from)| *to = *from),
            _ => (),
        }
        at = end;
    }
    disk
}

/// A disk and how it is handed over: ascending, zeros partly left out, in pieces of any length.
struct Source {
    size: u64,
    writes: Vec<(u64, Vec<u8>)>,
}

impl Source {
    fn cut(disk: &[u8], random: &mut Random) -> Self {
        let mut writes = Vec::new();
        let mut at = 0;
        while at < disk.len() {
            let longest = [700, 66_000, 1_500_000][random.below(3)];
            let end = disk.len().min(at + 1 + random.below(longest));
            if !block::is_zero(&disk[at..end]) || random.below(2) == 0 {
                writes.push((to_u64(at), disk[at..end].to_vec()));
            }
            at = end;
        }
        Self { size: to_u64(disk.len()), writes }
    }

    fn write(&self, path: &Path, format: OutputFormat, threads: usize) {
        let file = File::create_new(path).unwrap();
        let mut writer = create(file, format, self.size, threads).unwrap();
        for (offset, data) in &self.writes {
            writer.write(*offset, data).unwrap();
        }
        writer.finish().unwrap();
    }

    /// The plain way, for comparison.
    fn raw(&self, path: &Path) {
        let file = File::create_new(path).unwrap();
        for (offset, data) in &self.writes {
            file.write_all_at(data, *offset).unwrap();
        }
        file.set_len(self.size).unwrap();
    }
}

fn judge(source: &Path, path: &Path, format: OutputFormat) {
    let name = if format == OutputFormat::Raw { "raw" } else { "qcow2" };
    if name == "qcow2" {
        let report = qemu_img(&["check", "-f", name], &[path]);
        assert!(report.contains("No errors were found"), "{report}");
    }
    let report = qemu_img(&["compare", "-f", "raw", "-F", name], &[source, path]);
    assert!(report.contains("Images are identical."), "{report}");
}

/// Writes `source` in every format and lets qemu-img judge; returns the images.
fn all_formats(dir: &Path, source: &Source) -> Vec<PathBuf> {
    let raw = dir.join("source");
    source.raw(&raw);
    FORMATS
        .into_iter()
        .enumerate()
        .map(|(number, format)| {
            let path = dir.join(format!("image{number}"));
            source.write(&path, format, 2);
            judge(&raw, &path, format);
            path
        })
        .collect()
}

#[test]
fn any_pattern_in_any_pieces() {
    let sizes =
        [1, 511, 512, 65_535, 65_536, 65_537, 1_000_001, 8 << 20, (8 << 20) + 512, 5_000_000, 12_345_678];
    for (seed, size) in (1..).zip(sizes) {
        let dir = tempfile::tempdir().unwrap();
        let mut random = Random(seed);
        let disk = pattern(size, &mut random);
        let images = all_formats(dir.path(), &Source::cut(&disk, &mut random));
        assert!(fs::read(&images[0]).unwrap() == disk, "seed {seed}");
        for image in &images[1..] {
            let device = open(image, &OpenOptions::default()).unwrap().device;
            let mut read = vec![1; to_usize(device.size())];
            device.read_at(0, &mut read).unwrap();
            // Whole sectors, as the format counts.
            assert_eq!(read.len(), size.next_multiple_of(512));
            assert!(read[..size] == disk && block::is_zero(&read[size..]), "seed {seed}");
        }
    }
}

#[test]
fn the_same_bytes_from_any_threads_and_pieces() {
    let mut random = Random(77);
    let disk = pattern(20_000_000, &mut random);
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let images: Vec<Vec<u8>> = [1, 2, 5]
            .into_iter()
            .map(|threads| {
                let path = dir.path().join(threads.to_string());
                Source::cut(&disk, &mut random).write(&path, format, threads);
                fs::read(path).unwrap()
            })
            .collect();
        assert!(images[0] == images[1] && images[0] == images[2], "{format:?}");
    }
}

#[test]
fn an_empty_disk() {
    let dir = tempfile::tempdir().unwrap();
    let images = all_formats(dir.path(), &Source { size: 0, writes: vec![] });
    assert_eq!(fs::metadata(&images[0]).unwrap().len(), 0);
}

#[test]
fn nothing_but_data() {
    for noise in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let disk = if noise { Random(5).bytes(6 << 20) } else { b"0123456789abcdef".repeat(6 << 16) };
        let images = all_formats(dir.path(), &Source { size: 6 << 20, writes: vec![(0, disk)] });
        let clusters = |path: &Path| fs::metadata(path).unwrap().len() >> 16;
        // Header, L2, L1, refcount block and refcount table are all that is added.
        assert_eq!(clusters(&images[1]), 96 + 5);
        if noise {
            assert_eq!([&images[2], &images[3]].map(|path| clusters(path)), [96 + 5; 2]);
        } else {
            assert!(clusters(&images[2]) < 10 && clusters(&images[3]) < 10);
        }
    }
}

/// Data in few of many L2 tables: the file follows the data, not the disk.
#[test]
fn a_terabyte_with_little_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(9);
    let tib = 1u64 << 40;
    let writes = [0, 1 << 29, (1 << 29) + 5, 300 << 30, tib - 100_000, tib - 70_000]
        .into_iter()
        .map(|offset| (offset, if offset == 1 << 29 { vec![1; 5] } else { random.bytes(3000) }))
        .collect();
    for image in all_formats(dir.path(), &Source { size: tib, writes }) {
        assert!(fs::metadata(image).unwrap().blocks() * 512 < 2 << 20);
    }
}

/// Enough host clusters for a second refcount block, few bytes in each: too scattered for a slow disk.
#[test]
fn more_than_one_refcount_block() {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let path = dir.path().join("image");
    let clusters = 33_000u64;
    let writes = (0..clusters).map(|cluster| (cluster << 16, vec![cluster.to_le_bytes()[0] | 1])).collect();
    Source { size: clusters << 16, writes }.write(&path, OutputFormat::Qcow2(Compression::None), 1);
    assert!(fs::metadata(&path).unwrap().len() > clusters << 16);
    let report = qemu_img(&["check", "-f", "qcow2"], &[&path]);
    assert!(report.contains("No errors were found"), "{report}");
    for cluster in [0, 8191, 8192, 32_766, 32_767, 32_768, clusters - 1] {
        let byte = cluster.to_le_bytes()[0] | 1;
        qemu_io(&format!("read -P {byte} {} 1", cluster << 16), &path);
        qemu_io(&format!("read -P 0 {} 65535", (cluster << 16) + 1), &path);
    }
}

/// What QEMU writes next to our clusters must not collide with them.
#[test]
fn qemu_can_go_on_writing() {
    for format in &FORMATS[1..] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let mut random = Random(3);
        let disk = pattern(8 << 20, &mut random);
        Source::cut(&disk, &mut random).write(&path, *format, 2);
        qemu_io("write -P 0x5a 100000 3000000", &path);
        let mut expected = disk;
        expected[100_000..3_100_000].fill(0x5a);
        let raw = dir.path().join("source");
        fs::write(&raw, expected).unwrap();
        judge(&raw, &path, *format);
    }
}

#[test]
fn what_a_writer_refuses() {
    for format in FORMATS {
        let mut writer = create(tempfile::tempfile().unwrap(), format, 100_000, 1).unwrap();
        writer.write(10, &[1; 20]).unwrap();
        let error = writer.write(29, &[1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), "write at offset 29 after one that ended at 30");
        let error = writer.write(99_999, &[1; 2]).unwrap_err();
        assert_eq!(error.to_string(), "2 bytes at offset 99999 lie outside the device of 100000 bytes");
    }
    let format = OutputFormat::Qcow2(Compression::None);
    let refusal = |size| create(tempfile::tempfile().unwrap(), format, size, 1).err().map(|e| e.to_string());
    assert_eq!(refusal(1 << 51), None);
    let message = "qcow2 image: a disk of 18446744073709551615 bytes is not supported";
    assert_eq!(refusal(u64::MAX).as_deref(), Some(message));
    assert!(refusal((1 << 51) + 1).is_some());
}
