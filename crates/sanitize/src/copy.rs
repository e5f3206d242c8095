//! The one path from input to output: `output[b] = view[b]` if b is live, else 0.
//!
//! Cleaning in place goes the same way: it wants to know of each chunk in which bytes input and output differ.

use std::{collections::BTreeMap, io};

use block::{BlockRead, Error, Extent, ImageWriter, Object, is_zero, to_u64, to_usize};

use crate::{
    View, digest,
    in_place::{Patch, SECTOR, Stream},
    map::{Class, DiskMap, VolumeIndex},
    progress::Progress,
    walk::{self, Walked},
};

/// Dead bytes are overwritten, or left because they are zero, in blocks of this many; live ones are counted in such.
const BLOCK: u64 = 4096;

/// Bytes of the input's view by volume and class: live ones in blocks that are not all zero, and dead ones that are not.
pub(crate) type Tally = BTreeMap<(VolumeIndex, Class), u64>;

/// One chunk after a worker has seen it.
pub(crate) struct Chunk {
    pub(crate) extent: Extent,
    /// Of each piece of the input and of what it becomes.
    pub(crate) hashes: Vec<[Option<blake3::Hash>; 2]>,
    /// Whether that is another thing.
    pub(crate) changed: Vec<bool>,
    /// The masked view.
    pub(crate) data: Vec<u8>,
    pub(crate) tally: Tally,
    /// How to make the output of the input where it lies; nothing if nobody wants to know.
    pub(crate) changes: Changes,
}

impl Chunk {
    /// Writes what it becomes, less the pieces that are all zero. A writer that shares is told of those that stay what they
    /// are.
    fn write(&self, writer: &mut dyn ImageWriter) -> io::Result<()> {
        let shares = writer.shares();
        let stays = |piece: usize| self.hashes[piece][1].map(|_| shares && !self.changed[piece]);
        let mut piece = 0;
        while piece < self.hashes.len() {
            let same = stays(piece);
            let end =
                (piece..self.hashes.len()).find(|&next| stays(next) != same).unwrap_or(self.hashes.len());
            let range = piece * to_usize(digest::PIECE)..self.data.len().min(end * to_usize(digest::PIECE));
            let offset = self.extent.start + to_u64(range.start);
            match same {
                Some(true) => writer.write_same(offset, &self.data[range])?,
                Some(false) => writer.write(offset, &self.data[range])?,
                None => {}
            }
            piece = end;
        }
        Ok(())
    }
}

/// What differs between a chunk of the input and of the output.
#[derive(Default)]
pub(crate) struct Changes {
    /// Dead bytes to overwrite, in blocks that are not all zero.
    pub(crate) zero: Vec<Extent>,
    /// New content of live bytes.
    pub(crate) patches: Vec<Patch>,
    /// Of each piece of the input, with all of that as zero.
    pub(crate) rest: Vec<Option<blake3::Hash>>,
}

/// Copies the live bytes of `view` to `writer`.
pub(crate) fn copy(
    view: &View,
    map: &DiskMap,
    writer: &mut dyn ImageWriter,
    workers: usize,
    progress: &dyn Progress,
) -> io::Result<Walked> {
    let mut write = |chunk: &Chunk| chunk.write(writer);
    walk::walk(view, map, None, workers, progress, &mut write)
}

/// Reads a chunk of the input and of the view, hashes both, and keeps of the view what is live. In a buffer of any bytes.
pub(crate) fn read_chunk(
    view: &View,
    map: &DiskMap,
    left: Option<&Stream>,
    extent: Extent,
    mut data: Vec<u8>,
    progress: &dyn Progress,
) -> io::Result<Chunk> {
    data.resize(to_usize(extent.len), 0);
    read_runs(view.base(), extent, &mut data).map_err(copied)?;
    let mut tally = Tally::new();
    let pieces = data.len().div_ceil(to_usize(digest::PIECE));
    let (mut hashes, mut differs) = (Vec::with_capacity(pieces), Vec::with_capacity(pieces));
    let mut changes = Changes::default();
    // Piece by piece, so that each stays in the processor's cache for all that is done to it.
    for (start, piece) in
        (extent.start..).step_by(to_usize(digest::PIECE)).zip(data.chunks_mut(to_usize(digest::PIECE)))
    {
        let before = digest::hash(piece);
        let original = left.map(|_| piece.to_vec());
        let changed = view.patch(start, piece)? | mask(map, start, piece, &mut tally);
        differs.push(changed);
        let after = if changed { digest::hash(piece) } else { before };
        hashes.push([before, after]);
        if let Some(original) = original {
            let rest = if changed { compare(map, start, original, piece, &mut changes) } else { before };
            changes.rest.push(rest);
        }
    }
    if hashes.iter().any(|[_, after]| after.is_some()) {
        progress.writes(extent.start, &data);
    }
    if let Some(left) = left.filter(|left| !left.is_zero()) {
        leave(*left, extent.start, &mut data, &mut hashes, &changes.zero);
    }
    Ok(Chunk { extent, hashes, changed: differs, data, tally, changes })
}

