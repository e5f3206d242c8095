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

#[cfg(test)]
mod tests {
    use super::{
        super::{
            super::{
                checksum,
                format::{agf, dir},
            },
            sample::{INODES, Sample, buffer, kind, piece, transaction},
        },
        *,
    };

    /// XFS_BLFT_AGF_BUF, _DINO_BUF, _DIR_BLOCK_BUF.
    const AGF: u16 = 5;
    const DINODE: u16 = 8;
    const DIRECTORY: u16 = 10;
    /// Where the tests write: blocks of group 0 that nothing else needs.
    const PLACE: u64 = 40 * 8;

    fn sample(v5: bool) -> Sample {
        let mut sample = Sample::new(v5);
        sample.unmount();
        sample.tail = Lsn::new(1, 2);
        sample
    }

    fn directory(fill: u8) -> Vec<Vec<u8>> {
        buffer(PLACE, 8, kind(DIRECTORY), &[(0, piece(b"XDB3", fill)), (5, vec![fill; 256])])
    }

    #[test]
    fn pieces_get_lsn_and_checksum() {
        let mut sample = sample(true);
        sample.transaction(&[directory(1)]);
        assert_eq!(sample.recover().unwrap().writes, 1);
        let block = sample.bytes(PLACE * 512, 4096);
        assert_eq!((block[4 * 128], block[5 * 128], block[6 * 128], block[7 * 128]), (0, 1, 1, 0));
        assert_eq!(dir::data::LSN.get(block), Lsn::new(1, 2).0);
        assert_eq!(dir::data::CRC.get(block), checksum::crc(block, dir::data::CRC));
    }

    #[test]
    fn version_4_has_neither() {
        let mut sample = sample(false);
        sample.transaction(&[directory(1)]);
        sample.recover().unwrap();
        assert_eq!(sample.bytes(PLACE * 512, 128), piece(b"XDB3", 1));
    }

    #[test]
    fn what_is_newer_stays() {
        let mut sample = sample(true);
        let uuid = super::super::sample::UUID;
        let mut agf = piece(b"XAGF", 1);
        agf::UUID.set(&mut agf, &uuid);
        let item = buffer(PLACE, 1, kind(AGF), &[(0, agf)]);
        let at = to_usize(PLACE * 512);
        sample.device[at..at + 4].copy_from_slice(b"XAGF");
        agf::UUID.set(&mut sample.device[at..], &uuid);
        agf::LSN.set(&mut sample.device[at..], Lsn::new(1, 4).0);
        sample.transaction(std::slice::from_ref(&item));
        sample.transaction(std::slice::from_ref(&item));
        let last = sample.transaction(&[item]);
        assert_eq!(last, 6);
        assert_eq!(sample.recover().unwrap().writes, 1, "the first is older, the second as old");
        assert_eq!(agf::LSN.get(sample.bytes(PLACE * 512, 512)), Lsn::new(1, 6).0);
    }

    #[test]
    fn several_transactions_of_one_lsn() {
        let mut sample = sample(true);
        let mut ops = transaction(7, &[directory(1)]);
        ops.extend(transaction(8, &[buffer(PLACE, 8, kind(DIRECTORY), &[(6, vec![2; 128])])]));
        sample.record(&ops);
        assert_eq!(sample.recover().unwrap().writes, 2);
        let block = sample.bytes(PLACE * 512, 4096);
        assert_eq!((block[5 * 128], block[6 * 128]), (1, 2));
    }

    #[test]
    fn what_was_given_up_does_not_come_back() {
        let mut sample = sample(true);
        let cancel = buffer(PLACE, 8, BLF_CANCEL, &[]);
        sample.transaction(&[directory(1)]);
        sample.transaction(&[cancel]);
        assert_eq!(sample.recover().unwrap().writes, 0);

        let mut sample = self::sample(true);
        sample.transaction(&[directory(1)]);
        sample.transaction(&[buffer(PLACE, 8, BLF_CANCEL, &[])]);
        sample.transaction(&[directory(2)]);
        assert_eq!(sample.recover().unwrap().writes, 1);
        assert_eq!(sample.bytes(PLACE * 512, 4096)[5 * 128], 2);
        // In one transaction, giving up comes last whatever the order.
        let mut sample = self::sample(true);
        sample.transaction(&[buffer(PLACE, 8, BLF_CANCEL, &[]), directory(1)]);
        assert_eq!(sample.recover().unwrap().writes, 0);
    }

