//! Edits of configuration files: pure functions from a file's bytes to its new bytes.
//!
//! Line by line: what is not concerned stays as it is, with comments, odd line ends and a missing last newline. A file
//! that is not what its name says is refused whole, never half edited. What an edit says of itself names accounts and
//! groups, never a hash. Editing twice changes nothing.

mod accounts;
mod by_line;
mod hardware;
mod hostname;
mod lines;
mod passwords;
mod sshd;
mod sudoers;

use std::{collections::BTreeSet, fmt};

pub use accounts::own_group;
pub use by_line::{LineEdit, LineEdits};
pub(crate) use hostname::host_names;
pub use passwords::{Passwords, passwords};

use crate::sshd::Part;

/// The largest file that is edited.
pub const MAX_FILE: u64 = 1 << 20;
/// Names that a change tells one by one.
const MAX_NAMES: usize = 12;

/// Which edit a rule makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EditId {
    /// What a policy file says of lines.
    Lines(&'static LineEdits),
    /// No password opens an account or a group: passwd, shadow, group, gshadow.
    LockPasswords,
    /// An account goes: from passwd, shadow, subuid and subgid, and from the groups.
    RemoveAccount,
    /// The rights of an account go from sudoers and its drop-ins.
    RemoveSudoRights,
    /// Root does not log in over SSH with a password.
    SshdRootLogin,
    /// sshd takes keys.
    SshdPubkey,
    /// sshd asks nobody for a password.
    SshdNoPasswords,
    /// sshd looks no client's name up.
    SshdNoDns,
    /// The name of the machine goes: hostname, hosts, mailname and their like.
    ForgetHostName,
    /// The hardware addresses of the machine's cards go from the configuration of its network.
    ForgetHardware,
}

impl EditId {
    /// In words: what happens in the files.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::Lines(_) => "lines that match go or change",
            Self::LockPasswords => "each password becomes a mark that no password matches",
            Self::RemoveAccount => "the account's lines and memberships go",
            Self::RemoveSudoRights => "the account's lines go",
            Self::SshdRootLogin => "PermitRootLogin becomes `prohibit-password`, if it is weaker",
            Self::SshdPubkey => "PubkeyAuthentication becomes `yes`",
            Self::SshdNoPasswords => "PasswordAuthentication and KbdInteractiveAuthentication become `no`",
            Self::SshdNoDns => "UseDNS becomes `no`",
            Self::ForgetHostName => "the machine's own name goes",
            Self::ForgetHardware => "hardware addresses and ids of connections go",
        }
    }
}

/// An account that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// User number: subuid(5) may have it instead of the name.
    pub uid: u32,
    /// Whether the group of the same name goes, too ([`own_group`]).
    pub own_group: bool,
}

/// What an edit has to know besides the file.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Names in the first column of the file's [`companion`].
    pub beside: &'a BTreeSet<Vec<u8>>,
    /// Accounts that stay as they are.
    pub keep: &'a BTreeSet<String>,
    /// The account that goes, for the edits that remove one.
    pub account: Option<&'a Account>,
    /// What the file is to sshd, for the edits of its configuration.
    pub(crate) sshd: Option<Part<'a>>,
    /// The edits that are made in the file, this one among them.
    pub(crate) together: &'a [EditId],
    /// The machine's own names, in lower case.
    pub(crate) host_names: &'a BTreeSet<String>,
}

#[cfg(test)]
impl Context<'_> {
    /// Nothing: the base that others name their differences from.
    pub(crate) const NONE: Self = Self {
        beside: &BTreeSet::new(),
        keep: &BTreeSet::new(),
        account: None,
        sshd: None,
        together: &[],
        host_names: &BTreeSet::new(),
    };
}

/// What becomes of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// All of its new content.
    pub content: Vec<u8>,
    /// What is different, in words: `locks root, al`.
    pub changes: Vec<String>,
}

// The content is the guest's.
impl fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rewrite {{ {} bytes, {:?} }}", self.content.len(), self.changes)
    }
}

/// What an edit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The file's new content; `None` if it stays as it is.
    pub rewrite: Option<Rewrite>,
    /// What is left for people to decide, each as the end of a sentence on the file.
    pub notes: Vec<String>,
}

/// The file in the same directory whose names [`Context::beside`] has to hold.
#[must_use]
pub fn companion(file: &[u8]) -> Option<&'static [u8]> {
    match file {
        b"passwd" => Some(b"shadow"),
        b"group" => Some(b"gshadow"),
        _ => None,
    }
}

/// The names in the first column of such a file.
#[must_use]
pub fn first_column(content: &[u8]) -> BTreeSet<Vec<u8>> {
    lines::lines(content).filter_map(|line| Some(lines::row(line.text)?.first()?.to_vec())).collect()
}

/// Makes an edit in a file of this name. The error says why the file cannot be read, as the end of a sentence.
pub fn edit(edit: EditId, file: &[u8], content: &[u8], context: &Context<'_>) -> Result<Outcome, String> {
    match edit {
        EditId::Lines(edits) => edits.apply(content),
        EditId::LockPasswords => passwords::lock(file, content, context),
        EditId::RemoveAccount => accounts::remove(file, content, context),
        EditId::RemoveSudoRights => sudoers::remove(content, context),
        EditId::SshdRootLogin | EditId::SshdPubkey | EditId::SshdNoPasswords | EditId::SshdNoDns => {
            sshd::harden(edit, content, context)
        }
        EditId::ForgetHostName => hostname::forget(file, content, context),
        EditId::ForgetHardware => hardware::forget(file, content),
    }
}

/// `root, al and 3 more`; safe on a terminal.
pub(crate) fn names(names: &[impl AsRef<[u8]>]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(MAX_NAMES)
        .map(|name| block::printable(&String::from_utf8_lossy(name.as_ref())))
        .collect();
    match names.len().saturating_sub(MAX_NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