/// Adds what makes `after` of `before`, both at `start`, and returns the digest of what stays.
fn compare(
    map: &DiskMap,
    start: u64,
    mut before: Vec<u8>,
    after: &[u8],
    changes: &mut Changes,
) -> Option<blake3::Hash> {
    let range = |extent: Extent| to_usize(extent.start - start)..to_usize(extent.end() - start);
    for part in map.parts(Extent { start, len: to_u64(after.len()) }) {
        let live = part.class == Class::Live;
        let unit = if live { SECTOR } else { BLOCK };
        let mut run: Option<Extent> = None;
        let mut end = |run: Option<Extent>| match run {
            Some(run) if live => {
                changes.patches.push(Patch::new(run.start, &before[range(run)], &after[range(run)]));
            }
            Some(run) => changes.zero.push(run),
            None => {}
        };
        let mut at = part.extent.start;
        while at < part.extent.end() {
            let block = Extent::between(at, part.extent.end().min((at / unit + 1) * unit));
            at = block.end();
            // Dead bytes of `after` are zero.
            let differs = before[range(block)] != after[range(block)];
            run = match run {
                Some(run) if differs => Some(Extent::between(run.start, at)),
                run if differs => {
                    end(run);
                    Some(block)
                }
                run => {
                    end(run);
                    None
                }
            };
        }
        end(run);
    }
    let piece = Extent { start, len: to_u64(after.len()) };
    let changed = changes.zero.iter().copied().chain(changes.patches.iter().map(Patch::extent));
    for extent in changed.map(|extent| extent.intersect(piece)).filter(|extent| !extent.is_empty()) {
        before[range(extent)].fill(0);
    }
    digest::hash(&before)
}

/// Fills what is overwritten with what the last pass leaves there.
fn leave(
    left: Stream,
    start: u64,
    data: &mut [u8],
    hashes: &mut [[Option<blake3::Hash>; 2]],
    zero: &[Extent],
) {
    for extent in zero {
        left.fill(extent.start, &mut data[to_usize(extent.start - start)..to_usize(extent.end() - start)]);
    }
    let pieces = (start..).step_by(to_usize(digest::PIECE)).zip(data.chunks(to_usize(digest::PIECE)));
    for ((start, piece), [_, after]) in pieces.zip(hashes) {
        let piece_extent = Extent { start, len: to_u64(piece.len()) };
        if zero.iter().any(|extent| !extent.intersect(piece_extent).is_empty()) {
            *after = digest::hash(piece);
        }
    }
}

/// Zeroes what is not live in `bytes`, which lie at `start`, and counts. Says whether it had anything to zero.
fn mask(map: &DiskMap, start: u64, bytes: &mut [u8], tally: &mut Tally) -> bool {
    let mut changed = false;
    for part in map.parts(Extent { start, len: to_u64(bytes.len()) }) {
        let from = to_usize(part.extent.start - start);
        let bytes = &mut bytes[from..from + to_usize(part.extent.len)];
        let live = part.class == Class::Live;
        let count = if live { count_data(part.extent.start, bytes) } else { count_nonzero(bytes) };
        if count > 0 {
            *tally.entry((part.volume, part.class)).or_default() += count;
            if !live {
                bytes.fill(0);
                changed = true;
            }
        }
    }
    changed
}

/// What could not be read.
pub(crate) fn copied(error: io::Error) -> io::Error {
    Error::from(error).reading(Object::the("data that is copied")).into()
}

/// Fills `data` with the device's bytes. Large holes are not read: the system would make pages of zeros for them.
fn read_runs(device: &impl BlockRead, extent: Extent, data: &mut [u8]) -> io::Result<()> {
    const WORTHWHILE: u64 = 128 << 10;
    // Where reading starts that has been put off, to be one with what follows.
    let (mut start, mut at) = (extent.start, extent.start);
    let mut read = |start: u64, end: u64| {
        let range = to_usize(start - extent.start)..to_usize(end - extent.start);
        device.read_at(start, &mut data[range])
    };
    let mut holes = Vec::new();
    while at < extent.end() {
        let run = device.run_at(at)?;
        let end = at.saturating_add(run.len).min(extent.end());
        if run.zero && end - at >= WORTHWHILE {
            read(start, at)?;
            holes.push(Extent::between(at, end));
            start = end;
        }
        at = end;
    }
    read(start, at)?;
    for hole in holes {
        data[to_usize(hole.start - extent.start)..to_usize(hole.end() - extent.start)].fill(0);
    }
    Ok(())
}

