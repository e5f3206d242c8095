//! What else an image holds: internal snapshots and persistent bitmaps, by name and place.

use crate::{
    BlockRead, Object, Result,
    qcow2::{
        extensions::BitmapDirectory,
        header::check_aligned,
        layout::{bitmap, snapshot},
    },
    raw::{RawImage, read_up_to},
    to_u64, to_usize,
};

/// QEMU's limits; an image beyond them cannot have been made by it.
const SNAPSHOTS_MAX: u32 = 65_536;
const BITMAPS_MAX: u32 = 65_535;
/// Longest part of a snapshot table or bitmap directory that is read, hence listed.
const LISTED_BYTES: u64 = 1 << 20;

/// An internal snapshot: a state of the disk that the active one may share clusters with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its unique ID, a number as a rule.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was taken, in seconds since the epoch.
    pub date: u32,
    /// Bytes of memory and device state stored with it; 0: none.
    pub vm_state_size: u64,
    /// Size of its disk in bytes, if it is recorded; else it is the image's.
    pub disk_size: Option<u64>,
    /// File offset of its L1 table. Unchecked.
    pub(super) l1_offset: u64,
    /// Entries of its L1 table. Unchecked.
    pub(super) l1_size: u64,
}

/// A persistent bitmap.
#[derive(Debug)]
pub(super) struct Bitmap {
    pub(super) name: String,
    /// File offset of its table. Unchecked.
    pub(super) table_offset: u64,
    /// Entries of its table. Unchecked.
    pub(super) table_size: u64,
}

/// The internal snapshots, as many as 1 MiB of their table describes, and the bytes that describe them.
pub(super) fn snapshots(file: &RawImage, count: u32, offset: u64) -> Result<(Vec<Snapshot>, u64)> {
    let table = Object::the("snapshot table");
    if count > SNAPSHOTS_MAX {
        return Err(table.corrupt("number of snapshots", count, format!("at most {SNAPSHOTS_MAX}")));
    }
    if count > 0 && offset >= file.size() {
        return Err(table.corrupt("offset", format!("{offset:#x}"), format!("less than {:#x}", file.size())));
    }
    let bytes = if count > 0 { read_up_to(file, table, offset, LISTED_BYTES)? } else { Vec::new() };
    let mut entries = Entries { bytes: &bytes, complete: to_u64(bytes.len()) < LISTED_BYTES, at: 0 };
    let mut found = Vec::new();
    for number in 0..u64::from(count) {
        let object = Object::numbered("snapshot table entry", number);
        let sizes = |entry: &[u8]| {
            let extra = snapshot::EXTRA_DATA_SIZE.get(entry);
            [
                to_usize(extra.into()),
                snapshot::ID_SIZE.get(entry).into(),
                snapshot::NAME_SIZE.get(entry).into(),
            ]
        };
        let Some((fixed, [extra, id, name])) = entries.next(object, snapshot::FIXED_SIZE, sizes)? else {
            break;
        };
        let long_size = snapshot::EXTRA_VM_STATE_SIZE.try_get(extra);
        found.push(Snapshot {
            id: text(id),
            name: text(name),
            date: snapshot::DATE_SEC.get(fixed),
            vm_state_size: long_size.unwrap_or_else(|| snapshot::VM_STATE_SIZE.get(fixed).into()),
            disk_size: snapshot::EXTRA_DISK_SIZE.try_get(extra),
            l1_offset: snapshot::L1_TABLE_OFFSET.get(fixed),
            l1_size: snapshot::L1_SIZE.get(fixed).into(),
        });
    }
    Ok((found, to_u64(entries.at)))
}

/// The persistent bitmaps, as many as 1 MiB of their directory describes.
pub(super) fn bitmaps(file: &RawImage, directory: BitmapDirectory, cluster: u64) -> Result<Vec<Bitmap>> {
    let object = Object::the("bitmap directory");
    if !(1..=BITMAPS_MAX).contains(&directory.count) {
        let expected = format!("1 to {BITMAPS_MAX}");
        return Err(object.corrupt("number of bitmaps", directory.count, expected));
    }
    check_aligned("bitmap_directory_offset", directory.offset, cluster)?;
    match directory.offset.checked_add(directory.size) {
        Some(end) if end <= file.size() => {}
        _ => {
            let expected = format!("at most the file's {:#x}", file.size());
            return Err(object.corrupt("size", format!("{:#x}", directory.size), expected));
        }
    }
    let bytes = read_up_to(file, object, directory.offset, directory.size.min(LISTED_BYTES))?;
    let mut entries = Entries { bytes: &bytes, complete: to_u64(bytes.len()) == directory.size, at: 0 };
    let mut found = Vec::new();
    for number in 0..u64::from(directory.count) {
        let object = Object::numbered("bitmap directory entry", number);
        let sizes = |entry: &[u8]| {
            let extra = bitmap::EXTRA_DATA_SIZE.get(entry);
            [to_usize(extra.into()), bitmap::NAME_SIZE.get(entry).into()]
        };
        let Some((fixed, [_, name])) = entries.next(object, bitmap::FIXED_SIZE, sizes)? else { break };
        found.push(Bitmap {
            name: text(name),
            table_offset: bitmap::TABLE_OFFSET.get(fixed),
            table_size: bitmap::TABLE_SIZE.get(fixed).into(),
        });
    }
    Ok(found)
}

/// An entry's fixed part, and the `N` parts of variable length behind it.
type Entry<'a, const N: usize> = (&'a [u8], [&'a [u8]; N]);

/// Entries of variable length, each padded to a multiple of 8.
struct Entries<'a> {
    bytes: &'a [u8],
    /// Nothing of the table lies behind `bytes`.
    complete: bool,
    at: usize,
}

impl<'a> Entries<'a> {
    /// The next entry, whose fixed part tells the `sizes` of the others. `None`: it lies behind what was read.
    fn next<const N: usize>(
        &mut self,
        object: Object,
        fixed: usize,
        sizes: impl Fn(&[u8]) -> [usize; N],
    ) -> Result<Option<Entry<'a, N>>> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some((head, tail)) = rest.split_at_checked(fixed) else { return self.short(object, fixed) };
        let sizes = sizes(head);
        // Sizes have 32 bits each, so the sum cannot wrap.
        let total = fixed + sizes.iter().sum::<usize>();
        let mut parts = [&tail[..0]; N];
        let mut tail = tail;
        for (part, size) in parts.iter_mut().zip(sizes) {
            let Some((this, behind)) = tail.split_at_checked(size) else { return self.short(object, total) };
            (*part, tail) = (this, behind);
        }
        self.at += total.next_multiple_of(8);
        Ok(Some((head, parts)))
    }

    fn short<T>(&self, object: Object, needed: usize) -> Result<Option<T>> {
        let room = self.bytes.len().saturating_sub(self.at);
        if self.complete {
            Err(object.corrupt("length", needed, format!("at most {room}")))
        } else {
            Ok(None)
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
