//! A rule: one record that says what to look for, why, and what becomes of it. Records hold no code.

use std::fmt;

use crate::{edits::EditId, first_boot::Helper};

/// Why a rule exists: the document or program that asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A bullet of the AWS guidelines for shared Linux AMIs: `A4`.
    Aws(&'static str),
    /// A bullet of the OUTSCALE guidelines for OMIs: `O12`.
    Outscale(&'static str),
    /// An operation of virt-sysprep: `ssh-hostkeys`.
    Sysprep(&'static str),
    /// `cloud-init clean`.
    CloudInit,
    /// The clean-up script of EC2 Image Builder, and those of the ECS and EKS images.
    ImageBuilder,
    /// `waagent -deprovision`.
    Waagent,
    /// The sysprep role of kubernetes-sigs/image-builder.
    Kubernetes,
    /// The ForensicArtifacts definitions.
    ForensicArtifacts,
    /// Lists of sensitive files that attackers use (PEASS-ng, Dufflebag).
    Attackers,
    /// diskscrub's own knowledge.
    Own,
    /// The policy that defines the rule.
    Policy,
}

impl Source {
    /// The bullet of a guideline: `A4`, `O12`.
    #[must_use]
    pub const fn bullet(self) -> Option<&'static str> {
        match self {
            Self::Aws(id) | Self::Outscale(id) => Some(id),
            _ => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aws(id) => write!(f, "AWS {id}"),
            Self::Outscale(id) => write!(f, "OUTSCALE {id}"),
            Self::Sysprep(operation) => write!(f, "virt-sysprep {operation}"),
            Self::CloudInit => f.write_str("cloud-init clean"),
            Self::ImageBuilder => f.write_str("EC2 Image Builder"),
            Self::Waagent => f.write_str("waagent -deprovision"),
            Self::Kubernetes => f.write_str("kubernetes-sigs/image-builder"),
            Self::ForensicArtifacts => f.write_str("ForensicArtifacts"),
            Self::Attackers => f.write_str("PEASS-ng, Dufflebag"),
            Self::Own => f.write_str("own"),
            Self::Policy => f.write_str("the policy"),
        }
    }
}

/// What happens to a file that a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// The name goes, and a directory with its whole tree.
    Remove,
    /// The content goes; name, owner, mode and labels stay.
    Truncate,
    /// The body of a swap file becomes zero; its header, with size, label and UUID, stays.
    SwapFile,
    /// Some lines of the content go or change; all else stays.
    Edit(EditId),
    /// Files are made that help on the first boot, where nothing else does. Takes nothing.
    Create(Helper),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Remove => "remove",
            Self::Truncate => "truncate",
            Self::SwapFile => "clear the body of",
            Self::Edit(_) => "edit",
            Self::Create(_) => "make",
        })
    }
}

/// Which kinds of file a rule takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinds {
    /// Everything; a directory goes with its tree.
    Any,
    /// Everything but directories: those stay, with owner and mode.
    NotDirectories,
    /// Regular files only.
    Files,
}

/// A look into a file, where its path is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detector {
    /// It holds a private key: a PEM header, or PuTTY's.
    PrivateKey,
    /// It has the signature of a swap area, or of a suspended system in one.
    SwapHeader,
    /// It is an ELF core.
    CoreDump,
    /// It is anything but the word `uninitialized`, which tells systemd that the next boot is the first.
    MachineId,
}

/// Places that only the guest's own configuration tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Also {
    /// What `AuthorizedKeysFile` names in sshd_config and the files that it includes.
    AuthorizedKeysFile,
    /// sshd_config and the files that it includes.
    SshdConfig,
    /// What `HostKey` and `HostCertificate` name there.
    HostKey,
    /// The files of type swap in fstab.
    FstabSwap,
}

impl Also {
    /// In words.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::AuthorizedKeysFile => "what AuthorizedKeysFile in sshd_config names",
            Self::SshdConfig => "sshd_config and the files that it includes",
            Self::HostKey => "what HostKey and HostCertificate in sshd_config name",
            Self::FstabSwap => "files of type swap in fstab",
        }
    }
}

/// What the guest must have, or else a rule finds nothing: what it takes would be missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// cloud-init, which runs at boot and configures the network.
    CloudInitNetwork,
}

