//! Files that are wanted in the guest: where each is to be made, with the directories that it needs. Never writes.
//!
//! What is there already as it is wanted is nothing to make, so that doing it twice changes nothing. A new name takes
//! its times from the nearest directory that is there; owner and mode are as asked for. Where that directory has a SELinux
//! label, it gets the one that the guest's own policy has for its path, or else the directory's.

use std::collections::HashMap;

use block::to_u64;
use filesystem::{FileKind, Filesystem, InodeId, NewEntry, NewKind, Result, label_of};

use crate::{Action, Finding, Guest, GuestPath, Node, Note, Place, RuleId, selinux::Labels};

/// Mode of a directory that is made because a file needs it. It is root's.
const DIRECTORY_MODE: u16 = 0o755;

/// A file that is wanted in the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Who asks for it.
    pub rule: RuleId,
    /// Where: absolute, without `.` and `..`. Directories on the way may be links.
    pub path: GuestPath,
    /// What it is to be.
    pub kind: NewKind,
    /// Permission bits: `0o7777`.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// The directory of a name to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// It is there.
    There(InodeId),
    /// It is made by the creation at this place in the list.
    Made(usize),
}

/// A name to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation {
    /// Who asks for it.
    pub rule: RuleId,
    /// The volume, as the caller of [`Guest::open`] numbered it.
    pub volume: usize,
    /// The path in the guest, without symbolic links.
    pub path: GuestPath,
    /// The directory.
    pub parent: Parent,
    /// The name in it.
    pub name: Vec<u8>,
    /// All that it is to be.
    pub new: NewEntry,
}

/// What there is to make for all of `wanted`, in an order in which each directory comes before what is in it; and why
/// something cannot be made. `findings` are what goes: nothing is made below it.
pub fn creations(
    guest: &Guest<'_>,
    wanted: &[Wanted],
    findings: &[Finding],
) -> Result<(Vec<Creation>, Vec<Note>)> {
    let labels = match wanted {
        [] => None,
        _ => Labels::read(guest)?,
    };
    let mut plan = Making { guest, findings, labels, made: HashMap::new(), creations: Vec::new() };
    let mut notes = Vec::new();
    for wanted in wanted {
        if let Err(reason) = plan.add(wanted)? {
            let (path, rule) = (wanted.path.clone(), wanted.rule.clone());
            notes.push(Note::NotCreated { path, rule, reason });
        }
    }
    Ok((plan.creations, notes))
}

struct Making<'a, 'g> {
    guest: &'a Guest<'g>,
    findings: &'a [Finding],
    /// What the guest's policy says, if it has one.
    labels: Option<Labels>,
    /// Paths that are made, and by which creation.
    made: HashMap<Vec<u8>, usize>,
    creations: Vec<Creation>,
}

