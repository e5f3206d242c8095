//! `disk.raw` out of a tar archive: ustar, GNU, and GNU's old sparse members, which Compute Engine asks for
//! (`tar --format=oldgnu -S`).
//!
//! Facts are from POSIX.1-2024 (pax, "ustar Interchange Format") and GNU tar's manual ("Basic Tar Format").

use block::{Result, Unsupported, to_u64, to_usize};

use super::{Source, copy, sparse::Sparse};

/// Every header and every member is padded to this.
const RECORD: usize = 512;
/// The member that is the disk.
const DISK: &[u8] = b"disk.raw";
/// Runs of a sparse member that are kept in mind: 16 MiB of them.
const RUNS_MAX: usize = 1 << 20;
/// Longest extended header that is read; a path and a size take less.
const PAX_MAX: u64 = 64 << 10;

// Offset and length of fields in a header.
const NAME: (usize, usize) = (0, 100);
const SIZE: (usize, usize) = (124, 12);
const CHECKSUM: (usize, usize) = (148, 8);
const TYPE: usize = 156;
const MAGIC: (usize, usize) = (257, 5);
const PREFIX: (usize, usize) = (345, 155);
/// GNU's old format has four runs of a sparse member here.
const SPARSE: usize = 386;
const SPARSE_COUNT: usize = 4;
const IS_EXTENDED: usize = 482;
const REAL_SIZE: (usize, usize) = (483, 12);
/// A record of further runs has so many, and says behind them whether another one follows.
const MORE_COUNT: usize = 21;
const MORE_IS_EXTENDED: usize = 504;
/// Bytes of a run: where it lies and how long it is.
const RUN: usize = 24;

/// Copies the disk, reads the archive to its end, and says how large the disk is.
pub(super) fn disk_raw(source: &mut Source, sparse: &mut Sparse<'_>) -> Result<u64> {
    let mut header = [0; RECORD];
    let (mut pax, mut found) = (Pax::default(), None);
    loop {
        source.read_exact(&mut header)?;
        if header.iter().all(|&byte| byte == 0) {
            break;
        }
        if number(field(&header, CHECKSUM)) != Some(checksum(&header)) {
            return Err(source.object().corrupt("header checksum", "wrong", "the sum of the header's bytes"));
        }
        let size = numeric(source, &header, SIZE)?;
        let size = pax.size.filter(|_| !matches!(header[TYPE], b'x' | b'g')).unwrap_or(size);
        match header[TYPE] {
            b'x' => {
                pax = Pax::read(source, size)?;
                continue;
            }
            kind @ (b'0' | 0 | b'7' | b'S') if found.is_none() && pax.is_disk(&header) => {
                if pax.sparse {
                    let what = "a sparse member in pax format (make it with --format=oldgnu)";
                    return Err(Unsupported::new(source.object(), what).into());
                }
                let runs = if kind == b'S' { Some(Runs::read(source, &header, size)?) } else { None };
                let disk = match runs {
                    Some(runs) => runs.copy(source, sparse)?,
                    None => {
                        if copy(source, sparse, size)? < size && !sparse.is_full() {
                            return Err(source.object().corrupt("content", "cut short", "whole members"));
                        }
                        size
                    }
                };
                if sparse.is_full() {
                    return Ok(0);
                }
                found = Some(disk);
                skip(source, padding(size))?;
            }
            b'S' => {
                // Its runs beyond the first four stand between header and content.
                let mut extended = header[IS_EXTENDED] != 0;
                while extended {
                    source.read_exact(&mut header)?;
                    extended = header[MORE_IS_EXTENDED] != 0;
                }
                skip_member(source, size)?;
            }
            _ => skip_member(source, size)?,
        }
        pax = Pax::default();
    }
    // The wrapper's own checksum stands at its end.
    let mut rest = [0; RECORD];
    while source.read(&mut rest)? > 0 {}
    found.ok_or_else(|| Unsupported::new(source.object(), "an archive without the member disk.raw").into())
}

/// What an extended header says of the next member.
#[derive(Default)]
struct Pax {
    size: Option<u64>,
    path: Option<Vec<u8>>,
    sparse: bool,
}

