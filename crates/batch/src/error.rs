//! Why a plan cannot be made, read or carried out.

use std::{io, path::PathBuf};

/// Result of what this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can be wrong before the first image is opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A line of a plan is not what it should be.
    #[error("line {line}: {what}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A path cannot be named in a plan, or is no image.
    #[error("{}: {what}", path.display())]
    Path {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A file would be written twice, or be written over an input.
    #[error("{}: {what} {}", path.display(), of.display())]
    Conflict {
        /// The file that would be written.
        path: PathBuf,
        /// What it is, too.
        what: &'static str,
        /// The other one.
        of: PathBuf,
    },
    /// The engine's numbers of the task contradict each other, or the plan.
    #[error("{0}")]
    Shard(String),
    /// There is nothing to do.
    #[error("no image is named, or found in the directories that are")]
    Empty,
}

impl Error {
    /// What is wrong with a file or directory.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |error| Self::Io { path, error }
    }

    /// What is wrong with a path.
    pub(crate) fn path(path: impl Into<PathBuf>, what: &'static str) -> Self {
        Self::Path { path: path.into(), what }
    }

    /// What is wrong with a line.
    pub(crate) fn line(line: usize, what: impl Into<String>) -> Self {
        Self::Line { line, what: what.into() }
    }
}
