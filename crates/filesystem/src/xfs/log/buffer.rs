//! Buffer items: pieces of metadata blocks, 128 bytes each.
//!
//! Of a buffer of inodes only the list of unlinked ones is taken; all else about inodes is in items of their own.

use block::{BlockWrite, Result, Unsupported, field::Be32, to_usize};

use super::{
    super::format::inode as dinode,
    kinds,
    layout::*,
    quota,
    replay::{BufferName, Replay},
    ring::Lsn,
    transaction::Item,
};

/// Words of the largest map: a bit for each 128 bytes of 64 KiB, and one word of padding.
const MAX_MAP: u32 = 17;

/// The flags and the name of a buffer.
pub(crate) fn name(item: &Item) -> Result<(u16, BufferName)> {
    let head = item.head(BLF_DATA_MAP)?;
    let words = BLF_MAP_SIZE.get(head);
    if words > MAX_MAP {
        return Err(item.object().corrupt("buffer map in words", words, format!("at most {MAX_MAP}")));
    }
    item.head(BLF_DATA_MAP + 4 * to_usize(words.into()))?;
    Ok((BLF_FLAGS.get(head), (BLF_BLKNO.get(head), BLF_LEN.get(head).into())))
}

/// The pieces of a buffer: offset, and bytes.
fn pieces(item: &Item, len: usize) -> Result<Vec<(usize, &[u8])>> {
    let head = item.head(BLF_DATA_MAP)?;
    let bits = to_usize(u64::from(BLF_MAP_SIZE.get(head)) * 32);
    let is_set = |bit: usize| bit < bits && head[BLF_DATA_MAP + bit / 8] >> (bit % 8) & 1 == 1;
    let mut pieces = Vec::new();
    let (mut bit, mut index) = (0, 1);
    while bit < bits {
        if !is_set(bit) {
            bit += 1;
            continue;
        }
        let run = (bit..).take_while(|&bit| is_set(bit)).count();
        let region = item.region(index, BLF_CHUNK)?;
        // A run that crosses a page of memory may be logged as two regions.
        let chunks = run.min(region.len() / BLF_CHUNK);
        let offset = bit * BLF_CHUNK;
        if offset + chunks * BLF_CHUNK > len {
            let found = offset + chunks * BLF_CHUNK;
            return Err(item.object().corrupt("end of a piece", found, format!("at most {len}")));
        }
        pieces.push((offset, &region[..chunks * BLF_CHUNK]));
        (bit, index) = (bit + chunks, index + 1);
    }
    if index != item.regions.len() {
        return Err(item.object().corrupt("regions of a buffer", item.regions.len(), index));
    }
    Ok(pieces)
}

/// Replays one. Returns whether it was written.
pub(crate) fn replay(
    replay: &mut Replay,
    device: &mut impl BlockWrite,
    item: &Item,
    lsn: Lsn,
) -> Result<bool> {
    let (flags, name) = name(item)?;
    if flags & BLF_CANCEL != 0 {
        replay.cancel(name);
        return Ok(false);
    }
    if replay.is_cancelled(name) {
        return Ok(false);
    }
    let (start, mut bytes) = replay.read(device, item, name)?;
    let v5 = replay.geometry.v5;
    if v5
        && let Some(on_disk) = kinds::logged_at(&bytes, &replay.meta_uuid, replay.has_meta_uuid)
        && on_disk >= lsn
        && !replay.is_touched(name.0)
    {
        return Ok(false);
    }
    if flags & BLF_DQUOT_BUFS != 0 && replay.quota_off(quota::kinds(flags)) {
        return Ok(false);
    }
    let pieces = pieces(item, bytes.len())?;
    if flags & BLF_INODE_BUF != 0 {
        unlinked(replay, item, &mut bytes, &pieces)?;
        device.write_at(start, &bytes)?;
        return Ok(true);
    }
    for (offset, piece) in pieces {
        bytes[offset..offset + piece.len()].copy_from_slice(piece);
    }
    if v5 {
        finish(replay, item, &mut bytes, flags, lsn)?;
    }
    device.write_at(start, &bytes)?;
    replay.touch(name.0);
    if start == 0 {
        replay.reload(device)?;
    }
    Ok(true)
}

/// Gives a version 5 buffer its LSN and checksum.
fn finish(replay: &Replay, item: &Item, bytes: &mut [u8], flags: u16, lsn: Lsn) -> Result<()> {
    let unsupported = |feature: &str| Err(Unsupported::new(item.object(), feature).into());
    if flags & BLF_DQUOT_BUFS != 0 {
        quota::seal_all(bytes);
        return Ok(());
    }
    let pieces_of_directory = "a log with a directory block in several pieces that has to be replayed";
    match flags >> BLFT_SHIFT {
        // Only a buffer that is not all in one place lacks it.
        BLFT_UNKNOWN => return unsupported(pieces_of_directory),
        BLFT_RTBITMAP.. => return unsupported("a log with realtime metadata that has to be replayed"),
        _ => {}
    }
    if kinds::is_inode(bytes) {
        return Ok(());
    }
    match kinds::of(bytes) {
        Some(kind) if kind.directory && bytes.len() != replay.geometry.directory_len() => {
            unsupported(pieces_of_directory)
        }
        Some(kind) => {
            kinds::seal(bytes, kind, lsn);
            Ok(())
        }
        None => Err(item.object().corrupt("magic of a buffer", "unknown", "that of a kind of metadata")),
    }
}

/// Takes the pointers to the next unlinked inode.
fn unlinked(replay: &Replay, item: &Item, bytes: &mut [u8], pieces: &[(usize, &[u8])]) -> Result<()> {
    let size = to_usize(replay.geometry.inode_size);
    for (index, raw) in bytes.chunks_exact_mut(size).enumerate() {
        let at = index * size + dinode::NEXT_UNLINKED.0;
        let Some((offset, piece)) =
            pieces.iter().find(|(offset, piece)| (*offset..offset + piece.len()).contains(&at))
        else {
            continue;
        };
        let next = Be32(at - offset).get(piece);
        if next == 0 {
            return Err(item.object().corrupt("next unlinked inode", 0, "an inode, or none"));
        }
        if !kinds::is_inode(raw) {
            let found = format!("{:#06x}", dinode::MAGIC.get(raw));
            return Err(item.object().corrupt("magic of an unlinked inode", found, "0x494e"));
        }
        dinode::NEXT_UNLINKED.set(raw, next);
        kinds::seal_inode(raw);
    }
    Ok(())
}
