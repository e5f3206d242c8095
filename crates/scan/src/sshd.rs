//! How a guest's sshd is configured: every file that its configuration reaches, read as sshd reads it.
//!
//! sshd_config(5) and servconf.c: the first value of a keyword wins, `Include` takes patterns and holds inside `Match`
//! blocks, a `Match` ends with its file. Reading goes on behind what cannot be understood, but says so: whoever edits
//! or judges the configuration must not act on half of it.

mod access;
mod files;
mod glob;
mod keywords;
mod line;
mod version;

use std::collections::BTreeMap;

use block::Result;

use crate::{Guest, GuestPath};

pub use access::{Access, Login};
pub(crate) use files::{Configuration, Configurations, Part};
pub(crate) use line::{Directive, directive};
pub use version::Version;

/// One line's word on a keyword.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What follows the keyword, without quotes.
    pub values: Vec<String>,
    /// In which file; without symbolic links.
    pub file: GuestPath,
    /// Counted from 1.
    pub line: usize,
    /// The criteria of the `Match` blocks that the line stands in: `User al`. `None` if it is for everybody.
    pub matching: Option<String>,
}

/// A guest's configuration of sshd, keyword by keyword.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The file that sshd reads first.
    pub main: GuestPath,
    /// Of OpenSSH, where its program says so.
    pub version: Option<Version>,
    /// Why the configuration cannot be understood, if so: then nothing else here is certain.
    pub problem: Option<String>,
    settings: BTreeMap<String, Vec<Setting>>,
}

impl Effective {
    /// What everybody gets, in the order in which sshd reads it. The first line wins, but for keywords that add up
    /// (HostKey, Port, ListenAddress, AllowUsers and its kin, AcceptEnv, Subsystem). Empty: sshd's default holds.
    /// Aliases are keywords of their own.
    pub fn global<'e>(&'e self, keyword: &str) -> impl Iterator<Item = &'e Setting> + use<'e> {
        self.all(keyword).iter().filter(|setting| setting.matching.is_none())
    }

    /// What `Match` blocks say instead, each for those who meet its criteria.
    pub fn overrides<'e>(&'e self, keyword: &str) -> impl Iterator<Item = &'e Setting> + use<'e> {
        self.all(keyword).iter().filter(|setting| setting.matching.is_some())
    }

    /// The keywords that are set anywhere, in lower case.
    pub fn keywords(&self) -> impl Iterator<Item = &str> {
        self.settings.keys().map(String::as_str)
    }

    fn all(&self, keyword: &str) -> &[Setting] {
        self.settings.get(&keyword.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }
}

/// How the sshd of the guest's root filesystem is configured; `None` if there is no sshd_config.
pub fn effective(guest: &Guest<'_>) -> Result<Option<Effective>> {
    let all = Configurations::read(guest, true)?;
    // The root comes first.
    let Some(configuration) = all.list.into_iter().next() else { return Ok(None) };
    let Some(main) = configuration.files.first() else { return Ok(None) };
    let mut settings: BTreeMap<String, Vec<Setting>> = BTreeMap::new();
    for (keyword, setting) in configuration.settings {
        settings.entry(keyword).or_default().push(setting);
    }
    Ok(Some(Effective {
        main: main.path.clone(),
        version: configuration.version,
        problem: configuration.problem,
        settings,
    }))
}
