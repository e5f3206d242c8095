//! Where the bytes of a logical volume lie on the disk.
//!
//! Linear and striped segments, also over other logical volumes, become extents; a mirror becomes one list of extents
//! for each leg. All else is not a plain sequence of bytes, and says so.

use std::collections::HashMap;

use block::{Extent, Object, Result, Unsupported};

use super::{
    group::{Group, Logical, Segment},
    name_of,
};

/// Pieces of all the logical volumes of a group: an LV of 64 GiB in stripes of 64 KiB has as many.
const MAX_PIECES: usize = 1 << 20;
/// Logical volumes within each other.
const MAX_DEPTH: usize = 8;

/// A logical volume on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    /// Each a whole copy of its bytes, in their order. At least one.
    pub(super) legs: Vec<Vec<Extent>>,
    /// The metadata of a raid, or the log of a mirror.
    pub(super) metadata: Vec<Metadata>,
}

/// A small logical volume that tells which parts of a mirror are in step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) kind: MetadataKind,
    pub(super) extents: Vec<Extent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetadataKind {
    /// Superblock and bitmap of dm-raid.
    Raid,
    /// Log of dm-mirror.
    MirrorLog,
}

/// Places what a group has on the disk.
pub(super) struct Placer<'g> {
    pub(super) group: &'g Group,
    /// Where each physical volume of the group lies on the disk, in the group's order.
    disks: &'g [Extent],
    physical: HashMap<&'g str, usize>,
    logical: HashMap<&'g str, &'g Logical>,
    /// Pieces that may still be made.
    left: usize,
}

impl<'g> Placer<'g> {
    pub(super) fn new(group: &'g Group, disks: &'g [Extent]) -> Self {
        let physical = group.physical.iter().enumerate();
        Self {
            group,
            disks,
            physical: physical.map(|(index, one)| (&*one.name, index)).collect(),
            logical: group.logical.iter().map(|one| (&*one.name, one)).collect(),
            left: MAX_PIECES,
        }
    }

    /// The legs of a logical volume, or the name of the segment type that has none.
    pub(super) fn place(&mut self, logical: &Logical) -> Result<Result<Placed, String>> {
        if let Some(odd) = self.odd(logical) {
            return Ok(Err(odd.kind.clone()));
        }
        match logical.segments.as_slice() {
            [one] if one.kind == "raid1" => self.raid1(one).map(Ok),
            [one] if one.kind == "mirror" => self.mirror(logical, one).map(Ok),
            _ => Ok(Ok(Placed { legs: vec![self.flat(logical, 0)?], metadata: Vec::new() })),
        }
    }

