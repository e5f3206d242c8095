//! What cannot be undone is asked for first: on a terminal, or by --yes.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    path::Path,
};

use crate::failure::Failure;

/// Fails if nobody could be asked, before hours are spent on the question.
pub(super) fn can_ask(yes: bool, path: &Path) -> Result<(), Failure> {
    if yes || (io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(());
    }
    Err(Failure::usage(format_args!(
        "{}: would be changed where it lies, and there is no terminal to ask on: add --yes if that is meant",
        path.display()
    )))
}

/// Asks, unless `yes` has answered. Anything but `yes` is a no.
pub(super) fn ask(yes: bool, question: impl fmt::Display) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let failed = |error| Failure::output("stderr".as_ref(), &error);
    let question = question.to_string();
    let mut stderr = io::stderr().lock();
    for line in question.lines() {
        writeln!(stderr, "{}", block::visible(line)).map_err(failed)?;
    }
    write!(stderr, "Type yes to go on: ").and_then(|()| stderr.flush()).map_err(failed)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(failed)?;
    match answer.trim() {
        "yes" => Ok(()),
        _ => Err(Failure::usage("nothing was changed")),
    }
}
