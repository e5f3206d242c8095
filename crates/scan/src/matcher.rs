//! The selected rules, compiled against a guest: which rule takes a path, and below which directories any can.

use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap, HashSet},
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    rc::Rc,
};

use block::Result;
use filesystem::FileKind;
use globset::{Candidate, GlobSet, GlobSetBuilder};

use crate::{
    Action, Also, Detector, Guest, Kinds, Needs, Note, RuleId, Selection, cloud_init, dynamic,
    edits::{self, Account, EditId},
    leaving::leaving,
    pattern::{ANY_DEPTH, Pattern},
    sshd::Configurations,
};

/// Where a machine has its name, and what such a file is called.
const NAMED_IN: [(&[u8], &[u8]); 3] = [
    (b"/etc/hostname", b"hostname"),
    (b"/etc/HOSTNAME", b"HOSTNAME"),
    (b"/etc/sysconfig/network", b"network"),
];

/// A rule, as the walk needs it.
pub(crate) struct Taker {
    pub(crate) id: RuleId,
    pub(crate) action: Action,
    pub(crate) kinds: Kinds,
    pub(crate) detector: Option<Detector>,
    /// The account that goes, for edits that remove one.
    pub(crate) account: Option<Rc<Account>>,
}

/// What the patterns say of one path.
#[derive(Default)]
pub(crate) struct Verdict {
    /// A keep pattern matches: nothing else counts.
    pub(crate) kept: bool,
    /// Rules whose patterns match, in order, those that except the path left out.
    pub(crate) takers: Vec<usize>,
    /// Rules that except the path.
    pub(crate) excepted: Vec<usize>,
}

pub(crate) struct Matcher {
    pub(crate) takers: Vec<Taker>,
    absolute: Globs,
    home: Globs,
    /// Where rules take, and where the walk has to go.
    reach: Reach,
    home_reach: Reach,
    /// Where something may be kept: judged if the walk comes by.
    keep_reach: Reach,
    home_keep_reach: Reach,
    homes: HashSet<Vec<u8>>,
    /// For each of the user's patterns what to note if it has met no path: those to remove, and those to keep.
    removing: Vec<Unmet>,
    keeping: Vec<Unmet>,
    /// Accounts that no edit touches.
    pub(crate) keep_users: BTreeSet<String>,
    /// What the accounts to be removed give reason to say.
    pub(crate) notes: Vec<Note>,
    /// How the guest's sshd is configured, where a rule asks.
    pub(crate) sshd: Configurations,
    /// What the guest calls itself, where a rule asks.
    pub(crate) host_names: BTreeSet<String>,
}

/// A note that stands until a path matches.
struct Unmet(Cell<Option<Note>>);

/// What a glob of a set stands for.
#[derive(Clone, Copy)]
enum Role {
    Take(usize),
    Except(usize),
    /// Index of the user's pattern.
    Keep(usize),
}

struct Globs {
    set: GlobSet,
    roles: Vec<Role>,
}

/// How deep below a directory a pattern can match, and which directories lead there (0).
#[derive(Default)]
struct Reach(HashMap<Vec<u8>, u32>);

impl Reach {
    fn add(&mut self, pattern: &Pattern) {
        let prefix = pattern.literal_prefix();
        let depth = self.0.entry(prefix.as_bytes().to_vec()).or_default();
        *depth = (*depth).max(pattern.depth());
        for (at, _) in prefix.match_indices('/') {
            self.0.entry(prefix.as_bytes()[..at].to_vec()).or_default();
        }
    }
}

/// Where the walk stands: what it may still meet below.
#[derive(Clone, Default)]
pub(crate) struct Position {
    /// Levels below on which a rule's pattern can match.
    depth: u32,
    /// Levels below on which a keep pattern can match.
    keep_depth: u32,
    /// Lengths of the homes that the directory is in.
    homes: Vec<usize>,
    /// A directory that a pattern names lies below.
    leads: bool,
}

impl Position {
    /// Whether anything below can match at all.
    pub(crate) fn matters(&self) -> bool {
        self.depth > 0 || self.leads
    }

    /// Whether names in the directory itself can match.
    pub(crate) fn judges(&self) -> bool {
        self.depth > 0 || self.keep_depth > 0
    }
}

