//! One pass over a device's bytes, in several threads: every secret, in ascending order, the same for any number
//! of threads.

use std::{
    io,
    ops::Range,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use block::{BlockRead, Extent, ExtentSet, PageBuffer, to_u64, to_usize};

use super::{
    ContentRule, Digest, Hit, Key, LOOK_AHEAD, LOOK_BACK, Overlaps, Scanner, Tier, overlap::Ranged,
    wide::narrow,
};

/// Holes are left out in chunks of this size. They lie on a grid, so that where they end depends on nothing.
pub(super) const CHUNK: u64 = 1 << 20;
/// The grid of runs: what a worker scans without asking.
const RUN: u64 = 4 << 20;
/// Fresh bytes of a buffer. What the kernel copies is searched while it is in the processor's own cache.
const PIECE: u64 = 256 << 10;
/// The most that a window holds: fresh bytes, and what stands before and behind them.
const WINDOW: usize = LOOK_BACK + to_usize(PIECE) + LOOK_AHEAD;
/// Runs that a worker may be ahead.
const AHEAD: usize = 4;

/// A secret that was found. Its bytes are not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The rule that knows it.
    pub rule: &'static ContentRule,
    /// Where it begins, on the device or in the stream.
    pub offset: u64,
    /// Its length in bytes, as it is stored.
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
            // The same secret has one digest, however it is stored.
            digest: match hit.wide {
                true => Digest::new(key, &narrow(&buffer[start..end])),
                false => Digest::new(key, &buffer[start..end]),
            },
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

/// What was found in a run of chunks, and what ended it early.
struct Found {
    secrets: Vec<Secret>,
    failed: Option<io::Error>,
}

/// A thread that scans the runs that it is sent, in order.
struct Worker {
    runs: SyncSender<Extent>,
    found: Receiver<Found>,
}

/// Takes what is found in the order of the device.
struct Sink<'a> {
    overlaps: Overlaps<Secret>,
    progress: &'a mut dyn FnMut(u64),
    visit: &'a mut dyn FnMut(Secret),
}

impl Sink<'_> {
    fn take(&mut self, run: Extent, found: Found) -> io::Result<()> {
        found.secrets.into_iter().filter_map(|secret| self.overlaps.push(secret)).for_each(&mut *self.visit);
        if let Some(error) = found.failed {
            return Err(error);
        }
        (self.progress)(run.end());
        Ok(())
    }
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
    let mut sink = Sink { overlaps: Overlaps::default(), progress, visit };
    let mut scanned = 0;
    if workers <= 1 {
        let (mut scanner, mut buffer) = (scanner.clone(), PageBuffer::new(WINDOW));
        runs(device, parts, &mut |run| {
            scanned += run.len;
            sink.take(run, scan_run(device, run, &mut scanner, key, &mut buffer))
        })?;
    } else {
        scanned = in_threads(device, parts, scanner, key, workers, &mut sink)?;
    }
    sink.overlaps.finish().into_iter().for_each(sink.visit);
    Ok(scanned)
}

fn in_threads(
    device: &dyn BlockRead,
    parts: &ExtentSet,
    scanner: &Scanner,
    key: &Key,
    workers: usize,
    sink: &mut Sink<'_>,
) -> io::Result<u64> {
    thread::scope(|scope| {
        let workers: Vec<Worker> = (0..workers)
            .map(|_| {
                let (runs, work) = sync_channel::<Extent>(AHEAD);
                let (done, found) = sync_channel::<Found>(AHEAD);
                let mut scanner = scanner.clone();
                scope.spawn(move || {
                    let mut buffer = PageBuffer::new(WINDOW);
                    for run in work {
                        if done.send(scan_run(device, run, &mut scanner, key, &mut buffer)).is_err() {
                            break;
                        }
                    }
                });
                Worker { runs, found }
            })
            .collect();
        let mut receive = |run: Extent, number: usize| -> io::Result<()> {
            let gone = |_| io::Error::other("a thread that scans has stopped");
            sink.take(run, workers[number % workers.len()].found.recv().map_err(gone)?)
        };
        // Each worker has at most AHEAD runs that nobody has received, so nothing here waits for ever.
        let most = workers.len() * AHEAD;
        let mut pending = std::collections::VecDeque::with_capacity(most);
        let (mut sent, mut scanned) = (0, 0);
        runs(device, parts, &mut |run| {
            if pending.len() == most {
                let (run, number) = pending.pop_front().expect("it is full");
                receive(run, number)?;
            }
            // A worker only ends early if it panics, which `receive` reports.
            let _ = workers[sent % workers.len()].runs.send(run);
            pending.push_back((run, sent));
            sent += 1;
            scanned += run.len;
            Ok(())
        })?;
        for (run, number) in pending {
            receive(run, number)?;
        }
        Ok(scanned)
    })
}

