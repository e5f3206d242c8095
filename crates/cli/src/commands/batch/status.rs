//! `diskscrub batch status` and `merge`: what has become of a plan's rows. Nothing is changed.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use batch::{Row, Summary, SummaryRow, look};
use block::{FileId, OutputFile};

use super::{VERSION, read_plan, state};
use crate::{
    args::BatchStatusArgs,
    failure::{FINDINGS, Failure},
    output,
};

type Render = fn(&Summary) -> String;

/// Sums up; fails unless every row is done and clean.
pub(super) fn run(args: &BatchStatusArgs, reports: &[PathBuf]) -> Result<ExitCode, Failure> {
    let plan = read_plan(&args.plan)?;
    let files = files(&plan.rows, &args.plan);
    let reports = reports.iter().map(|path| start(path, &files)).collect::<Result<Vec<_>, _>>()?;
    let rows = plan.rows.iter().map(|row| {
        let beside = look(row);
        SummaryRow::new(row, state(row, &beside, args.read_outputs), &beside)
    });
    let summary = Summary::new(&plan, VERSION, rows.collect());
    for (render, file) in reports {
        let path = file.path().to_owned();
        let text = render(&summary);
        file.file().write_all(text.as_bytes()).map_err(|error| Failure::output(&path, &error))?;
        file.publish().map_err(|error| Failure::naming(&error))?;
    }
    match args.json {
        true => output::print_json(&summary)?,
        false => output::print(&batch::human(&summary))?,
    }
    Ok(if summary.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
}

/// What a summary must not replace.
fn files(rows: &[Row], plan: &Path) -> Vec<FileId> {
    let names = rows.iter().flat_map(|row| {
        let names = batch::beside(row.output());
        [row.input().to_owned(), row.output().to_owned(), names.report, names.failure]
    });
    names.chain([plan.to_owned()]).filter_map(|path| Some(FileId::from(&fs::metadata(path).ok()?))).collect()
}

/// Starts a summary's file, so that one that cannot be written is known before every output is read.
fn start(path: &Path, files: &[FileId]) -> Result<(Render, OutputFile), Failure> {
    let render: Render = match path.extension().and_then(|ending| ending.to_str()) {
        Some("json") => |summary| output::json(summary),
        Some("csv") => batch::csv,
        Some("html") => batch::html,
        Some("txt") => batch::human,
        _ => {
            let what = "a summary's name ends in .json, .csv, .html or .txt";
            return Err(Failure::usage(format_args!("{}: {what}", path.display())));
        }
    };
    OutputFile::create(path, true, files).map(|file| (render, file)).map_err(|error| Failure::naming(&error))
}
