//! `diskscrub clean --in-place`: the disk is its own output.
//!
//! The disk that will be is judged before a byte is changed: what would not pass is not begun. Then the intent log says
//! what is written. A run that died is finished from its log, never planned anew, and says what the first one would
//! have said. In the end the whole disk, read past the system's memory, has the digest of what was judged.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::ExitCode,
    sync::{Arc, OnceLock, mpsc::sync_channel},
    thread,
};

use block::{BlockRead, Cached, DirectRead, Format, Image, Medium, OutputFile, Overlay, Target};
use report::allow::Key;
use sandbox::Reach;
use sanitize::{
    Digest, Plan, Progress, Request, Stage,
    in_place::{Cleaned, Failed, Intended, IntentLog, Orders, Pass, Passes, Totals, clean_view, intend},
};
use serde::{Deserialize, Serialize};
use verify::taint::Ahead;

use super::{
    CleanReport, Judged, Search, confirm, judge, shortcoming,
    state::{Found, State},
};
use crate::{
    args::{CleanArgs, TaintArg},
    attestation::{self, Attestation, Facts},
    bar::Bar,
    commands::{open_image, request, selection, taint, workers},
    confine,
    failure::{FINDINGS, Failure},
    human, output,
    reports::{self, Rendered, ReportFiles},
};

/// How an image was overwritten.
#[derive(Debug, Serialize)]
pub(crate) struct Overwritten {
    /// What it was overwritten with.
    #[serde(rename = "overwrite")]
    pub(crate) passes: Passes,
    /// Whether storage was given back.
    pub(crate) discard: bool,
    /// How much was written.
    #[serde(flatten)]
    pub(crate) totals: Totals,
}

/// What the log keeps for this command: a run that is resumed ends with the words of the first.
#[derive(Serialize, Deserialize)]
struct Note {
    /// What was asked for, which has to be asked for again.
    asked: Asked,
    /// The command line that asked, for whoever does not remember it.
    command: String,
    /// The report in every format.
    rendered: Rendered,
    /// Why the exit code is 1, if it will be.
    shortcoming: Option<String>,
    /// What an attestation says, if there is nothing against one.
    facts: Option<Facts>,
}

/// What makes two runs the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Asked {
    policy: String,
    passes: Passes,
    discard: bool,
    opaque: Option<String>,
    drop_unowned: bool,
}

/// What both a first run and one that is resumed need.
struct Run<'a> {
    args: &'a CleanArgs,
    path: &'a Path,
    target: Target,
    asked: Asked,
    bar: Bar,
    reports: ReportFiles,
    attestation: Option<Attestation>,
}

/// Cleans an image where it lies.
pub(super) fn run(args: &CleanArgs) -> Result<ExitCode, Failure> {
    let path = args.input.input.as_path();
    let selection = selection(&args.policy)?;
    let asked = Asked {
        policy: selection.digest(),
        passes: passes(args.overwriting.overwrite.as_ref())?,
        discard: args.overwriting.discard,
        opaque: args.policy.opaque.map(|what| format!("{what:?}")),
        drop_unowned: args.policy.drop_unowned,
    };
    confirm::can_ask(args.overwriting.yes, path)?;
    // Claimed before it is read: what is planned on does not change any more.
    let target = Target::open(path).map_err(|error| Failure::target(path, error))?;
    // What there is to know of it is asked first, for the question can count as a change.
    let block = target.medium().map_err(|error| Failure::output(path, &error))?.discard_block();
    let image = open_image(&args.input)?;
    if image.info.format != Format::Raw {
        return Err(Failure::usage(format_args!(
            "{}: is {}, whose old clusters would stay in the file: clean it into a new one, with -o instead of --in-place",
            path.display(),
            image.info.format
        )));
    }
    let state = State::of(args.overwriting.state.as_deref(), &target)?;
    let reports = ReportFiles::create(&args.report, &[], &image.info.files)?;
    if args.attest.attest.is_some() && args.attest.attest_output.is_none() && target.is_device() {
        return Err(Failure::usage(format_args!(
            "{}: is a device: --attest-output has to say where its attestation goes",
            path.display()
        )));
    }
    let taken: Vec<&OutputFile> = reports.files().collect();
    let attestation = Attestation::prepare(&args.attest, path, &taken, &image.info.files)?;
    let mut reach = Reach::default();
    confine::device(&mut reach, path);
    confine::names(&mut reach, taken.into_iter().chain(attestation.iter().map(Attestation::file)));
    reach.make_in(state.directory());
    confine::files(reach);
    let bar = Bar::new(args.quiet || args.input.json);
    let run = Run { args, path, target, asked, bar, reports, attestation };
    if let Some(found) = state.find(&image.device)? {
        return run.resume(found);
    }
    let device: Arc<dyn BlockRead> = Arc::new(Cached::new(Arc::clone(&image.device)));
    let request = request(&args.input, &device, &args.policy, &selection, workers(args.threads));
    let mut view = Overlay::new(Arc::clone(&device));
    let plan = sanitize::plan(&mut view, &request, &run.bar).map_err(|error| Failure::image(path, &error))?;
    selection.check_accounts(&plan.users).map_err(Failure::usage)?;
    run.begin(&image, &device, view, &plan, &request, &state, block)
}

