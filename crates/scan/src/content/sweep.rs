//! One pass over a device's bytes, in several threads: every secret, in ascending order, the same for any number
//! of threads.

use std::{
    io,
    ops::Range,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use block::{BlockRead, Extent, ExtentSet, to_u64, to_usize};

use super::{ContentRule, Digest, Hit, Key, LOOK_AHEAD, LOOK_BACK, Overlaps, Scanner, Tier, overlap::Ranged};

/// Fresh bytes of a buffer. Chunks lie on a grid, so that where they end depends on nothing.
pub(super) const CHUNK: u64 = 1 << 20;
/// Chunks that a worker may be ahead.
const AHEAD: usize = 4;

/// A secret that was found. Its bytes are not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The rule that knows it.
    pub rule: &'static ContentRule,
    /// Where it begins, on the device or in the stream.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Its keyed digest.
    pub digest: Digest,
    /// The rule's number in the registry.
    rank: usize,
}

impl Secret {
    /// A hit in a buffer that begins at `base`.
    pub(super) fn new(hit: &Hit, buffer: &[u8], base: u64, key: &Key) -> Self {
        let Range { start, end } = hit.secret;
        Self {
            rule: hit.rule,
            offset: base + to_u64(start),
            length: to_u64(end - start),
            digest: Digest::new(key, &buffer[start..end]),
            rank: hit.rank,
        }
    }
}

impl Ranged for Secret {
    fn range(&self) -> (u64, u64) {
        (self.offset, self.offset + self.length)
    }
    fn worth(&self) -> (Tier, usize) {
        (self.rule.tier, self.rank)
    }
}

/// What a worker found in a chunk.
type Found = io::Result<Vec<Secret>>;

/// A thread that scans the chunks that it is sent, in order.
struct Worker {
    chunks: SyncSender<Extent>,
    found: Receiver<Found>,
}

/// Reports each secret that begins in `parts` of the device, in ascending order; `progress` is told how far the
/// pass is. What lies beside a part is context. Holes are not read. Returns how many bytes were scanned.
///
/// Fails where the device does; what lies before that place has been reported by then.
pub fn sweep(
    device: &dyn BlockRead,
    parts: &ExtentSet,
    scanner: &Scanner,
    key: &Key,
    workers: usize,
    progress: &mut dyn FnMut(u64),
    visit: &mut dyn FnMut(Secret),
) -> io::Result<u64> {
    thread::scope(|scope| {
        let workers: Vec<Worker> = (0..workers.max(1))
            .map(|_| {
                let (chunks, work) = sync_channel::<Extent>(AHEAD);
                let (done, found) = sync_channel::<Found>(AHEAD);
                let mut scanner = scanner.clone();
                scope.spawn(move || {
                    let mut buffer = Vec::new();
                    for chunk in work {
                        let secrets = scan_chunk(device, chunk, &mut scanner, key, &mut buffer);
                        if done.send(secrets).is_err() {
                            break;
                        }
                    }
                });
                Worker { chunks, found }
            })
            .collect();
        let mut overlaps = Overlaps::default();
        let mut receive = |chunk: Extent, number: usize| -> io::Result<()> {
            let gone = || io::Error::other("a thread that scans has stopped");
            let secrets = workers[number % workers.len()].found.recv().map_err(|_| gone())??;
            secrets.into_iter().filter_map(|secret| overlaps.push(secret)).for_each(&mut *visit);
            progress(chunk.end());
            Ok(())
        };
        // Each worker has at most AHEAD chunks that nobody has received, so nothing here waits for ever.
        let most = workers.len() * AHEAD;
        let mut pending = std::collections::VecDeque::with_capacity(most);
        let (mut sent, mut scanned) = (0, 0);
        chunks(device, parts, &mut |chunk| {
            if pending.len() == most {
                let (chunk, number) = pending.pop_front().expect("it is full");
                receive(chunk, number)?;
            }
            // A worker only ends early if it panics, which `receive` reports.
            let _ = workers[sent % workers.len()].chunks.send(chunk);
            pending.push_back((chunk, sent));
            sent += 1;
            scanned += chunk.len;
            Ok(())
        })?;
        for (chunk, number) in pending {
            receive(chunk, number)?;
        }
        overlaps.finish().into_iter().for_each(visit);
        Ok(scanned)
    })
}

/// The pieces of `parts` between points of the grid that are not one hole.
fn chunks(
    device: &dyn BlockRead,
    parts: &ExtentSet,
    visit: &mut dyn FnMut(Extent) -> io::Result<()>,
) -> io::Result<()> {
    let disk = Extent { start: 0, len: device.size() };
    for part in parts.parts(disk) {
        let mut at = part.start;
        while at < part.end() {
            let run = device.run_at(at)?;
            if run.zero {
                at = at.saturating_add(run.len);
                continue;
            }
            let grid = at / CHUNK * CHUNK;
            let chunk = Extent { start: grid, len: CHUNK }.intersect(part);
            visit(chunk)?;
            at = chunk.end();
        }
    }
    Ok(())
}

