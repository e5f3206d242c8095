//! Rules, and what they find in a guest's tree. Never writes, and never keeps a byte of what it finds.
//!
//! [`Guest::open`] lays the volumes out as the guest mounts them, [`Selection`] says which rules apply, and
//! [`scan`] walks the trees once: each [`Finding`] names a rule, a place and an action.

pub mod cloud_init;
pub mod content;
mod creation;
mod detect;
mod dynamic;
pub mod edits;
mod finding;
mod first_boot;
mod fstab;
mod guest;
mod homes;
mod leaving;
mod markdown;
mod matcher;
mod nearest;
mod passwords;
mod pattern;
mod policy;
mod rule;
pub mod rules;
mod selinux;
pub mod sshd;
pub mod sudoers;
mod walk;

pub use creation::{Creation, Parent, Wanted, creations};
pub use finding::{Contents, Finding, Note, Place, Scan};
pub use first_boot::{Helper, wanted};
pub use guest::{DeviceName, Guest, Mounted, Node, VolumeSource};
pub use homes::{OperatingSystem, User};
pub use markdown::rules_markdown;
pub use policy::{
    Accept, Around, BuiltIn, FileError, Level, Overrides, Policy, PolicyError, Seen, Selection,
    built_in_policies, find_rule, hexadecimal,
};
pub use rule::{Action, Also, Detector, Find, GuestPath, Kinds, Needs, Rule, RuleId, Source};
pub use walk::{contents, host_key_maker, scan};
