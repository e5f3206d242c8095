//! `diskscrub batch`: shelves of images.

mod budget;
mod child;
mod emit;
mod plan;
mod row;
mod run;
mod settings;
mod status;

use std::{fs, path::Path, process::ExitCode};

use batch::{Plan, Row, State};
use block::OpenOptions;

use crate::{
    args::{BatchArgs, BatchCommand},
    failure::Failure,
};

pub(crate) use self::row::{Order, run as row};

/// Reports of another version are not taken for this one's.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Does what is asked of a shelf.
pub(crate) fn run(args: &BatchArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        BatchCommand::Plan(args) => plan::run(args),
        BatchCommand::Run(args) => run::run(args),
        BatchCommand::Status(args) => status::run(args, &[]),
        BatchCommand::Merge(args) => status::run(&args.status, &args.report),
        BatchCommand::Emit(args) => emit::run(args),
    }
}

/// Reads a plan.
fn read_plan(path: &Path) -> Result<Plan, Failure> {
    let usage = |error: &dyn std::fmt::Display| Failure::usage(format_args!("{}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| usage(&error))?;
    Plan::from_lines(&text).map_err(|error| usage(&error))
}

/// What has become of a row. With `read`, its output is read whatever its size and time.
fn state(row: &Row, beside: &batch::Beside, read: bool) -> State {
    batch::judge(row, VERSION, beside, read, || {
        let image = block::open(row.output(), &OpenOptions::default()).map_err(|error| error.to_string())?;
        sanitize::Digest::of(&*image.device)
            .map(|digest| digest.to_string())
            .map_err(|error| error.to_string())
    })
}
