//! Mirrored volumes: one leg is read and edited, and every leg gets what that one then has.
//!
//! Which leg a guest would read is not known, so legs that differ where it matters are refused: nobody could say which
//! is right. Where they are dead they may differ, as legs that were never in step do.

use block::{BlockRead, BlockWrite, Extent, Window, to_u64, to_usize};
use filesystem::{Claim, Residue, Result, Volume};

use crate::View;

/// Bytes that are compared at once.
const PIECE: u64 = 1 << 20;

/// Refuses a volume whose legs differ in the input. `replayed`: its journal counts, too.
pub(crate) fn check(view: &View, volume: &Volume, replayed: bool) -> Result<()> {
    if volume.copies.is_empty() {
        return Ok(());
    }
    let needed = needed(view, volume, replayed)?;
    let input = view.base();
    for copy in &volume.copies {
        compare(&Window::new(input, &volume.extents)?, &Window::new(input, copy)?, &needed, |at, _| {
            let object = volume.object();
            let found = format!("of legs that differ near byte {at} of {}", volume.name);
            Err(object.corrupt("mirror", found, "legs that are equal where they are in use"))
        })?;
    }
    Ok(())
}

/// Gives every leg the bytes in use of the first, in the overlay.
pub(crate) fn bring_in_step(view: &mut View, volume: &Volume) -> Result<()> {
    if volume.copies.is_empty() || !is_read(volume) {
        return Ok(());
    }
    let needed = needed(view, volume, false)?;
    for copy in &volume.copies {
        let mut stale: Vec<Extent> = Vec::new();
        let (first, other) = (Window::new(&*view, &volume.extents)?, Window::new(&*view, copy)?);
        compare(&first, &other, &needed, |start, len| {
            stale.push(Extent { start, len });
            Ok(())
        })?;
        let mut bytes = vec![0; to_usize(PIECE)];
        for extent in stale {
            let bytes = &mut bytes[..to_usize(extent.len)];
            Window::new(&*view, &volume.extents)?.read_at(extent.start, bytes)?;
            Window::new(&mut *view, copy)?.write_at(extent.start, bytes)?;
        }
    }
    Ok(())
}

/// Whether its filesystem can be opened.
fn is_read(volume: &Volume) -> bool {
    use filesystem::Content;
    !matches!(volume.content, Content::Opaque(_) | Content::Empty | Content::BootCode | Content::Lvm2)
}

/// The bytes of a volume that somebody reads.
fn needed(view: &View, volume: &Volume, journal: bool) -> Result<Vec<Extent>> {
    let filesystem = filesystem::open(Window::new(view, &volume.extents)?, volume.content)?;
    let mut needed: Vec<Extent> = Vec::new();
    filesystem.claims(&mut |extent, claim| {
        let counts = match claim {
            Claim::Live(_) => true,
            Claim::Dead(residue, _) => journal && residue == Residue::Journal,
        };
        match needed.last_mut() {
            _ if !counts => {}
            Some(last) if last.end() == extent.start => last.len += extent.len,
            _ => needed.push(extent),
        }
        Ok(())
    })?;
    Ok(needed)
}

/// Tells of the pieces in which two legs differ.
fn compare(
    first: &Window<impl BlockRead>,
    other: &Window<impl BlockRead>,
    needed: &[Extent],
    mut differ: impl FnMut(u64, u64) -> Result<()>,
) -> Result<()> {
    let (mut a, mut b) = (vec![0; to_usize(PIECE)], vec![0; to_usize(PIECE)]);
    for extent in needed {
        let mut at = extent.start;
        while at < extent.end() {
            let len = to_usize(PIECE.min(extent.end() - at));
            first.read_at(at, &mut a[..len])?;
            other.read_at(at, &mut b[..len])?;
            if a[..len] != b[..len] {
                differ(at, to_u64(len))?;
            }
            at += to_u64(len);
        }
    }
    Ok(())
}