/// Chunks that follow each other, together, between points of a wider grid.
fn runs(
    device: &dyn BlockRead,
    parts: &ExtentSet,
    visit: &mut dyn FnMut(Extent) -> io::Result<()>,
) -> io::Result<()> {
    let mut run: Option<Extent> = None;
    let walked = chunks(device, parts, &mut |chunk| match &mut run {
        Some(run) if run.end() == chunk.start && chunk.start % RUN != 0 => {
            run.len += chunk.len;
            Ok(())
        }
        _ => run.replace(chunk).map_or(Ok(()), &mut *visit),
    });
    run.map_or(Ok(()), visit)?;
    walked
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
        let mut data = at;
        while at < part.end() {
            if at >= data {
                let run = device.run_at(at)?;
                if run.zero {
                    at = at.saturating_add(run.len);
                    continue;
                }
                data = at.saturating_add(run.len);
            }
            let grid = at / CHUNK * CHUNK;
            let chunk = Extent { start: grid, len: CHUNK }.intersect(part);
            visit(chunk)?;
            at = chunk.end();
        }
    }
    Ok(())
}

/// The hits that begin in `run`, piece by piece: a window of the device slides along it, and no byte is read twice.
fn scan_run(
    device: &dyn BlockRead,
    run: Extent,
    scanner: &mut Scanner,
    key: &Key,
    buffer: &mut [u8],
) -> Found {
    let mut found = Found { secrets: Vec::new(), failed: None };
    // The window begins at `base`, and its first `filled` bytes have been read.
    let mut base = run.start.saturating_sub(to_u64(LOOK_BACK));
    let (mut at, mut filled) = (run.start, 0);
    while at < run.end() {
        let end = at.saturating_add(PIECE).min(run.end());
        let start = at.saturating_sub(to_u64(LOOK_BACK));
        let gone = to_usize(start - base);
        if gone > 0 {
            buffer.copy_within(gone..filled, 0);
            filled -= gone;
            base = start;
        }
        let wanted = to_usize(end.saturating_add(to_u64(LOOK_AHEAD)).min(device.size()) - base);
        if filled < wanted {
            if let Err(error) = device.read_at(base + to_u64(filled), &mut buffer[filled..wanted]) {
                found.failed = Some(error);
                break;
            }
            filled = wanted;
        }
        let window = &buffer[..filled];
        let fresh = to_usize(at - base)..to_usize(end - base);
        let mut visit = |hit: Hit| found.secrets.push(Secret::new(&hit, window, base, key));
        if at == run.start {
            scanner.scan(window, fresh, &mut visit);
        } else {
            scanner.scan_next(gone, window, fresh, &mut visit);
        }
        at = end;
    }
    found
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
    fn a_secret_in_utf_16_is_the_same_secret() {
        let token = sign("ghp_", &"w7".repeat(15));
        let wide: Vec<u8> = token.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let piece = to_usize(PIECE);
        let places = [0, 4097, piece - 80, piece * 2 - 39, piece * 3 - 79, piece * 5 + 1, 7 * piece - 80];
        let mut data = vec![0xaa; 7 * piece];
        for at in places {
            data[at..at + 80].copy_from_slice(&wide);
        }
        data[piece * 6..piece * 6 + 40].copy_from_slice(token.as_bytes());
        let disk = Sparse { data, holes: ExtentSet::default() };
        let whole = [Extent { start: 0, len: disk.size() }].into_iter().collect();
        for workers in [1, 3] {
            let found = found(&disk, &whole, workers);
            let (narrow, wide): (Vec<&Secret>, Vec<&Secret>) = found.iter().partition(|one| one.length == 40);
            assert_eq!(wide.iter().map(|secret| to_usize(secret.offset)).collect::<Vec<_>>(), places);
            assert!(wide.iter().all(|secret| secret.length == 80 && secret.digest == narrow[0].digest));
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
            assert_eq!(last, 20 * CHUNK, "{workers} threads");
        }
    }
}
