//! `diskscrub batch run`: the rows of a plan, several at a time.
//!
//! There is no queue but the list of rows, and no lock: a row is done if its report says so, whoever wrote it. A run that
//! is stopped, in whatever way, leaves rows that are done and rows that are not; the next one does the others. Between two
//! runs of the same rows at a time the later one wins, and both write the same bytes.

use std::{
    cmp::Reverse,
    fs, io,
    path::Path,
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use batch::{Failure as Reason, Plan, Row, State, Summary, SummaryRow, beside, look};
use block::{FileId, OutputFile};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::{
    VERSION,
    budget::{Budget, Share},
    child::{End, Task},
    read_plan, settings, state,
};
use crate::{
    args::{BatchRunArgs, ShardArg},
    bar::Shelf,
    failure::{AGAIN, BUG, FINDINGS, Failure, IO, USAGE},
    output,
};

/// Cleans what is not done yet.
pub(super) fn run(args: &BatchRunArgs) -> Result<ExitCode, Failure> {
    let plan = read_plan(&args.plan)?;
    settings::check(&plan.header)?;
    batch::check_files(&plan.rows).map_err(Failure::usage)?;
    let shard = shard(args, plan.header.shards)?;
    let mut rows: Vec<&Row> = plan.rows_of(shard).collect();
    let scratch = args.scratch.as_deref();
    if let Some(directory) = scratch.filter(|directory| !directory.is_dir()) {
        return Err(Failure::usage(format_args!("{}: is no directory", directory.display())));
    }
    let budget = Budget::new(args, scratch.unwrap_or(Path::new(&plan.header.out)))?;
    let stop = stop().map_err(|error| Failure::again(format_args!("signals cannot be watched: {error}")))?;
    // The largest first, so that no large one is alone at the end.
    rows.sort_by_key(|row| Reverse(row.stamp.size));
    let size = rows.iter().map(|row| row.stamp.size).fold(0, u64::saturating_add);
    let batch = Batch { args, plan: &plan, stop, shelf: Shelf::new(args.quiet, size), worst: Mutex::new(0) };
    let cramped = batch.several(&rows, budget);
    // Who needed more than a share gets all, once nobody else takes any.
    for row in cramped {
        batch.row(row, budget.whole, true);
    }
    batch.shelf.finish();
    let (stopped, worst) =
        (batch.is_stopped(), batch.worst.into_inner().unwrap_or_else(PoisonError::into_inner));
    let rows = plan.rows_of(shard).map(|row| {
        let beside = look(row);
        SummaryRow::new(row, state(row, &beside, false), &beside)
    });
    let summary = Summary::new(&plan, VERSION, rows.collect());
    match args.json {
        true => output::print_json(&summary)?,
        false if args.quiet => {}
        false => output::show(&batch::human(&summary))?,
    }
    let left = summary.rows.iter().any(|row| !row.state.is_final());
    if stopped && left {
        output::message("stopped: what is done stays done, and another run does the rest");
    }
    Ok(ExitCode::from(if stopped && left { AGAIN } else { worst }))
}

fn shard(args: &BatchRunArgs, shards: u32) -> Result<Option<u32>, Failure> {
    match args.shard {
        None => Ok(None),
        Some(ShardArg::Auto) => {
            batch::shard_of(shards, &|name| std::env::var(name).ok()).map(Some).map_err(Failure::usage)
        }
        Some(ShardArg::Number(shard)) if shard < shards => Ok(Some(shard)),
        Some(ShardArg::Number(shard)) => {
            Err(Failure::usage(format_args!("--shard is {shard}, and the plan has {shards}, from 0 on")))
        }
    }
}

/// Set as soon as somebody wants this process to end: a scheduler (SIGTERM), a person (SIGINT), a terminal (SIGHUP).
fn stop() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// What all rows share.
struct Batch<'a> {
    args: &'a BatchRunArgs,
    plan: &'a Plan,
    stop: Arc<AtomicBool>,
    shelf: Shelf,
    /// The exit code so far. Codes are ordered as they are meant: the higher, the more can another run change.
    worst: Mutex<u8>,
}

