//! Decide, show, then do: the plan is a value, complete before the first edit.

use std::{collections::BTreeMap, io};

use block::{Extent, Overlay, Window, to_u64, to_usize};
use filesystem::{
    Change, Content, Expected, FileKind, Filesystem, InodeId, Layout, NewEntry, Object, OpaqueKind, Recovery,
    Result, Summary, SwapHeader, Target, Unsupported, Volume,
};
use scan::{
    Action, DeviceName, Guest, GuestPath, Note, OperatingSystem, Parent, Place, RuleId, User, VolumeSource,
    edits::Rewrite,
};

use crate::{
    View,
    live::check_volume,
    mirrors,
    progress::{Progress, Stage},
    request::{OpaqueVolumes, Request},
};

/// Largest header page of a swap area in bytes.
const SWAP_HEADER: usize = 65_536;

/// All that will be done to an image.
#[derive(Debug)]
pub struct Plan {
    /// Partition table and volumes.
    pub layout: Layout,
    /// What each volume of the layout is, in the same order.
    pub volumes: Vec<VolumeFacts>,
    /// The operating system by its own os-release.
    pub system: Option<OperatingSystem>,
    /// The accounts of its passwd.
    pub users: Vec<User>,
    /// The edits, in the order of the paths.
    pub edits: Vec<Edit>,
    /// The files that will be made, each directory before what is in it. They come before the edits.
    pub creations: Vec<Creation>,
    /// Files that a rule would edit or make, and cannot, and the rule: a note on each says why.
    pub undone: BTreeMap<GuestPath, RuleId>,
    /// What a user has to know: content with further names, volumes outside fstab, volumes not cleaned ...
    pub notes: Vec<String>,
}

/// What is known of a volume before the edits.
#[derive(Debug)]
pub struct VolumeFacts {
    /// What its filesystem said of itself, before its journal was replayed. `None`: not readable.
    pub summary: Option<Summary>,
    /// What the replay did.
    pub recovery: Recovery,
    /// Where the guest mounts it, if it says so.
    pub mount_point: Option<GuestPath>,
}

/// One planned edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Index of the volume in the layout.
    pub volume: u16,
    /// What asked for it.
    pub rule: RuleId,
    /// Path in the guest.
    pub path: GuestPath,
    /// Kind of the file.
    pub kind: FileKind,
    /// The name to change.
    pub target: Target,
    /// How.
    pub action: Action,
    /// Files that go or change; more than one for a tree.
    pub files: u64,
    /// Their sizes in bytes, summed.
    pub bytes: u64,
    /// Each of them, if the request asks for it.
    pub listed: Vec<Listed>,
    /// The new content, if the action is an edit. Later edits of the same file build on it.
    pub rewrite: Option<Rewrite>,
}

/// One planned creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation {
    /// Index of the volume in the layout.
    pub volume: u16,
    /// What asked for it.
    pub rule: RuleId,
    /// Path in the guest.
    pub path: GuestPath,
    /// The directory.
    pub parent: InodeId,
    /// The name in it.
    pub name: Vec<u8>,
    /// All that it will be.
    pub new: NewEntry,
    /// Which inode it will be: the plan has tried it out.
    pub inode: InodeId,
}

/// A file that goes or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Path in the guest.
    pub path: GuestPath,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Plan {
    /// What it lets differ between the trees of a volume, by its index in the layout, before and after.
    #[must_use]
    pub fn expected(&self, volume: u16) -> Expected {
        let mut expected = Expected::default();
        for made in self.creations.iter().filter(|made| made.volume == volume) {
            expected.made.insert((made.parent, made.name.clone()), made.new.clone());
        }
        for edit in self.edits.iter().filter(|edit| edit.volume == volume) {
            match edit.action {
                Action::Remove => {
                    expected.gone.insert((edit.target.parent, edit.target.name.clone()));
                }
                // A rule that makes files has no edits.
                Action::Create(_) => {}
                Action::Truncate | Action::SwapFile => {
                    expected.changed.insert(edit.target.inode);
                }
                Action::Edit(_) => {
                    // The last of several edits has the final content.
                    let content = edit.rewrite.as_ref().map(|rewrite| rewrite.content.clone());
                    expected.rewritten.insert(edit.target.inode, content.unwrap_or_default());
                }
            }
        }
        expected
    }

    /// The swap files of a volume: their bodies become zero.
    pub(crate) fn blanked(&self, volume: u16) -> impl Iterator<Item = &Edit> {
        self.edits.iter().filter(move |edit| edit.volume == volume && edit.action == Action::SwapFile)
    }

    /// Where on the volume the header pages of its swap files lie.
    pub(crate) fn blanked_headers(&self, volume: u16, filesystem: &dyn Filesystem) -> Result<Vec<Extent>> {
        let mut headers = Vec::new();
        for edit in self.blanked(volume) {
            let page = to_u64(swap_header(filesystem, &edit.target, &edit.path)?.page.len());
            filesystem.extents(edit.target.inode, &mut |offset, extent| {
                if offset < page {
                    headers.push(Extent { start: extent.start, len: extent.len.min(page - offset) });
                }
                Ok(())
            })?;
        }
        Ok(headers)
    }
}

