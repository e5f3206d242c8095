//! A directory inside its inode.
//!
//! Entries keep the offsets that they were given (they are a reader's place in the directory); a new one goes behind
//! the last. Only if they would then no longer fit in a block are they numbered anew.

use super::{Form, Format, Name};

/// A name, and where it would lie in a data block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Short {
    pub(in super::super) name: Name,
    /// `None`: behind the last.
    pub(in super::super) offset: Option<u16>,
}

/// Offsets for all entries: kept, or all new. `None` if even a block has no room.
fn offsets(format: &Format, entries: &[Short]) -> Option<Vec<u16>> {
    let numbered = |keep: bool| {
        let mut next = format.first_offset();
        let mut offsets = Vec::with_capacity(entries.len());
        for entry in entries {
            let offset = entry.offset.filter(|_| keep).map_or(next, usize::from);
            if offset < next {
                return None;
            }
            offsets.push(u16::try_from(offset).ok()?);
            next = offset + format.entry_len(entry.name.name.len());
        }
        // xfs_dir2_sf_verify: it ought to fit in one block, with its index.
        (next + (entries.len() + 2) * 8 + 8 <= format.block_size).then_some(offsets)
    };
    numbered(true).or_else(|| numbered(false))
}

/// Packs names into at most `room` bytes of an inode: `None` if they need more.
pub(in super::super) fn short(format: &Format, entries: &[Short], room: usize) -> Option<Form> {
    let count = u8::try_from(entries.len()).ok()?;
    let wide = |inode: u64| inode > u64::from(u32::MAX);
    let long =
        entries.iter().filter(|entry| wide(entry.name.inode)).count() + usize::from(wide(format.parent));
    let put = |bytes: &mut Vec<u8>, inode: u64| match (long, inode.to_be_bytes()) {
        (0, [.., a, b, c, d]) => bytes.extend([a, b, c, d]),
        (_, all) => bytes.extend(all),
    };
    let offsets = offsets(format, entries)?;
    // i8count: how many numbers need eight bytes, the parent's included; if one does, all take them.
    let mut bytes = vec![count, u8::try_from(long).ok()?];
    put(&mut bytes, format.parent);
    for (Short { name, .. }, offset) in entries.iter().zip(offsets) {
        bytes.push(u8::try_from(name.name.len()).ok()?);
        bytes.extend(offset.to_be_bytes());
        bytes.extend(&name.name);
        if format.ftype {
            bytes.push(name.file_type);
        }
        put(&mut bytes, name.inode);
        if bytes.len() > room {
            return None;
        }
    }
    (bytes.len() <= room).then_some(Form::Short(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = Format {
        block_size: 4096,
        unit: 4096,
        crc: true,
        ftype: true,
        uuid: [0; 16],
        inode: 131,
        parent: 128,
    };

    fn entry(name: &str, inode: u64, offset: Option<u16>) -> Short {
        Short { name: Name { name: name.into(), inode, file_type: 1 }, offset }
    }

    fn bytes(entries: &[Short]) -> Option<Vec<u8>> {
        match short(&FORMAT, entries, 300)? {
            Form::Short(bytes) => Some(bytes),
            Form::Blocks(..) => None,
        }
    }

    #[test]
    fn offsets_are_kept_and_new_ones_follow() {
        let bytes = bytes(&[entry("ab", 200, Some(0x80)), entry("c", 201, None)]).unwrap();
        let expected = [
            &[2, 0, 0, 0, 0, 128][..],
            &[2, 0, 0x80, b'a', b'b', 1, 0, 0, 0, 200],
            &[1, 0, 0x90, b'c', 1, 0, 0, 0, 201],
        ];
        assert_eq!(bytes, expected.concat());
    }

    #[test]
    fn one_long_inode_number_makes_all_long() {
        let bytes = bytes(&[entry("a", 1 << 32, None)]).unwrap();
        assert_eq!(bytes[..2], [1, 1]);
        assert_eq!(bytes.len(), 2 + 8 + 3 + 1 + 1 + 8);
    }

    #[test]
    fn offsets_near_the_end_of_a_block_are_numbered_anew() {
        let bytes = bytes(&[entry("a", 200, Some(4040)), entry("b", 201, None)]).unwrap();
        assert_eq!(bytes[7..9], 96u16.to_be_bytes());
    }

    #[test]
    fn what_does_not_fit_is_no_short_form() {
        let entries: Vec<Short> = (0..40).map(|at| entry(&format!("name{at}"), 200 + at, None)).collect();
        assert_eq!(bytes(&entries), None);
    }
}