impl Matcher {
    pub(crate) fn new(guest: &Guest<'_>, selection: &Selection) -> Result<Self> {
        let mut patterns = Vec::new();
        let mut takers = Vec::new();
        let (mut removing, mut keeping) = (Vec::new(), Vec::new());
        // A pattern that the user gave comes before the rules.
        for (glob, pattern) in selection.remove() {
            patterns.push((pattern.clone(), Role::Take(takers.len())));
            removing.push(Unmet::new(Note::RemovesNothing { pattern: glob.clone() }));
            let id = RuleId::Remove(glob.clone());
            let (action, kinds) = (Action::Remove, Kinds::Any);
            takers.push(Taker { id, action, kinds, detector: None, account: None });
        }
        let (leaving, notes) = leaving(guest, selection)?;
        for leaving in leaving {
            let id = RuleId::RemoveUser(leaving.account.name.clone());
            let account = Rc::new(leaving.account);
            for (action, places) in leaving.places {
                patterns.extend(places.into_iter().map(|pattern| (pattern, Role::Take(takers.len()))));
                let kinds = if action == Action::Remove { Kinds::Any } else { Kinds::Files };
                let (id, account) = (id.clone(), Some(Rc::clone(&account)));
                takers.push(Taker { id, action, kinds, detector: None, account });
            }
        }
        let asks = |also| selection.rules().any(|rule| rule.find.also == Some(also));
        let sshd = if asks(Also::SshdConfig) || asks(Also::HostKey) || asks(Also::AuthorizedKeysFile) {
            Configurations::read(guest, asks(Also::SshdConfig))?
        } else {
            Configurations::default()
        };
        let mut host_names = BTreeSet::new();
        if selection.rules().any(|rule| rule.action == Action::Edit(EditId::ForgetHostName)) {
            for (path, file) in NAMED_IN {
                for content in guest.read_each_small(path, edits::MAX_FILE)? {
                    host_names.extend(edits::host_names(file, &content));
                }
            }
        }
        for rule in selection.rules() {
            let met = match rule.find.needs {
                None => true,
                Some(Needs::CloudInitNetwork) => cloud_init::configures_network(guest)?,
            };
            if !met {
                continue;
            }
            let taker = takers.len();
            for (texts, role) in
                [(rule.find.paths, Role::Take(taker)), (rule.find.except, Role::Except(taker))]
            {
                for text in texts {
                    let pattern = Pattern::parse(text).expect("a test compiles every pattern of every rule");
                    if let Role::Except(_) = role {
                        patterns.extend(pattern.below().map(|below| (below, role)));
                    }
                    patterns.push((pattern, role));
                }
            }
            if let Some(also) = rule.find.also {
                patterns.extend(
                    dynamic::patterns(guest, also, &sshd).into_iter().map(|p| (p, Role::Take(taker))),
                );
            }
            let id = RuleId::BuiltIn(rule.id);
            takers.push(Taker {
                id,
                action: rule.action,
                kinds: rule.find.kinds,
                detector: rule.find.detector,
                account: None,
            });
        }
        for (glob, pattern) in selection.keep() {
            patterns.push((pattern.clone(), Role::Keep(keeping.len())));
            keeping.push(Unmet::new(Note::KeepsNothing { pattern: glob.clone() }));
        }

        let mut behind_links = Vec::new();
        for (pattern, role) in &patterns {
            behind_links.extend(behind_link(guest, pattern)?.into_iter().map(|p| (p, *role)));
        }
        patterns.extend(behind_links);
        guest.forget_listings();

        let mut reach = Reach::default();
        let mut home_reach = Reach::default();
        let mut keep_reach = Reach::default();
        let mut home_keep_reach = Reach::default();
        for (pattern, role) in &patterns {
            match (role, pattern.home) {
                (Role::Take(_), false) => reach.add(pattern),
                (Role::Take(_), true) => home_reach.add(pattern),
                (Role::Keep(_), false) => keep_reach.add(pattern),
                (Role::Keep(_), true) => home_keep_reach.add(pattern),
                // Asked only where the same rule takes.
                (Role::Except(_), _) => {}
            }
        }
        if !home_reach.0.is_empty() {
            // The way to a home is worth walking, too.
            for home in guest.homes() {
                for (at, _) in home.0.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
                    reach.0.entry(home.0[..at].to_vec()).or_default();
                }
            }
        }
        Ok(Self {
            takers,
            absolute: Globs::new(patterns.iter().filter(|(pattern, _)| !pattern.home)),
            home: Globs::new(patterns.iter().filter(|(pattern, _)| pattern.home)),
            reach,
            home_reach,
            keep_reach,
            home_keep_reach,
            homes: guest.homes().iter().map(|home| home.0.clone()).collect(),
            removing,
            keeping,
            keep_users: selection.keep_users().clone(),
            notes,
            sshd,
            host_names,
        })
    }

    /// The position at the root.
    pub(crate) fn start(&self) -> Position {
        self.step(&Position::default(), b"")
    }

    /// The position in a directory (absolute, without a trailing slash), from that of its parent.
    pub(crate) fn step(&self, parent: &Position, directory: &[u8]) -> Position {
        let below = |depth: u32| if depth == ANY_DEPTH { depth } else { depth.saturating_sub(1) };
        let mut position = Position {
            depth: below(parent.depth),
            keep_depth: below(parent.keep_depth),
            homes: parent.homes.clone(),
            leads: false,
        };
        if self.homes.contains(directory) {
            position.homes.push(directory.len());
        }
        let own = std::iter::once((&self.reach, &self.keep_reach, directory));
        let of_homes =
            position.homes.iter().map(|&home| (&self.home_reach, &self.home_keep_reach, &directory[home..]));
        for (reach, keep_reach, path) in own.chain(of_homes) {
            if let Some(depth) = reach.0.get(path) {
                position.depth = position.depth.max(*depth);
                position.leads = true;
            }
            if let Some(depth) = keep_reach.0.get(path) {
                position.keep_depth = position.keep_depth.max(*depth);
            }
        }
        position
    }

    /// What the patterns say of a path in a directory at `position`.
    pub(crate) fn judge(&self, position: &Position, path: &[u8], scratch: &mut Vec<usize>) -> Verdict {
        let mut verdict = Verdict::default();
        let whole = std::iter::once((&self.absolute, path));
        let in_homes = position.homes.iter().map(|&home| (&self.home, &path[home..]));
        for (globs, path) in whole.chain(in_homes) {
            globs.set.matches_candidate_into(&Candidate::new(OsStr::from_bytes(path)), scratch);
            for &index in &*scratch {
                match globs.roles[index] {
                    Role::Take(taker) => {
                        verdict.takers.push(taker);
                        Unmet::met(&self.removing, taker);
                    }
                    Role::Except(taker) => verdict.excepted.push(taker),
                    Role::Keep(pattern) => {
                        verdict.kept = true;
                        Unmet::met(&self.keeping, pattern);
                    }
                }
            }
        }
        if !verdict.takers.is_empty() {
            verdict.takers.sort_unstable();
            verdict.takers.dedup();
            verdict.takers.retain(|taker| !verdict.excepted.contains(taker));
        }
        verdict
    }

    /// A note for each pattern of the user that no path has matched.
    pub(crate) fn unmet(&self) -> impl Iterator<Item = Note> + '_ {
        self.removing.iter().chain(&self.keeping).filter_map(|unmet| unmet.0.take())
    }
}