/// The header page that a swap file keeps.
pub(crate) fn swap_header(
    filesystem: &dyn Filesystem,
    target: &Target,
    path: &GuestPath,
) -> Result<SwapHeader> {
    let mut page = vec![0; SWAP_HEADER];
    let len = filesystem.read(target.inode, 0, &mut page)?;
    let size = filesystem.metadata(target.inode)?.size;
    filesystem::swap_header_of(&page[..len], size).ok_or_else(|| {
        Unsupported::new(
            Object::numbered("inode", target.inode.0),
            format!("a swap file without a swap header at {path}"),
        )
        .into()
    })
}

/// Reads the image, replays journals (in the overlay), and decides what has to go. Edits nothing.
pub fn plan(view: &mut View, request: &Request<'_>, progress: &dyn Progress) -> Result<Plan> {
    progress.stage(Stage::Survey, None);
    let layout = filesystem::layout(view, request.sector_size)?;
    let (mut volumes, mut refused) = (Vec::with_capacity(layout.volumes.len()), None);
    for volume in &layout.volumes {
        match recover(view, volume, request).map_err(|error| error.reading(volume.object())) {
            Ok(recovered) => volumes.push(recovered),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let view = &*view;
    // A volume that is damaged is told before one further on that cannot be read, and before what the rules make of it.
    let checked = || -> Result<Vec<u64>> {
        let recovered = layout.volumes.iter().zip(&volumes);
        let check = |volume: &Volume, recovered: &Recovered| {
            check(view, volume, &recovered.facts, request).map_err(|error| error.reading(volume.object()))
        };
        recovered.map(|(volume, recovered)| check(volume, recovered)).collect()
    };
    if let Some(error) = refused {
        checked()?;
        return Err(error);
    }
    let (found, unowned) = block::side_by_side(request.workers, || find(view, &layout, request), checked);
    // What is wrong with a volume comes before what its rules met there.
    let (unowned, found) = (unowned?, found?);
    let mut notes = layout.notes.clone();
    for ((volume, recovered), unowned) in layout.volumes.iter().zip(&mut volumes).zip(unowned) {
        notes.append(&mut recovered.notes);
        if unowned > 0 {
            let number = volume.number;
            notes.push(format!("volume {number}: {unowned} bytes are allocated but owned by nothing"));
        }
    }
    notes.extend(found.notes);
    let mut volumes: Vec<VolumeFacts> = volumes.into_iter().map(|recovered| recovered.facts).collect();
    for (index, mount_point) in found.mount_points {
        volumes[index].mount_point = Some(mount_point);
    }
    Ok(Plan {
        layout,
        volumes,
        system: found.system,
        users: found.users,
        edits: found.edits,
        creations: found.creations,
        undone: found.undone,
        notes,
    })
}

/// A volume whose journal has been replayed.
struct Recovered {
    facts: VolumeFacts,
    notes: Vec<String>,
}

/// Compares the witnesses of a volume, and the legs of a mirror. Returns how many bytes nothing owns.
fn check(view: &View, volume: &Volume, facts: &VolumeFacts, request: &Request<'_>) -> Result<u64> {
    match volume.content {
        Content::Ext | Content::Fat | Content::Xfs | Content::Swap => {
            let window = Window::new(view, &volume.extents)?;
            let unowned = check_volume(&window, volume, request.drop_unowned)?;
            mirrors::check(view, volume, facts.recovery.transactions > 0)?;
            Ok(unowned)
        }
        Content::Opaque(_) | Content::Lvm2 | Content::BootCode | Content::Empty => Ok(0),
    }
}

/// Replays a volume's journal in the overlay; refuses what cannot be read unless the request decides otherwise.
fn recover(view: &mut View, volume: &Volume, request: &Request<'_>) -> Result<Recovered> {
    let unread = || VolumeFacts { summary: None, recovery: Recovery::default(), mount_point: None };
    match volume.content {
        Content::Ext | Content::Fat | Content::Xfs | Content::Swap => {
            let mut window = Window::new(view, &volume.extents)?;
            let mut filesystem = filesystem::open_mut(&mut window, volume.content)?;
            let summary = filesystem.summary()?;
            let notes =
                summary.notes.iter().map(|note| format!("volume {}: {note}", volume.number)).collect();
            let recovery = filesystem.recover()?;
            let facts = VolumeFacts { summary: Some(summary), recovery, mount_point: None };
            Ok(Recovered { facts, notes })
        }
        Content::Opaque(kind) => {
            let object = volume.object();
            let outcome = match request.opaque {
                OpaqueVolumes::Refuse => {
                    let what = name_and_reason(volume, kind);
                    let feature =
                        format!("{what} (--opaque keep copies it uncleaned, --opaque zero drops it)");
                    return Err(Unsupported::new(object, feature).into());
                }
                OpaqueVolumes::Keep => "is copied whole: NOT CLEANED",
                OpaqueVolumes::Zero => "is dropped: its bytes become zero",
            };
            let note = format!("{object} ({}) {outcome}", name_and_reason(volume, kind));
            Ok(Recovered { facts: unread(), notes: vec![note] })
        }
        Content::Lvm2 | Content::BootCode | Content::Empty => {
            Ok(Recovered { facts: unread(), notes: Vec::new() })
        }
    }
}

/// What the rules make of a guest: the parts of a [`Plan`] that have the same names.
struct Found {
    system: Option<OperatingSystem>,
    users: Vec<User>,
    edits: Vec<Edit>,
    creations: Vec<Creation>,
    undone: BTreeMap<GuestPath, RuleId>,
    notes: Vec<String>,
    /// By the volumes' indexes in the layout.
    mount_points: Vec<(usize, GuestPath)>,
}

/// Lays the guest out, runs the rules over its trees, and turns each finding into an edit that is known to work.
fn find(view: &View, layout: &Layout, request: &Request<'_>) -> Result<Found> {
    let (mut said, mut undone) = (Vec::new(), BTreeMap::new());
    let mut filesystems: Vec<Option<Box<dyn Filesystem + '_>>> = Vec::new();
    for volume in &layout.volumes {
        filesystems.push(match volume.content {
            Content::Ext | Content::Fat | Content::Xfs => {
                Some(filesystem::open(Window::new(view, &volume.extents)?, volume.content)?)
            }
            _ => None,
        });
    }
    // Volumes with a tree have numbers of their own, which the notes then speak of.
    let numbered = |number: usize| {
        let mut volumes = layout.volumes.iter().zip(&filesystems);
        volumes
            .position(|(volume, filesystem)| filesystem.is_some() && to_usize(volume.number.into()) == number)
    };
    let sources = layout.volumes.iter().zip(&filesystems).filter_map(|(volume, filesystem)| {
        Some(VolumeSource {
            volume: to_usize(volume.number.into()),
            filesystem: &**filesystem.as_ref()?,
            names: DeviceName::of(layout, volume),
        })
    });
    let guest = Guest::open(sources.collect())?;
    let scan = scan::scan(&guest, request.selection)?;
    let mut edits = Vec::with_capacity(scan.findings.len());
    let (mut asked, helpless) = scan::wanted(&guest, request.selection)?;
    asked.extend_from_slice(request.create);
    let (wanted, not_made) = scan::creations(&guest, &asked, &scan.findings)?;
    for finding in scan.findings {
        let mut listed = Vec::new();
        if request.list_files {
            scan::contents(&guest, &finding, &mut |path, kind, bytes| {
                if kind != FileKind::Directory {
                    listed.push(Listed { path: path.clone(), bytes });
                }
                Ok(())
            })?;
        }
        let Place::File { volume, target, path, kind } = finding.place;
        let index = numbered(volume).expect("findings are only in volumes that were given");
        let filesystem = filesystems[index].as_ref().expect("the volume has a filesystem");
        match change(finding.action, finding.rewrite.as_ref()) {
            Some(change) => filesystem.supports(&target, &change)?,
            None => {
                let header = swap_header(&**filesystem, &target, &path)?;
                said.extend(header.note.map(|note| format!("{path} {note}")));
            }
        }
        edits.push(Edit {
            volume: u16::try_from(index).map_err(|_| io::Error::other("more than 65535 volumes"))?,
            rule: finding.rule,
            path,
            kind,
            target,
            action: finding.action,
            files: finding.contents.files,
            bytes: finding.contents.bytes,
            listed,
            rewrite: finding.rewrite,
        });
    }
    let mounts = guest.mounts().iter().filter(|mounted| mounted.named);
    let mount_points: Vec<_> = mounts
        .filter_map(|mounted| Some((numbered(mounted.volume)?, GuestPath(mounted.mount_point.clone()))))
        .collect();
    let creations = try_out(view, layout, &edits, wanted, &numbered)?;
    let notes: Vec<&Note> =
        guest.notes().iter().chain(&scan.notes).chain(&helpless).chain(&not_made).collect();
    // Several rules may want to edit a file.
    for (_, path, rule) in notes.iter().filter_map(|note| note.undone()) {
        undone.entry(path.clone()).or_insert_with(|| rule.clone());
    }
    said.extend(notes.into_iter().map(Note::to_string));
    Ok(Found {
        system: guest.system().cloned(),
        users: guest.users().to_vec(),
        edits,
        creations,
        undone,
        notes: said,
        mount_points,
    })
}

/// Makes what is wanted in a view that is thrown away: so the plan knows that it can be made, and which inodes that
/// takes, for the same steps on the same bytes give the same inodes. The room that edits need must still be there.
fn try_out(
    view: &View,
    layout: &Layout,
    edits: &[Edit],
    wanted: Vec<scan::Creation>,
    numbered: &dyn Fn(usize) -> Option<usize>,
) -> Result<Vec<Creation>> {
    let mut creations: Vec<Creation> = Vec::with_capacity(wanted.len());
    if wanted.is_empty() {
        return Ok(creations);
    }
    let mut trial = Overlay::new(view);
    for one in wanted {
        let index = numbered(one.volume).expect("creations are only in volumes that were given");
        let volume = &layout.volumes[index];
        let parent = match one.parent {
            Parent::There(inode) => inode,
            Parent::Made(before) => creations[before].inode,
        };
        let mut filesystem = filesystem::open_mut(Window::new(&mut trial, &volume.extents)?, volume.content)?;
        let inode = filesystem.create(parent, &one.name, &one.new)?;
        creations.push(Creation {
            volume: u16::try_from(index).map_err(|_| io::Error::other("more than 65535 volumes"))?,
            rule: one.rule,
            path: one.path,
            parent,
            name: one.name,
            new: one.new,
            inode,
        });
    }
    for edit in edits.iter().filter(|edit| creations.iter().any(|one| one.volume == edit.volume)) {
        if let Some(change @ Change::Overwrite(_)) = change(edit.action, edit.rewrite.as_ref()) {
            let volume = &layout.volumes[usize::from(edit.volume)];
            filesystem::open(Window::new(&trial, &volume.extents)?, volume.content)?
                .supports(&edit.target, &change)?;
        }
    }
    Ok(creations)
}

/// What an opaque volume is; of a logical one its name, too, and why it is opaque if that is not a matter of course.
fn name_and_reason(volume: &Volume, kind: OpaqueKind) -> String {
    let name =
        if volume.logical && !volume.name.is_empty() { format!("{}, ", volume.name) } else { String::new() };
    match &volume.reason {
        // The sentence that this is put into ends like that.
        Some(reason) => {
            format!("{name}{kind}: {}", reason.strip_suffix(" is not supported").unwrap_or(reason))
        }
        None => format!("{name}{kind}"),
    }
}

/// The filesystem's change for an action; `None` for swap files, which are changed where they lie.
pub(crate) fn change(action: Action, rewrite: Option<&Rewrite>) -> Option<Change> {
    match action {
        Action::Remove => Some(Change::Remove),
        Action::Truncate => Some(Change::Truncate),
        Action::SwapFile => None,
        Action::Create(_) => unreachable!("a rule that makes files has no findings"),
        Action::Edit(_) => {
            Some(Change::Overwrite(rewrite.expect("an edit has its new content").content.clone()))
        }
    }
}