    /// The segment that makes a volume more than a sequence of bytes, or a mirror of such; its parts are looked at, too.
    fn odd<'l>(&self, logical: &'l Logical) -> Option<&'l Segment>
    where
        'g: 'l,
    {
        let alone = logical.segments.len() == 1;
        let mirrors = |segment: &Segment| alone && matches!(&*segment.kind, "raid1" | "mirror");
        let known = |segment: &&Segment| !segment.flagged && (is_plain(segment) || mirrors(segment));
        if let Some(odd) = logical.segments.iter().find(|segment| !known(segment)) {
            return Some(odd);
        }
        let names = logical.segments.iter().flat_map(|segment| &segment.strings);
        let parts =
            names.filter_map(|name| self.logical.get(&**name).copied()).filter(|part| !part.is_visible());
        parts.flat_map(|part| &part.segments).find(|segment| segment.flagged || !is_plain(segment))
    }

    fn raid1(&mut self, segment: &Segment) -> Result<Placed> {
        let object = Object::the("logical volume");
        let (pairs, rest) = segment.raids.as_chunks::<2>();
        if pairs.is_empty() || !rest.is_empty() {
            return Err(object.corrupt("raids", segment.raids.len(), "pairs of metadata and data"));
        }
        let mut placed = Placed { legs: Vec::new(), metadata: Vec::new() };
        for [meta, data] in pairs {
            placed.legs.push(self.slice(data, 0, segment.count, 1)?);
            let meta = self.named(meta)?;
            placed.metadata.push(Metadata { kind: MetadataKind::Raid, extents: self.flat(meta, 1)? });
        }
        Ok(placed)
    }

    fn mirror(&mut self, logical: &Logical, segment: &Segment) -> Result<Placed> {
        if logical.status.iter().any(|flag| flag == "PVMOVE") {
            return Err(Unsupported::new(Object::the("volume group"), "a pvmove that is not finished").into());
        }
        let object = Object::the("logical volume");
        if segment.places.is_empty() {
            return Err(object.corrupt("mirrors", "empty", "at least one leg"));
        }
        let mut placed = Placed { legs: Vec::new(), metadata: Vec::new() };
        for (name, first) in &segment.places {
            placed.legs.push(self.slice(name, *first, segment.count, 1)?);
        }
        if let Some(log) = &segment.log {
            let log = self.named(log)?;
            placed.metadata.push(Metadata { kind: MetadataKind::MirrorLog, extents: self.flat(log, 1)? });
        }
        Ok(placed)
    }

    fn named(&self, name: &str) -> Result<&'g Logical> {
        self.logical.get(name).copied().ok_or_else(|| {
            Object::the("logical volume").corrupt(
                "part",
                "of an unknown name",
                "a physical or logical volume",
            )
        })
    }

    /// The extents of a volume whose segments are all plain.
    pub(super) fn flat(&mut self, logical: &Logical, depth: usize) -> Result<Vec<Extent>> {
        if depth > MAX_DEPTH {
            let object = Object::the("logical volume");
            return Err(object.corrupt("depth", format_args!("more than {MAX_DEPTH}"), MAX_DEPTH));
        }
        let mut extents = Vec::new();
        for segment in &logical.segments {
            let segment_extents = match &*segment.kind {
                "striped" | "linear" if !segment.flagged => self.stripes(&segment.places, segment, depth)?,
                "raid0" if !segment.flagged => {
                    let parts: Vec<_> = segment.raids.iter().map(|name| (name.clone(), 0)).collect();
                    self.stripes(&parts, segment, depth)?
                }
                "raid0_meta" if !segment.flagged => {
                    let pairs = segment.raids.as_chunks::<2>().0;
                    let parts: Vec<_> = pairs.iter().map(|[_, data]| (data.clone(), 0)).collect();
                    self.stripes(&parts, segment, depth)?
                }
                other => {
                    let feature = format!("{}, a part of type {}", self.title(logical), name_of(other));
                    return Err(Unsupported::new(Object::the("volume group"), feature).into());
                }
            };
            for extent in segment_extents {
                append(&mut extents, extent);
            }
        }
        Ok(extents)
    }

    pub(super) fn title(&self, logical: &Logical) -> String {
        format!("{}/{}", self.group.name, logical.name)
    }

    fn stripes(&mut self, places: &[(String, u64)], segment: &Segment, depth: usize) -> Result<Vec<Extent>> {
        let object = Object::the("logical volume");
        let width = block::to_u64(places.len());
        if width == 0 || !segment.count.is_multiple_of(width) {
            return Err(object.corrupt("stripes", width, format_args!("a divisor of {}", segment.count)));
        }
        let each = segment.count / width;
        if let [(name, first)] = places {
            return self.slice(name, *first, each, depth + 1);
        }
        let len = each * self.group.extent_size;
        let stripe = segment.stripe;
        if stripe == 0 || !len.is_multiple_of(stripe) {
            return Err(object.corrupt("stripe_size", stripe, format_args!("a divisor of {len}")));
        }
        let mut legs = Vec::new();
        for (name, first) in places {
            let extents = self.slice(name, *first, each, depth + 1)?;
            legs.push(extents);
        }
        let mut extents = Vec::new();
        let mut cursors = vec![(0, 0); legs.len()];
        for _ in 0..len / stripe {
            for (leg, (index, within)) in legs.iter().zip(&mut cursors) {
                let mut rest = stripe;
                while rest > 0 {
                    // A leg has `len` bytes, which the rounds divide exactly.
                    let whole = leg[*index];
                    let part = Extent { start: whole.start + *within, len: rest.min(whole.len - *within) };
                    self.spend()?;
                    append(&mut extents, part);
                    rest -= part.len;
                    *within += part.len;
                    if *within == whole.len {
                        (*index, *within) = (*index + 1, 0);
                    }
                }
            }
        }
        Ok(extents)
    }

    /// `count` extents from the one with the number `first` on, of a physical or a logical volume.
    fn slice(&mut self, name: &str, first: u64, count: u64, depth: usize) -> Result<Vec<Extent>> {
        self.spend()?;
        let size = self.group.extent_size;
        let outside = |of: u64| {
            let found = format!("{count} from {first}");
            Object::the("logical volume").corrupt("extents", found, format!("below {of}"))
        };
        let within = |of: u64| first.checked_add(count).filter(|&end| end <= of).ok_or_else(|| outside(of));
        if let Some(&index) = self.physical.get(name) {
            let physical = &self.group.physical[index];
            within(physical.count)?;
            let start = self.disks[index].start + physical.start + first * size;
            return Ok(vec![Extent { start, len: count * size }]);
        }
        let logical = self.named(name)?;
        within(logical.count())?;
        let (mut skip, mut rest) = (first * size, count * size);
        let mut extents = Vec::new();
        for extent in self.flat(logical, depth)? {
            let from = skip.min(extent.len);
            skip -= from;
            let len = rest.min(extent.len - from);
            rest -= len;
            append(&mut extents, Extent { start: extent.start + from, len });
        }
        Ok(extents)
    }

    /// All extents that a logical volume reaches, whatever its segments mean.
    pub(super) fn reached(
        &mut self,
        logical: &'g Logical,
        depth: usize,
        into: &mut Vec<Extent>,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            let object = Object::the("logical volume");
            return Err(object.corrupt("depth", format_args!("more than {MAX_DEPTH}"), MAX_DEPTH));
        }
        for segment in &logical.segments {
            let width = block::to_u64(segment.places.len()).max(1);
            for (name, first) in &segment.places {
                if self.physical.contains_key(&**name) {
                    let count = if segment.kind == "mirror" { segment.count } else { segment.count / width };
                    into.extend(self.slice(name, *first, count, depth)?);
                }
            }
            for part in self.parts(segment) {
                self.spend()?;
                self.reached(part, depth + 1, into)?;
            }
        }
        Ok(())
    }

    /// The hidden logical volumes that a segment is made of.
    pub(super) fn parts(&self, segment: &'g Segment) -> Vec<&'g Logical> {
        // A thin volume and a VDO volume live in pools that stand for themselves, a snapshot beside its origin.
        if matches!(&*segment.kind, "thin" | "vdo" | "snapshot") {
            return Vec::new();
        }
        let named = segment.strings.iter().filter_map(|name| self.logical.get(&**name).copied());
        named.filter(|part| !part.is_visible()).collect()
    }

    fn spend(&mut self) -> Result<()> {
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            let feature = format!("logical volumes in more than {MAX_PIECES} pieces");
            Unsupported::new(Object::the("volume group"), feature)
        })?;
        Ok(())
    }
}

/// Whether a segment is a plain sequence of bytes of other volumes.
fn is_plain(segment: &Segment) -> bool {
    matches!(&*segment.kind, "striped" | "linear" | "raid0" | "raid0_meta")
}

/// Adds an extent, to the last one if it goes on with it.
fn append(extents: &mut Vec<Extent>, extent: Extent) {
    match extents.last_mut() {
        _ if extent.is_empty() => {}
        Some(last) if last.end() == extent.start => last.len += extent.len,
        _ => extents.push(extent),
    }
}
