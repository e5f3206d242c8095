//! `diskscrub verify`: what every byte of an image is, whoever wrote it, and what is left in it.

use std::process::ExitCode;

use block::to_u64;
use scan::{Overrides, Selection, content};
use verify::{Finding, Options};

use super::{open_image, policy, search, taint, workers};
use crate::{
    args::{ExpectArg, InputArgs, ReadersArg, VerifyArgs},
    bar::{Bar, Unit},
    failure::{FINDINGS, Failure},
    human, output,
    reports::{self, ReportFiles},
};

/// Examines an image.
pub(crate) fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let selection = Selection::new(&policy(&args.policy)?, &Overrides::default()).map_err(Failure::usage)?;
    let rules = content::select(&[], &[]).map_err(Failure::usage)?;
    let acceptance = search::Acceptance::read(&args.search)?;
    let image = open_image(&args.input)?;
    let inputs = image.info.files.clone();
    let files = ReportFiles::create(&args.search.report, None, &inputs)?;
    let about = reports::image(&args.input.input, image.info.format, image.device.size());
    let mut begun = reports::new(report::Command::Verify, about)?;
    begun.policy = Some(report::Policy { name: args.policy.clone(), digest: selection.digest().to_string() });
    let failed = |error: &block::Error| Failure::image(&args.input.input, error);

    let bar = Bar::new(args.search.quiet || args.input.json);
    let subject = search::subject(&args.input, image, &bar)?;
    let options = Options {
        sector_size: args.input.sector_size,
        keep_opaque: args.opaque == ExpectArg::Keep,
        drop_unowned: false,
        content: args.readers == ReadersArg::Content,
        threads: workers(args.search.threads),
    };
    let (device, survey) = (&subject.device, &subject.survey);
    let examine = || -> block::Result<_> {
        let residue = verify::residue(device, survey, options.keep_opaque)?;
        let examination = verify::conclude(device, survey, residue, options)?;
        Ok((examination, verify::container::examine(&subject.image)?))
    };
    // Two that ask nothing of each other: the examination waits for one small read after the other.
    let search = || {
        let (named, key) = (search::Named::by_default(&args.input, &subject)?, acceptance.key());
        let secrets = search::secrets(&args.input, &subject, &named, &rules, &key, &args.search, &bar)?;
        bar.begin("verifying", Unit::Pieces, None);
        Ok::<_, Failure>((named, secrets))
    };
    let (secrets, examined) = verify::side_by_side(options.threads, search, examine);
    let (named, secrets) = secrets?;
    let (mut examination, container) = examined.map_err(|error| failed(&error))?;
    let named = named.by(&args.input, &subject, &selection)?;
    examination.notes.extend(named.notes);
    let unwanted = verify::unwanted(survey, &named.findings).map_err(|error| failed(&error))?;
    let taint = args.original.as_ref().map(|original| {
        bar.begin("comparing", Unit::Pieces, None);
        let original = InputArgs { input: original.clone(), format: None, ..args.input.clone() };
        taint::against(&original, &selection, device, acceptance.whole_key(), options.threads)
    });
    let taint = taint.transpose()?;
    drop(bar);

    let mut findings: Vec<Finding> = std::mem::take(&mut examination.findings);
    findings.extend(container.findings());
    findings.extend(unwanted);
    findings.extend(secrets.findings.iter().cloned());
    findings.extend(taint.iter().flat_map(|(_, taint)| taint.findings.iter().cloned()));
    let outcome = acceptance.apply(&args.search, findings, &inputs)?;
    begun.original = taint.map(|(original, _)| original);
    let whole = reports::examined(begun, &examination, &container, &secrets, outcome, &rules);
    files.publish(&whole)?;
    if args.input.json {
        output::print_json(&report::json(&whole))?;
    } else {
        output::print(&report::human(&whole))?;
    }
    let number = to_u64(whole.findings.len()) + secrets.unlisted;
    if number == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    output::message(&format!("{}: {}", args.input.input.display(), human::count(number, "finding")));
    Ok(ExitCode::from(FINDINGS))
}
