//! Runs programs, and says which one failed.

use std::{
    ffi::OsStr,
    io,
    process::{Command, Stdio},
};

use crate::paths;

/// Why a chore stopped, in a sentence.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// `cargo` with arguments, at the root of the workspace.
pub(crate) fn cargo<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(arguments: I) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(paths::root());
    command
}

/// Runs to the end; output goes where ours goes, and nothing is read from the terminal.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status();
    let name = || {
        let words = [command.get_program()].into_iter().chain(command.get_args());
        words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
    };
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}` failed ({status})", name())),
        Err(error) => Err(format!("`{}` could not run: {error}", name())),
    }
}

/// An input or output error, with the file that it is about.
pub(crate) fn at(path: &std::path::Path) -> impl Fn(io::Error) -> String + '_ {
    move |error| format!("{}: {error}", path.display())
}