/// The hits that begin in `chunk`.
fn scan_chunk(
    device: &dyn BlockRead,
    chunk: Extent,
    scanner: &mut Scanner,
    key: &Key,
    buffer: &mut Vec<u8>,
) -> Found {
    let start = chunk.start.saturating_sub(to_u64(LOOK_BACK));
    let end = chunk.end().saturating_add(to_u64(LOOK_AHEAD)).min(device.size());
    buffer.resize(to_usize(end - start), 0);
    device.read_at(start, buffer)?;
    let mut secrets = Vec::new();
    let fresh = to_usize(chunk.start - start)..to_usize(chunk.end() - start);
    scanner.scan(buffer, fresh, &mut |hit| secrets.push(Secret::new(&hit, buffer, start, key)));
    Ok(secrets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{check::github::sign, rules};

    /// Data, of which some ranges are holes.
    struct Sparse {
        data: Vec<u8>,
        holes: ExtentSet,
    }

    impl BlockRead for Sparse {
        fn size(&self) -> u64 {
            self.data.size()
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            self.data.read_at(offset, buf)
        }
        fn run_at(&self, offset: u64) -> io::Result<block::Run> {
            let rest = Extent::between(offset, self.size());
            let hole = self.holes.parts(rest).next().unwrap_or(Extent { start: rest.end(), len: 0 });
            Ok(match hole.start.checked_sub(offset) {
                Some(0) => block::Run { len: hole.len, zero: true },
                Some(len) => block::Run { len, zero: false },
                None => unreachable!(),
            })
        }
    }

    fn all_rules() -> Scanner {
        Scanner::new(&rules::all().collect::<Vec<_>>())
    }

    /// Five chunks of noise without and with tokens, one of them a hole.
    fn disk() -> (Sparse, Vec<u64>) {
        let chunk = to_usize(CHUNK);
        let mut data: Vec<u8> = (0..5 * chunk + 100).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
        data[chunk..3 * chunk].fill(0);
        let mut planted = Vec::new();
        for (number, at) in
            [0, 4096, chunk - 40, chunk - 39, 3 * chunk - 1, 3 * chunk + 60, 4 * chunk - 13, 5 * chunk + 60]
                .into_iter()
                .enumerate()
        {
            let token = sign("ghp_", &format!("{number:030}"));
            let at = if at == chunk - 39 { chunk + 1 } else { at };
            data[at..at + 40].copy_from_slice(token.as_bytes());
            planted.push(to_u64(at));
        }
        let holes = [Extent { start: CHUNK + 4096, len: 2 * CHUNK - 8192 }].into_iter().collect();
        (Sparse { data, holes }, planted)
    }

    fn found(disk: &Sparse, parts: &ExtentSet, workers: usize) -> Vec<Secret> {
        let mut found = Vec::new();
        let key = Key([1; 32]);
        let mut last = 0;
        let mut progress = |at| {
            assert!(at > last);
            last = at;
        };
        sweep(disk, parts, &all_rules(), &key, workers, &mut progress, &mut |secret| found.push(secret))
            .unwrap();
        found
    }

    #[test]
    fn any_number_of_threads_finds_the_same() {
        let (disk, planted) = disk();
        let whole = [Extent { start: 0, len: disk.size() }].into_iter().collect();
        let one = found(&disk, &whole, 1);
        assert_eq!(one.iter().map(|secret| secret.offset).collect::<Vec<_>>(), planted);
        assert!(one.iter().all(|secret| secret.length == 40 && secret.rule.id == "github-token"));
        for workers in [0, 2, 3, 16] {
            assert_eq!(found(&disk, &whole, workers), one, "{workers} threads");
        }
    }

    #[test]
    fn parts_report_what_begins_in_them() {
        let (disk, planted) = disk();
        let parts: ExtentSet = [Extent::between(1, planted[1] + 1), Extent::between(planted[4], planted[5])]
            .into_iter()
            .collect();
        let found = found(&disk, &parts, 2);
        assert_eq!(found.iter().map(|secret| secret.offset).collect::<Vec<_>>(), [planted[1], planted[4]]);
    }

    #[test]
    fn a_stream_holds_what_a_device_holds() {
        let (disk, planted) = disk();
        let mut found = Vec::new();
        let read = super::super::sweep_reader(
            &mut disk.data.as_slice(),
            &mut all_rules(),
            &Key([1; 32]),
            &mut |secret| found.push(secret.offset),
        );
        assert_eq!(read.unwrap(), disk.size());
        assert_eq!(found, planted);
    }

    #[test]
    fn a_device_that_fails_stops_the_pass() {
        struct Broken;
        impl BlockRead for Broken {
            fn size(&self) -> u64 {
                100 * CHUNK
            }
            fn read_at(&self, offset: u64, _: &mut [u8]) -> io::Result<()> {
                if offset > 20 * CHUNK { Err(io::Error::other("sector")) } else { Ok(()) }
            }
            fn run_at(&self, offset: u64) -> io::Result<block::Run> {
                Ok(block::Run { len: self.size() - offset, zero: false })
            }
        }
        let whole = [Extent { start: 0, len: Broken.size() }].into_iter().collect();
        for workers in [1, 3] {
            let mut last = 0;
            let result = sweep(
                &Broken,
                &whole,
                &all_rules(),
                &Key([1; 32]),
                workers,
                &mut |at| last = at,
                &mut |_| (),
            );
            assert_eq!(result.unwrap_err().to_string(), "sector");
            assert_eq!(last, 21 * CHUNK, "{workers} threads");
        }
    }
}