impl Unmet {
    fn new(note: Note) -> Self {
        Self(Cell::new(Some(note)))
    }

    /// The user's patterns are the first takers, so that they have the same index in both lists.
    fn met(unmet: &[Self], index: usize) {
        if let Some(Self(note)) = unmet.get(index) {
            note.set(None);
        }
    }
}

impl Taker {
    /// Whether a file of this kind is for the rule.
    pub(crate) fn takes(&self, kind: FileKind) -> bool {
        let by_kinds = match self.kinds {
            Kinds::Any => true,
            Kinds::NotDirectories => kind != FileKind::Directory,
            Kinds::Files => kind == FileKind::File,
        };
        let regular_only = self.action != Action::Remove || self.detector.is_some();
        by_kinds && (kind == FileKind::File || !regular_only)
    }
}

impl Globs {
    fn new<'p>(patterns: impl Iterator<Item = &'p (Pattern, Role)>) -> Self {
        let mut set = GlobSetBuilder::new();
        let mut roles = Vec::new();
        for (pattern, role) in patterns {
            set.add(pattern.compile().expect("parse has compiled it"));
            roles.push(*role);
        }
        Self { set: set.build().expect("each glob compiles, and the set has no size limit"), roles }
    }
}

/// The same pattern where its directory really is, if symbolic links lead there: `/var/run/x` is `/run/x`.
fn behind_link(guest: &Guest<'_>, pattern: &Pattern) -> Result<Vec<Pattern>> {
    let prefix = pattern.literal_prefix();
    if prefix.is_empty() {
        return Ok(Vec::new());
    }
    let bases: Vec<&[u8]> =
        if pattern.home { guest.homes().iter().map(|home| home.0.as_slice()).collect() } else { vec![b""] };
    let mut found = Vec::new();
    for base in bases {
        let directory = [base, prefix.as_bytes()].concat();
        if let Some(node) = guest.resolve(&directory)?
            && node.kind == FileKind::Directory
            && node.path.0 != directory
            && node.path.0 != b"/"
        {
            found.extend(Pattern::absolute(&node.path.0, pattern.rest()));
        }
    }
    Ok(found)
}
