//! Completion scripts and manual pages, generated from the command line's own definition.

use std::process::ExitCode;

use clap::CommandFactory;

use crate::{
    args::{Cli, CompletionsArgs, ManualArgs},
    failure::Failure,
    output::print,
};

/// Prints a shell's completion script.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "diskscrub", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes `diskscrub.1` and a page for each command.
pub(crate) fn manual(args: &ManualArgs) -> Result<ExitCode, Failure> {
    clap_mangen::generate_to(Cli::command(), &args.directory)
        .map_err(|error| Failure::output(&args.directory, &error))?;
    Ok(ExitCode::SUCCESS)
}