    #[test]
    fn of_inodes_only_the_list_of_unlinked_ones() {
        for v5 in [false, true] {
            let mut sample = sample(v5);
            let size = if v5 { 512 } else { 256 };
            let mut logged = vec![0xee; 2 * size];
            dinode::NEXT_UNLINKED.set(&mut logged[..size], 33);
            dinode::NEXT_UNLINKED.set(&mut logged[size..], 44);
            let pieces = [(0, logged)];
            let before = sample.bytes(INODES * 4096, 4096).to_vec();
            sample.transaction(&[buffer(INODES * 8, 8, kind(DINODE) | BLF_INODE_BUF, &pieces)]);
            assert_eq!(sample.recover().unwrap().writes, 1);
            let after = sample.bytes(INODES * 4096, 4096);
            let next = |index: usize| dinode::NEXT_UNLINKED.get(&after[index * size..]);
            assert_eq!((next(0), next(1), next(2)), (33, 44, u32::MAX));
            let changed: Vec<_> = (0..4096).filter(|&at| before[at] != after[at]).collect();
            let fields =
                [dinode::NEXT_UNLINKED.0, dinode::CRC.0].map(|at| [at..at + 4, at + size..at + size + 4]);
            assert!(changed.iter().all(|at| fields.iter().flatten().any(|field| field.contains(at))), "{v5}");
            if v5 {
                assert_eq!(dinode::CRC.get(after), checksum::crc(&after[..512], dinode::CRC));
            }
        }
        let mut sample = sample(true);
        sample.transaction(&[buffer(INODES * 8, 8, BLF_INODE_BUF, &[(0, vec![0; 128])])]);
        assert_eq!(sample.error(), "log item: next unlinked inode is 0, expected an inode, or none");
        let mut sample = self::sample(true);
        sample.transaction(&[buffer(PLACE, 8, BLF_INODE_BUF, &[(0, vec![1; 128])])]);
        assert_eq!(sample.error(), "log item: magic of an unlinked inode is 0x0000, expected 0x494e");
    }

    #[test]
    fn places_that_are_not_for_buffers() {
        let error = |block: u64, len: u16| {
            let mut sample = sample(true);
            sample.transaction(&[buffer(block, len, kind(DIRECTORY), &[(0, piece(b"XDB3", 1))])]);
            sample.error()
        };
        let outside = "outside the log, inside the filesystem";
        for block in [512 * 8 - 7, 1 << 40, u64::MAX, u64::MAX / 512, 64 * 8, 64 * 8 - 1, 64 * 8 + 1023] {
            let expected = format!("log item: buffer's first block is {block}, expected {outside}");
            assert_eq!(error(block, 8), expected);
        }
        for len in [0, 129, u16::MAX] {
            let expected = format!("log item: buffer length in blocks is {len}, expected 1 up to 128");
            assert_eq!(error(PLACE, len), expected);
        }
    }

    #[test]
    fn what_makes_no_sense() {
        let error = |item: Vec<Vec<u8>>| {
            let mut sample = sample(true);
            sample.transaction(&[item]);
            sample.error()
        };
        let odd = |pieces: &[(u32, Vec<u8>)], flags| error(buffer(PLACE, 8, flags, pieces));
        let flags = kind(DIRECTORY);
        assert_eq!(
            odd(&[(31, vec![0; 256])], flags),
            "log item: end of a piece is 4224, expected at most 4096"
        );
        assert_eq!(
            odd(&[(0, vec![9; 128])], flags),
            "log item: magic of a buffer is unknown, expected that of a kind of metadata"
        );
        let several =
            "a log with a directory block in several pieces that has to be replayed is not supported";
        assert_eq!(odd(&[(0, piece(b"XDB3", 1))], 0), format!("log item: {several}"));
        let half = buffer(PLACE, 4, flags, &[(0, piece(b"XDB3", 1))]);
        assert_eq!(error(half), format!("log item: {several}"));
        let mut item = directory(1);
        item[0][BLF_DATA_MAP + 10] = 1;
        assert_eq!(
            error(item),
            "log item: length is 0 bytes in region 3 of a BUF item, expected at least 128"
        );
        let mut item = directory(1);
        item[0][BLF_DATA_MAP] = 1;
        assert_eq!(error(item), "log item: regions of a buffer is 3, expected 2");
        let mut item = directory(1);
        BLF_MAP_SIZE.set(&mut item[0], 18);
        assert_eq!(error(item), "log item: buffer map in words is 18, expected at most 17");
        let mut item = directory(1);
        BLF_MAP_SIZE.set(&mut item[0], 17);
        assert_eq!(
            error(item),
            "log item: length is 32 bytes in region 0 of a BUF item, expected at least 88"
        );
    }
}
