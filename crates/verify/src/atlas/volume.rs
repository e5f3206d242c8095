//! One volume's part of the atlas: its claims against the allocator's own word.

use block::{BlockRead, Extent, ExtentSet, Object, Window};
use filesystem::{Claim, Filesystem, InodeId, Owner, Result, Volume};

use super::{NOBODY, Piece, on_disk};
use crate::{Note, Region};

/// How many of the last claims a new one may go on with: an inode's slot, its blocks and its slack take turns.
const LOOK_BACK: usize = 8;

/// Adds the pieces of a volume, which together are all of it, where they lie on the disk. `number` is its index in
/// the layout.
pub(super) fn pieces(
    disk: &dyn BlockRead,
    volume: &Volume,
    number: u32,
    filesystem: &dyn Filesystem,
    into: &mut Vec<Piece>,
    notes: &mut Vec<Note>,
) -> Result<()> {
    let object = Object::the("volume");
    let window = Window::new(disk, &volume.extents)?;
    let copies = volume.copies.iter().map(|copy| Window::new(disk, copy));
    let legs = std::iter::once(Ok(window)).chain(copies).collect::<std::io::Result<Vec<_>>>()?;
    let claimed = claimed(filesystem, number)?;
    let all: ExtentSet = claimed.iter().map(Piece::extent).collect();
    let size = legs[0].size();
    if let Some(last) = all.iter().next_back().filter(|last| last.end() > size) {
        return Err(object.corrupt("last byte in use", last.end() - 1, format!("below {size}")));
    }
    let allocated = filesystem.allocated()?;
    let unowned = allocated.difference(&all);
    let mut say = |set: &ExtentSet, what: &str| {
        if let Some(first) = set.iter().next() {
            let text = format!("{} bytes are {what}, the first at byte {} of it", set.total(), first.start);
            notes.push(Note { volume: Some(volume.number), text });
        }
    };
    say(&unowned, "allocated, but owned by nothing");
    let owned_but_free = all.difference(&allocated);
    say(&owned_but_free, "owned, but free in the bitmaps");

    let free = allocated.union(&all).complement(size);
    let rest = [(&unowned, Region::Unowned), (&free, Region::Free)].into_iter().flat_map(|(set, region)| {
        set.iter().map(move |Extent { start, len }| Piece {
            start,
            len,
            inode: NOBODY,
            volume: number,
            region,
        })
    });
    into.extend(rest.flat_map(|piece| on_disk(&legs, &piece).collect::<Vec<_>>()));
    for piece in claimed {
        let inside = |extent: Extent, region| Piece { start: extent.start, len: extent.len, region, ..piece };
        for part in owned_but_free.parts(piece.extent()) {
            into.extend(on_disk(&legs, &inside(part, Region::OwnedButFree)));
        }
        for part in owned_but_free.gaps(piece.extent()) {
            into.extend(on_disk(&legs, &inside(part, piece.region)));
        }
    }
    Ok(())
}

/// The claims in ascending order, as bytes of the volume. A byte that is claimed twice is an error.
fn claimed(filesystem: &dyn Filesystem, volume: u32) -> Result<Vec<Piece>> {
    let mut claimed: Vec<Piece> = Vec::new();
    filesystem.claims(&mut |extent, claim| {
        let (region, inode) = match claim {
            Claim::Live(Owner::Metadata) => (Region::Metadata, None),
            Claim::Live(Owner::Mapping(inode)) => (Region::Metadata, Some(inode)),
            Claim::Live(Owner::Data(inode)) => (Region::File, Some(inode)),
            Claim::Dead(residue, inode) => (Region::from(residue), inode),
        };
        let inode = inode.map_or(NOBODY, |InodeId(number)| number);
        let piece = Piece { start: extent.start, len: extent.len, inode, volume, region };
        let goes_on = |last: &&mut Piece| {
            last.extent().end() == extent.start && (last.inode, last.region) == (inode, region)
        };
        match claimed.iter_mut().rev().take(LOOK_BACK).find(goes_on) {
            Some(last) => last.len += extent.len,
            None if extent.is_empty() => {}
            None => claimed.push(piece),
        }
        Ok(())
    })?;
    claimed.sort_unstable_by_key(Piece::extent);
    match claimed.windows(2).find(|pair| pair[0].extent().end() > pair[1].start) {
        None => Ok(claimed),
        Some(pair) => {
            Err(Object::the("volume").corrupt("first byte that two structures use", pair[1].start, "none"))
        }
    }
}
