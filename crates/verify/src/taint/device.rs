//! The search of a whole device: chunks in the order of their offsets, by several threads, less what was searched ahead.

use std::{
    collections::VecDeque,
    io,
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use block::{BlockRead, Extent, to_u64, to_usize};

use super::{
    Ahead,
    index::Index,
    search::{CHUNK, Hits, LOOK_AHEAD, LOOK_BACK},
};

/// Bytes that are read at a time; a whole number of chunks.
const JOB: u64 = 256 << 10;

/// Bytes that are passed over if they are one whole hole: what raw and qcow2 files can both have as one, so that as much is
/// searched of either. A whole number of chunks.
const HOLE: u64 = 64 << 10;

/// The chunks of what is not one whole hole, in ascending order. After a failure, there are none.
struct Chunks<'d> {
    device: &'d dyn BlockRead,
    at: u64,
    /// Up to here chunks follow each other.
    end: u64,
    /// Up to here no hole begins.
    data: u64,
}

impl<'d> Chunks<'d> {
    const fn new(device: &'d dyn BlockRead) -> Self {
        Self { device, at: 0, end: 0, data: 0 }
    }
}

impl Iterator for Chunks<'_> {
    type Item = io::Result<Extent>;

    fn next(&mut self) -> Option<Self::Item> {
        let size = self.device.size();
        if self.at == self.end {
            while self.at >= self.data && self.at < size {
                match self.device.run_at(self.at) {
                    Ok(run) if run.zero => self.at = self.at.saturating_add(run.len),
                    Ok(run) => self.data = self.at.saturating_add(run.len),
                    Err(error) => {
                        (self.at, self.end) = (size, size);
                        return Some(Err(error));
                    }
                }
            }
            if self.at >= size {
                (self.at, self.end) = (size, size);
                return None;
            }
            self.at = self.at / HOLE * HOLE;
            self.end = (self.at + HOLE).min(size);
        }
        let start = self.at;
        self.at = (start + CHUNK).min(self.end);
        Some(Ok(Extent::between(start, self.at)))
    }
}

impl Index<'_> {
    /// Searches a device, holes left out, with several threads. Returns what was found, `ahead` or now, and how many
    /// bytes were searched.
    pub fn search_device(
        &self,
        device: &dyn BlockRead,
        ahead: &Ahead,
        threads: usize,
    ) -> io::Result<(Hits, u64)> {
        let threads = threads.clamp(1, 16);
        let (known, mut found) = ahead.take();
        thread::scope(|scope| {
            let mut results: Vec<Receiver<io::Result<Vec<Hits>>>> = Vec::new();
            let mut searched = 0;
            let mut jobs = Vec::new();
            for _ in 0..threads {
                let (job, todo) = sync_channel::<Extent>(4);
                let (done, result) = sync_channel(4);
                scope.spawn(move || {
                    let mut scratch = (Vec::new(), Hits::default());
                    for fresh in todo {
                        if done.send(self.search_chunks(device, fresh, &mut scratch)).is_err() {
                            break;
                        }
                    }
                });
                jobs.push(job);
                results.push(result);
            }
            // Job n goes to thread n modulo threads, and is taken back in the same order.
            let mut hits = Hits::default();
            let (mut sent, mut taken) = (0, 0);
            // What has been found, and jobs that are away, in the order of their chunks.
            let mut order: VecDeque<Option<Hits>> = VecDeque::new();
            let mut chunks = Chunks::new(device).peekable();
            loop {
                let next = chunks.next().transpose()?;
                if let Some(mut fresh) = next {
                    if known.contains(fresh) {
                        searched += fresh.len;
                        match found.remove(&fresh.start) {
                            Some(found) if order.is_empty() => hits.append(found),
                            Some(found) => order.push_back(Some(found)),
                            None => {}
                        }
                        continue;
                    }
                    let follows = |chunk: &io::Result<Extent>, end: u64| {
                        chunk.as_ref().is_ok_and(|chunk| chunk.start == end && !known.contains(*chunk))
                    };
                    while fresh.len < JOB
                        && let Some(Ok(chunk)) = chunks.next_if(|chunk| follows(chunk, fresh.end()))
                    {
                        fresh.len += chunk.len;
                    }
                    searched += fresh.len;
                    jobs[sent % threads].send(fresh).map_err(|_| stopped())?;
                    sent += 1;
                    order.push_back(None);
                }
                // At the end all that is away, before it the oldest if enough is.
                while (next.is_none() || sent - taken >= threads * 2)
                    && let Some(found) = order.pop_front()
                {
                    match found {
                        Some(found) => hits.append(found),
                        None => {
                            let found = results[taken % threads].recv().map_err(|_| stopped())??;
                            taken += 1;
                            found.into_iter().for_each(|found| hits.append(found));
                        }
                    }
                }
                if next.is_none() {
                    break;
                }
            }
            hits.hits.sort_unstable();
            Ok((hits, searched))
        })
    }

    /// Searches some chunks that follow each other, one by one. Says what is in those that have anything.
    fn search_chunks(
        &self,
        device: &dyn BlockRead,
        all: Extent,
        (buf, scratch): &mut (Vec<u8>, Hits),
    ) -> io::Result<Vec<Hits>> {
        let around = |fresh: Extent| {
            let start = fresh.start.saturating_sub(to_u64(LOOK_BACK));
            Extent::between(start, fresh.end().saturating_add(to_u64(LOOK_AHEAD)).min(device.size()))
        };
        let read = around(all);
        buf.resize(to_usize(read.len), 0);
        device.read_at(read.start, buf)?;
        let mut found = Vec::new();
        for start in (all.start..all.end()).step_by(to_usize(CHUNK)) {
            let fresh = Extent::between(start, (start + CHUNK).min(all.end()));
            let part = around(fresh);
            let within = to_usize(part.start - read.start)..to_usize(part.end() - read.start);
            let hits = self.search_within(&buf[within], part.start, fresh, scratch)?;
            if hits.any() {
                found.push(hits);
            }
        }
        Ok(found)
    }
}

fn stopped() -> io::Error {
    io::Error::other("a thread of the search stopped")
}