impl Pax {
    fn read(source: &mut Source, size: u64) -> Result<Self> {
        if size > PAX_MAX {
            return Err(Unsupported::new(source.object(), "an extended header of more than 64 KiB").into());
        }
        let mut bytes = vec![0; to_usize(size)];
        source.read_exact(&mut bytes)?;
        skip(source, padding(size))?;
        let (mut pax, mut left) = (Self::default(), &*bytes);
        // "LENGTH KEY=VALUE\n", where the length counts all of it.
        while !left.is_empty() {
            let record = left.iter().position(|&byte| byte == b' ').and_then(|blank| {
                let length: usize = std::str::from_utf8(&left[..blank]).ok()?.parse().ok()?;
                let record = left.get(blank + 1..length)?.strip_suffix(b"\n")?;
                left = &left[length..];
                let equals = record.iter().position(|&byte| byte == b'=')?;
                Some((&record[..equals], &record[equals + 1..]))
            });
            let Some((key, value)) = record else {
                return Err(source.object().corrupt(
                    "extended header",
                    "malformed",
                    "LENGTH KEY=VALUE lines",
                ));
            };
            match key {
                b"size" => pax.size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()),
                b"path" if !pax.sparse => pax.path = Some(value.to_owned()),
                key if key.starts_with(b"GNU.sparse.") => {
                    pax.sparse = true;
                    // Its real name; the header's own is a place holder.
                    if key == b"GNU.sparse.name" {
                        pax.path = Some(value.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(pax)
    }

    fn is_disk(&self, header: &[u8; RECORD]) -> bool {
        let ustar = field(header, MAGIC) == b"ustar" && header[MAGIC.0 + MAGIC.1] == 0;
        let prefixed = ustar && !text(field(header, PREFIX)).is_empty();
        let name = match &self.path {
            Some(path) => path,
            None if prefixed => return false,
            None => text(field(header, NAME)),
        };
        name.strip_prefix(b"./").unwrap_or(name) == DISK
    }
}

/// Where the stored bytes of a sparse member lie.
struct Runs {
    runs: Vec<(u64, u64)>,
    size: u64,
}

impl Runs {
    fn read(source: &mut Source, header: &[u8; RECORD], stored: u64) -> Result<Self> {
        let mut runs = Self { runs: Vec::new(), size: numeric(source, header, REAL_SIZE)? };
        runs.add(source, &header[SPARSE..], SPARSE_COUNT)?;
        let mut extended = header[IS_EXTENDED] != 0;
        let mut record = [0; RECORD];
        while extended {
            source.read_exact(&mut record)?;
            runs.add(source, &record, MORE_COUNT)?;
            extended = record[MORE_IS_EXTENDED] != 0;
        }
        let sum = runs.runs.iter().map(|run| run.1).fold(0, u64::saturating_add);
        if sum != stored {
            return Err(source.object().corrupt(
                "sparse member",
                format_args!("{sum} bytes in runs"),
                stored,
            ));
        }
        Ok(runs)
    }

    fn add(&mut self, source: &Source, entries: &[u8], count: usize) -> Result<()> {
        for entry in entries.chunks_exact(RUN).take(count) {
            let (start, len) = entry.split_at(RUN / 2);
            // Unused entries are zero bytes.
            if start[0] == 0 && len[0] == 0 {
                continue;
            }
            let corrupt =
                || source.object().corrupt("sparse member", "a wrong run", "runs in order, within its size");
            let (start, len) = (number(start).ok_or_else(corrupt)?, number(len).ok_or_else(corrupt)?);
            let before = self.runs.last().map_or(0, |run| run.0 + run.1);
            if start < before || start.checked_add(len).is_none_or(|end| end > self.size) {
                return Err(corrupt());
            }
            if self.runs.len() == RUNS_MAX {
                return Err(
                    Unsupported::new(source.object(), "a sparse member of more than a million runs").into()
                );
            }
            self.runs.push((start, len));
        }
        Ok(())
    }

    fn copy(&self, source: &mut Source, sparse: &mut Sparse<'_>) -> Result<u64> {
        for &(start, len) in &self.runs {
            sparse.skip_to(start)?;
            if copy(source, sparse, len)? < len && !sparse.is_full() {
                return Err(source.object().corrupt("content", "cut short", "whole members"));
            }
        }
        Ok(self.size)
    }
}

fn field(header: &[u8; RECORD], (start, len): (usize, usize)) -> &[u8] {
    &header[start..start + len]
}

/// Up to the first zero.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn numeric(source: &Source, header: &[u8; RECORD], at: (usize, usize)) -> Result<u64> {
    number(field(header, at))
        .ok_or_else(|| source.object().corrupt("header", "without a number", "sizes in octal"))
}

/// Octal digits, or with the highest bit set the number itself, big-endian (GNU's extension for 8 GiB and more).
fn number(field: &[u8]) -> Option<u64> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        let (high, low) = rest.split_at(rest.len().checked_sub(8)?);
        let small = first & 0x7f == 0 && high.iter().all(|&byte| byte == 0);
        return small.then(|| low.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)));
    }
    let digits = std::str::from_utf8(text(field)).ok()?.trim_matches(' ');
    u64::from_str_radix(if digits.is_empty() { "0" } else { digits }, 8).ok()
}

