//! `diskscrub clean`: the main job. The output gets its name only when it is complete, verified and synced.
//!
//! Here is the copying mode; [`in_place`] is the other one. Both make and judge the same plan.

mod confirm;
mod in_place;
mod output_place;
mod outputs;
mod state;

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs::File,
    panic::resume_unwind,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc, OnceLock,
        mpsc::{SyncSender, sync_channel},
    },
    thread::{self, ScopedJoinHandle},
};

use ::audit::Guideline;
use batch::Commit;
use block::{
    BlockRead, Format, Image, ImageInfo, OutputFile, Overlay, Window, to_u64,
    write::{Compression, OutputFormat},
};
use filesystem::Result;
use report::allow::Key;
use sanitize::{Plan, Progress, Report, Stage};
use serde::Serialize;
use verify::{
    Verdict,
    taint::{Ahead, Taint},
};

pub(crate) use self::in_place::Overwritten;
use self::outputs::Outputs;
use super::{Input, batch::Order, policy, request, sector_size, selection_by, taint, workers};
use crate::{
    args::{CleanArgs, CompressArg, InputArgs, OpaqueArg, TaintArg, VerifyArg},
    attestation::{self, Attestation},
    bar::Bar,
    confine,
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
    /// How the image was overwritten, if it is its own output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) in_place: Option<Overwritten>,
    /// The row of a plan that this was done for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<Commit>,
}

/// Cleans an image.
pub(crate) fn run(args: &CleanArgs) -> Result<ExitCode, Failure> {
    match &args.row {
        Some(order) => super::batch::row(args, order),
        None if args.in_place => in_place::run(args),
        None => clean(args, None),
    }
}

