//! `diskscrub clean`: the main job. The output gets its name only when it is complete, verified and synced.

use std::{
    collections::BTreeMap,
    fs, iter,
    os::unix::fs::PermissionsExt,
    panic::resume_unwind,
    path::Path,
    process::ExitCode,
    sync::{
        Arc, OnceLock,
        mpsc::{SyncSender, sync_channel},
    },
    thread::{self, ScopedJoinHandle},
};

use batch::Commit;
use block::{
    BlockRead, Cached, Format, ImageInfo, OpenOptions, OutputFile, Overlay, Window, to_u64,
    write::{Compression, OutputFormat},
};
use filesystem::Result;
use report::allow::Key;
use sanitize::{Plan, Progress, Report, Stage};
use scan::Action;
use serde::Serialize;
use verify::{
    Expected, Verdict,
    taint::{Ahead, Taint},
};

use super::{batch::Order, open, request, selection, taint, workers};
use crate::{
    args::{CleanArgs, CompressArg, OpaqueArg, TaintArg, VerifyArg},
    attestation::{self, Attestation},
    bar::Bar,
    failure::{FINDINGS, Failure},
    human, output,
    reports::{self, ReportFiles},
};

/// The whole report of a run.
#[derive(Serialize)]
pub(crate) struct CleanReport {
    #[serde(flatten)]
    pub(crate) run: Report,
    /// The policy as it was asked for; rules and patterns of the command line come on top.
    pub(crate) policy_name: String,
    /// What the container dropped: internal snapshots and bitmaps, by name.
    pub(crate) container: Vec<String>,
    /// What the verification of the finished output said.
    pub(crate) verdict: Verdict,
    /// Files that could not be edited or made as the policy asks.
    pub(crate) undone: usize,
    /// What was found of removed files in what stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) taint: Option<Taint>,
    /// The row of a plan that this was done for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<Commit>,
}

/// Cleans an image.
pub(crate) fn run(args: &CleanArgs) -> Result<ExitCode, Failure> {
    match &args.row {
        None => clean(args, None),
        Some(order) => super::batch::row(args, order),
    }
}

/// Cleans an image, for a row of a plan if there is one.
pub(super) fn clean(args: &CleanArgs, row: Option<&Order>) -> Result<ExitCode, Failure> {
    let selection = selection(&args.policy)?;
    row.map_or(Ok(()), |row| row.check(&selection))?;
    let (device, info) = open(&args.input)?;
    let format = output_format(args, &info)?;
    let workers = workers(args.threads);
    let request = request(&args.input, &args.policy, &selection, workers);
    let bar = match row {
        Some(_) => Bar::told(),
        None => Bar::new(args.quiet || args.input.json),
    };
    let input_failure = |error| Failure::image(&args.input.input, &error);

    let output =
        OutputFile::create(&args.output, args.force, &info.files).map_err(|error| Failure::naming(&error))?;
    narrow(&output, &args.input.input).map_err(|error| Failure::output(&args.output, &error))?;
    let report_files = ReportFiles::create(&args.report, Some(&output), &info.files)?;
    let begun = reports::new(
        report::Command::Clean,
        reports::image(&args.output, file_format(format), device.size()),
    )?;
    let taken: Vec<&OutputFile> = iter::once(&output).chain(report_files.files()).collect();
    let attestation = Attestation::prepare(&args.attest, &args.output, &taken, &info.files)?;
    let mut view = Overlay::new(Arc::clone(&device));
    let plan = sanitize::plan(&mut view, &request, &bar).map_err(input_failure)?;
    selection.check_accounts(&plan.users).map_err(Failure::usage)?;
    let output_failure = |error| Failure::image(&args.output, &error);
    let file = file_of(&output).map_err(|error| Failure::output(&args.output, &error))?;
    let writer = block::write::create(file, format, device.size(), workers).map_err(output_failure)?;
    let (gone, index, ahead) = (OnceLock::new(), OnceLock::new(), Ahead::default());
    let (run, Judged { verdict, sha256, taint }) = thread::scope(|scope| {
        // What was removed is read while the rest is copied.
        let taint = (args.taint == TaintArg::On).then(|| {
            let (finished, output) = sync_channel(1);
            let (device, plan, gone, index, ahead) = (&device, &plan, &gone, &index, &ahead);
            let search = move || {
                let found = taint::gone(device, plan)?;
                let made = gone.get_or_init(|| found).index()?;
                let index = index.get_or_init(|| made);
                let Ok(output) = output.recv() else { return Ok(None) };
                taint::search(index, ahead, &output, &Key::random()?, workers).map(Some)
            };
            Search { finished, found: scope.spawn(search) }
        });
        let watching = taint::Watching { shown: &bar, index: &index, ahead: &ahead };
        let run = sanitize::sanitize(&mut view, &plan, writer, &request, &watching)
            .map_err(|error| Failure::copying(&args.input.input, &args.output, &error))?;
        drop(view);
        bar.stage(Stage::Verify, None);
        let judged = judge(args, &device, &output, format, &plan, taint)
            .map_err(|error| Failure::image(&args.output, &error))?;
        Ok((run, judged))
    })?;
    let clean = verdict.findings.is_empty();
    let remnants = taint.as_ref().map_or(0, |taint| taint.findings.len());
    drop(bar);
    if clean {
        output.publish().map_err(|error| Failure::naming(&error))?;
    }
    // From here on the output is there, and nothing that fails takes it away.
    let complete = |failure: Failure| match clean {
        true => failure.but(format_args!("{} is complete", args.output.display())),
        false => failure,
    };
    let met = clean && remnants == 0 && plan.undone.is_empty();
    let commit =
        row.map(|row| row.commit(clean.then_some(&args.output), met)).transpose().map_err(complete)?;
    let report = CleanReport {
        run,
        policy_name: args.policy.policy.clone(),
        container: container_notes(&info),
        verdict,
        undone: plan.undone.len(),
        taint,
        batch: commit,
    };
    let original = reports::image(row.map_or(&*args.input.input, Order::input), info.format, device.size());
    let whole = reports::clean(begun, original, &report, &plan);
    // Last: it is the mark that all is done.
    report_files.write(&whole).map_err(complete)?;
    // Nobody who has an attestation alone would learn of remnants, or of what the policy asked for in vain.
    if let Some(attestation) = attestation.filter(|_| met) {
        let run = attestation::Run {
            report: &report,
            plan: &plan,
            input: &args.input.input,
            started: whole.started,
            opaque: args.policy.opaque,
            verify: args.verify,
        };
        let sha256 = sha256.expect("it was computed, as an attestation is asked for");
        let reports = report_files.digests().map_err(complete)?;
        attestation.publish(&args.output, &sha256, &run, reports).map_err(complete)?;
    }
    report_files.name().map_err(complete)?;
    if args.input.json {
        output::print_json(&report::json(&whole))?;
    } else {
        output::print(&human::clean(&report, &args.output))?;
    }
    if !clean {
        output::message("the output did not pass verification and was not written");
        return Ok(ExitCode::from(FINDINGS));
    }
    if remnants > 0 {
        let pieces = human::count(to_u64(remnants), "piece");
        output::message(&format!(
            "the output was written, but holds {pieces} of removed files in files that stay"
        ));
        return Ok(ExitCode::from(FINDINGS));
    }
    if !plan.undone.is_empty() {
        let files = human::count(to_u64(plan.undone.len()), "file");
        output::message(&format!("the output was written, but {files} could not be made as the policy asks"));
        return Ok(ExitCode::from(FINDINGS));
    }
    Ok(ExitCode::SUCCESS)
}

