//! Archives that the formats' own tools made, and some that nobody would.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use block::{to_u64, to_usize};

use super::*;
use crate::content::{Key, Scanner, check::github::sign, rules, sweep_reader};

/// Runs a program of Debian's in a directory, and gives what it prints.
fn run(directory: &Path, line: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(line[0])
        .args(&line[1..])
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{} is needed: {error}", line[0]));
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{line:?}");
    output.stdout
}

fn token(seed: u32) -> String {
    sign("ghp_", &format!("{seed:030}"))
}

fn limits() -> Limits {
    Limits { depth: 5, bytes: 64 << 20, members: 1000, window: 27 }
}

/// Everything that is given: `a > b`, and what it holds.
fn streams(mut file: &[u8], limits: Limits) -> (Vec<(String, Vec<u8>)>, Outcome) {
    let mut found = Vec::new();
    let outcome = unpack(&mut file, limits, &mut |inner| {
        let names: Vec<&str> = inner.names.iter().map(MemberName::as_str).collect();
        let mut content = Vec::new();
        inner.content.read_to_end(&mut content)?;
        found.push((names.join(" > "), content));
        Ok(())
    });
    (found, outcome.unwrap())
}

/// The ways to streams in which there is this token.
fn ways(file: &[u8], token: &str) -> Vec<String> {
    let (found, outcome) = streams(file, limits());
    assert_eq!(outcome.left_out, BTreeMap::new());
    let holds = |content: &[u8]| memchr::memmem::find(content, token.as_bytes()).is_some();
    found.into_iter().filter(|(_, content)| holds(content)).map(|(way, _)| way).collect()
}

fn left_out(file: &[u8], limits: Limits) -> BTreeMap<Reason, u64> {
    streams(file, limits).1.left_out
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_compression_of_a_tar() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::create_dir(at.join("etc")).unwrap();
    fs::write(at.join("etc/first"), "nothing").unwrap();
    fs::write(at.join("etc/secret"), [&[b'x'; 100_000][..], token(1).as_bytes(), b"\n"].concat()).unwrap();
    let mut tar = Vec::new();
    for format in ["gnu", "pax", "ustar"] {
        tar = run(at, &["tar", "--format", format, "-cf", "-", "etc"], b"");
        assert_eq!(ways(&tar, &token(1)), ["etc/secret"]);
    }
    let tools: [(&[&str], &str); 6] = [
        (&["gzip", "-c"], "gzip"),
        (&["xz", "-c"], "xz"),
        (&["xz", "-c", "--x86", "--lzma2=preset=1", "--check=sha256"], "xz"),
        (&["zstd", "-q", "-c"], "zstd"),
        (&["zstd", "-q", "-c", "--long=27"], "zstd"),
        (&["bzip2", "-c"], "bzip2"),
    ];
    for (tool, kind) in tools {
        let packed = run(at, tool, &tar);
        assert_eq!(ways(&packed, &token(1)), [format!("{kind} > etc/secret")]);
        // Two in a row are one file.
        let text = format!("{} {}", "y".repeat(1000), token(2));
        let twice = [run(at, tool, b"one "), run(at, tool, text.as_bytes())].concat();
        assert_eq!(ways(&twice, &token(2)), [kind]);
    }
}

#[test]
fn every_kind_of_zip() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let text = [&b"text ".repeat(5000)[..], token(3).as_bytes()].concat();
    fs::write(at.join("a"), &text).unwrap();
    fs::write(at.join("b"), token(4)).unwrap();
    for method in [&["-0"][..], &["-9"], &["-Z", "bzip2"], &["-fz", "-9"], &["-fd", "-9"]] {
        let line = [&["zip", "-q", "-"][..], method, &["a", "b"]].concat();
        // What goes to a pipe has descriptors.
        let piped = run(at, &["sh", "-c", &format!("{} | cat", line.join(" "))], b"");
        fs::remove_file(at.join("x.zip")).unwrap_or_default();
        run(at, &[&["zip", "-q"][..], method, &["x.zip", "a", "b"]].concat(), b"");
        for zip in [fs::read(at.join("x.zip")).unwrap(), piped] {
            let (_, outcome) = streams(&zip, limits());
            if outcome.left_out.is_empty() {
                assert_eq!(
                    (ways(&zip, &token(3)), ways(&zip, &token(4))),
                    (vec!["a".to_owned()], vec!["b".to_owned()]),
                    "{method:?}"
                );
            } else {
                // Neither size nor a deflate stream that ends by itself.
                assert_eq!(outcome.left_out, BTreeMap::from([(Reason::Method, 1)]), "{method:?}");
                assert!(["-0", "-Z"].contains(&method[0]), "{method:?}");
            }
        }
    }
    let locked = run(at, &["sh", "-c", "zip -q -P pass - a b | cat"], b"");
    assert!(left_out(&locked, limits())[&Reason::Encrypted] >= 1);
    run(at, &["zip", "-q", "-P", "pass", "locked.zip", "a", "b"], b"");
    let locked = fs::read(at.join("locked.zip")).unwrap();
    assert_eq!(left_out(&locked, limits())[&Reason::Encrypted], 2);
}

