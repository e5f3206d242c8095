//! The files of a configuration, in the order in which sshd reads them. What a hostile image can make of it is bounded.

use block::{Result, to_usize};
use filesystem::{FileKind, InodeId};

use super::{
    Directive, Setting, Version, directive,
    glob::expand,
    keywords::{is_global, is_known, is_match},
    version::version,
};
use crate::{Guest, GuestPath, Node, edits};

/// Where sshd looks: everywhere, openSUSE if there is nothing in /etc, and ALT.
const MAINS: &[&str] = &["/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config", "/etc/openssh/sshd_config"];
/// Where relative patterns of Include start (SSHDIR), and drop-ins lie.
const DIRECTORY: &str = "/etc/ssh";
const DIRECTORY_ALT: &str = "/etc/openssh";
/// Files in files that sshd reads (SERVCONF_MAX_DEPTH).
const MAX_DEPTH: u32 = 16;
/// Files that are read, the same one several times too; more is a configuration gone mad.
const MAX_FILES: usize = 256;
/// Their bytes.
const MAX_BYTES: usize = 4 << 20;
/// Old versions cut longer lines into several (char line`[4096]`).
const MAX_LINE: usize = 4094;

/// The configurations of every tree that is taken as if mounted at `/`, the root first.
#[derive(Default)]
pub(crate) struct Configurations {
    pub(crate) list: Vec<Configuration>,
}

/// What one sshd reads.
#[derive(Default)]
pub(crate) struct Configuration {
    /// Those that are reached, the main one first; none if there is no main one.
    pub(crate) files: Vec<File>,
    /// Keyword in lower case, and what a line says, in order.
    pub(crate) settings: Vec<(String, Setting)>,
    /// The same of drop-ins that no `Include` reaches.
    pub(crate) unreached: Vec<(String, Setting)>,
    /// Why the whole cannot be understood, as the end of a sentence.
    pub(crate) problem: Option<String>,
    pub(crate) version: Option<Version>,
}

/// A file of a configuration.
pub(crate) struct File {
    pub(crate) path: GuestPath,
    volume: usize,
    inode: InodeId,
    /// Whether it is included outside of any `Match`.
    pub(crate) globally: bool,
}

/// One file and all that belongs to it.
#[derive(Clone, Copy)]
pub(crate) struct Part<'c> {
    pub(crate) configuration: &'c Configuration,
    pub(crate) file: &'c File,
    /// sshd reads it first.
    pub(crate) main: bool,
}

impl std::fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Part {{ {} }}", self.file.path)
    }
}

impl Configurations {
    /// Reads them all; versions if asked for.
    pub(crate) fn read(guest: &Guest<'_>, versions: bool) -> Result<Self> {
        let mut list = Vec::new();
        for mount in guest.roots() {
            let mut reader = Reader {
                guest,
                mount,
                directory: DIRECTORY,
                bytes: 0,
                visits: 0,
                found: Configuration::default(),
            };
            reader.run()?;
            let mut found = reader.found;
            if versions && !found.files.is_empty() {
                found.version = version(guest, mount)?;
            }
            list.push(found);
        }
        Ok(Self { list })
    }

    /// What an inode is to a configuration, if anything.
    pub(crate) fn part(&self, volume: usize, inode: InodeId) -> Option<Part<'_>> {
        self.list.iter().find_map(|configuration| {
            let at =
                configuration.files.iter().position(|file| (file.volume, file.inode) == (volume, inode))?;
            Some(Part { configuration, file: &configuration.files[at], main: at == 0 })
        })
    }

    /// The files that an edit is for: where a configuration is not understood, the main one, to say so.
    pub(crate) fn files(&self) -> impl Iterator<Item = &GuestPath> {
        self.list.iter().flat_map(|configuration| {
            let number = if configuration.problem.is_some() { 1 } else { configuration.files.len() };
            configuration.files.iter().take(number).map(|file| &file.path)
        })
    }

    /// All values of some keywords (in lower case), whoever they are for and whether a file is reached or not.
    pub(crate) fn values<'c>(&'c self, keywords: &'c [&str]) -> impl Iterator<Item = &'c str> {
        self.list
            .iter()
            .flat_map(|configuration| configuration.settings.iter().chain(&configuration.unreached))
            .filter(|(keyword, _)| keywords.contains(&keyword.as_str()))
            .flat_map(|(_, setting)| setting.values.iter().map(String::as_str))
    }
}

struct Reader<'r, 'g> {
    guest: &'r Guest<'g>,
    mount: usize,
    directory: &'static str,
    bytes: usize,
    visits: usize,
    found: Configuration,
}

impl Reader<'_, '_> {
    fn run(&mut self) -> Result<()> {
        for main in MAINS {
            let Some(node) = self.guest.resolve_in(self.mount, main.as_bytes(), true)? else { continue };
            if node.kind == FileKind::File {
                if main.starts_with(DIRECTORY_ALT) {
                    self.directory = DIRECTORY_ALT;
                }
                self.file(&node, None, 0)?;
                break;
            }
        }
        self.drop_ins()
    }

    fn problem(&mut self, problem: impl Into<String>) {
        self.found.problem.get_or_insert(problem.into());
    }

