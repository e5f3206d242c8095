//! `diskscrub plan`: the dry run.

use std::process::ExitCode;

use block::Overlay;
use sanitize::{DryRun, Request};

use super::{Input, input as inputs, request, selection};
use crate::{args::PlanArgs, bar::Bar, confine, failure::Failure, human, output};

/// Lists what `clean` would do.
pub(crate) fn run(args: &PlanArgs) -> Result<ExitCode, Failure> {
    let selection = selection(&args.policy)?;
    let input = Input::open(&args.input)?;
    let device = input.device()?;
    let request = Request { list_files: true, ..request(&args.input, &device, &args.policy, &selection, 1) };
    confine::files(input.reach());
    let mut view = Overlay::new(device);
    let mut plan = input.steadily(|| {
        sanitize::plan(&mut view, &request, &Bar::new(args.quiet || args.input.json))
            .map_err(|error| Failure::image(&args.input.label(), &error))
    })?;
    selection.check_accounts(&plan.users).map_err(Failure::usage)?;
    let paths: Vec<_> = args.input.paths().collect();
    plan.notes.extend(inputs::further(&paths, &plan.layout));
    let dry_run = DryRun::new(&plan);
    if args.input.json {
        output::print_json(&dry_run)?;
    } else {
        output::show(&human::dry_run(&dry_run))?;
    }
    Ok(ExitCode::SUCCESS)
}
