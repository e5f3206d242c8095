//! Programs that run side by side: each one's output in one piece, as it ends; what took how long in a table at the end.
//! Each has its mounts to itself, where the system lets it. A filesystem stays mounted as long as it is in anybody's
//! namespace, and whoever makes a namespace while another test has one mounted would keep it from being written back.

use std::{
    fs::{self, File},
    io::{Read, Seek},
    path::Path,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::run::{Result, at};

/// Rows of the table.
const SLOWEST: usize = 20;

/// Commands that run one after the other, until one fails.
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) commands: Vec<Command>,
}

impl Job {
    pub(crate) fn new(name: impl Into<String>, command: Command) -> Self {
        Self { name: name.into(), commands: vec![command] }
    }
}

/// Tests that passed and failed.
#[derive(Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// What came of a job.
struct Outcome {
    name: String,
    tally: Tally,
    elapsed: Duration,
    /// Seconds of processors.
    used: f64,
}

/// Runs all of them in this order, one more at a time than there are processors, because most of them wait for programs and
/// mounts now and then. What they say is kept in `place`, too, which is emptied first.
pub(crate) fn run(jobs: Vec<Job>, place: &Path) -> Result<Tally> {
    let _ = fs::remove_dir_all(place);
    fs::create_dir_all(place).map_err(at(place))?;
    let (queue, outcomes) = (Mutex::new(jobs.into_iter()), Mutex::new(Vec::new()));
    let apart = &unshare();
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..=thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(job) = next() {
                    let (outcome, said) = finish(job, apart, place);
                    // The lock keeps the output of two apart.
                    let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                    println!("--> {}: {} s\n{said}", outcome.name, outcome.elapsed.as_secs());
                    outcomes.push(outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    show_slowest(&outcomes);
    let mut tally = Tally::default();
    outcomes.iter().for_each(|outcome| tally += outcome.tally);
    Ok(tally)
}

/// Runs a job. What it said comes with the outcome.
fn finish(job: Job, apart: &[&str], place: &Path) -> (Outcome, String) {
    let begun = Instant::now();
    let (mut tally, mut used, mut said) = (Tally::default(), 0.0, String::new());
    for (number, command) in job.commands.into_iter().enumerate() {
        let name = format!("{}.{number}", job.name.replace('/', "-"));
        match timed(&command, apart, place, &name) {
            Ok(ended) => {
                let mut counted = count(&ended.said);
                said += &ended.said;
                used += ended.used;
                // What does not compile, or is killed, prints no result.
                if !ended.success && counted.failed == 0 {
                    counted.failed = 1;
                }
                tally += counted;
            }
            Err(error) => {
                said += &format!("{error}\n");
                tally.failed += 1;
            }
        }
        if tally.failed > 0 {
            break;
        }
    }
    (Outcome { name: job.name, tally, elapsed: begun.elapsed(), used }, said)
}

/// How a command ended.
struct Ended {
    success: bool,
    said: String,
    used: f64,
}

/// What a command is run by to have its mounts to itself: nothing, if the system lets nobody.
fn unshare() -> &'static [&'static str] {
    const APART: &[&str] = &["unshare", "--mount", "--"];
    let can = Command::new(APART[0]).args([APART[1], "true"]).stderr(Stdio::null()).status();
    if can.is_ok_and(|status| status.success()) { APART } else { &[] }
}

/// Runs a command under time(1), with both of its outputs in one file.
fn timed(command: &Command, apart: &[&str], place: &Path, name: &str) -> Result<Ended> {
    let (log, times) = (place.join(format!("{name}.log")), place.join(format!("{name}.times")));
    let mut file =
        File::options().create(true).truncate(true).read(true).write(true).open(&log).map_err(at(&log))?;
    let (out, err) = (file.try_clone().map_err(at(&log))?, file.try_clone().map_err(at(&log))?);
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["--quiet", "--format=%U %S", "--output"]).arg(&times);
    timed.args(apart).arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        timed.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => timed.env(name, value),
            None => timed.env_remove(name),
        };
    }
    let status = timed.stdin(Stdio::null()).stdout(out).stderr(err).status();
    let status = status.map_err(|error| format!("/usr/bin/time could not run: {error}"))?;
    let mut said = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut said)).map_err(at(&log))?;
    let used = fs::read_to_string(&times).unwrap_or_default();
    let used = used.split_ascii_whitespace().filter_map(|word| word.parse::<f64>().ok()).sum();
    Ok(Ended { success: status.success(), said: String::from_utf8_lossy(&said).into_owned(), used })
}

/// Adds up the `test result:` lines.
fn count(said: &str) -> Tally {
    let mut tally = Tally::default();
    for counts in said.lines().filter_map(|line| line.strip_prefix("test result: ")) {
        tally.passed += number_before(counts, " passed");
        tally.failed += number_before(counts, " failed");
    }
    tally
}

/// The number in front of `word`.
fn number_before(text: &str, word: &str) -> u64 {
    let number = text.split(word).next().and_then(|before| before.rsplit(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Those that took longest, and those that failed.
fn show_slowest(outcomes: &[Outcome]) {
    let mut sorted: Vec<&Outcome> = outcomes.iter().collect();
    sorted.sort_by_key(|outcome| std::cmp::Reverse(outcome.elapsed));
    println!("{:>7} {:>7}  the slowest of {}", "seconds", "of CPU", outcomes.len());
    for outcome in sorted.iter().take(SLOWEST) {
        println!("{:>7} {:>7.0}  {}", outcome.elapsed.as_secs(), outcome.used, outcome.name);
    }
    for failed in sorted.iter().filter(|outcome| outcome.tally.failed > 0) {
        println!("{}: {} failed", failed.name, failed.tally.failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_tests_say() {
        let tally = count(
            "x\ntest result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured\ntest result: ok. 1 passed; 0 failed;",
        );
        assert_eq!((tally.passed, tally.failed), (13, 3));
    }

    #[test]
    #[allow(clippy::unwrap_used, reason = "a test may stop")]
    fn every_job_is_run_and_every_failure_counted() {
        let place = std::env::temp_dir().join(format!("diskscrub-jobs-{}", std::process::id()));
        let shell = |script: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]).current_dir("/").env("WORD", "passed");
            shell
        };
        let two = |scripts: [&str; 2]| Job { name: "two".to_owned(), commands: scripts.map(shell).into() };
        let jobs = vec![
            Job::new("a/good", shell("pwd; echo to stderr >&2; echo \"test result: ok. 2 $WORD; 0 failed\"")),
            Job::new("bad", shell("echo 'test result: FAILED. 1 passed; 2 failed'; exit 101")),
            Job::new("killed", shell("kill -9 $$")),
            Job::new("missing", Command::new("/no/such/program")),
            two(["exit 1", "echo 'test result: ok. 100 passed; 0 failed'"]),
            two(["true", "echo 'test result: ok. 10 passed; 0 failed'"]),
        ];
        let tally = run(jobs, &place).unwrap();
        let said = fs::read_to_string(place.join("a-good.0.log")).unwrap();
        fs::remove_dir_all(&place).unwrap();
        assert_eq!(said, "/\nto stderr\ntest result: ok. 2 passed; 0 failed\n");
        assert_eq!((tally.passed, tally.failed), (13, 5));
    }
}
