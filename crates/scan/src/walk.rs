//! The walk: every directory in which a rule can match, once, and what it finds there.
//!
//! It holds findings, never the tree. A directory that is reached twice, or lies too deep, is an error: what
//! cannot be looked at must not pass for clean.

use std::collections::{BTreeSet, HashMap, HashSet};

use block::{Object, Result, Unsupported, to_u64, to_usize};
use filesystem::{Entry, FileKind, Filesystem, InodeId, Metadata, Target};

use crate::{
    Action, Contents, Finding, Guest, GuestPath, Helper, Mounted, Note, Place, RuleId, Scan, Selection,
    cloud_init, detect,
    edits::{self, Context, EditId, Outcome as EditOutcome, Rewrite},
    first_boot,
    matcher::{Matcher, Position},
    passwords,
};

/// Directories in directories that are followed. The kernel's limit on a path, 4096 bytes, allows for more
/// only where names are tiny.
const MAX_DEPTH: u32 = 512;

/// Bytes of files of one volume that are edited; more is no system's, and would have to be held in memory.
const MAX_EDITED: u64 = 64 << 20;

/// Walks the trees of a guest and reports what the selected rules take.
pub fn scan(guest: &Guest<'_>, selection: &Selection) -> Result<Scan> {
    let matcher = Matcher::new(guest, selection)?;
    let mut result = Scan::default();
    for mount in guest.mounts() {
        Walk::new(guest, mount, &matcher, &mut result).run()?;
    }
    settle_links(guest, &mut result)?;
    result.notes.extend(matcher.unmet().chain(matcher.notes.iter().cloned()));
    result.notes.extend(passwords::kept(guest, selection)?);
    let host_keys = RuleId::BuiltIn("ssh-host-keys");
    let helped = selection.rules().any(|rule| rule.action == Action::Create(Helper::HostKeys));
    let goes = result.findings.iter().any(|finding| finding.rule == host_keys);
    // A helper that cannot be had says so itself.
    if goes && !(helped && first_boot::serves(guest)?) && host_key_maker(guest)?.is_none() {
        result.notes.push(Note::NoHostKeys);
    }
    Ok(result)
}

/// What makes SSH host keys on the first boot: cloud-init, the units of Fedora, Red Hat and Amazon, of openSUSE and
/// Arch, and the init script of Alpine.
const KEY_MAKERS: &[&str] = &[
    "/etc/systemd/system/diskscrub-host-keys.service",
    "/usr/bin/cloud-init",
    "/usr/local/bin/cloud-init",
    "/lib/systemd/system/sshd-keygen@.service",
    "/lib/systemd/system/sshd-keygen.service",
    "/usr/sbin/sshd-gen-keys-start",
    "/lib/systemd/system/sshdgenkeys.service",
    "/etc/init.d/sshd",
];

