//! A pass over a stream: a file's content, or what a decompressor gives.

use std::io::{self, Read};

use block::{to_u64, to_usize};

use super::{Key, LOOK_AHEAD, LOOK_BACK, Overlaps, Scanner, Secret, sweep::CHUNK};

/// Reports each secret in the stream, in ascending order, and returns how long the stream is. Memory does not
/// follow its length.
pub fn sweep_reader(
    reader: &mut dyn Read,
    scanner: &mut Scanner,
    key: &Key,
    visit: &mut dyn FnMut(Secret),
) -> io::Result<u64> {
    let chunk = to_usize(CHUNK);
    let mut overlaps = Overlaps::default();
    // Of the stream: `base` is where the buffer begins, `fresh` how much of the buffer has been reported.
    let (mut buffer, mut base, mut fresh) = (Vec::new(), 0_u64, 0);
    loop {
        let wanted = fresh + chunk + LOOK_AHEAD - buffer.len();
        let read = reader.take(to_u64(wanted)).read_to_end(&mut buffer)?;
        let last = read < wanted;
        let end = if last { buffer.len() } else { fresh + chunk };
        scanner.scan(&buffer, fresh..end, &mut |hit| {
            overlaps.push(Secret::new(&hit, &buffer, base, key)).into_iter().for_each(&mut *visit);
        });
        if last {
            overlaps.finish().into_iter().for_each(visit);
            return Ok(base + to_u64(buffer.len()));
        }
        let gone = end.saturating_sub(LOOK_BACK);
        buffer.drain(..gone);
        base += to_u64(gone);
        fresh = end - gone;
    }
}
