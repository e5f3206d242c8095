//! What the process gives up before it reads an image: its own rights, so that a bug that an image exploits has none.
//!
//! Two steps, both for good. [`harden`] comes first thing: no new privileges, no core dumps, and none of the system calls
//! that reach other machines, other programs or the kernel itself. [`confine`] comes when all files are open: from then on
//! only the named ones can be opened, and files appear only where they were announced.
//!
//! A system that lacks a means does without it: nothing here makes a run fail. What was done is said.

use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod files;

/// Whether the process starts others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Children {
    /// None: no program can be executed any more.
    None,
    /// It does: they inherit everything else.
    Some,
}

/// How much of a step this system could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Nothing.
    None,
    /// A part: the system is too old for the rest.
    Part,
    /// All of it.
    Full,
}

/// Gives up system calls that nothing here needs, privileges of programs that are executed, and core dumps, which would
/// hold the image's secrets. Holds for this process and all that it starts; other threads that run already are not bound.
#[must_use]
pub fn harden(children: Children) -> Strength {
    #[cfg(target_os = "linux")]
    return calls::harden(children);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = children;
        Strength::None
    }
}

/// The files that can still be opened.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    pub(crate) read: Vec<PathBuf>,
    pub(crate) change: Vec<PathBuf>,
    pub(crate) name_in: Vec<PathBuf>,
    pub(crate) make_in: Vec<PathBuf>,
}

impl Reach {
    /// This file, or all below this directory, can be read.
    pub fn read(&mut self, path: &Path) -> &mut Self {
        self.read.push(path.to_owned());
        self
    }

    /// This file or device can be read and written.
    pub fn change(&mut self, path: &Path) -> &mut Self {
        self.change.push(path.to_owned());
        self
    }

    /// Files that are open already can be given names in this directory, and names in it can go.
    pub fn name_in(&mut self, directory: &Path) -> &mut Self {
        self.name_in.push(directory.to_owned());
        self
    }

    /// Files can be made, read and written in this directory.
    pub fn make_in(&mut self, directory: &Path) -> &mut Self {
        self.make_in.push(directory.to_owned());
        self
    }
}

/// Leaves the process nothing but `reach`, and what is open. Holds for the calling thread and those that it starts from
/// now on. A path that does not exist is not in reach later either.
#[must_use]
pub fn confine(reach: &Reach) -> Strength {
    #[cfg(target_os = "linux")]
    return files::confine(reach);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = reach;
        Strength::None
    }
}