impl Needs {
    /// In words.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::CloudInitNetwork => "cloud-init that runs at boot and configures the network",
        }
    }
}

/// Where a rule looks.
///
/// A pattern is absolute in the guest (`/var/log/**`) or relative to every home (`~/.ssh/id_*`). `*` and `?`
/// stop at a slash, `**` does not, `[..]` and `{a,b}` are as in a shell; a leading dot is not special.
#[derive(Debug, Clone, Copy)]
pub struct Find {
    /// What matches.
    pub paths: &'static [&'static str],
    /// What does not, although a pattern of `paths` says so; a directory with its tree.
    pub except: &'static [&'static str],
    /// Which kinds of file match.
    pub kinds: Kinds,
    /// What a file must hold to match.
    pub detector: Option<Detector>,
    /// More places.
    pub also: Option<Also>,
    /// Without which it looks nowhere.
    pub needs: Option<Needs>,
}

impl Find {
    /// Nothing: the base that records name their differences from.
    pub const NOTHING: Self =
        Self { paths: &[], except: &[], kinds: Kinds::Any, detector: None, also: None, needs: None };

    /// These paths; directories with their trees.
    #[must_use]
    pub const fn paths(paths: &'static [&'static str]) -> Self {
        Self { paths, ..Self::NOTHING }
    }

    /// Regular files, links and the like at these paths; directories stay.
    #[must_use]
    pub const fn files(paths: &'static [&'static str]) -> Self {
        Self { paths, kinds: Kinds::NotDirectories, ..Self::NOTHING }
    }
}

/// One rule: the report, `rules explain` and docs/rules.md all come from this record.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Kebab-case, for ever the same.
    pub id: &'static str,
    /// A few words, for a list.
    pub heading: &'static str,
    /// What goes and why, what the guest does afterwards, and what stays.
    pub explain: &'static str,
    /// Who asks for it.
    pub sources: &'static [Source],
    /// Where it looks.
    pub find: Find,
    /// What happens to what it finds.
    pub action: Action,
    /// Whether the default policy has it.
    pub default: bool,
}

impl Rule {
    /// What it does to which files: `remove files; directories stay`.
    #[must_use]
    pub fn deed(&self) -> String {
        if let Action::Create(_) = self.action {
            return format!("{} files, where nothing else does their work", self.action);
        }
        let kinds = match (self.action, self.find.kinds) {
            (Action::Remove, Kinds::Any) => "files, and directories with their trees",
            (Action::Remove, Kinds::NotDirectories) => "files; directories stay",
            _ => "regular files",
        };
        let holding = match self.find.detector {
            None => "",
            Some(Detector::PrivateKey) => " that hold a private key",
            Some(Detector::SwapHeader) => " that are swap areas",
            Some(Detector::CoreDump) => " that are ELF cores",
            Some(Detector::MachineId) => " that do not say `uninitialized`",
        };
        let how =
            if let Action::Edit(edit) = self.action { format!(": {}", edit.what()) } else { String::new() };
        format!("{} {kinds}{holding}{how}", self.action)
    }
}

/// What asked for a finding.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RuleId {
    /// A rule by its id: of the registry, or of a policy's own.
    BuiltIn(&'static str),
    /// A pattern that the user gave.
    Remove(String),
    /// An account that the user wants gone.
    RemoveUser(String),
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(id) => f.write_str(id),
            Self::Remove(glob) => write!(f, "remove {glob}"),
            Self::RemoveUser(name) => write!(f, "remove-user {}", block::printable(name)),
        }
    }
}

/// An absolute path in the guest, as raw bytes. Displays safely on a terminal: what is not printable, or not
/// UTF-8, is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GuestPath(pub Vec<u8>);

impl fmt::Display for GuestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if block::is_hidden(c) || c == '\\' {
                    write!(f, "{}", c.escape_default())?;
                } else {
                    write!(f, "{c}")?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_play_with_the_terminal() {
        let path = GuestPath(b"/home/\x1b[31m\xff/caf\xc3\xa9\\".to_vec());
        assert_eq!(path.to_string(), "/home/\\u{1b}[31m\\xff/café\\\\");
    }
}
