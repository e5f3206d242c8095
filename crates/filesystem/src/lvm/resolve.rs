//! Finds the physical volumes of a layout, puts their groups together, and adds the logical volumes to it.

use block::{BlockRead, Error, Extent, ExtentSet, Object, Result, Unsupported, Window, to_u64};

use super::{
    PhysicalVolume,
    area::{self, Area},
    group::{self, Group, Logical},
    label::{self, Label},
    mirror, name_of,
    place::{Placed, Placer},
};
use crate::{Content, Layout, LiveKind, LiveRegion, OpaqueKind, Volume, identify};

/// What the refusal of a volume group says of a physical volume that is not there, so that a caller who can be given
/// further disks may say how.
pub const ELSEWHERE: &str = "on another disk";

/// Metadata areas of a physical volume: pvcreate(8) makes at most two.
const MAX_AREAS: usize = 2;
/// Texts of all groups together in bytes.
const MAX_TEXTS: usize = 16 << 20;

/// A physical volume, read.
struct Member {
    /// Index in the layout's volumes.
    index: usize,
    extent: Extent,
    label: Label,
    areas: Vec<Area>,
    /// Index of its group in the list of groups, if a text names one.
    group: Option<usize>,
}

/// A group, and the text that says so.
struct Found {
    group: Group,
    text: Vec<u8>,
    /// Two copies say different things.
    differs: Option<u64>,
}

/// What is to be added to the layout for a group.
struct Built {
    volumes: Vec<Volume>,
    live: Vec<LiveRegion>,
    notes: Vec<String>,
    /// What logical volumes have of the disk.
    taken: ExtentSet,
}

/// Turns physical volumes into logical ones wherever a group can be read. Fails only if the medium does, or if two
/// structures claim a byte.
pub(crate) fn resolve(disk: &dyn BlockRead, layout: &mut Layout) -> Result<()> {
    let candidates = 0..layout.volumes.len();
    let candidates: Vec<usize> = candidates
        .filter(|&index| layout.volumes[index].content == Content::Opaque(OpaqueKind::Lvm2))
        .collect();
    if candidates.is_empty() {
        return Ok(());
    }
    let (mut members, mut founds) = (Vec::new(), Vec::new());
    for index in candidates {
        match member(disk, &layout.volumes[index], index, &mut founds) {
            Ok(member) => members.push(member),
            Err(error) => refuse(layout, [index], error)?,
        }
    }
    for (index, found) in founds.iter().enumerate() {
        let mine = |member: &&Member| {
            let known = found.group.physical.iter().any(|physical| physical.id == member.label.id);
            member.group == Some(index) || (member.group.is_none() && known)
        };
        let mine: Vec<&Member> = members.iter().filter(mine).collect();
        match build(disk, found, index, &mine) {
            Ok(built) => add(layout, built, &mine, Some(&found.group.name)),
            Err(error) => refuse(layout, mine.iter().map(|member| member.index), error)?,
        }
    }
    let grouped = |member: &&Member| {
        let ids = founds.iter().flat_map(|found| &found.group.physical).map(|physical| physical.id);
        member.group.is_some() || ids.into_iter().any(|id| id == member.label.id)
    };
    for member in members.iter().filter(|member| !grouped(member)) {
        match alone(disk, member) {
            Ok(built) => add(layout, built, &[member], None),
            Err(error) => refuse(layout, [member.index], error)?,
        }
    }
    number(layout);
    layout.live.sort_unstable();
    ExtentSet::disjoint(layout.live.iter().map(|region| region.extent).collect()).map_err(|overlap| {
        Object::the("disk").corrupt("byte in two tables", overlap.extent.start, "each byte once")
    })?;
    Ok(())
}

/// Leaves volumes opaque, with the reason.
fn refuse(layout: &mut Layout, indices: impl IntoIterator<Item = usize>, error: Error) -> Result<()> {
    if let Error::Io(_) = error {
        return Err(error);
    }
    for index in indices {
        layout.volumes[index].reason = Some(error.to_string());
    }
    Ok(())
}

fn member(disk: &dyn BlockRead, volume: &Volume, index: usize, founds: &mut Vec<Found>) -> Result<Member> {
    let [extent] = volume.extents[..] else {
        return Err(Unsupported::new(Object::the("LVM2 label"), "a volume in several pieces").into());
    };
    let window = Window::new(disk, &[extent])?;
    let label = label::read(&window)?;
    if label.areas.len() > MAX_AREAS {
        let feature = format!("more than {MAX_AREAS} metadata areas");
        return Err(Unsupported::new(Object::the("LVM2 physical volume header"), feature).into());
    }
    let mut member = Member { index, extent, label, areas: Vec::new(), group: None };
    let mut texts = Vec::new();
    for (number, &area) in (1..).zip(&member.label.areas) {
        let (area, text) = area::read(&window, number, area)?;
        member.areas.push(area);
        texts.extend(text);
    }
    for text in texts {
        let group = known(founds, text)?;
        if member.group.is_some_and(|other| other != group) {
            let object = Object::the("LVM2 physical volume header");
            return Err(object.corrupt("metadata areas", "of two volume groups", "of one"));
        }
        member.group = Some(group);
    }
    Ok(member)
}

