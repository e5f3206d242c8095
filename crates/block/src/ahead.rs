//! Reads pieces of a disk several at a time, and hands them on one by one, in their order.
//!
//! A disk does more with two large requests than with one small one. Memory is bounded by [`PIECE`], not by the disk.

use std::{
    collections::VecDeque,
    io,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use crate::{Extent, PageBuffer, to_usize};

/// Most bytes of a piece.
pub const PIECE: u64 = 4 << 20;
/// Threads that read.
const READERS: usize = 2;
/// Pieces that are being read, or wait to be taken, for each of them.
const WAITING: usize = 2;

/// The first bytes, so many, are read here: a small disk is not worth a thread.
const SMALL: u64 = 1 << 20;

type Piece = (PageBuffer, io::Result<()>);

/// One thread that reads, and what it has read.
struct Reader {
    wanted: SyncSender<(Extent, PageBuffer)>,
    read: Receiver<Piece>,
}

/// Reads all `pieces`, each of at most [`PIECE`] bytes, with `read`, and hands each with its `T` to `take`.
///
/// The first error ends it: of the iterator, of `take`, or of reading, which comes to `take` in its place.
pub fn read_ahead<T, E>(
    read: &(dyn Fn(u64, &mut [u8]) -> io::Result<()> + Sync),
    mut pieces: impl Iterator<Item = Result<(Extent, T), E>>,
    mut take: impl FnMut(Extent, T, io::Result<&[u8]>) -> Result<(), E>,
) -> Result<(), E> {
    let (mut buffer, mut here) = (PageBuffer::new(0), 0);
    while here < SMALL {
        let Some(piece) = pieces.next() else { return Ok(()) };
        let (extent, what) = piece?;
        buffer = at_least(buffer, extent);
        let bytes = &mut buffer[..to_usize(extent.len)];
        let result = read(extent.start, bytes);
        take(extent, what, result.map(|()| &*bytes))?;
        here += extent.len;
    }
    thread::scope(|scope| {
        let readers: Vec<Reader> = (0..READERS)
            .map(|_| {
                let (wanted, jobs) = sync_channel::<(Extent, PageBuffer)>(WAITING);
                let (done, results) = sync_channel(WAITING);
                scope.spawn(move || {
                    for (extent, mut buffer) in jobs {
                        let result = read(extent.start, &mut buffer[..to_usize(extent.len)]);
                        if done.send((buffer, result)).is_err() {
                            break;
                        }
                    }
                });
                Reader { wanted, read: results }
            })
            .collect();
        let mut free = vec![buffer];
        let mut under_way: VecDeque<(Extent, T)> = VecDeque::new();
        let (mut sent, mut taken, mut ended) = (0, 0, false);
        loop {
            while !ended && under_way.len() < READERS * WAITING {
                let Some(piece) = pieces.next() else {
                    ended = true;
                    break;
                };
                let (extent, what) = piece?;
                let buffer = at_least(free.pop().unwrap_or_else(|| PageBuffer::new(0)), extent);
                // A reader that is gone has panicked, and the scope says so.
                if readers[sent % READERS].wanted.send((extent, buffer)).is_err() {
                    return Ok(());
                }
                under_way.push_back((extent, what));
                sent += 1;
            }
            let Some((extent, what)) = under_way.pop_front() else { return Ok(()) };
            let Ok((buffer, result)) = readers[taken % READERS].read.recv() else { return Ok(()) };
            taken += 1;
            take(extent, what, result.map(|()| &buffer[..to_usize(extent.len)]))?;
            free.push(buffer);
        }
    })
}

/// A buffer in which the extent has room.
fn at_least(buffer: PageBuffer, extent: Extent) -> PageBuffer {
    match to_usize(extent.len) {
        len if buffer.len() < len => PageBuffer::new(len),
        _ => buffer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlockRead, to_u64};

    fn pieces(disk: &[u8]) -> impl Iterator<Item = Result<(Extent, usize), String>> {
        let lens = [1, 4096, to_usize(PIECE), 17].into_iter().cycle();
        let mut at = 0;
        lens.zip(0..).map_while(move |(len, number)| {
            let extent = Extent { start: to_u64(at), len: to_u64(len.min(disk.len() - at)) };
            at += to_usize(extent.len);
            (!extent.is_empty()).then_some(Ok((extent, number)))
        })
    }

    fn disk() -> Vec<u8> {
        (0..15_000_000u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
    }

    #[test]
    fn every_piece_once_and_in_order() {
        let disk = disk();
        let (mut at, mut count) = (0, 0);
        read_ahead(&|offset, buf| disk.read_at(offset, buf), pieces(&disk), |extent, number, bytes| {
            assert_eq!((extent.start, number), (at, count));
            assert!(bytes.unwrap() == &disk[to_usize(extent.start)..to_usize(extent.end())]);
            (at, count) = (extent.end(), count + 1);
            Ok::<_, String>(())
        })
        .unwrap();
        assert_eq!(at, to_u64(disk.len()));
        let nothing = std::iter::empty::<Result<(Extent, ()), String>>();
        read_ahead(&|_, _| unreachable!(), nothing, |_, (), _| Ok(())).unwrap();
    }

    #[test]
    fn the_first_error_ends_it() {
        let disk = disk();
        let bad = |offset: u64, buf: &mut [u8]| match offset {
            ..4096 => disk.read_at(offset, buf),
            _ => Err(io::Error::other("bad sector")),
        };
        let mut seen = 0;
        let take = |_, _, bytes: io::Result<&[u8]>| {
            bytes.map_err(|error| error.to_string())?;
            seen += 1;
            Ok(())
        };
        assert_eq!(read_ahead(&bad, pieces(&disk), take).unwrap_err(), "bad sector");
        assert_eq!(seen, 2);
        let good = |offset: u64, buf: &mut [u8]| disk.read_at(offset, buf);
        let stopped = read_ahead(&good, pieces(&disk), |_, number, _| match number {
            5 => Err(format!("stopped at {number}")),
            _ => Ok(()),
        });
        assert_eq!(stopped.unwrap_err(), "stopped at 5");
        let broken = pieces(&disk).take(3).chain([Err("broken".to_owned())]);
        assert_eq!(read_ahead(&good, broken, |_, _, _| Ok(())).unwrap_err(), "broken");
    }
}
