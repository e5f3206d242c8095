//! `diskscrub audit`: the bullets of a guideline, each with its answer.

use std::process::ExitCode;

use audit::{Answers, Guideline, Observation, Status, System, Table};
use filesystem::Content;
use scan::{Overrides, Selection};
use verify::Finding;

use super::{
    Input,
    examine::{self, Begun, Examined},
    policy, search,
};
use crate::{
    args::{AuditArgs, ExamineArgs, InputArgs},
    bar::{Bar, Unit},
    failure::{FINDINGS, Failure},
    output, reports,
};

/// Answers a guideline.
pub(crate) fn run(args: &AuditArgs) -> Result<ExitCode, Failure> {
    let policy = policy(&args.policy)?;
    let guideline = Guideline::of_policy(policy.base()).ok_or_else(|| {
        let known = Guideline::ALL.map(Guideline::policy).join(" or ");
        Failure::usage(format_args!(
            "the policy {:?} follows no guideline: take {known}, or a file that extends one of them",
            args.policy
        ))
    })?;
    let selection = Selection::new(&policy, &Overrides::default()).map_err(Failure::usage)?;
    let (name, args) = (&args.policy, &args.examine);
    let Begun { mut report, files, acceptance, inputs, input, rules } =
        examine::begin(args, report::Command::Audit, name, &selection)?;
    let bar = Bar::new(args.search.quiet || args.input.json);
    let look = |args: &ExamineArgs, input: &Input| {
        input.steadily(|| {
            let examined = examine::examine(args, input.clone(), &selection, &rules, &acceptance, &bar)?;
            let observed = observe(&args.input, &examined, &selection, report.started, &bar)?;
            Ok((examined, observed))
        })
    };
    let (examined, observed) = look(args, &input)?;
    // What the original was like, by the same questions.
    let before = args.original.as_ref().map(|original| -> Result<Table, Failure> {
        let input = args.input.of(original);
        let args = ExamineArgs { input, original: None, ..args.clone() };
        let (examined, observed) = look(&args, &Input::open(&args.input)?)?;
        Ok(answer(guideline, &selection, &examined, &examined.findings(), &observed))
    });
    let before = before.transpose()?;
    drop(bar);

    let mut outcome = acceptance.apply(&args.search, examined.findings(), &inputs)?;
    let table = answer(guideline, &selection, &examined, &outcome.remaining, &observed);
    let table = match before {
        Some(before) => table.since(&before),
        None => table,
    };
    let failed = table.count(Status::Failed);
    report.original = examined.original();
    let more = audit::acceptable(&observed.observations, &examined.files.notes);
    let unmet = search::accept(&selection, &mut outcome, &more, |_| true);
    let mut whole = reports::examined(report, &examined, outcome, &rules, &selection);
    whole.notes.extend(unmet);
    whole.guideline = Some(table);
    files.publish(&whole)?;
    if args.input.json {
        output::print_json(&report::json(&whole))?;
    } else {
        output::show(&report::human(&whole))?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
}

/// What the checks see of a guest, and what nobody has looked into.
struct Observed {
    observations: Vec<Observation>,
    unread: Vec<String>,
}

/// Asks the checks. A policy that names an account which cannot be removed is a mistake, as it is for `clean`.
fn observe(
    input: &InputArgs,
    examined: &Examined,
    selection: &Selection,
    started: u64,
    bar: &Bar,
) -> Result<Observed, Failure> {
    bar.begin("auditing", Unit::Pieces, None);
    let survey = &examined.subject.survey;
    let failed = |error| Failure::image(&input.label(), &error);
    let (observations, system, users) = verify::with_guest(survey, |guest| {
        let now = i64::try_from(started).unwrap_or(i64::MAX);
        let system = System::new(guest).today(now);
        Ok((audit::observe(&system)?, system.exists("/etc").unwrap_or(false), guest.users().to_vec()))
    })
    .map_err(failed)?;
    selection.check_accounts(&users).map_err(Failure::usage)?;
    let opaque = survey.layout.volumes.iter().filter_map(|volume| match volume.content {
        Content::Opaque(kind) => Some(match &volume.reason {
            Some(reason) => format!("volume {} is not read: {kind}: {reason}", volume.number),
            None => format!("volume {} is not read: {kind}", volume.number),
        }),
        _ => None,
    });
    let mut unread: Vec<String> = opaque.collect();
    if !system {
        unread.push("no system was found that could be looked at".to_owned());
    }
    Ok(Observed { observations, unread })
}

fn answer(
    guideline: Guideline,
    selection: &Selection,
    examined: &Examined,
    findings: &[Finding],
    observed: &Observed,
) -> Table {
    let answers = Answers {
        selection,
        files: &examined.files.findings,
        notes: &examined.files.notes,
        findings: Some(findings),
        observations: &observed.observations,
        unread: &observed.unread,
    };
    audit::table(guideline, &answers)
}
