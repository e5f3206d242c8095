//! `diskscrub scan`: secrets by content, anywhere in an image.

use std::{fmt::Write, process::ExitCode};

use sanitize::Progress;
use scan::{
    Overrides, Policy, Selection,
    content::{self, Key, Scanner},
};
use serde::Serialize;
use verify::{Archives, Finding, Search, Secrets, Survey};

use super::{open, workers};
use crate::{
    args::ScanArgs,
    bar::{Bar, Unit},
    failure::{FINDINGS, Failure},
    human::{self, line},
    output,
    reports::{self, ReportFiles},
};

/// Findings that are shown to people; JSON has more.
const SHOWN: usize = 200;

#[derive(Serialize)]
struct ScanReport {
    input: String,
    /// Size of the guest's disk.
    size: u64,
    /// How many rules were applied.
    rules: usize,
    #[serde(flatten)]
    secrets: Secrets,
}

/// Finds secrets, and says where they are.
pub(crate) fn run(args: &ScanArgs) -> Result<ExitCode, Failure> {
    let rules = content::select(&args.rules, &args.skip).map_err(Failure::usage)?;
    let allow = args.allow.as_deref().map(reports::read_allow).transpose()?;
    let (device, info) = open(&args.input)?;
    let files = ReportFiles::create(&args.report, None, &info.files)?;
    let begun =
        reports::new(report::Command::Scan, reports::image(&args.input.input, info.format, device.size()))?;
    let failed = |error: &block::Error| Failure::image(&args.input.input, error);
    let bar = Bar::new(args.quiet);
    bar.begin("reading", Unit::Pieces, None);
    let mut survey = Survey::of(&device, args.input.sector_size).map_err(|error| failed(&error))?;
    let policy = Policy::built_in("default").expect("there is a default policy");
    let selection = Selection::new(&policy, &Overrides::default()).expect("it names rules that there are");
    let mut notes = std::mem::take(&mut survey.notes);
    let named = verify::named_files(&survey, &selection, &mut notes).map_err(|error| failed(&error))?;
    let scanner = Scanner::new(&rules);
    let key = match &allow {
        Some(allow) => allow.key().clone(),
        None => {
            report::allow::Key::random().map_err(|error| Failure::output("getrandom".as_ref(), &error))?
        }
    };
    let search = Search {
        scanner: &scanner,
        key: &Key(*key.bytes()),
        workers: workers(args.threads),
        named: &named,
        archives: !args.no_archives,
    };
    bar.begin("scanning", Unit::Bytes, Some(device.size()));
    let mut secrets = verify::secrets(&device, &survey, search, &mut |byte| bar.at(byte))
        .map_err(|error| failed(&error))?;
    drop(bar);
    notes.append(&mut secrets.notes);
    secrets.notes = notes;
    if let Some(path) = &args.write_allow {
        reports::write_allow(path, &key, &secrets.findings, &info.files)?;
    }
    let mut outcome = report::allow::Outcome::default();
    if let Some(allow) = allow {
        outcome = allow.apply(std::mem::take(&mut secrets.findings));
        secrets.findings = std::mem::take(&mut outcome.remaining);
        for accepted in &outcome.accepted {
            secrets.uncount(&accepted.finding);
        }
    }
    files.publish(&reports::scanned(begun, &secrets, outcome.accepted, outcome.unused, &rules))?;
    let input = output::printable(&args.input.input.display().to_string());
    let report = ScanReport { input, size: device.size(), rules: rules.len(), secrets };
    if args.input.json {
        output::print_json(&report)?;
    } else {
        output::print(&text(&report))?;
    }
    Ok(if report.secrets.totals.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
}

fn text(report: &ScanReport) -> String {
    let Secrets { scanned, totals, findings, unlisted, archives, notes } = &report.secrets;
    let mut text = String::new();
    for finding in findings.iter().take(SHOWN) {
        if let Finding::Secret { rule, tier, place, .. } = finding {
            line!(text, "{rule} ({tier}) {place}");
        }
    }
    let shown = findings.len().min(SHOWN);
    let more = block::to_u64(findings.len() - shown) + unlisted;
    if more > 0 {
        line!(text, "... and {more} more (--json lists up to 10000)");
    }
    for note in notes {
        line!(text, "note: {note}");
    }
    match archives {
        Some(Archives { files, outcome }) if *files > 0 => line!(
            text,
            "looked into {}: {}, {} unpacked",
            human::count(*files, "archive"),
            human::count(outcome.streams, "stream"),
            human::size(outcome.bytes)
        ),
        Some(_) => {}
        None => line!(text, "note: archives and compressed files were not looked into"),
    }
    let all: u64 = totals.values().sum();
    let places: Vec<String> = totals.iter().map(|(region, number)| format!("{number} {region}")).collect();
    let sum = if all == 0 {
        "no secret found".to_owned()
    } else {
        format!("{} found: {}", human::count(all, "secret"), places.join(", "))
    };
    line!(
        text,
        "{} of {} searched with {} rules: {sum}",
        human::size(*scanned),
        human::size(report.size),
        report.rules
    );
    text
}
