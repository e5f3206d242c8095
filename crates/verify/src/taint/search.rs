//! The search: finds pieces of what was removed in any bytes, chunk by chunk.
//!
//! A hit has been compared byte by byte with what was removed. What is found depends neither on the number of
//! threads nor on how fast they are.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io::{self, Read},
    ops::Range,
    sync::{
        Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, sync_channel},
    },
    thread,
};

use block::{BlockRead, Extent, to_u64, to_usize};

use super::{
    distinct,
    encode::Encoding,
    hash::{self, SIFTED},
    index::{GRAM, Index, STEP},
};

/// Bytes in front of the fresh part of a buffer that a caller has to give, if there are any.
pub const LOOK_BACK: usize = 1024;
/// Bytes behind it: the longest spelling, and more.
pub const LOOK_AHEAD: usize = 1024;
/// Bytes that are searched at a time, whoever does it and when: what is found depends on nothing else.
const CHUNK: u64 = 64 << 10;
/// Bytes that are read at a time; a whole number of chunks.
const JOB: u64 = 256 << 10;
/// Bytes whose heads go through the filters together; a whole number of steps.
const PIECE: usize = 8 * SIFTED;
/// Most hits that one chunk has, and most of all.
const MAX_IN_CHUNK: usize = 256;
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
    /// Room for what is compared.
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

/// What was found in chunks that were searched before their turn.
#[derive(Debug, Default)]
pub struct Ahead(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    /// By their offsets.
    found: HashMap<u64, Hits>,
    /// Hits in them.
    count: usize,
    /// Ends of neighbouring buffers whose other side has not come yet, by the offset at which they meet.
    borders: BTreeMap<u64, (Side, Box<[u8]>)>,
}

/// On which side of a border bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    Behind,
}

/// Bytes on each side of a border: a chunk, and what has to be known around it.
const BORDER: usize = to_usize(CHUNK) + LOOK_BACK;
const _: () = assert!(LOOK_AHEAD <= LOOK_BACK, "what lies around a chunk is as much on both sides");
/// Most sides that wait for the other.
const BORDERS: usize = 32;

impl Ahead {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds some chunks. Those for which there is no room are searched once more.
    fn add(&self, found: Vec<(u64, Hits)>) {
        let mut held = self.held();
        for (start, hits) in found {
            if held.count + hits.hits.len() <= MAX_HITS {
                held.count += hits.hits.len();
                held.found.insert(start, hits);
            }
        }
    }

    /// One side of a border has come. Returns both, if the other had.
    fn meet(&self, at: u64, side: Side, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut held = self.held();
        match held.borders.remove(&at) {
            Some((Side::Before, before)) if side == Side::Behind => Some([&before, bytes].concat()),
            Some((Side::Behind, behind)) if side == Side::Before => Some([bytes, &behind].concat()),
            _ => {
                // Those furthest in front have waited longest: their other side is a hole, or was copied too early.
                if held.borders.len() == BORDERS {
                    held.borders.pop_first();
                }
                held.borders.insert(at, (side, bytes.into()));
                None
            }
        }
    }

    fn take(&self) -> HashMap<u64, Hits> {
        std::mem::take(&mut *self.held()).found
    }
}

