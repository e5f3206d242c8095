//! `diskscrub verify`: what every byte of an image is, whoever wrote it, and what is left in it.

use std::process::ExitCode;

use block::to_u64;
use sanitize::{Progress, Stage};
use serde::Serialize;
use verify::{Examination, Options};

use super::{open, workers};
use crate::{
    args::{ExpectArg, ReadersArg, VerifyArgs},
    bar::Bar,
    failure::{FINDINGS, Failure},
    human, human_verify, output,
    reports::{self, ReportFiles},
};

/// The whole report of an examination.
#[derive(Serialize)]
struct VerifyReport<'a> {
    /// Format of the image file.
    format: String,
    #[serde(flatten)]
    examination: &'a Examination,
}

/// Examines an image.
pub(crate) fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let (device, info) = open(&args.input)?;
    let files = ReportFiles::create(&args.report, None, &info.files)?;
    let image = reports::image(&args.input.input, info.format, device.size());
    let begun = reports::new(report::Command::Verify, image)?;
    let bar = Bar::new(args.quiet || args.input.json);
    bar.stage(Stage::Verify, None);
    let options = Options {
        sector_size: args.input.sector_size,
        keep_opaque: args.opaque == ExpectArg::Keep,
        drop_unowned: false,
        content: args.readers == ReadersArg::Content,
        threads: workers(args.threads),
    };
    let examination =
        verify::examine(&device, options).map_err(|error| Failure::image(&args.input.input, &error))?;
    drop(bar);
    files.publish(&reports::examined(begun, &examination))?;
    if args.input.json {
        output::print_json(&VerifyReport { format: info.format.to_string(), examination: &examination })?;
    } else {
        output::print(&human_verify::examination(&examination, &args.input.input))?;
    }
    if examination.findings.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let found = human::count(to_u64(examination.findings.len()), "finding");
    output::message(&format!("{}: {found}", args.input.input.display()));
    Ok(ExitCode::from(FINDINGS))
}