/// The index of a text's group, which it may be the first to name.
fn known(founds: &mut Vec<Found>, text: Vec<u8>) -> Result<usize> {
    if let Some(same) = founds.iter().position(|found| found.text == text) {
        return Ok(same);
    }
    let group = group::read(&text)?;
    if let Some(index) = founds.iter().position(|found| found.group.id == group.id) {
        founds[index].differs = Some(group.seqno);
        return Ok(index);
    }
    let size: usize = founds.iter().map(|found| found.text.len()).sum();
    if size + text.len() > MAX_TEXTS {
        let feature = format!("more than {MAX_TEXTS} bytes of metadata");
        return Err(Unsupported::new(Object::the("LVM2 metadata"), feature).into());
    }
    founds.push(Found { group, text, differs: None });
    Ok(founds.len() - 1)
}

/// Checks a group against its physical volumes, and places its logical volumes.
fn build(disk: &dyn BlockRead, found: &Found, number: usize, mine: &[&Member]) -> Result<Built> {
    let group = &found.group;
    if let Some(other) = found.differs {
        let sequence = format!("of sequence numbers {} and {other}", group.seqno);
        return Err(Object::the("volume group").corrupt("metadata", sequence, "one text in every copy"));
    }
    let mut disks = Vec::new();
    for (at, physical) in (0..).zip(&group.physical) {
        let mut same = mine.iter().filter(|member| member.label.id == physical.id);
        let (member, twice) = (same.next(), same.next().is_some());
        let Some(member) = member else {
            let feature = format!("{} with its physical volume {} {ELSEWHERE}", group.name, physical.id);
            return Err(Unsupported::new(Object::the("volume group"), feature).into());
        };
        let object = Object::numbered("physical volume", at);
        if twice {
            return Err(object.corrupt("UUID", "that of two", "each once"));
        }
        if member.label.data != physical.start {
            return Err(object.corrupt("pe_start", physical.start, member.label.data));
        }
        // Checked when the text was read.
        let end = physical.start + physical.count * group.extent_size;
        if end > member.extent.len {
            let expected = format!("at most {} bytes", member.extent.len);
            return Err(object.corrupt("end of the last extent", end, expected));
        }
        if let Some(byte) = label::overlap(&member.label, end) {
            return Err(object.corrupt("byte in two areas", byte, "each byte once"));
        }
        disks.push(member.extent);
    }
    for member in mine.iter().filter(|member| member.group == Some(number)) {
        if !group.physical.iter().any(|physical| physical.id == member.label.id) {
            let object = Object::the("volume group");
            return Err(object.corrupt(
                "list of physical volumes",
                "without one that names it",
                "all of them",
            ));
        }
    }
    let mut built =
        Built { volumes: Vec::new(), live: Vec::new(), notes: Vec::new(), taken: ExtentSet::new() };
    place(disk, group, &disks, &mut built)?;
    finish(disk, mine, &mut built)?;
    Ok(built)
}

/// A physical volume that no group has.
fn alone(disk: &dyn BlockRead, member: &Member) -> Result<Built> {
    // Without metadata of its own, it may be in a group that other disks know of.
    if member.label.in_use || member.label.areas.is_empty() {
        let feature = format!("{} of a volume group whose metadata is not in this image", member.label.id);
        return Err(Unsupported::new(Object::the("physical volume"), feature).into());
    }
    let mut built =
        Built { volumes: Vec::new(), live: Vec::new(), notes: Vec::new(), taken: ExtentSet::new() };
    finish(disk, &[member], &mut built)?;
    Ok(built)
}

