//! From hits to findings: whose each hit is, what is no secret because everybody can have it, and one remnant for
//! all that a place has of a removed file.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use block::{BlockRead, Extent, ExtentSet, to_u64};
use filesystem::{InodeId, Layout, Result};
use scan::Guest;

use super::{
    Hit, Index, Tolerated, distinct,
    guest::{Disk, Whose, bytes, paths},
    packages,
};
use crate::{Finding, Place, Region, guest::guest};

/// Remnants that get a finding each.
const MAX_FINDINGS: usize = 1000;
/// Hits outside of files are one place if they are in the same piece of this size.
const PIECE: u64 = 1 << 20;
/// How often a run is split at the end of a file.
const ROUNDS: u32 = 8;
/// What the names of older versions end with, behind the name of the file itself.
const OLDER: [&[u8]; 10] =
    [b"-", b"~", b".old", b".bak", b".orig", b".save", b".dpkg-", b".ucf-", b".rpm", b".~"];

pub(super) struct Settled {
    pub(super) findings: Vec<Finding>,
    pub(super) tolerated: Tolerated,
    pub(super) left_out: u64,
}

/// A place in the order of reports: volume, then file or piece of the disk.
type Where = (Option<usize>, Region, u64);

pub(super) fn settle(
    index: &Index<'_>,
    hits: &[Hit],
    device: &Arc<dyn BlockRead>,
    layout: &Layout,
    key: &[u8; 32],
) -> Result<Settled> {
    let mut settled = Settled { findings: Vec::new(), tolerated: Tolerated::default(), left_out: 0 };
    if hits.is_empty() {
        return Ok(settled);
    }
    let disk = Disk::new(device, layout)?;
    let hits = attributed(&disk, hits)?;
    let trees = disk.trees()?;
    let guest = guest(layout, &trees)?;
    let of_inode = |whose: &Whose| Some((whose.volume?, whose.inode?));
    let wanted: HashSet<(usize, InodeId)> = hits.iter().filter_map(|(_, whose)| of_inode(whose)).collect();
    let paths = paths(&guest, &wanted)?;
    let path = |whose: &Whose| of_inode(whose).and_then(|inode| paths.get(&inode)).map(Vec::as_slice);

    let mut files: Vec<((usize, InodeId), &[u8])> =
        paths.iter().map(|(&inode, path)| (inode, path.as_slice())).collect();
    files.sort_unstable_by_key(|(inode, _)| *inode);
    let (public, known) = public(&guest, &files, &hits)?;
    let in_package =
        |whose: &Whose| whose.region == Region::File && path(whose).is_some_and(|path| public.contains(path));

    let mut places: BTreeMap<(Where, usize), Found<'_>> = BTreeMap::new();
    for (hit, whose) in &hits {
        if in_package(whose) {
            settled.tolerated.in_packages += 1;
            continue;
        }
        let Some((file, removed)) = index.removed.file_at(hit.address) else { continue };
        if path(whose).is_some_and(|kept| is_older(&removed.path, kept)) {
            settled.tolerated.newer_versions += 1;
            continue;
        }
        let Some(longest) = own_part(hit, &known, device)? else {
            settled.tolerated.as_in_packages += 1;
            continue;
        };
        let unit = whose.inode.map_or(hit.at / PIECE, |inode| inode.0);
        let found = Found { hit: longest, within: longest.at - hit.at, whose };
        // The longest piece speaks for all of a place.
        let held = places.entry(((whose.volume, whose.region, unit), file)).or_insert(found);
        if (longest.len, held.hit.at) > (held.hit.len, longest.at) {
            *held = found;
        }
    }
    for ((_, file), Found { hit, within, whose }) in places {
        if settled.findings.len() == MAX_FINDINGS {
            settled.left_out += 1;
            continue;
        }
        let removed = &index.removed.files()[file];
        let digest = blake3::keyed_hash(key, &bytes(device, hit.at, hit.len)?);
        settled.findings.push(Finding::Remnant {
            of: removed.path.escape_ascii().to_string(),
            place: Place {
                volume: whose.volume.map(|index| layout.volumes[index].number),
                region: whose.region,
                offset: hit.at,
                length: hit.len,
                inode: whose.inode.map(|inode| inode.0),
                path: path(whose).map(|path| path.escape_ascii().to_string()),
                file_offset: whose.file_offset.map(|offset| offset + within),
                inside: Vec::new(),
                was: None,
            },
            digest: digest.to_hex()[..32].to_owned(),
        });
    }
    Ok(settled)
}

