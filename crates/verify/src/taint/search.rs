//! The search: finds pieces of what was removed in any bytes, chunk by chunk.
//!
//! A hit has been compared byte by byte with what was removed. What is found depends neither on the number of
//! threads nor on how fast they are.

use std::{
    io::{self, Read},
    ops::Range,
};

use block::{Extent, is_zero, to_u64, to_usize};

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
/// Small, because what lies beside a border waits in memory for the other side.
pub(super) const CHUNK: u64 = 16 << 10;
/// Bytes of a stream that are read at a time.
const STREAMED: usize = 256 << 10;
/// Bytes whose heads go through the filters together; a whole number of steps.
const PIECE: usize = 8 * SIFTED;
/// Most hits that one chunk has, and most of all.
const MAX_IN_CHUNK: usize = 256;
pub(super) const MAX_HITS: usize = 1 << 18;
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

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.hits.len()
    }

    /// Whether there is anything to tell.
    pub(super) const fn any(&self) -> bool {
        !self.hits.is_empty() || self.dropped > 0
    }

    pub(super) fn append(&mut self, other: Self) {
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
        // Passes, so that each is short and waits for memory with several heads at a time: what either filter lets
        // through, what the tables may have, and what they do have.
        let mut numbers = [0; SIFTED];
        for (n, piece) in searched.chunks(PIECE).enumerate() {
            // A fifth of most disks; and zeros are never put in.
            if is_zero(piece) {
                continue;
            }
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
        // A gram that reaches beyond the last run can lead to another: what many lines begin with leads to the first.
        if here + GRAM <= *covered {
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

    /// Searches a chunk of a buffer whose first byte is at offset `at`.
    pub(super) fn search_within(
        &self,
        buf: &[u8],
        at: u64,
        fresh: Extent,
        scratch: &mut Hits,
    ) -> io::Result<Hits> {
        let range = to_usize(fresh.start - at)..to_usize(fresh.end() - at);
        scratch.hits.clear();
        scratch.dropped = 0;
        self.search(buf, range, at, scratch)?;
        Ok(Hits { hits: scratch.hits.clone(), dropped: scratch.dropped, ..Hits::default() })
    }

    /// Searches a stream, such as the content of a compressed file, up to its end or to `limit` bytes. Offsets are
    /// those in the stream.
    pub fn search_stream(&self, stream: &mut dyn Read, limit: u64, hits: &mut Hits) -> io::Result<u64> {
        let chunk = STREAMED;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::taint::Removed;

    /// Of a small file, whatever counts: its dull parts have fewer grams in the index.
    #[test]
    fn no_run_that_counts_is_missed() {
        let mut key = [0; 600];
        blake3::Hasher::new().finalize_xof().fill(&mut key);
        let letters: Vec<u8> =
            key.iter().map(|byte| b'0' + byte % 75).filter(u8::is_ascii_alphanumeric).collect();
        let mut removed = Vec::new();
        for (line, word) in letters.chunks(23).enumerate() {
            let text = format!(
                "Nov 21 22:11:{line:02} host app[{}]: session opened for the user root, key=",
                line * 37
            );
            removed.extend(text.bytes().chain(word.iter().copied()).chain(*b" was seen by nobody else\n"));
        }
        removed.extend(&key[..300]);
        let view: Vec<u8> = Vec::new();
        let mut all = Removed::new();
        all.add_content(b"/removed", &removed);
        let index = Index::new(&view, &all).unwrap();
        let mut counted = 0;
        for len in [40, 41, 47, 54, 55, 63, 64, 80, 512] {
            // All of their grams can be in the index.
            let grams = |run: &[u8]| run.array_windows().all(distinct::gram);
            let counts = |(_, run): &(usize, &[u8])| distinct::run(run) && grams(run);
            for (from, run) in removed.windows(len).enumerate().filter(counts) {
                let mut buf = vec![b'~'; 640];
                let at = 32 + (from * 3 + len) % 8;
                buf[at..at + len].copy_from_slice(run);
                let mut hits = Hits::default();
                index.search(&buf, 0..640, 0, &mut hits).unwrap();
                let whole = |hit: &Hit| !hit.word && hit.at <= to_u64(at) && hit.len >= to_u64(len);
                assert!(hits.hits.iter().any(whole), "{len} bytes from {from} on");
                counted += 1;
            }
        }
        assert!(counted > 5000, "{counted}");
    }
}
