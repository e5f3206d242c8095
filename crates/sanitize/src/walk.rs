//! The walk over a disk: chunks of 1 MiB are read, hashed and masked by several threads, each by whoever is free, and taken
//! in their order. Chunks that the input stores as holes are never touched.
//!
//! No thread does nothing but take: whoever has finished the chunk whose turn it is takes it, and those behind it that are
//! ready. So there need not be more threads than processors, and most chunks are written by the processor whose cache they
//! are in. A thread waits only while as many chunks are away as may be: the oldest of them is being read, or written, by
//! another. What comes out does not depend on the number of threads.

use std::{
    collections::BTreeMap,
    io,
    iter::Enumerate,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use block::{BlockRead, Extent};

use crate::{
    View,
    copy::{Chunk, Tally, copied, read_chunk},
    digest::{self, ContentDigest, Digest},
    in_place::Stream,
    map::DiskMap,
    progress::Progress,
};

/// Bytes that are read and written at once; a whole number of the digest's pieces.
pub(crate) const CHUNK: u64 = 1 << 20;

/// Chunks that are read and not yet taken, for each thread: one may take several times as long as the others.
const AHEAD: usize = 4;

/// What the walk saw.
#[derive(Debug)]
pub(crate) struct Walked {
    /// Of the whole input, edits not included.
    pub(crate) input: Digest,
    /// Of what it becomes.
    pub(crate) output: Digest,
    /// Those of `Live` stay, all others go.
    pub(crate) tally: Tally,
}

/// What is done with each chunk, in its turn.
pub(crate) type Take<'t> = dyn FnMut(&Chunk) -> io::Result<()> + Send + 't;

/// Hands every chunk that is not one whole hole to `take`, in ascending order. `left`: what dead bytes are overwritten
/// with, if the chunks have to say how the input becomes the output.
pub(crate) fn walk(
    view: &View,
    map: &DiskMap,
    left: Option<&Stream>,
    threads: usize,
    progress: &dyn Progress,
    take: &mut Take<'_>,
) -> io::Result<Walked> {
    let threads = threads.clamp(1, 16);
    let taken = Taken {
        take,
        input: ContentDigest::new(),
        output: ContentDigest::new(),
        tally: Tally::new(),
        progress,
    };
    let state = State {
        chunks: Chunks::new(view).enumerate(),
        away: 0,
        early: BTreeMap::new(),
        turn: 0,
        buffers: Vec::new(),
        taken: Some(taken),
        failed: None,
    };
    let queue = Queue { state: Mutex::new(state), room: Condvar::new(), most: AHEAD * threads };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((number, extent, buffer)) = queue.next() {
                    let read = |extent| read_chunk(view, map, left, extent, buffer, progress);
                    let work = || queue.put(number, extent.and_then(read));
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
                        // Whoever panics says so, or the others would wait for that chunk for ever.
                        queue.fail(io::Error::other("a thread of the copy stopped"));
                        resume_unwind(panic);
                    }
                }
            });
        }
    });
    queue.finish(view.size())
}

/// Who has which chunk.
struct Queue<'w> {
    state: Mutex<State<'w>>,
    /// A chunk has been taken, or all is over.
    room: Condvar,
    /// Most chunks that are away.
    most: usize,
}

struct State<'w> {
    /// What is still to be read.
    chunks: Enumerate<Chunks<'w>>,
    /// Chunks that have been given out, and not been taken.
    away: usize,
    /// Those that are ready, by their numbers.
    early: BTreeMap<usize, io::Result<Chunk>>,
    /// Whose turn it is.
    turn: usize,
    /// Those of chunks that have been taken: never more than may be away.
    buffers: Vec<Vec<u8>>,
    /// `None` while somebody takes.
    taken: Option<Taken<'w>>,
    /// What ended the walk early.
    failed: Option<io::Error>,
}