/// The files that everybody can have, and what they have of what was removed, by addresses.
///
/// A checksum costs a whole file, so the smallest come first, and a file whose every hit is known by then is left
/// out: it would add nothing, and its hits are tolerated as bytes that are public elsewhere.
fn public<'p>(
    guest: &Guest<'_>,
    files: &[((usize, InodeId), &'p [u8])],
    hits: &[(Hit, Whose)],
) -> Result<(HashSet<&'p [u8]>, ExtentSet)> {
    let mut sources: HashMap<(usize, InodeId), Vec<Extent>> = HashMap::new();
    for (hit, whose) in hits.iter().filter(|(_, whose)| whose.region == Region::File) {
        if let (Some(volume), Some(inode)) = (whose.volume, whose.inode) {
            sources.entry((volume, inode)).or_default().push(source(hit));
        }
    }
    let sources = |index: usize| sources.get(&files[index].0).map_or(&[][..], Vec::as_slice);
    let mut packaged = packages::packaged(guest, files)?;
    let mut public: HashSet<&[u8]> = packaged.records.iter().map(|&index| files[index].1).collect();
    let mut all: Vec<Extent> = packaged.records.iter().flat_map(|&index| sources(index)).copied().collect();
    let mut known: ExtentSet = all.iter().copied().collect();
    let mut in_known = all.len();
    let mut listed = Vec::new();
    for &index in packaged.listed.keys() {
        listed.push((packaged.size(index)?, index));
    }
    listed.sort_unstable();
    for (size, index) in listed {
        // Made anew where that is cheaper than a checksum.
        if all.len() > in_known && size / 64 > to_u64(all.len()) {
            known = all.iter().copied().collect();
            in_known = all.len();
        }
        let own = sources(index);
        if !own.iter().all(|&source| known.contains(source)) && packaged.unchanged(index)? {
            public.insert(files[index].1);
            all.extend(own);
        }
    }
    Ok((public, all.into_iter().collect()))
}

/// What stands for a place: a piece, how far behind the hit's start it begins, and whose the hit is.
#[derive(Clone, Copy)]
struct Found<'h> {
    hit: Hit,
    within: u64,
    whose: &'h Whose,
}

/// Hits and their owners. A run that goes on behind the end of a file is split there: what follows is another's.
fn attributed(disk: &Disk<'_>, hits: &[Hit]) -> Result<Vec<(Hit, Whose)>> {
    let mut all = Vec::with_capacity(hits.len());
    let mut pending = hits.to_vec();
    for round in 1.. {
        let offsets: Vec<u64> = pending.iter().map(|hit| hit.at).collect();
        let owners = disk.owners(&offsets)?;
        let mut rest = Vec::new();
        for mut hit in pending {
            let whose = owners.get(&hit.at).expect("every offset has an owner");
            if !hit.word
                && round < ROUNDS
                && let Some(end) = whose.end
                && (hit.at..hit.at + hit.len).contains(&end)
            {
                let len = end - hit.at;
                let left = hit.len - len;
                rest.push(Hit { at: end, len: left, address: hit.address + len, spells: left, ..hit });
                (hit.len, hit.spells) = (len, len);
            }
            all.push((hit, whose.clone()));
        }
        if rest.is_empty() {
            break;
        }
        pending = rest;
    }
    Ok(all)
}

/// What a hit has of what was removed, by addresses.
fn source(hit: &Hit) -> Extent {
    Extent { start: hit.address, len: hit.spells }
}

/// The longest part of a hit that no public file has, if it is still distinctive.
fn own_part(hit: &Hit, known: &ExtentSet, device: &dyn BlockRead) -> Result<Option<Hit>> {
    let all = source(hit);
    if hit.word {
        return Ok((!known.contains(all)).then_some(*hit));
    }
    let mut longest: Option<Hit> = None;
    for part in known.gaps(all) {
        let at = hit.at + (part.start - all.start);
        if longest.is_none_or(|longest| part.len > longest.len)
            && distinct::run(&bytes(device, at, part.len)?)
        {
            longest = Some(Hit { at, len: part.len, address: part.start, spells: part.len, ..*hit });
        }
    }
    Ok(longest)
}

/// Whether a removed path is that of an older version of a kept file.
fn is_older(removed: &[u8], kept: &[u8]) -> bool {
    removed
        .strip_prefix(kept)
        .is_some_and(|end| !end.contains(&b'/') && OLDER.iter().any(|older| end.starts_with(older)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_version_has_the_name_and_an_ending() {
        assert!(is_older(b"/etc/passwd-", b"/etc/passwd"));
        assert!(is_older(b"/var/cache/debconf/templates.dat-old", b"/var/cache/debconf/templates.dat"));
        assert!(!is_older(b"/etc/passwd", b"/etc/passwd"));
        assert!(!is_older(b"/root/.ssh/id_rsa", b"/root/.ssh/id"));
        assert!(!is_older(b"/etc-/x", b"/etc"));
    }
}
