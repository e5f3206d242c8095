//! The one path from input to output: `output[b] = view[b]` if b is live, else 0.
//!
//! Chunks of 1 MiB are read, hashed and masked by several workers and written in order by this thread, so the
//! output does not depend on the number of workers. Chunks that the input stores as holes are never touched.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use block::{BlockRead, Extent, ImageWriter, Overlay, to_u64, to_usize};

use crate::{
    digest::{self, ContentDigest, Digest},
    map::{Class, DiskMap, VolumeIndex},
    progress::Progress,
};

/// Bytes that are read and written at once; a whole number of the digest's pieces.
const CHUNK: u64 = 1 << 20;

/// Bytes that were not zero in the input's view, by volume and class.
pub(crate) type Tally = BTreeMap<(VolumeIndex, Class), u64>;

/// What the copy saw.
#[derive(Debug)]
pub(crate) struct Copied {
    /// Of the whole input, edits not included.
    pub(crate) input: Digest,
    /// Of what was written.
    pub(crate) output: Digest,
    /// Non-zero bytes of the view: those of `Live` were copied, all others dropped.
    pub(crate) nonzero: Tally,
}

/// One chunk after a worker has seen it.
struct Chunk {
    extent: Extent,
    /// Of each piece of the input and of the masked view.
    hashes: Vec<[Option<blake3::Hash>; 2]>,
    /// The masked view.
    data: Vec<u8>,
    nonzero: Tally,
}

/// Buffers that have been written and wait for their next chunk. There are never more than chunks in flight.
#[derive(Default)]
struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    fn held(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // Whole buffers come and go: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer of `len` bytes of any value.
    fn take(&self, len: usize) -> Vec<u8> {
        let mut buffer = self.held().pop().unwrap_or_default();
        buffer.resize(len, 0);
        buffer
    }

    fn give(&self, buffer: Vec<u8>) {
        self.held().push(buffer);
    }
}

/// Copies the live bytes of `view` to `writer`.
pub(crate) fn copy<B: BlockRead>(
    view: &Overlay<B>,
    map: &DiskMap,
    writer: &mut dyn ImageWriter,
    workers: usize,
    progress: &dyn Progress,
) -> io::Result<Copied> {
    let workers = workers.clamp(1, 16);
    let buffers = &Buffers::default();
    thread::scope(|scope| {
        let (mut jobs, mut results): (Vec<SyncSender<Extent>>, Vec<Receiver<io::Result<Chunk>>>) =
            (Vec::new(), Vec::new());
        for _ in 0..workers {
            let (job_sender, job_receiver) = sync_channel::<Extent>(2);
            let (result_sender, result_receiver) = sync_channel(2);
            scope.spawn(move || {
                for extent in job_receiver {
                    if result_sender.send(read_chunk(view, map, extent, buffers, progress)).is_err() {
                        break;
                    }
                }
            });
            jobs.push(job_sender);
            results.push(result_receiver);
        }
        // Chunk n goes to worker n modulo workers and is taken back in the same order.
        scope.spawn(move || {
            for (n, extent) in Chunks::new(view).enumerate() {
                let sent = match extent {
                    Ok(extent) => jobs[n % jobs.len()].send(extent).is_ok(),
                    // The worker fails on the same offset, with the same error, when it reads there.
                    Err(at) => jobs[n % jobs.len()].send(Extent { start: at, len: 1 }).is_ok(),
                };
                if !sent || extent.is_err() {
                    break;
                }
            }
        });
        write_chunks(view.size(), &results, buffers, writer, progress)
    })
}

fn write_chunks(
    size: u64,
    results: &[Receiver<io::Result<Chunk>>],
    buffers: &Buffers,
    writer: &mut dyn ImageWriter,
    progress: &dyn Progress,
) -> io::Result<Copied> {
    let (mut input, mut output) = (ContentDigest::new(), ContentDigest::new());
    let mut nonzero = Tally::new();
    for n in 0.. {
        let Ok(chunk) = results[n % results.len()].recv() else { break };
        let chunk = chunk?;
        for (index, [before, after]) in (chunk.extent.start / digest::PIECE..).zip(&chunk.hashes) {
            input.piece(index, before.as_ref());
            output.piece(index, after.as_ref());
        }
        if chunk.hashes.iter().any(|[_, after]| after.is_some()) {
            writer.write(chunk.extent.start, &chunk.data)?;
        }
        for (key, bytes) in chunk.nonzero {
            *nonzero.entry(key).or_default() += bytes;
        }
        buffers.give(chunk.data);
        progress.at(chunk.extent.end());
    }
    Ok(Copied { input: input.finish(size), output: output.finish(size), nonzero })
}

