//! What is live on the edited view: claims of every filesystem and of the partition table, checked against the
//! allocators' own word.

use block::{BlockRead, Extent, ExtentSet, Object, Window};
use filesystem::{Claim, Content, Filesystem, InodeId, Owner, Residue, Result, Volume};

use crate::{
    View,
    claimed::Claimed,
    map::{Class, DiskMap, Region},
    plan::Plan,
    request::{OpaqueVolumes, Request},
};

/// Maps every byte of the disk.
///
/// Fails if two structures claim a byte, if a byte is owned but free in the bitmaps (the image is corrupt), or
/// if bytes are allocated but owned by nothing and the request does not drop them.
pub(crate) fn live(view: &View, plan: &Plan, request: &Request<'_>) -> Result<DiskMap> {
    let mut regions: Vec<Region> = plan
        .layout
        .live
        .iter()
        .map(|region| Region { extent: region.extent, volume: None, class: Class::Live })
        .collect();
    let table: ExtentSet = plan.layout.live_set();
    for (index, volume) in (0u16..).zip(&plan.layout.volumes) {
        let whole = |class| {
            let extents: ExtentSet = volume.places().copied().collect();
            let rest: Vec<Extent> = extents.difference(&table).iter().collect();
            rest.into_iter().map(move |extent| Region { extent, volume: Some(index), class })
        };
        match volume.content {
            Content::Ext | Content::Fat | Content::Xfs | Content::Swap => {
                volume_regions(view, index, plan, request, &mut regions)?;
            }
            // What is needed of a physical volume is in the table's live set.
            Content::Lvm2 => regions.extend(whole(Class::Free).flat_map(|region| in_areas(plan, region))),
            Content::BootCode | Content::Empty => regions.extend(whole(Class::Empty)),
            Content::Opaque(_) if request.opaque == OpaqueVolumes::Keep => regions.extend(whole(Class::Live)),
            Content::Opaque(_) => regions.extend(whole(Class::Opaque)),
        }
    }
    DiskMap::new(view.size(), regions).map_err(|shared| {
        Object::the("disk").corrupt("first byte that two structures use", shared.start, "none")
    })
}

/// Dead bytes of a physical volume: those of its metadata areas hold old texts, all others are free.
fn in_areas(plan: &Plan, region: Region) -> Vec<Region> {
    let areas: ExtentSet =
        plan.layout.physical.iter().flat_map(|physical| physical.areas.iter().copied()).collect();
    let old = |extent| Region { extent, class: Class::Dead(Residue::OldMetadata), ..region };
    let free = |extent| Region { extent, ..region };
    areas.parts(region.extent).map(old).chain(areas.gaps(region.extent).map(free)).collect()
}

/// Compares a volume's two witnesses before anything is edited: what a damaged filesystem would do to the edits
/// is better not found out; and its names with its inodes, as what no walk meets no rule takes. Returns how many bytes are allocated but owned by nothing.
pub(crate) fn check_volume<D: BlockRead>(
    window: &Window<D>,
    volume: &Volume,
    drop_unowned: bool,
) -> Result<u64> {
    let filesystem = filesystem::open(window, volume.content)?;
    let claimed = claimed(&*filesystem, &[])?;
    let (_, unowned) = witnesses(&*filesystem, volume, &claimed, drop_unowned)?;
    filesystem.check_names()?;
    Ok(unowned.total())
}

/// The claims, data of `blanked` inodes as dead.
fn claimed(filesystem: &dyn Filesystem, blanked: &[InodeId]) -> Result<Claimed> {
    let mut claimed = Claimed::default();
    filesystem.claims(&mut |extent, claim| {
        let class = match claim {
            Claim::Live(Owner::Data(inode)) if blanked.contains(&inode) => Class::Dead(Residue::Swap),
            Claim::Live(_) => Class::Live,
            Claim::Dead(residue, _) => Class::Dead(residue),
        };
        claimed.add(extent, class);
        Ok(())
    })?;
    claimed.sort();
    Ok(claimed)
}

/// What the allocator calls in use, and the part of it that nothing owns.
fn witnesses(
    filesystem: &dyn Filesystem,
    volume: &Volume,
    claimed: &Claimed,
    drop_unowned: bool,
) -> Result<(ExtentSet, ExtentSet)> {
    let object = volume.object();
    let owned: ExtentSet = claimed
        .owned()
        .map_err(|shared| object.corrupt("first byte that two structures use", shared, "none"))?
        .into_iter()
        .collect();
    let allocated = filesystem.allocated()?;
    if let Some(first) = owned.difference(&allocated).iter().next() {
        return Err(object.corrupt("first byte in use that is not allocated", first.start, "none"));
    }
    let unowned = allocated.difference(&owned);
    if let (Some(first), false) = (unowned.iter().next(), drop_unowned) {
        let expected = format!("0 (the first is byte {}; --drop-unowned drops them)", first.start);
        return Err(object.corrupt("number of allocated bytes that nothing owns", unowned.total(), expected));
    }
    Ok((allocated, unowned))
}

/// One volume's claims, its free space, and what nothing owns.
fn volume_regions(
    view: &View,
    index: u16,
    plan: &Plan,
    request: &Request<'_>,
    regions: &mut Vec<Region>,
) -> Result<()> {
    let volume = &plan.layout.volumes[usize::from(index)];
    let window = Window::new(view, &volume.extents)?;
    let filesystem = filesystem::open(&window, volume.content)?;
    let blanked: Vec<InodeId> = plan.blanked(index).map(|edit| edit.target.inode).collect();
    let claimed = claimed(&*filesystem, &blanked)?;
    let headers: ExtentSet = plan.blanked_headers(index, &*filesystem)?.into_iter().collect();
    let (allocated, unowned) = witnesses(&*filesystem, volume, &claimed, request.drop_unowned)?;
    let free = allocated.complement(window.size());
    let all = claimed
        .iter()
        .flat_map(|piece| with_headers(piece, &headers))
        .chain(unowned.iter().map(|extent| (extent, Class::Unowned)))
        .chain(free.iter().map(|extent| (extent, Class::Free)));
    let copies: Vec<Window<&View>> =
        volume.copies.iter().map(|copy| Window::new(view, copy)).collect::<std::io::Result<_>>()?;
    for (extent, class) in all {
        let region = |extent| Region { extent, volume: Some(index), class };
        regions.extend(window.map(extent).map(region));
        regions.extend(copies.iter().flat_map(|copy| copy.map(extent)).map(region));
    }
    Ok(())
}

/// A claimed piece; what `headers` have of it is live again.
fn with_headers(
    (extent, class): (Extent, Class),
    headers: &ExtentSet,
) -> impl Iterator<Item = (Extent, Class)> + '_ {
    let kept = headers.parts(extent).map(|part| (part, Class::Live));
    headers.gaps(extent).map(move |gap| (gap, class)).chain(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_header_splits_its_piece() {
        let headers: ExtentSet = [Extent::between(0, 10), Extent::between(110, 120)].into_iter().collect();
        let split = |start, end| {
            let mut parts: Vec<_> =
                with_headers((Extent::between(start, end), Class::Free), &headers).collect();
            parts.sort_unstable();
            parts
        };
        let part = |start, end, class| (Extent::between(start, end), class);
        assert_eq!(split(0, 100), [part(0, 10, Class::Live), part(10, 100, Class::Free)]);
        assert_eq!(split(20, 100), [part(20, 100, Class::Free)]);
        let expected =
            [part(100, 110, Class::Free), part(110, 120, Class::Live), part(120, 130, Class::Free)];
        assert_eq!(split(100, 130), expected);
    }
}