/// The first chunk from `at` on that is not one whole hole.
fn chunk_at(device: &dyn BlockRead, mut at: u64) -> io::Result<Option<Extent>> {
    while at < device.size() {
        let run = device.run_at(at)?;
        if !run.zero {
            let start = at / CHUNK * CHUNK;
            return Ok(Some(Extent::between(start, (start + CHUNK).min(device.size()))));
        }
        at = at.saturating_add(run.len);
    }
    Ok(None)
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
        // Passes, so that each is short and waits for memory with several heads at a time: what either filter lets
        // through, what the tables may have, and what they do have.
        let mut numbers = [0; SIFTED];
        for (n, piece) in searched.chunks(PIECE).enumerate() {
            let place = |number: u16| first + n * PIECE + usize::from(number) * to_usize(STEP);
            let (heads, _) = piece.as_chunks();
            let head =
                |number: u16| heads.get(usize::from(number)).map_or(0, |head| u64::from_le_bytes(*head));
            let count = self.heads.sift(piece, &mut numbers);
            let count = keep(&mut numbers[..count], |number| self.heads.may_hold(head(number)));
            let count = keep(&mut numbers[..count], |number| {
                let gram = buf[place(number)..].first_chunk::<GRAM>();
                self.may_spell(head(number)) | gram.is_some_and(|gram| self.grams.may_hold(hash::gram(gram)))
            });
            for &number in &numbers[..count] {
                self.look(buf, place(number), at, (&mut covered, from), hits)?;
            }
        }
        Ok(())
    }

    /// Looks closer at what the filters let through.
    #[cold]
    fn look(
        &self,
        buf: &[u8],
        here: usize,
        at: u64,
        (covered, from): (&mut usize, usize),
        hits: &mut Hits,
    ) -> io::Result<()> {
        let Some(head) = buf[here..].first_chunk() else { return Ok(()) };
        for (pattern, before) in self.patterns_of(u64::from_le_bytes(*head)) {
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

    /// Searches bytes that the device to be searched will have at `offset`, as far as what lies around them is known:
    /// [`search_device`](Self::search_device) passes over what has been found by then, and comes to the same result.
    /// Several threads may, each with another part.
    pub fn search_ahead(&self, offset: u64, bytes: &[u8], ahead: &Ahead) {
        let end = offset.saturating_add(to_u64(bytes.len()));
        self.search_known(
            offset,
            bytes,
            if offset == 0 { 0..end } else { offset + to_u64(LOOK_BACK)..end },
            ahead,
        );
        if bytes.len() < BORDER {
            return;
        }
        let sides =
            [(offset, Side::Behind, &bytes[..BORDER]), (end, Side::Before, &bytes[bytes.len() - BORDER..])];
        for (at, side, bytes) in sides {
            if at >= to_u64(BORDER)
                && at.is_multiple_of(CHUNK)
                && let Some(both) = ahead.meet(at, side, bytes)
            {
                self.search_known(at - to_u64(BORDER), &both, at - CHUNK..at + to_u64(BORDER), ahead);
            }
        }
    }

    /// Searches the chunks of a buffer that start in a range, as long as what follows them is known.
    fn search_known(&self, offset: u64, bytes: &[u8], range: Range<u64>, ahead: &Ahead) {
        let mut scratch = Hits::default();
        let mut found = Vec::new();
        for start in (range.start.next_multiple_of(CHUNK)..range.end).step_by(to_usize(CHUNK)) {
            let fresh = Extent { start, len: CHUNK };
            let around = fresh.start.saturating_sub(to_u64(LOOK_BACK));
            let Some(behind) =
                fresh.end().checked_add(to_u64(LOOK_AHEAD)).filter(|&behind| behind <= range.end)
            else {
                break;
            };
            let buf = &bytes[to_usize(around - offset)..to_usize(behind - offset)];
            // What cannot be compared now has its turn later, and says why.
            match self.search_within(buf, around, fresh, &mut scratch) {
                Ok(hits) => found.push((start, hits)),
                Err(_) => break,
            }
        }
        ahead.add(found);
    }

    /// Searches a chunk of a buffer whose first byte is at offset `at`.
    fn search_within(&self, buf: &[u8], at: u64, fresh: Extent, scratch: &mut Hits) -> io::Result<Hits> {
        let range = to_usize(fresh.start - at)..to_usize(fresh.end() - at);
        scratch.hits.clear();
        scratch.dropped = 0;
        self.search(buf, range, at, scratch)?;
        Ok(Hits { hits: scratch.hits.clone(), dropped: scratch.dropped, ..Hits::default() })
    }

    /// Searches a device, holes left out, with several threads. Returns what was found, `ahead` or now, and how many
    /// bytes were searched.
    pub fn search_device(
        &self,
        device: &dyn BlockRead,
        ahead: &Ahead,
        threads: usize,
    ) -> io::Result<(Hits, u64)> {
        let threads = threads.clamp(1, 16);
        let mut ahead = ahead.take();
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
            let mut at = 0;
            loop {
                let next = chunk_at(device, at)?;
                if let Some(chunk) = next {
                    searched += chunk.len;
                    at = chunk.end();
                    if let Some(found) = ahead.remove(&chunk.start) {
                        match order.is_empty() {
                            true => hits.append(found),
                            false => order.push_back(Some(found)),
                        }
                        continue;
                    }
                    let mut fresh = chunk;
                    while fresh.len < JOB
                        && let Some(next) = chunk_at(device, at)?
                        && next.start == at
                        && !ahead.contains_key(&at)
                    {
                        searched += next.len;
                        at = next.end();
                        fresh.len += next.len;
                    }
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

    /// Searches some chunks that follow each other, one by one.
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
        let chunks = (all.start..all.end()).step_by(to_usize(CHUNK));
        chunks
            .map(|start| {
                let fresh = Extent::between(start, (start + CHUNK).min(all.end()));
                let part = around(fresh);
                let within = to_usize(part.start - read.start)..to_usize(part.end() - read.start);
                self.search_within(&buf[within], part.start, fresh, scratch)
            })
            .collect()
    }

    /// Searches a stream, such as the content of a compressed file, up to its end or to `limit` bytes. Offsets are
    /// those in the stream.
    pub fn search_stream(&self, stream: &mut dyn Read, limit: u64, hits: &mut Hits) -> io::Result<u64> {
        let chunk = to_usize(JOB);
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

/// Moves the numbers that are worth it to the front, in their order. Returns how many there are.
#[inline]
fn keep(numbers: &mut [u16], worth: impl Fn(u16) -> bool) -> usize {
    let mut kept = 0;
    for n in 0..numbers.len() {
        let number = numbers[n];
        numbers[kept] = number;
        kept += usize::from(worth(number));
    }
    kept
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

fn stopped() -> io::Error {
    io::Error::other("a thread of the search stopped")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::taint::Removed;

    #[test]
    fn neighbours_meet_whichever_comes_first() {
        const BUFFER: usize = 1 << 20;
        let view = vec![0; 4096];
        let removed = Removed::new();
        let index = Index::new(&view, &removed).unwrap();
        let bytes = vec![7; BUFFER];
        let ahead = Ahead::default();
        // Nobody ever has the fourth.
        for number in [2, 0, 1, 4, 6, 5] {
            index.search_ahead(to_u64(number * BUFFER), &bytes, &ahead);
        }
        let found = |ahead: &Ahead| {
            let mut found: Vec<u64> = ahead.take().into_keys().map(|start| start / CHUNK).collect();
            found.sort_unstable();
            found
        };
        assert_eq!(found(&ahead), (0..47).chain(65..111).collect::<Vec<u64>>());
        // However many wait in vain.
        for number in 0..100 {
            index.search_ahead(to_u64(2 * number * BUFFER), &bytes, &ahead);
        }
        found(&ahead);
        for number in [202, 203] {
            index.search_ahead(to_u64(number * BUFFER), &bytes, &ahead);
        }
        assert_eq!(found(&ahead), (202 * 16 + 1..204 * 16 - 1).collect::<Vec<u64>>());
    }
}
