//! Secrets that lie across two pieces of a fragmented file: whoever reads the disk in its own order misses them.

use std::{
    io::{self, Read},
    ops::Range,
};

use block::{Extent, to_u64, to_usize};
use filesystem::{Claim, Error, Filesystem, InodeId, Owner, Result, Volume};
use scan::content::{ContentRule, Secret, sweep_reader};

use super::Search;

/// Bytes on each side of a seam that are looked at.
const REACH: u64 = to_u64(ContentRule::MAX_REACH);

/// The secrets across seams of the volume's files. Each is placed where its first byte lies on the disk; its length
/// is that in the file.
pub(super) fn find(
    filesystem: &dyn Filesystem,
    volume: &Volume,
    search: Search<'_>,
    note: &mut dyn FnMut(String),
) -> Result<Vec<Secret>> {
    let mut secrets = Vec::new();
    let mut unread = 0_u64;
    for inode in fragmented(filesystem)? {
        match of_file(filesystem, volume, inode, search, &mut secrets) {
            Ok(()) => {}
            Err(error @ Error::Io(_)) => return Err(error),
            Err(_) => unread += 1,
        }
    }
    if unread > 0 {
        note(format!("{unread} fragmented files cannot be read: only their pieces were searched"));
    }
    Ok(secrets)
}

/// Files whose content lies in more than one piece. Claims come file by file.
fn fragmented(filesystem: &dyn Filesystem) -> Result<Vec<InodeId>> {
    let mut files = Vec::new();
    let mut last: Option<(InodeId, u64)> = None;
    filesystem.claims(&mut |extent, claim| {
        if let Claim::Live(Owner::Data(inode)) = claim {
            let apart = last.is_some_and(|(before, end)| before == inode && end != extent.start);
            if apart && files.last() != Some(&inode) {
                files.push(inode);
            }
            last = Some((inode, extent.end()));
        }
        Ok(())
    })?;
    Ok(files)
}

fn of_file(
    filesystem: &dyn Filesystem,
    volume: &Volume,
    inode: InodeId,
    search: Search<'_>,
    secrets: &mut Vec<Secret>,
) -> Result<()> {
    let mut pieces: Vec<(u64, Extent)> = Vec::new();
    filesystem.extents(inode, &mut |offset, extent| {
        match pieces.last_mut() {
            Some((start, last)) if last.end() == extent.start && *start + last.len == offset => {
                last.len += extent.len;
            }
            _ => pieces.push((offset, extent)),
        }
        Ok(())
    })?;
    // Before a hole there are zeros on the disk's side or the file's: nothing goes on there.
    let seams: Vec<u64> = pieces
        .windows(2)
        .filter(|pair| pair[0].0 + pair[0].1.len == pair[1].0)
        .map(|pair| pair[1].0)
        .collect();
    let mut scanner = search.scanner.clone();
    for range in around(&seams) {
        let mut reader = Piece { filesystem, inode, range: range.clone(), error: None };
        let read = sweep_reader(&mut reader, &mut scanner, search.key, &mut |mut secret| {
            let start = range.start + secret.offset;
            let seam = seams.partition_point(|&seam| seam <= start);
            let crosses = seams.get(seam).is_some_and(|&seam| seam < start + secret.length);
            let piece = pieces.partition_point(|(offset, _)| *offset <= start).checked_sub(1);
            let place = piece.and_then(|piece| {
                let (offset, extent) = pieces[piece];
                on_disk(volume, extent.start + (start - offset))
            });
            if let Some(place) = place.filter(|_| crosses) {
                secret.offset = place;
                secrets.push(secret);
            }
        });
        match (read, reader.error) {
            (_, Some(error)) => return Err(error),
            (Err(error), None) => return Err(error.into()),
            (Ok(_), None) => {}
        }
    }
    Ok(())
}

/// The parts of a file to look at, each once.
fn around(seams: &[u64]) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for seam in seams {
        let range = seam.saturating_sub(REACH)..seam.saturating_add(REACH);
        match ranges.last_mut() {
            Some(last) if range.start <= last.end => last.end = range.end,
            _ => ranges.push(range),
        }
    }
    ranges
}

/// Where a byte of a volume lies on the disk.
pub(super) fn on_disk(volume: &Volume, offset: u64) -> Option<u64> {
    let mut before = 0;
    for extent in &volume.extents {
        if offset - before < extent.len {
            return Some(extent.start + (offset - before));
        }
        before += extent.len;
    }
    None
}

/// A part of a file's content.
struct Piece<'a> {
    filesystem: &'a dyn Filesystem,
    inode: InodeId,
    range: Range<u64>,
    error: Option<Error>,
}

impl Read for Piece<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = to_u64(buf.len()).min(self.range.end - self.range.start);
        let buf = &mut buf[..to_usize(most)];
        match self.filesystem.read(self.inode, self.range.start, buf) {
            Ok(read) => {
                self.range.start += to_u64(read);
                Ok(read)
            }
            Err(error) => {
                self.error = Some(error);
                Err(io::Error::other("the file cannot be read"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_seams_share_a_range() {
        let ranges = around(&[100, REACH, 10 * REACH]);
        assert_eq!(ranges, [0..2 * REACH, 9 * REACH..11 * REACH]);
        assert!(around(&[]).is_empty());
    }

    #[test]
    fn volumes_of_several_extents() {
        let volume = Volume {
            extents: vec![Extent { start: 100, len: 10 }, Extent { start: 500, len: 10 }],
            ..Volume::default()
        };
        assert_eq!(on_disk(&volume, 9), Some(109));
        assert_eq!(on_disk(&volume, 10), Some(500));
        assert_eq!(on_disk(&volume, 20), None);
    }
}
