//! `diskscrub verify`: what every byte of an image is, whoever wrote it, and what is left in it.

use std::process::ExitCode;

use block::to_u64;
use scan::{Overrides, Selection};

use super::{
    examine::{self, Begun},
    policy, search,
};
use crate::{
    args::VerifyArgs,
    bar::Bar,
    failure::{FINDINGS, Failure},
    human, output, reports,
};

/// Examines an image.
pub(crate) fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let selection = Selection::new(&policy(&args.policy)?, &Overrides::default()).map_err(Failure::usage)?;
    let (policy, args) = (&args.policy, &args.examine);
    let Begun { mut report, files, acceptance, inputs, input, rules } =
        examine::begin(args, report::Command::Verify, policy, &selection)?;
    let bar = Bar::new(args.search.quiet || args.input.json);
    let examined =
        input.steadily(|| examine::examine(args, input.clone(), &selection, &rules, &acceptance, &bar))?;
    drop(bar);

    let mut outcome = acceptance.apply(&args.search, examined.findings(), &inputs)?;
    let more = audit::acceptable(&[], &examined.files.notes);
    let unmet = search::accept(&selection, &mut outcome, &more, |id| audit::checks::get(id).is_none());
    report.original = examined.original();
    let mut whole = reports::examined(report, &examined, outcome, &rules, &selection);
    whole.notes.extend(unmet);
    files.publish(&whole)?;
    if args.input.json {
        output::print_json(&report::json(&whole))?;
    } else {
        output::show(&report::human(&whole))?;
    }
    let number = to_u64(whole.findings.len()) + examined.secrets.unlisted;
    if number == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    output::message(&format!("{}: {}", args.input.label().display(), human::count(number, "finding")));
    Ok(ExitCode::from(FINDINGS))
}