    /// Reads one file, and those that it includes.
    fn file(&mut self, node: &Node, matching: Option<&str>, depth: u32) -> Result<()> {
        self.visits += 1;
        if depth > MAX_DEPTH || self.visits > MAX_FILES {
            self.problem("its Include lines lead in a circle, or to more files than sshd reads");
            return Ok(());
        }
        let known =
            self.found.files.iter_mut().find(|file| (file.volume, file.inode) == (node.volume, node.inode));
        match known {
            Some(file) => file.globally |= matching.is_none(),
            None => self.found.files.push(File {
                path: node.path.clone(),
                volume: node.volume,
                inode: node.inode,
                globally: matching.is_none(),
            }),
        }
        let Some(content) = self.content(node)? else { return Ok(()) };
        // A Match holds to the end of its file, inside that of the Include.
        let mut within = matching.map(str::to_owned);
        for (line, text) in (1_usize..).zip(content.split(|&byte| byte == b'\n')) {
            let read = if text.len() > MAX_LINE { Err("is too long") } else { directive(text) };
            let directive = match read {
                Ok(Some(directive)) => directive,
                Ok(None) => continue,
                Err(reason) => {
                    self.problem(format!("line {line} of {} {reason}", node.path));
                    continue;
                }
            };
            let Directive { keyword, words, unclosed, .. } = directive;
            let values: Vec<String> = words.into_iter().map(|word| word.value).collect();
            if unclosed && matches!(keyword.as_str(), "include" | "match") {
                self.problem(format!("line {line} of {} has an open quote", node.path));
            }
            match keyword.as_str() {
                "include" => {
                    for pattern in &values {
                        self.include(pattern, within.as_deref(), depth, &node.path, line)?;
                    }
                }
                "match" => {
                    if !is_match(&values) {
                        self.problem(format!("line {line} of {} has a Match that no sshd knows", node.path));
                    }
                    let own = values.join(" ");
                    within = Some(matching.map_or_else(|| own.clone(), |outer| format!("{outer} and {own}")));
                }
                _ => {
                    // A block for all is none, to sshd.
                    let block = within.as_deref().is_some_and(|own| !own.eq_ignore_ascii_case("all"));
                    if block && is_global(&keyword) {
                        self.problem(format!(
                            "line {line} of {} has a keyword that sshd takes outside of Match only",
                            node.path
                        ));
                    }
                    if !is_known(&keyword) {
                        self.problem(format!(
                            "line {line} of {} has a keyword that no sshd knows",
                            node.path
                        ));
                    }
                    let setting = Setting { values, file: node.path.clone(), line, matching: within.clone() };
                    self.found.settings.push((keyword, setting));
                }
            }
        }
        Ok(())
    }

    fn include(
        &mut self,
        pattern: &str,
        matching: Option<&str>,
        depth: u32,
        file: &GuestPath,
        line: usize,
    ) -> Result<()> {
        let pattern = if pattern.starts_with('/') {
            pattern.to_owned()
        } else {
            format!("{}/{pattern}", self.directory)
        };
        let Some(paths) = expand(self.guest, self.mount, &pattern)? else {
            self.problem(format!("line {line} of {file} includes too many files"));
            return Ok(());
        };
        for path in paths {
            match self.guest.resolve_in(self.mount, &path, true)? {
                Some(node) if node.kind == FileKind::File => self.file(&node, matching, depth + 1)?,
                Some(_) => {}
                // A link that leads nowhere is a file that is made later, or none: sshd does not start without.
                None if self.guest.resolve_in(self.mount, &path, false)?.is_some() => {
                    self.problem(format!(
                        "line {line} of {file} includes {}, which is not in the image",
                        GuestPath(path)
                    ));
                }
                None => {}
            }
        }
        Ok(())
    }

    fn content(&mut self, node: &Node) -> Result<Option<Vec<u8>>> {
        let metadata = self.guest.mounts()[node.mount].filesystem.metadata(node.inode)?;
        if metadata.encrypted {
            self.problem(format!("{} is encrypted", node.path));
            return Ok(None);
        }
        if metadata.size > edits::MAX_FILE || self.bytes.saturating_add(to_usize(metadata.size)) > MAX_BYTES {
            self.problem(format!("{} makes it larger than any such configuration needs", node.path));
            return Ok(None);
        }
        self.bytes += to_usize(metadata.size);
        self.guest.read_node(node)
    }

    /// Drop-ins that nothing includes: sshd does not read them, but what they name is there.
    fn drop_ins(&mut self) -> Result<()> {
        let pattern = format!("{}/sshd_config.d/*.conf", self.directory);
        let mut others = Self { found: Configuration::default(), ..*self };
        for path in expand(self.guest, self.mount, &pattern)?.unwrap_or_default() {
            let Some(node) = self.guest.resolve_in(self.mount, &path, true)? else { continue };
            let reached =
                self.found.files.iter().any(|file| (file.volume, file.inode) == (node.volume, node.inode));
            if !reached && node.kind == FileKind::File {
                others.file(&node, None, 0)?;
            }
        }
        self.found.unreached = others.found.settings;
        Ok(())
    }
}
