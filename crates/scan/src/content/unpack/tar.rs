//! Members of a tar archive, front to back: ustar, GNU and pax.
//!
//! Memory is bounded by [`BODY`], whatever sizes the headers name. Formats: POSIX.1-2017, pax, "ustar Interchange
//! Format" and "pax Extended Header"; GNU tar manual, "Basic Tar Format".

use std::io::{self, Read};

use block::{to_u64, to_usize};

use super::{MemberName, fill, skip};

/// A header, and the unit of everything.
const BLOCK: usize = 512;
/// Fields of a header: offset and width.
const NAME: (usize, usize) = (0, 100);
const SIZE: (usize, usize) = (124, 12);
const CHECKSUM: (usize, usize) = (148, 8);
const TYPE_FLAG: usize = 156;
const MAGIC: (usize, usize) = (257, 5);
const VERSION: (usize, usize) = (262, 3);
const PREFIX: (usize, usize) = (345, 155);
/// GNU's old sparse format: whether more of the map follows, in the header and in a block of the map.
const IS_EXTENDED: usize = 482;
const IS_EXTENDED_AGAIN: usize = 504;

/// Bytes of an extension's body that are kept: names, xattrs. The rest is left out.
const BODY: u64 = 1 << 16;

/// Why reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The archive ends here.
    Whole,
    /// What comes next is no header, or there is less than was promised.
    Broken,
    /// It was asked for.
    Stopped,
}

/// One member.
pub(super) struct Member<'a> {
    pub(super) name: MemberName,
    /// What led to it: headers, with the names and attributes in them.
    pub(super) headers: &'a [u8],
    pub(super) content: &'a mut dyn Read,
}

fn field(header: &[u8; BLOCK], (offset, width): (usize, usize)) -> &[u8] {
    &header[offset..offset + width]
}

