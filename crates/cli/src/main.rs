//! `diskscrub`: the command. The only crate that prints.
//!
//! Results go to stdout, messages and progress to stderr. Exit codes: 0 clean, 1 findings remain, 2 usage,
//! 65 the image is corrupt or unsupported, 70 a bug of ours, 74 input/output error, 75 stopped: try again.

mod args;
mod attestation;
mod bar;
mod commands;
mod confine;
mod failure;
mod guard;
mod human;
mod output;
mod reports;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = guard::guarded(|| {
        confine::begin(&cli)
            .map_err(|error| failure::Failure::again(format_args!("signals cannot be watched: {error}")))?;
        match &cli.command {
            Command::Inspect(args) => commands::inspect::run(args),
            Command::Plan(args) => commands::plan::run(args),
            Command::Clean(args) => commands::clean::run(args),
            Command::Batch(args) => commands::batch::run(args),
            Command::Scan(args) => commands::scan::run(args),
            Command::Verify(args) => commands::verify::run(args),
            Command::Audit(args) => commands::audit::run(args),
            Command::VerifyAttestation(args) => commands::verify_attestation::run(args),
            Command::Rules(args) => commands::rules::run(args),
            Command::Completions(args) => commands::assets::completions(args),
            Command::Manual(args) => commands::assets::manual(args),
        }
    });
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            output::message(&failure.to_string());
            failure.code()
        }
    }
}