fn place(disk: &dyn BlockRead, group: &Group, disks: &[Extent], built: &mut Built) -> Result<()> {
    let mut placer = Placer::new(group, disks);
    let mut parts: Vec<&str> = Vec::new();
    let mut snapshots = Vec::new();
    for segment in group.logical.iter().flat_map(|logical| &logical.segments) {
        parts.extend(placer.parts(segment).iter().map(|part| &*part.name));
        snapshots.extend(segment.snapshot.as_ref());
    }
    parts.sort_unstable();
    let mut taken = Vec::new();
    for logical in &group.logical {
        let kind = logical.segments.first().map_or("", |segment| &segment.kind);
        if parts.binary_search(&&*logical.name).is_ok() || matches!(kind, "snapshot" | "") {
            continue;
        }
        let title = placer.title(logical);
        if matches!(kind, "thin" | "vdo") {
            built.notes.push(format!("{title}: a {kind} volume, which lies in its pool"));
            continue;
        }
        let differences = snapshots
            .iter()
            .any(|(origin, store, merging)| *store == logical.name || (*merging && *origin == logical.name));
        let placed = if differences { Err("snapshot".to_owned()) } else { placer.place(logical)? };
        let mut volume = Volume {
            type_name: "LVM2 logical volume".to_owned(),
            name: title,
            paths: paths(group, logical),
            logical: true,
            ..Volume::default()
        };
        match placed {
            Ok(Placed { mut legs, metadata }) => {
                for one in &metadata {
                    let live = mirror::live(disk, one)?;
                    taken.extend_from_slice(&one.extents);
                    built.live.extend(
                        live.into_iter().map(|extent| LiveRegion { extent, kind: LiveKind::MirrorMetadata }),
                    );
                }
                taken.extend(legs.iter().flatten());
                volume.extents = legs.remove(0);
                volume.copies = legs;
                volume.content = identify(Window::new(disk, &volume.extents)?)?;
            }
            Err(kind) => {
                placer.reached(logical, 0, &mut volume.extents)?;
                taken.extend_from_slice(&volume.extents);
                volume.content = Content::Opaque(OpaqueKind::LvmSegment(name_of(&kind)));
            }
        }
        built.volumes.push(volume);
    }
    ExtentSet::disjoint(taken).map_err(|overlap| {
        let byte = overlap.extent.start;
        Object::the("volume group").corrupt("first byte that two volumes use", byte, "none")
    })?;
    let all = built.volumes.iter().flat_map(super::super::volume::Volume::places).copied();
    built.taken = all.collect();
    Ok(())
}

/// What a guest may call a logical volume, whatever else is on its disks.
fn paths(group: &Group, logical: &Logical) -> Vec<String> {
    // Device-mapper joins the names by a hyphen, so those inside are doubled.
    let doubled = |name: &str| name.replace('-', "--");
    let joined = format!("{}-{}", doubled(&group.name), doubled(&logical.name));
    vec![
        format!("/dev/mapper/{joined}"),
        format!("/dev/{}/{}", group.name, logical.name),
        format!("/dev/disk/by-id/dm-name-{joined}"),
        format!("/dev/disk/by-id/dm-uuid-LVM-{}{}", group.id.raw(), logical.id.raw()),
    ]
}

/// Labels and metadata are live; a room for boot loaders that holds something is not understood.
fn finish(disk: &dyn BlockRead, mine: &[&Member], built: &mut Built) -> Result<()> {
    for member in mine {
        let base = member.extent.start;
        let on_disk = |extent: Extent| Extent { start: base + extent.start, len: extent.len };
        let mut add = |extent, kind| built.live.push(LiveRegion { extent: on_disk(extent), kind });
        add(member.label.extent, LiveKind::LvmLabel);
        for area in &member.areas {
            add(area.header(), LiveKind::LvmMetadata);
            area.text.iter().for_each(|&piece| add(piece, LiveKind::LvmMetadata));
        }
        for &boot in &member.label.boot {
            let extents = vec![on_disk(boot)];
            let content = identify(Window::new(disk, &extents)?)?;
            if content != Content::Empty {
                built.taken = built.taken.union(&extents.iter().copied().collect());
                built.volumes.push(Volume {
                    extents,
                    type_name: "LVM2 boot loader area".to_owned(),
                    logical: true,
                    content: Content::Opaque(OpaqueKind::Unknown),
                    ..Volume::default()
                });
            }
        }
    }
    Ok(())
}

fn add(layout: &mut Layout, built: Built, mine: &[&Member], group: Option<&str>) {
    for member in mine {
        let base = member.extent.start;
        let volume = &mut layout.volumes[member.index];
        volume.content = Content::Lvm2;
        volume.extents = built.taken.gaps(member.extent).collect();
        let areas = member.areas.iter().map(|area| area.extent);
        layout.physical.push(PhysicalVolume {
            number: volume.number,
            uuid: member.label.id.to_string(),
            group: group.map(str::to_owned),
            extent: member.extent,
            areas: areas.map(|area| Extent { start: base + area.start, len: area.len }).collect(),
        });
    }
    layout.volumes.extend(built.volumes);
    layout.live.extend(built.live);
    layout.notes.extend(built.notes);
}

/// Logical volumes are numbered from the last partition on.
fn number(layout: &mut Layout) {
    let taken = |volume: &&Volume| volume.number > 0;
    let last = layout.volumes.iter().filter(taken).map(|volume| volume.number).max().unwrap_or(0);
    let fresh = layout.volumes.iter_mut().filter(|volume| volume.logical);
    for (number, volume) in (1..).zip(fresh) {
        volume.number = last.saturating_add(number);
    }
    debug_assert!(to_u64(layout.volumes.len()) < u64::from(u32::MAX));
}
