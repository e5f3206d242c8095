//! `diskscrub scan`: secrets by content, anywhere in an image.

use std::process::ExitCode;

use scan::{Overrides, Selection, content};

use super::{Input, policy, search};
use crate::{
    args::ScanArgs,
    bar::Bar,
    failure::{FINDINGS, Failure},
    output,
    reports::{self, ReportFiles},
};

/// Finds secrets, and says where they are.
pub(crate) fn run(args: &ScanArgs) -> Result<ExitCode, Failure> {
    let selection = Selection::new(&policy(&args.policy)?, &Overrides::default()).map_err(Failure::usage)?;
    let rules =
        content::select_among(selection.content(), &args.rules, &args.skip).map_err(Failure::usage)?;
    let acceptance = search::Acceptance::read(&args.search, &selection)?;
    let input = Input::open(&args.input)?;
    let inputs = input.files();
    let files = ReportFiles::create(&args.search.report, &[], &inputs)?;
    let begun = reports::new(report::Command::Scan, input.about(&args.input))?;
    search::confined(&args.search, input.reach(), &files);
    let bar = Bar::new(args.search.quiet || args.input.json);
    let (subject, mut secrets) = input.steadily(|| {
        let subject = search::subject(&args.input, input.clone(), &bar)?;
        let named = search::Named::by_default(&args.input, &subject)?;
        let mut secrets =
            search::secrets(&args.input, &subject, &named, &rules, &acceptance.key(), &args.search, &bar)?;
        secrets.findings.extend(subject.survey.damage.iter().cloned());
        secrets.findings.extend(named.damage);
        Ok((subject, secrets))
    })?;
    drop(bar);
    let mut outcome = acceptance.apply(&args.search, std::mem::take(&mut secrets.findings), &inputs)?;
    let unmet = search::accept(&selection, &mut outcome, &[], |id| rules.iter().any(|rule| rule.id == id));
    for accepted in &outcome.accepted {
        secrets.uncount(&accepted.finding);
    }
    let mut whole = reports::scanned(begun, &subject.survey, &secrets, outcome, &rules);
    whole.notes.extend(unmet);
    files.publish(&whole)?;
    if args.input.json {
        output::print_json(&report::json(&whole))?;
    } else {
        output::show(&report::human(&whole))?;
    }
    Ok(if whole.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
}
