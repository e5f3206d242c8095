//! Which OpenSSH a guest has, by what its sshd says of itself.

use block::{Result, to_u64};
use filesystem::FileKind;
use memchr::memmem;

use crate::Guest;

/// Where distributions have the server.
const PROGRAMS: &[&[u8]] =
    &[b"/usr/sbin/sshd", b"/usr/lib/ssh/sshd", b"/usr/bin/sshd", b"/usr/local/sbin/sshd"];
/// In front of the version; patterns for the bugs of others have a `*` behind it, the own one a `p`.
const BEFORE: &[u8] = b"OpenSSH_";
/// A version is shorter.
const LONGEST: usize = 32;
/// More is no sshd.
const MAX_PROGRAM: u64 = 16 << 20;
const CHUNK: usize = 1 << 16;

/// Major and minor number.
pub type Version = (u32, u32);

/// The version of the sshd in the tree of one mount; `None` if there is none, or it does not say.
pub(super) fn version(guest: &Guest<'_>, mount: usize) -> Result<Option<Version>> {
    for path in PROGRAMS {
        let Some(node) = guest.resolve_in(mount, path, true)? else { continue };
        let filesystem = guest.mounts()[node.mount].filesystem;
        let metadata = filesystem.metadata(node.inode)?;
        if node.kind != FileKind::File || metadata.encrypted || metadata.size > MAX_PROGRAM {
            continue;
        }
        let (mut offset, mut buffer) = (0, vec![0; LONGEST + CHUNK]);
        let mut kept = 0;
        loop {
            let read = filesystem.read(node.inode, offset, &mut buffer[kept..])?;
            let held = &buffer[..kept + read];
            if let Some(found) =
                memmem::find_iter(held, BEFORE).find_map(|at| number(&held[at + BEFORE.len()..]))
            {
                return Ok(Some(found));
            }
            if read == 0 {
                break;
            }
            offset += to_u64(read);
            let (start, end) = (held.len().saturating_sub(LONGEST), held.len());
            buffer.copy_within(start..end, 0);
            kept = end - start;
        }
    }
    Ok(None)
}

/// `9.2p1` at the start, or `6.6.1p1`, as OpenSSH and its vendors number repairs.
fn number(text: &[u8]) -> Option<Version> {
    let mut at = 0;
    // A number, and the byte behind it.
    let mut next = || -> Option<(u32, u8)> {
        let digits: &[u8] = &text[at..];
        let length = digits.iter().take(4).position(|byte| !byte.is_ascii_digit())?;
        let value = std::str::from_utf8(&digits[..length]).ok()?.parse().ok()?;
        at += length + 1;
        Some((value, digits[length]))
    };
    let (major, b'.') = next()? else { return None };
    let (minor, mut end) = next()?;
    if end == b'.' {
        (_, end) = next()?;
    }
    (end == b'p').then_some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_version_from_a_pattern() {
        assert_eq!(number(b"9.2p1 Debian-2+deb12u3\0"), Some((9, 2)));
        assert_eq!(number(b"10.0p2"), Some((10, 0)));
        assert_eq!(number(b"6.6.1p1 Ubuntu-2ubuntu2.13"), Some((6, 6)));
        for other in [
            &b"7.4*"[..],
            b"3.*",
            b"2*",
            b"9.2\0",
            b".p",
            b"9.p",
            b"",
            b"9",
            b"9.",
            b"99999.1p1",
            b"6.6.1",
            b"6.6.1.1p1",
            b"6.6.p1",
        ] {
            assert_eq!(number(other), None);
        }
    }
}