/// The output can be read by nobody who could not read the input: what stays in it may be private, too.
fn narrow(output: &OutputFile, input: &Path) -> std::io::Result<()> {
    let input = fs::metadata(input)?;
    let file = output.file();
    let mut permissions = file.metadata()?.permissions();
    if input.is_file() {
        permissions.set_mode(permissions.mode() & input.permissions().mode());
        // Whoever runs this can write the output.
        permissions.set_mode(permissions.mode() | 0o600);
        file.set_permissions(permissions)?;
    }
    Ok(())
}

fn file_of(output: &OutputFile) -> std::io::Result<fs::File> {
    output.file().try_clone()
}

fn output_format(args: &CleanArgs, info: &ImageInfo) -> Result<OutputFormat, Failure> {
    let compression = match args.compress {
        None => Compression::None,
        Some(CompressArg::Zstd) => Compression::Zstd,
        Some(CompressArg::Deflate) => Compression::Deflate,
    };
    let format = args.output_format.map_or(info.format, Format::from);
    let named_qcow2 = args.output.extension().is_some_and(|extension| extension == "qcow2");
    if args.output_format.is_none() && named_qcow2 && format == Format::Raw {
        return Err(Failure::usage(format_args!(
            "{}: the output would be raw, as the input is: add --output-format qcow2, or raw if that is meant",
            args.output.display()
        )));
    }
    match format {
        Format::Qcow2 => Ok(OutputFormat::Qcow2(compression)),
        Format::Raw if args.compress.is_some() => {
            Err(Failure::usage("--compress needs a qcow2 output: add --output-format qcow2"))
        }
        Format::Raw => Ok(OutputFormat::Raw),
    }
}

const fn file_format(format: OutputFormat) -> Format {
    match format {
        OutputFormat::Raw => Format::Raw,
        OutputFormat::Qcow2(_) => Format::Qcow2,
    }
}

fn container_notes(info: &ImageInfo) -> Vec<String> {
    let snapshots = info
        .snapshots
        .iter()
        .map(|snapshot| format!("internal snapshot {} dropped", snapshot.name.escape_debug()));
    let bitmaps = info.bitmaps.iter().map(|name| format!("bitmap {} dropped", name.escape_debug()));
    snapshots.chain(bitmaps).chain(info.notes.iter().cloned()).collect()
}

/// A search for pieces of what is removed that waits for the output.
struct Search<'scope> {
    finished: SyncSender<Arc<dyn BlockRead>>,
    found: ScopedJoinHandle<'scope, Result<Option<Taint>>>,
}