impl<'w> Queue<'w> {
    fn lock(&self) -> MutexGuard<'_, State<'w>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next chunk for whoever is free, and a buffer for it. A failure of the device goes the same way, and is met in its
    /// turn.
    fn next(&self) -> Option<(usize, io::Result<Extent>, Vec<u8>)> {
        let mut state = self.lock();
        while state.away == self.most && state.failed.is_none() {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.failed.is_some() {
            return None;
        }
        let (number, extent) = state.chunks.next()?;
        state.away += 1;
        Some((number, extent, state.buffers.pop().unwrap_or_default()))
    }

    /// A chunk is ready. Takes it, if it is its turn and nobody else is taking, and what is ready behind it.
    fn put(&self, number: usize, chunk: io::Result<Chunk>) {
        let mut state = self.lock();
        state.early.insert(number, chunk);
        while let Some(mut taken) = state.taken.take() {
            let turn = state.turn;
            let chunk = state.early.remove(&turn);
            let Some(chunk) = chunk.filter(|_| state.failed.is_none()) else {
                state.taken = Some(taken);
                return;
            };
            state.turn += 1;
            drop(state);
            let outcome = chunk.and_then(|chunk| taken.chunk(chunk));
            state = self.lock();
            state.taken = Some(taken);
            state.away -= 1;
            match outcome {
                Ok(buffer) => state.buffers.push(buffer),
                Err(error) => {
                    // Before anybody else can take what follows.
                    state.failed.get_or_insert(error);
                    self.room.notify_all();
                    return;
                }
            }
            self.room.notify_one();
        }
    }

    /// The first failure ends it all.
    fn fail(&self, error: io::Error) {
        self.lock().failed.get_or_insert(error);
        self.room.notify_all();
    }

    fn finish(self, size: u64) -> io::Result<Walked> {
        let State { taken, failed, .. } = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (failed, taken) {
            (Some(error), _) => Err(error),
            (None, Some(Taken { input, output, tally, .. })) => {
                Ok(Walked { input: input.finish(size), output: output.finish(size), tally })
            }
            (None, None) => unreachable!("whoever takes gives back, or fails"),
        }
    }
}

/// What comes of the chunks.
struct Taken<'w> {
    take: &'w mut Take<'w>,
    input: ContentDigest,
    output: ContentDigest,
    tally: Tally,
    progress: &'w dyn Progress,
}

impl Taken<'_> {
    /// Returns its buffer.
    fn chunk(&mut self, chunk: Chunk) -> io::Result<Vec<u8>> {
        for (index, [before, after]) in (chunk.extent.start / digest::PIECE..).zip(&chunk.hashes) {
            self.input.piece(index, before.as_ref());
            self.output.piece(index, after.as_ref());
        }
        (self.take)(&chunk)?;
        for (key, bytes) in chunk.tally {
            *self.tally.entry(key).or_default() += bytes;
        }
        self.progress.at(chunk.extent.end());
        Ok(chunk.data)
    }
}

/// The chunks that are not one whole hole, in ascending order; a failure of the device ends them.
struct Chunks<'a> {
    view: &'a View,
    next: u64,
    failed: bool,
}

impl<'a> Chunks<'a> {
    fn new(view: &'a View) -> Self {
        Self { view, next: 0, failed: false }
    }
}

