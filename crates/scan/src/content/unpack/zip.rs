//! Members of a ZIP archive, front to back, by their local headers: the central directory is not needed, and what it
//! hides is found.
//!
//! Memory is bounded, whatever the headers say. Format: PKWARE APPNOTE 6.3.10, sections 4.3.7 (local header), 4.3.9
//! (data descriptor), 4.4 (fields), 4.5.3 (ZIP64).

use std::io::{self, BufRead, Read};

use super::{Coding, MemberName, fill, skip, tar::End};

/// A local header, its fixed part.
const HEADER: usize = 30;
pub(super) const LOCAL: [u8; 4] = *b"PK\x03\x04";
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";
/// What may follow the last member: central directory, its end, ZIP64's end, encryption and extra data records.
const AFTER: [[u8; 4]; 4] = [*b"PK\x01\x02", *b"PK\x05\x06", *b"PK\x06\x06", *b"PK\x06\x08"];

/// Fields of a local header.
const FLAGS: usize = 6;
const METHOD: usize = 8;
const COMPRESSED: usize = 18;
const SIZE: usize = 22;
const NAME_LENGTH: usize = 26;
const EXTRA_LENGTH: usize = 28;

/// Flags: encrypted; sizes follow in a descriptor.
const ENCRYPTED: u16 = 1;
const DESCRIBED: u16 = 1 << 3;

/// Header id of the ZIP64 extra field.
const ZIP64: u16 = 1;

/// How a member's bytes are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Plain,
    Coded(Coding),
    Encrypted,
    Unknown,
}

/// One member.
pub(super) struct Member<'a> {
    pub(super) name: MemberName,
    pub(super) held: Held,
    /// Its bytes as they are held. They may go on behind the member if only decoding tells where it ends.
    pub(super) content: &'a mut dyn BufRead,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The sizes, compressed and not, of which the header says that ZIP64's field has them.
fn long_size(mut extra: &[u8], size: u32) -> Option<u64> {
    loop {
        let (id, length) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
        let field = extra.get(4..4 + length)?;
        if id == ZIP64 {
            // The uncompressed size comes first, if the header lacks it.
            let at = if size == u32::MAX { 8 } else { 0 };
            return Some(u64::from_le_bytes(*field.get(at..)?.first_chunk()?));
        }
        extra = &extra[4 + length..];
    }
}

/// Gives each member to `each`, which says whether it was decoded to its end. Fails where `each` does.
pub(super) fn members(
    input: &mut dyn BufRead,
    each: &mut dyn FnMut(Member<'_>) -> io::Result<bool>,
) -> io::Result<End> {
    let mut signature = [0; 4];
    fill(input, &mut signature)?;
    loop {
        if signature != LOCAL {
            return Ok(if AFTER.contains(&signature) { End::Whole } else { End::Broken });
        }
        let mut header = [0; HEADER];
        if fill(input, &mut header[4..])? < HEADER - 4 {
            return Ok(End::Broken);
        }
        let short = |at| u16_at(&header, at).expect("the field lies in the header");
        let long = |at| u32_at(&header, at).expect("the field lies in the header");
        let mut name = vec![0; usize::from(short(NAME_LENGTH))];
        let mut extra = vec![0; usize::from(short(EXTRA_LENGTH))];
        if fill(input, &mut name)? < name.len() || fill(input, &mut extra)? < extra.len() {
            return Ok(End::Broken);
        }
        let zip64 = long_size(&extra, long(SIZE));
        let compressed = match long(COMPRESSED) {
            u32::MAX => zip64,
            size => Some(size.into()),
        };
        let described = short(FLAGS) & DESCRIBED != 0;
        // Some writers know the size and add a descriptor all the same.
        let known = compressed.filter(|size| !described || *size > 0);
        let held = match short(METHOD) {
            _ if short(FLAGS) & ENCRYPTED != 0 => Held::Encrypted,
            0 => Held::Plain,
            8 => Held::Coded(Coding::Deflate),
            12 => Held::Coded(Coding::Bzip2),
            93 => Held::Coded(Coding::Zstd),
            95 => Held::Coded(Coding::Xz),
            _ => Held::Unknown,
        };
        let name = MemberName::new(&name);
        match known {
            Some(size) => {
                let mut content = (&mut *input).take(size);
                each(Member { name, held, content: &mut content })?;
                let left = content.limit();
                if !skip(input, left)? {
                    return Ok(End::Broken);
                }
            }
            // Deflate alone stops reading exactly where its stream ends.
            None if described && held == Held::Coded(Coding::Deflate) => {
                if !each(Member { name, held, content: input })? {
                    return Ok(End::Stopped);
                }
            }
            None => {
                let held = if held == Held::Encrypted { held } else { Held::Unknown };
                each(Member { name, held, content: &mut io::empty() })?;
                return Ok(End::Stopped);
            }
        }
        fill(input, &mut signature)?;
        if described && !descriptor(input, &mut signature)? {
            return Ok(End::Broken);
        }
    }
}

/// Reads over a data descriptor, with or without signature, with sizes of 4 or 8 bytes, up to the next record's
/// signature. The first four bytes have been read.
fn descriptor(input: &mut dyn BufRead, signature: &mut [u8; 4]) -> io::Result<bool> {
    let record = |bytes: &[u8; 4]| *bytes == LOCAL || AFTER.contains(bytes);
    // The checksum comes next, or has come.
    if *signature == DESCRIPTOR && fill(input, signature)? < 4 {
        return Ok(false);
    }
    for words in 1..=5 {
        if fill(input, signature)? < 4 {
            return Ok(false);
        }
        // Behind two sizes of one or two words each.
        if matches!(words, 3 | 5) && record(signature) {
            return Ok(true);
        }
    }
    Ok(false)
}
