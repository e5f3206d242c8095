//! The search: finds pieces of what was removed in any bytes, chunk by chunk.
//!
//! A hit has been compared byte by byte with what was removed. What is found depends neither on the number of
//! threads nor on how fast they are.

use std::{
    io::{self, Read},
    ops::Range,
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use block::{BlockRead, Extent, to_u64, to_usize};

use super::{
    distinct,
    encode::Encoding,
    hash,
    index::{GRAM, Index, STEP},
};

/// Bytes in front of the fresh part of a buffer that a caller has to give, if there are any.
pub const LOOK_BACK: usize = 1024;
/// Bytes behind it: the longest spelling, and more.
pub const LOOK_AHEAD: usize = 1024;
/// Bytes that a thread searches at a time: they stay in its cache.
const CHUNK: u64 = 256 << 10;
/// Most hits that one chunk has, and most of all.
const MAX_IN_CHUNK: usize = 1024;
const MAX_HITS: usize = 1 << 18;
/// Bytes of removed files that are read at a time to compare them.
const COMPARED: usize = 16 << 10;

/// A piece of what was removed, somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// Offset of its first byte in what was searched.
    pub at: u64,
    /// Length there in bytes.
    pub len: u64,
    /// Whether it is a word or line, not a run.
    pub word: bool,
    /// How it is written there.
    pub encoding: Encoding,
    /// Address, in all that was removed, of its first byte.
    pub(super) address: u64,
    /// How many bytes of it there are.
    pub(super) spells: u64,
}

/// What a search has found so far.
#[derive(Debug, Default)]
pub struct Hits {
    /// In order of their offsets, as soon as the search is over.
    pub hits: Vec<Hit>,
    /// Those for which there was no room.
    pub dropped: u64,
    source: Vec<u8>,
}

impl Hits {
    /// A hit of a run starts, or goes on, here.
    fn push(&mut self, hit: Hit, from: usize) {
        // The next chunk may find the rest of a run that this one saw the beginning of.
        let goes_on = |last: &Hit| {
            !hit.word
                && !last.word
                && last.at <= hit.at
                && hit.at - last.at == hit.address.wrapping_sub(last.address)
                && hit.at <= last.at + last.len
        };
        if let Some(last) = self.hits[from..].iter_mut().rev().take(8).find(|last| goes_on(last)) {
            last.len = last.len.max(hit.at + hit.len - last.at);
            last.spells = last.len;
        } else if self.hits[from..].contains(&hit) {
        } else if self.hits.len() - from < MAX_IN_CHUNK {
            self.hits.push(hit);
        } else {
            self.dropped += 1;
        }
    }

    fn append(&mut self, other: Self) {
        self.dropped += other.dropped;
        let from = self.hits.len().saturating_sub(32);
        for hit in other.hits {
            if self.hits.len() < MAX_HITS {
                self.push(hit, from.max(self.hits.len().saturating_sub(MAX_IN_CHUNK - 1)));
            } else {
                self.dropped += 1;
            }
        }
    }
}