impl Iterator for Chunks<'_> {
    type Item = io::Result<Extent>;

    fn next(&mut self) -> Option<Self::Item> {
        let size = self.view.size();
        let mut at = self.next;
        while at < size && !self.failed {
            // What an edit has made zero was read and counted all the same.
            let runs = self.view.base().run_at(at).and_then(|before| Ok((before, self.view.run_at(at)?)));
            match runs {
                Ok((before, after)) if before.zero && after.zero => at += before.len.min(after.len),
                Ok(_) => {
                    let start = at / CHUNK * CHUNK;
                    let chunk = Extent::between(start, (start + CHUNK).min(size));
                    self.next = chunk.end();
                    return Some(Ok(chunk));
                }
                Err(error) => {
                    self.failed = true;
                    return Some(Err(copied(error)));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use block::{BlockWrite, Run};

    use super::*;
    use crate::progress::Silent;

    const CHUNKS: u64 = 50;

    /// Walks over a disk of many chunks. Which were taken, and how it ended.
    fn walked(
        threads: usize,
        mut take: impl FnMut(u64) -> io::Result<()> + Send,
    ) -> (Vec<u64>, io::Result<Walked>) {
        let disk: Arc<dyn BlockRead> = Arc::new(vec![1; block::to_usize(CHUNKS * CHUNK)]);
        let map = DiskMap::new(CHUNKS * CHUNK, Vec::new()).unwrap();
        let mut taken = Vec::new();
        let mut take = |chunk: &Chunk| {
            taken.push(chunk.extent.start / CHUNK);
            take(chunk.extent.start / CHUNK)
        };
        let end = walk(&View::new(disk), &map, None, threads, &Silent, &mut take);
        (taken, end)
    }

    #[test]
    fn all_are_taken_in_their_order_however_slowly() {
        for threads in [1, 2, 7] {
            let (taken, end) = walked(threads, |number| {
                // As many as may be wait for this one.
                if number % 20 == 5 {
                    thread::sleep(std::time::Duration::from_millis(20));
                }
                Ok(())
            });
            assert!(end.is_ok() && taken.into_iter().eq(0..CHUNKS), "{threads} threads");
        }
    }

    #[test]
    fn the_first_failure_is_the_one_that_is_told_and_nothing_is_taken_behind_it() {
        for threads in [1, 2, 7] {
            let fail =
                |number: u64| if number < 17 { Ok(()) } else { Err(io::Error::other(number.to_string())) };
            let (taken, end) = walked(threads, fail);
            assert!(taken.into_iter().eq(0..=17), "{threads} threads");
            assert_eq!(end.unwrap_err().to_string(), "17");
        }
    }

    /// Of what an edit has made zero, however it did, the input is hashed all the same.
    #[test]
    fn what_becomes_zero_is_read_and_what_was_a_hole_is_not() {
        struct Half;
        impl BlockRead for Half {
            fn size(&self) -> u64 {
                CHUNKS * CHUNK
            }
            fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
                buf.fill(u8::from(offset < CHUNKS / 2 * CHUNK));
                Ok(())
            }
            fn run_at(&self, offset: u64) -> io::Result<Run> {
                let half = CHUNKS / 2 * CHUNK;
                let zero = offset >= half;
                Ok(Run { len: if zero { self.size() } else { half } - offset, zero })
            }
        }
        let zeroed = Extent::between(3 * CHUNK, 30 * CHUNK);
        let seen = |edit: &dyn Fn(&mut View)| {
            let mut view = View::new(Arc::new(Half));
            edit(&mut view);
            let map = DiskMap::new(CHUNKS * CHUNK, Vec::new()).unwrap();
            let mut taken = Vec::new();
            let mut take = |chunk: &Chunk| {
                taken.push(chunk.extent.start / CHUNK);
                Ok(())
            };
            let walked = walk(&view, &map, None, 2, &Silent, &mut take).unwrap();
            (taken, walked.input)
        };
        let (taken, input) = seen(&|_| ());
        assert!(taken.into_iter().eq(0..CHUNKS / 2));
        assert_eq!(seen(&|view| view.zero_at(zeroed).unwrap()), ((0..CHUNKS / 2).collect(), input));
        // Zeros that are written are looked at.
        let written = |view: &mut View| {
            view.write_at(zeroed.start, &vec![0; block::to_usize(zeroed.len)]).unwrap();
        };
        assert_eq!(seen(&written), ((0..30).collect(), input));
    }

    #[test]
    #[should_panic = "a scoped thread panicked"]
    fn a_mistake_of_who_takes_ends_the_walk() {
        drop(walked(3, |number| {
            assert!(number < 9, "a mistake");
            Ok(())
        }));
    }
}