impl Run<'_> {
    /// A first run: judges what will be, writes the log, and carries it out.
    #[expect(clippy::too_many_arguments, reason = "each is a stage's result")]
    fn begin(
        self,
        image: &Image,
        device: &Arc<dyn BlockRead>,
        view: Overlay<Arc<dyn BlockRead>>,
        plan: &Plan,
        request: &Request<'_>,
        state: &State,
        block: Option<u64>,
    ) -> Result<ExitCode, Failure> {
        let Asked { passes, discard, .. } = self.asked.clone();
        let failed = |error| Failure::output(self.path, &error);
        let orders = Orders::new(passes.clone(), discard).map_err(failed)?;
        if discard && block.is_none() {
            return Err(Failure::usage(format_args!("{}: cannot discard", self.path.display())));
        }
        let begun =
            reports::new(report::Command::Clean, reports::image(self.path, Format::Raw, self.target.size()))?;
        let target = self.target.id().map_err(failed)?;
        let log_file =
            OutputFile::create(state.own(), false, &[target]).map_err(|error| Failure::naming(&error))?;
        let log_failure = |error| Failure::output(state.own(), &error);
        log_file.file().set_permissions(Permissions::from_mode(0o600)).map_err(log_failure)?;
        let cleaned =
            clean_view(view, plan, request, &self.bar).map_err(|error| Failure::image(self.path, &error))?;
        let ((intended, mut run), judged) =
            self.intend(device, cleaned, plan, request, &orders, block, &log_file)?;
        run.notes.push(promise(self.target.is_device()));
        let remnants = judged.taint.as_ref().map_or(0, |taint| taint.findings.len());
        let clean = judged.verdict.findings.is_empty();
        let report = CleanReport {
            run,
            policy_name: self.args.policy.policy.clone(),
            container: Vec::new(),
            verdict: judged.verdict,
            undone: plan.undone.len(),
            taint: judged.taint,
            in_place: clean.then(|| Overwritten { passes, discard, totals: intended.totals() }),
            batch: None,
        };
        let original = reports::image(self.path, Format::Raw, device.size());
        let whole = reports::clean(begun, original, &report, plan);
        let rendered = Rendered::new(&whole, human::clean(&report, &[self.path.to_owned()]));
        self.bar.clear();
        if !clean {
            self.reports.write(&rendered)?;
            self.reports.name()?;
            rendered.print(self.args.input.json)?;
            output::message("the image would not pass verification and was not changed");
            return Ok(ExitCode::from(FINDINGS));
        }
        confirm::ask(self.args.overwriting.yes, human::question(&report, self.path))?;
        let shortcoming = shortcoming(clean, remnants, plan.undone.len());
        let facts = shortcoming.is_none().then(|| Facts::of(&report, plan, self.args, whole.started));
        let note = Note { asked: self.asked.clone(), command: command_line(), rendered, shortcoming, facts };
        let json = serde_json::to_value(&note).expect("the note is plain data");
        intended.finish(json).map_err(log_failure)?;
        // Somebody who asks for no lock may have written to it, now or while the question was open.
        if image.changed().map_err(failed)?.is_some() {
            return Err(Failure::changed(self.path));
        }
        log_file.publish().map_err(|error| Failure::naming(&error))?;
        // From here on the run can be resumed. What is carried out is what the disk has, not what was meant.
        let log = fs::File::open(state.own()).map_err(log_failure)?;
        let log = IntentLog::open(log).map_err(|error| log_failure(std::io::Error::other(error)))?;
        self.carry_out(Found { path: state.own().to_owned(), log }, note)
    }

    /// Compares the disk with what it will be, into the log, and judges the latter.
    #[expect(clippy::too_many_arguments, reason = "each is a stage's result")]
    fn intend(
        &self,
        device: &Arc<dyn BlockRead>,
        cleaned: Cleaned,
        plan: &Plan,
        request: &Request<'_>,
        orders: &Orders,
        block: Option<u64>,
        log: &OutputFile,
    ) -> Result<((Intended, sanitize::Report), Judged), Failure> {
        let cleaned = Arc::new(cleaned);
        let written: Arc<dyn BlockRead> = Arc::new(Cached::new(Arc::clone(&cleaned)));
        let out = log.file().try_clone().map_err(|error| Failure::output(log.path(), &error))?;
        let (gone, index, ahead) = (OnceLock::new(), OnceLock::new(), Ahead::default());
        thread::scope(|scope| {
            let taint = (self.args.taint == TaintArg::On).then(|| {
                let (finished, output) = sync_channel(1);
                let (gone, index, ahead) = (&gone, &index, &ahead);
                let search = move || {
                    let found = taint::gone(device, plan)?;
                    let made = gone.get_or_init(|| found).index()?;
                    let index = index.get_or_init(|| made);
                    let Ok(output) = output.recv() else { return Ok(None) };
                    taint::search(index, ahead, &output, &Key::random()?, request.workers).map(Some)
                };
                Search { finished, found: scope.spawn(search) }
            });
            let watching = taint::Watching { shown: &self.bar, index: &index, ahead: &ahead };
            let intended = intend(&cleaned, plan, request, orders, block, out, &watching)
                .map_err(|error| Failure::image(self.path, &error))?;
            self.bar.stage(Stage::Verify, None);
            let judged = judge(self.args, device, &written, None, plan, taint);
            Ok((intended, judged.map_err(|error| Failure::image(self.path, &error))?))
        })
    }

    /// Finishes what an earlier run began.
    fn resume(self, found: Found) -> Result<ExitCode, Failure> {
        let log = found.path.display().to_string();
        let note = Note::deserialize(&found.log.meta().note).map_err(|_| {
            Failure::usage(format_args!("{log}: was not written by this version of diskscrub"))
        })?;
        if note.asked != self.asked {
            return Err(Failure::usage(format_args!(
                "{log}: the run that was not finished had another policy or other options: {}",
                note.command
            )));
        }
        output::message(&format!("finishing the run that {log} speaks of"));
        let name = self.path.display();
        confirm::ask(
            self.args.overwriting.yes,
            format_args!("{name}: an earlier run was not finished; it will be."),
        )?;
        self.carry_out(found, note)
    }

    /// Changes the disk, sees that it is what was judged, reports, and removes the log.
    fn carry_out(self, found: Found, note: Note) -> Result<ExitCode, Failure> {
        let (path, log) = (self.path, found.path.display().to_string());
        let again = format!("the same command finishes it (its intent log is {log})");
        let io = |error| Failure::output(path, &error).but(&again);
        let mut medium = self.target.medium().map_err(io)?;
        found.log.carry_out(&mut medium, &self.bar).map_err(|error| failed(path, &error).but(&again))?;
        drop(medium);
        self.bar.stage(Stage::Verify, None);
        let disk = DirectRead::new(self.target.file()).map_err(io)?;
        if Digest::of(&disk).map_err(io)?.hex() != found.log.meta().output {
            let failure = Failure::output(path, &std::io::Error::other("does not read as what was written"));
            return Err(failure.but(&again));
        }
        let signing = self.attestation.zip(note.facts);
        let sha256 =
            signing.is_some().then(|| attestation::sha256(self.target.file())).transpose().map_err(io)?;
        drop(self.bar);
        let complete = |failure: Failure| failure.but(format_args!("{} is complete", path.display()));
        self.reports.write(&note.rendered).map_err(complete)?;
        if let Some(((attestation, facts), sha256)) = signing.zip(sha256) {
            let reports = self.reports.digests().map_err(complete)?;
            attestation.publish(path, &sha256, &facts, reports).map_err(complete)?;
        }
        self.reports.name().map_err(complete)?;
        note.rendered.print(self.args.input.json)?;
        let log_path = found.path.clone();
        found.remove().map_err(|error| complete(Failure::output(&log_path, &error)))?;
        match note.shortcoming {
            Some(sentence) => {
                output::message(&sentence);
                Ok(ExitCode::from(FINDINGS))
            }
            None => Ok(ExitCode::SUCCESS),
        }
    }
}