/// The chunks that are not one whole hole, in ascending order; an offset where the device failed ends them.
struct Chunks<'a, B> {
    view: &'a Overlay<B>,
    next: u64,
    failed: bool,
}

impl<'a, B: BlockRead> Chunks<'a, B> {
    fn new(view: &'a Overlay<B>) -> Self {
        Self { view, next: 0, failed: false }
    }
}

impl<B: BlockRead> Iterator for Chunks<'_, B> {
    type Item = Result<Extent, u64>;

    fn next(&mut self) -> Option<Self::Item> {
        let size = self.view.size();
        let mut at = self.next;
        while at < size && !self.failed {
            match self.view.run_at(at) {
                Ok(run) if run.zero => at += run.len,
                Ok(_) => {
                    let start = at / CHUNK * CHUNK;
                    let chunk = Extent::between(start, (start + CHUNK).min(size));
                    self.next = chunk.end();
                    return Some(Ok(chunk));
                }
                Err(_) => {
                    self.failed = true;
                    return Some(Err(at));
                }
            }
        }
        None
    }
}

/// Reads a chunk of the input and of the view, hashes both, and keeps of the view what is live.
fn read_chunk<B: BlockRead>(
    view: &Overlay<B>,
    map: &DiskMap,
    extent: Extent,
    buffers: &Buffers,
    progress: &dyn Progress,
) -> io::Result<Chunk> {
    let mut data = buffers.take(to_usize(extent.len));
    read_runs(view.base(), extent, &mut data)?;
    let mut nonzero = Tally::new();
    let mut hashes = Vec::with_capacity(data.len().div_ceil(to_usize(digest::PIECE)));
    // Piece by piece, so that each stays in the processor's cache for all that is done to it.
    for (start, piece) in
        (extent.start..).step_by(to_usize(digest::PIECE)).zip(data.chunks_mut(to_usize(digest::PIECE)))
    {
        let before = digest::hash(piece);
        let changed = view.patch(start, piece)? | mask(map, start, piece, &mut nonzero);
        let after = if changed { digest::hash(piece) } else { before };
        hashes.push([before, after]);
    }
    if hashes.iter().any(|[_, after]| after.is_some()) {
        progress.writes(extent.start, &data);
    }
    Ok(Chunk { extent, hashes, data, nonzero })
}

/// Zeroes what is not live in `bytes`, which lie at `start`, and counts. Says whether it had anything to zero.
fn mask(map: &DiskMap, start: u64, bytes: &mut [u8], nonzero: &mut Tally) -> bool {
    let mut changed = false;
    for part in map.parts(Extent { start, len: to_u64(bytes.len()) }) {
        let from = to_usize(part.extent.start - start);
        let bytes = &mut bytes[from..from + to_usize(part.extent.len)];
        let count = count_nonzero(bytes);
        if count > 0 {
            *nonzero.entry((part.volume, part.class)).or_default() += count;
            if part.class != Class::Live {
                bytes.fill(0);
                changed = true;
            }
        }
    }
    changed
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
    use crate::{map::Region, progress::Silent};
    use block::BlockWrite;

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

    fn run(view: &Overlay<Vec<u8>>, live: Extent, workers: usize) -> (Vec<u8>, Copied) {
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

    #[test]
    fn live_bytes_of_the_view_and_nothing_else() {
        let base: Vec<u8> = (0..5_000_000u32).map(|i| i.to_le_bytes()[1] | 1).collect();
        let mut view = Overlay::new(base);
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
        assert_eq!(copied.nonzero[&(Some(0), Class::Live)], 3_000_001 - 10_000);
        assert_eq!(copied.nonzero[&(None, Class::Gap)], 1_999_999);
        let (same, again) = run(&view, live, 5);
        assert_eq!(same, out);
        assert_eq!((again.input, again.output), (copied.input, copied.output));
        assert_ne!(copied.input, copied.output);
        // The output, copied whole, has the digest of the output.
        let (_, second) = run(&Overlay::new(out), Extent::between(0, 5_000_000), 2);
        assert_eq!((second.input, second.output), (copied.output, copied.output));
    }
}
