//! What a guest starts when it boots, as far as its files say: units of systemd, scripts of SysV and OpenRC, and the
//! lines of inetd and xinetd.
//!
//! Everything is bounded, and links are followed inside the guest only. What another unit starts on demand (D-Bus, udev,
//! timers) is not among it.

mod inetd;
mod systemd;
mod sysv;

use block::Result;
use scan::GuestPath;

use crate::{Observation, Severity, System};

/// What starts a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Starter {
    /// A service of systemd.
    Unit,
    /// A socket of systemd, which starts its service when somebody comes.
    Socket,
    /// A script of SysV or OpenRC.
    Script,
    /// inetd or xinetd.
    Inetd,
}

/// Something that is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    /// `ssh`, `getty@tty1`, `ftp`: without the ending.
    pub(crate) name: String,
    /// Who starts it.
    pub(crate) starter: Starter,
    /// What says so: the unit, the link of a runlevel, the file of inetd.
    pub(crate) path: GuestPath,
    /// The line in it.
    pub(crate) line: Option<usize>,
    /// Of a socket: where it listens, as it is written. Of inetd: the program.
    pub(crate) listens: Vec<String>,
}

impl Service {
    /// The name without an instance: `vncserver@` of `vncserver@:1`.
    pub(crate) fn template(&self) -> &str {
        match self.name.find('@') {
            Some(at) => &self.name[..=at],
            None => &self.name,
        }
    }
}

/// Everything that is enabled, each name once per starter.
pub(crate) fn enabled(system: &System<'_, '_>) -> Result<Vec<Service>> {
    let mut all = systemd::enabled(system)?;
    all.extend(sysv::enabled(system, &all)?);
    all.extend(inetd::enabled(system, &all)?);
    Ok(all)
}

/// What to say where nothing in the guest tells what its boot starts: no systemd, no scripts of a runlevel, no busybox.
pub(crate) fn untold(system: &System<'_, '_>, enabled: &[Service]) -> Result<Option<Observation>> {
    let known = !enabled.is_empty() || systemd::is_there(system)? || sysv::is_there(system)?;
    let what = "nothing in the image tells what its boot starts";
    Ok((!known).then(|| Observation::new(Severity::Unknown, what)))
}

/// Whether one of these names is enabled, and what says so.
pub(crate) fn find<'s>(enabled: &'s [Service], names: &[&str]) -> Option<&'s Service> {
    enabled
        .iter()
        .find(|service| names.contains(&service.name.as_str()) || names.contains(&service.template()))
}

/// The largest script that is looked into, and how many of one service.
const MAX_SCRIPT: u64 = 256 << 10;
const MAX_SCRIPTS: usize = 16;

/// What a service runs, as far as it is text: its unit with drop-ins, or its script, and the scripts that the unit calls.
pub(crate) fn texts(system: &System<'_, '_>, service: &Service) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    let own = small(system, &service.path.0)?;
    if service.starter == Starter::Unit {
        for directory in systemd::DIRECTORIES {
            for item in system.files(&format!("{directory}/{}.service.d", service.name), ".conf")? {
                texts.extend(small(system, &item.path.0)?);
            }
        }
    }
    texts.extend(own);
    if matches!(service.starter, Starter::Unit | Starter::Socket) {
        // What a unit only names, to start before it or after it, it does not run.
        texts.iter_mut().for_each(|text| *text = commands(text));
    }
    let mut programs = Vec::new();
    for line in texts.iter().flat_map(|text| text.lines()) {
        if let Some((_, command)) = line.trim().strip_prefix("Exec").and_then(|rest| rest.split_once('=')) {
            let words = command
                .split_whitespace()
                .map(|word| word.trim_start_matches(['-', '@', '+', '!', ':', '"']));
            // `/bin/sh /path/of/script`, too.
            programs.extend(words.take(3).filter(|word| word.starts_with('/')).map(str::to_owned));
        }
    }
    for program in programs.into_iter().take(MAX_SCRIPTS) {
        texts.extend(small(system, program.as_bytes())?.filter(|text| text.starts_with("#!")));
    }
    Ok(texts)
}

/// The lines of a unit that run something, with those that continue them.
fn commands(unit: &str) -> String {
    let (mut kept, mut continues) = (Vec::new(), false);
    for line in unit.lines() {
        if continues || line.trim_start().starts_with("Exec") {
            continues = line.ends_with('\\');
            kept.push(line);
        }
    }
    kept.join("\n")
}

/// A file that is not too large to be a script.
pub(crate) fn small(system: &System<'_, '_>, path: &[u8]) -> Result<Option<String>> {
    let Some(node) = system.guest().resolve(path)? else { return Ok(None) };
    if system.metadata(&node)?.size > MAX_SCRIPT {
        return Ok(None);
    }
    Ok(system.read(path)?.map(|content| String::from_utf8_lossy(&content).into_owned()))
}
