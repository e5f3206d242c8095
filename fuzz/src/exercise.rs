//! What targets do with an image: everything that diskscrub would, and what must be true of it.

use std::collections::HashSet;

use block::{BlockRead, BlockWrite, Extent, ExtentSet, Overlay};
use filesystem::{
    Change, Claim, Content, FileKind, Filesystem, FilesystemMut, InodeId, NewEntry, NewKind, Result, Target,
};

/// Names that a walk follows.
const NAMES: usize = 4000;
/// Bytes read of each file's front and end.
const PIECE: usize = 4096;

/// A name, and what it is.
pub struct Named {
    /// The name.
    pub target: Target,
    /// What it names.
    pub kind: FileKind,
}

/// The names of a tree, as far as they can be read; each file is read a little.
pub fn walk(filesystem: &dyn Filesystem) -> Result<Vec<Named>> {
    let mut names = Vec::new();
    let Some(root) = filesystem.root() else { return Ok(names) };
    let (mut queue, mut seen) = (vec![root], HashSet::from([root]));
    let mut first = Ok(());
    while let Some(parent) = queue.pop() {
        let mut entries = Vec::new();
        let read = filesystem.entries(parent, &mut |entry| {
            entries.push(entry);
            Ok(())
        });
        for entry in entries {
            if names.len() >= NAMES {
                return first.map(|()| names);
            }
            first = first.and(look(filesystem, entry.inode, entry.kind));
            if entry.kind == FileKind::Directory && seen.insert(entry.inode) {
                queue.push(entry.inode);
            }
            let target = Target { parent, name: entry.name, inode: entry.inode };
            names.push(Named { target, kind: entry.kind });
        }
        first = first.and(read);
    }
    first.map(|()| names)
}

/// Reads of one inode what there is to read.
fn look(filesystem: &dyn Filesystem, inode: InodeId, kind: FileKind) -> Result<()> {
    let metadata = filesystem.metadata(inode)?;
    for name in [&b"user.v600"[..], b"user.large"] {
        filesystem.attribute(inode, name)?;
    }
    if kind == FileKind::Symlink {
        assert!(filesystem.link_target(inode)?.len() <= 65_536, "a link's target is short");
    }
    if kind == FileKind::File && metadata.kind == kind {
        let mut piece = vec![0; PIECE];
        for offset in [0, metadata.size / 2, metadata.size.saturating_sub(100), metadata.size] {
            let read = filesystem.read(inode, offset, &mut piece)?;
            assert!(
                block::to_u64(read) <= metadata.size.saturating_sub(offset),
                "nothing is read past the end"
            );
        }
        let mut last = 0;
        filesystem.extents(inode, &mut |offset, extent| {
            assert!(offset >= last, "extents come in the file's order");
            last = offset + extent.len;
            Ok(())
        })?;
    }
    Ok(())
}

/// The claims of a filesystem, each byte once, and the other witness. Whether nothing is owned that is free.
fn witnesses(filesystem: &dyn Filesystem, size: u64) -> Result<bool> {
    let (mut claimed, mut sum) = (Vec::new(), 0);
    filesystem.claims(&mut |extent: Extent, _: Claim| {
        assert!(
            extent.start.checked_add(extent.len).is_some_and(|end| end <= size),
            "claims lie on the volume"
        );
        sum += extent.len;
        claimed.push(extent);
        Ok(())
    })?;
    let claimed: ExtentSet = claimed.into_iter().collect();
    assert_eq!(claimed.total(), sum, "a byte is claimed once");
    Ok(claimed.difference(&filesystem.allocated()?).is_empty())
}

/// Uses all that reads. Each reader on its own: a caller may use one where another has failed.
pub fn read(device: &dyn BlockRead, content: Content) -> Result<()> {
    let filesystem = filesystem::open(device, content)?;
    let summary = filesystem.summary()?;
    assert!(summary.label.len() < 4096 && summary.uuid.len() < 100, "what a summary says is short");
    let size = device.size();
    let claims = witnesses(&*filesystem, size);
    let allocated = filesystem.allocated();
    let named = filesystem.check_names();
    let tree = walk(&*filesystem);
    let tails = filesystem.tails(&mut |extent, _| {
        assert!(extent.end() <= size, "tails lie on the volume");
        Ok(())
    });
    let history = filesystem.history(&mut |_| Ok(()));
    for error in [claims.map(drop), allocated.map(drop), named, tree.map(drop), tails, history] {
        if let Err(error) = error {
            let sentence = error.to_string();
            assert!(!sentence.is_empty() && sentence.len() < 4096, "an error is a sentence");
        }
    }
    Ok(())
}

