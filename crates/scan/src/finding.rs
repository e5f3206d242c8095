//! What a scan reports: findings and notes. They say where something is, never what it holds.

use std::fmt;

use filesystem::{FileKind, Target};

use crate::{
    Action, GuestPath, RuleId,
    edits::{Passwords, Rewrite, names},
};

/// Something to be changed, where it is, and who asks for it. Never what it holds; for an edit, what it is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Who asks for it.
    pub rule: RuleId,
    /// Where it is.
    pub place: Place,
    /// What is to be done.
    pub action: Action,
    /// How much it takes.
    pub contents: Contents,
    /// The new content, if the action is an edit. Further edits of the same file build on it.
    pub rewrite: Option<Rewrite>,
}

/// Where a finding is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A name in a tree.
    File {
        /// The volume, as the caller of [`crate::Guest::open`] numbered it.
        volume: usize,
        /// The name, its directory and its inode: as an edit needs it.
        target: Target,
        /// The path in the guest.
        path: GuestPath,
        /// What it is.
        kind: FileKind,
    },
}

/// What a finding takes: of a file itself, of a directory everything below.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contents {
    /// Names that are no directories.
    pub files: u64,
    /// Directories, itself included.
    pub directories: u64,
    /// Sum of the sizes of the regular files.
    pub bytes: u64,
}

impl Contents {
    pub(crate) fn add(&mut self, other: Self) {
        self.files = self.files.saturating_add(other.files);
        self.directories = self.directories.saturating_add(other.directories);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Something that a report has to say beside the findings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// No line of fstab names the volume; its tree was taken as if mounted at `/`.
    NotInFstab {
        /// The volume.
        volume: usize,
    },
    /// A file that goes has more names, which keep its content.
    OtherNames {
        /// The volume.
        volume: usize,
        /// One of the names that go.
        path: GuestPath,
        /// How many names stay.
        remaining: u64,
    },
    /// A symbolic link goes; what it points to stays, unless another finding has it.
    LinkTarget {
        /// The volume of the link.
        volume: usize,
        /// The link.
        path: GuestPath,
        /// Where it leads in the guest.
        target: GuestPath,
    },
    /// Names in an encrypted directory cannot be read, so no rule can match there.
    Encrypted {
        /// The volume.
        volume: usize,
        /// The directory.
        path: GuestPath,
    },
    /// SSH host keys go, and nothing that is known to make new ones on the first boot is in the guest.
    NoHostKeys,
    /// A pattern that the user gave for removal has matched no path: a slip, perhaps.
    RemovesNothing {
        /// As given.
        pattern: String,
    },
    /// A pattern that the user gave for keeping has met nothing that a rule could have taken.
    KeepsNothing {
        /// As given.
        pattern: String,
    },
    /// A file that an edit is for stays as it is.
    NotEdited {
        /// The volume.
        volume: usize,
        /// The file.
        path: GuestPath,
        /// The edit's rule.
        rule: RuleId,
        /// Why, as the end of a sentence.
        reason: String,
    },
    /// A file that a rule wants is not made.
    NotCreated {
        /// The file.
        path: GuestPath,
        /// The rule.
        rule: RuleId,
        /// Why, as the end of a sentence.
        reason: String,
    },
    /// An edit leaves something for people to decide.
    LeftOver {
        /// The volume.
        volume: usize,
        /// The file.
        path: GuestPath,
        /// What, as the end of a sentence on the file.
        what: String,
    },
    /// Accounts can still be logged in to with a password of the build.
    KeepsPasswords {
        /// Which.
        accounts: Passwords,
        /// The user wants it so.
        asked: bool,
    },
    /// An account that a policy file names is not there.
    NoAccount {
        /// As given.
        name: String,
    },
    /// The home of an account that goes stays, because it is another's too.
    SharedHome {
        /// The account that goes.
        account: String,
        /// The home.
        path: GuestPath,
    },
}

impl Note {
    /// A file that a rule would edit or make, and cannot: its volume, if it has one, and who asks for it.
    #[must_use]
    pub const fn undone(&self) -> Option<(Option<usize>, &GuestPath, &RuleId)> {
        match self {
            Self::NotEdited { volume, path, rule, .. } => Some((Some(*volume), path, rule)),
            Self::NotCreated { path, rule, .. } => Some((None, path, rule)),
            _ => None,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInFstab { volume } => {
                write!(f, "volume {volume}: no line of fstab names it; its tree was taken as if mounted at /")
            }
            Self::OtherNames { volume, path, remaining: 1 } => {
                write!(f, "volume {volume}: {path}: 1 other name keeps the content")
            }
            Self::OtherNames { volume, path, remaining } => {
                write!(f, "volume {volume}: {path}: {remaining} other names keep the content")
            }
            Self::LinkTarget { volume, path, target } => {
                write!(f, "volume {volume}: {path} is a symbolic link to {target}, which stays")
            }
            Self::RemovesNothing { pattern } => write!(f, "remove {pattern:?}: no path matches"),
            Self::KeepsNothing { pattern } => {
                write!(f, "keep {pattern:?}: no path that a rule looks at matches")
            }
            Self::NotEdited { volume, path, rule, reason } => {
                write!(f, "volume {volume}: {path} IS NOT EDITED ({rule}): {reason}")
            }
            Self::NotCreated { path, rule, reason } => write!(f, "{path} IS NOT CREATED ({rule}): {reason}"),
            Self::LeftOver { volume, path, what } => write!(f, "volume {volume}: {path}: {what}"),
            Self::KeepsPasswords { accounts, asked } => {
                let (hashes, none) = (&accounts.hashes, &accounts.none);
                if !hashes.is_empty() {
                    let number = Number(hashes.len(), "keeps a password", "keep a password");
                    write!(f, "{number}: {}", names(hashes))?;
                }
                if !none.is_empty() {
                    let between = if hashes.is_empty() { "" } else { "; " };
                    let number = Number(none.len(), "needs no password", "need no password");
                    write!(f, "{between}{number}: {}", names(none))?;
                }
                f.write_str(if *asked {
                    " (as the policy or --keep-user says)"
                } else {
                    " (the rule password-hashes, of the policies aws and outscale, locks them)"
                })
            }
            Self::NoAccount { name } => write!(f, "the policy names {name:?}: there is no such account"),
            Self::SharedHome { account, path } => {
                write!(f, "{path} stays although {} goes: another account lives there, too", names(&[account]))
            }
            Self::NoHostKeys => f.write_str(
                "SSH host keys go, and neither cloud-init nor a unit that makes new ones was found: sshd will not \
                 start before `ssh-keygen -A` has run",
            ),
            Self::Encrypted { volume, path } => {
                write!(f, "volume {volume}: {path} is encrypted; no rule can look into it")
            }
        }
    }
}

/// `1 account keeps`, `2 accounts keep`.
struct Number(usize, &'static str, &'static str);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(1, one, _) => write!(f, "1 account {one}"),
            Self(number, _, many) => write!(f, "{number} accounts {many}"),
        }
    }
}

/// What a scan found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// In the order of the volumes and, within one, of the directories on disk.
    pub findings: Vec<Finding>,
    /// What the findings do not say; notes on the layout are the guest's.
    pub notes: Vec<Note>,
}