impl Batch<'_> {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Does rows in several threads; gives back those whose share was too small.
    fn several<'r>(&self, rows: &[&'r Row], budget: Budget) -> Vec<&'r Row> {
        let jobs = budget.jobs.min(rows.len()).max(1);
        let (next, cramped, share) = (AtomicUsize::new(0), Mutex::new(Vec::new()), budget.share(jobs));
        thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if self.row(row, share, jobs == 1) {
                            cramped.lock().unwrap_or_else(PoisonError::into_inner).push(*row);
                        }
                    }
                });
            }
        });
        cramped.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a row, unless it is done. True: it needs more than its share; never if that is all that there is.
    fn row(&self, row: &Row, share: Share, whole: bool) -> bool {
        if self.is_stopped() {
            return false;
        }
        let task = Task { header: &self.plan.header, row, share, scratch: self.args.scratch.as_deref() };
        // Of a row that is done, too: a killed run may have left something just before it was.
        task.sweep();
        let now = look(row);
        let found = state(row, &now, false);
        let again = self.args.again && !matches!(found, State::Clean);
        if found.is_final() && !again {
            self.tell(row, code(&found), "done before: ", found.word(), found.reason());
            return false;
        }
        let code = match self.prepare(row, &now) {
            Ok(()) => {
                let bar = self.shelf.row(&row.id);
                let end = task.attempt(&self.stop, &|told| bar.show(told));
                drop(bar);
                task.sweep();
                match end {
                    End::Stopped => return false,
                    End::Cramped(..) if !whole => return true,
                    End::Failed(code, reason) | End::Cramped(code, reason) => self.failed(row, code, &reason),
                    End::Reported => {
                        let found = state(row, &look(row), false);
                        match found {
                            State::Clean | State::Findings { .. } => {
                                self.tell(row, code(&found), "", found.word(), found.reason());
                                return false;
                            }
                            _ => {
                                self.failed(row, BUG, &format!("its report is not right: {}", found.reason()))
                            }
                        }
                    }
                }
            }
            // Nothing was touched, so nothing is noted: the rows that the plan has are not what is there.
            Err(Unready::Changed(reason)) => {
                self.tell(row, USAGE, "", "failed", &reason);
                return false;
            }
            Err(Unready::Io(error)) => self.failed(row, IO, &error),
        };
        self.tell(row, code.0, "", "failed", &code.1);
        false
    }

    /// Sees to it that the row can begin: its input is the plan's, and what is not of this run is gone.
    fn prepare(&self, row: &Row, now: &batch::Beside) -> Result<(), Unready> {
        match &now.input {
            Some(stamp) if *stamp == row.stamp => {}
            Some(_) => {
                let why = "the input changed after the plan was made: make the plan again";
                return Err(Unready::Changed(why.to_owned()));
            }
            None => {
                let why = fs::metadata(row.input()).err().map_or_else(String::new, |error| error.to_string());
                return Err(Unready::Changed(format!("{}: {why}", row.input)));
            }
        }
        let io = |path: &Path, error: &io::Error| Unready::Io(format!("{}: {error}", path.display()));
        let parent = row.output().parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent).map_err(|error| io(parent, &error))?;
        // The mark first: from here on the row is not done, whenever this ends.
        let names = beside(row.output());
        for path in [&names.report, &names.failure, row.output()] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(path, &error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Notes why a row has no output, for the summary.
    fn failed(&self, row: &Row, code: u8, reason: &str) -> (u8, String) {
        let failure = Reason::new(row, VERSION, code, reason);
        let path = beside(row.output()).failure;
        let text = output::json(&failure);
        let inputs: Vec<FileId> = fs::metadata(row.input()).iter().map(FileId::from).collect();
        let written = OutputFile::create(&path, true, &inputs).and_then(|file| {
            io::Write::write_all(&mut file.file(), text.as_bytes())?;
            file.publish()
        });
        match written {
            Ok(()) => (code, reason.to_owned()),
            // On a full disk, there is no room for this either.
            Err(error) => (code, format!("{reason}; and that could not be noted: {error}")),
        }
    }

    /// Says what became of a row, and lets it count.
    fn tell(&self, row: &Row, code: u8, when: &str, word: &str, reason: &str) {
        let mut worst = self.worst.lock().unwrap_or_else(PoisonError::into_inner);
        *worst = code.max(*worst);
        drop(worst);
        self.shelf.done(row.stamp.size);
        if self.args.quiet && code == 0 {
            return;
        }
        let colon = if reason.is_empty() { "" } else { ": " };
        self.shelf.say(&format!("{}: {when}{word}{colon}{reason}", row.id));
    }
}

/// Why a row cannot begin.
enum Unready {
    /// The input is not what the plan speaks of.
    Changed(String),
    /// The place of the output cannot be used.
    Io(String),
}

fn code(state: &State) -> u8 {
    match state {
        State::Clean => 0,
        State::Findings { .. } => FINDINGS,
        State::Failed { code, .. } => *code,
        State::Stale { .. } | State::Missing => AGAIN,
    }
}