impl Making<'_, '_> {
    /// Adds what a wanted file needs. The inner error says why it is not made, as the end of a sentence.
    fn add(&mut self, wanted: &Wanted) -> Result<Result<(), String>> {
        let path = &wanted.path.0;
        let names: Vec<&[u8]> = path.split(|&byte| byte == b'/').skip(1).collect();
        let odd = |name: &&[u8]| matches!(*name, b"" | b"." | b"..");
        if path.first() != Some(&b'/') || names.is_empty() || names.iter().any(odd) {
            return Ok(Err("its path is not an absolute one without detours".to_owned()));
        }
        let Some(mut node) = self.guest.resolve(b"/")? else {
            return Ok(Err("the guest has no root filesystem".to_owned()));
        };
        let mut missing = names.len();
        for depth in 1..=names.len() {
            let prefix = [b"/", names[..depth].join(&b'/').as_slice()].concat();
            // The last name is looked for itself, even if it is a link that leads nowhere.
            match self.guest.resolve_at(&prefix, depth < names.len())? {
                Some(found) if depth == names.len() => return self.compare(&found, wanted),
                Some(found) if found.kind == FileKind::Directory => node = found,
                Some(_) => return Ok(Err("what is to hold it is no directory".to_owned())),
                None if self.guest.resolve_at(&prefix, false)?.is_some() => {
                    return Ok(Err("a link on the way leads nowhere".to_owned()));
                }
                None => {
                    missing = depth - 1;
                    break;
                }
            }
        }
        let real = node.path.0.strip_suffix(b"/").unwrap_or(&node.path.0).to_vec();
        let whole = [&real, b"/".as_slice(), names[missing..].join(&b'/').as_slice()].concat();
        if self.goes(node.volume, &whole) {
            return Ok(Err("a directory that holds it goes".to_owned()));
        }
        let Some(filesystem) = self.guest.filesystem(node.volume) else {
            return Ok(Err("its volume has no filesystem".to_owned()));
        };
        let time = filesystem.metadata(node.inode)?.mtime;
        let of_directory = label_of(filesystem, node.inode)?;
        let mut parent = Parent::There(node.inode);
        let mut path = real;
        for (at, name) in names.iter().enumerate().skip(missing) {
            path.push(b'/');
            path.extend(*name);
            let last = at + 1 == names.len();
            if let Some(&index) = self.made.get(&path) {
                let made = &self.creations[index].new;
                let as_wanted = (made.mode, made.uid, made.gid) == (wanted.mode, wanted.uid, wanted.gid)
                    && made.kind == wanted.kind;
                match (last, made.kind == NewKind::Directory) {
                    (true, _) if as_wanted => return Ok(Ok(())),
                    (true, _) => return Ok(Err("another is made in its place".to_owned())),
                    (false, true) => parent = Parent::Made(index),
                    (false, false) => return Ok(Err("what is to hold it is no directory".to_owned())),
                }
                continue;
            }
            let (kind, mode, uid, gid) = if last {
                (wanted.kind.clone(), wanted.mode, wanted.uid, wanted.gid)
            } else {
                (NewKind::Directory, DIRECTORY_MODE, 0, 0)
            };
            // Without one on the directory, the guest does without labels.
            let attributes = of_directory.iter().map(|(attribute, label)| {
                let own = self.labels.as_ref().zip(std::str::from_utf8(&path).ok());
                let own = own.and_then(|(labels, path)| labels.of(path, kind.file_kind()));
                (attribute.clone(), own.unwrap_or_else(|| label.clone()))
            });
            let attributes = attributes.collect();
            self.made.insert(path.clone(), self.creations.len());
            self.creations.push(Creation {
                rule: wanted.rule.clone(),
                volume: node.volume,
                path: GuestPath(path.clone()),
                parent,
                name: name.to_vec(),
                new: NewEntry { kind, mode, uid, gid, time, attributes },
            });
            parent = Parent::Made(self.creations.len() - 1);
        }
        Ok(Ok(()))
    }

    /// Whether a directory on this path is to be removed.
    fn goes(&self, volume: usize, path: &[u8]) -> bool {
        self.findings.iter().any(|finding| {
            let Place::File { volume: of, path: gone, .. } = &finding.place;
            finding.action == Action::Remove
                && *of == volume
                && path.strip_prefix(gone.0.as_slice()).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
        })
    }

    /// Whether what is there is as it is wanted.
    fn compare(&self, found: &Node, wanted: &Wanted) -> Result<Result<(), String>> {
        let Some(filesystem) = self.guest.filesystem(found.volume) else {
            return Ok(Err("its volume has no filesystem".to_owned()));
        };
        if self.goes(found.volume, &found.path.0) {
            return Ok(Err("what is in its place goes".to_owned()));
        }
        let other = |what: &str| Ok(Err(format!("{what} is in its place")));
        if found.kind != wanted.kind.file_kind() {
            return other("another kind of file");
        }
        let metadata = filesystem.metadata(found.inode)?;
        let owned = (metadata.uid, metadata.gid) == (wanted.uid, wanted.gid);
        match &wanted.kind {
            // A directory that is there is good, whoever may use it.
            NewKind::Directory => Ok(Ok(())),
            NewKind::Symlink(target) if filesystem.link_target(found.inode)? == *target => Ok(Ok(())),
            NewKind::Symlink(_) => other("a link to another place"),
            NewKind::File(_) if !owned || metadata.mode != wanted.mode => {
                other("a file of another mode or owner")
            }
            NewKind::File(content) if metadata.encrypted || metadata.size != to_u64(content.len()) => {
                other("a file of another content")
            }
            NewKind::File(content) if has_content(filesystem, found.inode, content)? => Ok(Ok(())),
            NewKind::File(_) => other("a file of another content"),
        }
    }
}

/// Whether a file of that length holds these bytes.
fn has_content(filesystem: &dyn Filesystem, inode: InodeId, content: &[u8]) -> Result<bool> {
    let mut found = vec![0; content.len()];
    let mut filled = 0;
    while filled < found.len() {
        match filesystem.read(inode, to_u64(filled), &mut found[filled..])? {
            0 => return Ok(false),
            read => filled += read,
        }
    }
    Ok(found == content)
}
