//! Compression of clusters on several threads. Results come back in the order in which work was handed in,
//! and depend on nothing but the bytes: not on the number of threads, nor on their timing.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use super::CLUSTER;

/// zlib's and QEMU's default.
const DEFLATE_LEVEL: u32 = 6;
/// QEMU inflates clusters with a window of 4 KiB (`inflateInit2` with -12).
const DEFLATE_WINDOW_BITS: u8 = 12;
/// zstd's and QEMU's default.
const ZSTD_LEVEL: i32 = 3;
/// Clusters handed to a thread at a time.
const BATCH: usize = 16;
/// Batches in flight for each thread: one in work, one waiting. Bounds the memory.
const DEPTH: usize = 2;
/// More threads than this are not started.
const THREADS_MAX: usize = 64;

/// How the clusters of a qcow2 image are stored. One that compression does not make smaller is stored plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// Raw deflate (QEMU's `compression_type=zlib`), which every reader of qcow2 knows.
    Deflate,
    /// Zstandard, an incompatible feature: needs QEMU 5.1.
    Zstd,
}

/// Some clusters, in ascending order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Their guest cluster numbers.
    pub(super) guests: Vec<u64>,
    /// Their bytes, [`CLUSTER`] each.
    pub(super) bytes: Vec<u8>,
}

impl Batch {
    pub(super) fn is_full(&self) -> bool {
        self.guests.len() >= BATCH
    }
}

/// A batch, and for each of its clusters the compressed bytes, or `None` if they would not be fewer.
type Done = (Batch, Vec<Option<Vec<u8>>>);
type Job = (Batch, SyncSender<io::Result<Done>>);

/// Threads that compress. Dropped, it ends them.
#[derive(Debug)]
pub(super) struct Pool {
    jobs: Option<SyncSender<Job>>,
    /// One receiver for each batch in flight, oldest first.
    pending: VecDeque<Receiver<io::Result<Done>>>,
    depth: usize,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Starts `threads` threads, at least one; `None` if there is nothing to compress.
    pub(super) fn new(compression: Compression, threads: usize) -> io::Result<Option<Self>> {
        if compression == Compression::None {
            return Ok(None);
        }
        let threads = threads.clamp(1, THREADS_MAX);
        let depth = threads * DEPTH;
        let (jobs, queue) = sync_channel::<Job>(depth);
        let queue = Arc::new(Mutex::new(queue));
        let mut pool = Self { jobs: Some(jobs), pending: VecDeque::new(), depth, workers: Vec::new() };
        for _ in 0..threads {
            let mut codec = Codec::new(compression)?;
            let queue = Arc::clone(&queue);
            let worker = thread::Builder::new().name("compress".into()).spawn(move || {
                while let Some((batch, done)) = take(&queue) {
                    // Nobody waits for it any more if the writer was dropped.
                    let _ = done.send(codec.run(batch));
                }
            })?;
            pool.workers.push(worker);
        }
        Ok(Some(pool))
    }

    /// Hands in a batch; if enough are in flight, waits for the oldest and returns it.
    pub(super) fn submit(&mut self, batch: Batch) -> io::Result<Option<Done>> {
        let oldest = if self.pending.len() >= self.depth { self.next()? } else { None };
        let (done, receiver) = sync_channel(1);
        let jobs = self.jobs.as_ref().expect("taken only on drop");
        jobs.send((batch, done)).map_err(|_| ended())?;
        self.pending.push_back(receiver);
        Ok(oldest)
    }

    /// The oldest batch in flight; `None` if there is none.
    pub(super) fn next(&mut self) -> io::Result<Option<Done>> {
        match self.pending.pop_front() {
            Some(receiver) => receiver.recv().map_err(|_| ended())?.map(Some),
            None => Ok(None),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.jobs = None;
        for worker in self.workers.drain(..) {
            // A panic was reported where its result was missed.
            let _ = worker.join();
        }
    }
}

fn take(queue: &Mutex<Receiver<Job>>) -> Option<Job> {
    queue.lock().ok()?.recv().ok()
}

fn ended() -> io::Error {
    io::Error::other("a compression thread has ended")
}

/// One thread's compressor.
enum Codec {
    Deflate(flate2::Compress),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Codec {
    fn new(compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::Zstd => Self::Zstd(zstd::bulk::Compressor::new(ZSTD_LEVEL)?),
            Compression::None | Compression::Deflate => {
                let level = flate2::Compression::new(DEFLATE_LEVEL);
                Self::Deflate(flate2::Compress::new_with_window_bits(level, false, DEFLATE_WINDOW_BITS))
            }
        })
    }

    fn run(&mut self, batch: Batch) -> io::Result<Done> {
        let packed =
            batch.bytes.chunks(CLUSTER).map(|cluster| self.compress(cluster)).collect::<io::Result<_>>()?;
        Ok((batch, packed))
    }

    fn compress(&mut self, cluster: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Deflate(deflate) => {
                deflate.reset();
                // One byte less than the cluster: what does not fit has not become smaller.
                let mut packed = Vec::with_capacity(CLUSTER - 1);
                let status = deflate
                    .compress_vec(cluster, &mut packed, flate2::FlushCompress::Finish)
                    .map_err(io::Error::other)?;
                Ok((status == flate2::Status::StreamEnd).then_some(packed))
            }
            Self::Zstd(zstd) => {
                let packed = zstd.compress(cluster)?;
                Ok((packed.len() < CLUSTER).then_some(packed))
            }
        }
    }
}