/// Cleans an image into another, for a row of a plan if there is one.
pub(super) fn clean(args: &CleanArgs, row: Option<&Order>) -> Result<ExitCode, Failure> {
    let only_in_place = &args.overwriting;
    if only_in_place.overwrite.is_some() || only_in_place.discard || only_in_place.state.is_some() {
        return Err(Failure::usage("--overwrite, --discard and --state are for --in-place"));
    }
    // Read once: it may come through a pipe.
    let policy = policy(&args.policy.policy)?;
    let (selection, guideline) = (selection_by(&policy, &args.policy)?, Guideline::of_policy(policy.base()));
    row.map_or(Ok(()), |row| row.check(&selection))?;
    let input = Input::open(&args.input)?;
    let (device, files) = (input.device()?, input.files());
    let workers = workers(args.threads);
    let request = request(&args.input, &device, &args.policy, &selection, workers);
    let label = args.input.label();
    let input_failure = |error| Failure::image(&label, &error);

    let outputs = Outputs::create(args, &input, &device)?;
    let report_files = ReportFiles::create(&args.report, &outputs.unnamed(), &files)?;
    let begun = reports::new(report::Command::Clean, outputs.about())?;
    let taken: Vec<&OutputFile> = outputs.unnamed().into_iter().chain(report_files.files()).collect();
    let output = outputs.first().0.to_owned();
    let attestation = Attestation::prepare(&args.attest, &output, &taken, &files)?;
    let mut reach = input.reach();
    outputs.reach(&mut reach);
    confine::names(&mut reach, report_files.files().chain(attestation.iter().map(Attestation::file)));
    confine::files(reach);
    let bar = match row {
        Some(_) => Bar::told(),
        None => Bar::new(args.quiet || args.input.json),
    };
    let mut view = Overlay::new(Arc::clone(&device));
    let plan = input.steadily(|| sanitize::plan(&mut view, &request, &bar).map_err(input_failure))?;
    selection.check_accounts(&plan.users).map_err(Failure::usage)?;
    let path = outputs.label();
    let output_failure = |error| Failure::image(&path, &error);
    let writer = outputs.writer(&input, workers).map_err(output_failure)?;
    let (gone, index, ahead) = (OnceLock::new(), OnceLock::new(), Ahead::default());
    let copied = Cell::new(false);
    let work = || {
        thread::scope(|scope| {
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
                .map_err(|error| Failure::copying(&label, &path, &error))?;
            drop(view);
            copied.set(true);
            bar.stage(Stage::Verify, None);
            let judged = || {
                let (images, written) = outputs.written()?;
                // Of one disk: the command line sees to it.
                let file = args.attest.attest.is_some().then(|| (&images[0], outputs.first().1.handle()));
                judge(args, &device, &written, file, &plan, taint)
            };
            Ok((run, judged().map_err(output_failure)?))
        })
    };
    let outcome = input.steadily(work);
    let (run, Judged { verdict, sha256, taint }) = match outcome {
        Ok(outcome) => outcome,
        Err(failure) if copied.get() => return Err(outputs.spoil(failure)),
        Err(failure) => return Err(failure),
    };
    let clean = verdict.findings.is_empty();
    let remnants = taint.as_ref().map_or(0, |taint| taint.findings.len());
    drop(bar);
    let device_output = outputs.have_device();
    let sector_notes = outputs.sector_notes(&device, &plan.layout);
    match clean {
        true => outputs.publish()?,
        false => outputs.discard()?,
    }
    // From here on the output is there, and nothing that fails takes it away.
    let complete = |failure: Failure| match clean {
        true => failure.but(format_args!("{} is complete", path.display())),
        false => failure,
    };
    let met = clean && remnants == 0 && plan.undone.is_empty();
    let commit = row.map(|row| row.commit(clean.then_some(&*output), met)).transpose().map_err(complete)?;
    let report = CleanReport {
        run,
        policy_name: args.policy.policy.clone(),
        container: container_notes(&args.input, &input, &plan).into_iter().chain(sector_notes).collect(),
        verdict,
        undone: plan.undone.len(),
        taint,
        in_place: None,
        batch: commit,
    };
    let about = input.about(&args.input);
    let original = match row {
        Some(row) => reports::image(row.input(), input.first().info.format, about.size),
        None => about,
    };
    let whole = reports::clean(begun, original, &report, &plan);
    // Last: it is the mark that all is done.
    report_files.write(&whole).map_err(complete)?;
    // Nobody who has an attestation alone would learn of remnants, or of what the policy asked for in vain.
    if let Some(attestation) = attestation.filter(|_| met) {
        let facts = attestation::Facts::of(&report, &plan, args, whole.started);
        let sha256 = sha256.expect("it was computed, as an attestation is asked for");
        let reports = report_files.digests().map_err(complete)?;
        attestation.publish(&output, &sha256, &facts, reports).map_err(complete)?;
    }
    report_files.name().map_err(complete)?;
    if args.input.json {
        output::print_json(&report::json(&whole))?;
    } else {
        let mut text = human::clean(&report, &args.output);
        if clean {
            text.push_str(&audit_hint(args, guideline, &args.output));
        }
        output::show(&text)?;
    }
    match shortcoming(clean, remnants, plan.undone.len()) {
        Some(_) if !clean && device_output => {
            output::message("the output did not pass verification: the device holds no image");
            Ok(ExitCode::from(FINDINGS))
        }
        Some(sentence) => {
            output::message(&sentence);
            Ok(ExitCode::from(FINDINGS))
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Why the exit code is 1, if it is: of an output that is `clean` or was not written.
fn shortcoming(clean: bool, remnants: usize, undone: usize) -> Option<String> {
    if !clean {
        return Some("the output did not pass verification and was not written".to_owned());
    }
    if remnants > 0 {
        let pieces = human::count(to_u64(remnants), "piece");
        return Some(format!(
            "the output was written, but holds {pieces} of removed files in files that stay"
        ));
    }
    (undone > 0).then(|| {
        let files = human::count(to_u64(undone), "file");
        format!("the output was written, but {files} could not be made as the policy asks")
    })
}

/// After a policy that follows a guideline: the command that answers it, bullet by bullet.
fn audit_hint(args: &CleanArgs, guideline: Option<Guideline>, outputs: &[PathBuf]) -> String {
    let Some(guideline) = guideline else { return String::new() };
    let word = |path: &Path| human::shell_word(&path.display().to_string());
    // Several disks have no original that audit could be given, either.
    let (output, further) = outputs.split_first().expect("without --in-place, there is an output");
    let more = match further {
        [] => format!(" --original {}", word(&args.input.input)),
        further => further.iter().map(|path| format!(" --disk {}", word(path))).collect(),
    };
    let (image, policy) = (word(output), human::shell_word(&args.policy.policy));
    format!("How it stands with {guideline}: diskscrub audit {image}{more} --policy {policy}\n")
}

fn output_format(args: &CleanArgs, output: &Path, info: &ImageInfo) -> Result<OutputFormat, Failure> {
    let compression = match args.compress {
        None => Compression::None,
        Some(CompressArg::Zstd) => Compression::Zstd,
        Some(CompressArg::Deflate) => Compression::Deflate,
    };
    let device = block::is_device(output);
    let format = args.output_format.map_or(if device { Format::Raw } else { info.format }, Format::from);
    if device && format != Format::Raw {
        return Err(Failure::usage(format_args!(
            "{}: is a device, which holds a raw disk: leave --output-format out",
            output.display()
        )));
    }
    let extension = output.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    // What is never written; but a raw disk may have such a name already.
    let foreign = matches!(extension, "vmdk" | "vdi" | "vhd" | "vhdx" | "qed" | "ova")
        && args.input.input.extension() != output.extension();
    let named_qcow2 = extension == "qcow2" && format == Format::Raw;
    if args.output_format.is_none() && !device && (foreign || named_qcow2) {
        let other = if named_qcow2 { "qcow2, or raw if that" } else { "raw or qcow2, whichever" };
        return Err(Failure::usage(format_args!(
            "{}: the output would be {format}, as the input is: add --output-format {other} is meant",
            output.display()
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

/// What there is to say of the images' files, and of disks that were joined.
fn container_notes(args: &InputArgs, input: &Input, plan: &Plan) -> Vec<String> {
    let of_image = |info: &ImageInfo| -> Vec<String> {
        let snapshots = info
            .snapshots
            .iter()
            .map(|snapshot| format!("internal snapshot {} dropped", block::printable(&snapshot.name)));
        let bitmaps = info.bitmaps.iter().map(|name| format!("bitmap {} dropped", block::printable(name)));
        snapshots.chain(bitmaps).chain(info.notes.iter().cloned()).collect()
    };
    let paths: Vec<&Path> = args.paths().collect();
    let mut notes = super::input::further(&paths, &plan.layout);
    notes.extend(input.images().flat_map(|(_, image)| of_image(&image.info)));
    notes
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
/// looks at the `file`, too, besides the disk in it, and computes its SHA-256.
fn judge(
    args: &CleanArgs,
    input: &Arc<dyn BlockRead>,
    written: &Arc<dyn BlockRead>,
    file: Option<(&Image, &File)>,
    plan: &Plan,
    search: Option<Search<'_>>,
) -> Result<Judged> {
    let options = verify::Options {
        sector_size: sector_size(&args.input, input),
        keep_opaque: args.policy.opaque == Some(OpaqueArg::Keep),
        drop_unowned: args.policy.drop_unowned,
        content: args.verify == VerifyArg::Content,
        threads: workers(args.threads),
    };
    let taint = search.map(|Search { finished, found }| {
        // If the search is over already it has failed, and says so below.
        let _ = finished.send(Arc::clone(written));
        found
    });
    // The witnesses share nothing but the device, so they can look at it at once.
    let (verdict, trees, file) = thread::scope(|scope| {
        let trees = scope.spawn(|| compare_trees(input, written, plan, options.content));
        let file = file.map(|(image, file)| {
            scope.spawn(|| -> Result<_> {
                let left: Vec<_> = verify::container::examine(image)?.findings().collect();
                Ok((left, attestation::sha256(file)?))
            })
        });
        let verdict = verify::judge(written, options);
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
    for (index, volume) in (0..).zip(&plan.layout.volumes) {
        if !volume.content.has_tree() {
            continue;
        }
        super::input::replay(&mut before, volume)?;
        let before = filesystem::open(Window::new(&before, &volume.extents)?, volume.content)?;
        let after = filesystem::open(Window::new(written, &volume.extents)?, volume.content)?;
        let differences = verify::compare_trees(&*before, &*after, &plan.expected(index), content)?;
        findings.extend(
            differences
                .into_iter()
                .map(|difference| verify::Finding::NotRetained { volume: volume.number, difference }),
        );
    }
    Ok(findings)
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