/// Bytes in blocks of the disk that are not all zero, as far as they reach into `bytes`, which lie at `start`. Far cheaper
/// than to look at each.
fn count_data(start: u64, bytes: &[u8]) -> u64 {
    let first = bytes.len().min(to_usize(start.next_multiple_of(BLOCK) - start));
    let (head, rest) = bytes.split_at(first);
    let blocks = [head].into_iter().chain(rest.chunks(to_usize(BLOCK)));
    blocks.filter(|block| !is_zero(block)).map(|block| to_u64(block.len())).sum()
}

fn count_nonzero(bytes: &[u8]) -> u64 {
    const LANES: usize = 64;
    let one = |byte: u8| u8::from(byte != 0);
    let (rows, rest) = bytes.as_chunks::<LANES>();
    let mut total = rest.iter().map(|&byte| u64::from(one(byte))).sum();
    // Sums of at most 255 fit in a byte: they never wrap, and the compiler counts all lanes at once.
    for rows in rows.chunks(255) {
        let mut sums = [0u8; LANES];
        for row in rows {
            for (sum, &byte) in sums.iter_mut().zip(row) {
                *sum = sum.wrapping_add(one(byte));
            }
        }
        total += sums.iter().map(|&sum| u64::from(sum)).sum::<u64>();
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{map::Region, progress::Silent, walk::CHUNK};
    use block::BlockWrite;
    use std::sync::Arc;

    #[derive(Default)]
    struct Memory(Vec<(u64, Vec<u8>)>);
    impl ImageWriter for Memory {
        fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.0.push((offset, data.to_vec()));
            Ok(())
        }
        fn finish(self: Box<Self>) -> io::Result<()> {
            Ok(())
        }
    }

    fn run(view: &View, live: Extent, workers: usize) -> (Vec<u8>, Walked) {
        let region = Region { extent: live, volume: Some(0), class: Class::Live };
        let map = DiskMap::new(view.size(), vec![region]).unwrap();
        let mut memory = Memory::default();
        let copied = copy(view, &map, &mut memory, workers, &Silent).unwrap();
        let mut out = vec![0; to_usize(view.size())];
        for (offset, data) in memory.0 {
            out[to_usize(offset)..to_usize(offset) + data.len()].copy_from_slice(&data);
        }
        (out, copied)
    }

    /// A disk whose reader has a mistake.
    struct Mistaken;
    impl BlockRead for Mistaken {
        fn size(&self) -> u64 {
            100 * CHUNK
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            assert!(offset < 20 * CHUNK, "a mistake");
            buf.fill(1);
            Ok(())
        }
        fn run_at(&self, offset: u64) -> io::Result<block::Run> {
            Ok(block::Run { len: self.size() - offset, zero: false })
        }
    }

    #[test]
    #[should_panic = "a scoped thread panicked"]
    fn a_mistake_ends_the_copy() {
        run(&View::new(Arc::new(Mistaken)), Extent::between(0, 100 * CHUNK), 2);
    }

    #[test]
    fn live_bytes_of_the_view_and_nothing_else() {
        let base: Vec<u8> = (0..5_000_000u32).map(|i| i.to_le_bytes()[1] | 1).collect();
        let mut view = View::new(Arc::new(base));
        view.write_at(2_500_000, &[0; 10_000]).unwrap();
        let live = Extent::between(1_000_000, 4_000_001);
        let (out, copied) = run(&view, live, 1);
        for (at, &byte) in out.iter().enumerate() {
            let mut expected = [0];
            if live.contains_byte(to_u64(at)) {
                view.read_at(to_u64(at), &mut expected).unwrap();
            }
            assert_eq!(byte, expected[0], "byte {at}");
        }
        // Of the bytes that were overwritten with zeros, a block of 4096 is whole.
        assert_eq!(copied.tally[&(Some(0), Class::Live)], 3_000_001 - 4096);
        assert_eq!(copied.tally[&(None, Class::Gap)], 1_999_999);
        let (same, again) = run(&view, live, 5);
        assert_eq!(same, out);
        assert_eq!((again.input, again.output), (copied.input, copied.output));
        assert_ne!(copied.input, copied.output);
        // The output, copied whole, has the digest of the output.
        let (_, second) = run(&View::new(Arc::new(out)), Extent::between(0, 5_000_000), 2);
        assert_eq!((second.input, second.output), (copied.output, copied.output));
    }
}
