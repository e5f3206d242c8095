//! What everybody can have: files that a package brought and nobody changed, by the records of dpkg.
//!
//! A file counts only if its content still has the checksum of the record. Other package managers' records are not
//! read: there, nothing is subtracted.

use std::collections::{HashMap, HashSet};

use filesystem::{FileKind, InodeId, Result};
use md5::{Digest, Md5};

use super::guest::{Guest, content, lines};

/// Where dpkg keeps `PACKAGE.md5sums`: the checksum in hexadecimal, two blanks, the path without its first slash.
const INFO: &[u8] = b"/var/lib/dpkg/info";
/// Where it keeps the checksums of configuration files, in the field `Conffiles`: a blank, the path, a blank, the
/// checksum.
const STATUS: &[u8] = b"/var/lib/dpkg/status";
/// What package managers write down themselves, out of packages and archives that are public.
const RECORDS: [&[u8]; 3] = [b"/var/lib/dpkg/", b"/var/lib/apt/lists/", b"/var/cache/debconf/templates.dat"];

/// Which of these files, by their paths in the guest, everybody can have.
pub(super) fn public<'p>(
    guest: &Guest<'_>,
    files: &[((usize, InodeId), &'p [u8])],
) -> Result<HashSet<&'p [u8]>> {
    let mut public: HashSet<&[u8]> = HashSet::new();
    // By the path as dpkg writes it: without the first slash, and without `usr` where the system merged it.
    let mut wanted: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (index, (_, path)) in files.iter().enumerate() {
        if RECORDS.iter().any(|records| path.starts_with(records)) {
            public.insert(path);
            continue;
        }
        let path = path.strip_prefix(b"/").unwrap_or(path);
        wanted.entry(path).or_default().push(index);
        if let Some(merged) = path.strip_prefix(b"usr/") {
            wanted.entry(merged).or_default().push(index);
        }
    }
    if wanted.is_empty() {
        return Ok(public);
    }
    let mut sums: HashMap<usize, HashSet<[u8; 16]>> = HashMap::new();
    let mut record = |path: &[u8], sum: &[u8]| {
        if let (Some(indexes), Some(sum)) = (wanted.get(path), digest(sum)) {
            for &index in indexes {
                sums.entry(index).or_default().insert(sum);
            }
        }
    };
    if let Some((filesystem, status)) = guest.find(STATUS)?
        && filesystem.metadata(status)?.kind == FileKind::File
    {
        lines(filesystem, status, &mut |line| {
            if let Some(rest) = line.strip_prefix(b" /") {
                let mut parts = rest.split(|&byte| byte == b' ');
                if let (Some(path), Some(sum)) = (parts.next(), parts.next()) {
                    record(path, sum);
                }
            }
        })?;
    }
    if let Some((filesystem, info)) = guest.find(INFO)?
        && filesystem.metadata(info)?.kind == FileKind::Directory
    {
        let mut lists = Vec::new();
        filesystem.entries(info, &mut |entry| {
            if entry.kind == FileKind::File && entry.name.ends_with(b".md5sums") {
                lists.push(entry.inode);
            }
            Ok(())
        })?;
        for list in lists {
            lines(filesystem, list, &mut |line| {
                if let Some((sum, path)) = line.split_at_checked(34) {
                    record(path, &sum[..32]);
                }
            })?;
        }
    }
    for (index, sums) in sums {
        let ((volume, inode), path) = files[index];
        let Some(filesystem) = guest.filesystem(volume) else { continue };
        let mut hash = Md5::new();
        content(filesystem, inode, &mut |bytes| hash.update(bytes))?;
        let hash: [u8; 16] = hash.finalize().into();
        if sums.contains(&hash) {
            public.insert(path);
        }
    }
    Ok(public)
}

/// Sixteen bytes from their 32 digits.
fn digest(hex: &[u8]) -> Option<[u8; 16]> {
    let mut digest = [0; 16];
    let (pairs, rest) = hex.as_chunks::<2>();
    if pairs.len() != 16 || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_read_as_dpkg_writes_them() {
        assert_eq!(digest(b"d41d8cd98f00b204e9800998ecf8427e").unwrap()[..2], [0xd4, 0x1d]);
        assert_eq!(digest(b"newconffile"), None);
        assert_eq!(digest(b"zz1d8cd98f00b204e9800998ecf8427e"), None);
    }
}
