//! Printing. A closed pipe ends the output quietly: `diskscrub plan image | head` is no failure.

use std::io::{self, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Prints a result to stdout.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::output("stdout".as_ref(), &error))
        }
        _ => Ok(()),
    }
}

/// Prints a report for people: nothing in it steers the terminal, or hides from who reads it.
pub(crate) fn show(text: &str) -> Result<(), Failure> {
    print(&report::visible_lines(text))
}

/// Prints a result to stdout as indented JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(&json(value))
}

/// `value` as indented JSON with a final newline.
pub(crate) fn json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("reports are plain data");
    text.push('\n');
    report::visible_json(&text).into_owned()
}

/// Prints a message to stderr.
pub(crate) fn message(sentence: &str) {
    // There is nowhere to report that stderr is closed.
    drop(writeln!(io::stderr().lock(), "diskscrub: {}", block::visible(sentence)));
}

/// Tells the parent something on stderr, as a line of JSON.
pub(crate) fn tell(value: &impl Serialize) {
    let line = serde_json::to_string(value).expect("lines are plain data");
    // A parent that is gone takes this process with it.
    drop(writeln!(io::stderr().lock(), "{line}"));
}