#[test]
fn python_writes_other_zips() {
    let directory = tempfile::tempdir().unwrap();
    let script = "import sys, zipfile
class Pipe:
    def write(self, data): return sys.stdout.buffer.write(data)
    def flush(self): pass
archive = zipfile.ZipFile(Pipe(), 'w', zipfile.ZIP_DEFLATED)
text = sys.stdin.read()
with archive.open(zipfile.ZipInfo('stored'), 'w', force_zip64=True) as member: member.write(b'abc')
archive.writestr('deflated', text)
with archive.open('long', 'w', force_zip64=True) as member: member.write(text.encode())
archive.close()";
    let zip = run(directory.path(), &["python3", "-c", script], token(5).as_bytes());
    let (_, outcome) = streams(&zip, limits());
    // The first is stored without a size: that is where it ends, but what follows is given as it is.
    assert_eq!(outcome.left_out, BTreeMap::from([(Reason::Method, 1)]));
    let script = script.replace("with archive.open(zipfile.ZipInfo", "#");
    let zip = run(directory.path(), &["python3", "-c", &script], token(5).as_bytes());
    assert_eq!(ways(&zip, &token(5)), ["deflated", "long"]);
}

#[test]
fn archives_in_archives() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::write(at.join("log.gz"), gzip(token(6).as_bytes())).unwrap();
    run(at, &["tar", "-cf", "logs.tar", "log.gz"], b"");
    run(at, &["zip", "-q", "all.zip", "logs.tar"], b"");
    let zip = fs::read(at.join("all.zip")).unwrap();
    assert_eq!(ways(&zip, &token(6)), ["logs.tar > log.gz > gzip"]);
    // One layer less is one too few.
    let shallow = Limits { depth: 2, ..limits() };
    assert_eq!(left_out(&zip, shallow), BTreeMap::from([(Reason::Depth, 1)]));
    let (found, outcome) = streams(&zip, Limits { depth: 3, ..limits() });
    assert_eq!((outcome.left_out.len(), outcome.streams), (0, 1));
    assert_eq!(outcome.kinds, [Kind::Gzip, Kind::Tar, Kind::Zip].into());
    assert!(found.iter().any(|(_, content)| content == token(6).as_bytes()));
}

#[test]
fn a_token_anywhere_in_a_long_stream_is_found_once() {
    let mut data = vec![b'.'; 5 << 20];
    let places: Vec<usize> = (1..=4).map(|at| (at << 20) - 20).chain([0, 100, (5 << 20) - 40]).collect();
    for &at in &places {
        data[at..at + 40].copy_from_slice(token(7).as_bytes());
    }
    let packed = gzip(&tar::tests::member(b"big", b'0', &data));
    let mut scanner = Scanner::new(&rules::all().collect::<Vec<_>>());
    let mut found = Vec::new();
    let outcome = unpack(&mut packed.as_slice(), limits(), &mut |inner| {
        sweep_reader(inner.content, &mut scanner, &Key([1; 32]), &mut |secret| found.push(secret.offset))
            .map(drop)
    });
    assert_eq!(outcome.unwrap().left_out, BTreeMap::new());
    assert_eq!(found.len(), places.len());
}

#[test]
fn bombs_end_at_the_limit() {
    // Ten GiB of zeros, once, twice and three times packed.
    let bomb = gzip(&vec![0; 16 << 20]).repeat(640);
    let small = Limits { bytes: 1 << 20, ..limits() };
    for file in [&bomb, &gzip(&bomb), &gzip(&gzip(&bomb))] {
        let mut given = 0;
        let outcome = unpack(&mut file.as_slice(), small, &mut |inner| {
            given += io::copy(inner.content, &mut io::sink())?;
            Ok(())
        });
        let outcome = outcome.unwrap();
        assert!(given <= 1 << 20);
        assert!(outcome.bytes <= (1 << 20) + (1 << 17), "{}", outcome.bytes);
        assert!(outcome.left_out.keys().eq([&Reason::Budget]), "{:?}", outcome.left_out);
    }
    // Layer in layer: the depth ends it, whatever the size.
    let mut nested = b"core".to_vec();
    for _ in 0..50 {
        nested = gzip(&tar::tests::member(b"again.tar.gz", b'0', &nested));
    }
    assert_eq!(left_out(&nested, limits()), BTreeMap::from([(Reason::Depth, 1)]));
    let members = tar::tests::member(b"m", b'0', b"").repeat(50);
    let few = Limits { members: 20, ..limits() };
    assert_eq!(left_out(&members, few), BTreeMap::from([(Reason::Members, 1)]));
}