/// The sum of all bytes, those of the checksum counted as blanks.
fn checksum(header: &[u8; RECORD]) -> u64 {
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
    let (start, len) = CHECKSUM;
    sum(&header[..start]) + sum(&header[start + len..]) + u64::from(b' ') * to_u64(len)
}

/// Bytes to the next record.
fn padding(size: u64) -> u64 {
    size.wrapping_neg() % to_u64(RECORD)
}

fn skip_member(source: &mut Source, size: u64) -> Result<()> {
    skip(source, size)?;
    skip(source, padding(size))
}

fn skip(source: &mut Source, mut bytes: u64) -> Result<()> {
    let mut buf = [0; 4096];
    while bytes > 0 {
        let now = bytes.min(to_u64(buf.len()));
        source.read_exact(&mut buf[..to_usize(now)])?;
        bytes -= now;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{disk, gzip, unpacked};
    use super::*;
    use crate::{Unpacked, Wrapper};
    use std::{fs, os::unix::fs::FileExt, path::Path, process::Command};

    /// An archive by GNU tar, of a sparse disk.raw with a file before it and one behind.
    fn archive(options: &[&str]) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("first"), "1").unwrap();
        fs::write(at("last"), vec![2; 1000]).unwrap();
        let file = fs::File::create(at("disk.raw")).unwrap();
        file.set_len(3_000_001).unwrap();
        for (number, piece) in
            disk().chunks(4096).enumerate().filter(|(_, piece)| piece.iter().any(|b| *b != 0))
        {
            file.write_all_at(piece, to_u64(number * 4096)).unwrap();
        }
        tar(directory.path(), options)
    }

    fn tar(directory: &Path, options: &[&str]) -> Vec<u8> {
        let mut tar = Command::new("tar");
        tar.current_dir(directory).args(options).args(["-c", "first", "./disk.raw", "last"]);
        let done = tar.output().expect("tar runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }

    #[test]
    fn reads_what_gnu_tar_writes() {
        for options in [
            &["--format=oldgnu", "-S"][..],
            &["--format=oldgnu"],
            &["--format=gnu", "-S"],
            &["--format=ustar"],
            &["--format=pax"],
        ] {
            let (done, bytes, _) = unpacked(Wrapper::TarGzip, &gzip(&archive(options)), 1 << 20).unwrap();
            assert_eq!((done, bytes == disk()), (Unpacked::Whole(3_000_001), true), "{options:?}");
        }
        let (done, ..) =
            unpacked(Wrapper::TarGzip, &gzip(&archive(&["--format=oldgnu", "-S"])), 70_000).unwrap();
        assert_eq!(done, Unpacked::TooLarge);
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        let said = |bytes: &[u8]| {
            unpacked(Wrapper::TarGzip, &gzip(bytes), 1 << 20).map(|_| ()).unwrap_err().to_string()
        };
        let whole = archive(&["--format=oldgnu", "-S"]);
        assert_eq!(
            said(&archive(&["--format=pax", "-S"])),
            "tar archive: a sparse member in pax format (make it with --format=oldgnu) is not supported"
        );
        assert_eq!(said(&whole[..9000]), "tar archive: content is cut short, expected whole members");
        let mut broken = whole.clone();
        broken[0] ^= 1;
        assert_eq!(
            said(&broken),
            "tar archive: header checksum is wrong, expected the sum of the header's bytes"
        );
        assert_eq!(said(&[0; 1024]), "tar archive: an archive without the member disk.raw is not supported");
        // Runs that go backwards, in the header of disk.raw.
        let mut backwards = whole.clone();
        let header = &mut backwards[1024..1536];
        header[SPARSE..SPARSE + 12].copy_from_slice(b"00013000000\0");
        let sum = checksum(<&[u8; RECORD]>::try_from(&*header).unwrap());
        header[CHECKSUM.0..CHECKSUM.0 + 8].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(said(&backwards).starts_with("tar archive: sparse member is "), "{}", said(&backwards));
    }

    #[test]
    fn numbers_of_both_kinds() {
        assert_eq!(number(b"00000000017\0"), Some(15));
        assert_eq!(number(b"     17 "), Some(15));
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), Some(1 << 33));
        assert_eq!(number(&[0xff; 12]), None);
        assert_eq!(number(b"9"), None);
    }
}