/// What is known of the finished output.
struct Judged {
    verdict: Verdict,
    /// Of the file, if an attestation was asked for.
    sha256: Option<String>,
    /// Pieces of what was removed, if they were searched for.
    taint: Option<Taint>,
}

/// Reads the finished output as if for the first time, and compares its trees with the input's. For an attestation,
/// looks at the file, too, besides the disk in it, and computes its SHA-256.
fn judge(
    args: &CleanArgs,
    input: &Arc<dyn BlockRead>,
    output: &OutputFile,
    format: OutputFormat,
    plan: &Plan,
    search: Option<Search<'_>>,
) -> Result<Judged> {
    let options = OpenOptions { format: Some(file_format(format)), ..OpenOptions::default() };
    let image = block::open_file(file_of(output)?, &options)?;
    let written: Arc<dyn BlockRead> = Arc::new(Cached::new(Arc::clone(&image.device)));
    let attests = args.attest.attest.is_some();
    let options = verify::Options {
        sector_size: args.input.sector_size,
        keep_opaque: args.policy.opaque == Some(OpaqueArg::Keep),
        drop_unowned: args.policy.drop_unowned,
        content: args.verify == VerifyArg::Content,
        threads: workers(args.threads),
    };
    let taint = search.map(|Search { finished, found }| {
        // If the search is over already it has failed, and says so below.
        let _ = finished.send(Arc::clone(&written));
        found
    });
    // The witnesses share nothing but the device, so they can look at it at once.
    let (verdict, trees, file) = thread::scope(|scope| {
        let trees = scope.spawn(|| compare_trees(input, &written, plan, options.content));
        let file = attests.then(|| {
            scope.spawn(|| -> Result<_> {
                let left: Vec<_> = verify::container::examine(&image)?.findings().collect();
                Ok((left, attestation::sha256(output.file())?))
            })
        });
        let verdict = verify::judge(&written, options);
        (verdict, trees.join(), file.map(ScopedJoinHandle::join))
    });
    let mut verdict = verdict?;
    verdict.findings.extend(trees.unwrap_or_else(|panic| resume_unwind(panic))?);
    let file = file.map(|file| file.unwrap_or_else(|panic| resume_unwind(panic))).transpose()?;
    let (left, sha256) = file.unzip();
    verdict.findings.extend(left.into_iter().flatten());
    let taint = taint.map(|taint| taint.join().unwrap_or_else(|panic| resume_unwind(panic))).transpose()?;
    Ok(Judged { verdict, sha256, taint: taint.flatten() })
}

/// What the trees of the input and of the output do not have in common, the plan's edits apart.
fn compare_trees(
    input: &Arc<dyn BlockRead>,
    written: &Arc<dyn BlockRead>,
    plan: &Plan,
    content: bool,
) -> Result<Vec<verify::Finding>> {
    let mut findings = Vec::new();
    let mut before = Overlay::new(Arc::clone(input));
    for (index, volume) in plan.layout.volumes.iter().enumerate() {
        if !volume.content.has_tree() {
            continue;
        }
        filesystem::open_mut(Window::new(&mut before, &volume.extents)?, volume.content)?.recover()?;
        let before = filesystem::open(Window::new(&before, &volume.extents)?, volume.content)?;
        let after = filesystem::open(Window::new(written, &volume.extents)?, volume.content)?;
        let differences = verify::compare_trees(&*before, &*after, &expected(plan, index), content)?;
        findings.extend(
            differences
                .into_iter()
                .map(|difference| verify::Finding::NotRetained { volume: volume.number, difference }),
        );
    }
    Ok(findings)
}

/// What the plan lets differ in a volume.
fn expected(plan: &Plan, volume: usize) -> Expected {
    let mut expected = Expected::default();
    for made in plan.creations.iter().filter(|made| usize::from(made.volume) == volume) {
        expected.made.insert((made.parent, made.name.clone()), made.new.clone());
    }
    for edit in plan.edits.iter().filter(|edit| usize::from(edit.volume) == volume) {
        match edit.action {
            Action::Remove => {
                expected.gone.insert((edit.target.parent, edit.target.name.clone()));
            }
            Action::Create(_) => unreachable!("a rule that makes files has no edits"),
            Action::Truncate | Action::SwapFile => {
                expected.changed.insert(edit.target.inode);
            }
            Action::Edit(_) => {
                // The last of several edits has the final content.
                let content = edit.rewrite.as_ref().map(|rewrite| rewrite.content.clone());
                expected.rewritten.insert(edit.target.inode, content.unwrap_or_default());
            }
        }
    }
    expected
}

/// Bytes dropped in all, by class, over all volumes and the space outside them.
pub(crate) fn dropped(report: &Report) -> BTreeMap<&str, u64> {
    let mut sums = BTreeMap::new();
    let all = report.volumes.iter().map(|volume| &volume.dropped).chain([&report.outside]);
    for (class, bytes) in all.flatten() {
        *sums.entry(class.as_str()).or_default() += bytes;
    }
    sums
}