#[test]
fn a_window_too_large_is_refused_before_memory_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let narrow = Limits { window: 20, ..limits() };
    for tool in [&["zstd", "-q", "-c", "--long=27", "--no-check"][..], &["xz", "-9", "-c"]] {
        let packed = run(directory.path(), tool, &vec![b'x'; 9 << 20]);
        assert_eq!(left_out(&packed, narrow), BTreeMap::from([(Reason::Memory, 1)]), "{tool:?}");
        assert_eq!(left_out(&packed, limits()), BTreeMap::new());
    }
}

#[test]
fn what_was_decoded_before_the_damage_is_given() {
    let directory = tempfile::tempdir().unwrap();
    let mut seed = 1_u64;
    let noise = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        seed.to_be_bytes()[0]
    });
    let data: Vec<u8> = token(8).into_bytes().into_iter().chain(noise.take(3 << 20)).collect();
    for tool in [&["gzip", "-c"][..], &["xz", "-c"], &["zstd", "-q", "-c"], &["bzip2", "-c"]] {
        let packed = run(directory.path(), tool, &data);
        let (found, outcome) = streams(&packed[..packed.len() / 2], limits());
        assert_eq!(outcome.left_out, BTreeMap::from([(Reason::Damaged, 1)]), "{tool:?}");
        assert!(found[0].1.starts_with(token(8).as_bytes()), "{tool:?}");
        // Blocks of bzip2 are the largest.
        assert!(found[0].1.len() > 800_000, "{tool:?}");
    }
}

#[test]
fn spoilt_bytes_do_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let text: Vec<u8> = (0..300_u32).flat_map(|n| format!("{} {n}\n", n * n % 977).into_bytes()).collect();
    fs::write(at.join("a"), &text).unwrap();
    fs::write(at.join("b"), gzip(&text)).unwrap();
    let tar = run(at, &["tar", "--format=pax", "-cf", "-", "a", "b"], b"");
    let zip = run(at, &["sh", "-c", "zip -q - a b | cat"], b"");
    let mut files = vec![tar, zip];
    for tool in [&["gzip", "-c"][..], &["xz", "-c"], &["zstd", "-q", "-c"], &["bzip2", "-c"]] {
        files.push(run(at, tool, &text));
    }
    let small = Limits { bytes: 1 << 20, ..limits() };
    let mut seed = 7_u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        to_usize(seed >> 33) % below
    };
    for file in &files {
        for _ in 0..400 {
            let mut spoilt = file.clone();
            for _ in 0..=next(3) {
                let at = next(spoilt.len());
                spoilt[at] = u8::try_from(next(256)).unwrap();
            }
            spoilt.truncate(spoilt.len() - next(spoilt.len()) * next(2));
            let (found, _) = streams(&spoilt, small);
            assert!(found.iter().map(|(_, content)| to_u64(content.len())).sum::<u64>() < 2 << 20);
        }
    }
}

#[test]
fn names_are_only_shown() {
    let name = b"../../etc/\x1b[31mpasswd\n\xff";
    let (found, _) = streams(&tar::tests::member(name, b'0', b"x"), limits());
    assert_eq!(found[0].0, "../../etc/\\u{1b}[31mpasswd\\n\\xff");
    let long = MemberName::new(&[b'n'; 70_000]);
    assert_eq!(long.as_str().len(), 1027);
}

#[test]
fn other_files_hold_no_streams() {
    for file in [&b""[..], b"BZh9 is not enough", b"\x1f\x8b", &[0; 1000], b"ustar"] {
        assert_eq!(streams(file, limits()), (Vec::new(), Outcome::default()));
    }
    // A magic number alone is damage, and told.
    assert_eq!(left_out(b"\x1f\x8b\x08\x00", limits()), BTreeMap::from([(Reason::Damaged, 1)]));
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    struct Bad(Vec<u8>);
    impl Read for Bad {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Err(io::Error::other("sector"));
            }
            let most = self.0.len().min(buf.len());
            buf[..most].copy_from_slice(&self.0[..most]);
            self.0.drain(..most);
            Ok(most)
        }
    }
    let mut file = Bad(gzip(&[1; 5000])[..30].to_vec());
    let outcome =
        unpack(&mut file, limits(), &mut |inner| io::copy(inner.content, &mut io::sink()).map(drop));
    assert_eq!(outcome.unwrap_err().to_string(), "sector");
}
