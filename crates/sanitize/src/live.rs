//! What is live on the edited view: claims of every filesystem and of the partition table, checked against the
//! allocators' own word.

use block::{BlockRead, Extent, ExtentSet, Object, Overlay, Window};
use filesystem::{Claim, Content, Filesystem, InodeId, Owner, Residue, Result, Volume};

use crate::{
    map::{Class, DiskMap, Region},
    plan::Plan,
    request::{OpaqueVolumes, Request},
};

/// Maps every byte of the disk.
///
/// Fails if two structures claim a byte, if a byte is owned but free in the bitmaps (the image is corrupt), or
/// if bytes are allocated but owned by nothing and the request does not drop them.
pub(crate) fn live<B: BlockRead>(view: &Overlay<B>, plan: &Plan, request: &Request<'_>) -> Result<DiskMap> {
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
        Object::the("disk").corrupt("use of byte", format!("{} by two structures", shared.start), "one")
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
/// is better not found out. Returns how many bytes are allocated but owned by nothing.
pub(crate) fn check_volume<D: BlockRead>(
    window: &Window<D>,
    volume: &Volume,
    drop_unowned: bool,
) -> Result<u64> {
    let filesystem = filesystem::open(window, volume.content)?;
    let claimed = claimed(&*filesystem, &[])?;
    let (_, unowned) = witnesses(&*filesystem, volume, &claimed, drop_unowned)?;
    Ok(unowned.total())
}

/// The claims in ascending order, data of `blanked` inodes as dead. Neighbours of one class are one region:
/// memory follows the changes of class, not the files.
fn claimed(filesystem: &dyn Filesystem, blanked: &[InodeId]) -> Result<Vec<(Extent, Class)>> {
    let mut claimed: Vec<(Extent, Class)> = Vec::new();
    filesystem.claims(&mut |extent, claim| {
        let class = match claim {
            Claim::Live(Owner::Data(inode)) if blanked.contains(&inode) => Class::Dead(Residue::Swap),
            Claim::Live(_) => Class::Live,
            Claim::Dead(residue, _) => Class::Dead(residue),
        };
        match claimed.last_mut() {
            Some((last, same)) if *same == class && last.end() == extent.start => last.len += extent.len,
            _ => claimed.push((extent, class)),
        }
        Ok(())
    })?;
    claimed.sort_unstable_by_key(|(extent, _)| *extent);
    Ok(claimed)
}

/// What the allocator calls in use, and the part of it that nothing owns.
fn witnesses(
    filesystem: &dyn Filesystem,
    volume: &Volume,
    claimed: &[(Extent, Class)],
    drop_unowned: bool,
) -> Result<(ExtentSet, ExtentSet)> {
    let object = Object::numbered("volume", u64::from(volume.number));
    let owned = owned(claimed)
        .map_err(|shared| object.corrupt("use of byte", format!("{shared} by two structures"), "one"))?;
    let allocated = filesystem.allocated()?;
    if let Some(first) = owned.difference(&allocated).iter().next() {
        let found = format!("{} free but in use", first.start);
        return Err(object.corrupt("allocation of byte", found, "allocated"));
    }
    let unowned = allocated.difference(&owned);
    if let (Some(first), false) = (unowned.iter().next(), drop_unowned) {
        let found = format!(
            "{} none ({} bytes are allocated but owned by nothing; --drop-unowned drops them)",
            first.start,
            unowned.total()
        );
        return Err(object.corrupt("owner of byte", found, "a file or the filesystem"));
    }
    Ok((allocated, unowned))
}

/// One volume's claims, its free space, and what nothing owns.
fn volume_regions<B: BlockRead>(
    view: &Overlay<B>,
    index: u16,
    plan: &Plan,
    request: &Request<'_>,
    regions: &mut Vec<Region>,
) -> Result<()> {
    let volume = &plan.layout.volumes[usize::from(index)];
    let window = Window::new(view, &volume.extents)?;
    let filesystem = filesystem::open(&window, volume.content)?;
    let blanked: Vec<InodeId> = plan.blanked(index).map(|edit| edit.target.inode).collect();
    let mut claimed = claimed(&*filesystem, &blanked)?;
    for header in plan.blanked_headers(index, &*filesystem)? {
        keep_header(&mut claimed, header);
    }
    let (allocated, unowned) = witnesses(&*filesystem, volume, &claimed, request.drop_unowned)?;
    let free = allocated.complement(window.size());
    let all = claimed
        .into_iter()
        .chain(unowned.iter().map(|extent| (extent, Class::Unowned)))
        .chain(free.iter().map(|extent| (extent, Class::Free)));
    let copies: Vec<Window<&Overlay<B>>> =
        volume.copies.iter().map(|copy| Window::new(view, copy)).collect::<std::io::Result<_>>()?;
    for (extent, class) in all {
        let region = |extent| Region { extent, volume: Some(index), class };
        regions.extend(window.map(extent).map(region));
        regions.extend(copies.iter().flat_map(|copy| copy.map(extent)).map(region));
    }
    Ok(())
}

/// All claimed bytes, or the first that is claimed twice. Live bytes and the slack behind them are one run, so
/// this is small where there are many small files.
fn owned(sorted: &[(Extent, Class)]) -> Result<ExtentSet, u64> {
    let mut runs: Vec<Extent> = Vec::new();
    for (extent, _) in sorted.iter().filter(|(extent, _)| !extent.is_empty()) {
        match runs.last_mut() {
            Some(last) if last.end() > extent.start => return Err(extent.start),
            Some(last) if last.end() == extent.start => last.len += extent.len,
            _ => runs.push(*extent),
        }
    }
    Ok(runs.into_iter().collect())
}

/// Makes `header`, which lies in claimed bytes, live again.
fn keep_header(claimed: &mut Vec<(Extent, Class)>, header: Extent) {
    let mut kept = Vec::with_capacity(claimed.len() + 2);
    for (extent, class) in claimed.drain(..) {
        let inside = extent.intersect(header);
        if inside.is_empty() {
            kept.push((extent, class));
            continue;
        }
        kept.push((Extent::between(extent.start, inside.start), class));
        kept.push((inside, Class::Live));
        kept.push((Extent::between(inside.end(), extent.end()), class));
    }
    kept.retain(|(extent, _)| !extent.is_empty());
    *claimed = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owned_bytes_are_merged_and_have_one_owner() {
        let (live, slack) = (Class::Live, Class::Dead(Residue::Slack));
        let of = |from, to, class| (Extent::between(from, to), class);
        let claimed = [of(0, 10, live), of(10, 40, slack), of(40, 50, live), of(60, 61, live)];
        let runs: Vec<Extent> = owned(&claimed).unwrap().iter().collect();
        assert_eq!(runs, [Extent::between(0, 50), Extent::between(60, 61)]);
        assert_eq!(owned(&[of(0, 10, live), of(10, 40, slack), of(39, 50, live)]), Err(39));
    }

    #[test]
    fn a_kept_header_splits_its_region() {
        let mut claimed =
            vec![(Extent::between(0, 100), Class::Free), (Extent::between(100, 200), Class::Live)];
        keep_header(&mut claimed, Extent::between(0, 10));
        let expected = [
            (Extent::between(0, 10), Class::Live),
            (Extent::between(10, 100), Class::Free),
            (Extent::between(100, 200), Class::Live),
        ];
        assert_eq!(claimed, expected);
    }
}