/// The command line of this process, for a shell.
fn command_line() -> String {
    let words = std::env::args_os().map(|word| human::shell_word(&word.to_string_lossy()).to_string());
    words.collect::<Vec<_>>().join(" ")
}

/// The passes that were asked for, and always zeros in the end: a free inode of random bytes is no free inode to e2fsck,
/// and what is not live has to be zero.
fn passes(asked: Option<&Passes>) -> Result<Passes, Failure> {
    match asked {
        None => Ok("zero".parse().expect("it is a pass")),
        Some(passes) if passes.last() == Pass::Random => {
            format!("{passes},{}", Pass::Zero).parse().map_err(Failure::usage)
        }
        Some(passes) => Ok(passes.clone()),
    }
}

fn failed(path: &Path, error: &Failed) -> Failure {
    Failure::output(path, &std::io::Error::other(error.to_string()))
}

/// What overwriting can and cannot promise; docs/in-place.md has the sources.
fn promise(device: bool) -> String {
    let below = if device { "the device" } else { "the filesystem and the disk below the file" };
    format!(
        "overwritten in place: no read of this disk shows what went (Clear, in the words of NIST SP 800-88); flash, \
         thin storage and snapshots may keep older copies that {below} cannot reach, and a new snapshot or image holds \
         none of them (docs/in-place.md)"
    )
}