/// Recovers and, where it is sound, edits and scrubs a view; what was sound must be so in the end.
///
/// `choices`: which names are changed, and how.
pub fn edit(device: &dyn BlockRead, content: Content, choices: u32) -> Result<()> {
    let mut view = Overlay::new(device);
    // One type for all of them: each further one is the whole reader compiled again.
    let view: &mut dyn BlockWrite = &mut view;
    filesystem::open_mut(&mut *view, content)?.recover()?;
    let mut filesystem = filesystem::open_mut(&mut *view, content)?;
    let again = filesystem.recover()?;
    assert_eq!(again.transactions, 0, "a journal is replayed once");
    let size = device.size();
    if !witnesses(&*filesystem, size)? {
        return Ok(());
    }
    // Nothing is edited or scrubbed before the names have been asked, either.
    filesystem.check_names()?;
    let names = walk(&*filesystem)?;
    let mut choices = Choices(choices);
    for _ in 0..choices.next(4) {
        change(&mut *filesystem, &names, &mut choices, size)?;
    }
    sound(&mut *filesystem, size)?;
    drop(filesystem);
    let after = filesystem::open_mut(view, content).unwrap_or_else(|error| panic!("opened again: {error}"));
    after.check_names().unwrap_or_else(|error| panic!("names in the end: {error}"));
    walk(&*after).map(drop).unwrap_or_else(|error| panic!("the tree in the end: {error}"));
    Ok(())
}

/// Scrubs, and sees to it that nothing is left and all is as sound as it was. That the scrub refuses is an answer.
fn sound(filesystem: &mut dyn FilesystemMut, size: u64) -> Result<()> {
    filesystem.scrub()?;
    match witnesses(filesystem, size) {
        Ok(agree) => assert!(agree, "something is owned that is free"),
        Err(error) => panic!("claims after the scrub: {error}"),
    }
    let again = filesystem.scrub().unwrap_or_else(|error| panic!("a second scrub: {error}"));
    assert_eq!(again, 0, "a second scrub finds something");
    let tails = filesystem.tails(&mut |extent, tail| panic!("left in {extent:?}: {tail:?}"));
    tails.unwrap_or_else(|error| panic!("tails after the scrub: {error}"));
    Ok(())
}

/// Numbers from a few bits.
struct Choices(u32);

impl Choices {
    fn next(&mut self, limit: u32) -> u32 {
        let number = self.0 % limit.max(1);
        self.0 = (self.0 / limit.max(1)).wrapping_mul(0x9e37_79b1) ^ self.0.rotate_right(7);
        number
    }

    fn of<'n>(&mut self, names: &'n [Named]) -> Option<&'n Named> {
        let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
        names.get(block::to_usize(self.next(count).into()))
    }
}

/// One change, if the filesystem supports it. A damaged group may be noticed only then: an error is an answer.
fn change(
    filesystem: &mut dyn FilesystemMut,
    names: &[Named],
    choices: &mut Choices,
    size: u64,
) -> Result<()> {
    let Some(named) = choices.of(names) else { return Ok(()) };
    let what = choices.next(6);
    if what > 3 {
        let kind = match choices.next(3) {
            0 => NewKind::Directory,
            1 => NewKind::Symlink(vec![b't'; 100]),
            _ => NewKind::File(vec![b'n'; 3000]),
        };
        let new = NewEntry { kind, mode: 0o644, uid: 0, gid: 0, time: 1_700_000_000, attributes: Vec::new() };
        let name = if what == 4 { b"new".to_vec() } else { vec![b'n'; 200] };
        if filesystem.supports_create(named.target.parent, &name, &new).is_ok() {
            filesystem
                .create(named.target.parent, &name, &new)
                .unwrap_or_else(|error| panic!("a name that could be made: {error}"));
        }
    } else {
        let change = match what {
            0 => Change::Remove,
            1 => Change::Truncate,
            2 => Change::Overwrite(vec![b'o'; 100]),
            _ => Change::Overwrite(vec![b'o'; 9000]),
        };
        if filesystem.supports(&named.target, &change).is_ok() {
            filesystem.change(&named.target, &change)?;
        }
    }
    // The words of the trait: space and names count again after the scrub.
    sound(filesystem, size)
}

/// A whole-volume image: all that reads, then all that writes.
pub fn volume(device: &dyn BlockRead, content: Content, choices: u32) {
    if read(device, content).is_ok() {
        // An error is an answer.
        let _ = edit(device, content, choices);
    }
}

/// A disk's table: read, scrubbed in a view, read again.
pub fn table(device: &dyn BlockRead, sector_size: Option<u32>) -> Result<()> {
    let layout = filesystem::layout(device, sector_size)?;
    let size = device.size();
    let live = layout.live_set();
    assert!(live.iter().all(|extent| extent.end() <= size), "live regions lie on the disk");
    let mut places = live.total();
    let counted = |volume: &&filesystem::Volume| !matches!(volume.content, Content::BootCode | Content::Lvm2);
    // Boot code that is kept whole, and the front of a physical volume, are live regions and volumes.
    for volume in layout.volumes.iter().filter(counted) {
        places += volume.places().map(|extent| extent.len).sum::<u64>();
        let window = block::Window::new(device, &volume.extents)?;
        let _ = filesystem::identify(&window);
    }
    assert!(places <= size, "regions and volumes are disjoint");
    filesystem::table_tails(device, &layout, &mut |_, _| Ok(()))?;
    let mut view = Overlay::new(device);
    filesystem::scrub_table(&mut view, &layout).unwrap_or_else(|error| panic!("scrub of the table: {error}"));
    let after =
        filesystem::layout(&view, sector_size).unwrap_or_else(|error| panic!("the table after it: {error}"));
    assert_eq!(after.volumes, layout.volumes, "the volumes are as they were");
    let left =
        filesystem::table_tails(&view, &after, &mut |extent, tail| panic!("left in {extent:?}: {tail:?}"));
    left.unwrap_or_else(|error| panic!("the table's tails after it: {error}"));
    Ok(())
}