impl Index<'_> {
    /// Searches the `fresh` part of a buffer. What lies around it is context: at least [`LOOK_BACK`] and
    /// [`LOOK_AHEAD`] bytes, or all there are. `at` is the offset of the buffer's first byte in what is searched.
    pub fn search(&self, buf: &[u8], fresh: Range<usize>, at: u64, hits: &mut Hits) -> io::Result<()> {
        let first = to_usize((at + to_u64(fresh.start)).next_multiple_of(STEP) - at);
        let Some(searched) = buf.get(first..fresh.end.saturating_add(7).min(buf.len())) else {
            return Ok(());
        };
        let from = hits.hits.len();
        let mut covered = 0;
        for (n, word) in searched.as_chunks::<8>().0.iter().enumerate() {
            let gram = u64::from_le_bytes(*word);
            if self.filter.may_hold(gram) {
                self.look(buf, first + n * 8, gram, at, (&mut covered, from), hits)?;
            }
        }
        Ok(())
    }

    /// Looks closer at what the filter let through.
    #[cold]
    fn look(
        &self,
        buf: &[u8],
        here: usize,
        gram: u64,
        at: u64,
        (covered, from): (&mut usize, usize),
        hits: &mut Hits,
    ) -> io::Result<()> {
        for (pattern, before) in self.patterns_of(gram) {
            let text = self.text(pattern);
            let Some(start) = here.checked_sub(before) else { continue };
            if buf.get(start..start + text.len()) == Some(text) {
                let hit = Hit {
                    at: at + to_u64(start),
                    len: to_u64(text.len()),
                    word: true,
                    encoding: pattern.encoding,
                    address: pattern.address,
                    spells: pattern.spells,
                };
                hits.push(hit, from);
            }
        }
        if here < *covered {
            return Ok(());
        }
        let Some(bytes) = buf[here..].first_chunk::<GRAM>() else { return Ok(()) };
        for address in self.grams.get(hash::gram(bytes)) {
            let Some(run) = self.run(buf, here, address, hits)? else { continue };
            *covered = (*covered).max(run.end);
            if distinct::run(&buf[run.clone()]) {
                let len = to_u64(run.len());
                let hit = Hit {
                    at: at + to_u64(run.start),
                    len,
                    word: false,
                    encoding: Encoding::Plain,
                    address: address - to_u64(here - run.start),
                    spells: len,
                };
                hits.push(hit, from);
            }
        }
        Ok(())
    }

    /// The longest run around `here` that equals what was removed around `address`; `None` if not even the gram does.
    fn run(
        &self,
        buf: &[u8],
        here: usize,
        address: u64,
        hits: &mut Hits,
    ) -> io::Result<Option<Range<usize>>> {
        hits.source.resize(COMPARED, 0);
        let source = &mut hits.source;
        let mut end = here;
        let mut want = 256;
        loop {
            let want_now = want.min(buf.len() - end);
            let from = address + to_u64(end - here);
            let len = self.removed.read(self.view, from, &mut source[..want_now])?;
            let same = common(&source[..len], &buf[end..]);
            end += same;
            if same < want || len < want {
                break;
            }
            want = COMPARED;
        }
        if end - here < GRAM {
            return Ok(None);
        }
        let before = self.removed.before(address, LOOK_BACK.min(here));
        let len = self.removed.read(self.view, address - to_u64(before), &mut source[..before])?;
        let same = match len == before {
            true => {
                source[..len].iter().rev().zip(buf[..here].iter().rev()).take_while(|(a, b)| a == b).count()
            }
            false => 0,
        };
        Ok(Some(here - same..end))
    }

    /// Searches a device, holes left out, with several threads.
    pub fn search_device(&self, device: &dyn BlockRead, threads: usize) -> io::Result<(Hits, u64)> {
        let threads = threads.clamp(1, 16);
        thread::scope(|scope| {
            let mut results: Vec<Receiver<io::Result<Hits>>> = Vec::new();
            let mut searched = 0;
            let mut jobs = Vec::new();
            for _ in 0..threads {
                let (job, todo) = sync_channel::<Extent>(4);
                let (done, result) = sync_channel(4);
                scope.spawn(move || {
                    let mut buf = Vec::new();
                    for fresh in todo {
                        if done.send(self.search_chunk(device, fresh, &mut buf)).is_err() {
                            break;
                        }
                    }
                });
                jobs.push(job);
                results.push(result);
            }
            // Chunk n goes to thread n modulo threads, and is taken back in the same order.
            let mut hits = Hits::default();
            let (mut sent, mut taken) = (0, 0);
            let mut at = 0;
            while at < device.size() {
                let run = device.run_at(at)?;
                if run.zero {
                    at = at.saturating_add(run.len);
                    continue;
                }
                let start = at / CHUNK * CHUNK;
                let fresh = Extent::between(start, (start + CHUNK).min(device.size()));
                at = fresh.end();
                searched += fresh.len;
                if sent - taken == threads * 2 {
                    hits.append(next(&results, &mut taken)?);
                }
                jobs[sent % threads].send(fresh).map_err(|_| stopped())?;
                sent += 1;
            }
            while taken < sent {
                hits.append(next(&results, &mut taken)?);
            }
            hits.hits.sort_unstable();
            Ok((hits, searched))
        })
    }

    fn search_chunk(&self, device: &dyn BlockRead, fresh: Extent, buf: &mut Vec<u8>) -> io::Result<Hits> {
        let start = fresh.start.saturating_sub(to_u64(LOOK_BACK));
        let end = fresh.end().saturating_add(to_u64(LOOK_AHEAD)).min(device.size());
        buf.resize(to_usize(end - start), 0);
        device.read_at(start, buf)?;
        let mut hits = Hits::default();
        let range = to_usize(fresh.start - start)..to_usize(fresh.end() - start);
        self.search(buf, range, start, &mut hits)?;
        Ok(hits)
    }

    /// Searches a stream, such as the content of a compressed file, up to its end or to `limit` bytes. Offsets are
    /// those in the stream.
    pub fn search_stream(&self, stream: &mut dyn Read, limit: u64, hits: &mut Hits) -> io::Result<u64> {
        let chunk = to_usize(CHUNK);
        let mut stream = stream.take(limit);
        let mut buf = vec![0; LOOK_BACK + chunk + LOOK_AHEAD];
        // `filled` bytes from offset `at` on are there; those before `fresh` have been searched.
        let (mut at, mut filled, mut fresh) = (0, 0, 0);
        loop {
            let mut ended = false;
            while filled < buf.len() && !ended {
                match stream.read(&mut buf[filled..]) {
                    Ok(0) => ended = true,
                    Ok(len) => filled += len,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            let to = if ended { filled } else { filled - LOOK_AHEAD };
            let mut found = Hits::default();
            self.search(&buf[..filled], fresh..to, at, &mut found)?;
            hits.append(found);
            if ended {
                hits.hits.sort_unstable();
                return Ok(at + to_u64(filled));
            }
            let drop = to - LOOK_BACK;
            buf.copy_within(drop..filled, 0);
            (at, filled, fresh) = (at + to_u64(drop), filled - drop, LOOK_BACK);
        }
    }
}

/// How many bytes two slices have in common at their beginnings.
fn common(a: &[u8], b: &[u8]) -> usize {
    let len = a.len().min(b.len());
    let (a, b) = (&a[..len], &b[..len]);
    // By words first: most of a run is equal.
    let words = a.as_chunks::<32>().0.iter().zip(b.as_chunks::<32>().0).take_while(|(a, b)| a == b).count();
    let rest = a[words * 32..].iter().zip(&b[words * 32..]).take_while(|(a, b)| a == b).count();
    words * 32 + rest
}

/// The hits of the next chunk in order.
fn next(results: &[Receiver<io::Result<Hits>>], taken: &mut usize) -> io::Result<Hits> {
    let hits = results[*taken % results.len()].recv().map_err(|_| stopped())?;
    *taken += 1;
    hits
}

fn stopped() -> io::Error {
    io::Error::other("a thread of the search stopped")
}