/// Up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Octal digits, or with the highest bit set, a number of base 256.
fn number(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        let digits = std::iter::once(field[0] & 0x7f).chain(field[1..].iter().copied());
        return digits
            .into_iter()
            .try_fold(0_u64, |sum, digit| sum.checked_mul(256)?.checked_add(digit.into()));
    }
    let digits = field.iter().skip_while(|byte| **byte == b' ');
    digits.take_while(|byte| !matches!(**byte, 0 | b' ')).try_fold(0_u64, |sum, digit| match digit {
        b'0'..=b'7' => sum.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// Whether these bytes begin with a header, by magic and checksum.
pub(super) fn is_header(head: &[u8]) -> bool {
    let Some(header) = head.first_chunk::<BLOCK>() else { return false };
    let counted = |at: usize| (CHECKSUM.0..CHECKSUM.0 + CHECKSUM.1).contains(&at);
    let byte = |(at, byte): (usize, &u8)| u64::from(if counted(at) { b' ' } else { *byte });
    let sum: u64 = header.iter().enumerate().map(byte).sum();
    field(header, MAGIC) == b"ustar" && number(field(header, CHECKSUM)) == Some(sum)
}

/// What extended headers say of the next member.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extended {
    /// Records of a pax header: `LENGTH KEY=VALUE\n`.
    fn read(&mut self, mut body: &[u8]) {
        while let Some(space) = body.iter().position(|byte| *byte == b' ') {
            let length = str::from_utf8(&body[..space]).ok().and_then(|digits| digits.parse::<usize>().ok());
            let Some(record) = length.and_then(|length| body.get(space + 1..length)) else { return };
            let mut parts = record.strip_suffix(b"\n").unwrap_or(record).splitn(2, |byte| *byte == b'=');
            match (parts.next(), parts.next()) {
                (Some(b"path"), Some(path)) => self.name = Some(path.to_vec()),
                (Some(b"size"), Some(size)) => {
                    self.size = str::from_utf8(size).ok().and_then(|digits| digits.parse().ok());
                }
                _ => {}
            }
            body = &body[space + 1 + record.len()..];
        }
    }
}

/// Gives each member that has content to `each`, which says whether to go on. Fails where `each` does.
pub(super) fn members(
    stream: &mut dyn Read,
    each: &mut dyn FnMut(Member<'_>) -> io::Result<bool>,
) -> io::Result<End> {
    let mut extended = Extended::default();
    let mut headers: Vec<u8> = Vec::new();
    loop {
        let mut header = [0; BLOCK];
        match fill(stream, &mut header)? {
            0 => return Ok(End::Whole),
            BLOCK if header == [0; BLOCK] => return Ok(End::Whole),
            BLOCK if is_header(&header) => {}
            _ => return Ok(End::Broken),
        }
        // A chain of extensions without a member has no bound.
        if headers.len() < 4 * to_usize(BODY) {
            headers.extend(&header);
        }
        let flag = header[TYPE_FLAG];
        let extension = matches!(flag, b'L' | b'K' | b'x' | b'X' | b'g');
        let stated = if extension { None } else { extended.size };
        let size = match (flag, stated.or_else(|| number(field(&header, SIZE)))) {
            // Links, devices, directories: nothing follows, whatever the size is.
            (b'1'..=b'6', _) => 0,
            (_, Some(size)) => size,
            (_, None) => return Ok(End::Broken),
        };
        let padding = size.wrapping_neg() % to_u64(BLOCK);
        if extension {
            let mut body = Vec::new();
            stream.take(size.min(BODY)).read_to_end(&mut body)?;
            if !skip(stream, size - to_u64(body.len()))? {
                return Ok(End::Broken);
            }
            match flag {
                b'L' => extended.name = Some(text(&body).to_vec()),
                b'x' | b'X' => extended.read(&body),
                _ => {}
            }
            if headers.len() < 4 * to_usize(BODY) {
                headers.append(&mut body);
            }
        } else {
            let mut more = flag == b'S' && header[IS_EXTENDED] != 0;
            while more {
                let mut map = [0; BLOCK];
                if fill(stream, &mut map)? < BLOCK {
                    return Ok(End::Broken);
                }
                more = map[IS_EXTENDED_AGAIN] != 0;
            }
            let name = std::mem::take(&mut extended).name.unwrap_or_else(|| own_name(&header));
            let mut content = stream.take(size);
            let member = Member { name: MemberName::new(&name), headers: &headers, content: &mut content };
            if !each(member)? {
                return Ok(End::Stopped);
            }
            headers.clear();
            let left = content.limit();
            if !skip(stream, left)? {
                return Ok(End::Broken);
            }
        }
        if !skip(stream, padding)? {
            return Ok(End::Broken);
        }
    }
}

/// The name that the header itself has.
fn own_name(header: &[u8; BLOCK]) -> Vec<u8> {
    let name = text(field(header, NAME));
    let prefix = text(field(header, PREFIX));
    // GNU has other things in the prefix.
    if prefix.is_empty() || field(header, VERSION) == b"  \0" {
        return name.to_vec();
    }
    [prefix, b"/", name].concat()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One member with its header, for tests of any archive.
    pub(in super::super) fn member(name: &[u8], flag: u8, content: &[u8]) -> Vec<u8> {
        let mut header = [0; BLOCK];
        header[..name.len()].copy_from_slice(name);
        header[SIZE.0..SIZE.0 + 11].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[TYPE_FLAG] = flag;
        header[257..265].copy_from_slice(b"ustar\x0000");
        sign(&mut header);
        let mut bytes = [&header[..], content].concat();
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }

    fn sign(header: &mut [u8; BLOCK]) {
        header[CHECKSUM.0..CHECKSUM.0 + 8].fill(b' ');
        let sum: u64 = header.iter().copied().map(u64::from).sum();
        header[CHECKSUM.0..CHECKSUM.0 + 7].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    }

    fn list(mut bytes: &[u8]) -> (Vec<(String, Vec<u8>)>, End) {
        let mut found = Vec::new();
        let end = members(&mut bytes, &mut |member| {
            let mut content = Vec::new();
            member.content.read_to_end(&mut content)?;
            found.push((member.name.to_string(), content));
            Ok(true)
        });
        (found, end.unwrap())
    }

    #[test]
    fn long_names_of_both_kinds() {
        let long = "n".repeat(300);
        let record = format!("310 path={long}\n");
        let bytes = [
            member(b"PaxHeaders/x", b'x', format!("12 comment=\n{record}").as_bytes()),
            member(b"short", b'0', b"one"),
            member(b"././@LongLink", b'L', format!("dir/{long}\0").as_bytes()),
            member(b"short", b'0', b"two"),
            member(b"dir", b'5', b""),
            member(b"plain", 0, b"three"),
            vec![0; 1024],
        ];
        let (found, end) = list(&bytes.concat());
        assert_eq!(end, End::Whole);
        let names: Vec<usize> = found.iter().map(|(name, _)| name.len()).collect();
        assert!(found[0].0.starts_with("nnn") && found[1].0.starts_with("dir/n"), "{names:?}");
        assert_eq!(found[3], ("plain".to_owned(), b"three".to_vec()));
    }

    #[test]
    fn a_false_header_or_a_cut_is_an_end() {
        let bytes = [member(b"a", b'0', b"one"), member(b"b", b'0', &[7; 700])].concat();
        assert_eq!(list(&bytes).1, End::Whole);
        assert_eq!(list(&bytes[..1024 + 600]).1, End::Broken);
        let mut spoilt = bytes;
        spoilt[1024] = b'c';
        assert_eq!((list(&spoilt).0.len(), list(&spoilt).1), (1, End::Broken));
        // A size that no file has.
        let mut huge = *member(b"a", b'0', b"").first_chunk::<BLOCK>().unwrap();
        huge[SIZE.0..SIZE.0 + 12].fill(0xff);
        sign(&mut huge);
        assert_eq!(list(&huge).1, End::Broken);
    }

    #[test]
    fn numbers() {
        assert_eq!(number(b"00000000017\0"), Some(15));
        assert_eq!(number(b"   17 \0"), Some(15));
        assert_eq!(number(b"\x80\0\0\x01\x02"), Some(258));
        assert_eq!(number(&[0xff; 12]), None);
        assert_eq!(number(b"9"), None);
    }
}
