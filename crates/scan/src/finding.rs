//! What a scan reports: findings and notes. They say where something is, never what it holds.

use std::fmt;

use filesystem::{FileKind, Target};

use crate::{Action, GuestPath, RuleId};

/// Something to be changed, where it is, and who asks for it. Never what it holds.
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
            Self::Encrypted { volume, path } => {
                write!(f, "volume {volume}: {path} is encrypted; no rule can look into it")
            }
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
