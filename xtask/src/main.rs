//! Chores, each one command: `cargo xtask demo`, `cargo xtask test`, `cargo xtask docs`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "commands talk to people")]

mod bench;
mod demo;
mod docs;
mod fuzz;
mod growth;
mod jobs;
mod licences;
mod overwriting;
mod paths;
mod run;
mod shelf;
mod suite;
mod test;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  demo        Clean the demo image, and count the planted secrets that a raw search finds before and after
  test        Check and test everything; installs missing Debian packages if run as root
  docs        Write the documents that come from the code
  robustness  Write what becomes of the images of the corpora, which lie beside the repository
  fuzz        Feed hostile images to every parser, or only to [TARGET], for [--seconds N] each
  bench       Measure cleaning [IMAGE] beside copying it and beside other tools, a shelf of it, scanning it beside ripgrep,
              overwriting beside dd, and cleaning many files; or only `in-place` or `files`: the last two
  shelf       Measure the shelf of it alone
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["demo"] => demo::run(),
        ["test"] => test::run(),
        ["docs"] => docs::write(),
        ["robustness"] => test::robustness(),
        ["fuzz", rest @ ..] => fuzz::command(rest),
        ["bench"] => bench::run(None),
        ["bench", "in-place"] => bench::in_place(),
        ["bench", "files"] => bench::many_files(),
        ["bench", image] => bench::run(Some(image)),
        ["shelf"] => bench::shelf(None),
        ["shelf", image] => bench::shelf(Some(image)),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
