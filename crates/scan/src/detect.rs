//! A look into a file where its path is not enough. What it reads is judged and forgotten.

use block::{Result, to_u64};
use filesystem::{Filesystem, InodeId, Metadata};

use crate::Detector;

/// A key sits at the start, or behind the certificates of a bundle.
const KEY_LIMIT: u64 = 1 << 20;
/// Read at a time; parts overlap by the length of the longest header.
const PART: usize = 64 << 10;
const OVERLAP: usize = 64;
/// Page sizes that Linux runs with. A swap area's signature ends its first page (include/linux/swap.h).
const PAGE_SIZES: [u64; 5] = [4096, 8192, 16384, 32768, 65536];
/// A swap area's; then those that swsusp, uswsusp and TuxOnIce leave in its place.
const SIGNATURES: [&[u8; 10]; 6] =
    [b"SWAPSPACE2", b"SWAP-SPACE", b"S1SUSPEND\0", b"S2SUSPEND\0", b"ULSUSPEND\0", b"LINHIB0001"];

/// Whether the file holds what the detector looks for.
pub(crate) fn detect(
    detector: Detector,
    filesystem: &dyn Filesystem,
    inode: InodeId,
    metadata: &Metadata,
) -> Result<bool> {
    if metadata.encrypted {
        return Ok(false);
    }
    match detector {
        Detector::PrivateKey => private_key(filesystem, inode, metadata.size),
        Detector::SwapHeader => swap_header(filesystem, inode, metadata.size),
        Detector::CoreDump => core_dump(filesystem, inode),
        Detector::MachineId => machine_id(filesystem, inode),
    }
}

fn private_key(filesystem: &dyn Filesystem, inode: InodeId, size: u64) -> Result<bool> {
    let mut part = vec![0; PART];
    let mut offset = 0;
    while offset < size.min(KEY_LIMIT) {
        let read = filesystem.read(inode, offset, &mut part)?;
        if is_private_key(&part[..read]) {
            return Ok(true);
        }
        if read < PART {
            break;
        }
        offset += to_u64(PART - OVERLAP);
    }
    Ok(false)
}

/// `-----BEGIN [what ]PRIVATE KEY-----` (RFC 7468 and its forebears), PuTTY's first line, an age key.
fn is_private_key(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n').any(|line| {
        let line = line.trim_ascii();
        let pem = line.strip_prefix(b"-----BEGIN ").and_then(|rest| rest.strip_suffix(b"-----"));
        pem.is_some_and(|what| what.ends_with(b"PRIVATE KEY") || what == b"PGP PRIVATE KEY BLOCK")
            || line.starts_with(b"PuTTY-User-Key-File-")
            || line.starts_with(b"AGE-SECRET-KEY-")
    })
}

/// ELF of type ET_CORE, of either byte order (elf(5): e_ident is 16 bytes, e_type follows).
fn core_dump(filesystem: &dyn Filesystem, inode: InodeId) -> Result<bool> {
    let mut header = [0; 18];
    let read = filesystem.read(inode, 0, &mut header)?;
    let core = header.ends_with(&[4, 0]) || header.ends_with(&[0, 4]);
    Ok(read == header.len() && header.starts_with(b"\x7fELF") && core)
}

/// machine-id(5): `uninitialized`, at most with a newline, is no id.
fn machine_id(filesystem: &dyn Filesystem, inode: InodeId) -> Result<bool> {
    let mut content = [0; 64];
    let read = filesystem.read(inode, 0, &mut content)?;
    Ok(content[..read].trim_ascii() != b"uninitialized")
}

fn swap_header(filesystem: &dyn Filesystem, inode: InodeId, size: u64) -> Result<bool> {
    for page in PAGE_SIZES {
        // A swap area has at least ten pages (mkswap(8)), a header alone is none.
        if size < page.saturating_mul(10) {
            return Ok(false);
        }
        let mut signature = [0; 10];
        let read = filesystem.read(inode, page - 10, &mut signature)?;
        if read == signature.len() && SIGNATURES.contains(&&signature) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_private_from_public() {
        for (text, private) in [
            (&b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3"[..], true),
            (b"-----BEGIN PRIVATE KEY-----\r\n", true),
            (b"Bag Attributes\n-----BEGIN ENCRYPTED PRIVATE KEY-----\n", true),
            (b"-----BEGIN CERTIFICATE-----\n", false),
            (b"-----BEGIN PUBLIC KEY-----\n", false),
            (b"# see -----BEGIN PRIVATE KEY----- below\n", false),
            (b"PuTTY-User-Key-File-3: ssh-ed25519\n", true),
        ] {
            assert_eq!(is_private_key(text), private, "{}", String::from_utf8_lossy(text));
        }
    }
}