/// The first of them that is there, by its path; cloud-init only if nothing keeps it from running.
pub fn host_key_maker(guest: &Guest<'_>) -> Result<Option<&'static str>> {
    let off = cloud_init::off(guest)?.is_some();
    for path in KEY_MAKERS {
        if off && cloud_init::PROGRAMS.contains(path) {
            continue;
        }
        if guest.resolve(path.as_bytes())?.is_some() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Calls `visit` for everything that a finding takes: path, kind and size in bytes; a directory before what
/// is below it.
pub fn contents(
    guest: &Guest<'_>,
    finding: &Finding,
    visit: &mut dyn FnMut(&GuestPath, FileKind, u64) -> Result<()>,
) -> Result<()> {
    let Place::File { volume, target, path, kind } = &finding.place;
    let Some(filesystem) = guest.filesystem(*volume) else { return Ok(()) };
    below(filesystem, target.inode, *kind, path, MAX_DEPTH, visit)
}

fn below(
    filesystem: &dyn Filesystem,
    inode: InodeId,
    kind: FileKind,
    path: &GuestPath,
    depth: u32,
    visit: &mut dyn FnMut(&GuestPath, FileKind, u64) -> Result<()>,
) -> Result<()> {
    let size = if kind == FileKind::File { filesystem.metadata(inode)?.size } else { 0 };
    visit(path, kind, size)?;
    if kind == FileKind::Directory {
        let depth = depth.checked_sub(1).ok_or_else(|| too_deep(inode))?;
        for entry in list(filesystem, inode)? {
            let path = GuestPath([path.0.as_slice(), b"/", &entry.name].concat());
            below(filesystem, entry.inode, entry.kind, &path, depth, visit)?;
        }
    }
    Ok(())
}

fn list(filesystem: &dyn Filesystem, directory: InodeId) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    filesystem.entries(directory, &mut |entry| {
        entries.push(entry);
        Ok(())
    })?;
    Ok(entries)
}

fn too_deep(inode: InodeId) -> block::Error {
    let feature = format!("a directory below more than {MAX_DEPTH} others");
    Unsupported::new(Object::numbered("inode", inode.0), feature).into()
}

/// How a tree that a rule takes came out.
enum Outcome {
    /// All of it goes.
    Whole(Contents),
    /// Something in it stays, so that the directory stays too.
    Parts,
}

/// The names of an inode with several.
struct Names {
    links: u64,
    gone: u64,
    path: GuestPath,
}

struct Walk<'w, 'g> {
    guest: &'w Guest<'g>,
    mount: &'w Mounted<'g>,
    matcher: &'w Matcher,
    result: &'w mut Scan,
    /// Where other volumes are mounted: such a directory cannot go.
    mount_points: HashSet<&'w [u8]>,
    seen: HashSet<InodeId>,
    names: HashMap<InodeId, Names>,
    /// Content of edited files so far: further edits, by other names too, build on it.
    rewritten: HashMap<InodeId, Vec<u8>>,
    /// Bytes that edits hold.
    edited: u64,
    scratch: Vec<usize>,
}

impl<'w, 'g> Walk<'w, 'g> {
    fn new(guest: &'w Guest<'g>, mount: &'w Mounted<'g>, matcher: &'w Matcher, result: &'w mut Scan) -> Self {
        Self {
            guest,
            mount,
            matcher,
            result,
            mount_points: guest.mounts().iter().map(|mount| mount.mount_point.as_slice()).collect(),
            seen: HashSet::new(),
            names: HashMap::new(),
            rewritten: HashMap::new(),
            edited: 0,
            scratch: Vec::new(),
        }
    }

    fn run(mut self) -> Result<()> {
        let mut path = Vec::new();
        let mut position = self.matcher.start();
        let mut taken = None;
        // What a rule says of a directory above the mount point holds for the volume mounted there.
        for part in self.mount.mount_point.split(|&byte| byte == b'/').filter(|part| !part.is_empty()) {
            path.push(b'/');
            path.extend(part);
            let verdict = self.matcher.judge(&position, &path, &mut self.scratch);
            if verdict.kept {
                return Ok(());
            }
            if taken.is_some_and(|taker| verdict.excepted.contains(&taker)) {
                taken = None;
            }
            taken = taken.or_else(|| self.taker(&verdict.takers, FileKind::Directory));
            position = self.matcher.step(&position, &path);
        }
        self.directory(self.mount.root, &mut path, &position, taken, MAX_DEPTH)?;
        for names in self.names.into_values().filter(|names| names.gone < names.links) {
            let remaining = names.links.saturating_sub(names.gone);
            self.result.notes.push(Note::OtherNames {
                volume: self.mount.volume,
                path: names.path,
                remaining,
            });
        }
        Ok(())
    }

    /// The first of some rules that takes a file of this kind without a look into it.
    fn taker(&self, takers: &[usize], kind: FileKind) -> Option<usize> {
        takers.iter().copied().find(|&taker| self.matcher.takers[taker].takes(kind))
    }

    /// Walks one directory. `taken` is the rule that takes it whole; then its findings are left in the result
    /// only if something in it stays.
    fn directory(
        &mut self,
        directory: InodeId,
        path: &mut Vec<u8>,
        position: &Position,
        taken: Option<usize>,
        depth: u32,
    ) -> Result<Outcome> {
        let depth = depth.checked_sub(1).ok_or_else(|| too_deep(directory))?;
        if !self.seen.insert(directory) {
            let object = Object::numbered("inode", directory.0);
            return Err(object.corrupt("directory", "reached by two names", "one name"));
        }
        let mut whole = Some(Contents { directories: 1, ..Contents::default() });
        if self.mount.filesystem.metadata(directory)?.encrypted {
            let path = GuestPath(path.clone());
            self.result.notes.push(Note::Encrypted { volume: self.mount.volume, path });
        }
        let length = path.len();
        for step in self.steps(directory, path, position, taken)? {
            let Step::Visit { entry, taken: mine, candidates } = step else {
                whole = None;
                continue;
            };
            path.truncate(length);
            path.push(b'/');
            path.extend(&entry.name);
            let outcome = if entry.kind == FileKind::Directory {
                self.subdirectory(directory, &entry, path, position, mine, depth)?
            } else {
                self.file(directory, &entry, path, mine, &candidates)?
            };
            match (outcome, &mut whole) {
                (Outcome::Whole(contents), Some(sum)) => sum.add(contents),
                _ => whole = None,
            }
        }
        path.truncate(length);
        Ok(match whole {
            Some(contents) if taken.is_some() => Outcome::Whole(contents),
            _ => Outcome::Parts,
        })
    }

    /// What is to be done with each name of a directory; those of no interest are left out at once.
    fn steps(
        &mut self,
        directory: InodeId,
        path: &mut Vec<u8>,
        position: &Position,
        taken: Option<usize>,
    ) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        let length = path.len();
        let Self { mount, matcher, scratch, .. } = self;
        mount.filesystem.entries(directory, &mut |entry| {
            path.truncate(length);
            path.push(b'/');
            path.extend(&entry.name);
            if taken.is_none() && !position.judges() {
                if entry.kind == FileKind::Directory {
                    steps.push(Step::Visit { entry, taken: None, candidates: Vec::new() });
                }
                return Ok(());
            }
            let verdict = matcher.judge(position, path, scratch);
            let inherited = taken.filter(|taker| !verdict.excepted.contains(taker));
            if verdict.kept {
                steps.push(Step::Stays);
            } else if inherited.is_some()
                || entry.kind == FileKind::Directory
                || verdict.takers.iter().any(|&taker| matcher.takers[taker].takes(entry.kind))
            {
                steps.push(Step::Visit { entry, taken: inherited, candidates: verdict.takers });
            } else if taken.is_some() {
                steps.push(Step::Stays);
            }
            Ok(())
        })?;
        path.truncate(length);
        // A directory that no inherited rule takes may have one of its own.
        for step in &mut steps {
            if let Step::Visit { entry, taken, candidates } = step
                && entry.kind == FileKind::Directory
                && taken.is_none()
            {
                *taken = self.taker(candidates, FileKind::Directory);
            }
        }
        Ok(steps)
    }

    fn subdirectory(
        &mut self,
        parent: InodeId,
        entry: &Entry,
        path: &mut Vec<u8>,
        position: &Position,
        taken: Option<usize>,
        depth: u32,
    ) -> Result<Outcome> {
        let below = self.matcher.step(position, path);
        if taken.is_none() && !below.matters() {
            return Ok(Outcome::Parts);
        }
        let mark = self.result.findings.len();
        let outcome = self.directory(entry.inode, path, &below, taken, depth)?;
        match (outcome, taken) {
            (Outcome::Whole(contents), Some(taker)) if !self.mount_points.contains(path.as_slice()) => {
                self.result.findings.truncate(mark);
                self.found(taker, parent, entry, path, contents, None);
                Ok(Outcome::Whole(contents))
            }
            _ => Ok(Outcome::Parts),
        }
    }

    fn file(
        &mut self,
        parent: InodeId,
        entry: &Entry,
        path: &[u8],
        inherited: Option<usize>,
        candidates: &[usize],
    ) -> Result<Outcome> {
        let metadata = self.mount.filesystem.metadata(entry.inode)?;
        let mut taker = inherited;
        let mut editors = Vec::new();
        for &candidate in candidates {
            if taker.is_some() {
                break;
            }
            let rule = &self.matcher.takers[candidate];
            let wanted = rule.takes(entry.kind)
                && match rule.detector {
                    None => true,
                    Some(detector) => {
                        detect::detect(detector, self.mount.filesystem, entry.inode, &metadata)?
                    }
                };
            // Several rules can edit a file; what removes or empties it comes before any of them.
            match rule.action {
                Action::Edit(_) if wanted => editors.push(candidate),
                _ => taker = wanted.then_some(candidate),
            }
        }
        let Some(taker) = taker else {
            self.edit(parent, entry, path, &metadata, &editors)?;
            return Ok(Outcome::Parts);
        };
        let bytes = if entry.kind == FileKind::File { metadata.size } else { 0 };
        let action = self.matcher.takers[taker].action;
        // An empty file has nothing to truncate: sanitizing twice changes nothing.
        if action == Action::Truncate && bytes == 0 {
            return Ok(Outcome::Parts);
        }
        // Truncation empties all names at once.
        if metadata.links > 1 && action == Action::Remove {
            let names = self.names.entry(entry.inode).or_insert_with(|| Names {
                links: u64::from(metadata.links),
                gone: 0,
                path: GuestPath(path.to_vec()),
            });
            names.gone = names.gone.saturating_add(1);
        }
        if entry.kind == FileKind::Symlink
            && inherited.is_none()
            && let Some(node) = self.guest.resolve(path)?
        {
            let path = GuestPath(path.to_vec());
            self.result.notes.push(Note::LinkTarget { volume: self.mount.volume, path, target: node.path });
        }
        let contents = Contents { files: 1, directories: 0, bytes };
        self.found(taker, parent, entry, path, contents, None);
        Ok(Outcome::Whole(contents))
    }

    /// Has rules edit a file, one after the other.
    fn edit(
        &mut self,
        parent: InodeId,
        entry: &Entry,
        path: &[u8],
        metadata: &Metadata,
        editors: &[usize],
    ) -> Result<()> {
        let (volume, matcher) = (self.mount.volume, self.matcher);
        let edits_of = |&taker: &usize| match matcher.takers[taker].action {
            Action::Edit(edit) => Some(edit),
            _ => None,
        };
        let together: Vec<EditId> = editors.iter().filter_map(edits_of).collect();
        for &taker in editors {
            let editor = &matcher.takers[taker];
            let Action::Edit(edit) = editor.action else { continue };
            let not_edited = |reason| Note::NotEdited {
                volume,
                path: GuestPath(path.to_vec()),
                rule: editor.id.clone(),
                reason,
            };
            let content = match self.rewritten.get(&entry.inode) {
                Some(content) => Ok(content.clone()),
                None if self.edited.saturating_add(metadata.size) > MAX_EDITED => {
                    Err("too many such files are to be edited".to_owned())
                }
                None => self.content(entry.inode, metadata)?,
            };
            let content = match content {
                Ok(content) => content,
                Err(reason) => {
                    self.result.notes.push(not_edited(reason));
                    continue;
                }
            };
            let beside = self.names_beside(parent, &entry.name)?;
            let account = editor.account.as_deref();
            let sshd = matcher.sshd.part(volume, entry.inode);
            let host_names = &matcher.host_names;
            let context = Context {
                beside: &beside,
                keep: &matcher.keep_users,
                account,
                sshd,
                together: &together,
                host_names,
            };
            match edits::edit(edit, &entry.name, &content, &context) {
                Ok(EditOutcome { rewrite, notes }) => {
                    self.result.notes.extend(notes.into_iter().map(|what| Note::LeftOver {
                        volume,
                        path: GuestPath(path.to_vec()),
                        what,
                    }));
                    if let Some(rewrite) = rewrite {
                        self.edited = self.edited.saturating_add(to_u64(rewrite.content.len()));
                        self.rewritten.insert(entry.inode, rewrite.content.clone());
                        let contents = Contents { files: 1, directories: 0, bytes: to_u64(content.len()) };
                        self.found(taker, parent, entry, path, contents, Some(rewrite));
                    }
                }
                Err(reason) => self.result.notes.push(not_edited(reason)),
            }
        }
        Ok(())
    }

    /// All of a file, or why an edit cannot have it.
    fn content(&self, inode: InodeId, metadata: &Metadata) -> Result<Result<Vec<u8>, String>> {
        if metadata.encrypted {
            return Ok(Err("it is encrypted".to_owned()));
        }
        if metadata.size > edits::MAX_FILE {
            return Ok(Err(format!("it has {} bytes, more than such a file ever needs", metadata.size)));
        }
        let mut content = vec![0; to_usize(metadata.size)];
        let mut filled = 0;
        while filled < content.len() {
            match self.mount.filesystem.read(inode, to_u64(filled), &mut content[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        content.truncate(filled);
        Ok(Ok(content))
    }

    /// The names in the file beside one that an edit has to compare it with.
    fn names_beside(&self, directory: InodeId, file: &[u8]) -> Result<BTreeSet<Vec<u8>>> {
        let Some(companion) = edits::companion(file) else { return Ok(BTreeSet::new()) };
        let entries = list(self.mount.filesystem, directory)?;
        let found = entries.iter().find(|entry| entry.name == companion && entry.kind == FileKind::File);
        let Some(found) = found else { return Ok(BTreeSet::new()) };
        let content = self.content(found.inode, &self.mount.filesystem.metadata(found.inode)?)?;
        Ok(content.map(|content| edits::first_column(&content)).unwrap_or_default())
    }

    fn found(
        &mut self,
        taker: usize,
        parent: InodeId,
        entry: &Entry,
        path: &[u8],
        contents: Contents,
        rewrite: Option<Rewrite>,
    ) {
        let taker = &self.matcher.takers[taker];
        self.result.findings.push(Finding {
            rule: taker.id.clone(),
            place: Place::File {
                volume: self.mount.volume,
                target: Target { parent, name: entry.name.clone(), inode: entry.inode },
                path: GuestPath(path.to_vec()),
                kind: entry.kind,
            },
            action: taker.action,
            contents,
            rewrite,
        });
    }
}

/// What is to be done with one name.
enum Step {
    /// Nothing: it stays, and so does its directory.
    Stays,
    /// Look at it. `taken` is the rule that takes it whatever it is.
    Visit { entry: Entry, taken: Option<usize>, candidates: Vec<usize> },
}

/// Drops the notes on links whose targets go too, and on names that another volume's note repeats.
fn settle_links(guest: &Guest<'_>, result: &mut Scan) -> Result<()> {
    guest.forget_listings();
    let gone: HashSet<&[u8]> = result
        .findings
        .iter()
        .map(|finding| {
            let Place::File { path, .. } = &finding.place;
            path.0.as_slice()
        })
        .collect();
    result.notes.retain(|note| match note {
        Note::LinkTarget { target, .. } => {
            let mut above =
                target.0.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &target.0[..at]);
            !gone.contains(target.0.as_slice()) && !above.any(|path| gone.contains(path))
        }
        _ => true,
    });
    result.notes.sort_by_key(ToString::to_string);
    result.notes.dedup();
    Ok(())
}
